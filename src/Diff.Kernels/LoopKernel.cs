using System;
using System.Linq;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>Which of the two ways loops run; both give the same bits.</summary>
internal enum Tier
{
    /// <summary>On tiles at first, compiled once that pays.</summary>
    Auto,

    /// <summary>Always on tiles.</summary>
    Tiles,

    /// <summary>Compiled before the first run.</summary>
    Compiled,
}

/// <summary>How a stream lies in memory: bytes from index to index of each outer axis, and from row to row.</summary>
internal sealed record LoopSteps(nint[] Outer, nint Row);

/// <summary>
/// A program with the extents and strides of one place in a plan. The work is cut into chunks by its size alone, and sums of chunks are added in their
/// order, so the bits do not depend on the number of threads or on who ran what. Runs may overlap in time.
/// Cost: max(bytes of the streams ÷ bandwidth, elements · Schedule.Cost · about 0.03 ns), and about 30 ns a chunk.
/// </summary>
internal sealed unsafe partial class LoopKernel
{
    // A chunk is some 10–40 µs of work; fewer where float32 numbers are added up, 64 to a lane, so that long sums keep six digits.
    private const int ChunkCost = 1 << 18, MaxChunkElements = 1 << 16, MinChunkElements = 1 << 12, LeastSummedRows = 16, MaxSummedRows = 512, MaxSummedBlocks = 4;

    // About 5 µs: below that another thread is not worth waking.
    private const long ParallelCost = 150_000;

    // A loop pays for its compilation, about a millisecond, after about so much work on tiles.
    private const long CompileCost = 4_000_000;

    private const long StreamingBytes = 8 << 20;

    // What is smaller is in the caches anyway. Rows that are longer do not stay there until their turn comes.
    private const long FetchedBytes = 1 << 20, MostFetchedRow = 1 << 16;

    [ThreadStatic]
    private static ThreadMemory? scratchMemory;

    [ThreadStatic]
    private static ThreadMemory? partialMemory;

    [ThreadStatic]
    private static ThreadMemory? placeMemory;

    [ThreadStatic]
    private static Job? job;

    private readonly LoopProgram program;
    private readonly int[] outer;
    private readonly nint rows, cols;
    private readonly LoopSteps[] steps;
    private readonly int[] accumulated;  // streams
    private readonly nint[] offsets;     // of each such stream in a chunk's partial sums
    private readonly nint partialSize;
    private readonly bool cutsRows, wholeOuter;
    private readonly bool inPieces;      // sums that have places of their own are so long that their rows are added up piece by piece
    private readonly bool[] direct;      // of each accumulated stream: it has a place of its own for each outer index, and is summed there
    private readonly nint[] repeats;     // of each such one: neighbouring outer indices that share a place
    private readonly nint unitsInChunk, units;
    private readonly bool[] streaming, ahead;
    private readonly Tier tier;
    private readonly long cost;
    private LoopCode? code;
    private long done;

    /// <param name="program">What happens at each element.</param>
    /// <param name="outer">The extents of the axes outside rows and columns; the strides along them may be any.</param>
    /// <param name="rows">The rows for each index of the outer axes.</param>
    /// <param name="cols">The columns.</param>
    /// <param name="steps">Of each stream.</param>
    /// <param name="tier">How to run.</param>
    public LoopKernel(LoopProgram program, int[] outer, nint rows, nint cols, LoopSteps[] steps, Tier tier)
    {
        (this.program, this.outer, this.rows, this.cols, this.steps) = (program, outer, rows, cols, steps);
        this.tier = RuntimeFeature.IsDynamicCodeSupported ? tier : Tier.Tiles;
        nint all = rows;
        foreach (int n in outer) all *= n;
        long elementCost = Math.Max(1, program.Schedule.Cost);
        cost = all * cols * elementCost;
        accumulated = [.. program.Code.Where(i => i.Op == LoopOp.Accumulate).Select(i => i.Stream)];
        offsets = new nint[accumulated.Length];
        direct = Array.ConvertAll(accumulated, s => steps[s].Outer.Any(step => step != 0));
        wholeOuter = direct.Contains(true);
        repeats = new nint[accumulated.Length];
        for (int a = 0; a < accumulated.Length; a++)
        {
            repeats[a] = 1;
            for (int d = outer.Length - 1; direct[a] && steps[accumulated[a]].Outer[d] == 0; d--) repeats[a] *= outer[d];
        }
        for (int a = 0; a < accumulated.Length; a++)
        {
            offsets[a] = partialSize;
            partialSize += program.Streams[accumulated[a]].PerRow ? 64 : Rounded(cols * program.Size);
        }
        cutsRows = program.Schedule.CutsRows && all == 1;
        nint elements = (nint)Math.Clamp(ChunkCost / elementCost, MinChunkElements, MaxChunkElements);
        if (cutsRows)
        {
            units = cols;
            // Blocks of so many are added up within the loop.
            nint summed = Math.Clamp(cols / 16 / LoopEmitter.SumBlock, 1, MaxSummedBlocks) * LoopEmitter.SumBlock;
            unitsInChunk = (accumulated.Length > 0 ? Math.Min(elements, summed) : elements) / 64 * 64;
        }
        else
        {
            units = wholeOuter ? all / Math.Max(1, rows) : all;
            // No two chunks add to one place.
            nint together = wholeOuter ? repeats.Max() : 1;
            unitsInChunk = Math.Max(1, elements / Math.Max(1, cols * (wholeOuter ? rows * together : 1))) * together;
            if (accumulated.Length > 0 && !wholeOuter)
            {
                // Where a row is as wide as a chunk, each has several, lest the partial sums be as large as what is summed.
                nint least = Math.Clamp(units / 8, 1, LeastSummedRows);
                unitsInChunk = Math.Clamp(unitsInChunk, least, MaxSummedRows);
            }
            inPieces = wholeOuter && program.Size == 4 && rows * repeats.Max() > MaxSummedRows;
        }
        streaming = new bool[program.Streams.Length];
        ahead = new bool[program.Streams.Length];
        foreach (LoopInstruction i in program.Code)
        {
            long row = cols * program.Size, bytes = all * row;
            if (i.Stream < 0 || program.Streams[i.Stream].PerRow) continue;
            if (i.Op == LoopOp.Store) streaming[i.Stream] = bytes >= StreamingBytes;
            // The first pass over a row would wait for memory, and the others for arithmetic.
            if (i.Op == LoopOp.Load && program.Schedule.IsPassedAgain)
                ahead[i.Stream] = bytes >= FetchedBytes && row <= MostFetchedRow && steps[i.Stream].Row == row;
        }
    }

    /// <summary>The elements times their cost.</summary>
    public long Cost => cost;

    /// <summary>The rows, with those of the outer axes.</summary>
    public nint Rows => outer.Aggregate(rows, (all, n) => all * n);

    /// <summary>The columns.</summary>
    public nint Cols => cols;

    /// <summary>Whether the loop is compiled.</summary>
    public bool IsCompiled => code != null;

    /// <summary>The program.</summary>
    public LoopProgram Program => program;

    private nint Chunks => (units + unitsInChunk - 1) / unitsInChunk;

    private static nint Rounded(nint bytes) => (bytes + 63) & ~63;

    /// <summary>Runs once over arrays that begin at `streams`.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(byte** streams, int threads)
    {
        byte* sums = Begin(streams);
        nint chunks = cols == 0 ? 0 : Chunks;
        if (chunks == 1) RunUnits(streams, null, 0, units);
        else if (chunks > 0) RunChunks(streams, sums, (int)chunks, threads);
        End(streams, sums);
    }

    /// <summary>Before a run, also one by blocks, on the thread that ends it: memory for the sums of its chunks, null if they are added up where they belong.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public byte* Begin(byte** streams)
    {
        if (code == null && tier != Tier.Tiles && (tier == Tier.Compiled || Promotes())) code = LoopEmitter.Compile(program, streaming, ahead);
        nint chunks = cols == 0 ? 0 : Chunks;
        if (accumulated.Length == 0 || chunks == 0) return null;
        if (chunks == 1)
        {
            for (int a = 0; a < accumulated.Length; a++) if (!direct[a]) ClearRow(streams[accumulated[a]], accumulated[a]);
            return null;
        }
        byte* sums = (partialMemory ??= new()).Of(chunks * partialSize);
        NativeMemory.Clear(sums, (nuint)(chunks * partialSize));
        return sums;
    }

    /// <summary>After a run: the sums of the chunks, added up.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void End(byte** streams, byte* sums)
    {
        nint chunks = cols == 0 ? 0 : Chunks;
        if (chunks == 1) return;
        for (int a = 0; a < accumulated.Length; a++)
        {
            if (direct[a]) continue;
            nint width = program.Streams[accumulated[a]].PerRow ? 1 : cols;
            if (program.Size == 4) Combine((float*)(sums + offsets[a]), chunks, width, (float*)streams[accumulated[a]]);
            else Combine((double*)(sums + offsets[a]), chunks, width, (double*)streams[accumulated[a]]);
        }
    }

    private void ClearRow(byte* row, int stream)
    {
        if (!program.Streams[stream].PerRow) NativeMemory.Clear(row, (nuint)(cols * program.Size));
        else if (program.Size == 4) *(float*)row = 0;
        else *(double*)row = 0;
    }

    // On tiles a loop costs about 3 times what it does compiled; counted a little wrong when runs overlap, which harms nothing.
    private bool Promotes()
    {
        done += cost + 2000;
        return done > CompileCost;
    }

    // The sums of the chunks, added in their order, in float64.
    private void Combine<T>(T* from, nint chunks, nint width, T* target) where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        nint step = partialSize / sizeof(T);
        for (nint j = 0; j < width; j++)
        {
            double sum = 0;
            for (nint c = 0; c < chunks; c++) sum += double.CreateTruncating(from[c * step + j]);
            target[j] = T.CreateTruncating(sum);
        }
    }

    private void RunChunks(byte** streams, byte* sums, int chunks, int threads)
    {
        Job mine = job ?? new Job();
        job = null; // a chunk that runs another kernel gets one of its own
        mine.Kernel = this;
        mine.Streams = streams;
        mine.Sums = sums;
        try
        {
            Team.Run(mine, chunks, cost < ParallelCost ? 1 : threads);
        }
        finally
        {
            mine.Kernel = null;
            job = mine;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunUnits(byte** streams, byte* sums, nint first, nint count)
    {
        int k = program.Streams.Length;
        byte** at = stackalloc byte*[k];
        nint* rowSteps = stackalloc nint[k];
        Start(streams, sums, at, rowSteps);
        if (cutsRows)
        {
            for (int s = 0; s < k; s++)
            {
                if (!program.Streams[s].PerRow && Array.IndexOf(accumulated, s) < 0) at[s] += first * program.Streams[s].Step * SizeOf(program.Streams[s].Type);
            }
            Call(at, rowSteps, 1, count);
            return;
        }
        if (wholeOuter)
        {
            first *= rows;
            count *= rows;
        }
        nint r = first % rows, index = first / rows, end = first + count;
        byte** here = stackalloc byte*[k];
        if (inPieces)
        {
            RunPieces(at, here, rowSteps, first, end, index);
            return;
        }
        while (first < end)
        {
            nint n = Math.Min(rows - r, end - first);
            Point(at, here, rowSteps, r, index);
            for (int a = 0; a < accumulated.Length; a++)
            {
                if (direct[a] && index % repeats[a] == 0) ClearRow(here[accumulated[a]], accumulated[a]);
            }
            Call(here, rowSteps, n, cols);
            first += n;
            (r, index) = (0, index + 1);
        }
    }

    private void Start(byte** streams, byte* sums, byte** at, nint* rowSteps)
    {
        for (int s = 0; s < program.Streams.Length; s++)
        {
            at[s] = streams[s];
            rowSteps[s] = steps[s].Row;
        }
        for (int a = 0; a < accumulated.Length; a++)
        {
            if (!direct[a] && sums != null) at[accumulated[a]] = sums + offsets[a];
            rowSteps[accumulated[a]] = 0;
        }
    }

    /// <summary>Where each stream is at a row of an outer index.</summary>
    private void Point(byte** at, byte** here, nint* rowSteps, nint row, nint index)
    {
        int k = program.Streams.Length;
        for (int s = 0; s < k; s++) here[s] = at[s] + row * rowSteps[s];
        for (int d = outer.Length - 1; d >= 0; d--)
        {
            nint i = index % outer[d];
            index /= outer[d];
            if (i != 0) for (int s = 0; s < k; s++) here[s] += i * steps[s].Outer[d];
        }
    }

    /// <summary>Rows of float32 added up in places of their own: by pieces of at most so many rows, and the pieces in float64.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunPieces(byte** at, byte** here, nint* rowSteps, nint first, nint end, nint index)
    {
        // For each sum the piece in float32, then all pieces so far in float64.
        nint* pieces = stackalloc nint[accumulated.Length], totals = stackalloc nint[accumulated.Length], widths = stackalloc nint[accumulated.Length];
        nint bytes = 0;
        for (int a = 0; a < accumulated.Length; a++)
        {
            widths[a] = program.Streams[accumulated[a]].PerRow ? 1 : cols;
            pieces[a] = bytes;
            bytes += direct[a] ? Rounded(widths[a] * sizeof(float)) : 0;
            totals[a] = bytes;
            bytes += direct[a] ? Rounded(widths[a] * sizeof(double)) : 0;
        }
        byte* memory = (placeMemory ??= new()).Of(bytes);
        NativeMemory.Clear(memory, (nuint)bytes);
        nint inPiece = 0;
        for (; first < end; index++)
        {
            for (nint row = 0, n; row < rows; row += n, first += n)
            {
                n = Math.Min(rows - row, MaxSummedRows);
                Point(at, here, rowSteps, row, index);
                bool isFull = inPiece + n > MaxSummedRows;
                for (int a = 0; a < accumulated.Length; a++)
                {
                    if (!direct[a]) continue;
                    if (isFull) AddPiece((float*)(memory + pieces[a]), (double*)(memory + totals[a]), widths[a]);
                    here[accumulated[a]] = memory + pieces[a];
                }
                inPiece = isFull ? n : inPiece + n;
                Call(here, rowSteps, n, cols);
            }
            for (int a = 0; a < accumulated.Length; a++)
            {
                if (!direct[a] || (index + 1) % repeats[a] != 0) continue;
                double* total = (double*)(memory + totals[a]);
                AddPiece((float*)(memory + pieces[a]), total, widths[a]);
                Point(at, here, rowSteps, 0, index);
                float* place = (float*)here[accumulated[a]];
                for (nint j = 0; j < widths[a]; j++) (place[j], total[j]) = ((float)total[j], 0);
            }
        }
    }

    private static void AddPiece(float* piece, double* total, nint width)
    {
        for (nint j = 0; j < width; j++) (total[j], piece[j]) = (total[j] + piece[j], 0);
    }

    private static nint SizeOf(LoopType type) => type switch
    {
        LoopType.Bool => 1,
        LoopType.Float64 or LoopType.Int64 => 8,
        _ => 4,
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Call(byte** at, nint* rowSteps, nint n, nint width)
    {
        LoopCode? compiled = code;
        nint scratchStep = program.Schedule.Spills == 0 ? 0 : Rounded(width * program.Size);
        nint scratch = program.Schedule.Spills * scratchStep;
        if (compiled != null)
        {
            compiled(at, rowSteps, scratch == 0 ? null : (scratchMemory ??= new()).Of(scratch), scratchStep, n, width);
            return;
        }
        if (program.Type == LoopType.Float32)
        {
            if (Vector512.IsHardwareAccelerated) OnTiles<float, Vector512<float>, Simd512<float>>(at, rowSteps, scratch, scratchStep, n, width);
            else if (Vector256.IsHardwareAccelerated) OnTiles<float, Vector256<float>, Simd256<float>>(at, rowSteps, scratch, scratchStep, n, width);
            else OnTiles<float, Vector128<float>, Simd128<float>>(at, rowSteps, scratch, scratchStep, n, width);
        }
        else if (Vector512.IsHardwareAccelerated) OnTiles<double, Vector512<double>, Simd512<double>>(at, rowSteps, scratch, scratchStep, n, width);
        else if (Vector256.IsHardwareAccelerated) OnTiles<double, Vector256<double>, Simd256<double>>(at, rowSteps, scratch, scratchStep, n, width);
        else OnTiles<double, Vector128<double>, Simd128<double>>(at, rowSteps, scratch, scratchStep, n, width);
    }

    private void OnTiles<T, V, S>(byte** at, nint* rowSteps, nint scratch, nint scratchStep, nint n, nint width)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>
    {
        byte* start = (scratchMemory ??= new()).Of(scratch + LoopTiles<T, V, S>.MemoryBytes(program, width));
        LoopTiles<T, V, S>.Run(program, at, rowSteps, start, scratchStep, start + scratch, n, width);
    }

    private sealed class Job : TeamJob
    {
        public LoopKernel? Kernel;
        public byte** Streams;
        public byte* Sums;

        public override void Run(int chunk)
        {
            LoopKernel kernel = Kernel!;
            nint first = chunk * kernel.unitsInChunk;
            kernel.RunUnits(Streams, Sums == null ? null : Sums + chunk * kernel.partialSize, first, Math.Min(kernel.unitsInChunk, kernel.units - first));
        }
    }
}
