using System;

namespace Diff.Kernels;

/// <summary>Functions of mathematics beyond the platform's, of float64 numbers. Bounds of their errors stand in docs/mathematics.md.</summary>
internal static partial class SpecialMath
{
    /// <summary>1 − x², accurate near ±1.</summary>
    public static double OneMinusSquare(double x) => (1 - x) * (1 + x);

    /// <summary>The platform's cube root and a step of Newton's method: exact for cubes.</summary>
    public static double Cbrt(double x)
    {
        double y = Math.Cbrt(x), square = y * y;
        if (!(square is > 1e-190 and < double.PositiveInfinity)) return y;
        double error = Math.FusedMultiplyAdd(square, y, -x) + (Math.FusedMultiplyAdd(y, y, -square) * y);
        return y - (error / (3 * square));
    }

    public static double Exp2(double x) => Math.Pow(2, x);

    public static double Floor(double x) => Math.Floor(x);

    public static double Ceil(double x) => Math.Ceiling(x);

    /// <summary>Halves to even.</summary>
    public static double Round(double x) => Math.Round(x);

    public static double Trunc(double x) => Math.Truncate(x);

    /// <summary>√(x² + y²) without overflow or underflow of the squares, corrected by what their sum lost (Borges 2019).</summary>
    public static double Hypot(double x, double y)
    {
        if (double.IsInfinity(x) || double.IsInfinity(y)) return double.PositiveInfinity;
        double a = Math.Max(Math.Abs(x), Math.Abs(y)), b = Math.Min(Math.Abs(x), Math.Abs(y));
        if (!(a > 0)) return a;
        // By a power of two, so that nothing is rounded.
        int exponent = a is > 1e-140 and < 1e140 ? 0 : Math.ILogB(a);
        if (exponent != 0) (a, b) = (Math.ScaleB(a, -exponent), Math.ScaleB(b, -exponent));
        double h = Math.Sqrt(Math.FusedMultiplyAdd(a, a, b * b)), square = h * h, part = a * a;
        double error = Math.FusedMultiplyAdd(-b, b, square - part) + Math.FusedMultiplyAdd(h, h, -square) - Math.FusedMultiplyAdd(a, a, -part);
        return Math.ScaleB(h - (error / (2 * h)), exponent);
    }

    /// <summary>x/√(x² + y²), 0 at the origin, by limits at infinity.</summary>
    public static double Direction(double x, double y)
    {
        if (double.IsInfinity(x) || double.IsInfinity(y))
        {
            if (double.IsNaN(x) || double.IsNaN(y)) return double.NaN;
            (x, y) = (double.IsInfinity(x) ? Math.Sign(x) : 0, double.IsInfinity(y) ? 1 : 0);
        }
        double size = Math.Max(Math.Abs(x), Math.Abs(y));
        if (size == 0) return x;
        if (!(size is > 1e-290 and < 1e290))
        {
            double scale = size < 1 ? 1e300 : 1e-300;
            (x, y) = (x * scale, y * scale);
        }
        return x / Hypot(x, y);
    }

    /// <summary>log(eˣ + eʸ) without overflow.</summary>
    public static double Logaddexp(double x, double y)
    {
        if (x == y) return x + 0.69314718055994531;
        return Math.Max(x, y) + ScalarMath.Log1p(Math.Exp(-Math.Abs(x - y)));
    }

    /// <summary>The rest of a division that cuts off: it has the sign of x.</summary>
    public static double Fmod(double x, double y) => x % y;

    /// <summary>sin(πx)/(πx).</summary>
    public static double Sinc(double x) => SincDerivative(0, x);

    /// <summary>The derivative of sinc of an order n ≥ 0: πⁿ·s(n) at z = πx with s(n) = ∫₀¹ tⁿ·cos(zt + nπ/2) dt. By its series up to 1; beyond by
    /// z·s(n) = sin(z + nπ/2) − n·s(n − 1), forwards where n is below z and backwards above (Gautschi 1967).</summary>
    public static double SincDerivative(double order, double x)
    {
        int n = Order("sinc", order);
        double a = Math.Abs(x), z = Math.PI * a, y;
        if (double.IsNaN(x)) return x;
        if (double.IsInfinity(x)) return 0;
        if (z < 1) y = SincSeries(n, z);
        else
        {
            double sin = double.SinPi(a), cos = double.CosPi(a);
            double Turned(int k) => (k & 3) switch { 0 => sin, 1 => cos, 2 => -sin, _ => -cos };
            int from = n <= z ? 0 : n + 30 + (int)(4 * z);
            y = n <= z ? sin / z : 0;
            if (n <= z) for (int k = 1; k <= n; k++) y = (Turned(k) - (k * y)) / z;
            else for (int k = from; k > n; k--) y = (Turned(k) - (z * y)) / k;
        }
        y *= Math.Pow(Math.PI, n);
        return n % 2 == 1 && x < 0 ? -y : y;
    }

    // The derivative at 0 of cos(zt + nπ/2) in z, term by term: those terms that are not 0 alternate.
    private static double SincSeries(int n, double z)
    {
        int k = n % 2;
        double sign = (n & 3) is 0 or 3 ? 1 : -1, power = k == 1 ? z : 1, sum = 0;
        for (; ; k += 2)
        {
            double term = sign * power / (n + k + 1);
            sum += term;
            if (Math.Abs(term) <= 1e-18 * Math.Abs(sum)) return sum;
            power *= z * z / ((k + 1) * (k + 2));
            sign = -sign;
        }
    }
}
