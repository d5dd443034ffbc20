namespace Diff

/// Sums over the elements of windows, and windows of equal elements added up: the mean of a pooling, and its derivative. Both go axis by axis, as
/// sums of slices: additions as many as a window is long, once for each axis, and nothing of the windows' size.
[<RequireQualifiedAccess>]
module internal WindowSums =
    /// Longer windows have too many slices.
    let private most = 16

    let private slice axis start step count (x: Expr) : Expr =
        let starts, steps = Array.zeroCreate x.Rank, Array.create x.Rank 1
        starts[axis] <- start
        steps[axis] <- step
        Window.slice starts steps (Shape(Array.updateAt axis count x.Shape.Dims)) x

    let private embed axis start extent (x: Expr) : Expr =
        let starts = Array.zeroCreate x.Rank
        starts[axis] <- start
        Window.embed starts (Array.create x.Rank 1) (Shape(Array.updateAt axis extent x.Shape.Dims)) x

    /// Whether windows end in some axes that are to be summed, and they are short.
    let private isOfWindows (axes: int list) (x: Expr) =
        match x.Op with
        | Op.Unfold(axis, size, _, _) ->
            size <= most && List.contains (axis + 1) axes && not (List.contains axis axes)
        | _ -> false

    /// The sum over some axes: windows within windows first.
    let rec private reduced (axes: int list) (x: Expr) : Expr =
        match x.Op with
        | Op.Unfold(axis, size, step, dilation) when isOfWindows axes x ->
            let rest =
                axes
                |> List.filter ((<>) (axis + 1))
                |> List.map (fun a -> if a > axis then a - 1 else a)
            let inner = reduced rest x.Args[0]
            let place = axis - (rest |> List.filter (fun a -> a < axis) |> List.length)
            Seq.init size (fun k -> slice place (k * dilation) step x.Shape[axis] inner)
            |> Seq.reduce (+)
        | _ -> Reduce.sum (Array.ofList axes) x

    let private isDistinct (labels: string) =
        Seq.length (Seq.distinct labels) = labels.Length

    /// A sum over elements of windows as sums of slices; else as it is.
    let lower (e: Expr) : Expr =
        match e.Op with
        | Op.Einsum spec when
            e.Args.Length = 1
            && DType.isFloat e.DType
            && e.Args[0].Op.IsUnfold
            && isDistinct spec.Inputs[0]
            ->
            let labels = spec.Inputs[0]
            let axes =
                [ for axis in 0 .. labels.Length - 1 do
                      if not (spec.Output.Contains labels[axis]) then
                          axis ]
            if isOfWindows axes e.Args[0] then
                let kept = labels |> String.filter spec.Output.Contains
                let sums = reduced axes e.Args[0]
                if kept = spec.Output then
                    sums
                else
                    Expr.Contract({ spec with Inputs = [| kept |] }, [| sums |], e.Shape)
            else
                e
        | _ -> e

    /// Windows of equal elements, x[.., p, ..] at each of `size` places, added up along an axis of the given extent: the element j is the sum of
    /// x[p] over p·step + k·dilation = j.
    let private spread axis size extent step dilation (x: Expr) : Expr =
        let terms = (size + step - 1) / step
        let before = dilation * (terms - 1)
        let count = x.Shape[axis] + before
        let padded = embed axis before (count + before) x
        // The elements that lie `step` apart have the same places within their windows.
        let phase r =
            let own = if r < size then (size - r + step - 1) / step else 0
            if own = 0 then
                Expr.Full(0.0, Shape(Array.updateAt axis count x.Shape.Dims), x.DType)
            else
                Seq.init own (fun t -> slice axis (before - t * dilation) 1 count padded)
                |> Seq.reduce (+)
        if step = 1 then
            phase 0
        else
            let one =
                Shape(Array.insertAt (axis + 1) 1 (Array.updateAt axis count x.Shape.Dims))
            let between = Array.init step (phase >> Reshape.make one)
            let dims = Array.insertAt (axis + 1) step (Array.updateAt axis count x.Shape.Dims)
            let all =
                Expr(Op.Concat(axis + 1), between, Shape dims, x.DType)
                |> Reshape.make (Shape(Array.updateAt axis (count * step) x.Shape.Dims))
            if extent <= count * step then
                slice axis 0 1 extent all
            else
                embed axis 0 extent all

    /// The windows at `axis` of a repetition added up along an axis of the given extent; none where the elements of a window differ.
    let ofRepetition axis extent step dilation (e: Expr) (spec: EinsumSpec) : Expr voption =
        let output = spec.Output
        let p, k, size = output[axis], output[axis + 1], e.Shape[axis + 1]
        if
            e.Args.Length = 1
            && DType.isFloat e.DType
            && isDistinct spec.Inputs[0]
            && isDistinct output
            && spec.Inputs[0].Contains p
            && not (spec.Inputs[0].Contains k)
            && size <= most
            && (step = 1 || dilation = 1)
            && e.Shape.Length > 0
        then
            // Without what is repeated along other axes, which comes after.
            let own = output |> String.filter spec.Inputs[0].Contains
            let dims = own |> Seq.map (fun c -> e.Shape[output.IndexOf c]) |> Array.ofSeq
            let compact =
                if own = spec.Inputs[0] then
                    e.Args[0]
                else
                    Expr.Contract({ spec with Output = own }, e.Args, Shape dims)
            let sums = spread (own.IndexOf p) size extent step dilation compact
            let whole = output.Remove(axis + 1, 1)
            if own = whole then
                ValueSome sums
            else
                let dims = Array.removeAt (axis + 1) e.Shape.Dims |> Array.updateAt axis extent
                ValueSome(Expr.Contract({ Inputs = [| own |]; Output = whole }, [| sums |], Shape dims))
        else
            ValueNone
