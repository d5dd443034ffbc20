namespace Diff

open Diff.Kernels

/// The discrete Fourier transform of pairs of real and imaginary parts.
[<RequireQualifiedAccess>]
module internal Transform =
    /// [..., n, 2] to [..., n, 2]: Σ x_j·exp(−2πi·jk/n) along the axis before the last; the inverse has exp(+…) and 1/n.
    let fourier operation inverse (x: Expr) : Expr =
        if x.Rank < 2 || x.Shape[x.Rank - 1] <> 2 then
            raise (
                ShapeException
                    $"{operation}: expected complex numbers, pairs along a last axis of extent 2, got shape {x.Shape}; complexOf makes them of real and imaginary parts"
            )
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"{operation}: expected float32 or float64, got {DType.name x.DType}; cast it"
            )
        Expr(Op.Fourier inverse, [| x |], x.Shape, x.DType)

    /// The transpose of a complex matrix, as a real one on pairs, is its conjugate transpose: n times the inverse, or 1/n of the forward transform.
    let rule inverse : Rule =
        { Derivative =
            Linear(fun _ xs g ->
                let n = float (max 1 xs[0].Shape[xs[0].Rank - 2])
                let back = fourier "fft" (not inverse) g
                if inverse then back / n else back * n)
          Kernel =
            fun node ->
                let plan = Fourier node.Shape[node.Rank - 2]
                match node.DType with
                | DType.Float32 ->
                    Kernel(fun args result ->
                        plan.Run(args[0].Span<float32>(), result.Span<float32>(), inverse))
                | _ ->
                    Kernel(fun args result -> plan.Run(args[0].Span<float>(), result.Span<float>(), inverse))
          Batching = Stacked(Op.Fourier inverse) }
