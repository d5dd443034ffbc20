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

    /// <summary>Gaussian elimination of a square matrix.</summary>
    public static void Factor(ReadOnlySpan<double> a, Span<double> packed, int n, bool complete) => Factor(a, packed, n, n, complete);

    /// <summary>Gaussian elimination of m rows of n numbers; the pivot is the largest of its column, or of all that is left. A column of zeros
    /// stays one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Factor(ReadOnlySpan<double> a, Span<double> packed, int m, int n, bool complete)
    {
        int width = Width(n, complete);
        double sign = 1;
        for (int i = 0; i < m; i++)
        {
            a.Slice(i * n, n).CopyTo(packed[(i * width)..]);
            packed[i * width + n] = i;
            if (complete) packed[i * width + n + 2] = i;
        }
        for (int k = 0; k < Math.Min(m, n); k++)
        {
            (int row, int column) = Pivot(packed, width, m, k, complete ? n : k + 1);
            if (row != k)
            {
                Vectors.Swap(packed.Slice(k * width, n + 1), packed.Slice(row * width, n + 1));
                sign = -sign;
            }
            if (column != k)
            {
                for (int i = 0; i < m; i++) (packed[i * width + k], packed[i * width + column]) = (packed[i * width + column], packed[i * width + k]);
                (packed[k * width + n + 2], packed[column * width + n + 2]) = (packed[column * width + n + 2], packed[k * width + n + 2]);
                sign = -sign;
            }
            double pivot = packed[k * width + k];
            if (pivot == 0) continue; // so is all below it
            ReadOnlySpan<double> pivotRow = packed.Slice(k * width + k + 1, n - k - 1);
            for (int i = k + 1; i < m; i++)
            {
                double factor = packed[i * width + k] / pivot;
                packed[i * width + k] = factor;
                Vectors.AddScaled(-factor, pivotRow, packed.Slice(i * width + k + 1, n - k - 1));
            }
        }
        for (int i = 0; i < m; i++) packed[i * width + n + 1] = sign;
    }

    private static (int Row, int Column) Pivot(ReadOnlySpan<double> packed, int width, int m, int k, int end)
    {
        (int row, int column) = (k, k);
        double best = Math.Abs(packed[k * width + k]);
        for (int i = k; i < m; i++)
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

    /// <summary>The determinant: of the matrix with its elements brought together, the product of the pivots with its exponent apart, so that
    /// nothing on the way leaves the range. NaN where an element is NaN.</summary>
    public static double Determinant(ReadOnlySpan<double> a, int n)
    {
        foreach (double x in a[..(n * n)])
        {
            if (double.IsNaN(x)) return double.NaN;
        }
        int width = Width(n, complete: false);
        using Scratch scaled = new(n * n), factors = new(n * width);
        a[..(n * n)].CopyTo(scaled.Span);
        Span<int> powers = n <= 128 ? stackalloc int[2 * n] : new int[2 * n];
        if (Powers(a, powers, n))
        {
            for (int i = 0; i < n; i++)
            {
                for (int j = 0; j < n; j++) scaled.Span[i * n + j] = Math.ScaleB(a[i * n + j], powers[2 * i] + powers[2 * j + 1]);
            }
        }
        Factor(scaled.Span, factors.Span, n, complete: false);
        double mantissa = factors.Span[n + 1];
        long exponent = 0;
        for (int i = 0; i < n; i++)
        {
            double pivot = factors.Span[i * width + i];
            int power = pivot != 0 && double.IsFinite(pivot) ? Math.ILogB(pivot) : 0;
            mantissa *= Math.ScaleB(pivot, -power);
            exponent += power;
            if (Math.Abs(mantissa) >= 2) (mantissa, exponent) = (mantissa / 2, exponent + 1);
        }
        return Math.ScaleB(mantissa, (int)Math.Clamp(exponent, -5000, 5000));
    }

    /// <summary>For each row i a power of two at 2·i, for each column j one at 2·j + 1, whose product over all rows and columns is 1. With them all
    /// elements are at most about the magnitude of the largest terms of the determinant, to the power 1 / n. All are 1 where no element
    /// is far from 1, or where such a power would leave the range.</summary>
    public static void Equilibrate(ReadOnlySpan<double> a, Span<double> scales, int n)
    {
        Span<int> powers = n <= 128 ? stackalloc int[2 * n] : new int[2 * n];
        bool use = Powers(a, powers, n);
        foreach (int power in powers) use &= Math.Abs(power) < 1023;
        for (int i = 0; i < 2 * n; i++) scales[i] = use ? Math.ScaleB(1, powers[i]) : 1;
    }

    /// <summary>The exponents of those powers; the answer is false where none are needed.</summary>
    private static bool Powers(ReadOnlySpan<double> a, Span<int> powers, int n)
    {
        powers.Clear();
        bool far = false;
        for (int i = 0; i < n * n; i++)
        {
            double size = Math.Abs(a[i]);
            far |= size is (> Large or < Small and not 0) and < double.PositiveInfinity;
        }
        if (!far) return false;
        long total = 0;
        for (int i = 0; i < n; i++)
        {
            int most = Most(a.Slice(i * n, n));
            powers[2 * i] = most;
            total += most;
        }
        for (int j = 0; j < n; j++)
        {
            int most = int.MinValue;
            for (int i = 0; i < n; i++) most = Math.Max(most, Exponent(a[i * n + j]) is { } e ? e - powers[2 * i] : most);
            powers[2 * j + 1] = most == int.MinValue ? 0 : -most;
            total -= powers[2 * j + 1];
        }
        // What they multiply the determinant by is divided among the rows.
        long each = (long)Math.Floor(total / (double)n), left = total - each * n;
        for (int i = 0; i < n; i++) powers[2 * i] = -(int)(powers[2 * i] - each - (i < left ? 1 : 0));
        return true;
    }

    /// <summary>Magnitudes between which no product of some factors of an elimination leaves the range.</summary>
    private const double Large = 1e38, Small = 1e-38;

    private static int? Exponent(double x) => x != 0 && double.IsFinite(x) ? Math.ILogB(x) : null;

    /// <summary>The largest exponent of some numbers, 0 where there is none.</summary>
    private static int Most(ReadOnlySpan<double> x)
    {
        int most = int.MinValue;
        foreach (double number in x) most = Math.Max(most, Exponent(number) ?? most);
        return most == int.MinValue ? 0 : most;
    }

    /// <summary>The sign of the determinant and the logarithm of its magnitude, from the factors.</summary>
    public static void SignedLog(ReadOnlySpan<double> packed, Span<double> value, int n)
    {
        int width = Width(n, complete: false);
        double sign = packed[n + 1], log = 0;
        for (int i = 0; i < n; i++)
        {
            double pivot = packed[i * width + i];
            sign *= double.IsNaN(pivot) ? double.NaN : Math.Sign(pivot);
            log += Math.Log(Math.Abs(pivot));
        }
        (value[0], value[1]) = (sign, log);
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
