namespace Diff

open System

/// Derivatives at 0 of functions of one number, from values alone.
[<RequireQualifiedAccess>]
module internal Differences =
    /// What the one-sided differences say.
    type Behaviour =
        | Smooth
        | Kink of left: float * right: float
        | Jump
        /// There is no neighbourhood where the values are finite.
        | NotFinite

    [<Struct>]
    type Estimate =
        {
            Value: float
            /// How far rounding of the values can have moved it.
            Noise: float
            /// How far it is from its neighbours in the table, with the noise.
            Error: float
            Behaviour: Behaviour
        }

    /// The same, where the number is counted in units of another length.
    let perUnit (unit: float) (e: Estimate) : Estimate =
        { Value = e.Value / unit
          Noise = e.Noise / unit
          Error = e.Error / unit
          Behaviour =
            match e.Behaviour with
            | Kink(left, right) -> Kink(left / unit, right / unit)
            | other -> other }

    let private epsilon = Math.ScaleB(1.0, -52)
    let private depth = 7
    let private enough = 14
    let private idleRows = 4

    let private isGood (e: Estimate) =
        e.Error <= 1e-6 * max (abs e.Value) (1e10 * e.Noise)

    // A kink keeps the difference of its slopes, and a jump its height, however small the step; elsewhere they fall with it.
    let private behaviour
        (f: float -> float[])
        (center: float[])
        (sizes: float[])
        (step: float)
        : Behaviour[] =
        let near = step / 16.0
        let up, down, up', down' = f step, f -step, f near, f -near
        let stays (far: float) (near: float) least =
            abs near > 0.5 * abs far && abs near > least
        Array.init center.Length (fun i ->
            let right, left = (up'[i] - center[i]) / near, (center[i] - down'[i]) / near
            let bend = (up[i] - center[i]) / step - (center[i] - down[i]) / step
            let rounding = 1e4 * epsilon * sizes[i]
            if stays (up[i] - down[i]) (up'[i] - down'[i]) (1e6 * rounding) then
                Jump
            elif stays bend (right - left) (rounding / near + 1e-6 * (abs left + abs right)) then
                Kink(left, right)
            else
                Smooth)

    /// The best entry of the table so far.
    [<Struct>]
    type private Candidate =
        {
            Estimate: Estimate
            /// The error as a fraction of the entry: far away from a pole everything is small, errors too.
            Fraction: float
            Step: float
        }

    let private nothing =
        { Estimate =
            { Value = nan
              Noise = nan
              Error = infinity
              Behaviour = NotFinite }
          Fraction = infinity
          Step = infinity }

    let private difference order (step: float) (up: float[]) (center: float[]) (down: float[]) =
        if order = 1 then
            Array.map2 (fun u d -> (u - d) / (2.0 * step)) up down
        else
            Array.map3 (fun u c d -> (u - c - (c - d)) / (step * step)) up center down

    /// The row of the table that begins with a difference, below the row of twice its step.
    let private extrapolate (above: float[][]) (difference: float[]) : float[][] =
        let row = Array.zeroCreate (min depth (above.Length + 1))
        row[0] <- difference
        for j in 1 .. row.Length - 1 do
            let factor = 1.0 / (Math.Pow(4.0, j) - 1.0)
            row[j] <- Array.map2 (fun fine coarse -> fine + (fine - coarse) * factor) row[j - 1] above[j - 1]
        row

    /// The better of a candidate and the entries of a row for component i.
    let private better
        step
        (noise: float)
        (size: float)
        (above: float[][])
        (row: float[][])
        (i: int)
        (known: Candidate)
        =
        let mutable best = known
        for j in 1 .. row.Length - 1 do
            let entry = row[j][i]
            let error =
                noise + max (abs (entry - row[j - 1][i])) (abs (entry - above[j - 1][i]))
            let fraction = if error = 0.0 then 0.0 else error / max (abs entry) size
            if fraction < best.Fraction then
                best <-
                    { Estimate =
                        { Value = entry
                          Noise = noise
                          Error = error
                          Behaviour = Smooth }
                      Fraction = fraction
                      Step = step }
        best

    /// The derivative of an order, 1 or 2, of each component of f at 0: central differences over halved steps, extrapolated to
    /// step 0 (Richardson 1911); of the whole table, the entry that agrees best with its neighbours (Ridders 1982).
    /// `size` bounds the terms that the components are rounded from.
    let derivative (order: int) (size: float[] -> float[]) (f: float -> float[]) : Estimate[] =
        let center = f 0.0
        let mutable sizes = size center
        let mutable best = Array.create center.Length nothing
        let mutable above: float[][] = [||]
        let mutable bends = Array.create center.Length infinity
        let mutable step, first, rows, idle, settled = 0.25, nan, 0, 0, center.Length = 0
        while step > 1e-16 && not settled do
            let up, down = f step, f -step
            if Array.forall Double.IsFinite up && Array.forall Double.IsFinite down then
                if rows = 0 then
                    first <- step
                rows <- rows + 1
                sizes <- Array.map3 (fun a b c -> max a (max b c)) sizes (size up) (size down)
                let row = extrapolate above (difference order step up center down)
                let rounding = epsilon * (if order = 1 then 1.0 / step else 4.0 / (step * step))
                // Where a function is smooth its bend falls fourfold with half a step; over a pole, far away, it stays.
                let bendsBefore = bends
                bends <- Array.map3 (fun u c d -> abs (u - c - (c - d))) up center down
                let before = best
                best <-
                    Array.init center.Length (fun i ->
                        if bends[i] > 1e-3 * sizes[i] && bends[i] > bendsBefore[i] / 1.5 then
                            best[i]
                        else
                            better step (rounding * sizes[i]) sizes[i] above row i best[i])
                idle <-
                    if Array.forall2 (fun a b -> a.Step = b.Step) before best then
                        idle + 1
                    else
                        0
                above <- row
                let isDone =
                    rows > 4
                    && best |> Array.forall (fun b -> b.Estimate.Error <= 1e-13 * abs b.Estimate.Value)
                let isExhausted =
                    rows >= enough
                    && idle >= idleRows
                    && best |> Array.forall (fun b -> isGood b.Estimate)
                settled <- isDone || isExhausted
            else
                above <- [||]
            step <- step / 2.0
        let smallest = best |> Array.fold (fun least b -> min least b.Step) infinity
        let near = Math.ScaleB((if smallest < infinity then smallest else first), -10)
        if Double.IsFinite near then
            Array.map2
                (fun b behaviour ->
                    { b.Estimate with
                        Behaviour = behaviour })
                best
                (behaviour f center sizes near)
        else
            best |> Array.map _.Estimate
