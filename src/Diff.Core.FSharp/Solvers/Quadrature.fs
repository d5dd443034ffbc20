namespace Diff

open System
open System.Collections.Generic

/// What quadrature can be told.
[<Sealed>]
type QuadratureOptions() =
    inherit SolverOptions(1000)
    let mutable relativeTolerance, absoluteTolerance = 1e-10, 1e-12
    /// Stops when the estimated error is at most this times the integral.
    member _.RelativeTolerance
        with get () = relativeTolerance
        and set value = relativeTolerance <- SolverOptions.AtLeast("RelativeTolerance", 0.0, value)
    /// Or when the estimated error is at most this.
    member _.AbsoluteTolerance
        with get () = absoluteTolerance
        and set value = absoluteTolerance <- SolverOptions.AtLeast("AbsoluteTolerance", 0.0, value)

/// An integral.
[<Sealed>]
type QuadratureResult
    internal (value: float, error: float, stop: struct (StopReason * string), run: SolverRun) =
    inherit
        SolverResult(
            (let struct (reason, _) = stop in reason),
            (let struct (_, message) = stop in message),
            run.Iterations,
            run.Evaluations,
            run.History
        )
    /// The integral.
    member _.Value = value
    /// An estimate of its error, as a rule much too large.
    member _.ErrorEstimate = error

/// A part of the interval: its integral, and an estimate of the error.
[<Struct>]
type internal QuadraturePart =
    { Low: float
      High: float
      Value: float
      Error: float }

/// Gauss and Kronrod's rules with 7 and 15 points (Kronrod 1965; Piessens et al. 1983): parts with the largest error are halved.
[<Sealed>]
type internal GaussKronrod(options: QuadratureOptions, graph: FunctionGraph, low: float, high: float) =
    static let nodes =
        [| 0.991455371120812639206854697526329
           0.949107912342758524526189684047851
           0.864864423359769072789712788640926
           0.741531185599394439863864773280788
           0.586087235467691130294144691258730
           0.405845151377397166906606412076961
           0.207784955007898467600689403773245
           0.0 |]
    static let kronrod =
        [| 0.022935322010529224963732008058970
           0.063092092629978553290700663189204
           0.104790010322250183839876322541518
           0.140653259715525918745189590510238
           0.169004726639267902826583426598550
           0.190350578064785409913256402421014
           0.204432940075298892414161999234649
           0.209482141084727828012999174891714 |]
    static let gauss =
        [| 0.129484966168869693270611432679082
           0.279705391489276667901467771423780
           0.381830050505118944950369775488975
           0.417959183673469387755102040816327 |]
    let run = SolverRun options
    let f = TracedFunction(graph, [||], run)
    let points, values = Array.zeroCreate<float> 15, Array.zeroCreate<float> 15
    let stretch = Array.zeroCreate<float> 15
    let isLowInfinite, isHighInfinite = Double.IsInfinity low, Double.IsInfinity high

    // An infinite interval as the image of a finite one: x = u / (1 − u²), or its one side from the finite end.
    let place (u: float) : struct (float * float) =
        if isLowInfinite && isHighInfinite then
            let v = 1.0 - u * u
            struct (u / v, (1.0 + u * u) / (v * v))
        elif isHighInfinite then
            let v = 1.0 - u
            struct (low + u / v, 1.0 / (v * v))
        elif isLowInfinite then
            let v = 1.0 - u
            struct (high - u / v, 1.0 / (v * v))
        else
            struct (u, 1.0)

    let measure (a: float) (b: float) : QuadraturePart =
        let centre, half = 0.5 * (a + b), 0.5 * (b - a)
        for i in 0..14 do
            let u =
                if i < 7 then
                    centre - half * nodes[i]
                else
                    centre + half * nodes[14 - i]
            let struct (x, factor) = place u
            points[i] <- x
            stretch[i] <- factor
        f.Values(points, values)
        let mutable fine, coarse, size = 0.0, 0.0, 0.0
        for i in 0..14 do
            let k = min i (14 - i)
            let value = values[i] * stretch[i]
            fine <- fine + kronrod[k] * value
            size <- size + kronrod[k] * abs value
            if k % 2 = 1 then
                coarse <- coarse + gauss[k / 2] * value
        { Low = a
          High = b
          Value = half * fine
          // Never less than what rounding leaves.
          Error = max (abs (half * (fine - coarse))) (2.2e-16 * abs half * size) }

    member _.Run() : QuadratureResult =
        let parts = PriorityQueue<QuadraturePart, float>()
        let mutable value, error = nan, nan
        let add (part: QuadraturePart) = parts.Enqueue(part, -part.Error)
        let total () =
            let mutable v, e = 0.0, 0.0
            for struct (part, _) in parts.UnorderedItems do
                v <- v + part.Value
                e <- e + part.Error
            struct (v, e)
        let a, b =
            if isLowInfinite && isHighInfinite then -1.0, 1.0
            elif isLowInfinite || isHighInfinite then 0.0, 1.0
            else low, high
        let best = [| nan; nan |]
        let rec loop () : struct (StopReason * string) =
            let struct (v, e) = total ()
            best[0] <- v
            best[1] <- e
            run.Report(v, e, 0.0)
            let allowed = max options.AbsoluteTolerance (options.RelativeTolerance * abs v)
            if not (Double.IsFinite v) then
                struct (StopReason.NotFinite, "the function is infinite or NaN within the interval")
            elif e <= allowed then
                struct (StopReason.ResidualSmall,
                        $"the estimated error {SolverText.number e} is within {SolverText.number allowed}")
            else
                run.Continue()
                let worst = parts.Dequeue()
                let middle = 0.5 * (worst.Low + worst.High)
                if middle <= worst.Low || middle >= worst.High then
                    parts.Enqueue(worst, -worst.Error)
                    struct (StopReason.Breakdown,
                            $"an interval cannot be halved further; the estimated error is {SolverText.number e}")
                else
                    // Both are measured before either is kept, so that nothing is lost when it is stopped between.
                    let left = measure worst.Low middle
                    let right = measure middle worst.High
                    add left
                    add right
                    loop ()
        let stop =
            run.Guard(fun () ->
                if a = b then
                    best[0] <- 0.0
                    best[1] <- 0.0
                    struct (StopReason.ResidualSmall, "the interval is empty")
                else
                    add (measure a b)
                    loop ())
        value <- best[0]
        error <- best[1]
        QuadratureResult(value, error, stop, run)

/// Integrals of functions of one number.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Quadrature =
    /// The integral of f from low to high, either of which may be infinite: adaptive, by Gauss and Kronrod's rules with 7 and 15 points.
    /// f is applied to a vector of points and works index by index; at the ends it is not evaluated.
    let integrate
        (options: QuadratureOptions)
        (f: Expr -> Expr)
        (low: float)
        (high: float)
        : QuadratureResult =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        let isEnd (x: float) (ofInfinity: float) = Double.IsFinite x || x = ofInfinity
        if not (isEnd low -infinity && isEnd high infinity && low <= high) then
            invalidArg
                (nameof low)
                $"integrate: expected low <= high (either may be infinite, low below and high above), got {low} and {high}"
        let graph = Tracing.vector "integrate" f 15 options.Engine
        if graph.Y.Shape[0] <> 15 then
            raise (
                ShapeException
                    $"integrate: expected a function that works index by index, got {graph.Y.Shape[0]} values at 15 points"
            )
        GaussKronrod(options, graph, low, high).Run()
