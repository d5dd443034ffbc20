/// Variance, norms and their like: values, conventions, precision.
module StatisticsTests

open System
open Xunit
open Diff
open Diff.Testing

let private floats (e: Expr) =
    let v = eval e in List.init v.Length v.Float
let private near tolerance (expected: float list) (actual: float list) =
    Assert.True(
        expected.Length = actual.Length
        && List.forall2
            (fun (e: float) a ->
                e = a
                || (Double.IsNaN e && Double.IsNaN a)
                || abs (e - a) <= tolerance * max 1.0 (abs e))
            expected
            actual,
        $"expected {expected}, got {actual}"
    )
let private of1 (values: float list) =
    tensor "x" [ values.Length ] (Array.ofList values)

[<Fact>]
let ``variance and standard deviation over axes`` () =
    let x = tensor "x" [ 2; 3 ] [| 1.0; 2.0; 6.0; -1.0; 0.0; 4.0 |]
    near 1e-15 [ 14.0 / 3.0; 14.0 / 3.0 ] (floats (varOver 0 [ 1 ] x))
    near 1e-15 [ 7.0; 7.0 ] (floats (varKeeping 1 [ -1 ] x))
    Assert.Equal<int list>([ 2; 1 ], List.ofArray (varKeeping 1 [ -1 ] x).Shape.Dims)
    near 1e-15 [ 1.0; 1.0; 1.0 ] (floats (varOver 0 [ 0 ] x))
    near 1e-15 [ 17.0 / 3.0 ] (floats (var 0 x))
    near 1e-15 [ sqrt 7.0; sqrt 7.0 ] (floats (stdOver 1 [ 1 ] x))
    near 1e-15 [ sqrt (34.0 / 5.0) ] (floats (std 1 x))
    near 1e-15 [ nan ] (floats (var 1 (of1 [ 5.0 ])))
    near 1e-15 [ nan ] (floats (var 0 (of1 [])))

[<Fact>]
let ``of equal numbers the deviation is 0 with derivative 0, the variance has slope 0`` () =
    for values in
        [ [ 1.0; 1.0; 1.0 ]
          [ 0.1; 0.1; 0.1 ]
          List.replicate 10 (1.0 / 3.0)
          [ 1e300; 1e300 ] ] do
        let x = of1 values
        for y in [ std 0 x; var 0 x; std 1 x ] do
            Assert.Equal<float list>([ 0.0 ], floats y)
            Assert.True(floats (grad y x) |> List.forall ((=) 0.0))
        Assert.True(floats (standardize 0 [] x) |> List.forall ((=) 0.0))
        Assert.True(floats (grad (sum (standardize 0 [] x * x)) x) |> List.forall ((=) 0.0))

[<Fact>]
let ``an offset costs no digits`` () =
    near 1e-15 [ 30.0 ] (floats (var 1 (of1 [ 1e9 + 4.0; 1e9 + 7.0; 1e9 + 13.0; 1e9 + 16.0 ])))
    // Numbers around 1000 in float32.
    let source = Random 5
    let noise =
        Array.init 5000 (fun _ -> 1000.0f + float32 (source.NextDouble() * 2.0 - 1.0))
    let exact =
        let mean = noise |> Array.averageBy float
        (noise |> Array.sumBy (fun v -> (float v - mean) ** 2.0)) / 5000.0
    let got = (eval (var 0 (tensor "x" [ 5000 ] noise))).Float 0
    Assert.InRange(got / exact, 1.0 - 1e-6, 1.0 + 1e-6)
    let of32 = tensor "x" [ 3 ] [| 1e4f + 0.5f; 1e4f; 1e4f - 0.5f |]
    near 1e-7 [ 1.0 / 6.0 ] (floats (var 0 of32))
    near 1e-6 [ 1.0 / 3.0; 0.0; -1.0 / 3.0 ] (floats (grad (var 0 of32) of32))

[<Fact>]
let ``long sums of float32`` () =
    let many = full [ 20_000_000 ] DType.Float32 1.0
    Assert.Equal(2e7, (eval (sum (many * tensor "one" [ 1 ] [| 1.0f |]))).Float 0)
    Assert.Equal(2e7, (eval (sum (tensor "ones" [ 20_000_000 ] (Array.create 20_000_000 1.0f)))).Float 0)
    let tenths = tensor "x" [ 10_000_000 ] (Array.create 10_000_000 0.1f)
    let m = (eval (mean tenths)).Float 0
    Assert.InRange(m / float 0.1f, 1.0 - 1e-6, 1.0 + 1e-6)

[<Fact>]
let ``norms, of large and small numbers too`` () =
    for scale in [ 1.0; 1e200; 1e-200; 1e308; 5e-324 * 1e10 ] do
        let x = of1 [ 0.3 * scale; -0.4 * scale ]
        let ratio (e: Expr) = (eval e).Float 0 / scale * 10.0
        if scale > 1e-300 then
            Assert.Equal(5.0, ratio (norm x), 14)
            Assert.Equal(7.0, ratio (pNorm 1.0 x), 14)
            Assert.Equal(4.0, ratio (pNorm infinity x), 14)
            Assert.Equal(91.0 ** (1.0 / 3.0), ratio (pNorm 3.0 x), 13)
        near 1e-9 [ 0.6; -0.8 ] (floats (grad (norm x) x))
    let x = of1 [ 1.0; 2.0; 2.0 ]
    let h = hessian (norm x) x
    near
        1e-15
        [ for i in 0..2 do
              for j in 0..2 do
                  let v = [ 1.0; 2.0; 2.0 ] in ((if i = j then 9.0 else 0.0) - v[i] * v[j]) / 27.0 ]
        (floats h)
    let m = tensor "m" [ 2; 2 ] [| 3.0; 4.0; 0.0; 0.0 |]
    near 1e-15 [ 5.0; 0.0 ] (floats (normOver [ 1 ] m))
    near 1e-15 [ 3.0; 4.0 ] (floats (normKeeping [ 0 ] m))
    near 1e-15 [ 0.6; 0.8; 0.0; 0.0 ] (floats (grad (sum (normOver [ 1 ] m)) m))

[<Fact>]
let ``the derivatives of every norm at 0 are 0, of the second order too`` () =
    let x = of1 [ 0.0; 0.0 ]
    for p in [ 1.0; 1.5; 2.0; 3.0; infinity ] do
        let y = pNorm p x
        Assert.Equal<float list>([ 0.0 ], floats y)
        Assert.Equal<float list>([ 0.0; 0.0 ], floats (grad y x))
        Assert.Equal<float list>([ 0.0; 0.0 ], floats (grad (sum (grad y x)) x))
    Assert.Equal<float list>([ 0.0 ], floats (norm (of1 [])))
    Assert.Equal(infinity, (eval (norm (of1 [ 1.0; -infinity ]))).Float 0)

[<Fact>]
let ``layer normalisation, standardisation, covariance`` () =
    let x = tensor "x" [ 2; 4 ] [| 3.0; 3.0; 3.0; 3.0; 1.0; 2.0; 3.0; 4.0 |]
    let y = layerNorm 1e-5 x
    let s = sqrt (1.25 + 1e-5)
    near 1e-14 [ 0.0; 0.0; 0.0; 0.0; -1.5 / s; -0.5 / s; 0.5 / s; 1.5 / s ] (floats y)
    let weights = tensor "w" [ 4 ] [| 1.0; 2.0; 3.0; 4.0 |]
    let g = floats (grad (sum (y * weights)) x)
    near 1e-12 [ for w in [ -1.5; -0.5; 0.5; 1.5 ] -> w / sqrt 1e-5 ] (List.take 4 g)
    near 1e-14 [ -1.5; -0.5; 0.5; 1.5 ] (floats (standardize 0 [] (of1 [ 1.0; 2.0; 3.0; 4.0 ]) * sqrt 1.25))
    let data = tensor "d" [ 3; 2 ] [| 1e9 + 1.0; 2.0; 1e9 + 2.0; 4.0; 1e9 + 3.0; 9.0 |]
    near 1e-14 [ 1.0; 3.5; 3.5; 13.0 ] (floats (covariance 1 data))
    Assert.Equal<int list>([ 5; 2; 2 ], List.ofArray (covariance 1 (broadcastTo [ 5; 3; 2 ] data)).Shape.Dims)

[<Fact>]
let ``derivatives agree with differences`` () =
    let points = Generators.spread 7 (-2.0, 2.0) [ 3; 4 ]
    for name, f in
        [ "var", (fun x -> sum (varOver 1 [ 0 ] x * varOver 0 [ 0 ] x))
          "std", (fun x -> sum (stdOver 1 [ 1 ] x))
          "norm", (fun x -> sum (normOver [ 0 ] x))
          "norm of 3", (fun x -> sum (pNormOver 3.0 [ 1 ] x))
          "standardize", (fun x -> sum (standardize 1 [ 1 ] x * square x))
          "layer_norm", (fun x -> sum (layerNorm 1e-3 x * square x))
          "covariance", (fun x -> sum (square (covariance 1 x))) ] do
        let report = Diff.Check.Gradients(Func<Expr, Expr>(f), points)
        Assert.NotEmpty report.Comparisons
        for c in report.Comparisons do
            Assert.True(c.Digits >= 8.0, $"{name}: {c}")

[<Fact>]
let ``messages name the operation, what was given and what to do`` () =
    let says (text: string) f =
        Assert.Contains(text, (Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore)).Message)
    let x, n = of1 [ 1.0; 2.0 ], tensor "n" [ 2 ] [| 1; 2 |]
    says "var: expected float32 or float64, got int32; cast it" (fun () -> var 0 n)
    says "std: expected ddof of 0 or more, got -1" (fun () -> std -1 x)
    says "norm: expected p of 1 or more, got 0.5" (fun () -> pNorm 0.5 x)
    says "var: expected at least one axis, got none" (fun () -> varOver 0 [] x)
    says "layer_norm: expected epsilon of 0 or more, got -1" (fun () -> layerNorm -1.0 x)
    says "covariance: expected observations of shape" (fun () -> covariance 0 x)
    says "axis" (fun () -> varOver 0 [ 3 ] x)

[<Fact>]
let ``an element −∞ weighs nothing beside others, and one +∞ is NaN alone, in first derivatives`` () =
    let weights (xs: float list) =
        tensor "w" [ xs.Length ] (Array.ofList xs)
    for f in
        [ logsumexp
          (fun x -> sum (square (softmax 0 x)))
          (fun x -> at 0 0 (logSoftmax 0 x)) ] do
        let derivatives (xs: float list) (ws: float list) =
            let x = weights xs
            let g = grad (f x) x
            [| g; grad (sum (g * weights ws)) x |]
            |> Array.map (fun e -> (eval e).ToArray<float>())
        let expected = derivatives [ 1.0; 2.0 ] [ 3.0; -1.0 ]
        let found = derivatives [ 1.0; -infinity; 2.0 ] [ 3.0; 5.0; -1.0 ]
        for order in 0..1 do
            Assert.Equal(0.0, found[order][1])
            Assert.Equal(expected[order][0], found[order][0], 1e-15)
            Assert.Equal(expected[order][1], found[order][2], 1e-15)
    for f in [ logsumexp; norm ] do
        let x = weights [ 1.0; infinity; 2.0 ]
        Assert.Equal<float[]>([| 0.0; nan; 0.0 |], (eval (grad (f x) x)).ToArray<float>())
