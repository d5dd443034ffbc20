namespace Diff;

public static partial class Ops
{
    /// <summary>The sum over some axes; all without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr Sum(Expr x, params int[] axes) => Reductions.sumAxes(false, Given(axes), Given(x));

    /// <summary>The sum over some axes; all without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    public static Expr Sum(Expr x, int[] axes, bool keepDims) => Reductions.sumAxes(keepDims, Given(axes), Given(x));

    /// <summary>The mean over some axes; all without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr Mean(Expr x, params int[] axes) => Reductions.meanAxes(false, Given(axes), Given(x));

    /// <summary>The mean over some axes; all without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    public static Expr Mean(Expr x, int[] axes, bool keepDims) => Reductions.meanAxes(keepDims, Given(axes), Given(x));

    /// <summary>The product over some axes, right to any order of derivative with zeros among the factors; all axes without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr Prod(Expr x, params int[] axes) => Reductions.prodAxes(false, Given(axes), Given(x));

    /// <summary>The product over some axes, right to any order of derivative with zeros among the factors; all axes without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    public static Expr Prod(Expr x, int[] axes, bool keepDims) => Reductions.prodAxes(keepDims, Given(axes), Given(x));

    /// <summary>The largest value over some axes, all without any; equal ones share the derivative, a NaN wins.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr ReduceMax(Expr x, params int[] axes) => Reductions.extremeAxes(Extreme.Max, false, Given(axes), Given(x));

    /// <summary>The largest value over some axes, all without any; equal ones share the derivative, a NaN wins.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    public static Expr ReduceMax(Expr x, int[] axes, bool keepDims) => Reductions.extremeAxes(Extreme.Max, keepDims, Given(axes), Given(x));

    /// <summary>The smallest value over some axes, all without any; equal ones share the derivative, a NaN wins.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr ReduceMin(Expr x, params int[] axes) => Reductions.extremeAxes(Extreme.Min, false, Given(axes), Given(x));

    /// <summary>The smallest value over some axes, all without any; equal ones share the derivative, a NaN wins.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    public static Expr ReduceMin(Expr x, int[] axes, bool keepDims) => Reductions.extremeAxes(Extreme.Min, keepDims, Given(axes), Given(x));

    /// <summary>log Σ eˣ over some axes without overflow; all axes without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr LogSumExp(Expr x, params int[] axes) => Reductions.logsumexpAxes(false, Given(axes), Given(x));

    /// <summary>log Σ eˣ over some axes without overflow; all axes without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    public static Expr LogSumExp(Expr x, int[] axes, bool keepDims) => Reductions.logsumexpAxes(keepDims, Given(axes), Given(x));

    /// <summary>Where the largest value along an axis is first met (int64).</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr ArgMax(Expr x, int axis = -1) => Reductions.argmax(axis, Given(x));

    /// <summary>Where the smallest value along an axis is first met (int64).</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr ArgMin(Expr x, int axis = -1) => Reductions.argmin(axis, Given(x));

    /// <summary>eˣ / Σ eˣ along an axis, without overflow.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr Softmax(Expr x, int axis = -1) => Reductions.softmax(axis, Given(x));

    /// <summary>x − log Σ eˣ along an axis, without overflow.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr LogSoftmax(Expr x, int axis = -1) => Reductions.logSoftmax(axis, Given(x));

    /// <summary>
    /// The sum of products in index notation: <c>ij,jk-&gt;ik</c>, <c>ii</c> (trace), <c>...i,...i-&gt;...</c>, <c>i,j-&gt;ij</c>. A label that is
    /// not in the output is summed; without <c>-&gt;</c> the output is the labels that occur once, in alphabetical order.
    /// </summary>
    /// <param name="notation">The labels of each operand's axes, apart by commas, and those of the output.</param>
    /// <param name="operands">The operands.</param>
    /// <exception cref="ShapeException">The notation does not fit the shapes.</exception>
    public static Expr Einsum(string notation, params Expr[] operands) => Diff.Einsum.ofNotation(Given(notation), NoExtents, Given(operands));

    /// <summary>Einsum with labels that stand only in the output: the value repeats along them.</summary>
    /// <param name="notation">The labels of each operand's axes, apart by commas, and those of the output.</param>
    /// <param name="extents">The extents of the labels that only the output has.</param>
    /// <param name="operands">The operands.</param>
    /// <exception cref="ShapeException">The notation does not fit the shapes.</exception>
    public static Expr Einsum(string notation, IReadOnlyDictionary<char, int> extents, params Expr[] operands) =>
        Diff.Einsum.ofNotation(Given(notation), Given(extents), Given(operands));

    private static readonly Dictionary<char, int> NoExtents = [];

    /// <summary>The matrix product over the last axis of a and the last but one of b (the only one of a vector); leading axes broadcast.</summary>
    /// <param name="a">[…, m, k] or [k].</param>
    /// <param name="b">[…, k, n] or [k].</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr MatMul(Expr a, Expr b) => Reductions.matmul(Given(a), Given(b));

    /// <summary>√Σx² over all elements of all arrays together; its derivative at 0 is 0.</summary>
    /// <param name="xs">The arrays.</param>
    public static Expr FrobeniusNorm(params Expr[] xs) => Losses.frobeniusNorm(Interop.List(Given(xs)));
}
