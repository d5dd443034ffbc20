using System;

namespace Diff.Kernels;

/// <summary>A function of one number, given by its Taylor series.</summary>
internal abstract class AnalyticFunction
{
    private const int Terms = 32;

    /// <summary>Points spread over this part of their mean take the series: its terms then fall below rounding before they end.</summary>
    protected virtual double Reach => 0.25;

    /// <summary>f⁽ʲ⁾(x) / j! for j = 0, 1 ….</summary>
    protected abstract void Series(double x, Span<double> coefficients);

    /// <summary>f[x₀, …, xₖ] of ascending points: f itself of one, f′ of two equal ones, else the difference of those of the points without the
    /// first and without the last, divided by the distance of these two. Points close to each other take the series at their mean, where
    /// f[x₀, …, xₖ] is the sum of f⁽ᵏ⁺ᵐ⁾ / (k + m)! times the sum of all products of m distances from the mean.</summary>
    public double Difference(ReadOnlySpan<double> points)
    {
        double spread = points[^1] - points[0], mean = 0;
        foreach (double x in points) mean += x / points.Length;
        if (spread > Reach * Math.Abs(mean)) return (Difference(points[1..]) - Difference(points[..^1])) / spread;
        Span<double> products = stackalloc double[Terms], coefficients = stackalloc double[Terms + points.Length];
        products.Clear();
        products[0] = 1;
        foreach (double x in points)
        {
            for (int m = 1; m < Terms; m++) products[m] += (x - mean) * products[m - 1];
        }
        Series(mean, coefficients);
        double sum = 0;
        for (int m = Terms - 1; m >= 0; m--)
        {
            if (products[m] != 0) sum += coefficients[points.Length - 1 + m] * products[m];
        }
        return sum;
    }
}

/// <summary>log x.</summary>
internal sealed class LogFunction : AnalyticFunction
{
    protected override void Series(double x, Span<double> coefficients)
    {
        coefficients[0] = Math.Log(x);
        double power = -1;
        for (int j = 1; j < coefficients.Length; j++)
        {
            power /= -x;
            coefficients[j] = power / j;
        }
    }
}

/// <summary>xᵖ.</summary>
internal sealed class PowerFunction(double exponent) : AnalyticFunction
{
    protected override double Reach => 0.25 / Math.Max(1, Math.Abs(exponent) / 8);

    protected override void Series(double x, Span<double> coefficients)
    {
        double binomial = 1;
        for (int j = 0; j < coefficients.Length; j++)
        {
            coefficients[j] = binomial == 0 ? 0 : binomial * Math.Pow(x, exponent - j);
            binomial *= (exponent - j) / (j + 1);
        }
    }
}
