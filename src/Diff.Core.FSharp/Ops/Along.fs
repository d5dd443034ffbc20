namespace Diff

open System
open System.Numerics
open Diff.Kernels

/// Elements named by indices along an axis, each line by itself: take and add are each other's transposes.
[<RequireQualifiedAccess>]
module internal Along =
    /// Whether the shapes differ at most along the axis.
    let private fits axis (a: Shape) (b: Shape) =
        a.Rank = b.Rank
        && Seq.forall (fun k -> k = axis || a[k] = b[k]) (seq { 0 .. a.Rank - 1 })

    let private wide operation (indices: Expr) =
        if not (DType.isInteger indices.DType) then
            raise (
                DTypeException
                    $"{operation}: indices are int32 or int64, got {DType.name indices.DType}; cast them"
            )
        Elementwise.makeCast DType.Int64 indices

    /// x at [.., indices[.., k, ..], ..]: the indices' shape is that of x but for the axis. Negative indices count from the end.
    let take axis (x: Expr) (indices: Expr) : Expr =
        let indices = wide "take_along" indices
        let axis = Shape.axis "take_along" x.Shape axis
        if not (fits axis x.Shape indices.Shape) then
            raise (
                ShapeException
                    $"take_along: along axis {axis} of shape {x.Shape}, indices have the same extents on all other axes, got shape {indices.Shape}"
            )
        Expr(Op.TakeAlong axis, [| x; indices |], indices.Shape, x.DType)

    /// Zeros of a shape with the elements of x added where the indices say, line by line: where two go to one place, their sum.
    let add axis (shape: Shape) (x: Expr) (indices: Expr) : Expr =
        let indices = wide "scatter_add_along" indices
        let axis = Shape.axis "scatter_add_along" shape axis
        if not (x.Shape.Equals indices.Shape && fits axis shape x.Shape) then
            raise (
                ShapeException
                    $"scatter_add_along: along axis {axis} of shape {shape}, values and indices have one shape, with the same extents on all other axes; got {x.Shape} and {indices.Shape}"
            )
        if x.DType = DType.Bool then
            raise (DTypeException "scatter_add_along: expected numbers, got bool; cast them")
        Loop.refuseHalf "scatter_add_along" x
        Expr(Op.AddAlong axis, [| x; indices |], shape, x.DType)

    let takeRule axis : Rule =
        { Derivative = Linear(fun _ xs g -> add axis xs[0].Shape g xs[1])
          Kernel =
            fun node ->
                let whole = node.Args[0].Shape
                let shape = LineShape.Along(whole.Dims, axis)
                let outside = Func<int64, exn>(Index.outside "take_along" axis whole[axis])
                let action =
                    { new IMove with
                        member _.Run<'T when 'T: unmanaged>(args, result) =
                            AlongKernel.Take(
                                args[0].Span<'T>(),
                                args[1].Span<int64>(),
                                result.Span<'T>(),
                                shape,
                                outside
                            ) }
                Kernel(fun args result -> Loop.move node.DType action args result)
          Batching = Stacked(Op.TakeAlong(axis + 1)) }

    let addRule axis : Rule =
        { Derivative = Linear(fun _ xs g -> take axis g xs[1])
          Kernel =
            fun node ->
                let shape = LineShape.Along(node.Shape.Dims, axis)
                let outside =
                    Func<int64, exn>(Index.outside "scatter_add_along" axis node.Shape[axis])
                Loop.numeric
                    node.DType
                    { new INumeric with
                        member _.Run<'T when 'T: unmanaged and 'T :> INumber<'T>>(args, result) =
                            AlongKernel.Add(
                                args[0].Span<'T>(),
                                args[1].Span<int64>(),
                                result.Span<'T>(),
                                shape,
                                outside
                            ) }
          Batching = Stacked(Op.AddAlong(axis + 1)) }
