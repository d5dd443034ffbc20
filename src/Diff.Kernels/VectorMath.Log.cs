using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

internal static unsafe partial class VectorMath
{
    // log(1 + f) + e·ln 2 for -1/4 <= f <= 1/2. For float f - f²/2 + f³·p(f); for double by s = f/(2 + f), log(1 + f) = 2·artanh(s),
    // as f - f²/2 + s·(f²/2 + R(s²)), where the largest term is exact (Tang 1990).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V LogOf1Plus<T, V, S>(V f, V e) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        if (typeof(T) == typeof(float))
        {
            V square = S.Mul(f, f);
            V p = Poly<T, V, S>(f, 0.3333334, -0.25000164, 0.19999605, -0.16655298, 0.14276218, -0.12727745, 0.11700785, -0.09116578, 0.037675817);
            V y = S.MultiplyAdd(S.Mul(square, f), p, S.Mul(e, S.Constant(Ln2Low32)));
            return S.MultiplyAdd(e, S.Constant(Ln2High32), S.Add(f, S.MultiplyAdd(square, S.Constant(-0.5), y)));
        }
        V s = S.Div(f, S.Add(f, S.Constant(2))), z = S.Mul(s, s), h = S.Mul(S.Mul(f, f), S.Constant(0.5));
        V q = Poly<T, V, S>(z, 0.666666666666666, 0.40000000000056957, 0.2857142855576715, 0.22222224302924617,
            0.18181665508436712, 0.15391123475029186, 0.13173411444977193, 0.13844279990995295);
        V rest = S.MultiplyAdd(s, S.MultiplyAdd(z, q, h), S.Mul(e, S.Constant(Ln2Low64)));
        return S.MultiplyAdd(e, S.Constant(Ln2High64), S.Add(f, S.Sub(rest, h)));
    }

    /// <summary>Within 1 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Log<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V m = S.Split(x, out V e);
        return LogOf1Plus<T, V, S>(S.Sub(m, S.Constant(1)), e);
    }

    /// <summary>log(1 + x) within 2 ulp, also near 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Log1p<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // With u = 1 + x rounded and its error c, 1 + x = 2^e·(m + 2^-e·c). For e = 0 f is x itself.
        V one = S.Constant(1), u = S.Add(x, one), m = S.Split(u, out V e);
        // The error of a sum (Knuth 1969).
        V back = S.Sub(u, one), c = S.Add(S.Sub(one, S.Sub(u, back)), S.Sub(x, back));
        V f = S.MultiplyAdd(S.Scale(one, S.Neg(e)), c, S.Sub(m, one));
        V y = CopySign<T, V, S>(S.Abs(LogOf1Plus<T, V, S>(f, e)), x);
        return S.Select(S.Less(S.Abs(e), S.Constant(double.PositiveInfinity)), y, e);
    }

    // log(a) for a >= 0 in two parts, with 11 bits more than T:
    // 2·artanh(s) = 2s + s³·(2/3 + z·(2/5 + z·q(z))), z = s², all but the inner sum in two parts (Dekker 1971).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V LogInParts<T, V, S>(V a, out V low) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        V m = S.Split(a, out V e), s = ArtanhArgument<T, V, S>(m, out V s1), s2 = S.Add(s, s);
        V g = ArtanhRest<T, V, S>(s, s1, out V g1), l = S.Add(s2, g);
        V l1 = S.Add(S.Add(S.Sub(s2, l), g), S.Add(S.Add(s1, s1), g1));
        V n = S.Mul(e, S.Constant(single ? Ln2High32 : Ln2High64)), high = S.Add(n, l);
        low = S.Add(S.Add(S.Sub(n, high), l), S.MultiplyAdd(e, S.Constant(single ? Ln2Low32 : Ln2Low64), l1));
        return S.Select(S.Less(S.Abs(e), S.Constant(double.PositiveInfinity)), high, e);
    }

    // s = (m - 1)/(m + 1), with one division for both parts.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ArtanhArgument<T, V, S>(V m, out V low) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V one = S.Constant(1), d = S.Add(m, one), reciprocal = S.Div(one, d), f = S.Sub(m, one);
        V s = S.Mul(f, reciprocal), minus = S.Neg(s);
        low = S.Mul(reciprocal, S.MultiplyAdd(minus, S.Sub(m, S.Sub(d, one)), S.MultiplyAdd(minus, d, f)));
        return s;
    }

    // 2·artanh(s) - 2s.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ArtanhRest<T, V, S>(V s, V s1, out V low) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        V z = S.Mul(s, s), z1 = S.MultiplyAdd(S.Add(s, s), s1, S.MultiplyAdd(s, s, S.Neg(z)));
        V q = single
            ? Poly<T, V, S>(z, 0.4, 0.28571868, 0.22176644, 0.19683357)
            : Poly<T, V, S>(z, 0.4, 0.28571428571470425, 0.22222222207442008, 0.18181820259333012, 0.15384462687355727, 0.13339727824141806,
                0.11611456158145335, 0.12464883452865273);
        V t = S.Mul(z, q), third = S.Constant(2.0 / 3), c = S.Add(third, t);
        V c1 = S.Add(S.Add(S.Sub(third, c), t), S.Constant(single ? -1.9868215517249155e-08 : 3.700743415417188e-17));
        V w = S.Mul(s, z), w1 = S.MultiplyAdd(s1, z, S.MultiplyAdd(s, z1, S.MultiplyAdd(s, z, S.Neg(w))));
        V g = S.Mul(w, c);
        low = S.MultiplyAdd(w1, c, S.MultiplyAdd(w, c1, S.MultiplyAdd(w, c, S.Neg(g))));
        return g;
    }

    // e^(y·(high + low)).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ExpOfProduct<T, V, S>(V y, V high, V low) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        V p = S.Mul(y, high), p1 = S.MultiplyAdd(y, low, S.MultiplyAdd(y, high, S.Neg(p)));
        // Where the result is 0 or infinite the low parts can be NaN.
        p1 = S.And(S.Less(S.Abs(p), S.Constant(single ? 120 : 800)), p1);
        p = S.AtMost(S.AtLeast(p, S.Constant(single ? -104 : -746)), S.Constant(single ? 89 : 710));
        V shift = S.Constant(single ? Shift32 : Shift64), n = S.Sub(S.MultiplyAdd(p, S.Constant(1.4426950408889634), shift), shift);
        V r = S.MultiplyAdd(n, S.Constant(single ? -Ln2High32 : -Ln2High64), p);
        r = S.Add(r, S.MultiplyAdd(n, S.Constant(single ? -Ln2Low32 : -Ln2Low64), p1));
        return S.Scale(S.Add(ReducedExpm1<T, V, S>(r), S.Constant(1)), n);
    }

    /// <summary>x^y within 2 ulp, with the special cases of Math.Pow.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Pow<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        if (!IsFused) return PowOfLanes<T, V, S>(x, y);
        V a = S.Abs(x), high = LogInParts<T, V, S>(a, out V low);
        // Beyond this y the result is 0, 1 or infinite, and without infinite y 1^y needs no care.
        V limit = S.Constant(typeof(T) == typeof(float) ? 1e12 : 1e21);
        V power = ExpOfProduct<T, V, S>(S.AtMost(S.AtLeast(y, S.Neg(limit)), limit), high, low);

        // The sign, and NaN for a root of a negative number.
        V half = S.Mul(y, S.Constant(0.5)), whole = S.Equal(S.Floor(y), y), even = S.Equal(S.Floor(half), half);
        power = S.Xor(power, S.And(S.And(x, S.Constant(-0.0)), S.And(whole, S.Not(even))));
        V root = S.And(S.And(S.Less(x, S.Constant(0)), S.Less(a, S.Constant(double.PositiveInfinity))), S.Not(whole));
        power = S.Select(root, S.Constant(double.NaN), power);
        return S.Select(S.Or(S.Equal(y, S.Constant(0)), S.Equal(x, S.Constant(1))), S.Constant(1), power);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static V PowOfLanes<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        T* values = stackalloc T[S.Count], powers = stackalloc T[S.Count];
        S.Store(x, values);
        S.Store(y, powers);
        for (int i = 0; i < S.Count; i++)
        {
            if (typeof(T) == typeof(float)) ((float*)values)[i] = (float)Math.Pow(((float*)values)[i], ((float*)powers)[i]);
            else ((double*)values)[i] = Math.Pow(((double*)values)[i], ((double*)powers)[i]);
        }
        return S.Load(values);
    }
}
