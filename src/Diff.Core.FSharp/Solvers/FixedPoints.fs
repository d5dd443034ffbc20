namespace Diff

open System
open Diff.Kernels

/// What the iterations for fixed points can be told.
[<Sealed>]
type FixedPointOptions() =
    inherit SolverOptions(1000)
    let mutable tolerance = 1e-12
    let mutable depth = 5
    let mutable damping = 1.0
    /// Stops when the largest component of g(x) − x is at most this times max(1, the largest component of x).
    member _.Tolerance
        with get () = tolerance
        and set value = tolerance <- SolverOptions.AtLeast("Tolerance", 0.0, value)
    /// How many steps Anderson's acceleration combines.
    member _.Depth
        with get () = depth
        and set value = depth <- int (SolverOptions.AtLeast("Depth", 1.0, float value))
    /// How much of g(x) − x is taken, above 0 and at most 1.
    member _.Damping
        with get () = damping
        and set value = damping <- SolverOptions.Between("Damping", 0.0, Math.BitIncrement 1.0, value)

/// What an iteration for a fixed point found.
[<Sealed>]
type FixedPointResult
    internal (x: float[], residual: float[], stop: struct (StopReason * string), run: SolverRun) =
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
    /// g(x) − x there.
    member _.Residual = residual
    /// Its largest component.
    member _.ResidualNorm = Vectors.Largest residual

/// x ← x + β·(g(x) − x), or with the latest steps combined so that the residual would be least (Anderson 1965; Walker, Ni 2011).
[<Sealed>]
type internal FixedPointIteration
    (options: FixedPointOptions, graph: FunctionGraph, parameters: NDArray[], depth: int, x0: float[]) =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let n = f.N
    let depth = min depth n
    let x, r = Array.copy x0, Array.create n nan
    let next, residual = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    // Differences of x and of the residual, the latest steps in turn.
    let steps = Array.init depth (fun _ -> Array.zeroCreate<float> n)
    let changes = Array.init depth (fun _ -> Array.zeroCreate<float> n)
    let solvers =
        Array.init depth (fun k -> lazy (struct (DampedStep(n, k + 1), Array.zeroCreate<float>(n * (k + 1)))))
    let mutable count, latest = 0, -1

    let evaluate (at: float[]) (into: float[]) =
        f.Values(at, into)
        for i in 0 .. n - 1 do
            into[i] <- into[i] - at[i]
        Double.IsFinite(Vectors.Largest into)

    let test () =
        let bound = options.Tolerance * max 1.0 (Vectors.Largest x)
        let norm = Vectors.Largest r
        if norm <= bound then
            ValueSome(
                struct (StopReason.ResidualSmall,
                        $"the largest component of g(x) − x, {SolverText.number norm}, is within {SolverText.number bound}")
            )
        else
            ValueNone

    /// Weights of the differences that make the residual least.
    let weights () =
        let struct (solver, matrix) = solvers[count - 1].Value
        for k in 0 .. count - 1 do
            for i in 0 .. n - 1 do
                matrix[i * count + k] <- -changes[k][i]
        solver.Factor(matrix, r)
        solver.Full()
        solver.Step

    let rec loop () : struct (StopReason * string) =
        run.Continue()
        x.CopyTo(next, 0)
        Vectors.AddScaled(options.Damping, r, next)
        if count > 0 then
            let gamma = weights ()
            for k in 0 .. count - 1 do
                Vectors.AddScaled(-gamma[k], steps[k], next)
                Vectors.AddScaled(-gamma[k] * options.Damping, changes[k], next)
        if not (evaluate next residual) then
            if count > 0 then
                // What was combined led away: a plain step instead.
                count <- 0
                latest <- -1
                loop ()
            else
                struct (StopReason.NotFinite, "g(x) is infinite or NaN")
        else
            if depth > 0 then
                latest <- (latest + 1) % depth
                for i in 0 .. n - 1 do
                    steps[latest][i] <- next[i] - x[i]
                    changes[latest][i] <- residual[i] - r[i]
                count <- min depth (count + 1)
            let mutable change = 0.0
            for i in 0 .. n - 1 do
                change <- max change (abs (next[i] - x[i]))
            next.CopyTo(x, 0)
            residual.CopyTo(r, 0)
            run.Report(Vectors.Norm r, Vectors.Largest r, change)
            match test () with
            | ValueSome stop -> stop
            | ValueNone -> loop ()

    member _.Run() : FixedPointResult =
        let stop =
            run.Guard(fun () ->
                if not (evaluate x r) then
                    SolverText.notFiniteAtStart
                else
                    run.Report(Vectors.Norm r, Vectors.Largest r, 0.0)
                    match test () with
                    | ValueSome stop -> stop
                    | ValueNone -> loop ())
        FixedPointResult(x, r, stop, run)

/// Fixed points x = g(x) of a vector.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module FixedPoint =
    let private start operation (options: FixedPointOptions) g (x0: float[]) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        SolverText.checkStart operation x0
        Tracing.square operation g x0.Length options.Engine

    /// x ← g(x), damped as the options say.
    let iterate (options: FixedPointOptions) (g: Expr -> Expr) (x0: float[]) : FixedPointResult =
        FixedPointIteration(options, start "iterate" options g x0, [||], 0, x0).Run()

    /// Anderson's acceleration (1965).
    let anderson (options: FixedPointOptions) (g: Expr -> Expr) (x0: float[]) : FixedPointResult =
        FixedPointIteration(options, start "anderson" options g x0, [||], options.Depth, x0).Run()
