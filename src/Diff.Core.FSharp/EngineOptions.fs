namespace Diff

open System
open Diff.Kernels

/// How plans run. Immutable; the results do not depend on it, to the bit (a budget of memory may change the order of sums).
[<Sealed>]
type EngineOptions internal (threads: int, tier: Tier, detectsAnomalies: bool, budget: int64 voption) =
    static let fromEnvironment =
        lazy
            (EngineOptions.Parse(
                Environment.GetEnvironmentVariable "DIFF_THREADS",
                Environment.GetEnvironmentVariable "DIFF_TIER"
            ))

    internal new(threads, tier) = EngineOptions(threads, tier, false, ValueNone)
    member internal _.Tier = tier

    /// What the two environment variables say; null or empty for the defaults.
    static member internal Parse(threads: string | null, tier: string | null) : EngineOptions =
        let threads =
            match threads with
            | null
            | "" -> Environment.ProcessorCount
            | text ->
                match Int32.TryParse text with
                | true, n when n > 0 -> n
                | _ -> invalidOp $"DIFF_THREADS: expected a number of threads, at least 1, got \"{text}\""
        let tier =
            match tier with
            | null
            | ""
            | "auto" -> Tier.Auto
            | "tiles" -> Tier.Tiles
            | "compiled" -> Tier.Compiled
            | text -> invalidOp $"DIFF_TIER: expected auto, tiles or compiled, got \"{text}\""
        EngineOptions(threads, tier)

    /// How many threads one evaluation may use, the caller's among them.
    member _.Threads = threads
    /// As many threads as the machine has processors, or as the environment variable DIFF_THREADS says; loops are compiled once that pays,
    /// or as DIFF_TIER says (auto, tiles or compiled).
    static member Default = fromEnvironment.Value
    /// The same with another number of threads, at least 1.
    member _.WithThreads(threads: int) : EngineOptions =
        if threads < 1 then
            invalidArg "threads" $"WithThreads: expected at least 1, got {threads}"
        EngineOptions(threads, tier, detectsAnomalies, budget)
    /// The same, but no machine code is made at run time: loops run on tiles, and graphs of scalars are interpreted.
    member _.WithoutCompilation() : EngineOptions =
        EngineOptions(threads, Tier.Tiles, detectsAnomalies, budget)
    /// The same, but machine code is made before the first run, however seldom it may run.
    member _.WithCompilationAtOnce() : EngineOptions =
        EngineOptions(threads, Tier.Compiled, detectsAnomalies, budget)
    member internal _.DetectsAnomalies = detectsAnomalies
    /// The same, but a result with NaN is an `AnomalyException` that says which operation made it, in which module and line, forward or
    /// backward, and of what numbers. Each call looks through its results, and a training step keeps the values before it, so it is slower.
    member _.WithAnomalyDetection() : EngineOptions =
        EngineOptions(threads, tier, true, budget)
    member internal _.MemoryBudget = budget
    /// The same, but values between steps take at most so many bytes: what costs least to compute again is not kept, as a checkpoint does it,
    /// and Explain says what. Arguments, parameters and results do not count. Where it cannot be done, planning fails and says how far it came.
    member _.WithMemoryBudget(bytes: int64) : EngineOptions =
        if bytes < 0L then
            invalidArg "bytes" $"WithMemoryBudget: expected at least 0 bytes, got {bytes}"
        EngineOptions(threads, tier, detectsAnomalies, ValueSome bytes)
