using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

internal static unsafe partial class VectorMath
{
    // Up to here n·(the first part of π/2) leaves an exact difference and three parts give all digits, also next to the zeros.
    // Without fused multiplication the products are not exact, and only n = 0 is fast.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static double Fast<T>() => !IsFused ? 0.5 : typeof(T) == typeof(float) ? 131072 : 1 << 28;

    private enum Circular { Sin, Cos, Tan }

    // a = n·π/2 + r + low with |r| <= π/4 (Cody and Waite 1980). The result has n's lowest bits as its own.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Quadrant<T, V, S>(V a, out V r, out V low) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        V shift = S.Constant(single ? Shift32 : Shift64), shifted = S.MultiplyAdd(a, S.Constant(0.63661977236758138), shift);
        V n = S.Sub(shifted, shift);
        V r1 = S.MultiplyAdd(n, S.Constant(single ? -1.5707963705062866 : -1.5707963267948966), a);
        // The second product and its error, and the error of its addition (Knuth 1969): either term can be the larger.
        V part = S.Constant(single ? 4.371138828673793e-08 : -6.123233995736766e-17), p = S.Mul(n, part);
        r = S.Add(r1, p);
        V back = S.Sub(r, r1);
        low = S.Add(S.Sub(r1, S.Sub(r, back)), S.Sub(p, back));
        low = S.Add(low, S.MultiplyAdd(n, part, S.Neg(p)));
        low = S.MultiplyAdd(n, S.Constant(single ? 1.7151245100058819e-15 : 1.4973849048591698e-33), low);
        return shifted;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ReducedSin<T, V, S>(V r, V low, V z) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V p = typeof(T) == typeof(float)
            ? Poly<T, V, S>(z, -0.16666654, 0.008332142, -0.00019512675)
            : Poly<T, V, S>(z, -0.1666666666666663, 0.00833333333332166, -0.0001984126982920951, 2.755731348532766e-06,
                -2.505072584707289e-08, 1.5894926631586683e-10);
        return S.Add(r, S.MultiplyAdd(S.Mul(r, z), p, low));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ReducedCos<T, V, S>(V r, V low, V z) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V p = typeof(T) == typeof(float)
            ? Poly<T, V, S>(z, -0.5, 0.041666646, -0.0013887291, 2.4430188e-05)
            : Poly<T, V, S>(z, -0.5, 0.04166666666666659, -0.00138888888888724, 2.4801587288433005e-05, -2.75573140556253e-07,
                2.087568368197441e-09, -1.135763083859721e-11);
        // What z lacks of (r + low)².
        V z1 = S.MultiplyAdd(S.Add(r, r), low, S.MultiplyAdd(r, r, S.Neg(z)));
        return S.Add(S.Constant(1), S.MultiplyAdd(z, p, S.Mul(z1, S.Constant(-0.5))));
    }

    // The lanes beyond the fast range one by one, with the platform's functions.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static V Far<T, V, S>(Circular function, V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        T* from = stackalloc T[S.Count], to = stackalloc T[S.Count];
        S.Store(x, from);
        S.Store(y, to);
        for (int i = 0; i < S.Count; i++)
        {
            double at = typeof(T) == typeof(float) ? ((float*)from)[i] : ((double*)from)[i];
            if (!(Math.Abs(at) > Fast<T>())) continue;
            double value = function switch { Circular.Sin => Math.Sin(at), Circular.Cos => Math.Cos(at), _ => Math.Tan(at) };
            if (typeof(T) == typeof(float)) ((float*)to)[i] = (float)value;
            else ((double*)to)[i] = value;
        }
        return S.Load(to);
    }

    /// <summary>Within 1 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sin<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        V a = S.Abs(x), n = Quadrant<T, V, S>(a, out V r, out V low), z = S.Mul(r, r);
        V odd = S.ShiftRight(S.ShiftLeft(n, single ? 31 : 63), single ? 31 : 63);
        V sign = S.And(S.Xor(S.ShiftLeft(n, single ? 30 : 62), x), S.Constant(-0.0));
        V y = S.Xor(S.Select(odd, ReducedCos<T, V, S>(r, low, z), ReducedSin<T, V, S>(r, low, z)), sign);
        return S.AnyLess(S.Constant(Fast<T>()), a) ? Far<T, V, S>(Circular.Sin, x, y) : y;
    }

    /// <summary>Within 1 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Cos<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // The quadrant is one more than the sine's.
        bool single = typeof(T) == typeof(float);
        V a = S.Abs(x), n = S.Add(Quadrant<T, V, S>(a, out V r, out V low), S.Constant(1)), z = S.Mul(r, r);
        V odd = S.ShiftRight(S.ShiftLeft(n, single ? 31 : 63), single ? 31 : 63);
        V sign = S.And(S.ShiftLeft(n, single ? 30 : 62), S.Constant(-0.0));
        V y = S.Xor(S.Select(odd, ReducedCos<T, V, S>(r, low, z), ReducedSin<T, V, S>(r, low, z)), sign);
        return S.AnyLess(S.Constant(Fast<T>()), a) ? Far<T, V, S>(Circular.Cos, x, y) : y;
    }

    /// <summary>Within 3 ulp.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tan<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        // sin/cos, in odd quadrants -cos/sin.
        bool single = typeof(T) == typeof(float);
        V a = S.Abs(x), n = Quadrant<T, V, S>(a, out V r, out V low), z = S.Mul(r, r);
        V odd = S.ShiftRight(S.ShiftLeft(n, single ? 31 : 63), single ? 31 : 63), sign = S.And(S.Xor(odd, x), S.Constant(-0.0));
        V sin = ReducedSin<T, V, S>(r, low, z), cos = ReducedCos<T, V, S>(r, low, z);
        V y = S.Xor(S.Div(S.Select(odd, cos, sin), S.Select(odd, sin, cos)), sign);
        return S.AnyLess(S.Constant(Fast<T>()), a) ? Far<T, V, S>(Circular.Tan, x, y) : y;
    }
}
