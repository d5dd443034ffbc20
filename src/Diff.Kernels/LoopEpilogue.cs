using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>How the blocks of a product's C lie in a loop over all elements of C in their order.</summary>
/// <param name="Upright">The elements of C lie side by side along the product's rows, not its columns.</param>
/// <param name="Together">So many lines of C belong to one block.</param>
/// <param name="WholeLines">Blocks have whole lines.</param>
internal sealed record EpilogueLayout(bool Upright, int Together, bool WholeLines)
{
    /// <summary>What is smaller stays in the caches until the loop comes after it.</summary>
    public const long LeastBytes = 8 << 20;

    private const int LeastProducts = 16;

    /// <summary>Whether it takes less time to run a loop on blocks of a product than after it.</summary>
    public static bool Pays(GemmPlan p, int size) => p.Count >= LeastProducts && (long)p.Count * p.M * p.N * size >= LeastBytes;

    /// <summary>The layout, if the loop can run on any block of C that obeys it; else null.</summary>
    public static EpilogueLayout? Of(GemmPlan p, LoopKernel loop)
    {
        // Parts of the depth are added up only after all of them.
        if (!loop.RunsInBlocks || p.DepthParts > 1 || p.Depth == 0 || (nint)p.Count * p.M * p.N != loop.Rows * loop.Cols) return null;
        bool upright = p.CColStride != 1;
        if (upright && p.CRowStride != 1) return null;
        (int first, int lines, int width, int along) = upright ? (p.CCol, p.N, p.M, p.CRow) : (p.CRow, p.M, p.N, p.CCol);
        // What is added up row by row takes the rows in their order, which only this way is that of the lines.
        bool isOrdered = loop.RowsTogether > 1, whole = loop.NeedsWholeRows || isOrdered;
        if (loop.RowsTogether > int.MaxValue || (isOrdered && upright) || (whole && (loop.IsOneRow || width != loop.Cols))) return null;
        int[] o = p.Offsets;
        for (int s = 0; s < p.Count && !loop.IsOneRow; s++)
        {
            for (int l = 0; l < lines; l++)
            {
                nint at = (nint)o[p.CBatch + s] + o[first + l] + o[along];
                if ((at % loop.Cols) + width > loop.Cols || (isOrdered && at != (((nint)s * lines) + l) * width)) return null;
            }
        }
        return new(upright, (int)loop.RowsTogether, loop.NeedsWholeRows);
    }
}

/// <summary>
/// A run of a loop by blocks, each as soon as the product that it follows has finished the block.
/// What that saves is writing C to memory and reading it again, bytes(C) · (1/write + 1/read), and a start of the threads: 4 % of product and loop for attention
/// scores of 8 MB, 4–9 % for 64 MB (Zen 4). From the third cache a loop takes C as fast as it computes, so with smaller C nothing is saved, and blocks below half
/// a megabyte, read back from the second cache while they are fresh, cost it 5 cycles a line more. Narrow blocks cost all streams of the loop their neighbouring
/// lines (up to a quarter of product and loop), and blocks of rows have B packed for each (±2 %): so it pays where whole products are blocks.
/// </summary>
internal sealed unsafe class LoopEpilogue
{
    private LoopKernel? kernel;
    private EpilogueLayout? layout;
    private byte** streams;
    private byte* sums;

    [ThreadStatic]
    private static LoopEpilogue? kept;

    public LoopKernel Kernel => kernel!;

    public EpilogueLayout Layout => layout!;

    /// <summary>That of this thread, for one product.</summary>
    public static LoopEpilogue Take(LoopKernel kernel, EpilogueLayout layout, byte** streams)
    {
        LoopEpilogue mine = kept ??= new();
        (mine.kernel, mine.layout) = (kernel, layout);
        mine.streams = streams;
        return mine;
    }

    /// <summary>Before the first block, on the thread that ends the run.</summary>
    public void Begin() => sums = kernel!.Begin(streams);

    /// <summary>After the last block.</summary>
    public void End() => kernel!.End(streams, sums);

    /// <summary>Lets go what it was taken for.</summary>
    public void GiveBack()
    {
        (kernel, layout) = (null, null);
        streams = null;
        sums = null;
    }

    /// <summary>The loop on rows i … and columns j … of the products from … to − 1, which are finished and which nothing touches any more.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(GemmPlan p, int* o, int from, int to, int i, int rows, int j, int cols)
    {
        if (rows == 0 || cols == 0) return;
        bool upright = layout!.Upright;
        int* line = upright ? o + p.CCol + j : o + p.CRow + i;
        (int lines, int width, nint along) = upright ? (cols, rows, o[p.CRow + i]) : (rows, cols, o[p.CCol + j]);
        // Lines equally far apart run as one, across products too.
        nint first = 0, last = 0, step = 0, count = 0;
        for (int s = from; s < to; s++)
        {
            nint start = o[p.CBatch + s] + along;
            for (int l = 0; l < lines; l++)
            {
                nint at = start + line[l];
                if (count == 1) step = at - last;
                if (count > 0 && at - last != step)
                {
                    kernel!.RunLines(streams, sums, first, count, step, width);
                    count = 0;
                }
                if (count == 0) first = at;
                last = at;
                count++;
            }
        }
        kernel!.RunLines(streams, sums, first, count, count == 1 ? width : step, width);
    }
}
