namespace Diff

open System
open Diff.Kernels

/// What the solvers of nonlinear equations can be told. Where a tolerance is 0 its test is not made.
[<Sealed>]
type RootOptions() =
    inherit SolverOptions(200)
    let mutable residualTolerance, stepTolerance = 1e-10, 1e-14
    static let tolerance name value = SolverOptions.AtLeast(name, 0.0, value)
    /// Stops when the largest component of the residual is at most this; in brackets only a value of 0 ends the search.
    member _.ResidualTolerance
        with get () = residualTolerance
        and set value = residualTolerance <- tolerance "ResidualTolerance" value
    /// Stops when the largest change of a component (for brackets, their width) is at most this times the largest component of x.
    member _.StepTolerance
        with get () = stepTolerance
        and set value = stepTolerance <- tolerance "StepTolerance" value

/// What a solver of nonlinear equations found.
[<Sealed>]
type RootResult
    internal
    (x: float[], residual: float[], jacobians: int, stop: struct (StopReason * string), run: SolverRun) =
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
    /// The residual there.
    member _.Residual = residual
    /// The residual's largest component.
    member _.ResidualNorm = Vectors.Largest residual
    /// How many Jacobians were computed.
    member _.JacobianEvaluations = jacobians

/// A point of a system of equations, and what Newton's method and Broyden's share.
[<Sealed>]
type internal SystemIterate(options: RootOptions, graph: FunctionGraph, parameters: NDArray[], x0: float[]) =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let n = f.N
    let x, r = Array.copy x0, Array.create n nan
    let trial, next = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let isFinite (v: float[]) = Double.IsFinite(Vectors.Largest v)

    member _.Run = run
    member _.X = x
    member _.R = r
    member _.Next = next
    member _.Norm = Vectors.Largest r

    /// Evaluates with the Jacobian at x, written to j; says whether all is finite.
    member _.Evaluate(j: float[]) : bool =
        f.ValuesAndJacobian(x, r, j)
        isFinite r && isFinite j

    /// The residual at x + t·d, into Next; half its sum of squares, NaN where it is not finite.
    member _.Try(d: float[], t: float) : float =
        x.CopyTo(trial, 0)
        Vectors.AddScaled(t, d, trial)
        f.Values(trial, next)
        if isFinite next then 0.5 * Vectors.Dot(next, next) else nan

    member _.Accept() : float =
        let mutable change = 0.0
        for i in 0 .. n - 1 do
            change <- max change (abs (trial[i] - x[i]))
        trial.CopyTo(x, 0)
        next.CopyTo(r, 0)
        run.Report(Vectors.Norm r, Vectors.Largest r, change)
        change

    member this.ResidualTest: struct (StopReason * string) voption =
        if this.Norm <= options.ResidualTolerance then
            ValueSome(
                struct (StopReason.ResidualSmall,
                        $"the residual's largest component {SolverText.number this.Norm} is within {SolverText.number options.ResidualTolerance}")
            )
        else
            ValueNone

    member this.TestsAfter(change: float) : struct (StopReason * string) voption =
        match this.ResidualTest with
        | ValueSome stop -> ValueSome stop
        | ValueNone when
            change <= options.StepTolerance * Vectors.Largest x
            && options.StepTolerance > 0.0
            ->
            ValueSome(
                struct (StopReason.StepSmall,
                        $"the last step is within {SolverText.number options.StepTolerance} of x; the residual's largest component is {SolverText.number this.Norm}")
            )
        | ValueNone -> ValueNone

    member this.Failed: struct (StopReason * string) =
        struct (StopReason.LineSearchFailed,
                $"no point along the step has a smaller residual than {SolverText.number this.Norm}: there may be no root near")

    member _.Result(stop: struct (StopReason * string)) =
        RootResult(x, r, f.JacobianEvaluations, stop, run)

/// Newton's method with a line search on the sum of squares; where the Jacobian is singular, the step of least squares.
[<Sealed>]
type internal NewtonRoot(options: RootOptions, graph, parameters: NDArray[], x0: float[]) =
    let at = SystemIterate(options, graph, parameters, x0)
    let run, n = at.Run, x0.Length
    let j, factors =
        Array.zeroCreate<float>(n * n), Array.zeroCreate<float>(n * (n + 2))
    let d, g = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let leastSquares = lazy DampedStep(n, n)

    let newtonStep () =
        Lu.Factor(j, factors, n, false)
        let pivot = Lu.Solve(factors, at.R, d, n, 1, false)
        Vectors.Scale(-1.0, d)
        if pivot >= 0 || not (Double.IsFinite(Vectors.Largest d)) then
            leastSquares.Value.Factor(j, at.R)
            leastSquares.Value.Full()
            leastSquares.Value.Step.CopyTo(d, 0)
        Array.Clear g
        for i in 0 .. n - 1 do
            Vectors.AddScaled(at.R[i], ReadOnlySpan(j, i * n, n), g)
        Vectors.Dot(g, d)

    let rec search value slope t left =
        if left = 0 then
            false
        else
            let next = at.Try(d, t)
            if next <= value + 1e-4 * t * slope then
                true
            else
                search value slope (0.5 * t) (left - 1)

    let rec loop () : struct (StopReason * string) =
        run.Continue()
        let slope = newtonStep ()
        let value = 0.5 * Vectors.Dot(at.R, at.R)
        if not (slope < -1e-12 * value) then
            struct (StopReason.Breakdown,
                    $"the Jacobian is singular and the residual {SolverText.number at.Norm} is stationary there: no root, but a least sum of squares")
        elif not (search value slope 1.0 40) then
            at.Failed
        else
            match at.TestsAfter(at.Accept()) with
            | ValueSome stop -> stop
            | ValueNone when at.Evaluate j -> loop ()
            | ValueNone -> struct (StopReason.NotFinite, "a derivative is infinite or NaN")

    member _.Run() : RootResult =
        run.Guard(fun () ->
            if not (at.Evaluate j) then
                SolverText.notFiniteAtStart
            else
                run.Report(Vectors.Norm at.R, at.Norm, 0.0)
                match at.ResidualTest with
                | ValueSome stop -> stop
                | ValueNone -> loop ())
        |> at.Result

/// Broyden's method (1965) on the inverse Jacobian, which is the traced function's at the start and wherever a step fails.
[<Sealed>]
type internal BroydenRoot(options: RootOptions, graph, parameters: NDArray[], x0: float[]) =
    let at = SystemIterate(options, graph, parameters, x0)
    let run, n = at.Run, x0.Length
    let j, factors =
        Array.zeroCreate<float>(n * n), Array.zeroCreate<float>(n * (n + 2))
    let h, identity =
        Array.zeroCreate<float>(n * n), Array.init (n * n) (fun i -> if i % (n + 1) = 0 then 1.0 else 0.0)
    let d, y, hy, sh =
        Array.zeroCreate<float> n,
        Array.zeroCreate<float> n,
        Array.zeroCreate<float> n,
        Array.zeroCreate<float> n
    let mutable isFresh = true

    let multiply (v: float[]) (into: float[]) =
        for i in 0 .. n - 1 do
            into[i] <- Vectors.Dot(ReadOnlySpan(h, i * n, n), ReadOnlySpan v)

    let invert () =
        Lu.Factor(j, factors, n, false)
        isFresh <- true
        Lu.Solve(factors, identity, h, n, n, false) < 0
        && Double.IsFinite(Vectors.Largest h)

    /// h += (s − h·y)·sᵀ·h / (sᵀ·h·y) (Sherman, Morrison 1950).
    let update (before: float[]) =
        for i in 0 .. n - 1 do
            y[i] <- at.R[i] - before[i]
        multiply y hy
        let denominator = Vectors.Dot(d, hy)
        if abs denominator > 1e-14 * Vectors.Norm d * Vectors.Norm hy then
            Array.Clear sh
            for i in 0 .. n - 1 do
                Vectors.AddScaled(d[i], ReadOnlySpan(h, i * n, n), sh)
            for i in 0 .. n - 1 do
                Vectors.AddScaled((d[i] - hy[i]) / denominator, sh, Span(h, i * n, n))
        isFresh <- false

    let rec search value t left =
        if left = 0 then
            0.0
        else
            let next = at.Try(d, t)
            // A step that makes the residual no smaller is no step.
            if next < value * (1.0 - 1e-4 * t) then
                t
            else
                search value (0.5 * t) (left - 1)

    let rec loop () : struct (StopReason * string) =
        run.Continue()
        multiply at.R d
        Vectors.Scale(-1.0, d)
        let before = Array.copy at.R
        let t = search (0.5 * Vectors.Dot(at.R, at.R)) 1.0 (if isFresh then 40 else 6)
        if t > 0.0 then
            let change = at.Accept()
            match at.TestsAfter change with
            | ValueSome stop -> stop
            | ValueNone ->
                Vectors.Scale(t, d)
                update before
                loop ()
        elif isFresh then
            at.Failed
        elif not (at.Evaluate j) then
            struct (StopReason.NotFinite, "a derivative is infinite or NaN")
        elif invert () then
            loop ()
        else
            struct (StopReason.Breakdown, "the Jacobian is singular")

    member _.Run() : RootResult =
        run.Guard(fun () ->
            if not (at.Evaluate j) then
                SolverText.notFiniteAtStart
            else
                run.Report(Vectors.Norm at.R, at.Norm, 0.0)
                match at.ResidualTest with
                | ValueSome stop -> stop
                | ValueNone when invert () -> loop ()
                | ValueNone -> struct (StopReason.Breakdown, "the Jacobian at the start is singular"))
        |> at.Result
