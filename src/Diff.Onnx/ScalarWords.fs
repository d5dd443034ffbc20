namespace Diff

open System

/// Scalar functions of ONNX and what computes them here: a word of the vocabulary where there is one, else an operation made of a
/// function of the platform and its derivative as a graph.
[<RequireQualifiedAccess>]
module internal ScalarWords =
    /// erf by its series of positive terms (Abramowitz and Stegun 1964, 7.1.6) and, for large x, 1 − erfc by the continued
    /// fraction 7.1.14.
    let private erf (x: float) : float =
        let a = abs x
        if Double.IsNaN x then
            x
        elif a < 2.5 then
            let mutable term, sum, n = a, a, 0
            while term > 1e-17 * sum do
                n <- n + 1
                term <- term * 2.0 * a * a / float (2 * n + 1)
                sum <- sum + term
            Math.CopySign(2.0 / sqrt Math.PI * exp (-a * a) * sum, x)
        elif a > 6.0 then
            Math.CopySign(1.0, x)
        else
            let mutable fraction = a
            for k in 60..-1..1 do
                fraction <- a + float k / 2.0 / fraction
            Math.CopySign(1.0 - exp (-a * a) / (sqrt Math.PI * fraction), x)

    let private flat (x: Expr) (_: Expr) = Expr.ZerosLike x

    /// Name in ONNX, the word's name here, function and derivative.
    let private table: (string * string * (float -> float) * (Expr -> Expr -> Expr)) list =
        [ "Asin", "asin", (fun x -> Math.Asin x), (fun x _ -> 1.0 / sqrt (1.0 - x * x))
          "Acos", "acos", (fun x -> Math.Acos x), (fun x _ -> -1.0 / sqrt (1.0 - x * x))
          "Atan", "atan", (fun x -> Math.Atan x), (fun x _ -> 1.0 / (1.0 + x * x))
          "Sinh", "sinh", (fun x -> Math.Sinh x), (fun x _ -> (exp x + exp (-x)) * 0.5)
          "Cosh", "cosh", (fun x -> Math.Cosh x), (fun x _ -> (exp x - exp (-x)) * 0.5)
          "Asinh", "asinh", (fun x -> Math.Asinh x), (fun x _ -> 1.0 / sqrt (x * x + 1.0))
          "Acosh", "acosh", (fun x -> Math.Acosh x), (fun x _ -> 1.0 / (sqrt (x - 1.0) * sqrt (x + 1.0)))
          "Atanh", "atanh", (fun x -> Math.Atanh x), (fun x _ -> 1.0 / (1.0 - x * x))
          "Erf", "erf", erf, (fun x _ -> exp (-(x * x)) * (2.0 / sqrt Math.PI))
          "Floor", "floor", (fun x -> Math.Floor x), flat
          "Ceil", "ceil", (fun x -> Math.Ceiling x), flat
          "Round", "round", (fun x -> Math.Round(x, MidpointRounding.ToEven)), flat ]

    let private direct =
        [ "Neg", "neg"
          "Abs", "abs"
          "Sign", "sign"
          "Exp", "exp"
          "Log", "log"
          "Sqrt", "sqrt"
          "Sin", "sin"
          "Cos", "cos"
          "Tan", "tan"
          "Tanh", "tanh"
          "Sigmoid", "sigmoid"
          "Softplus", "softplus"
          "Relu", "relu"
          "Not", "not"
          "Add", "add"
          "Sub", "sub"
          "Mul", "mul"
          "Div", "div"
          "Pow", "pow"
          "Max", "max"
          "Min", "min"
          "Equal", "equal"
          "Less", "less"
          "LessOrEqual", "less_equal"
          "Greater", "greater"
          "GreaterOrEqual", "greater_equal"
          "And", "and"
          "Or", "or"
          "Where", "where" ]

    let private own =
        dict
            [ for onnx, word, value, derivative in table do
                  onnx, Custom.scalar word value derivative ]

    /// The word with a name, if the vocabulary has it.
    let tryWord (name: string) : Fn option =
        Fn.all |> Array.tryFind (fun fn -> Fn.name fn = name)

    /// A function of one argument that the table names.
    let unary (onnx: string) (x: Expr) : Expr =
        match table |> List.tryFind (fun (name, _, _, _) -> name = onnx) with
        | Some(_, word, _, _) ->
            match tryWord word with
            | Some fn -> Expr.Map(fn, [| x |])
            | None -> Custom.apply own[onnx] [| x |]
        | None ->
            let _, word = List.find (fun (name, _) -> name = onnx) direct
            Expr.Map((tryWord word).Value, [| x |])

    /// The operation of ONNX that a word is.
    let onnxOf (fn: Fn) : string option =
        let name = Fn.name fn
        let known = direct @ (table |> List.map (fun (onnx, word, _, _) -> onnx, word))
        known |> List.tryFind (fun (_, word) -> word = name) |> Option.map fst

    /// The operation of ONNX that an operation from `unary` is.
    let onnxOfOwn (op: Extension) : string option =
        own
        |> Seq.tryFind (fun entry -> obj.ReferenceEquals(entry.Value, op))
        |> Option.map _.Key
