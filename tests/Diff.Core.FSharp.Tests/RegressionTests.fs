/// One test for each mistake found in review, so that it stays mended.
module RegressionTests

open System
open Xunit
open Diff
open Diff.Testing.Generators

let private values (x: Expr) = (eval x).ToArray<float>()

[<Fact>]
let ``a long float32 sum keeps its digits`` () =
    let n = 1_000_000
    let x = constant (NDArray.Create(Array.create n 0.1f, Shape [| n |]))
    Assert.InRange(item (mean x), 0.0999999, 0.1000001)
    Assert.Equal(float n, item (sum (onesLike x * 1.0 + 0.0 * x)))

[<Fact>]
let ``no infinity passes through a branch that a kink shuts`` () =
    let x = variable "x" -1.0
    Assert.Equal(0.0, item (grad (sqrt (relu x)) x))
    Assert.Equal(0.0, item (grad (sqrt (maximum x (scalar 0.0))) x))
    Assert.Equal(0.0, item (grad (sqrt (minimum (-x) (scalar 0.0))) x))

[<Fact>]
let ``equal extremes share an infinite cotangent`` () =
    let x = tensor "x" [ 2 ] [| 0.0; 0.0 |]
    Assert.Equal<float[]>([| infinity; infinity |], values (grad (log (reduceMax x)) x))

[<Theory>]
[<InlineData(0.0, 2, 0.0)>]
[<InlineData(1.0, 3, 0.0)>]
[<InlineData(2.0, 2, 2.0)>]
[<InlineData(2.0, 4, 0.0)>]
[<InlineData(3.0, 3, 6.0)>]
let ``powers with a variable exponent have their derivatives at 0`` exponent order expected =
    let x, y = variable "x" 0.0, variable "y" exponent
    Assert.Equal(expected, item (nthDerivative order (Expr.Pow(x, y)) x))

[<Fact>]
let ``simplified nodes keep the scope of those they replace`` () =
    let x, y = variable "x" 1.0, variable "y" 2.0
    let z =
        use _ = Scope.Enter "layer"
        sin (x + -y) + 0.0
    let scopes =
        Graph.topological [ simplify z ]
        |> Array.filter (fun e -> e.Args.Length > 0)
        |> Array.map (fun e -> string e.Scope)
    Assert.All(scopes, fun scope -> Assert.Equal("layer", scope))

[<Fact>]
let ``tangents of nodes that are given twice or depend on each other add`` () =
    let x = variable "x" 3.0
    Assert.Equal(12.0, item (jvp (x * x) [ x; x ] [ scalar 1.0; scalar 1.0 ]))
    let h = x * x
    let y = sin h
    // The pairing with vjp: each node gets its total derivative.
    let adjoint = grads y [ x; h ] |> List.sumBy item
    Assert.Equal(adjoint, item (jvp y [ x; h ] [ scalar 1.0; scalar 1.0 ]), 1e-12)

[<Fact>]
let ``a checkpoint of nothing but captured variables still recomputes`` () =
    let w = variable "w" 0.5
    let y = checkpoint (fun _ -> exp (sin w)) []
    Assert.Equal(Math.Exp(Math.Sin 0.5), item y)
    Assert.Equal(Math.Exp(Math.Sin 0.5) * Math.Cos 0.5, item (grad y w), 1e-15)
    Assert.Contains(Graph.topological [ grad y w ], fun e -> e.Op.IsBarrier)

[<Fact>]
let ``an extent for a label that nobody names is refused`` () =
    let x = tensor "x" [ 2 ] [| 1.0; 2.0 |]
    let error =
        Assert.Throws<ShapeException>(fun () -> einsumWith "i->ij" [ 'j', 2; 'z', 7 ] [ x ] |> ignore)
    Assert.Equal(
        "einsum \"i->ij\": an extent is given for axis 'z', which the notation does not name",
        withoutLine error
    )

[<Fact>]
let ``derivatives with respect to a constant are refused`` () =
    let c = full [] DType.Float64 2.0
    let error =
        Assert.Throws<InvalidOperationException>(fun () -> grad (c * c) c |> ignore)
    Assert.Equal(
        "grad: 2 is a constant, and nothing can be differentiated with respect to it; make it a variable",
        withoutLine error
    )

[<Fact>]
let ``steps as large as an int, absolute values and casts at the end of the range`` () =
    let x = constant (NDArray.Create([| 1.0; 2.0; 3.0 |], Shape [| 3 |]))
    Assert.Equal<float[]>([| 1.0 |], values (x[Slice.Every Int32.MaxValue]))
    Assert.Equal<float[]>([| 1.0 |], values (slice 0 None None Int32.MaxValue x))
    let least = constant (NDArray.Create([| Int64.MinValue |], Shape [| 1 |]))
    Assert.Equal<int64[]>([| Int64.MinValue |], (eval (abs least)).ToArray<int64>())
    let big = constant (NDArray.Create([| 3e9; -3e9; nan; 1.9; -1.9 |], Shape [| 5 |]))
    Assert.Equal<int[]>(
        [| Int32.MaxValue; Int32.MinValue; 0; 1; -1 |],
        (eval (cast DType.Int32 big)).ToArray<int>()
    )

[<Fact>]
let ``reductions over chosen axes, kept or not`` () =
    let x = tensor "x" [ 2; 3 ] [| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |]
    Assert.Equal<float[]>([| 6.0; 120.0 |], values (prodOver [ 1 ] x))
    Assert.Equal(Shape [| 2; 1 |], (reduceMaxKeeping [ -1 ] x).Shape)
    Assert.Equal<float[]>([| 1.0; 2.0; 3.0 |], values (reduceMinOver [ 0 ] x))
    Assert.Equal(Shape [| 1; 3 |], (logsumexpKeeping [ 0 ] x).Shape)
    Assert.Equal<float[]>([| 5.0; 7.0; 9.0 |], values (sumKeeping [ 0 ] x))
    Assert.Equal<float[]>([| 2.5; 3.5; 4.5 |], values (meanOver [ 0 ] x))
    Assert.Equal(21.0, item (sumOver [ 0; 1 ] x))

[<Fact>]
let ``an unconnected gradient is zeros or an error, by choice`` () =
    let x, y = variable "x" 1.0, variable "y" 1.0
    Assert.Equal(0.0, item (grad (x * x) y))
    Assert.Throws<InvalidOperationException>(fun () -> gradsWith Unconnected.Error (x * x) [ y ] |> ignore)
    |> ignore

[<Fact>]
let ``a diagonal of indices counts along both of its axes`` () =
    for axis in [ 0; 1 ] do
        let n = 3000
        let diagonal = einsum "ii->i" [ iota [ n; n ] axis DType.Float32 ]
        let values =
            eval (diagonal + exp (variableOf "z" (NDArray.Zeros(DType.Float32, Shape [| n |]))))
        for i in [ 0; 1; 2; n - 1 ] do
            Assert.Equal(float i + 1.0, values.Float i)

[<Fact>]
let ``a checkpoint that gives a variable back is that variable`` () =
    let w, x = variable "w" 0.5, variable "x" 2.0
    Assert.Equal(3.0, item (grad (3.0 * checkpoint (fun _ -> w) [ x ]) w))
    Assert.Equal(3.0, item (grad (3.0 * checkpoint (fun xs -> xs[0]) [ x ]) x))

[<Fact>]
let ``the derivative of a power with respect to its base changes with an exponent of 0`` () =
    let x, y = variable "x" 0.5, variable "y" 0.0
    let slope = grad (x ** y) x
    Assert.Equal(0.0, item slope)
    // d/dy of y·x^(y−1) is x^(y−1) + …
    Assert.Equal(2.0, item (grad slope y))
    Assert.Equal(2.0, item (grad (grad (x ** y) y) x))
    // Where there is no 1/x the convention stays, and no NaN.
    for point in [ 0.0; -0.0; 1e-310; nan ] do
        assign x (NDArray.op_Implicit point)
        Assert.Equal(0.0, item slope)

[<Fact>]
let ``log1p of minus infinity is no number, in the reference and in every plan`` () =
    let x = tensor "x" [ 2 ] [| -infinity; infinity |]
    for values in [ Reference.evaluate [| log1p x |] |> Array.head; eval (log1p x) ] do
        Assert.True(Double.IsNaN(values.Float 0))
        Assert.Equal(infinity, values.Float 1)
    assign x (NDArray.Create([| -2.0; -1.0 |], Shape [| 2 |]))
    Assert.Equal(-infinity, (eval (log1p x)).Float 1)

[<Fact>]
let ``long sums of float32 keep their digits along every axis`` () =
    for shape, axes in
        [ [ 2; 200_000; 4 ], [ 1 ]
          [ 2; 3; 100_000; 2 ], [ 2 ]
          [ 2; 100_000; 3; 2 ], [ 1; 3 ]
          [ 3; 300_001 ], [ 1 ]
          [ 200_000; 4 ], [ 0 ]
          [ 40; 70_000 ], [ 0 ] ] do
        let n = axes |> List.fold (fun n axis -> n * shape[axis]) 1
        let x = tensor "x" shape (Array.create (List.fold (*) 1 shape) 0.1f)
        let exact = float 0.1f * float n
        for y in [ sumOver axes x; sumOver axes (exp (log x)) ] do
            let y = eval y
            for i in 0 .. y.Length - 1 do
                Assert.InRange(y.Float i / exact, 1.0 - 1e-5, 1.0 + 1e-5)

[<Fact>]
let ``rows whose sums are used again have the same bits on tiles and compiled, beyond a block`` () =
    for columns in [ 4095; 4096; 4097; 4096 + 63; 8192; 3 * 4096 + 17 ] do
        let x =
            tensor "x" [ 20; columns ] (Array.init (20 * columns) (fun i -> float32 (sin (float i))))
        let roots = [| softmax 1 x; exp (x - meanKeeping [ 1 ] (x * x)) |]
        let bits tier =
            (Planner.make (EngineOptions(2, tier)) [||] roots).Run [||]
            |> Array.map (fun y -> (bytesOf y).ToArray())
        Assert.Equal<byte[][]>(bits Diff.Kernels.Tier.Tiles, bits Diff.Kernels.Tier.Compiled)

[<Fact>]
let ``a chain of masked derivatives grows with its length alone`` () =
    let nodes length =
        let x = tensor "x" [ 3 ] [| 0.5; -0.5; 2.0 |]
        let y = Seq.fold (fun y _ -> clip 0.0 10.0 (relu (y * 1.001))) x (seq { 1..length })
        let g = Gradient.grad Unconnected.Zeros y [| x |]
        (Graph.topological g).Length
    let one, two = nodes 200, nodes 400
    Assert.InRange(two, one, 2 * one + 100)
    // 3,000 masks on a small stack.
    let mutable slope = nan
    let work () =
        let x = variable "x" 2.0
        let y = Seq.fold (fun y _ -> relu (y * 0.9999)) x (seq { 1..3000 })
        slope <- item (grad y x)
    let thread = Threading.Thread(work, 192 <<< 10)
    thread.Start()
    thread.Join()
    Assert.Equal(Math.Pow(0.9999, 3000.0), slope, 1e-9)

[<Fact>]
let ``of nested masks nothing leaks from any branch not taken`` () =
    let x = tensor "x" [ 4 ] [| -1.0; 0.0; 1.0; 4.0 |]
    let inner = where (greater x (scalar 0.0)) (log x) (scalar 0.0)
    let outer = where (less x (scalar 2.0)) (sqrt inner) (scalar 0.0)
    // At 1 the square root of log has an infinite slope, which is right; elsewhere there is nothing undefined.
    Assert.Equal<float[]>([| 0.0; 0.0; infinity; 0.0 |], values (grad outer x))

[<Fact>]
let ``a negated integer is divided as it is`` () =
    let shape = Shape [| 1 |]
    for least in
        [ NDArray.Create([| Int32.MinValue |], shape)
          NDArray.Create([| Int64.MinValue |], shape) ] do
        let y = -(variableOf "x" least) / full [ 1 ] least.DType 2.0
        Assert.Equal(least.Float 0 / 2.0, (eval y).Float 0)

[<Fact>]
let ``integers beyond 2^53 stay what they are`` () =
    let large = 9007199254740993L
    let x = constant (NDArray.Create([| large |], Shape [| 1 |]))
    Assert.Equal(large, (eval (reshape [ 1; 1 ] x)).Span<int64>()[0])
    let near = constant (NDArray.Create([| large - 1L |], Shape [| 1 |]))
    Assert.Equal(0.0, (eval (equal x near)).Float 0)

[<Fact>]
let ``loops of different element types stay apart`` () =
    let n = 1000
    let single i =
        tensor $"s{i}" [ n ] (Array.init n (fun k -> float32 (sin (float (k + i)))))
    let double i =
        tensor $"d{i}" [ n ] (Array.init n (fun k -> cos (float (k + i))))
    let mask = greater (double 0) (scalar 0.1)
    let roots =
        [| exp (where mask (single 1) (single 2) * single 3)
           exp (where mask (double 1) (double 2) * double 3) |]
    let expected = Reference.evaluate roots
    for tier in [ Diff.Kernels.Tier.Tiles; Diff.Kernels.Tier.Compiled ] do
        let found = (Planner.make (EngineOptions(1, tier)) [||] roots).Run [||]
        for e, a in Array.zip expected found do
            for i in 0 .. n - 1 do
                Assert.Equal(e.Float i, a.Float i, 1e-6)

[<Fact>]
let ``a constant is what the array was`` () =
    let array = NDArray.Create([| 1.0; 2.0 |], Shape [| 2 |])
    let c = constant array
    array.Span<float>()[0] <- 100.0
    Assert.Equal<float[]>([| 1.0; 2.0 |], values c)

[<Fact>]
let ``an assigned value is the variable's own`` () =
    let a, b = tensor "a" [ 2 ] [| 1.0; 2.0 |], tensor "b" [ 2 ] [| 0.0; 0.0 |]
    let value = eval a
    assign b value
    value.Span<float>()[0] <- 7.0
    Assert.Equal<float[]>([| 1.0; 2.0 |], values b)

[<Fact>]
let ``results that share memory with what is read, or with each other, are refused`` () =
    let f = new CompiledFunction(fun xs -> [| matmul xs[0] xs[0]; xs[0] + 1.0 |])
    let x = spread 1 (-1.0, 1.0) [ 8; 8 ]
    let other = NDArray.Zeros(DType.Float64, Shape [| 8; 8 |])
    let over = Assert.Throws<ArgumentException>(fun () -> f.CallInto([| x; other |], x))
    Assert.Contains("the array for result 0 shares memory with argument 0", over.Message)
    let twice =
        Assert.Throws<ArgumentException>(fun () -> f.CallInto([| other; other |], x))
    Assert.Contains("the arrays for results 0 and 1 share memory", twice.Message)
    let w = variableOf "w" (spread 2 (-1.0, 1.0) [ 8; 8 ])
    let g = new CompiledFunction(fun xs -> [| matmul xs[0] w |])
    let held =
        Assert.Throws<ArgumentException>(fun () ->
            match w.Op with
            | Op.Variable v -> g.CallInto([| Variable.valueOf v |], x)
            | _ -> ())
    Assert.Contains("shares memory with the value of \"w\"", held.Message)

[<Fact>]
let ``a function that gives null is told so`` () =
    let nothing = new CompiledFunction(fun _ -> Unchecked.defaultof<Expr[]>)
    let some = new CompiledFunction(fun xs -> [| xs[0]; Unchecked.defaultof<Expr> |])
    let message (f: CompiledFunction) =
        Assert
            .Throws<InvalidOperationException>(fun () -> f.Call(spread 1 (-1.0, 1.0) [ 2 ]) |> ignore)
            .Message
    Assert.Equal("compile: the function gave null, not its results", message nothing)
    Assert.Equal("compile: result 1 of the function is null", message some)

[<Fact>]
let ``a compiled function is traced for training and for evaluation apart, and draws nothing that would stay the same``
    ()
    =
    let doubled =
        new CompiledFunction(fun xs -> [| (if TrainingMode.isOn () then 2.0 * xs[0] else xs[0]) |])
    let drawing =
        new CompiledFunction(fun xs ->
            [| (if TrainingMode.isOn () then
                    Rng.dropout 0.5 xs[0] (TrainingMode.nextKey "dropout")
                else
                    xs[0]) |])
    let x = NDArray.op_Implicit 3.0
    Assert.Equal(3.0, doubled.Call(x).[0].Float 0)
    TrainingMode.within (Rng.key 1L) (fun () ->
        Assert.Equal(6.0, doubled.Call(x).[0].Float 0)
        let error =
            Assert.Throws<InvalidOperationException>(fun () -> drawing.Call x |> ignore)
        Assert.Contains(
            "a compiled function would draw the same random numbers at every call",
            error.Message
        ))
    Assert.Equal(3.0, doubled.Call(x).[0].Float 0)
    Assert.Equal(3.0, drawing.Call(x).[0].Float 0)

[<Fact>]
let ``two compiled functions may trace each other on two threads`` () =
    let functions: CompiledFunction[] = Array.zeroCreate 2
    use gate = new Threading.Barrier 2
    use isInner = new Threading.ThreadLocal<bool>()
    for k in 0..1 do
        functions[k] <-
            new CompiledFunction(fun xs ->
                if not isInner.Value then
                    isInner.Value <- true
                    gate.SignalAndWait()
                    functions[1 - k].Call(NDArray.op_Implicit 2.0) |> ignore
                [| xs[0] + float k |])
    let call k =
        Threading.Tasks.Task.Run(fun () -> functions[k].Call(NDArray.op_Implicit 1.0).[0].Float 0)
    let calls = [| call 0; call 1 |]
    Assert.True(Threading.Tasks.Task.WaitAll(calls |> Array.map (fun t -> t :> Threading.Tasks.Task), 30_000))
    Assert.Equal<float[]>([| 1.0; 2.0 |], calls |> Array.map _.Result)
