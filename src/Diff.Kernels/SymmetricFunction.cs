using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Functions of symmetric matrices, V·f(Λ)·Vᵀ, and their derivatives by divided differences (Daleckii, Krein 1965), which do not divide by
/// differences of equal eigenvalues.</summary>
internal static class SymmetricFunction
{
    /// <summary>For directions E₁ … Eₖ and Êₚ = Vᵀ·Eₚ·V: V·R·Vᵀ with R[i₀, iₖ] = Σ f[λ(i₀), …, λ(iₖ)]·Ê₁[i₀, i₁]·…·Êₖ[iₖ₋₁, iₖ]. Without any this
    /// is f(A). Eigenvalues that are 0 up to rounding count as 0. Returns −1, or the eigenvalue that was not found.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static int Compute(ReadOnlySpan<double> a, double[][] directions, Span<double> result, int n, AnalyticFunction f)
    {
        int count = directions.Length, size = n * n;
        using Scratch packed = new(size + n), matrices = new((count + 3) * size), values = new(n);
        int missing = SymmetricEigen.Decompose(a, packed.Span, n);
        if (missing >= 0) return missing;
        Span<double> v = matrices.Span[..size], vt = matrices.Span.Slice(size, size);
        Span<double> half = matrices.Span.Slice(2 * size, size), turned = matrices.Span[(3 * size)..];
        for (int i = 0; i < n; i++)
        {
            packed.Span.Slice(i * (n + 1), n).CopyTo(v[(i * n)..]);
            values.Span[i] = packed.Span[i * (n + 1) + n];
        }
        Vectors.Transpose(v, vt, n, n);
        double zero = n * 2.3e-16 * Vectors.Largest(values.Span);
        foreach (ref double value in values.Span)
        {
            if (Math.Abs(value) <= zero) value = 0;
        }
        for (int k = 0; k < count; k++)
        {
            Vectors.Multiply(vt, directions[k].AsSpan(0, size), half, n);
            Vectors.Multiply(half, v, turned.Slice(k * size, size), n);
        }
        result = result[..size];
        result.Clear();
        Sum(values.Span, turned, result, n, count, f);
        Vectors.Multiply(v, result, half, n);
        Vectors.Multiply(half, vt, result, n);
        return -1;
    }

    /// <summary>The sum over all i₀ … iₖ.</summary>
    private static void Sum(ReadOnlySpan<double> values, ReadOnlySpan<double> directions, Span<double> result, int n, int count, AnalyticFunction f)
    {
        Span<int> index = stackalloc int[count + 1];
        Span<double> points = stackalloc double[count + 1];
        index.Clear();
        while (index[0] < n)
        {
            double product = 1;
            for (int k = 0; k < count; k++) product *= directions[(k * n + index[k]) * n + index[k + 1]];
            for (int k = 0; k <= count; k++) points[k] = values[index[k]];
            points.Sort();
            result[index[0] * n + index[count]] += f.Difference(points) * product;
            int last = count;
            while (++index[last] == n && last > 0) index[last--] = 0;
        }
    }
}
