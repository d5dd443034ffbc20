/// Loops that run on the blocks of the product that they follow give the bits that they give as steps of their own, for all layouts, sizes and numbers
/// of threads; and they are steps of their own wherever something that they write is still to be read.
module EpilogueTests

open System
open System.Threading
open System.Threading.Tasks
open Xunit
open Diff
open Diff.Kernels
open Diff.Testing.EngineGenerators
open Diff.Testing.Generators

let private leaf (seed: int) (shape: int list) (dtype: DType) =
    let shape = Shape(Array.ofList shape)
    let source = Random seed
    let values =
        Array.init shape.Length (fun _ -> float (float32 (source.NextDouble() * 2.0 - 1.0)))
    if dtype = DType.Float32 then
        variableOf $"x{seed}" (NDArray.Create(Array.map float32 values, shape))
    else
        variableOf $"x{seed}" (NDArray.Create(values, shape))

let private held (leaf: Expr) = Values.variableIn "test" leaf

let private planInto blockwise tier (inputs: Expr[]) (roots: Expr[]) targets =
    Planner.makeBlockwise blockwise (EngineOptions(1, tier)) inputs (Planner.prepare roots) targets

let private planOf blockwise tier (roots: Expr[]) =
    planInto blockwise tier [||] roots (roots |> Array.mapi (fun k _ -> Target.Result k))

let private isPair (step: Step) =
    match step.Action with
    | OnMemory(:? ProductLoopMemoryStep) -> true
    | _ -> false

let private pairs (plan: Plan) =
    plan.Data.Steps |> Array.filter isPair |> Array.length

let private stepsOf (plan: Plan) =
    String.Join(", ", plan.Data.Steps |> Array.map _.Kind)

/// The results of two runs, the second over what the first left.
let private run (plan: Plan) threads (inputs: NDArray[]) : NDArray[] =
    let plan = Plan { plan.Data with Threads = threads }
    let results = plan.NewResults()
    for r in results do
        (bytesOf r).Fill 0xA5uy
    plan.Run(inputs, results)
    plan.Run(inputs, results)
    results

let private sameBits (a: NDArray) (b: NDArray) =
    a.Shape.Equals b.Shape && (bytesOf a).SequenceEqual(bytesOf b)

let private threadCounts = [ 1; 2; 4; 7 ]

/// Asserts that plans with and without blocks give the same bits, which those with blocks have so many of at least.
let private sameWithin what (least: int) tiers (roots: Expr[]) =
    let expected = run (planOf Blockwise.Never Tier.Tiles roots) 1 [||]
    for tier in tiers do
        let plan = planOf Blockwise.Always tier roots
        Assert.True(pairs plan >= least, $"{what}: expected {least} pairs, got {stepsOf plan}")
        for threads in threadCounts do
            run plan threads [||]
            |> Array.iteri (fun k actual ->
                Assert.True(
                    sameBits expected[k] actual,
                    $"{what}, {tier}, {threads} threads, result {k}: other bits ({stepsOf plan})"
                ))
    expected

/// And near the reference's numbers.
let private agrees what least tiers (roots: Expr[]) =
    let actual = sameWithin what least tiers roots
    let expected = Reference.evaluate roots
    for k in 0 .. roots.Length - 1 do
        let x, y = floats expected[k], floats actual[k]
        let scale = Array.fold (fun m (v: float) -> max m (abs v)) 1.0 x
        let bound = (if roots[k].DType = DType.Float32 then 2e-5 else 1e-12) * scale
        for i in 0 .. x.Length - 1 do
            Assert.True(
                abs (x[i] - y[i]) <= bound,
                $"{what}, result {k}, element {i}: expected {x[i]:R}, got {y[i]:R}"
            )

let private tiles = [ Tier.Tiles ]
let private both = [ Tier.Tiles; Tier.Compiled ]

// ---- Every layout and size -----------------------------------------------------------------------------------------

let private layerNorm (x: Expr) =
    let centred = x - meanKeeping [ -1 ] x
    centred / sqrt (meanKeeping [ -1 ] (square centred) + 1e-5)

/// Loops over a product of m × n numbers: name, whether it is followed block by block, results.
let private loops (m: int) (n: int) t : (string * bool * (Expr -> Expr[])) list =
    let b, g = leaf 11 [ n ] t, leaf 12 [ m; n ] t
    [ "bias and relu", true, (fun h -> [| h + b; relu (h + b) |])
      "scaled", true, (fun h -> [| h * 0.5 |])
      "gelu's derivative and column sums",
      true,
      (fun h ->
          let d = h * (1.0 - square (tanh g)) * sigmoid g
          [| d; sumOver [ 0 ] d; sumOver [ 0 ] (d * g) |])
      "masked", true, (fun h -> [| where (greater g 0.0) h (0.0 * h) |])
      "softmax", n >= 8, (fun h -> [| softmax 1 h |])
      "layer norm with sums",
      false,
      (fun h -> [| layerNorm (h + g); sumOver [ 1 ] (h + g); sumOver [ 0 ] h |])
      "sum of all", false, (fun h -> [| sum (square h) |]) ]

let private layouts: (string * (Expr -> Expr -> Expr -> Expr -> Expr)) list =
    [ "nn", (fun x _ w _ -> matmul x w)
      "nt", (fun x _ _ w -> matmul x (transpose w))
      "tn", (fun _ x w _ -> matmul (transpose x) w)
      "tt", (fun _ x _ w -> matmul (transpose x) (transpose w))
      "transposed result", (fun x _ w _ -> einsum "ki,jk->ij" [ transpose x; transpose w ]) ]

let private sizes: (int * int * int) list =
    [ 1, 1, 1
      1, 17, 5
      1, 9000, 3
      17, 1, 5
      3, 5, 7
      8, 3, 40
      16, 16, 4
      33, 65, 20
      300, 3, 64
      5, 513, 33
      64, 100, 33
      150, 170, 60
      513, 33, 9
      40, 1025, 31
      300, 257, 129
      1030, 72, 16 ]

let sizeCases = TheoryData<int>(seq { 0 .. sizes.Length - 1 })

[<Theory; MemberData(nameof sizeCases)>]
let ``products of every layout and what follows them`` (case: int) =
    let m, n, k = sizes[case]
    for t in [ DType.Float32; DType.Float64 ] do
        let x, xt = leaf 1 [ m; k ] t, leaf 2 [ k; m ] t
        let w, wt = leaf 3 [ k; n ] t, leaf 4 [ n; k ] t
        for layout, make in layouts do
            for loop, isFollowed, results in loops m n t do
                // A single row or column is no matrix to a loop; sums need C by rows, which products of few columns and transposed ones do not give.
                let isByRows = n > 12 && (layout = "nn" || not (loop.Contains "sums"))
                let least =
                    if isFollowed && m > 1 && (isByRows || loop = "scaled") then
                        1
                    else
                        0
                let tiers = if layout = "nn" then both else tiles
                let what, roots = $"{m}×{n}×{k}, {t}, {layout}, {loop}", results (make x xt w wt)
                // What the other layouts compute alone is tested elsewhere.
                if layout = "nn" then
                    agrees what least tiers roots
                else
                    sameWithin what least tiers roots |> ignore

[<Fact>]
let ``empty products`` () =
    for m, n, k in [ 0, 5, 3; 5, 0, 3; 5, 3, 0 ] do
        let h = matmul (leaf 1 [ m; k ] DType.Float32) (leaf 2 [ k; n ] DType.Float32)
        agrees $"{m}×{n}×{k}" 0 both [| relu (h + 1.0); sumOver [ 0 ] (h + 1.0) |]

[<Fact>]
let ``random graphs give the same bits with and without blocks`` () =
    let mutable found = 0
    for seed in 0..399 do
        let roots = graph seed DType.Float32 (lengthOf seed)
        let never, always =
            planOf Blockwise.Never Tier.Tiles roots, planOf Blockwise.Always Tier.Tiles roots
        if pairs always > 0 then
            found <- found + 1
            let expected = run never 1 [||]
            for threads in [ 1; 4 ] do
                Array.iter2
                    (fun e a -> Assert.True(sameBits e a, $"seed {seed}, {threads} threads"))
                    expected
                    (run always threads [||])
    Assert.True(found >= 10, $"only {found} graphs have blocks")

// ---- Batches -------------------------------------------------------------------------------------------------------

/// Attention scores with a causal mask, and what follows.
let private scores notation (q: Expr) (k: Expr) (n: int) =
    let s = einsum notation [ q; k ] / 4.0
    let causal =
        variableOf "mask" (NDArray.Create(Array.init (n * n) (fun i -> i % n <= i / n), Shape [| n; n |]))
    let mask = broadcastTo (List.ofArray (s.Shape.ToArray())) causal
    softmax -1 (where mask s (0.0 * s - 1e9))

[<Fact>]
let ``softmax after products in batches`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        for b, n, d in [ 1, 9, 4; 3, 17, 5; 7, 33, 8; 16, 64, 16; 40, 20, 8 ] do
            let q, k = leaf 1 [ b; n; d ] t, leaf 2 [ b; n; d ] t
            agrees $"{b} of {n}×{d}" 1 both [| scores "bqd,bkd->bqk" q k n |]
        let q, k = leaf 1 [ 2; 24; 4; 8 ] t, leaf 2 [ 2; 24; 4; 8 ] t
        agrees "heads" 1 both [| scores "bqhd,bkhd->bhqk" q k 24 |]

[<Fact>]
let ``lines of batches that are parts of a loop's rows`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        let a, v, b = leaf 1 [ 2; 4; 24; 24 ] t, leaf 2 [ 2; 24; 4; 8 ] t, leaf 3 [ 32 ] t
        let y = reshape [ 2; 24; 32 ] (einsum "bhqk,bkhd->bqhd" [ a; v ])
        agrees "heads side by side" 1 both [| relu (y + b) |]
        agrees "and their sums" 0 both [| y + b; sumOver [ 0; 1 ] (y + b); softmax -1 y |]

[<Fact>]
let ``column sums over products that follow one another`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        // Rows that belong together for their sums do and do not end with a product.
        for b, m, n, k in [ 6, 16, 500, 40; 6, 100, 300, 64; 50, 7, 1100, 24; 4, 128, 513, 30 ] do
            let x, w, g = leaf 1 [ b; m; k ] t, leaf 2 [ b; k; n ] t, leaf 3 [ b; m; n ] t
            let d = einsum "bik,bkj->bij" [ x; w ] * exp (tanh g)
            sameWithin $"{b} of {m}×{n}×{k}" 0 both [| d; sumOver [ 0; 1 ] d |] |> ignore
            sameWithin $"{b} of {m}×{n}×{k}, each" 0 both [| d; sumOver [ 1 ] d |] |> ignore
            let between = einsum "bik,bkj->ibj" [ x; w ] * exp (tanh (permute [ 1; 0; 2 ] g))
            sameWithin $"{b} of {m}×{n}×{k}, rows between rows" 0 both [| between; sumOver [ 0; 1 ] between |]
            |> ignore

// ---- Which pairs there are ------------------------------------------------------------------------------------------

let private rows t = leaf 1 [ 60; 40 ] t
let private square40 t = leaf 2 [ 40; 40 ] t

[<Fact>]
let ``what is written does not lie where the product still reads`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        let x = tanh (leaf 1 [ 300; 260 ] t)
        let w = leaf 2 [ 260; 260 ] t / 16.0
        // Over the product, not over x.
        agrees "residual" 1 both [| exp (x + matmul x w) |]
        let kept = matmul x w
        agrees "residual, the product a result" 0 both [| kept; sum (matmul (x + kept) w) |]
        // The memory of x, which only the product reads, goes to nobody before it is done.
        let y = matmul x w
        let z = relu (y + 1.0)
        agrees "memory that is given back" 1 both [| y; matmul (z * 2.0) w; matmul z (w + 1.0) |]
        agrees "a chain" 3 both [| Seq.fold (fun h k -> tanh (h + matmul h (w + float k))) x (seq { 1..4 }) |]

[<Fact>]
let ``a product's operand that would be overwritten keeps them apart`` () =
    let t = DType.Float32
    let x, w = leaf 1 [ 200; 200 ] t, leaf 2 [ 200; 200 ] t
    // The product is a result, so the loop takes the memory of tanh x, of which other blocks of the product still read.
    let h = tanh x
    let p = matmul h w
    let roots = [| p; matmul (h + p) w |]
    Assert.Equal(0, pairs (planOf Blockwise.Always Tier.Tiles roots))
    agrees "over an operand" 0 both roots

let private updated blockwise tier threads (loss: Expr -> Expr -> Expr) (input: NDArray voption) =
    let w, x = leaf 2 [ 200; 200 ] DType.Float32, leaf 3 [ 200; 200 ] DType.Float32
    let v = held w
    let inputs = if input.IsSome then [| x |] else [||]
    let plan = planInto blockwise tier inputs [| loss x w |] [| Target.Into v |]
    let plan = Plan { plan.Data with Threads = threads }
    for _ in 1..3 do
        plan.Run((if input.IsSome then [| Variable.valueOf v |] else [||]), [||])
    struct (pairs plan, (Variable.valueOf v).Clone())

[<Fact>]
let ``a variable is updated in place unless the product reads it`` () =
    for tier in both do
        for name, count, loss in
            [ "gradient step", 1, (fun x w -> w - 0.01 * matmul (transpose x) x)
              "the product reads the variable", 0, (fun x w -> w - 0.01 * matmul x w)
              "transposed", 0, (fun x w -> w - 0.01 * matmul (transpose w) x) ] do
            let struct (_, expected) = updated Blockwise.Never tier 1 loss ValueNone
            for threads in threadCounts do
                let struct (found, actual) = updated Blockwise.Always tier threads loss ValueNone
                Assert.True((found = count), $"{name}: expected {count} pairs, got {found}")
                Assert.True(sameBits expected actual, $"{name}, {tier}, {threads} threads: other bits")

[<Fact>]
let ``an argument that is the variable's own array is read before it is written`` () =
    let loss (x: Expr) w = w - 0.01 * matmul (transpose x) x
    let some = ValueSome(NDArray.Zeros(DType.Float32, Shape [| 1 |]))
    let struct (_, expected) = updated Blockwise.Never Tier.Tiles 1 loss some
    for threads in threadCounts do
        let struct (found, actual) = updated Blockwise.Always Tier.Tiles threads loss some
        Assert.Equal(1, found)
        Assert.True(sameBits expected actual, $"{threads} threads: other bits")

[<Fact>]
let ``sums of products are followed after the last`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        for m, n, k in [ 17, 20, 9; 200, 150, 60 ] do
            let x, y = leaf 1 [ m; k ] t, leaf 2 [ m; k + 3 ] t
            let w, v = leaf 3 [ k; n ] t, leaf 4 [ k + 3; n ] t
            agrees $"{m}×{n}×{k}" 1 both [| relu (matmul x w + matmul y v) |]
            // An array put into zeros is added after the products.
            let inner = leaf 5 [ m - 2; n ] t
            let placed = pad [ (1, 1); (0, 0) ] inner
            agrees $"{m}×{n}×{k} and a part" 0 both [| relu (matmul x w + placed) |]

[<Fact>]
let ``what does not go through the product in order stays a step of its own`` () =
    let t = DType.Float32
    let x, w = rows t, square40 t
    let h, s = matmul x w, matmul w w
    let apart what (roots: Expr[]) =
        let plan = planOf Blockwise.Always Tier.Tiles roots
        Assert.True((pairs plan = 0), $"{what}: {stepsOf plan}")
        agrees what 0 both roots
    apart "transposed" [| s; exp (transpose s) |]
    apart "in order and transposed" [| exp (s + transpose s) |]
    apart "in order and a row of it" [| exp (h * slice 0 (Some 59) None 1 h) |]
    let batches = matmul (leaf 5 [ 4; 6; 9 ] t) (leaf 6 [ 4; 9; 40 ] t)
    apart "products in another order" [| batches; exp (permute [ 1; 0; 2 ] batches) |]
    apart "rows of a loop that are parts of a line" [| reshape [ 60; 2; 20 ] h * leaf 7 [ 2; 1 ] t |]
    apart "a part" [| exp (slice 0 (Some 1) (Some 30) 1 h) |]
    apart "in two places" [| slice 0 (Some 1) None 1 s * slice 0 None (Some -1) 1 s |]
    apart "reversed" [| exp (slice 1 None None -1 h) |]
    apart "softmax of columns" [| softmax 0 h |]
    apart "the sum of all" [| sum (exp h) |]
    let deep = matmul (leaf 1 [ 8; 5000 ] t) (leaf 2 [ 5000; 16 ] t)
    apart "a depth in parts" [| relu (deep + 1.0) |]
    let ints =
        constant (NDArray.Create(Array.init 1600 (fun i -> i % 7), Shape [| 40; 40 |]))
    apart "integers" [| abs (cast t (matmul ints ints)) |]

[<Fact>]
let ``concatenated parts are followed where they lie`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        let x, w = tanh (leaf 1 [ 80; 70 ] t), leaf 2 [ 70; 70 ] t
        let h = matmul x w
        let y = relu (h + 1.0)
        // The product, the loop and what the product reads are parts of one array.
        agrees "parts" 0 both [| sum (cumsum 0 (concat 0 [ x; y ])); sum y |]
        agrees "product and loop" 0 both [| exp (transpose (concat 0 [ h; y; x ])) |]
        agrees "reader of the whole" 0 both [| exp (concat 0 [ h; x ]) * concat 0 [ x; y ] |]

// ---- Where it pays, and what a run takes ------------------------------------------------------------------------------

let private defaultPlan (roots: Expr[]) =
    planOf Blockwise.WherePays Tier.Auto roots

let private explained (plan: Plan) =
    Explain.plan "value" (EngineOptions(2, Tier.Auto)) plan [||] false

[<Fact>]
let ``only large products are followed block by block, and Explain says which`` () =
    let t = DType.Float32
    Assert.Equal(
        0,
        pairs (defaultPlan [| relu (matmul (leaf 1 [ 512; 128 ] t) (leaf 2 [ 128; 512 ] t) + 1.0) |])
    )
    let q, k = leaf 1 [ 32; 256; 4 ] t, leaf 2 [ 32; 256; 4 ] t
    let attention = [| softmax 2 (einsum "bqd,bkd->bqk" [ q; k ]) |]
    let plan = defaultPlan attention
    Assert.Equal(1, pairs plan)
    let text = explained plan
    Assert.Contains("1 product+loop", text)
    Assert.Contains("256×256×4×32", text)
    Assert.Contains("block by block", text)
    let tall = [| relu (matmul (leaf 1 [ 16_400; 3 ] t) (leaf 2 [ 3; 520 ] t) + 1.0) |]
    Assert.Equal(0, pairs (defaultPlan tall))
    for roots in [ attention; tall ] do
        sameWithin "large" 1 [ Tier.Compiled ] roots |> ignore

[<Fact>]
let ``a large product's loop comes before what else was ready`` () =
    let t = DType.Float32
    let q, k = leaf 1 [ 32; 256; 4 ] t, leaf 2 [ 32; 256; 4 ] t
    let s = einsum "bqd,bkd->bqk" [ q; k ]
    let other = matmul (leaf 3 [ 30; 20 ] t) (leaf 4 [ 20; 30 ] t)
    let plan = defaultPlan [| exp (s * 2.0); other |]
    Assert.Equal(1, pairs plan)

[<Fact>]
let ``where memory is short operands are given back before the loop`` () =
    let t = DType.Float32
    let x, w = leaf 1 [ 128; 128 ] t, leaf 2 [ 128; 128 ] t
    let y = matmul (tanh x) w
    let z = relu (y + 1.0)
    let roots = Planner.prepare [| y; matmul z w; matmul z (transpose w) |]
    let targets = roots |> Array.mapi (fun k _ -> Target.Result k)
    let options = EngineOptions(1, Tier.Tiles)
    let plan blockwise (options: EngineOptions) =
        Planner.makeBlockwise blockwise options [||] roots targets
    let always, never = plan Blockwise.Always options, plan Blockwise.Never options
    Assert.True(pairs always > 0 && always.Data.ArenaBytes > never.Data.ArenaBytes)
    let within = plan Blockwise.Always (options.WithMemoryBudget never.Data.ArenaBytes)
    Assert.Equal(0, pairs within)
    Assert.Equal(never.Data.ArenaBytes, within.Data.ArenaBytes)

[<Fact>]
let ``runs allocate nothing`` () =
    let t = DType.Float32
    let x, w = leaf 1 [ 150; 64 ] t, leaf 2 [ 64; 170 ] t
    let h = matmul x w
    let d = h * tanh (leaf 3 [ 150; 170 ] t)
    for threads in [ 1; 2 ] do
        let plan = planOf Blockwise.Always Tier.Compiled [| d; sumOver [ 0 ] d |]
        let plan = Plan { plan.Data with Threads = threads }
        Assert.Equal(1, pairs plan)
        let results = plan.NewResults()
        for _ in 1..50 do
            plan.Run([||], results)
        let bytes () =
            let before = GC.GetAllocatedBytesForCurrentThread()
            for _ in 1..10 do
                plan.Run([||], results)
            GC.GetAllocatedBytesForCurrentThread() - before
        Assert.Equal(0L, Seq.min (Seq.init 5 (fun _ -> bytes ())))

[<Fact>]
let ``runs of one plan overlap in time`` () =
    let t = DType.Float32
    let x, w = leaf 1 [ 150; 64 ] t, leaf 2 [ 64; 170 ] t
    let d = matmul x w * tanh (leaf 3 [ 150; 170 ] t)
    let plan =
        planInto
            Blockwise.Always
            Tier.Auto
            [| x |]
            [| d; sumOver [ 0 ] d |]
            [| Target.Result 0; Target.Result 1 |]
    let plan = Plan { plan.Data with Threads = 3 }
    let inputs =
        Array.init 6 (fun k -> Variable.valueOf (held (leaf (20 + k) [ 150; 64 ] t)))
    let expected = inputs |> Array.map (fun input -> plan.Run [| input |])
    let work k =
        for _ in 1..60 do
            Array.iter2 (fun e a -> Assert.True(sameBits e a)) expected[k] (plan.Run [| inputs[k] |])
    Task.WaitAll(
        Array.init 6 (fun k -> Task.Factory.StartNew((fun () -> work k), TaskCreationOptions.LongRunning))
    )

[<Fact>]
let ``a run that is cancelled stops, and the next one is right`` () =
    let t = DType.Float32
    let x, w = leaf 1 [ 300; 64 ] t, leaf 2 [ 64; 300 ] t
    let roots = [| relu (matmul x w + 1.0) |]
    let expected = run (planOf Blockwise.Never Tier.Tiles roots) 1 [||]
    let plan = planOf Blockwise.Always Tier.Tiles roots
    for threads in [ 1; 4 ] do
        let plan = Plan { plan.Data with Threads = threads }
        for delay in 0..20 do
            use source = new CancellationTokenSource()
            let stopper =
                Thread(fun () ->
                    Thread.SpinWait(200 * delay)
                    source.Cancel())
            stopper.Start()
            // However late the other thread comes to cancel.
            Assert.ThrowsAny<OperationCanceledException>(fun () ->
                while true do
                    plan.Run([||], plan.NewResults(), source.Token))
            |> ignore
            stopper.Join()
            let after = plan.Run [||]
            Assert.True(sameBits expected[0] after[0])

// ---- Rows of loops that are several lines of products, and lines at several columns -----------------------------------

let private unscaled t (b: int) (m: int) (n: int) (k: int) =
    einsum "bqd,bkd->bqk" [ leaf 1 [ b; m; k ] t; leaf 2 [ b; n; k ] t ]

/// One query against many keys, heads side by side.
let private oneQuery t (b: int) (h: int) (k: int) (d: int) =
    let attended =
        einsum "bhk,bkhd->bhd" [ leaf 1 [ b; h; k ] t; leaf 2 [ b; k; h; d ] t ]
    reshape [ b; h * d ] attended

[<Fact>]
let ``a loop's row may be several lines of a product`` () =
    for t in [ DType.Float32; DType.Float64 ] do
        for b, m, n, k in [ 3, 8, 130, 9; 13, 17, 2, 131; 5, 33, 17, 4; 2, 64, 64, 8 ] do
            let s = unscaled t b m n k
            let what = $"{t}, {b} products of {m}×{n}×{k}"
            agrees $"{what}, a mask" 1 [ Tier.Tiles; Tier.Compiled ] [| exp (s + leaf 3 [ m; n ] t) |]
            agrees
                $"{what}, temperatures"
                0
                [ Tier.Tiles; Tier.Compiled ]
                [| exp (s * leaf 3 [ b; 1; 1 ] t) |]
        for b, h, k, d in [ 3, 4, 5, 8; 20, 4, 6, 16; 8, 2, 9, 64 ] do
            let y = oneQuery t b h k d
            agrees
                $"{t}, one query {b} {h} {k} {d}"
                0
                [ Tier.Tiles; Tier.Compiled ]
                [| relu (y + leaf 3 [ h * d ] t) |]

[<Fact>]
let ``large products of attention give the same bits as planned by default`` () =
    let t = DType.Float32
    let s = unscaled t 32 256 256 4
    for what, root in
        [ "a mask", exp (s + leaf 3 [ 256; 256 ] t)
          "temperatures", exp (s * leaf 3 [ 32; 1; 1 ] t)
          "one query", oneQuery t 512 64 2 64 + leaf 3 [ 4096 ] t
          "softmax", softmax -1 (s + leaf 3 [ 256; 256 ] t) ] do
        for tier in [ Tier.Tiles; Tier.Compiled ] do
            let expected = run (planOf Blockwise.Never tier [| root |]) 1 [||]
            let plan = planOf Blockwise.WherePays tier [| root |]
            for threads in [ 1; 2; 7 ] do
                let actual = run plan threads [||]
                Assert.True(sameBits expected[0] actual[0], $"{what}, {tier}, {threads} threads")

[<Fact>]
let ``batched products of all layouts, with what follows them, give the same bits`` () =
    let r = Random 5
    let notations =
        [| "bik,bkj->bij"
           "bik,bkj->ibj"
           "bik,bkj->bji"
           "bik,bkj->ijb"
           "bik,bkj->jib"
           "bik,bkj->jbi" |]
    let mutable found = 0
    for n in 1..300 do
        let size () =
            [| 1; 2; 3; 8; 17; 33; 64; 130 |][r.Next 8]
        let t = if r.Next 2 = 0 then DType.Float32 else DType.Float64
        let b, i, j, k = 1 + r.Next 20, size (), size (), 1 + size ()
        let notation = notations[r.Next notations.Length]
        let product = einsum notation [ leaf 1 [ b; i; k ] t; leaf 2 [ b; k; j ] t ]
        let c =
            let dims = product.Shape.Dims
            match r.Next 5 with
            | 0 -> reshape [ dims[0]; dims[1] * dims[2] ] product
            | 1 -> reshape [ dims[0] * dims[1]; dims[2] ] product
            | _ -> product
        let dims = List.ofArray c.Shape.Dims
        let g = leaf 3 dims t
        let bias () = relu (c + leaf 4 [ List.last dims ] t)
        let scaled = c * tanh g
        let roots =
            match r.Next 9 with
            | 0 -> [| c + leaf 4 (List.tail dims) t |]
            | 1 -> [| bias () |]
            | 2 -> [| c * leaf 4 (dims |> List.mapi (fun a extent -> if a = 0 then extent else 1)) t |]
            | 3 -> [| softmax -1 (c * 0.5) |]
            | 4 -> [| scaled; sumOver [ 0 ] scaled |]
            | 5 -> [| scaled; sumOver [ -1 ] scaled |]
            | 6 -> [| scaled; sumOver [ 0 .. dims.Length - 2 ] scaled |]
            | 7 -> [| concat -1 [ bias (); tanh g ]; bias () * 2.0 |]
            | _ -> [| cumsum 0 (concat 0 [ bias (); tanh g; bias () + 1.0 ]) |]
        let tier = if n % 2 = 0 then Tier.Tiles else Tier.Compiled
        found <- found + pairs (planOf Blockwise.Always tier roots)
        sameWithin
            $"{n}: {t} {notation} b{b} i{i} j{j} k{k}, then {Shape.Text(Array.ofList dims)}"
            0
            [ tier ]
            roots
        |> ignore
    Assert.InRange(found, 100, 10000)
