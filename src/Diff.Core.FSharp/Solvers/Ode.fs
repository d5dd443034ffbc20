namespace Diff

open System
open System.Collections.Generic
open Diff.Kernels

/// What the solvers of ordinary differential equations can be told.
[<Sealed>]
type OdeOptions() =
    inherit SolverOptions(100_000)
    let mutable relativeTolerance, absoluteTolerance = 1e-6, 1e-9
    let mutable initialStep, maxStep = 0.0, Double.PositiveInfinity
    let mutable stopEvent: Func<Expr, Expr, Expr> | null = null
    /// The error allowed in a step, in parts of y.
    member _.RelativeTolerance
        with get () = relativeTolerance
        and set value = relativeTolerance <- SolverOptions.AtLeast("RelativeTolerance", 1e-14, value)
    /// The error allowed in a step beside that.
    member _.AbsoluteTolerance
        with get () = absoluteTolerance
        and set value = absoluteTolerance <- SolverOptions.AtLeast("AbsoluteTolerance", 0.0, value)
    /// The first step; 0 to have it estimated (Hairer, Nørsett, Wanner 1993, II.4).
    member _.InitialStep
        with get () = initialStep
        and set value = initialStep <- SolverOptions.AtLeast("InitialStep", 0.0, value)
    /// No step is longer.
    member _.MaxStep
        with get () = maxStep
        and set value =
            if not (value > 0.0) then
                invalidArg "value" $"MaxStep: expected a number above 0, got {value}"
            maxStep <- value
    /// A function of t and y: the integration ends where its sign changes. Null for none.
    member _.StopEvent
        with get (): Func<Expr, Expr, Expr> | null = stopEvent
        and set (value: Func<Expr, Expr, Expr> | null) = stopEvent <- value

/// The solution of an ordinary differential equation over the interval integrated.
[<Sealed>]
type OdeResult
    internal
    (
        times: float[],
        states: float[][],
        pieces: float[][][],
        rejected: int,
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
    let direction = if times[times.Length - 1] >= times[0] then 1.0 else -1.0
    /// The start and the ends of the steps.
    member _.Times = times
    /// The solution there.
    member _.States = states
    /// Where it ended: at the end of the interval, or at the event.
    member _.Time = times[times.Length - 1]
    /// The solution there.
    member _.X = states[states.Length - 1]
    /// How many steps were tried and not taken.
    member _.RejectedSteps = rejected
    /// How many Jacobians were computed.
    member _.JacobianEvaluations = jacobians
    /// The solution at a time within the interval integrated: the method's polynomial between steps.
    member _.At(t: float) : float[] =
        let last = times.Length - 1
        if not (direction * (t - times[0]) >= 0.0 && direction * (t - times[last]) <= 0.0) then
            invalidArg (nameof t) $"At: expected a time from {times[0]} to {times[last]}, got {t}"
        let mutable low, high = 0, last
        while high - low > 1 do
            let middle = (low + high) / 2
            if direction * (t - times[middle]) >= 0.0 then
                low <- middle
            else
                high <- middle
        if t = times[low] then
            Array.copy states[low]
        elif t = times[high] then
            Array.copy states[high]
        else
            let theta = (t - times[low]) / (times[high] - times[low])
            OdeResult.Evaluate(pieces[low], theta)
    static member internal Evaluate(polynomial: float[][], theta: float) : float[] =
        Array.init polynomial[0].Length (fun i ->
            let mutable value = 0.0
            for power in polynomial.Length - 1 .. -1 .. 0 do
                value <- value * theta + polynomial[power][i]
            value)

/// The loop over steps: their lengths by the error's size (a PI controller, Gustafsson 1991), and the event.
[<Sealed>]
type internal OdeIntegration
    (
        options: OdeOptions,
        graph: FunctionGraph,
        event: FunctionGraph | null,
        makeStep: OdeSystem -> OdeStep,
        t0: float,
        t1: float,
        y0: float[]
    ) =
    let run = SolverRun options
    let system = OdeSystem(graph, run)
    let step = makeStep system
    let n = y0.Length
    let times, states, pieces =
        List<float>([ t0 ]), List<float[]>([ Array.copy y0 ]), List<float[][]>()
    let y, slope = Array.copy y0, Array.zeroCreate<float> n
    let direction = if t1 >= t0 then 1.0 else -1.0
    let mutable t = t0
    let mutable rejected = 0

    /// The size of an error beside what is allowed at y and another point: 1 is just enough.
    let scale (other: float[]) (error: float[]) =
        let mutable sum = 0.0
        for i in 0 .. n - 1 do
            let allowed =
                options.AbsoluteTolerance
                + options.RelativeTolerance * max (abs y[i]) (abs other[i])
            let part = error[i] / allowed
            if error[i] <> 0.0 then
                sum <- sum + part * part
        sqrt (sum / float n)

    let eventTime = [| 0.0 |]
    let eventRun = SolverRun(OdeOptions(Cancellation = options.Cancellation))
    let eventFunction: TracedFunction | null =
        match event with
        | null -> null
        | graph -> TracedFunction(graph, [| NDArray.Create(eventTime, Shape.Scalar) |], eventRun)
    let eventAt (time: float) (state: float[]) =
        match eventFunction with
        | null -> nan
        | f ->
            eventTime[0] <- time
            f.Value state

    /// The part of the step at which the event's function changes its sign, to rounding.
    let rec locate (polynomial: float[][]) start h (low: float) (high: float) (signLow: int) left =
        let middle = 0.5 * (low + high)
        if left = 0 || middle <= low || middle >= high then
            high
        else
            let value = eventAt (start + middle * h) (OdeResult.Evaluate(polynomial, middle))
            if Math.Sign value = signLow then
                locate polynomial start h middle high signLow (left - 1)
            else
                locate polynomial start h low middle signLow (left - 1)

    let firstStep () =
        if options.InitialStep > 0.0 then
            min options.InitialStep (abs (t1 - t0))
        else
            let d0, d1 = scale y y, scale y slope
            let h0 = if d0 < 1e-5 || d1 < 1e-5 then 1e-6 else 0.01 * d0 / d1
            let h0 = min h0 (abs (t1 - t0))
            let moved, other = Array.copy y, Array.zeroCreate<float> n
            Vectors.AddScaled(direction * h0, slope, moved)
            system.Evaluate(t0 + direction * h0, moved, other)
            Vectors.AddScaled(-1.0, slope, other)
            let d2 = scale y other / h0
            let h1 =
                if max d1 d2 <= 1e-15 then
                    max 1e-6 (1e-3 * h0)
                else
                    (0.01 / max d1 d2) ** (1.0 / float step.Order)
            let h = min (100.0 * h0) h1
            if Double.IsFinite h && h > 0.0 then h else h0

    let record time (state: float[]) polynomial =
        times.Add time
        states.Add(Array.copy state)
        pieces.Add polynomial

    let rec loop (length: float) (lastError: float) (eventSign: int) : struct (StopReason * string) =
        if t = t1 then
            struct (StopReason.EndReached, $"the end, {SolverText.number t1}, is reached")
        else
            run.Continue()
            // A last step that is nearly as long as what is left ends there.
            let length = min length options.MaxStep
            let left = abs (t1 - t)
            let isLast = length >= 0.999 * left
            let h = direction * (if isLast then left else length)
            if abs h <= 1e-15 * abs t || h = 0.0 then
                struct (StopReason.Breakdown,
                        $"steps became too short at {SolverText.number t}: the solution may end there, or the equation is stiff")
            else
                let error = step.Try(t, h, y, slope, scale)
                if not (error <= 1.0) then
                    rejected <- rejected + 1
                    let factor =
                        if Double.IsFinite error then
                            max 0.2 (0.9 * error ** (-1.0 / float step.Order))
                        else
                            0.25
                    loop (abs h * factor) lastError eventSign
                else
                    let polynomial = step.Polynomial(h, y, slope)
                    step.Accept h
                    let start = t
                    t <- if isLast then t1 else t + h
                    step.End.CopyTo(y, 0)
                    let sign = if isNull event then 0 else Math.Sign(eventAt t y)
                    if eventSign * sign < 0 || eventSign <> 0 && sign = 0 then
                        let part = locate polynomial start h 0.0 1.0 eventSign 60
                        let state = OdeResult.Evaluate(polynomial, part)
                        // The polynomial of the part kept.
                        polynomial
                        |> Array.iteri (fun power coefficients ->
                            Vectors.Scale(part ** float power, coefficients))
                        record (start + part * h) state polynomial
                        run.Report(start + part * h, error, abs h)
                        struct (StopReason.EventReached,
                                $"the event's function changes its sign at {SolverText.number (start + part * h)}")
                    else
                        record t y polynomial
                        run.Report(t, error, abs h)
                        step.EndSlope(t, slope)
                        let growth =
                            0.9
                            * (max error 1e-10) ** (-0.85 / float step.Order)
                            * lastError ** (0.2 / float step.Order)
                        loop (abs h * max 0.2 (min 5.0 growth)) (max error 1e-4) sign

    member _.Run() : OdeResult =
        let stop =
            run.Guard(fun () ->
                system.Evaluate(t0, y, slope)
                if not (Double.IsFinite(Vectors.Largest slope)) then
                    SolverText.notFiniteAtStart
                elif t0 = t1 then
                    struct (StopReason.EndReached, "the interval is empty")
                else
                    run.Report(t0, 0.0, 0.0)
                    let sign = if isNull event then 0 else Math.Sign(eventAt t0 y)
                    loop (firstStep ()) 1.0 sign)
        OdeResult(
            times.ToArray(),
            states.ToArray(),
            pieces.ToArray(),
            rejected,
            system.JacobianEvaluations,
            stop,
            run
        )

/// Ordinary differential equations y′ = f(t, y) from t0 to t1, which may lie before it; y is a vector.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Ode =
    let private timed
        operation
        (f: Expr -> Expr -> Expr)
        (n: int)
        (check: Expr -> Expr)
        (engine: EngineOptions)
        =
        let time = Leaf.input "t" Shape.Scalar DType.Float64
        let y = Leaf.input "y" (Shape [| n |]) DType.Float64
        let value = f time y
        if value.DType <> DType.Float64 then
            raise (
                DTypeException
                    $"{operation}: expected values of float64, got {DType.name value.DType}; solvers compute in float64, so cast it"
            )
        FunctionGraph(y, check value, [| time |], engine)

    let private integrate
        operation
        (options: OdeOptions)
        (f: Expr -> Expr -> Expr)
        t0
        t1
        (y0: float[])
        makeStep
        =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        SolverText.checkStart operation y0
        if not (Double.IsFinite t0 && Double.IsFinite t1) then
            invalidArg "t1" $"{operation}: expected finite times, got {t0} and {t1}"
        let ofShape (value: Expr) =
            if value.Rank <> 1 || value.Shape[0] <> y0.Length then
                raise (
                    ShapeException
                        $"{operation}: expected a derivative of shape ({y0.Length}) like the start, got {value.Shape}"
                )
            value
        let scalar (value: Expr) =
            if value.Shape.Length <> 1 then
                raise (
                    ShapeException
                        $"{operation}: expected an event with a scalar value, got shape {value.Shape}"
                )
            Reshape.make Shape.Scalar value
        let graph = timed operation f y0.Length ofShape options.Engine
        let event: FunctionGraph | null =
            match options.StopEvent with
            | null -> null
            | event -> timed operation (fun t y -> event.Invoke(t, y)) y0.Length scalar options.Engine
        OdeIntegration(options, graph, event, makeStep, t0, t1, y0).Run()

    /// Dormand and Prince's explicit method of order 5(4) (1980), with interpolation of order 4.
    let dormandPrince
        (options: OdeOptions)
        (f: Expr -> Expr -> Expr)
        (t0: float)
        (t1: float)
        (y0: float[])
        : OdeResult =
        integrate "dormandPrince" options f t0 t1 y0 (fun system -> RungeKutta(system, Tableau.dormandPrince))

    /// Tsitouras' explicit method of order 5(4) (2011), with interpolation of order 4: often some steps fewer.
    let tsitouras
        (options: OdeOptions)
        (f: Expr -> Expr -> Expr)
        (t0: float)
        (t1: float)
        (y0: float[])
        : OdeResult =
        integrate "tsitouras" options f t0 t1 y0 (fun system -> RungeKutta(system, Tableau.tsitouras))

    /// Radau IIA of order 5 for stiff equations (Hairer, Wanner 1996); the Jacobian is the traced function's.
    let radau
        (options: OdeOptions)
        (f: Expr -> Expr -> Expr)
        (t0: float)
        (t1: float)
        (y0: float[])
        : OdeResult =
        integrate "radau" options f t0 t1 y0 (fun system -> Radau system)
