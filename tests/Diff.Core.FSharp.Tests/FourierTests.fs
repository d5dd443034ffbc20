/// Transforms against the sums that define them.
module FourierTests

open System
open System.Numerics
open Xunit
open Diff
open Diff.Testing.Generators

let private numbers (n: int) seed =
    let source = Random seed
    Array.init n (fun _ -> Complex(source.NextDouble() * 2.0 - 1.0, source.NextDouble() * 2.0 - 1.0))

let private pairs (z: Complex[]) (dims: int list) =
    NDArray.Create(
        z |> Array.collect (fun c -> [| c.Real; c.Imaginary |]),
        Shape(Array.ofList (dims @ [ 2 ]))
    )

let private complexes (x: NDArray) =
    floats x |> Array.chunkBySize 2 |> Array.map (fun p -> Complex(p[0], p[1]))

/// Σ x_j·exp(±2πi·jk/n), with jk reduced modulo n so that the sum is good to the last digits.
let private naive inverse (z: Complex[]) =
    let n = z.Length
    let sign = if inverse then 2.0 else -2.0
    Array.init n (fun k ->
        let mutable sum = Complex.Zero
        for j in 0 .. n - 1 do
            let turn = sign * float (int64 j * int64 k % int64 n) / float n
            let struct (s, c) = Double.SinCosPi turn
            sum <- sum + z[j] * Complex(c, s)
        if inverse then sum / float n else sum)

let private norm (z: Complex[]) =
    sqrt (z |> Array.sumBy (fun c -> c.Real * c.Real + c.Imaginary * c.Imaginary))

let private distance a b =
    norm (Array.map2 (fun (x: Complex) y -> x - y) a b)

/// How many times more than one rounding error the error of a transform may be.
let private log2Of (n: int) = Math.Log2(float n) + 1.0

[<Fact>]
let ``transforms of every kind of length are their defining sums`` () =
    for n in
        [ yield! [ 0..64 ]
          77
          97
          128
          169
          243
          625
          961
          1000
          1009
          1024
          1369
          2047 ] do
        let z = numbers n n
        let x = variableOf "x" (pairs z [ n ])
        for inverse, f in [ false, fft; true, ifft ] do
            let expected = naive inverse z
            let actual = complexes (eval (f x))
            Assert.Equal(n, actual.Length)
            if n > 0 then
                let error = distance expected actual / norm expected
                Assert.True(error < 3e-15 * log2Of n, $"length {n}, inverse {inverse}: error {error}")

[<Fact>]
let ``long transforms keep the sum of squares, and come back`` () =
    for n in [ 4096; 30030; 65536; 65537; 100000 ] do
        let z = numbers n 3
        let x = variableOf "x" (pairs z [ n ])
        let y = fft x
        let transformed = complexes (eval y)
        Assert.Equal(norm z * sqrt (float n), norm transformed, 1e-12 * norm transformed)
        let back = complexes (eval (ifft y))
        Assert.True(distance z back / norm z < 1e-14, $"length {n}: {distance z back / norm z}")
        // One coefficient by its sum.
        let k = n / 3
        let one =
            Array.mapi
                (fun j c ->
                    let struct (s, c') =
                        Double.SinCosPi(-2.0 * float (int64 j * int64 k % int64 n) / float n)
                    c * Complex(c', s))
                z
            |> Array.fold (+) Complex.Zero
        Assert.True(Complex.Abs(one - transformed[k]) < 1e-11)

[<Fact>]
let ``the derivative is the adjoint, and the transform of a shift is a turn`` () =
    for n in [ 1; 2; 12; 13; 37; 74 ] do
        let x, g =
            variableOf "x" (pairs (numbers n 1) [ n ]), constant (pairs (numbers n 2) [ n ])
        for f in [ fft; ifft ] do
            let there, back = item (sum (f x * g)), item (sum (x * grad (sum (f x * g)) x))
            Assert.Equal(there, back, 1e-12 * float n)
            // Linear: the same derivative elsewhere, and none of second order.
            Assert.Equal(0.0, item (sum (abs (grad (sum (square (grad (sum (f x * g)) x))) x))))
        let shifted = complexes (eval (fft (roll 1 0 x)))
        let turned =
            complexes (eval (fft x))
            |> Array.mapi (fun k c ->
                c * Complex.FromPolarCoordinates(1.0, -2.0 * Math.PI * float k / float n))
        Assert.True(distance shifted turned < 1e-12 * float n)

[<Fact>]
let ``real numbers have half of the coefficients, and come back`` () =
    for n in [ 1..20 ] @ [ 97; 100 ] do
        let values = spread n (-1.0, 1.0) [ 2; n ]
        let x = variableOf "x" values
        let half = rfft x
        Assert.Equal(Shape [| 2; n / 2 + 1; 2 |], half.Shape)
        let whole = fft (complexOf x (zerosLike x))
        Assert.Equal<float>(floats (eval (slice -2 None (Some(n / 2 + 1)) 1 whole)), floats (eval half))
        let back = eval (irfft n half)
        Assert.Equal(values.Shape, back.Shape)
        Array.iter2 (fun (e: float) a -> Assert.Equal(e, a, 1e-14)) (floats values) (floats back)

[<Fact>]
let ``several axes, float32, and the frequencies`` () =
    let z = numbers 60 4
    let x = variableOf "x" (pairs z [ 3; 4; 5 ])
    let byLines (axis: int) (dims: int[]) (z: Complex[]) =
        let width = dims[axis + 1 ..] |> Array.fold (*) 1
        let result = Array.copy z
        for start in 0 .. z.Length / dims[axis] - 1 do
            let first = start / width * dims[axis] * width + start % width
            naive false (Array.init dims[axis] (fun t -> z[first + t * width]))
            |> Array.iteri (fun t v -> result[first + t * width] <- v)
        result
    let dims = [| 3; 4; 5 |]
    let two = z |> byLines 1 dims |> byLines 2 dims
    Assert.True(distance two (complexes (eval (fft2 x))) < 1e-13)
    Assert.True(distance (byLines 0 dims two) (complexes (eval (fftn [] x))) < 1e-13)
    Assert.True(distance (byLines 0 dims z) (complexes (eval (fftn [ 0 ] x))) < 1e-13)
    Assert.True(distance z (complexes (eval (ifft2 (fft2 x)))) < 1e-14)
    Assert.True(distance z (complexes (eval (ifftn [ -3; 1 ] (fftn [ 0; 1 ] x)))) < 1e-14)
    let single = fft (cast DType.Float32 x)
    Assert.Equal(DType.Float32, single.DType)
    Assert.True(distance (byLines 2 dims z) (complexes (eval single)) < 1e-5)
    Assert.Equal<float>([| 0.0; 0.5; 1.0; -1.0; -0.5 |], floats (eval (fftFrequencies 5 0.4 DType.Float64)))
    Assert.Equal<float>([| 0.0; 0.25; -0.5; -0.25 |], floats (eval (fftFrequencies 4 1.0 DType.Float64)))

[<Fact>]
let ``convolution by transforms is the sum of products`` () =
    for m, n in [ 1, 1; 5, 3; 3, 5; 100, 31; 64, 64 ] do
        let x, k = spread 1 (-1.0, 1.0) [ 2; m ], spread 2 (-1.0, 1.0) [ n ]
        let y = eval (fftConvolve (variableOf "k" k) (variableOf "x" x))
        Assert.Equal(Shape [| 2; m + n - 1 |], y.Shape)
        for line in 0..1 do
            for t in 0 .. m + n - 2 do
                let sum =
                    Seq.sum (
                        seq {
                            for j in max 0 (t - n + 1) .. min t (m - 1) do
                                x.Float(line * m + j) * k.Float(t - j)
                        }
                    )
                Assert.Equal(sum, y.Float(line * (m + n - 1) + t), 1e-13)

[<Fact>]
let ``errors name the operation and what was given`` () =
    let fails (fragments: string list) (f: unit -> Expr) =
        let e = Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore)
        for fragment in fragments do
            Assert.Contains(fragment, e.Message)
    let x = variableOf "x" (spread 1 (0.0, 1.0) [ 4; 3 ])
    fails [ "fft"; "(4, 3)"; "complexOf" ] (fun () -> fft x)
    fails [ "fft"; "int32" ] (fun () -> fft (cast DType.Int32 (slice 1 None (Some 2) 1 x)))
    fails [ "irfft"; "8 real numbers"; "5 coefficients"; "(4, 2)" ] (fun () ->
        irfft 8 (slice 1 None (Some 2) 1 x))
    fails [ "fft2"; "axis -2" ] (fun () -> fft2 (slice 1 None (Some 2) 1 x))
    fails [ "rfft"; "(4, 0)" ] (fun () -> rfft (slice 1 None (Some 0) 1 x))
