using System.Runtime.CompilerServices;

namespace Diff.Kernels;

// Steps, and what is made of exponentials, logarithms and roots. Bounds in ulp, measured by VectorMathTests:
// Sinh, Cosh, Asinh, Acosh, Atanh 5, Logaddexp 4 beside its zeros, Hypot 2, the others 1.
internal static partial class VectorMath
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Floor<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Floor(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Ceil<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Neg(S.Floor(S.Neg(x)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Trunc<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => CopySign<T, V, S>(S.Floor(S.Abs(x)), x);

    /// <summary>Halves to even.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Round<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // Added to a power of two from which on numbers are integers, the sum is rounded to one.
        V a = S.Abs(x), large = S.Constant(typeof(T) == typeof(float) ? 8388608 : 4503599627370496);
        return S.Select(S.Less(a, large), CopySign<T, V, S>(S.Sub(S.Add(a, large), large), x), x);
    }

    /// <summary>1 - x², where numbers are multiplied and added at once within 1/2 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V OneMinusSquare<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> =>
        IsFused ? S.MultiplyAdd(S.Neg(x), x, 1) : S.Mul(S.Sub(S.Constant(1), x), S.Add(S.Constant(1), x));

    /// <summary>The power of two s for a divisor r with which 1/(r·s) is a normal number and x·(1/(r·s)) overflows only where x/r does.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V DivisorScale<T, V, S>(V r) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        V a = S.Abs(r), up = S.Constant(single ? 1.8446744073709552e19 : 3.402823669209385e38), down = S.Constant(single ? 5.421010862427522e-20 : 2.938735877055719e-39);
        V small = S.Less(a, S.Constant(single ? 7.888609052210118e-31 : 1.1830521861667747e-271)), large = S.Less(S.Constant(single ? 1.2676506002282294e30 : 8.452712498170644e270), a);
        return S.Select(small, up, S.Select(large, down, S.Constant(1)));
    }

    // e^a/2 for a >= 20, also where e^a overflows.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V HalfExp<T, V, S>(V a) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V half = S.Constant(0.5), root = Exp<T, V, S>(S.Mul(a, half));
        return S.Mul(S.Mul(half, root), root);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sinh<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), limit = S.Constant(20), e = Expm1<T, V, S>(S.AtMost(a, limit));
        V small = S.Mul(S.Constant(0.5), S.Add(e, S.Div(e, S.Add(e, S.Constant(1)))));
        // So small a number that its half rounds is its own value.
        small = S.Select(S.Less(a, S.Constant(typeof(T) == typeof(float) ? 1e-30 : 1e-300)), a, small);
        return CopySign<T, V, S>(S.Abs(S.Select(S.Less(a, limit), small, HalfExp<T, V, S>(a))), x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Cosh<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), limit = S.Constant(20), e = Exp<T, V, S>(S.AtMost(a, limit));
        V small = S.Mul(S.Constant(0.5), S.Add(e, S.Div(S.Constant(1), e)));
        return S.Select(S.Less(a, limit), small, HalfExp<T, V, S>(a));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Atanh<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), y = Log1p<T, V, S>(S.Div(S.Add(a, a), S.Sub(S.Constant(1), a)));
        y = S.Select(S.Less(a, S.Constant(typeof(T) == typeof(float) ? 1e-30 : 1e-300)), a, S.Mul(S.Constant(0.5), y));
        y = S.Select(S.LessEqual(a, S.Constant(1)), y, S.Constant(double.NaN));
        return CopySign<T, V, S>(S.Abs(y), x);
    }

    // log(2a) for large a.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V LogOfTwice<T, V, S>(V a)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Add(Log<T, V, S>(a), S.Constant(0.69314718055994531));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Asinh<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), one = S.Constant(1), limit = S.Constant(1e8), b = S.AtMost(a, limit), square = S.Mul(b, b);
        V y = Log1p<T, V, S>(S.Add(b, S.Div(square, S.Add(one, S.Sqrt(S.Add(one, square))))));
        return CopySign<T, V, S>(S.Abs(S.Select(S.Less(a, limit), y, LogOfTwice<T, V, S>(a))), x);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Acosh<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V limit = S.Constant(1e8), t = S.Sub(S.AtMost(x, limit), S.Constant(1));
        V y = Log1p<T, V, S>(S.Add(t, S.Sqrt(S.Mul(t, S.Add(t, S.Constant(2))))));
        y = S.Select(S.Less(x, limit), y, LogOfTwice<T, V, S>(x));
        return S.Select(S.Less(x, S.Constant(1)), S.Constant(double.NaN), y);
    }

    /// <summary>log(e^x + e^y).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Logaddexp<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // Softplus of the difference, which is 0 for equal infinities.
        V largest = S.Max(x, y), difference = S.Select(S.Equal(x, y), S.Constant(0), S.Sub(S.Min(x, y), largest));
        return S.Add(largest, Softplus<T, V, S>(difference));
    }

    /// <summary>√(x² + y²) without overflow or underflow of the squares.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Hypot<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), b = S.Abs(y), zero = S.Constant(0), infinite = S.Constant(double.PositiveInfinity);
        V large = S.Max(a, b), ratio = S.Div(S.Min(a, b), S.Select(S.Equal(large, zero), S.Constant(1), large));
        V h = S.Mul(large, S.Sqrt(S.MultiplyAdd(ratio, ratio, 1)));
        return S.Select(S.Or(S.Equal(a, infinite), S.Equal(b, infinite)), infinite, h);
    }
}
