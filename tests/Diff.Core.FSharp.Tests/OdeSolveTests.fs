/// Solutions of differential equations as expressions: values, and derivatives by the steps and by the adjoint equation.
module OdeSolveTests

open System
open Xunit
open Diff

let private tight =
    OdeSolveOptions(RelativeTolerance = 1e-11, AbsoluteTolerance = 1e-13)

let private many = OdeSolveOptions(Steps = 60)

/// The ways to solve, with what they are exact to here.
let private ways: (string * float * ((Expr -> Expr -> Expr) -> Expr -> Expr -> Expr)) list =
    [ "RK4", 1e-6, OdeSolve.fixedSteps (OdeSolveOptions(Steps = 100, Method = OdeMethod.RungeKutta4))
      "fixed", 1e-7, OdeSolve.fixedSteps many
      "adaptive", 1e-8, OdeSolve.adaptive tight
      "adjoint", 1e-8, OdeSolve.adjoint tight ]

let private numbers (x: Expr) =
    let value = eval x
    if value.DType = DType.Float32 then
        Array.map float (value.ToArray<float32>())
    else
        value.ToArray<float>()

let private close (what: string) (tolerance: float) (expected: float[]) (actual: Expr) =
    let actual = numbers actual
    Assert.Equal(expected.Length, actual.Length)
    Array.iter2
        (fun (e: float) (a: float) ->
            Assert.True(abs (e - a) <= tolerance * (1.0 + abs e), $"{what}: expected {e}, got {a}"))
        expected
        actual

let private vector (values: float list) =
    tensor "v" [ values.Length ] (Array.ofList values)

let private weighted (y: Expr) =
    sum (
        y
        * constant (NDArray.Create(Array.init y.Shape.Length (fun i -> cos (float i + 0.5)), y.Shape))
    )

/// y against a graph of the same value: value, gradient, second derivatives, and forward mode, for each of xs.
let private same name tolerance (y: Expr) (closed: Expr) (xs: Expr list) =
    close name tolerance (numbers closed) y
    let s, t = weighted y, weighted closed
    for x in xs do
        close $"{name}, gradient" (10.0 * tolerance) (numbers (grad t x)) (grad s x)
        let v =
            constant (NDArray.Create(Array.init x.Shape.Length (fun i -> 1.0 / float (i + 1)), x.Shape))
        close $"{name}, tangent" (10.0 * tolerance) (numbers (jvp closed [ x ] [ v ])) (jvp y [ x ] [ v ])
        for z in xs do
            let second y = grad (weighted (grad y x)) z
            close $"{name}, second" (100.0 * tolerance) (numbers (second t)) (second s)

let private column (ts: Expr) = expandDims 1 ts

[<Fact>]
let ``decay of a scalar, there and back, with derivatives to start, rate and times`` () =
    for name, tolerance, solve in ways do
        let k, y0 = variable "k" 0.7, variable "y0" 2.0
        let ts = vector [ 0.5; 1.5; 1.5; 0.9; -0.4 ]
        let y = solve (fun _ y -> -k * y) y0 ts
        same name tolerance y (y0 * exp (-k * (ts - at 0 0 ts))) [ k; y0; ts ]
        let twice = vector [ 1.0; 1.0 ]
        same
            name
            tolerance
            (solve (fun _ y -> -k * y) y0 twice)
            (y0 * exp (-k * (twice - at 0 0 twice)))
            [ k; twice ]
        let unknown = numbers (solve (fun _ y -> -k * y) y0 (vector [ 0.0; nan ]))
        Assert.Equal(2.0, unknown[0])
        Assert.True(Double.IsNaN unknown[1], name)

[<Fact>]
let ``an oscillator`` () =
    for name, tolerance, solve in ways do
        let w, y0 = variable "w" 1.3, vector [ 0.4; -0.8 ]
        let ts = vector [ 0.0; 0.7; 2.0 ]
        let y = solve (fun _ y -> stack 0 [ at 0 1 y; -w * w * at 0 0 y ]) y0 ts
        let a, b = at 0 0 y0, at 0 1 y0
        let closed =
            stack
                1
                [ a * cos (w * ts) + b / w * sin (w * ts)
                  b * cos (w * ts) - a * w * sin (w * ts) ]
        same name tolerance y closed [ w; y0 ]

[<Fact>]
let ``logistic growth of a matrix with a rate that depends on time`` () =
    for name, tolerance, solve in ways do
        let r = tensor "r" [ 2; 1 ] [| 0.8; 1.4 |]
        let y0 = tensor "y0" [ 2; 2 ] [| 0.1; 0.4; 0.7; 1.5 |]
        let ts = vector [ 0.0; 1.0; 2.5 ]
        let y = solve (fun t y -> r * cos t * y * (1.0 - y)) y0 ts
        let growth = exp (r * expandDims 1 (column (sin ts)))
        same name tolerance y (y0 * growth / (1.0 + y0 * (growth - 1.0))) [ r; y0 ]

let private lotkaVolterra (p: Expr) (_: Expr) (y: Expr) : Expr =
    let a, b = at 0 0 y, at 0 1 y
    stack 0 [ at 0 0 p * a - at 0 1 p * a * b; at 0 2 p * a * b - at 0 3 p * b ]

[<Fact>]
let ``Lotka and Volterra's equations: values by the solver of numbers, derivatives by differences and by each other``
    ()
    =
    let p0, start = [| 1.5; 1.0; 0.8; 3.0 |], [| 1.0; 0.5 |]
    let ts = constant (NDArray.Create([| 0.0; 0.7; 2.0 |], Shape [| 3 |]))
    let reference =
        Ode.dormandPrince
            (OdeOptions(RelativeTolerance = 1e-13, AbsoluteTolerance = 1e-14))
            (lotkaVolterra (constant (NDArray.Create(p0, Shape [| 4 |]))))
            0.0
            2.0
            start
    let gradients =
        [ for name, tolerance, solve in ways do
              let p, y0 = tensor "p" [ 4 ] p0, tensor "y0" [ 2 ] start
              let y = solve (lotkaVolterra p) y0 ts
              close name (10.0 * tolerance) reference.X (at 0 2 y)
              Array.append (numbers (grad (weighted y) p)) (numbers (grad (weighted y) y0)) ]
    for gradient in gradients do
        Array.iter2
            (fun (e: float) (a: float) ->
                Assert.True(abs (e - a) <= 1e-5 * (1.0 + abs e), $"expected {e}, got {a}"))
            gradients[2]
            gradient
    Check
        .Gradients(
            Func<Expr[], Expr>(fun xs ->
                OdeSolve.fixedSteps (OdeSolveOptions(Steps = 8)) (lotkaVolterra xs[0]) xs[1] xs[2]),
            [| NDArray.Create(p0, Shape [| 4 |])
               NDArray.Create(start, Shape [| 2 |])
               NDArray.Create([| 0.0; 0.7; 2.0 |], Shape [| 3 |]) |]
        )
        .ThrowIfWorseThan(6.0)

[<Fact>]
let ``adaptive steps that are held to one length are the fixed ones, with all derivatives`` () =
    let held =
        OdeSolveOptions(RelativeTolerance = 1e3, InitialStep = 0.1, MaxStep = 0.1)
    let p, y0 = vector [ 1.5; 1.0; 0.8; 3.0 ], vector [ 1.0; 0.5 ]
    let ts = constant (NDArray.Create([| 0.0; 1.0; 2.0 |], Shape [| 3 |]))
    let adaptive = OdeSolve.adaptive held (lotkaVolterra p) y0 ts
    let equal =
        OdeSolve.fixedSteps (OdeSolveOptions(Steps = 10)) (lotkaVolterra p) y0 ts
    same "held" 1e-12 adaptive equal [ p; y0 ]

[<Fact>]
let ``a step that leaves the domain is not taken, and leaves no NaN in derivatives`` () =
    let c, y0 = variable "c" 1.9, variable "y0" 1.0
    let ts = vector [ 0.0; 1.0 ]
    for name, solve in [ "adaptive", OdeSolve.adaptive; "adjoint", OdeSolve.adjoint ] do
        let options =
            OdeSolveOptions(RelativeTolerance = 1e-10, AbsoluteTolerance = 1e-12, InitialStep = 50.0)
        let y = solve options (fun _ y -> -c * sqrt y) y0 ts
        same name 1e-6 y (square (sqrt y0 - 0.5 * c * ts)) [ c; y0 ]

[<Fact>]
let ``first steps may be short beside the whole time`` () =
    let y0 = variable "y0" 2.0
    for solve in [ OdeSolve.adaptive; OdeSolve.adjoint ] do
        let options = OdeSolveOptions(RelativeTolerance = 1e-9, AbsoluteTolerance = 1e-21)
        let y = solve options (fun _ y -> -y * y) y0 (vector [ 0.0; 1e11 ])
        close "long" 1e-6 [| 2.0; 1.0 |] (stack 0 [ at 0 0 y; 1e11 * at 0 1 y ])

[<Fact>]
let ``vmap takes each start with steps of its own`` () =
    let starts, k = vector [ 1.0; 2.0; 30.0 ], variable "k" 0.5
    let ts = vector [ 0.0; 1.0; -0.01 ]
    for name, _, solve in ways do
        let one y0 =
            solve (fun t y -> -k * y * y + sin t) y0 ts
        let stacked = vmap one starts
        let loop = stack 0 [ for i in 0..2 -> one (at 0 i starts) ]
        same $"{name}, stacked" 1e-11 stacked loop [ starts; k ]

[<Fact>]
let ``a solution that ends is NaN from there on, and does not touch others`` () =
    let ts = vector [ 0.0; 0.5; 2.0; 3.0 ]
    for name, solve in [ "adaptive", OdeSolve.adaptive; "adjoint", OdeSolve.adjoint ] do
        let starts = vector [ 1.0; 0.1 ]
        let y = vmap (fun y0 -> solve tight (fun _ y -> y * y) y0 ts) starts
        close name 1e-9 [| 1.0; 2.0 |] (slice 0 None (Some 2) 1 (at 0 0 y))
        Assert.Equal<bool[]>([| false; false; true; true |], (eval (isNaN (at 0 0 y))).ToArray<bool>())
        close name 1e-9 [| for t in [ 0.0; 0.5; 2.0; 3.0 ] -> 1.0 / (10.0 - t) |] (at 0 1 y)
        let slopes = numbers (grad (sum y) starts)
        Assert.True(Double.IsNaN slopes[0], name)
        Assert.Equal(
            Seq.sum [ for t in [ 0.0; 0.5; 2.0; 3.0 ] -> 100.0 / (10.0 - t) ** 2.0 ],
            slopes[1],
            1e-7
        )
        let limited =
            solve (OdeSolveOptions(MaxSteps = 5)) (fun t y -> cos (50.0 * t) * y) (scalar 1.0) ts
        Assert.Throws<IterationLimitException>(fun () -> eval limited |> ignore)
        |> ignore
        // Where it cannot begin, too.
        let never = solve tight (fun _ y -> log y) (scalar -1.0) ts
        Assert.Equal<bool[]>([| false; true; true; true |], (eval (isNaN never)).ToArray<bool>())

[<Fact>]
let ``float32`` () =
    let k = variable "k" 0.5
    let options =
        OdeSolveOptions(RelativeTolerance = 1e-5, AbsoluteTolerance = 1e-7, Steps = 20)
    for name, solve in
        [ "fixed", OdeSolve.fixedSteps
          "adaptive", OdeSolve.adaptive
          "adjoint", OdeSolve.adjoint ] do
        let y0 = tensor "y0" [ 1 ] [| 1.0f |]
        let y =
            solve
                options
                (fun t y -> -(cast DType.Float32 k) * y * cos t)
                y0
                (tensor "t" [ 3 ] [| 0.0f; 1.0f; 2.0f |])
        Assert.Equal(DType.Float32, y.DType)
        let exact = [| for t in 0.0 .. 2.0 -> exp (-0.5 * sin t) |]
        close name 2e-5 exact y
        let slope = Array.sum [| for t in 0.0 .. 2.0 -> -sin t * exp (-0.5 * sin t) |]
        close name 5e-5 [| slope |] (grad (sum y) k)
        close name 5e-5 [| Array.sum exact |] (grad (sum y) y0)

[<Fact>]
let ``compiled functions, and the values of the reference`` () =
    for name, _, solve in ways do
        use f =
            new CompiledFunction(fun xs -> [| weighted (solve (lotkaVolterra xs[0]) xs[1] xs[2]) |])
        for first in [ 1.5; 0.9 ] do
            let args =
                [| NDArray.Create([| first; 1.0; 0.8; 3.0 |], Shape [| 4 |])
                   NDArray.Create([| 1.0; 0.5 |], Shape [| 2 |])
                   NDArray.Create([| 0.0; 0.4; 0.6 |], Shape [| 3 |]) |]
            let struct (value, gradients) = f.ValueAndGradient args
            let leaves = args |> Array.mapi (fun i a -> variableOf $"x{i}" a)
            let y = weighted (solve (lotkaVolterra leaves[0]) leaves[1] leaves[2])
            let slopes = grads y (List.ofArray leaves)
            Assert.Equal(item y, value.Float 0, 1e-12)
            let expected = Reference.evaluate (Array.append [| y |] (Array.ofList slopes))
            Assert.Equal(expected[0].Float 0, value.Float 0, 1e-12)
            for k in 0..2 do
                match gradients[k] with
                | null -> failwith "there is no gradient"
                | gradient -> close name 1e-10 (expected[k + 1].ToArray<float>()) (constant gradient)

[<Fact>]
let ``a bound for the memory changes nothing`` () =
    let p, y0 = vector [ 1.5; 1.0; 0.8; 3.0 ], vector [ 1.0; 0.5 ]
    let ts = vector [ 0.0; 0.7; 2.0; 5.0 ]
    for solve in [ OdeSolve.fixedSteps; OdeSolve.adaptive; OdeSolve.adjoint ] do
        let gradient bytes =
            let options = OdeSolveOptions(MaxRecordBytes = bytes, Steps = 40)
            grad (weighted (solve options (lotkaVolterra p) y0 ts)) p
        close "memory" 1e-12 (numbers (gradient (1L <<< 30))) (gradient 600L)

[<Fact>]
let ``right sides that use nothing of t or y, and starts that are all`` () =
    for name, tolerance, solve in ways do
        let k, y0 = vector [ 0.5; 2.0 ], vector [ 1.0; 3.0 ]
        let ts = vector [ 1.0; 2.0 ]
        let closed = y0 + column (ts - 1.0) * k
        same name tolerance (solve (fun _ _ -> k) y0 ts) closed [ k; y0 ]
        same
            name
            tolerance
            (solve (fun _ _ -> full [ 2 ] DType.Float64 1.0) y0 ts)
            (y0 + column (ts - 1.0))
            [ y0 ]
        same name tolerance (solve (fun _ _ -> y0) y0 ts) (y0 * column ts) [ y0 ]
        same name tolerance (solve (fun _ y -> k * y) y0 (vector [ 4.0 ])) (expandDims 0 y0) [ y0; k ]
        // Integers that are captured have no derivative.
        let index = tensor "index" [ 2 ] [| 1; 0 |]
        let y = solve (fun _ y -> k * cast DType.Float64 index * y) y0 ts
        same name tolerance y (y0 * exp (k * cast DType.Float64 index * column (ts - 1.0))) [ k; y0 ]

let private message<'E when 'E :> exn> (parts: string list) (action: unit -> obj) =
    let error = Assert.ThrowsAny<'E>(fun () -> action () |> ignore)
    for part in parts do
        Assert.Contains(part, error.Message)

[<Fact>]
let ``errors name what does not fit`` () =
    let ts, y0 = vector [ 0.0; 1.0 ], vector [ 1.0; 2.0 ]
    for name, solve in
        [ "fixedSteps", OdeSolve.fixedSteps
          "adaptive", OdeSolve.adaptive
          "adjoint", OdeSolve.adjoint ] do
        let options = OdeSolveOptions()
        let same (_: Expr) (y: Expr) = y
        message<ShapeException> [ name; "(2)"; "()" ] (fun () -> solve options (fun _ y -> sum y) y0 ts)
        message<DTypeException> [ name; "float64"; "float32" ] (fun () ->
            solve options (fun _ y -> cast DType.Float32 y) y0 ts)
        message<ShapeException> [ name; "times"; "(2, 1)" ] (fun () -> solve options same y0 (column ts))
        message<ShapeException> [ name; "times"; "(0)" ] (fun () ->
            solve options same y0 (full [ 0 ] DType.Float64 0.0))
        message<DTypeException> [ name; "times of float64"; "float32" ] (fun () ->
            solve options same y0 (cast DType.Float32 ts))
        message<DTypeException> [ name; "int32" ] (fun () -> solve options same (cast DType.Int32 y0) ts)
        message<ShapeException> [ name; "(0)" ] (fun () ->
            solve options same (full [ 0 ] DType.Float64 0.0) ts)
    let options = OdeSolveOptions()
    message<ArgumentException> [ "Steps"; "at least 1" ] (fun () ->
        options.Steps <- 0
        options)
    message<ArgumentException> [ "RelativeTolerance" ] (fun () ->
        options.RelativeTolerance <- nan
        options)
    message<ArgumentException> [ "MaxStep" ] (fun () ->
        options.MaxStep <- 0.0
        options)
    message<ArgumentException> [ "MaxSteps" ] (fun () ->
        options.MaxSteps <- 0
        options)
    message<ArgumentException> [ "no method" ] (fun () ->
        OdeSolve.fixedSteps (OdeSolveOptions(Method = enum 7)) (fun _ y -> y) y0 ts)
