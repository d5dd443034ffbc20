using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>Slabs that indices name: an array of [outer, extent, width] and one of [outer, count, width]. The one that is read has strides, in
/// elements; the one that is written is in row-major order.</summary>
internal sealed unsafe record Slabs
{
    /// <summary>What to throw for an index out of range.</summary>
    public required Func<long, Exception> Outside { get; init; }

    public required nint Outer { get; init; }
    public required nint Extent { get; init; }
    public required nint Count { get; init; }
    public required nint Width { get; init; }

    /// <summary>Of the array that is read: from one slab of the outer axes, one row and one column to the next.</summary>
    public required nint OuterStep { get; init; }
    public required nint RowStep { get; init; }
    public required nint ColumnStep { get; init; }

    public required bool IsLong { get; init; }
    public required nint IndexStep { get; init; }

    public Names NamesAt(nint indices) => new((byte*)indices, IndexStep, Extent, IsLong);

    /// <summary>Fails if an index is out of range, before anything is written. About half a nanosecond an index.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Check(nint indices)
    {
        Names names = NamesAt(indices);
        nint count = Count, extent = Extent;
        for (nint k = 0; k < count; k++)
        {
            if ((nuint)names[k] >= (nuint)extent) throw Outside(names.Given(k));
        }
    }
}

/// <summary>The rows that indices in memory name.</summary>
internal readonly unsafe struct Names(byte* indices, nint step, nint extent, bool isLong)
{
    /// <summary>The k-th index as it is.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public long Given(nint k) => isLong ? ((long*)indices)[k * step] : ((int*)indices)[k * step];

    /// <summary>The row that it names; negative ones count from the end.</summary>
    public nint this[nint k]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get
        {
            nint i = (nint)Given(k);
            return i + ((i >> 63) & extent);
        }
    }
}

/// <summary>
/// The slabs of an array that indices name, side by side. Cost: what is gathered is read and written once; rows from memory come at its rate, because
/// those of the next indices are asked for early, single elements at about 1 ns.
/// </summary>
internal sealed unsafe class GatherStep(Slabs slabs, int size, Place x, Place indices, Place to) : ChunkedStep
{
    private const nint ChunkBytes = 1 << 16;
    // Rows beyond the nearer caches are asked for so many indices early.
    private const nint NearBytes = 1 << 18, Ahead = 8;

    public override void Run(nint* table, int threads)
    {
        slabs.Check(table[indices.Entry] + indices.Bytes);
        nint bytes = slabs.Outer * slabs.Count * slabs.Width * size;
        if (bytes > 0) RunChunks(table, (int)Math.Min((bytes + ChunkBytes - 1) / ChunkBytes, slabs.Outer * slabs.Count), threads);
    }

    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        nint rows = slabs.Outer * slabs.Count, first = Start(rows, chunk, chunks), end = Start(rows, chunk + 1, chunks);
        Names names = slabs.NamesAt(table[indices.Entry] + indices.Bytes);
        byte* source = (byte*)(table[x.Entry] + x.Bytes);
        byte* target = (byte*)(table[to.Entry] + to.Bytes);
        if (size == 4) Move<int>(source, names, target, first, end);
        else if (size == 8) Move<long>(source, names, target, first, end);
        else if (size == 2) Move<short>(source, names, target, first, end);
        else Move<byte>(source, names, target, first, end);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Move<T>(byte* from, Names names, byte* target, nint first, nint end) where T : unmanaged
    {
        nint count = slabs.Count, width = slabs.Width, row = slabs.RowStep, column = slabs.ColumnStep, bytes = width * sizeof(T);
        bool isFar = slabs.Extent * bytes > NearBytes;
        for (nint n = first; n < end;)
        {
            nint outer = n / count, k = n % count, last = Math.Min(count, k + end - n);
            n += last - k;
            T* source = (T*)from + outer * slabs.OuterStep;
            T* into = (T*)target + (outer * count + k) * width;
            for (; k < last; k++, into += width)
            {
                nint named = names[k];
                // Checked before, but the caller's array may have changed since: a wrong index must not read what is not there.
                if ((nuint)named >= (nuint)slabs.Extent) throw slabs.Outside(names.Given(k));
                T* x = source + named * row;
                if (width == 1) *into = *x;
                else if (column != 1) for (nint i = 0; i < width; i++) into[i] = x[i * column];
                else
                {
                    if (isFar) Rows.Prefetch((byte*)(source + names[Math.Min(k + Ahead, count - 1)] * row), bytes);
                    Rows.Copy((byte*)x, (byte*)into, bytes);
                }
            }
        }
    }
}

/// <summary>
/// Zeros, with the slabs of an array added where indices say, in the indices' order: the sums do not depend on the threads. A chunk owns a part of
/// the result, by outer axes, rows or columns, and goes through all indices. Cost: the result is written once, past the caches if it is large, and what
/// is added is read once: the memory's rate. An index takes each chunk of rows about 0.5 ns to
/// pass over.
/// </summary>
internal sealed unsafe class ScatterAddStep<T, V, S>(Slabs slabs, Place x, Place indices, Place to) : ChunkedStep
    where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    private const long ParallelBytes = 1 << 19, StreamingBytes = 4 << 20;
    // Rows beyond the nearer caches are asked for so many indices early.
    private const nint NearBytes = 1 << 18, Ahead = 8;

    public override void Run(nint* table, int threads)
    {
        slabs.Check(table[indices.Entry] + indices.Bytes);
        if (ResultBytes > 0) RunChunks(table, ResultBytes + AddedBytes >= ParallelBytes ? (int)Math.Min(Units, Wanted(threads)) : 1, threads);
    }

    private long ResultBytes => slabs.Outer * slabs.Extent * slabs.Width * sizeof(T);

    private long AddedBytes => slabs.Outer * slabs.Count * slabs.Width * sizeof(T);

    private bool ByOuter => slabs.Outer >= 16;

    // Zeros are most of the work. Where sums are, every chunk of rows would go through all indices, half of them mispredicted.
    private bool ByRows => !ByOuter && ResultBytes >= AddedBytes;

    // Columns are cut at cache lines.
    private nint Units => ByOuter ? slabs.Outer : ByRows ? slabs.Extent : Math.Max(1, slabs.Width * sizeof(T) / 64);

    // Some more than there are threads, if that costs little, for those who are kept away.
    private int Wanted(int threads) => threads == 1 ? 1 : ByRows && slabs.Count * 8 > slabs.Extent * slabs.Width ? threads : 4 * threads;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        nint firstOuter = 0, endOuter = slabs.Outer, firstRow = 0, endRow = slabs.Extent, firstColumn = 0, width = slabs.Width;
        nint from = Start(Units, chunk, chunks), end = Start(Units, chunk + 1, chunks);
        if (ByOuter) (firstOuter, endOuter) = (from, end);
        else if (ByRows) (firstRow, endRow) = (from, end);
        else if (chunks > 1)
        {
            firstColumn = from * (64 / sizeof(T));
            width = (end == Units ? width : end * (64 / sizeof(T))) - firstColumn;
        }

        Names names = slabs.NamesAt(table[indices.Entry] + indices.Bytes);
        for (nint outer = firstOuter; outer < endOuter; outer++)
        {
            T* source = (T*)(table[x.Entry] + x.Bytes) + outer * slabs.OuterStep + firstColumn * slabs.ColumnStep;
            T* target = (T*)(table[to.Entry] + to.Bytes) + outer * slabs.Extent * slabs.Width + firstColumn;
            Clear(target, firstRow, endRow, width);
            if (width == 0) continue;
            if (slabs.ColumnStep == 1 && width >= S.Count) AddRows(source, names, target, firstRow, endRow, width);
            else AddElements(source, names, target, firstRow, endRow, width);
        }
    }

    private void Clear(T* target, nint firstRow, nint endRow, nint width)
    {
        nint row = slabs.Width;
        if (width < row) for (nint r = firstRow; r < endRow; r++) new Span<T>(target + r * row, (int)width).Clear();
        else if (ResultBytes >= StreamingBytes) Rows.StreamZeros((byte*)(target + firstRow * row), (endRow - firstRow) * row * sizeof(T));
        else new Span<T>(target + firstRow * row, (int)((endRow - firstRow) * row)).Clear();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddRows(T* source, Names names, T* target, nint firstRow, nint endRow, nint width)
    {
        nint count = slabs.Count, row = slabs.Width;
        bool isFar = ResultBytes > NearBytes;
        for (nint k = 0; k < count; k++)
        {
            nint r = names[k];
            if (isFar)
            {
                nint next = names[Math.Min(k + Ahead, count - 1)];
                if (next >= firstRow && next < endRow) Rows.Prefetch((byte*)(target + next * row), width * sizeof(T));
            }
            if (r < firstRow || r >= endRow) continue;
            T* into = target + r * row;
            T* x = source + k * slabs.RowStep;
            nint i = 0;
            for (; i <= width - S.Count; i += S.Count) S.Store(S.Add(S.Load(into + i), S.Load(x + i)), into + i);
            for (; i < width; i++) into[i] += x[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddElements(T* source, Names names, T* target, nint firstRow, nint endRow, nint width)
    {
        nint count = slabs.Count, row = slabs.Width, column = slabs.ColumnStep;
        for (nint k = 0; k < count; k++)
        {
            nint r = names[k];
            if (r < firstRow || r >= endRow) continue;
            T* into = target + r * row;
            T* x = source + k * slabs.RowStep;
            *into += *x;
            for (nint i = 1; i < width; i++) into[i] += x[i * column];
        }
    }
}

/// <summary>The step for an element type, on the widest vectors of the machine that rows fill.</summary>
internal static class ScatterAdd
{
    public static MemoryStep Make(LoopType type, Slabs slabs, Place x, Place indices, Place to) => type switch
    {
        LoopType.Float32 => Of<float>(slabs, x, indices, to),
        LoopType.Float64 => Of<double>(slabs, x, indices, to),
        LoopType.Int32 => Of<int>(slabs, x, indices, to),
        _ => Of<long>(slabs, x, indices, to),
    };

    private static MemoryStep Of<T>(Slabs slabs, Place x, Place indices, Place to) where T : unmanaged, INumber<T>
    {
        if (Vector512.IsHardwareAccelerated && slabs.Width >= Vector512<T>.Count)
            return new ScatterAddStep<T, Vector512<T>, Simd512<T>>(slabs, x, indices, to);
        return Vector256.IsHardwareAccelerated && slabs.Width >= Vector256<T>.Count
            ? new ScatterAddStep<T, Vector256<T>, Simd256<T>>(slabs, x, indices, to)
            : new ScatterAddStep<T, Vector128<T>, Simd128<T>>(slabs, x, indices, to);
    }
}
