namespace Diff

open Diff.Kernels

/// Scalar functions that the platform lacks or gets wrong near a point, in float64.
[<RequireQualifiedAccess>]
module internal Special =
    /// log(1 + x), accurate near 0.
    let log1p (x: float) = ScalarMath.Log1p x

    /// eˣ − 1, accurate near 0.
    let expm1 (x: float) = ScalarMath.Expm1 x

    /// 1 / (1 + e⁻ˣ), without overflow on either side.
    let sigmoid (x: float) = ScalarMath.Sigmoid x

    /// log(1 + eˣ), without overflow.
    let softplus (x: float) = ScalarMath.Softplus x

    /// −1, 0 or 1; keeps NaN and the sign of zero.
    let sign (x: float) = ScalarMath.Sign x
