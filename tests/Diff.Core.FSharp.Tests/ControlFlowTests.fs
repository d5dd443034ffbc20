/// Loops and branches: what scan, whileLoop and cond compute, their derivatives, and what running them takes.
module ControlFlowTests

open System
open System.Threading.Tasks
open Xunit
open Diff
open Diff.Testing.Generators

let private close (tolerance: float) (expected: NDArray) (actual: NDArray) =
    Assert.Equal(expected.Shape, actual.Shape)
    Assert.Equal(expected.DType, actual.DType)
    for i in 0 .. expected.Length - 1 do
        Assert.Equal(expected.Float i, actual.Float i, tolerance)

let private allClose tolerance (expected: Expr list) (actual: Expr list) =
    let all = Evaluate.many (Array.ofList (expected @ actual))
    for k in 0 .. expected.Length - 1 do
        close tolerance all[k] all[expected.Length + k]

let private random seed dims = spread seed (-1.0, 1.0) dims
let private leaf name seed dims = variableOf name (random seed dims)

/// The same loop, written out.
let private unrolled
    (body: Expr list -> Expr list -> Expr list * Expr list)
    (init: Expr list)
    (xs: Expr list)
    =
    let n = xs.Head.Shape[0]
    let mutable state = init
    let given =
        [ for i in 0 .. n - 1 do
              let next, ys = body state [ for x in xs -> x[Slice.op_Implicit i] ]
              state <- next
              ys ]
    state, [ for k in 0 .. given.Head.Length - 1 -> stack 0 [ for ys in given -> ys[k] ] ]

let private rnn n =
    let w, v, b = leaf "w" 1 [ 3; 4 ], leaf "v" 2 [ 4; 4 ], leaf "b" 3 [ 4 ]
    let h, xs = leaf "h" 4 [ 2; 4 ], leaf "xs" 5 [ n; 2; 3 ]
    let body (state: Expr list) (x: Expr list) =
        let h = tanh (matmul x[0] w + matmul state[0] v + b)
        [ h ], [ h * h ]
    [ w; v; b; h; xs ], body, h, xs

[<Fact>]
let ``a scan is the loop written out, and so are its derivatives up to the third`` () =
    let leaves, body, h, xs = rnn 5
    let results loop =
        let states, ys: Expr list * Expr list = loop body [ h ] [ xs ]
        let y = sum (square states.Head) + sum (sin ys.Head)
        let first = grads y leaves
        let second =
            grads (first |> List.map (fun g -> sum (sin g)) |> List.reduce (+)) leaves
        let third =
            grad (second |> List.map (fun g -> sum (square g)) |> List.reduce (+)) leaves[1]
        let along = jvp y leaves [ for x in leaves -> cos x ]
        y :: states
        @ ys
        @ first
        @ second
        @ [ third; along ]
        @ hvp y leaves [ for x in leaves -> sin x ]
    allClose 1e-9 (results unrolled) (results scan)

/// A cell of elementwise arithmetic: no sum whose order could change.
let private wave (state: Expr list) (x: Expr list) =
    let h = sin (1.1 * state[0] + x[0]) * 0.9
    [ h ], [ h * state[0] ]

let private waves (options: LoopOptions) n =
    let h, xs = leaf "h" 1 [ 64 ], leaf "xs" 2 [ n; 64 ]
    let states, ys = scanWith options wave [ h ] [ xs ]
    let y = sum (square states.Head) + sum ys.Head
    h, xs, y

let private steps (roots: Expr list) =
    (Planner.make EngineOptions.Default [||] (Array.ofList roots)).Data.Steps

let private loops (roots: Expr list) =
    [ for step in steps roots do
          match step.Action with
          | OnMemory(:? SweepStep as loop) -> loop
          | _ -> () ]

let private bits (x: NDArray) = (bytesOf x).ToArray()

let private sameBits (expected: NDArray) (actual: NDArray) =
    Assert.True((bits expected).AsSpan().SequenceEqual(ReadOnlySpan(bits actual)), "other bits")

// ---- Ways to run ----------------------------------------------------------------------------------------------------

[<Fact>]
let ``compiled loops have the bits of those on tiles, and the values of the reference`` () =
    let leaves, body, h, xs = rnn 7
    let states, ys = scan body [ h ] [ xs ]
    let rest =
        whileLoop
            (fun s -> greater (sum (square s[0])) (scalar 0.5))
            (fun s -> [ 0.7 * sin s[0] ])
            [ 3.0 * states.Head ]
    let y = sum rest.Head + sum ys.Head
    let roots = Array.ofList (y :: rest @ grads y leaves)
    let run (options: EngineOptions) =
        (Planner.make options [||] roots).Run [||]
    let compiled = run (EngineOptions.Default.WithCompilationAtOnce())
    let tiles = run (EngineOptions.Default.WithoutCompilation())
    Array.iter2 sameBits compiled tiles
    Array.iter2 (close 1e-12) (Reference.evaluate roots) compiled

[<Fact>]
let ``a loop whose memory grows on the way makes each iteration once`` () =
    let a = variable "a" 0.01
    // Each state is kept for the derivative.
    let states, _ =
        whileLoopWith
            LoopOptions.Default
            (fun s -> less s[1] (scalar 300.0))
            (fun s -> [ s[0] + a * s[0]; s[1] + 1.0 ])
            [ scalar 1.0; scalar 0.0 ]
    let all =
        (Planner.make EngineOptions.Default [||] [| states.Head; states[1]; grad states.Head a |]).Run [||]
    Assert.Equal(Math.Pow(1.01, 300.0), all[0].Float 0, 1e-10)
    Assert.Equal(300.0, all[1].Float 0)
    Assert.Equal(300.0 * Math.Pow(1.01, 299.0), all[2].Float 0, 1e-7)

[<Fact>]
let ``a graph and its plan are as large for a million iterations as for ten`` () =
    let size n =
        let h, xs, y = waves LoopOptions.Default n
        let roots = y :: grads y [ h; xs ]
        (Graph.topological roots).Length, (steps roots).Length
    Assert.Equal(size 10, size 1_000_000)

[<Theory; InlineData(1); InlineData(7); InlineData(1000)>]
let ``where states take more memory than allowed they are computed again, with the same bits`` (n: int) =
    let roots options =
        let h, xs, y = waves options n
        y :: grads y [ h; xs ]
    let expected = Evaluate.many (Array.ofList (roots LoopOptions.Default))
    let bounded = roots (LoopOptions.Default.WithMaxRecordBytes(50_000L))
    Array.iter2 sameBits expected (Evaluate.many (Array.ofList bounded))
    for loop in loops bounded do
        Assert.InRange(loop.Layout.Bytes, 0L, 50_000L)
    if n = 1000 then
        Assert.Contains(loops bounded, fun loop -> loop.Layout.Segment < n)

[<Fact>]
let ``derivatives of second order keep within the memory too`` () =
    let second options =
        let h, xs, y = waves options 300
        let g = grads y [ h; xs ]
        let z = sum (sin g.Head) + sum (cos g[1])
        Evaluate.many (Array.ofList (z :: grads z [ h; xs ]))
    Array.iter2
        (close 1e-10)
        (second LoopOptions.Default)
        (second (LoopOptions.Default.WithMaxRecordBytes(20_000L)))

[<Fact>]
let ``a loop with a condition keeps within the memory too, with the same bits`` () =
    let roots bytes =
        let x = leaf "x" 1 [ 32 ]
        let states, count =
            whileLoopWith
                (LoopOptions.Default.WithMaxRecordBytes(bytes))
                (fun s -> less s[1] (scalar 700.0))
                (fun s -> [ sin (1.1 * s[0] + 0.3); s[1] + 1.0 ])
                [ x; scalar 0.0 ]
        let y = sum (square states.Head)
        [| y; count; grad y x |]
    let expected = Evaluate.many (roots (1L <<< 30))
    Array.iter2 sameBits expected (Evaluate.many (roots 30_000L))
    Array.iter2 (close 1e-12) (Reference.evaluate (roots 30_000L)) expected
    Assert.Equal(700.0, expected[1].Float 0)

[<Fact>]
let ``value and gradient run the body once for each iteration, a plan of the value alone too`` () =
    let mutable calls = 0
    let counted =
        customOp
            "counted"
            (fun xs -> xs.Head.Shape)
            (fun xs ->
                calls <- calls + 1
                eval (sin (constant xs.Head)))
            (fun xs _ g -> [ g * cos xs.Head ])
    let x, xs = leaf "x" 1 [ 3 ], leaf "xs" 2 [ 20; 3 ]
    let states, _ = scan (fun h x -> [ counted [ h[0] + x[0] ] ], []) [ x ] [ xs ]
    let y = sum (square states.Head)
    let runs roots =
        calls <- 0
        Evaluate.many (Array.ofList roots) |> ignore
        calls
    Assert.Equal(20, runs [ y ])
    Assert.Equal(20, runs (y :: grads y [ x; xs ]))
    let second =
        grads (grads y [ x; xs ] |> List.map (square >> sum) |> List.reduce (+)) [ x; xs ]
    Assert.Equal(20, runs (y :: grads y [ x; xs ] @ second))

[<Fact>]
let ``a run of many iterations allocates no more than one of few`` () =
    let allocated n =
        let f =
            new CompiledFunction(
                (fun xs ->
                    let h, _, y = xs[0], xs[1], scan wave [ xs[0] ] [ xs[1] ]
                    let y = sum (square (List.head (fst y))) + sum (List.head (snd y))
                    [| y; grad y h |]),
                EngineOptions.Default.WithThreads 1
            )
        let args = [| random 1 [ 64 ]; random 2 [ n; 64 ] |]
        let results = f.Call args
        let once () =
            let before = GC.GetAllocatedBytesForCurrentThread()
            f.CallInto(results, args)
            GC.GetAllocatedBytesForCurrentThread() - before
        // Code is compiled in the first runs.
        Seq.init 30 (fun _ -> once ()) |> Seq.min
    Assert.InRange(allocated 5000, 0L, allocated 5)

[<Fact>]
let ``sixteen threads run one compiled loop at once`` () =
    let f =
        new CompiledFunction(fun xs ->
            let states, count =
                whileLoopWith
                    LoopOptions.Default
                    (fun s -> greater (sum (square s[0])) (scalar 0.3))
                    (fun s -> [ 0.9 * sin s[0] ])
                    [ xs[0] ]
            let last, _ = scan wave states [ xs[1] ]
            let y = sum (square last.Head)
            [| y; cast DType.Float64 count; grad y xs[0] |])
    let args k =
        [| spread k (0.5, 3.0) [ 64 ]; random (k + 100) [ 40; 64 ] |]
    let expected = Array.init 16 (fun k -> f.Call(args k))
    let found =
        Array.init 16 (fun k -> Task.Run(fun () -> Array.init 5 (fun _ -> f.Call(args k))))
    for k in 0..15 do
        for results in found[k].Result do
            Array.iter2 sameBits expected[k] results

[<Fact>]
let ``a loop stops when it is cancelled`` () =
    let f =
        new CompiledFunction(fun xs ->
            [| (whileLoop (fun s -> greater s[0] (scalar 0.0)) (fun s -> [ s[0] + 1.0 ]) [ xs[0] ]).Head |])
    use source = new Threading.CancellationTokenSource(50)
    Assert.ThrowsAny<OperationCanceledException>(fun () ->
        f.Call([| NDArray.op_Implicit 1.0 |], source.Token) |> ignore)
    |> ignore

[<Fact>]
let ``a loop that is made again finds its plan, and another body does not`` () =
    let cache = PlanCache(EngineOptions.Default, 10, 1L <<< 30)
    let x = leaf "x" 1 [ 4 ]
    let make (factor: float) n =
        let states =
            forLoop n (fun i s -> [ sin (factor * s[0]) + cast DType.Float64 i ]) [ x ]
        let there =
            whileLoop (fun s -> greater (sum s[0]) (scalar factor)) (fun s -> [ s[0] - 0.5 ]) states
        let y =
            cond (less (sum x) (scalar 0.0)) (fun a -> [ sum a[0] ]) (fun a -> [ factor * sum a[0] ]) there
        [| y.Head; grad y.Head x |]
    let made (roots: Expr[]) =
        cache.Find(roots).Run() |> ignore
        cache.Made
    Assert.Equal<int list>(
        [ 1; 1; 2; 3; 3 ],
        [ made (make 0.5 3)
          made (make 0.5 3)
          made (make 0.25 3)
          made (make 0.5 4)
          made (make 0.5 4) ]
    )

// ---- What loops compute -----------------------------------------------------------------------------------------------

[<Fact>]
let ``integers and bools in the state are exact, and keep their types`` () =
    let start =
        [ -9007199254740993L; 9223372036854775000L; -1L; 4294967296L; 0L; -4294967297L ]
    let i = constant (NDArray.Create(Array.ofList start, Shape [| 6 |]))
    let x = leaf "x" 1 []
    let states =
        forLoop 3 (fun k s -> [ s[0] + k; s[1] * 2.0; logicalNot s[2] ]) [ i; x; Expr.op_Implicit true ]
    Assert.Equal<int64[]>([| for v in start -> v + 3L |], (eval states[0]).ToArray<int64>())
    Assert.Equal<bool[]>([| false |], (eval states[2]).ToArray<bool>())
    let reference = Reference.evaluate [| states[0] |]
    Assert.Equal<int64[]>([| for v in start -> v + 3L |], reference[0].ToArray<int64>())
    Assert.Equal(8.0, item (grad states[1] x))
    // Packed by nodes, as tangents and stacked branches are.
    let packed = Pack.flat DType.Float64 i
    Assert.Equal<int64[]>(
        Array.ofList start,
        (eval (Pack.unpack 0 i.Shape DType.Int64 packed)).ToArray<int64>()
    )

[<Fact>]
let ``a scan of no slices gives the first state, and no ys`` () =
    let h, xs =
        leaf "h" 1 [ 2 ], constant (NDArray.Zeros(DType.Float64, Shape [| 0; 3 |]))
    let states, ys = scan (fun h x -> [ h[0] * sum x[0] ], [ x[0] ]) [ h ] [ xs ]
    close 0.0 (eval h) (eval states.Head)
    Assert.Equal(Shape [| 0; 3 |], (eval ys.Head).Shape)
    close 0.0 (NDArray.Create([| 1.0; 1.0 |], Shape [| 2 |])) (eval (grad (sum states.Head) h))

[<Fact>]
let ``a loop makes as many iterations as its numbers ask for, also none, and its derivative is that of those``
    ()
    =
    let x = variable "x" 2.0
    let sqrt' a =
        whileLoopWith
            LoopOptions.Default
            (fun s -> greater (abs (s[0] * s[0] - a)) (scalar 1e-13))
            (fun s -> [ 0.5 * (s[0] + a / s[0]) ])
            [ a ]
    let states, count = sqrt' x
    let y = states.Head
    for value in [ 2.0; 1.0; 1e6; 1e-4 ] do
        assign x (NDArray.op_Implicit value)
        Assert.Equal(Math.Sqrt value, item y, 1e-10 * Math.Max(1.0, value))
        if value <> 1.0 then
            Assert.Equal(0.5 / Math.Sqrt value, item (grad y x), 1e-6 / Math.Sqrt value)
            Assert.Equal(
                -0.25 * Math.Pow(value, -1.5),
                item (grad (grad y x) x),
                1e-4 * Math.Pow(value, -1.5)
            )
    assign x (NDArray.op_Implicit 1.0)
    Assert.Equal(0.0, item (cast DType.Float64 count))
    Assert.Equal(1.0, item (grad y x)) // no iteration: the state is x itself

[<Fact>]
let ``each slice that vmap stacks makes its own number of iterations, with its own derivative`` () =
    let f (a: Expr) =
        let states, count =
            whileLoopWith
                LoopOptions.Default
                (fun s -> greater (abs (s[0] * s[0] - a)) (scalar 1e-13))
                (fun s -> [ 0.5 * (s[0] + a / s[0]) ])
                [ a ]
        [ states.Head; cast DType.Float64 count ]
    let values = [ 2.0; 1.0; 1e4; 0.25; 7.0 ]
    let a = variableOf "a" (NDArray.Create(Array.ofList values, Shape [| 5 |]))
    let many = vmapWith [ Some 0 ] 0 (fun xs -> f xs.Head) [ a ]
    let slopes = vmap (fun a -> grad (f a).Head a) a
    let outside = grad (sum many.Head) a
    for k, value in List.indexed values do
        let one = variable "one" value
        let expected = f one
        Assert.Equal(item expected[0], (eval many[0]).Float k)
        Assert.Equal(item expected[1], (eval many[1]).Float k)
        Assert.Equal(item (grad expected[0] one), (eval slopes).Float k, 1e-14)
        Assert.Equal(item (grad expected[0] one), (eval outside).Float k, 1e-14)

[<Fact>]
let ``only the side of a branch that is taken is computed`` () =
    let mutable calls = 0
    let counted =
        customOp
            "counted"
            (fun xs -> xs.Head.Shape)
            (fun xs ->
                calls <- calls + 1
                xs.Head)
            (fun _ _ g -> [ g ])
    let x = variable "x" 1.0
    let y =
        cond (greater x (scalar 0.0)) (fun a -> [ counted a * a[0] ]) (fun a -> [ -3.0 * a[0] ]) [ x ]
        |> List.head
    for value, expected, slope, runs in [ 2.0, 4.0, 4.0, 1; -2.0, 6.0, -3.0, 0 ] do
        assign x (NDArray.op_Implicit value)
        calls <- 0
        Assert.Equal(expected, item y)
        Assert.Equal(runs, calls)
        Assert.Equal(slope, item (grad y x))

[<Fact>]
let ``what does not depend on what is asked for has no adjoint, and lets no NaN in`` () =
    let x, z = leaf "x" 1 [ 3 ], leaf "z" 2 [ 3 ]
    // The second state has an infinite slope at 0, but nothing that is differentiated reads it.
    let states, _ =
        scanWith
            (LoopOptions.Default.WithLength(4))
            (fun s _ -> [ 0.5 * s[0]; sqrt (s[1] * 0.0) ], [])
            [ x; z ]
            []
    allClose 0.0 [ 0.0625 * onesLike x; zerosLike z ] (grads (sum states[0]) [ x; z ])
    let loop = loops [ grad (sum states[0]) x ] |> List.exactlyOne
    let sweeps = loop.Iteration.Sweeps
    Assert.Equal(1, sweeps.Length) // the adjoint alone: a product with a constant needs no state
    Assert.Equal(1, sweeps[0].States)

[<Fact>]
let ``what nobody reads of a loop is not computed`` () =
    let h, xs = leaf "h" 1 [ 8 ], leaf "xs" 2 [ 5; 8 ]
    let states, ys =
        scan (fun h x -> [ h[0] + x[0]; sin h[1] ], [ exp h[0]; cos h[1] ]) [ h; h ] [ xs ]
    let only (e: Expr) =
        (loops [ e ] |> List.exactlyOne).Iteration
    Assert.Equal(1, (only states[1]).Sweeps[0].Body.Outputs.Length)
    Assert.Equal(2, (only ys[0]).Sweeps[0].Body.Outputs.Length)
    Assert.Equal<LoopPart[]>([| LoopPart.Stacked(0, 0) |], (only ys[0]).Parts)
    allClose
        1e-14
        [ stack 0 [ for i in 0..4 -> exp (h + sumOver [ 0 ] xs[Slice.op_Implicit (Range(Index 0, Index i))]) ] ]
        [ ys[0] ]

[<Fact>]
let ``random keys in the state: another mask at each iteration, the same in the derivative`` () =
    let x =
        variableOf "x" (NDArray.Full(Scalar.ofFloat DType.Float64 1.0, Shape [| 50 |]))
    let body (s: Expr list) _ =
        let keys = Rng.splitAxis 2 s[1]
        let half k = keys[Slice.op_Implicit (k: int)]
        let h = Rng.dropout 0.3 s[0] (half 1)
        [ h; half 0 ], [ h ]
    let states, ys =
        scanWith (LoopOptions.Default.WithLength(3)) body [ x; Rng.key 3L ] []
    let masks = Evaluate.many [| ys.Head; states.Head; grad (sum states.Head) x |]
    let rows =
        [ for i in 0..2 -> [| for k in 0..49 -> masks[0].Float(50 * i + k) > 0.0 |] ]
    Assert.NotEqual<bool[]>(rows[0], rows[1])
    close 1e-12 masks[1] masks[2] // linear in x = 1

[<Fact>]
let ``a Hessian through a loop within a loop is that of the loops written out`` () =
    let x, xs = leaf "x" 1 [ 3 ], leaf "xs" 2 [ 2; 3; 3 ]
    let value
        (scan:
            (Expr list -> Expr list -> Expr list * Expr list)
                -> Expr list
                -> Expr list
                -> Expr list * Expr list)
        =
        let inner h x =
            scan (fun h x -> [ sin (h[0] * x[0]) + h[0] ], [ h[0] * h[0] ]) h x
        let states, ys =
            scan (fun h x -> let h, ys = inner h x in h, [ sum (exp (0.2 * ys.Head)) ]) [ x ] [ xs ]
        sum states.Head + sum (sin ys.Head)
    let y, z = value scan, value unrolled
    allClose 1e-9 [ hessian z x; jvp z [ xs ] [ cos xs ] ] [ hessian y x; jvp y [ xs ] [ cos xs ] ]

[<Fact>]
let ``float32 loops are float32, whatever else the state holds`` () =
    let x = cast DType.Float32 (leaf "x" 1 [ 4 ])
    let states =
        forLoop 3 (fun _ s -> [ sin s[0]; s[1] + Expr.op_Implicit 1 ]) [ x; Expr.op_Implicit 0 ]
    Assert.Equal(DType.Float32, states[0].DType)
    Assert.Equal(DType.Int32, states[1].DType)
    Assert.Equal(DType.Float32, (grad (sum states[0]) x).DType)
    allClose 1e-6 [ sin (sin (sin x)) ] [ states[0] ]

[<Fact>]
let ``a scan may have no state, and a state may be of half precision`` () =
    let xs = leaf "xs" 1 [ 4; 3 ]
    let none, ys = scan (fun _ x -> [], [ sin x[0] ]) [] [ xs ]
    Assert.Empty none
    allClose 1e-15 [ sin xs; cos xs ] [ ys.Head; grad (sum ys.Head) xs ]
    let h = leaf "h" 2 [ 3 ]
    let halve (s: Expr list) =
        [ cast DType.Float16 (0.5 * cast DType.Float64 s[0])
          s[1] + 1.0
          logicalNot s[2] ]
    let states =
        forLoop 3 (fun _ s -> halve s) [ cast DType.Float16 h; sum h; Expr.op_Implicit false ]
    Assert.Equal(DType.Float16, states[0].DType)
    allClose 0.0 [ 0.125 * cast DType.Float64 (cast DType.Float16 h) ] [ cast DType.Float64 states[0] ]
    allClose 1e-7 [ 0.125 * onesLike h ] [ grad (sum (cast DType.Float64 states[0])) h ]
    allClose 1e-7 [ cast DType.Float64 (Expr.op_Implicit true) ] [ cast DType.Float64 states[2] ]

// ---- Errors -------------------------------------------------------------------------------------------------------------

let private message<'E when 'E :> exn> (parts: string list) (action: unit -> obj) =
    let error = Assert.ThrowsAny<'E>(fun () -> action () |> ignore)
    for part in parts do
        Assert.Contains(part, error.Message)

[<Fact>]
let ``errors name what does not fit, and how to mend it`` () =
    let x = leaf "x" 1 [ 3 ]
    let xs, ys = leaf "xs" 2 [ 4; 3 ], leaf "ys" 3 [ 5; 3 ]
    message<ShapeException> [ "scan: part 1 of the state"; "(3)"; "()"; "broadcast" ] (fun () ->
        scan (fun h _ -> [ h[0]; sum h[1] ], []) [ x; x ] [ xs ])
    message<DTypeException> [ "scan: part 0 of the state is float64"; "int32"; "cast" ] (fun () ->
        scan (fun h _ -> [ cast DType.Int32 h[0] ], []) [ x ] [ xs ])
    message<ArgumentException> [ "scan: the state has 1 parts"; "gives 2" ] (fun () ->
        scan (fun h _ -> [ h[0]; h[0] ], []) [ x ] [ xs ])
    message<ShapeException> [ "scan: xs of shapes (4, 3), (5, 3)"; "equally many" ] (fun () ->
        scan (fun h _ -> h, []) [ x ] [ xs; ys ])
    message<ShapeException> [ "scan"; "scalar"; "capture" ] (fun () ->
        scan (fun h _ -> h, []) [ x ] [ sum x ])
    message<ArgumentException> [ "scan: without xs"; "WithLength" ] (fun () ->
        scan (fun h _ -> h, []) [ x ] [])
    message<ArgumentException> [ "length is to be 3"; "4 slices" ] (fun () ->
        scanWith (LoopOptions.Default.WithLength(3)) (fun h _ -> h, []) [ x ] [ xs ])
    message<DTypeException> [ "while: the condition is a bool scalar"; "(3)"; "bool" ] (fun () ->
        whileLoop (fun s -> less s[0] (scalar 1.0)) id [ x ])
    message<DTypeException> [ "cond: the predicate is a bool scalar"; "float64"; "where" ] (fun () ->
        cond x id id [ x ])
    message<ShapeException> [ "cond: result 0 has shape (3) of whenTrue, () of whenFalse" ] (fun () ->
        cond (less (sum x) (scalar 0.0)) id (fun a -> [ sum a[0] ]) [ x ])
    message<ArgumentException> [ "whenTrue gives 1 results, whenFalse 0" ] (fun () ->
        cond (less (sum x) (scalar 0.0)) id (fun _ -> []) [ x ])

[<Fact>]
let ``a loop that does not end within its limit says so, in both evaluations`` () =
    let x = variable "x" nan
    let states, _ =
        whileLoopWith
            (LoopOptions.Default.WithMaxIterations(100L))
            (fun s -> logicalNot (less s[0] (scalar 1.0)))
            (fun s -> [ 0.5 * s[0] ])
            [ x ]
    message<IterationLimitException> [ "while"; "100 iterations"; "NaN" ] (fun () -> eval states.Head)
    message<IterationLimitException> [ "100 iterations" ] (fun () -> Reference.evaluate [| states.Head |])
    message<IterationLimitException> [ "100 iterations" ] (fun () -> eval (grad (square states.Head) x))
    assign x (NDArray.op_Implicit (Math.Pow(2.0, 99.0)))
    Assert.Equal(0.5, item states.Head) // after exactly 100

/// A loop's value, number of iterations, gradient and second derivative, and how often its body was computed for them.
let private countedLoop options =
    let calls = ref 0
    let counted =
        scalarOp
            "counted"
            (fun x ->
                Threading.Interlocked.Increment(&calls.contents) |> ignore
                x)
            (fun _ _ -> scalar 1.0)
    let x, a = variable "x" 3.0, variable "a" 0.25
    let states, count =
        whileLoopWith
            options
            (fun s -> less (square s[0]) (scalar 1e4))
            // What is counted, no derivative needs again.
            (fun s -> [ 1.02 * counted s[0] + exp (a * s[1]); s[1] + 0.125 ])
            [ x; scalar 0.5 ]
    let y = square states[0] + states[1]
    let gradients = grads y [ x; a ]
    let products = hvp y [ x; a ] [ scalar 0.5; scalar -1.0 ]
    calls, [ y; cast DType.Float64 count ] @ gradients @ products, (x, a)

[<Fact>]
let ``value and gradient of a loop with a condition run it forwards once`` () =
    let calls, results, (x, a) = countedLoop LoopOptions.Default
    let first = Array.ofList results[..3] // value, number of iterations and gradient
    let check tolerance (expected: NDArray[]) (results: NDArray[]) =
        Array.iter2 (close tolerance) expected[.. results.Length - 1] results
    let expected = Reference.evaluate (Array.ofList results)
    let n = int (expected[1].Float 0)
    Assert.InRange(n, 10, 60)
    check 1e-6 expected (Evaluate.many (Array.ofList results))
    for roots in [ first; first; [| results[0]; results[3] |]; first[2..] ] do
        calls.Value <- 0
        Evaluate.many roots |> ignore
        Assert.Equal(n, calls.Value)
    check 1e-6 expected (Evaluate.many first)
    Assert.Contains("as the loop before it went", explain (stack 0 [ results[0]; results[2] ]))
    // More iterations than a record begins with, in the same plan.
    assign a (NDArray.op_Implicit -20.0)
    assign x (NDArray.op_Implicit 1.0)
    let expected = Reference.evaluate (Array.ofList results)
    Assert.InRange(int (expected[1].Float 0), 200, 300)
    calls.Value <- 0
    check 1e-6 expected (Evaluate.many first)
    Assert.Equal(int (expected[1].Float 0), calls.Value)
    check 1e-6 expected (Evaluate.many (Array.ofList results))
    // Without room for the states the gradient goes forwards by itself, in segments.
    let calls, results, (x, a) = countedLoop (LoopOptions.Default.WithMaxRecordBytes 0L)
    assign a (NDArray.op_Implicit -20.0)
    assign x (NDArray.op_Implicit 1.0)
    calls.Value <- 0
    check 1e-6 expected (Evaluate.many (Array.ofList results[..3]))
    Assert.InRange(calls.Value, 2 * int (expected[1].Float 0), 5000)
    check 1e-6 expected (Evaluate.many (Array.ofList results))

[<Fact>]
let ``runs at the same time do not read each other's records`` () =
    use both =
        new CompiledFunction(fun xs ->
            let states =
                whileLoop
                    (fun s -> less s.Head (scalar 1e3))
                    (fun s -> [ s.Head * (1.0 + square xs[0]) ])
                    [ xs[1] ]
            let y = square states.Head
            Array.ofList (y :: grads y (List.ofArray xs)))
    let ask i =
        both.Call([| NDArray.op_Implicit (0.1 + 0.01 * float (i % 50)); NDArray.op_Implicit 1.0 |])
        |> Array.map (fun r -> r.Float 0)
    let expected = Array.init 50 ask
    Parallel.For(0, 2000, fun i -> Assert.Equal<float[]>(expected[i % 50], ask i))
    |> ignore
    // One that is cancelled, or fails, between value and gradient leaves nothing for the next.
    let x = variable "x" 2.0
    let fails = ref false
    let failing =
        scalarOp "failing" (fun v -> if fails.Value then invalidOp "asked to fail" else v) (fun _ _ ->
            scalar 1.0)
    let states =
        whileLoop (fun s -> less s.Head (scalar 50.0)) (fun s -> [ s.Head * s.Head ]) [ x ]
    let y = failing states.Head
    let g = grad (square y) x
    let first = Evaluate.many [| y; g |]
    fails.Value <- true
    Assert.ThrowsAny<Exception>(fun () -> Evaluate.many [| y; g |] |> ignore)
    |> ignore
    fails.Value <- false
    assign x (NDArray.op_Implicit 3.0)
    let third = Evaluate.many [| y; g |]
    Assert.Equal(256.0, first[0].Float 0)
    Assert.Equal(81.0, third[0].Float 0)
    Assert.Equal(2.0 * 81.0 * 4.0 * 27.0, third[1].Float 0)

/// y ← the root z of z + k·z³ = y, three times.
[<Fact>]
let ``a solution within a loop sees the state of its iteration`` () =
    let k, start = variable "k" 0.375, variable "y" 1.0
    let solved (y: Expr) =
        Implicit.root (RootOptions()) (fun z -> z + k * (z * square z) - y) y
    let last, _ =
        scanWith (LoopOptions.Default.WithLength 3) (fun s _ -> [ solved s.Head ], []) [ start ] []
    let expected = solved (solved (solved start))
    allClose 1e-12 [ expected ] last
    allClose 1e-10 (grads expected [ k; start ]) (grads last.Head [ k; start ])

/// The constants in a checkpoint within a loop stay there: they are part of what the plan of the loop is.
[<Fact>]
let ``constants of checkpoints within loops are told apart by the cache of plans`` () =
    let made (factors: float[]) =
        let factors = constant (NDArray.Create(factors, Shape [| factors.Length |]))
        let body (s: Expr list) =
            checkpoint (fun xs -> sin (factors * xs.Head)) s
        let last, _ =
            scanWith (LoopOptions.Default.WithLength 2) (fun s _ -> [ body s ], []) [ onesLike factors ] []
        eval last.Head
    for n in [ 1; 3; 100 ] do
        for factor in [ 0.5; 2.0; 0.5 ] do
            let expected = Math.Sin(factor * Math.Sin factor)
            close
                1e-14
                (NDArray.Create(Array.create n expected, Shape [| n |]))
                (made (Array.create n factor))

// ---- Looking ------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``an anomaly in a loop is found inside, with the iteration`` () =
    let x, xs =
        variable "x" 2.0, constant (NDArray.Create([| 1.0; 1.0; 1.0; 1.0 |], Shape [| 4 |]))
    // 2, 1, 0, and the logarithm of −1 after that.
    let states, ys =
        scan (fun h x -> [ h[0] - x[0] ], [ log (h[0] - 0.5) ]) [ x ] [ xs ]
    match findAnomaly (sum ys.Head + states.Head) with
    | Some found ->
        Assert.StartsWith("log, in iteration 2 of scan,", found.Operation)
        Assert.Equal(nan, found.Value)
        Assert.Contains("-0.5", string found.Operands[0])
    | None -> Assert.Fail "no anomaly"
    let y = cond (greater x (scalar 0.0)) (fun a -> [ sqrt -a[0] ]) id [ x ]
    match findAnomaly y.Head with
    | Some found -> Assert.StartsWith("sqrt, in the true side of cond,", found.Operation)
    | None -> Assert.Fail "no anomaly"

[<Fact>]
let ``listings and plans in words show what is within loops and branches`` () =
    let h, xs, y = waves (LoopOptions.Default.WithMaxRecordBytes(20_000L)) 200
    let listing = Print.Listing y
    Assert.Contains("loop \"scan\"", listing)
    Assert.Contains("sweep 1, forwards", listing)
    Assert.Contains("state 0 of sweep 1, slice of %", listing)
    Assert.Contains("    %", listing)
    let plan = explain (grad y h)
    Assert.Contains("sweep 1, forwards", plan)
    Assert.Contains("sweep 2, backwards", plan)
    Assert.Contains("200 iterations, the states of ", plan)
    Assert.Contains("scan", Print.Latex y)
    Assert.Contains("→ state 0 = sin(1.1 * state0 + x0) * 0.9", Print.Dot y)
    Assert.Contains("state 0 = sin(1.1 * state0", Print.Html("loop", y))
    Assert.Contains("scan", string y)
    let z = cond (greater (sum h) (scalar 0.0)) (fun a -> [ sin a[0] ]) id [ h ]
    Assert.Contains("when false", explain z.Head)
    Assert.Contains("else, of %", Print.Listing z.Head)

[<Fact>]
let ``latex says below the formula what loops and branches stand for`` () =
    let lines (e: Expr) =
        (Print.Latex e).Replace("\r", "").Split '\n'
    let w, h, xs = variable "w" 2.0, variable "h" 1.0, leaf "x" 3 [ 5 ]
    let last, _ = scan (fun s x -> [ tanh (w * s.Head + x.Head) ], []) [ h ] [ xs ]
    Assert.Equal<string[]>(
        [| @"\begin{aligned}"
           @"& \operatorname{scan}_{t=0}^{4} f_{1}\left(h, x, w\right) \\"
           @"\text{where } f_{1} &: \left(h, x, w\right) \\"
           @"& s_{0} = h \\"
           @"& s_{t+1} = \tanh\left(w \cdot s_{t} + x_{t}\right)"
           @"\end{aligned}" |],
        lines last.Head
    )
    // Backwards, with several sweeps and states.
    let gradient = lines (grad last.Head w)
    for line in
        [ @"& s^{(2,1)}_{5} = 1 \\"
          @"& s^{(2,1)}_{t} = w \cdot \left(1 - \left(s^{(1)}_{t+1}\right)^{2}\right) \cdot s^{(2,1)}_{t+1} \\" ] do
        Assert.Contains(line, gradient)
    let x = variable "x" 1.0
    let steps =
        whileLoop (fun s -> less (square s.Head) (scalar 9.0)) (fun s -> [ s.Head * w ]) [ x ]
    let text = Print.Latex steps.Head
    Assert.Contains(@"\operatorname{while} f_{1}", text)
    Assert.Contains(@"& \text{as long as }\left(s^{(1)}_{t}\right)^{2} < 9", text)
    let y =
        cond
            (greater x (scalar 0.0))
            (fun a -> [ sin a[0] ])
            (fun a -> (cond (less a[0] w) id (fun b -> [ exp b[0] ]) a))
            [ x ]
    let text = Print.Latex y.Head
    Assert.Contains(@"y = \begin{cases} \sin\left(x\right) & \text{if } a_{1} \\", text)
    Assert.Contains(@"\text{where } f_{2}", text)

[<Fact>]
let ``loops that lend their states give the serial bits on many threads, and after a run that was cancelled``
    ()
    =
    let compiled =
        new CompiledFunction(fun (xs: Expr[]) ->
            let grow (s: Expr list) = [ s[0] * 1.05 + xs[1] ]
            [| whileLoop (fun s -> less (sum s[0]) (scalar 60.0)) grow [ xs[0] ]
               |> List.head
               |> sum |])
    let inputs (k: int) =
        [| NDArray.Create(Array.init 7 (fun i -> float (i + k) / 9.0), Shape [| 7 |])
           NDArray.Create(Array.init 7 (fun i -> float (i * k + 1) / 40.0), Shape [| 7 |]) |]
    let bits k =
        let struct (value, gradient) = compiled.ValueAndGradient(inputs k)
        [| yield! value.ToArray<float>()
           for g in Array.choose Option.ofObj gradient do
               yield! g.ToArray<float>() |]
        |> Array.map BitConverter.DoubleToInt64Bits
    let serial = Array.init 6 bits
    let work (caller: int) =
        for turn in 0..39 do
            let k = (caller + turn) % 6
            if turn % 10 = 9 then
                let run () =
                    compiled.ValueAndGradient(inputs k, Threading.CancellationToken true) |> ignore
                Assert.ThrowsAny<OperationCanceledException> run |> ignore
            Assert.Equal<int64[]>(serial[k], bits k)
    Array.init 6 (fun caller ->
        Threading.Tasks.Task.Factory.StartNew(
            (fun () -> work caller),
            Threading.Tasks.TaskCreationOptions.LongRunning
        ))
    |> Threading.Tasks.Task.WaitAll
