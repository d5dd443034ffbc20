namespace Diff

open System
open Diff.Kernels

/// How far to go along a direction.
type LineSearchKind =
    /// Less value than before by a part of what the slope promises; steps shrink by interpolation (Armijo 1966).
    | Armijo = 0
    /// That, and a slope much flatter than before (Moré, Thuente 1994); where rounding hides the value, by the slope alone (Hager, Zhang 2005).
    | StrongWolfe = 1

/// The ends of the interval that the search of Moré and Thuente narrows: its best point (stx) and the other end (sty).
[<Struct>]
type internal Bracket =
    { mutable X: float
      mutable Fx: float
      mutable Dx: float
      mutable Y: float
      mutable Fy: float
      mutable Dy: float
      mutable IsBracketed: bool }

[<RequireQualifiedAccess>]
module internal MoreThuente =
    /// Takes a trial (value f, slope d) at `t` into the interval and gives the next trial: section 4 of the paper.
    let narrow (b: byref<Bracket>) (t: float) (f: float) (d: float) (least: float) (most: float) : float =
        let opposite = d * float (Math.Sign b.Dx) < 0.0
        // The minimiser of the cubic through both ends, from the end x; both slopes are scaled against overflow.
        let root (theta: float) (squared: bool) d1 d2 =
            let s = max (abs theta) (max (abs d1) (abs d2))
            let inside = (theta / s) * (theta / s) - (d1 / s) * (d2 / s)
            s * sqrt (if squared then max 0.0 inside else inside)
        let theta = 3.0 * (b.Fx - f) / (t - b.X) + b.Dx + d
        let mutable next = t
        if f > b.Fx then
            // Higher: the minimum lies between.
            let gamma =
                let g = root theta false b.Dx d
                if t < b.X then -g else g
            let r = (gamma - b.Dx + theta) / (gamma - b.Dx + gamma + d)
            let cubic = b.X + r * (t - b.X)
            let quadratic = b.X + b.Dx / ((b.Fx - f) / (t - b.X) + b.Dx) / 2.0 * (t - b.X)
            next <-
                if abs (cubic - b.X) < abs (quadratic - b.X) then
                    cubic
                else
                    cubic + (quadratic - cubic) / 2.0
            b.IsBracketed <- true
        elif opposite then
            // Lower, and the slope has turned: between as well.
            let gamma =
                let g = root theta false b.Dx d
                if t > b.X then -g else g
            let r = (gamma - d + theta) / (gamma - d + gamma + b.Dx)
            let cubic = t + r * (b.X - t)
            let secant = t + d / (d - b.Dx) * (b.X - t)
            next <- if abs (cubic - t) > abs (secant - t) then cubic else secant
            b.IsBracketed <- true
        elif abs d < abs b.Dx then
            // Lower and flatter: the cubic may have its minimum beyond.
            let gamma =
                let g = root theta true b.Dx d
                if t > b.X then -g else g
            let r = (gamma - d + theta) / (gamma + (b.Dx - d) + gamma)
            let cubic =
                if r < 0.0 && gamma <> 0.0 then t + r * (b.X - t)
                elif t > b.X then most
                else least
            let secant = t + d / (d - b.Dx) * (b.X - t)
            if b.IsBracketed then
                next <- if abs (cubic - t) < abs (secant - t) then cubic else secant
                let limit = t + 0.66 * (b.Y - t)
                next <- if t > b.X then min limit next else max limit next
            else
                next <- if abs (cubic - t) > abs (secant - t) then cubic else secant
                next <- max least (min most next)
        elif b.IsBracketed then
            let theta = 3.0 * (f - b.Fy) / (b.Y - t) + b.Dy + d
            let gamma =
                let g = root theta false b.Dy d
                if t > b.Y then -g else g
            let r = (gamma - d + theta) / (gamma - d + gamma + b.Dy)
            next <- t + r * (b.Y - t)
        else
            next <- if t > b.X then most else least
        if f > b.Fx then
            b.Y <- t
            b.Fy <- f
            b.Dy <- d
        else
            if opposite then
                b.Y <- b.X
                b.Fy <- b.Fx
                b.Dy <- b.Dx
            b.X <- t
            b.Fx <- f
            b.Dx <- d
        next

/// Searches along directions for a scalar function; the point found and its gradient lie in X and Gradient. What rounding leads past a bound
/// is put back on it.
[<Sealed>]
type internal LineSearch(f: TracedFunction, lower: float[], upper: float[]) =
    let decrease = 1e-4
    let trials = 60
    let x, g = Array.zeroCreate<float> f.N, Array.zeroCreate<float> f.N
    let mutable value, slope, step = nan, nan, 0.0

    let tryStep (x0: float[]) (d: float[]) (t: float) =
        x0.CopyTo(x, 0)
        Vectors.AddScaled(t, d, x)
        for i in 0 .. lower.Length - 1 do
            x[i] <- max lower[i] (min upper[i] x[i])
        value <- f.ValueAndGradient(x, g)
        slope <- Vectors.Dot(g, d)
        step <- t

    let isFinite () =
        Double.IsFinite value && Double.IsFinite slope

    // The slope says that it goes down where differences of values are rounding (Hager, Zhang 2005, 1.2).
    let isAtRounding (f0: float) (slope0: float) =
        value <= f0 + 1e-13 * abs f0
        && slope <= (2.0 * decrease - 1.0) * slope0 // not much steeper upwards than it was downwards
        && slope >= 0.9 * slope0

    let armijo x0 f0 slope0 d first =
        let mutable t = first
        let mutable left = trials
        let mutable found = false
        while not found && left > 0 do
            tryStep x0 d t
            left <- left - 1
            if isFinite () && (value <= f0 + decrease * t * slope0 || isAtRounding f0 slope0) then
                found <- true
            else
                let least =
                    if isFinite () then
                        -slope0 * t * t / (2.0 * (value - f0 - slope0 * t))
                    else
                        0.0
                t <- max (0.1 * t) (min (0.5 * t) (if Double.IsNaN least then 0.0 else least))
        found

    let wolfe x0 f0 slope0 d first largest curvature =
        let mutable b =
            { X = 0.0
              Fx = f0
              Dx = slope0
              Y = 0.0
              Fy = f0
              Dy = slope0
              IsBracketed = false }
        let mutable most = largest
        let mutable low, high = 0.0, min largest (5.0 * first)
        let mutable t = first
        let mutable width, widthBefore = infinity, infinity
        let mutable isFirstStage = true
        let mutable left = trials
        let mutable found = false
        let mutable isOver = false
        while not found && not isOver do
            if left = 0 then
                isOver <- true
            else
                tryStep x0 d t
                left <- left - 1
                let mutable shrunk = 0
                // Outside the domain: nothing beyond is tried again.
                while not (isFinite ()) && shrunk < trials do
                    most <- t
                    t <- b.X + 0.25 * (t - b.X)
                    tryStep x0 d t
                    shrunk <- shrunk + 1
                let bound = f0 + t * decrease * slope0
                if not (isFinite ()) then
                    isOver <- true
                elif
                    (value <= bound && abs slope <= -curvature * slope0)
                    || isAtRounding f0 slope0 && slope >= curvature * slope0
                then
                    found <- true
                elif t >= largest && value <= bound && slope <= decrease * slope0 then
                    found <- true // the longest step allowed is good, and longer would be better
                elif b.IsBracketed && (t <= low || t >= high || high - low <= 1e-15 * high) then
                    isOver <- true
                else
                    if isFirstStage && value <= bound && slope >= 0.0 then
                        isFirstStage <- false
                    let next =
                        if isFirstStage && value <= b.Fx && value > bound then
                            // The function less the line that it has to fall below (psi of the paper).
                            let tilt = decrease * slope0
                            b.Fx <- b.Fx - b.X * tilt
                            b.Dx <- b.Dx - tilt
                            b.Fy <- b.Fy - b.Y * tilt
                            b.Dy <- b.Dy - tilt
                            let next =
                                MoreThuente.narrow &b t (value - t * tilt) (slope - tilt) low (min high most)
                            b.Fx <- b.Fx + b.X * tilt
                            b.Dx <- b.Dx + tilt
                            b.Fy <- b.Fy + b.Y * tilt
                            b.Dy <- b.Dy + tilt
                            next
                        else
                            MoreThuente.narrow &b t value slope low (min high most)
                    let mutable next = next
                    if b.IsBracketed then
                        if abs (b.Y - b.X) >= 0.66 * widthBefore then
                            next <- b.X + 0.5 * (b.Y - b.X)
                        widthBefore <- width
                        width <- abs (b.Y - b.X)
                        low <- min b.X b.Y
                        high <- max b.X b.Y
                    else
                        low <- t + 1.1 * (t - b.X)
                        high <- t + 4.0 * (t - b.X)
                    next <- max 0.0 (min most next)
                    if b.IsBracketed && (next <= low || next >= high || high - low <= 1e-15 * high) then
                        next <- b.X
                    if not (next > 0.0) then isOver <- true else t <- next
        // The best point met will do if it is lower at all by the first condition.
        if not found && b.X > 0.0 && b.Fx <= f0 + b.X * decrease * slope0 && b.Fx < f0 then
            if step <> b.X then
                tryStep x0 d b.X
            found <- true
        found

    member _.X = x
    member _.Gradient = g
    member _.Value = value
    member _.Step = step

    /// From x0, with value f0 and slope slope0 < 0 along d: first the step `first`, none longer than `largest`.
    member _.Search
        (
            kind: LineSearchKind,
            x0: float[],
            f0: float,
            slope0: float,
            d: float[],
            first: float,
            largest: float,
            curvature: float
        ) : bool =
        let first = min first largest
        match kind with
        | LineSearchKind.Armijo -> armijo x0 f0 slope0 d first
        | _ -> wolfe x0 f0 slope0 d first largest curvature
