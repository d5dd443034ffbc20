using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>Rows of float64 numbers side by side: what the factorisations of matrices are made of. No zero is skipped, so that no NaN is
/// lost.</summary>
internal static class Vectors
{
    /// <summary>Σ xᵢ·yᵢ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        ReadOnlySpan<Vector<double>> u = MemoryMarshal.Cast<double, Vector<double>>(x), v = MemoryMarshal.Cast<double, Vector<double>>(y[..x.Length]);
        Vector<double> a = Vector<double>.Zero, b = Vector<double>.Zero;
        int i = 0;
        for (; i + 1 < u.Length && i + 1 < v.Length; i += 2)
        {
            a += u[i] * v[i];
            b += u[i + 1] * v[i + 1];
        }
        if (i < u.Length) a += u[i] * v[i];
        double sum = Vector.Sum(a + b);
        for (i = u.Length * Vector<double>.Count; i < x.Length; i++) sum += x[i] * y[i];
        return sum;
    }

    /// <summary>y += a·x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddScaled(double a, ReadOnlySpan<double> x, Span<double> y)
    {
        ReadOnlySpan<Vector<double>> u = MemoryMarshal.Cast<double, Vector<double>>(x);
        Span<Vector<double>> v = MemoryMarshal.Cast<double, Vector<double>>(y[..x.Length]);
        Vector<double> factor = new(a);
        for (int i = 0; i < u.Length && i < v.Length; i++) v[i] += factor * u[i];
        for (int i = u.Length * Vector<double>.Count; i < x.Length; i++) y[i] += a * x[i];
    }

    /// <summary>x and y become c·x + s·y and c·y − s·x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Rotate(Span<double> x, Span<double> y, double c, double s)
    {
        Span<Vector<double>> u = MemoryMarshal.Cast<double, Vector<double>>(x), v = MemoryMarshal.Cast<double, Vector<double>>(y[..x.Length]);
        Vector<double> cos = new(c), sin = new(s);
        for (int i = 0; i < u.Length && i < v.Length; i++) (u[i], v[i]) = (cos * u[i] + sin * v[i], cos * v[i] - sin * u[i]);
        for (int i = u.Length * Vector<double>.Count; i < x.Length; i++) (x[i], y[i]) = (c * x[i] + s * y[i], c * y[i] - s * x[i]);
    }

    /// <summary>x *= a.</summary>
    public static void Scale(double a, Span<double> x)
    {
        for (int i = 0; i < x.Length; i++) x[i] *= a;
    }

    /// <summary>The largest magnitude; NaN if there is one, 0 of nothing.</summary>
    public static double Largest(ReadOnlySpan<double> x)
    {
        double largest = 0;
        foreach (double value in x) largest = Math.Max(largest, Math.Abs(value));
        return largest;
    }

    /// <summary>√Σx², without overflow and underflow on the way.</summary>
    public static double Norm(ReadOnlySpan<double> x)
    {
        double largest = Largest(x), sum = 0;
        if (largest == 0 || !double.IsFinite(largest)) return largest;
        foreach (double value in x) sum += value / largest * (value / largest);
        return largest * Math.Sqrt(sum);
    }

    /// <summary>Exchanges two rows.</summary>
    public static void Swap(Span<double> x, Span<double> y)
    {
        for (int i = 0; i < x.Length; i++) (x[i], y[i]) = (y[i], x[i]);
    }

    /// <summary>The rows of x become the columns of y.</summary>
    public static void Transpose(ReadOnlySpan<double> x, Span<double> y, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < columns; j++) y[j * rows + i] = x[i * columns + j];
        }
    }

    /// <summary>C = A·B of square matrices.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(ReadOnlySpan<double> a, ReadOnlySpan<double> b, Span<double> c, int n)
    {
        for (int i = 0; i < n; i++)
        {
            Span<double> row = c.Slice(i * n, n);
            row.Clear();
            for (int k = 0; k < n; k++) AddScaled(a[i * n + k], b.Slice(k * n, n), row);
        }
    }

    /// <summary>The power of two that scales numbers up to `largest` to about 1, so that their squares neither overflow nor vanish.</summary>
    public static double Scaling(double largest) => largest == 0 ? 1 : Math.ScaleB(1, -Math.Clamp(Math.ILogB(largest), -1000, 1000));

    /// <summary>Whether a vector has to be turned round: its component of largest magnitude (the first of several within 1e-8) is below
    /// 0.</summary>
    public static bool PointsBack(ReadOnlySpan<double> x)
    {
        double bound = Largest(x) * (1 - 1e-8);
        foreach (double value in x)
        {
            if (Math.Abs(value) >= bound) return value < 0;
        }
        return false;
    }
}
