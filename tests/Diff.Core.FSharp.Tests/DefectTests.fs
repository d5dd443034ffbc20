/// Faults of older automatic differentiation that this library must not have, each under its number in their list
/// (B: a graph-to-graph library, S: reverse mode from scratch, O: own operations, J: vertices), and others met on the way.
module DefectTests

open System
open System.Globalization
open System.IO
open System.Reflection
open System.Threading
open System.Threading.Tasks
open Xunit
open Diff
open Diff.Testing.MersenneTwister

let private numbers (x: Expr) = (eval x).ToArray<float>()
let private vector name (xs: float list) =
    tensor name [ xs.Length ] (Array.ofList xs)
let private matrix name (rows: float list list) =
    tensor name [ rows.Length; rows.Head.Length ] (Array.ofList (List.concat rows))
let private is (expected: float list) (actual: Expr) =
    Assert.Equal<float list>(expected, List.ofArray (numbers actual))
let private shapeIs (expected: int list) (actual: Expr) =
    Assert.Equal<int list>(expected, List.ofArray (actual.Shape.ToArray()))

let private near (expected: float list) (actual: Expr) =
    let actual = List.ofArray (numbers actual)
    Assert.Equal(expected.Length, actual.Length)
    for e, a in List.zip expected actual do
        Assert.True(abs (e - a) <= 1e-14 * max 1.0 (abs e), $"expected {e:R}, got {a:R}")

/// A function at a number, and its first and second derivative there.
let private atPoint (f: Expr -> Expr) (point: float) =
    let x = variable "x" point
    let y = f x
    let first = grad y x
    item y, item first, item (grad first x)

let private value f point = let y, _, _ = atPoint f point in y
let private slope f point = let _, d, _ = atPoint f point in d
let private bend f point = let _, _, d = atPoint f point in d
let private nodes (e: Expr) = (Graph.topological [ e ]).Length

// ---- B: values and slopes of scalar functions ---------------------------------------------------------------------------

[<Fact>]
let ``B-1: log has no epsilon`` () =
    Assert.Equal(Double.NegativeInfinity, value log 0.0)
    Assert.Equal(Double.PositiveInfinity, slope log 0.0)
    Assert.Equal(Double.NaN, value log -1e-13)
    Assert.Equal(1e13, slope log 1e-13)

[<Fact>]
let ``B-2: division has no epsilon`` () =
    Assert.Equal(1.0 / 1e-13, value reciprocal 1e-13)
    Assert.Equal(1.0 / -1e-12, value reciprocal -1e-12)
    Assert.Equal(Double.PositiveInfinity, value reciprocal 0.0)
    Assert.Equal(Double.NegativeInfinity, value reciprocal -0.0)
    Assert.Equal(0.0, value (fun x -> 1.0 / x * 3.0 - 1.0) 3.0)

[<Fact>]
let ``B-3: relu has slope 1 at every positive number`` () =
    for x in [ 1e-11; 1e-12; 1e-13; Double.Epsilon ] do
        Assert.Equal(1.0, slope relu x)
    Assert.Equal(0.0, slope relu 0.0)

[<Fact>]
let ``B-4: relu has no second derivative`` () =
    for x in [ 1e-9; 1e-6; -1e-9; 0.0; 1.0 ] do
        Assert.Equal(0.0, bend relu x)

[<Fact>]
let ``B-5: relu of minus infinity is 0, of NaN NaN`` () =
    Assert.Equal(0.0, value relu Double.NegativeInfinity)
    Assert.Equal(Double.PositiveInfinity, value relu Double.PositiveInfinity)
    Assert.Equal(Double.NaN, value relu Double.NaN)

[<Fact>]
let ``B-6: softmax does not overflow, at any rank and along any axis`` () =
    is [ 1.0; 0.0 ] (softmax 0 (vector "x" [ 1000.0; 0.0 ]))
    let source = MersenneTwister.NumPy 6
    let x =
        tensor "x" [ 2; 3; 2; 1; 4 ] (Array.init 48 (fun _ -> 2000.0 * source.Uniform() - 1000.0))
    for axis in -5 .. 4 do
        let total = sumOver [ axis ] (softmax axis x)
        near (List.replicate total.Shape.Length 1.0) (reshape [ -1 ] total)

[<Fact>]
let ``B-7: the gradient of softmax cross-entropy is as stable as its value`` () =
    let logits = vector "logits" [ 1000.0; 0.0 ]
    for labels, loss, gradient in [ [ 1.0; 0.0 ], 0.0, [ 0.0; 0.0 ]; [ 0.0; 1.0 ], 1000.0, [ 1.0; -1.0 ] ] do
        let cost = crossEntropyOfDistributions logits (vector "labels" labels)
        is [ loss ] cost
        is gradient (grad cost logits)

[<Fact>]
let ``B-8: cross-entropies have gradients with respect to the labels`` () =
    let logits, labels = vector "logits" [ 0.0; 1.0 ], vector "labels" [ 0.25; 0.75 ]
    near [ 1.3132616875182228; 0.3132616875182228 ] (grad (crossEntropyOfDistributions logits labels) labels)
    is [ -0.0; -1.0 ] (grad (sigmoidCrossEntropy logits labels) labels)

[<Fact>]
let ``B-9: cross-entropies take labels of any rank`` () =
    for shape in [ [ 4 ]; [ 3; 4 ]; [ 2; 3; 4 ]; [ 1; 2; 3; 4 ] ] do
        let count = List.reduce (*) shape
        let logits, labels =
            tensor "logits" shape (Array.init count float), tensor "labels" shape (Array.create count 0.25)
        shapeIs (List.take (shape.Length - 1) shape) (crossEntropyOfDistributions logits labels)
        shapeIs shape (sigmoidCrossEntropy logits labels)

[<Fact>]
let ``B-10: tanh saturates`` () =
    Assert.Equal((-1.0, 0.0, 0.0), atPoint tanh -400.0)
    Assert.Equal((1.0, 0.0, -0.0), atPoint tanh 400.0)

[<Fact>]
let ``B-11: the gradient of a power has the shapes of base and exponent`` () =
    let x, y =
        matrix "x" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ]; [ 5.0; 6.0 ] ], vector "y" [ 2.0; 3.0 ]
    shapeIs [ 3; 2 ] (grad (x ** y) x)
    shapeIs [ 2 ] (grad (x ** y) y)
    near
        [ 9.0 * log 3.0 + 25.0 * log 5.0
          8.0 * log 2.0 + 64.0 * log 4.0 + 216.0 * log 6.0 ]
        (grad (x ** y) y)

[<Fact>]
let ``B-12: powers at a base of 0, at a negative base and with a constant base`` () =
    let power at exponent =
        let x, y = variable "x" at, variable "y" exponent
        let z = x ** y
        item z, item (grad z x), item (grad z y)
    Assert.Equal((1.0, 0.0, 0.0), power 0.0 0.0)
    Assert.Equal((0.0, 0.0, 0.0), power 0.0 2.0)
    Assert.Equal((-8.0, 12.0, Double.NaN), power -2.0 3.0) // (−2)^y exists at integers alone
    Assert.Equal((8.0, 8.0 * log 2.0, 8.0 * log 2.0 * log 2.0), atPoint (fun x -> Expr.Pow(2.0, x)) 3.0)

let private byName: (string * (Expr -> Expr)) list =
    [ "exp", exp
      "expm1", expm1
      "log", log
      "log1p", log1p
      "sqrt", sqrt
      "sin", sin
      "cos", cos
      "tan", tan
      "tanh", tanh
      "sigmoid", sigmoid
      "softplus", softplus
      "reciprocal", reciprocal
      "square", square ]

let functions: TheoryData<string> = TheoryData<string>(byName |> Seq.map fst)

let private extremes =
    lazy
        (use stream =
            nonNull (Assembly.GetExecutingAssembly().GetManifestResourceStream "extremes.csv")
         use reader = new StreamReader(stream)
         let lines = reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)
         [ for line in Array.skip 2 lines do // a comment, the names of the columns
               let cells = line.Trim().Split ','
               cells[0],
               cells[1..]
               |> Array.map (fun cell -> Double.Parse(cell, CultureInfo.InvariantCulture)) ])

[<Theory>]
[<MemberData(nameof functions)>]
let ``B-1 to B-10: values and two derivatives at extreme arguments`` (name: string) =
    let f = byName |> List.find (fst >> (=) name) |> snd
    let rows = extremes.Value |> List.filter (fst >> (=) name) |> List.map snd
    Assert.NotEmpty rows
    for row in rows do
        let value, first, second = atPoint f row[0]
        for what, expected, actual in
            [ "value", row[1], value
              "slope", row[2], first
              "second derivative", row[3], second ] do
            let equal = expected = actual || (Double.IsNaN expected && Double.IsNaN actual)
            // 1 − tanh² and the like are right to the last digit of 1.
            let close =
                abs (expected - actual) <= 1e-15 * abs expected
                || abs (expected - actual) <= 2.3e-16
            Assert.True(equal || close, $"{what} at {row[0]:R}: expected {expected:R}, got {actual:R}")

// ---- B: contractions ------------------------------------------------------------------------------------------------------

[<Fact>]
let ``B-13: an operand that stands twice counts twice`` () =
    let x, a = vector "x" [ 1.0; 2.0; 3.0 ], matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ]
    is [ 2.0; 4.0; 6.0 ] (grad (einsum "i,i->" [ x; x ]) x)
    is [ 7.0; 11.0; 9.0; 13.0 ] (grad (sum (einsum "ij,jk->ik" [ a; a ])) a)
    is [ 2.0; 4.0; 6.0; 8.0 ] (grad (einsum "ij,ij->" [ a; a ]) a)

[<Fact>]
let ``B-14: a letter that repeats in an operand is a diagonal, in both directions`` () =
    let a = matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ]
    is [ 5.0 ] (einsum "ii->" [ a ])
    is [ 1.0; 4.0 ] (einsum "ii->i" [ a ])
    is [ 1.0; 0.0; 0.0; 1.0 ] (grad (einsum "ii->" [ a ]) a)
    is [ 1.0; 0.0; 0.0; 1.0 ] (grad (einsum "ii->i" [ a ]) a)
    is [ 2.0; 0.0; 0.0; 8.0 ] (grad (square (einsum "ii->i" [ a ])) a)

[<Fact>]
let ``B-15: an ellipsis may stand anywhere, stretches, and needs no output`` () =
    let a, v = matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ], vector "v" [ 5.0; 6.0 ]
    is [ 5.0; 12.0; 15.0; 24.0 ] (einsum "...k, k -> ...k" [ a; v ])
    is [ 4.0; 6.0 ] (grad (einsum "...k,k->...k" [ a; v ]) v)
    is [ 5.0; 10.0; 18.0; 24.0 ] (einsum "k...,k->k..." [ a; v ])
    is [ 1.0; 3.0; 2.0; 4.0 ] (einsum "i...->...i" [ a ])
    is [ 17.0; 39.0 ] (einsum "i...j,j" [ expandDims 1 a; v ] |> reshape [ -1 ])
    let row = tensor "row" [ 1; 2 ] [| 5.0; 6.0 |]
    is [ 6.0; 8.0; 8.0; 10.0 ] (einsum "...,...->..." [ a + row; onesLike row ])
    shapeIs [ 1; 2 ] (grad (einsum "...,...->..." [ a; row ]) row)

// ---- B: slices, joins, indices -----------------------------------------------------------------------------------------

[<Fact>]
let ``B-16: an array concatenated with itself gets both parts of the cotangent`` () =
    let x = vector "x" [ 1.0; 1.0 ]
    let weights = constant (eval (vector "weights" [ 1.0; 2.0; 3.0; 4.0 ]))
    is [ 4.0; 6.0 ] (grad (concat 0 [ x; x ] * weights) x)
    is [ 3.0; 3.0 ] (grad (concat 0 [ x; x; x ]) x)

[<Fact>]
let ``B-17: concat and pad have gradients, along any axis`` () =
    let a = matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ]
    for axis in -2 .. 1 do
        is [ 2.0; 4.0; 6.0; 8.0 ] (grad (square (concat axis [ a; zerosLike a ])) a)
    is [ 2.0; 4.0; 6.0; 8.0 ] (grad (square (pad [ 1, 0; 2, 2 ] a)) a)

[<Fact>]
let ``B-18: derivatives of slices are graphs, so that higher orders exist`` () =
    let x = vector "x" [ 1.0; 2.0 ]
    is [ Math.E; 0.0 ] (nthDerivative 2 (exp (slice 0 (Some 0) (Some 1) 1 x)) x)
    is [ 1.0; 1.0 ] (grad (sum (grad (at 0 0 x * at 0 1 x) x)) x)
    is [ 0.0; 1.0; 1.0; 0.0 ] (hessian (at 0 0 x * at 0 1 x) x |> reshape [ -1 ])

[<Fact>]
let ``B-19: an index that repeats adds up`` () =
    let x, indices = vector "x" [ 1.0; 2.0 ], tensor "indices" [ 3 ] [| 0; 0; 1 |]
    is [ 2.0; 1.0 ] (grad (gather 0 indices x) x)
    is [ 4.0; 4.0 ] (grad (square (gather 0 indices x)) x)

[<Fact>]
let ``B-20: the check of order 2 sees a derivative that was cut off`` () =
    let cut = scalarOp "cut exp" exp (fun _ y -> stopGradient y)
    let report =
        checkGradients (fun xs -> cut xs[0]) [ NDArray.op_Implicit [| 0.3; 0.4 |] ]
    Assert.True(report.DigitsOf(0, 1) > 8.0, string report)
    Assert.True(report.DigitsOf(0, 2) < 2.0, string report)

// ---- B: graphs ------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``B-21: a value is that of the variables now`` () =
    let x = variable "x" 3.0
    let y = x * x
    let dy = grad y x
    Assert.Equal((9.0, 6.0), (item y, item dy))
    assign x (NDArray.op_Implicit 4.0)
    Assert.Equal((16.0, 8.0), (item y, item dy))

[<Fact>]
let ``B-24: the sixth derivative of tanh is a graph of at most 200 nodes`` () =
    let x = variable "x" 0.5
    let sixth = nthDerivative 6 (tanh x) x
    Assert.InRange(nodes sixth, 1, 200)

[<Fact>]
let ``B-25: where nothing depends on a variable its gradient is zeros of its shape, or an error that names it``
    ()
    =
    let x, y = vector "x" [ 1.0; 2.0; 3.0 ], matrix "y" [ [ 1.0 ]; [ 2.0 ] ]
    is [ 0.0; 0.0 ] (grad (sum x) y |> reshape [ -1 ])
    shapeIs [ 2; 1 ] (grad (sum x) y)
    let e =
        Assert.Throws<InvalidOperationException>(fun () ->
            Gradient.grad Unconnected.Error (sum x) [| y |] |> ignore)
    Assert.Contains("does not depend on \"y\"", e.Message)

[<Fact>]
let ``B-26: the normal density has a variance, and gradients with respect to mean and variance`` () =
    let x, mean, variance =
        variable "x" 1.0, variable "mean" 1.0, variable "variance" 2.0
    let density = normalDensity mean variance x
    near [ 1.0 / sqrt (4.0 * Math.PI) ] density
    near [ 0.0 ] (grad density mean)
    near [ 0.0 ] (grad density x)
    near [ -1.0 / (4.0 * sqrt (4.0 * Math.PI)) ] (grad density variance)
    near [ -0.25 ] (grad (normalLogDensity mean variance x) variance)

[<Fact>]
let ``B-27: the Frobenius norm counts an array twice that stands twice, and has derivative 0 at 0`` () =
    let x = vector "x" [ 3.0; 4.0 ]
    is [ 5.0 ] (frobeniusNorm [ x ])
    shapeIs [] (frobeniusNorm [ x ])
    near [ sqrt 50.0 ] (frobeniusNorm [ x; x ])
    near [ sqrt 2.0 * 0.6; sqrt 2.0 * 0.8 ] (grad (frobeniusNorm [ x; x ]) x)
    let zero = vector "zero" [ 0.0; 0.0 ]
    is [ 0.0; 0.0 ] (grad (frobeniusNorm [ zero ]) zero)

[<Fact>]
let ``B-28: a checkpoint has a shape, gradients for what it captures, and one recomputation for all arguments``
    ()
    =
    let x, w, y =
        vector "x" [ 1.0; 2.0 ], vector "w" [ 3.0; 4.0 ], vector "y" [ 5.0; 6.0 ]
    let mutable traces = 0
    let f (xs: Expr list) =
        traces <- traces + 1
        exp (w * xs[0]) * xs[1]
    let kept = checkpoint f [ x; y ]
    shapeIs [ 2 ] kept
    let direct = exp (w * x) * y
    for e in [ x; w; y ] do
        Assert.Equal<float>(numbers (grad (direct * x) e), numbers (grad (kept * x) e))
        Assert.Equal<float>(numbers (nthDerivative 2 direct e), numbers (nthDerivative 2 kept e))
    Assert.Equal(1, traces)
    let gradients = Array.ofList (grads kept [ x; w; y ]) |> Planner.prepare
    let isExp (e: Expr) = e.Op = Op.Elementwise Fn.Exp
    Assert.Equal(1, Graph.topological gradients |> Array.filter isExp |> Array.length)
    Assert.Equal(
        2,
        Graph.topological (Planner.prepare (Array.append gradients [| kept |]))
        |> Array.filter isExp
        |> Array.length
    )

[<Fact>]
let ``B-29: Adam's first step counts`` () =
    let x = variable "x" 1.0
    let plan = new TrainingPlan([| x |], (fun _ -> sum x), Optimize.adam 0.001)
    let positions =
        List.init 4 (fun _ ->
            plan.Run() |> ignore
            item x)
    for before, after in List.pairwise (1.0 :: positions) do
        Assert.Equal(0.001, before - after, 10)

[<Fact>]
let ``B-30: Nesterov's momentum looks ahead`` () =
    let x = variable "x" 1.0
    let plan = new TrainingPlan([| x |], (fun _ -> square x), Optimize.nesterov 0.1 0.9)
    let positions =
        List.init 2 (fun _ ->
            plan.Run() |> ignore
            item x)
    // m₁ = 2, x₁ = 1 − 0.1·(2 + 0.9·2); m₂ = 0.9·2 + 1.24, x₂ = x₁ − 0.1·(1.24 + 0.9·m₂)
    for expected, actual in List.zip [ 0.62; 0.62 - 0.1 * (1.24 + 0.9 * 3.04) ] positions do
        Assert.Equal(expected, actual, 14)

[<Fact>]
let ``B-31: an optimiser changes no list of its caller`` () =
    let x, y = variable "x" 1.0, variable "y" 2.0
    let parameters, gradients = [| x; y |], [| onesLike x; onesLike y |]
    let optimizer = Optimize.adam 0.1
    let state = optimizer.Initialise parameters
    let kept = Array.copy state
    let struct (_, next) = optimizer.Update(gradients, state, parameters)
    Assert.Equal<Expr>([| x; y |], parameters)
    Assert.Equal<Expr>(kept, state)
    Assert.NotSame(state, next)

[<Fact>]
let ``B-32: sixteen threads that differentiate nested functions at once get equal bits and their own scopes``
    ()
    =
    let work (thread: int) =
        use _ = Scope.Enter $"thread_{thread}"
        let x = variable "x" 0.7
        let inner = grad (sin (x * x) * exp x) x
        let outer = grad (tanh inner / (1.0 + x * x)) x
        let made = (x * inner).Scope
        (match made with
         | null -> ""
         | scope -> string scope),
        BitConverter.DoubleToInt64Bits(item outer)
    use together = new Barrier(16)
    let results =
        Array.init 16 (fun thread ->
            Task.Factory.StartNew(
                (fun () ->
                    together.SignalAndWait()
                    Array.init 50 (fun _ -> work thread)),
                TaskCreationOptions.LongRunning
            ))
    let results = (Task.WhenAll results).Result
    let _, expected = results[0][0]
    results
    |> Array.iteri (fun thread runs ->
        for scope, bits in runs do
            Assert.Equal($"thread_{thread}", scope)
            Assert.Equal(expected, bits))

[<Fact>]
let ``B-33: shapes are found without memory for values`` () =
    let before = GC.GetAllocatedBytesForCurrentThread()
    let x = input "x" [ 30000; 30000 ] DType.Float64
    let y = sum (softmax 0 (einsum "ij,jk->ik" [ x; transpose x ] + 1.0))
    let g = grad y x
    shapeIs [ 30000; 30000 ] g
    Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0L, 10_000_000L)

[<Fact>]
let ``B-34: checking a graph with shared parts is not exponential`` () =
    let f (xs: Expr list) =
        let mutable e = 1e-9 * xs[0]
        for _ in 1..30 do
            e <- e + e
        sin e
    (checkGradients f [ NDArray.op_Implicit 0.3 ]).ThrowIfWorseThan 8.0

[<Fact>]
let ``B-35: integers have no derivative, and casting them gives one to nothing`` () =
    let n = tensor "n" [ 2 ] [| 1; 2 |]
    let e =
        Assert.Throws<DTypeException>(fun () -> grad (sum (cast DType.Float64 n)) n |> ignore)
    Assert.Contains("\"n\" is int32", e.Message)

// ---- S ----------------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``S-2: operators take numbers on either side, and derivatives have derivatives`` () =
    let x = variable "x" 2.0
    for y, expected in
        [ 1.0 + x, 3.0
          x + 1.0, 3.0
          1.0 - x, -1.0
          x - 1.0, 1.0
          3.0 * x, 6.0
          x * 3.0, 6.0
          3.0 / x, 1.5
          x / 4.0, 0.5
          Expr.Pow(3.0, x), 9.0
          x ** 3.0, 8.0
          -x, -2.0 ] do
        Assert.Equal(expected, item y)
    Assert.Equal(12.0, item (nthDerivative 2 (x ** 3.0) x))
    Assert.True((eval (greater x 1.0)).Span<bool>()[0])

[<Fact>]
let ``S-3: differences are right to ten digits, not four`` () =
    let estimates =
        Differences.derivative 1 (Array.map abs) (fun t -> [| exp (1.0 + t); sin (100.0 * (1.0 + t)) |])
    Assert.Equal(Math.E, estimates[0].Value, 10)
    Assert.Equal(100.0 * cos 100.0, estimates[1].Value, 8)

// ---- O ----------------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``O-3: gradients of inner nodes and of leaves together do not count anything twice`` () =
    let x = variable "x" 2.0
    let inner = x * x
    let y = inner + inner
    Assert.Equal<float list>([ 8.0; 2.0 ], List.map item (grads y [ x; inner ]))
    Assert.Equal<float list>([ 2.0; 8.0 ], List.map item (grads y [ inner; x ]))

[<Fact>]
let ``O-5: a gradient has the element type of its variable, and cotangents broadcast`` () =
    let x = tensor "x" [ 2; 2 ] [| 1f; 2f; 3f; 4f |]
    let y = tensor "y" [ 2 ] [| 1f; 2f |]
    Assert.Equal(DType.Float32, (grad (x * y) y).DType)
    Assert.Equal<float32>([| 4f; 6f |], (eval (grad (x * y) y)).ToArray<float32>())

// ---- J ----------------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``J-2: a second backward pass starts from nothing`` () =
    let x = variable "x" 3.0
    let y = x * x * 2.0
    Assert.Equal<float list>([ 12.0; 12.0 ], [ item (grad y x); item (grad y x) ])

[<Fact>]
let ``J-7: sigmoid and its derivatives do not overflow`` () =
    Assert.Equal((0.0, 0.0, 0.0), atPoint sigmoid -800.0)
    Assert.Equal((1.0, 0.0, -0.0), atPoint sigmoid 800.0)
    Assert.Equal((0.0, 0.0), (value softplus -800.0, slope softplus -800.0))
    Assert.Equal((800.0, 1.0), (value softplus 800.0, slope softplus 800.0))

[<Fact>]
let ``J-8: relu keeps NaN and the element type`` () =
    let y = relu (tensor "x" [ 2 ] [| nanf; 1f |])
    Assert.Equal(DType.Float32, y.DType)
    Assert.Equal<float32>([| nanf; 1f |], (eval y).ToArray<float32>())

[<Fact>]
let ``J-9: a number is added to a matrix`` () =
    let a = matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ]
    is [ 6.0; 7.0; 8.0; 9.0 ] (a + 5.0)
    is [ 4.0; 3.0; 2.0; 1.0 ] (5.0 - a)

// ---- Met on the way -----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``two inputs of one name and shape stay two`` () =
    let a, b = input "state" [] DType.Float64, input "state" [] DType.Float64
    let plan = Planner.make EngineOptions.Default [| a; b |] [| a - b; a * b |]
    let results: NDArray[] =
        plan.Run [| NDArray.op_Implicit 5.0; NDArray.op_Implicit 3.0 |]
    Assert.Equal<float list>([ 2.0; 15.0 ], [ results[0].Float 0; results[1].Float 0 ])

[<Fact>]
let ``constants are merged by bits: 0 and -0 stay two, NaN is one`` () =
    let x = variable "x" 1.0
    let both = (x / Expr.op_Implicit 0.0) - (x / Expr.op_Implicit -0.0)
    Assert.Equal(Double.PositiveInfinity, item both)
    let nans = simplify ((x + nan) * (x + nan))
    Assert.Equal(4, nodes nans)

[<Fact>]
let ``a product of equal parts is taken once`` () =
    let x = variable "x" 2.0
    Assert.Equal(4, nodes (simplify (sin (x * x) + sin (x * x))))
    Assert.Equal(4, nodes (simplify (sin (x * 3.0) + sin (3.0 * x))) - 1)

[<Fact>]
let ``a contraction that two others use is not computed twice`` () =
    let a, b =
        matrix "a" [ [ 1.0; 2.0 ]; [ 3.0; 4.0 ] ], matrix "b" [ [ 5.0; 6.0 ]; [ 7.0; 8.0 ] ]
    let product = einsum "ij,jk->ik" [ sin a + 0.0; b ]
    let roots =
        [| einsum "ik->i" [ product ]; einsum "ik->k" [ product ] |] |> Planner.prepare
    let isProduct (e: Expr) = e.Args.Length = 2
    Assert.Equal(1, Graph.topological roots |> Array.filter isProduct |> Array.length)

[<Fact>]
let ``an infinite derivative stands on the diagonal of a Jacobian alone`` () =
    for n in [ 1; 3; 7; 9 ] do
        let numbers = Array.init n (fun i -> if i = n / 2 then 0.0 else float (i + 1))
        let x = tensor "x" [ n ] numbers
        for f, slope in
            [ sqrt, (fun v -> 0.5 / sqrt v)
              (fun x -> -(3.0 * sqrt x) + 2.0 * sin x), (fun v -> -1.5 / sqrt v + 2.0 * cos v) ] do
            for mode in [ JacobianMode.Auto; JacobianMode.Rows; JacobianMode.Columns ] do
                let j: float[] = (eval (jacobianBy mode (f x) x)).ToArray<float>()
                for i in 0 .. n - 1 do
                    for k in 0 .. n - 1 do
                        let expected = if i <> k then 0.0 else slope numbers[i]
                        Assert.Equal(expected, j[i * n + k], 1e-12)

[<Fact>]
let ``loops with a condition lend a sweep only to those that read the same slices`` () =
    let scalarLike name =
        Leaf.input name Shape.Scalar DType.Float64
    let test =
        let h = scalarLike "h"
        Body([| h |], [| Expr.Map(Fn.Less, [| h; Expr.op_Implicit 10.0 |]) |])
    let adding =
        let s, v = scalarLike "s", scalarLike "v"
        Sweep(false, [| 0 |], [| Feed.State(0, 0); Feed.Slice 1 |], Body([| s; v |], [| s + v |]))
    let back =
        let g, h = scalarLike "g", scalarLike "h"
        Sweep(true, [| 2 |], [| Feed.State(1, 0); Feed.State(0, 0) |], Body([| g; h |], [| g * h |]))
    let loop (sweeps: Sweep[]) (args: Expr[]) =
        Iterated.Node(
            { Name = "while"
              Length = ValueNone
              Condition = ValueSome(struct ([| Feed.State(0, 0) |], test))
              Limit = 100L
              Sweeps = sweeps
              Parts = [| LoopPart.Final(sweeps.Length - 1, 0) |]
              Packed = DType.Float64
              MaxRecordBytes = 1L <<< 20
              Lends = null
              Borrows = null },
            args
        )
    let first, last = variable "first" 1.0, variable "last" 1.0
    let xs, others =
        tensor "xs" [ 2 ] [| 1.0; 2.0 |], tensor "others" [ 2 ] [| 3.0; 4.0 |]
    let lends slices =
        let value = loop [| adding |] [| first; xs; last |]
        let derivative = loop [| adding; back |] [| first; slices; last |]
        LendSweeps.run [| value; derivative |]
        |> Array.exists (fun e ->
            match e.Op with
            | Op.Loop extension -> not (isNull (Iterated.Of extension).Iteration.Lends)
            | _ -> false)
    Assert.True(lends xs)
    Assert.False(lends others)
