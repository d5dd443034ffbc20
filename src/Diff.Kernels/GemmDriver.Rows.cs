using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Products of few rows, and C where its rows or columns do not lie side by side.</summary>
internal static unsafe partial class GemmDriver<T, V, S>
{
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
