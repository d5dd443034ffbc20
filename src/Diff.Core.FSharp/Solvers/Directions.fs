namespace Diff

open System
open Diff.Kernels

/// Down the gradient, with the step of Barzilai and Borwein (1988) tried first.
[<Sealed>]
type internal GradientDirection() =
    inherit Direction()
    let mutable first = nan
    override _.IsFresh = Double.IsNaN first
    override _.Forget() = first <- nan
    override _.Next(g, d) =
        for i in 0 .. g.Length - 1 do
            d[i] <- -g[i]
    override _.Learn(s, y, _) =
        let sy = Vectors.Dot(s, y)
        first <- if sy > 0.0 then Vectors.Dot(s, s) / sy else nan
    override _.FirstStep(_, _, _) = first
    override _.Curvature = 0.9

/// Conjugate gradients with the formula of Hager and Zhang (2005), which gives descent with any search of the Wolfe conditions.
[<Sealed>]
type internal ConjugateDirection(n: int) =
    inherit Direction()
    let last, y = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let mutable hasLast = false
    let mutable gradientNorm = nan
    override _.IsFresh = not hasLast
    override _.Forget() = hasLast <- false
    override _.Next(g, d) =
        let beta =
            if not hasLast then
                0.0
            else
                let dy = Vectors.Dot(last, y)
                let beta =
                    (Vectors.Dot(y, g) - 2.0 * Vectors.Dot(y, y) / dy * Vectors.Dot(last, g)) / dy
                let bound = -1.0 / (Vectors.Norm last * min 0.01 gradientNorm)
                if Double.IsFinite beta then max beta bound else 0.0
        for i in 0 .. n - 1 do
            d[i] <- beta * last[i] - g[i]
        d.CopyTo(last, 0)
        gradientNorm <- Vectors.Norm g
    override _.Learn(_, change, _) =
        change.CopyTo(y, 0)
        hasLast <- true
    // As much descent as in the step before (Nocedal, Wright 2006, 3.60).
    override _.FirstStep(slope, slopeBefore, step) = step * slopeBefore / slope
    override _.Curvature = 0.1

/// The inverse Hessian approximated by all steps (Broyden, Fletcher, Goldfarb, Shanno 1970).
[<Sealed>]
type internal BfgsDirection(n: int) =
    inherit Direction()
    let h = Array.zeroCreate<float>(n * n)
    let hy = Array.zeroCreate<float> n
    let mutable isFresh = true
    let multiply (v: float[]) (into: float[]) =
        for i in 0 .. n - 1 do
            into[i] <- Vectors.Dot(ReadOnlySpan(h, i * n, n), ReadOnlySpan v)
    override _.IsFresh = isFresh
    override _.Forget() = isFresh <- true
    override _.Next(g, d) =
        if isFresh then g.CopyTo(d, 0) else multiply g d
        for i in 0 .. n - 1 do
            d[i] <- -d[i]
    override _.Learn(s, y, _) =
        let sy, yy = Vectors.Dot(s, y), Vectors.Dot(y, y)
        // Steps without curvature say nothing.
        if sy > 1e-16 * sqrt (Vectors.Dot(s, s) * yy) then
            if isFresh then
                Array.Clear h
                for i in 0 .. n - 1 do
                    h[i * n + i] <- sy / yy
                isFresh <- false
            multiply y hy
            let a = (1.0 + Vectors.Dot(y, hy) / sy) / sy
            for i in 0 .. n - 1 do
                let row = Span(h, i * n, n)
                Vectors.AddScaled(a * s[i] - hy[i] / sy, s, row)
                Vectors.AddScaled(-s[i] / sy, hy, row)
    override _.FirstStep(_, _, _) = 1.0
    override _.Curvature = 0.9

/// The inverse Hessian from the latest steps (Nocedal 1980).
[<Sealed>]
type internal LimitedDirection(n: int, memory: int) =
    inherit Direction()
    let steps = Array.init memory (fun _ -> Array.zeroCreate<float> n)
    let changes = Array.init memory (fun _ -> Array.zeroCreate<float> n)
    let products, weights =
        Array.zeroCreate<float> memory, Array.zeroCreate<float> memory
    let mutable count, latest = 0, -1
    override _.IsFresh = count = 0
    override _.Forget() = count <- 0
    override _.Next(g, d) =
        for i in 0 .. n - 1 do
            d[i] <- -g[i]
        for back in 0 .. count - 1 do
            let k = (latest - back + memory) % memory
            weights[k] <- Vectors.Dot(steps[k], d) / products[k]
            Vectors.AddScaled(-weights[k], changes[k], d)
        if count > 0 then
            Vectors.Scale(products[latest] / Vectors.Dot(changes[latest], changes[latest]), d)
        for back in count - 1 .. -1 .. 0 do
            let k = (latest - back + memory) % memory
            let correction = Vectors.Dot(changes[k], d) / products[k]
            Vectors.AddScaled(weights[k] - correction, steps[k], d)
    override _.Learn(s, y, _) =
        let sy = Vectors.Dot(s, y)
        if sy > 1e-16 * sqrt (Vectors.Dot(s, s) * Vectors.Dot(y, y)) then
            latest <- (latest + 1) % memory
            count <- min memory (count + 1)
            s.CopyTo(steps[latest], 0)
            y.CopyTo(changes[latest], 0)
            products[latest] <- sy
    override _.FirstStep(_, _, _) = 1.0
    override _.Curvature = 0.9
