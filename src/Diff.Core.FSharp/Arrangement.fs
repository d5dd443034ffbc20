namespace Diff

open System
open System.Collections.Generic

/// The same elements in other places: shapes, axes, windows, joins, indexing.
/// Axes count from 0, negative ones from the end.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Arrangement =
    /// The same numbers in row-major order with another shape; one extent may be −1: what is left over.
    let reshape (shape: int list) (x: Expr) : Expr =
        Reshape.make (Reshape.resolve x.Shape (Array.ofList shape)) x

    let internal permuted (order: int[]) (x: Expr) =
        let order' = order |> Array.map (Shape.axis "transpose" x.Shape)
        if Array.sort order' <> Array.init x.Rank id then
            raise (
                ShapeException
                    $"transpose: expected every axis of shape {x.Shape} once, got {Shape.Text order}"
            )
        Einsum.permute order' x

    /// The axes in another order.
    let permute (order: int list) (x: Expr) : Expr = permuted (Array.ofList order) x
    /// The axes in reverse order.
    let transpose (x: Expr) : Expr =
        permuted (Array.init x.Rank (fun i -> x.Rank - 1 - i)) x

    /// A new axis of extent 1 before the axis of that number.
    let expandDims (axis: int) (x: Expr) : Expr =
        if axis < -x.Rank - 1 || axis > x.Rank then
            raise (
                ShapeException
                    $"expand_dims: axis {axis} is outside shape {x.Shape}; a new axis goes to {-x.Rank - 1} to {x.Rank}"
            )
        let at = if axis < 0 then axis + x.Rank + 1 else axis
        Reshape.make (Shape(Array.insertAt at 1 x.Shape.Dims)) x

    /// Elements start, start + step … before stop along one axis, with Python's meaning of negative bounds and steps.
    let slice (axis: int) (start: int option) (stop: int option) (step: int) (x: Expr) : Expr =
        let axis = Shape.axis "slice" x.Shape axis
        let struct (first, count) =
            Slicing.window x.Shape[axis] (Option.toValueOption start) (Option.toValueOption stop) step
        let starts, steps, dims =
            Array.zeroCreate x.Rank, Array.create x.Rank 1, x.Shape.ToArray()
        starts[axis] <- (if count = 0 then 0 else first)
        steps[axis] <- step
        dims[axis] <- count
        Window.slice starts steps (Shape dims) x

    /// The sub-array at one index of an axis, which goes away.
    let at (axis: int) (index: int) (x: Expr) : Expr =
        let axis = Shape.axis "index" x.Shape axis
        let n = x.Shape[axis]
        if index < -n || index >= n then
            raise (
                ArgumentOutOfRangeException(
                    "index",
                    $"index: {index} is outside axis {axis} of shape {x.Shape}"
                )
            )
        let i = if index < 0 then index + n else index
        slice axis (Some i) (Some(i + 1)) 1 x
        |> Reshape.make (Shape.reduce false [| axis |] x.Shape)

    /// Arrays one after the other along an axis.
    let concat (axis: int) (xs: Expr list) : Expr = Window.concat axis (Array.ofList xs)

    /// Arrays of one shape along a new axis.
    let stack (axis: int) (xs: Expr list) : Expr =
        match xs with
        | [] -> invalidArg "xs" "stack: expected at least one array, got none"
        | first :: _ ->
            for x in xs do
                if not (x.Shape.Equals first.Shape) then
                    raise (
                        ShapeException $"stack: expected arrays of one shape, got {first.Shape} and {x.Shape}"
                    )
            concat axis (xs |> List.map (expandDims axis))

    /// Parts of the given extents along an axis.
    let split (axis: int) (extents: int list) (x: Expr) : Expr list =
        let i = Shape.axis "split" x.Shape axis
        if List.sum extents <> x.Shape[i] || List.exists (fun n -> n < 0) extents then
            raise (
                ShapeException
                    $"split: expected extents that add up to {x.Shape[i]}, axis {i} of shape {x.Shape}, got {Shape.Text extents}"
            )
        let starts = List.scan (+) 0 extents
        List.map2
            (fun start n -> slice i (Some start) (Some(start + n)) 1 x)
            (List.take extents.Length starts)
            extents

    /// The array with (before, after) elements of one value added on each axis.
    let padWith (value: float) (widths: (int * int) list) (x: Expr) : Expr =
        if widths.Length <> x.Rank || List.exists (fun (a, b) -> a < 0 || b < 0) widths then
            let given = String.Join(", ", widths)
            raise (
                ShapeException
                    $"pad: expected {x.Rank} pairs of numbers of at least 0 for shape {x.Shape}, got {given}"
            )
        let starts = widths |> List.map fst |> Array.ofList
        let dims = List.map2 (fun n (a, b) -> a + n + b) (List.ofArray x.Shape.Dims) widths
        let embed (e: Expr) =
            Window.embed starts (Array.create x.Rank 1) (Shape(Array.ofList dims)) e
        if value = 0.0 || x.Shape.Dims = Array.ofList dims then
            embed x
        else
            where
                (embed (Expr.Full(1.0, x.Shape, DType.Bool)))
                (embed x)
                (Expr.Full(value, Shape.Scalar, x.DType))

    /// The array with zeros added on each axis.
    let pad (widths: (int * int) list) (x: Expr) : Expr = padWith 0.0 widths x

    // ---- Windows ----------------------------------------------------------------------------------------------------

    /// The axis as two adjacent ones, windows and their elements: y[.., p, k, ..] = x[.., p·step + k·dilation, ..].
    let unfold (axis: int) (size: int) (step: int) (dilation: int) (x: Expr) : Expr =
        Unfold.make axis size step dilation x

    /// Windows, the axis given, and their elements, the axis after it, added up where they lie in an axis of the given extent:
    /// the transpose of `unfold`.
    let fold (axis: int) (extent: int) (step: int) (dilation: int) (x: Expr) : Expr =
        Unfold.fold axis extent step dilation x

    // ---- Indexing ---------------------------------------------------------------------------------------------------

    /// The slabs of x along an axis that integers name: x[:axis] + indices + x[axis+1:]. Negative indices count from the end.
    let gather (axis: int) (indices: Expr) (x: Expr) : Expr = Index.gather axis x indices

    /// The slabs of x along an axis at places that are known, in their order; negative ones count from the end.
    let gatherAt (axis: int) (indices: int list) (x: Expr) : Expr =
        let axis = Shape.axis "gather" x.Shape axis
        let n = x.Shape[axis]
        for i in indices do
            if i < -n || i >= n then
                raise (Index.outside "gather" axis n (int64 i))
        Index.gather axis x (Leaf.literal (NDArray.Create(Array.ofList indices, Shape [| indices.Length |])))

    /// Zeros of `shape`, with the slabs of `values` along an axis added where the indices name them.
    let scatterAdd (axis: int) (shape: int list) (indices: Expr) (values: Expr) : Expr =
        Index.scatterAdd axis (Shape(Array.ofList shape)) values indices

    // Whether each class is the one that an index names: a new last axis of extent `classes`.
    let internal isClass operation (classes: int) (indices: Expr) =
        if classes < 0 then
            invalidArg
                (nameof classes)
                $"{operation}: expected a number of classes of at least 0, got {classes}"
        if not (DType.isInteger indices.DType) then
            raise (
                DTypeException
                    $"{operation}: indices are int32 or int64, got {DType.name indices.DType}; cast them"
            )
        let shape = Shape(Array.append indices.Shape.Dims [| classes |])
        equal (expandDims -1 indices) (Leaf.iota shape indices.Rank indices.DType)

    /// 1 at the index, 0 elsewhere, along a new last axis; an index outside 0 … classes − 1 gives only zeros.
    let oneHot (classes: int) (dtype: DType) (indices: Expr) : Expr =
        cast dtype (isClass "one_hot" classes indices)
