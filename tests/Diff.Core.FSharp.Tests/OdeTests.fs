/// Differential equations, integrals and interpolation against closed forms and published values.
module OdeTests

open System
open System.Threading
open Xunit
open Diff

let private close (tolerance: float) (expected: float[]) (actual: float[]) =
    Assert.Equal(expected.Length, actual.Length)
    Array.iter2
        (fun (e: float) (a: float) ->
            Assert.True(abs (e - a) <= tolerance * (1.0 + abs e), $"expected {e}, got {a}"))
        expected
        actual

let private relative (tolerance: float) (expected: float[]) (actual: float[]) =
    Array.iter2
        (fun (e: float) (a: float) -> Assert.True(abs (e - a) <= tolerance * abs e, $"expected {e}, got {a}"))
        expected
        actual

let private all =
    [ "Dormand-Prince", Ode.dormandPrince
      "Tsitouras", Ode.tsitouras
      "Radau", Ode.radau ]

/// y″ = −y as a system.
let private circle (_: Expr) (y: Expr) : Expr = stack 0 [ at 0 1 y; -(at 0 0 y) ]

[<Fact>]
let ``closed forms, forwards and backwards, at steps and between`` () =
    for name, solve in all do
        let errors =
            [ for tolerance in [ 1e-4; 1e-6; 1e-8; 1e-10 ] do
                  let options =
                      OdeOptions(RelativeTolerance = tolerance, AbsoluteTolerance = tolerance)
                  for t1 in [ 5.0; -5.0 ] do
                      let result = solve options circle 0.0 t1 [| 0.0; 1.0 |]
                      Assert.True((StopReason.EndReached = result.Reason), $"{name}: {result}")
                      Assert.Equal(t1, result.Time)
                      close (100.0 * tolerance) [| sin t1; cos t1 |] result.X
                      let mutable worst = 0.0
                      for k in 0..500 do
                          let t = t1 * float k / 500.0
                          worst <- max worst (abs ((result.At t)[0] - sin t))
                      Assert.True(worst <= 200.0 * tolerance, $"{name}, {tolerance}: {worst} between steps")
                      worst ]
        Assert.True(List.last errors < 1e-3 * errors.Head, name)
    // With time on the right side, and a derivative that does not depend on y.
    let result =
        Ode.dormandPrince (OdeOptions()) (fun t y -> 2.0 * t + 0.0 * y) 0.0 3.0 [| 1.0 |]
    close 1e-9 [| 10.0 |] result.X
    let late =
        Ode.radau (OdeOptions(RelativeTolerance = 1e-9)) (fun t y -> -50.0 * (y - cos t)) 0.0 2.0 [| 0.0 |]
    close 1e-6 [| (2500.0 * cos 2.0 + 50.0 * sin 2.0) / 2501.0 |] late.X

[<Fact>]
let ``the orbit of Arenstorf closes`` () =
    // Hairer, Nørsett, Wanner, II.0.
    let mu = 0.012277471
    let f (_: Expr) (y: Expr) : Expr =
        let a, b, u, v = at 0 0 y, at 0 1 y, at 0 2 y, at 0 3 y
        let d1 = (square (a + mu) + b * b) ** 1.5
        let d2 = (square (a - (1.0 - mu)) + b * b) ** 1.5
        stack
            0
            [ u
              v
              a + 2.0 * v - (1.0 - mu) * (a + mu) / d1 - mu * (a - (1.0 - mu)) / d2
              b - 2.0 * u - (1.0 - mu) * b / d1 - mu * b / d2 ]
    let start = [| 0.994; 0.0; 0.0; -2.00158510637908252240537862224 |]
    let options = OdeOptions(RelativeTolerance = 1e-12, AbsoluteTolerance = 1e-13)
    for solve in [ Ode.dormandPrince; Ode.tsitouras ] do
        let result = solve options f 0.0 17.0652165601579625588917206249 start
        close 1e-4 start[0..2] result.X[0..2]

[<Fact>]
let ``stiff problems end at published values`` () =
    // Hairer and Wanner's collection: van der Pol, Robertson, HIRES.
    let options rtol =
        OdeOptions(RelativeTolerance = rtol, AbsoluteTolerance = rtol * 1e-3)
    let vanDerPol (_: Expr) (y: Expr) : Expr =
        let a, b = at 0 0 y, at 0 1 y
        stack 0 [ b; ((1.0 - a * a) * b - a) / 1e-6 ]
    let result = Ode.radau (options 1e-8) vanDerPol 0.0 2.0 [| 2.0; -0.66 |]
    relative 1e-6 [| 0.1706167732170483e1; -0.8928097010247975 |] result.X
    Assert.True(result.Iterations < 4000, string result)
    let robertson (_: Expr) (y: Expr) : Expr =
        let a, b, c = at 0 0 y, at 0 1 y, at 0 2 y
        let first, second, third = 0.04 * a, 1e4 * b * c, 3e7 * b * b
        stack 0 [ second - first; first - second - third; third ]
    let result =
        Ode.radau
            (OdeOptions(RelativeTolerance = 1e-8, AbsoluteTolerance = 1e-16))
            robertson
            0.0
            1e11
            [| 1.0; 0.0; 0.0 |]
    relative 1e-5 [| 0.2083340149701255e-7; 0.8333360770334713e-13; 0.9999999791665050 |] result.X
    Assert.True(result.Iterations < 2500, string result)
    let hires (_: Expr) (y: Expr) : Expr =
        let y k = at 0 (k - 1) y
        let seventh = 280.0 * y 6 * y 8 - 1.81 * y 7
        stack
            0
            [ -1.71 * y 1 + 0.43 * y 2 + 8.32 * y 3 + 0.0007
              1.71 * y 1 - 8.75 * y 2
              -10.03 * y 3 + 0.43 * y 4 + 0.035 * y 5
              8.32 * y 2 + 1.71 * y 3 - 1.12 * y 4
              -1.745 * y 5 + 0.43 * y 6 + 0.43 * y 7
              -280.0 * y 6 * y 8 + 0.69 * y 4 + 1.71 * y 5 - 0.43 * y 6 + 0.69 * y 7
              seventh
              -seventh ]
    let result =
        Ode.radau (options 1e-8) hires 0.0 321.8122 [| 1.0; 0.0; 0.0; 0.0; 0.0; 0.0; 0.0; 0.0057 |]
    relative
        1e-5
        [| 0.7371312573325668e-3
           0.1442485726316185e-3
           0.5888729740967575e-4
           0.1175651343283149e-2
           0.2386356198831331e-2
           0.6238968252742796e-2
           0.2849998395185769e-2
           0.2850001604814231e-2 |]
        result.X

[<Fact>]
let ``an event ends the integration where it happens`` () =
    let fall (_: Expr) (y: Expr) : Expr =
        stack 0 [ at 0 1 y; 0.0 * at 0 0 y - 9.81 ]
    for name, solve in all do
        let options =
            OdeOptions(RelativeTolerance = 1e-9, StopEvent = Func<_, _, _>(fun _ y -> at 0 0 y))
        let result = solve options fall 0.0 10.0 [| 3.0; 0.0 |]
        Assert.True((StopReason.EventReached = result.Reason), $"{name}: {result}")
        close 1e-9 [| sqrt (6.0 / 9.81) |] [| result.Time |]
        Assert.True(abs result.X[0] < 1e-9, $"{name}: {result.X[0]}")
        let middle = 0.5 * result.Time
        close 1e-8 [| 3.0 - 0.5 * 9.81 * middle * middle |] [| (result.At middle)[0] |]

[<Fact>]
let ``an integration that stops early says why`` () =
    let blowUp (_: Expr) (y: Expr) : Expr = y * y
    let result = Ode.dormandPrince (OdeOptions()) blowUp 0.0 2.0 [| 1.0 |]
    Assert.True((StopReason.Breakdown = result.Reason || StopReason.NotFinite = result.Reason), string result)
    Assert.InRange(result.Time, 0.99, 1.01)
    let limited =
        Ode.radau (OdeOptions(MaxIterations = 3)) circle 0.0 100.0 [| 0.0; 1.0 |]
    Assert.Equal(StopReason.IterationLimit, limited.Reason)
    Assert.True(limited.Times.Length <= 4)
    let cancelled =
        Ode.dormandPrince (OdeOptions(Cancellation = CancellationToken true)) circle 0.0 1.0 [| 0.0; 1.0 |]
    Assert.Equal(StopReason.Cancelled, cancelled.Reason)
    Assert.Equal(0.0, cancelled.Time)
    let undefined = Ode.radau (OdeOptions()) (fun _ y -> log y) 0.0 1.0 [| -1.0 |]
    Assert.Equal(StopReason.NotFinite, undefined.Reason)
    let wrong =
        Assert.Throws<ShapeException>(fun () ->
            Ode.radau (OdeOptions()) (fun _ y -> sum y) 0.0 1.0 [| 1.0 |] |> ignore)
    Assert.Contains("expected a derivative of shape (1)", wrong.Message)
    Assert.Contains(
        "from 0 to 1",
        Assert
            .Throws<ArgumentException>(fun () ->
                (Ode.radau (OdeOptions()) circle 0.0 1.0 [| 0.0; 1.0 |]).At 2.0 |> ignore)
            .Message
    )

[<Fact>]
let ``integrals have their closed forms, with honest error estimates`` () =
    let options = QuadratureOptions()
    // Exact for polynomials to degree 22 in one piece, which the rule of 7 points does not know.
    let onePiece = QuadratureOptions(RelativeTolerance = 1.0)
    for degree in 0..22 do
        let result = Quadrature.integrate onePiece (fun x -> x ** float degree) 0.0 1.0
        Assert.Equal(1, result.Evaluations)
        close 1e-14 [| 1.0 / float (degree + 1) |] [| result.Value |]
    let cases: ((Expr -> Expr) * float * float * float) list =
        [ (fun x -> exp (-x * x)), -infinity, infinity, sqrt Math.PI
          (fun x -> exp -x), 0.0, infinity, 1.0
          (fun x -> exp x), -infinity, 1.0, Math.E
          log, 0.0, 1.0, -1.0
          (fun x -> 1.0 / sqrt x), 0.0, 1.0, 2.0
          (fun x -> sin (100.0 * x)), 0.0, 1.0, (1.0 - cos 100.0) / 100.0
          (fun x -> abs (x - 0.3)), 0.0, 1.0, 0.29
          (fun x -> 1.0 / (1.0 + x * x)), -infinity, infinity, Math.PI ]
    for f, low, high, expected in cases do
        let result = Quadrature.integrate options f low high
        Assert.True(result.IsConverged, string result)
        let error = abs (result.Value - expected)
        Assert.True(
            error <= 1e-9 && error <= result.ErrorEstimate + 1e-14,
            $"{expected}: {error}, {result.ErrorEstimate}"
        )
    Assert.Equal(
        StopReason.IterationLimit,
        (Quadrature.integrate (QuadratureOptions(MaxIterations = 2)) (fun x -> sin (100.0 * x)) 0.0 1.0)
            .Reason
    )
    Assert.Equal(StopReason.NotFinite, (Quadrature.integrate options (fun x -> log (x - 0.5)) 0.0 1.0).Reason)
    Assert.Equal(0.0, (Quadrature.integrate options exp 1.0 1.0).Value)
    Assert.Throws<ArgumentException>(fun () -> Quadrature.integrate options exp 1.0 0.0 |> ignore)
    |> ignore
    Assert.Throws<ShapeException>(fun () -> Quadrature.integrate options sum 0.0 1.0 |> ignore)
    |> ignore

// ---- Interpolation ------------------------------------------------------------------------------------------------------

let private numbers (x: Expr) = (eval x).ToArray<float>()
let private vector name (values: float[]) = tensor name [ values.Length ] values

let private kinds: (string * (Expr -> Expr -> Expr -> Expr)) list =
    [ "linear", interpolateLinear
      "pchip", interpolatePchip
      "natural", interpolateSpline SplineEnds.Natural
      "not a knot", interpolateSpline SplineEnds.NotAKnot ]

[<Fact>]
let ``what is interpolated goes through its points, of any shape`` () =
    let xs = vector "xs" [| -1.0; 0.0; 0.5; 2.0; 3.0 |]
    let ys =
        tensor "ys" [ 5; 2 ] [| 1.0; 0.0; 2.0; -1.0; -0.5; 3.0; 4.0; 1.0; 0.0; 2.0 |]
    for name, interpolate in kinds do
        close 1e-12 (numbers ys) (numbers (interpolate xs ys xs))
        let one = interpolate xs (at 1 0 ys) (full [ 2; 3 ] DType.Float64 0.5)
        Assert.Equal(Shape [| 2; 3 |], one.Shape)
        close 1e-12 (Array.create 6 -0.5) (numbers one)
        Assert.Equal(Shape [| 2 |], (interpolate xs ys (scalar 0.1)).Shape)

[<Fact>]
let ``each kind reproduces what it is made of`` () =
    let knots = [| 0.0; 0.4; 1.0; 1.7; 2.0; 3.1 |]
    let xs, q =
        vector "xs" knots, vector "q" [| -0.5; 0.2; 0.4; 0.9; 1.99; 2.5; 3.1; 3.6 |]
    let line (x: Expr) : Expr = 2.0 * x - 1.0
    for name, interpolate in kinds do
        close 1e-12 (numbers (line q)) (numbers (interpolate xs (line xs) q))
    let cubic (x: Expr) : Expr = x ** 3.0 - 2.0 * x * x + x - 5.0
    let spline = interpolateSpline SplineEnds.NotAKnot xs (cubic xs) q
    close 1e-11 (numbers (cubic q)) (numbers spline)
    close 1e-10 (numbers (grad (sum (cubic q)) q)) (numbers (grad (sum spline) q))
    close
        1e-9
        (numbers (grad (sum (grad (sum (cubic q)) q)) q))
        (numbers (grad (sum (grad (sum spline) q)) q))
    // The natural spline through (0, 0), (1, 1), (2, 0): its middle second derivative is −3.
    let natural =
        interpolateSpline
            SplineEnds.Natural
            (vector "x" [| 0.0; 1.0; 2.0 |])
            (vector "y" [| 0.0; 1.0; 0.0 |])
            (vector "q" [| 0.5; 1.5 |])
    close 1e-13 [| 0.6875; 0.6875 |] (numbers natural)
    // Slopes 0, 1.5 and 4 by hand.
    let pchip =
        interpolatePchip
            (vector "x" [| 0.0; 1.0; 2.0 |])
            (vector "y" [| 0.0; 1.0; 4.0 |])
            (vector "q" [| 0.5; 1.5 |])
    close 1e-13 [| 0.3125; 2.1875 |] (numbers pchip)

[<Fact>]
let ``interpolation works in single precision and over slices`` () =
    let xs, q =
        vector "xs" [| 0.0; 0.7; 1.5; 2.1; 3.0 |], vector "q" [| -0.2; 0.3; 1.1; 2.5; 3.3 |]
    let ys =
        tensor "ys" [ 2; 5 ] [| 1.0; 2.5; 2.9; 0.4; 1.1; 0.0; 1.0; 0.5; -2.0; 3.0 |]
    for _, interpolate in kinds do
        let first = interpolate xs (at 0 0 ys) q
        let single = cast DType.Float32
        let narrow = interpolate (single xs) (single (at 0 0 ys)) (single q)
        Assert.Equal(DType.Float32, narrow.DType)
        close 1e-5 (numbers first) (numbers (cast DType.Float64 narrow))
        let both = vmap (fun y -> interpolate xs y q) ys
        close 1e-13 (numbers first) (numbers (at 0 0 both))
        close 1e-13 (numbers (interpolate xs (transpose ys) q)) (numbers (transpose both))

[<Fact>]
let ``pchip does not overshoot`` () =
    let xs = vector "xs" [| 0.0; 1.0; 2.0; 3.0; 4.0; 5.0 |]
    let ys = vector "ys" [| 0.0; 0.0; 0.1; 5.0; 5.0; 6.0 |]
    let values = numbers (interpolatePchip xs ys (linspace 0.0 5.0 501 DType.Float64))
    for a, b in Array.pairwise values do
        Assert.True(b >= a - 1e-14, $"{a}, {b}")

[<Fact>]
let ``interpolation has the derivatives that differences have, with respect to knots, values and queries``
    ()
    =
    let xs = vector "xs" [| 0.0; 0.7; 1.5; 2.1; 3.0 |]
    let ys = vector "ys" [| 1.0; 2.5; 2.9; 0.4; 1.1 |]
    let q = vector "q" [| -0.2; 0.3; 1.1; 2.5; 3.3 |]
    for name, interpolate in kinds do
        let y = sum (square (interpolate xs ys q))
        let fast = grads y [ xs; ys; q ]
        for x, g in List.zip [ xs; ys; q ] fast do
            let values, gradient = numbers x, numbers g
            for i in 0 .. values.Length - 1 do
                let moved h =
                    assign x (NDArray.op_Implicit (Array.updateAt i (values[i] + h) values))
                    let value = item y
                    assign x (NDArray.op_Implicit values)
                    value
                let h = 1e-5
                let slope = (moved h - moved -h) / (2.0 * h)
                Assert.True(
                    abs (slope - gradient[i]) <= 1e-7 * (1.0 + abs slope),
                    $"{name}: {slope}, {gradient[i]}"
                )

[<Fact>]
let ``points that do not fit are refused`` () =
    let xs, ys = vector "xs" [| 0.0; 1.0; 2.0 |], vector "ys" [| 0.0; 1.0 |]
    for name, interpolate in kinds do
        Assert.Contains(
            "knots",
            Assert.Throws<ShapeException>(fun () -> interpolate xs ys xs |> ignore).Message
        )
    Assert.Contains(
        "at least 4 knots",
        Assert
            .Throws<ShapeException>(fun () -> interpolateSpline SplineEnds.NotAKnot xs xs xs |> ignore)
            .Message
    )
    Assert.Throws<DTypeException>(fun () -> interpolateLinear xs xs (cast DType.Float32 xs) |> ignore)
    |> ignore
