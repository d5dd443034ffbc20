/// What plans compute in another way than it is written: like terms of sums, polynomials of odd powers, sums of 1 and tanh, divisions by one number a row. Numbers that are not finite stay.
module LoopArithmeticTests

open System
open Xunit
open Diff
open Diff.Kernels

let private array (dtype: DType) (shape: int list) (values: float[]) =
    let shape = Shape(Array.ofList shape)
    if dtype = DType.Float32 then
        variableOf "x" (NDArray.Create(Array.map float32 values, shape))
    else
        variableOf "x" (NDArray.Create(values, shape))

let private floats (x: NDArray) = Array.init x.Length x.Float

let private run (tier: Tier) (roots: Expr[]) =
    let targets = roots |> Array.mapi (fun k _ -> Target.Result k)
    let plan =
        Planner.makeLowered (EngineOptions(1, tier)) [||] (Planner.prepare roots) targets
    plan.Run([||]) |> Array.map floats

let private count fn (roots: Expr[]) =
    Graph.topological roots
    |> Array.filter (fun e -> e.Op = Op.ofFn fn)
    |> Array.length

let private near relative absolute (x: float) (y: float) =
    x = y
    || (Double.IsNaN x && Double.IsNaN y)
    || abs (x - y) <= relative * abs x + absolute

/// Both tiers give the same bits, and what the reference gives within these errors.
let private agree relative absolute (roots: Expr[]) =
    let expected = Reference.evaluate roots |> Array.map floats
    let tiles, compiled = run Tier.Tiles roots, run Tier.Compiled roots
    for k in 0 .. roots.Length - 1 do
        for i in 0 .. expected[k].Length - 1 do
            let e, t, c = expected[k][i], tiles[k][i], compiled[k][i]
            Assert.True(near relative absolute e t, $"result {k}, element {i}: expected {e:R}, got {t:R}")
            Assert.True(
                BitConverter.DoubleToInt64Bits t = BitConverter.DoubleToInt64Bits c
                || Double.IsNaN t && Double.IsNaN c,
                $"result {k}, element {i}: {t:R} on tiles, {c:R} compiled"
            )

let private special =
    [| 0.0
       -0.0
       1.0
       -3.0
       Double.PositiveInfinity
       Double.NegativeInfinity
       Double.NaN
       0.25
       7.0 |]

// ---- Like terms -----------------------------------------------------------------------------------------------------

[<Fact>]
let ``terms of the same factors are one product`` () =
    let x, y =
        array DType.Float64 [ 9 ] special, array DType.Float64 [ 9 ] (Array.rev special)
    // The derivative of x·x·x·y, and the same product in three orders.
    let terms = (x * x) * y + x * (x * y) + (x * y) * x + x * x
    Assert.Equal(4, count Fn.Mul (LikeTerms.run [| terms |]))
    agree 1e-15 0.0 [| terms |]
    let scaled = 2.0 * (x * (x * y)) - (y - (x * x) * (3.0 * y)) + (x * x) * 5.0
    Assert.True(count Fn.Mul (LikeTerms.run [| scaled |]) < count Fn.Mul [| scaled |])
    agree 1e-15 0.0 [| scaled |]

[<Fact>]
let ``terms of other signs, and products that others need, stay`` () =
    let x, y =
        array DType.Float64 [ 9 ] special, array DType.Float64 [ 9 ] (Array.rev special)
    let opposite = (x * x) * y - x * (x * y)
    Assert.Same(opposite, (LikeTerms.run [| opposite |])[0])
    // Infinity less infinity is no number.
    agree 0.0 0.0 [| opposite |]
    let a, b = (x * x) * y, x * (x * y)
    let needed = [| a + b; a; b |]
    Assert.Same(needed[0], (LikeTerms.run needed)[0])
    let product = x * y
    let twice = product + product
    Assert.Same(twice, (LikeTerms.run [| twice |])[0])
    let integers = variableOf "n" (NDArray.Create([| 2; 3 |], Shape [| 2 |]))
    let sum = (integers * integers) * integers + integers * (integers * integers)
    Assert.Same(sum, (LikeTerms.run [| sum |])[0])

[<Fact>]
let ``a term that stands in a sum with both signs stays as it is`` () =
    let x, y =
        array DType.Float64 [ 3000 ] (Array.init 3000 (fun i -> 0.5 + float i / 2000.0)),
        array DType.Float64 [ 3000 ] (Array.init 3000 (fun i -> 1.5 - float i / 4000.0))
    let t = x * y * 0.37
    agree 1e-15 0.0 [| t + t + (-t - t); (t - -t) - (t + t) + x; t + (-(y * x) - t) |]

[<Fact>]
let ``the derivative of gelu multiplies its polynomial once`` () =
    let values = Array.init 1000 (fun i -> float (float32 (i - 500) / 80.0f))
    let rootsOf dtype =
        let x = array dtype [ 1000 ] values
        let y = sum (0.5 * x * (1.0 + tanh (0.79788456 * (x + 0.044715 * x * x * x))))
        [| y; grad y x |]
    let roots = rootsOf DType.Float32
    let simple = Simplify.run roots
    Assert.Equal(count Fn.Mul simple - 3, count Fn.Mul (LikeTerms.run simple))
    let expected = Reference.evaluate (rootsOf DType.Float64)
    for tier in [ Tier.Tiles; Tier.Compiled ] do
        let actual = run tier roots
        for i in 0..999 do
            Assert.True(abs (expected[1].Float i - actual[1][i]) < 3e-6, $"{values[i]}")

// ---- Logistic -------------------------------------------------------------------------------------------------------

let private tanhGelu (x: Expr) =
    0.5 * x * (1.0 + tanh (0.79788456 * (x + 0.044715 * x * x * x)))

[<Fact>]
let ``gelu by tanh and its derivative are made of one sigmoid, and lose no digits below 0`` () =
    let values = Array.init 2001 (fun i -> float (float32 (i - 1600) / 160.0f))
    let rootsOf dtype =
        let x = array dtype [ values.Length ] values
        let y = tanhGelu x
        [| y; grad (sum y) x |]
    let changed = Logistic.run (Simplify.run (rootsOf DType.Float32))
    Assert.Equal(0, count Fn.Tanh changed)
    Assert.Equal(1, count Fn.Sigmoid changed)
    // The same in terms of σ: the reference is exact where 1 + tanh is not.
    let expected =
        let x = array DType.Float64 [ values.Length ] values
        let y = x * sigmoid (1.59576912 * (x + 0.044715 * x * x * x))
        Reference.evaluate [| y; grad (sum y) x |] |> Array.map floats
    for tier in [ Tier.Tiles; Tier.Compiled ] do
        let actual = run tier (rootsOf DType.Float32)
        for i in 0 .. values.Length - 1 do
            // e^-v of an exponent v has v times the error of v. The derivative is 0 at -0.75.
            let relative = 5e-7 * (4.0 + values[i] * values[i])
            for k, bound in [ 0, 0.0; 1, (if values[i] < -1.5 then 0.0 else 3e-6) ] do
                let e, a = expected[k][i], actual[k][i]
                Assert.True(near relative (bound + 1e-37) e a, $"{values[i]}, result {k}: {a:R}, not {e:R}")

[<Fact>]
let ``one plus tanh is a sigmoid where nobody else reads the tanh`` () =
    let all =
        Array.append special [| -30.0; 30.0; 400.0; -400.0; 1e-300; 1e300; -1e300 |]
    for dtype in [ DType.Float64; DType.Float32 ] do
        let x, y =
            array dtype [ all.Length ] all, array dtype [ all.Length ] (Array.rev all)
        let t = tanh x
        // What the reference loses where tanh x is near 1 or -1, times up to 400.
        let small = if dtype = DType.Float32 then 1e-4 else 1e-12
        for roots in
            [ [| 1.0 + t |]
              [| t + 1.0; 1.0 - t * t |]
              [| y * (t + 1.0) * 0.5; 3.0 * y * (1.0 - t * t) |]
              [| -(y * (1.0 + t)) * (1.0 + tanh y) |]
              [| (1.0 + t) * (1.0 + t); (1.0 - t * t) * (y + y * y) * 0.25 |]
              [| 1.0 + tanh (0.5 * x) |] ] do
            Assert.Equal(0, count Fn.Tanh (Logistic.run roots))
            agree small small roots
        for roots in
            [ [| t; 1.0 + t |]
              [| 1.0 + t; 1.0 - t |]
              [| 1.0 + t; t * t |]
              [| 1.0 - t * t |]
              [| 1.0 + t; t * (1.0 - t * t) |]
              [| 2.0 + t |] ] do
            let run = Logistic.run roots
            Array.iter2 (fun (a: Expr) (b: Expr) -> Assert.Same(a, b)) roots run
            agree small small roots

// ---- Powers ---------------------------------------------------------------------------------------------------------

[<Fact>]
let ``constants go into polynomials of odd powers`` () =
    let x, y =
        array DType.Float64 [ 9 ] special, array DType.Float64 [ 9 ] (Array.rev special)
    let cubic = 0.8 * (x + 0.04 * x * x * x)
    let derivative = y + 3.0 * (0.04 * x * x) * (0.4 * y * x) + 0.4 * y * x
    // x·(0.8 + 0.8·w) with w = (0.04·x)·x, and y + y·x·(0.4 + 1.2·w).
    Assert.Equal(4, count Fn.Mul (Powers.run [| cubic |]))
    Assert.Equal(5, count Fn.Mul (Powers.run [| derivative |]))
    let parts =
        [| cubic
           derivative
           y - 2.0 * x - 3.0 * (x * x) * x
           -(x * y) - (x * y) * (5.0 * (x * x))
           (x + 0.04 * x * x * x) * -3.0
           (y - x * x * 0.1 * x) - x |]
    for part in parts do
        Assert.NotSame(part, (Powers.run [| part |])[0])
        agree 1e-14 0.0 [| part |]
    let values = Array.init 3000 (fun i -> float (float32 (i - 1500) / 400.0f))
    let x = array DType.Float32 [ 3000 ] values
    agree 5e-7 0.0 [| 0.8 * (x + 0.04 * x * x * x); -2.0 * (x + x * x * (0.3 * x)) - x * x |]

[<Fact>]
let ``nothing overflows or becomes nothing that does not as written`` () =
    let sizes = [| 0.0; 1e-38; 1e-30; -1e-20; 1.0; 1e15; -1e17; 1e20; 1e30; 1e38 |]
    let n = sizes.Length
    // x, y and z: all triples.
    let spread step =
        array DType.Float32 [ n * n * n ] (Array.init (n * n * n) (fun i -> sizes[i / step % n]))
    let x, y, z = spread (n * n), spread n, spread 1
    let roots =
        [| x * y + 3.0 * ((x * x) * (x * y))
           1000.0 * ((x * x) * (y * x)) + y * x
           (y * z) * x + ((z * z * z) * y) * x
           0.8 * (x + 0.04 * x * x * x)
           y + 3.0 * (0.04 * x * x) * (0.4 * y * x) + 0.4 * y * x
           1e-30 * x + 1e30 * x
           (x * (1.0 + tanh y)) * z
           (x * y) * (z * (1.0 + tanh x))
           (x * 0.5) * ((1.0 - tanh z * tanh z) * y) + (1.0 + tanh z)
           x * (1.0 + tanh z) + 3.0 * (x * x) * (x * (1.0 - tanh z * tanh z)) * y
           (x * y) * 1e-12 + (y * x) * 1e12 + z |]
    let expected = Reference.evaluate roots |> Array.map floats
    for tier in [ Tier.Tiles; Tier.Compiled ] do
        let actual = run tier roots
        for k in 0 .. roots.Length - 1 do
            for i in 0 .. n * n * n - 1 do
                let e, a = expected[k][i], actual[k][i]
                // Within a factor of 1000 of the largest number infinities are allowed, and what is denormal has few digits.
                if abs e < 3e35 then
                    Assert.True(near 1e-5 1e-37 e a, $"sum {k}, element {i}: {a:R}, not {e:R}")
                elif not (Double.IsNaN e) then
                    Assert.False(Double.IsNaN a, $"sum {k}, element {i}: NaN, not {e:R}")

[<Fact>]
let ``sums that may cancel, or whose squares nobody computes, stay`` () =
    let x, y =
        array DType.Float64 [ 9 ] special, array DType.Float64 [ 9 ] (Array.rev special)
    for sum in
        [ x - 0.04 * x * x * x // infinity less infinity
          x + x * (y * x) * x // no product of x and x alone
          x + x * y // no square
          y + x * x * x
          1e-20 * x + x * x * x ] do // constants that may be nothing in float32
        Assert.Same(sum, (Powers.run [| sum |])[0])
        agree 0.0 0.0 [| sum |]
    // What others need of a sum stays what it is.
    let shared = x + 0.04 * x * x * x
    agree 1e-14 0.0 [| shared; 2.0 * shared; shared * shared |]

[<Fact>]
let ``long sums and products are taken as they are`` () =
    let x, y =
        array DType.Float64 [ 9 ] special, array DType.Float64 [ 9 ] (Array.rev special)
    let power = Seq.fold (fun (p: Expr) _ -> p * x) x (seq { 1..40 })
    agree
        1e-14
        0.0
        [| power * y + y * power
           Seq.fold (fun (s: Expr) k -> s + (x * y) * float k * x) y (seq { 1..100 }) |]

// ---- Divisions ------------------------------------------------------------------------------------------------------

/// Rows divided by their largest element, the first: of all sizes, down to the smallest and up to the largest.
let private divided (dtype: DType) (tiny: float) (large: float) =
    let divisors =
        [| 3.0; -7.0; tiny; -tiny; 5.0 * tiny; large; -large; 0.0; -0.0 |]
        |> Array.append
            [| Double.PositiveInfinity
               Double.NegativeInfinity
               Double.NaN
               sqrt tiny
               sqrt large |]
    let others = [| 0.0; 1.0; -1.0; tiny; 3.0 * tiny; large; -large / 3.0; 0.1 |]
    let columns = 80
    let row (d: float) =
        Array.init columns (fun j ->
            match j % 10 with
            | 8 -> d
            | 9 -> Double.PositiveInfinity
            | k -> others[k])
    array dtype [ divisors.Length; columns ] (Array.collect row divisors),
    array dtype [ divisors.Length; 1 ] divisors

[<Fact>]
let ``rows are divided by numbers of every size`` () =
    let check dtype tiny large ulp =
        let x, r = divided dtype tiny large
        agree (1.5 * ulp) (2.0 * tiny) [| x / r; (x + 1.0) / r |]
    check DType.Float32 (float Single.Epsilon) (float Single.MaxValue) (2.0 ** -23.0)
    check DType.Float64 Double.Epsilon Double.MaxValue (2.0 ** -52.0)
