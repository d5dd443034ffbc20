using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>What derivatives of gamma variates with respect to the shape are made of, to about 1e-12.</summary>
internal static class GammaMath
{
    private const int Nodes = 24;
    private static readonly double[] points = new double[Nodes], weights = new double[Nodes];

    // The nodes of Gauss and Legendre on [0, 1] by Newton's iteration.
    static GammaMath()
    {
        for (int i = 0; i < Nodes; i++)
        {
            double x = Math.Cos(Math.PI * (i + 0.75) / (Nodes + 0.5)), slope = 0;
            for (int step = 0; step < 8; step++)
            {
                double p = 1, q = 0;
                for (int n = 1; n <= Nodes; n++) (p, q) = (((2 * n - 1) * x * p - (n - 1) * q) / n, p);
                slope = Nodes * (x * p - q) / (x * x - 1);
                x -= p / slope;
            }
            points[i] = (1 + x) / 2;
            weights[i] = 1 / ((1 - x * x) * slope * slope);
        }
    }

    /// <summary>
    /// ∫ (t/x)ᵃ⁻¹ eˣ⁻ᵗ log(t/x)ᵏ dt/x over 0 &lt; t &lt; x or, with a minus, over t > x, whichever side of the mean of log t the point x = eʸ is on: the two
    /// differ by a solution that derivatives of variates do not see, and on its side neither cancels.
    /// </summary>
    public static double Moment(int k, double a, double y)
    {
        if (!(a > 0) || double.IsNaN(y)) return double.NaN;
        double x = Math.Exp(y);
        return y < SpecialMath.Digamma(a) ? Lower(k, a, x) : -Upper(k, a, x, y);
    }

    // t = x·e^(−w).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Lower(int k, double a, double x)
    {
        double end = 8 / (a - x + Math.Sqrt(x));
        while (a * end + x * Expm1(-end) < 44) end *= 1.5;
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        double Part(double from, double to)
        {
            double sum = 0;
            for (int i = 0; i < Nodes; i++)
            {
                double w = from + (to - from) * points[i];
                sum += weights[i] * Math.Exp(-a * w - x * Expm1(-w)) * Power(-w, k);
            }
            return sum * (to - from);
        }
        return Part(0, end / 8) + Part(end / 8, end / 3) + Part(end / 3, end);
    }

    // t = x·eʷ.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Upper(int k, double a, double x, double y)
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        double Part(double from, double to)
        {
            double sum = 0;
            for (int i = 0; i < Nodes; i++)
            {
                double w = from + (to - from) * points[i];
                sum += weights[i] * Math.Exp(a * w - x * Expm1(w)) * Power(w, k);
            }
            return sum * (to - from);
        }
        if (x < 1)
        {
            // A power, then a fall like exp(−eʷ) where t passes 1.
            double end = 45 - y, edge = Math.Max(0, -4 - y), start = Math.Max(0, edge - 44 / a);
            for (int step = 0; step < 6; step++) end = Math.Log(1 + (44 + a * end) / x);
            return Part(start, (start + 2 * edge) / 3) + Part((start + 2 * edge) / 3, edge) + Part(edge, (edge + end) / 2) + Part((edge + end) / 2, end);
        }
        double last = 8 / (Math.Abs(x - a) + Math.Sqrt(x));
        while (x * Expm1(last) - a * last < 44) last *= 1.5;
        return Part(0, last / 8) + Part(last / 8, last / 3) + Part(last / 3, last);
    }

    private static double Power(double w, int k)
    {
        double y = 1;
        for (; k > 0; k--) y *= w;
        return y;
    }

    private static double Expm1(double x) => PortableMath.Expm1(x);
}
