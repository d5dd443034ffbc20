using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>
/// The matrix product of integers, which wrap around. Any order of summation gives the same numbers, so the depth is taken in blocks that are added to C, and
/// work is cut as the threads like. A panel of B, one or four vectors wide, is copied side by side and meets a block of rows while it is in the first cache.
/// </summary>
internal static unsafe class IntegerGemm<T> where T : unmanaged, IBinaryInteger<T>
{
    private const int Wide = 4, RowBlock = 64, DepthBlock = 128;

    // Fewer columns are summed one by one: a vector would be mostly empty.
    private const int FewColumns = 4;

    // Multiply-adds of a chunk: some microseconds.
    private const long ChunkWork = 100_000;

    [ThreadStatic]
    private static Job? job;

    /// <summary>The product, added to C or written over it. Nothing is checked: the operands hold what the plan addresses.</summary>
    public static void Run(T* a, T* b, T* c, GemmPlan plan, bool accumulate, int threads)
    {
        if (plan.Count == 0 || plan.M == 0 || plan.N == 0) return;
        Job mine = job ?? new Job();
        job = null;
        fixed (int* o = plan.Offsets)
        {
            mine.Open(plan.Swapped ? b : a, plan.Swapped ? a : b, c, plan, o, accumulate);
            try
            {
                Team.Run(mine, mine.Chunks, threads);
            }
            finally
            {
                mine.Plan = null;
                job = mine;
            }
        }
    }

    /// <summary>Units are panels of columns for a block of rows or, where the columns are few, rows; chunks are runs of units.</summary>
    private sealed class Job : TeamJob
    {
        private T* a, b, c;
        private int* o;
        private bool accumulate, few;
        private int wide, panels, rowBlocks;
        private long units;

        public GemmPlan? Plan;

        public int Chunks { get; private set; }

        public void Open(T* left, T* right, T* target, GemmPlan plan, int* offsets, bool adds)
        {
            a = left;
            b = right;
            c = target;
            o = offsets;
            (Plan, accumulate) = (plan, adds);
            few = plan.N < FewColumns || plan.Depth == 0 || !Vector.IsHardwareAccelerated;
            int vector = Vector<T>.Count;
            wide = plan.N / (Wide * vector);
            panels = wide + ((plan.N % (Wide * vector)) + vector - 1) / vector;
            rowBlocks = (plan.M + RowBlock - 1) / RowBlock;
            units = (long)plan.Count * (few ? plan.M : (long)rowBlocks * panels);
            Chunks = (int)Math.Clamp((long)plan.M * plan.N * plan.Depth * plan.Count / ChunkWork, 1, Math.Min(units, 1 << 20));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public override void Run(int chunk)
        {
            long end = units * (chunk + 1) / Chunks;
            for (long unit = units * chunk / Chunks; unit < end; unit++)
            {
                if (few) Row((int)(unit / Plan!.M), (int)(unit % Plan.M));
                else Block((int)(unit / panels / rowBlocks), (int)(unit / panels % rowBlocks), (int)(unit % panels));
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Row(int s, int i)
        {
            GemmPlan p = Plan!;
            int* aDepth = o + p.ADepth, bDepth = o + p.BDepth;
            T* x = a + o[p.ABatch + s] + o[p.ARow + i];
            for (int j = 0; j < p.N; j++)
            {
                T* y = b + o[p.BBatch + s] + o[p.BCol + j], target = c + o[p.CBatch + s] + o[p.CRow + i] + o[p.CCol + j];
                T sum = accumulate ? *target : T.Zero;
                for (int k = 0; k < p.Depth; k++) sum += x[aDepth[k]] * y[bDepth[k]];
                *target = sum;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Block(int s, int rowBlock, int panel)
        {
            GemmPlan p = Plan!;
            int vector = Vector<T>.Count, vectors = panel < wide ? Wide : 1;
            int first = panel < wide ? panel * Wide * vector : (wide * Wide + panel - wide) * vector;
            int width = vectors * vector, cols = Math.Min(width, p.N - first);
            int from = rowBlock * RowBlock, to = Math.Min(p.M, from + RowBlock);
            T* packed = Gemm.Scratch<T>(width * DepthBlock), x = a + o[p.ABatch + s], z = c + o[p.CBatch + s];
            int* rows = o + p.ARow, cRows = o + p.CRow, cCols = o + p.CCol + first;
            for (int start = 0; start < p.Depth; start += DepthBlock)
            {
                int depth = Math.Min(DepthBlock, p.Depth - start);
                int* aDepth = o + p.ADepth + start;
                Pack(packed, b + o[p.BBatch + s], o + p.BDepth + start, o + p.BCol + first, depth, cols, width, p.BColStride == 1);
                bool adds = accumulate || start > 0, isDense = p.CColStride == 1 && cols == width;
                for (int i = from; i < to; i += 2)
                {
                    // The last of an odd number is computed twice and stored once.
                    int next = Math.Min(i + 1, to - 1);
                    Target upper = new(z + cRows[i], cCols, cols, isDense, adds), lower = new(z + cRows[next], cCols, cols, isDense, adds);
                    if (vectors == Wide) Four(x + rows[i], x + rows[next], aDepth, packed, depth, upper, lower, next > i);
                    else One(x + rows[i], x + rows[next], aDepth, packed, depth, upper, lower, next > i);
                }
            }
        }
    }

    /// <summary>The columns of the panel side by side, filled up with zeros.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Pack(T* packed, T* b, int* depths, int* columns, int depth, int cols, int width, bool isDense)
    {
        for (int k = 0; k < depth; k++, packed += width)
        {
            T* y = b + depths[k];
            Span<T> line = new(packed, width);
            if (isDense) new ReadOnlySpan<T>(y + columns[0], cols).CopyTo(line);
            else for (int j = 0; j < cols; j++) line[j] = y[columns[j]];
            line[cols..].Clear();
        }
    }

    /// <summary>A row of C within a panel.</summary>
    private readonly ref struct Target(T* c, int* columns, int cols, bool isDense, bool adds)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Store(Vector<T> sum, int at)
        {
            if (isDense)
            {
                T* to = c + columns[0] + at;
                (adds ? sum + Vector.Load(to) : sum).Store(to);
            }
            else StorePart(sum, at);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private void StorePart(Vector<T> sum, int at)
        {
            for (int j = 0; j < Math.Min(Vector<T>.Count, cols - at); j++)
            {
                T* to = c + columns[at + j];
                *to = adds ? *to + sum[j] : sum[j];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Four(T* x, T* y, int* depths, T* b, int depth, Target upper, Target lower, bool isPair)
    {
        int n = Vector<T>.Count;
        Vector<T> x0 = default, x1 = default, x2 = default, x3 = default, y0 = default, y1 = default, y2 = default, y3 = default;
        for (int k = 0; k < depth; k++, b += Wide * n)
        {
            Vector<T> b0 = Vector.Load(b), b1 = Vector.Load(b + n), b2 = Vector.Load(b + 2 * n), b3 = Vector.Load(b + 3 * n);
            Vector<T> one = new(x[depths[k]]), two = new(y[depths[k]]);
            x0 += one * b0;
            x1 += one * b1;
            x2 += one * b2;
            x3 += one * b3;
            y0 += two * b0;
            y1 += two * b1;
            y2 += two * b2;
            y3 += two * b3;
        }
        upper.Store(x0, 0);
        upper.Store(x1, n);
        upper.Store(x2, 2 * n);
        upper.Store(x3, 3 * n);
        if (!isPair) return;
        lower.Store(y0, 0);
        lower.Store(y1, n);
        lower.Store(y2, 2 * n);
        lower.Store(y3, 3 * n);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One(T* x, T* y, int* depths, T* b, int depth, Target upper, Target lower, bool isPair)
    {
        Vector<T> first = default, second = default;
        for (int k = 0; k < depth; k++, b += Vector<T>.Count)
        {
            Vector<T> panel = Vector.Load(b);
            first += new Vector<T>(x[depths[k]]) * panel;
            second += new Vector<T>(y[depths[k]]) * panel;
        }
        upper.Store(first, 0);
        if (isPair) lower.Store(second, 0);
    }
}
