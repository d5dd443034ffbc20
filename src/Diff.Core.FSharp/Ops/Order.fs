namespace Diff

open System.Numerics
open Diff.Kernels

/// Orders and places: nothing of them depends smoothly on the numbers, so derivatives go through what is gathered by them.
[<RequireQualifiedAccess>]
module internal Order =
    let private numbers operation (x: Expr) =
        if x.DType = DType.Bool then
            raise (DTypeException $"{operation}: expected numbers, got bool; cast it")
        Loop.refuseHalf operation x

    /// Where the elements along an axis lie in order, equal ones in their order and NaN last: int64.
    let argSortFor operation axis descending (x: Expr) : Expr =
        let axis = Shape.axis operation x.Shape axis
        numbers operation x
        Expr(Op.ArgSort(axis, descending), [| x |], x.Shape, DType.Int64)

    let argSort axis descending (x: Expr) : Expr = argSortFor "argsort" axis descending x

    /// Where the largest or smallest element so far along an axis is first met: int64.
    let running operation extreme axis (x: Expr) : Expr =
        let axis = Shape.axis operation x.Shape axis
        numbers operation x
        Expr(Op.ArgRunning(extreme, axis), [| x |], x.Shape, DType.Int64)

    /// How many numbers of the last axis of `sorted` are less than each of `values` (or not greater): int64.
    let search right (sorted: Expr) (values: Expr) : Expr =
        if sorted.Rank = 0 then
            raise (ShapeException "searchsorted: expected an axis of ascending numbers, got a scalar")
        if sorted.DType <> values.DType then
            raise (
                DTypeException
                    $"searchsorted: element types {DType.name sorted.DType} and {DType.name values.DType} do not mix; cast one of them"
            )
        numbers "searchsorted" sorted
        let fits =
            sorted.Rank = 1
            || (sorted.Rank = values.Rank
                && Array.forall2
                    (=)
                    sorted.Shape.Dims[.. sorted.Rank - 2]
                    values.Shape.Dims[.. values.Rank - 2])
        if not fits then
            raise (
                ShapeException
                    $"searchsorted: numbers of shape {sorted.Shape} take values with the same axes before the last, got {values.Shape}; only a vector takes any"
            )
        Expr(Op.SearchSorted right, [| sorted; values |], values.Shape, DType.Int64)

    let argSortRule axis descending : Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let shape = LineShape.Along(node.Shape.Dims, axis)
                Loop.numeric
                    node.Args[0].DType
                    { new INumeric with
                        member _.Run<'T when 'T: unmanaged and 'T :> INumber<'T>>(args, result) =
                            SortKernel.Order(args[0].Span<'T>(), result.Span<int64>(), shape, descending) }
          Batching = Stacked(Op.ArgSort(axis + 1, descending)) }

    let runningRule extreme axis : Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let shape = LineShape.Along(node.Shape.Dims, axis)
                let largest = (extreme = Extreme.Max)
                Loop.numeric
                    node.Args[0].DType
                    { new INumeric with
                        member _.Run<'T when 'T: unmanaged and 'T :> INumber<'T>>(args, result) =
                            SortKernel.Running(args[0].Span<'T>(), result.Span<int64>(), shape, largest) }
          Batching = Stacked(Op.ArgRunning(extreme, axis + 1)) }

    let searchRule right : Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let sorted = node.Args[0].Shape
                let lines = sorted.Dims[.. sorted.Rank - 2] |> Array.fold (*) 1
                Loop.numeric
                    node.Args[0].DType
                    { new INumeric with
                        member _.Run<'T when 'T: unmanaged and 'T :> INumber<'T>>(args, result) =
                            SortKernel.Search(
                                args[0].Span<'T>(),
                                args[1].Span<'T>(),
                                result.Span<int64>(),
                                lines,
                                right
                            ) }
          Batching =
            Mapped(fun n stacked args node ->
                let values = if stacked[1] then args[1] else Stack.repeat n args[1]
                if not stacked[0] && args[0].Rank = 1 then
                    search right args[0] values
                else
                    // A vector of numbers for each set: the values of a set in one line.
                    let sorted = if stacked[0] then args[0] else Stack.repeat n args[0]
                    let lines =
                        if sorted.Rank = 2 then
                            Reshape.make (Shape [| n; node.Shape.Length |]) values
                        else
                            values
                    search right sorted lines |> Reshape.make (Stack.shape n node.Shape)) }
