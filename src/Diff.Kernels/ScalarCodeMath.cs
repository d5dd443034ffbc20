using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Functions of one number that the platform lacks or gets wrong near a point, and choices without a branch in the caller's code.</summary>
internal static class ScalarMath
{
    /// <summary>log(1 + x), accurate near 0 (Goldberg 1991, theorem 4: the rounding error of 1 + x cancels in the quotient).</summary>
    public static double Log1p(double x)
    {
        double u = 1.0 + x;
        if (u == 1.0) return x;
        return double.IsPositiveInfinity(u) ? u : Math.Log(u) * (x / (u - 1.0));
    }

    /// <summary>eˣ − 1, accurate near 0 (Kahan: the rounding error of eˣ cancels in the quotient).</summary>
    public static double Expm1(double x)
    {
        double u = Math.Exp(x);
        if (u == 1.0) return x;
        if (u - 1.0 == -1.0) return -1.0;
        return double.IsInfinity(u) ? u : (u - 1.0) * (x / Math.Log(u));
    }

    /// <summary>1 / (1 + e⁻ˣ), without overflow on either side.</summary>
    public static double Sigmoid(double x)
    {
        if (x >= 0.0) return 1.0 / (1.0 + Math.Exp(-x));
        double e = Math.Exp(x);
        return e / (1.0 + e);
    }

    /// <summary>log(1 + eˣ) = max(x, 0) + log1p(e^−|x|).</summary>
    public static double Softplus(double x) => Math.Max(x, 0.0) + Log1p(Math.Exp(-Math.Abs(x)));

    /// <summary>−1, 0 or 1; keeps NaN and the sign of zero.</summary>
    public static double Sign(double x)
    {
        if (x > 0.0) return 1.0;
        return x < 0.0 ? -1.0 : x;
    }

    /// <summary>max(x, 0) that keeps NaN and −0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Relu(double x) => x < 0.0 ? 0.0 : x;

    /// <summary>The larger, the first of two equal ones; NaN wins over everything.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Larger(double best, double x) => x > best || (double.IsNaN(x) && !double.IsNaN(best)) ? x : best;

    /// <summary>The smaller, the first of two equal ones; NaN wins over everything.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Smaller(double best, double x) => x < best || (double.IsNaN(x) && !double.IsNaN(best)) ? x : best;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Select(bool condition, double x, double y) => condition ? x : y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Select(bool condition, float x, float y) => condition ? x : y;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool Select(bool condition, bool x, bool y) => condition ? x : y;
}
