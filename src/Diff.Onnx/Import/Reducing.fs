namespace Diff

open System

/// Operations of ONNX that sum, compare and contract.
[<RequireQualifiedAccess>]
module internal Reducing =
    /// A reduction whose axes are an input from some opset on.
    let private reduction fromOpset (f: bool -> int[] -> Expr -> Expr) : NodeImport =
        fun node ->
            let x = node.Input 0
            let keep = node.Flag("keepdims", true)
            let isNoop = node.Flag("noop_with_empty_axes", false)
            match node.Axes(1, fromOpset, x.Rank) with
            | ValueSome axes when axes.Length > 0 -> [ f keep axes x ]
            | _ when isNoop ->
                [ f true [| x.Rank |] (expandDims -1 x) |> reshape (List.ofArray x.Shape.Dims) ]
            | _ when x.Rank = 0 -> [ f false [| 0 |] (expandDims 0 x) ]
            | _ -> [ f keep [||] x ]

    let private norm1 keep axes x = sumAxes keep axes (abs x)
    let private sumOfSquares keep axes (x: Expr) = sumAxes keep axes (x * x)

    let private position extreme : NodeImport =
        fun node ->
            let x = node.Input 0
            let axis = node.Axis(node.Int("axis", 0L), x.Rank)
            let keep = node.Flag("keepdims", true)
            let isLast = node.Flag("select_last_index", false)
            let n = x.Shape[axis]
            let found =
                if isLast then
                    let turned = slice axis None None -1 x
                    Expr.op_Implicit (int64 (n - 1)) - Reduce.arg extreme axis turned
                else
                    Reduce.arg extreme axis x
            [ (if keep then expandDims axis found else found) ]

    /// Softmax and its like; before opset 13 over all axes from the given one on.
    let private along (f: int -> Expr -> Expr) : NodeImport =
        fun node ->
            let x = node.Input 0
            if node.Opset >= 13 then
                [ f (node.Axis(node.Int("axis", -1L), x.Rank)) x ]
            else
                let axis = node.Axis(node.Int("axis", 1L), x.Rank)
                let before = Array.fold (*) 1 x.Shape.Dims[.. axis - 1]
                let rows = reshape [ before; x.Shape.Length / max 1 before ] x
                [ f 1 rows |> reshape (List.ofArray x.Shape.Dims) ]

    let private hardmax axis (x: Expr) =
        let best = expandDims axis (argmax axis x)
        cast x.DType (equal (Leaf.iota x.Shape axis DType.Int64) best)

    let private cumsum: NodeImport =
        fun node ->
            let x = node.Input 0
            let axis = node.Axis((node.KnownInts 1)[0], x.Rank)
            [ cumsumWith axis (node.Flag("reverse", false)) (node.Flag("exclusive", false)) x ]

    let private gemm: NodeImport =
        fun node ->
            let oriented i name =
                let x = node.Input i
                if x.Rank <> 2 then
                    node.Fail $"input {i} is a matrix, got shape {x.Shape}"
                if node.Flag(name, false) then transpose x else x
            let scaled (factor: float) (x: Expr) = if factor = 1.0 then x else factor * x
            let product =
                matmul (oriented 0 "transA") (oriented 1 "transB")
                |> scaled (node.Float("alpha", 1.0))
            let beta = node.Float("beta", 1.0)
            match node.TryInput 2 with
            | ValueNone -> [ product ]
            | ValueSome c -> [ product + Expr.BroadcastTo(scaled beta c, product.Shape) ]

    let private topK: NodeImport =
        fun node ->
            let x = node.Input 0
            let axis = node.Axis(node.Int("axis", -1L), x.Rank)
            let count =
                if node.Opset >= 10 then
                    (node.KnownInts 1)[0]
                else
                    node.Int("k", -1L)
            let largest = node.Flag("largest", true)
            node.Ignore "sorted" // an order is as good as none
            let struct (values, places) = selected largest (node.Small("k", count)) axis x
            [ values; places ]

    /// Pairs or, with one number each, real parts; over so many of them, with zeros where there are not as many.
    let private dft: NodeImport =
        fun node ->
            let x = node.Input 0
            if x.Rank < 2 then
                node.Fail $"expected [..., signal, ..., 1 or 2], got shape {x.Shape}"
            let axis =
                let given =
                    if node.Opset >= 20 then
                        match node.TryInput 2 with
                        | ValueSome _ -> (node.KnownInts 2)[0]
                        | ValueNone -> -2L
                    else
                        node.Int("axis", 1L)
                node.Axis(given, x.Rank)
            let last = x.Rank - 1
            if axis = last || x.Shape[last] < 1 || x.Shape[last] > 2 then
                node.Fail
                    $"axis {axis} of shape {x.Shape}: the last axis holds one number or two, and is not transformed"
            let inverse, onesided = node.Flag("inverse", false), node.Flag("onesided", false)
            if inverse && onesided then
                node.Fail "an inverse of one side only is not supported"
            let pairs =
                if x.Shape[last] = 2 then
                    x
                else
                    concat last [ x; Expr.ZerosLike x ]
            let n =
                match node.TryInput 1 with
                | ValueSome _ -> node.Small("dft_length", (node.KnownInts 1)[0])
                | ValueNone -> x.Shape[axis]
            if n < 1 then
                node.Fail $"a transform of {n} numbers"
            let have = min n x.Shape[axis]
            let cut = slice axis None (Some have) 1 pairs
            let wide =
                pad (List.init x.Rank (fun k -> 0, (if k = axis then n - have else 0))) cut
            let y =
                moveAxis axis (last - 1) wide
                |> Transform.fourier "DFT" inverse
                |> moveAxis (last - 1) axis
            [ (if onesided then
                   slice axis None (Some(n / 2 + 1)) 1 y
               else
                   y) ]

    let table: (string * NodeImport) list =
        [ "ReduceSum", reduction 13 sumAxes
          "ReduceMean", reduction 18 meanAxes
          "ReduceMax", reduction 18 (extremeAxes Extreme.Max)
          "ReduceMin", reduction 18 (extremeAxes Extreme.Min)
          "ReduceProd", reduction 18 prodAxes
          "ReduceL1", reduction 18 norm1
          "ReduceL2", reduction 18 (normAxes 2.0)
          "ReduceSumSquare", reduction 18 sumOfSquares
          "ReduceLogSum", reduction 18 (fun keep axes x -> log (sumAxes keep axes x))
          "ReduceLogSumExp", reduction 18 logsumexpAxes
          "ArgMax", position Extreme.Max
          "ArgMin", position Extreme.Min
          "Softmax", along softmax
          "LogSoftmax", along logSoftmax
          "Hardmax", along hardmax
          "CumSum", cumsum
          "TopK", topK
          "DFT", dft
          "Det", (fun node -> [ det (node.Input 0) ])
          "MatMul", (fun node -> [ matmul (node.Input 0) (node.Input 1) ])
          "Gemm", gemm
          "Einsum", (fun node -> [ einsum (node.Text("equation", "")) node.Inputs ]) ]
