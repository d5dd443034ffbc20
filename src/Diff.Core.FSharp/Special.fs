namespace Diff

open System

/// Scalar functions that the platform lacks or gets wrong near a point, in float64.
[<RequireQualifiedAccess>]
module internal Special =
    /// log(1 + x), accurate near 0 (Goldberg 1991, theorem 4: the rounding error of 1 + x cancels in the quotient).
    let log1p (x: float) =
        let u = 1.0 + x
        if u = 1.0 then x
        elif Double.IsInfinity u then u
        else log u * (x / (u - 1.0))

    /// eˣ − 1, accurate near 0 (Kahan: the rounding error of eˣ cancels in the quotient).
    let expm1 (x: float) =
        let u = exp x
        if u = 1.0 then x
        elif u - 1.0 = -1.0 then -1.0
        elif Double.IsInfinity u then u
        else (u - 1.0) * (x / log u)

    /// 1 / (1 + e⁻ˣ), without overflow on either side.
    let sigmoid (x: float) =
        if x >= 0.0 then
            1.0 / (1.0 + exp -x)
        else
            let e = exp x
            e / (1.0 + e)

    /// log(1 + eˣ) = max(x, 0) + log1p(e^−|x|).
    let softplus (x: float) = Math.Max(x, 0.0) + log1p (exp -(abs x))

    /// −1, 0 or 1; keeps NaN and the sign of zero.
    let sign (x: float) =
        if x > 0.0 then 1.0
        elif x < 0.0 then -1.0
        else x
