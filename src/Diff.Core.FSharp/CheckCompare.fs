namespace Diff

open System
open System.Collections.Generic
open System.Globalization

/// A function to check, at one point: plans of its value and derivatives, with the arguments as placeholders.
[<Sealed>]
type internal CheckSubject(inputs: Expr[], value: Expr, points: NDArray[], source: Random) =
    let active =
        [| for k in 0 .. points.Length - 1 do
               if DType.isFloat points[k].DType then
                   k |]
    let y = Elementwise.makeCast DType.Float64 value
    let xs = active |> Array.map (fun k -> inputs[k])
    let w = Leaf.input "cotangent" y.Shape DType.Float64
    let vs = xs |> Array.map (fun x -> Leaf.input "tangent" x.Shape DType.Float64)
    let gs = vjp y w (List.ofArray xs) |> Array.ofList
    let plan more roots =
        Planner.make EngineOptions.Default (Array.append inputs more) roots
    let valuePlan = plan [||] [| y |]
    let gradientPlan = plan [| w |] gs
    let tangentPlan = lazy plan vs (Array.map2 (fun x v -> jvp y [ x ] [ v ]) xs vs)
    let secondPlan =
        lazy
            let pairing = Array.map2 (fun g v -> sum (g * v)) gs vs |> Array.reduce (+)
            let forward = gs |> Array.map (fun g -> jvp g (List.ofArray xs) (List.ofArray vs))
            plan
                (Array.append [| w |] vs)
                (Array.append (Array.ofList (grads pairing (List.ofArray xs))) forward)
    let numbers (results: NDArray[]) =
        results |> Array.map (fun r -> r.ToArray<float>())

    // Powers of two, and weights of few bits, so that float32 too holds what is computed from them.
    let unit (x: float) =
        Math.ScaleB(1.0, if abs x <= 1.0 then 0 else Math.ILogB x + 1)
    let random () =
        float (128 + source.Next 129) / 256.0
        * (if source.Next 2 = 0 then 1.0 else -1.0)
    let weights = Array.init y.Shape.Length (fun _ -> random ())
    let cotangent = NDArray.Create(weights, y.Shape)
    let elements = active |> Array.map (fun k -> points[k].ToArray<float>())
    let units = elements |> Array.map (Array.map unit)
    let directions = units |> Array.map (Array.map (fun u -> u * random ()))
    let magnitude = Array.fold2 (fun sum a b -> sum + abs (a * b)) 0.0

    let shift (tangents: (int * float[]) list) (t: float) =
        let at = Array.copy points
        for n, v in tangents do
            at[active[n]] <-
                NDArray.Create(Array.map2 (fun x v -> x + t * v) elements[n] v, points[active[n]].Shape)
        at

    /// The positions of the arguments that have derivatives. All below counts only these.
    member _.Active = active
    member _.Shapes = active |> Array.map (fun k -> points[k].Shape)
    member _.ValueShape = y.Shape
    /// The natural length of a step for each element.
    member _.Units = units
    /// A random tangent of each argument.
    member _.Directions = directions
    /// What the elements of the value are weighted with.
    member _.Weights = weights
    member _.Value(tangents, t) : float[] =
        (numbers (valuePlan.Run(shift tangents t)))[0]
    member _.Gradient(tangents, t) : float[][] =
        numbers (gradientPlan.Run(Array.append (shift tangents t) [| cotangent |]))
    /// The same in one array; NaN where the value is not finite, though a formula of its derivative may be.
    member this.GradientOfFinite(tangents, t) : float[] =
        let gradient = Array.concat (this.Gradient(tangents, t))
        if this.Value(tangents, t) |> Array.forall Double.IsFinite then
            gradient
        else
            Array.create gradient.Length nan
    /// The weighted sum of the value, and the sum of the terms' magnitudes.
    member this.Weighted(tangents, t) : float[] =
        let y = this.Value(tangents, t)
        [| Array.fold2 (fun sum a b -> sum + a * b) 0.0 weights y
           magnitude weights y |]
    member private _.AsArrays(tangents: float[][]) =
        Array.map2 (fun k (v: float[]) -> NDArray.Create(v, points[k].Shape)) active tangents
    /// The tangents of the value, one for the direction of each argument.
    member this.Tangents() : float[][] =
        numbers (tangentPlan.Value.Run(Array.append points (this.AsArrays directions)))
    /// The second derivative applied to tangents of all arguments: by reverse over reverse mode, by forward over reverse mode.
    member this.Second(tangents: float[][]) : struct (float[][] * float[][]) =
        let run =
            secondPlan.Value.Run(Array.concat [ points; [| cotangent |]; this.AsArrays tangents ])
        let reverse, forward = Array.splitAt active.Length (numbers run)
        struct (reverse, forward)

/// The comparisons, and the notes on what was not compared.
[<RequireQualifiedAccess>]
module internal Compare =
    /// So many elements of an argument are moved one by one; of a larger one, that many chosen at random.
    [<Literal>]
    let private Most = 48

    type private Findings =
        { Comparisons: List<DerivativeComparison>
          Notes: List<string> }

    let private dot (a: float[]) (b: float[]) =
        Array.fold2 (fun sum x y -> sum + x * y) 0.0 a b
    let private largest (values: float[]) =
        values |> Array.fold (fun m v -> max m (abs v)) 0.0

    // A derivative that is small beside the rounding of differences is measured by that: 10 digits above it.
    let private digits (analytic: float) (numeric: float) (noise: float) =
        let scale = max (max (abs analytic) (abs numeric)) (1e10 * noise)
        let difference = abs (analytic - numeric)
        if difference = 0.0 then
            16.0
        elif Double.IsFinite difference then
            max 0.0 (min 16.0 -(log10 (difference / scale)))
        else
            0.0

    let private indexOf (shape: Shape) (position: int) =
        Array.map2 (fun stride extent -> position / stride % extent) (Shape.strides shape.Dims) shape.Dims

    /// One comparison of many numbers: the worst is reported, what has no derivative is noted. True if all have one.
    let private judge
        found
        argument
        order
        subject
        (place: int -> int[])
        (analytic: float[])
        (estimates: Differences.Estimate[])
        =
        let text (x: float) =
            x.ToString("G6", CultureInfo.InvariantCulture)
        let what = if order = 1 then "the function" else "its first derivative"
        let mutable smooth = true
        let note i why =
            if smooth then
                found.Notes.Add
                    $"argument {argument}, order {order}, {subject}: at {Shape.Text(place i)} {why}"
                smooth <- false
        let mutable worst: DerivativeComparison | null = null
        let compare i numeric noise =
            let d = digits analytic[i] numeric noise
            let isWorse =
                match worst with
                | null -> true
                | w -> d < w.Digits
            if isWorse then
                worst <- DerivativeComparison(argument, order, subject, d, place i, analytic[i], numeric)
        estimates
        |> Array.iteri (fun i e ->
            match e.Behaviour with
            | Differences.Smooth ->
                compare i e.Value e.Noise
                if e.Error > 1e-7 * max (abs e.Value) (1e10 * e.Noise) then
                    note
                        i
                        $"differences settle only to {text e.Value} ± {text e.Error}: {what} is hardly smooth there"
            | Differences.Jump -> note i $"{what} jumps"
            | Differences.NotFinite -> note i $"{what} is not finite on both sides"
            | Differences.Kink(left, right) ->
                note
                    i
                    $"{what} has a kink, of slope {text left} before and {text right} after; the rule says {text analytic[i]}"
                let low, high = min left right, max left right
                let slack = 1e-3 * (abs low + abs high)
                if not (analytic[i] >= low - slack && analytic[i] <= high + slack) then
                    compare i (if analytic[i] > high then high else low) e.Noise)
        match worst with
        | null -> ()
        | w -> found.Comparisons.Add w
        smooth

    let private sizeOfTerms (both: float[]) = [| both[1]; both[1] |]

    let private firstOrder
        (found: Findings)
        (s: CheckSubject)
        (source: Random)
        n
        (gradient: float[])
        (tangent: float[])
        =
        let k, shape, units, v = s.Active[n], s.Shapes[n], s.Units[n], s.Directions[n]
        let chosen = [| 0 .. shape.Length - 1 |]
        if chosen.Length > Most then
            source.Shuffle chosen
            found.Notes.Add
                $"argument {k} has {shape.Length} elements: {Most} of them were moved alone, and all in one direction"
        let chosen = Array.truncate Most chosen
        let estimates =
            chosen
            |> Array.map (fun i ->
                let u = units[i]
                let along = Array.init v.Length (fun j -> if j = i then u else 0.0)
                (Differences.derivative 1 sizeOfTerms (fun t -> s.Weighted([ n, along ], t)))[0]
                |> Differences.perUnit u)
        let derivatives = chosen |> Array.map (fun i -> gradient[i])
        judge found k 1 "vjp against differences" (fun i -> indexOf shape chosen[i]) derivatives estimates
        |> ignore
        let evenly (values: float[]) =
            Array.create values.Length (largest values)
        let along = Differences.derivative 1 evenly (fun t -> s.Value([ n, v ], t))
        judge found k 1 "jvp against differences" (indexOf s.ValueShape) tangent along
        |> ignore
        let left, right = dot s.Weights tangent, dot gradient v
        let magnitude = Array.fold2 (fun sum a b -> sum + abs (a * b)) 0.0
        let terms =
            magnitude s.Weights tangent + magnitude gradient v + (s.Weighted([], 0.0))[1]
        found.Comparisons.Add(
            DerivativeComparison(
                k,
                1,
                "jvp against vjp",
                digits left right (1e-10 * terms),
                [||],
                left,
                right
            )
        )

    let private secondOrder (found: Findings) (s: CheckSubject) =
        let struct (reverse, forward) = s.Second s.Directions
        // The elements of a gradient are rounded from terms as large as those of the value.
        let terms = (s.Weighted([], 0.0))[1]
        let floors = s.Units |> Array.collect (Array.map (fun u -> terms / u))
        let size (g: float[]) =
            Array.map2 (fun g least -> max (abs g) least) g floors
        let all = s.Directions |> Array.indexed |> List.ofArray
        let along = Differences.derivative 1 size (fun t -> s.GradientOfFinite(all, t))
        let mutable start = 0
        for n in 0 .. s.Active.Length - 1 do
            let k, v = s.Active[n], s.Directions[n]
            if v.Length > 0 then
                let estimates = along[start .. start + v.Length - 1]
                let judge subject derivatives =
                    judge found k 2 subject (indexOf s.Shapes[n]) derivatives estimates
                let smooth = judge "vjp of vjp against differences of vjp" reverse[n]
                if judge "jvp of vjp against differences of vjp" forward[n] && smooth then
                    let alone =
                        s.Directions
                        |> Array.mapi (fun m d -> if m = n then d else Array.zeroCreate d.Length)
                    let struct (product, _) = s.Second alone
                    let e = (Differences.derivative 2 sizeOfTerms (fun t -> s.Weighted([ n, v ], t)))[0]
                    if e.Behaviour = Differences.Smooth then
                        let curvature = dot product[n] v
                        // Sums inside of the function round too, by more than the value shows.
                        let d = digits curvature e.Value (16.0 * e.Noise)
                        let subject = "vjp of vjp against second differences"
                        found.Comparisons.Add(
                            DerivativeComparison(k, 2, subject, d, [||], curvature, e.Value)
                        )
                start <- start + v.Length

    /// Compares all derivatives of f up to an order at one point.
    let run (f: Expr[] -> Expr) (points: NDArray[]) (order: int) : CheckReport =
        let found = { Comparisons = List(); Notes = List() }
        let points =
            points
            |> Array.mapi (fun k p ->
                if p.DType = DType.Float32 then
                    found.Notes.Add
                        $"argument {k} is float32: checked as float64, where differences have enough digits"
                    NDArray.Create(p.ToArray<float32>() |> Array.map float, p.Shape)
                else
                    if not (DType.isFloat p.DType) then
                        found.Notes.Add
                            $"argument {k} is {DType.name p.DType}: it has no derivative and keeps its value"
                    elif p.Length = 0 then
                        found.Notes.Add $"argument {k} of shape {p.Shape} has no elements"
                    p)
        let inputs =
            points |> Array.mapi (fun k p -> Leaf.input $"argument {k}" p.Shape p.DType)
        let value = f inputs
        if not (DType.isFloat value.DType) then
            found.Notes.Add $"the value is {DType.name value.DType}: it has no derivative"
        else
            let source = Random 1
            let s = CheckSubject(inputs, value, points, source)
            if not (s.Value([], 0.0) |> Array.forall Double.IsFinite) then
                found.Notes.Add "the value is not finite at this point"
            elif s.Active.Length > 0 then
                let gradient, tangents = s.Gradient([], 0.0), s.Tangents()
                for n in 0 .. s.Active.Length - 1 do
                    if s.Shapes[n].Length > 0 then
                        firstOrder found s source n gradient[n] tangents[n]
                if order > 1 then
                    secondOrder found s
        CheckReport(found.Comparisons.ToArray(), found.Notes.ToArray())
