using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

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
