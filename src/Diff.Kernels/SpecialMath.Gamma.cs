using System;

namespace Diff.Kernels;

// The gamma function and what comes of its logarithm: series around 1 and 2, Stirling's from 10 on, recurrence between and reflection below 0.
internal static partial class SpecialMath
{
    private const double HalfLogTwoPi = 0.91893853320467274178, OneMinusEuler = 0.42278433509846713939;

    // (−1)ᵏ·(ζ(k) − 1)/k from k = 2.
    private static ReadOnlySpan<double> LgammaTerms =>
    [
        0.3224670334241132, -0.0673523010531981, 0.020580808427784546, -0.007385551028673986, 0.0028905103307415234, -0.001192753911703261,
        0.0005096695247430425, -0.00022315475845357939, 9.945751278180853e-05, -4.492623673813314e-05, 2.050721277567069e-05,
        -9.439488275268397e-06, 4.374866789907488e-06, -2.039215753801366e-06, 9.55141213040742e-07, -4.492469198764566e-07,
        2.1207184805554665e-07, -1.0043224823968099e-07, 4.7698101693639804e-08, -2.2711094608943164e-08, 1.0838659214896955e-08,
        -5.183475041970047e-09, 2.4836745438024785e-09, -1.1921401405860912e-09, 5.731367241678862e-10, -2.7595228851242334e-10,
        1.330476437424449e-10, -6.4229645638381e-11
    ];

    // B(2k)/(2k·(2k − 1)) from k = 1.
    private static ReadOnlySpan<double> StirlingTerms =>
    [
        0.08333333333333333, -0.002777777777777778, 0.0007936507936507937, -0.0005952380952380953, 0.0008417508417508417, -0.0019175269175269176,
        0.00641025641025641, -0.029550653594771242
    ];

    // B(2k)/(2k) from k = 1.
    private static ReadOnlySpan<double> DigammaTerms =>
    [
        0.08333333333333333, -0.008333333333333333, 0.003968253968253968, -0.004166666666666667, 0.007575757575757576, -0.021092796092796094,
        0.08333333333333333, -0.4432598039215686
    ];

    // B(2k)/(2k)! from k = 1.
    private static ReadOnlySpan<double> ZetaTerms =>
    [
        0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07, 2.08767569878681e-08, -5.284190138687493e-10,
        1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15, -2.174868698558062e-16, 5.5090028283602295e-18,
        -1.3954464685812522e-19
    ];

    // The positive zero of digamma in two parts, and the coefficients of the series around it from the first power on.
    private const double DigammaZero = 1.4616321449683622, DigammaZeroLow = 9.549995429965697e-17;

    private static ReadOnlySpan<double> DigammaZeroTerms =>
    [
        0.9676722454476212, -0.4427631689835921, 0.258499760955651, -0.16394270544240652, 0.10782405069126237, -0.07219956125645471,
        0.04880428816414311, -0.03316112647484736, 0.022597648232218104, -0.01542476590494896, 0.010538791616612175, -0.007204534386356869,
        0.004926781395729853, -0.003369801655439328, 0.002305126326734928, -0.0015769367714301972, 0.0010788252019162967, -0.0007380709389960052,
        0.000504953265834602, -0.0003454680251063077, 0.00023635601564027053, -0.00016170622091974803, 0.0001106337276874741,
        -7.569179582195066e-05, 5.178575795222081e-05, -3.5430070947659604e-05, 2.424006611860132e-05, -1.6584242271854135e-05,
        1.134638458466385e-05
    ];

    /// <summary>lgamma(2 + z) for |z| ≤ 1/2.</summary>
    private static double LgammaNear2(double z) => z * Math.FusedMultiplyAdd(z, Polynomial(LgammaTerms, z), OneMinusEuler);

    /// <summary>lgamma(1 + z) for |z| ≤ 1/2.</summary>
    private static double Lgamma1p(double z) => LgammaNear2(z) - ScalarMath.Log1p(z);

    /// <summary>log|Γ(x)|.</summary>
    public static double Lgamma(double x)
    {
        if (!double.IsFinite(x)) return double.IsNaN(x) ? x : double.PositiveInfinity;
        if (x <= 0)
        {
            if (x == Math.Floor(x)) return double.PositiveInfinity;
            if (x > -0.5) return Lgamma1p(x) - Math.Log(-x);
            return Math.Log(Math.PI / Math.Abs(double.SinPi(x))) - Lgamma(1 - x);
        }
        if (x < 0.5) return Lgamma1p(x) - Math.Log(x);
        if (x < 1.5) return Lgamma1p(x - 1);
        if (x >= 10) return x > 1e300 ? x * (Math.Log(x) - 1) : ((x - 0.5) * (Math.Log(x) - 1)) + (HalfLogTwoPi - 0.5) + StirlingRest(x);
        double product = 1;
        while (x > 2.5) product *= --x;
        return LgammaNear2(x - 2) + Math.Log(product);
    }

    /// <summary>lgamma(x) − (x − ½)·log x + x − ½·log 2π.</summary>
    private static double StirlingRest(double x)
    {
        if (x < 10) return Lgamma(x) - ((x - 0.5) * Math.Log(x)) + x - HalfLogTwoPi;
        return Polynomial(StirlingTerms, 1 / (x * x)) / x;
    }

    /// <summary>Γ(1 + z) for 0 ≤ z ≤ 20.</summary>
    private static double Gamma1p(double z)
    {
        double product = 1;
        while (z > 1.5) product *= z--;
        return product * Math.Exp(z > 0.5 ? LgammaNear2(z - 1) : Lgamma1p(z));
    }

    /// <summary>The derivative of log|Γ|.</summary>
    public static double Digamma(double x)
    {
        if (x == 0) return -1 / x;
        if (x < 0)
        {
            if (x == Math.Floor(x)) return double.NaN;
            return Digamma(1 - x) - (Math.PI * double.CosPi(x) / double.SinPi(x));
        }
        double sum = 0;
        while (x < 1.06) sum -= 1 / x++;
        if (x < 1.86)
        {
            double z = x - DigammaZero - DigammaZeroLow;
            return sum + (z * Polynomial(DigammaZeroTerms, z));
        }
        while (x < 10) sum -= 1 / x++;
        if (double.IsInfinity(x)) return x;
        double square = 1 / (x * x);
        return Math.Log(x) - (0.5 / x) - (square * Polynomial(DigammaTerms, square)) + sum;
    }

    /// <summary>The derivative of digamma of an order n ≥ 0: (−1)ⁿ⁺¹·n!·ζ(n + 1, x), by the sum of Euler and Maclaurin; below 0 by reflection.</summary>
    public static double Polygamma(double order, double x)
    {
        int n = Order("polygamma", order);
        if (n == 0) return Digamma(x);
        if (double.IsNaN(x) || double.IsNegativeInfinity(x)) return double.NaN;
        double sign = n % 2 == 1 ? 1 : -1;
        if (x == Math.Floor(x) && x <= 0) return n % 2 == 1 ? double.PositiveInfinity : x == 0 ? sign / x * double.PositiveInfinity : double.NaN;
        if (x > 0) return sign * PolygammaSize(n, x);
        return -CotangentDerivative(n, x) - PolygammaSize(n, 1 - x);
    }

    // n!·ζ(n + 1, x) for x > 0, as n!/xⁿ⁺¹ times the terms (x/(x + k))ⁿ⁺¹.
    private static double PolygammaSize(int n, double x)
    {
        if (double.IsInfinity(x)) return 0;
        double end = Math.Max(x, 10 + n), sum = 0, y = x;
        for (; y < end; y++)
        {
            double term = Math.Pow(x / y, n + 1);
            sum += term;
            if (term < 1e-18 * sum) break;
        }
        if (y >= end)
        {
            double last = Math.Pow(x / y, n + 1), tail = (y / n) + 0.5, factor = (n + 1) / y;
            for (int k = 0; k < ZetaTerms.Length; k++)
            {
                tail += ZetaTerms[k] * factor;
                factor *= (n + (2 * k) + 2) / y * ((n + (2 * k) + 3) / y);
            }
            sum += last * tail;
        }
        double scale = sum / x;
        for (int k = 1; k <= n; k++) scale *= k / x;
        return scale;
    }

    // π·dⁿ/dxⁿ cot(πx): a polynomial p in c = cot(πx), of which the derivative is −π·p′(c)·(1 + c²).
    private static double CotangentDerivative(int n, double x)
    {
        double c = double.CosPi(x) / double.SinPi(x);
        var p = new double[n + 2];
        p[1] = Math.PI;
        for (int k = 0; k < n; k++)
        {
            var next = new double[n + 2];
            for (int i = 1; i <= k + 1; i++)
            {
                double slope = -Math.PI * i * p[i];
                next[i - 1] += slope;
                next[i + 1] += slope;
            }
            p = next;
        }
        return Polynomial(p, c);
    }

    /// <summary>log B(a, b) for a, b &gt; 0, without the difference of large logarithms.</summary>
    public static double Lbeta(double a, double b)
    {
        if (a > b) (a, b) = (b, a);
        if (!(a >= 0) || double.IsNaN(b)) return double.NaN;
        if (a == 0) return double.PositiveInfinity;
        if (double.IsInfinity(b)) return double.NegativeInfinity;
        if (b < 10) return Lgamma(a) + (Lgamma(b) - Lgamma(a + b));
        double rest = StirlingRest(b) - StirlingRest(a + b), ratio = a / b;
        if (a < 10) return Lgamma(a) + rest + a - (a * Math.Log(a + b)) - ((b - 0.5) * ScalarMath.Log1p(ratio));
        return StirlingRest(a) + rest + HalfLogTwoPi - (0.5 * Math.Log(b)) + ((a - 0.5) * Math.Log(a / (a + b))) - (b * ScalarMath.Log1p(ratio));
    }
}
