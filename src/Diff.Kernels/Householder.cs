using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Reflections I − τ·v·vᵀ, and A = Q·R by them (Golub, Van Loan 2013, 5.2).</summary>
internal static class Householder
{
    /// <summary>Makes of x the v, with v₀ = 1, of the reflection that maps x to β·e₀; returns τ and β. Of NaN or infinity all is NaN.</summary>
    public static (double Tau, double Beta) Reflect(Span<double> x)
    {
        // Of numbers with few digits left, below 1e-308, v would not belong to τ: they are made larger first, which changes no digit.
        double largest = Vectors.Largest(x), scale = largest < 1e-280 ? Vectors.Scaling(largest) : 1;
        for (int i = 0; i < x.Length && scale != 1; i++) x[i] *= scale;
        double tail = Vectors.Norm(x[1..]), head = x[0];
        x[0] = 1;
        if (tail == 0) return (0, head / scale);
        double beta = -Math.CopySign(Vectors.Norm([head, tail]), head);
        double inverse = head - beta;
        for (int i = 1; i < x.Length; i++) x[i] /= inverse;
        return ((beta - head) / beta, beta / scale);
    }

    /// <summary>Applies I − τ·v·vᵀ to rows `first`, `first` + 1 … of a matrix of some columns, from column `first` on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Apply(double tau, ReadOnlySpan<double> v, Span<double> a, int columns, int first, Span<double> sums)
    {
        int count = columns - first;
        sums = sums[..count];
        sums.Clear();
        for (int i = 0; i < v.Length; i++) Vectors.AddScaled(v[i], a.Slice((first + i) * columns + first, count), sums);
        for (int i = 0; i < v.Length; i++) Vectors.AddScaled(-tau * v[i], sums, a.Slice((first + i) * columns + first, count));
    }

    /// <summary>H₀·H₁·… of the first columns, where reflection k acts on the rows from `offset` + k on and its v lies in row k of `vs`.</summary>
    public static void Accumulate(ReadOnlySpan<double> vs, ReadOnlySpan<double> taus, Span<double> q, int rows, int columns, int offset)
    {
        using Scratch scratch = new(columns);
        q[..(rows * columns)].Clear();
        for (int i = 0; i < columns; i++) q[i * columns + i] = 1;
        for (int k = taus.Length - 1; k >= 0; k--)
        {
            int first = offset + k;
            Apply(taus[k], vs.Slice(k * rows + first, rows - first), q, columns, first, scratch.Span);
        }
    }

    /// <summary>A, m × n with m ≥ n, as Q, m × n, and R, n × n, with no negative number on its diagonal. `a` is used up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Qr(Span<double> a, Span<double> q, Span<double> r, int m, int n)
    {
        using Scratch vectors = new(n * m), scratch = new(2 * n);
        Span<double> vs = vectors.Span, taus = scratch.Span[..n], sums = scratch.Span[n..];
        for (int k = 0; k < n; k++)
        {
            Span<double> v = vs.Slice(k * m + k, m - k);
            for (int i = k; i < m; i++) v[i - k] = a[i * n + k];
            (taus[k], double beta) = Reflect(v);
            Apply(taus[k], v, a, n, k, sums);
            a[k * n + k] = beta;
        }
        Accumulate(vs, taus, q, m, n, 0);
        r[..(n * n)].Clear();
        for (int i = 0; i < n; i++)
        {
            double sign = a[i * n + i] < 0 ? -1 : 1;
            for (int j = i; j < n; j++) r[i * n + j] = sign * a[i * n + j];
            for (int k = 0; k < m && sign < 0; k++) q[k * n + i] = -q[k * n + i];
        }
    }
}
