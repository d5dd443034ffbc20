namespace Diff

open System

/// Order along an axis: sorting, selection, quantiles, and elements taken and added by indices line by line.
/// Axes count from 0, negative ones from the end. NaN comes last in any order; equal elements keep their order.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Sorting =
    // Two shapes with the axis left out broadcast to one; each keeps its own extent along the axis.
    let private aligned operation axis (x: Expr) (indices: Expr) =
        let without (e: Expr) =
            Shape(Array.updateAt axis 1 e.Shape.Dims)
        if x.Rank <> indices.Rank then
            raise (
                ShapeException
                    $"{operation}: expected indices with the {x.Rank} axes of shape {x.Shape}, got shape {indices.Shape}; add axes of extent 1"
            )
        match Shape.tryBroadcast (without x) (without indices) with
        | ValueSome common ->
            let stretch (e: Expr) =
                Expr.BroadcastTo(e, Shape(Array.updateAt axis e.Shape[axis] common.Dims))
            stretch x, stretch indices
        | ValueNone ->
            raise (
                ShapeException
                    $"{operation}: apart from axis {axis}, shape {x.Shape} and indices of shape {indices.Shape} do not broadcast"
            )

    /// The elements of each line along an axis that integers name: x[i, idx[i, k]] for axis 1 of a matrix. Indices have as many axes as x;
    /// extents of 1 beside the axis broadcast; negative indices count from the end.
    let takeAlong (axis: int) (indices: Expr) (x: Expr) : Expr =
        let at = Shape.axis "take_along" x.Shape axis
        let x, indices = aligned "take_along" at x indices
        Along.take at x indices

    /// x with values added to the elements of each line along an axis that integers name; where two go to one place, both are added.
    let addAlong (axis: int) (indices: Expr) (values: Expr) (x: Expr) : Expr =
        let at = Shape.axis "scatter_add_along" x.Shape axis
        let values = ofTypeOf "scatter_add_along" x values
        x + Along.add at x.Shape (Expr.BroadcastTo(values, indices.Shape)) indices

    /// Where the elements along an axis lie in ascending order: int64. Equal elements keep their order, NaN comes last.
    let argsort (axis: int) (x: Expr) : Expr = Order.argSort axis false x
    /// Where the elements along an axis lie in descending order: int64. Equal elements keep their order, NaN comes last.
    let argsortDescending (axis: int) (x: Expr) : Expr = Order.argSort axis true x

    let internal sorted descending axis (x: Expr) =
        Along.take axis x (Order.argSortFor "sort" axis descending x)
    /// The elements along an axis in ascending order, NaN last. Each takes its derivative along.
    let sort (axis: int) (x: Expr) : Expr = sorted false axis x
    /// The elements along an axis in descending order, NaN last. Each takes its derivative along.
    let sortDescending (axis: int) (x: Expr) : Expr = sorted true axis x

    let internal selected descending count axis (x: Expr) =
        let axis = Shape.axis "top_k" x.Shape axis
        if count < 0 || count > x.Shape[axis] then
            raise (
                ShapeException
                    $"top_k: expected a count from 0 to {x.Shape[axis]}, the extent of axis {axis} of shape {x.Shape}, got {count}"
            )
        let places =
            slice axis None (Some count) 1 (Order.argSortFor "top_k" axis descending x)
        struct (Along.take axis x places, places)

    /// The largest elements along an axis, largest first, and where they are (int64). NaN counts as less than any number.
    let topK (count: int) (axis: int) (x: Expr) : Expr * Expr =
        let struct (values, places) = selected true count axis x
        values, places
    /// The smallest elements along an axis, smallest first, and where they are (int64). NaN counts as greater than any number.
    let bottomK (count: int) (axis: int) (x: Expr) : Expr * Expr =
        let struct (values, places) = selected false count axis x
        values, places

    let private needsNumbers operation axis (x: Expr) =
        let axis = Shape.axis operation x.Shape axis
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"{operation}: expected float32 or float64, got {DType.name x.DType}; cast it"
            )
        if x.Shape[axis] = 0 then
            raise (
                ShapeException
                    $"{operation}: axis {axis} of shape {x.Shape} has no elements, so there is no value to pick"
            )
        axis

    // Between neighbours of the sorted line; NaN where the line has one, which is then its last.
    let private fromSorted axis (q: float) (ordered: Expr) =
        let n = ordered.Shape[axis]
        let place = q * float (n - 1)
        let low = int (floor place)
        let part = place - float low
        let value =
            if part = 0.0 then
                at axis low ordered
            else
                (1.0 - part) * at axis low ordered + part * at axis (low + 1) ordered
        let last = at axis -1 ordered
        where (notEqual last last) last value

    /// The quantiles of each line along an axis, in a new first axis: between neighbours of the sorted line by straight lines, at q·(n − 1)
    /// (Hyndman and Fan 1996, type 7). NaN for a line with a NaN.
    let quantiles (qs: float list) (axis: int) (x: Expr) : Expr =
        let axis = needsNumbers "quantile" axis x
        for q in qs do
            if not (q >= 0.0 && q <= 1.0) then
                invalidArg "qs" $"quantile: expected numbers between 0 and 1, got {q}"
        let ordered = sorted false axis x
        stack 0 (qs |> List.map (fun q -> fromSorted axis q ordered))

    /// The quantile of each line along an axis, which goes away: between neighbours of the sorted line by straight lines.
    let quantile (q: float) (axis: int) (x: Expr) : Expr = at 0 0 (quantiles [ q ] axis x)

    /// The median of each line along an axis, which goes away: of an even number of elements the mean of the middle two.
    let median (axis: int) (x: Expr) : Expr =
        let axis = needsNumbers "median" axis x
        fromSorted axis 0.5 (sorted false axis x)

    /// How many numbers of an ascending vector are less than each value (int64): where it goes so that order is kept, before equal ones.
    /// With `right`: not greater, so after equal ones. Numbers may have leading axes, which are then those of the values.
    let searchSorted (right: bool) (sorted: Expr) (values: Expr) : Expr = Order.search right sorted values
