namespace Diff;

public static partial class Ops
{
    /// <summary>The elements along some axes in the opposite order; along all without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    public static Expr Flip(Expr x, params int[] axes) => Moving.flipped(Given(axes), Given(x));

    /// <summary>The elements moved forward along an axis; what leaves it at the end comes back at its start.</summary>
    /// <param name="x">The array.</param>
    /// <param name="shift">By how many.</param>
    /// <param name="axis">The axis.</param>
    public static Expr Roll(Expr x, int shift, int axis = -1) => Moving.roll(shift, axis, Given(x));

    /// <summary>The array side by side with itself; numbers are for the last axes, new ones come first.</summary>
    /// <param name="x">The array.</param>
    /// <param name="counts">How many times along each axis.</param>
    public static Expr Tile(Expr x, params int[] counts) => Moving.tile(Interop.List(Given(counts)), Given(x));

    /// <summary>Each element several times in a row along an axis.</summary>
    /// <param name="x">The array.</param>
    /// <param name="times">How many times.</param>
    /// <param name="axis">The axis.</param>
    public static Expr RepeatElements(Expr x, int times, int axis = -1) => Moving.repeatElements(times, axis, Given(x));

    /// <summary>An axis at another place; the others keep their order.</summary>
    /// <param name="x">The array.</param>
    /// <param name="source">The axis.</param>
    /// <param name="destination">The number it gets.</param>
    public static Expr MoveAxis(Expr x, int source, int destination) => Moving.moveAxis(source, destination, Given(x));

    /// <summary>Two axes exchanged.</summary>
    /// <param name="x">The array.</param>
    /// <param name="first">One axis.</param>
    /// <param name="second">The other.</param>
    public static Expr SwapAxes(Expr x, int first, int second) => Moving.swapAxes(first, second, Given(x));

    /// <summary>Without some axes of extent 1; without all such axes if none is named.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <exception cref="ShapeException">An axis has another extent.</exception>
    public static Expr Squeeze(Expr x, params int[] axes) => Moving.squeezed(Given(axes), Given(x));

    /// <summary>Neighbouring axes as one.</summary>
    /// <param name="x">The array.</param>
    /// <param name="first">The first of them.</param>
    /// <param name="last">The last of them.</param>
    public static Expr Flatten(Expr x, int first = 0, int last = -1) => Moving.flatten(first, last, Given(x));

    /// <summary>The array continued beyond its edges; the widths may exceed the extents.</summary>
    /// <param name="x">The array.</param>
    /// <param name="widths">How many elements come before and after on each axis.</param>
    /// <param name="mode">What the array is continued with.</param>
    /// <exception cref="ShapeException">There is not one pair of numbers ≥ 0 an axis, or an axis has nothing to continue it with.</exception>
    public static Expr Pad(Expr x, (int Before, int After)[] widths, PadMode mode) =>
        Moving.padBy(mode, Interop.List(Given(widths).Select(w => Tuple.Create(w.Before, w.After))), Given(x));

    /// <summary>x with a value in place of the part that slices show, as in <c>x[slices]</c>; nothing of x changes.</summary>
    /// <param name="x">The array.</param>
    /// <param name="value">The value, which broadcasts to the part.</param>
    /// <param name="slices">The part.</param>
    /// <exception cref="ShapeException">The value does not broadcast to the part.</exception>
    public static Expr SetAt(Expr x, Expr value, params Slice[] slices) => Moving.setSlices(Given(slices), Given(value), Given(x));

    /// <summary>x with a value added to the part that slices show, as in <c>x[slices]</c>; nothing of x changes.</summary>
    /// <param name="x">The array.</param>
    /// <param name="value">The value, which broadcasts to the part.</param>
    /// <param name="slices">The part.</param>
    /// <exception cref="ShapeException">The value does not broadcast to the part.</exception>
    public static Expr AddAt(Expr x, Expr value, params Slice[] slices) => Moving.addSlices(Given(slices), Given(value), Given(x));

    /// <summary>x with a function of the part that slices show in its place; nothing of x changes.</summary>
    /// <param name="x">The array.</param>
    /// <param name="update">From the part to what takes its place.</param>
    /// <param name="slices">The part.</param>
    /// <exception cref="ShapeException">The result does not broadcast to the part.</exception>
    public static Expr UpdateAt(Expr x, Func<Expr, Expr> update, params Slice[] slices)
    {
        ArgumentNullException.ThrowIfNull(update);
        return Moving.setSlices(slices, update(Given(x)[Given(slices)]), x);
    }
}
