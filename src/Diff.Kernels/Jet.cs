using System;

namespace Diff.Kernels;

/// <summary>Numbers or truncated power series: what an algorithm written once needs of either.</summary>
internal interface IAlgebra<T> where T : IAlgebra<T>
{
    static abstract T Of(double value);
    static abstract T operator +(T x, T y);
    static abstract T operator -(T x, T y);
    static abstract T operator *(T x, T y);
    static abstract T operator /(T x, T y);
    static abstract T operator *(double x, T y);
    /// <summary>Whether adding the number to a sum changes no coefficient by more than its rounding.</summary>
    bool IsLost(T sum, double fraction);
    double Value { get; }
}

/// <summary>A number.</summary>
internal readonly record struct Number(double Value) : IAlgebra<Number>
{
    public static Number Of(double value) => new(value);
    public static Number operator +(Number x, Number y) => new(x.Value + y.Value);
    public static Number operator -(Number x, Number y) => new(x.Value - y.Value);
    public static Number operator *(Number x, Number y) => new(x.Value * y.Value);
    public static Number operator /(Number x, Number y) => new(x.Value / y.Value);
    public static Number operator *(double x, Number y) => new(x * y.Value);
    public bool IsLost(Number sum, double fraction) => !(Math.Abs(Value) > fraction * Math.Abs(sum.Value));
}

/// <summary>A power series in two small quantities, cut off after given powers of each; a constant has the power 0 only.</summary>
internal readonly struct Jet : IAlgebra<Jet>
{
    private readonly double[] terms;
    private readonly int rows, columns; // powers of the first and the second quantity

    private Jet(int rows, int columns) => (this.rows, this.columns, terms) = (rows, columns, new double[rows * columns]);

    /// <summary>The series with these coefficients at the powers i and j up to the given ones.</summary>
    public Jet(int first, int second, Func<int, int, double> term) : this(first + 1, second + 1)
    {
        for (int i = 0; i < rows; i++) for (int j = 0; j < columns; j++) terms[(i * columns) + j] = term(i, j);
    }

    public static Jet Of(double value) => new(0, 0, (_, _) => value);

    public double Value => terms[0];

    public double this[int i, int j] => i < rows && j < columns ? terms[(i * columns) + j] : 0;

    private static Jet Sum(Jet x, double scale, Jet y)
    {
        var z = new Jet(Math.Max(x.rows, y.rows), Math.Max(x.columns, y.columns));
        for (int i = 0; i < z.rows; i++) for (int j = 0; j < z.columns; j++) z.terms[(i * z.columns) + j] = x[i, j] + (scale * y[i, j]);
        return z;
    }

    public static Jet operator +(Jet x, Jet y) => Sum(x, 1, y);
    public static Jet operator -(Jet x, Jet y) => Sum(x, -1, y);
    public static Jet operator *(double x, Jet y) => Of(x) * y;

    public static Jet operator *(Jet x, Jet y)
    {
        var z = new Jet(Math.Max(x.rows, y.rows), Math.Max(x.columns, y.columns));
        for (int i = 0; i < x.rows; i++)
        {
            for (int j = 0; j < x.columns; j++)
            {
                double factor = x.terms[(i * x.columns) + j];
                if (factor == 0) continue;
                for (int p = 0; p < Math.Min(y.rows, z.rows - i); p++)
                {
                    for (int q = 0; q < Math.Min(y.columns, z.columns - j); q++)
                    {
                        z.terms[((i + p) * z.columns) + j + q] += factor * y.terms[(p * y.columns) + q];
                    }
                }
            }
        }
        return z;
    }

    public static Jet operator /(Jet x, Jet y)
    {
        var z = new Jet(Math.Max(x.rows, y.rows), Math.Max(x.columns, y.columns));
        for (int i = 0; i < z.rows; i++)
        {
            for (int j = 0; j < z.columns; j++)
            {
                double rest = x[i, j];
                for (int p = 0; p <= i; p++) for (int q = 0; q <= j; q++) if (p + q > 0) rest -= y[p, q] * z[i - p, j - q];
                z.terms[(i * z.columns) + j] = rest / y.Value;
            }
        }
        return z;
    }

    /// <summary>e to the power of the series without its constant term.</summary>
    public Jet ExpOfRest()
    {
        Jet x = this;
        var z = new Jet(rows, columns);
        z.terms[0] = 1;
        for (int i = 0; i < rows; i++)
        {
            for (int j = i == 0 ? 1 : 0; j < columns; j++)
            {
                // i·z[i, j] = Σ p·x[p, q]·z[i − p, j − q], or the same in j.
                double sum = 0;
                for (int p = 0; p <= i; p++) for (int q = 0; q <= j; q++) sum += (i > 0 ? p : q) * x[p, q] * z[i - p, j - q];
                z.terms[(i * columns) + j] = sum / (i > 0 ? i : j);
            }
        }
        return z;
    }

    public bool IsLost(Jet sum, double fraction)
    {
        for (int i = 0; i < rows; i++) for (int j = 0; j < columns; j++) if (Math.Abs(this[i, j]) > fraction * Math.Abs(sum[i, j])) return false;
        return true;
    }
}
