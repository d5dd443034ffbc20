namespace Diff

open System
open System.Collections.Generic
open Diff.Kernels

/// How one operation runs on memory: the step, given where its operands and its result lie, and what it costs.
type internal FastKernel =
    {
        Make: Place[] -> Place -> MemoryStep
        Flops: float
        /// Read and written.
        Bytes: float
    }

/// Steps for operations that neither loops nor products cover. They read their operands through strides where a kernel can.
[<RequireQualifiedAccess>]
module internal FastKernels =
    let private typeOf (dtype: DType) : LoopType =
        LanguagePrimitives.EnumOfValue(byte dtype)
    let private elements (dims: int[]) = Array.fold (*) 1 dims
    let private bytesOf (node: Expr) =
        float node.Shape.Length * float (DType.size node.DType)

    /// Some neighbouring axes as one: how far apart its elements lie; none where they are not equally spaced.
    let private line (extents: int[]) (strides: int[]) : int voption =
        let long =
            [| for axis in 0 .. extents.Length - 1 do
                   if extents[axis] <> 1 then
                       axis |]
        if elements extents <= 1 then
            ValueSome 1
        else
            let last = long[long.Length - 1]
            let fits =
                Seq.forall (fun (a, b) -> strides[a] = extents[b] * strides[b]) (Seq.pairwise long)
            if fits then ValueSome strides[last] else ValueNone

    // ---- Zeros around an array -------------------------------------------------------------------------------------------

    let private join size (parts: struct (StridedCopy * Place * int)[]) bytes (into: Place) : MemoryStep =
        JoinStep(
            size,
            parts
            |> Array.map (fun (struct (copy, from, start)) -> JoinPart(copy, from, nativeint (start * size))),
            into,
            bytes
        )

    /// The elements that an array with steps along its axes leaves free of the whole, as regular parts: where each starts, its extents and
    /// its strides. Axis by axis: what is before, after and between, where the axes before are within the array.
    let private gaps
        (window: int[])
        (whole: int[])
        (starts: int[])
        (steps: int[])
        : struct (int * int[] * int[])[] =
        let strides = Shape.strides whole
        let found = List<struct (int * int[] * int[])>()
        // What the part covers along the axes before the current one.
        let extents, places = List<int>(), List<int>()
        let mutable first = 0
        for axis in 0 .. whole.Length - 1 do
            let add start ownExtents ownStrides =
                let after = axis + 1
                let extents = Array.concat [ extents.ToArray(); ownExtents; whole[after..] ]
                if elements extents > 0 then
                    let places = Array.concat [ places.ToArray(); ownStrides; strides[after..] ]
                    found.Add(struct (first + start * strides[axis], extents, places))
            let n, step = window[axis], abs steps[axis]
            let least =
                if steps[axis] < 0 then
                    starts[axis] + (n - 1) * steps[axis]
                else
                    starts[axis]
            let reached = least + (n - 1) * step + 1
            add 0 [| least |] [| strides[axis] |]
            add reached [| whole[axis] - reached |] [| strides[axis] |]
            add (least + 1) [| n - 1; step - 1 |] [| step * strides[axis]; strides[axis] |]
            extents.Add n
            places.Add(step * strides[axis])
            first <- first + least * strides[axis]
        found.ToArray()

    let private embed (starts: int[]) (steps: int[]) (node: Expr) (strides: int[][]) : FastKernel =
        let size = DType.size node.DType
        let window, whole = node.Args[0].Shape.Dims, node.Shape.Dims
        let target = Shape.strides whole
        let zeros (struct (start, extents: int[], places)) =
            struct (StridedCopy(size, extents, Array.zeroCreate extents.Length, places), Place(-1, 0n), start)
        let filled =
            if elements window = 0 then
                [| zeros (struct (0, whole, target)) |]
            else
                gaps window whole starts steps |> Array.map zeros
        let copy = StridedCopy(size, window, strides[0], Array.map2 (*) steps target)
        let start =
            Array.fold2 (fun sum start stride -> sum + start * stride) 0 starts target
        { Make =
            fun froms into ->
                join
                    size
                    (Array.append filled [| struct (copy, froms[0], start) |])
                    (int64 (bytesOf node))
                    into
          Flops = 0.0
          Bytes = bytesOf node + bytesOf node.Args[0] }

    // ---- Slabs that indices name ------------------------------------------------------------------------------------------

    /// The slabs of `whole` along `axis`, read with these strides from an array whose axes for a row are `rows` many.
    let private slabs
        operation
        axis
        (whole: int[])
        (read: int[])
        rows
        rowStep
        (x: int[])
        (indices: Expr)
        (steps: int[])
        =
        let after = axis + rows
        match
            line read[.. axis - 1] x[.. axis - 1],
            rowStep,
            line read[after..] x[after..],
            line indices.Shape.Dims steps
        with
        | ValueSome outerStep, ValueSome rowStep, ValueSome columnStep, ValueSome indexStep ->
            let extent = whole[axis]
            ValueSome(
                Slabs(
                    Outside = Func<int64, exn>(Index.outside operation axis extent),
                    Outer = nativeint (elements whole[.. axis - 1]),
                    Extent = nativeint extent,
                    Count = nativeint indices.Shape.Length,
                    Width = nativeint (elements whole[axis + 1 ..]),
                    OuterStep = nativeint outerStep,
                    RowStep = nativeint (rowStep: int),
                    ColumnStep = nativeint columnStep,
                    IsLong = (indices.DType = DType.Int64),
                    IndexStep = nativeint indexStep
                )
            )
        | _ -> ValueNone

    let private gather axis (node: Expr) (strides: int[][]) : FastKernel voption =
        let x, indices = node.Args[0], node.Args[1]
        let dims = x.Shape.Dims
        let ofX = strides[0]
        slabs "gather" axis dims dims 1 (ValueSome ofX[axis]) ofX indices strides[1]
        |> ValueOption.map (fun slabs ->
            { Make = fun froms into -> GatherStep(slabs, DType.size node.DType, froms[0], froms[1], into)
              Flops = 0.0
              Bytes = 2.0 * bytesOf node + bytesOf indices })

    let private scatterAdd axis (node: Expr) (strides: int[][]) : FastKernel voption =
        let x, indices = node.Args[0], node.Args[1]
        let dims, rows = x.Shape.Dims, indices.Rank
        let ofX = strides[0]
        let rowStep = line dims[axis .. axis + rows - 1] ofX[axis .. axis + rows - 1]
        slabs "scatter_add" axis node.Shape.Dims dims rows rowStep ofX indices strides[1]
        |> ValueOption.map (fun slabs ->
            { Make = fun froms into -> ScatterAdd.Make(typeOf node.DType, slabs, froms[0], froms[1], into)
              Flops = float x.Shape.Length
              Bytes = bytesOf node + bytesOf x + bytesOf indices })

    // ---- Sums and extremes --------------------------------------------------------------------------------------------------

    let private fold axis extent step dilation (node: Expr) (strides: int[][]) : FastKernel voption =
        let x, ofX = node.Args[0], strides[0]
        let dims = x.Shape.Dims
        match line dims[.. axis - 1] ofX[.. axis - 1], line dims[axis + 2 ..] ofX[axis + 2 ..] with
        | ValueSome lineStep, ValueSome 1 ->
            let windows =
                Windows(
                    Extent = extent,
                    Positions = dims[axis],
                    Size = dims[axis + 1],
                    Step = step,
                    Dilation = dilation,
                    Lines = nativeint (elements dims[.. axis - 1]),
                    LineStep = nativeint lineStep,
                    PositionStep = nativeint ofX[axis],
                    OffsetStep = nativeint ofX[axis + 1],
                    Width = nativeint (elements dims[axis + 2 ..])
                )
            ValueSome
                { Make = fun froms into -> Fold.Make(typeOf node.DType, windows, froms[0], into)
                  Flops = float x.Shape.Length
                  Bytes = bytesOf x + bytesOf node }
        | _ -> ValueNone

    // Shorter ones are compared column by column.
    let private shortRun = 16

    /// The largest or smallest numbers over some axes, or their places.
    let private extreme (kind: Extreme) places (axes: int[]) (node: Expr) (strides: int[][]) : FastKernel =
        let x, ofX = node.Args[0], strides[0]
        let dims = x.Shape.Dims
        let compares axis = Array.contains axis axes
        // The last axes that lie side by side, all kept or all compared.
        let mutable first, tail, last, joins = dims.Length, 1, -1, true
        while first > 0 && joins do
            let axis = first - 1
            let isOne = dims[axis] = 1
            joins <- isOne || (ofX[axis] = tail && (last < 0 || compares axis = compares last))
            if joins then
                first <- axis
                tail <- tail * dims[axis]
                if last < 0 && not isOne then
                    last <- axis
        let isRun = last >= 0 && compares last
        let table (chosen: int[]) =
            Loop.offsets
                (chosen |> Array.map (fun axis -> dims[axis]))
                (chosen |> Array.map (fun axis -> ofX[axis]))
            |> Array.map nativeint
        let kept, compared = Array.init dims.Length id |> Array.partition (compares >> not)
        let before axis = Array.filter (fun a -> a < axis)
        let groups =
            if tail >= (if isRun then shortRun else 2) then
                Groups(
                    Bases = table (before first kept),
                    Offsets = table (before first compared),
                    Width = nativeint (if isRun then 1 else tail),
                    ColumnStep = 1n,
                    Run = nativeint (if isRun then tail else 1)
                )
            else
                // Columns that do not lie side by side: windows of a few elements.
                let columns =
                    kept
                    |> Array.tryFindBack (fun axis -> dims[axis] <> 1)
                    |> Option.defaultValue -1
                Groups(
                    Bases = table (before columns kept),
                    Offsets = table compared,
                    Width = nativeint (if columns < 0 then 1 else dims[columns]),
                    ColumnStep = nativeint (if columns < 0 then 1 else ofX[columns]),
                    Run = 1n
                )
        { Make =
            fun froms into ->
                Extremes.Make(typeOf x.DType, (kind = Extreme.Max), places, groups, froms[0], into)
          Flops = float x.Shape.Length
          Bytes = bytesOf x + bytesOf node }

    // ---- Random numbers -----------------------------------------------------------------------------------------------------

    let private random draw (node: Expr) (strides: int[][]) : FastKernel voption =
        let isDense (x: Expr) strides =
            View.isContiguous x.Shape { View.own x with Strides = strides }
        if Array.forall2 isDense node.Args strides then
            let keys = node.Args[0].Shape.Length
            let plan =
                RandomPlan(
                    Draw = Draws.kind draw,
                    Type = typeOf node.DType,
                    Keys = int64 keys,
                    PerKey = int64 (node.Shape.Length / max 1 keys),
                    Bound = Draws.bound draw
                )
            ValueSome
                { Make = fun froms into -> RandomStep(plan, froms, into)
                  Flops = 10.0 * float node.Shape.Length
                  Bytes = bytesOf node }
        else
            ValueNone

    let private classIndices classes (node: Expr) (strides: int[][]) : FastKernel voption =
        if
            View.isContiguous
                node.Shape
                { View.own node.Args[0] with
                    Strides = strides[0] }
        then
            let failure = Func<int64, int64, exn>(Index.noClass classes)
            let make (froms: Place[]) into : MemoryStep =
                match node.DType with
                | DType.Int32 -> ClassStep<int>(classes, node.Shape.Length, failure, froms[0], into)
                | _ -> ClassStep<int64>(classes, node.Shape.Length, failure, froms[0], into)
            ValueSome
                { Make = make
                  Flops = 0.0
                  Bytes = 2.0 * bytesOf node }
        else
            ValueNone

    /// A step for the node that reads its operands with these strides; none if there is no kernel, or it cannot read them so.
    let tryMake (node: Expr) (strides: int[][]) : FastKernel voption =
        match node.Op with
        | Op.Embed(starts, steps) -> ValueSome(embed starts steps node strides)
        | Op.Gather axis -> gather axis node strides
        | Op.ScatterAdd axis -> scatterAdd axis node strides
        | Op.Fold(axis, extent, step, dilation) -> fold axis extent step dilation node strides
        | Op.ClassIndices classes -> classIndices classes node strides
        | Op.Reduce(kind, axes) -> ValueSome(extreme kind false axes node strides)
        | Op.ArgReduce(kind, axis) -> ValueSome(extreme kind true [| axis |] node strides)
        | Op.Random draw -> random draw node strides
        | _ -> ValueNone
