namespace Diff

open System

/// How the steps of fixed length are made.
type OdeMethod =
    /// The classical method of Runge and Kutta of order 4.
    | RungeKutta4 = 0
    /// Dormand and Prince's of order 5 (1980).
    | DormandPrince = 1

/// What solutions of differential equations as expressions can be told.
[<Sealed>]
type OdeSolveOptions() =
    let mutable steps, maxSteps = 20, 100_000
    let mutable relativeTolerance, absoluteTolerance = 1e-6, 1e-9
    let mutable initialStep, maxStep = 0.0, Double.PositiveInfinity
    let mutable maxRecordBytes = 1L <<< 30
    /// The method of steps of fixed length.
    member val Method = OdeMethod.DormandPrince with get, set
    /// How many steps of fixed length there are between two times.
    member _.Steps
        with get () = steps
        and set value = steps <- int (SolverOptions.AtLeast("Steps", 1.0, float value))
    /// The error allowed in an adaptive step, in parts of y.
    member _.RelativeTolerance
        with get () = relativeTolerance
        and set value = relativeTolerance <- SolverOptions.AtLeast("RelativeTolerance", 1e-14, value)
    /// The error allowed in an adaptive step beside that.
    member _.AbsoluteTolerance
        with get () = absoluteTolerance
        and set value = absoluteTolerance <- SolverOptions.AtLeast("AbsoluteTolerance", 0.0, value)
    /// The first adaptive step; 0 to have it estimated (Hairer, Nørsett, Wanner 1993, II.4).
    member _.InitialStep
        with get () = initialStep
        and set value = initialStep <- SolverOptions.AtLeast("InitialStep", 0.0, value)
    /// No adaptive step is longer.
    member _.MaxStep
        with get () = maxStep
        and set value =
            if not (value > 0.0) then
                invalidArg "value" $"MaxStep: expected a number above 0, got {value}"
            maxStep <- value
    /// How many adaptive steps, with those not taken, there may be between two times; one more is an `IterationLimitException`.
    member _.MaxSteps
        with get () = maxSteps
        and set value = maxSteps <- int (SolverOptions.AtLeast("MaxSteps", 1.0, float value))
    /// The memory that a derivative may take for the states before each step, in each of the loops (see LoopOptions).
    member _.MaxRecordBytes
        with get () = maxRecordBytes
        and set (value: int64) =
            maxRecordBytes <- int64 (SolverOptions.AtLeast("MaxRecordBytes", 0.0, float value))
    member internal _.Loop = LoopOptions.Default.WithMaxRecordBytes maxRecordBytes
