using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Products by tiles of C in registers.</summary>
internal static unsafe partial class GemmDriver<T, V, S>
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private static void Tiles(in GemmArgs<T> args, in GemmBlock<T> x)
    {
        GemmPlan p = args.Plan;
        int* o = args.O;
        // One vector of columns leaves registers for 8 rows in any width, and fewer sums would wait for themselves.
        int tallest = x.Cols <= S.Count ? ATileRows : MaxRows;
        bool inPlace = args.Path == GemmPath.InPlace;
        int m = x.Rows, n = x.Cols, wide = 2 * S.Count, maxDepth = args.To - args.From, maxRows = m, maxCols = n;
        if (!inPlace)
        {
            maxDepth = Blocks(maxDepth, PanelBytes / (PanelStep(p.N) * sizeof(T)), 1);
            maxRows = Blocks(m, ABytes / (maxDepth * sizeof(T)), tallest);
            maxCols = Blocks(n, BBytes / (maxDepth * sizeof(T)), wide);
        }
        else if (maxDepth * n * sizeof(T) <= L1Bytes) maxRows = m <= 2 * tallest ? (m > tallest ? (m + 1) / 2 : m) : Blocks(m, tallest, 1); // all of B stays in L1: C is written row by row

        bool packA = !inPlace && PacksA(p);
        nint aTile = (nint)maxDepth * ATileRows, aTiles = packA ? (maxRows + tallest - 1) / tallest : 0;
        T* temp = inPlace && p.CColStride == 1 ? null : Gemm.Scratch<T>(tallest * wide + (inPlace ? 0 : (nint)maxDepth * maxCols + aTiles * aTile + wide));
        T* bPack = temp + tallest * wide, aPack = bPack + (nint)maxDepth * maxCols;
        int* packedRow = stackalloc int[(2 * tallest) + (2 * S.Count)], tempRow = packedRow + tallest, columns = tempRow + tallest;
        for (int r = 0; temp != null && r < tallest; r++) (packedRow[r], tempRow[r]) = (r, r * wide);
        Unsafe.SkipInit(out Segments segments);

        Tile<T> t = new() { AStep = packA ? ATileRows : p.ADepthStride, BStep = p.BDepthStride, Keep = S.Count };
        int side = GemmPack.Side<T>();
        bool upright = IsUpright(p), table = !packA && p.ADepthStride == GemmPlan.Irregular;
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
                    int rows = Math.Min(maxRows, m - i0), tiles = (int)((uint)(rows + tallest - 1) / (uint)tallest), least = tiles == 1 ? rows : rows / tiles;
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
                            else if (upright) StoreUpright(temp, tempRow, wide, tileRows, storeCols, side, p, x.C, cRow, cCol);
                            else Scatter(temp, wide, x.C, cRow, tileRows, cCol, storeCols, add: false);
                        }
                    }
                }
            }
        }
    }

    /// <summary>Products whose B stays in L1, in place: C is written row by row. A small product takes as long as a few hundred multiply-adds, so all that is
    /// common to them is done once.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Small(in GemmArgs<T> args, in GemmBlock<T> x, int from, int to)
    {
        Team.ThrowIfCancelled();
        GemmPlan p = args.Plan;
        int* o = args.O;
        int m = x.Rows, n = x.Cols, wide = 2 * S.Count;
        int maxRows = n <= S.Count ? ATileRows : MaxRows, tiles = (int)((uint)(m + maxRows - 1) / (uint)maxRows), least = m / tiles, remainder = m - (tiles * least);
        T* a = args.A + o[p.ADepth], b = args.B + o[p.BDepth] + x.BCol[0], c = args.C;
        bool joined = p.CColStride == 1;
        int side = GemmPack.Side<T>();
        T* temp = joined ? null : Gemm.Scratch<T>(ATileRows * wide);
        int* tempRow = stackalloc int[ATileRows];
        for (int r = 0; r < ATileRows; r++) tempRow[r] = r * wide;
        Tile<T> t = new() { AStep = p.ADepthStride, BStep = p.BDepthStride, Depth = p.Depth, Add = args.Accumulate };
        for (int s = from; s < to; s++)
        {
            t.A = a + o[p.ABatch + s];
            T* bs = b + o[p.BBatch + s], cs = c + o[p.CBatch + s];
            for (int i = 0, tile = 0, rows; i < m; i += rows, tile++)
            {
                rows = tile < remainder ? least + 1 : least;
                t.ARow = x.ARow + i;
                t.CRow = joined ? x.CRow + i : tempRow;
                for (int j = 0; j < n; j += wide)
                {
                    int cols = Math.Min(wide, n - j), start = cols > S.Count ? j : j + cols - S.Count;
                    t.Keep = t.Second = t.SecondB = cols > S.Count ? cols - S.Count : cols;
                    t.B = bs + start;
                    t.C = joined ? cs + x.CCol[start] : temp;
                    GemmKernel<T, V, S>.Run(t, rows, cols > S.Count);
                    if (!joined) StoreUpright(temp, tempRow, wide, rows, j + cols - start, side, p, cs, x.CRow + i, x.CCol + start);
                }
            }
        }
    }

    /// <summary>Whether the rows of C lie side by side: tiles are transposed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsUpright(GemmPlan p) => GemmPack.Side<T>() > 0 && p.CRowStride == 1 && p.CColStride != GemmPlan.Irregular;

    /// <summary>A tile, written along the rows: by squares if it is made of such.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreUpright(T* temp, int* tempRow, int step, int rows, int cols, int side, GemmPlan p, T* c, int* cRow, int* cCol)
    {
        if ((rows & (side - 1)) == 0 && (cols & 3) == 0)
        {
            for (int r = 0; r < rows; r += side) GemmPack.Transpose(temp, tempRow + r, side, cols, c + cCol[0] + cRow[r], p.CColStride);
        }
        else Scatter(temp, step, c, cRow, rows, cCol, cols, add: false);
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
}
