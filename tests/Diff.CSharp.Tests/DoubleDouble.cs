using System;

namespace Diff.Tests;

/// <summary>A number of about 31 digits as a sum of two (Dekker 1971), and the functions of it that tests take for the truth.</summary>
internal readonly struct DoubleDouble(double high, double low)
{
    public double High { get; } = high;
    public double Low { get; } = low;

    private static readonly DoubleDouble Ln2 = new(0.6931471805599453, 2.3190468138462996e-17);

    public static implicit operator DoubleDouble(double x) => new(x, 0);
    public static DoubleDouble operator -(DoubleDouble x) => new(-x.High, -x.Low);
    public static DoubleDouble operator -(DoubleDouble x, DoubleDouble y) => x + -y;

    public static DoubleDouble operator +(DoubleDouble x, DoubleDouble y)
    {
        DoubleDouble high = Sum(x.High, y.High), low = Sum(x.Low, y.Low);
        DoubleDouble sum = Sum(high.High, high.Low + low.High);
        return Sum(sum.High, sum.Low + low.Low);
    }

    public static DoubleDouble operator *(DoubleDouble x, DoubleDouble y)
    {
        double p = x.High * y.High;
        return Sum(p, Math.FusedMultiplyAdd(x.High, y.High, -p) + ((x.High * y.Low) + (x.Low * y.High)));
    }

    public static DoubleDouble operator /(DoubleDouble x, DoubleDouble y)
    {
        double q = x.High / y.High;
        DoubleDouble rest = x - (y * q);
        double q1 = rest.High / y.High;
        return Sum(q, q1) + ((rest - (y * q1)).High / y.High);
    }

    public static DoubleDouble ScaleB(DoubleDouble x, int n) => new(Math.ScaleB(x.High, n), Math.ScaleB(x.Low, n));

    /// <summary>e^x − 1 = p·2ⁿ + (2ⁿ − 1); p has all its digits also near 0.</summary>
    private static (DoubleDouble P, int N) ExpParts(DoubleDouble x)
    {
        int n = (int)Math.Round(x.High / Ln2.High);
        DoubleDouble r = ScaleB(x - (Ln2 * n), -8), term = r, p = r;
        for (int k = 2; k < 14; k++) p += term = term * r / k;
        for (int k = 0; k < 8; k++) p *= p + 2;
        return (p, n);
    }

    /// <summary>e^x = m·2ⁿ.</summary>
    public static (DoubleDouble M, int N) Exp(DoubleDouble x)
    {
        var (p, n) = ExpParts(x);
        return (p + 1, n);
    }

    public static DoubleDouble Expm1(DoubleDouble x)
    {
        if (Math.Abs(x.High) < 1e-40) return x;
        var (p, n) = ExpParts(x);
        return n == 0 ? p : ScaleB(p, n) + (DoubleDouble)Math.ScaleB(1, n) - 1;
    }

    public static DoubleDouble Log(DoubleDouble x)
    {
        int e = (int)Math.Round(Math.Log2(x.High));
        // Denormals in two steps: no power of two may leave the range.
        x = ScaleB(ScaleB(x, -e / 2), -e - (-e / 2));
        DoubleDouble f = x - 1;
        if (Math.Abs(f.High) < 1e-5) return e == 0 ? Log1pSeries(f) : Log1pSeries(f) + (Ln2 * e);
        double y = Math.Log(x.High);
        DoubleDouble d = (x * (Expm1(-y) + 1)) - 1;
        return y + (d - (d * d * 0.5)) + (Ln2 * e);
    }

    public static DoubleDouble Log1p(DoubleDouble x) => Math.Abs(x.High) < 1e-5 ? Log1pSeries(x) : Log(x + 1);

    private static DoubleDouble Log1pSeries(DoubleDouble f)
    {
        DoubleDouble sum = 0;
        for (int k = 8; k > 1; k--) sum = f * ((k % 2 == 0 ? -1 : (DoubleDouble)1) / k + sum);
        return f + (f * sum);
    }

    public static (DoubleDouble Sin, DoubleDouble Cos) SinCos(double x)
    {
        double n = Math.Round(x * (2 / Math.PI));
        DoubleDouble r = x - ((DoubleDouble)n * 1.5707963267948966) - ((DoubleDouble)n * 6.123233995736766e-17);
        r += (DoubleDouble)n * 1.4973849048591698e-33;
        DoubleDouble sin = 0, cos = 1, term = 1;
        for (int k = 1; k < 28; k++)
        {
            term = term * r / k;
            if (k % 2 == 0) cos += k % 4 == 0 ? term : -term;
            else sin += k % 4 == 1 ? term : -term;
        }
        return ((long)n & 3) switch { 0 => (sin, cos), 1 => (cos, -sin), 2 => (-sin, -cos), _ => (-cos, sin) };
    }

    private static DoubleDouble Sum(double x, double y)
    {
        double sum = x + y, back = sum - x;
        return new(sum, (x - (sum - back)) + (y - back));
    }
}
