using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>
/// The ways to a product. P is the peak of multiply-adds; s the bytes of an element. The model, and what is measured:
/// InPlace and Packed do 2·m·n·k flops out of registers, L1 and L2: 85–95 % of P from about 32³ (in place) and 64³ (packed). Packed first copies B,
/// 2·k·n·s bytes: by vectors where its columns lie together, be it in runs (about 2 cycles a vector), by squares in registers where the depth does, also
/// in runs (a quarter to half a cycle an element), else about a cycle an element. A is read where it lies, by a table where its depth is irregular (no
/// cost: the windows of a convolution, 85–90 % of P), and copied only where each step along the depth leaves the line of the cache and many columns use it.
/// So a transposed B gives (float, AVX-512) 50 % of P at 8 rows of depth 100 and 90 % at 128.
/// Dot and AddRows read each element of B once, k·n·s bytes, for 2·m flops: the bandwidth of the cache where B lies, 15–35 % of P with one row.
/// </summary>
internal enum GemmPath
{
    /// <summary>Few rows, columns of B contiguous: dot products.</summary>
    Dot,

    /// <summary>Few rows, rows of B contiguous: they are added to the row of C.</summary>
    AddRows,

    /// <summary>Tiles over A and B as they lie.</summary>
    InPlace,

    /// <summary>Tiles over panels of B, copied; this takes any tables.</summary>
    Packed,
}

/// <summary>One call of a product; the tables of the plan begin at O.</summary>
internal unsafe struct GemmArgs<T> where T : unmanaged
{
    public GemmPlan Plan;
    public GemmPath Path;
    public int* O;
    public T* A, B, C;
    public bool Accumulate;

    /// <summary>The part of the depth that is summed by tiles.</summary>
    public int From, To;
}

/// <summary>A block of one of the products: its operands and the tables of its rows and columns.</summary>
internal unsafe struct GemmBlock<T> where T : unmanaged
{
    public T* A, B, C;
    public int* ARow, BCol, CRow, CCol;
    public int Rows, Cols;
}

/// <summary>The loops over blocks. How C is cut for threads does not change a bit: each element is the same sum whatever block it is in.</summary>
internal static unsafe class GemmDriver<T, V, S> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    private static int MaxRows => GemmKernel<T, V, S>.MaxRows;

    // A panel of B (depth × 2 vectors) and the block of A (rows × depth) stay in L2, the block of B (depth × columns) in L3. A panel is read in order, one
    // byte for each 4 to 8 flops, so it need not stay in L1; and the deeper it is, the less often C is read and written.
    private const int L1Bytes = 24 << 10, PanelBytes = 96 << 10, ABytes = 256 << 10, BBytes = 2 << 20;

    // A chunk is at least 3 µs of multiply-adds or of streaming B, and threads pay from about three of them.
    private const long ChunkWork = 100_000, ChunkStream = 96 << 10, StreamFrom = 2 << 20;

    [ThreadStatic]
    private static Job? job;

    /// <summary>A product cut into chunks: groups of products, or blocks of rows and columns of each.</summary>
    private sealed class Job : TeamJob
    {
        public GemmArgs<T> Args;
        public int RowChunks, ColChunks, BatchChunks;

        public override void Run(int chunk)
        {
            GemmPlan p = Args.Plan;
            int col = chunk % ColChunks, row = chunk / ColChunks % RowChunks, batch = chunk / ColChunks / RowChunks;
            int from = Cut(p.Count, 1, batch, BatchChunks), to = Cut(p.Count, 1, batch + 1, BatchChunks);
            int i = Cut(p.M, MaxRows, row, RowChunks), j = ColCut(p.N, col, ColChunks);
            Batches(Args, from, to, i, Cut(p.M, MaxRows, row + 1, RowChunks) - i, j, ColCut(p.N, col + 1, ColChunks) - j);
        }

        // The last vector may overlap the one before, so the last block of columns has at least one.
        private static int ColCut(int cols, int chunk, int chunks)
        {
            int cut = Cut(cols, 2 * S.Count, chunk, chunks);
            return chunk < chunks && chunk > 0 ? Math.Max(0, Math.Min(cut, (cols - S.Count) / (2 * S.Count) * 2 * S.Count)) : cut;
        }

        private static int Cut(int count, int unit, int chunk, int chunks) => (int)Math.Min(count, (long)((count + unit - 1) / unit) * chunk / chunks * unit);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(in GemmArgs<T> args, int threads)
    {
        GemmPlan p = args.Plan;
        if (p.DepthParts > 1 && (args.Path is GemmPath.Packed or GemmPath.InPlace))
        {
            RunParts(args, threads);
            return;
        }
        long work = (long)p.M * p.N * p.Depth * p.Count * sizeof(T) / 4;
        long stream = args.Path is GemmPath.Dot or GemmPath.AddRows ? (long)p.N * p.Depth * p.Count * sizeof(T) : 0;
        if (threads > 1 && (work >= 3 * ChunkWork || stream >= StreamFrom)) RunParallel(args, threads, (int)Math.Min(Math.Max(work / ChunkWork, stream / ChunkStream), 8L * threads));
        else Batches(args, 0, p.Count, 0, p.M, 0, p.N);
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
    private static void RunParallel(in GemmArgs<T> args, int threads, int wanted)
    {
        GemmPlan p = args.Plan;
        Job j = job ??= new Job();
        j.Args = args;
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
        Team.Run(j, j.BatchChunks * j.RowChunks * j.ColChunks, threads);
        j.Args = default;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Batches(in GemmArgs<T> args, int from, int to, int i, int rows, int j, int cols)
    {
        if (rows == 0 || cols == 0) return;
        GemmPlan p = args.Plan;
        int* o = args.O;
        GemmBlock<T> x = new() { ARow = o + p.ARow + i, CRow = o + p.CRow + i, BCol = o + p.BCol + j, CCol = o + p.CCol + j, Rows = rows, Cols = cols };
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private static void Dot(in GemmArgs<T> args, in GemmBlock<T> x)
    {
        GemmPlan p = args.Plan;
        int m = x.Rows, n = x.Cols, depth = p.Depth;
        int* o = args.O, row = x.ARow, col = x.BCol;
        T** rows = stackalloc T*[Gemm.MaxDotRows];
        T* sums = stackalloc T[16], copy = p.ADepthStride == 1 ? null : Gemm.Scratch<T>((nint)m * depth);
        if (copy != null) Gather(x.A, row, m, o + p.ADepth, depth, copy, depth);
        for (int i = 0; i < m; i++) rows[i] = copy == null ? x.A + o[p.ADepth] + row[i] : copy + (nint)i * depth;
        T* b = x.B + o[p.BDepth];
        for (int j = 0; j < n; j += 4)
        {
            T* b0 = b + col[j], b1 = b + col[Math.Min(j + 1, n - 1)], b2 = b + col[Math.Min(j + 2, n - 1)], b3 = b + col[Math.Min(j + 3, n - 1)];
            for (int i = 0, some; i < m; i += some)
            {
                some = m - i >= 4 ? 4 : m - i >= 2 ? 2 : 1;
                if (some == 4) GemmKernel<T, V, S>.Dot<N4>(rows + i, b0, b1, b2, b3, depth, sums);
                else if (some == 2) GemmKernel<T, V, S>.Dot<N2>(rows + i, b0, b1, b2, b3, depth, sums);
                else GemmKernel<T, V, S>.Dot<N1>(rows + i, b0, b1, b2, b3, depth, sums);
                Scatter(sums, 4, x.C, x.CRow + i, some, x.CCol + j, Math.Min(4, n - j), args.Accumulate);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRows(in GemmArgs<T> args, in GemmBlock<T> x)
    {
        GemmPlan p = args.Plan;
        int m = x.Rows, n = x.Cols, depth = p.Depth;
        int* o = args.O, row = x.ARow;
        bool gather = p.ADepthStride != 1, scatter = p.CColStride != 1;
        T* xCopy = gather || scatter ? Gemm.Scratch<T>((nint)m * (depth + n)) : null, yCopy = xCopy + (nint)m * depth;
        if (gather) Gather(x.A, row, m, o + p.ADepth, depth, xCopy, depth);
        if (scatter && args.Accumulate) Gather(x.C, x.CRow, m, x.CCol, n, yCopy, n);
        T* a = x.A + o[p.ADepth], b = x.B + x.BCol[0];
        for (int k = 0, rows; k < depth; k += rows)
        {
            rows = depth - k >= 4 ? 4 : 1;
            bool add = k > 0 || args.Accumulate;
            for (int i = 0; i < m; i++)
            {
                T* xRow = (gather ? xCopy + (nint)i * depth : a + row[i]) + k, yRow = scatter ? yCopy + (nint)i * n : x.C + x.CRow[i] + x.CCol[0];
                if (rows == 4) GemmKernel<T, V, S>.AddRows<N4>(xRow, b, o + p.BDepth + k, yRow, n, add);
                else GemmKernel<T, V, S>.AddRows<N1>(xRow, b, o + p.BDepth + k, yRow, n, add);
            }
        }
        if (scatter) Scatter(yCopy, n, x.C, x.CRow, m, x.CCol, n, add: false);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private static void Tiles(in GemmArgs<T> args, in GemmBlock<T> x)
    {
        GemmPlan p = args.Plan;
        int* o = args.O;
        bool inPlace = args.Path == GemmPath.InPlace;
        int m = x.Rows, n = x.Cols, wide = 2 * S.Count, maxDepth = args.To - args.From, maxRows = m, maxCols = n;
        if (!inPlace)
        {
            maxDepth = Blocks(maxDepth, PanelBytes / (PanelStep(p.N) * sizeof(T)), 1);
            maxRows = Blocks(m, ABytes / (maxDepth * sizeof(T)), MaxRows);
            maxCols = Blocks(n, BBytes / (maxDepth * sizeof(T)), wide);
        }
        else if (maxDepth * n * sizeof(T) <= L1Bytes) maxRows = m <= 2 * MaxRows ? (m > MaxRows ? (m + 1) / 2 : m) : Blocks(m, MaxRows, 1); // all of B stays in L1: C is written row by row

        bool packA = !inPlace && PacksA(p);
        nint aTile = (nint)maxDepth * ATileRows, aTiles = packA ? (maxRows + MaxRows - 1) / MaxRows : 0;
        T* temp = inPlace && p.CColStride == 1 ? null : Gemm.Scratch<T>(MaxRows * wide + (inPlace ? 0 : (nint)maxDepth * maxCols + aTiles * aTile + wide));
        T* bPack = temp + MaxRows * wide, aPack = bPack + (nint)maxDepth * maxCols;
        int* packedRow = stackalloc int[(2 * MaxRows) + (2 * S.Count)], tempRow = packedRow + MaxRows, columns = tempRow + MaxRows;
        for (int r = 0; temp != null && r < MaxRows; r++) (packedRow[r], tempRow[r]) = (r, r * wide);
        Unsafe.SkipInit(out Segments segments);

        Tile<T> t = new() { AStep = packA ? ATileRows : p.ADepthStride, BStep = p.BDepthStride, Keep = S.Count };
        int side = GemmPack.Side<T>();
        bool upright = side > 0 && p.CRowStride == 1 && p.CColStride != GemmPlan.Irregular, table = !packA && p.ADepthStride == GemmPlan.Irregular;
        for (int j0 = 0; j0 < n; j0 += maxCols)
        {
            int cols = Math.Min(maxCols, n - j0);
            for (int k0 = args.From; k0 < args.To; k0 += maxDepth)
            {
                int depth = Math.Min(maxDepth, args.To - k0);
                (t.Depth, t.Add) = (depth, args.Accumulate || k0 > args.From);
                t.ADepth = table ? o + p.ADepth + k0 : null;
                t.A = table ? x.A : x.A + o[p.ADepth + k0];
                int together = inPlace || p.BColStride != 1 ? 0 : cols / (4 * wide) * (4 * wide);
                for (int j = 0; j < together; j += 4 * wide) PackPanels(x.B + x.BCol[j0 + j], o + p.BDepth + k0, depth, bPack + (nint)j * depth);
                for (int j = together; !inPlace && j < cols; j += wide)
                {
                    int lanes = Math.Min(wide, cols - j), step = PanelStep(lanes);
                    int* bCol = x.BCol + j0 + j, bDepth = o + p.BDepth + k0;
                    int stride = p.BColStride;
                    if (lanes <= S.Count)
                    {
                        int start = Start(j, lanes, cols);
                        bCol += start - j;
                        lanes += j - start;
                    }
                    else if (lanes < wide)
                    {
                        for (int l = 0; l < S.Count; l++) (columns[l], columns[S.Count + l]) = (bCol[l], bCol[lanes - S.Count + l]);
                        bCol = columns;
                        (lanes, stride) = (wide, GemmPlan.Irregular);
                    }
                    Pack(x.B, args.B + p.BEnd, bCol, stride, lanes, bDepth, p.BDepthStride, depth, bPack + (nint)j * depth, step);
                }
                for (int i0 = 0; i0 < m; i0 += maxRows)
                {
                    Team.ThrowIfCancelled(); // a block of milliseconds
                    int rows = Math.Min(maxRows, m - i0), tiles = (int)((uint)(rows + MaxRows - 1) / (uint)MaxRows), least = tiles == 1 ? rows : rows / tiles;
                    int remainder = rows - tiles * least;
                    if (packA) PackTiles(args, x.A, x.ARow + i0, tiles, least, remainder, o + p.ADepth + k0, depth, aPack);
                    for (int j = 0, tileCols; j < cols; j += tileCols)
                    {
                        tileCols = Math.Min(wide, cols - j);
                        bool two = tileCols > S.Count;
                        // Whole vectors: the last may overlap the one before. What is computed twice has the same bits, and is added once. Only a block
                        // of less than a vector has a part of one.
                        int rest = two ? tileCols - S.Count : tileCols, start = two ? j : Start(j, tileCols, cols), storeCols = j + tileCols - start;
                        int* cCol = x.CCol + j0 + start;
                        bool runs = p.CColStride == GemmPlan.Irregular && Find(cCol, storeCols, ref segments);
                        bool joined = p.CColStride == 1 || (runs && segments.Count == 1), whole = joined && storeCols >= S.Count;
                        (t.Second, t.Keep) = (rest, cols < S.Count ? S.Count : rest);
                        t.B = inPlace ? x.B + o[p.BDepth + k0] + x.BCol[start] : bPack + (nint)j * depth;
                        if (!inPlace) t.BStep = PanelStep(tileCols);
                        t.SecondB = inPlace ? rest : S.Count;
                        for (int i = 0, tile = 0, tileRows; i < rows; i += tileRows, tile++)
                        {
                            tileRows = tile < remainder ? least + 1 : least; // 10 rows are 5 + 5, not 8 + 2
                            int* cRow = x.CRow + i0 + i;
                            t.ARow = packA ? packedRow : x.ARow + i0 + i;
                            if (packA) t.A = aPack + (nint)tile * depth * ATileRows;
                            t.C = whole ? x.C + cCol[0] : temp;
                            t.CRow = whole ? cRow : tempRow;
                            if (!whole && t.Add) Gather(x.C, cRow, tileRows, cCol, storeCols, temp, wide);
                            GemmKernel<T, V, S>.Run(t, tileRows, two);
                            if (whole) continue;
                            if (joined) Copy(temp, wide, x.C + cCol[0], cRow, tileRows, storeCols);
                            else if (runs)
                            {
                                for (int q = 0; q < segments.Count; q++)
                                    Copy(temp + segments.At[q], wide, x.C + segments.Offset[q], cRow, tileRows, segments.Length[q]);
                            }
                            else if (upright && (tileRows & (side - 1)) == 0 && (storeCols & 3) == 0)
                            {
                                for (int r = 0; r < tileRows; r += side) GemmPack.Transpose(temp, tempRow + r, side, storeCols, x.C + cCol[0] + cRow[r], p.CColStride);
                            }
                            else Scatter(temp, wide, x.C, cRow, tileRows, cCol, storeCols, add: false);
                        }
                    }
                }
            }
        }
    }

    /// <summary>The rows of a tile of A lie side by side where A is packed.</summary>
    private const int ATileRows = 8;

    /// <summary>Whether A is copied first. Where each step along k is in another line of the cache, a tile of 8 rows reads an eighth of each line, and by
    /// steps that fill a few sets of the cache only: that costs more than a copy unless few columns use it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool PacksA(GemmPlan p) => p.AIsScattered && p.Depth >= 16 && p.N >= (p.ADepthStride == GemmPlan.Irregular ? 48 : 384);

    /// <summary>Packs tiles of A, each depth × 8. Rows that lie side by side are read in pieces of several lines of the cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackTiles(in GemmArgs<T> args, T* a, int* row, int tiles, int least, int remainder, int* depth, int count, T* target)
    {
        GemmPlan p = args.Plan;
        T* end = args.A + p.AEnd, source = a + row[0];
        nint tileSize = (nint)count * ATileRows;
        for (int tile = 0, i = 0, some; tile < tiles; tile += some, target += some * tileSize)
        {
            some = Math.Min(8, tiles - tile);
            int larger = Math.Clamp(remainder - tile, 0, some), begin = i;
            i += some * least + larger;
            for (int k = 0; k < count && p.ARowStride == 1; k++)
            {
                T* from = source + depth[k] + begin, to = target + (nint)k * ATileRows;
                bool inside = from + some * (least + 1) + S.Count + ATileRows <= end;
                for (int q = 0; q < some; q++, to += tileSize)
                {
                    int rows = q < larger ? least + 1 : least;
                    if (inside && sizeof(T) == 4) Vector256.Load((byte*)from).Store((byte*)to);
                    else if (inside)
                    {
                        Vector256.Load((byte*)from).Store((byte*)to);
                        Vector256.Load((byte*)from + 32).Store((byte*)to + 32);
                    }
                    else
                    {
                        for (int r = 0; r < rows; r++) to[r] = from[r];
                    }
                    from += rows;
                }
            }
            for (int q = 0; q < some && p.ARowStride != 1; q++)
            {
                int rows = q < larger ? least + 1 : least;
                Pack(a, end, row + begin, p.ARowStride, rows, depth, p.ADepthStride, count, target + q * tileSize, ATileRows);
                begin += rows;
            }
        }
    }

    private const int MaxSegments = 8;

    /// <summary>Runs of offsets that lie side by side: where each begins among the lanes and in memory.</summary>
    private struct Segments
    {
        public int Count;
        public fixed int At[MaxSegments], Offset[MaxSegments], Length[MaxSegments];
    }

    /// <summary>Cuts the lanes into runs; false if there are too many for whole vectors to pay.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool Find(int* lane, int lanes, ref Segments s)
    {
        int count = 0, most = Math.Min(MaxSegments, lanes <= 4 ? 1 : 1 + (lanes - 1) / 4);
        for (int l = 0, next; l < lanes; l = next)
        {
            if (count == most) return false;
            for (next = l + 1; next < lanes && lane[next] == lane[next - 1] + 1;) next++;
            (s.At[count], s.Offset[count], s.Length[count]) = (l, lane[l], next - l);
            count++;
        }
        s.Count = count;
        return true;
    }

    /// <summary>Where the vector begins that ends with the columns from j on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Start(int j, int count, int cols) => cols >= S.Count ? j + count - S.Count : j;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int PanelStep(int lanes) => lanes <= S.Count ? S.Count : 2 * S.Count;

    /// <summary>The size of the equal blocks, a multiple of `unit`, into which `count` is cut so that none is beyond `limit`.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Blocks(int count, int limit, int unit)
    {
        int units = (count + unit - 1) / unit, max = Math.Max(1, limit / unit), blocks = (units + max - 1) / max;
        return (units + blocks - 1) / blocks * unit;
    }

    /// <summary>A panel: target[k, l] = source[depth[k] + lane[l]], rows of `step` elements, a multiple of a square's side; no element of the
    /// operand lies at `end` or beyond. What lies behind a row is overwritten, by less than a vector: panels are packed from the first on. The lanes beyond the
    /// last stay inside the panel: each line of a product has its own lane, so whatever they hold never meets an element of C.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(T* source, T* end, int* lane, int laneStride, int lanes, int* depth, int depthStride, int count, T* target, int step)
    {
        if (laneStride == 1)
        {
            PackRows(source + lane[0], lanes, depth, count, target, step);
            return;
        }
        int side = GemmPack.Side<T>();
        Unsafe.SkipInit(out Segments s);
        if (laneStride == GemmPlan.Irregular && Find(lane, lanes, ref s))
        {
            if (s.Count == 1) PackRows(source + lane[0], lanes, depth, count, target, step);
            else PackSegments(source, end, ref s, depth, count, target, step);
            return;
        }
        int l = 0;
        if (side > 0 && side <= step && depthStride == GemmPlan.Irregular && HasRuns(depth, count))
        {
            PackRuns(source, lane, lanes, depth, count, target, step);
            return;
        }
        for (int whole = count & ~3; side > 0 && side <= step && depthStride == 1 && l < step; l += side)
        {
            // Beyond the last lane its like fill the panel.
            int begin = Math.Min(l, lanes - 1), some = Math.Min(side, lanes - begin);
            GemmPack.Transpose(source + depth[0], lane + begin, some, whole, target + l, step);
            for (int k = whole; k < count; k++)
            {
                for (int q = 0; q < side; q++) target[(nint)k * step + l + q] = source[lane[Math.Min(begin + q, lanes - 1)] + depth[k]];
            }
        }
        for (; l <= lanes - 4; l += 4)
        {
            T* s0 = source + lane[l], s1 = source + lane[l + 1], s2 = source + lane[l + 2], s3 = source + lane[l + 3], to = target + l;
            for (int k = 0; k < count; k++, to += step)
            {
                nint at = depth[k];
                to[0] = s0[at];
                to[1] = s1[at];
                to[2] = s2[at];
                to[3] = s3[at];
            }
        }
        // Zeros, lest the lanes beyond be slow denormals.
        for (; l < step; l++)
        {
            for (int k = 0; k < count; k++) target[(nint)k * step + l] = l < lanes ? source[lane[l] + depth[k]] : T.Zero;
        }
    }

    /// <summary>A depth of runs: squares of four along each, the last with some of the one before; short runs one by one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private static void PackRuns(T* source, int* lane, int lanes, int* depth, int count, T* target, int step)
    {
        int* group = stackalloc int[count];
        int groups = 0, side = GemmPack.Side<T>();
        for (int k = 0, next; k < count; k = next)
        {
            for (next = k + 1; next < count && depth[next] == depth[next - 1] + 1;) next++;
            if (next - k >= 4)
            {
                for (int q = k; q < next; q += 4) group[groups++] = Math.Min(q, next - 4);
                continue;
            }
            for (int q = k; q < next; q++)
            {
                for (int l = 0; l < step; l++) target[((nint)q * step) + l] = source[lane[Math.Min(l, lanes - 1)] + depth[q]];
            }
        }
        for (int l = 0; l < step; l += side)
        {
            int begin = Math.Min(l, lanes - 1);
            GemmPack.Transpose(source, lane + begin, Math.Min(side, lanes - begin), depth, group, groups, target + l, step);
        }
    }

    /// <summary>Whether most offsets begin or continue runs of four.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool HasRuns(int* depth, int count)
    {
        int runs = 1;
        for (int k = 1; k < count; k++)
        {
            if (depth[k] != depth[k - 1] + 1) runs++;
        }
        return runs <= (count + 3) / 4;
    }

    /// <summary>Four panels at once: more of a row is read before the next, which may lie in another page.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackPanels(T* source, int* depth, int count, T* target)
    {
        nint panel = (nint)count * 2 * S.Count;
        for (int k = 0; k < count; k++, target += 2 * S.Count)
        {
            T* row = source + depth[k], to = target;
            for (int q = 0; q < 4; q++, row += 2 * S.Count, to += panel)
            {
                S.Store(S.Load(row), to);
                S.Store(S.Load(row + S.Count), to + S.Count);
            }
        }
    }

    /// <summary>Lanes that lie side by side, by vectors; an exact half vector of AVX-512 is one of AVX.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackRows(T* source, int lanes, int* depth, int count, T* target, int step)
    {
        if (lanes == 2 * S.Count)
        {
            for (int k = 0; k < count; k++, target += step)
            {
                T* row = source + depth[k];
                S.Store(S.Load(row), target);
                S.Store(S.Load(row + S.Count), target + S.Count);
            }
        }
        else if (lanes == S.Count)
        {
            for (int k = 0; k < count; k++, target += step) S.Store(S.Load(source + depth[k]), target);
        }
        else if (2 * lanes == S.Count && Vector256.IsHardwareAccelerated && lanes * sizeof(T) == 32)
        {
            for (int k = 0; k < count; k++, target += step) Vector256.Load((byte*)(source + depth[k])).Store((byte*)target);
        }
        else
        {
            for (int k = 0; k < count; k++, target += step)
            {
                T* row = source + depth[k];
                if (lanes > S.Count) S.Store(S.Load(row), target);
                int at = lanes > S.Count ? S.Count : 0;
                S.Store(S.LoadPart(row + at, lanes - at), target + at);
            }
        }
    }

    /// <summary>Lanes that lie side by side in a few runs: whole vectors, each over what the one before wrote too much; about 2 cycles a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private static void PackSegments(T* source, T* end, ref Segments s, int* depth, int count, T* target, int step)
    {
        int* from = stackalloc int[MaxSegments + 4], to = stackalloc int[MaxSegments + 4];
        int pieces = 0, reach = 0;
        for (int q = 0; q < s.Count; q++)
        {
            for (int at = 0; at < s.Length[q]; at += S.Count, pieces++)
            {
                (from[pieces], to[pieces]) = (s.Offset[q] + at, s.At[q] + at);
                reach = Math.Max(reach, from[pieces] + S.Count);
            }
        }
        // Three are four of which the last is written twice.
        if (pieces == 3) (from[3], to[3]) = (from[2], to[2]);
        nint from0 = from[0], from1 = from[1], from2 = from[2], from3 = from[3], to0 = to[0], to1 = to[1], to2 = to[2], to3 = to[3];
        for (int k = 0; k < count; k++, target += step)
        {
            T* row = source + depth[k];
            if (row + reach > end)
            {
                for (int q = 0; q < s.Count; q++)
                {
                    for (int l = 0; l < s.Length[q]; l++) target[s.At[q] + l] = row[s.Offset[q] + l];
                }
                continue;
            }
            S.Store(S.Load(row + from0), target + to0);
            S.Store(S.Load(row + from1), target + to1);
            if (pieces == 2) continue;
            S.Store(S.Load(row + from2), target + to2);
            S.Store(S.Load(row + from3), target + to3);
            for (int q = 4; q < pieces; q++) S.Store(S.Load(row + from[q]), target + to[q]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Gather(T* source, int* row, int rows, int* col, int cols, T* target, int step)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int q = 0; q < cols; q++) target[(nint)r * step + q] = source[row[r] + col[q]];
        }
    }

    /// <summary>The columns of a tile that C has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy(T* source, int step, T* target, int* row, int rows, int cols)
    {
        bool two = cols > S.Count;
        int rest = two ? cols - S.Count : cols;
        for (int r = 0; r < rows; r++, source += step)
        {
            T* to = target + row[r];
            if (two) S.Store(S.Load(source), to);
            S.StorePart(S.Load(two ? source + S.Count : source), two ? to + S.Count : to, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scatter(T* source, int step, T* target, int* row, int rows, int* col, int cols, bool add)
    {
        for (int r = 0; r < rows; r++)
        {
            T* to = target + row[r], from = source + (nint)r * step;
            if (add)
            {
                for (int q = 0; q < cols; q++) to[col[q]] += from[q];
            }
            else
            {
                for (int q = 0; q < cols; q++) to[col[q]] = from[q];
            }
        }
    }
}
