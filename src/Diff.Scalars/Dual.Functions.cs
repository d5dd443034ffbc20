using System.Numerics;

namespace Diff;

// The functions of numbers, as public members so that C# finds Dual.Exp(x) and F# exp x.
public readonly partial struct Dual<T>
{
    /// <summary>0.</summary>
    public static Dual<T> Zero => Constant(T.Zero);

    /// <summary>1.</summary>
    public static Dual<T> One => Constant(T.One);

    // Also for speed: what stands in the interface is not inlined.
    static bool INumberBase<Dual<T>>.TryConvertFromChecked<TOther>(TOther value, out Dual<T> result)
    {
        result = Constant(T.CreateChecked(value));
        return true;
    }

    /// <inheritdoc/>
    public static Dual<T> Abs(Dual<T> x) => Elementary<Dual<T>, T>.Abs(x);

    /// <inheritdoc/>
    public static Dual<T> Sqrt(Dual<T> x) => Elementary<Dual<T>, T>.Sqrt(x);

    /// <inheritdoc/>
    public static Dual<T> Cbrt(Dual<T> x) => Elementary<Dual<T>, T>.Cbrt(x);

    /// <inheritdoc/>
    public static Dual<T> Exp(Dual<T> x) => Elementary<Dual<T>, T>.Exp(x);

    /// <inheritdoc/>
    public static Dual<T> Exp2(Dual<T> x) => Elementary<Dual<T>, T>.Exp2(x);

    /// <inheritdoc/>
    public static Dual<T> Exp10(Dual<T> x) => Elementary<Dual<T>, T>.Exp10(x);

    /// <inheritdoc/>
    public static Dual<T> ExpM1(Dual<T> x) => Elementary<Dual<T>, T>.ExpM1(x);

    /// <inheritdoc/>
    public static Dual<T> Exp2M1(Dual<T> x) => Elementary<Dual<T>, T>.Exp2M1(x);

    /// <inheritdoc/>
    public static Dual<T> Exp10M1(Dual<T> x) => Elementary<Dual<T>, T>.Exp10M1(x);

    /// <inheritdoc/>
    public static Dual<T> Log(Dual<T> x) => Elementary<Dual<T>, T>.Log(x);

    /// <inheritdoc/>
    public static Dual<T> Log2(Dual<T> x) => Elementary<Dual<T>, T>.Log2(x);

    /// <inheritdoc/>
    public static Dual<T> Log10(Dual<T> x) => Elementary<Dual<T>, T>.Log10(x);

    /// <inheritdoc/>
    public static Dual<T> LogP1(Dual<T> x) => Elementary<Dual<T>, T>.LogP1(x);

    /// <inheritdoc/>
    public static Dual<T> Log2P1(Dual<T> x) => Elementary<Dual<T>, T>.Log2P1(x);

    /// <inheritdoc/>
    public static Dual<T> Log10P1(Dual<T> x) => Elementary<Dual<T>, T>.Log10P1(x);

    /// <inheritdoc/>
    public static Dual<T> Sin(Dual<T> x) => Elementary<Dual<T>, T>.Sin(x);

    /// <inheritdoc/>
    public static Dual<T> Cos(Dual<T> x) => Elementary<Dual<T>, T>.Cos(x);

    /// <inheritdoc/>
    public static Dual<T> Tan(Dual<T> x) => Elementary<Dual<T>, T>.Tan(x);

    /// <inheritdoc/>
    public static Dual<T> TanPi(Dual<T> x) => Elementary<Dual<T>, T>.TanPi(x);

    /// <inheritdoc/>
    public static Dual<T> Asin(Dual<T> x) => Elementary<Dual<T>, T>.Asin(x);

    /// <inheritdoc/>
    public static Dual<T> AsinPi(Dual<T> x) => Elementary<Dual<T>, T>.AsinPi(x);

    /// <inheritdoc/>
    public static Dual<T> Acos(Dual<T> x) => Elementary<Dual<T>, T>.Acos(x);

    /// <inheritdoc/>
    public static Dual<T> AcosPi(Dual<T> x) => Elementary<Dual<T>, T>.AcosPi(x);

    /// <inheritdoc/>
    public static Dual<T> Atan(Dual<T> x) => Elementary<Dual<T>, T>.Atan(x);

    /// <inheritdoc/>
    public static Dual<T> AtanPi(Dual<T> x) => Elementary<Dual<T>, T>.AtanPi(x);

    /// <inheritdoc/>
    public static Dual<T> Sinh(Dual<T> x) => Elementary<Dual<T>, T>.Sinh(x);

    /// <inheritdoc/>
    public static Dual<T> Cosh(Dual<T> x) => Elementary<Dual<T>, T>.Cosh(x);

    /// <inheritdoc/>
    public static Dual<T> Tanh(Dual<T> x) => Elementary<Dual<T>, T>.Tanh(x);

    /// <inheritdoc/>
    public static Dual<T> Asinh(Dual<T> x) => Elementary<Dual<T>, T>.Asinh(x);

    /// <inheritdoc/>
    public static Dual<T> Acosh(Dual<T> x) => Elementary<Dual<T>, T>.Acosh(x);

    /// <inheritdoc/>
    public static Dual<T> Atanh(Dual<T> x) => Elementary<Dual<T>, T>.Atanh(x);

    /// <inheritdoc/>
    public static Dual<T> SinPi(Dual<T> x) => Elementary<Dual<T>, T>.SinCosPi(x).SinPi;

    /// <inheritdoc/>
    public static Dual<T> CosPi(Dual<T> x) => Elementary<Dual<T>, T>.SinCosPi(x).CosPi;

    /// <inheritdoc/>
    public static (Dual<T> Sin, Dual<T> Cos) SinCos(Dual<T> x) => Elementary<Dual<T>, T>.SinCos(x);

    /// <inheritdoc/>
    public static (Dual<T> SinPi, Dual<T> CosPi) SinCosPi(Dual<T> x) => Elementary<Dual<T>, T>.SinCosPi(x);

    /// <inheritdoc/>
    public static Dual<T> Max(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.Max(x, y);

    /// <inheritdoc/>
    public static Dual<T> Min(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.Min(x, y);

    /// <inheritdoc/>
    public static Dual<T> MaxNumber(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.MaxNumber(x, y);

    /// <inheritdoc/>
    public static Dual<T> MinNumber(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.MinNumber(x, y);

    /// <inheritdoc/>
    public static Dual<T> MaxMagnitude(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.MaxMagnitude(x, y);

    /// <inheritdoc/>
    public static Dual<T> MinMagnitude(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.MinMagnitude(x, y);

    /// <inheritdoc/>
    public static Dual<T> MaxMagnitudeNumber(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.MaxMagnitudeNumber(x, y);

    /// <inheritdoc/>
    public static Dual<T> MinMagnitudeNumber(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.MinMagnitudeNumber(x, y);

    /// <inheritdoc/>
    public static Dual<T> Hypot(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.Hypot(x, y);

    /// <inheritdoc/>
    public static Dual<T> Log(Dual<T> x, Dual<T> newBase) => Elementary<Dual<T>, T>.Log(x, newBase);

    /// <inheritdoc/>
    public static Dual<T> Pow(Dual<T> x, Dual<T> y) => Elementary<Dual<T>, T>.Pow(x, y);

    /// <inheritdoc/>
    public static Dual<T> RootN(Dual<T> x, int n) => Elementary<Dual<T>, T>.RootN(x, n);

    /// <inheritdoc/>
    public static Dual<T> Atan2(Dual<T> y, Dual<T> x) => Elementary<Dual<T>, T>.Atan2(y, x);

    /// <inheritdoc/>
    public static Dual<T> Atan2Pi(Dual<T> y, Dual<T> x) => Elementary<Dual<T>, T>.Atan2Pi(y, x);

    /// <inheritdoc/>
    public static Dual<T> Ieee754Remainder(Dual<T> left, Dual<T> right) => Elementary<Dual<T>, T>.Ieee754Remainder(left, right);

    /// <inheritdoc/>
    public static Dual<T> FusedMultiplyAdd(Dual<T> left, Dual<T> right, Dual<T> addend) => Elementary<Dual<T>, T>.FusedMultiplyAdd(left, right, addend);

    /// <inheritdoc/>
    public static Dual<T> ScaleB(Dual<T> x, int n) => Elementary<Dual<T>, T>.ScaleB(x, n);

    /// <inheritdoc/>
    public static Dual<T> Clamp(Dual<T> value, Dual<T> min, Dual<T> max) => Elementary<Dual<T>, T>.Clamp(value, min, max);

    /// <inheritdoc/>
    public static Dual<T> CopySign(Dual<T> value, Dual<T> sign) => Elementary<Dual<T>, T>.CopySign(value, sign);

    /// <inheritdoc/>
    public static Dual<T> Floor(Dual<T> x) => Constant(T.Floor(x.Value));

    /// <inheritdoc/>
    public static Dual<T> Ceiling(Dual<T> x) => Constant(T.Ceiling(x.Value));

    /// <inheritdoc/>
    public static Dual<T> Round(Dual<T> x) => Constant(T.Round(x.Value));

    /// <inheritdoc/>
    public static Dual<T> Truncate(Dual<T> x) => Constant(T.Truncate(x.Value));

    /// <inheritdoc/>
    public static bool IsNaN(Dual<T> value) => T.IsNaN(value.Value);

    /// <inheritdoc/>
    public static bool IsFinite(Dual<T> value) => T.IsFinite(value.Value);

    /// <inheritdoc/>
    public static bool IsInfinity(Dual<T> value) => T.IsInfinity(value.Value);

    /// <inheritdoc/>
    public static bool IsNegative(Dual<T> value) => T.IsNegative(value.Value);

    /// <inheritdoc/>
    public static bool IsZero(Dual<T> value) => T.IsZero(value.Value);

    /// <inheritdoc/>
    public static Dual<T> operator %(Dual<T> left, Dual<T> right) => Elementary<Dual<T>, T>.Modulo(left, right);

    /// <inheritdoc/>
    public static Dual<T> operator ++(Dual<T> value) => Chain(value, value.Value + T.One, T.One);

    /// <inheritdoc/>
    public static Dual<T> operator --(Dual<T> value) => Chain(value, value.Value - T.One, T.One);

    /// <inheritdoc/>
    public static Dual<T> operator +(Dual<T> value) => value;

    /// <inheritdoc/>
    public static bool operator ==(Dual<T> left, Dual<T> right) => left.Value == right.Value;

    /// <inheritdoc/>
    public static bool operator !=(Dual<T> left, Dual<T> right) => left.Value != right.Value;

    /// <inheritdoc/>
    public static bool operator <(Dual<T> left, Dual<T> right) => left.Value < right.Value;

    /// <inheritdoc/>
    public static bool operator <=(Dual<T> left, Dual<T> right) => left.Value <= right.Value;

    /// <inheritdoc/>
    public static bool operator >(Dual<T> left, Dual<T> right) => left.Value > right.Value;

    /// <inheritdoc/>
    public static bool operator >=(Dual<T> left, Dual<T> right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(Dual<T> other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Dual<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => Value.ToString(format, formatProvider);

    /// <summary>−1, 0 or 1, as F#'s sign asks.</summary>
    public int Sign => T.Sign(Value);

    Dual<T> ISpecialFunctions<Dual<T>>.Erf() => SpecialRules<Dual<T>, T>.Erf(this);

    Dual<T> ISpecialFunctions<Dual<T>>.Erfc() => SpecialRules<Dual<T>, T>.Erfc(this);

    Dual<T> ISpecialFunctions<Dual<T>>.Sigmoid() => SpecialRules<Dual<T>, T>.Sigmoid(this);

    Dual<T> ISpecialFunctions<Dual<T>>.Ndtr() => SpecialRules<Dual<T>, T>.Ndtr(this);
}
