namespace Diff

open System
open Diff.Kernels

/// What the solvers of least squares can be told. Where a tolerance is 0 its test is not made.
[<Sealed>]
type LeastSquaresOptions() =
    inherit SolverOptions(1000)
    let mutable gradientTolerance, stepTolerance, valueTolerance = 1e-10, 1e-12, 1e-14
    let mutable initialRadius = 100.0
    static let tolerance name value = SolverOptions.AtLeast(name, 0.0, value)
    /// Stops when the cosine of the angle between the residual and each column of the Jacobian is at most this.
    member _.GradientTolerance
        with get () = gradientTolerance
        and set value = gradientTolerance <- tolerance "GradientTolerance" value
    /// Stops when the (scaled) step is at most this times the (scaled) x.
    member _.StepTolerance
        with get () = stepTolerance
        and set value = stepTolerance <- tolerance "StepTolerance" value
    /// Stops when the sum of squares changes by at most this times itself, as it was expected to.
    member _.ValueTolerance
        with get () = valueTolerance
        and set value = valueTolerance <- tolerance "ValueTolerance" value
    /// The first radius of Levenberg and Marquardt's trust region, in parts of the scaled start.
    member _.InitialRadius
        with get () = initialRadius
        and set value =
            initialRadius <- SolverOptions.Between("InitialRadius", 0.0, Double.PositiveInfinity, value)

/// What a solver of least squares found.
[<Sealed>]
type LeastSquaresResult
    internal
    (
        x: float[],
        residuals: float[],
        cosine: float,
        inverse: float[],
        jacobians: int,
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
    let n = x.Length
    let sum = Vectors.Dot(residuals, residuals)
    let freedom = residuals.Length - n
    let variance = if freedom > 0 then sum / float freedom else nan
    /// The best point.
    member _.X = x
    /// The residuals there.
    member _.Residuals = residuals
    /// The sum of their squares.
    member _.SumOfSquares = sum
    /// The value that is minimised: half the sum of squares.
    member _.Value = 0.5 * sum
    /// The largest cosine of an angle between the residual and a column of the Jacobian.
    member _.GradientNorm = cosine
    /// How many Jacobians were computed.
    member _.JacobianEvaluations = jacobians
    /// Residuals less parameters.
    member _.DegreesOfFreedom = freedom
    /// √(sum of squares / degrees of freedom); NaN where there are no degrees of freedom.
    member _.ResidualStandardDeviation = sqrt variance
    /// s²·(JᵀJ)⁻¹: the covariance of the parameters if the residuals are independent with equal variances, to first order.
    /// NaN where the Jacobian has not full rank or there are no degrees of freedom.
    member _.Covariance = Array2D.init n n (fun i j -> variance * inverse[i * n + j])
    /// The square roots of the covariance's diagonal.
    member _.StandardErrors = Array.init n (fun i -> sqrt (variance * inverse[i * n + i]))

/// What both methods share: the point, its residual, Jacobian and gradient.
[<Sealed>]
type internal ResidualIterate
    (options: LeastSquaresOptions, graph: FunctionGraph, parameters: NDArray[], x0: float[]) =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let m, n = f.M, f.N
    let x, r, j =
        Array.copy x0, Array.zeroCreate<float> m, Array.zeroCreate<float>(m * n)
    let trial, next = Array.zeroCreate<float> n, Array.zeroCreate<float> m
    let norms, gradient = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let step = DampedStep(m, n)
    let mutable cosine = nan
    let mutable isEvaluated = false // the Jacobian, at x

    member _.Run = run
    member _.X = x
    member _.R = r
    member _.Trial = trial
    member _.Next = next
    member _.Step = step
    /// The norms of the Jacobian's columns.
    member _.ColumnNorms = norms
    member _.Norm = Vectors.Norm r
    member _.Gradient = gradient
    member _.Cosine = cosine

    /// Evaluates residual and Jacobian at x; says whether all is finite.
    member this.Evaluate() : bool =
        f.ValuesAndJacobian(x, r, j)
        Array.Clear gradient
        let squares = norms
        Array.Clear squares
        for i in 0 .. m - 1 do
            let row = ReadOnlySpan(j, i * n, n)
            Vectors.AddScaled(r[i], row, gradient)
        // Scaled by the largest of each column, so that no square overflows.
        for k in 0 .. n - 1 do
            let mutable largest = 0.0
            for i in 0 .. m - 1 do
                largest <- max largest (abs j[i * n + k])
            let mutable sum = 0.0
            if largest > 0.0 && Double.IsFinite largest then
                for i in 0 .. m - 1 do
                    let part = j[i * n + k] / largest
                    sum <- sum + part * part
            norms[k] <-
                if Double.IsFinite largest then
                    largest * sqrt sum
                else
                    largest
        let norm = this.Norm
        cosine <- 0.0
        for k in 0 .. n - 1 do
            if norms[k] > 0.0 && norm > 0.0 then
                cosine <- max cosine (abs (gradient[k] / norms[k] / norm))
        isEvaluated <- Double.IsFinite norm && Double.IsFinite(Vectors.Largest norms)
        isEvaluated

    /// The residual at x + t·step, into Next; its norm.
    member _.Try(t: float) : float =
        x.CopyTo(trial, 0)
        Vectors.AddScaled(t, step.Step, trial)
        f.Values(trial, next)
        let norm = Vectors.Norm next
        if Double.IsFinite norm then norm else nan

    member this.Factor() : unit = step.Factor(j, r)

    /// Makes the trial point the point.
    member _.Accept() : float =
        let mutable change = 0.0
        for i in 0 .. n - 1 do
            change <- max change (abs (trial[i] - x[i]))
        trial.CopyTo(x, 0)
        next.CopyTo(r, 0)
        isEvaluated <- false
        change

    member this.GradientTest: struct (StopReason * string) voption =
        let norm = this.Norm
        if norm = 0.0 then
            ValueSome(struct (StopReason.ResidualSmall, "the residual is 0"))
        elif cosine <= options.GradientTolerance then
            ValueSome(
                struct (StopReason.GradientSmall,
                        $"the residual is orthogonal to the Jacobian's columns within {SolverText.number options.GradientTolerance}")
            )
        else
            ValueNone

    member this.Result(stop: struct (StopReason * string)) : LeastSquaresResult =
        let inverse =
            if isEvaluated then
                this.Factor()
                step.InverseNormal()
            else
                Array.create (n * n) nan
        LeastSquaresResult(x, r, cosine, inverse, f.JacobianEvaluations, stop, run)

/// Levenberg and Marquardt's method as a trust region (Moré 1978).
[<Sealed>]
type internal LevenbergMarquardt(options: LeastSquaresOptions, graph, parameters: NDArray[], x0: float[]) =
    let at = ResidualIterate(options, graph, parameters, x0)
    let run, n = at.Run, x0.Length
    let scale, scaledX = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let mutable radius = nan

    let scaledNorm (v: float[]) =
        for i in 0 .. n - 1 do
            scaledX[i] <- scale[i] * v[i]
        Vectors.Norm scaledX

    let updateScale () =
        for i in 0 .. n - 1 do
            scale[i] <- max scale[i] at.ColumnNorms[i]

    /// One trial step; a reason where it ends, and by how much x moved, if at all.
    let attempt () : struct (struct (StopReason * string) voption * float voption) =
        at.Step.Bounded(scale, radius)
        let length = scaledNorm at.Step.Step
        if run.Iterations = 1 then
            radius <- min radius length
        let norm = at.Norm
        let nextNorm = at.Try 1.0
        let actual =
            if 0.1 * nextNorm < norm then
                1.0 - (nextNorm / norm) * (nextNorm / norm)
            else
                -1.0
        let image = at.Step.Image() / norm
        let damping = sqrt at.Step.Damping * length / norm
        let expected = image * image + 2.0 * damping * damping
        let slope = -(image * image + damping * damping)
        let ratio = if expected = 0.0 then 0.0 else actual / expected
        if not (ratio > 0.25) then
            let shrink =
                if actual >= 0.0 then
                    0.5
                else
                    0.5 * slope / (slope + 0.5 * actual)
            let shrink = if 0.1 * nextNorm < norm then max 0.1 shrink else 0.1
            radius <- shrink * min radius (10.0 * length)
        elif at.Step.Damping = 0.0 || ratio >= 0.75 then
            radius <- 2.0 * length
        let moved = if ratio >= 1e-4 then ValueSome(at.Accept()) else ValueNone
        let size = scaledNorm at.X
        let stop =
            if at.Norm = 0.0 then
                ValueSome(struct (StopReason.ResidualSmall, "the residual is 0"))
            elif
                abs actual <= max options.ValueTolerance 2.2e-16
                && expected <= max options.ValueTolerance 2.2e-16
                && ratio <= 2.0
            then
                ValueSome(
                    struct (StopReason.ValueChangeSmall,
                            $"the sum of squares changes by no more than {SolverText.number (max options.ValueTolerance 2.2e-16)} of itself")
                )
            elif radius <= max options.StepTolerance 2.2e-16 * size then
                ValueSome(
                    struct (StopReason.StepSmall,
                            $"steps are within {SolverText.number (max options.StepTolerance 2.2e-16)} of x")
                )
            else
                ValueNone
        struct (stop, moved)

    let report change =
        let norm = at.Norm
        run.Report(0.5 * norm * norm, at.Cosine, change)

    let rec loop () : struct (StopReason * string) =
        run.Continue()
        match attempt () with
        | struct (stop, ValueNone) ->
            report 0.0
            match stop with
            | ValueSome stop -> stop
            | ValueNone -> loop ()
        | struct (stop, ValueSome change) ->
            let isFinite = at.Evaluate()
            report change
            match stop with
            | ValueSome stop -> stop
            | ValueNone when not isFinite -> struct (StopReason.NotFinite, "a derivative is infinite or NaN")
            | ValueNone ->
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone ->
                    updateScale ()
                    at.Factor()
                    loop ()

    member _.Run() : LeastSquaresResult =
        run.Guard(fun () ->
            if not (at.Evaluate()) then
                SolverText.notFiniteAtStart
            else
                report 0.0
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone ->
                    for i in 0 .. n - 1 do
                        scale[i] <- if at.ColumnNorms[i] > 0.0 then at.ColumnNorms[i] else 1.0
                    let size = scaledNorm at.X
                    radius <- options.InitialRadius * (if size > 0.0 then size else 1.0)
                    at.Factor()
                    loop ())
        |> at.Result

/// Gauss and Newton's method: the step of linear least squares, shortened until the sum of squares falls.
[<Sealed>]
type internal GaussNewton(options: LeastSquaresOptions, graph, parameters: NDArray[], x0: float[]) =
    let at = ResidualIterate(options, graph, parameters, x0)
    let run = at.Run

    let rec search norm slope t left =
        if left = 0 then
            nan
        else
            let next = at.Try t
            if 0.5 * next * next <= 0.5 * norm * norm + 1e-4 * t * slope then
                next
            else
                search norm slope (0.5 * t) (left - 1)

    let rec loop () : struct (StopReason * string) =
        run.Continue()
        at.Factor()
        at.Step.Full()
        let norm = at.Norm
        let slope = Vectors.Dot(at.Gradient, at.Step.Step)
        let next = if slope < 0.0 then search norm slope 1.0 40 else nan
        if Double.IsNaN next then
            struct (StopReason.LineSearchFailed,
                    $"no point along the step of Gauss and Newton is lower; the Jacobian has rank {at.Step.Rank}, and the cosine with the residual is {SolverText.number at.Cosine}")
        else
            let change = at.Accept()
            let isFinite = at.Evaluate()
            run.Report(0.5 * next * next, at.Cosine, change)
            if not isFinite then
                struct (StopReason.NotFinite, "a derivative is infinite or NaN")
            else
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone when change <= options.StepTolerance * Vectors.Largest at.X ->
                    struct (StopReason.StepSmall,
                            $"the last step is within {SolverText.number options.StepTolerance} of x")
                | ValueNone when norm * norm - next * next <= options.ValueTolerance * norm * norm ->
                    struct (StopReason.ValueChangeSmall,
                            $"the sum of squares changes by no more than {SolverText.number options.ValueTolerance} of itself")
                | ValueNone -> loop ()

    member _.Run() : LeastSquaresResult =
        run.Guard(fun () ->
            if not (at.Evaluate()) then
                SolverText.notFiniteAtStart
            else
                let norm = at.Norm
                run.Report(0.5 * norm * norm, at.Cosine, 0.0)
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone -> loop ())
        |> at.Result

/// Nonlinear least squares: half the sum of squares of a function's values is minimised over a vector.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module LeastSquares =
    let private start operation (options: LeastSquaresOptions) f (x0: float[]) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        SolverText.checkStart operation x0
        let graph = Tracing.vector operation f x0.Length options.Engine
        if graph.Y.Shape.Length = 0 then
            raise (ShapeException $"{operation}: expected a function with at least one residual, got none")
        graph

    /// Levenberg and Marquardt's method as a trust region with Moré's scaling (1978); the Jacobian is the traced function's.
    let levenbergMarquardt
        (options: LeastSquaresOptions)
        (residuals: Expr -> Expr)
        (x0: float[])
        : LeastSquaresResult =
        let graph = start "levenbergMarquardt" options residuals x0
        LevenbergMarquardt(options, graph, [||], x0).Run()

    /// Gauss and Newton's method with a line search: fast where residuals are small or nearly linear.
    let gaussNewton
        (options: LeastSquaresOptions)
        (residuals: Expr -> Expr)
        (x0: float[])
        : LeastSquaresResult =
        let graph = start "gaussNewton" options residuals x0
        GaussNewton(options, graph, [||], x0).Run()
