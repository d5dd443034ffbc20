namespace Diff

open System

/// A sweep ready to run.
type internal SweepPlan =
    {
        Sweep: Sweep
        /// The body; of the first sweep of a loop with a condition, with what the condition says of the new states as last result.
        Plan: Plan
        /// The inputs that the plan was made for.
        Inputs: Expr[]
        /// The entries of the plan's sources, what feeds them, and their bytes.
        Feeds: struct (int * Feed * int64)[]
        /// The entry of the first result.
        FirstResult: int
        StateBytes: int64[]
        OutputBytes: int64[]
        /// The states and outputs that a later sweep reads, and has to find.
        KeepsState: bool[]
        KeepsOutput: bool[]
        /// Where outputs start in the loop's value, in elements; −1 for those that are no part of it.
        Visible: int[]
        /// Whether they are computed there: what is part of the value and of its type.
        Direct: bool[]
    }

    member p.Keeps = Array.contains true p.KeepsState || Array.contains true p.KeepsOutput

/// A loop ready to run.
type internal LoopPlan =
    {
        Iteration: Iteration
        Starts: int[]
        Sweeps: SweepPlan[]
        /// What the condition says of the first states.
        Condition: struct (Plan * Expr[] * (struct (int * Feed * int64))[]) voption
    }

/// Where the states and outputs of one sweep lie.
type internal SweepMemory =
    {
        /// The first slot of each state: one for each iteration of a segment and one more if it is kept, else two in turn.
        States: int64[]
        /// Outputs that are not computed where they are wanted.
        Outputs: int64[]
        /// The states at the start of each segment.
        Starts: int64[]
    }

/// Where all of a loop lies. Iterations are cut into segments: what later sweeps read is there for one segment of each sweep, and computed
/// again from the states at its start where another one is wanted.
type internal SweepLayout =
    {
        Segment: int
        Sweeps: SweepMemory[]
        /// Where the condition is.
        Condition: int64
        Bytes: int64
    }

[<RequireQualifiedAccess>]
module internal SweepLayout =
    let bytesOf (e: Expr) =
        int64 e.Shape.Length * int64 (DType.size e.DType)

    /// From slot to slot: large ones begin with a cache line, small ones lie close.
    let stride (bytes: int64) =
        if bytes >= 64L then
            Arena.Rounded bytes
        else
            (bytes + 7L) &&& ~~~7L

    let private sum (kept: bool[]) (bytes: int64[]) =
        Array.map2 (fun isKept bytes -> if isKept then stride bytes else 0L) kept bytes
        |> Array.sum

    /// The bytes to keep for each iteration, and for each segment, of sweeps from one on.
    let costsFrom (first: int) (plan: LoopPlan) : struct (int64 * int64) =
        let sweeps = plan.Sweeps[first..]
        let each =
            sweeps
            |> Array.sumBy (fun p -> sum p.KeepsState p.StateBytes + sum p.KeepsOutput p.OutputBytes)
        let starts =
            sweeps
            |> Array.sumBy (fun p -> if p.Keeps then Array.sumBy stride p.StateBytes else 0L)
        struct (each, starts)

    let costs (plan: LoopPlan) = costsFrom 0 plan

    /// How many iterations make a segment: all, or, where keeping them takes more than the bound, as many as take the least memory.
    let segment (plan: LoopPlan) (n: int) : int =
        let struct (each, starts) = costs plan
        if n <= 1 || each = 0L || each * int64 n <= plan.Iteration.MaxRecordBytes then
            max 1 n
        else
            Math.Sqrt(float n * float (max 64L starts) / float each)
            |> int
            |> max 1
            |> min n

    /// The layout for segments of some iterations, for sweeps from one on. With `keeps` false, nothing is kept: only the first sweep can run.
    let makeFrom (first: int) (plan: LoopPlan) (keeps: bool) (segment: int) (n: int) : SweepLayout =
        let mutable top = 0L
        let take (count: int) (bytes: int64) =
            let at = top
            top <- Arena.Rounded(top + int64 count * stride bytes)
            at
        let segments = (n + segment - 1) / segment
        let sweep (p: SweepPlan) =
            let states =
                Array.map2
                    (fun isKept bytes -> take (if keeps && isKept then segment + 1 else 2) bytes)
                    p.KeepsState
                    p.StateBytes
            let outputs =
                Array.init p.OutputBytes.Length (fun o ->
                    if p.Direct[o] then
                        -1L
                    else
                        take (if keeps && p.KeepsOutput[o] then segment else 1) p.OutputBytes[o])
            let starts =
                if segments > 1 && p.Keeps then
                    p.StateBytes |> Array.map (take segments)
                else
                    [||]
            { States = states
              Outputs = outputs
              Starts = starts }
        let none =
            { States = [||]
              Outputs = [||]
              Starts = [||] }
        let sweeps =
            plan.Sweeps |> Array.mapi (fun j p -> if j < first then none else sweep p)
        let condition = take 1 64L
        { Segment = segment
          Sweeps = sweeps
          Condition = condition
          Bytes = top }

    let make (plan: LoopPlan) (keeps: bool) (segment: int) (n: int) : SweepLayout =
        makeFrom 0 plan keeps segment n
