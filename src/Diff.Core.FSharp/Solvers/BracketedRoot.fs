namespace Diff

open System

/// What a solver of one equation in a bracket found.
[<Sealed>]
type BracketResult
    internal
    (x: float, value: float, lower: float, upper: float, stop: struct (StopReason * string), run: SolverRun) =
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
    /// The function's value there.
    member _.Value = value
    /// The lower end of an interval in which the function changes its sign.
    member _.Lower = lower
    /// The upper end of that interval.
    member _.Upper = upper

/// One equation of one unknown, in an interval at whose ends the function has different signs.
[<Sealed>]
type internal BracketedRoot
    (
        operation: string,
        options: RootOptions,
        graph: FunctionGraph,
        parameters: NDArray[],
        low: float,
        high: float
    ) =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let at, slope = [| 0.0 |], [| nan |]
    // The best point b, the other end c of the bracket, and the point before, a.
    let mutable a, fa, b, fb, c, fc = low, nan, high, nan, low, nan

    let value (x: float) =
        at[0] <- x
        f.Value at

    let room () =
        2.0 * Double.Epsilon + 4.4e-16 * abs b + 0.5 * options.StepTolerance * abs b

    let finish stop =
        BracketResult(b, fb, min b c, max b c, stop, run)

    let atEnds () =
        fa <- value low
        fb <- value high
        c <- a
        fc <- fa
        if Double.IsNaN fa || Double.IsNaN fb then
            Some SolverText.notFiniteAtStart
        elif Math.Sign fa * Math.Sign fb > 0 then
            invalidArg
                "high"
                $"{operation}: expected values of different signs at the ends, got {SolverText.number fa} at {SolverText.number low} and {SolverText.number fb} at {SolverText.number high}; widen the interval"
        else
            None

    let test () =
        if fb = 0.0 then
            ValueSome(struct (StopReason.ResidualSmall, "the value is 0"))
        elif abs (c - b) <= 2.0 * room () then
            ValueSome(
                struct (StopReason.StepSmall,
                        $"the function changes its sign within {SolverText.number (abs (c - b))}")
            )
        else
            ValueNone

    let notFinite (x: float) =
        struct (StopReason.NotFinite, $"the function has no value at {SolverText.number x}")

    /// The end with the smaller value becomes b.
    let order () =
        if abs fc < abs fb then
            a <- b
            b <- c
            c <- a
            fa <- fb
            fb <- fc
            fc <- fa

    /// Inverse quadratic interpolation where it is safe, else bisection (Brent 1973, chapter 4); given the last step and the one before.
    let rec brent (before: float) (step: float) : struct (StopReason * string) =
        let isSameSide = Math.Sign fb * Math.Sign fc > 0
        if isSameSide then
            c <- a
            fc <- fa
        let struct (before, last) =
            if isSameSide then
                struct (b - a, b - a)
            else
                struct (before, step)
        order ()
        match test () with
        | ValueSome stop -> stop
        | ValueNone ->
            run.Continue()
            let least = room ()
            let half = 0.5 * (c - b)
            let struct (before, step) =
                if abs before < least || abs fa <= abs fb then
                    struct (half, half)
                else
                    let s = fb / fa
                    let mutable p, q = 0.0, 0.0
                    if a = c then
                        p <- 2.0 * half * s
                        q <- 1.0 - s
                    else
                        let u, r = fa / fc, fb / fc
                        p <- s * (2.0 * half * u * (u - r) - (b - a) * (r - 1.0))
                        q <- (u - 1.0) * (r - 1.0) * (s - 1.0)
                    if p > 0.0 then q <- -q else p <- -p
                    if 2.0 * p < min (3.0 * half * q - abs (least * q)) (abs (before * q)) then
                        struct (last, p / q)
                    else
                        struct (half, half)
            let next =
                b
                + (if abs step > least then
                       step
                   else
                       Math.CopySign(least, half))
            let fn = value next
            if Double.IsNaN fn then
                notFinite next
            else
                a <- b
                fa <- fb
                b <- next
                fb <- fn
                run.Report(fb, abs fb, abs (b - a))
                brent before step

    /// Newton's step where it stays inside and halves the last but one, else bisection.
    let rec newton (before: float) (last: float) : struct (StopReason * string) =
        match test () with
        | ValueSome stop -> stop
        | ValueNone ->
            run.Continue()
            let step = -fb / slope[0]
            let next = b + step
            let isGood = next > min b c && next < max b c && 2.0 * abs step <= abs before
            let step = if isGood then step else 0.5 * (c - b)
            let next = b + step
            at[0] <- next
            let fn = f.ValueAndGradient(at, slope)
            if Double.IsNaN fn then
                notFinite next
            else
                if Math.Sign fn * Math.Sign fb < 0 then
                    c <- b
                    fc <- fb
                b <- next
                fb <- fn
                run.Report(fb, abs fb, abs step)
                if abs step <= room () then
                    struct (StopReason.StepSmall, $"the last step is within {SolverText.number (room ())}")
                else
                    newton last step

    let start loop =
        run.Guard(fun () ->
            match atEnds () with
            | Some stop -> stop
            | None ->
                order ()
                run.Report(fb, abs fb, 0.0)
                loop ())
        |> finish

    member _.Brent() : BracketResult =
        start (fun () -> brent (high - low) (high - low))
    member _.Newton() : BracketResult =
        start (fun () ->
            at[0] <- b
            fb <- f.ValueAndGradient(at, slope)
            newton (high - low) (high - low))

/// Roots of nonlinear functions: systems from a start, single equations in a bracket.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Root =
    let private system operation (options: RootOptions) f (x0: float[]) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        SolverText.checkStart operation x0
        Tracing.square operation f x0.Length options.Engine

    let private bracket operation (options: RootOptions) f (low: float) (high: float) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        if not (Double.IsFinite low && Double.IsFinite high && low < high) then
            invalidArg (nameof low) $"{operation}: expected finite ends with low < high, got {low} and {high}"
        BracketedRoot(operation, options, Tracing.number operation f options.Engine, [||], low, high)

    /// Newton's method with a line search, for as many equations as unknowns; the Jacobian is the traced function's.
    let newton (options: RootOptions) (f: Expr -> Expr) (x0: float[]) : RootResult =
        NewtonRoot(options, system "newton" options f x0, [||], x0).Run()

    /// Broyden's method (1965): a Jacobian at the start, then only values.
    let broyden (options: RootOptions) (f: Expr -> Expr) (x0: float[]) : RootResult =
        BroydenRoot(options, system "broyden" options f x0, [||], x0).Run()

    /// Brent's method (1973): a root in [low, high], where f has different signs at the ends; without derivatives.
    let brent (options: RootOptions) (f: Expr -> Expr) (low: float) (high: float) : BracketResult =
        (bracket "brent" options f low high).Brent()

    /// Newton's method kept in [low, high] by bisection; f has different signs at the ends.
    let safeNewton (options: RootOptions) (f: Expr -> Expr) (low: float) (high: float) : BracketResult =
        (bracket "safeNewton" options f low high).Newton()
