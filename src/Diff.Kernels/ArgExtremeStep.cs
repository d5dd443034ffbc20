using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

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
