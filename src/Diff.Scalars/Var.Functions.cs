using System.Numerics;

namespace Diff;

// The functions of numbers, as public members so that C# finds Var.Exp(x) and F# exp x.
public readonly partial struct Var<T>
{
    /// <summary>0.</summary>
    public static Var<T> Zero => Constant(T.Zero);

    /// <summary>1.</summary>
    public static Var<T> One => Constant(T.One);

    // Also for speed: what stands in the interface is not inlined.
    static bool INumberBase<Var<T>>.TryConvertFromChecked<TOther>(TOther value, out Var<T> result)
    {
        result = Constant(T.CreateChecked(value));
        return true;
    }

    /// <inheritdoc/>
    public static Var<T> Abs(Var<T> x) => Elementary<Var<T>, T>.Abs(x);

    /// <inheritdoc/>
    public static Var<T> Sqrt(Var<T> x) => Elementary<Var<T>, T>.Sqrt(x);

    /// <inheritdoc/>
    public static Var<T> Cbrt(Var<T> x) => Elementary<Var<T>, T>.Cbrt(x);

    /// <inheritdoc/>
    public static Var<T> Exp(Var<T> x) => Elementary<Var<T>, T>.Exp(x);

    /// <inheritdoc/>
    public static Var<T> Exp2(Var<T> x) => Elementary<Var<T>, T>.Exp2(x);

    /// <inheritdoc/>
    public static Var<T> Exp10(Var<T> x) => Elementary<Var<T>, T>.Exp10(x);

    /// <inheritdoc/>
    public static Var<T> ExpM1(Var<T> x) => Elementary<Var<T>, T>.ExpM1(x);

    /// <inheritdoc/>
    public static Var<T> Exp2M1(Var<T> x) => Elementary<Var<T>, T>.Exp2M1(x);

    /// <inheritdoc/>
    public static Var<T> Exp10M1(Var<T> x) => Elementary<Var<T>, T>.Exp10M1(x);

    /// <inheritdoc/>
    public static Var<T> Log(Var<T> x) => Elementary<Var<T>, T>.Log(x);

    /// <inheritdoc/>
    public static Var<T> Log2(Var<T> x) => Elementary<Var<T>, T>.Log2(x);

    /// <inheritdoc/>
    public static Var<T> Log10(Var<T> x) => Elementary<Var<T>, T>.Log10(x);

    /// <inheritdoc/>
    public static Var<T> LogP1(Var<T> x) => Elementary<Var<T>, T>.LogP1(x);

    /// <inheritdoc/>
    public static Var<T> Log2P1(Var<T> x) => Elementary<Var<T>, T>.Log2P1(x);

    /// <inheritdoc/>
    public static Var<T> Log10P1(Var<T> x) => Elementary<Var<T>, T>.Log10P1(x);

    /// <inheritdoc/>
    public static Var<T> Sin(Var<T> x) => Elementary<Var<T>, T>.Sin(x);

    /// <inheritdoc/>
    public static Var<T> Cos(Var<T> x) => Elementary<Var<T>, T>.Cos(x);

    /// <inheritdoc/>
    public static Var<T> Tan(Var<T> x) => Elementary<Var<T>, T>.Tan(x);

    /// <inheritdoc/>
    public static Var<T> TanPi(Var<T> x) => Elementary<Var<T>, T>.TanPi(x);

    /// <inheritdoc/>
    public static Var<T> Asin(Var<T> x) => Elementary<Var<T>, T>.Asin(x);

    /// <inheritdoc/>
    public static Var<T> AsinPi(Var<T> x) => Elementary<Var<T>, T>.AsinPi(x);

    /// <inheritdoc/>
    public static Var<T> Acos(Var<T> x) => Elementary<Var<T>, T>.Acos(x);

    /// <inheritdoc/>
    public static Var<T> AcosPi(Var<T> x) => Elementary<Var<T>, T>.AcosPi(x);

    /// <inheritdoc/>
    public static Var<T> Atan(Var<T> x) => Elementary<Var<T>, T>.Atan(x);

    /// <inheritdoc/>
    public static Var<T> AtanPi(Var<T> x) => Elementary<Var<T>, T>.AtanPi(x);

    /// <inheritdoc/>
    public static Var<T> Sinh(Var<T> x) => Elementary<Var<T>, T>.Sinh(x);

    /// <inheritdoc/>
    public static Var<T> Cosh(Var<T> x) => Elementary<Var<T>, T>.Cosh(x);

    /// <inheritdoc/>
    public static Var<T> Tanh(Var<T> x) => Elementary<Var<T>, T>.Tanh(x);

    /// <inheritdoc/>
    public static Var<T> Asinh(Var<T> x) => Elementary<Var<T>, T>.Asinh(x);

    /// <inheritdoc/>
    public static Var<T> Acosh(Var<T> x) => Elementary<Var<T>, T>.Acosh(x);

    /// <inheritdoc/>
    public static Var<T> Atanh(Var<T> x) => Elementary<Var<T>, T>.Atanh(x);

    /// <inheritdoc/>
    public static Var<T> SinPi(Var<T> x) => Elementary<Var<T>, T>.SinCosPi(x).SinPi;

    /// <inheritdoc/>
    public static Var<T> CosPi(Var<T> x) => Elementary<Var<T>, T>.SinCosPi(x).CosPi;

    /// <inheritdoc/>
    public static (Var<T> Sin, Var<T> Cos) SinCos(Var<T> x) => Elementary<Var<T>, T>.SinCos(x);

    /// <inheritdoc/>
    public static (Var<T> SinPi, Var<T> CosPi) SinCosPi(Var<T> x) => Elementary<Var<T>, T>.SinCosPi(x);

    /// <inheritdoc/>
    public static Var<T> Max(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.Max(x, y);

    /// <inheritdoc/>
    public static Var<T> Min(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.Min(x, y);

    /// <inheritdoc/>
    public static Var<T> MaxNumber(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.MaxNumber(x, y);

    /// <inheritdoc/>
    public static Var<T> MinNumber(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.MinNumber(x, y);

    /// <inheritdoc/>
    public static Var<T> MaxMagnitude(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.MaxMagnitude(x, y);

    /// <inheritdoc/>
    public static Var<T> MinMagnitude(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.MinMagnitude(x, y);

    /// <inheritdoc/>
    public static Var<T> MaxMagnitudeNumber(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.MaxMagnitudeNumber(x, y);

    /// <inheritdoc/>
    public static Var<T> MinMagnitudeNumber(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.MinMagnitudeNumber(x, y);

    /// <inheritdoc/>
    public static Var<T> Hypot(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.Hypot(x, y);

    /// <inheritdoc/>
    public static Var<T> Log(Var<T> x, Var<T> newBase) => Elementary<Var<T>, T>.Log(x, newBase);

    /// <inheritdoc/>
    public static Var<T> Pow(Var<T> x, Var<T> y) => Elementary<Var<T>, T>.Pow(x, y);

    /// <inheritdoc/>
    public static Var<T> RootN(Var<T> x, int n) => Elementary<Var<T>, T>.RootN(x, n);

    /// <inheritdoc/>
    public static Var<T> Atan2(Var<T> y, Var<T> x) => Elementary<Var<T>, T>.Atan2(y, x);

    /// <inheritdoc/>
    public static Var<T> Atan2Pi(Var<T> y, Var<T> x) => Elementary<Var<T>, T>.Atan2Pi(y, x);

    /// <inheritdoc/>
    public static Var<T> Ieee754Remainder(Var<T> left, Var<T> right) => Elementary<Var<T>, T>.Ieee754Remainder(left, right);

    /// <inheritdoc/>
    public static Var<T> FusedMultiplyAdd(Var<T> left, Var<T> right, Var<T> addend) => Elementary<Var<T>, T>.FusedMultiplyAdd(left, right, addend);

    /// <inheritdoc/>
    public static Var<T> ScaleB(Var<T> x, int n) => Elementary<Var<T>, T>.ScaleB(x, n);

    /// <inheritdoc/>
    public static Var<T> Clamp(Var<T> value, Var<T> min, Var<T> max) => Elementary<Var<T>, T>.Clamp(value, min, max);

    /// <inheritdoc/>
    public static Var<T> CopySign(Var<T> value, Var<T> sign) => Elementary<Var<T>, T>.CopySign(value, sign);

    /// <inheritdoc/>
    public static Var<T> Floor(Var<T> x) => Constant(T.Floor(x.Value));

    /// <inheritdoc/>
    public static Var<T> Ceiling(Var<T> x) => Constant(T.Ceiling(x.Value));

    /// <inheritdoc/>
    public static Var<T> Round(Var<T> x) => Constant(T.Round(x.Value));

    /// <inheritdoc/>
    public static Var<T> Truncate(Var<T> x) => Constant(T.Truncate(x.Value));

    /// <inheritdoc/>
    public static bool IsNaN(Var<T> value) => T.IsNaN(value.Value);

    /// <inheritdoc/>
    public static bool IsFinite(Var<T> value) => T.IsFinite(value.Value);

    /// <inheritdoc/>
    public static bool IsInfinity(Var<T> value) => T.IsInfinity(value.Value);

    /// <inheritdoc/>
    public static bool IsNegative(Var<T> value) => T.IsNegative(value.Value);

    /// <inheritdoc/>
    public static bool IsZero(Var<T> value) => T.IsZero(value.Value);

    /// <inheritdoc/>
    public static Var<T> operator %(Var<T> left, Var<T> right) => Elementary<Var<T>, T>.Modulo(left, right);

    /// <inheritdoc/>
    public static Var<T> operator ++(Var<T> value) => Chain(value, value.Value + T.One, T.One);

    /// <inheritdoc/>
    public static Var<T> operator --(Var<T> value) => Chain(value, value.Value - T.One, T.One);

    /// <inheritdoc/>
    public static Var<T> operator +(Var<T> value) => value;

    /// <inheritdoc/>
    public static bool operator ==(Var<T> left, Var<T> right) => left.Value == right.Value;

    /// <inheritdoc/>
    public static bool operator !=(Var<T> left, Var<T> right) => left.Value != right.Value;

    /// <inheritdoc/>
    public static bool operator <(Var<T> left, Var<T> right) => left.Value < right.Value;

    /// <inheritdoc/>
    public static bool operator <=(Var<T> left, Var<T> right) => left.Value <= right.Value;

    /// <inheritdoc/>
    public static bool operator >(Var<T> left, Var<T> right) => left.Value > right.Value;

    /// <inheritdoc/>
    public static bool operator >=(Var<T> left, Var<T> right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(Var<T> other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Var<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => Value.ToString(format, formatProvider);

    /// <summary>−1, 0 or 1, as F#'s sign asks.</summary>
    public int Sign => T.Sign(Value);

    Var<T> ISpecialFunctions<Var<T>>.Erf() => SpecialRules<Var<T>, T>.Erf(this);

    Var<T> ISpecialFunctions<Var<T>>.Erfc() => SpecialRules<Var<T>, T>.Erfc(this);

    Var<T> ISpecialFunctions<Var<T>>.Sigmoid() => SpecialRules<Var<T>, T>.Sigmoid(this);

    Var<T> ISpecialFunctions<Var<T>>.Ndtr() => SpecialRules<Var<T>, T>.Ndtr(this);
}
