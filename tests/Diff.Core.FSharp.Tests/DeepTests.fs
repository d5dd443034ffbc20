/// Graphs that are deep, or shared so much that a walk along every path would never end.
module DeepTests

open System
open System.Diagnostics
open System.Runtime.ExceptionServices
open System.Threading
open Xunit
open Diff

/// Runs on a thread with 256 KiB of stack: what recurses on the depth of a graph ends the process.
let private onSmallStack (work: unit -> unit) =
    let mutable failure: ExceptionDispatchInfo | null = null
    let guarded () =
        try
            work ()
        with e ->
            failure <- ExceptionDispatchInfo.Capture e
    let thread = Thread(guarded, 256 * 1024)
    thread.Start()
    thread.Join()
    match failure with
    | null -> ()
    | failure -> failure.Throw()

let private iterate n (f: Expr -> Expr) (x: Expr) =
    let mutable e = x
    for _ in 1..n do
        e <- f e
    e

/// sin applied n times to a number, and the derivative of that.
let private sines n (at: float) =
    let mutable y, slope = at, 1.0
    for _ in 1..n do
        slope <- slope * cos y
        y <- sin y
    y, slope

let private relative tolerance (expected: float) (actual: float) =
    Assert.True(abs (actual - expected) <= tolerance * abs expected, $"expected {expected:R}, got {actual:R}")

[<Fact>]
let ``B-22: a chain of a million nodes is built, differentiated, simplified, printed and evaluated`` () =
    onSmallStack (fun () ->
        let n = 1_000_000
        let x = variable "x" 0.5
        let y = iterate n sin x
        let derivative = grad y x
        let value, slope = sines n 0.5
        relative 1e-12 value (item y) // a million sines, each rounded its own way
        relative 1e-9 slope (item derivative)
        Assert.Equal(n + 1, (Graph.topological [ simplify y ]).Length)
        Assert.EndsWith(")", string y))

[<Fact>]
let ``O-4 and J-3: chains of operations of every kind are as deep`` () =
    onSmallStack (fun () ->
        let x = tensor "x" [ 2; 2 ] [| 0.1; 0.2; 0.3; 0.4 |]
        let turn (e: Expr) =
            concat 0 [ slice 0 (Some 1) None 1 e; slice 0 None (Some 1) 1 e ]
        let step (e: Expr) = turn (transpose (e * 0.5 + x))
        let y = sum (iterate 20_000 step x)
        let backward, forward = grad y x, jvp y [ x ] [ onesLike x ]
        relative 1e-9 (item (sum backward)) (item forward)
        relative 1e-9 2.0 (item y)) // e = e/2 + x ends at 2x, in some order of the elements

[<Fact>]
let ``second derivatives of a chain of 20000 nodes`` () =
    onSmallStack (fun () ->
        let x = variable "x" 0.5
        let second = nthDerivative 2 (iterate 20_000 sin x) x
        let _, before = sines 20_000 (0.5 - 1e-5)
        let _, after = sines 20_000 (0.5 + 1e-5)
        relative 1e-6 ((after - before) / 2e-5) (item second))

[<Fact>]
let ``forward mode goes through a chain of 100000 nodes`` () =
    onSmallStack (fun () ->
        let x = variable "x" 0.5
        let tangent = jvp (iterate 100_000 sin x) [ x ] [ onesLike x ]
        relative 1e-9 (snd (sines 100_000 0.5)) (item tangent))

[<Fact>]
let ``S-1 and O-2: two hundred doublings are two hundred nodes`` () =
    let doubled () =
        let x = variable "x" 1.0
        let y = iterate 200 (fun e -> e + e) x
        let derivative = grad y x
        Assert.Equal(201, (Graph.topological [ y ]).Length)
        Assert.Equal(1.6069380442589903e60, item y)
        Assert.Equal(1.6069380442589903e60, item derivative)
    // The best of several: the machine may be busy with other tests. Exponential work would not end at all.
    let milliseconds () =
        let clock = Stopwatch.StartNew()
        doubled ()
        clock.Elapsed.TotalMilliseconds
    Assert.InRange(Seq.init 10 (fun _ -> milliseconds ()) |> Seq.min, 0.0, 100.0)

[<Fact>]
let ``S-1: shared parts have one line each in the formula`` () =
    let x = variable "x" 1.0
    let text = string (iterate 200 (fun e -> e * sin e) x)
    Assert.InRange(text.Length, 1, 100_000)

[<Fact>]
let ``B-23: twice the depth takes twice the memory`` () =
    let allocated n =
        let before = GC.GetAllocatedBytesForCurrentThread()
        let x = variable "x" 0.5
        item (grad (iterate n sin x) x) |> ignore
        float (GC.GetAllocatedBytesForCurrentThread() - before)
    allocated 1000 |> ignore
    Assert.InRange(allocated 40_000 / allocated 20_000, 1.5, 2.5)

[<Fact>]
let ``masks of a long chain take as much as it is long`` () =
    let allocated n =
        let w, x =
            variableOf "w" (NDArray.Create(Array.create 4 0.1, Shape [| 2; 2 |])),
            variableOf "x" (NDArray.Create(Array.create 6 0.5, Shape [| 3; 2 |]))
        let mutable h = x
        for _ in 1..n do
            h <- h + matmul (tanh (matmul h w)) w
        let y = sum (where (less x (scalar 0.7)) h (scalar 0.0))
        let before = GC.GetAllocatedBytesForCurrentThread()
        grads y [ w; x ] |> ignore
        float (GC.GetAllocatedBytesForCurrentThread() - before)
    allocated 100 |> ignore
    Assert.InRange(allocated 4000 / allocated 2000, 1.5, 2.5)

[<Fact>]
let ``a plan that has run before allocates nothing`` () =
    let x, y = variable "x" 3.0, variable "y" 4.0
    let z = x * y + exp (x + 3.0)
    let w = tanh (sin z * cos (z - 1.0) / (1.0 + z * z)) * log (1.0 + z * z)
    let plan = Planner.make EngineOptions.Default [||] [| w; grad w x |]
    let results = plan.NewResults()
    let run () = plan.Run([||], results)
    for _ in 1..100 do
        run ()
    let before = GC.GetAllocatedBytesForCurrentThread()
    for _ in 1..1000 do
        run ()
    Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0L, 1000L)
