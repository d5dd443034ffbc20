using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

// Straight-line code of vector operations: a reduction to a small argument, a minimax polynomial, a power of two. Every width computes the
// same bits. The bounds hold for all arguments with results of all sizes, denormal ones too; special cases are those of System.Math.
//
// Cost model: a vector of 512 bits takes two cycles in each of its four pipes, two of which multiply, so about one operation with a product a
// cycle; a division 10 (float) or 20 cycles beside them. Exp has about 11 such operations, Tanh 10 and a division.
// Measured on Zen 4 with 512 bits, data in L1, in ns an element (0.04 and 0.07 are the load and the store alone); the bound is in ulp:
//
//              float  double  bound                float  double  bound
//   Exp         0.19    0.54      1     Tan         0.56    1.31      3
//   Expm1       0.24    0.77      2     Tanh        0.30    0.81      3
//   Log         0.24    0.64      1     Sigmoid     0.25    0.75      3
//   Log1p       0.44    1.02      2     Softplus    0.65    1.74      3
//   Sin, Cos    0.48    1.15      1     Pow         1.41    3.45      2
//   Sqrt        0.17    0.54    1/2     others      0.04    0.07      0
//
// These are loops of one function. One function takes 70 to 200 cycles from argument to result and the machine hides them behind the next
// vectors, of which a loop of three functions in a row has too few in flight: Exp(Tanh(Log(x))) takes 1.1 instead of 0.7. Loops of one function
// each over data in L1 are faster than one loop of many; a dozen in one method also exceed what the compiler inlines and keeps in registers.
//
// Above 131072 (float) and 2^28 (double) the circular functions call System.Math for each such lane.

/// <summary>The scalar functions on vectors of any width, for T = float and double.</summary>
internal static partial class VectorMath
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Neg<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Neg(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Abs<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Abs(x);

    /// <summary>-1, 0 or 1; NaN and the sign of a zero stay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sign<T, V, S>(V x)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V> =>
        S.Select(S.Less(S.Constant(0), S.Abs(x)), S.Or(S.And(x, S.Constant(-0.0)), S.Constant(1)), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sqrt<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Sqrt(x);

    /// <summary>The larger of x and 0; NaN stays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Relu<T, V, S>(V x)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Select(S.Less(x, S.Constant(0)), S.Constant(0), x);

    /// <summary>The complement of a mask.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Not<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Not(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Add<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Add(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sub<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Sub(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Mul<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Mul(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Div<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Div(x, y);

    /// <summary>NaN if one is NaN; +0 is above -0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Max<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Max(x, y);

    /// <summary>NaN if one is NaN; -0 is below +0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Min<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Min(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Equal<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Equal(x, y);

    /// <summary>True for NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V NotEqual<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Not(S.Equal(x, y));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Less<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Less(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LessEqual<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.LessEqual(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Greater<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Less(y, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V GreaterEqual<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.LessEqual(y, x);

    /// <summary>Of masks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V And<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.And(x, y);

    /// <summary>Of masks.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Or<T, V, S>(V x, V y) where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Or(x, y);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Where<T, V, S>(V mask, V x, V y)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Select(mask, x, y);

    // Exact products need it; machines without do powers, and angles that must be reduced, lane by lane.
    private static bool IsFused => Fma.IsSupported || AdvSimd.IsSupported;

    // Rounds |n| < 2^22 (2^51) to an integer that is then also in the lowest bits: n + Shift - Shift.
    private const double Shift32 = 12582912, Shift64 = 6755399441055744;

    // ln 2 in two parts; the first has as many zeros at its end as an exponent has bits, so that its products with exponents are exact.
    private const double Ln2High32 = 0.693145751953125, Ln2Low32 = 1.428606765330187e-06;
    private const double Ln2High64 = 0.6931471805598903, Ln2Low64 = 5.497923018708371e-14;

    /// <summary>The sign of y on x ≥ 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V CopySign<T, V, S>(V x, V y)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V> => S.Or(x, S.And(y, S.Constant(-0.0)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c2), x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c3), x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3, double c4)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c4), x, c3);
        y = S.MultiplyAdd(y, x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3, double c4, double c5)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c5), x, c4);
        y = S.MultiplyAdd(y, x, c3);
        y = S.MultiplyAdd(y, x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3, double c4, double c5, double c6)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c6), x, c5);
        y = S.MultiplyAdd(y, x, c4);
        y = S.MultiplyAdd(y, x, c3);
        y = S.MultiplyAdd(y, x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3, double c4, double c5, double c6, double c7)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c7), x, c6);
        y = S.MultiplyAdd(y, x, c5);
        y = S.MultiplyAdd(y, x, c4);
        y = S.MultiplyAdd(y, x, c3);
        y = S.MultiplyAdd(y, x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3, double c4, double c5, double c6, double c7, double c8)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c8), x, c7);
        y = S.MultiplyAdd(y, x, c6);
        y = S.MultiplyAdd(y, x, c5);
        y = S.MultiplyAdd(y, x, c4);
        y = S.MultiplyAdd(y, x, c3);
        y = S.MultiplyAdd(y, x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Poly<T, V, S>(V x, double c0, double c1, double c2, double c3, double c4, double c5, double c6, double c7, double c8, double c9)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V y = S.MultiplyAdd(S.Constant(c9), x, c8);
        y = S.MultiplyAdd(y, x, c7);
        y = S.MultiplyAdd(y, x, c6);
        y = S.MultiplyAdd(y, x, c5);
        y = S.MultiplyAdd(y, x, c4);
        y = S.MultiplyAdd(y, x, c3);
        y = S.MultiplyAdd(y, x, c2);
        y = S.MultiplyAdd(y, x, c1);
        y = S.MultiplyAdd(y, x, c0);
        return y;
    }
}
