namespace Diff

/// Turns in space.
[<AutoOpen; System.ComponentModel.EditorBrowsable(System.ComponentModel.EditorBrowsableState.Never)>]
module Rotations =
    // Σ (−s)ʲ/(2j + k)!, of which ten terms are enough up to s = 1 for derivatives too.
    let private series (k: int) (s: Expr) : Expr =
        let mutable factorial = 1.0
        let coefficients =
            [ for j in 0..9 do
                  for i in max 2 (2 * j + k - 1) .. 2 * j + k do
                      factorial <- factorial * float i
                  (if j % 2 = 0 then 1.0 else -1.0) / factorial ]
        coefficients
        |> List.rev
        |> List.map (fun c -> Expr.Full(c, Shape.Scalar, s.DType))
        |> List.reduce (fun sum c -> sum * s + c)

    /// The matrices that turn by |r| about the axis r (Rodrigues): [.., 3] → [.., 3, 3]. No turn has derivatives of every order too: the first
    /// of those is the matrix of the cross product with r.
    let rotationMatrix (r: Expr) : Expr =
        if r.Rank = 0 || r.Shape[r.Rank - 1] <> 3 then
            raise (
                ShapeException $"rotation_matrix: expected vectors of 3 in the last axis, got shape {r.Shape}"
            )
        if not (DType.isReal r.DType) then
            raise (
                DTypeException
                    $"rotation_matrix: expected float32 or float64, got {DType.name r.DType}; cast it"
            )
        let x, y, z = at -1 0 r, at -1 1 r, at -1 2 r
        let s = x * x + y * y + z * z
        // Functions of the square of the angle t, so that its root is not differentiated at 0: sin t / t and (1 − cos t) / t².
        let isSmall = less s (Expr.Full(1.0, Shape.Scalar, s.DType))
        let near, far = where isSmall s (zerosLike s), where isSmall (onesLike s) s
        let angle = sqrt far
        let a = where isSmall (series 1 near) (sin angle / angle)
        let b = where isSmall (series 2 near) (2.0 * square (sin (0.5 * angle)) / far)
        matrixOf
            [ [ 1.0 - b * (y * y + z * z); b * x * y - a * z; b * x * z + a * y ]
              [ b * x * y + a * z; 1.0 - b * (x * x + z * z); b * y * z - a * x ]
              [ b * x * z - a * y; b * y * z + a * x; 1.0 - b * (x * x + y * y) ] ]
