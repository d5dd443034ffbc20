namespace Diff

open System
open Diff.Kernels

/// Newton's method in a trust region: the model's minimiser by conjugate gradients (Steihaug 1983), with exact second derivatives.
[<Sealed>]
type internal TrustRegion(options: MinimizeOptions, graph: FunctionGraph, parameters: NDArray[], x0: float[])
    =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let at = Iterate(f, run, options, x0)
    let n = f.N
    let vector () = Array.zeroCreate<float> n
    // The step p, its image H·p, and the direction, residual and product of the conjugate gradients.
    let p, hp, d, r, hd = vector (), vector (), vector (), vector (), vector ()
    let trial, g = vector (), vector ()
    let mutable radius = options.InitialRadius

    // How far along d until the boundary.
    let toBoundary () =
        let dd, pd, pp = Vectors.Dot(d, d), Vectors.Dot(p, d), Vectors.Dot(p, p)
        let room = max 0.0 (radius * radius - pp)
        let root = sqrt (pd * pd + dd * room)
        if pd > 0.0 then room / (pd + root) else (root - pd) / dd

    let go (t: float) =
        Vectors.AddScaled(t, d, p)
        Vectors.AddScaled(t, hd, hp)

    /// Fills p and hp; says whether the step ends at the boundary.
    let minimiseModel () : bool =
        Array.Clear p
        Array.Clear hp
        for i in 0 .. n - 1 do
            r[i] <- at.Gradient[i]
            d[i] <- -r[i]
        let norm = Vectors.Norm r
        let enough = min 0.5 (sqrt norm) * norm
        let mutable rr = Vectors.Dot(r, r)
        let mutable left = 2 * n + 20
        let mutable atBoundary = false
        let mutable isOver = false
        while not isOver do
            f.Curvature(at.X, d, hd)
            let curvature = Vectors.Dot(d, hd)
            let t = rr / curvature
            let isInside () =
                let mutable s = 0.0
                for i in 0 .. n - 1 do
                    let c = p[i] + t * d[i]
                    s <- s + c * c
                sqrt s < radius
            if not (Double.IsFinite curvature) then
                isOver <- true
            elif curvature <= 0.0 || not (isInside ()) then
                go (toBoundary ())
                atBoundary <- true
                isOver <- true
            else
                go t
                Vectors.AddScaled(t, hd, r)
                let next = Vectors.Dot(r, r)
                left <- left - 1
                if sqrt next <= enough || left = 0 then
                    isOver <- true
                else
                    let beta = next / rr
                    rr <- next
                    for i in 0 .. n - 1 do
                        d[i] <- beta * d[i] - r[i]
        atBoundary

    let rec loop () : struct (StopReason * string) =
        run.Continue()
        let atBoundary = minimiseModel ()
        let expected = -(Vectors.Dot(at.Gradient, p) + 0.5 * Vectors.Dot(p, hp))
        at.X.CopyTo(trial, 0)
        Vectors.AddScaled(1.0, p, trial)
        let value = f.ValueAndGradient(trial, g)
        let isFinite = Double.IsFinite value && Double.IsFinite(Vectors.Largest g)
        // Differences below the rounding of the value count as none (Conn, Gould, Toint 2000, 17.4.2).
        let rounding = 1e-15 * max (abs value) (abs at.Value)
        let isBetter = value < at.Value || Vectors.Largest g < at.Norm
        let ratio =
            if not isFinite || not isBetter || not (expected > 0.0) then
                -1.0
            else
                (at.Value - value + rounding) / (expected + rounding)
        let length = Vectors.Norm p
        if ratio < 0.25 then
            radius <- 0.25 * length
        elif ratio > 0.75 && atBoundary then
            radius <- min 1e20 (2.0 * radius)
        let stop =
            if ratio > 1e-4 then
                match at.MoveTo(trial, value, g, Vectors.Largest g) with
                // Where the region ends the step there is no minimum yet: of a function without one the value outgrows its gradient.
                | ValueSome(struct (StopReason.GradientSmall, _)) when
                    atBoundary && at.Norm > options.GradientTolerance
                    ->
                    ValueNone
                | stop -> stop
            elif not (radius > 1e-18 * max 1e-100 (Vectors.Largest at.X)) then
                ValueSome(
                    struct (StopReason.LineSearchFailed,
                            $"no point in the trust region is lower; the gradient's largest component is {SolverText.number at.Norm}, and rounding may allow no less")
                )
            else
                run.Report(at.Value, at.Norm, 0.0)
                ValueNone
        match stop with
        | ValueSome stop -> stop
        | ValueNone -> loop ()

    member _.Run() : MinimizeResult =
        run.Guard(fun () ->
            at.Start()
            if not at.IsFinite then
                SolverText.notFiniteAtStart
            else
                run.Report(at.Value, at.Norm, 0.0)
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone -> loop ())
        |> at.Result
