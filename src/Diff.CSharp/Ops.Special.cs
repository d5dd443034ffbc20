using System;

namespace Diff;

public static partial class Ops
{
    /// <summary>The error function, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Erf(Expr x) => SpecialFunctions.erf(Given(x));

    /// <summary>1 − erf(x), accurate where it is small, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Erfc(Expr x) => SpecialFunctions.erfc(Given(x));

    /// <summary>e^(x²)·erfc(x), which does not underflow, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Erfcx(Expr x) => SpecialFunctions.erfcx(Given(x));

    /// <summary>The inverse of erf on (−1, 1), index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr ErfInv(Expr x) => SpecialFunctions.erfinv(Given(x));

    /// <summary>The normal distribution function, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Ndtr(Expr x) => SpecialFunctions.ndtr(Given(x));

    /// <summary>The logarithm of the normal distribution function, also where that underflows, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr LogNdtr(Expr x) => SpecialFunctions.logNdtr(Given(x));

    /// <summary>log|Γ(x)|, index by index; infinite at 0, −1, −2 …</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr LogGamma(Expr x) => SpecialFunctions.lgamma(Given(x));

    /// <summary>The derivative of log Γ, index by index.</summary>
    /// <param name="x">The argument, of any shape.</param>
    public static Expr Digamma(Expr x) => SpecialFunctions.digamma(Given(x));

    /// <summary>The derivative of order n of digamma, index by index.</summary>
    /// <param name="n">The order, 0 or more.</param>
    /// <param name="x">The argument, of any shape.</param>
    /// <exception cref="ArgumentException">The order is below 0.</exception>
    public static Expr Polygamma(int n, Expr x) => SpecialFunctions.polygamma(n, Given(x));

    /// <summary>log B(a, b) for positive a and b, index by index.</summary>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr LogBeta(Expr a, Expr b) => SpecialFunctions.lbeta(Given(a), Given(b));

    /// <summary>B(a, b) for positive a and b, index by index.</summary>
    /// <param name="a">The first operand.</param>
    /// <param name="b">The second operand; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Beta(Expr a, Expr b) => SpecialFunctions.beta(Given(a), Given(b));

    /// <summary>The lower regularised incomplete gamma function P(a, x), with derivatives with respect to both.</summary>
    /// <param name="a">The parameter, 0 or more.</param>
    /// <param name="x">The argument, 0 or more; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr GammaInc(Expr a, Expr x) => SpecialFunctions.gammainc(Given(a), Given(x));

    /// <summary>The upper regularised incomplete gamma function Q(a, x) = 1 − P(a, x), accurate where it is small.</summary>
    /// <param name="a">The parameter, 0 or more.</param>
    /// <param name="x">The argument, 0 or more; its shape broadcasts with the first.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr GammaIncC(Expr a, Expr x) => SpecialFunctions.gammaincc(Given(a), Given(x));

    /// <summary>The regularised incomplete beta function I(x; a, b), with derivatives with respect to all three.</summary>
    /// <param name="a">The first parameter, positive.</param>
    /// <param name="b">The second parameter, positive.</param>
    /// <param name="x">The argument, from 0 to 1.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr BetaInc(Expr a, Expr b, Expr x) => SpecialFunctions.betainc(Given(a), Given(b), Given(x));
}
