using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>
/// Copies elements between two layouts of the same extents: transposition, repetition, windows. Axes that lie alike in both are joined; then rows are
/// copied whole where both lie next to each other, and in square blocks where one runs across the other, so that each cache line is used up while it is
/// there. Cost: 2 · elements · size bytes moved; across, about a cycle an element from L1 and 1–2 ns from memory.
/// </summary>
internal sealed unsafe class StridedCopy
{
    private const int Block = 16;
    private const nint ChunkElements = 1 << 15;
    private const nint ParallelElements = 1 << 16;

    [ThreadStatic]
    private static Job? job;

    private readonly int size;
    private readonly nint[] extents, source, target; // outermost first; strides in elements
    private readonly int crossing;                   // the axis along which the source is contiguous, if it is not the last; −1 none
    private readonly nint units, unitsInChunk;       // indices of all axes but the last (and the crossing one, of which blocks count)

    public StridedCopy(int size, int[] extents, int[] source, int[] target)
    {
        this.size = size;
        // The target's order decides: its smallest steps inside. Axes of extent 1 go; neighbours that lie alike become one.
        var axes = new List<(nint N, nint From, nint To)>();
        for (int d = 0; d < extents.Length; d++) if (extents[d] != 1) axes.Add((extents[d], source[d], target[d]));
        axes.Sort((a, b) => b.To.CompareTo(a.To));
        for (int d = axes.Count - 1; d > 0; d--)
        {
            var (inner, around) = (axes[d], axes[d - 1]);
            if (around.From != inner.N * inner.From || around.To != inner.N * inner.To) continue;
            axes[d - 1] = (around.N * inner.N, inner.From, inner.To);
            axes.RemoveAt(d);
        }
        if (axes.Count == 0) axes.Add((1, 1, 1));
        (this.extents, this.source, this.target) = ([.. axes.ConvertAll(a => a.N)], [.. axes.ConvertAll(a => a.From)], [.. axes.ConvertAll(a => a.To)]);
        int last = axes.Count - 1;
        crossing = -1;
        if (this.source[last] is not (0 or 1))
        {
            for (int d = last - 1; d >= 0; d--) if (this.source[d] == 1) crossing = d;
        }
        units = 1;
        for (int d = 0; d < last; d++) units *= d == crossing ? (this.extents[d] + Block - 1) / Block : this.extents[d];
        nint unit = Math.Max(1, this.extents[last] * (crossing >= 0 ? Block : 1));
        unitsInChunk = Math.Max(1, ChunkElements / unit);
        if (Array.IndexOf(this.extents, (nint)0) >= 0) units = 0;
    }

    /// <summary>How many parts of about equal cost there are, which may be copied at the same time.</summary>
    public int Chunks => (int)((units + unitsInChunk - 1) / unitsInChunk);

    /// <summary>How many bytes it moves if they lie alike in both and are few; else 0.</summary>
    public nint BytesTogether => extents.Length == 1 && source[0] == 1 && target[0] == 1 && extents[0] <= 512 ? extents[0] * size : 0;

    /// <summary>How many elements there are.</summary>
    public long Elements => extents.Aggregate(1L, (all, n) => all * n);

    /// <summary>Where each element lies in source and target, in elements.</summary>
    public IEnumerable<(nint From, nint To)> Offsets()
    {
        for (long k = 0; k < Elements; k++)
        {
            long rest = k;
            var (from, to) = ((nint)0, (nint)0);
            for (int d = extents.Length - 1; d >= 0; d--)
            {
                var at = (nint)(rest % extents[d]);
                rest /= extents[d];
                (from, to) = (from + at * source[d], to + at * target[d]);
            }
            yield return (from, to);
        }
    }

    public void RunChunk(byte* from, byte* to, int chunk)
    {
        nint first = chunk * unitsInChunk;
        RunUnits(from, to, first, Math.Min(unitsInChunk, units - first));
    }

    public void Run(byte* from, byte* to, int threads)
    {
        nint all = units;
        if (all == 0) return;
        int chunks = Chunks;
        if (chunks == 1)
        {
            RunUnits(from, to, 0, all);
            return;
        }
        Job mine = job ?? new Job();
        job = null;
        mine.Copy = this;
        mine.From = from;
        mine.To = to;
        try
        {
            Team.Run(mine, chunks, all * extents[^1] < ParallelElements ? 1 : threads);
        }
        finally
        {
            mine.Copy = null;
            job = mine;
        }
    }

    private void RunUnits(byte* from, byte* to, nint first, nint count)
    {
        if (size == 4) RunUnits((int*)from, (int*)to, first, count);
        else if (size == 8) RunUnits((long*)from, (long*)to, first, count);
        else if (size == 2) RunUnits((short*)from, (short*)to, first, count);
        else RunUnits<byte>(from, to, first, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunUnits<T>(T* from, T* to, nint first, nint count) where T : unmanaged
    {
        int last = extents.Length - 1;
        nint n = extents[last], step = source[last], place = target[last];
        // Where the unit lies along each axis; from one unit to the next it mostly moves along one.
        nint* at = stackalloc nint[extents.Length];
        nint rest = first;
        T* x = from;
        T* y = to;
        for (int d = last - 1; d >= 0; d--)
        {
            nint many = d == crossing ? (extents[d] + Block - 1) / Block : extents[d];
            at[d] = rest % many * (d == crossing ? Block : 1);
            rest /= many;
            x += at[d] * source[d];
            y += at[d] * target[d];
        }
        for (nint unit = 0; unit < count; unit++)
        {
            if (crossing >= 0) Cross(x, y, Math.Min(Block, extents[crossing] - at[crossing]), n, step, place, target[crossing]);
            else if (step == 1 && place == 1) Rows.Copy((byte*)x, (byte*)y, n * sizeof(T));
            else if (step == 0 && place == 1) new Span<T>(y, (int)n).Fill(*x);
            else for (nint i = 0; i < n; i++) y[i * place] = x[i * step];
            for (int d = last - 1; d >= 0; d--)
            {
                nint move = d == crossing ? Block : 1;
                at[d] += move;
                x += move * source[d];
                y += move * target[d];
                if (at[d] < extents[d]) break;
                x -= at[d] * source[d];
                y -= at[d] * target[d];
                at[d] = 0;
            }
        }
    }

    // rows × cols of the target, of which the source runs along the rows.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Cross<T>(T* x, T* y, nint rows, nint cols, nint step, nint place, nint rowPlace) where T : unmanaged
    {
        for (nint j = 0; j < cols; j += Block)
        {
            nint end = Math.Min(cols, j + Block);
            for (nint r = 0; r < rows; r++)
            {
                T* source = x + r;
                T* target = y + r * rowPlace;
                for (nint c = j; c < end; c++) target[c * place] = source[c * step];
            }
        }
    }

    private sealed class Job : TeamJob
    {
        public StridedCopy? Copy;
        public byte* From, To;

        public override void Run(int chunk) => Copy!.RunChunk(From, To, chunk);
    }
}
