namespace Diff

open System

/// Special functions index by index. The sources of the algorithms stand at the head of src/Diff.Kernels/SpecialMath*.cs,
/// domains and bounds of errors in docs/mathematics.md.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module SpecialFunctions =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)

    /// The error function.
    let erf (x: Expr) : Expr = map Fn.Erf [ x ]
    /// 1 − erf(x), accurate where it is small.
    let erfc (x: Expr) : Expr = map Fn.Erfc [ x ]
    /// e^(x²)·erfc(x), which does not underflow.
    let erfcx (x: Expr) : Expr = map Fn.Erfcx [ x ]
    /// The inverse of erf on (−1, 1); infinite at ±1, NaN beyond.
    let erfinv (y: Expr) : Expr = map Fn.Erfinv [ y ]
    /// The normal distribution function Φ(x) = erfc(−x/√2)/2.
    let ndtr (x: Expr) : Expr = map Fn.Ndtr [ x ]
    /// log Φ(x), also where Φ underflows.
    let logNdtr (x: Expr) : Expr = map Fn.LogNdtr [ x ]

    /// log|Γ(x)|; infinite at 0, −1, −2 …
    let lgamma (x: Expr) : Expr = map Fn.Lgamma [ x ]
    /// The derivative of log Γ; NaN at −1, −2 …
    let digamma (x: Expr) : Expr = map Fn.Digamma [ x ]
    /// The derivative of order n of digamma.
    let polygamma (n: int) (x: Expr) : Expr =
        if n < 0 then
            invalidArg "n" $"polygamma: expected an order of 0 or more, got {n}"
        if n = 0 then
            digamma x
        else
            map Fn.Polygamma [ Expr.Full(float n, Shape.Scalar, x.DType); x ]

    /// log B(a, b) = lgamma(a) + lgamma(b) − lgamma(a + b) for a, b > 0, without the difference of large numbers.
    let lbeta (a: Expr) (b: Expr) : Expr = map Fn.Lbeta [ a; b ]
    /// B(a, b) for a, b > 0.
    let beta (a: Expr) (b: Expr) : Expr = exp (map Fn.Lbeta [ a; b ])

    /// The lower regularised incomplete gamma function P(a, x) for a, x ≥ 0, with derivatives with respect to both.
    let gammainc (a: Expr) (x: Expr) : Expr = map Fn.Gammainc [ a; x ]
    /// The upper one, Q(a, x) = 1 − P(a, x), accurate where it is small.
    let gammaincc (a: Expr) (x: Expr) : Expr = map Fn.Gammaincc [ a; x ]
    /// The regularised incomplete beta function for a, b > 0 and x in [0, 1], with derivatives with respect to all three.
    let betainc (a: Expr) (b: Expr) (x: Expr) : Expr = map Fn.Betainc [ a; b; x ]
