namespace Diff

open System
open System.Collections.Generic
open Diff.Kernels

/// What the minimisers can be told. Where a tolerance is 0 its test is not made.
[<Sealed>]
type MinimizeOptions() =
    inherit SolverOptions(1000)
    let mutable gradientTolerance, stepTolerance, valueTolerance = 1e-8, 0.0, 1e-15
    let mutable memory = 10
    let mutable initialRadius = 1.0
    static let tolerance name value = SolverOptions.AtLeast(name, 0.0, value)
    /// Stops when the largest component of the gradient (of its part within the bounds) is at most this times max(1, |f|).
    member _.GradientTolerance
        with get () = gradientTolerance
        and set value = gradientTolerance <- tolerance "GradientTolerance" value
    /// Stops when the largest change of a component, twice in a row, is at most this times the largest component of x.
    member _.StepTolerance
        with get () = stepTolerance
        and set value = stepTolerance <- tolerance "StepTolerance" value
    /// Stops when the change of the value, twice in a row, is at most this times the value.
    member _.ValueTolerance
        with get () = valueTolerance
        and set value = valueTolerance <- tolerance "ValueTolerance" value
    /// How far to go along directions (gradient descent, conjugate gradients and the BFGS family without bounds).
    member val LineSearch = LineSearchKind.StrongWolfe with get, set
    /// How many steps L-BFGS and L-BFGS-B remember.
    member _.Memory
        with get () = memory
        and set value = memory <- int (SolverOptions.AtLeast("Memory", 1.0, float value))
    /// The first radius of the trust region.
    member _.InitialRadius
        with get () = initialRadius
        and set value =
            initialRadius <- SolverOptions.Between("InitialRadius", 0.0, Double.PositiveInfinity, value)

/// What a minimiser found.
[<Sealed>]
type MinimizeResult
    internal
    (
        x: float[],
        value: float,
        gradient: float[],
        norm: float,
        products: int,
        stop: struct (StopReason * string),
        run: SolverRun
    ) =
    inherit
        SolverResult(
            (let struct (reason, _) = stop in reason),
            (let struct (_, message) = stop in message),
            run.Iterations,
            run.Evaluations,
            run.History
        )
    /// The best point.
    member _.X = x
    /// The value there.
    member _.Value = value
    /// The gradient there.
    member _.Gradient = gradient
    /// The largest component of the gradient; with bounds, of what of it points inside.
    member _.GradientNorm = norm
    /// How many products of second derivatives with directions were computed.
    member _.HessianProducts = products

/// The point where a minimiser is, and the tests for stopping that all share.
[<Sealed>]
type internal Iterate(f: TracedFunction, run: SolverRun, options: MinimizeOptions, x0: float[]) =
    let x, g = Array.copy x0, Array.zeroCreate<float> f.N
    let mutable smallSteps, smallChanges = 0, 0

    member _.X = x
    member _.Gradient = g
    member val Value = nan with get, set
    member val Norm = nan with get, set

    member this.IsFinite = Double.IsFinite this.Value && Double.IsFinite(Vectors.Largest g)

    /// Evaluates at the start.
    member this.Start() : unit =
        this.Value <- f.ValueAndGradient(x, g)
        this.Norm <- Vectors.Largest g

    member this.GradientTest: struct (StopReason * string) voption =
        let bound = options.GradientTolerance * max 1.0 (abs this.Value)
        if this.Norm <= bound then
            ValueSome(
                struct (StopReason.GradientSmall,
                        $"the gradient's largest component {SolverText.number this.Norm} is within {SolverText.number bound}")
            )
        else
            ValueNone

    /// Goes to a point; gives the reason to stop there, if there is one.
    member this.MoveTo
        (next: float[], value: float, gradient: float[], norm: float)
        : struct (StopReason * string) voption =
        let mutable step = 0.0
        for i in 0 .. x.Length - 1 do
            step <- max step (abs (next[i] - x[i]))
        let change = abs (value - this.Value)
        let scale = max (abs value) (abs this.Value)
        next.CopyTo(x, 0)
        gradient.CopyTo(g, 0)
        this.Value <- value
        this.Norm <- norm
        run.Report(value, norm, step)
        smallSteps <-
            if step <= options.StepTolerance * Vectors.Largest x then
                smallSteps + 1
            else
                0
        smallChanges <-
            if change <= options.ValueTolerance * scale then
                smallChanges + 1
            else
                0
        match this.GradientTest with
        | ValueSome stop -> ValueSome stop
        | ValueNone when smallSteps >= 2 && options.StepTolerance > 0.0 ->
            ValueSome(
                struct (StopReason.StepSmall,
                        $"the last steps are within {SolverText.number options.StepTolerance} of x")
            )
        | ValueNone when smallChanges >= 2 && options.ValueTolerance > 0.0 ->
            ValueSome(
                struct (StopReason.ValueChangeSmall,
                        $"the last changes of the value are within {SolverText.number options.ValueTolerance} of it")
            )
        | ValueNone -> ValueNone

    member this.Result(stop: struct (StopReason * string)) =
        MinimizeResult(x, this.Value, g, this.Norm, f.CurvatureProducts, stop, run)

/// Where to go from a point. What it remembers is of its own.
[<AbstractClass>]
type internal Direction() =
    /// Whether the direction is the gradient's: nothing is remembered yet.
    abstract IsFresh: bool
    abstract Forget: unit -> unit
    /// Writes the direction at gradient g.
    abstract Next: g: float[] * d: float[] -> unit
    /// Learns of a step s with change y of the gradient, now g.
    abstract Learn: s: float[] * y: float[] * g: float[] -> unit
    /// The first step to try, from the slope now and the step before.
    abstract FirstStep: slope: float * slopeBefore: float * step: float -> float
    /// How flat the slope has to become, in parts of the slope before.
    abstract Curvature: float

[<RequireQualifiedAccess>]
module internal DescentLoop =
    /// Advances until that says why to stop. Small steps may be the memory's fault: they end it only once they are small without it too.
    let run (run: SolverRun) (advance: unit -> struct (StopReason * string) voption) (forget: unit -> unit) =
        let rec loop isLastTry =
            run.Continue()
            match advance () with
            | ValueSome(struct (reason, _)) when
                reason <> StopReason.LineSearchFailed
                && reason <> StopReason.GradientSmall
                && not isLastTry
                ->
                forget ()
                loop true
            | ValueSome stop -> stop
            | ValueNone -> loop false
        loop false

/// The loop of the methods that search along directions.
[<Sealed>]
type internal Descent
    (options: MinimizeOptions, graph: FunctionGraph, parameters: NDArray[], direction: Direction, x0: float[])
    =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let at = Iterate(f, run, options, x0)
    let search = LineSearch(f, [||], [||])
    let n = f.N
    let d, s, y =
        Array.zeroCreate<float> n, Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let mutable slopeBefore, stepBefore = nan, nan

    let firstStep slope =
        if not direction.IsFresh then
            direction.FirstStep(slope, slopeBefore, stepBefore)
        elif Double.IsNaN slopeBefore then
            min 1.0 (1.0 / at.Norm)
        else
            stepBefore * slopeBefore / slope

    // One step; a reason where it ends.
    let rec advance () : struct (StopReason * string) voption =
        direction.Next(at.Gradient, d)
        let mutable slope = Vectors.Dot(at.Gradient, d)
        if not (slope < -1e-14 * Vectors.Norm at.Gradient * Vectors.Norm d) then
            direction.Forget()
            direction.Next(at.Gradient, d)
            slope <- Vectors.Dot(at.Gradient, d)
        let isFound =
            search.Search(
                options.LineSearch,
                at.X,
                at.Value,
                slope,
                d,
                firstStep slope,
                1e20,
                direction.Curvature
            )
        if isFound then
            for i in 0 .. n - 1 do
                s[i] <- search.X[i] - at.X[i]
                y[i] <- search.Gradient[i] - at.Gradient[i]
            slopeBefore <- slope
            stepBefore <- search.Step
            direction.Learn(s, y, search.Gradient)
            at.MoveTo(search.X, search.Value, search.Gradient, Vectors.Largest search.Gradient)
        elif not direction.IsFresh || not (Double.IsNaN slopeBefore) then
            // What is remembered misleads: once more along the gradient.
            direction.Forget()
            slopeBefore <- nan
            advance ()
        else
            ValueSome(
                struct (StopReason.LineSearchFailed,
                        $"no point along the gradient is lower; its largest component is {SolverText.number at.Norm}, and rounding may allow no less")
            )

    member _.Run() : MinimizeResult =
        run.Guard(fun () ->
            at.Start()
            if not at.IsFinite then
                SolverText.notFiniteAtStart
            else
                run.Report(at.Value, at.Norm, 0.0)
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone -> DescentLoop.run run advance direction.Forget)
        |> at.Result
