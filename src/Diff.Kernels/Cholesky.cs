using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>The factor L, lower triangular, of A = L·Lᵀ.</summary>
internal static class Cholesky
{
    /// <summary>Factors (A + Aᵀ)/2, row by row; returns the pivot that is not positive, or −1. A NaN is passed on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Factor(ReadOnlySpan<double> a, Span<double> l, int n)
    {
        l[..(n * n)].Clear();
        for (int i = 0; i < n; i++)
        {
            Span<double> row = l.Slice(i * n, n);
            for (int j = 0; j < i; j++)
            {
                double mean = 0.5 * a[i * n + j] + 0.5 * a[j * n + i];
                row[j] = (mean - Vectors.Dot(row[..j], l.Slice(j * n, j))) / l[j * n + j];
            }
            double pivot = a[i * n + i] - Vectors.Dot(row[..i], row[..i]);
            if (pivot <= 0) return i;
            row[i] = Math.Sqrt(pivot);
        }
        return -1;
    }
}
