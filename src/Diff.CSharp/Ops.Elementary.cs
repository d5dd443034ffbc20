namespace Diff;

public static partial class Ops
{
    /// <summary>The cube root, of negative numbers too, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Cbrt(Expr x) => ElementaryFunctions.cbrt(Given(x));

    /// <summary>1 / √x, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Rsqrt(Expr x) => ElementaryFunctions.rsqrt(Given(x));

    /// <summary>The logarithm to base 2, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Log2(Expr x) => ElementaryFunctions.log2(Given(x));

    /// <summary>The logarithm to base 10, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Log10(Expr x) => Expr.Log10(Given(x));

    /// <summary>2ˣ, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Exp2(Expr x) => ElementaryFunctions.exp2(Given(x));

    /// <summary>The inverse of the sine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Asin(Expr x) => Expr.Asin(Given(x));

    /// <summary>The inverse of the cosine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Acos(Expr x) => Expr.Acos(Given(x));

    /// <summary>The inverse of the tangent, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Atan(Expr x) => Expr.Atan(Given(x));

    /// <summary>The angle of the point (x, y), index by index; at the origin its derivatives are 0.</summary>
    /// <param name="y">The ordinate.</param>
    /// <param name="x">The abscissa; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Atan2(Expr y, Expr x) => Expr.Atan2(Given(y), Given(x));

    /// <summary>The hyperbolic sine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sinh(Expr x) => Expr.Sinh(Given(x));

    /// <summary>The hyperbolic cosine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Cosh(Expr x) => Expr.Cosh(Given(x));

    /// <summary>The inverse of the hyperbolic sine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Asinh(Expr x) => ElementaryFunctions.asinh(Given(x));

    /// <summary>The inverse of the hyperbolic cosine, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Acosh(Expr x) => ElementaryFunctions.acosh(Given(x));

    /// <summary>The inverse of the hyperbolic tangent, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Atanh(Expr x) => ElementaryFunctions.atanh(Given(x));

    /// <summary>√(x² + y²) without overflow or underflow of the squares; at the origin its derivatives are 0.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Hypot(Expr x, Expr y) => ElementaryFunctions.hypot(Given(x), Given(y));

    /// <summary>log(eˣ + eʸ) without overflow.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr LogAddExp(Expr x, Expr y) => ElementaryFunctions.logaddexp(Given(x), Given(y));

    /// <summary>x·log y, 0 where x is 0 unless y is NaN; see docs/mathematics.md for its derivatives there.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr XLogY(Expr x, Expr y) => ElementaryFunctions.xlogy(Given(x), Given(y));

    /// <summary>x·log(1 + y), 0 where x is 0 unless y is NaN; see docs/mathematics.md for its derivatives there.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr XLog1PY(Expr x, Expr y) => ElementaryFunctions.xlog1py(Given(x), Given(y));

    /// <summary>log(1 / (1 + e⁻ˣ)) without overflow, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr LogSigmoid(Expr x) => ElementaryFunctions.logSigmoid(Given(x));

    /// <summary>x / (1 + e⁻ˣ), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Silu(Expr x) => ElementaryFunctions.silu(Given(x));

    /// <summary>x·Φ(x) with the normal distribution function Φ (the form with erf), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Gelu(Expr x) => ElementaryFunctions.gelu(Given(x));

    /// <summary>sin(πx)/(πx), 1 at 0, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Sinc(Expr x) => ElementaryFunctions.sinc(Given(x));

    /// <summary>Rounded down, index by index; nothing is passed back.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Floor(Expr x) => Expr.Floor(Given(x));

    /// <summary>Rounded up, index by index; nothing is passed back.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Ceiling(Expr x) => Expr.Ceiling(Given(x));

    /// <summary>Rounded to the nearest integer, halves to the even one, index by index; nothing is passed back.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Round(Expr x) => Expr.Round(Given(x));

    /// <summary>Rounded towards 0, index by index; nothing is passed back.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Truncate(Expr x) => Expr.Truncate(Given(x));

    /// <summary>The rest of a division that cuts off, with the sign of x, as the operator % gives; of integers, a divisor 0 is an error.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Fmod(Expr x, Expr y) => ElementaryFunctions.fmod(Given(x), Given(y));

    /// <summary>The rest of a division that rounds down, with the sign of y; of integers, a divisor 0 is an error.</summary>
    /// <param name="x">The first operand.</param>
    /// <param name="y">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Remainder(Expr x, Expr y) => ElementaryFunctions.remainder(Given(x), Given(y));

    /// <summary>Whether a number is NaN, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr IsNaN(Expr x) => ElementaryFunctions.isNaN(Given(x));

    /// <summary>Whether a number is infinite, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr IsInfinity(Expr x) => ElementaryFunctions.isInfinite(Given(x));

    /// <summary>Whether a number is neither infinite nor NaN, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr IsFinite(Expr x) => ElementaryFunctions.isFinite(Given(x));
}
