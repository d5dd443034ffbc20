using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Systems with a triangular matrix, of which the other triangle is not read.</summary>
internal static class Triangular
{
    /// <summary>Solves T·X = B or Tᵀ·X = B where B lies: n rows of k numbers. Returns the index of a 0 on the diagonal, or −1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Solve(ReadOnlySpan<double> t, int stride, int n, Span<double> x, int k, bool lower, bool transposed, bool unit)
    {
        for (int i = 0; i < n && !unit; i++)
        {
            if (t[i * stride + i] == 0) return i;
        }
        bool forwards = lower != transposed;
        for (int step = 0; step < n; step++)
        {
            int i = forwards ? step : n - 1 - step;
            ReadOnlySpan<double> row = lower ? t.Slice(i * stride, i) : t.Slice(i * stride + i + 1, n - 1 - i);
            int first = lower ? 0 : i + 1; // the unknown that the row begins with
            double pivot = unit ? 1 : t[i * stride + i];
            if (k == 1 && !transposed) x[i] = (x[i] - Vectors.Dot(row, x.Slice(first, row.Length))) / pivot;
            else if (k == 1)
            {
                x[i] /= pivot;
                Vectors.AddScaled(-x[i], row, x.Slice(first, row.Length));
            }
            else
            {
                Span<double> own = x.Slice(i * k, k);
                if (!transposed)
                {
                    for (int j = 0; j < row.Length; j++) Vectors.AddScaled(-row[j], x.Slice((first + j) * k, k), own);
                }
                for (int c = 0; c < k && !unit; c++) own[c] /= pivot;
                if (transposed)
                {
                    for (int j = 0; j < row.Length; j++) Vectors.AddScaled(-row[j], own, x.Slice((first + j) * k, k));
                }
            }
        }
        return -1;
    }
}
