/// Operations with kernels of their own against their definitions: any shapes, operands seen through views, any number of threads.
module FastKernelTests

open System
open Xunit
open Diff

let private types =
    [| DType.Float32; DType.Float64; DType.Int32; DType.Int64; DType.Bool |]
let private numbers = types[..3]

/// Numbers that need rounding, with zeros of both signs among them.
let private values (r: Random) (dtype: DType) (dims: int[]) : NDArray =
    let shape = Shape dims
    let inline make (draw: unit -> 'T) =
        NDArray.Create(Array.init shape.Length (fun _ -> draw ()), shape)
    let number () =
        match r.Next 8 with
        | 0 -> 0.0
        | 1 -> -0.0
        | 2 -> 1.0
        | _ -> r.NextDouble() * 8.0 - 4.0
    match dtype with
    | DType.Float32 -> make (fun () -> float32 (number ()))
    | DType.Float64 -> make (fun () -> number ())
    | DType.Int32 -> make (fun () -> r.Next(-5, 5))
    | DType.Int64 -> make (fun () -> int64 (r.Next(-5, 5)))
    | _ -> make (fun () -> r.Next 2 = 1)

/// The array, or a view of a larger one that has these elements: axes in another order, every second element, from the end to the start.
let private seen (r: Random) (x: NDArray) : Expr =
    let rank = x.Shape.Rank
    if r.Next 3 = 0 then
        variableOf "x" x
    else
        let order = Array.init rank id
        if r.Next 2 = 0 then
            r.Shuffle order
        let steps = Array.init rank (fun _ -> [| 1; 1; 1; 2; -1; -2 |][r.Next 6])
        let starts =
            Array.init rank (fun k ->
                r.Next 2
                + (if steps[k] < 0 then
                       max 0 (x.Shape[k] - 1) * -steps[k]
                   else
                       0))
        let whole =
            Array.init rank (fun k ->
                starts[k]
                + (if steps[k] > 0 then
                       max 0 (x.Shape[k] - 1) * steps[k]
                   else
                       0)
                + 1
                + r.Next 2)
        let inner = Leaf.literal x |> Window.embed starts steps (Shape whole)
        let turned = permute (List.ofArray order) inner
        let back =
            order
            |> Array.mapi (fun i a -> a, i)
            |> Array.sort
            |> Array.map snd
            |> List.ofArray
        variableOf "x" (Array.head (Reference.evaluate [| turned |]))
        |> permute back
        |> Window.slice starts steps x.Shape

let private extent (r: Random) =
    [| 0; 1; 1; 2; 3; 4; 5; 7; 9; 16; 17; 33; 70 |][r.Next 13]

/// Few elements, so that many cases are tried.
let rec private dims (r: Random) least most : int[] =
    let found = Array.init (r.Next(least, most + 1)) (fun _ -> extent r)
    if Array.fold (fun n m -> n * max 1 m) 1 found > 40_000 then
        dims r least most
    else
        found

let private same tolerance (expected: NDArray) (actual: NDArray) =
    expected.Shape.Equals actual.Shape
    && expected.DType = actual.DType
    && Seq.forall
        (fun i ->
            let a, b = expected.Float i, actual.Float i
            a = b
            || (Double.IsNaN a && Double.IsNaN b)
            || abs (a - b) <= tolerance * (1.0 + abs a))
        (seq { 0 .. expected.Length - 1 })

let private plan threads (root: Expr) =
    Planner.makeLowered
        (EngineOptions.Default.WithThreads threads)
        [||]
        (Planner.prepare [| root |])
        [| Target.Result 0 |]

let private bytesOf (x: NDArray) : byte[] =
    match x.DType with
    | DType.Float32 -> Runtime.InteropServices.MemoryMarshal.AsBytes(x.Span<float32>()).ToArray()
    | DType.Float64 -> Runtime.InteropServices.MemoryMarshal.AsBytes(x.Span<float>()).ToArray()
    | DType.Int32 -> Runtime.InteropServices.MemoryMarshal.AsBytes(x.Span<int>()).ToArray()
    | DType.Int64 -> Runtime.InteropServices.MemoryMarshal.AsBytes(x.Span<int64>()).ToArray()
    | _ -> x.Span<bool>().ToArray() |> Array.map (fun b -> if b then 1uy else 0uy)

/// No step works on arrays, the value is the reference's, and its bits do not depend on the threads.
let private checkWith tolerance what (root: Expr) =
    let expected = (Reference.evaluate [| root |])[0]
    let mutable first: byte[] | null = null
    for threads in [ 1; 2; 4; 7 ] do
        let plan = plan threads root
        for step in plan.Data.Steps do
            match step.Action with
            | OnArrays _ when step.Nodes[0].Shape.Length > 0 ->
                failwith $"{what}: {Formula.opText step.Nodes[0].Op} runs by its definition"
            | _ -> ()
        let actual = (plan.Run [||])[0]
        Assert.True(same tolerance expected actual, $"{what}, {threads} threads")
        match first with
        | null -> first <- bytesOf actual
        | first -> Assert.Equal<byte[]>(first, bytesOf actual)

let private check what root = checkWith 0.0 what root

let private cases count (test: Random -> string -> unit) =
    for seed in 0 .. count - 1 do
        test (Random seed) $"seed {seed}"

[<Fact>]
let ``concat writes each part where it belongs`` () =
    cases 150 (fun r what ->
        let dtype = types[r.Next 5]
        let shape = dims r 1 4
        let axis = r.Next shape.Length
        let parts =
            List.init (1 + r.Next 4) (fun _ ->
                values r dtype (Array.updateAt axis (extent r) shape) |> seen r)
        check what (concat axis parts))

[<Fact>]
let ``embed puts zeros all around and between`` () =
    cases 200 (fun r what ->
        let dtype = types[r.Next 5]
        let x = values r dtype (dims r 1 4)
        let steps = Array.init x.Shape.Rank (fun _ -> [| 1; 1; 1; 2; 3; -1; -2 |][r.Next 7])
        let reach k = max 0 (x.Shape[k] - 1) * abs steps[k]
        let before = Array.init x.Shape.Rank (fun _ -> r.Next 3)
        let starts =
            Array.init x.Shape.Rank (fun k -> before[k] + (if steps[k] < 0 then reach k else 0))
        let whole = Array.init x.Shape.Rank (fun k -> before[k] + reach k + 1 + r.Next 3)
        check what (Window.embed starts steps (Shape whole) (seen r x)))

/// Indices for an axis, negative ones among them.
let private indices (r: Random) extent =
    let shape = if extent = 0 then [| 0 |] else dims r 0 2
    let shape = if (Shape shape).Length > 300 then [| 300 |] else shape
    let draw () =
        if extent = 0 then 0 else r.Next(-extent, extent)
    let n = (Shape shape).Length
    if r.Next 2 = 0 then
        NDArray.Create(Array.init n (fun _ -> draw ()), Shape shape)
    else
        NDArray.Create(Array.init n (fun _ -> int64 (draw ())), Shape shape)

[<Fact>]
let ``gather copies the slabs that indices name`` () =
    cases 200 (fun r what ->
        let x = values r types[r.Next 5] (dims r 1 3)
        let axis = r.Next x.Shape.Rank
        let names = indices r x.Shape[axis]
        check what (gather axis (seen r names) (seen r x)))

[<Fact>]
let ``scatterAdd adds in the order of the indices`` () =
    cases 250 (fun r what ->
        let whole = dims r 1 3
        let axis = r.Next whole.Length
        let names = indices r whole[axis]
        let shape =
            Array.concat [ whole[.. axis - 1]; names.Shape.Dims; whole[axis + 1 ..] ]
        let x = values r numbers[r.Next 4] shape
        let x =
            if r.Next 5 = 0 then
                Expr.BroadcastTo(variableOf "one" (values r x.DType [||]), Shape shape)
            else
                seen r x
        check what (scatterAdd axis (List.ofArray whole) (seen r names) x))

[<Fact>]
let ``fold adds windows where they overlap`` () =
    cases 250 (fun r what ->
        let around = dims r 0 2
        let axis = r.Next(around.Length + 1)
        let positions, size, step, dilation =
            r.Next(1, 6), r.Next(1, 5), r.Next(1, 4), r.Next(1, 4)
        let extent = (positions - 1) * step + int (Unfold.span size dilation) + r.Next step
        let shape =
            Array.concat [ around[.. axis - 1]; [| positions; size |]; around[axis..] ]
        let x = values r numbers[r.Next 4] shape |> seen r
        checkWith 1e-6 what (fold axis extent step dilation x))

/// Some numbers are NaN, and some equal.
let private comparable (r: Random) dtype shape =
    let x = values r dtype shape
    let put place value =
        match dtype with
        | DType.Float32 -> x.Span<float32>()[place] <- float32 value
        | DType.Float64 -> x.Span<float>()[place] <- value
        | _ -> ()
    for _ in 1 .. r.Next(1 + x.Length / 4) do
        put (r.Next x.Length) (if r.Next 3 = 0 then nan else 3.5)
    x

let private positive (r: Random) least = dims r least 4 |> Array.map (max 1)

[<Fact>]
let ``extremes over any axes`` () =
    cases 300 (fun r what ->
        let x = comparable r numbers[r.Next 4] (positive r 1)
        let kind = if r.Next 2 = 0 then Extreme.Max else Extreme.Min
        let axes = Array.init x.Shape.Rank id |> Array.filter (fun _ -> r.Next 2 = 0)
        check what (Reduce.make kind axes (seen r x)))

[<Fact>]
let ``extremes over windows of few elements`` () =
    cases 100 (fun r what ->
        let wide, size = r.Next(1, 150), r.Next(2, 4)
        let x =
            comparable r numbers[r.Next 4] [| r.Next(1, 4); r.Next(1, 3); size; wide; size |]
        check what (Reduce.make Extreme.Max [| 2; 4 |] (variableOf "x" x))
        check what (Reduce.make Extreme.Min [| 4 |] (seen r x))
        check what (Reduce.arg Extreme.Max 4 (seen r x)))

[<Fact>]
let ``places of extremes along any axis: the first of equals`` () =
    cases 300 (fun r what ->
        let x = comparable r numbers[r.Next 4] (positive r 1)
        let kind = if r.Next 2 = 0 then Extreme.Max else Extreme.Min
        check what (Reduce.arg kind (r.Next x.Shape.Rank) (seen r x)))

[<Fact>]
let ``large arrays are compared and folded by several threads`` () =
    let r = Random 2
    let x = variableOf "x" (comparable r DType.Float32 [| 700; 3; 301 |])
    for axes in [ [| 0 |]; [| 1 |]; [| 0; 1 |]; [| 0; 2 |] ] do
        check "max" (Reduce.make Extreme.Max axes x)
    for axis in 0..2 do
        check "argmin" (Reduce.arg Extreme.Min axis x)
    checkWith 1e-6 "fold" (fold 0 1401 2 1 x)

[<Fact>]
let ``large tables are filled and read by several threads`` () =
    let r = Random 1
    let table = variableOf "table" (values r DType.Float32 [| 20_011; 65 |])
    let names =
        variableOf
            "names"
            (NDArray.Create(Array.init 3000 (fun _ -> r.NextInt64(-20_011L, 20_011L)), Shape [| 3000 |]))
    check "gather" (gather 0 names table)
    check
        "scatterAdd"
        (scatterAdd 0 [ 20_011; 65 ] names (variableOf "x" (values r DType.Float32 [| 3000; 65 |])))
    let few =
        variableOf "few" (NDArray.Create(Array.init 3000 (fun _ -> r.Next 5), Shape [| 3000 |]))
    check
        "into few rows"
        (scatterAdd 0 [ 5; 300 ] few (variableOf "x" (values r DType.Float32 [| 3000; 300 |])))
    check
        "along the last axis"
        (scatterAdd 1 [ 40; 20_011 ] names (variableOf "x" (values r DType.Float64 [| 40; 3000 |])))
    check
        "concat"
        (concat
            1
            [ table
              gather 0 (variableOf "all" (NDArray.Create(Array.init 20_011 id, Shape [| 20_011 |]))) table ])

[<Fact>]
let ``an index out of range is named before anything is written`` () =
    let x = variableOf "x" (NDArray.Create(Array.init 12 float32, Shape [| 4; 3 |]))
    let run (root: Expr) =
        let plan = plan 2 root
        let result =
            NDArray.Full(
                { DType = DType.Float32
                  Bits = BitConverter.DoubleToInt64Bits 7.0 },
                root.Shape
            )
        let error =
            Assert.Throws<IndexOutOfRangeException>(fun () -> plan.Run([||], [| result |]))
        Assert.All(result.Span<float32>().ToArray(), fun v -> Assert.Equal(7f, v))
        let expected =
            Assert.Throws<IndexOutOfRangeException>(fun () -> Reference.evaluate [| root |] |> ignore)
        Assert.Equal(expected.Message, error.Message)
    for bad in [ 4L; -5L; Int64.MaxValue; Int64.MinValue ] do
        let names = variableOf "names" (NDArray.Create([| 0L; bad; 9L |], Shape [| 3 |]))
        run (gather 0 names x)
        run (
            scatterAdd
                0
                [ 4; 3 ]
                names
                (gather 0 (variableOf "fine" (NDArray.Create([| 0; 1; -1 |], Shape [| 3 |]))) x)
        )
    run (gather 1 (variableOf "names" (NDArray.Create([| 0; -4 |], Shape [| 2 |]))) x)

[<Fact>]
let ``a run allocates nothing, with or without other threads`` () =
    let r = Random 3
    let table, wide =
        variableOf "table" (values r DType.Float32 [| 5000; 64 |]),
        variableOf "wide" (values r DType.Float32 [| 40; 3; 5000 |])
    let names =
        variableOf "names" (NDArray.Create(Array.init 2000 (fun _ -> r.Next 5000), Shape [| 2000 |]))
    let gathered = gather 0 names table
    let roots =
        [| scatterAdd 0 [ 5000; 64 ] names gathered
           concat 1 [ table; table ]
           pad [ 1, 1; 2, 2 ] table
           fold 0 42 1 1 wide
           Reduce.make Extreme.Max [| 0 |] table
           Reduce.arg Extreme.Max 2 wide |]
    for threads in [ 1; 2 ] do
        let targets = roots |> Array.mapi (fun k _ -> Target.Result k)
        let plan =
            Planner.makeLowered
                (EngineOptions.Default.WithThreads threads)
                [||]
                (Planner.prepare roots)
                targets
        let workspace, results = Workspace plan.Data, plan.NewResults()
        let run () =
            let before = GC.GetAllocatedBytesForCurrentThread()
            workspace.Run([||], results, null, System.Threading.CancellationToken.None)
            GC.GetAllocatedBytesForCurrentThread() - before
        Assert.Equal(0L, List.init 20 (fun _ -> run ()) |> List.min)
