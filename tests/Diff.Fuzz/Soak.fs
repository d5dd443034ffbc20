/// What only shows after a while, or when many do it at once: memory that grows, plans that are shared, threads.
module Diff.Fuzz.Soak

open System
open System.Diagnostics
open System.Threading
open Diff
open Diff.Fuzz.Arrays

/// Bytes of live objects, and of the whole process.
[<Struct>]
type Memory = { Managed: int64; WorkingSet: int64 }

/// How much live objects may grow.
[<Literal>]
let MostGrowth = 8388608L

let private memory () : Memory =
    // Twice, so that what was only waiting for its finalizer goes too.
    for _ in 1..2 do
        GC.Collect()
        GC.WaitForPendingFinalizers()
    GC.Collect()
    use me = Process.GetCurrentProcess()
    { Managed = GC.GetTotalMemory true
      WorkingSet = me.WorkingSet64 }

let private growth (before: Memory) (after: Memory) : Memory =
    { Managed = after.Managed - before.Managed
      WorkingSet = after.WorkingSet - before.WorkingSet }

let private randomArray (r: SplitMix) (dims: int list) : NDArray =
    let shape = shapeOf dims
    NDArray.Create(Array.init shape.Length (fun _ -> r.Within(-1.0, 1.0)), shape)

/// Trains a small net on random batches; how memory grew from step `settled` to the last one.
let train (steps: int) (settled: int) : Memory =
    let r = SplitMix 1UL
    let w1, b1 =
        variableOf "w1" (randomArray r [ 8; 16 ]), variableOf "b1" (randomArray r [ 16 ])
    let w2, b2 =
        variableOf "w2" (randomArray r [ 16; 3 ]), variableOf "b2" (randomArray r [ 3 ])
    let loss (xs: Expr[]) =
        let hidden = tanh (matmul xs[0] w1 + b1)
        mean (crossEntropyOfClasses (matmul hidden w2 + b2) xs[1])
    let plan =
        new TrainingPlan([| w1; b1; w2; b2 |], Func<_, _> loss, Optimize.adam 0.01)
    let mutable settledAt = ValueNone
    for step in 1..steps do
        // New arrays for each step, of two sizes, as batches from a loader and the last of an epoch are.
        let rows = if step % 10 = 0 then 5 else 12
        let classes = NDArray.Create(Array.init rows (fun _ -> r.Below 3), Shape [| rows |])
        let value = plan.Run(randomArray r [ rows; 8 ], classes)
        if not (Double.IsFinite value) then
            failwith $"the loss of step {step} is {value}"
        if step = settled then
            settledAt <- ValueSome(memory ())
    growth settledAt.Value (memory ())

/// Compiles functions that all differ, runs each once with its gradient and drops it; how memory grew from the first tenth on.
let compile (functions: int) : Memory =
    let x = NDArray.Create(Array.init 40 float, Shape [| 8; 5 |])
    let one (k: int) =
        let f (xs: Expr[]) =
            let mutable y = xs[0]
            // The bits of the number say which functions are applied: the structures differ, not the constants alone.
            for bit in 0..13 do
                y <- if (k >>> bit) &&& 1 = 1 then tanh y else sin y
            [| mean (y * y) |]
        let options = EngineOptions.Default.WithCompilationAtOnce()
        let compiled = new CompiledFunction(Func<_, _> f, options)
        let struct (value, _) = compiled.ValueAndGradient x
        if not (Double.IsFinite(value.Float 0)) then
            failwith $"function {k} gives {value}"
    let settled = functions / 10
    for k in 0 .. settled - 1 do
        one k
    let before = memory ()
    for k in settled .. functions - 1 do
        one k
    growth before (memory ())

/// Builds, differentiates and evaluates graphs on many threads at once, each with some of the graphs in an order of its own, and runs one
/// compiled function on all of them. The result names what did not give the bits that one thread alone gives.
let together (threads: int) (graphs: int) : string list =
    let seeds =
        [| for k in 0 .. graphs - 1 -> Run.seedOf 9UL (int64 k) |]
        |> Array.filter (fun s -> Growth.kindOf s <> Growth.Kind.Parallel)
    let compute (seed: uint64) = Run.digest [ Growth.program seed ]
    let alone = seeds |> Array.map compute
    let r = SplitMix 3UL
    let x = randomArray r [ 40; 30 ]
    let shared =
        new CompiledFunction(
            Func<_, _>(fun (xs: Expr[]) -> [| sum (softmax 1 (matmul xs[0] (transpose xs[0])) * 3.0) |])
        )
    let gradient () =
        let struct (_, gradients) = shared.ValueAndGradient x
        nonNull gradients[0]
    let expected = gradient ()
    let wrong = Collections.Concurrent.ConcurrentQueue<string>()
    use gate = new Barrier(threads)
    let work (number: int) () =
        let own = SplitMix(uint64 number)
        gate.SignalAndWait()
        try
            for k in own.Shuffle [| 0 .. seeds.Length - 1 |] do
                if compute seeds[k] <> alone[k] then
                    wrong.Enqueue $"graph {k} on thread {number}"
                if not (sameBits expected (gradient ())) then
                    wrong.Enqueue $"the shared function on thread {number}"
        with e ->
            wrong.Enqueue $"thread {number}: {e}"
    let workers = [ for number in 1..threads -> Thread(work number, 16 <<< 20) ]
    for t in workers do
        t.Start()
    for t in workers do
        t.Join()
    List.ofSeq wrong

/// Large graphs on 1, 2, 4 and 7 threads; names those whose bits differ, with the steps of their plans that ran in several chunks.
let threads (graphs: int) : string list =
    [ let mutable found, k = 0, 0L
      while found < graphs do
          let seed = Run.seedOf 11UL k
          k <- k + 1L
          match Growth.kindOf seed with
          | Growth.Kind.Large
          | Growth.Kind.Parallel ->
              found <- found + 1
              match Judge.judge (Some "threads") (Recorder()) seed (Growth.program seed) with
              | Judge.Agrees -> ()
              | Judge.Disagrees(oracle, detail) -> yield $"seed {seed:x16}: {oracle}: {detail}"
          | _ -> () ]

/// What there is to say about memory and differences, and whether all is as it must be.
let verdict (grown: (string * Memory) list) (wrong: string list) : string list * bool =
    let megabytes (bytes: int64) = $"{float bytes / 1048576.0:F1} MB"
    let line (what, m: Memory) =
        let text =
            $"{what}: live objects grew by {megabytes m.Managed}, the process by {megabytes m.WorkingSet}"
        if m.Managed > MostGrowth then
            $"{text}; at most {megabytes MostGrowth} of live objects are allowed"
        else
            text
    let lines =
        List.map line grown
        @ [ $"many threads: {wrong.Length} differences" ]
        @ List.map ((+) "  ") wrong
    lines, wrong.IsEmpty && grown |> List.forall (fun (_, m) -> m.Managed <= MostGrowth)
