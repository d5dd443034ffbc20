using System;
using System.Collections.Generic;
using System.Linq;
using Diff.Kernels;
using Xunit;

namespace Diff.Tests;

/// <summary>Random programs give the same bits on tiles and compiled, on any number of threads, and write nowhere else.</summary>
public class LoopTests
{
    // Around multiples of the vectors of each width, of four of them, and of tiles.
    private static readonly int[] Widths = [.. Enumerable.Range(1, 70), 95, 96, 97, 127, 128, 129, 191, 192, 193, 255, 256, 257, 511, 512, 513, 1023, 1024, 1025, 1100, 4099];

    private const byte Untouched = 0xCD;

    public static TheoryData<int> Parts => [.. Enumerable.Range(0, 10)];

    /// <summary>Makes a program instruction by instruction.</summary>
    private sealed class Maker(Random random, LoopType type)
    {
        private readonly List<LoopInstruction> code = [];
        private readonly List<LoopStream> streams = [];
        private readonly List<bool> isRow = [], isMask = [];
        private readonly List<int> loads = [];
        private int reductions;

        public LoopProgram Make(int length)
        {
            Load(perRow: false);
            while (code.Count < length) Next();
            // Something of the last values is written, and of most others.
            int last = code.Count - 1;
            while (code[last].Op is LoopOp.Store or LoopOp.Accumulate) last--;
            Write(last, accumulate: random.Next(3) == 0);
            return new LoopProgram(type, [.. streams], [.. code]);
        }

        private void Add(LoopInstruction x, bool row, bool mask)
        {
            code.Add(x);
            isRow.Add(row);
            isMask.Add(mask);
        }

        private int Pick(bool mask)
        {
            int[] fitting = [.. Enumerable.Range(0, code.Count).Where(i => isMask[i] == mask && code[i].Op is not (LoopOp.Store or LoopOp.Accumulate))];
            // The latest more often: long chains.
            return fitting.Length == 0 ? -1 : random.Next(2) == 0 ? fitting[^1] : fitting[random.Next(fitting.Length)];
        }

        private void Load(bool perRow)
        {
            int stream = streams.Count;
            if (loads.Count > 0 && random.Next(4) == 0) stream = loads[random.Next(loads.Count)];
            else
            {
                LoopType element = perRow ? (LoopType)random.Next(5) : random.Next(5) == 0 && code.Count > 0 ? LoopType.Bool : type;
                streams.Add(new LoopStream(element, perRow));
                loads.Add(stream);
            }
            Add(new LoopInstruction(LoopOp.Load, Stream: stream), streams[stream].PerRow, streams[stream].Type == LoopType.Bool);
        }

        private void Write(int value, bool accumulate)
        {
            accumulate &= !isMask[value];
            bool perRow = isRow[value] && random.Next(3) > 0;
            streams.Add(new LoopStream(isMask[value] ? LoopType.Bool : type, perRow));
            Add(new LoopInstruction(accumulate ? LoopOp.Accumulate : LoopOp.Store, A: value, Stream: streams.Count - 1), perRow, false);
        }

        private void Next()
        {
            switch (random.Next(12))
            {
                case 0 or 1: Load(perRow: random.Next(3) == 0); break;
                case 2: Add(new LoopInstruction(LoopOp.Constant, Value: random.Next(-3, 4) * 0.5), true, false); break;
                case 3 when reductions < 5:
                    reductions++;
                    Add(new LoopInstruction((LoopOp)random.Next((int)LoopOp.Sum, (int)LoopOp.Min + 1), A: Pick(mask: false)), true, false);
                    break;
                case 4: Write(Pick(mask: false), accumulate: random.Next(3) == 0); break;
                case 5 when Pick(mask: true) is >= 0 and int mask: Write(mask, accumulate: false); break;
                default: Apply(); break;
            }
        }

        private void Apply()
        {
            int f = random.Next(LoopFunction.All.Length);
            LoopFunction function = LoopFunction.All[f];
            bool ofMasks = function.Name is "not" or "and" or "or", second = function.Name == "where" && random.Next(5) == 0;
            int a = Pick(ofMasks || function.Name == "where");
            int b = function.Arity > 1 ? Pick(ofMasks || second) : -1, c = function.Arity > 2 ? Pick(second) : -1;
            if (a < 0 || (function.Arity > 1 && b < 0) || (function.Arity > 2 && c < 0)) return;
            bool row = isRow[a] && (b < 0 || isRow[b]) && (c < 0 || isRow[c]);
            Add(new LoopInstruction(LoopOp.Apply, f, a, b, c), row, function.IsMask(b >= 0 ? isMask[b] : isMask[a]));
        }
    }

    /// <summary>The memory of a stream: rows with gaps between them, forwards, backwards or again and again the same.</summary>
    private sealed class Memory
    {
        private readonly byte[] bytes;
        private readonly int start, size, width;
        private readonly int[] outer;
        private readonly nint rows;

        public Memory(Random random, LoopProgram program, int stream, int[] outer, int rows, int cols)
        {
            LoopStream s = program.Streams[stream];
            LoopOp use = program.Code.First(i => i.Stream == stream).Op;
            (IsOutput, this.outer, this.rows) = (use != LoopOp.Load, outer, use == LoopOp.Accumulate ? 1 : rows);
            size = s.Type switch { LoopType.Bool => 1, LoopType.Float64 or LoopType.Int64 => 8, _ => 4 };
            width = s.PerRow ? 1 : cols;
            int step = width + (random.Next(2) == 0 ? 0 : random.Next(1, 4));
            int places = outer.Aggregate(1, (n, d) => n * d), inOnePlace = use == LoopOp.Accumulate ? step : rows * step;
            // What is read may be the same for all outer indices; what is added up, for those of the last axes or of all.
            int distinct = use == LoopOp.Accumulate ? random.Next(outer.Length + 1) : use == LoopOp.Load && random.Next(4) == 0 ? 0 : outer.Length;
            int kind = random.Next(4);
            nint row = use == LoopOp.Accumulate || (kind == 0 && !IsOutput) ? 0 : kind == 1 ? -step : step;
            var outerSteps = new nint[outer.Length];
            nint around = inOnePlace;
            for (int d = distinct - 1; d >= 0; d--)
            {
                outerSteps[d] = around * size;
                around *= outer[d];
            }
            Steps = new LoopSteps(outerSteps, row * size);
            int shift = random.Next(8);
            start = (shift + (row < 0 ? (rows - 1) * step : 0)) * size;
            bytes = GC.AllocateArray<byte>(((places * inOnePlace) + shift + 8) * size, pinned: true);
            if (IsOutput)
            {
                Array.Fill(bytes, Untouched);
                return;
            }
            for (int i = 0; i < bytes.Length / size; i++) Put(random, s.Type, bytes.AsSpan(i * size));
        }

        public bool IsOutput { get; }
        public LoopSteps Steps { get; }
        public byte[] Bytes => bytes;
        public unsafe byte* Start => (byte*)System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(bytes, start);

        /// <summary>The bytes that may be written.</summary>
        public bool[] Allowed()
        {
            var allowed = new bool[bytes.Length];
            int places = outer.Aggregate(1, (n, d) => n * d);
            for (int place = 0; place < places; place++)
            {
                nint at = start;
                for (int d = outer.Length - 1, rest = place; d >= 0; rest /= outer[d--]) at += rest % outer[d] * Steps.Outer[d];
                for (nint r = 0; r < rows; r++) Array.Fill(allowed, true, (int)(at + (r * Steps.Row)), width * size);
            }
            return allowed;
        }

        private static void Put(Random random, LoopType type, Span<byte> target)
        {
            double x = random.Next(60) switch { 0 => double.NaN, 1 => double.PositiveInfinity, 2 => -0.0, 3 => 0, _ => (random.NextDouble() * 4) - 2 };
            if (type == LoopType.Float32) BitConverter.TryWriteBytes(target, (float)x);
            else if (type == LoopType.Float64) BitConverter.TryWriteBytes(target, x);
            else if (type == LoopType.Int32) BitConverter.TryWriteBytes(target, random.Next(-5, 6));
            else if (type == LoopType.Int64) BitConverter.TryWriteBytes(target, (long)random.Next(-5, 6));
            else target[0] = (byte)random.Next(2);
        }
    }

    private static unsafe byte[][] Run(LoopProgram program, int[] outer, int rows, int cols, Memory[] memory, Tier tier, int threads)
    {
        byte** streams = stackalloc byte*[memory.Length];
        for (int s = 0; s < memory.Length; s++)
        {
            if (memory[s].IsOutput) Array.Fill(memory[s].Bytes, Untouched);
            streams[s] = memory[s].Start;
        }
        new LoopKernel(program, outer, rows, cols, Array.ConvertAll(memory, m => m.Steps), tier).Run(streams, threads);
        return Array.ConvertAll(memory, m => m.IsOutput ? (byte[])m.Bytes.Clone() : []);
    }

    /// <summary>Equal bits, but that NaN is NaN.</summary>
    private static bool Same(LoopType type, byte[] x, byte[] y)
    {
        if (x.AsSpan().SequenceEqual(y)) return true;
        if (type is not (LoopType.Float32 or LoopType.Float64)) return false;
        int size = type == LoopType.Float32 ? 4 : 8;
        for (int i = 0; i < x.Length; i += size)
        {
            if (x.AsSpan(i, size).SequenceEqual(y.AsSpan(i, size))) continue;
            double a = size == 4 ? BitConverter.ToSingle(x, i) : BitConverter.ToDouble(x, i), b = size == 4 ? BitConverter.ToSingle(y, i) : BitConverter.ToDouble(y, i);
            if (!double.IsNaN(a) || !double.IsNaN(b)) return false;
        }
        return true;
    }

    private static void Agrees(string what, Random random, LoopProgram program, int[] outer, int rows, int cols)
    {
        what = $"{what}: {string.Join("×", outer)} outer, {rows} rows, {cols} columns of\n{program.Text}";
        Memory[] memory = [.. Enumerable.Range(0, program.Streams.Length).Select(s => new Memory(random, program, s, outer, rows, cols))];
        byte[][] expected = Run(program, outer, rows, cols, memory, Tier.Tiles, 1);
        for (int s = 0; s < memory.Length; s++)
        {
            if (!memory[s].IsOutput) continue;
            bool[] allowed = memory[s].Allowed();
            for (int i = 0; i < allowed.Length; i++) Assert.True(allowed[i] || expected[s][i] == Untouched, $"stream {s}, byte {i} written; {what}");
        }
        foreach (var (tier, threads) in new[] { (Tier.Compiled, 1), (Tier.Tiles, 2), (Tier.Compiled, 2), (Tier.Compiled, 4), (Tier.Tiles, 7), (Tier.Compiled, 7) })
        {
            byte[][] actual = Run(program, outer, rows, cols, memory, tier, threads);
            for (int s = 0; s < memory.Length; s++)
                Assert.True(Same(program.Streams[s].Type, expected[s], actual[s]), $"stream {s} differs, {tier}, {threads} threads; {what}");
        }
    }

    private static LoopProgram Program(Random random) =>
        new Maker(random, random.Next(2) == 0 ? LoopType.Float32 : LoopType.Float64).Make(random.Next(2, random.Next(4) == 0 ? 70 : 24));

    [Theory, MemberData(nameof(Parts))]
    public void Random_programs_give_the_same_bits_on_tiles_and_compiled(int part)
    {
        for (int seed = 20 * part; seed < 20 * (part + 1); seed++)
        {
            var random = new Random(seed);
            LoopProgram program = Program(random);
            for (int k = 0; k < 8; k++)
            {
                int[] outer = [.. Enumerable.Range(0, random.Next(3)).Select(_ => random.Next(1, 4))];
                Agrees($"seed {seed}", random, program, outer, random.Next(3) == 0 ? 1 : random.Next(1, 10), Widths[random.Next(Widths.Length)]);
            }
        }
    }

    [Theory]
    [InlineData(1, 1, 150_001)]
    [InlineData(1, 1300, 97)]
    [InlineData(1, 100_003, 1)]
    [InlineData(1, 5, 40_000)]
    [InlineData(30, 7, 400)]
    public void Large_programs_give_the_same_bits_on_any_number_of_threads(int around, int rows, int cols)
    {
        for (int seed = 1000; seed < 1004; seed++)
        {
            var random = new Random(seed);
            Agrees($"seed {seed}", random, Program(random), around == 1 ? [] : [around], rows, cols);
        }
    }

    [Theory, MemberData(nameof(Widths64))]
    public unsafe void Sums_and_extremes_of_rows_of_any_width(int cols)
    {
        // Small whole numbers: the sums are exact in any order.
        double[] x = [.. Enumerable.Range(0, 3 * cols).Select(i => (double)((i * 7 % 23) - 11))];
        var program = new LoopProgram(
            LoopType.Float64,
            [new(LoopType.Float64, false), new(LoopType.Float64, true), new(LoopType.Float64, true), new(LoopType.Float64, true), new(LoopType.Float64, false)],
            [
                new(LoopOp.Load, Stream: 0), new(LoopOp.Sum, A: 0), new(LoopOp.Max, A: 0), new(LoopOp.Min, A: 0),
                new(LoopOp.Store, A: 1, Stream: 1), new(LoopOp.Store, A: 2, Stream: 2), new(LoopOp.Store, A: 3, Stream: 3), new(LoopOp.Accumulate, A: 0, Stream: 4),
            ]);
        byte** streams = stackalloc byte*[5];
        foreach (Tier tier in new[] { Tier.Tiles, Tier.Compiled })
        {
            double[] sum = new double[3], max = new double[3], min = new double[3], columns = new double[cols];
            LoopSteps one = new([], 8);
            var kernel = new LoopKernel(program, [], 3, cols, [new([], cols * 8), one, one, one, new([], 0)], tier);
            fixed (double* px = x, ps = sum, pa = max, pi = min, pc = columns)
            {
                streams[0] = (byte*)px;
                streams[1] = (byte*)ps;
                streams[2] = (byte*)pa;
                streams[3] = (byte*)pi;
                streams[4] = (byte*)pc;
                kernel.Run(streams, 1);
            }
            for (int r = 0; r < 3; r++)
            {
                double[] row = x[(r * cols)..((r + 1) * cols)];
                Assert.Equal((row.Sum(), row.Max(), row.Min()), (sum[r], max[r], min[r]));
            }
            for (int j = 0; j < cols; j++) Assert.Equal(x[j] + x[cols + j] + x[(2 * cols) + j], columns[j]);
        }
    }

    public static TheoryData<int> Widths64 => [.. Widths];
}
