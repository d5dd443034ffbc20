using System;

namespace Diff.Kernels;

internal static partial class SpecialMath
{
    // xᵃ·(1 − x)ᵇ/B(a, b) for a, b > 0 and 0 < x < 1.
    private static double BetaPower(double a, double b, double x, double y)
    {
        double n = a + b;
        double exponent = StirlingRest(n) - StirlingRest(a) - StirlingRest(b) - Deviance(a, n * x) - Deviance(b, n * y);
        return Math.Exp(exponent) * Math.Sqrt(a / n * b / (2 * Math.PI));
    }

    private static bool IsBetaDomain(double a, double b, double x) => a > 0 && b > 0 && x >= 0 && x <= 1 && double.IsFinite(a) && double.IsFinite(b);

    /// <summary>xᵃ⁻¹·(1 − x)ᵇ⁻¹/B(a, b): the derivative of the incomplete beta function.</summary>
    public static double BetaDensity(double a, double b, double x)
    {
        if (!IsBetaDomain(a, b, x)) return double.NaN;
        if (x == 0) return a > 1 ? 0 : a == 1 ? b : double.PositiveInfinity;
        if (x == 1) return b > 1 ? 0 : b == 1 ? a : double.PositiveInfinity;
        return BetaPower(a, b, x, 1 - x) / (x * (1 - x));
    }

    // The fraction that xᵃ·(1 − x)ᵇ/(a·B(a, b)) is multiplied by, for x < (a + 1)/(a + b + 2).
    private static T BetaFraction<T>(T a, T b, double x) where T : struct, IAlgebra<T>
    {
        T one = T.Of(1), sum = a + b, c = one, d = one / (one - (x * (sum / (a + one)))), value = d;
        for (int n = 1; n < MostTerms; n++)
        {
            T start = value, at = a + T.Of(2 * n);
            T even = (n * x) * ((b - T.Of(n)) / ((at - one) * at));
            T odd = (-x) * ((a + T.Of(n)) * (sum + T.Of(n)) / (at * (at + one)));
            d = one / (one + (even * d));
            c = one + (even / c);
            value *= c * d;
            d = one / (one + (odd * d));
            c = one + (odd / c);
            value *= c * d;
            if ((value - start).IsLost(value, Rounding)) return value;
        }
        return T.Of(double.NaN);
    }

    /// <summary>I(x; a, b): the regularised incomplete beta function.</summary>
    public static double Betainc(double a, double b, double x)
    {
        if (!IsBetaDomain(a, b, x)) return double.NaN;
        if (x is 0 or 1) return x;
        double power = BetaPower(a, b, x, 1 - x);
        return x < (a + 1) / (a + b + 2)
            ? power / a * BetaFraction(new Number(a), new Number(b), x).Value
            : 1 - (power / b * BetaFraction(new Number(b), new Number(a), 1 - x).Value);
    }

    /// <summary>The derivative of I(x; a, b) of the order i with respect to a and j with respect to b.</summary>
    public static double BetaincDerivative(double first, double second, double a, double b, double x)
    {
        int i = Order("betainc", first), j = Order("betainc", second);
        if (i + j == 0) return Betainc(a, b, x);
        if (!IsBetaDomain(a, b, x)) return double.NaN;
        if (x is 0 or 1) return 0;
        double y = 1 - x;
        bool direct = x < (a + 1) / (a + b + 2);
        // log of xᵃ·(1 − x)ᵇ·Γ(a + b + 1)/(Γ(a + 1)·Γ(b + 1)) as a series: 1/B(a, b) is a·b/(a + b) times that, which is exact near 0.
        double[] ofA = LogGammaTerms(a + 1, i), ofB = LogGammaTerms(b + 1, j), ofSum = LogGammaTerms(a + b + 1, i + j);
        var log = new Jet(i, j, (p, q) =>
        {
            if (p + q == 0) return 0;
            double choose = 1;
            for (int k = 1; k <= p; k++) choose *= (double)(q + k) / k;
            double term = choose * ofSum[p + q];
            if (q == 0) term -= ofA[p];
            if (p == 0) term -= ofB[q];
            return term + (p + q > 1 ? 0 : p == 1 ? Math.Log(x) : ScalarMath.Log1p(-x));
        });
        var atA = new Jet(i, j, (p, q) => p + q == 0 ? a : p == 1 && q == 0 ? 1 : 0);
        var atB = new Jet(i, j, (p, q) => p + q == 0 ? b : q == 1 && p == 0 ? 1 : 0);
        Jet value = log.ExpOfRest() * (direct ? atB * BetaFraction(atA, atB, x) : atA * BetaFraction(atB, atA, y)) / (atA + atB);
        double scale = BetaPower(a, b, x, y) * ((1 / a) + (1 / b));
        if (!direct) scale = -scale;
        for (int k = 2; k <= i; k++) scale *= k;
        for (int k = 2; k <= j; k++) scale *= k;
        return scale * value[i, j];
    }

    // The coefficients of lgamma(x + ε), but for the constant one.
    private static double[] LogGammaTerms(double x, int order)
    {
        var terms = new double[order + 1];
        double factorial = 1;
        for (int k = 1; k <= order; k++) terms[k] = Polygamma(k - 1, x) / (factorial *= k);
        return terms;
    }
}
