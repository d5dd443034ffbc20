namespace Diff

open System
open Diff.Kernels

/// B = θ·I − W·M·Wᵀ with W = [Y, θ·S]: the Hessian from the latest steps (Byrd, Nocedal, Schnabel 1994).
[<Sealed>]
type internal CompactHessian(n: int, memory: int) =
    let steps = Array.init memory (fun _ -> Array.zeroCreate<float> n)
    let changes = Array.init memory (fun _ -> Array.zeroCreate<float> n)
    let matrix = Array.zeroCreate<float>(4 * memory * memory)
    let factors = Array.zeroCreate<float>(2 * memory * (2 * memory + 2))
    let mutable count, latest = 0, -1
    let mutable theta = 1.0
    let at k =
        (latest - count + 1 + k + memory) % memory // oldest first

    // M⁻¹ = [−D Lᵀ; L θ·SᵀS], of sᵢᵀyⱼ: D its diagonal, L what lies below.
    let factor () =
        let size = 2 * count
        for i in 0 .. count - 1 do
            for j in 0 .. count - 1 do
                let sy = Vectors.Dot(steps[at i], changes[at j])
                matrix[i * size + j] <- if i = j then -sy else 0.0
                matrix[(count + i) * size + j] <- if i > j then sy else 0.0
                matrix[j * size + count + i] <- if i > j then sy else 0.0
                matrix[(count + i) * size + count + j] <- theta * Vectors.Dot(steps[at i], steps[at j])
        Lu.Factor(matrix, factors, size, false)

    member _.Theta = theta
    /// The number of columns of W.
    member _.Width = 2 * count
    /// Row i of W into w.
    member _.Row(i: int, w: float[]) : unit =
        for k in 0 .. count - 1 do
            w[k] <- changes[at k][i]
            w[count + k] <- theta * steps[at k][i]
    /// Wᵀ·v.
    member _.Gather(v: float[], into: float[]) : unit =
        for k in 0 .. count - 1 do
            into[k] <- Vectors.Dot(changes[at k], v)
            into[count + k] <- theta * Vectors.Dot(steps[at k], v)
    /// into += a·W·v.
    member _.Spread(a: float, v: float[], into: float[]) : unit =
        for k in 0 .. count - 1 do
            Vectors.AddScaled(a * v[k], changes[at k], into)
            Vectors.AddScaled(a * theta * v[count + k], steps[at k], into)
    /// M·v.
    member _.Middle(v: float[], into: float[]) : unit =
        if count > 0 then
            Lu.Solve(factors, v, into, 2 * count, 1, false) |> ignore
    member _.Forget() : unit =
        count <- 0
        theta <- 1.0
    member _.IsFresh = count = 0
    member this.Learn(s: float[], y: float[]) : unit =
        let sy, yy = Vectors.Dot(s, y), Vectors.Dot(y, y)
        if sy > 2.2e-16 * yy then
            latest <- (latest + 1) % memory
            count <- min memory (count + 1)
            s.CopyTo(steps[latest], 0)
            y.CopyTo(changes[latest], 0)
            theta <- yy / sy
            factor ()

/// Minimisation within bounds by L-BFGS-B (Byrd, Lu, Nocedal, Zhu 1995), with the projection of Morales and Nocedal (2011).
[<Sealed>]
type internal BoundedLBfgs
    (
        options: MinimizeOptions,
        graph: FunctionGraph,
        parameters: NDArray[],
        lower: float[],
        upper: float[],
        x0: float[]
    ) =
    let run = SolverRun options
    let f = TracedFunction(graph, parameters, run)
    let n = f.N
    let clip i (value: float) = max lower[i] (min upper[i] value)
    let at = Iterate(f, run, options, Array.mapi clip x0)
    let search = LineSearch(f, lower, upper)
    let b = CompactHessian(n, options.Memory)
    let vector () = Array.zeroCreate<float> n
    let small () =
        Array.zeroCreate<float>(2 * options.Memory)
    let cauchy, d, target, times, s, y =
        vector (), vector (), vector (), vector (), vector (), vector ()
    let order, isFree = Array.zeroCreate<int> n, Array.zeroCreate<bool> n
    let p, c, w, mp, mc = small (), small (), small (), small (), small ()
    let normal = Array.zeroCreate<float>(4 * options.Memory * options.Memory)
    let normalFactors =
        Array.zeroCreate<float>(2 * options.Memory * (2 * options.Memory + 2))

    /// The largest component of the gradient that does not press against a bound.
    let projectedNorm (x: float[]) (g: float[]) =
        let mutable norm = 0.0
        for i in 0 .. n - 1 do
            norm <- max norm (abs (max (lower[i] - x[i]) (min (upper[i] - x[i]) -g[i])))
        norm

    let dot (u: float[]) (v: float[]) =
        let k = b.Width
        Vectors.Dot(ReadOnlySpan(u, 0, k), ReadOnlySpan(v, 0, k))

    /// A change of component i, cut so that x stays within the bounds.
    let within i (change: float) =
        max (lower[i] - at.X[i]) (min (upper[i] - at.X[i]) change)

    /// The step to the model's first minimiser along the gradient bent at the bounds; c becomes Wᵀ times it.
    let findCauchyPoint () =
        let x, g = at.X, at.Gradient
        let theta = b.Theta
        let mutable free = 0
        for i in 0 .. n - 1 do
            times[i] <-
                if g[i] < 0.0 then (x[i] - upper[i]) / g[i]
                elif g[i] > 0.0 then (x[i] - lower[i]) / g[i]
                else Double.PositiveInfinity
            cauchy[i] <- 0.0
            d[i] <- if times[i] > 0.0 then -g[i] else 0.0
            if times[i] > 0.0 then
                order[free] <- i
                free <- free + 1
        Array.Sort(order, 0, free, Collections.Generic.Comparer.Create(fun i j -> compare times[i] times[j]))
        b.Gather(d, p)
        Array.Clear c
        b.Middle(p, mp)
        let mutable slope = -Vectors.Dot(d, d)
        let mutable curvature = -theta * slope - dot p mp
        let least = 1e-16 * -theta * slope
        let mutable wanted = -slope / curvature
        let mutable passed = 0.0
        let mutable next = 0
        while next < free && wanted >= times[order[next]] - passed do
            let i = order[next]
            let dt = times[i] - passed
            let z = (if d[i] > 0.0 then upper[i] else lower[i]) - x[i]
            cauchy[i] <- z
            Vectors.AddScaled(dt, p, c)
            b.Row(i, w)
            b.Middle(c, mc)
            let gi = g[i]
            slope <- slope + dt * curvature + gi * gi + theta * gi * z - gi * dot w mc
            b.Middle(p, mp)
            curvature <- curvature - theta * gi * gi - 2.0 * gi * dot w mp
            b.Middle(w, mc)
            curvature <- max least (curvature - gi * gi * dot w mc)
            Vectors.AddScaled(gi, w, p)
            d[i] <- 0.0
            isFree[i] <- false
            wanted <- -slope / curvature
            passed <- times[i]
            next <- next + 1
        let rest = if Double.IsNaN wanted then 0.0 else max 0.0 wanted
        for i in 0 .. n - 1 do
            isFree[i] <- d[i] <> 0.0 || (g[i] = 0.0 && x[i] > lower[i] && x[i] < upper[i])
            if d[i] <> 0.0 then
                cauchy[i] <- within i ((passed + rest) * d[i])
        Vectors.AddScaled(rest, p, c)

    /// The step to the model's minimiser over the variables that the Cauchy point leaves free, put back within the bounds.
    let minimiseSubspace () =
        let g = at.Gradient
        let theta, k = b.Theta, b.Width
        // The model's gradient at the Cauchy point, of the free variables.
        b.Middle(c, mc)
        for i in 0 .. n - 1 do
            d[i] <- g[i] + theta * cauchy[i]
        b.Spread(-1.0, mc, d)
        for i in 0 .. n - 1 do
            if not isFree[i] then
                d[i] <- 0.0
        // (θ·I − W·M·Wᵀ)⁻¹ on them, by the formula of Sherman, Morrison and Woodbury.
        if k > 0 then
            Array.Clear normal
            for i in 0 .. n - 1 do
                if isFree[i] then
                    b.Row(i, w)
                    for j in 0 .. k - 1 do
                        Vectors.AddScaled(w[j] / theta, ReadOnlySpan(w, 0, k), Span(normal, j * k, k))
            for column in 0 .. k - 1 do
                for row in 0 .. k - 1 do
                    p[row] <- normal[row * k + column]
                b.Middle(p, mp)
                for row in 0 .. k - 1 do
                    normal[row * k + column] <- (if row = column then 1.0 else 0.0) - mp[row]
            Lu.Factor(normal, normalFactors, k, false)
            b.Gather(d, p)
            b.Middle(p, mp)
            if Lu.Solve(normalFactors, mp, mc, k, 1, false) >= 0 then
                Array.Clear mc
            b.Spread(1.0 / theta, mc, d)
        let mutable along = 0.0
        for i in 0 .. n - 1 do
            target[i] <-
                if isFree[i] then
                    within i (cauchy[i] - d[i] / theta)
                else
                    cauchy[i]
            along <- along + target[i] * g[i]
        if not (along < 0.0) then
            // The projection does not go down: the step is cut at the first bound instead.
            let mutable fraction = 1.0
            for i in 0 .. n - 1 do
                if isFree[i] then
                    let step = -d[i] / theta
                    let bound = (if step > 0.0 then upper[i] else lower[i]) - at.X[i]
                    if step <> 0.0 && (bound - cauchy[i]) / step < fraction then
                        fraction <- max 0.0 ((bound - cauchy[i]) / step)
            for i in 0 .. n - 1 do
                target[i] <-
                    if isFree[i] then
                        within i (cauchy[i] - fraction * d[i] / theta)
                    else
                        cauchy[i]

    /// How far along d until the first bound.
    let room () =
        let mutable most = 1e20
        for i in 0 .. n - 1 do
            if d[i] > 0.0 then
                most <- min most ((upper[i] - at.X[i]) / d[i])
            elif d[i] < 0.0 then
                most <- min most ((lower[i] - at.X[i]) / d[i])
        most

    let rec advance () : struct (StopReason * string) voption =
        findCauchyPoint ()
        minimiseSubspace ()
        target.CopyTo(d, 0)
        let slope = Vectors.Dot(at.Gradient, d)
        let first = if b.IsFresh then min 1.0 (1.0 / Vectors.Norm d) else 1.0
        let isFound =
            slope < 0.0
            && search.Search(
                LineSearchKind.StrongWolfe,
                at.X,
                at.Value,
                slope,
                d,
                first,
                max 1.0 (room ()),
                0.9
            )
        if isFound then
            for i in 0 .. n - 1 do
                s[i] <- search.X[i] - at.X[i]
                y[i] <- search.Gradient[i] - at.Gradient[i]
            b.Learn(s, y)
            at.MoveTo(search.X, search.Value, search.Gradient, projectedNorm search.X search.Gradient)
        elif not b.IsFresh then
            b.Forget()
            advance ()
        else
            ValueSome(
                struct (StopReason.LineSearchFailed,
                        $"no point along the projected gradient is lower; its largest component is {SolverText.number at.Norm}, and rounding may allow no less")
            )

    member _.Run() : MinimizeResult =
        run.Guard(fun () ->
            at.Start()
            if not at.IsFinite then
                SolverText.notFiniteAtStart
            else
                at.Norm <- projectedNorm at.X at.Gradient
                run.Report(at.Value, at.Norm, 0.0)
                match at.GradientTest with
                | ValueSome stop -> stop
                | ValueNone -> DescentLoop.run run advance b.Forget)
        |> at.Result
