using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>The exponential of a matrix by the Padé approximant of degree 13, scaling and squaring (Higham 2005).</summary>
internal static class MatrixExponential
{
    // Up to this norm the approximant is exact to rounding (Higham 2005, table 2.3).
    private const double LargestNorm = 5.371920351148152;

    // (26 − j)! / (j!·(13 − j)!), divided by the last: the coefficients of the numerator; those of the denominator alternate in sign.
    private static readonly double[] pade =
    [
        64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800,
        33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
    ];

    /// <summary>The exponential of A, n × n, which is block triangular with equal blocks of `block` rows on its diagonal. They alone decide about the
    /// scaling, so that the result is linear in the other blocks, which are directions. If a number of A is not finite, all are NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Compute(ReadOnlySpan<double> a, Span<double> result, int n, int block)
    {
        if (!double.IsFinite(Vectors.Largest(a[..(n * n)])))
        {
            result[..(n * n)].Fill(double.NaN);
            return;
        }
        int squarings = (int)Math.Clamp(Math.Ceiling(Math.Log2(Norm(a, n, block) / LargestNorm)), 0, 2000);
        using Scratch scratch = new(6 * n * n), factors = new(n * Lu.Width(n, complete: false));
        Span<double> x = Part(scratch, 0, n), x2 = Part(scratch, 1, n), x4 = Part(scratch, 2, n), x6 = Part(scratch, 3, n);
        Span<double> odd = Part(scratch, 4, n), even = Part(scratch, 5, n);
        for (int i = 0; i < x.Length; i++) x[i] = Math.ScaleB(a[i], -squarings);
        Vectors.Multiply(x, x, x2, n);
        Vectors.Multiply(x2, x2, x4, n);
        Vectors.Multiply(x2, x4, x6, n);
        // Both halves of the polynomial are of degree 6 in x²: the upper powers times x⁶, then the lower ones.
        for (int i = 0; i < x.Length; i++) result[i] = pade[13] * x6[i] + pade[11] * x4[i] + pade[9] * x2[i];
        Vectors.Multiply(x6, result, even, n);
        for (int i = 0; i < x.Length; i++) even[i] += pade[7] * x6[i] + pade[5] * x4[i] + pade[3] * x2[i];
        for (int i = 0; i < n; i++) even[i * n + i] += pade[1];
        Vectors.Multiply(x, even, odd, n);
        for (int i = 0; i < x.Length; i++) result[i] = pade[12] * x6[i] + pade[10] * x4[i] + pade[8] * x2[i];
        Vectors.Multiply(x6, result, even, n);
        for (int i = 0; i < x.Length; i++) even[i] += pade[6] * x6[i] + pade[4] * x4[i] + pade[2] * x2[i];
        for (int i = 0; i < n; i++) even[i * n + i] += pade[0];
        for (int i = 0; i < x.Length; i++) (even[i], odd[i]) = (even[i] + odd[i], even[i] - odd[i]);
        Lu.Factor(odd, factors.Span, n, complete: false);
        Lu.Solve(factors.Span, even, result, n, n, transposed: false);
        for (int i = 0; i < squarings; i++)
        {
            result[..x.Length].CopyTo(x);
            Vectors.Multiply(x, x, result, n);
        }
    }

    private static Span<double> Part(Scratch scratch, int index, int n) => scratch.Span.Slice(index * n * n, n * n);

    /// <summary>The largest sum of magnitudes in a column of the first block.</summary>
    private static double Norm(ReadOnlySpan<double> a, int n, int block)
    {
        double norm = 0;
        for (int j = 0; j < block; j++)
        {
            double sum = 0;
            for (int i = 0; i < block; i++) sum += Math.Abs(a[i * n + j]);
            norm = Math.Max(norm, sum);
        }
        return norm;
    }
}
