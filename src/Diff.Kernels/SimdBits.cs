using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>What takes the numbers apart, from integer operations: for widths and machines without instructions for it.</summary>
internal static class SimdBits
{
    /// <summary>Twice a half of n, so that no power of two leaves the range; only the second product can round.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Scale<T, V, S>(V x, V n) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V half = S.Floor(S.Mul(n, S.Constant(0.5)));
        return S.Mul(S.Mul(x, PowerOfTwo<T, V, S>(half)), PowerOfTwo<T, V, S>(S.Sub(n, half)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Split<T, V, S>(V x, out V e) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        int bits = single ? 23 : 52;
        V tiny = S.Less(x, S.Constant(single ? 1.17549435e-38 : 2.2250738585072014e-308));
        V y = S.Select(tiny, S.Mul(x, S.Constant(single ? 1 << 24 : 1L << 54)), x);
        V k = S.ShiftRight(S.SubBits(y, S.Constant(0.75)), bits);
        V shift = S.Constant(single ? 12582912 : 6755399441055744);
        e = S.Sub(S.Sub(S.AddBits(k, shift), shift), S.And(tiny, S.Constant(single ? 24 : 54)));
        V bounds = S.Select(S.Equal(x, S.Constant(0)), S.Constant(double.NegativeInfinity), S.Select(S.Less(x, S.Constant(0)), S.Constant(double.NaN), x));
        e = S.Select(S.And(S.Less(S.Constant(0), x), S.Less(x, S.Constant(double.PositiveInfinity))), e, bounds);
        return S.SubBits(y, S.ShiftLeft(k, bits));
    }

    // 1.5·2^23 (2^52) plus n has n in its lowest bits; shifted to the exponent's place and added to 1 it is the power.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V PowerOfTwo<T, V, S>(V n) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        return S.AddBits(S.ShiftLeft(S.Add(n, S.Constant(single ? 12582912 : 6755399441055744)), single ? 23 : 52), S.Constant(1));
    }
}
