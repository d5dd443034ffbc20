using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>
/// The ways to a product. P is the peak of multiply-adds; s the bytes of an element. The model, and what is measured:
/// InPlace and Packed do 2·m·n·k flops out of registers, L1 and L2: 85–95 % of P from about 32³ (in place) and 64³ (packed). Packed first copies B,
/// 2·k·n·s bytes: by vectors where the rows of B are contiguous, else about a cycle an element, the time of 16 rows of multiply-adds (float, AVX-512);
/// so a transposed B gives 25 % of P at 8 rows, 50 % at 24, 85 % at 128.
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

/// <summary>The loops over blocks; the tables of `p` begin at `o`.</summary>
internal static unsafe class GemmDriver<T, V, S> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    private const int MaxRows = 6; // of a tile

    // A panel of B (depth × 2 vectors) stays in L1, the block of A (rows × depth) in L2 and the block of B (depth × columns) in L3.
    private const int PanelBytes = 24 << 10, ABytes = 256 << 10, BBytes = 2 << 20;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(GemmPath path, GemmPlan p, int* o, T* a, T* b, T* c)
    {
        for (int s = 0; s < p.Batch; s++)
        {
            T* a0 = a + o[p.ABatch + s], b0 = b + o[p.BBatch + s], c0 = c + o[p.CBatch + s];
            if (path == GemmPath.Dot) Dot(p, o, a0, b0, c0);
            else if (path == GemmPath.AddRows) AddRows(p, o, a0, b0, c0);
            else Tiles(p, o, a0, b0, c0, path == GemmPath.InPlace);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dot(GemmPlan p, int* o, T* a, T* b, T* c)
    {
        int m = p.M, n = p.N, depth = p.Depth;
        int* row = o + p.ARow, col = o + p.BCol;
        T** rows = stackalloc T*[Gemm.MaxDotRows];
        T* sums = stackalloc T[8], copy = p.ADepthStride == 1 ? null : Gemm.Scratch<T>((nint)m * depth);
        if (copy != null) Gather(a, row, m, o + p.ADepth, depth, copy, depth);
        for (int i = 0; i < m; i++) rows[i] = copy == null ? a + o[p.ADepth] + row[i] : copy + (nint)i * depth;
        b += o[p.BDepth];
        for (int j = 0; j < n; j += 4)
        {
            T* b0 = b + col[j], b1 = b + col[Math.Min(j + 1, n - 1)], b2 = b + col[Math.Min(j + 2, n - 1)], b3 = b + col[Math.Min(j + 3, n - 1)];
            for (int i = 0; i < m; i += 2)
            {
                if (i + 1 < m) GemmKernel<T, V, S>.Dot<N2>(rows[i], rows[i + 1], b0, b1, b2, b3, depth, sums);
                else GemmKernel<T, V, S>.Dot<N1>(rows[i], rows[i], b0, b1, b2, b3, depth, sums);
                Scatter(sums, 4, c, o + p.CRow + i, Math.Min(2, m - i), o + p.CCol + j, Math.Min(4, n - j));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRows(GemmPlan p, int* o, T* a, T* b, T* c)
    {
        int m = p.M, n = p.N, depth = p.Depth;
        int* row = o + p.ARow, cRow = o + p.CRow, cCol = o + p.CCol;
        bool gather = p.ADepthStride != 1, scatter = p.CColStride != 1;
        T* x = gather || scatter ? Gemm.Scratch<T>((nint)m * (depth + n)) : null, y = x + (nint)m * depth;
        if (gather) Gather(a, row, m, o + p.ADepth, depth, x, depth);
        a += o[p.ADepth];
        b += o[p.BCol];
        for (int k = 0, rows; k < depth; k += rows)
        {
            rows = depth - k >= 4 ? 4 : 1;
            for (int i = 0; i < m; i++)
            {
                T* xRow = (gather ? x + (nint)i * depth : a + row[i]) + k, yRow = scatter ? y + (nint)i * n : c + cRow[i] + cCol[0];
                if (k == 0) new Span<T>(yRow, n).Clear();
                if (rows == 4) GemmKernel<T, V, S>.AddRows<N4>(xRow, b, o + p.BDepth + k, yRow, n);
                else GemmKernel<T, V, S>.AddRows<N1>(xRow, b, o + p.BDepth + k, yRow, n);
            }
        }
        if (scatter) Scatter(y, n, c, cRow, m, cCol, n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tiles(GemmPlan p, int* o, T* a, T* b, T* c, bool inPlace)
    {
        int m = p.M, n = p.N, wide = 2 * S.Count, maxDepth = p.Depth, maxRows = m, maxCols = n;
        if (!inPlace)
        {
            maxDepth = Blocks(p.Depth, PanelBytes / (wide * sizeof(T)), 1);
            maxRows = Blocks(m, ABytes / (maxDepth * sizeof(T)), MaxRows);
            maxCols = Blocks(n, BBytes / (maxDepth * sizeof(T)), wide);
        }
        else if (maxDepth * n * sizeof(T) <= PanelBytes) maxRows = m <= MaxRows ? m : Blocks(m, MaxRows, 1); // all of B stays in L1: C is written row by row

        bool gather = p.ADepthStride == GemmPlan.Irregular;
        T* temp = inPlace && p.CColStride == 1 ? null : Gemm.Scratch<T>(MaxRows * wide + (inPlace ? 0 : (nint)maxDepth * (maxCols + (gather ? maxRows : 0))));
        T* bPack = temp + MaxRows * wide, aPack = bPack + (nint)maxDepth * maxCols;
        int* packedRow = stackalloc int[2 * MaxRows], tempRow = packedRow + MaxRows;

        Tile<T> t = new() { AStep = gather ? 1 : p.ADepthStride, BStep = inPlace ? p.BDepthStride : wide };
        for (int j0 = 0; j0 < n; j0 += maxCols)
        {
            int cols = Math.Min(maxCols, n - j0);
            for (int k0 = 0; k0 < p.Depth; k0 += maxDepth)
            {
                int depth = Math.Min(maxDepth, p.Depth - k0);
                (t.Depth, t.Add) = (depth, k0 > 0);
                for (int r = 0; r < MaxRows; r++) (packedRow[r], tempRow[r]) = (r * depth, r * wide);
                for (int j = 0; !inPlace && j < cols; j += wide)
                {
                    Pack(b, o + p.BCol + j0 + j, p.BColStride, Math.Min(wide, cols - j), o + p.BDepth + k0, p.BDepthStride, depth, bPack + (nint)j * depth);
                }
                for (int i0 = 0; i0 < m; i0 += maxRows)
                {
                    int rows = Math.Min(maxRows, m - i0), tiles = (rows + MaxRows - 1) / MaxRows, least = tiles == 1 ? rows : rows / tiles, remainder = rows - tiles * least;
                    if (gather) Gather(a, o + p.ARow + i0, rows, o + p.ADepth + k0, depth, aPack, depth);
                    for (int j = 0, tileCols; j < cols; j += tileCols)
                    {
                        tileCols = Math.Min(wide, cols - j);
                        if (inPlace)
                        {
                            // Whole vectors only: the last may overlap those before, and is computed twice with the same bits.
                            tileCols = tileCols > S.Count && n >= wide ? wide : S.Count;
                            j = Math.Min(j, n - tileCols);
                        }
                        t.B = inPlace ? b + o[p.BDepth] + o[p.BCol + j] : bPack + (nint)j * depth;
                        bool whole = p.CColStride == 1 && tileCols % S.Count == 0;
                        int* cCol = o + p.CCol + j0 + j;
                        for (int i = 0, tile = 0, tileRows; i < rows; i += tileRows, tile++)
                        {
                            tileRows = tile < remainder ? least + 1 : least; // 8 rows are 4 + 4, not 6 + 2
                            int* cRow = o + p.CRow + i0 + i;
                            t.A = gather ? aPack + (nint)i * depth : a + o[p.ADepth + k0];
                            t.ARow = gather ? packedRow : o + p.ARow + i0 + i;
                            t.C = whole ? c + cCol[0] : temp;
                            t.CRow = whole ? cRow : tempRow;
                            if (!whole && t.Add) Gather(c, cRow, tileRows, cCol, tileCols, temp, wide);
                            GemmKernel<T, V, S>.Run(t, tileRows, tileCols > S.Count);
                            if (!whole) Scatter(temp, wide, c, cRow, tileRows, cCol, tileCols);
                        }
                    }
                }
            }
        }
    }

    /// <summary>The size of the equal blocks, a multiple of `unit`, into which `count` is cut so that none is beyond `limit`.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Blocks(int count, int limit, int unit)
    {
        int units = (count + unit - 1) / unit, max = Math.Max(1, limit / unit), blocks = (units + max - 1) / max;
        return (units + blocks - 1) / blocks * unit;
    }

    /// <summary>A panel of B: target[k, l] = source[depth[k] + lane[l]], rows of 2 vectors. The lanes beyond the last stay inside the panel: each
    /// column of a product has its own lane, so whatever they hold never meets an element of C. They are zero lest it be a slow denormal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(T* source, int* lane, int laneStride, int lanes, int* depth, int depthStride, int count, T* target)
    {
        int step = 2 * S.Count, l = 0;
        if (lanes < step) new Span<T>(target, count * step).Clear();
        if (laneStride == 1 && lanes == step)
        {
            source += lane[0];
            for (int k = 0; k < count; k++, target += step)
            {
                S.Store(S.Load(source + depth[k]), target);
                S.Store(S.Load(source + depth[k] + S.Count), target + S.Count);
            }
            return;
        }
        for (; depthStride != GemmPlan.Irregular && l <= lanes - 4; l += 4)
        {
            T* s = source + depth[0], s0 = s + lane[l], s1 = s + lane[l + 1], s2 = s + lane[l + 2], s3 = s + lane[l + 3], to = target + l;
            nint at = 0;
            for (int k = 0; k < count; k++, at += depthStride, to += step)
            {
                to[0] = s0[at];
                to[1] = s1[at];
                to[2] = s2[at];
                to[3] = s3[at];
            }
        }
        for (; l < lanes; l++)
        {
            for (int k = 0; k < count; k++) target[k * step + l] = source[lane[l] + depth[k]];
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scatter(T* source, int step, T* target, int* row, int rows, int* col, int cols)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int q = 0; q < cols; q++) target[row[r] + col[q]] = source[(nint)r * step + q];
        }
    }
}
