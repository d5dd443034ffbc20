namespace Diff

open System

/// Discrete Fourier transforms. A complex array is a real one whose last axis, of extent 2, holds real and imaginary parts; other axes are
/// counted without it. Transforms go forward as Σ x_j·exp(−2πi·jk/n), and back with exp(+2πi·jk/n) and 1/n. Any length will do.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module FourierTransforms =
    // ---- Complex numbers ------------------------------------------------------------------------------------------------

    let private isComplex operation (z: Expr) =
        if z.Rank = 0 || z.Shape[z.Rank - 1] <> 2 then
            raise (
                ShapeException
                    $"{operation}: expected complex numbers, pairs along a last axis of extent 2, got shape {z.Shape}; complexOf makes them of real and imaginary parts"
            )

    /// Complex numbers of real and imaginary parts, which broadcast.
    let complexOf (re: Expr) (im: Expr) : Expr =
        match Shape.tryBroadcast re.Shape im.Shape with
        | ValueSome shape -> stack -1 [ Expr.BroadcastTo(re, shape); Expr.BroadcastTo(im, shape) ]
        | ValueNone ->
            raise (
                ShapeException
                    $"complex: the shapes of real parts {re.Shape} and imaginary parts {im.Shape} do not broadcast"
            )

    /// The real parts of complex numbers.
    let realPart (z: Expr) : Expr =
        isComplex "real_part" z
        at -1 0 z
    /// The imaginary parts of complex numbers.
    let imaginaryPart (z: Expr) : Expr =
        isComplex "imaginary_part" z
        at -1 1 z

    /// The product of complex arrays, which broadcast.
    let complexMultiply (a: Expr) (b: Expr) : Expr =
        let ra, ia, rb, ib = realPart a, imaginaryPart a, realPart b, imaginaryPart b
        complexOf (ra * rb - ia * ib) (ra * ib + ia * rb)

    /// The complex conjugate.
    let conjugate (z: Expr) : Expr =
        complexOf (realPart z) (-imaginaryPart z)

    /// |z|² of complex numbers.
    let squaredMagnitude (z: Expr) : Expr =
        isComplex "squared_magnitude" z
        sumOver [ -1 ] (z * z)

    // ---- Transforms -----------------------------------------------------------------------------------------------------

    let internal transformed operation inverse (axes: int[]) (z: Expr) =
        isComplex operation z
        let outer = Shape z.Shape.Dims[.. z.Rank - 2]
        (z, Shape.axes operation outer axes)
        ||> Array.fold (fun z axis ->
            if axis = z.Rank - 2 then
                Transform.fourier operation inverse z
            else
                z |> swapAxes axis -2 |> Transform.fourier operation inverse |> swapAxes axis -2)

    let private last (z: Expr) = [| max 0 (z.Rank - 2) |]

    /// The transform of complex numbers along their last axis.
    let fft (z: Expr) : Expr = transformed "fft" false (last z) z
    /// The inverse transform of complex numbers along their last axis.
    let ifft (z: Expr) : Expr = transformed "ifft" true (last z) z
    /// The transform along the last two axes.
    let fft2 (z: Expr) : Expr = transformed "fft2" false [| -2; -1 |] z
    /// The inverse transform along the last two axes.
    let ifft2 (z: Expr) : Expr = transformed "ifft2" true [| -2; -1 |] z
    /// The transform along some axes; along all without any.
    let fftn (axes: int list) (z: Expr) : Expr =
        transformed "fftn" false (Array.ofList axes) z
    /// The inverse transform along some axes; along all without any.
    let ifftn (axes: int list) (z: Expr) : Expr =
        transformed "ifftn" true (Array.ofList axes) z

    let private hasAxis operation (x: Expr) =
        if x.Rank = 0 then
            raise (ShapeException $"{operation}: expected at least one axis, got a scalar")

    /// The first ⌊n/2⌋ + 1 complex coefficients of real numbers along the last axis; the others are their conjugates.
    let rfft (x: Expr) : Expr =
        hasAxis "rfft" x
        let n = x.Shape[x.Rank - 1]
        if n = 0 then
            raise (ShapeException $"rfft: the last axis of shape {x.Shape} has no elements")
        Transform.fourier "rfft" false (complexOf x (zerosLike x))
        |> slice -2 None (Some(n / 2 + 1)) 1

    /// The n real numbers that `rfft` makes ⌊n/2⌋ + 1 coefficients of. Where conjugates leave no choice (coefficient 0, and n/2 of an even n),
    /// imaginary parts are ignored.
    let irfft (n: int) (z: Expr) : Expr =
        isComplex "irfft" z
        if z.Rank < 2 || n < 1 || z.Shape[z.Rank - 2] <> n / 2 + 1 then
            raise (
                ShapeException
                    $"irfft: {n} real numbers have {n / 2 + 1} coefficients as pairs, got shape {z.Shape}; cut it or add zeros"
            )
        let mirrored =
            z |> slice -2 (Some 1) (Some(n - n / 2)) 1 |> flip [ -2 ] |> conjugate
        concat -2 [ z; mirrored ] |> Transform.fourier "irfft" true |> realPart

    /// The frequencies of the coefficients of a transform of n numbers a distance apart: 0, 1 … −2, −1, divided by n·spacing.
    let fftFrequencies (n: int) (spacing: float) (dtype: DType) : Expr =
        if n < 1 then
            invalidArg "n" $"fft_frequencies: expected a length of at least 1, got {n}"
        let number k =
            float (if k <= (n - 1) / 2 then k else k - n) / (float n * spacing)
        constant (NDArray.op_Implicit (Array.init n number)) |> cast dtype

    /// The next length with small prime factors only.
    let rec private fast n =
        let rec rest (m: int) p = if m % p = 0 then rest (m / p) p else m
        if rest (rest (rest n 2) 3) 5 = 1 then n else fast (n + 1)

    /// Σ_j x_j·k_{t−j} along the last axis for all t: m + n − 1 numbers, by transforms. Leading axes broadcast.
    /// Worth it beside `conv1d` from about a hundred elements of the kernel on.
    let fftConvolve (kernel: Expr) (x: Expr) : Expr =
        hasAxis "fft_convolve" x
        hasAxis "fft_convolve" kernel
        let m, n = x.Shape[x.Rank - 1], kernel.Shape[kernel.Rank - 1]
        if m = 0 || n = 0 then
            raise (
                ShapeException
                    $"fft_convolve: expected last axes with elements, got shapes {x.Shape} and {kernel.Shape}"
            )
        let size = fast (m + n - 1)
        let spectrum (e: Expr) =
            let widths = List.replicate (e.Rank - 1) (0, 0)
            rfft (pad (widths @ [ 0, size - e.Shape[e.Rank - 1] ]) e)
        complexMultiply (spectrum x) (spectrum kernel)
        |> irfft size
        |> slice -1 None (Some(m + n - 1)) 1
