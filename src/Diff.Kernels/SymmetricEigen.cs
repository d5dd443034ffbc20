using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>A symmetric = V·Λ·Vᵀ: reflections to a tridiagonal matrix, then QR steps with Wilkinson's shift (Golub, Van Loan 2013, 8.3).
/// The eigenvalues ascend; the largest component of each vector is positive.</summary>
internal static class SymmetricEigen
{
    // Three steps an eigenvalue are usual.
    private const int MostSteps = 60;

    /// <summary>Rows of V, each followed by an eigenvalue, of (A + Aᵀ)/2. Returns −1, or the eigenvalue that was not found. If a number of A is not
    /// finite, all are NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Decompose(ReadOnlySpan<double> a, Span<double> packed, int n)
    {
        double largest = Vectors.Largest(a[..(n * n)]);
        if (!double.IsFinite(largest))
        {
            packed[..(n * (n + 1))].Fill(double.NaN);
            return -1;
        }
        using Scratch matrix = new(n * n), vectors = new(n * n), diagonals = new(3 * n);
        Span<double> s = matrix.Span, z = vectors.Span, d = diagonals.Span[..n], e = diagonals.Span.Slice(n, n), w = diagonals.Span[(2 * n)..];
        double scale = Vectors.Scaling(largest);
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++) s[i * n + j] = 0.5 * (scale * a[i * n + j]) + 0.5 * (scale * a[j * n + i]);
        }
        Tridiagonalize(s, z, d, e, w, n);
        int missing = Iterate(d, e, z, n);
        if (missing >= 0) return missing;
        int[] order = new int[n];
        for (int i = 0; i < n; i++) order[i] = i;
        d.Sort(order.AsSpan());
        for (int k = 0; k < n; k++)
        {
            ReadOnlySpan<double> vector = z.Slice(order[k] * n, n);
            double sign = Vectors.PointsBack(vector) ? -1 : 1;
            for (int i = 0; i < n; i++) packed[i * (n + 1) + k] = sign * vector[i];
            packed[k * (n + 1) + n] = d[k] / scale;
        }
        return -1;
    }

    /// <summary>A = Q·T·Qᵀ with the diagonal d and e beside it; the rows of z are the columns of Q.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tridiagonalize(Span<double> a, Span<double> z, Span<double> d, Span<double> e, Span<double> w, int n)
    {
        int count = Math.Max(0, n - 2);
        using Scratch scratch = new(count);
        Span<double> taus = scratch.Span;
        e.Clear();
        for (int k = 0; k < count; k++)
        {
            // The matrix is symmetric: its row k is its column, and keeps v when it is done.
            Span<double> v = a.Slice(k * n + k + 1, n - k - 1), own = w[..v.Length];
            d[k] = a[k * n + k];
            (taus[k], e[k]) = Householder.Reflect(v);
            double tau = taus[k];
            for (int i = 0; i < v.Length; i++) own[i] = tau * Vectors.Dot(a.Slice((k + 1 + i) * n + k + 1, v.Length), v);
            Vectors.AddScaled(-0.5 * tau * Vectors.Dot(own, v), v, own);
            for (int i = 0; i < v.Length; i++)
            {
                Span<double> row = a.Slice((k + 1 + i) * n + k + 1, v.Length);
                Vectors.AddScaled(-v[i], own, row);
                Vectors.AddScaled(-own[i], v, row);
            }
        }
        for (int k = count; k < n; k++)
        {
            d[k] = a[k * n + k];
            if (k + 1 < n) e[k] = a[k * n + k + 1];
        }
        using Scratch columns = new(n * n);
        Householder.Accumulate(a, taus, columns.Span, n, n, 1);
        Vectors.Transpose(columns.Span, z, n, n);
    }

    /// <summary>Steps on the last block that is not yet diagonal, until none is left.</summary>
    private static int Iterate(Span<double> d, Span<double> e, Span<double> z, int n)
    {
        for (int high = n - 1, steps = 0; high > 0;)
        {
            int low = high;
            while (low > 0 && !IsNegligible(e[low - 1], d[low - 1], d[low])) low--;
            if (low == high)
            {
                high--;
                steps = 0;
            }
            else if (steps++ < MostSteps) Step(d, e, z, low, high, n);
            else return high;
        }
        return -1;
    }

    // The matrix is scaled to about 1; squares of what is below 1e-154 lose digits, and steps with them lead nowhere.
    private static bool IsNegligible(double e, double a, double b) => Math.Abs(e) <= 1.1e-16 * (Math.Abs(a) + Math.Abs(b)) + 1e-154;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Step(Span<double> d, Span<double> e, Span<double> z, int low, int high, int n)
    {
        double half = (d[high - 1] - d[high]) / 2, last = e[high - 1];
        double shift = d[high] - last / (half + Math.CopySign(double.Hypot(half, last), half)) * last;
        double x = d[low] - shift, y = e[low];
        for (int k = low; k < high; k++)
        {
            double length = double.Hypot(x, y), c = length == 0 ? 1 : x / length, s = length == 0 ? 0 : y / length;
            if (k > low) e[k - 1] = length;
            double a = d[k], b = e[k], g = d[k + 1];
            d[k] = c * c * a + 2 * c * s * b + s * s * g;
            d[k + 1] = s * s * a - 2 * c * s * b + c * c * g;
            e[k] = c * s * (g - a) + (c * c - s * s) * b;
            if (k + 1 < high)
            {
                (x, y) = (e[k], s * e[k + 1]);
                e[k + 1] *= c;
            }
            Vectors.Rotate(z.Slice(k * n, n), z.Slice((k + 1) * n, n), c, s);
        }
    }
}
