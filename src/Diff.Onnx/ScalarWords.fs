namespace Diff

/// Scalar functions of ONNX and the words of the vocabulary that they are.
[<RequireQualifiedAccess>]
module internal ScalarWords =
    let private words =
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
          "Where", "where"
          "Asin", "asin"
          "Acos", "acos"
          "Atan", "atan"
          "Sinh", "sinh"
          "Cosh", "cosh"
          "Asinh", "asinh"
          "Acosh", "acosh"
          "Atanh", "atanh"
          "Erf", "erf"
          "Floor", "floor"
          "Ceil", "ceil"
          "Round", "round" ]

    let private byName = dict [ for fn in Fn.all -> Fn.name fn, fn ]

    /// A function of one argument by its name in ONNX.
    let unary (onnx: string) (x: Expr) : Expr =
        let _, word = List.find (fun (name, _) -> name = onnx) words
        Expr.Map(byName[word], [| x |])

    /// The operation of ONNX that a word is.
    let onnxOf (fn: Fn) : string option =
        words |> List.tryFind (fun (_, word) -> word = Fn.name fn) |> Option.map fst
