namespace Diff;

public static partial class Ops
{
    /// <summary>The variance over some axes, by two passes; all axes without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr Var(Expr x, params int[] axes) => Statistics.varAxes(0, false, Given(axes), Given(x));

    /// <summary>The variance over some axes, by two passes; all axes without any.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    /// <param name="ddof">What is taken off the number of elements that the sum is divided by.</param>
    public static Expr Var(Expr x, int[] axes, bool keepDims, int ddof = 0) => Statistics.varAxes(ddof, keepDims, Given(axes), Given(x));

    /// <summary>The standard deviation over some axes, all without any; of equal elements it is 0 with derivative 0.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr Std(Expr x, params int[] axes) => Statistics.stdAxes(0, false, Given(axes), Given(x));

    /// <summary>The standard deviation over some axes, all without any; of equal elements it is 0 with derivative 0.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    /// <param name="ddof">What is taken off the number of elements that the sum is divided by.</param>
    public static Expr Std(Expr x, int[] axes, bool keepDims, int ddof = 0) => Statistics.stdAxes(ddof, keepDims, Given(axes), Given(x));

    /// <summary>√Σx² over some axes, all without any, without overflow of the squares; its derivative at 0 is 0.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes, which go away.</param>
    public static Expr Norm(Expr x, params int[] axes) => Statistics.normAxes(2, false, Given(axes), Given(x));

    /// <summary>(Σ|x|ᵖ)^(1/p) over some axes, all without any, without overflow of the powers; its derivative at 0 is 0.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    /// <param name="keepDims">Whether the axes stay, with extent 1.</param>
    /// <param name="p">From 1 to infinity.</param>
    public static Expr Norm(Expr x, int[] axes, bool keepDims, double p = 2) => Statistics.normAxes(p, keepDims, Given(axes), Given(x));

    /// <summary>(x − mean)/std over some axes, all without any; equal elements become 0, with derivative 0.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axes">The axes.</param>
    public static Expr Standardize(Expr x, params int[] axes) => Statistics.standardizeAxes(0, Given(axes), Given(x));

    /// <summary>(x − mean)/√(variance + epsilon) along the last axis, without scale and shift.</summary>
    /// <param name="x">The array.</param>
    /// <param name="epsilon">What is added to the variance, 0 or more.</param>
    public static Expr LayerNorm(Expr x, double epsilon = 1e-5) => Statistics.layerNorm(epsilon, Given(x));

    /// <summary>The covariance matrix of observations [..., n, variables]: [..., variables, variables].</summary>
    /// <param name="x">The observations.</param>
    /// <param name="ddof">What is taken off the number of elements that the sum is divided by.</param>
    /// <exception cref="ShapeException">The array has fewer than two axes.</exception>
    public static Expr Covariance(Expr x, int ddof = 1) => Statistics.covariance(ddof, Given(x));
}
