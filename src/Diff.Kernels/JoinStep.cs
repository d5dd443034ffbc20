using System;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>One part of an array: what is copied there, and where the part begins. A source with a negative entry is one zero.</summary>
/// <param name="Copy">From the source's layout to the array's.</param>
/// <param name="From">The source.</param>
/// <param name="To">Where the part begins in the array, in bytes.</param>
internal sealed record JoinPart(StridedCopy Copy, Place From, nint To);

/// <summary>Writes an array part by part, each from where it lies: concatenation, and zeros around an array. No two parts overlap, so all run at
/// once. Cost: every byte of the array is written once, and read once unless it is zero; about 1 ns a number of parts of few numbers, 15 ns for each other part.</summary>
internal sealed unsafe class JoinStep : ChunkedStep
{
    // Below this, others are not asked to help.
    private const long ParallelBytes = 1 << 18;

    // The numbers of parts that have no more are moved one by one.
    private const long Few = 8;

    private static readonly nint zero = (nint)NativeMemory.AllocZeroed(sizeof(long));

    private readonly JoinPart[] parts;
    private readonly (Place From, nint To)[] numbers;
    private readonly int size;
    private readonly int[] starts; // the first chunk of each part, and the number of all
    private readonly Place to;
    private readonly bool isLarge;

    public JoinStep(int size, JoinPart[] parts, Place to, long bytes)
    {
        (this.size, this.to) = (size, to);
        isLarge = bytes >= ParallelBytes;
        var few = parts.ToLookup(part => part.From.Entry >= 0 && part.Copy.Elements <= Few);
        numbers = [.. few[true].SelectMany(part => part.Copy.Offsets().Select(at =>
            (new Place(part.From.Entry, part.From.Bytes + at.From * size), part.To + at.To * size)))];
        this.parts = [.. few[false]];
        starts = new int[this.parts.Length + 1];
        for (int p = 0; p < this.parts.Length; p++) starts[p + 1] = starts[p] + this.parts[p].Copy.Chunks;
    }

    public override void Run(nint* table, int threads)
    {
        nint target = table[to.Entry] + to.Bytes;
        if (size == 8) Move<long>(table, target);
        else if (size == 4) Move<int>(table, target);
        else if (size == 2) Move<short>(table, target);
        else Move<byte>(table, target);
        RunChunks(table, starts[^1], isLarge ? threads : 1);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Move<T>(nint* table, nint target) where T : unmanaged
    {
        foreach (var (from, at) in numbers) *(T*)(target + at) = *(T*)(table[from.Entry] + from.Bytes);
    }

    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        int found = Array.BinarySearch(starts, chunk), p = found >= 0 ? found : ~found - 1;
        while (starts[p + 1] == chunk) p++; // parts without elements begin where the next one does
        JoinPart part = parts[p];
        nint from = part.From.Entry < 0 ? zero : table[part.From.Entry] + part.From.Bytes;
        part.Copy.RunChunk((byte*)from, (byte*)(table[to.Entry] + to.Bytes + part.To), chunk - starts[p]);
    }
}
