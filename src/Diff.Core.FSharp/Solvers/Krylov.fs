namespace Diff

open System
open Diff.Kernels

/// A linear map of vectors: writes A·x to `result`.
type LinearOperator = delegate of x: ReadOnlySpan<float> * result: Span<float> -> unit

/// What the solvers of linear equations can be told.
[<Sealed>]
type LinearOptions() =
    inherit SolverOptions(10_000)
    let mutable tolerance, absoluteTolerance = 1e-10, 0.0
    let mutable restart = 50
    let mutable preconditioner: LinearOperator | null = null
    let mutable start: float[] | null = null
    /// Stops when ‖b − A·x‖ is at most this times ‖b‖.
    member _.Tolerance
        with get () = tolerance
        and set value = tolerance <- SolverOptions.AtLeast("Tolerance", 0.0, value)
    /// Or when ‖b − A·x‖ is at most this.
    member _.AbsoluteTolerance
        with get () = absoluteTolerance
        and set value = absoluteTolerance <- SolverOptions.AtLeast("AbsoluteTolerance", 0.0, value)
    /// How many directions GMRES keeps before it starts anew.
    member _.Restart
        with get () = restart
        and set value = restart <- int (SolverOptions.AtLeast("Restart", 1.0, float value))
    /// An approximation of A⁻¹, applied to residuals: symmetric and positive definite for conjugate gradients. Null for none.
    member _.Preconditioner
        with get (): LinearOperator | null = preconditioner
        and set (value: LinearOperator | null) = preconditioner <- value
    /// Where to start; zeros if null.
    member _.Start
        with get (): float[] | null = start
        and set (value: float[] | null) = start <- value

/// What a solver of linear equations found.
[<Sealed>]
type LinearResult internal (x: float[], norm: float, stop: struct (StopReason * string), run: SolverRun) =
    inherit
        SolverResult(
            (let struct (reason, _) = stop in reason),
            (let struct (_, message) = stop in message),
            run.Iterations,
            run.Evaluations,
            run.History
        )
    /// The best solution.
    member _.X = x
    /// ‖b − A·x‖.
    member _.ResidualNorm = norm

/// What both methods share.
[<Sealed>]
type internal LinearSystem(operation: string, options: LinearOptions, a: LinearOperator, b: float[]) =
    let run = SolverRun options
    let n = b.Length
    let x =
        match options.Start with
        | null -> Array.zeroCreate<float> n
        | start when start.Length <> n ->
            raise (
                ShapeException
                    $"{operation}: expected a start of {n} numbers like the right side, got {start.Length}"
            )
        | start ->
            SolverText.checkStart operation start
            Array.copy start
    let enough = max options.AbsoluteTolerance (options.Tolerance * Vectors.Norm b)

    member _.Run = run
    member _.N = n
    member _.X = x
    member _.Enough = enough
    member _.Apply(v: float[], into: float[]) : unit =
        run.Evaluate()
        a.Invoke(v, into)
    member _.Precondition(v: float[], into: float[]) : unit =
        match options.Preconditioner with
        | null -> v.CopyTo(into, 0)
        | preconditioner -> preconditioner.Invoke(v, into)
    /// b − A·x.
    member this.Residual(into: float[]) : unit =
        this.Apply(x, into)
        for i in 0 .. n - 1 do
            into[i] <- b[i] - into[i]
    member _.Reached(norm: float) =
        struct (StopReason.ResidualSmall,
                $"the residual's norm {SolverText.number norm} is within {SolverText.number enough}")
    member _.NotFinite =
        struct (StopReason.NotFinite, "the operator or the preconditioner gave infinity or NaN")

[<RequireQualifiedAccess>]
module internal ConjugateGradients =
    let run (system: LinearSystem) : LinearResult =
        let n, run = system.N, system.Run
        let vector () = Array.zeroCreate<float> n
        let r, z, d, q = vector (), vector (), vector (), vector ()
        let rec loop (rz: float) : struct (StopReason * string) =
            run.Continue()
            system.Apply(d, q)
            let curvature = Vectors.Dot(d, q)
            if not (Double.IsFinite curvature) then
                system.NotFinite
            elif curvature <= 0.0 then
                struct (StopReason.Breakdown,
                        "a direction has no positive curvature: the operator is not symmetric and positive definite; use GMRES")
            else
                let t = rz / curvature
                Vectors.AddScaled(t, d, system.X)
                Vectors.AddScaled(-t, q, r)
                let norm = Vectors.Norm r
                run.Report(norm, norm, abs t * Vectors.Largest d)
                if norm <= system.Enough then
                    system.Reached norm
                else
                    system.Precondition(r, z)
                    let next = Vectors.Dot(r, z)
                    let beta = next / rz
                    for i in 0 .. n - 1 do
                        d[i] <- z[i] + beta * d[i]
                    loop next
        let stop =
            run.Guard(fun () ->
                system.Residual r
                let norm = Vectors.Norm r
                run.Report(norm, norm, 0.0)
                if not (Double.IsFinite norm) then
                    SolverText.notFiniteAtStart
                elif norm <= system.Enough then
                    system.Reached norm
                else
                    system.Precondition(r, z)
                    z.CopyTo(d, 0)
                    loop (Vectors.Dot(r, z)))
        LinearResult(system.X, Vectors.Norm r, stop, run)

/// Arnoldi's process with rotations, restarted (Saad, Schultz 1986); preconditioned from the right, so that residuals are those of A.
[<Sealed>]
type internal Gmres(system: LinearSystem, restart: int) =
    let n, run = system.N, system.Run
    let size = min restart n
    let basis = Array.init (size + 1) (fun _ -> Array.zeroCreate<float> n)
    let h = Array.zeroCreate<float>((size + 1) * size)
    let cos, sin = Array.zeroCreate<float> size, Array.zeroCreate<float> size
    let g, y = Array.zeroCreate<float>(size + 1), Array.zeroCreate<float> size
    let z, sum = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let mutable norm = nan

    /// x += P·V·y for the first k directions.
    let correct k =
        Array.Clear sum
        for i in k - 1 .. -1 .. 0 do
            let mutable s = g[i]
            for j in i + 1 .. k - 1 do
                s <- s - h[i * size + j] * y[j]
            y[i] <- s / h[i * size + i]
            Vectors.AddScaled(y[i], basis[i], sum)
        system.Precondition(sum, z)
        Vectors.AddScaled(1.0, z, system.X)

    /// Direction k is made; gives the norm of the residual with it.
    let extend k =
        system.Precondition(basis[k], z)
        let w = basis[k + 1]
        system.Apply(z, w)
        let before = Vectors.Norm w
        // Twice, so that the directions stay orthogonal.
        for pass in 0..1 do
            for i in 0..k do
                let c = Vectors.Dot(w, basis[i])
                Vectors.AddScaled(-c, basis[i], w)
                h[i * size + k] <- (if pass = 0 then c else h[i * size + k] + c)
        let length = Vectors.Norm w
        let length = if length <= 1e-15 * before then 0.0 else length
        if length > 0.0 then
            Vectors.Scale(1.0 / length, w)
        for i in 0 .. k - 1 do
            let u, v = h[i * size + k], h[(i + 1) * size + k]
            h[i * size + k] <- cos[i] * u + sin[i] * v
            h[(i + 1) * size + k] <- cos[i] * v - sin[i] * u
        let pivot = h[k * size + k]
        let diagonal = Double.Hypot(pivot, length)
        cos[k] <- if diagonal = 0.0 then 1.0 else pivot / diagonal
        sin[k] <- if diagonal = 0.0 then 0.0 else length / diagonal
        h[k * size + k] <- diagonal
        if k + 1 < size then
            for j in k + 1 .. size - 1 do
                h[(k + 1) * size + j] <- 0.0
        g[k + 1] <- -sin[k] * g[k]
        g[k] <- cos[k] * g[k]
        struct (length, diagonal)

    let rec cycle () : struct (StopReason * string) =
        let before = norm
        Array.Clear g
        g[0] <- norm
        Vectors.Scale(1.0 / norm, basis[0])
        let mutable k = 0
        let mutable isOver = false
        let mutable isSingular = false
        try
            while not isOver do
                run.Continue()
                let struct (length, diagonal) = extend k
                if not (Double.IsFinite diagonal) then
                    isOver <- true
                elif diagonal = 0.0 then
                    isSingular <- true
                    isOver <- true
                else
                    k <- k + 1
                    let now = abs g[k]
                    run.Report(now, now, nan)
                    isOver <- now <= system.Enough || k = size || length = 0.0
        finally
            correct k // also what was done before it was stopped
        system.Residual basis[0]
        norm <- Vectors.Norm basis[0]
        if not (Double.IsFinite norm) then
            system.NotFinite
        elif norm <= system.Enough then
            system.Reached norm
        elif isSingular || norm > before * (1.0 - 1e-10) then
            struct (StopReason.Breakdown,
                    $"the residual's norm stays at {SolverText.number norm}: the operator is singular, or more directions are needed before a restart")
        else
            cycle ()

    member _.Run() : LinearResult =
        let stop =
            run.Guard(fun () ->
                system.Residual basis[0]
                norm <- Vectors.Norm basis[0]
                run.Report(norm, norm, 0.0)
                if not (Double.IsFinite norm) then
                    SolverText.notFiniteAtStart
                elif norm <= system.Enough then
                    system.Reached norm
                else
                    cycle ())
        LinearResult(system.X, norm, stop, run)

/// Linear equations A·x = b whose operator is only applied. It is traced (`cg`, `gmres`) or computes with numbers (`cgOf`, `gmresOf`).
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Krylov =
    /// The operator that a graph is.
    let internal operatorOf
        (graph: FunctionGraph)
        (parameters: NDArray[])
        (options: SolverOptions)
        : LinearOperator =
        let xs, ys =
            Array.zeroCreate<float> graph.X.Shape.Length, Array.zeroCreate<float> graph.Y.Shape.Length
        let inputs = Array.append [| NDArray.Create(xs, graph.X.Shape) |] parameters
        let results = [| NDArray.Create(ys, graph.Y.Shape) |]
        LinearOperator(fun x result ->
            x.CopyTo(Span<float> xs)
            graph.Value.Run(inputs, results, options.Cancellation)
            Span<float>(ys).CopyTo result)

    let private system operation (options: LinearOptions) a (b: float[]) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(box a, nameof a)
        SolverText.checkStart operation b
        LinearSystem(operation, options, a, b)

    let private traced operation (options: LinearOptions) f (b: float[]) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(b, nameof b)
        operatorOf (Tracing.square operation f b.Length options.Engine) [||] options

    /// Conjugate gradients (Hestenes, Stiefel 1952) for a symmetric, positive definite operator that computes with numbers.
    let cgOf (options: LinearOptions) (a: LinearOperator) (b: float[]) : LinearResult =
        ConjugateGradients.run (system "cg" options a b)

    /// Restarted GMRES (Saad, Schultz 1986) for an operator that computes with numbers.
    let gmresOf (options: LinearOptions) (a: LinearOperator) (b: float[]) : LinearResult =
        Gmres(system "gmres" options a b, options.Restart).Run()

    /// Conjugate gradients for a symmetric, positive definite operator.
    let cg (options: LinearOptions) (a: Expr -> Expr) (b: float[]) : LinearResult =
        cgOf options (traced "cg" options a b) b

    /// Restarted GMRES.
    let gmres (options: LinearOptions) (a: Expr -> Expr) (b: float[]) : LinearResult =
        gmresOf options (traced "gmres" options a b) b
