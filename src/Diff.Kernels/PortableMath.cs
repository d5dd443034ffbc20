using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>
/// Functions of one number made of +, −, ×, ÷ and √ alone, each rounded by itself: the bits are the same on every machine, which neither the
/// platform's functions nor fused products promise. Within a few ulp, but where said.
/// </summary>
internal static class PortableMath
{
    private const double Ln2High = 0.6931471805598903, Ln2Low = 5.497923018708371e-14;
    private const double LogRoot2Pi = 0.91893853320467274178;

    /// <summary>How far from 1/2 one rational function gives normal quantiles.</summary>
    public const double CentralHalf = 0.425;

    private const double CentralSquare = 0.180625;

    /// <summary>log x by 2·artanh(f / (2 + f)), x = 2ᵉ·(1 + f), −1/4 ≤ f &lt; 1/2 (Tang 1990).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Log(double x)
    {
        if (!(x > 0) || double.IsPositiveInfinity(x)) return x == 0 ? double.NegativeInfinity : x < 0 ? double.NaN : x;
        bool isTiny = x < 2.2250738585072014e-308;
        long bits = BitConverter.DoubleToInt64Bits(isTiny ? x * 18014398509481984 : x), k = (bits - BitConverter.DoubleToInt64Bits(0.75)) >> 52;
        double e = k - (isTiny ? 54 : 0), f = BitConverter.Int64BitsToDouble(bits - (k << 52)) - 1;
        double s = f / (f + 2), z = s * s, h = f * f * 0.5;
        double q = 0.13844279990995295;
        q = q * z + 0.13173411444977193;
        q = q * z + 0.15391123475029186;
        q = q * z + 0.18181665508436712;
        q = q * z + 0.22222224302924617;
        q = q * z + 0.2857142855576715;
        q = q * z + 0.40000000000056957;
        q = q * z + 0.666666666666666;
        return e * Ln2High + (f + (s * (z * q + h) + e * Ln2Low - h));
    }

    /// <summary>log(1 + x) (Goldberg 1991, theorem 4).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Log1p(double x)
    {
        double u = 1 + x;
        return u == 1 ? x : double.IsPositiveInfinity(u) ? u : Log(u) * (x / (u - 1));
    }

    /// <summary>eˣ by Taylor's series of what is left of x beside a multiple of log 2.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Exp(double x)
    {
        if (!(x < 709.782712893384)) return x > 0 ? double.PositiveInfinity : x;
        if (x < -745.2) return 0;
        double n = Math.Floor(x * 1.4426950408889634 + 0.5), r = x - n * Ln2High - n * Ln2Low;
        double half = Math.Floor(n / 2);
        return (r * Ratio(r) + 1) * PowerOfTwo(half) * PowerOfTwo(n - half);
    }

    /// <summary>eˣ − 1, with an error of some ulp of x near 0.</summary>
    public static double Expm1(double x) => Math.Abs(x) > 0.35 ? Exp(x) - 1 : x * Ratio(x);

    // (eˣ − 1) / x for |x| < 0.36: Taylor's series up to x¹⁴ / 15!.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Ratio(double x)
    {
        double y = 1 / 1307674368000.0;
        y = y * x + 1 / 87178291200.0;
        y = y * x + 1 / 6227020800.0;
        y = y * x + 1 / 479001600.0;
        y = y * x + 1 / 39916800.0;
        y = y * x + 1 / 3628800.0;
        y = y * x + 1 / 362880.0;
        y = y * x + 1 / 40320.0;
        y = y * x + 1 / 5040.0;
        y = y * x + 1 / 720.0;
        y = y * x + 1 / 120.0;
        y = y * x + 1 / 24.0;
        y = y * x + 1 / 6.0;
        y = y * x + 1 / 2.0;
        return y * x + 1;
    }

    private static double PowerOfTwo(double n) => BitConverter.Int64BitsToDouble((long)(1023 + n) << 52);

    /// <summary>The x ≤ 0 below which a standard normal lies with probability p ≤ 1/2 (Wichura 1988, algorithm AS 241), to 1e-15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double NormalQuantile(double p)
    {
        double q = p - 0.5;
        if (q < -CentralHalf) return TailQuantile(Math.Sqrt(-Log(p)));
        double r = CentralSquare - q * q;
        double above = ((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
            + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r + 133.14166789178437745) * r + 3.387132872796366608;
        double below = ((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
            + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r + 42.313330701600911252) * r + 1;
        return q * above / below;
    }

    /// <summary>The same of four p - 1/2 at least -CentralHalf, by the same operations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<double> CentralQuantile(Vector256<double> q)
    {
        Vector256<double> r = Vector256.Create(CentralSquare) - q * q;
        Vector256<double> above = ((((((2509.0809287301226727 * r + V(33430.575583588128105)) * r + V(67265.770927008700853)) * r
            + V(45921.953931549871457)) * r + V(13731.693765509461125)) * r + V(1971.5909503065514427)) * r + V(133.14166789178437745)) * r + V(3.387132872796366608);
        Vector256<double> below = ((((((5226.495278852854561 * r + V(28729.085735721942674)) * r + V(39307.89580009271061)) * r
            + V(21213.794301586595867)) * r + V(5394.1960214247511077)) * r + V(687.1870074920579083)) * r + V(42.313330701600911252)) * r + V(1);
        return q * above / below;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> V(double x) => Vector256.Create(x);

    /// <summary>The same from the logarithm of a probability of any size.</summary>
    public static double NormalQuantileOfLog(double logP)
    {
        if (logP > -2.5) return NormalQuantile(Exp(logP));
        double r = Math.Sqrt(-logP);
        if (r < 26) return TailQuantile(r);
        if (double.IsPositiveInfinity(r)) return double.NegativeInfinity;
        double x = -Math.Sqrt(-2 * logP - 2 * LogRoot2Pi - Log(-2 * logP));
        for (int k = 0; k < 3; k++) x -= (LogNormalCdf(x) - logP) * MillsRatio(-x);
        return x;
    }

    // For p = e^(−r²) below 0.075.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double TailQuantile(double r)
    {
        double above, below;
        if (r <= 5)
        {
            r -= 1.6;
            above = ((((((7.7454501427834140764e-4 * r + 2.27238449892691845833e-2) * r + 0.24178072517745061177) * r
                + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r + 4.6303378461565452959) * r
                + 1.42343711074968357734;
            below = ((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 1.51986665636164571966e-2) * r
                + 0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r + 2.05319162663775882187) * r + 1;
        }
        else
        {
            r -= 5;
            above = ((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 1.2426609473880784386e-3) * r
                + 2.6532189526576123093e-2) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r + 5.4637849111641143699) * r
                + 6.6579046435011037772;
            below = ((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r + 1.8463183175100546818e-5) * r
                + 7.868691311456132591e-4) * r + 1.48753612908506148525e-2) * r + 0.13692988092273580531) * r + 0.59983220655588793769) * r + 1;
        }
        return -(above / below);
    }

    /// <summary>The logarithm of the probability that a standard normal lies below x ≤ 0; to 1e-13.</summary>
    public static double LogNormalCdf(double x)
    {
        if (double.IsNegativeInfinity(x)) return x;
        if (x < -2.5) return -0.5 * x * x - LogRoot2Pi + Log(MillsRatio(-x));
        // Φ(x) = 1/2 + φ(x)·(x + x³/3 + x⁵/(3·5) + …) (Marsaglia 2004).
        double sum = x, term = x;
        for (int k = 3; k < 80; k += 2) sum += term = term * x * x / k;
        return Log(0.5 + Exp(-0.5 * x * x - LogRoot2Pi) * sum);
    }

    // (1 − Φ(x)) / φ(x) = 1 / (x + 1 / (x + 2 / (x + …))) for x ≥ 2.5 (Laplace 1805).
    private static double MillsRatio(double x)
    {
        double y = x;
        for (int k = x < 5 ? 100 : 30; k > 0; k--) y = x + k / y;
        return 1 / y;
    }
}
