using System;

namespace Diff.Kernels;

// The regularised incomplete gamma and beta functions: series and continued fractions (DLMF 8.11.4, 8.9.2, 8.17.22), the latter by Lentz's method
// (Thompson and Barnett 1986), over numbers for the value and over power series in the parameters for derivatives with respect to these.
// What stands before them is the density, by the saddle point form of Loader (2000), which keeps its digits for large parameters.
internal static partial class SpecialMath
{
    // More are needed of parameters from about 10¹³ on; the result is then NaN.
    private const int MostTerms = 10_000_000;

    // A fraction of a series has come to its end when only rounding moves it, and that may go on for ever.
    private const double Rounding = 1e-15;

    /// <summary>x − log(1 + x), accurate near 0.</summary>
    private static double Excess(double x)
    {
        if (Math.Abs(x) > 0.3) return x - ScalarMath.Log1p(x);
        // With s = x/(2 + x): x − 2·artanh(s) = x·s − 2·(s³/3 + s⁵/5 + …).
        double s = x / (2 + x), square = s * s, sum = 0, power = 2 * s * square;
        for (int k = 3; Math.Abs(power) > 1e-18 * Math.Abs(x * s); k += 2)
        {
            sum += power / k;
            power *= square;
        }
        return (x * s) - sum;
    }

    /// <summary>a·log(a/m) + m − a.</summary>
    private static double Deviance(double a, double m) => m < 0.5 * a ? (a * Math.Log(a / m)) + (m - a) : a * Excess((m - a) / a);

    // xᵃ·e⁻ˣ/Γ(a + 1) for a > 0.
    private static double Poisson(double a, double x)
    {
        if (x == 0) return 0;
        if (a < 10 && x < 700)
        {
            double power = Math.Pow(x, a);
            if (power > 1e-290) return power * Math.Exp(-x) / Gamma1p(a);
        }
        if (a < 10 || a < 1e-3 * x || x < 1e-3 * a) return Math.Exp((a * Math.Log(x)) - x - Lgamma(a + 1));
        return Math.Exp(-StirlingRest(a) - Deviance(a, x)) / Math.Sqrt(2 * Math.PI * a);
    }

    /// <summary>xᵃ⁻¹·e⁻ˣ/Γ(a): the derivative of the lower incomplete gamma function. At x = 0 it is continued to all a, where 1/Γ is 0 at the poles.</summary>
    public static double GammaDensity(double a, double x)
    {
        if (double.IsNaN(a) || double.IsNaN(x) || x < 0) return double.NaN;
        if (x == 0)
        {
            if (a >= 1) return a == 1 ? 1 : 0;
            if (a > 0) return double.PositiveInfinity;
            return a == Math.Floor(a) ? 0 : (Math.Floor(a) % 2 == 0 ? 1 : -1) * double.PositiveInfinity;
        }
        if (a == 0 || double.IsInfinity(x) || double.IsInfinity(a)) return 0;
        if (a < 0) return double.NaN;
        return a < 1 && x < 700 ? Math.Pow(x, a - 1) * Math.Exp(-x) * a / Gamma1p(a) : Poisson(a, x) * (a / x);
    }

    // Σ xⁿ/((a + 1) … (a + n)).
    private static T GammaSeries<T>(T a, double x) where T : struct, IAlgebra<T>
    {
        T sum = T.Of(1), term = sum;
        for (int n = 1; n < MostTerms; n++)
        {
            term = x * (term / (a + T.Of(n)));
            sum += term;
            if (term.IsLost(sum, 1e-17) && a.Value + n > x) return sum;
        }
        return T.Of(double.NaN);
    }

    // The fraction that x·density is multiplied by to give Q.
    private static T GammaFraction<T>(T a, double x) where T : struct, IAlgebra<T>
    {
        T b = T.Of(x + 1) - a, c = T.Of(1e300), d = T.Of(1) / b, value = d;
        for (int n = 1; n < MostTerms; n++)
        {
            T factor = n * (a - T.Of(n));
            b += T.Of(2);
            d = T.Of(1) / (b + (factor * d));
            c = b + (factor / c);
            T change = c * d, next = value * change, difference = next - value;
            value = next;
            if (difference.IsLost(value, Rounding)) return value;
        }
        return T.Of(double.NaN);
    }

    private static bool IsGammaDomain(double a, double x) => a >= 0 && x >= 0 && !(double.IsInfinity(a) && double.IsInfinity(x)) && !(a == 0 && x == 0);

    /// <summary>P(a, x): the lower regularised incomplete gamma function.</summary>
    public static double Gammainc(double a, double x)
    {
        if (!IsGammaDomain(a, x)) return double.NaN;
        if (x == 0 || double.IsInfinity(a)) return 0;
        if (a == 0 || double.IsInfinity(x)) return 1;
        if (a > Uniform) return UniformGamma(a, x, upper: false);
        return x < a + 1 ? Math.Min(1, Poisson(a, x) * GammaSeries(new Number(a), x).Value) : 1 - Gammaincc(a, x);
    }

    /// <summary>Q(a, x) = 1 − P(a, x), accurate where it is small.</summary>
    public static double Gammaincc(double a, double x)
    {
        if (!IsGammaDomain(a, x)) return double.NaN;
        if (x == 0 || double.IsInfinity(a)) return 1;
        if (a == 0 || double.IsInfinity(x)) return 0;
        if (a > Uniform) return UniformGamma(a, x, upper: true);
        if (a < 1 && x < 1.1)
        {
            // 1 − xᵃ/Γ(a + 1)·(1 + a·Σ (−x)ⁿ/((a + n)·n!)) (Gil, Segura and Temme 2012).
            double sum = 0, power = 1;
            for (int n = 1; n < 40; n++) sum += (power *= -x / n) / (a + n);
            double log = (a * Math.Log(x)) - (a <= 0.5 ? Lgamma1p(a) : LgammaNear2(a - 1));
            return -ScalarMath.Expm1(log) - (a * sum * Math.Exp(log));
        }
        if (x < a + 1) return 1 - Gammainc(a, x);
        return x * GammaDensity(a, x) * GammaFraction(new Number(a), x).Value;
    }

    // From this a on P is ½·erfc(±η·√(a/2)) ± e^(−a·η²/2)/√(2πa)·(c₀ + c₁/a), η²/2 = λ − 1 − log λ, λ = x/a (Temme 1979); the rest is of order a⁻²·⁵.
    private const double Uniform = 1e8;

    private static double UniformGamma(double a, double x, bool upper)
    {
        double m = (x - a) / a, half = Excess(m), eta = Math.CopySign(Math.Sqrt(2 * half), m);
        // c₀ = 1/m − 1/η and c₁ = 1/η³ − 1/m³ − 1/m² − 1/(12m) by their series near 0.
        double c0 = Math.Abs(eta) < 0.01
            ? (-1.0 / 3) + (eta * ((1.0 / 12) + (eta * ((-2.0 / 135) + (eta / 864)))))
            : (1 / m) - (1 / eta);
        double c1 = Math.Abs(eta) < 0.01 ? (-1.0 / 540) - (eta / 288) : (1 / (eta * eta * eta)) - (1 / (m * m * m)) - (1 / (m * m)) - (1 / (12 * m));
        double rest = Math.Exp(-a * half) / Math.Sqrt(2 * Math.PI * a) * (c0 + (c1 / a));
        double side = eta * Math.Sqrt(a / 2);
        return upper ? (0.5 * Erfc(side)) + rest : (0.5 * Erfc(-side)) - rest;
    }

    /// <summary>The derivative of P(a, x) with respect to a, of an order k ≥ 0.</summary>
    public static double GammaincDerivative(double order, double a, double x)
    {
        int k = Order("gammainc", order);
        if (k == 0) return Gammainc(a, x);
        if (!IsGammaDomain(a, x)) return double.NaN;
        if (x == 0 || double.IsInfinity(x) || double.IsInfinity(a)) return 0;
        bool lower = x < a + 1;
        double log = Math.Log(x), factorial = 1;
        // xᵃ/Γ(a + 1), which is smooth at 0; the fraction's 1/Γ(a) is a times as much.
        var power = new Jet(k, 0, (i, _) =>
        {
            if (i == 0) return 0;
            factorial *= i;
            return i == 1 ? log - Digamma(a + 1) : -Polygamma(i - 1, a + 1) / factorial;
        });
        var at = new Jet(k, 0, (i, _) => i == 0 ? a : i == 1 ? 1 : 0);
        Jet value = power.ExpOfRest() * (lower ? GammaSeries(at, x) : at * GammaFraction(at, x));
        double scale = lower ? Poisson(a, x) : -Poisson(a, x);
        for (int i = 1; i <= k; i++) scale *= i;
        return scale * value[k, 0];
    }
}
