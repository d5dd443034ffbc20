using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>How products are cut where a loop runs on each block as soon as it is finished.</summary>
internal static unsafe partial class GemmDriver<T, V, S>
{
    // A block on one thread: it stays in the third cache until the loop comes.
    private const int BlockBytes = 4 << 20;

    /// <summary>Changes how a product is cut as the loop needs it. False if there would be too few chunks; the cut then is as before.</summary>
    private static bool CutForEpilogue(Job j, int threads, int each)
    {
        GemmPlan p = j.Args.Plan;
        EpilogueLayout layout = j.Args.After!.Layout;
        (int unit, int rowChunks, int colChunks) = (j.RowUnit, j.RowChunks, j.ColChunks);
        if (layout.Upright)
        {
            if (layout.WholeLines && rowChunks > 1) (rowChunks, colChunks) = (1, Math.Min(each, Math.Max(1, p.N / (2 * S.Count))));
        }
        else if (colChunks > 1 && (layout.WholeLines || p.M / each >= BlockRows))
        {
            rowChunks = Math.Min(each, Math.Max(1, p.M / (j.Args.Path == GemmPath.Packed ? 96 : 12)));
            colChunks = 1;
        }
        if (layout.Together > 1)
        {
            // Rows that belong together are in one chunk, also where products follow one another.
            if (p.Count > 1 && p.M % layout.Together != 0)
            {
                if (j.BatchChunks > 1) return false;
                rowChunks = 1;
            }
            unit = Whole(unit, layout.Together);
            rowChunks = Math.Min(rowChunks, (p.M + unit - 1) / unit);
        }
        if (rowChunks * colChunks * j.BatchChunks < Math.Min(threads, j.Chunks)) return false;
        (j.RowUnit, j.RowChunks, j.ColChunks) = (unit, rowChunks, colChunks);
        return true;
    }

    /// <summary>A product and what comes after on one thread: some products at a time, or some rows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool RunAlone(in GemmArgs<T> args)
    {
        GemmPlan p = args.Plan;
        LoopEpilogue after = args.After!;
        EpilogueLayout layout = after.Layout;
        long row = (long)p.N * sizeof(T);
        int products = p.Count, rows = p.M;
        if (p.M % layout.Together == 0) products = (int)Math.Clamp(BlockBytes / (p.M * row), 1, p.Count);
        if (!layout.Upright && (products == 1 || p.Count == 1)) rows = Whole((int)Math.Clamp(BlockBytes / row, BlockRows, Math.Max(BlockRows, p.M)), layout.Together);
        after.Begin();
        for (int s = 0; s < p.Count; s += products)
        {
            int end = Math.Min(p.Count, s + products);
            for (int i = 0, some; i < p.M; i += some)
            {
                some = Math.Min(rows, p.M - i);
                Team.ThrowIfCancelled();
                Batches(args, s, end, i, some, 0, p.N);
                after.Run(p, args.O, s, end, i, some, 0, p.N);
            }
        }
        return true;
    }

    /// <summary>The least multiple of `unit` that is not below.</summary>
    private static int Whole(int count, int unit) => (count + unit - 1) / unit * unit;
}
