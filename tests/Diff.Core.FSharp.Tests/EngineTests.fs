/// What plans compute is what the reference evaluation computes: for graphs, shapes and layouts of every kind, with the same bits on any
/// number of threads, on tiles and compiled. What is fused, written in place and kept in memory is tested as well.
module EngineTests

open System
open System.Collections.Generic
open System.Runtime.InteropServices
open System.Threading
open System.Threading.Tasks
open Xunit
open Diff
open Diff.Kernels
open Diff.Testing.EngineGenerators
open Diff.Testing.Generators

// ---- Running ------------------------------------------------------------------------------------------------------

/// A plan of loops, however small the graph is.
let private planOf (tier: Tier) (roots: Expr[]) : Plan =
    let targets = roots |> Array.mapi (fun k _ -> Target.Result k)
    Planner.makeLowered (EngineOptions(1, tier)) [||] (Planner.prepare roots) targets

/// The results of a run into memory full of other numbers.
let private run (plan: Plan) (threads: int) : NDArray[] =
    let plan = Plan { plan.Data with Threads = threads }
    let results = plan.NewResults()
    for r in results do
        (bytesOf r).Fill 0xA5uy
    plan.Run([||], results)
    // Again, over what the first run left in the workspace.
    let first = results |> Array.map _.Clone()
    plan.Run([||], results)
    for a, b in Array.zip first results do
        Assert.True((bytesOf a).SequenceEqual(bytesOf b), "two runs of one plan differ")
    results

// ---- Comparing ----------------------------------------------------------------------------------------------------

/// Equal bits, but that NaN is NaN.
let private sameBits (a: NDArray) (b: NDArray) =
    a.DType = b.DType
    && a.Shape.Equals b.Shape
    && ((bytesOf a).SequenceEqual(bytesOf b)
        || Array.forall2
            (fun (x: float) y ->
                BitConverter.DoubleToInt64Bits x = BitConverter.DoubleToInt64Bits y
                || (Double.IsNaN x && Double.IsNaN y))
            (floats a)
            (floats b))

let private text (x: NDArray) =
    $"""{DType.name x.DType}{x.Shape}[{String.Join(" ", floats x |> Array.truncate 12)}]"""

/// The nodes of a graph, one a line.
let private listing (roots: Expr[]) =
    let line (e: Expr) =
        let args = String.Join(" ", e.Args |> Seq.map (fun a -> "#" + string a.Id))
        $"#{e.Id} {Formula.opText e.Op} %A{e.Op} {args} : {DType.name e.DType}{e.Shape}"
    String.Join("\n", Graph.topological roots |> Seq.map line)
    + "\nroots "
    + String.Join(" ", roots |> Seq.map (fun r -> "#" + string r.Id))

/// The steps of a plan, one a line, loops with their programs.
let private stepsOf (plan: Plan) =
    let program (step: Step) =
        match step.Action with
        | OnMemory(:? LoopMemoryStep as loop) -> "\n    " + loop.Kernel.Program.Text
        | _ -> ""
    let line (step: Step) =
        let nodes =
            String.Join(" ", step.Nodes |> Seq.map (fun e -> $"#{e.Id} {Formula.opText e.Op}{e.Shape}"))
        $"{step.Kind}: {nodes}{program step}"
    String.Join("\n", plan.Data.Steps |> Seq.map line)

let private largest (values: NDArray seq) =
    values
    |> Seq.filter (fun v -> DType.isFloat v.DType)
    |> Seq.collect floats
    |> Seq.filter Double.IsFinite
    |> Seq.fold (fun m v -> max m (abs v)) 1.0

/// What differs from expected results by more than a number for each; nothing if they agree.
let private difference (bounds: float[]) (expected: NDArray[]) (actual: NDArray[]) : string option =
    Seq.zip3 bounds expected actual
    |> Seq.indexed
    |> Seq.tryPick (fun (k, (bound, e, a)) ->
        let near (x: float) (y: float) =
            x = y || (Double.IsNaN x && Double.IsNaN y) || abs (x - y) <= bound
        if e.DType <> a.DType || not (e.Shape.Equals a.Shape) then
            Some $"result {k}: expected {text e}, got {text a}"
        else
            let x, y = floats e, floats a
            match Seq.tryFindIndex id (Seq.map2 (fun x y -> not (near x y)) x y) with
            | None -> None
            | Some i ->
                Some $"result {k}, element {i} of {e.Shape}: expected {x[i]:R}, got {y[i]:R}, bound {bound}")

/// The reference's results, and how far from each a plan's may be: a fraction of the largest magnitude on the way; in float32 also
/// as far, some times over, as the reference itself is from what it gives in float64.
let private expectedOf (roots: Expr[]) (precise: Expr[]) : struct (NDArray[] * float[]) =
    let nodes = Graph.topological (Control.inlineAll roots)
    let values = Reference.evaluate (Array.append roots nodes)
    let expected = values[.. roots.Length - 1]
    let scale = largest values
    if nodes |> Array.exists (fun e -> e.DType = DType.Float32) then
        let better = Reference.evaluate precise
        let error (a: NDArray) (b: NDArray) =
            Seq.map2 (fun (x: float) y -> abs (x - y)) (floats a) (floats b)
            |> Seq.filter Double.IsFinite
            |> Seq.fold max 0.0
        struct (expected, Array.map2 (fun e b -> 1e-5 * scale + 8.0 * error e b) expected better)
    else
        struct (expected, Array.create roots.Length (1e-12 * scale))

/// What is wrong with a graph's plans; nothing if all ways to run agree.
let private check (compiled: bool) (roots: Expr[]) (precise: Expr[]) : string option =
    let struct (expected, bounds) = expectedOf roots precise
    let onTiles = run (planOf Tier.Tiles roots) 1
    let others =
        seq {
            let tiles = planOf Tier.Tiles roots
            for threads in [ 2; 4; 7 ] do
                $"tiles, {threads} threads", (fun () -> run tiles threads)
            if compiled then
                let plan = planOf Tier.Compiled roots
                for threads in [ 1; 2; 4; 7 ] do
                    $"compiled, {threads} threads", (fun () -> run plan threads)
        }
    match difference bounds expected onTiles with
    | Some wrong -> Some("tiles: " + wrong)
    | None ->
        others
        |> Seq.tryPick (fun (what, evaluate) ->
            let actual = evaluate ()
            match Seq.tryFindIndex id (Seq.map2 (fun a b -> not (sameBits a b)) onTiles actual) with
            | None -> None
            | Some k ->
                let zero = Array.create roots.Length 0.0
                let where = difference zero onTiles actual |> Option.defaultValue "signs of zeros"
                Some $"{what}, result {k}, against tiles: {where}")

let private checkSeed compiled seed steps : string option =
    try
        check compiled (graph seed DType.Float32 steps) (graph seed DType.Float64 steps)
    with e ->
        Some(string e)

/// Fails with the seed and the shortest beginning of its graph that goes wrong.
let private agree compiled seed =
    match checkSeed compiled seed (lengthOf seed) with
    | None -> ()
    | Some wrong ->
        let steps =
            seq { 1 .. lengthOf seed }
            |> Seq.tryFind (fun steps -> (checkSeed compiled seed steps).IsSome)
            |> Option.defaultValue (lengthOf seed)
        let least = checkSeed compiled seed steps |> Option.defaultValue wrong
        let roots = graph seed DType.Float32 steps
        let plan =
            try
                stepsOf (planOf Tier.Tiles roots)
            with e ->
                e.Message
        Assert.Fail $"seed {seed}, {steps} steps: {least}\n{listing roots}\n{plan}"

// ---- Random graphs --------------------------------------------------------------------------------------------------

[<Theory>]
[<InlineData 0>]
[<InlineData 1>]
[<InlineData 2>]
[<InlineData 3>]
[<InlineData 4>]
[<InlineData 5>]
[<InlineData 6>]
[<InlineData 7>]
[<InlineData 8>]
[<InlineData 9>]
let ``random graphs give the reference's numbers, and the same bits on any number of threads`` (part: int) =
    for seed in 150 * part .. 150 * part + 149 do
        // Machine code costs a millisecond a loop.
        agree (seed % 8 = 0) seed

// ---- What went wrong once -------------------------------------------------------------------------------------------

let private agrees (roots: Expr[]) =
    match check true roots roots with
    | None -> ()
    | Some wrong -> Assert.Fail $"{wrong}\n{listing roots}\n{stepsOf (planOf Tier.Tiles roots)}"

let private small (shape: int list) =
    variableOf "x" (spread 1 (-1.0, 1.0) shape)

[<Fact>]
let ``what repeats within the columns of a loop is read in one piece`` () =
    let x, b = small [ 7; 5 ], small [ 5 ]
    let y = x + b
    agrees [| y - mean y |]

[<Fact>]
let ``a view that is a result, and what else is read of its array`` () =
    let x = small [ 3; 5 ]
    let y = sumOver [ 1 ] x / 2.0
    agrees [| stopGradient y; stopGradient y - reduceMin y |]
    let z = reshape [ 5; 3 ] (x * 2.0)
    agrees [| z; sin z |]

[<Fact>]
let ``indices along an axis that is one of several columns`` () =
    let x = small [ 7; 5 ]
    for axis in 0..1 do
        let y = where (less (iota [ 7; 5 ] axis DType.Int32) 3) x (-x)
        agrees [| y - mean y |]

[<Fact>]
let ``sums over one and over two axes between others`` () =
    let x = small [ 3; 4; 20; 30 ]
    let y = x * x
    agrees [| sumOver [ 1; 2 ] y; sumOver [ 2 ] y; sumOver [ 0; 1; 2 ] y |]
    agrees [| sumOver [ 1; 2 ] x; sumOver [ 2 ] x |]

// ---- Large arrays ---------------------------------------------------------------------------------------------------

/// Numbers that float32 holds, as a leaf of the type.
let private leaf (seed: int) (shape: int list) (dtype: DType) =
    let shape = Shape(Array.ofList shape)
    let source = Random seed
    let values =
        Array.init shape.Length (fun _ -> float (float32 (source.NextDouble() * 2.0 - 1.0)))
    if dtype = DType.Float32 then
        variableOf "x" (NDArray.Create(Array.map float32 values, shape))
    else
        variableOf "x" (NDArray.Create(values, shape))

let private classes (seed: int) (count: int) (high: int) =
    let source = Random seed
    variableOf "i" (NDArray.Create(Array.init count (fun _ -> source.Next high), Shape [| count |]))

let private layerNorm (x: Expr) =
    let centred = x - meanKeeping [ -1 ] x
    centred / sqrt (meanKeeping [ -1 ] (square centred) + 1e-5)

/// Above the thresholds of threads, of chunks, of copies in blocks and of stores past the caches.
let private large: (string * (DType -> Expr[])) list =
    let two make =
        fun dtype ->
            let x, y = leaf 1 [ 300; 1000 ] dtype, leaf 2 [ 1000 ] dtype
            make x y
    [ "chain", two (fun x y -> [| relu (x * 2.0 + y); tanh (x - y) |])
      "one row", (fun t -> [| exp (leaf 1 [ 1; 300_001 ] t) + 1.0 |])
      "one column", (fun t -> let x = leaf 1 [ 200_003; 1 ] t in [| softmax 1 x + x; sumOver [ 0 ] x |])
      "rows of two", (fun t -> let x = leaf 1 [ 100_001; 2 ] t in [| softmax 1 x; sumOver [ 0 ] x |])
      "softmax", two (fun x _ -> [| softmax 1 x; logsumexpOver [ 1 ] x |])
      "softmax of columns", two (fun x _ -> [| softmax 0 x; logSoftmax 0 x |])
      "long rows",
      (fun t -> let x = leaf 1 [ 3; 100_003 ] t in [| softmax 1 x; sumOver [ 1 ] x; reduceMaxOver [ 1 ] x |])
      "sums",
      two (fun x y -> [| sum (x * y); sumOver [ 0 ] (x * y); sumOver [ 1 ] (x * y); mean (square x) |])
      "long columns",
      (fun t ->
          [| sumOver [ 0 ] (leaf 1 [ 100_003; 3 ] t)
             sumOver [ 0 ] (exp (leaf 2 [ 20_011; 17 ] t)) |])
      "sums in the middle",
      (fun t ->
          let x = leaf 1 [ 60; 50; 70 ] t
          [| sumOver [ 1 ] x
             sumOver [ 0; 2 ] x
             sumOver [ 0; 1 ] (x * x)
             reduceMinOver [ 1 ] x
             sumOver [ 1; 2 ] x |])
      "extremes", two (fun x y -> [| reduceMax (x - y); reduceMin x; reduceMaxOver [ 0 ] x |])
      "transposed",
      two (fun x y ->
          [| transpose x
             exp (transpose (x * y))
             slice 1 None None -1 x
             transpose x + expandDims 1 y |])
      "four axes",
      (fun t ->
          let x = leaf 1 [ 20; 30; 21; 19 ] t in
          [| permute [ 2; 0; 3; 1 ] x; permute [ 3; 2; 1; 0 ] (x * x) |])
      "windows",
      (fun t ->
          [| unfold 1 5 2 1 (leaf 1 [ 100; 801 ] t) * 2.0
             fold 1 602 4 1 (leaf 2 [ 100; 150; 5 ] t) |])
      "masks",
      two (fun x y ->
          let b = less x y
          [| cast DType.Bool x
             logicalNot b
             where b x y
             cast x.DType (logicalAnd b (greater x 0.0)) |])
      "layer norm and its derivative",
      (fun t ->
          let x, g, b = leaf 1 [ 512; 513 ] t, leaf 2 [ 513 ] t, leaf 3 [ 513 ] t
          let y = sum (square (layerNorm x * g + b)) / 1e5
          Array.ofList (y :: grads y [ x; g; b ]))
      "cross-entropy and its derivative",
      (fun t ->
          let x = leaf 1 [ 1025; 257 ] t
          let y = mean (crossEntropyOfClasses x (classes 2 1025 257))
          [| y; grad y x |])
      "layer of a net",
      (fun t ->
          let x, w, b = leaf 1 [ 150; 260 ] t, leaf 2 [ 260; 170 ] t, leaf 3 [ 170 ] t
          let y = mean (square (tanh (matmul x w / 20.0 + b)))
          Array.ofList (y :: grads y [ x; w; b ]))
      "products in batches",
      (fun t ->
          let x, y = leaf 1 [ 6; 100; 64 ] t, leaf 2 [ 6; 100; 64 ] t
          let a = softmax 2 (einsum "bik,bjk->bij" [ x; y ] / 8.0)
          let z = einsum "bij,bjk->bik" [ a; x ]
          [| z; grad (sum (square z) / 1e3) x |])
      "gathered",
      (fun t ->
          let x = leaf 1 [ 1000; 300 ] t
          let y = gather 0 (classes 2 700 1000) x
          [| y * 2.0; grad (sum (sin y) / 1e3) x |])
      // More than 8 MB of results.
      "past the caches",
      (fun t ->
          let x = leaf 1 [ 1100; 1003 ] DType.Float64 in [| x * 2.0; cast t (exp x); sumOver [ 1 ] (x * x) |])
      "past the caches in one piece",
      (fun _ -> let x = leaf 1 [ 1_100_003 ] DType.Float64 in [| x * x + 1.0 |]) ]

let largeNames = TheoryData<string>(List.map fst large)

[<Theory; MemberData(nameof largeNames)>]
let ``large arrays give the reference's numbers, and the same bits on any number of threads`` (name: string) =
    let make = large |> List.find (fst >> (=) name) |> snd
    for dtype in [ DType.Float32; DType.Float64 ] do
        let roots = make dtype
        match check true roots (make DType.Float64) with
        | None -> ()
        | Some wrong ->
            Assert.Fail $"{name}, {DType.name dtype}: {wrong}\n{stepsOf (planOf Tier.Tiles roots)}"

// ---- What is fused --------------------------------------------------------------------------------------------------

let private kindsOf (plan: Plan) =
    plan.Data.Steps |> Seq.map _.Kind |> List.ofSeq

/// Asserts that a plan has so many loops at most, and no more other steps than these.
let private fused (loops: int) (others: string list) (plan: Plan) =
    let count kind = List.filter ((=) kind) >> List.length
    let kinds = kindsOf plan
    let allowed = List.replicate loops "loop" @ others
    let isFine kind = count kind kinds <= count kind allowed
    Assert.True(List.forall isFine kinds, $"expected at most {allowed}:\n{stepsOf plan}")

let private rows t = leaf 1 [ 256; 1000 ] t

[<Fact>]
let ``softmax and logsumexp are one loop, log-softmax and layer norm two`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        fused 1 [] (planOf Tier.Auto [| softmax 1 (rows t) |])
        fused 1 [] (planOf Tier.Auto [| logsumexpOver [ 1 ] (rows t) |])
        fused 2 [] (planOf Tier.Auto [| logSoftmax 1 (rows t) |])
        fused 2 [] (planOf Tier.Auto [| layerNorm (rows t) * leaf 2 [ 1000 ] t + leaf 3 [ 1000 ] t |])

[<Fact>]
let ``the derivative of softmax is one loop, that of layer norm two`` () =
    let x, g, b =
        rows DType.Float32, leaf 2 [ 1000 ] DType.Float32, leaf 3 [ 1000 ] DType.Float32
    let w = leaf 4 [ 256; 1000 ] DType.Float32
    fused 1 [] (planOf Tier.Auto [| grad (sum (softmax 1 x * w)) x |])
    fused 2 [] (planOf Tier.Auto (Array.ofList (vjp (layerNorm x * g + b) w [ x; g; b ])))

[<Fact>]
let ``cross-entropy is two loops, with its derivative three`` () =
    let x = rows DType.Float32
    let ofClasses = mean (crossEntropyOfClasses x (classes 2 256 1000))
    fused 2 [ "kernel"; "kernel" ] (planOf Tier.Auto [| ofClasses |])
    fused 3 [ "kernel" ] (planOf Tier.Auto [| ofClasses; grad ofClasses x |])
    let ofDistributions =
        mean (crossEntropyOfDistributions x (leaf 2 [ 256; 1000 ] DType.Float32))
    fused 3 [] (planOf Tier.Auto [| ofDistributions; grad ofDistributions x |])

[<Fact>]
let ``what follows a product is one loop`` () =
    let x, w, b =
        leaf 1 [ 64; 200 ] DType.Float32, leaf 2 [ 200; 100 ] DType.Float32, leaf 3 [ 100 ] DType.Float32
    fused 1 [ "product" ] (planOf Tier.Auto [| tanh (matmul x w + b) |])

[<Fact>]
let ``many short sums are few loops, and numbers are put together in one step`` () =
    for n in [ 2; 7; 16; 300 ] do
        for dtype in [ DType.Float32; DType.Float64 ] do
            let derivative dtype =
                let x, t = leaf 1 [ 60 ] dtype, leaf 2 [ n ] dtype
                let mutable y = slice 0 (Some 59) None 1 x
                for j in 58..-1..0 do
                    y <- slice 0 (Some j) (Some(j + 1)) 1 x + t * y
                [| grad (sum (square (tanh t - y))) x |]
            let roots = derivative dtype
            fused 5 [ "copy" ] (planOf Tier.Auto roots)
            Assert.Equal(None, check true roots (derivative DType.Float64))

[<Fact>]
let ``parts of every length that fill an array are put there in one step`` () =
    for dtype in [ DType.Float32; DType.Float64 ] do
        let derivative dtype =
            let x = leaf 1 [ 3; 61 ] dtype
            let lengths = [ 1; 1; 2; 3; 8; 9; 37 ]
            let starts = List.scan (+) 0 lengths
            let parts =
                List.mapi2
                    (fun k start n ->
                        let part = slice 1 (Some start) (Some(start + n)) 1 x
                        sum (square (cumsum (k % 2) (tanh part))))
                    starts[.. lengths.Length - 1]
                    lengths
            [| grad (List.reduce (+) parts) x |]
        let roots = derivative dtype
        let plan = planOf Tier.Auto roots
        let joins = plan.Data.Steps |> Array.filter (fun step -> step.Nodes.Length = 7)
        Assert.Equal("copy", (Assert.Single joins).Kind)
        Assert.Equal(None, check true roots (derivative DType.Float64))

/// So many functions of vectors, one after the other.
let private deep count (x: Expr) =
    let functions =
        [ tanh; sigmoid; sin; (fun y -> exp (-(y * y))); (fun y -> log (y * y + 1.5)) ]
    Seq.fold (fun y k -> functions[k % functions.Length] y + x * float k) x (seq { 1..count })

[<Fact>]
let ``loops of more functions than are inlined give the same bits`` () =
    for columns in [ 5; 14; 16; 300 ] do
        for count in [ 4; 12; 40 ] do
            for dtype in [ DType.Float32; DType.Float64 ] do
                let make dtype =
                    let y = deep count (leaf 1 [ 3; columns ] dtype)
                    [| y; sumOver [ 1 ] y; where (less y 0.0) y (2.0 * y) |]
                Assert.Equal(None, check true (make dtype) (make DType.Float64))

[<Fact>]
let ``few numbers are scalar code unless loops compute their functions in less time`` () =
    let planned n count =
        let x = leaf 1 [ n ] DType.Float64
        Planner.make (EngineOptions(1, Tier.Auto)) [||] [| deep count x |] |> kindsOf
    Assert.Equal<string list>([ "scalar code" ], planned 1 40)
    Assert.Equal<string list>([ "scalar code" ], planned 2 30)
    Assert.Equal<string list>([ "scalar code" ], planned 14 1)
    Assert.Equal<string list>([ "loop" ], planned 14 20)
    let x = leaf 1 [ 14 ] DType.Float64
    let powers = Seq.fold (fun y _ -> y * x + 1.0) x (seq { 1..40 })
    Assert.Equal<string list>(
        [ "scalar code" ],
        Planner.make (EngineOptions(1, Tier.Auto)) [||] [| powers |] |> kindsOf
    )

/// The plan of one step of an optimiser for the sum of squares of one parameter times another array.
let private stepOf (optimizer: GradientTransformation) (p: Expr) =
    let state = OptimizerState(optimizer, [| p |])
    let g = leaf 7 [ 300; 400 ] p.DType
    UpdatePlan(EngineOptions(1, Tier.Auto), [||], [||], state.Updates [| g * p |])

[<Fact>]
let ``an optimiser's step is one loop over the parameter, written in place`` () =
    for optimizer, scalars in [ Optimize.sgd 0.1, 1; Optimize.momentum 0.1 0.9, 1; Optimize.adam 0.1, 5 ] do
        let p = leaf 1 [ 300; 400 ] DType.Float32
        let plan = (stepOf optimizer p).Plan
        let isLong (step: Step) =
            step.Nodes |> Array.exists (fun e -> e.Shape.Length > 1)
        let long = plan.Data.Steps |> Array.filter isLong
        Assert.True(long.Length = 1 && long[0].Kind = "loop", stepsOf plan)
        // Numbers only beside it: the arrays are never copied.
        Assert.True(plan.Data.Steps.Length - 1 <= scalars, stepsOf plan)
        Assert.InRange(plan.Data.ArenaBytes, 0L, 1024L)

[<Theory; InlineData(1); InlineData(3)>]
let ``what follows one another in a concatenation is computed there`` (leading: int) =
    let x, w = leaf 1 [ 64; 8 ] DType.Float64, leaf 2 [ 8; 8 ] DType.Float64
    let a, b, c = tanh x, matmul x w, exp (sum x) * w
    // With axes of one element before it, the axis is as good as the first; twice the same is copied once.
    let lifted (e: Expr) =
        if leading = 1 then
            e
        else
            Reshape.make (Shape(Array.append [| 1; 1 |] (e.Shape.ToArray()))) e
    let axis = if leading = 1 then 0 else 2
    let joined = concat axis (List.map lifted [ a; b; c ])
    let more = concat axis (List.map lifted [ a; x; b; b ])
    for roots, bytes in
        [ [| sum (cos joined) |], 64 * 8 * 2 + 64
          // A part is read by others as well, and the whole is a result.
          [| sum (sin a) + sum b; joined |], 0
          // One who takes arrays reads a part of a result.
          [| joined; cumlogsumexp 0 b |], 4 * 64 * 8
          [| sum (cos more) |], 64 * 8 * 4 ] do
        for tier in [ Tier.Compiled; Tier.Tiles ] do
            let plan = planOf tier roots
            let results = plan.NewResults()
            for threads in [ 1; 2; 4 ] do
                Plan({ plan.Data with Threads = threads }).Run([||], results)
                Array.iter2
                    (fun (e: NDArray) (r: NDArray) ->
                        for i in 0 .. e.Length - 1 do
                            Assert.Equal(e.Float i, r.Float i, 1e-12 * (1.0 + abs (e.Float i))))
                    (Reference.evaluate roots)
                    results
            Assert.InRange(plan.Data.ArenaBytes, 0L, int64 (8 * bytes + 1024))
    let kinds = planOf Tier.Compiled [| sum (cos joined) |] |> kindsOf
    Assert.DoesNotContain("copy", kinds)
    Assert.DoesNotContain("kernel", kinds)

/// Four gates as slices of one array, a step of a recurrent cell: its next state.
let private gates (width: int) (z: Expr) (state: Expr) =
    let gate k =
        slice 1 (Some(k * width)) (Some((k + 1) * width)) 1 z
    sigmoid (gate 0) * state + sigmoid (gate 1) * tanh (gate 2) * sigmoid (gate 3)

/// What lies side by side within rows: graphs, and how many steps copy.
let private sideBySide: (string * int * (DType -> Expr[])) list =
    let operands dtype =
        struct (leaf 1 [ 6; 64 ] dtype, leaf 2 [ 64; 64 ] dtype)
    let wide dtype (columns: int) = leaf 3 [ 300; columns ] dtype
    [ "loops and products, read by a loop",
      0,
      fun t ->
          let struct (x, w) = operands t
          [| sum (cos (concat 1 [ tanh x; matmul x w; exp x ])) |]
      "the whole is a result, a part is read by others",
      0,
      fun t ->
          let struct (x, w) = operands t
          let a, b = tanh x, matmul x w
          [| concat 1 [ a; b ]
             sumOver [ 1 ] (sin a) + sumOver [ 1 ] b
             matmul a w
             matmul (transpose b) a |]
      "parts are read in one line",
      1,
      fun t ->
          let struct (x, w) = operands t
          let a, b = tanh x, matmul x w
          [| sum (cos (concat 1 [ a; b ])); sum (sin a) + sum b |]
      "rows shorter than what is worth it",
      1,
      fun t ->
          let x = leaf 1 [ 6; 63 ] t
          [| sum (cos (concat 1 [ tanh x; exp x ])) |]
      "one who takes arrays reads a part",
      1,
      fun t ->
          let struct (x, _) = operands t
          let a = tanh x
          [| sum (cos (concat 1 [ a; exp x ])); cumsum 0 a |]
      "a part is read in another shape",
      1,
      fun t ->
          let struct (x, _) = operands t
          let a = tanh x
          [| sum (cos (concat 1 [ a; exp x ]))
             sum (square (leaf 4 [ 12; 32 ] t * reshape [ 12; 32 ] a)) |]
      "leaves, and the same twice",
      1,
      fun t ->
          let struct (x, w) = operands t
          let b = matmul x w
          [| sum (cos (concat 1 [ x; b; b; tanh x ])) |]
      "the middle axis, behind a reshape",
      0,
      fun t ->
          let struct (x, w) = operands t
          let lift (e: Expr) = reshape [ 6; 1; 64 ] e
          [| sum (cos (concat 1 [ lift (tanh x); lift (matmul x w) ])) |]
      "the middle axis, where no strides are",
      1,
      fun t ->
          let struct (x, w) = operands t
          let lift (e: Expr) = reshape [ 3; 2; 64 ] e
          [| sum (cos (concat 1 [ lift (tanh x); lift (matmul x w) ])) |]
      "within each other",
      0,
      fun t ->
          let struct (x, w) = operands t
          let inner = concat 1 [ tanh x; matmul x w ]
          [| sum (cos (concat 0 [ concat 1 [ inner; exp x ]; leaf 5 [ 1; 192 ] t * 2.0 ])) |]
      "gradients of slices",
      0,
      fun t ->
          let struct (x, _) = operands t
          let w = leaf 6 [ 64; 256 ] t
          let y = sum (square (gates 64 (matmul x w) x))
          Array.append [| y |] (grads y [ x; w ] |> Array.ofSeq)
      "gradients of slices of slices",
      0,
      fun t ->
          let struct (x, _) = operands t
          let w, input = leaf 6 [ 64; 256 ] t, leaf 7 [ 6; 3; 256 ] t
          let bias = leaf 8 [ 256 ] t
          let all = input + bias
          let step state k =
              let z = reshape [ 6; 256 ] (slice 1 (Some k) (Some(k + 1)) 1 all)
              gates 64 (z + matmul state w) state
          let y = sum (square (List.fold step x [ 0; 1; 2 ]))
          Array.append [| y |] (grads y [ x; w; input; bias ] |> Array.ofSeq)
      "a view of a part is a result",
      1,
      fun t ->
          let struct (x, _) = operands t
          let a = tanh x
          [| sum (cos (concat 1 [ a; exp x ])); broadcastTo [ 5; 6; 64 ] a |]
      "a view of a view of a part that is a result",
      1,
      fun t ->
          let struct (x, _) = operands t
          let a = tanh x
          let r = slice 0 (Some 0) (Some 3) 1 a
          [| sum (cos (concat 1 [ a; exp x ])); r; sin (reshape [ 6; 32 ] r) |]
      "many read a part",
      1,
      fun t ->
          let struct (x, _) = operands t
          let a = tanh x
          let readers = [ for k in 1..70 -> sumOver [ 1 ] (cumsum 0 (a * float k)) ]
          [| sum (cos (concat 1 [ a; exp x ])); List.reduce (+) readers |]
      "rows of large arrays one behind the other, whatever their lengths",
      0,
      fun t ->
          let x, y = leaf 3 [ 600; 1000 ] t, leaf 4 [ 600; 1000 ] t
          [| sumOver [ 0 ] (concat 0 [ tanh x; 2.0 * y ]) |]
      "comparisons",
      0,
      fun t ->
          let struct (x, _) = operands t
          let mask = concat 1 [ greater x (sin x); less x (x * x) ]
          [| sum (where mask (leaf 9 [ 6; 128 ] t) 2.0) |]
      "whole lines of large arrays, which are written past the caches",
      0,
      fun t ->
          let a, b = tanh (wide t 4096), wide t 4096 * 2.0
          [| sumOver [ 0 ] (concat 1 [ a; b ]) |]
      "large arrays that begin within lines",
      1,
      fun t ->
          let a, b = tanh (wide t 4095), wide t 4095 * 2.0
          [| sumOver [ 0 ] (concat 1 [ a; b ]) |] ]

[<Fact>]
let ``what lies side by side within rows is computed there`` () =
    let wrong =
        [ for what, copies, make in sideBySide do
              for dtype in [ DType.Float32; DType.Float64 ] do
                  let roots = make dtype
                  let plan = planOf Tier.Auto roots
                  let found = kindsOf plan |> Seq.filter ((=) "copy") |> Seq.length
                  if found <> copies then
                      $"{what}: {copies} copies expected\n{stepsOf plan}"
                  match check true roots (make DType.Float64) with
                  | Some wrong -> $"{what}, {dtype}: {wrong}"
                  | None -> () ]
    Assert.True(wrong.IsEmpty, String.Join("\n", wrong))

/// Values that are read in slices: graphs, and the numbers of loops and products of their plans.
let private inSlices: (string * int * int * (DType -> Expr[])) list =
    let z t =
        matmul (leaf 1 [ 8; 64 ] t) (leaf 2 [ 64; 256 ] t) + leaf 3 [ 256 ] t
    let part k (x: Expr) =
        slice 1 (Some(64 * k)) (Some(64 * (k + 1))) 1 x
    [ "gates are read where they are computed", 1, 1, (fun t -> [| gates 64 (z t) (leaf 4 [ 8; 64 ] t) |])
      "through functions of them, and what these compare",
      1,
      1,
      fun t ->
          let a = tanh (z t)
          let b = where (greater a 0.0) (exp a) (0.5 * a)
          [| part 0 b * part 1 b; part 2 b - part 3 b |]
      "slices of slices, behind other shapes",
      3,
      3,
      fun t ->
          let input, w = leaf 5 [ 8; 3; 256 ] t, leaf 6 [ 64; 256 ] t
          let all = 2.0 * input + leaf 7 [ 256 ] t
          let step state k =
              gates 64 (reshape [ 8; 256 ] (slice 1 (Some k) (Some(k + 1)) 1 all) + matmul state w) state
          [| List.fold step (leaf 4 [ 8; 64 ] t) [ 0; 1; 2 ] |]
      "some of it is read by nobody", 1, 1, (fun t -> let y = tanh (z t) in [| part 0 y * part 2 y |]) ]

/// Values that stay what they are.
let private asAWhole: (string * (DType -> Expr[])) list =
    let half k (x: Expr) =
        slice 1 (Some(64 * k)) (Some(64 * (k + 1))) 1 x
    let x t = leaf 1 [ 20; 128 ] t
    [ "the whole is read as well", (fun t -> let y = tanh (x t) in [| half 0 y * half 1 y; sum y |])
      "the whole is a result", (fun t -> let y = tanh (x t) in [| half 0 y * half 1 y; y |])
      "a slice is a result", (fun t -> let y = tanh (x t) in [| half 0 y * half 1 y; half 0 y |])
      "slices overlap",
      (fun t ->
          let y = tanh (x t)
          [| slice 1 (Some 1) None 1 y * slice 1 None (Some 127) 1 y |])
      "a product reads a slice",
      (fun t -> let y = tanh (x t) in [| matmul (half 0 y) (transpose (half 1 y)) |])
      "a slice is summed", (fun t -> let y = tanh (x t) in [| half 0 y; sum (half 1 y) |])
      "slices of few numbers",
      (fun t -> let y = tanh (x t) in [| slice 1 (Some 0) (Some 3) 1 y + slice 1 (Some 5) (Some 8) 1 y |])
      "short rows",
      (fun t ->
          let y = tanh (leaf 1 [ 500; 16 ] t)
          let part k =
              slice 1 (Some(4 * k)) (Some(4 * k + 4)) 1 y
          [| part 0 * part 1 + part 2 * part 3 |])
      "backwards, and every other one",
      (fun t ->
          let y, z = tanh (x t), exp (x t)
          [| sin (flip [ 1 ] y); cos (slice 1 None None 2 z) |])
      "many slices",
      (fun t ->
          let y = tanh (leaf 1 [ 40; 64 ] t)
          [| Seq.reduce (+) [ for k in 0..39 -> exp (slice 0 (Some k) (Some(k + 1)) 1 y) ] |])
      "small arrays", (fun t -> let y = tanh (leaf 1 [ 7; 128 ] t) in [| half 0 y * half 1 y |]) ]

[<Fact>]
let ``long ways to many slices do not make a graph many times larger`` () =
    for length in [ 1; 1000 ] do
        let mutable y = leaf 1 [ 64; 128 ] DType.Float32
        for k in 1..length do
            y <- sin y + float k
        let rows = [ for k in 0..63 -> exp (slice 0 (Some k) (Some(k + 1)) 1 y) ]
        let roots = [| sum (concat 0 (List.map (fun row -> row * row) rows)) |]
        let count roots = (Graph.topological roots).Length
        Assert.InRange(count (SlicedValues.run roots), 1, 5 * count roots)

[<Fact>]
let ``values read in slices are computed where the slices are read`` () =
    let wrong =
        [ for dtype in [ DType.Float32; DType.Float64 ] do
              for what, loops, products, make in inSlices do
                  let roots = make dtype
                  let kinds = kindsOf (planOf Tier.Auto roots)
                  let count kind =
                      List.filter ((=) kind) kinds |> List.length
                  if
                      (count "loop", count "product", kinds.Length)
                      <> (loops, products, loops + products)
                  then
                      $"{what}: {loops} loops and {products} products expected\n{stepsOf (planOf Tier.Auto roots)}"
                  match check true roots (make DType.Float64) with
                  | Some wrong -> $"{what}, {dtype}: {wrong}"
                  | None -> ()
                  let derivative t =
                      let roots = make t
                      let leaves = Graph.topological roots |> Array.filter _.Op.IsVariable |> List.ofArray
                      grads (roots |> Seq.map (square >> sum) |> Seq.reduce (+)) leaves |> Array.ofSeq
                  match check true (derivative dtype) (derivative DType.Float64) with
                  | Some wrong -> $"derivative of {what}, {dtype}: {wrong}"
                  | None -> ()
              for what, make in asAWhole do
                  let roots = make dtype
                  let simple = Simplify.run roots
                  if
                      not (
                          Array.forall2
                              (fun (a: Expr) b -> obj.ReferenceEquals(a, b))
                              simple
                              (SlicedValues.run simple)
                      )
                  then
                      $"{what}: changed"
                  match check true roots (make DType.Float64) with
                  | Some wrong -> $"{what}, {dtype}: {wrong}"
                  | None -> () ]
    Assert.True(wrong.IsEmpty, String.Join("\n", wrong))

// ---- Updates --------------------------------------------------------------------------------------------------------

let private held (e: Expr) =
    match e.Op with
    | Op.Variable v -> v
    | _ -> invalidOp "not a variable"

/// Runs updates three times on each tier, one of them on threads; what variables and results become is what the reference computes from
/// the values before.
let private updated (what: string) (make: unit -> struct (Expr list * (Expr * Expr) list)) =
    for tier, threads in [ Tier.Tiles, 4; Tier.Compiled, 1 ] do
        let struct (results, updates) = make ()
        let roots = Array.ofList (results @ List.map snd updates)
        let plan =
            UpdatePlan(
                EngineOptions(threads, tier),
                [||],
                Array.ofList results,
                [| for p, e in updates -> held p, e |]
            )
        for step in 1..3 do
            let struct (expected, bounds) = expectedOf roots roots
            let values = plan.Run([||], Array.map _.Clone())
            let actual =
                Array.append values [| for p, _ in updates -> Variable.valueOf (held p) |]
            match difference bounds expected actual with
            | None -> ()
            | Some wrong ->
                Assert.Fail
                    $"{what}, {tier}, {threads} threads, step {step}: {wrong}\n{listing roots}\n{stepsOf plan.Plan}"

/// Updates of square arrays a, b, c and a vector v.
let private updates: (string * (Expr -> Expr -> Expr -> Expr -> struct (Expr list * (Expr * Expr) list))) list =
    [ "swap", (fun a b _ _ -> [], [ a, b; b, a ])
      "rotation", (fun a b c _ -> [ a ], [ a, b; b, c; c, a ])
      "decay", (fun a b _ _ -> [], [ a, a - b * a ])
      "read by a later step", (fun a b _ _ -> [ matmul (a * 0.5) b ], [ a, a * 0.9 ])
      "read by a later product", (fun a b _ _ -> [ matmul b a ], [ a, a * 0.9 ])
      "read transposed by a later step",
      (fun a b _ _ -> [ sumOver [ 0 ] (matmul b (transpose a)) ], [ a, a + b ])
      "two that read each other", (fun a b _ _ -> [], [ a, 0.5 * (a + b); b, 0.5 * (a - b) ])
      "also a result", (fun a b _ _ -> let e = sin a + b in [ e; sum e ], [ a, e ])
      "the old value a result", (fun a b _ _ -> [ a; a * 1.0 ], [ a, a * b ])
      "one value for two", (fun a b _ _ -> let e = a * b in [ e ], [ a, e; b, e ])
      "a constant",
      (fun a b _ _ ->
          [ a ],
          [ a, onesLike a * 0.25
            b, constant (NDArray.Full(Scalar.ofFloat DType.Float64 3.0, b.Shape)) ])
      "indices", (fun a b _ _ -> [], [ a, iota (List.ofArray (a.Shape.ToArray())) 1 DType.Float64; b, b + a ])
      "its transpose", (fun a _ _ _ -> [], [ a, transpose a ])
      "with its transpose", (fun a b _ _ -> [], [ a, 0.5 * (a + transpose a); b, b * transpose b ])
      "turned round", (fun a _ _ v -> [], [ a, slice 0 None None -1 a * 0.5; v, slice 0 None None -1 v ])
      "another's transpose", (fun a b _ _ -> [], [ a, transpose b; b, transpose a + 1.0 ])
      "a view of a new value", (fun a b _ _ -> let e = a + b in [], [ a, e; b, transpose e ])
      "softmax of itself", (fun a _ _ _ -> [], [ a, softmax 1 a ])
      "softmax of its columns", (fun a _ _ _ -> [], [ a, softmax 0 a ])
      "over its sum", (fun a _ _ v -> [ sum a ], [ a, a / (1.0 + sum (a * a)); v, v - mean v ])
      "less its means", (fun a b _ _ -> [], [ a, a - meanKeeping [ 0 ] a; b, b - meanKeeping [ 1 ] b ])
      "a vector by the sums of an array", (fun a _ _ v -> [], [ v, v + 0.1 * sumOver [ 0 ] a; a, a * v ])
      "a vector by the sums with it", (fun a _ _ v -> [], [ v, sumOver [ 1 ] (a * v) / 10.0 ])
      "its square", (fun a _ _ _ -> [], [ a, matmul a a / 10.0 ])
      "a product added", (fun a b c _ -> [], [ a, a + 0.1 * matmul b c; b, b + matmul c b * 0.1 ])
      "sums of products",
      (fun a b c _ ->
          [],
          [ a, matmul a b / 50.0 + matmul b c / 50.0
            c, matmul a a / 50.0 + matmul c c / 50.0 ])
      "shifted",
      (fun a _ _ v ->
          [],
          [ v, concat 0 [ slice 0 (Some 1) None 1 v; slice 0 None (Some 1) 1 v ]
            a, pad [ 1, 0; 0, 0 ] (slice 0 None (Some -1) 1 a) ])
      "of two columns",
      (fun a b _ _ -> [], [ a, a + slice 1 None (Some 1) 1 b; b, b + slice 0 (Some -1) None 1 a ])
      "partly kept", (fun a b _ _ -> [ reduceMax a ], [ a, where (less a 0.0) (transpose b) a ]) ]

let updateNames = TheoryData<string>(List.map fst updates)

[<Theory; MemberData(nameof updateNames)>]
let ``updates give what computing with copies gives`` (name: string) =
    let make = updates |> List.find (fst >> (=) name) |> snd
    // Scalar code, short loops, and loops that are joined.
    for n in [ 2; 9; 40; 65 ] do
        let square seed = leaf seed [ n; n ] DType.Float64
        updated $"{name}, {n}" (fun () -> make (square 1) (square 2) (square 3) (leaf 4 [ n ] DType.Float64))

[<Theory>]
[<InlineData 0>]
[<InlineData 1>]
let ``random updates give what computing with copies gives`` (part: int) =
    for seed in 10_000 + 100 * part .. 10_099 + 100 * part do
        let make () =
            let source = Random seed
            let roots = graph seed DType.Float64 (lengthOf seed)
            let nodes = Graph.topological roots
            let updates =
                [ for p in nodes do
                      if p.Op.IsVariable && DType.isFloat p.DType then
                          let fitting =
                              nodes |> Array.filter (fun e -> e.Shape.Equals p.Shape && e.DType = p.DType)
                          p, fitting[source.Next fitting.Length] ]
            struct (List.ofArray roots |> List.truncate (source.Next 3), updates)
        updated $"seed {seed}" make

// ---- Runs -------------------------------------------------------------------------------------------------------------

[<Fact>]
let ``a variable becomes a view of what lies within rows of others`` () =
    for shape in [ [ 6; 1; 64 ]; [ 12; 32 ] ] do
        updated "a view of a part" (fun () ->
            let x, v = leaf 1 [ 6; 64 ] DType.Float32, leaf 2 shape DType.Float32
            let a = tanh x
            struct ([ sum (cos (concat 1 [ a; exp x ])) ], [ v, reshape shape a ]))

[<Fact>]
let ``results go to the caller's arrays, wherever these begin`` () =
    let x = leaf 1 [ 70; 33 ] DType.Float32
    for roots in
        [ [| softmax 1 x; sumOver [ 0 ] x; transpose x; x; sum x |]
          [| matmul x (transpose x); less x 0.5 |] ] do
        for tier in [ Tier.Tiles; Tier.Compiled ] do
            let plan = planOf tier roots
            let expected = plan.Run [||]
            for offset in 0..3 do
                let place (shape: Shape) (memory: Memory<'T>) =
                    NDArray.Create(memory.Slice(offset, shape.Length), shape)
                let results =
                    roots
                    |> Array.map (fun r ->
                        if r.DType = DType.Bool then
                            place r.Shape (Memory(Array.create (r.Shape.Length + 8) true))
                        else
                            place r.Shape (Memory(Array.create (r.Shape.Length + 8) nanf)))
                plan.Run([||], results)
                for e, a in Array.zip expected results do
                    Assert.True(sameBits e a, $"offset {offset}: expected {text e}, got {text a}")

[<Fact>]
let ``arrays for results that do not fit are refused`` () =
    let plan =
        planOf Tier.Auto [| leaf 1 [ 3; 4 ] DType.Float32 * 2.0; leaf 2 [ 2 ] DType.Float64 + 1.0 |]
    let results () = plan.NewResults()
    let refused (change: NDArray[] -> NDArray[]) (part: string) =
        let error =
            Assert.ThrowsAny<ArgumentException>(fun () -> plan.Run([||], change (results ())))
        Assert.Contains(part, error.Message)
    refused
        (Array.updateAt 0 (NDArray.Zeros(DType.Float32, Shape [| 4; 3 |])))
        "result 0 has shape (3, 4), float32, got an array of shape (4, 3), float32"
    refused
        (Array.updateAt 1 (NDArray.Zeros(DType.Float32, Shape [| 2 |])))
        "result 1 has shape (2), float64, got an array of shape (2), float32"
    refused Array.tail "2 results, got 1"

[<Fact>]
let ``eight threads that run one plan at once each get the bits of one`` () =
    let f (xs: Expr[]) =
        let x, w = xs[0], xs[1]
        let y = mean (square (softmax 1 (matmul x w)))
        Array.ofList (y :: grads y [ x; w ])
    for threads in [ 1; 4 ] do
        let compiled = new CompiledFunction(f, EngineOptions(threads, Tier.Auto))
        let inputs (seed: int) =
            [| Variable.valueOf (held (leaf seed [ 150; 120 ] DType.Float32))
               Variable.valueOf (held (leaf (seed + 50) [ 120; 130 ] DType.Float32)) |]
        let expected = Array.init 8 (fun caller -> compiled.Call(inputs caller))
        let work caller =
            let own = inputs caller
            for _ in 1..30 do
                for e, a in Array.zip expected[caller] (compiled.Call own) do
                    if not (sameBits e a) then
                        failwith $"caller {caller}: expected {text e}, got {text a}"
        let callers =
            Array.init 8 (fun caller ->
                Task.Factory.StartNew((fun () -> work caller), TaskCreationOptions.LongRunning))
        Task.WaitAll callers

/// The bytes that one call allocates, once it has run often: the least of several measurements, since a collection can add to one.
let private allocated (call: unit -> unit) =
    for _ in 1..50 do
        call ()
    Seq.init 5 (fun _ ->
        let before = GC.GetAllocatedBytesForCurrentThread()
        for _ in 1..10 do
            call ()
        (GC.GetAllocatedBytesForCurrentThread() - before) / 10L)
    |> Seq.min

[<Fact>]
let ``steps of training allocate nothing`` () =
    let run (what: string) (most: int64) (parameters: Expr list) (loss: Expr[] -> Expr) (batch: NDArray[]) =
        for threads in [ 1; 4 ] do
            let plan =
                new TrainingPlan(
                    Array.ofList parameters,
                    loss,
                    Optimize.adam 0.01,
                    EngineOptions(threads, Tier.Auto)
                )
            let bytes = allocated (fun () -> plan.Run batch |> ignore)
            Assert.True((bytes <= most), $"{what}, {threads} threads: {bytes} bytes a step")
    let p = leaf 1 [] DType.Float64
    run "scalar" 0L [ p ] (fun _ -> square (p - 3.0)) [||]
    let w, b, v =
        leaf 1 [ 200; 90 ] DType.Float32, leaf 2 [ 90 ] DType.Float32, leaf 3 [ 90; 10 ] DType.Float32
    let x = Variable.valueOf (held (leaf 4 [ 300; 200 ] DType.Float32))
    let y = Variable.valueOf (held (classes 5 300 10))
    let net (xs: Expr[]) =
        mean (crossEntropyOfClasses (matmul (tanh (matmul xs[0] w + b)) v) xs[1])
    run "net" 0L [ w; b; v ] net [| x; y |]
    let e = leaf 6 [ 50; 30 ] DType.Float32
    run "embedding" 0L [ e ] (fun xs -> mean (square (gather 0 xs[0] e))) [| y |]

[<Fact>]
let ``checkpoints take less memory`` () =
    let x = leaf 1 [ 256; 256 ] DType.Float32
    let w = List.init 24 (fun k -> leaf (2 + k) [ 256; 256 ] DType.Float32)
    let layer y w = tanh (matmul y w / 8.0)
    let block (y: Expr) (w: Expr list) = List.fold layer y w
    let bytes (through: Expr -> Expr list -> Expr) =
        let y = w |> List.chunkBySize 6 |> List.fold through x |> square |> sum
        (planOf Tier.Auto (Array.ofList (grads y w))).Data.ArenaBytes
    let kept = bytes block
    let again = bytes (fun y w -> checkpoint (fun xs -> block xs.Head xs.Tail) (y :: w))
    Assert.True(again * 3L <= kept * 2L, $"{again} bytes with checkpoints, {kept} without")

[<Fact>]
let ``options of threads and compilation change no bit, and refuse no threads`` () =
    let x = spread 1 (-2.0, 2.0) [ 40; 30 ]
    let run (options: EngineOptions) =
        let f =
            new CompiledFunction((fun xs -> [| sum (tanh xs[0] * softmax 1 xs[0]) |]), options)
        let struct (value, gradient) = f.ValueAndGradient x
        (bytesOf value).ToArray(), (bytesOf (nonNull gradient[0])).ToArray()
    let expected = run (EngineOptions.Default.WithThreads 1)
    for options in
        [ EngineOptions.Default.WithThreads 4
          EngineOptions.Default.WithoutCompilation()
          EngineOptions.Default.WithCompilationAtOnce().WithThreads 7 ] do
        Assert.Equal(expected, run options)
    Assert.Equal(4, (EngineOptions.Default.WithThreads(4).WithoutCompilation()).Threads)
    let e =
        Assert.Throws<ArgumentException>(fun () -> EngineOptions.Default.WithThreads 0 |> ignore)
    Assert.Contains("at least 1, got 0", e.Message)

[<Fact>]
let ``a sum over many large arrays is taken some at a time, over short ones at once`` () =
    let steps n =
        let factors = List.init 80 (fun k -> leaf (1 + k) [ n ] DType.Float64)
        let y =
            factors |> List.chunkBySize 2 |> List.map (List.reduce (*)) |> List.reduce (+)
        let plan = planOf Tier.Auto [| y |]
        let expected = floats (Array.head (Reference.evaluate [| y |]))
        let found = floats (Array.head (run plan 1))
        Assert.Equal<float>(expected, found)
        plan.Data.Steps.Length
    Assert.Equal(1, steps 500)
    Assert.InRange(steps 5000, 5, 40)
