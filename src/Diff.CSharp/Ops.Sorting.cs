namespace Diff;

// Order along an axis: NaN comes last in any order, equal elements keep their order.
public static partial class Ops
{
    /// <summary>The elements along an axis in order; each takes its derivative along.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="descending">Whether the largest come first.</param>
    public static Expr Sort(Expr x, int axis = -1, bool descending = false) => Sorting.sorted(descending, axis, Given(x));

    /// <summary>Where the elements along an axis lie in order (int64).</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="descending">Whether the largest come first.</param>
    public static Expr ArgSort(Expr x, int axis = -1, bool descending = false) => Order.argSort(axis, descending, Given(x));

    /// <summary>The largest elements along an axis, largest first, and where they are (int64).</summary>
    /// <param name="x">The array.</param>
    /// <param name="count">How many.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="smallest">Whether the smallest are wanted, smallest first.</param>
    /// <exception cref="ShapeException">The axis has fewer elements.</exception>
    public static (Expr Values, Expr Indices) TopK(Expr x, int count, int axis = -1, bool smallest = false) =>
        Sorting.selected(!smallest, count, axis, Given(x));

    /// <summary>The elements of each line along an axis that integers name; extents of 1 beside the axis broadcast.</summary>
    /// <param name="x">The array.</param>
    /// <param name="indices">int32 or int64, with as many axes as x; negative ones count from the end.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">The shapes do not fit beside the axis.</exception>
    public static Expr TakeAlong(Expr x, Expr indices, int axis = -1) => Sorting.takeAlong(axis, Given(indices), Given(x));

    /// <summary>x with values added to the elements of each line along an axis that integers name; where two go to one place, both.</summary>
    /// <param name="x">The array.</param>
    /// <param name="indices">int32 or int64; negative ones count from the end.</param>
    /// <param name="values">What to add: of the indices' shape, or broadcast to it.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr AddAlong(Expr x, Expr indices, Expr values, int axis = -1) => Sorting.addAlong(axis, Given(indices), Given(values), Given(x));

    /// <summary>The median of each line along an axis, which goes away: of an even number of elements the mean of the middle two.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">There are no elements along the axis.</exception>
    public static Expr Median(Expr x, int axis = -1) => Sorting.median(axis, Given(x));

    /// <summary>The quantile of each line along an axis, which goes away: on straight lines between neighbours in order, at q·(n − 1).</summary>
    /// <param name="x">The array.</param>
    /// <param name="q">From 0 to 1.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">There are no elements along the axis.</exception>
    public static Expr Quantile(Expr x, double q, int axis = -1) => Sorting.quantile(q, axis, Given(x));

    /// <summary>Several quantiles of each line along an axis, in a new first axis.</summary>
    /// <param name="x">The array.</param>
    /// <param name="qs">From 0 to 1.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">There are no elements along the axis.</exception>
    public static Expr Quantiles(Expr x, double[] qs, int axis = -1) => Sorting.quantiles(Interop.List(Given(qs)), axis, Given(x));

    /// <summary>How many ascending numbers are less than each value (int64): where it goes so that order is kept.</summary>
    /// <param name="sorted">A vector, or lines with the values' leading axes.</param>
    /// <param name="values">The values.</param>
    /// <param name="right">Whether to count those not greater, so that a value goes after its equals.</param>
    /// <exception cref="ShapeException">The leading axes differ.</exception>
    public static Expr SearchSorted(Expr sorted, Expr values, bool right = false) => Sorting.searchSorted(right, Given(sorted), Given(values));
}
