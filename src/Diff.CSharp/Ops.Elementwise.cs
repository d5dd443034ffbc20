namespace Diff;

public static partial class Ops
{
    /// <summary>eˣ, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Exp(Expr x) => Expr.Exp(Given(x));

    /// <summary>The natural logarithm, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Log(Expr x) => Expr.Log(Given(x));

    /// <summary>log(1 + x), accurate near 0, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Log1p(Expr x) => Functions.log1p(Given(x));

    /// <summary>eˣ − 1, accurate near 0, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Expm1(Expr x) => Functions.expm1(Given(x));

    /// <summary>The square root, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sqrt(Expr x) => Expr.Sqrt(Given(x));

    /// <summary>The sine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sin(Expr x) => Expr.Sin(Given(x));

    /// <summary>The cosine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Cos(Expr x) => Expr.Cos(Given(x));

    /// <summary>The tangent, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Tan(Expr x) => Expr.Tan(Given(x));

    /// <summary>The hyperbolic tangent, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Tanh(Expr x) => Expr.Tanh(Given(x));

    /// <summary>1 / (1 + e⁻ˣ), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sigmoid(Expr x) => Functions.sigmoid(Given(x));

    /// <summary>log(1 + eˣ), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Softplus(Expr x) => Functions.softplus(Given(x));

    /// <summary>max(x, 0), index by index, with derivative 0 at 0.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Relu(Expr x) => Functions.relu(Given(x));

    /// <summary>|x|, index by index, with derivative 0 at 0.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Abs(Expr x) => Expr.Abs(Given(x));

    /// <summary>−1, 0 or 1, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sign(Expr x) => Functions.signum(Given(x));

    /// <summary>x², index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Square(Expr x) => Given(x) * x;

    /// <summary>1 / x, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Reciprocal(Expr x) => 1 / Given(x);

    /// <summary>The opposite of a bool, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Not(Expr x) => Functions.logicalNot(Given(x));

    /// <summary>The value of x, treated as a constant by every derivative.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr StopGradient(Expr x) => Functions.stopGradient(Given(x));

    /// <summary>x to the power y, index by index. Its derivatives are 0 where they are 0·∞ by formula; see docs/mathematics.md.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Pow(Expr x, Expr y) => Expr.Pow(Given(x), Given(y));

    /// <summary>The larger of two, index by index; where they are equal each gets half of the derivative.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Max(Expr x, Expr y) => Functions.maximum(Given(x), Given(y));

    /// <summary>The smaller of two, index by index; where they are equal each gets half of the derivative.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Min(Expr x, Expr y) => Functions.minimum(Given(x), Given(y));

    /// <summary>Whether x = y, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Equal(Expr x, Expr y) => Functions.equal(Given(x), Given(y));

    /// <summary>Whether x ≠ y, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr NotEqual(Expr x, Expr y) => Functions.notEqual(Given(x), Given(y));

    /// <summary>Whether both hold, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr And(Expr x, Expr y) => Functions.logicalAnd(Given(x), Given(y));

    /// <summary>Whether one or both hold, index by index.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Or(Expr x, Expr y) => Functions.logicalOr(Given(x), Given(y));

    /// <summary>x where the condition holds, else y, index by index; the derivative goes to the branch taken.</summary>
    /// <param name="condition">Bools.</param>
    /// <param name="x">The value where it holds.</param>
    /// <param name="y">The value elsewhere.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Where(Expr condition, Expr x, Expr y) => Functions.where(Given(condition), Given(x), Given(y));

    /// <summary>x cut to [low, high]; the derivative is 1 inside and at the bounds, 0 beyond.</summary>
    /// <param name="x">The argument, of any shape.</param>
    /// <param name="low">The lower bound.</param>
    /// <param name="high">The upper bound.</param>
    public static Expr Clip(Expr x, double low, double high) => Functions.clip(low, high, Given(x));

    /// <summary>Conversion to another element type.</summary>
    /// <param name="x">The argument, of any shape.</param>
    /// <param name="dtype">The element type asked for.</param>
    public static Expr Cast(Expr x, DType dtype) => Functions.cast(dtype, Given(x));
}
