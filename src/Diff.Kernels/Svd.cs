using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>A = U·S·Vᵀ, m × n with m ≥ n: A = Q·R, then the rows of R made orthogonal to each other by rotations (one-sided Jacobi: Hestenes 1958,
/// Drmač, Veselić 2008), which finds small singular values as accurately as R has them. They descend; the largest component of each
/// column of V is positive.</summary>
internal static class Svd
{
    // Six to ten are usual.
    private const int MostSweeps = 60;

    // Rows shorter than this part of the longest are 0: the product of two of them would underflow.
    private const double Negligible = 1e-140;

    /// <summary>Rows of U, then of V, then the row of singular values. Returns −1, or 0 where the sweeps did not end. If a number of A is not finite,
    /// all are NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Decompose(ReadOnlySpan<double> a, Span<double> packed, int m, int n)
    {
        double largest = Vectors.Largest(a[..(m * n)]);
        if (!double.IsFinite(largest))
        {
            packed[..((m + n + 1) * n)].Fill(double.NaN);
            return -1;
        }
        using Scratch matrix = new(m * n), factor = new(n * n), left = new(m * n);
        Span<double> r = factor.Span, q = matrix.Span, ut = left.Span;
        double scale = Vectors.Scaling(largest);
        for (int i = 0; i < m * n; i++) q[i] = scale * a[i];
        Householder.Qr(q, ut, r, m, n);
        ut.CopyTo(q);
        Vectors.Transpose(q, ut, m, n);
        if (!Orthogonalize(r, ut, m, n)) return 0;
        // R = J·S·Vᵀ: the rows of R are now those of S·Vᵀ, and U = Q·J.
        Span<double> values = packed.Slice((m + n) * n, n);
        int[] order = new int[n];
        for (int k = 0; k < n; k++) (values[k], order[k]) = (-Vectors.Norm(r.Slice(k * n, n)), k);
        values.Sort(order.AsSpan());
        double bound = n > 0 ? -values[0] * Negligible : 0;
        int rank = 0;
        for (int k = 0; k < n; k++)
        {
            double value = -values[k] > bound ? -values[k] : 0;
            values[k] = value / scale;
            Span<double> row = q.Slice(k * n, n); // of which only U was left
            for (int i = 0; i < n; i++) row[i] = value == 0 ? 0 : r[order[k] * n + i] / value;
            if (value > 0) rank = k + 1;
        }
        Complete(q, rank, n);
        for (int k = 0; k < n; k++)
        {
            double sign = Vectors.PointsBack(q.Slice(k * n, n)) ? -1 : 1;
            for (int i = 0; i < m; i++) packed[i * n + k] = sign * ut[order[k] * m + i];
            for (int i = 0; i < n; i++) packed[(m + i) * n + k] = sign * q[k * n + i];
        }
        return -1;
    }

    /// <summary>The pseudo-inverse, n × m, of A, m × n with m ≥ n; singular values up to a fraction of the largest count as 0.</summary>
    public static int Invert(ReadOnlySpan<double> a, Span<double> inverse, int m, int n, double tolerance)
    {
        using Scratch scratch = new((m + n + 1) * n);
        Span<double> parts = scratch.Span, u = parts[..(m * n)], v = parts.Slice(m * n, n * n), values = parts[((m + n) * n)..];
        int failure = Decompose(a, parts, m, n);
        if (failure >= 0) return failure;
        double bound = tolerance * (n > 0 ? values[0] : 0);
        for (int k = 0; k < n; k++) values[k] = values[k] <= bound ? 0 : 1 / values[k]; // a NaN stays
        for (int i = 0; i < n; i++)
        {
            for (int k = 0; k < n; k++) v[i * n + k] *= values[k];
            for (int j = 0; j < m; j++) inverse[i * m + j] = Vectors.Dot(v.Slice(i * n, n), u.Slice(j * n, n));
        }
        return -1;
    }

    /// <summary>Rotates pairs of rows of r until all are orthogonal, the longest first, and the rows of `ut` with them.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool Orthogonalize(Span<double> r, Span<double> ut, int m, int n)
    {
        double tolerance = Math.Max(n, 8) * 1.2e-16;
        for (int sweep = 0; sweep < MostSweeps; sweep++)
        {
            bool isDone = true;
            for (int p = 0; p < n - 1; p++)
            {
                for (int k = p + 1; k < n; k++)
                {
                    Span<double> x = r.Slice(p * n, n), y = r.Slice(k * n, n);
                    double xx = Vectors.Dot(x, x), yy = Vectors.Dot(y, y), xy = Vectors.Dot(x, y);
                    double c = 0, s = 1; // exchanges the rows
                    if (Math.Abs(xy) > tolerance * Math.Sqrt(xx) * Math.Sqrt(yy) && Math.Min(xx, yy) > Negligible * Negligible)
                    {
                        double cotangent = (xx - yy) / (2 * xy);
                        // The larger of the two angles where the second row is the longer one: so the longer comes first.
                        double t = 1 / (Math.Abs(cotangent) + double.Hypot(cotangent, 1));
                        t = xx >= yy ? Math.CopySign(t, cotangent) : -1 / Math.CopySign(t, cotangent);
                        c = 1 / double.Hypot(t, 1);
                        s = c * t;
                    }
                    else if (xx >= yy) continue;
                    isDone = false; // an exchange too: of rows that change places some pairs have not met
                    Vectors.Rotate(x, y, c, s);
                    Vectors.Rotate(ut.Slice(p * m, m), ut.Slice(k * m, m), c, s);
                }
            }
            if (isDone) return true;
        }
        return false;
    }

    /// <summary>Makes the rows from `rank` on unit vectors, orthogonal to those before them.</summary>
    private static void Complete(Span<double> rows, int rank, int n)
    {
        for (int k = rank, axis = 0; k < n; axis++)
        {
            Span<double> row = rows.Slice(k * n, n);
            row.Clear();
            row[axis] = 1;
            for (int pass = 0; pass < 2; pass++)
            {
                for (int i = 0; i < k; i++)
                {
                    ReadOnlySpan<double> other = rows.Slice(i * n, n);
                    Vectors.AddScaled(-Vectors.Dot(other, row), other, row);
                }
            }
            double length = Vectors.Norm(row);
            // Of the n axes at least n − k have this much outside the space of k vectors.
            if (length * length * n < 0.5) continue;
            Vectors.Scale(1 / length, row);
            k++;
        }
    }
}
