using System.Numerics;

namespace Diff;

// The functions of numbers, as public members so that C# finds DualVector.Exp(x) and F# exp x.
public readonly partial struct DualVector
{
    /// <summary>0.</summary>
    public static DualVector Zero => Constant(0);

    /// <summary>1.</summary>
    public static DualVector One => Constant(1);

    // Also for speed: what stands in the interface is not inlined.
    static bool INumberBase<DualVector>.TryConvertFromChecked<TOther>(TOther value, out DualVector result)
    {
        result = Constant(double.CreateChecked(value));
        return true;
    }

    /// <inheritdoc/>
    public static DualVector Abs(DualVector x) => Elementary<DualVector, double>.Abs(x);

    /// <inheritdoc/>
    public static DualVector Sqrt(DualVector x) => Elementary<DualVector, double>.Sqrt(x);

    /// <inheritdoc/>
    public static DualVector Cbrt(DualVector x) => Elementary<DualVector, double>.Cbrt(x);

    /// <inheritdoc/>
    public static DualVector Exp(DualVector x) => Elementary<DualVector, double>.Exp(x);

    /// <inheritdoc/>
    public static DualVector Exp2(DualVector x) => Elementary<DualVector, double>.Exp2(x);

    /// <inheritdoc/>
    public static DualVector Exp10(DualVector x) => Elementary<DualVector, double>.Exp10(x);

    /// <inheritdoc/>
    public static DualVector ExpM1(DualVector x) => Elementary<DualVector, double>.ExpM1(x);

    /// <inheritdoc/>
    public static DualVector Exp2M1(DualVector x) => Elementary<DualVector, double>.Exp2M1(x);

    /// <inheritdoc/>
    public static DualVector Exp10M1(DualVector x) => Elementary<DualVector, double>.Exp10M1(x);

    /// <inheritdoc/>
    public static DualVector Log(DualVector x) => Elementary<DualVector, double>.Log(x);

    /// <inheritdoc/>
    public static DualVector Log2(DualVector x) => Elementary<DualVector, double>.Log2(x);

    /// <inheritdoc/>
    public static DualVector Log10(DualVector x) => Elementary<DualVector, double>.Log10(x);

    /// <inheritdoc/>
    public static DualVector LogP1(DualVector x) => Elementary<DualVector, double>.LogP1(x);

    /// <inheritdoc/>
    public static DualVector Log2P1(DualVector x) => Elementary<DualVector, double>.Log2P1(x);

    /// <inheritdoc/>
    public static DualVector Log10P1(DualVector x) => Elementary<DualVector, double>.Log10P1(x);

    /// <inheritdoc/>
    public static DualVector Sin(DualVector x) => Elementary<DualVector, double>.Sin(x);

    /// <inheritdoc/>
    public static DualVector Cos(DualVector x) => Elementary<DualVector, double>.Cos(x);

    /// <inheritdoc/>
    public static DualVector Tan(DualVector x) => Elementary<DualVector, double>.Tan(x);

    /// <inheritdoc/>
    public static DualVector TanPi(DualVector x) => Elementary<DualVector, double>.TanPi(x);

    /// <inheritdoc/>
    public static DualVector Asin(DualVector x) => Elementary<DualVector, double>.Asin(x);

    /// <inheritdoc/>
    public static DualVector AsinPi(DualVector x) => Elementary<DualVector, double>.AsinPi(x);

    /// <inheritdoc/>
    public static DualVector Acos(DualVector x) => Elementary<DualVector, double>.Acos(x);

    /// <inheritdoc/>
    public static DualVector AcosPi(DualVector x) => Elementary<DualVector, double>.AcosPi(x);

    /// <inheritdoc/>
    public static DualVector Atan(DualVector x) => Elementary<DualVector, double>.Atan(x);

    /// <inheritdoc/>
    public static DualVector AtanPi(DualVector x) => Elementary<DualVector, double>.AtanPi(x);

    /// <inheritdoc/>
    public static DualVector Sinh(DualVector x) => Elementary<DualVector, double>.Sinh(x);

    /// <inheritdoc/>
    public static DualVector Cosh(DualVector x) => Elementary<DualVector, double>.Cosh(x);

    /// <inheritdoc/>
    public static DualVector Tanh(DualVector x) => Elementary<DualVector, double>.Tanh(x);

    /// <inheritdoc/>
    public static DualVector Asinh(DualVector x) => Elementary<DualVector, double>.Asinh(x);

    /// <inheritdoc/>
    public static DualVector Acosh(DualVector x) => Elementary<DualVector, double>.Acosh(x);

    /// <inheritdoc/>
    public static DualVector Atanh(DualVector x) => Elementary<DualVector, double>.Atanh(x);

    /// <inheritdoc/>
    public static DualVector SinPi(DualVector x) => Elementary<DualVector, double>.SinCosPi(x).SinPi;

    /// <inheritdoc/>
    public static DualVector CosPi(DualVector x) => Elementary<DualVector, double>.SinCosPi(x).CosPi;

    /// <inheritdoc/>
    public static (DualVector Sin, DualVector Cos) SinCos(DualVector x) => Elementary<DualVector, double>.SinCos(x);

    /// <inheritdoc/>
    public static (DualVector SinPi, DualVector CosPi) SinCosPi(DualVector x) => Elementary<DualVector, double>.SinCosPi(x);

    /// <inheritdoc/>
    public static DualVector Max(DualVector x, DualVector y) => Elementary<DualVector, double>.Max(x, y);

    /// <inheritdoc/>
    public static DualVector Min(DualVector x, DualVector y) => Elementary<DualVector, double>.Min(x, y);

    /// <inheritdoc/>
    public static DualVector MaxNumber(DualVector x, DualVector y) => Elementary<DualVector, double>.MaxNumber(x, y);

    /// <inheritdoc/>
    public static DualVector MinNumber(DualVector x, DualVector y) => Elementary<DualVector, double>.MinNumber(x, y);

    /// <inheritdoc/>
    public static DualVector MaxMagnitude(DualVector x, DualVector y) => Elementary<DualVector, double>.MaxMagnitude(x, y);

    /// <inheritdoc/>
    public static DualVector MinMagnitude(DualVector x, DualVector y) => Elementary<DualVector, double>.MinMagnitude(x, y);

    /// <inheritdoc/>
    public static DualVector MaxMagnitudeNumber(DualVector x, DualVector y) => Elementary<DualVector, double>.MaxMagnitudeNumber(x, y);

    /// <inheritdoc/>
    public static DualVector MinMagnitudeNumber(DualVector x, DualVector y) => Elementary<DualVector, double>.MinMagnitudeNumber(x, y);

    /// <inheritdoc/>
    public static DualVector Hypot(DualVector x, DualVector y) => Elementary<DualVector, double>.Hypot(x, y);

    /// <inheritdoc/>
    public static DualVector Log(DualVector x, DualVector newBase) => Elementary<DualVector, double>.Log(x, newBase);

    /// <inheritdoc/>
    public static DualVector Pow(DualVector x, DualVector y) => Elementary<DualVector, double>.Pow(x, y);

    /// <inheritdoc/>
    public static DualVector RootN(DualVector x, int n) => Elementary<DualVector, double>.RootN(x, n);

    /// <inheritdoc/>
    public static DualVector Atan2(DualVector y, DualVector x) => Elementary<DualVector, double>.Atan2(y, x);

    /// <inheritdoc/>
    public static DualVector Atan2Pi(DualVector y, DualVector x) => Elementary<DualVector, double>.Atan2Pi(y, x);

    /// <inheritdoc/>
    public static DualVector Ieee754Remainder(DualVector left, DualVector right) => Elementary<DualVector, double>.Ieee754Remainder(left, right);

    /// <inheritdoc/>
    public static DualVector FusedMultiplyAdd(DualVector left, DualVector right, DualVector addend) => Elementary<DualVector, double>.FusedMultiplyAdd(left, right, addend);

    /// <inheritdoc/>
    public static DualVector ScaleB(DualVector x, int n) => Elementary<DualVector, double>.ScaleB(x, n);

    /// <inheritdoc/>
    public static DualVector Clamp(DualVector value, DualVector min, DualVector max) => Elementary<DualVector, double>.Clamp(value, min, max);

    /// <inheritdoc/>
    public static DualVector CopySign(DualVector value, DualVector sign) => Elementary<DualVector, double>.CopySign(value, sign);

    /// <inheritdoc/>
    public static DualVector Floor(DualVector x) => Constant(double.Floor(x.Value));

    /// <inheritdoc/>
    public static DualVector Ceiling(DualVector x) => Constant(double.Ceiling(x.Value));

    /// <inheritdoc/>
    public static DualVector Round(DualVector x) => Constant(double.Round(x.Value));

    /// <inheritdoc/>
    public static DualVector Truncate(DualVector x) => Constant(double.Truncate(x.Value));

    /// <inheritdoc/>
    public static bool IsNaN(DualVector value) => double.IsNaN(value.Value);

    /// <inheritdoc/>
    public static bool IsFinite(DualVector value) => double.IsFinite(value.Value);

    /// <inheritdoc/>
    public static bool IsInfinity(DualVector value) => double.IsInfinity(value.Value);

    /// <inheritdoc/>
    public static bool IsNegative(DualVector value) => double.IsNegative(value.Value);

    /// <inheritdoc/>
    public static bool IsZero(DualVector value) => value.Value == 0;

    /// <inheritdoc/>
    public static DualVector operator %(DualVector left, DualVector right) => Elementary<DualVector, double>.Modulo(left, right);

    /// <inheritdoc/>
    public static DualVector operator ++(DualVector value) => Chain(value, value.Value + 1, 1);

    /// <inheritdoc/>
    public static DualVector operator --(DualVector value) => Chain(value, value.Value - 1, 1);

    /// <inheritdoc/>
    public static DualVector operator +(DualVector value) => value;

    /// <inheritdoc/>
    public static bool operator ==(DualVector left, DualVector right) => left.Value == right.Value;

    /// <inheritdoc/>
    public static bool operator !=(DualVector left, DualVector right) => left.Value != right.Value;

    /// <inheritdoc/>
    public static bool operator <(DualVector left, DualVector right) => left.Value < right.Value;

    /// <inheritdoc/>
    public static bool operator <=(DualVector left, DualVector right) => left.Value <= right.Value;

    /// <inheritdoc/>
    public static bool operator >(DualVector left, DualVector right) => left.Value > right.Value;

    /// <inheritdoc/>
    public static bool operator >=(DualVector left, DualVector right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public int CompareTo(DualVector other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is DualVector other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public string ToString(string? format, IFormatProvider? formatProvider) => Value.ToString(format, formatProvider);

    /// <summary>−1, 0 or 1, as F#'s sign asks.</summary>
    public int Sign => Math.Sign(Value);

    DualVector ISpecialFunctions<DualVector>.Erf() => SpecialRules<DualVector, double>.Erf(this);

    DualVector ISpecialFunctions<DualVector>.Erfc() => SpecialRules<DualVector, double>.Erfc(this);

    DualVector ISpecialFunctions<DualVector>.Sigmoid() => SpecialRules<DualVector, double>.Sigmoid(this);

    DualVector ISpecialFunctions<DualVector>.Ndtr() => SpecialRules<DualVector, double>.Ndtr(this);
}
