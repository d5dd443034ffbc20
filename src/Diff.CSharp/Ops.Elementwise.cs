namespace Diff;

public static partial class Ops
{
    /// <summary>eˣ, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Exp(Expr x) => Expr.Exp(x);

    /// <summary>The natural logarithm, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Log(Expr x) => Expr.Log(x);

    /// <summary>log(1 + x), accurate near 0, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Log1p(Expr x) => Functions.log1p(x);

    /// <summary>eˣ − 1, accurate near 0, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Expm1(Expr x) => Functions.expm1(x);

    /// <summary>The square root, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sqrt(Expr x) => Expr.Sqrt(x);

    /// <summary>The sine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sin(Expr x) => Expr.Sin(x);

    /// <summary>The cosine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Cos(Expr x) => Expr.Cos(x);

    /// <summary>The tangent, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Tan(Expr x) => Expr.Tan(x);

    /// <summary>The hyperbolic tangent, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Tanh(Expr x) => Expr.Tanh(x);

    /// <summary>1 / (1 + e⁻ˣ), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sigmoid(Expr x) => Functions.sigmoid(x);

    /// <summary>log(1 + eˣ), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Softplus(Expr x) => Functions.softplus(x);

    /// <summary>max(x, 0), index by index, with derivative 0 at 0.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Relu(Expr x) => Functions.relu(x);

    /// <summary>|x|, index by index, with derivative 0 at 0.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Abs(Expr x) => Expr.Abs(x);

    /// <summary>−1, 0 or 1, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sign(Expr x) => Functions.signum(x);

    /// <summary>x², index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Square(Expr x) => x * x;

    /// <summary>1 / x, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Reciprocal(Expr x) => 1 / x;

    /// <summary>The opposite of a bool, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Not(Expr x) => Functions.logicalNot(x);

    /// <summary>The value of x, treated as a constant by every derivative.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr StopGradient(Expr x) => Functions.stopGradient(x);

    /// <summary>x to the power y, index by index. Its derivatives are 0 where they are 0·∞ by formula; see docs/mathematics.md.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Pow(Expr x, Expr y) => Expr.Pow(x, y);

    /// <summary>The larger of two, index by index; where they are equal each gets half of the derivative.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Max(Expr x, Expr y) => Functions.maximum(x, y);

    /// <summary>The smaller of two, index by index; where they are equal each gets half of the derivative.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Min(Expr x, Expr y) => Functions.minimum(x, y);

    /// <summary>Whether x = y, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Equal(Expr x, Expr y) => Functions.equal(x, y);

    /// <summary>Whether x ≠ y, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr NotEqual(Expr x, Expr y) => Functions.notEqual(x, y);

    /// <summary>Whether both hold, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr And(Expr x, Expr y) => Functions.logicalAnd(x, y);

    /// <summary>Whether one or both hold, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Or(Expr x, Expr y) => Functions.logicalOr(x, y);

    /// <summary>x where the condition holds, else y, index by index; the derivative goes to the branch taken.</summary>
    /// <param name="condition">Bools.</param>
    /// <param name="x">The value where it holds.</param>
    /// <param name="y">The value elsewhere.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Where(Expr condition, Expr x, Expr y) => Functions.where(condition, x, y);

    /// <summary>x cut to [low, high]; the derivative is 1 inside and at the bounds, 0 beyond.</summary>
    /// <param name="x">The argument, of any shape.</param>
    /// <param name="low">The lower bound.</param>
    /// <param name="high">The upper bound.</param>
    public static Expr Clip(Expr x, double low, double high) => Functions.clip(low, high, x);

    /// <summary>Conversion to another element type.</summary>
    /// <param name="x">The argument, of any shape.</param>
    /// <param name="dtype">The element type asked for.</param>
    public static Expr Cast(Expr x, DType dtype) => Functions.cast(dtype, x);
}
