namespace Diff

open System

/// Running sums, products and extremes along an axis, and the linear recurrence that they are made of.
/// Axes count from 0, negative ones from the end. Results have the argument's shape.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Sequences =
    // Factors and terms of one element type and shape; one factor for all stays one.
    let private together (a: Expr) (b: Expr) =
        let a = ofTypeOf "linear_recurrence" b a
        if a.Shape.IsScalar then
            a, b
        else
            match Shape.tryBroadcast a.Shape b.Shape with
            | ValueSome shape -> Expr.BroadcastTo(a, shape), Expr.BroadcastTo(b, shape)
            | ValueNone ->
                raise (
                    ShapeException
                        $"linear_recurrence: the shapes of factors {a.Shape} and terms {b.Shape} do not broadcast: {Shape.mismatch a.Shape b.Shape}"
                )

    /// h_t = a_t·h_{t−1} + b_t along an axis, with h = 0 before the first: one pass, derivatives too. The shapes of a and b broadcast;
    /// a scalar a is not repeated but used at every step.
    /// With `reverse` it runs from the end: h_t = a_t·h_{t+1} + b_t. The first a is not used.
    let linearRecurrenceWith (axis: int) (reverse: bool) (a: Expr) (b: Expr) : Expr =
        together a b ||> Recurrence.make "linear_recurrence" axis reverse

    /// h_t = a_t·h_{t−1} + b_t along an axis, with h = 0 before the first.
    let linearRecurrence (axis: int) (a: Expr) (b: Expr) : Expr = linearRecurrenceWith axis false a b

    /// One slab of extent 1 at the start or end of an axis.
    let private edge axis isStart (x: Expr) =
        let n = x.Shape[axis]
        let first = if isStart then 0 else n - 1
        slice axis (Some first) (Some(first + 1)) 1 x

    /// The recurrence with a state before the first step, of the shape of x without the axis: h_0 = a_0·initial + b_0.
    let linearRecurrenceFrom (axis: int) (initial: Expr) (a: Expr) (b: Expr) : Expr =
        let a, b = together a b
        let axis = Shape.axis "linear_recurrence" b.Shape axis
        if b.Shape[axis] = 0 then
            b
        else
            let before =
                Expr.BroadcastTo(
                    ofTypeOf "linear_recurrence" b initial,
                    Shape.reduce false [| axis |] b.Shape
                )
            let factor = if a.Shape.IsScalar then a else edge axis true a
            let first = edge axis true b + factor * expandDims axis before
            linearRecurrence axis a (concat axis [ first; slice axis (Some 1) None 1 b ])

    // The value of the elements before each one: the result without its last (first, if reversed), moved by one; `identity` comes first.
    let private exclusively axis reverse (identity: float) (f: Expr -> Expr) (x: Expr) =
        if x.Shape[axis] = 0 then
            x
        else
            let ones = Shape.reduce true [| axis |] x.Shape
            let rest = f (Recurrence.without axis reverse x)
            let first = Expr.Full(identity, ones, x.DType)
            concat axis (if reverse then [ rest; first ] else [ first; rest ])

    let private running operation axis reverse exclusive identity f (x: Expr) =
        let axis = Shape.axis operation x.Shape axis
        if exclusive then
            exclusively axis reverse identity (f axis reverse) x
        else
            f axis reverse x

    /// The sums of the elements up to each one along an axis; from the end with `reverse`, without the element itself with `exclusive`.
    /// Bools are counted.
    let cumsumWith (axis: int) (reverse: bool) (exclusive: bool) (x: Expr) : Expr =
        let x = if x.DType = DType.Bool then cast DType.Int64 x else x
        let sums axis reverse (x: Expr) =
            Recurrence.make "cumsum" axis reverse (Expr.Const(Scalar.ofInt x.DType 1L, Shape.Scalar)) x
        running "cumsum" axis reverse exclusive 0.0 sums x

    /// The sums of the elements up to each one along an axis.
    let cumsum (axis: int) (x: Expr) : Expr = cumsumWith axis false false x

    /// The products of the elements up to each one along an axis; from the end with `reverse`, without the element itself with `exclusive`.
    /// Nothing is divided: derivatives of every order are right with any number of zeros.
    let cumprodWith (axis: int) (reverse: bool) (exclusive: bool) (x: Expr) : Expr =
        let products axis reverse (x: Expr) =
            if x.Shape[axis] = 0 then
                x
            else
                let starts = Array.zeroCreate x.Rank
                starts[axis] <- if reverse then x.Shape[axis] - 1 else 0
                let first =
                    Window.embed starts (Array.create x.Rank 1) x.Shape (edge axis (not reverse) x)
                Recurrence.make "cumprod" axis reverse x first
        running "cumprod" axis reverse exclusive 1.0 products x

    /// The products of the elements up to each one along an axis; right with zeros, in derivatives of every order.
    let cumprod (axis: int) (x: Expr) : Expr = cumprodWith axis false false x

    let private extreme operation kind axis (x: Expr) =
        if x.Shape.Length = 0 then
            Shape.axis operation x.Shape axis |> ignore
            x
        else
            Along.take axis x (Order.running operation kind axis x)

    /// The largest element so far along an axis. The derivative goes to the first that holds it; a NaN stays.
    let cummax (axis: int) (x: Expr) : Expr = extreme "cummax" Extreme.Max axis x
    /// The smallest element so far along an axis. The derivative goes to the first that holds it; a NaN stays.
    let cummin (axis: int) (x: Expr) : Expr = extreme "cummin" Extreme.Min axis x

    // With m the largest so far: s_t = e^(m_{t−1} − m_t)·s_{t−1} + e^(x_t − m_t), of which no exponent is positive; then log s + m.
    let private logSums axis reverse (x: Expr) =
        if x.Shape[axis] = 0 then
            x
        else
            let turn (e: Expr) =
                if reverse then slice axis None None -1 e else e
            let x = turn x
            let m = stopGradient (cummax axis x)
            let zero = Expr.Full(0.0, Shape.Scalar, x.DType)
            let isFinite = less (abs m) Double.PositiveInfinity
            let shift = where isFinite m zero
            // Before the first finite number the sum is 0, and stays so whatever the factor; e^(0 − m) might be infinite.
            let before = Recurrence.withZero axis true (Recurrence.without axis false shift)
            let known =
                greater
                    (concat
                        axis
                        [ Expr.Full(Double.NegativeInfinity, Shape.reduce true [| axis |] x.Shape, x.DType)
                          Recurrence.without axis false m ])
                    Double.NegativeInfinity
            let factor = exp (where known (before - shift) zero)
            let s =
                Recurrence.make "cumlogsumexp" axis false (where known factor zero) (exp (x - shift))
            let none = guard (equal s 0.0)
            where
                none
                (Expr.Full(Double.NegativeInfinity, Shape.Scalar, x.DType))
                (log (where none (onesLike s) s) + shift)
            |> turn

    /// log Σ eˣ of the elements up to each one along an axis, without overflow or loss; options as of `cumsumWith`; −∞ of nothing.
    let cumlogsumexpWith (axis: int) (reverse: bool) (exclusive: bool) (x: Expr) : Expr =
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"cumlogsumexp: expected float32 or float64, got {DType.name x.DType}; cast it"
            )
        running "cumlogsumexp" axis reverse exclusive Double.NegativeInfinity logSums x

    /// log Σ eˣ of the elements up to each one along an axis, without overflow or loss.
    let cumlogsumexp (axis: int) (x: Expr) : Expr = cumlogsumexpWith axis false false x

    /// y_t = decay·y_{t−1} + (1 − decay)·x_t along an axis, from y_0 = x_0: the exponential moving average.
    let exponentialMovingAverage (axis: int) (decay: float) (x: Expr) : Expr =
        let axis = Shape.axis "exponential_moving_average" x.Shape axis
        if not (decay >= 0.0 && decay <= 1.0) then
            invalidArg "decay" $"exponential_moving_average: expected a decay between 0 and 1, got {decay}"
        if x.Shape[axis] = 0 then
            x
        else
            let terms =
                concat axis [ edge axis true x; (1.0 - decay) * Recurrence.without axis true x ]
            Recurrence.make
                "exponential_moving_average"
                axis
                false
                (Expr.Full(decay, Shape.Scalar, x.DType))
                terms

    /// The differences of neighbours along an axis, `order` times over: each makes the axis shorter by one.
    let differences (order: int) (axis: int) (x: Expr) : Expr =
        let axis = Shape.axis "differences" x.Shape axis
        if order < 0 || order > x.Shape[axis] then
            invalidArg
                "order"
                $"differences: expected an order from 0 to {x.Shape[axis]}, the extent of axis {axis} of shape {x.Shape}, got {order}"
        Seq.fold
            (fun d _ -> Recurrence.without axis true d - Recurrence.without axis false d)
            x
            (seq { 1..order })
