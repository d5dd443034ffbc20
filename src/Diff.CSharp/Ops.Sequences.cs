namespace Diff;

// Running sums, products and extremes along an axis. Results have the argument's shape.
public static partial class Ops
{
    /// <summary>
    /// h[t] = a[t]·h[t−1] + b[t] along an axis, with h = 0 before the first: one pass, derivatives too. The first a is not used. The shapes broadcast.
    /// </summary>
    /// <param name="a">The factors.</param>
    /// <param name="b">The terms.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="reverse">Whether it runs from the end: h[t] = a[t]·h[t+1] + b[t].</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr LinearRecurrence(Expr a, Expr b, int axis = -1, bool reverse = false) =>
        Sequences.linearRecurrenceWith(axis, reverse, Given(a), Given(b));

    /// <summary>The linear recurrence with a state before the first step: h[0] = a[0]·initial + b[0].</summary>
    /// <param name="initial">The state, of the shape of b without the axis.</param>
    /// <param name="a">The factors.</param>
    /// <param name="b">The terms.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr LinearRecurrenceFrom(Expr initial, Expr a, Expr b, int axis = -1) => Sequences.linearRecurrenceFrom(axis, Given(initial), Given(a), Given(b));

    /// <summary>The sums of the elements up to each one along an axis; bools are counted.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="reverse">Whether to sum from the end.</param>
    /// <param name="exclusive">Whether each element itself is left out.</param>
    public static Expr CumSum(Expr x, int axis = -1, bool reverse = false, bool exclusive = false) =>
        Sequences.cumsumWith(axis, reverse, exclusive, Given(x));

    /// <summary>The products of the elements up to each one along an axis; right with zeros, in derivatives of every order.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="reverse">Whether to multiply from the end.</param>
    /// <param name="exclusive">Whether each element itself is left out.</param>
    public static Expr CumProd(Expr x, int axis = -1, bool reverse = false, bool exclusive = false) =>
        Sequences.cumprodWith(axis, reverse, exclusive, Given(x));

    /// <summary>log Σ eˣ of the elements up to each one along an axis, without overflow or loss; −∞ of nothing.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="reverse">Whether to sum from the end.</param>
    /// <param name="exclusive">Whether each element itself is left out.</param>
    public static Expr CumLogSumExp(Expr x, int axis = -1, bool reverse = false, bool exclusive = false) =>
        Sequences.cumlogsumexpWith(axis, reverse, exclusive, Given(x));

    /// <summary>The largest element so far along an axis; the derivative goes to the first that holds it, a NaN stays.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr CumMax(Expr x, int axis = -1) => Sequences.cummax(axis, Given(x));

    /// <summary>The smallest element so far along an axis; the derivative goes to the first that holds it, a NaN stays.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr CumMin(Expr x, int axis = -1) => Sequences.cummin(axis, Given(x));

    /// <summary>y[t] = decay·y[t−1] + (1 − decay)·x[t] along an axis, from y[0] = x[0].</summary>
    /// <param name="x">The array.</param>
    /// <param name="decay">From 0 to 1.</param>
    /// <param name="axis">The axis.</param>
    public static Expr ExponentialMovingAverage(Expr x, double decay, int axis = -1) => Sequences.exponentialMovingAverage(axis, decay, Given(x));

    /// <summary>The differences of neighbours along an axis, which gets shorter by one each time.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="order">How many times.</param>
    public static Expr Differences(Expr x, int axis = -1, int order = 1) => Sequences.differences(order, axis, Given(x));
}
