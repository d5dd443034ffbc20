namespace Diff;

public static partial class Ops
{
    /// <summary>The same numbers in row-major order with another shape; one extent may be −1: what is left over.</summary>
    /// <param name="x">The array.</param>
    /// <param name="shape">The extents.</param>
    /// <exception cref="ShapeException">The number of elements differs.</exception>
    public static Expr Reshape(Expr x, params int[] shape) => Diff.Reshape.make(Diff.Reshape.resolve(Given(x).Shape, Given(shape)), x);

    /// <summary>The axes in another order; in reverse order without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="order">Which axis of x comes at each place.</param>
    /// <exception cref="ShapeException">The order does not name every axis once.</exception>
    public static Expr Transpose(Expr x, params int[] order) =>
        Given(order).Length == 0 ? Arrangement.transpose(Given(x)) : Arrangement.permuted(order, Given(x));

    /// <summary>The value repeated along new leading axes and axes of extent 1.</summary>
    /// <param name="x">The array.</param>
    /// <param name="shape">The extents.</param>
    /// <exception cref="ShapeException">The shape of x does not broadcast to it.</exception>
    public static Expr BroadcastTo(Expr x, params int[] shape) => Expr.BroadcastTo(Given(x), new Shape(Given(shape)));

    /// <summary>A new axis of extent 1.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The number that the new axis gets.</param>
    public static Expr ExpandDims(Expr x, int axis) => Arrangement.expandDims(axis, Given(x));

    /// <summary>Arrays one after the other along an axis.</summary>
    /// <param name="axis">The axis.</param>
    /// <param name="xs">The arrays; their shapes differ at most in that axis.</param>
    /// <exception cref="ShapeException">The shapes differ in more than the axis.</exception>
    public static Expr Concat(int axis, params Expr[] xs) => Window.concat(axis, Given(xs));

    /// <summary>Arrays of one shape along a new axis.</summary>
    /// <param name="axis">The number that the new axis gets.</param>
    /// <param name="xs">The arrays.</param>
    /// <exception cref="ShapeException">The shapes differ.</exception>
    public static Expr Stack(int axis, params Expr[] xs) => Arrangement.stack(axis, Interop.List(Given(xs)));

    /// <summary>Parts of the given extents along an axis.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="extents">The parts' extents, which add up to the axis's.</param>
    /// <exception cref="ShapeException">The extents do not add up.</exception>
    public static Expr[] Split(Expr x, int axis, params int[] extents) => [.. Arrangement.split(axis, Interop.List(Given(extents)), Given(x))];

    /// <summary>The array with one value added around it.</summary>
    /// <param name="x">The array.</param>
    /// <param name="widths">How many elements come before and after on each axis.</param>
    /// <param name="value">The value.</param>
    /// <exception cref="ShapeException">There is not one pair of numbers ≥ 0 an axis.</exception>
    public static Expr Pad(Expr x, (int Before, int After)[] widths, double value = 0) =>
        Arrangement.padWith(value, Interop.List(Given(widths).Select(w => Tuple.Create(w.Before, w.After))), Given(x));

    /// <summary>The slabs of x along an axis that integers name: its shape is that of x with the axis replaced by the indices' axes.</summary>
    /// <param name="x">The array.</param>
    /// <param name="indices">int32 or int64; negative ones count from the end.</param>
    /// <param name="axis">The axis.</param>
    public static Expr Gather(Expr x, Expr indices, int axis = 0) => Arrangement.gather(axis, Given(indices), Given(x));

    /// <summary>The slabs of x along an axis at places that are known, in their order.</summary>
    /// <param name="x">The array.</param>
    /// <param name="indices">The places; negative ones count from the end.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="IndexOutOfRangeException">There is no such place.</exception>
    public static Expr Gather(Expr x, int[] indices, int axis = 0) => Arrangement.gatherAt(axis, Interop.List(Given(indices)), Given(x));

    /// <summary>Zeros of a shape, with slabs added where integers name them; where two go to one place, their sum.</summary>
    /// <param name="values">The slabs.</param>
    /// <param name="indices">int32 or int64; negative ones count from the end.</param>
    /// <param name="shape">The result's shape.</param>
    /// <param name="axis">The axis.</param>
    /// <exception cref="ShapeException">The values do not have the shape that indices and result ask for.</exception>
    public static Expr ScatterAdd(Expr values, Expr indices, Shape shape, int axis = 0) => Index.scatterAdd(axis, Given(shape), Given(values), Given(indices));

    /// <summary>1 at the index and 0 elsewhere, along a new last axis; an index outside 0 … classes − 1 gives only zeros.</summary>
    /// <param name="indices">int32 or int64.</param>
    /// <param name="classes">The extent of the new axis.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr OneHot(Expr indices, int classes, DType dtype = DType.Float64) => Arrangement.oneHot(classes, dtype, Given(indices));
}
