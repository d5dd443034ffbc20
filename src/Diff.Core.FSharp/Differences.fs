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
        { Value: float
          /// How far rounding of the values can have moved it.
          Noise: float
          /// How far it is from its neighbours in the table, with the noise.
          Error: float
          Behaviour: Behaviour }

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

    // A kink keeps the difference of its slopes, and a jump its height, however small the step; elsewhere they fall with it.
    let private behaviour (f: float -> float[]) (center: float[]) (sizes: float[]) (step: float) : Behaviour[] =
        let near = step / 16.0
        let up, down, up', down' = f step, f -step, f near, f -near
        let stays (far: float) (near: float) least = abs near > 0.5 * abs far && abs near > least
        Array.init center.Length (fun i ->
            let right, left = (up'[i] - center[i]) / near, (center[i] - down'[i]) / near
            let bend = (up[i] - center[i]) / step - (center[i] - down[i]) / step
            let rounding = 1e4 * epsilon * sizes[i]
            if stays (up[i] - down[i]) (up'[i] - down'[i]) (1e6 * rounding) then Jump
            elif stays bend (right - left) (rounding / near + 1e-6 * (abs left + abs right)) then Kink(left, right)
            else Smooth)

    /// The derivative of an order, 1 or 2, of each component of f at 0: central differences over halved steps, extrapolated to
    /// step 0 (Richardson 1911); of the whole table, the entry that agrees best with its neighbours (Ridders 1982).
    /// `size` bounds the terms that the components are rounded from.
    let derivative (order: int) (size: float[] -> float[]) (f: float -> float[]) : Estimate[] =
        let center = f 0.0
        let sizes = size center
        let best = Array.create center.Length { Value = nan; Noise = nan; Error = infinity; Behaviour = NotFinite }
        let mutable bestStep = Array.create center.Length nan
        let mutable above: float[][] = [||]
        let mutable step, rows, idle, settled = 0.25, 0, 0, false
        while step > 1e-16 && (rows < enough || idle < idleRows) && not settled do
            let up, down = f step, f -step
            if Array.forall Double.IsFinite up && Array.forall Double.IsFinite down then
                rows <- rows + 1
                idle <- idle + 1
                for side in [ up; down ] do
                    size side |> Array.iteri (fun i s -> sizes[i] <- max sizes[i] s)
                let row = Array.zeroCreate (min depth (above.Length + 1))
                row[0] <-
                    if order = 1 then
                        Array.map2 (fun u d -> (u - d) / (2.0 * step)) up down
                    else
                        Array.map3 (fun u c d -> (u - c - (c - d)) / (step * step)) up center down
                let rounding = epsilon * (if order = 1 then 1.0 / step else 4.0 / (step * step))
                for j in 1 .. row.Length - 1 do
                    let factor = 1.0 / (Math.Pow(4.0, j) - 1.0)
                    row[j] <- Array.map2 (fun fine coarse -> fine + (fine - coarse) * factor) row[j - 1] above[j - 1]
                    for i in 0 .. center.Length - 1 do
                        let entry = row[j][i]
                        let spread = max (abs (entry - row[j - 1][i])) (abs (entry - above[j - 1][i]))
                        let noise = rounding * sizes[i]
                        if spread + noise < best[i].Error then
                            best[i] <- { Value = entry; Noise = noise; Error = spread + noise; Behaviour = Smooth }
                            bestStep[i] <- step
                            idle <- 0
                above <- row
                settled <- rows > 4 && best |> Array.forall (fun e -> e.Error <= 1e-13 * abs e.Value)
            else
                above <- [||]
            step <- step / 2.0
        let smallest = Array.fold min infinity bestStep
        if rows < 2 || center.Length = 0 then
            best
        else
            let behaviours = behaviour f center sizes (Math.ScaleB(smallest, -10))
            Array.map2 (fun e b -> { e with Behaviour = b }) best behaviours
