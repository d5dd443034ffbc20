namespace Diff

open System
open System.Collections.Generic
open System.Threading

/// Why a solver stopped. The first six mean that it arrived.
type StopReason =
    /// The gradient is as small as asked for.
    | GradientSmall = 0
    /// The last step was as small as asked for.
    | StepSmall = 1
    /// The value changed as little as asked for.
    | ValueChangeSmall = 2
    /// The residual is as small as asked for.
    | ResidualSmall = 3
    /// The end of the interval is reached.
    | EndReached = 4
    /// The event asked for has happened.
    | EventReached = 5
    /// It made as many iterations as it may.
    | IterationLimit = 6
    /// It evaluated the function as often as it may.
    | EvaluationLimit = 7
    /// The caller asked it to stop.
    | Cancelled = 8
    /// No point along the direction of search is enough better than the present one.
    | LineSearchFailed = 9
    /// A value or derivative is infinite or NaN.
    | NotFinite = 10
    /// The method cannot go on: a singular Jacobian, an operator that is not positive definite, a point that is stationary but no solution,
    /// steps that become too short.
    | Breakdown = 11

/// Where a solver is after an iteration.
[<Struct>]
type SolverProgress internal (iteration: int, value: float, norm: float, step: float, evaluations: int) =
    /// How many iterations were made.
    member _.Iteration = iteration
    /// The value that is minimised; half the sum of squares, the norm of the residual of equations, the time reached, the integral.
    member _.Value = value
    /// The norm that is to become small: of the gradient, of the residual, of the error beside what is allowed, of the integral's error.
    member _.Norm = norm
    /// The largest change of a component in the last step; the length of a step in time.
    member _.Step = step
    /// How often the function was evaluated.
    member _.Evaluations = evaluations

/// What all solvers can be told.
[<AbstractClass>]
type SolverOptions internal (maxIterations: int) =
    let mutable maxIterations = maxIterations
    let mutable maxEvaluations = Int32.MaxValue
    let mutable engine = EngineOptions.Default

    /// The value itself; fails for a number below `least`, or NaN.
    static member internal AtLeast(name: string, least: float, value: float) : float =
        if not (value >= least) then
            raise (ArgumentException $"{name}: expected at least {least}, got {value}")
        value

    /// The value itself; fails unless it is above `low` and below `high`.
    static member internal Between(name: string, low: float, high: float, value: float) : float =
        if not (value > low && value < high) then
            raise (ArgumentException $"{name}: expected a number above {low} and below {high}, got {value}")
        value

    /// After how many iterations it gives up.
    member _.MaxIterations
        with get () = maxIterations
        and set value = maxIterations <- int (SolverOptions.AtLeast("MaxIterations", 0.0, float value))
    /// After how many evaluations of the function it gives up.
    member _.MaxEvaluations
        with get () = maxEvaluations
        and set value = maxEvaluations <- int (SolverOptions.AtLeast("MaxEvaluations", 1.0, float value))
    /// Whether the result keeps what was reported of each iteration.
    member val KeepsHistory = false with get, set
    /// Hears of each iteration, on the solver's thread; null for nobody.
    member val Progress: IProgress<SolverProgress> | null = null with get, set
    /// Stops the solver between, and within, evaluations; the result is then the best point so far.
    member val Cancellation = CancellationToken.None with get, set
    /// How the function's plans run.
    member _.Engine
        with get () = engine
        and set (value: EngineOptions) =
            ArgumentNullException.ThrowIfNull(value, nameof value)
            engine <- value

    /// A copy that reports and can be cancelled as said; null and none leave what is set.
    member internal this.With(progress: IProgress<SolverProgress> | null, cancellation: CancellationToken) =
        let copy = this.MemberwiseClone() :?> SolverOptions
        if not (isNull progress) then
            copy.Progress <- progress
        if cancellation.CanBeCanceled then
            copy.Cancellation <- cancellation
        copy

/// What all solvers say in the end.
[<AbstractClass>]
type SolverResult
    internal
    (
        reason: StopReason,
        message: string,
        iterations: int,
        evaluations: int,
        history: IReadOnlyList<SolverProgress>
    ) =
    /// Why it stopped.
    member _.Reason = reason
    /// Why it stopped, as a sentence.
    member _.Message = message
    /// Whether it stopped because it arrived: a tolerance was met, or the end.
    member _.IsConverged = reason <= StopReason.EventReached
    /// How many iterations it made.
    member _.Iterations = iterations
    /// How often it evaluated the function, with or without derivatives.
    member _.Evaluations = evaluations
    /// Each iteration, the start first; empty unless the options ask for it.
    member _.History = history
    override _.ToString() =
        $"{message} ({iterations} iterations, {evaluations} evaluations)"

/// Raised where a solution is needed to go on and the solver did not find one; the message says why.
type SolverException(message: string) =
    inherit ArithmeticException(message)

/// What ends a run from within an evaluation.
exception internal SolverStop of reason: StopReason * message: string

/// The run of one solver: what it counts, reports and obeys.
[<Sealed>]
type internal SolverRun(options: SolverOptions) =
    let history = List<SolverProgress>()

    member val Iterations = 0 with get, set
    member val Evaluations = 0 with get, set
    member _.Cancellation = options.Cancellation
    member _.History: IReadOnlyList<SolverProgress> = history.AsReadOnly()

    /// Before each evaluation.
    member this.Evaluate() : unit =
        options.Cancellation.ThrowIfCancellationRequested()
        if this.Evaluations >= options.MaxEvaluations then
            raise (
                SolverStop(
                    StopReason.EvaluationLimit,
                    $"stopped after {this.Evaluations} evaluations, the limit"
                )
            )
        this.Evaluations <- this.Evaluations + 1

    /// After each iteration, and at the start.
    member this.Report(value: float, norm: float, step: float) : unit =
        let progress = SolverProgress(this.Iterations, value, norm, step, this.Evaluations)
        if options.KeepsHistory then
            history.Add progress
        match options.Progress with
        | null -> ()
        | listener -> listener.Report progress

    /// Before each further iteration: stops at the limit, or when cancelled.
    member this.Continue() : unit =
        options.Cancellation.ThrowIfCancellationRequested()
        if this.Iterations >= options.MaxIterations then
            raise (
                SolverStop(
                    StopReason.IterationLimit,
                    $"stopped after {this.Iterations} iterations, the limit"
                )
            )
        this.Iterations <- this.Iterations + 1

    /// Runs a solver's loop; it ends by giving the reason and a sentence, or from within.
    member _.Guard(loop: unit -> struct (StopReason * string)) : struct (StopReason * string) =
        try
            loop ()
        with
        | SolverStop(reason, message) -> struct (reason, message)
        | :? OperationCanceledException when options.Cancellation.IsCancellationRequested ->
            struct (StopReason.Cancelled, "stopped because the caller cancelled it")

[<RequireQualifiedAccess>]
module internal SolverText =
    /// A number for a sentence.
    let number (x: float) =
        x.ToString("G6", Globalization.CultureInfo.InvariantCulture)

    /// Fails for a start with NaN or infinity, or none.
    let checkStart operation (x: float[]) : unit =
        ArgumentNullException.ThrowIfNull(x, nameof x)
        if x.Length = 0 then
            invalidArg "x0" $"{operation}: expected a start of at least one number, got none"
        for i in 0 .. x.Length - 1 do
            if not (Double.IsFinite x[i]) then
                invalidArg
                    "x0"
                    $"{operation}: the start holds {x[i]} at index {i}; all numbers must be finite"

    let notFiniteAtStart =
        struct (StopReason.NotFinite,
                "stopped at the start: the value or a derivative there is infinite or NaN")
