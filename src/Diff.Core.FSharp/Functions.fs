namespace Diff

open System
open System.Collections.Generic

/// The operations as functions, and those composed of others: none of the latter has derivative code.
/// Axes count from 0, negative ones from the end.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Functions =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)

    // ---- Leaves ---------------------------------------------------------------------------------------------------

    /// A leaf that holds an array; `Variable.assign` gives it another.
    let variableOf (name: string) (value: NDArray) : Expr = Leaf.make name value

    /// A scalar float64 leaf.
    let variable (name: string) (value: float) : Expr =
        Leaf.make name (NDArray.Create([| value |], Shape.Scalar))

    /// A leaf over the caller's numbers, without a copy, with a shape.
    let tensor (name: string) (shape: int list) (values: 'T[]) : Expr =
        Leaf.make name (NDArray.Create(values, Shape(Array.ofList shape)))

    /// A leaf without a value: an input of a compiled function.
    let input (name: string) (shape: int list) (dtype: DType) : Expr =
        Leaf.input name (Shape(Array.ofList shape)) dtype

    /// The numbers of an array as a constant.
    let constant (value: NDArray) : Expr = Leaf.literal value

    /// One number at every index of a shape.
    let full (shape: int list) (dtype: DType) (value: float) : Expr =
        Expr.Full(value, Shape(Array.ofList shape), dtype)

    /// Zeros of the shape and element type of x.
    let zerosLike (x: Expr) : Expr = Expr.ZerosLike x
    /// Ones of the shape and element type of x.
    let onesLike (x: Expr) : Expr = Expr.OnesLike x

    /// 0, 1 … along an axis of a shape, the same at every other index.
    let iota (shape: int list) (axis: int) (dtype: DType) : Expr =
        Leaf.iota (Shape(Array.ofList shape)) axis dtype

    // ---- Index by index -------------------------------------------------------------------------------------------

    /// −1, 0 or 1.
    let signum (x: Expr) : Expr = map Fn.Sign [ x ]
    /// log(1 + x), accurate near 0.
    let log1p (x: Expr) : Expr = map Fn.Log1p [ x ]
    /// eˣ − 1, accurate near 0.
    let expm1 (x: Expr) : Expr = map Fn.Expm1 [ x ]
    /// 1 / (1 + e⁻ˣ).
    let sigmoid (x: Expr) : Expr = map Fn.Sigmoid [ x ]
    /// log(1 + eˣ).
    let softplus (x: Expr) : Expr = map Fn.Softplus [ x ]
    /// max(x, 0), with derivative 0 at 0.
    let relu (x: Expr) : Expr = map Fn.Relu [ x ]
    /// x².
    let square (x: Expr) : Expr = x * x
    /// A number as an expression; beside another operand it takes that operand's element type.
    let scalar (value: float) : Expr = Expr.op_Implicit value
    /// 1 / x.
    let reciprocal (x: Expr) : Expr = 1.0 / x
    /// The larger of two; where they are equal each gets half of the derivative.
    let maximum (x: Expr) (y: Expr) : Expr = map Fn.Max [ x; y ]
    /// The smaller of two; where they are equal each gets half of the derivative.
    let minimum (x: Expr) (y: Expr) : Expr = map Fn.Min [ x; y ]
    let equal (x: Expr) (y: Expr) : Expr = map Fn.Equal [ x; y ]
    let notEqual (x: Expr) (y: Expr) : Expr = map Fn.NotEqual [ x; y ]
    let less (x: Expr) (y: Expr) : Expr = map Fn.Less [ x; y ]
    let lessEqual (x: Expr) (y: Expr) : Expr = map Fn.LessEqual [ x; y ]
    let greater (x: Expr) (y: Expr) : Expr = map Fn.Greater [ x; y ]
    let greaterEqual (x: Expr) (y: Expr) : Expr = map Fn.GreaterEqual [ x; y ]
    let logicalNot (x: Expr) : Expr = map Fn.Not [ x ]
    let logicalAnd (x: Expr) (y: Expr) : Expr = map Fn.And [ x; y ]
    let logicalOr (x: Expr) (y: Expr) : Expr = map Fn.Or [ x; y ]
    /// x where the condition holds, else y; the derivative goes to the branch taken.
    let where (condition: Expr) (x: Expr) (y: Expr) : Expr = map Fn.Where [ condition; x; y ]

    /// x cut to [low, high]; the derivative is 1 inside and at the bounds, 0 beyond.
    let clip (low: float) (high: float) (x: Expr) : Expr =
        if not (low <= high) then
            invalidArg "low" $"clip: expected low <= high, got {low} and {high}"
        where
            (less x low)
            (Expr.Full(low, Shape.Scalar, x.DType))
            (where (greater x high) (Expr.Full(high, Shape.Scalar, x.DType)) x)

    /// Conversion to another element type.
    let cast (dtype: DType) (x: Expr) : Expr = Elementwise.makeCast dtype x

    /// The value of x, treated as a constant by every derivative.
    let stopGradient (x: Expr) : Expr =
        Expr(Op.StopGradient, [| x |], x.Shape, x.DType)

    // ---- Contraction and reductions -------------------------------------------------------------------------------

    let private noExtents = Dictionary<char, int>() :> IReadOnlyDictionary<_, _>

    /// The sum of products in index notation: `ij,jk->ik`, `ii` (trace), `...i,...i->...`, `i,j->ij`. Labels are letters;
    /// one that is not in the output is summed; without `->` the output is the labels that occur once, in alphabetical order.
    let einsum (notation: string) (operands: Expr list) : Expr =
        Einsum.make notation noExtents (Array.ofList operands)

    /// einsum with labels that stand only in the output; their extents are given, and the value repeats along them.
    let einsumWith (notation: string) (extents: (char * int) list) (operands: Expr list) : Expr =
        Einsum.make notation (Dictionary(dict extents)) (Array.ofList operands)

    /// The matrix product over the last axis of a and the last but one of b (the only one of a vector); leading axes broadcast.
    let matmul (a: Expr) (b: Expr) : Expr =
        let m, n = a.Rank, b.Rank
        if m = 0 || n = 0 then
            raise (
                ShapeException
                    $"matmul: expected arrays of rank 1 or more, got shapes {a.Shape} and {b.Shape}"
            )
        if a.Shape[m - 1] <> b.Shape[max 0 (n - 2)] then
            let which = if n = 1 then "axis" else "last but one"
            raise (
                ShapeException
                    $"matmul: shapes {a.Shape} and {b.Shape} do not fit: the last axis of the first is {a.Shape[m - 1]}, the {which} of the second {b.Shape[max 0 (n - 2)]}"
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
        reduceWith ("reduce_" + Formula.extremeName extreme) (Reduce.make extreme) keepDims axes x

    /// Halves multiplied until one factor is left: derivatives of any order are right with zeros among the factors.
    let internal prodAxes keepDims (axes: int[]) (x: Expr) =
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
        let empty = axes |> Array.exists (fun axis -> x.Shape[axis] = 0)
        let result =
            if empty then
                Expr.Full(Double.NegativeInfinity, Shape.reduce true axes x.Shape, x.DType)
            else
                let m = shift axes x
                let s = sumAxes true axes (exp (x - m))
                // All terms 0: the value is −∞ + m, and no derivative passes through log 0.
                let none = equal s 0.0
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

    // ---- Shape ------------------------------------------------------------------------------------------------------

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
        let labels = EinsumSpec.labels x.Rank
        if order' = Array.init x.Rank id then
            x
        else
            let spec =
                { Inputs = [| String labels |]
                  Output = String(order' |> Array.map (fun i -> labels[i])) }
            Expr.Contract(spec, [| x |], Shape(order' |> Array.map (fun i -> x.Shape[i])))

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

    // ---- Indexing ---------------------------------------------------------------------------------------------------

    /// The slabs of x along an axis that integers name: x[:axis] + indices + x[axis+1:]. Negative indices count from the end.
    let gather (axis: int) (indices: Expr) (x: Expr) : Expr = Index.gather axis x indices

    /// Zeros of `shape`, with the slabs of `values` along an axis added where the indices name them.
    let scatterAdd (axis: int) (shape: int list) (indices: Expr) (values: Expr) : Expr =
        Index.scatterAdd axis (Shape(Array.ofList shape)) values indices

    // Whether each class is the one that an index names: a new last axis of extent `classes`.
    let private isClass operation (classes: int) (indices: Expr) =
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

    // ---- Losses and densities -----------------------------------------------------------------------------------------

    /// −log softmax(logits) at the class of each row: logits [..., classes], classes [...] of integers; one loss a row.
    /// A class outside 0 … classes − 1 has loss NaN.
    let crossEntropyOfClasses (logits: Expr) (classes: Expr) : Expr =
        if
            logits.Rank <> classes.Rank + 1
            || logits.Shape.Dims[.. classes.Rank - 1] <> classes.Shape.Dims
        then
            raise (
                ShapeException
                    $"cross_entropy: logits of shape {logits.Shape} need class indices of shape {Shape(logits.Shape.Dims[.. logits.Rank - 2])}, got {classes.Shape}"
            )
        let n = logits.Shape[logits.Rank - 1]
        let chosen =
            where
                (isClass "cross_entropy" n classes)
                (logSoftmax -1 logits)
                (Expr.Full(0.0, Shape.Scalar, logits.DType))
        let valid =
            logicalAnd (greaterEqual classes (Expr.op_Implicit 0)) (less classes (Expr.op_Implicit n))
        where valid (-(sumAxes false [| -1 |] chosen)) (Expr.Full(Double.NaN, Shape.Scalar, logits.DType))

    /// −Σ p·log softmax(logits) over the last axis, for target distributions p of the logits' shape; one loss a row. 0·log 0 is 0.
    let crossEntropyOfDistributions (logits: Expr) (targets: Expr) : Expr =
        if not (logits.Shape.Equals targets.Shape) then
            raise (
                ShapeException
                    $"cross_entropy: logits of shape {logits.Shape} need target distributions of the same shape, got {targets.Shape}"
            )
        let logs = logSoftmax -1 logits
        // −∞ · 0 is no number, but its term is 0; the derivative with respect to the target there is kept finite too.
        let impossible = logicalAnd (equal targets 0.0) (equal logs Double.NegativeInfinity)
        -(sumAxes
            false
            [| -1 |]
            (targets * where impossible (Expr.Full(0.0, Shape.Scalar, logits.DType)) logs))

    /// −(t·log σ(x) + (1 − t)·log(1 − σ(x))) = softplus(x) − t·x, index by index, without overflow.
    let sigmoidCrossEntropy (logits: Expr) (targets: Expr) : Expr = softplus logits - targets * logits

    /// The mean of (x − y)² over all elements.
    let mse (x: Expr) (y: Expr) : Expr = mean (square (x - y))

    /// √Σx² over all elements, of several arrays together; its derivative at 0 is 0.
    let frobeniusNorm (xs: Expr list) : Expr =
        match xs with
        | [] -> invalidArg "xs" "frobenius_norm: expected at least one array, got none"
        | xs ->
            let s = xs |> List.map (fun x -> sum (square x)) |> List.reduce (+)
            let isZero = equal s 0.0
            where isZero (Expr.Full(0.0, Shape.Scalar, s.DType)) (sqrt (where isZero (onesLike s) s))

    /// log of the normal density with a mean and a variance, index by index.
    let normalLogDensity (mean: Expr) (variance: Expr) (x: Expr) : Expr =
        -0.5 * (square (x - mean) / variance + log variance + log (2.0 * Math.PI))

    /// The normal density with a mean and a variance, index by index.
    let normalDensity (mean: Expr) (variance: Expr) (x: Expr) : Expr = exp (normalLogDensity mean variance x)

    // ---- Derivatives ----------------------------------------------------------------------------------------------------

    let internal simplified (make: unit -> Expr[]) : Expr[] =
        let before = NodeId.latest ()
        Simplify.since before (make ())

    /// The derivative of the sum of y with respect to each of xs, as graphs. xs may be any nodes. Zeros where y does not depend on one.
    let grads (y: Expr) (xs: Expr list) : Expr list =
        simplified (fun () -> Gradient.grad Unconnected.Zeros y (Array.ofList xs))
        |> List.ofArray

    /// The same, with a choice of what to do if y does not depend on one of xs: zeros, or an error that names it.
    let gradsWith (unconnected: Unconnected) (y: Expr) (xs: Expr list) : Expr list =
        simplified (fun () -> Gradient.grad unconnected y (Array.ofList xs))
        |> List.ofArray

    /// The derivative of the sum of y with respect to x, as a graph.
    let grad (y: Expr) (x: Expr) : Expr = grads y [ x ] |> List.head

    /// The cotangent g of y pulled back to each of xs, as graphs.
    let vjp (y: Expr) (g: Expr) (xs: Expr list) : Expr list =
        simplified (fun () -> Gradient.vjp Unconnected.Zeros y g (Array.ofList xs))
        |> List.ofArray

    /// The derivative of y along tangents of xs, as a graph.
    let jvp (y: Expr) (xs: Expr list) (tangents: Expr list) : Expr =
        simplified (fun () -> [| Gradient.jvp y (Array.ofList xs) (Array.ofList tangents) |])
        |> Array.head

    /// The second derivative of a scalar y applied to directions, as graphs.
    let hvp (y: Expr) (xs: Expr list) (directions: Expr list) : Expr list =
        simplified (fun () -> Gradient.hvp y (Array.ofList xs) (Array.ofList directions))
        |> List.ofArray

    /// ∂y/∂x with the axes of y before those of x, as a graph.
    let jacobian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Gradient.jacobian y x |]) |> Array.head

    /// The second derivatives of a scalar y with the axes of x twice, as a graph.
    let hessian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Gradient.hessian y x |]) |> Array.head

    /// The derivative n times over: of y, then of that …
    let nthDerivative (order: int) (y: Expr) (x: Expr) : Expr =
        if order < 0 then
            invalidArg "order" $"nthDerivative: expected an order of at least 0, got {order}"
        Seq.fold (fun y _ -> grad y x) y (seq { 1..order })

    /// A smaller graph of the same value.
    let simplify (x: Expr) : Expr = Simplify.run [| x |] |> Array.head

    // ---- Graphs within the graph, own operations ---------------------------------------------------------------------

    /// f of the arguments, whose intermediate values are not kept for the derivative but computed again there.
    let checkpoint (f: Expr list -> Expr) (args: Expr list) : Expr =
        Control.checkpoint (fun xs -> f (List.ofArray xs)) (Array.ofList args)

    /// An operation on one array index by index: its value by numbers, its derivative as a graph from argument and value.
    /// `let cube = scalarOp "cube" (fun x -> x ** 3.0) (fun x _ -> 3.0 * x * x)`
    let scalarOp (name: string) (value: float -> float) (derivative: Expr -> Expr -> Expr) : Expr -> Expr =
        let op = Custom.scalar name value derivative
        fun x -> Custom.apply op [| x |]

    /// An operation of your own: `shape` says what the result is like, `forward` computes it, and `backward` gives, from
    /// arguments, value and cotangent, the cotangents of the arguments as graphs (so that derivatives of every order exist).
    let customOp
        (name: string)
        (shape: Expr list -> Shape)
        (forward: NDArray list -> NDArray)
        (backward: Expr list -> Expr -> Expr -> Expr list)
        : Expr list -> Expr =
        let op =
            CustomOp(
                name,
                (fun xs -> shape (List.ofArray xs), xs[0].DType),
                (fun xs -> forward (List.ofArray xs)),
                fun xs y g ->
                    backward (List.ofArray xs) y g
                    |> Array.ofList
                    |> Array.map (fun e -> e: Expr | null)
            )
        fun xs -> Custom.apply op (Array.ofList xs)

    // ---- Values -----------------------------------------------------------------------------------------------------------

    /// The value now, as an array of its own.
    let eval (x: Expr) : NDArray = Evaluate.one x

    /// The value of a graph of one element, as a float.
    let item (x: Expr) : float =
        if x.Shape.Length <> 1 then
            raise (ShapeException $"item: expected one element, got shape {x.Shape}; use eval")
        (Evaluate.one x).Float 0

    let internal variableIn operation (x: Expr) : Variable =
        match x.Op with
        | Op.Variable v -> v
        | op ->
            invalidOp
                $"{operation}: only a variable holds a value of its own, not the result of {Formula.opText op}"

    /// The name of a variable, nothing for other nodes.
    let internal nameOf (x: Expr) =
        match x.Op with
        | Op.Variable v -> v.Name
        | _ -> ""

    /// Gives a variable another value of the same shape and element type. Values evaluated later see it.
    let assign (x: Expr) (value: NDArray) : unit =
        let v = variableIn "assign" x
        Variable.check "assign" v value
        v.Value <- value
