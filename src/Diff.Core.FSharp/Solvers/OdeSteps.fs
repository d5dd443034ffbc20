namespace Diff

open System
open Diff.Kernels

/// The right side f(t, y) of y′ = f with its buffers.
[<Sealed>]
type internal OdeSystem(graph: FunctionGraph, run: SolverRun) =
    let time = [| 0.0 |]
    let f = TracedFunction(graph, [| NDArray.Create(time, Shape.Scalar) |], run)
    member _.N = f.N
    member _.JacobianEvaluations = f.JacobianEvaluations
    member _.Evaluate(t: float, y: float[], into: float[]) : unit =
        time[0] <- t
        f.Values(y, into)
    member _.EvaluateWithJacobian(t: float, y: float[], into: float[], j: float[]) : unit =
        time[0] <- t
        f.ValuesAndJacobian(y, into, j)

/// What became of a trial step: the size of its error beside what is allowed.
[<AbstractClass>]
type internal OdeStep() =
    /// A power of the error that its change with the step is.
    abstract Order: int
    /// Tries a step from (t, y), where the slope is known; the error's size, or infinity where the step failed.
    abstract Try:
        t: float * h: float * y: float[] * slope: float[] * scale: (float[] -> float[] -> float) -> float
    /// Where the step tried leads, and the slope there, written.
    abstract End: float[]
    abstract EndSlope: t: float * slope: float[] -> unit
    /// The powers of θ in [0, 1] that make up the solution within the step, n numbers each.
    abstract Polynomial: h: float * y: float[] * slope: float[] -> float[][]
    /// Hears that the step tried was taken.
    abstract Accept: h: float -> unit

/// The numbers of an explicit method of 7 stages, the last of which is the slope at the end.
type internal Tableau =
    {
        /// Where the stages lie in the step.
        C: float[]
        /// What each stage takes of those before.
        A: float[][]
        /// The stages' parts in the error.
        E: float[]
        /// The stages' parts in each power of θ, from the first, of the solution within the step.
        Dense: float[][]
    }

[<RequireQualifiedAccess>]
module internal Tableau =
    /// Dormand and Prince (1980), with interpolation of order 4 (Hairer, Nørsett, Wanner 1993, II.5, II.6).
    let dormandPrince: Tableau =
        let b =
            [| 35.0 / 384.0
               0.0
               500.0 / 1113.0
               125.0 / 192.0
               -2187.0 / 6784.0
               11.0 / 84.0
               0.0 |]
        let d =
            [| -12715105075.0 / 11282082432.0
               0.0
               87487479700.0 / 32700410799.0
               -10690763975.0 / 1880347072.0
               701980252875.0 / 199316789632.0
               -1453857185.0 / 822651844.0
               69997945.0 / 29380423.0 |]
        let first, last =
            [| 1.0; 0.0; 0.0; 0.0; 0.0; 0.0; 0.0 |], [| 0.0; 0.0; 0.0; 0.0; 0.0; 0.0; 1.0 |]
        { C = [| 0.0; 0.2; 0.3; 0.8; 8.0 / 9.0; 1.0; 1.0 |]
          A =
            [| [||]
               [| 0.2 |]
               [| 3.0 / 40.0; 9.0 / 40.0 |]
               [| 44.0 / 45.0; -56.0 / 15.0; 32.0 / 9.0 |]
               [| 19372.0 / 6561.0; -25360.0 / 2187.0; 64448.0 / 6561.0; -212.0 / 729.0 |]
               [| 9017.0 / 3168.0
                  -355.0 / 33.0
                  46732.0 / 5247.0
                  49.0 / 176.0
                  -5103.0 / 18656.0 |]
               b[..5] |]
          E =
            [| 71.0 / 57600.0
               0.0
               -71.0 / 16695.0
               71.0 / 1920.0
               -17253.0 / 339200.0
               22.0 / 525.0
               -1.0 / 40.0 |]
          Dense =
            [| first
               Array.init 7 (fun i -> 3.0 * b[i] - 2.0 * first[i] - last[i] + d[i])
               Array.init 7 (fun i -> first[i] + last[i] - 2.0 * b[i] - 2.0 * d[i])
               d |] }

    /// Tsitouras (2011), with his interpolation of order 4.
    let tsitouras: Tableau =
        { C = [| 0.0; 0.161; 0.327; 0.9; 0.9800255409045097; 1.0; 1.0 |]
          A =
            [| [||]
               [| 0.161 |]
               [| -0.008480655492356989; 0.335480655492357 |]
               [| 2.8971530571054935; -6.359448489975075; 4.3622954328695815 |]
               [| 5.325864828439257
                  -11.748883564062828
                  7.4955393428898365
                  -0.09249506636175525 |]
               [| 5.86145544294642
                  -12.92096931784711
                  8.159367898576159
                  -0.071584973281401
                  -0.028269050394068383 |]
               [| 0.09646076681806523
                  0.01
                  0.4798896504144996
                  1.379008574103742
                  -3.290069515436081
                  2.324710524099774 |] |]
          E =
            [| -0.00178001105222577714
               -0.0008164344596567469
               0.007880878010261995
               -0.1447110071732629
               0.5823571654525552
               -0.45808210592918697
               1.0 / 66.0 |]
          Dense =
            [| [| 1.0; 0.0; 0.0; 0.0; 0.0; 0.0; 0.0 |]
               [| -2.763706197274826
                  0.1317
                  3.9302962368947516
                  -12.411077166933676
                  37.50931341651104
                  -27.896526289197286
                  1.5 |]
               [| 2.9132554618219126
                  -0.2234
                  -5.941033872131505
                  30.33818863028232
                  -88.1789048947664
                  65.09189467479366
                  -4.0 |]
               [| -1.0530884977290216
                  0.1017
                  2.490627285651253
                  -16.548102889244902
                  47.37952196281928
                  -34.87065786149661
                  2.5 |] |] }

/// An explicit method of order 5 with an error of order 4.
[<Sealed>]
type internal RungeKutta(system: OdeSystem, tableau: Tableau) =
    inherit OdeStep()
    let n = system.N
    let k = Array.init 7 (fun _ -> Array.zeroCreate<float> n)
    let next, error = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    override _.Order = 5
    override _.End = next
    override _.Try(t, h, y, slope, scale) =
        slope.CopyTo(k[0], 0)
        for stage in 1..6 do
            y.CopyTo(next, 0)
            for j in 0 .. stage - 1 do
                Vectors.AddScaled(h * tableau.A[stage][j], k[j], next)
            system.Evaluate(t + tableau.C[stage] * h, next, k[stage])
        Array.Clear error
        for stage in 0..6 do
            Vectors.AddScaled(h * tableau.E[stage], k[stage], error)
        let size = scale next error
        if Double.IsFinite size && Double.IsFinite(Vectors.Largest next) then
            size
        else
            Double.PositiveInfinity
    override _.EndSlope(_, slope) = k[6].CopyTo(slope, 0)
    override _.Polynomial(h, y, _) =
        let part (weights: float[]) =
            let sum = Array.zeroCreate<float> n
            for stage in 0..6 do
                Vectors.AddScaled(h * weights[stage], k[stage], sum)
            sum
        Array.append [| Array.copy y |] (Array.map part tableau.Dense)
    override _.Accept _ = ()

/// The implicit method of Radau IIA with three stages, of order 5, for stiff equations (Hairer, Wanner 1996, IV.8): the stages together by
/// Newton's iteration with one matrix.
[<Sealed>]
type internal Radau(system: OdeSystem) =
    inherit OdeStep()
    let n = system.N
    let size = 3 * n
    static let root = sqrt 6.0
    static let c = [| (4.0 - root) / 10.0; (4.0 + root) / 10.0; 1.0 |]
    static let a =
        [| [| (88.0 - 7.0 * root) / 360.0
              (296.0 - 169.0 * root) / 1800.0
              (-2.0 + 3.0 * root) / 225.0 |]
           [| (296.0 + 169.0 * root) / 1800.0
              (88.0 + 7.0 * root) / 360.0
              (-2.0 - 3.0 * root) / 225.0 |]
           [| (16.0 - root) / 36.0; (16.0 + root) / 36.0; 1.0 / 9.0 |] |]
    static let gamma = 30.0 / (6.0 + Math.Cbrt 81.0 - Math.Cbrt 9.0)
    static let weights =
        [| -(13.0 + 7.0 * root) / 3.0; (-13.0 + 7.0 * root) / 3.0; -1.0 / 3.0 |]
    let j, f0 = Array.zeroCreate<float>(n * n), Array.zeroCreate<float> n
    let matrix, factors =
        Array.zeroCreate<float>(size * size), Array.zeroCreate<float>(size * (size + 2))
    let small, smallFactors =
        Array.zeroCreate<float>(n * n), Array.zeroCreate<float>(n * (n + 2))
    let z, residual, change =
        Array.zeroCreate<float> size, Array.zeroCreate<float> size, Array.zeroCreate<float> size
    let stages = Array.init 3 (fun _ -> Array.zeroCreate<float> n)
    let point, next, error, right =
        Array.zeroCreate<float> n,
        Array.zeroCreate<float> n,
        Array.zeroCreate<float> n,
        Array.zeroCreate<float> n
    let before = Array.init 3 (fun _ -> Array.zeroCreate<float> n) // the last step's polynomial, less its start
    let mutable lastStep, lastStart = 0.0, Array.zeroCreate<float> n
    let mutable knownAt = nan

    let factor h =
        for s in 0..2 do
            for i in 0 .. n - 1 do
                for r in 0..2 do
                    for q in 0 .. n - 1 do
                        let unit = if s = r && i = q then 1.0 else 0.0
                        matrix[(s * n + i) * size + r * n + q] <- unit - h * a[s][r] * j[i * n + q]
        Lu.Factor(matrix, factors, size, false)
        for i in 0 .. n * n - 1 do
            small[i] <- (if i % (n + 1) = 0 then gamma / h else 0.0) - j[i]
        Lu.Factor(small, smallFactors, n, false)

    /// The stages' first guess: the last step's polynomial, beyond its end.
    let guess h (y: float[]) =
        if lastStep = 0.0 then
            Array.Clear z
        else
            for s in 0..2 do
                let theta = 1.0 + c[s] * h / lastStep
                for i in 0 .. n - 1 do
                    let value = theta * (before[0][i] + theta * (before[1][i] + theta * before[2][i]))
                    z[s * n + i] <- lastStart[i] + value - y[i]

    let evaluateStages t h (y: float[]) =
        for s in 0..2 do
            for i in 0 .. n - 1 do
                point[i] <- y[i] + z[s * n + i]
            system.Evaluate(t + c[s] * h, point, stages[s])

    let rec newton t h (y: float[]) (scale: float[] -> float[] -> float) left lastNorm =
        evaluateStages t h y
        for s in 0..2 do
            for i in 0 .. n - 1 do
                residual[s * n + i] <-
                    h * (a[s][0] * stages[0][i] + a[s][1] * stages[1][i] + a[s][2] * stages[2][i])
                    - z[s * n + i]
        if
            not (Double.IsFinite(Vectors.Largest residual))
            || Lu.Solve(factors, residual, change, size, 1, false) >= 0
        then
            false
        else
            Vectors.AddScaled(1.0, change, z)
            let mutable norm = 0.0
            for s in 0..2 do
                Array.Copy(change, s * n, point, 0, n)
                norm <- max norm (scale y point)
            let theta = if Double.IsNaN lastNorm then 0.5 else norm / lastNorm
            if norm = 0.0 || theta < 1.0 && theta / (1.0 - theta) * norm < 0.01 then
                true
            elif left = 0 || theta >= 1.0 || Double.IsNaN norm then
                false
            else
                newton t h y scale (left - 1) norm

    /// What of a step the polynomial of order 3 misses, with the stiff parts damped.
    let estimate h (slope: float[]) =
        for i in 0 .. n - 1 do
            right[i] <-
                slope[i]
                + (weights[0] * z[i] + weights[1] * z[n + i] + weights[2] * z[2 * n + i]) / h
        Lu.Solve(smallFactors, right, error, n, 1, false) |> ignore

    override _.Order = 4
    override _.End = next
    override _.Try(t, h, y, _, scale) =
        if knownAt <> t then
            system.EvaluateWithJacobian(t, y, f0, j)
            knownAt <- t
        factor h
        guess h y
        let isSolved =
            newton t h y scale 7 nan
            || (Array.Clear z
                newton t h y scale 7 nan)
        if not isSolved then
            Double.PositiveInfinity
        else
            for i in 0 .. n - 1 do
                next[i] <- y[i] + z[2 * n + i]
            estimate h f0
            let first = scale next error
            let size =
                if first < 1.0 then
                    first
                else
                    for i in 0 .. n - 1 do
                        point[i] <- y[i] + error[i]
                    system.Evaluate(t, point, stages[0])
                    estimate h stages[0]
                    scale next error
            if Double.IsFinite size then
                size
            else
                Double.PositiveInfinity
    override _.EndSlope(t, slope) = system.Evaluate(t, next, slope)
    override _.Polynomial(_, y, _) =
        let parts = Array.init 4 (fun _ -> Array.zeroCreate<float> n)
        for i in 0 .. n - 1 do
            // Through the start and the three stages: quadratic after division by θ.
            let w1, w2, w3 = z[i] / c[0], z[n + i] / c[1], z[2 * n + i]
            let slope = (w2 - w1) / (c[1] - c[0])
            let bend = ((w3 - w2) / (c[2] - c[1]) - slope) / (c[2] - c[0])
            parts[0][i] <- y[i]
            parts[1][i] <- w1 - slope * c[0] + bend * c[0] * c[1]
            parts[2][i] <- slope - bend * (c[0] + c[1])
            parts[3][i] <- bend
        for power in 0..2 do
            parts[power + 1].CopyTo(before[power], 0)
        y.CopyTo(lastStart, 0)
        parts
    override _.Accept h = lastStep <- h
