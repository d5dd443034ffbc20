namespace Diff

open System

/// Operations of ONNX index by index.
[<RequireQualifiedAccess>]
module internal Pointwise =
    let private one (f: Expr -> Expr) : NodeImport = fun node -> [ f (node.Input 0) ]
    let private two (f: Expr -> Expr -> Expr) : NodeImport =
        fun node -> [ f (node.Input 0) (node.Input 1) ]
    let private like (x: Expr) (value: float) = Expr.Full(value, Shape.Scalar, x.DType)
    let private zero (x: Expr) = like x 0.0

    /// Functions of ONNX before opset 7 are not loaded, so shapes always broadcast.
    let private variadic (f: Expr -> Expr -> Expr) : NodeImport =
        fun node ->
            match node.Inputs with
            | [] -> node.Fail "expected at least one input, got none"
            | inputs -> [ List.reduce f inputs ]

    let private clipped: NodeImport =
        fun node ->
            let x = node.Input 0
            let bound i (wins: Expr -> Expr -> Expr) name (x: Expr) =
                let limit =
                    if node.Opset >= 11 then
                        node.TryInput i
                    elif node.Has name then
                        ValueSome(like x (node.Float(name, 0.0)))
                    else
                        ValueNone
                match limit with
                | ValueNone -> x
                // The derivative at a bound is the inside's.
                | ValueSome limit -> where (wins x limit) limit x
            [ x |> bound 1 less "min" |> bound 2 greater "max" ]

    let private elu (alpha: float) (x: Expr) =
        // The exponent is kept from growing where the other branch is taken.
        where (greater x 0.0) x (alpha * expm1 (minimum x (zero x)))

    let private geluBy (approximate: string) (x: Expr) =
        match approximate with
        | "tanh" ->
            let inner = Math.Sqrt(2.0 / Math.PI) * (x + 0.044715 * (x * x * x))
            0.5 * x * (1.0 + tanh inner)
        | _ -> gelu x

    let private castTo (node: NodeContext) (x: Expr) (code: int) =
        match OnnxType.half code, OnnxType.dtype code with
        // Rounded as it would be stored; what follows is computed in float32.
        | Some half, _ ->
            cast DType.Float32 (cast half (if DType.isFloat x.DType then x else cast DType.Float32 x))
        | None, Some dtype -> cast dtype x
        | None, None -> node.Fail $"a cast to {OnnxType.name code} is not supported"

    let private xor (x: Expr) (y: Expr) = notEqual x y

    let table: (string * NodeImport) list =
        [ for name in
              [ "Neg"
                "Abs"
                "Sign"
                "Exp"
                "Log"
                "Sqrt"
                "Sin"
                "Cos"
                "Tan"
                "Tanh"
                "Sigmoid"
                "Softplus"
                "Not"
                "Asin"
                "Acos"
                "Atan"
                "Sinh"
                "Cosh"
                "Asinh"
                "Acosh"
                "Atanh"
                "Erf"
                "Floor"
                "Ceil"
                "Round" ] do
              name, one (ScalarWords.unary name)
          "Relu", one (fun x -> if DType.isFloat x.DType then relu x else maximum x (zero x))
          "Identity", one id
          "Reciprocal", one reciprocal
          "Softsign", one (fun x -> x / (1.0 + abs x))
          "IsNaN", one isNaN
          "IsInf",
          fun node ->
              let x = node.Input 0
              let is value = equal x (like x value)
              match node.Flag("detect_positive", true), node.Flag("detect_negative", true) with
              | true, true -> [ isInfinite x ]
              | true, false -> [ is Double.PositiveInfinity ]
              | false, true -> [ is Double.NegativeInfinity ]
              | false, false -> [ Expr.Full(0.0, x.Shape, DType.Bool) ]
          "Add", two (+)
          "Sub", two (-)
          "Mul", two (*)
          "Div", two (/)
          "Pow",
          two (fun x y ->
              let power (x: Expr) (y: Expr) = Expr.Map(Fn.Pow, [| x; y |])
              if DType.isFloat x.DType then
                  power x (cast x.DType y)
              else
                  cast x.DType (power (cast DType.Float64 x) (cast DType.Float64 y)))
          "Mod",
          fun node ->
              let rest = if node.Flag("fmod", false) then fmod else remainder
              [ rest (node.Input 0) (node.Input 1) ]
          "Max", variadic maximum
          "Min", variadic minimum
          "Sum", variadic (+)
          "Mean",
          fun node ->
              let inputs = node.Inputs
              variadic (+) node |> List.map (fun sum -> sum / float inputs.Length)
          "Equal", two equal
          "Less", two less
          "LessOrEqual", two lessEqual
          "Greater", two greater
          "GreaterOrEqual", two greaterEqual
          "And", two logicalAnd
          "Or", two logicalOr
          "Xor", two xor
          "Where", (fun node -> [ where (node.Input 0) (node.Input 1) (node.Input 2) ])
          "Clip", clipped
          "Cast",
          fun node ->
              node.Ignore "saturate"
              [ castTo node (node.Input 0) (node.Small("attribute to", node.Int("to", 0L))) ]
          "CastLike",
          fun node ->
              node.Ignore "saturate"
              [ cast (node.Input 1).DType (node.Input 0) ]
          "LeakyRelu",
          fun node ->
              let x, alpha = node.Input 0, node.Float("alpha", 0.01)
              [ where (less x 0.0) (alpha * x) x ]
          "PRelu", two (fun x slope -> where (less x 0.0) (slope * x) x)
          "Elu", (fun node -> [ elu (node.Float("alpha", 1.0)) (node.Input 0) ])
          "Celu",
          fun node ->
              let x, alpha = node.Input 0, node.Float("alpha", 1.0)
              [ maximum x (zero x) + alpha * expm1 (minimum x (zero x) / alpha) ]
          "Selu",
          fun node ->
              let alpha = node.Float("alpha", 1.67326319217681884765625)
              let gamma = node.Float("gamma", 1.05070102214813232421875)
              [ gamma * elu alpha (node.Input 0) ]
          "ThresholdedRelu",
          fun node ->
              let x, alpha = node.Input 0, node.Float("alpha", 1.0)
              [ where (greater x alpha) x (zero x) ]
          "HardSigmoid",
          fun node ->
              let alpha, beta = node.Float("alpha", 0.2), node.Float("beta", 0.5)
              [ clip 0.0 1.0 (alpha * node.Input 0 + beta) ]
          "HardSwish", one (fun x -> x * clip 0.0 1.0 (x / 6.0 + 0.5))
          "Mish", one (fun x -> x * tanh (softplus x))
          "Gelu", (fun node -> [ geluBy (node.Text("approximate", "none")) (node.Input 0) ])
          "Shrink",
          fun node ->
              let x = node.Input 0
              let bias, lambda = node.Float("bias", 0.0), node.Float("lambd", 0.5)
              let low = -lambda
              [ where (less x low) (x + bias) (where (greater x lambda) (x - bias) (zero x)) ]
          "Dropout",
          fun node ->
              node.Ignore "ratio"
              node.Ignore "seed"
              let x = node.Input 0
              let isTraining =
                  match node.TryInput 2 with
                  | ValueSome _ -> (node.Known 2).Float 0 <> 0.0
                  | ValueNone -> false
              if isTraining then
                  node.Fail "it is in training mode; only inference can be loaded"
              [ x
                if node.Wants 1 then
                    Expr.Full(1.0, x.Shape, DType.Bool) ] ]
