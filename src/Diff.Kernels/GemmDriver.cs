using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>The loops over blocks. How C is cut for threads does not change a bit: each element is the same sum whatever block it is in.</summary>
internal static unsafe partial class GemmDriver<T, V, S> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    private static int MaxRows => GemmKernel<T, V, S>.MaxRows;

    // A panel of B (depth × 2 vectors) and the block of A (rows × depth) stay in L2, the block of B (depth × columns) in L3. A panel is read in order, one
    // byte for each 4 to 8 flops, so it need not stay in L1; and the deeper it is, the less often C is read and written.
    private const int L1Bytes = 24 << 10, PanelBytes = 96 << 10, ABytes = 256 << 10, BBytes = 2 << 20;

    // A chunk is at least 3 µs of multiply-adds or of streaming B, and threads pay from about three of them.
    private const long ChunkWork = 100_000, ChunkStream = 96 << 10, StreamFrom = 2 << 20;

    // More than that of C goes to memory. B is packed for each block of so many rows at least.
    private const long MemoryBytes = 32 << 20;
    private const int BlockRows = 512;

    [ThreadStatic]
    private static Job? job;

    /// <summary>A product cut into chunks: groups of products, or blocks of rows and columns of each.</summary>
    private sealed class Job : TeamJob
    {
        public GemmArgs<T> Args;
        public int RowUnit, RowChunks, ColChunks, BatchChunks;

        public int Chunks => RowChunks * ColChunks * BatchChunks;

        public override void Run(int chunk)
        {
            GemmPlan p = Args.Plan;
            int col = chunk % ColChunks, row = chunk / ColChunks % RowChunks, batch = chunk / ColChunks / RowChunks;
            int from = Cut(p.Count, 1, batch, BatchChunks), to = Cut(p.Count, 1, batch + 1, BatchChunks);
            int i = Cut(p.M, RowUnit, row, RowChunks), j = ColCut(p.N, col, ColChunks);
            int rows = Cut(p.M, RowUnit, row + 1, RowChunks) - i, cols = ColCut(p.N, col + 1, ColChunks) - j;
            Batches(Args, from, to, i, rows, j, cols);
            // A block is written by its chunk alone: vectors that overlap do so within it.
            Args.After?.Run(p, Args.O, from, to, i, rows, j, cols);
        }

        // The last vector may overlap the one before, so the last block of columns has at least one.
        private static int ColCut(int cols, int chunk, int chunks)
        {
            int cut = Cut(cols, 2 * S.Count, chunk, chunks);
            return chunk < chunks && chunk > 0 ? Math.Max(0, Math.Min(cut, (cols - S.Count) / (2 * S.Count) * 2 * S.Count)) : cut;
        }

        private static int Cut(int count, int unit, int chunk, int chunks) => (int)Math.Min(count, (long)((count + unit - 1) / unit) * chunk / chunks * unit);
    }

    /// <summary>Runs it; true if what comes after has begun and has run on every block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool Run(in GemmArgs<T> args, int threads)
    {
        GemmPlan p = args.Plan;
        if (p.DepthParts > 1 && (args.Path is GemmPath.Packed or GemmPath.InPlace))
        {
            RunParts(args, threads);
            return false;
        }
        // A multiply-add of float32 takes about as long as a unit of a loop's cost.
        long work = (long)p.M * p.N * p.Depth * p.Count * sizeof(T) / 4 + (args.After?.Kernel.Cost ?? 0);
        long stream = args.Path is GemmPath.Dot or GemmPath.AddRows ? (long)p.N * p.Depth * p.Count * sizeof(T) : 0;
        if (threads > 1 && (work >= 2 * ChunkWork || stream >= StreamFrom)) return RunParallel(args, threads, (int)Math.Min(Math.Max(work / ChunkWork, stream / ChunkStream), 8L * threads));
        if (args.After != null) return RunAlone(args);
        Batches(args, 0, p.Count, 0, p.M, 0, p.N);
        return false;
    }

    /// <summary>A small C with a great depth, which is cut into parts that do not depend on the threads: each is summed by itself, then they are added in order.</summary>
    private sealed class PartsJob : TeamJob
    {
        public GemmArgs<T> Args;
        public T[] Sums = [];

        public override void Run(int chunk)
        {
            GemmPlan p = Args.Plan;
            GemmArgs<T> part = Args;
            part.C = (T*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(Sums)) + (nint)chunk * p.M * p.N;
            part.Accumulate = false;
            (part.From, part.To) = ((int)((long)p.Depth * chunk / p.DepthParts), (int)((long)p.Depth * (chunk + 1) / p.DepthParts));
            Batches(part, 0, 1, 0, p.M, 0, p.N);
        }
    }

    [ThreadStatic]
    private static PartsJob? partsJob;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunParts(in GemmArgs<T> args, int threads)
    {
        GemmPlan p = args.Plan;
        PartsJob j = partsJob ??= new PartsJob();
        int size = p.M * p.N;
        if (j.Sums.Length < size * p.DepthParts) j.Sums = GC.AllocateUninitializedArray<T>(size * p.DepthParts, pinned: true);
        j.Args = args;
        Team.Run(j, p.DepthParts, threads);
        j.Args = default;
        Span<T> c = new(args.C, size);
        for (int part = 0; part < p.DepthParts; part++)
        {
            ReadOnlySpan<T> sums = j.Sums.AsSpan(part * size, size);
            if (part == 0 && !args.Accumulate) sums.CopyTo(c);
            else
                for (int i = 0; i < size; i++) c[i] += sums[i];
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static bool RunParallel(in GemmArgs<T> args, int threads, int wanted)
    {
        GemmPlan p = args.Plan;
        Job j = job ??= new Job();
        j.Args = args;
        j.RowUnit = MaxRows;
        int colUnits = Math.Max(1, p.N / (2 * S.Count));
        j.BatchChunks = Math.Min(p.Count, wanted);
        int each = (wanted + p.Count - 1) / p.Count;
        if (args.Path == GemmPath.Packed)
        {
            // A block packs its own B, so it should have many rows; and where A does not stay in L2, or is read across its lines, it should not be read for
            // few columns. Few chunks are a multiple of the threads.
            bool narrow = !p.AIsScattered && (long)p.M * p.Depth * sizeof(T) <= 2 << 20;
            j.ColChunks = Math.Min(each, narrow ? colUnits : Math.Max(1, p.N / 256));
            j.RowChunks = Math.Min((each + j.ColChunks - 1) / j.ColChunks, Math.Max(1, p.M / 96));
            // What goes to memory is written by whole rows: up to 6 % where the depth is small.
            if (p.M / each >= BlockRows && (long)p.M * p.N * sizeof(T) >= MemoryBytes) (j.RowChunks, j.ColChunks) = (each, 1);
            int chunks = j.RowChunks * j.ColChunks * j.BatchChunks;
            if (chunks < 4 * threads && chunks % threads != 0)
            {
                if (p.M >= 32 * threads) j.RowChunks = (j.RowChunks + threads - 1) / threads * threads;
                else j.ColChunks = Math.Min(colUnits, (j.ColChunks + threads - 1) / threads * threads);
            }
        }
        else if (args.Path == GemmPath.InPlace)
        {
            j.RowChunks = Math.Min(each, Math.Max(1, p.M / 12));
            j.ColChunks = Math.Min((each + j.RowChunks - 1) / j.RowChunks, colUnits);
        }
        else if (p.M > Gemm.MaxDotRows) (j.RowChunks, j.ColChunks) = (Math.Min(each, p.M / MaxRows), 1);
        else (j.RowChunks, j.ColChunks) = (1, Math.Min(each, args.Path == GemmPath.AddRows ? Math.Max(1, colUnits / 4) : colUnits));
        if (args.After != null && !CutForEpilogue(j, threads, each)) j.Args.After = null;
        j.Args.After?.Begin();
        Team.Run(j, j.Chunks, threads);
        bool isDone = j.Args.After != null;
        j.Args = default;
        return isDone;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Batches(in GemmArgs<T> args, int from, int to, int i, int rows, int j, int cols)
    {
        if (rows == 0 || cols == 0) return;
        GemmPlan p = args.Plan;
        int* o = args.O;
        GemmBlock<T> x = new() { ARow = o + p.ARow + i, CRow = o + p.CRow + i, BCol = o + p.BCol + j, CCol = o + p.CCol + j, Rows = rows, Cols = cols };
        if (args.Path == GemmPath.InPlace && cols >= S.Count && (p.CColStride == 1 || (IsUpright(p) && !args.Accumulate)) && (nint)p.Depth * cols * sizeof(T) <= L1Bytes)
        {
            Small(args, x, from, to);
            return;
        }
        for (int s = from; s < to; s++)
        {
            x.A = args.A + o[p.ABatch + s];
            x.B = args.B + o[p.BBatch + s];
            x.C = args.C + o[p.CBatch + s];
            if (args.Path == GemmPath.Dot) Dot(args, x);
            else if (args.Path == GemmPath.AddRows) AddRows(args, x);
            else Tiles(args, x);
        }
    }
}
