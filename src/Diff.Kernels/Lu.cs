using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>A with its rows in another order as L·U: L has ones on its diagonal. In one array of rows: U on and above the diagonal and L below it,
/// then the row of A that each row was, the sign of that order, and, if columns are exchanged as well, the column that each column was;
/// the sign is then that of both orders.</summary>
internal static class Lu
{
    /// <summary>Numbers in a row of the packed factors.</summary>
    public static int Width(int n, bool complete) => complete ? n + 3 : n + 2;

    /// <summary>Gaussian elimination; the pivot is the largest of its column, or of all that is left. A column of zeros stays one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Factor(ReadOnlySpan<double> a, Span<double> packed, int n, bool complete)
    {
        int width = Width(n, complete);
        double sign = 1;
        for (int i = 0; i < n; i++)
        {
            a.Slice(i * n, n).CopyTo(packed[(i * width)..]);
            packed[i * width + n] = i;
            if (complete) packed[i * width + n + 2] = i;
        }
        for (int k = 0; k < n; k++)
        {
            (int row, int column) = Pivot(packed, width, n, k, complete ? n : k + 1);
            if (row != k)
            {
                Vectors.Swap(packed.Slice(k * width, n + 1), packed.Slice(row * width, n + 1));
                sign = -sign;
            }
            if (column != k)
            {
                for (int i = 0; i < n; i++) (packed[i * width + k], packed[i * width + column]) = (packed[i * width + column], packed[i * width + k]);
                (packed[k * width + n + 2], packed[column * width + n + 2]) = (packed[column * width + n + 2], packed[k * width + n + 2]);
                sign = -sign;
            }
            double pivot = packed[k * width + k];
            if (pivot == 0) continue; // so is all below it
            ReadOnlySpan<double> pivotRow = packed.Slice(k * width + k + 1, n - k - 1);
            for (int i = k + 1; i < n; i++)
            {
                double factor = packed[i * width + k] / pivot;
                packed[i * width + k] = factor;
                Vectors.AddScaled(-factor, pivotRow, packed.Slice(i * width + k + 1, n - k - 1));
            }
        }
        for (int i = 0; i < n; i++) packed[i * width + n + 1] = sign;
    }

    private static (int Row, int Column) Pivot(ReadOnlySpan<double> packed, int width, int n, int k, int end)
    {
        (int row, int column) = (k, k);
        double best = Math.Abs(packed[k * width + k]);
        for (int i = k; i < n; i++)
        {
            for (int j = k; j < end; j++)
            {
                double candidate = Math.Abs(packed[i * width + j]);
                if (candidate > best) (best, row, column) = (candidate, i, j);
            }
        }
        return (row, column);
    }

    /// <summary>The order in which complete pivoting takes rows and columns: n times the number of a row, that of a column, and the sign of both
    /// orders.</summary>
    public static void Order(ReadOnlySpan<double> a, Span<double> order, int n)
    {
        int width = Width(n, complete: true);
        using Scratch scratch = new(n * width);
        Factor(a, scratch.Span, n, complete: true);
        for (int i = 0; i < n; i++)
        {
            ReadOnlySpan<double> row = scratch.Span.Slice(i * width, width);
            (order[3 * i], order[3 * i + 1], order[3 * i + 2]) = (row[n], row[n + 2], row[n + 1]);
        }
    }

    /// <summary>Solves A·X = B or Aᵀ·X = B by the factors of A, rows exchanged only; B and X are n rows of k numbers.
    /// Returns the index of a pivot that is 0, or −1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Solve(ReadOnlySpan<double> packed, ReadOnlySpan<double> b, Span<double> x, int n, int k, bool transposed)
    {
        int width = Width(n, complete: false);
        if (!transposed)
        {
            for (int i = 0; i < n; i++) b.Slice((int)packed[i * width + n] * k, k).CopyTo(x[(i * k)..]);
            Triangular.Solve(packed, width, n, x, k, lower: true, transposed: false, unit: true);
            return Triangular.Solve(packed, width, n, x, k, lower: false, transposed: false, unit: false);
        }
        using Scratch scratch = new(n * k);
        Span<double> y = scratch.Span;
        b[..(n * k)].CopyTo(y);
        int zero = Triangular.Solve(packed, width, n, y, k, lower: false, transposed: true, unit: false);
        Triangular.Solve(packed, width, n, y, k, lower: true, transposed: true, unit: true);
        for (int i = 0; i < n; i++) y.Slice(i * k, k).CopyTo(x[((int)packed[i * width + n] * k)..]);
        return zero;
    }
}
