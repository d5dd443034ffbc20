using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>The steps for element types, on the widest vectors of the machine that columns or runs fill.</summary>
internal static unsafe class Extremes
{
    /// <summary>The best of some elements side by side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static T OfRun<T, V, S, O>(T* x, nint count)
        where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V> where O : struct, IBest<T, V>
    {
        T best = *x;
        if (count < S.Count)
        {
            for (nint i = 1; i < count; i++) best = O.Of(best, x[i]);
            return best;
        }
        V a = S.Load(x), b = a, c = a, d = a;
        nint at = S.Count;
        for (; at <= count - 4 * S.Count; at += 4 * S.Count)
        {
            a = O.Of(a, S.Load(x + at));
            b = O.Of(b, S.Load(x + at + S.Count));
            c = O.Of(c, S.Load(x + at + 2 * S.Count));
            d = O.Of(d, S.Load(x + at + 3 * S.Count));
        }
        for (; at <= count - S.Count; at += S.Count) a = O.Of(a, S.Load(x + at));
        a = O.Of(a, S.Load(x + count - S.Count)); // the last ones, some of them once more
        return O.Of(O.Of(O.Of(a, b), O.Of(c, d)));
    }

    public static MemoryStep Make(LoopType type, bool isMax, bool places, Groups groups, Place x, Place to) => type switch
    {
        LoopType.Float32 => Of<float>(isMax, places, groups, x, to),
        LoopType.Float64 => Of<double>(isMax, places, groups, x, to),
        LoopType.Int32 => Of<int>(isMax, places, groups, x, to),
        _ => Of<long>(isMax, places, groups, x, to),
    };

    private static MemoryStep Of<T>(bool isMax, bool places, Groups groups, Place x, Place to) where T : unmanaged, INumber<T>
    {
        // Columns apart are best cut into some vectors, so that few are left over.
        nint lanes = groups.ColumnStep == 1 ? Math.Max(groups.Width, groups.Run) : groups.Width / 4;
        if (Vector512.IsHardwareAccelerated && lanes >= Vector512<T>.Count) return Of<T, Vector512<T>, Simd512<T>>(isMax, places, groups, x, to);
        return Vector256.IsHardwareAccelerated && lanes >= Vector256<T>.Count
            ? Of<T, Vector256<T>, Simd256<T>>(isMax, places, groups, x, to)
            : Of<T, Vector128<T>, Simd128<T>>(isMax, places, groups, x, to);
    }

    private static MemoryStep Of<T, V, S>(bool isMax, bool places, Groups groups, Place x, Place to)
        where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V> =>
        isMax ? Of<T, V, S, Largest<T, V, S>>(places, groups, x, to) : Of<T, V, S, Smallest<T, V, S>>(places, groups, x, to);

    private static MemoryStep Of<T, V, S, O>(bool places, Groups groups, Place x, Place to)
        where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V> where O : struct, IBest<T, V> =>
        places ? new ArgExtremeStep<T, V, S, O>(groups, x, to) : new ExtremeStep<T, V, S, O>(groups, x, to);
}
