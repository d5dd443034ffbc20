namespace Diff

open System

/// Slabs named by an array of integers: gather and scatter-add are each other's transposes.
[<RequireQualifiedAccess>]
module internal Index =
    let private integers operation (indices: Expr) =
        if not (DType.isInteger indices.DType) then
            raise (
                DTypeException
                    $"{operation}: indices are int32 or int64, got {DType.name indices.DType}; cast them"
            )

    /// x[:axis] + indices + x[axis+1:]: the slabs of x that the indices name.
    let gather axis (x: Expr) (indices: Expr) : Expr =
        integers "gather" indices
        let axis = Shape.axis "gather" x.Shape axis
        let dims =
            Array.concat [ x.Shape.Dims[.. axis - 1]; indices.Shape.Dims; x.Shape.Dims[axis + 1 ..] ]
        Expr(Op.Gather axis, [| x; indices |], Shape dims, x.DType)

    /// Zeros of a shape, with the slabs of x added where the indices say: where two go to one place, their sum.
    let scatterAdd axis (shape: Shape) (x: Expr) (indices: Expr) : Expr =
        integers "scatter_add" indices
        let axis = Shape.axis "scatter_add" shape axis
        let dims =
            Array.concat [ shape.Dims[.. axis - 1]; indices.Shape.Dims; shape.Dims[axis + 1 ..] ]
        if not (x.Shape.Equals(Shape dims)) then
            raise (
                ShapeException
                    $"scatter_add: along axis {axis} of shape {shape}, indices of shape {indices.Shape} take values of shape {Shape dims}, got {x.Shape}"
            )
        if x.DType = DType.Bool then
            raise (DTypeException "scatter_add: expected numbers, got bool; cast them")
        Loop.refuseHalf "scatter_add" x
        Expr(Op.ScatterAdd axis, [| x; indices |], shape, x.DType)

    /// What an index out of range is answered with.
    let outside operation (axis: int) (extent: int) (index: int64) : exn =
        IndexOutOfRangeException $"{operation}: index {index} is outside axis {axis} of extent {extent}"

    /// The index counted from 0; negative ones count from the end.
    let private resolve operation axis (extent: int) (index: int64) =
        let i = if index < 0L then index + int64 extent else index
        if i < 0L || i >= int64 extent then
            raise (outside operation axis extent index)
        int i

    let private indexAt (indices: NDArray) k =
        if indices.DType = DType.Int32 then
            int64 (indices.Span<int>()[k])
        else
            indices.Span<int64>()[k]

    /// Calls `f` with the positions of each slab in the whole and in the gathered array.
    let inline private slabs
        operation
        (axis: int)
        (whole: Shape)
        (indices: NDArray)
        ([<InlineIfLambda>] f: int -> int -> unit)
        =
        let extent = whole[axis]
        let mutable outer, width = 1, 1
        for k in 0 .. axis - 1 do
            outer <- outer * whole[k]
        for k in axis + 1 .. whole.Rank - 1 do
            width <- width * whole[k]
        for k in 0 .. indices.Length - 1 do
            let i = resolve operation axis extent (indexAt indices k)
            for o in 0 .. outer - 1 do
                f ((o * extent + i) * width) ((o * indices.Length + k) * width)

    let private copySlabs (axis: int) (whole: Shape) width =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                slabs "gather" axis whole args[1] (fun from into ->
                    args[0].Span<'T>().Slice(from, width).CopyTo(result.Span<'T>().Slice(into, width))) }

    let inline private addSlabs<'T when 'T: unmanaged and 'T: (static member (+): 'T * 'T -> 'T)>
        axis
        whole
        width
        =
        Kernel(fun args result ->
            result.Span<'T>().Clear()
            slabs "scatter_add" axis whole args[1] (fun into from ->
                let x = args[0].Span<'T>()
                let out = result.Span<'T>()
                for j in 0 .. width - 1 do
                    out[into + j] <- out[into + j] + x[from + j]))

    let private widthOf (shape: Shape) axis =
        shape.Dims[axis + 1 ..] |> Array.fold (*) 1

    /// Each set's indices as indices of all sets' slabs, one set after the other. An index out of range stays one: outside of all.
    let private ofAll n extent (indices: Expr) : Expr =
        let i = Elementwise.makeCast DType.Int64 indices
        let constant (value: int) =
            Expr.Const(Scalar.ofInt DType.Int64 (int64 value), Shape.Scalar)
        let select condition a b =
            Expr.Map(Fn.Where, [| condition; a; b |])
        let counted =
            select (Expr.Map(Fn.Less, [| i; constant 0 |])) (i + constant extent) i
        let isInside =
            Expr.Map(
                Fn.And,
                [| Expr.Map(Fn.GreaterEqual, [| counted; constant 0 |])
                   Expr.Map(Fn.Less, [| counted; constant extent |]) |]
            )
        let first = Leaf.iota indices.Shape 0 DType.Int64 * constant extent
        select isInside (counted + first) (constant (n * extent))

    /// The axes with one of them moved to another place.
    let private moveAxis from into (x: Expr) : Expr =
        let others = [| 0 .. x.Rank - 1 |] |> Array.except [| from |]
        Einsum.permute (Array.insertAt into from others) x

    /// The two leading axes as one.
    let private flatten (x: Expr) : Expr =
        Reshape.make (Shape(Array.append [| x.Shape[0] * x.Shape[1] |] x.Shape.Dims[2..])) x

    let private gatherStacked axis n (stacked: bool[]) (args: Expr[]) (node: Expr) : Expr =
        let whole = node.Args[0].Shape
        let count = node.Args[1].Rank
        match stacked with
        | [| true; false |] -> gather (axis + 1) args[0] args[1]
        | [| false; true |] -> gather axis args[0] args[1] |> moveAxis axis 0
        | _ ->
            // n, indices, the axes before, the axes after.
            let found =
                gather 0 (args[0] |> moveAxis (axis + 1) 1 |> flatten) (ofAll n whole[axis] args[1])
            let before = [| count + 1 .. count + axis |]
            let after = [| count + axis + 1 .. found.Rank - 1 |]
            Einsum.permute (Array.concat [ [| 0 |]; before; [| 1..count |]; after ]) found

    let private scatterAddStacked axis n (stacked: bool[]) (args: Expr[]) (node: Expr) : Expr =
        let whole = node.Shape
        let count = node.Args[1].Rank
        if not stacked[1] then
            scatterAdd (axis + 1) (Stack.shape n whole) args[0] args[1]
        else
            let x = if stacked[0] then args[0] else Stack.repeat n args[0]
            let after = [| axis + count + 1 .. x.Rank - 1 |]
            let order =
                Array.concat [ [| 0 |]; [| axis + 1 .. axis + count |]; [| 1..axis |]; after ]
            let rest = Array.removeAt axis whole.Dims
            let added =
                scatterAdd
                    0
                    (Shape(Array.append [| n * whole[axis] |] rest))
                    (Einsum.permute order x)
                    (ofAll n whole[axis] args[1])
            Reshape.make (Shape(Array.append [| n; whole[axis] |] rest)) added
            |> moveAxis 1 (axis + 1)

    let gatherRule axis : Rule =
        { Derivative = Linear(fun _ xs g -> scatterAdd axis xs[0].Shape g xs[1])
          Kernel =
            fun node ->
                let whole = node.Args[0].Shape
                let action = copySlabs axis whole (widthOf whole axis)
                Kernel(fun args result -> Loop.move node.DType action args result)
          Batching = Mapped(gatherStacked axis) }

    let scatterAddRule axis : Rule =
        { Derivative = Linear(fun _ xs g -> gather axis g xs[1])
          Kernel =
            fun node ->
                let width = widthOf node.Shape axis
                match node.DType with
                | DType.Float32 -> addSlabs<float32> axis node.Shape width
                | DType.Float64 -> addSlabs<float> axis node.Shape width
                | DType.Int32 -> addSlabs<int> axis node.Shape width
                | _ -> addSlabs<int64> axis node.Shape width
          Batching = Mapped(scatterAddStacked axis) }

    // ---- Classes ------------------------------------------------------------------------------------------------------

    /// Integers of any shape, which every run checks: 0 … classes − 1.
    let classIndices (classes: int) (indices: Expr) : Expr =
        integers "cross_entropy" indices
        Expr(Op.ClassIndices classes, [| indices |], indices.Shape, indices.DType)

    /// What a class that does not exist is answered with.
    let noClass (classes: int) (index: int64) (row: int64) : exn =
        IndexOutOfRangeException
            $"cross_entropy: class {index} of row {row} is outside 0 to {classes - 1}, for the logits have {classes} classes; mask such rows out, and give them any class"

    let classRule classes : Rule =
        { Derivative = Zero
          Kernel =
            fun _ ->
                Kernel(fun args result ->
                    for row in 0 .. args[0].Length - 1 do
                        let index = indexAt args[0] row
                        if index < 0L || index >= int64 classes then
                            raise (noClass classes index (int64 row))
                    args[0].CopyTo result)
          Batching = Stacked(Op.ClassIndices classes) }
