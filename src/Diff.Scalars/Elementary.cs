using System.Numerics;
using Diff.Kernels;

namespace Diff;

/// <summary>Values and derivatives of the elementary functions, for every type that carries derivatives.</summary>
internal static class Elementary<TSelf, T>
    where TSelf : struct, IDifferentiable<TSelf, T>
    where T : IFloatingPointIeee754<T>
{
    private static T Half => T.CreateChecked(0.5);

    // ---- kinks and ties ----

    public static TSelf Abs(TSelf x) => TSelf.Chain(x, T.Abs(x.Value), Sign(x.Value));

    private static T Sign(T x) => x > T.Zero ? T.One : x < T.Zero ? T.NegativeOne : x == T.Zero ? T.Zero : x;

    // `first` says whether x is the result, `second` whether y is; if both or neither, they tie.
    private static TSelf Choose(TSelf x, TSelf y, T value, bool first, bool second) =>
        first == second ? TSelf.Chain(x, y, value, Half, Half) : first ? x : y;

    private static bool IsOnlyNaN(T x, T y) => T.IsNaN(x) && !T.IsNaN(y);

    private static TSelf Greater(TSelf x, TSelf y, T value, T a, T b) => Choose(x, y, value, a > b || IsOnlyNaN(a, b), b > a || IsOnlyNaN(b, a));

    // A number counts more than NaN.
    private static TSelf GreaterNumber(TSelf x, TSelf y, T value, T a, T b) => Choose(x, y, value, a > b || IsOnlyNaN(b, a), b > a || IsOnlyNaN(a, b));

    public static TSelf Max(TSelf x, TSelf y) => Greater(x, y, T.Max(x.Value, y.Value), x.Value, y.Value);

    public static TSelf Min(TSelf x, TSelf y) => Greater(x, y, T.Min(x.Value, y.Value), -x.Value, -y.Value);

    public static TSelf MaxNumber(TSelf x, TSelf y) => GreaterNumber(x, y, T.MaxNumber(x.Value, y.Value), x.Value, y.Value);

    public static TSelf MinNumber(TSelf x, TSelf y) => GreaterNumber(x, y, T.MinNumber(x.Value, y.Value), -x.Value, -y.Value);

    // Of x and −x the larger is meant, so that operands that differ only in sign are in a tie for the magnitude, not for the value.
    public static TSelf MaxMagnitude(TSelf x, TSelf y) => ByMagnitude(x, y, T.Abs(x.Value), T.Abs(y.Value), Max(x, y));

    public static TSelf MinMagnitude(TSelf x, TSelf y) => ByMagnitude(x, y, -T.Abs(x.Value), -T.Abs(y.Value), Min(x, y));

    public static TSelf MaxMagnitudeNumber(TSelf x, TSelf y) =>
        T.IsNaN(x.Value) ? y : T.IsNaN(y.Value) ? x : MaxMagnitude(x, y);

    public static TSelf MinMagnitudeNumber(TSelf x, TSelf y) =>
        T.IsNaN(x.Value) ? y : T.IsNaN(y.Value) ? x : MinMagnitude(x, y);

    private static TSelf ByMagnitude(TSelf x, TSelf y, T a, T b, TSelf tie) => a > b || IsOnlyNaN(a, b) ? x : b > a || IsOnlyNaN(b, a) ? y : tie;

    public static TSelf Clamp(TSelf x, TSelf min, TSelf max)
    {
        if (min.Value > max.Value) throw new ArgumentException($"Clamp: expected min ≤ max, got {min.Value} and {max.Value}");
        return x.Value < min.Value ? min : x.Value > max.Value ? max : x;
    }

    public static TSelf CopySign(TSelf value, TSelf sign) =>
        TSelf.Chain(value, T.CopySign(value.Value, sign.Value), T.IsNegative(value.Value) == T.IsNegative(sign.Value) ? T.One : T.NegativeOne);

    // ---- arithmetic ----

    public static TSelf Divide(TSelf x, TSelf y)
    {
        var inverse = T.One / y.Value;
        var value = x.Value / y.Value;
        return TSelf.Chain(x, y, value, inverse, -(value * inverse));
    }

    public static TSelf Modulo(TSelf x, TSelf y) => TSelf.Chain(x, y, x.Value % y.Value, T.One, -T.Truncate(x.Value / y.Value));

    public static TSelf Ieee754Remainder(TSelf x, TSelf y)
    {
        var rest = T.Ieee754Remainder(x.Value, y.Value);
        return TSelf.Chain(x, y, rest, T.One, -T.Round((x.Value - rest) / y.Value));
    }

    public static TSelf FusedMultiplyAdd(TSelf x, TSelf y, TSelf z)
    {
        var value = T.FusedMultiplyAdd(x.Value, y.Value, z.Value);
        return TSelf.Chain(TSelf.Chain(x, y, value, y.Value, x.Value), z, value, T.One, T.One);
    }

    public static TSelf ScaleB(TSelf x, int n) => TSelf.Chain(x, T.ScaleB(x.Value, n), T.ScaleB(T.One, n));

    // ---- powers and roots ----

    public static TSelf Sqrt(TSelf x)
    {
        var y = T.Sqrt(x.Value);
        return TSelf.Chain(x, y, Half / y);
    }

    public static TSelf Cbrt(TSelf x)
    {
        var y = T.Cbrt(x.Value);
        return TSelf.Chain(x, y, T.One / (T.CreateChecked(3) * y * y));
    }

    public static TSelf RootN(TSelf x, int n)
    {
        var y = T.RootN(x.Value, n);
        return TSelf.Chain(x, y, T.One / (T.CreateChecked(n) * (n > 0 ? T.Pow(y, T.CreateChecked(n - 1)) : x.Value / y)));
    }

    // ∂(x^y)/∂x = y·x^(y−1), 0 where y = 0 and x = 0 or NaN; ∂(x^y)/∂y = x^y·log x, 0 where x = 0.
    public static TSelf Pow(TSelf x, TSelf y)
    {
        var (a, b) = (x.Value, y.Value);
        var value = T.Pow(a, b);
        var isFlat = T.IsZero(b) && (T.IsZero(a) || T.IsNaN(a));
        return TSelf.Chain(x, y, value, isFlat ? T.Zero : b * T.Pow(a, b - T.One), T.IsZero(a) ? T.Zero : value * T.Log(a));
    }

    // The direction (x, y)/h, 0 at the origin.
    public static TSelf Hypot(TSelf x, TSelf y)
    {
        var h = T.Hypot(x.Value, y.Value);
        return T.IsZero(h) ? TSelf.Constant(h) : TSelf.Chain(x, y, h, x.Value / h, y.Value / h);
    }

    // ---- exponentials and logarithms ----

    public static TSelf Exp(TSelf x)
    {
        var y = T.Exp(x.Value);
        return TSelf.Chain(x, y, y);
    }

    public static TSelf Exp2(TSelf x)
    {
        var y = T.Exp2(x.Value);
        return TSelf.Chain(x, y, y * T.CreateChecked(0.69314718055994530942));
    }

    public static TSelf Exp10(TSelf x)
    {
        var y = T.Exp10(x.Value);
        return TSelf.Chain(x, y, y * T.CreateChecked(2.3025850929940456840));
    }

    public static TSelf ExpM1(TSelf x) => TSelf.Chain(x, T.ExpM1(x.Value), T.Exp(x.Value));

    public static TSelf Exp2M1(TSelf x) => TSelf.Chain(x, T.Exp2M1(x.Value), T.Exp2(x.Value) * T.CreateChecked(0.69314718055994530942));

    public static TSelf Exp10M1(TSelf x) => TSelf.Chain(x, T.Exp10M1(x.Value), T.Exp10(x.Value) * T.CreateChecked(2.3025850929940456840));

    public static TSelf Log(TSelf x) => TSelf.Chain(x, T.Log(x.Value), T.One / x.Value);

    public static TSelf Log(TSelf x, TSelf newBase)
    {
        var (value, log) = (T.Log(x.Value, newBase.Value), T.Log(newBase.Value));
        return TSelf.Chain(x, newBase, value, T.One / (x.Value * log), -value / (newBase.Value * log));
    }

    public static TSelf Log2(TSelf x) => TSelf.Chain(x, T.Log2(x.Value), T.CreateChecked(1.4426950408889634074) / x.Value);

    public static TSelf Log10(TSelf x) => TSelf.Chain(x, T.Log10(x.Value), T.CreateChecked(0.43429448190325182765) / x.Value);

    public static TSelf LogP1(TSelf x) => TSelf.Chain(x, T.LogP1(x.Value), T.One / (T.One + x.Value));

    public static TSelf Log2P1(TSelf x) => TSelf.Chain(x, T.Log2P1(x.Value), T.CreateChecked(1.4426950408889634074) / (T.One + x.Value));

    public static TSelf Log10P1(TSelf x) => TSelf.Chain(x, T.Log10P1(x.Value), T.CreateChecked(0.43429448190325182765) / (T.One + x.Value));

    // ---- angles ----

    public static TSelf Sin(TSelf x)
    {
        var (sin, cos) = T.SinCos(x.Value);
        return TSelf.Chain(x, sin, cos);
    }

    public static TSelf Cos(TSelf x)
    {
        var (sin, cos) = T.SinCos(x.Value);
        return TSelf.Chain(x, cos, -sin);
    }

    public static (TSelf Sin, TSelf Cos) SinCos(TSelf x)
    {
        var (sin, cos) = T.SinCos(x.Value);
        return (TSelf.Chain(x, sin, cos), TSelf.Chain(x, cos, -sin));
    }

    public static (TSelf SinPi, TSelf CosPi) SinCosPi(TSelf x)
    {
        var (sin, cos) = T.SinCosPi(x.Value);
        return (TSelf.Chain(x, sin, T.Pi * cos), TSelf.Chain(x, cos, -(T.Pi * sin)));
    }

    public static TSelf Tan(TSelf x)
    {
        var y = T.Tan(x.Value);
        return TSelf.Chain(x, y, T.One + y * y);
    }

    public static TSelf TanPi(TSelf x)
    {
        var y = T.TanPi(x.Value);
        return TSelf.Chain(x, y, T.Pi * (T.One + y * y));
    }

    // √(1 − x²), accurate near ±1.
    private static T Side(T x) => T.Sqrt((T.One - x) * (T.One + x));

    public static TSelf Asin(TSelf x) => TSelf.Chain(x, T.Asin(x.Value), T.One / Side(x.Value));

    public static TSelf AsinPi(TSelf x) => TSelf.Chain(x, T.AsinPi(x.Value), T.One / (T.Pi * Side(x.Value)));

    public static TSelf Acos(TSelf x) => TSelf.Chain(x, T.Acos(x.Value), T.NegativeOne / Side(x.Value));

    public static TSelf AcosPi(TSelf x) => TSelf.Chain(x, T.AcosPi(x.Value), T.NegativeOne / (T.Pi * Side(x.Value)));

    public static TSelf Atan(TSelf x) => TSelf.Chain(x, T.Atan(x.Value), T.One / (T.One + x.Value * x.Value));

    public static TSelf AtanPi(TSelf x) => TSelf.Chain(x, T.AtanPi(x.Value), T.One / (T.Pi * (T.One + x.Value * x.Value)));

    public static TSelf Atan2(TSelf y, TSelf x) => Angle(y, x, T.Atan2(y.Value, x.Value), T.One);

    public static TSelf Atan2Pi(TSelf y, TSelf x) => Angle(y, x, T.Atan2Pi(y.Value, x.Value), T.Pi);

    // 0 at the origin; no square that overflows.
    private static TSelf Angle(TSelf y, TSelf x, T value, T unit)
    {
        var h = T.Hypot(x.Value, y.Value);
        return T.IsZero(h) ? TSelf.Constant(value) : TSelf.Chain(y, x, value, x.Value / h / (h * unit), -(y.Value / h / (h * unit)));
    }

    // ---- hyperbolic functions ----

    public static TSelf Sinh(TSelf x) => TSelf.Chain(x, T.Sinh(x.Value), T.Cosh(x.Value));

    public static TSelf Cosh(TSelf x) => TSelf.Chain(x, T.Cosh(x.Value), T.Sinh(x.Value));

    public static TSelf Tanh(TSelf x)
    {
        var y = T.Tanh(x.Value);
        return TSelf.Chain(x, y, T.One - y * y);
    }

    public static TSelf Asinh(TSelf x) => TSelf.Chain(x, T.Asinh(x.Value), T.One / T.Hypot(x.Value, T.One));

    public static TSelf Acosh(TSelf x) => TSelf.Chain(x, T.Acosh(x.Value), T.One / (T.Sqrt(x.Value - T.One) * T.Sqrt(x.Value + T.One)));

    public static TSelf Atanh(TSelf x) => TSelf.Chain(x, T.Atanh(x.Value), T.One / ((T.One - x.Value) * (T.One + x.Value)));
}
