namespace Diff

open System.Reflection
open System.Text.RegularExpressions
open FSharp.Reflection

/// The scalar functions that act index by index. What each one means is a row of Ops/Elementwise.fs.
[<RequireQualifiedAccess>]
type internal Fn =
    | Neg
    | Abs
    | Sign
    | Exp
    | Log
    | Log1p
    | Expm1
    | Sqrt
    | Sin
    | Cos
    | Tan
    | Tanh
    | Sigmoid
    | Softplus
    | Relu
    | Not
    | Add
    | Sub
    | Mul
    | Div
    | Pow
    | Max
    | Min
    | Equal
    | NotEqual
    | Less
    | LessEqual
    | Greater
    | GreaterEqual
    | And
    | Or
    | Where
    // Elementary functions (Ops/SpecialRows.fs)
    | Cbrt
    | Log2
    | Log10
    | Exp2
    | Asin
    | Acos
    | Atan
    | Sinh
    | Cosh
    | Asinh
    | Acosh
    | Atanh
    /// 1 − x², the derivatives of some of those before.
    | OneMinusSquare
    | Atan2
    | Hypot
    /// x/√(x² + y²), the derivative of hypot.
    | Direction
    | Logaddexp
    | Sinc
    /// The derivative of sinc of an order: the first operand, a constant.
    | SincDerivative
    // Steps
    | Floor
    | Ceil
    | Round
    | Trunc
    | Fmod
    // Error functions; the Gaussian is e^(−c·x²) of c and x
    | Erf
    | Erfc
    | Erfcx
    | ErfcxDerivative
    | Erfinv
    | Ndtr
    | LogNdtr
    | Gaussian
    // Gamma and beta functions; derivatives with respect to parameters have their orders, constants, as first operands
    | Lgamma
    | Digamma
    | Polygamma
    | GammaDensity
    | Gammainc
    | Gammaincc
    | GammaincDerivative
    | Lbeta
    | BetaDensity
    | Betainc
    | BetaincDerivative

/// What must be known of a scalar function where nodes are made. The default is right for a new function of floats.
[<RequireQualifiedAccess>]
module internal Fn =
    /// The position of a function among all.
    let tag =
        FSharpValue.PreComputeUnionTagReader(typeof<Fn>, BindingFlags.NonPublic ||| BindingFlags.Public)

    let private cases =
        FSharpType.GetUnionCases(typeof<Fn>, BindingFlags.NonPublic ||| BindingFlags.Public)

    /// Every scalar function.
    let all: Fn[] =
        let make case =
            FSharpValue.MakeUnion(case, [||], BindingFlags.NonPublic ||| BindingFlags.Public)
        cases |> Array.map (make >> nonNull >> unbox)

    let private names =
        let snake (name: string) =
            Regex.Replace(name, "(?<!^)([A-Z])", "_$1").ToLowerInvariant()
        Array.map (fun (c: UnionCaseInfo) -> snake c.Name) cases

    /// The name in messages and listings: the word of the vocabulary in small letters.
    let name (fn: Fn) = names[tag fn]

    /// Whether the value is bool whatever the operands are.
    let isComparison =
        function
        | Fn.Equal
        | Fn.NotEqual
        | Fn.Less
        | Fn.LessEqual
        | Fn.Greater
        | Fn.GreaterEqual -> true
        | _ -> false

    /// What the operands have to be, None if they may be.
    let refuses fn (dtype: DType) =
        match fn with
        | Fn.Where -> None
        | _ when DType.isHalf dtype -> Some "a type that is computed with"
        | Fn.Equal
        | Fn.NotEqual -> None
        | Fn.Not
        | Fn.And
        | Fn.Or -> if dtype = DType.Bool then None else Some "bool"
        | Fn.Neg
        | Fn.Abs
        | Fn.Sign
        | Fn.Add
        | Fn.Sub
        | Fn.Mul
        | Fn.Div
        | Fn.Fmod
        | Fn.Max
        | Fn.Min
        | Fn.Less
        | Fn.LessEqual
        | Fn.Greater
        | Fn.GreaterEqual -> if dtype <> DType.Bool then None else Some "numbers"
        | _ ->
            if DType.isFloat dtype then
                None
            else
                Some "float32 or float64"
