using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

internal static partial class VectorMath
{
    // e^x = 2^n·e^r with n = round(x/ln 2) and |r| <= ln(2)/2 (Cody and Waite 1980); e^r - 1 = r + r²·q(r), q minimax for e^r - 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Reduce<T, V, S>(V x, out V n) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        if (typeof(T) == typeof(float))
        {
            n = S.Sub(S.MultiplyAdd(x, S.Constant(1.4426950408889634), Shift32), S.Constant(Shift32));
            return S.MultiplyAdd(n, S.Constant(-Ln2Low32), S.MultiplyAdd(n, S.Constant(-Ln2High32), x));
        }
        n = S.Sub(S.MultiplyAdd(x, S.Constant(1.4426950408889634), Shift64), S.Constant(Shift64));
        return S.MultiplyAdd(n, S.Constant(-Ln2Low64), S.MultiplyAdd(n, S.Constant(-Ln2High64), x));
    }

    // e^r - 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ReducedExpm1<T, V, S>(V r) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V q = typeof(T) == typeof(float)
            ? Poly<T, V, S>(r, 0.5, 0.16666548, 0.0416668467, 0.00836613122, 0.00138990057)
            : Poly<T, V, S>(r, 0.5000000000000006, 0.16666666666666585, 0.041666666666573184, 0.008333333333391799, 0.001388888893283202,
                0.00019841269715338108, 2.4801503656892365e-05, 2.7557409327999057e-06, 2.7626712344521896e-07, 2.505377467109649e-08);
        return S.MultiplyAdd(S.Mul(r, r), q, r);
    }

    // For x from -104 to 89 (float), -746 to 710 (double), and NaN.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V BoundedExp<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V r = Reduce<T, V, S>(x, out V n);
        return S.Scale(S.Add(ReducedExpm1<T, V, S>(r), S.Constant(1)), n);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ExpOfMinus<T, V, S>(V a) where T : unmanaged where V : struct where S : struct, ISimd<T, V> =>
        BoundedExp<T, V, S>(S.Neg(S.AtMost(a, S.Constant(typeof(T) == typeof(float) ? 104 : 746))));

    /// <summary>Within 1 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V bounded = typeof(T) == typeof(float)
            ? S.AtMost(S.AtLeast(x, S.Constant(-104)), S.Constant(89))
            : S.AtMost(S.AtLeast(x, S.Constant(-746)), S.Constant(710));
        return BoundedExp<T, V, S>(bounded);
    }

    /// <summary>e^x - 1 within 2 ulp, also near 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Expm1<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // 2^n·(p + (1 - 2^-n)): for n = 0 just p, so that no digit is lost near 0. Below -40 the result is -1.
        V bounded = typeof(T) == typeof(float)
            ? S.AtMost(S.AtLeast(x, S.Constant(-40)), S.Constant(89))
            : S.AtMost(S.AtLeast(x, S.Constant(-40)), S.Constant(710));
        V r = Reduce<T, V, S>(bounded, out V n), p = ReducedExpm1<T, V, S>(r);
        V rest = S.Sub(S.Constant(1), S.Scale(S.Constant(1), S.Neg(n)));
        // The zero's sign.
        return CopySign<T, V, S>(S.Abs(S.Scale(S.Add(p, rest), n)), x);
    }

    /// <summary>Within 3 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tanh<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // E/(E + 2) with E = e^2|x| - 1. Above the bound the result is 1. The exponent's bias rides on the shift, so that n's bits make 2^n.
        bool single = typeof(T) == typeof(float);
        V a = S.AtMost(S.Abs(x), S.Constant(single ? 10 : 20)), shift = S.Constant(single ? Shift32 + 127 : Shift64 + 1023);
        V shifted = S.MultiplyAdd(a, S.Constant(2.8853900817779268), shift), n = S.Sub(shifted, shift);
        V r;
        if (single && IsFused)
        {
            // n is at most 29, and ln 2 is nearer to a float than its last place says: 29 times that distance is less than r's own rounding.
            r = S.MultiplyAdd(n, S.Constant(-0.69314718055994531), S.Add(a, a));
        }
        else
        {
            r = S.MultiplyAdd(n, S.Constant(single ? -Ln2High32 : -Ln2High64), S.Add(a, a));
            r = S.MultiplyAdd(n, S.Constant(single ? -Ln2Low32 : -Ln2Low64), r);
        }
        V p = ReducedExpm1<T, V, S>(r);
        V power = typeof(T) == typeof(float) ? S.ShiftLeft(shifted, 23) : S.ShiftLeft(shifted, 52);
        V e = S.MultiplyAdd(power, p, S.Sub(power, S.Constant(1)));
        return CopySign<T, V, S>(S.Div(e, S.Add(e, S.Constant(2))), x);
    }

    /// <summary>1/(1 + e^-x) within 3 ulp, also where e^-x overflows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // E/(E + 1) with E = e^x, which is 1 from where the 1 is lost on.
        V bounded = typeof(T) == typeof(float)
            ? S.AtMost(S.AtLeast(x, S.Constant(-104)), S.Constant(40))
            : S.AtMost(S.AtLeast(x, S.Constant(-746)), S.Constant(80));
        V e = BoundedExp<T, V, S>(bounded);
        return S.Div(e, S.Add(e, S.Constant(1)));
    }

    /// <summary>log(1 + e^x) within 3 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Softplus<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // log(1 + s) with s = e^-|x|; above 1/2 by 2·(1 + (s - 1)/2).
        V s = ExpOfMinus<T, V, S>(S.Abs(x)), half = S.Constant(0.5), e = S.Floor(S.Add(s, half));
        V log = LogOf1Plus<T, V, S>(S.Select(S.Less(S.Constant(0), e), S.MultiplyAdd(s, half, S.Constant(-0.5)), s), e);
        return S.Add(S.AtLeast(x, S.Constant(0)), log);
    }
}
