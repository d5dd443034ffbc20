using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

/// <summary>Operands copied into the order in which tiles read them.</summary>
internal static unsafe partial class GemmDriver<T, V, S>
{
    /// <summary>The rows of a tile of A lie side by side where A is packed.</summary>
    private const int ATileRows = 8;

    /// <summary>Whether A is copied first. Where each step along k is in another line of the cache, a tile of 8 rows reads an eighth of each line, and by
    /// steps that fill a few sets of the cache only: that costs more than a copy unless few columns use it (512 rows, depth 1024, 128 columns: 78 GFLOP/s as it lies,
    /// 88 copied; one thread, float).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool PacksA(GemmPlan p) => p.AIsScattered && p.Depth >= 16 && p.N >= (p.ADepthStride == GemmPlan.Irregular ? 48 : 64);

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
                Ahead(source + depth[Math.Min(k + PackAhead, count - 1)] + begin, some * ATileRows * sizeof(T));
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

    private const int PackAhead = 16;

    /// <summary>Asks for what is copied that many steps later: rows in other pages are not foreseen by the machine. Measured on the gradients of weights, where an
    /// operand of 2 MB comes from L3: 4 to 10 % of the product. Other machines than x86 go without.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Ahead(T* source, int bytes)
    {
        if (!Sse.IsSupported) return;
        for (int at = 0; at < bytes; at += 64) Sse.Prefetch0((byte*)source + at);
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
        if (side > 0 && side <= step && depthStride == 1)
        {
            // What is written stays in L1 until all lanes of it are there.
            int whole = count & ~3;
            for (int k = 0, some; k < whole; k += some)
            {
                some = Math.Min(64, whole - k);
                for (int at = 0; at < step; at += side)
                {
                    // Beyond the last lane its like fill the panel.
                    int begin = Math.Min(at, lanes - 1);
                    GemmPack.Transpose(source + depth[k], lane + begin, Math.Min(side, lanes - begin), some, target + (nint)k * step + at, step);
                }
            }
            for (int k = whole; k < count; k++)
            {
                for (int q = 0; q < step; q++) target[(nint)k * step + q] = source[lane[Math.Min(q, lanes - 1)] + depth[k]];
            }
            return;
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
            Ahead(source + depth[Math.Min(k + PackAhead, count - 1)], 8 * S.Count * sizeof(T));
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
}
