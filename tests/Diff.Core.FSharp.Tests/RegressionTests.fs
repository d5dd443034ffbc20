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
                // In a loop of the other type the float64 numbers would have six digits.
                Assert.Equal(e.Float i, a.Float i, (if e.DType = DType.Float64 then 1e-12 else 1e-5))

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

// ---- Accuracy -----------------------------------------------------------------------------------------------------------

[<Fact>]
let ``the derivative of expm1 keeps its digits far below 0`` () =
    let x = variable "x" 0.0
    for point in [ -1.0; -20.0; -40.0; -700.0; -infinity ] do
        assign x (NDArray.op_Implicit point)
        Assert.Equal(exp point, item (grad (expm1 x) x))
        Assert.Equal(exp point, item (jvp (expm1 x) [ x ] [ onesLike x ]))
        Assert.Equal(exp point, item (nthDerivative 3 (expm1 x) x))

[<Fact>]
let ``int64 becomes float32 by one rounding`` () =
    // The first lies a little above the middle of two numbers, where float64 puts it.
    let numbers =
        [| (1L <<< 60) + (1L <<< 36) + 1L; -((1L <<< 60) + (1L <<< 36) + 1L); 3L |]
    let expected = [| 1152921642045800448f; -1152921642045800448f; 3f |]
    let ofVariable = cast DType.Float32 (variableOf "x" (NDArray.op_Implicit numbers))
    let ofConstant = cast DType.Float32 (constant (NDArray.op_Implicit numbers))
    for y in [ ofVariable; ofConstant ] do
        Assert.Equal<float32[]>(expected, ((Reference.evaluate [| y |])[0]).ToArray<float32>())
        Assert.Equal<float32[]>(expected, (eval y).ToArray<float32>())
        Assert.Equal<float32[]>(expected, (eval (y * 1.0)).ToArray<float32>())
    let one = cast DType.Float32 (Expr.op_Implicit numbers[0])
    Assert.Equal(expected[0], (eval one).ToArray<float32>()[0])
    Assert.Equal(expected[0], (eval (simplify one)).ToArray<float32>()[0])
    // Beside a float32 operand a literal takes its type.
    let zero = tensor "z" [ 1 ] [| 0f |]
    Assert.Equal(expected[0], (eval (zero + Expr.op_Implicit numbers[0])).ToArray<float32>()[0])

[<Fact>]
let ``the cross-entropy of a sure and right logit is small, not 0`` () =
    let x, t = variable "x" 0.0, variable "t" 0.0
    let loss = sigmoidCrossEntropy x t
    let at point target =
        assign x (NDArray.op_Implicit (point: float))
        assign t (NDArray.op_Implicit (target: float))
        item loss
    let near (expected: float) found =
        Assert.InRange(abs (found - expected), 0.0, 4e-16 * abs expected)
    for sign, target in [ 1.0, 1.0; -1.0, 0.0 ] do
        near 3.059022737137205e-07 (at (sign * 15.0) target)
        near (exp -100.0) (at (sign * 100.0) target)
        near -(sign * exp -100.0) (item (grad loss x))
        near (exp -100.0) (item (nthDerivative 2 loss x))
        // Sure of it beyond all numbers: no loss, and none comes back.
        Assert.Equal(0.0, at (sign * infinity) target)
        Assert.Equal(0.0, item (grad loss x))
        Assert.Equal(infinity, at (sign * infinity) 0.5)
    near (Math.Log 2.0) (at 0.0 0.25)
    near 0.25 (item (grad loss x))
    near 0.25 (item (nthDerivative 2 loss x))
    near 3.0 (at 1.0 -1.0 - at 1.0 2.0)
    Assert.True(Double.IsNaN(at nan 1.0))
    let single = tensor "s" [ 2 ] [| 15f; -15f |]
    let losses = eval (sigmoidCrossEntropy single (tensor "t" [ 2 ] [| 1f; 0f |]))
    for i in 0..1 do
        Assert.Equal(float32 3.059022737137205e-07, float32 (losses.Float i))

[<Fact>]
let ``norms of several arrays neither overflow nor vanish`` () =
    let a, b = tensor "a" [ 2 ] [| 3e-200; 0.0 |], tensor "b" [ 1 ] [| 4e-200 |]
    let near (expected: float) found =
        Assert.InRange(abs (found / expected - 1.0), 0.0, 1e-15)
    near 5e-200 (item (frobeniusNorm [ a; b ]))
    near 0.6 ((eval (grad (frobeniusNorm [ a; b ]) a)).Float 0)
    assign a (NDArray.op_Implicit [| 3e200; 0.0 |])
    assign b (NDArray.op_Implicit [| 4e200 |])
    near 5e200 (item (frobeniusNorm [ a; b ]))
    near 5e200 (item (Optimize.globalNorm [ a; b ]))
    // Of two element types, in float64.
    let single = tensor "s" [ 1 ] [| 0f |]
    near 5e200 (item (Optimize.globalNorm [ a; single; b ]))
    assign single (NDArray.op_Implicit [| 3e38f |])
    near (float 3e38f * sqrt 2.0) (item (Optimize.globalNorm [ single; single ]))
    Assert.Equal(0.0, item (Optimize.globalNorm []))
    // One of them is 0: it still curves.
    let x, y = variable "x" 0.0, variable "y" 2.0
    Assert.Equal(0.0, item (grad (frobeniusNorm [ x; y ]) x))
    near 0.5 (item (nthDerivative 2 (frobeniusNorm [ x; y ]) x))
    Assert.Equal(0.0, item (frobeniusNorm [ input "none" [ 0 ] DType.Float64 |> zerosLike ]))
    let error =
        Assert.Throws<DTypeException>(fun () -> frobeniusNorm [ tensor "n" [ 1 ] [| 1 |] ] |> ignore)
    Assert.StartsWith("frobenius_norm: expected float32 or float64, got int32", error.Message)

[<Fact>]
let ``a float32 gradient of 1e30 is cut to the limit`` () =
    let w = tensor "w" [ 1 ] [| 1f |]
    let optimizer = Optimize.chain [ Optimize.clipByGlobalNorm 1.0; Optimize.sgd 0.1 ]
    let struct (updates, _) =
        optimizer.Update([| w * 1e30 |], optimizer.Initialise [| w |], [| w |])
    Assert.Equal(0.9f, (eval (w + updates[0])).ToArray<float32>()[0])

// ---- Errors that name what is wrong -----------------------------------------------------------------------------------------

[<Fact>]
let ``numbers of half precision are refused when the node is made`` () =
    let words: (string * (Expr -> Expr)) list =
        [ "argsort", argsort 0
          "sort", sort 0
          "top_k", (topK 2 0 >> fst)
          "matmul", fun x -> matmul x x
          "prod", prod
          "cummax", cummax 0
          "cummin", cummin 0
          "cumsum", cumsum 0
          "cumprod", cumprod 0
          "linear_recurrence", fun x -> linearRecurrence 0 x x
          "searchsorted", fun x -> searchSorted false x x
          "conv", (fun x -> conv (reshape [ 1; 1; 3 ] x) (reshape [ 1; 1; 3 ] x))
          "tensordot", (fun x -> tensordot [ 0 ] [ 0 ] x x)
          "contract", (fun x -> NamedExpr.Contract([| "i" |], NamedExpr.Of(x, "i")).Expr)
          "scatter_add_along", fun x -> addAlong 0 (tensor "i" [ 3 ] [| 0; 1; 2 |]) x x ]
    for dtype in [ DType.Float16; DType.BFloat16 ] do
        let x = cast dtype (tensor "x" [ 3 ] [| 3f; 1f; 2f |])
        for operation, word in words do
            let error = Assert.Throws<DTypeException>(fun () -> word x |> ignore)
            Assert.Equal(
                $"{operation}: expected a type that is computed with, got {DType.name dtype}; cast it to float32",
                withoutLine error
            )

[<Fact>]
let ``schedules of no steps are refused`` () =
    for steps in [ 0.0; -1.0; nan ] do
        let refused (make: unit -> Expr -> Expr) =
            let error = Assert.Throws<ArgumentException>(fun () -> make () |> ignore)
            Assert.Contains($"expected a number of steps of more than 0, got {steps}", error.Message)
        refused (fun () -> Optimize.cosineDecay 0.1 steps)
        refused (fun () -> Optimize.linearRate 0.1 0.0 steps)
        refused (fun () -> Optimize.exponentialDecay 0.1 0.9 steps)
    Assert.Throws<ArgumentException>(fun () ->
        Optimize.join (Optimize.constantRate 1.0) nan (Optimize.constantRate 2.0)
        |> ignore)
    |> ignore

[<Fact>]
let ``a scalar of logits, an index before all and padded integers are named`` () =
    let message f =
        withoutLine (Assert.ThrowsAny<ArgumentException>(fun () -> f () |> ignore))
    Assert.Equal(
        "cross_entropy: expected logits of rank 1 or more, the last axis for the classes, got shape (); reshape them",
        message (fun () -> crossEntropyOfClasses (variable "x" 1.0) (full [] DType.Int64 0.0))
    )
    Assert.StartsWith(
        "slice: -2147483648 is outside every axis",
        message (fun () -> (tensor "x" [ 2 ] [| 1.0; 2.0 |])[Slice.op_Implicit Int32.MinValue])
    )
    let ints = tensor "n" [ 1; 1; 4 ] [| 4; -3; 2; 1 |]
    Assert.Equal(
        "max_pool: padding needs float32 or float64, got int32; cast it, or pad it before",
        message (fun () -> maxPoolWith [ 2 ] [ 2 ] (Padding.Each [| struct (1, 1) |]) [] ints)
    )
    Assert.Equal<int[]>([| 4; 2 |], (eval (maxPool [ 2 ] ints)).ToArray<int>())

[<Fact>]
let ``a recorder of lines ends once`` () =
    use outer = SourceLines.Record()
    let inner = SourceLines.Record()
    inner.Dispose()
    inner.Dispose()
    Assert.True SourceLines.IsRecording
    outer.Dispose()
    Assert.False SourceLines.IsRecording

// ---- Products of integers ---------------------------------------------------------------------------------------------------

[<Fact>]
let ``products of integers are matrix products, and give what the definition gives`` () =
    let random = Random 5
    let ints dims =
        let n = List.fold (*) 1 dims
        tensor "n" dims (Array.init n (fun _ -> random.Next()))
    let longs dims =
        let n = List.fold (*) 1 dims
        tensor "l" dims (Array.init n (fun _ -> random.NextInt64()))
    for notation, a, b in
        [ "ij,jk->ik", [ 37; 150 ], [ 150; 45 ]
          "ij,kj->ik", [ 5; 300 ], [ 70; 300 ]
          "ji,jk->ki", [ 9; 66 ], [ 9; 34 ]
          "bij,bjk->bik", [ 7; 3; 4 ], [ 7; 4; 5 ]
          "bij,jk->bki", [ 3; 2; 130 ], [ 130; 8 ]
          "ij,j->i", [ 40; 3 ], [ 3 ]
          "i,i->", [ 1000 ], [ 1000 ]
          "ij,ij->ij", [ 4; 5 ], [ 4; 5 ]
          "i,j->ij", [ 9 ], [ 33 ]
          "ij,jk->ik", [ 3; 0 ], [ 0; 5 ]
          "ij,jk->ik", [ 0; 3 ], [ 3; 5 ] ] do
        for x, y in [ ints a, ints b; longs a, longs b ] do
            let product = einsum notation [ x; y ]
            let expected = (Reference.evaluate [| product |])[0]
            Assert.True((bytesOf expected).SequenceEqual(bytesOf (eval product)), notation)
    // Sums of products are added to one array; chains are taken in the best order.
    let a, b, c = ints [ 20; 30 ], ints [ 30; 20 ], ints [ 20; 20 ]
    for graph in
        [ matmul a b + matmul c c
          matmul a b + matmul c c + matmul (transpose b) (transpose a)
          einsum "ij,jk,kl->il" [ a; b; c ]
          matmul a (slice 1 None None -1 b) ] do
        let expected = (Reference.evaluate [| graph |])[0]
        Assert.True((bytesOf expected).SequenceEqual(bytesOf (eval graph)))
    Assert.Contains("20×20×30", explain (matmul a b))

// ---- Both float types -------------------------------------------------------------------------------------------------------

[<Fact>]
let ``float64 numbers are compared with all their digits beside float32`` () =
    let n = 3000
    let near i = if i % 3 = 0 then 1e-12 else -1e-12
    let x = tensor "x" [ n ] (Array.init n (fun i -> 1.0 + float (i % 7)))
    let y = tensor "y" [ n ] (Array.init n (fun i -> 1.0 + float (i % 7) + near i))
    let a = tensor "a" [ n ] (Array.init n float32)
    let chosen = where (less x y) (2.0 * a) (a + 1.0)
    let expected =
        Array.init n (fun i -> if i % 3 = 0 then 2.0f * float32 i else float32 i + 1.0f)
    for tier in [ Diff.Kernels.Tier.Tiles; Diff.Kernels.Tier.Compiled ] do
        let plan =
            Planner.makeLowered
                (EngineOptions(1, tier))
                [||]
                (Planner.prepare [| chosen |])
                [| Target.Result 0 |]
        let results = plan.Run [||]
        Assert.Equal<float32[]>(expected, results[0].ToArray<float32>())

[<Fact>]
let ``a constant condition behind views is a condition in loops too`` () =
    for dtype in [ DType.Float64; DType.Float32 ] do
        let x = cast dtype (tensor "x" [ 3; 4 ] (Array.init 12 float))
        for isTrue in [ true; false ] do
            let yes = Expr.Full((if isTrue then 1.0 else 0.0), Shape [| 3 |], DType.Bool)
            let wide = Expr.Contract({ Inputs = [| "i" |]; Output = "ij" }, [| yes |], x.Shape)
            let barred = Expr(Op.Barrier, [| wide |], x.Shape, DType.Bool)
            for condition in [ wide; barred; stopGradient wide; stopGradient barred ] do
                let roots = [| where condition (x * 3.0) (x + 0.5); where condition x (-x) * x |]
                for options in
                    [ EngineOptions.Default.WithoutCompilation()
                      EngineOptions.Default.WithCompilationAtOnce() ] do
                    let plan = Planner.make options [||] roots
                    let found: NDArray[] = plan.Run [||]
                    for expected, actual in Array.zip (Reference.evaluate roots) found do
                        for i in 0..11 do
                            Assert.Equal(expected.Float i, actual.Float i)
    let clipped = clip -0.5 0.25 (Expr.Full(0.5, Shape [| 3 |], DType.Float32))
    Assert.Equal<float32[]>([| 0.25f; 0.25f; 0.25f |], (eval clipped).ToArray<float32>())

[<Fact>]
let ``a part of a cotangent that is itself among zeros is found where it lies`` () =
    // y goes into the branch by itself and as the beginning of another operand: its cotangents are zeros around zeros.
    let x, y = tensor "x" [ 1 ] [| 1.0 |], tensor "y" [ 1 ] [| 1.15 |]
    let along =
        [ constant (NDArray.Create([| 0.4 |], Shape [| 1 |]))
          constant (NDArray.Create([| 0.9 |], Shape [| 1 |])) ]
    let body (ys: Expr list) = sum (ys[0] - tanh ys[1])
    let z = concat 0 [ y; x ]
    let branch =
        cond (Expr.op_Implicit false) (fun ys -> [ sum (sin ys[0] * ys[1]) ]) (fun ys -> [ body ys ]) [ y; z ]
    let loop, _ =
        scan
            (fun s _ -> [ s[0] + body s.Tail; s[1]; s[2] ], [])
            [ Expr.op_Implicit 0.0; y; z ]
            [ constant (NDArray.Create([| 1.0 |], Shape [| 1 |])) ]
    let plain = body [ y; z ]
    let expected = hvp plain [ x; y ] along |> List.map item
    for loss in [ plain; branch.Head; loop.Head ] do
        let pairing =
            List.map2 (fun g v -> sum (g * v)) (grads loss [ x; y ]) along
            |> List.reduce (+)
        for found in [ grads pairing [ x; y ]; hvp loss [ x; y ] along ] do
            List.iter2 (fun e g -> Assert.Equal(e, item g, 1e-14)) expected found
