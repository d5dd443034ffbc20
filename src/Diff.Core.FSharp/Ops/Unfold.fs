namespace Diff

open System

/// Sliding windows of an axis: unfold and fold are each other's transposes.
[<RequireQualifiedAccess>]
module internal Unfold =
    /// How far a window reaches.
    let span size dilation = int64 dilation * int64 (size - 1) + 1L

    /// How many windows an axis has; none where they do not fit.
    let count (extent: int) size step dilation =
        let rest = int64 extent - span size dilation
        if rest < 0L then 0 else int (rest / int64 step) + 1

    let private checkWindow operation size step dilation =
        if size < 1 || step < 1 || dilation < 1 then
            raise (
                ShapeException
                    $"{operation}: size, step and dilation of a window are at least 1, got {size}, {step} and {dilation}"
            )

    /// The axis as two: which window, and which of its elements, at position·step + offset·dilation of the axis.
    let make axis size step dilation (x: Expr) : Expr =
        let axis = Shape.axis "unfold" x.Shape axis
        checkWindow "unfold" size step dilation
        let dims = x.Shape.Dims
        let extent = dims[axis]
        let positions = count extent size step dilation
        if positions = 0 then
            raise (
                ShapeException
                    $"unfold: a window of {size} elements, {dilation} apart, reaches over {span size dilation}, but axis {axis} of shape {x.Shape} has {extent}; pad the axis or take a smaller window"
            )
        let shape =
            Shape(Array.concat [ dims[.. axis - 1]; [| positions; size |]; dims[axis + 1 ..] ])
        // Windows side by side that cover the axis are the same numbers in the same order.
        let isTiling =
            positions * size = extent
            && (positions = 1 || step = size)
            && (size = 1 || dilation = 1)
        if isTiling then
            Reshape.make shape x
        else
            Expr(Op.Unfold(axis, size, step, dilation), [| x |], shape, x.DType)

    /// Windows added up where they overlap, along an axis of the given extent: the transpose of `make`.
    let fold axis extent step dilation (x: Expr) : Expr =
        let axis = Shape.axis "fold" x.Shape axis
        if axis = x.Rank - 1 then
            raise (
                ShapeException
                    $"fold: axis {axis} of shape {x.Shape} is the last; the axis of a window's elements must follow it"
            )
        if x.DType = DType.Bool then
            raise (DTypeException "fold: expected numbers, got bool; cast them")
        Loop.refuseHalf "fold" x
        let dims = x.Shape.Dims
        let positions, size = dims[axis], dims[axis + 1]
        checkWindow "fold" size step dilation
        if count extent size step dilation <> positions then
            raise (
                ShapeException
                    $"fold: an axis of {extent} has {count extent size step dilation} windows of {size} elements with step {step} and dilation {dilation}, but axis {axis} of shape {x.Shape} has {positions}"
            )
        let whole = Array.concat [ dims[.. axis - 1]; [| extent |]; dims[axis + 2 ..] ]
        // Windows that lie apart are only put where they belong.
        let spread count step =
            let part, steps = Array.copy whole, Array.create whole.Length 1
            part[axis] <- count
            steps[axis] <- step
            Reshape.make (Shape part) x
            |> Window.embed (Array.zeroCreate whole.Length) steps (Shape whole)
        if size = 1 then
            spread positions step
        elif positions = 1 then
            spread size dilation
        elif step = size && dilation = 1 then
            spread (positions * size) 1
        else
            Expr(Op.Fold(axis, extent, step, dilation), [| x |], Shape whole, x.DType)

    let unfoldRule axis size step dilation : Rule =
        { Derivative = Linear(fun _ xs g -> fold axis xs[0].Shape[axis] step dilation g)
          Kernel =
            fun node ->
                let strides = Shape.strides node.Args[0].Shape.Dims
                let window = [| strides[axis] * step; strides[axis] * dilation |]
                let view = Array.concat [ strides[.. axis - 1]; window; strides[axis + 1 ..] ]
                let action = Window.copyOut (Loop.offsets node.Shape.Dims view)
                Kernel(fun args result -> Loop.move node.DType action args result)
          Batching = Stacked(Op.Unfold(axis + 1, size, step, dilation)) }

    /// 'S is the type that terms are added in: float64 for float32. `terms` has, for each index of the axis, where its terms lie
    /// in the windows of one line; `lines` lines, each of `width` elements side by side.
    let inline private sums<'T, 'S
        when 'T: unmanaged and 'S: unmanaged and 'S: (static member (+): 'S * 'S -> 'S)>
        ([<InlineIfLambda>] wide: 'T -> 'S)
        ([<InlineIfLambda>] narrow: 'S -> 'T)
        (terms: int[][])
        (lines: int)
        (length: int)
        (width: int)
        =
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let out = result.Span<'T>()
            for line in 0 .. lines - 1 do
                for j in 0 .. terms.Length - 1 do
                    let places = terms[j]
                    for i in 0 .. width - 1 do
                        let mutable sum = Unchecked.defaultof<'S>
                        for t in 0 .. places.Length - 1 do
                            sum <- sum + wide x[(line * length + places[t]) * width + i]
                        out[(line * terms.Length + j) * width + i] <- narrow sum)

    let foldRule axis extent step dilation : Rule =
        { Derivative = Linear(fun _ xs g -> make axis xs[0].Shape[axis + 1] step dilation g)
          Kernel =
            fun node ->
                let dims = node.Args[0].Shape.Dims
                let positions, size = dims[axis], dims[axis + 1]
                let terms =
                    Array.init extent (fun j ->
                        [| for k in 0 .. size - 1 do
                               let p = j - k * dilation
                               if p >= 0 && p % step = 0 && p / step < positions then
                                   p / step * size + k |])
                let lines, length, width =
                    Array.fold (*) 1 dims[.. axis - 1], positions * size, Array.fold (*) 1 dims[axis + 2 ..]
                match node.DType with
                | DType.Float32 -> sums<float32, float> float float32 terms lines length width
                | DType.Float64 -> sums<float, float> id id terms lines length width
                | DType.Int32 -> sums<int, int> id id terms lines length width
                | _ -> sums<int64, int64> id id terms lines length width
          Batching = Stacked(Op.Fold(axis + 1, extent, step, dilation)) }
