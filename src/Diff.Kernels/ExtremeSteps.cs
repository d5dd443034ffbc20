using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>Which of two numbers is looked for; NaN before all others.</summary>
internal interface IBest<T, V>
{
    static abstract V Of(V x, V y);
    static abstract T Of(T x, T y);
    /// <summary>The best lane.</summary>
    static abstract T Of(V x);
    /// <summary>The mask of the lanes of x that are better than those of y; NaN is neither.</summary>
    static abstract V IsBetter(V x, V y);
    static abstract bool IsBetter(T x, T y);
}

internal readonly struct Largest<T, V, S> : IBest<T, V> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of(V x, V y) => S.Max(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Of(T x, T y) => T.Max(x, y);
    public static T Of(V x) => S.Largest(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V IsBetter(V x, V y) => S.Less(y, x);
    public static bool IsBetter(T x, T y) => x > y;
}

internal readonly struct Smallest<T, V, S> : IBest<T, V> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of(V x, V y) => S.Min(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Of(T x, T y) => T.Min(x, y);
    public static T Of(V x) => S.Smallest(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V IsBetter(V x, V y) => S.Less(x, y);
    public static bool IsBetter(T x, T y) => x < y;
}

/// <summary>Groups of elements that are compared. A group lies at base + column + offset for every offset and, if there is a run, the `Run` elements
/// from there on. The results of a base's columns lie side by side.</summary>
internal sealed record Groups
{
    public required nint[] Bases { get; init; }
    public required nint Width { get; init; }

    /// <summary>From one column to the next.</summary>
    public required nint ColumnStep { get; init; }
    public required nint[] Offsets { get; init; }
    public required nint Run { get; init; }
}

/// <summary>The largest or smallest number of each group: across columns, or along runs. Cost: each element is read once, at the rate of the memory or
/// cache it is in; about 0.3 ns where every second column is taken, as in windows of two; about 1 ns in other cases, and where nothing fills a vector
/// of 16 bytes.</summary>
internal sealed unsafe class ExtremeStep<T, V, S, O>(Groups groups, Place x, Place to) : ChunkedStep
    where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V> where O : struct, IBest<T, V>
{
    private const nint ChunkElements = 1 << 14;

    // A unit is one base, or some vectors of its columns.
    private static nint Block => 4 * S.Count;

    private nint Blocks => Math.Max(1, groups.Width / Block);

    public override void Run(nint* table, int threads)
    {
        nint units = groups.Bases.Length * Blocks, elements = groups.Bases.Length * groups.Width * groups.Offsets.Length * groups.Run;
        if (elements > 0) RunChunks(table, (int)Math.Min((elements + ChunkElements - 1) / ChunkElements, units), threads);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        nint blocks = Blocks, units = groups.Bases.Length * blocks, width = groups.Width, run = groups.Run, step = groups.ColumnStep;
        nint first = Start(units, chunk, chunks), end = Start(units, chunk + 1, chunks), b = first / blocks, block = first % blocks;
        T* source = (T*)(table[x.Entry] + x.Bytes);
        T* target = (T*)(table[to.Entry] + to.Bytes);
        fixed (nint* offsets = groups.Offsets)
        {
            int count = groups.Offsets.Length;
            for (nint unit = first; unit < end; unit++)
            {
                T* from = source + groups.Bases[b];
                T* into = target + b * width;
                if (run > 1) *into = Along(from, offsets, count, run);
                else if (step != 1) Apart(from, offsets, count, into, block * Block, block + 1 == blocks ? width : (block + 1) * Block, step);
                else Across(from, offsets, count, into, block * Block, block + 1 == blocks ? width : (block + 1) * Block);
                if (++block < blocks) continue;
                block = 0;
                b++;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Across(T* from, nint* offsets, int count, T* into, nint i, nint end)
    {
        for (; i <= end - 4 * S.Count; i += 4 * S.Count)
        {
            T* row = from + offsets[0] + i;
            V a = S.Load(row), b = S.Load(row + S.Count), c = S.Load(row + 2 * S.Count), d = S.Load(row + 3 * S.Count);
            for (int k = 1; k < count; k++)
            {
                row = from + offsets[k] + i;
                a = O.Of(a, S.Load(row));
                b = O.Of(b, S.Load(row + S.Count));
                c = O.Of(c, S.Load(row + 2 * S.Count));
                d = O.Of(d, S.Load(row + 3 * S.Count));
            }
            S.Store(a, into + i);
            S.Store(b, into + i + S.Count);
            S.Store(c, into + i + 2 * S.Count);
            S.Store(d, into + i + 3 * S.Count);
        }
        for (; i <= end - S.Count; i += S.Count)
        {
            // Several chains of comparisons: one waits for itself.
            V a = S.Load(from + offsets[0] + i), b = a, c = a, d = a;
            int k = 1;
            for (; k <= count - 4; k += 4)
            {
                a = O.Of(a, S.Load(from + offsets[k] + i));
                b = O.Of(b, S.Load(from + offsets[k + 1] + i));
                c = O.Of(c, S.Load(from + offsets[k + 2] + i));
                d = O.Of(d, S.Load(from + offsets[k + 3] + i));
            }
            for (; k < count; k++) a = O.Of(a, S.Load(from + offsets[k] + i));
            S.Store(O.Of(O.Of(a, b), O.Of(c, d)), into + i);
        }
        for (; i < end; i++)
        {
            T best = from[offsets[0] + i];
            for (int k = 1; k < count; k++) best = O.Of(best, from[offsets[k] + i]);
            into[i] = best;
        }
    }

    // Columns that do not lie side by side.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Apart(T* from, nint* offsets, int count, T* into, nint i, nint end, nint step)
    {
        if (step == 2 && sizeof(T) == sizeof(int))
        {
            // What is read reaches one element beyond the last that is needed, so the last column is not among these.
            for (; i < end - S.Count; i += S.Count)
            {
                V best = EverySecond(from + offsets[0] + 2 * i);
                for (int k = 1; k < count; k++) best = O.Of(best, EverySecond(from + offsets[k] + 2 * i));
                S.Store(best, into + i);
            }
        }
        for (; i < end; i++)
        {
            T* x = from + i * step;
            T best = x[offsets[0]];
            for (int k = 1; k < count; k++) best = O.Of(best, x[offsets[k]]);
            into[i] = best;
        }
    }

    // Of elements of 4 bytes: the lower halves of pairs.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V EverySecond(T* x)
    {
        long* pairs = (long*)x;
        if (typeof(V) == typeof(Vector512<T>)) return (V)(object)Vector512.Narrow(Vector512.Load(pairs), Vector512.Load(pairs + 8)).As<int, T>();
        if (typeof(V) == typeof(Vector256<T>)) return (V)(object)Vector256.Narrow(Vector256.Load(pairs), Vector256.Load(pairs + 4)).As<int, T>();
        return (V)(object)Vector128.Narrow(Vector128.Load(pairs), Vector128.Load(pairs + 2)).As<int, T>();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Along(T* from, nint* offsets, int count, nint run)
    {
        T best = from[offsets[0]];
        for (int k = 0; k < count; k++) best = O.Of(best, Extremes.OfRun<T, V, S, O>(from + offsets[k], run));
        return best;
    }
}

/// <summary>
/// Where the largest or smallest number of each group is, the first of equals; NaN counts as the best. There is one offset for each index. Along rows
/// the best is found first, then its place: each element is read at the memory's rate, and up to the place once more from the cache. Across columns
/// places are kept beside the numbers: about 3 instructions a vector more. What fills no vector takes about 1 ns an element.
/// </summary>
internal sealed unsafe class ArgExtremeStep<T, V, S, O>(Groups groups, Place x, Place to) : ChunkedStep
    where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V> where O : struct, IBest<T, V>
{
    private const nint ChunkElements = 1 << 14;

    public override void Run(nint* table, int threads)
    {
        nint elements = groups.Bases.Length * groups.Width * groups.Offsets.Length * groups.Run;
        if (elements > 0) RunChunks(table, (int)Math.Min((elements + ChunkElements - 1) / ChunkElements, groups.Bases.Length), threads);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        nint first = Start(groups.Bases.Length, chunk, chunks), end = Start(groups.Bases.Length, chunk + 1, chunks), width = groups.Width;
        T* source = (T*)(table[x.Entry] + x.Bytes);
        long* target = (long*)(table[to.Entry] + to.Bytes);
        fixed (nint* offsets = groups.Offsets)
        {
            for (nint b = first; b < end; b++)
            {
                T* from = source + groups.Bases[b];
                if (groups.Run > 1) target[b] = Along(from, groups.Run);
                else Across(from, offsets, groups.Offsets.Length, target + b * width, width, groups.ColumnStep);
            }
        }
    }

    private static long Along(T* row, nint count)
    {
        T best = Extremes.OfRun<T, V, S, O>(row, count);
        if (T.IsNaN(best))
        {
            nint at = 0;
            while (!T.IsNaN(row[at])) at++;
            return at;
        }
        if (best == T.Zero || count < S.Count)
        {
            // Zeros of both signs are equal.
            nint at = 0;
            while (row[at] != best) at++;
            return at;
        }
        return sizeof(T) == sizeof(int)
            ? new ReadOnlySpan<int>(row, (int)count).IndexOf(*(int*)&best) : new ReadOnlySpan<long>(row, (int)count).IndexOf(*(long*)&best);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Across(T* from, nint* offsets, int count, long* into, nint width, nint step)
    {
        T* places = stackalloc T[16];
        nint i = 0;
        for (; step == 1 && i <= width - S.Count; i += S.Count)
        {
            V best = S.Load(from + offsets[0] + i), place = S.Broadcast(T.Zero);
            for (int k = 1; k < count; k++)
            {
                V candidate = S.Load(from + offsets[k] + i), better = O.IsBetter(candidate, best);
                if (typeof(T) == typeof(float) || typeof(T) == typeof(double))
                    better = S.Or(better, S.And(S.Not(S.Equal(candidate, candidate)), S.Equal(best, best)));
                best = S.Select(better, candidate, best);
                place = S.Select(better, Bits(k), place);
            }
            S.Store(place, places);
            for (int lane = 0; lane < S.Count; lane++) into[i + lane] = sizeof(T) == sizeof(int) ? ((int*)places)[lane] : ((long*)places)[lane];
        }
        for (; i < width; i++)
        {
            int place = 0;
            T* x = from + i * step;
            T best = x[offsets[0]];
            for (int k = 1; k < count; k++)
            {
                T candidate = x[offsets[k]];
                if (!O.IsBetter(candidate, best) && (!T.IsNaN(candidate) || T.IsNaN(best))) continue;
                best = candidate;
                place = k;
            }
            into[i] = place;
        }
    }

    // The number as an integer of the element's size in every lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Bits(int k)
    {
        long wide = k;
        return S.Broadcast(sizeof(T) == sizeof(int) ? Unsafe.As<int, T>(ref k) : Unsafe.As<long, T>(ref wide));
    }
}

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
