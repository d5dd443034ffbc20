using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>What is drawn.</summary>
internal enum RandomDraw : byte
{
    Bits,
    FoldIn,
    Split,
    Uniform,
    Normal,
    Exponential,
    Laplace,
    Gumbel,
    Logistic,
    Below,
    Permutation,
    TruncatedNormal,
    Gamma,
    LogGamma,
}

/// <summary>
/// Random numbers from words of 64 random bits. The word w stands for u = (w + 1/2) / 2⁶⁴, strictly between 0 and 1, and a standard variate is the
/// quantile of its distribution at u, so all draws from one word rise with it. What lies near 1 is computed from 1 − u, which is as exact as u.
/// </summary>
internal static class RandomNumber
{
    /// <summary>u or 1 − u, whichever is smaller.</summary>
    private static double Tail(ulong word) => (((long)word ^ ((long)word >> 63)) + 0.5) * 5.421010862427522e-20;

    private static bool IsUpper(ulong word) => word >> 63 != 0;

    /// <summary>One of the 2⁵³ multiples of 2⁻⁵³ in [0, 1).</summary>
    public static double Uniform(ulong word) => (long)(word >> 11) * 1.1102230246251565e-16;

    /// <summary>One of the 2²⁴ multiples of 2⁻²⁴ in [0, 1).</summary>
    public static float UniformSingle(ulong word) => (int)(word >> 40) * 5.9604645e-08f;

    public static double Normal(ulong word)
    {
        double z = PortableMath.NormalQuantile(Tail(word));
        return IsUpper(word) ? -z : z;
    }

    /// <summary>The same of some words, four at a time where they are not in a tail.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static unsafe void Normals(ulong* words, double* to, int count)
    {
        int k = 0;
        if (Vector256.IsHardwareAccelerated)
        {
            for (; k <= count - 4; k += 4)
            {
                Vector256<long> word = Vector256.Load((long*)words + k), upper = word >> 63;
                Vector256<double> q = (Vector256.ConvertToDouble(word ^ upper) + Vector256.Create(0.5)) * 5.421010862427522e-20 - Vector256.Create(0.5);
                Vector256<double> z = PortableMath.CentralQuantile(q);
                Vector256.Store(z ^ (upper.AsDouble() & Vector256.Create(-0.0)), to + k);
                for (uint tails = Vector256.LessThan(q, Vector256.Create(-PortableMath.CentralHalf)).ExtractMostSignificantBits(); tails != 0; tails &= tails - 1)
                {
                    int lane = k + BitOperations.TrailingZeroCount(tails);
                    to[lane] = Normal(words[lane]);
                }
            }
        }
        for (; k < count; k++) to[k] = Normal(words[k]);
    }

    /// <summary>−log(1 − u) > 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Exponential(ulong word) =>
        IsUpper(word) ? -PortableMath.Log(Tail(word)) : -PortableMath.Log1p(-Tail(word));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Laplace(ulong word)
    {
        double x = PortableMath.Log(2 * Tail(word));
        return IsUpper(word) ? -x : x;
    }

    /// <summary>−log(−log u).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Gumbel(ulong word) =>
        -PortableMath.Log(IsUpper(word) ? -PortableMath.Log1p(-Tail(word)) : -PortableMath.Log(Tail(word)));

    /// <summary>log(u / (1 − u)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Logistic(ulong word)
    {
        double p = Tail(word), x = PortableMath.Log(p) - PortableMath.Log1p(-p);
        return IsUpper(word) ? -x : x;
    }

    /// <summary>The quantile of a standard normal between bounds.</summary>
    public static double Truncated(in TruncatedNormal bounds, ulong word)
    {
        double p = Tail(word);
        return IsUpper(word) ? bounds.Quantile(1 - p, p) : bounds.Quantile(p, 1 - p);
    }

    /// <summary>An integer from 0 up to n, all equally likely: words that would favour some are drawn again (Lemire 2019).</summary>
    public static long Below(ulong key, ulong i, ulong word, ulong n)
    {
        ulong high = Math.BigMul(word, n, out ulong low);
        if (low < n)
        {
            ulong least = (0 - n) % n;
            for (uint attempt = 0; low < least; attempt++)
                high = Math.BigMul(Philox.Block(key, i, RandomUse.Retry, attempt).Low, n, out low);
        }
        return (long)high;
    }

    /// <summary>A variate of the gamma distribution with scale 1. NaN for shapes below 0; 0 for 0.</summary>
    public static double Gamma(ulong key, ulong i, double shape)
    {
        double x = Gamma(key, i, shape, out double logFactor);
        return logFactor == 0 ? x : x * PortableMath.Exp(logFactor);
    }

    /// <summary>Its logarithm, also where the variate itself is too small for a float.</summary>
    public static double LogGamma(ulong key, ulong i, double shape)
    {
        double x = Gamma(key, i, shape, out double logFactor);
        return PortableMath.Log(x) + logFactor;
    }

    // Marsaglia and Tsang (2000); for shapes below 1 a variate of shape + 1 times a power of a uniform one, of which the logarithm is given.
    // Each attempt has a counter of its own, so no element depends on another.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Gamma(ulong key, ulong i, double shape, out double logFactor)
    {
        logFactor = 0;
        if (!(shape > 0) || double.IsPositiveInfinity(shape)) return shape >= 0 ? shape : double.NaN;
        bool isBoosted = shape < 1;
        double d = (isBoosted ? shape + 1 : shape) - 1.0 / 3, c = 1 / Math.Sqrt(9 * d), x;
        for (uint attempt = 0; ; attempt++)
        {
            RandomBlock block = Philox.Block(key, i, RandomUse.Retry, attempt);
            double z = Normal(block.Low), t = c * z;
            if (t <= -1) continue;
            x = d * ((1 + t) * (1 + t) * (1 + t));
            double square = z * z, e = Exponential(block.High);
            // log u < z²/2 + d·(1 − v + log v), v = (1 + t)³, with −e for log u.
            if (-e < 0.5 * square + d * (3 * (PortableMath.Log1p(t) - t) - t * t * (3 + t))) break;
        }
        if (isBoosted) logFactor = -Exponential(Philox.Block(key, i, RandomUse.Boost).Low) / shape;
        return x;
    }
}
