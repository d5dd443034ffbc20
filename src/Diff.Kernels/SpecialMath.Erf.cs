using System;

namespace Diff.Kernels;

// Error functions. erfc(x) = e^(−x²)·p(t)/(1 + 2x) for x ≥ 0 with t = (x − K)/(x + K) and p a polynomial (the form of Shepherd and Laframboise 1981,
// with coefficients of our own); erf(x) = x·q(x²) up to 1; the square in the exponent is taken in two parts.
internal static partial class SpecialMath
{
    private const double TwoOverRootPi = 1.1283791670955126, RootHalf = 0.70710678118654752440, Center = 3.75;

    private static ReadOnlySpan<double> ErfcxTerms =>
    [
        1.2375126308378275, -0.14024059858554702, 0.0035854154854644293, 0.08227673849015102, -0.10880393014174886, 0.09230432116019834,
        -0.05869339858963677, 0.0283622774215156, -0.009746579558029276, 0.0017556258324217529, 0.0002937136655913448, -0.00029015397928986765,
        5.164909889268241e-05, 2.2383912036550678e-05, -1.1444146237700524e-05, -9.72849582211122e-07, 1.751637648849062e-06,
        -5.826281078800777e-08, -2.5866850716155884e-07, 2.4289762925488707e-08, 3.8675334242222354e-08, -4.389284159986328e-09,
        -5.1739902140113095e-09, 5.457157304704688e-10, 4.2514714447963895e-10, -3.75315827795962e-11
    ];

    private static ReadOnlySpan<double> ErfTerms =>
    [
        1.1283791670955126, -0.3761263890318375, 0.11283791670954882, -0.026866170645077334, 0.005223977624823223, -0.0008548326981129666,
        0.00012055331122299266, -1.4925595519506043e-05, 1.6461004480962034e-06, -1.6350354461959655e-07, 1.4660051998394848e-08,
        -1.1373902296430911e-09, 5.958930743134941e-11
    ];

    internal static double Polynomial(ReadOnlySpan<double> terms, double x)
    {
        double y = terms[^1];
        for (int i = terms.Length - 2; i >= 0; i--) y = Math.FusedMultiplyAdd(y, x, terms[i]);
        return y;
    }

    /// <summary>e^(−c·x²); the square has no rounding error.</summary>
    public static double Gaussian(double c, double x)
    {
        double square = x * x, low = Math.FusedMultiplyAdd(x, x, -square);
        if (!double.IsFinite(square)) return Math.Exp(-(c * square));
        double product = c * square, rest = Math.FusedMultiplyAdd(c, square, -product) + (c * low);
        double y = Math.Exp(-product);
        return double.IsFinite(rest) && double.IsFinite(y) ? y - (y * rest) : y;
    }

    // For x ≥ 0.
    private static double Scaled(double x) => double.IsInfinity(x) ? 0 : Polynomial(ErfcxTerms, (x - Center) / (x + Center)) / (1 + (2 * x));

    /// <summary>The error function.</summary>
    public static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (a < 1) return x * Polynomial(ErfTerms, x * x);
        return a >= 6 ? Math.Sign(x) : x > 0 ? 1 - Erfc(x) : double.IsNaN(x) ? x : Erfc(-x) - 1;
    }

    /// <summary>1 − erf(x), accurate where it is small.</summary>
    public static double Erfc(double x)
    {
        if (x < 0.5) return x > -1 ? 1 - (x * Polynomial(ErfTerms, x * x)) : 2 - Erfc(-x);
        return Gaussian(1, x) * Scaled(x);
    }

    /// <summary>e^(x²)·erfc(x).</summary>
    public static double Erfcx(double x)
    {
        if (x >= 0) return Scaled(x);
        double power = 1 / Gaussian(1, x);
        return double.IsInfinity(power) ? power : (2 * power) - Scaled(-x);
    }

    /// <summary>The normal distribution function.</summary>
    public static double Ndtr(double x)
    {
        if (Math.Abs(x) < 1) return 0.5 + (0.5 * Erf(x * RootHalf));
        double tail = 0.5 * Gaussian(0.5, x) * Scaled(Math.Abs(x) * RootHalf);
        return x < 0 ? tail : 1 - tail;
    }

    /// <summary>Its logarithm, also where it underflows.</summary>
    public static double LogNdtr(double x)
    {
        if (x < -1) return (-0.5 * x * x) + Math.Log(0.5 * Scaled(-x * RootHalf));
        return ScalarMath.Log1p(-Ndtr(-x));
    }

    /// <summary>The inverse of erf: a start with an error of 0.2 % (Winitzki 2008), then three steps of Halley's method on erf, or on erfc from 1/2 on.</summary>
    public static double Erfinv(double y)
    {
        double a = Math.Abs(y), q = 1 - a;
        if (!(a < 1)) return a == 1 ? y / 0.0 : double.NaN;
        if (a < 1e-8) return y * (1 / TwoOverRootPi); // the next term of the series is y²·π/12
        const double C = 0.147;
        double log = Math.Log(q * (1 + a)), half = (2 / (Math.PI * C)) + (log / 2);
        double x = Math.Sqrt(Math.Sqrt((half * half) - (log / C)) - half);
        for (int i = 0; i < 3; i++)
        {
            double error = a < 0.5 ? Erf(x) - a : q - Erfc(x), step = error / (TwoOverRootPi * Gaussian(1, x));
            x -= step / (1 + (x * step));
        }
        return Math.CopySign(x, y);
    }

    /// <summary>The derivative of erfcx of an order n ≥ 0: (−1)ⁿ·2/√π·∫ (2t)ⁿ·e^(−t² − 2xt) dt, of which no two terms cancel. By
    /// I(n) = −(x/n)·I(n − 1) + I(n − 2)/(2n), backwards where x is not small, as the wanted solution is then the least (Gautschi 1961).</summary>
    public static double ErfcxDerivative(double order, double x)
    {
        int n = Order("erfcx", order);
        if (double.IsNaN(x)) return x;
        double sign = n % 2 == 0 ? 1 : -1;
        if (double.IsPositiveInfinity(x)) return 0 * sign;
        double before = TwoOverRootPi, value = Erfcx(x), scale = sign;
        if (double.IsInfinity(value)) return sign * value;
        if (x < 0.3)
        {
            for (int k = 1; k <= n; k++)
            {
                (before, value) = (value, (before / (2 * k)) - (x / k * value));
                scale *= 2 * k;
            }
            return scale * value;
        }
        // The ratios r(k) = I(k)/I(k − 1) = 1/(2x + 2(k + 1)·r(k + 1)), a continued fraction from far enough.
        double root = Math.Sqrt(2.0 * n) + (22 / x), ratio = 0;
        int last = (int)(0.5 * root * root) + 10;
        for (int k = last; k > n; k--) ratio = 1 / (2 * (x + ((k + 1) * ratio)));
        double product = value;
        var ratios = n <= 64 ? stackalloc double[64] : new double[n];
        for (int k = n; k > 0; k--) ratios[k - 1] = ratio = 1 / (2 * (x + ((k + 1) * ratio)));
        for (int k = 1; k <= n; k++) product *= -2 * k * ratios[k - 1];
        return product;
    }

    /// <summary>A constant operand that names an order.</summary>
    private static int Order(string operation, double order) => order >= 0 && order <= 1000 && order == Math.Floor(order)
        ? (int)order
        : throw new ArgumentException($"{operation}: expected an order of derivative from 0 to 1000, got {order}", nameof(order));
}
