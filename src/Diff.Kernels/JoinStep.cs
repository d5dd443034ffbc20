using System;
using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>One part of an array: what is copied there, and where the part begins. A source with a negative entry is one zero.</summary>
/// <param name="Copy">From the source's layout to the array's.</param>
/// <param name="From">The source.</param>
/// <param name="To">Where the part begins in the array, in bytes.</param>
internal sealed record JoinPart(StridedCopy Copy, Place From, nint To);

/// <summary>Writes an array part by part, each from where it lies: concatenation, and zeros around an array. No two parts overlap, so all run at
/// once. Cost: every byte of the array is written once, and read once unless it is zero.</summary>
internal sealed unsafe class JoinStep : ChunkedStep
{
    // Below this, others are not asked to help.
    private const long ParallelBytes = 1 << 18;

    private static readonly nint zero = (nint)NativeMemory.AllocZeroed(sizeof(long));

    private readonly JoinPart[] parts;
    private readonly int[] starts; // the first chunk of each part, and the number of all
    private readonly Place to;
    private readonly bool isLarge;

    public JoinStep(JoinPart[] parts, Place to, long bytes)
    {
        (this.parts, this.to) = (parts, to);
        isLarge = bytes >= ParallelBytes;
        starts = new int[parts.Length + 1];
        for (int p = 0; p < parts.Length; p++) starts[p + 1] = starts[p] + parts[p].Copy.Chunks;
    }

    public override void Run(nint* table, int threads) => RunChunks(table, starts[^1], isLarge ? threads : 1);

    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        int found = Array.BinarySearch(starts, chunk), p = found >= 0 ? found : ~found - 1;
        while (starts[p + 1] == chunk) p++; // parts without elements begin where the next one does
        JoinPart part = parts[p];
        nint from = part.From.Entry < 0 ? zero : table[part.From.Entry] + part.From.Bytes;
        part.Copy.RunChunk((byte*)from, (byte*)(table[to.Entry] + to.Bytes + part.To), chunk - starts[p]);
    }
}
