namespace Diff

open System
open Diff.Kernels

/// Steps of least squares: J·P = Q·R with columns in order of size, and from it the step of least ‖J·p + r‖ with ‖D·p‖ bounded (Moré 1978).
[<Sealed>]
type internal DampedStep(m: int, n: int) =
    let a = Array.zeroCreate<float>(m * n) // J by columns, then the reflections
    let r = Array.zeroCreate<float>(n * n)
    let s = Array.zeroCreate<float>(n * n)
    let order = Array.init n id
    let norms, b = Array.zeroCreate<float> n, Array.zeroCreate<float> m
    let qtr, z, row =
        Array.zeroCreate<float> n, Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let w, step = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let mutable parameter = 0.0
    let mutable rank = 0

    let column k = Span<float>(a, k * m, m)

    let exchange i j =
        if i <> j then
            Vectors.Swap(column i, column j)
            let k = order[i]
            order[i] <- order[j]
            order[j] <- k
            norms[j] <- norms[i]

    /// x of U·x = z for the upper triangle of `u`, taken as if the columns after the first `size` were not there.
    let backSubstitute (u: float[]) size (x: float[]) =
        for i in size .. n - 1 do
            x[i] <- 0.0
        for i in size - 1 .. -1 .. 0 do
            let mutable sum = x[i]
            for j in i + 1 .. size - 1 do
                sum <- sum - u[i * n + j] * x[j]
            x[i] <- sum / u[i * n + i]

    /// ‖Dp‖ of the step, which lies in `step`; z holds it in the order of columns.
    let scaled (scale: float[]) =
        for k in 0 .. n - 1 do
            step[order[k]] <- z[k]
        for i in 0 .. n - 1 do
            w[i] <- scale[i] * step[i]
        Vectors.Norm w

    /// The step with the damping D²·par: the rows of √par·D are rotated into R.
    let damped (scale: float[]) (par: float) =
        Array.Copy(r, s, n * n)
        Array.Copy(qtr, z, n)
        for j in 0 .. n - 1 do
            Array.Clear row
            row[j] <- sqrt par * scale[order[j]]
            let mutable rest = 0.0
            for k in j .. n - 1 do
                if row[k] <> 0.0 then
                    let pivot = s[k * n + k]
                    let length = Double.Hypot(pivot, row[k])
                    let cos, sin = pivot / length, row[k] / length
                    for i in k .. n - 1 do
                        let u, v = s[k * n + i], row[i]
                        s[k * n + i] <- cos * u + sin * v
                        row[i] <- cos * v - sin * u
                    let u = z[k]
                    z[k] <- cos * u + sin * rest
                    rest <- cos * rest - sin * u
        backSubstitute s n z
        scaled scale

    /// −‖Dp‖ times the derivative of ‖Dp‖ by the damping over ‖Dp‖²: ‖U⁻ᵀ·Pᵀ·D·(Dp/‖Dp‖)‖².
    let bend (u: float[]) (scale: float[]) length =
        for k in 0 .. n - 1 do
            z[k] <- scale[order[k]] * (w[order[k]] / length)
        for i in 0 .. n - 1 do
            let mutable sum = z[i]
            for j in 0 .. i - 1 do
                sum <- sum - u[j * n + i] * z[j]
            z[i] <- sum / u[i * n + i]
        Vectors.Dot(z, z)

    /// The step p found.
    member _.Step = step
    /// How much it was damped.
    member _.Damping = parameter
    /// The rank of J up to rounding.
    member _.Rank = rank

    /// Takes a Jacobian, in rows, and a residual.
    member _.Factor(jacobian: float[], residual: float[]) : unit =
        Vectors.Transpose(jacobian, a, m, n)
        residual.CopyTo(b, 0)
        Array.Clear r
        Array.Clear qtr
        for k in 0 .. n - 1 do
            order[k] <- k
            norms[k] <- Vectors.Norm(column k)
        let most = min m n
        for k in 0 .. most - 1 do
            let mutable largest = k
            for j in k + 1 .. n - 1 do
                if norms[j] > norms[largest] then
                    largest <- j
            exchange k largest
            let v = (column k).Slice k
            let struct (tau, beta) = Householder.Reflect v
            for j in k + 1 .. n - 1 do
                let other = (column j).Slice k
                Vectors.AddScaled(-tau * Vectors.Dot(v, other), v, other)
                norms[j] <- Vectors.Norm(other.Slice 1)
            let tail = Span<float>(b, k, m - k)
            Vectors.AddScaled(-tau * Vectors.Dot(v, tail), v, tail)
            r[k * n + k] <- beta
            qtr[k] <- b[k]
        for k in 0 .. most - 1 do
            for j in k + 1 .. n - 1 do
                r[k * n + j] <- a[j * m + k]
        rank <- 0
        while rank < most && abs r[rank * n + rank] > 2.2e-16 * float (max m n) * abs r[0] do
            rank <- rank + 1

    /// The step of least squares: of least size, in the order of columns, where J has not full rank.
    member _.Full() : unit =
        for k in 0 .. n - 1 do
            z[k] <- -qtr[k]
        backSubstitute r rank z
        for k in 0 .. n - 1 do
            step[order[k]] <- z[k]

    /// The step with ‖D·p‖ at most, within a tenth, the radius; the damping begins with that of the step before.
    member _.Bounded(scale: float[], radius: float) : unit =
        Array.Copy(qtr, z, n)
        // Exact zeros only: what is nearly singular is damped.
        let mutable size = 0
        while size < n && r[size * n + size] <> 0.0 do
            size <- size + 1
        backSubstitute r size z
        let length = scaled scale
        let mutable excess = length - radius
        if excess <= 0.1 * radius then
            parameter <- 0.0
        else
            let mutable low =
                if size = n then
                    excess / (radius * bend r scale length)
                else
                    0.0
            for k in 0 .. n - 1 do
                let mutable sum = 0.0
                for i in 0..k do
                    sum <- sum + r[i * n + k] * qtr[i]
                z[k] <- sum / scale[order[k]]
            let slope = Vectors.Norm z
            let mutable high = slope / radius
            if high = 0.0 then
                high <- Double.Epsilon / min radius 0.1
            let mutable par = max low (min high parameter)
            if par = 0.0 then
                par <- slope / length
            let mutable left = 10
            while left > 0 do
                if par = 0.0 then
                    par <- max Double.Epsilon (0.001 * high)
                let length = damped scale par
                let before = excess
                excess <- length - radius
                left <- left - 1
                if abs excess <= 0.1 * radius || low = 0.0 && excess <= before && before < 0.0 then
                    left <- 0
                elif left > 0 then
                    let change = excess / (radius * bend s scale length)
                    if excess > 0.0 then
                        low <- max low par
                    elif excess < 0.0 then
                        high <- min high par
                    par <- max low (par + change)
            parameter <- par
        for i in 0 .. n - 1 do
            step[i] <- -step[i]

    /// ‖J·p‖ of the step.
    member _.Image() : float =
        for i in 0 .. n - 1 do
            let mutable sum = 0.0
            for j in i .. n - 1 do
                sum <- sum + r[i * n + j] * step[order[j]]
            z[i] <- sum
        Vectors.Norm z

    /// (JᵀJ)⁻¹ in rows; NaN where J has not full rank.
    member _.InverseNormal() : float[] =
        let result = Array.create (n * n) nan
        if rank = n then
            // U = R⁻¹, then U·Uᵀ in the order of the parameters.
            Array.Clear s
            for k in 0 .. n - 1 do
                Array.Clear z
                z[k] <- 1.0
                backSubstitute r n z
                for i in 0 .. n - 1 do
                    s[i * n + k] <- z[i]
            for i in 0 .. n - 1 do
                for j in 0 .. n - 1 do
                    result[order[i] * n + order[j]] <-
                        Vectors.Dot(ReadOnlySpan(s, i * n, n), ReadOnlySpan(s, j * n, n))
        result
