namespace Diff

open System
open System.Collections.Generic

/// Contraction, reductions over axes, and what is composed of them: softmax and its like. None has derivative code.
/// Axes count from 0, negative ones from the end.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Reductions =
    let private noExtents = Dictionary<char, int>() :> IReadOnlyDictionary<_, _>

    /// The sum of products in index notation: `ij,jk->ik`, `ii` (trace), `...i,...i->...`, `i,j->ij`. Labels are letters;
    /// one that is not in the output is summed; without `->` the output is the labels that occur once, in alphabetical order.
    let einsum (notation: string) (operands: Expr list) : Expr =
        Einsum.ofNotation notation noExtents (Array.ofList operands)

    /// einsum with labels that stand only in the output; their extents are given, and the value repeats along them.
    let einsumWith (notation: string) (extents: (char * int) list) (operands: Expr list) : Expr =
        Einsum.ofNotation notation (Dictionary(dict extents)) (Array.ofList operands)

    /// The matrix product over the last axis of a and the last but one of b (the only one of a vector); leading axes broadcast.
    let matmul (a: Expr) (b: Expr) : Expr =
        let m, n = a.Rank, b.Rank
        if m = 0 || n = 0 then
            raise (
                ShapeException
                    $"matmul: expected arrays of rank 1 or more, got shapes {a.Shape} and {b.Shape}"
            )
        for x in [ a; b ] do
            Einsum.checkNumbers "matmul" x
        if a.DType <> b.DType then
            raise (
                DTypeException
                    $"matmul: element types {DType.name a.DType} and {DType.name b.DType} do not mix; cast one of them"
            )
        if a.Shape[m - 1] <> b.Shape[max 0 (n - 2)] then
            let which = if n = 1 then "axis" else "last but one"
            raise (
                ShapeException
                    $"matmul: shapes {a.Shape} and {b.Shape} do not fit: the last axis of the first is {a.Shape[m - 1]}, the {which} of the second {b.Shape[max 0 (n - 2)]}"
            )
        for k in 1 .. min m n - 2 do
            let first, second = a.Shape[m - 2 - k], b.Shape[n - 2 - k]
            if first <> second && first <> 1 && second <> 1 then
                raise (
                    ShapeException
                        $"matmul: shapes {a.Shape} and {b.Shape} do not fit: the leading axis {-2 - k} is {first} of the first, {second} of the second; they broadcast if equal or 1"
                )
        let notation =
            match m, n with
            | 1, 1 -> "i,i->"
            | 1, _ -> "i,...ij->...j"
            | _, 1 -> "...ij,j->...i"
            | _ -> "...ij,...jk->...ik"
        einsum notation [ a; b ]

    /// The value repeated along new leading axes and axes of extent 1.
    let broadcastTo (shape: int list) (x: Expr) : Expr =
        Expr.BroadcastTo(x, Shape(Array.ofList shape))

    let private kept keepDims (axes: int[]) (x: Expr) (reduced: Expr) =
        if keepDims then
            Reshape.make (Shape.reduce true axes x.Shape) reduced
        else
            reduced

    let internal reduceWith operation (f: int[] -> Expr -> Expr) keepDims (axes: int[]) (x: Expr) =
        let axes = Shape.axes operation x.Shape axes
        kept keepDims axes x (f axes x)

    let internal sumAxes keepDims (axes: int[]) (x: Expr) =
        let x = if x.DType = DType.Bool then cast DType.Int64 x else x
        reduceWith "sum" Reduce.sum keepDims axes x

    let internal meanAxes keepDims (axes: int[]) (x: Expr) =
        let count =
            Shape.axes "mean" x.Shape axes |> Array.fold (fun n axis -> n * x.Shape[axis]) 1
        if not (DType.isFloat x.DType) then
            raise (DTypeException $"mean: expected float32 or float64, got {DType.name x.DType}; cast it")
        sumAxes keepDims axes x / float count

    let internal extremeAxes extreme keepDims (axes: int[]) (x: Expr) =
        reduceWith ("reduce_" + Op.extremeName extreme) (Reduce.make extreme) keepDims axes x

    /// Halves multiplied until one factor is left: derivatives of any order are right with zeros among the factors.
    let internal prodAxes keepDims (axes: int[]) (x: Expr) =
        Einsum.checkNumbers "prod" x
        let product (axes: int[]) (x: Expr) =
            let mutable value = x
            for axis in Array.rev axes do // the axes that are left keep their numbers
                let part first count =
                    let starts = Array.zeroCreate value.Rank
                    starts[axis] <- first
                    let dims = value.Shape.ToArray()
                    dims[axis] <- count
                    Window.slice starts (Array.create value.Rank 1) (Shape dims) value
                while value.Shape[axis] > 1 do
                    let n = value.Shape[axis]
                    let half = n / 2
                    let pairs = part 0 half * part half half
                    value <-
                        if n % 2 = 0 then
                            pairs
                        else
                            Window.concat axis [| pairs; part (n - 1) 1 |]
                let rest = Shape.reduce false [| axis |] value.Shape
                value <-
                    if value.Shape[axis] = 0 then
                        Expr.Full(1.0, rest, x.DType)
                    else
                        Reshape.make rest value
            value
        reduceWith "prod" product keepDims axes x

    // "Over" some axes, which go away; "keeping" them, with extent 1. Over no axes nothing is reduced.
    let private over f (axes: int list) (x: Expr) : Expr =
        if axes.IsEmpty then x else f false (Array.ofList axes) x
    let private keeping f (axes: int list) (x: Expr) : Expr =
        if axes.IsEmpty then x else f true (Array.ofList axes) x

    /// The sum over all elements.
    let sum (x: Expr) : Expr = sumAxes false [||] x
    /// The sum over some axes, which go away.
    let sumOver (axes: int list) (x: Expr) : Expr = over sumAxes axes x
    /// The sum over some axes, which stay with extent 1.
    let sumKeeping (axes: int list) (x: Expr) : Expr = keeping sumAxes axes x
    /// The mean over all elements; NaN where there are none.
    let mean (x: Expr) : Expr = meanAxes false [||] x
    /// The mean over some axes, which go away.
    let meanOver (axes: int list) (x: Expr) : Expr = over meanAxes axes x
    /// The mean over some axes, which stay with extent 1.
    let meanKeeping (axes: int list) (x: Expr) : Expr = keeping meanAxes axes x
    /// The product over all elements, 1 where there are none.
    let prod (x: Expr) : Expr = prodAxes false [||] x
    /// The product over some axes, which go away.
    let prodOver (axes: int list) (x: Expr) : Expr = over prodAxes axes x
    /// The product over some axes, which stay with extent 1.
    let prodKeeping (axes: int list) (x: Expr) : Expr = keeping prodAxes axes x
    /// The largest element; equal ones share the derivative. NaN if one is NaN.
    let reduceMax (x: Expr) : Expr = extremeAxes Extreme.Max false [||] x
    /// The largest elements over some axes, which go away.
    let reduceMaxOver (axes: int list) (x: Expr) : Expr = over (extremeAxes Extreme.Max) axes x
    /// The largest elements over some axes, which stay with extent 1.
    let reduceMaxKeeping (axes: int list) (x: Expr) : Expr =
        keeping (extremeAxes Extreme.Max) axes x
    /// The smallest element; equal ones share the derivative. NaN if one is NaN.
    let reduceMin (x: Expr) : Expr = extremeAxes Extreme.Min false [||] x
    /// The smallest elements over some axes, which go away.
    let reduceMinOver (axes: int list) (x: Expr) : Expr = over (extremeAxes Extreme.Min) axes x
    /// The smallest elements over some axes, which stay with extent 1.
    let reduceMinKeeping (axes: int list) (x: Expr) : Expr =
        keeping (extremeAxes Extreme.Min) axes x
    /// Where the largest element along an axis is first met: int64.
    let argmax (axis: int) (x: Expr) : Expr = Reduce.arg Extreme.Max axis x
    /// Where the smallest element along an axis is first met: int64.
    let argmin (axis: int) (x: Expr) : Expr = Reduce.arg Extreme.Min axis x

    // The largest value along axes, as a constant that shifts exponents: 0 where it is infinite, so that ∞ − ∞ never occurs.
    let private shift (axes: int[]) (x: Expr) =
        let m = stopGradient (extremeAxes Extreme.Max true axes x)
        where (less (abs m) Double.PositiveInfinity) m (Expr.Full(0.0, Shape.Scalar, x.DType))

    let internal logsumexpAxes keepDims (axes: int[]) (x: Expr) =
        let axes = Shape.axes "logsumexp" x.Shape axes
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"logsumexp: expected float32 or float64, got {DType.name x.DType}; cast it"
            )
        let empty = axes |> Array.exists (fun axis -> x.Shape[axis] = 0)
        let result =
            if empty then
                Expr.Full(Double.NegativeInfinity, Shape.reduce true axes x.Shape, x.DType)
            else
                let m = shift axes x
                let s = sumAxes true axes (exp (x - m))
                // All terms 0: the value is −∞ + m, and no derivative passes through log 0.
                let none = guard (equal s 0.0)
                where
                    none
                    (Expr.Full(Double.NegativeInfinity, Shape.Scalar, x.DType))
                    (log (where none (onesLike s) s) + m)
        if keepDims then
            result
        else
            Reshape.make (Shape.reduce false axes x.Shape) result

    /// log Σ eˣ without overflow; −∞ where there is nothing to sum.
    let logsumexp (x: Expr) : Expr = logsumexpAxes false [||] x
    /// log Σ eˣ over some axes, which go away.
    let logsumexpOver (axes: int list) (x: Expr) : Expr = over logsumexpAxes axes x
    /// log Σ eˣ over some axes, which stay with extent 1.
    let logsumexpKeeping (axes: int list) (x: Expr) : Expr = keeping logsumexpAxes axes x

    /// eˣ / Σ eˣ along an axis, without overflow.
    let softmax (axis: int) (x: Expr) : Expr =
        let axes = [| Shape.axis "softmax" x.Shape axis |]
        if x.Shape[axes[0]] = 0 then
            x
        else
            let e = exp (x - shift axes x)
            e / sumAxes true axes e

    /// x − log Σ eˣ along an axis.
    let logSoftmax (axis: int) (x: Expr) : Expr =
        let axes = [| Shape.axis "log_softmax" x.Shape axis |]
        if x.Shape[axes[0]] = 0 then
            x
        else
            let shifted = x - shift axes x
            shifted - log (sumAxes true axes (exp shifted))
