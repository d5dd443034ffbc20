using System;
using System.Collections.Generic;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>Windows of an axis, and how their array, which is read, lies in memory: steps in elements.</summary>
internal sealed record Windows
{
    public required int Extent { get; init; }
    public required int Positions { get; init; }
    public required int Size { get; init; }
    public required int Step { get; init; }
    public required int Dilation { get; init; }

    /// <summary>All axes before the windows, as one.</summary>
    public required nint Lines { get; init; }
    public required nint LineStep { get; init; }
    public required nint PositionStep { get; init; }
    public required nint OffsetStep { get; init; }

    /// <summary>All axes after the windows, as one: contiguous.</summary>
    public required nint Width { get; init; }
}

/// <summary>Windows added up where they overlap: each row of the result is the sum of some rows of the windows, in the order of their offsets. Cost:
/// the windows are read once and the result is written once, at the rate of the memory or cache they are in; rows shorter than a vector take about
/// 1 ns an element.</summary>
internal sealed unsafe class FoldStep<T, V, S> : ChunkedStep where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    private const nint ChunkElements = 1 << 14;

    private readonly Windows windows;
    private readonly Place x, to;
    private readonly int[] starts;   // of each row of the result, its first term, and the number of all
    private readonly nint[] terms;   // where the rows lie that are added
    private readonly int chunks;

    public FoldStep(Windows windows, Place x, Place to)
    {
        (this.windows, this.x, this.to) = (windows, x, to);
        starts = new int[windows.Extent + 1];
        var found = new List<nint>();
        for (int j = 0; j < windows.Extent; j++)
        {
            for (int k = 0; k < windows.Size && k * windows.Dilation <= j; k++)
            {
                var (p, rest) = Math.DivRem(j - k * windows.Dilation, windows.Step);
                if (rest == 0 && p < windows.Positions) found.Add(p * windows.PositionStep + k * windows.OffsetStep);
            }
            starts[j + 1] = found.Count;
        }
        terms = [.. found];
        nint rows = windows.Lines * windows.Extent, elements = windows.Lines * (windows.Extent + terms.Length) * windows.Width;
        chunks = windows.Width == 0 ? 0 : (int)Math.Min((elements + ChunkElements - 1) / ChunkElements, rows);
    }

    public override void Run(nint* table, int threads) => RunChunks(table, chunks, threads);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        nint extent = windows.Extent, width = windows.Width, rows = windows.Lines * extent;
        nint first = Start(rows, chunk, chunks), end = Start(rows, chunk + 1, chunks), line = first / extent, j = first % extent;
        T* target = (T*)(table[to.Entry] + to.Bytes) + first * width;
        T* source = (T*)(table[x.Entry] + x.Bytes) + line * windows.LineStep;
        fixed (nint* offsets = terms)
        {
            for (nint row = first; row < end; row++, target += width)
            {
                Add(source, offsets + starts[j], starts[j + 1] - starts[j], target, width);
                if (++j < extent) continue;
                j = 0;
                source += windows.LineStep;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(T* source, nint* offsets, int count, T* target, nint width)
    {
        V zero = S.Broadcast(T.Zero);
        nint i = 0;
        for (; i <= width - 2 * S.Count; i += 2 * S.Count)
        {
            V a = zero, b = zero;
            for (int t = 0; t < count; t++)
            {
                T* x = source + offsets[t] + i;
                a = S.Add(a, S.Load(x));
                b = S.Add(b, S.Load(x + S.Count));
            }
            S.Store(a, target + i);
            S.Store(b, target + i + S.Count);
        }
        for (; i <= width - S.Count; i += S.Count)
        {
            V a = zero;
            for (int t = 0; t < count; t++) a = S.Add(a, S.Load(source + offsets[t] + i));
            S.Store(a, target + i);
        }
        for (; i < width; i++)
        {
            T sum = T.Zero;
            for (int t = 0; t < count; t++) sum += source[offsets[t] + i];
            target[i] = sum;
        }
    }
}

/// <summary>The step for an element type, on the widest vectors of the machine that rows fill.</summary>
internal static class Fold
{
    public static MemoryStep Make(LoopType type, Windows windows, Place x, Place to) => type switch
    {
        LoopType.Float32 => Of<float>(windows, x, to),
        LoopType.Float64 => Of<double>(windows, x, to),
        LoopType.Int32 => Of<int>(windows, x, to),
        _ => Of<long>(windows, x, to),
    };

    private static MemoryStep Of<T>(Windows windows, Place x, Place to) where T : unmanaged, INumber<T>
    {
        if (Vector512.IsHardwareAccelerated && windows.Width >= Vector512<T>.Count) return new FoldStep<T, Vector512<T>, Simd512<T>>(windows, x, to);
        return Vector256.IsHardwareAccelerated && windows.Width >= Vector256<T>.Count
            ? new FoldStep<T, Vector256<T>, Simd256<T>>(windows, x, to)
            : new FoldStep<T, Vector128<T>, Simd128<T>>(windows, x, to);
    }
}
