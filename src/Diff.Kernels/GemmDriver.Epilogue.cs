using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>How products are cut where a loop runs on each block as soon as it is finished.</summary>
internal static unsafe partial class GemmDriver<T, V, S>
{
    // A block of C that stays in the second cache beside the operands.
    private const int BlockBytes = 128 << 10;

    /// <summary>Changes how a product is cut as the loop needs it. False if there would be too few chunks; the cut then is as before.</summary>
    private static bool CutForEpilogue(Job j, int threads, int each)
    {
        GemmPlan p = j.Args.Plan;
        EpilogueLayout layout = j.Args.After!.Layout;
        (int unit, int rowChunks, int colChunks) = (j.RowUnit, j.RowChunks, j.ColChunks);
        if (layout.WholeLines && layout.Upright && rowChunks > 1)
        {
            (rowChunks, colChunks) = (1, Math.Min(each, Math.Max(1, p.N / (2 * S.Count))));
        }
        else if (layout.WholeLines && !layout.Upright && colChunks > 1)
        {
            // B is packed for each block of rows.
            int least = j.Args.Path == GemmPath.Packed ? 96 : 12;
            rowChunks = Math.Min(each, Math.Max(1, p.M / least));
            if (rowChunks < 4 * threads && p.M >= 32 * threads) rowChunks = (rowChunks + threads - 1) / threads * threads;
            colChunks = 1;
        }
        if (layout.Together > 1)
        {
            // Products follow one another: what belongs together must not go from one chunk to the next.
            if (j.BatchChunks > 1 && p.M % layout.Together != 0) return false;
            unit = (unit + layout.Together - 1) / layout.Together * layout.Together;
            if (p.Count > 1 && p.M % layout.Together != 0) rowChunks = 1;
            rowChunks = Math.Min(rowChunks, (p.M + unit - 1) / unit);
        }
        if (rowChunks * colChunks * j.BatchChunks < Math.Min(threads, j.Chunks)) return false;
        (j.RowUnit, j.RowChunks, j.ColChunks) = (unit, rowChunks, colChunks);
        return true;
    }

    /// <summary>A product and what comes after on one thread, by blocks where that costs the product nothing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool RunAlone(in GemmArgs<T> args)
    {
        GemmPlan p = args.Plan;
        LoopEpilogue after = args.After!;
        int together = after.Layout.Together;
        long one = (long)p.M * p.N * sizeof(T);
        int products = p.M % together == 0 ? (int)Math.Clamp(BlockBytes / one, 1, p.Count) : p.Count, rows = p.M;
        bool mayCutRows = args.Path == GemmPath.InPlace && products < 2 && !(after.Layout.Upright && after.Layout.WholeLines);
        if (mayCutRows) rows = (int)Math.Clamp(BlockBytes / ((long)p.N * sizeof(T)), 1, p.M);
        int unit = (MaxRows + together - 1) / together * together;
        rows = (rows + unit - 1) / unit * unit;
        after.Begin();
        for (int s = 0; s < p.Count; s += products)
        {
            int end = Math.Min(p.Count, s + products);
            for (int i = 0; i < p.M; i += rows)
            {
                int some = Math.Min(rows, p.M - i);
                Team.ThrowIfCancelled();
                Batches(args, s, end, i, some, 0, p.N);
                after.Run(p, args.O, s, end, i, some, 0, p.N);
            }
        }
        return true;
    }
}
