using System.Globalization;
using System.Numerics;

namespace Diff;

/// <summary>
/// A number that carries derivatives: a value of type <typeparamref name="T"/> and how it depends on the variables. Comparisons and tests look at
/// the value; <c>Equals</c> also at the derivatives. Converting to a plain type, formatting and rounding drop the derivatives.
/// </summary>
/// <typeparam name="TSelf">The type itself.</typeparam>
/// <typeparam name="T">The type of values and derivatives; itself one that carries derivatives for higher orders.</typeparam>
public interface IDifferentiable<TSelf, T> : IFloatingPointIeee754<TSelf>
    where TSelf : struct, IDifferentiable<TSelf, T>
    where T : IFloatingPointIeee754<T>
{
    /// <summary>The value without derivatives.</summary>
    T Value { get; }

    /// <summary>A number that depends on no variable.</summary>
    /// <param name="value">Its value.</param>
    static abstract TSelf Constant(T value);

    /// <summary>A function of one number, by the chain rule.</summary>
    /// <param name="x">The argument.</param>
    /// <param name="value">The value of the function.</param>
    /// <param name="dx">Its derivative at x.</param>
    static abstract TSelf Chain(TSelf x, T value, T dx);

    /// <summary>A function of two numbers, by the chain rule.</summary>
    /// <param name="x">The first argument.</param>
    /// <param name="y">The second argument.</param>
    /// <param name="value">The value of the function.</param>
    /// <param name="dx">Its derivative with respect to x.</param>
    /// <param name="dy">Its derivative with respect to y.</param>
    static abstract TSelf Chain(TSelf x, TSelf y, T value, T dx, T dy);

    /// <inheritdoc/>
    static TSelf INumberBase<TSelf>.One => TSelf.Constant(T.One);

    /// <inheritdoc/>
    static TSelf INumberBase<TSelf>.Zero => TSelf.Constant(T.Zero);

    /// <inheritdoc/>
    static int INumberBase<TSelf>.Radix => T.Radix;

    /// <inheritdoc/>
    static TSelf IAdditiveIdentity<TSelf, TSelf>.AdditiveIdentity => TSelf.Constant(T.Zero);

    /// <inheritdoc/>
    static TSelf IMultiplicativeIdentity<TSelf, TSelf>.MultiplicativeIdentity => TSelf.Constant(T.One);

    /// <inheritdoc/>
    static TSelf ISignedNumber<TSelf>.NegativeOne => TSelf.Constant(T.NegativeOne);

    /// <inheritdoc/>
    static TSelf IFloatingPointConstants<TSelf>.E => TSelf.Constant(T.E);

    /// <inheritdoc/>
    static TSelf IFloatingPointConstants<TSelf>.Pi => TSelf.Constant(T.Pi);

    /// <inheritdoc/>
    static TSelf IFloatingPointConstants<TSelf>.Tau => TSelf.Constant(T.Tau);

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.Epsilon => TSelf.Constant(T.Epsilon);

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.NaN => TSelf.Constant(T.NaN);

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.NegativeInfinity => TSelf.Constant(T.NegativeInfinity);

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.NegativeZero => TSelf.Constant(T.NegativeZero);

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.PositiveInfinity => TSelf.Constant(T.PositiveInfinity);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsCanonical(TSelf value) => T.IsCanonical(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsComplexNumber(TSelf value) => T.IsComplexNumber(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsEvenInteger(TSelf value) => T.IsEvenInteger(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsFinite(TSelf value) => T.IsFinite(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsImaginaryNumber(TSelf value) => T.IsImaginaryNumber(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsInfinity(TSelf value) => T.IsInfinity(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsInteger(TSelf value) => T.IsInteger(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsNaN(TSelf value) => T.IsNaN(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsNegative(TSelf value) => T.IsNegative(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsNegativeInfinity(TSelf value) => T.IsNegativeInfinity(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsNormal(TSelf value) => T.IsNormal(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsOddInteger(TSelf value) => T.IsOddInteger(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsPositive(TSelf value) => T.IsPositive(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsPositiveInfinity(TSelf value) => T.IsPositiveInfinity(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsRealNumber(TSelf value) => T.IsRealNumber(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsSubnormal(TSelf value) => T.IsSubnormal(value.Value);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.IsZero(TSelf value) => T.IsZero(value.Value);

    /// <inheritdoc/>
    static int INumber<TSelf>.Sign(TSelf value) => T.Sign(value.Value);

    /// <inheritdoc/>
    static TSelf IFloatingPoint<TSelf>.Round(TSelf x, int digits, MidpointRounding mode) => TSelf.Constant(T.Round(x.Value, digits, mode));

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.BitDecrement(TSelf x) => TSelf.Chain(x, T.BitDecrement(x.Value), T.One);

    /// <inheritdoc/>
    static TSelf IFloatingPointIeee754<TSelf>.BitIncrement(TSelf x) => TSelf.Chain(x, T.BitIncrement(x.Value), T.One);

    /// <inheritdoc/>
    static int IFloatingPointIeee754<TSelf>.ILogB(TSelf x) => T.ILogB(x.Value);

    /// <inheritdoc/>
    int IFloatingPoint<TSelf>.GetExponentByteCount() => Value.GetExponentByteCount();

    /// <inheritdoc/>
    int IFloatingPoint<TSelf>.GetExponentShortestBitLength() => Value.GetExponentShortestBitLength();

    /// <inheritdoc/>
    int IFloatingPoint<TSelf>.GetSignificandBitLength() => Value.GetSignificandBitLength();

    /// <inheritdoc/>
    int IFloatingPoint<TSelf>.GetSignificandByteCount() => Value.GetSignificandByteCount();

    /// <inheritdoc/>
    bool IFloatingPoint<TSelf>.TryWriteExponentBigEndian(Span<byte> destination, out int bytesWritten) =>
        Value.TryWriteExponentBigEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    bool IFloatingPoint<TSelf>.TryWriteExponentLittleEndian(Span<byte> destination, out int bytesWritten) =>
        Value.TryWriteExponentLittleEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    bool IFloatingPoint<TSelf>.TryWriteSignificandBigEndian(Span<byte> destination, out int bytesWritten) =>
        Value.TryWriteSignificandBigEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    bool IFloatingPoint<TSelf>.TryWriteSignificandLittleEndian(Span<byte> destination, out int bytesWritten) =>
        Value.TryWriteSignificandLittleEndian(destination, out bytesWritten);

    /// <inheritdoc/>
    string IFormattable.ToString(string? format, IFormatProvider? formatProvider) => Value.ToString(format, formatProvider);

    /// <inheritdoc/>
    bool ISpanFormattable.TryFormat(Span<char> destination, out int charsWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Value.TryFormat(destination, out charsWritten, format, provider);

    /// <inheritdoc/>
    bool IUtf8SpanFormattable.TryFormat(Span<byte> utf8Destination, out int bytesWritten, ReadOnlySpan<char> format, IFormatProvider? provider) =>
        Value.TryFormat(utf8Destination, out bytesWritten, format, provider);

    /// <inheritdoc/>
    int IComparable.CompareTo(object? obj) => obj switch
    {
        null => 1,
        TSelf other => Value.CompareTo(other.Value),
        _ => throw new ArgumentException($"CompareTo: expected {typeof(TSelf)}, got {obj.GetType()}", nameof(obj)),
    };

    /// <inheritdoc/>
    static TSelf INumberBase<TSelf>.Parse(string s, NumberStyles style, IFormatProvider? provider) => TSelf.Constant(T.Parse(s, style, provider));

    /// <inheritdoc/>
    static TSelf INumberBase<TSelf>.Parse(ReadOnlySpan<char> s, NumberStyles style, IFormatProvider? provider) => TSelf.Constant(T.Parse(s, style, provider));

    /// <inheritdoc/>
    static TSelf IParsable<TSelf>.Parse(string s, IFormatProvider? provider) => TSelf.Constant(T.Parse(s, provider));

    /// <inheritdoc/>
    static TSelf ISpanParsable<TSelf>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => TSelf.Constant(T.Parse(s, provider));

    /// <inheritdoc/>
    static TSelf IUtf8SpanParsable<TSelf>.Parse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider) => TSelf.Constant(T.Parse(utf8Text, provider));

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryParse(string? s, NumberStyles style, IFormatProvider? provider, out TSelf result) =>
        Parsed(T.TryParse(s, style, provider, out var value), value, out result);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryParse(ReadOnlySpan<char> s, NumberStyles style, IFormatProvider? provider, out TSelf result) =>
        Parsed(T.TryParse(s, style, provider, out var value), value, out result);

    /// <inheritdoc/>
    static bool IParsable<TSelf>.TryParse(string? s, IFormatProvider? provider, out TSelf result) =>
        Parsed(T.TryParse(s, provider, out var value), value, out result);

    /// <inheritdoc/>
    static bool ISpanParsable<TSelf>.TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out TSelf result) =>
        Parsed(T.TryParse(s, provider, out var value), value, out result);

    /// <inheritdoc/>
    static bool IUtf8SpanParsable<TSelf>.TryParse(ReadOnlySpan<byte> utf8Text, IFormatProvider? provider, out TSelf result) =>
        Parsed(T.TryParse(utf8Text, provider, out var value), value, out result);

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryConvertFromChecked<TOther>(TOther value, out TSelf result)
    {
        result = TSelf.Constant(T.CreateChecked(value));
        return true;
    }

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryConvertFromSaturating<TOther>(TOther value, out TSelf result)
    {
        result = TSelf.Constant(T.CreateSaturating(value));
        return true;
    }

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryConvertFromTruncating<TOther>(TOther value, out TSelf result)
    {
        result = TSelf.Constant(T.CreateTruncating(value));
        return true;
    }

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryConvertToChecked<TOther>(TSelf value, out TOther result)
    {
        result = TOther.CreateChecked(value.Value);
        return true;
    }

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryConvertToSaturating<TOther>(TSelf value, out TOther result)
    {
        result = TOther.CreateSaturating(value.Value);
        return true;
    }

    /// <inheritdoc/>
    static bool INumberBase<TSelf>.TryConvertToTruncating<TOther>(TSelf value, out TOther result)
    {
        result = TOther.CreateTruncating(value.Value);
        return true;
    }

    private static bool Parsed(bool isNumber, T? value, out TSelf result)
    {
        result = isNumber ? TSelf.Constant(value!) : default;
        return isNumber;
    }
}
