using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>
/// Runs a program instruction by instruction over tiles that stay in the cache. The second tier: for loops that run too seldom to be worth compiling,
/// and where code cannot be made at run time. It applies the same functions in the same order as compiled code, so the bits are the same.
/// Each instruction costs a load and a store of L1 beside its arithmetic: 2–4 times the time of a compiled loop.
/// </summary>
internal static unsafe class LoopTiles<T, V, S> where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>
{
    private static readonly delegate*<T*, T*, T*, T*, nint, void>[] functions = Functions();

    private static delegate*<T*, T*, T*, T*, nint, void>[] Functions()
    {
        var all = new delegate*<T*, T*, T*, T*, nint, void>[LoopFunction.All.Length];
        for (int i = 0; i < all.Length; i++) all[i] = LoopFunction.All[i].Loop<T, V, S>();
        return all;
    }

    /// <summary>The lanes of a tile: 4 KB, less for many instructions, and no more than the columns.</summary>
    private static nint Tile(LoopProgram program, nint cols)
    {
        nint most = program.Code.Length > 64 ? 1024 / sizeof(T) : 4096 / sizeof(T);
        nint rounded = (cols + 4 * S.Count - 1) / (4 * S.Count) * (4 * S.Count);
        return Math.Min(most, rounded);
    }

    /// <summary>The bytes of memory that a run needs.</summary>
    public static nint MemoryBytes(LoopProgram program, nint cols) =>
        program.Code.Length * (Tile(program, cols) * sizeof(T) + sizeof(T*) + 8 * S.Count * sizeof(T)) + 64;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(LoopProgram program, byte** streams, nint* rowSteps, byte* scratch, nint scratchStep, byte* memory, nint rows, nint cols)
    {
        LoopInstruction[] code = program.Code;
        LoopSchedule schedule = program.Schedule;
        int n = code.Length;
        nint tile = Tile(program, cols), shortest = Math.Min(tile, (cols + S.Count - 1) / S.Count * S.Count);
        T* buffers = (T*)memory, sums = buffers + n * tile;
        T** values = (T**)(sums + 8 * n * S.Count); // behind the sums lie the totals of blocks
        byte** row = stackalloc byte*[program.Streams.Length];
        for (int k = 0; k < program.Streams.Length; k++) row[k] = streams[k];
        for (int i = 0; i < n; i++)
        {
            values[i] = buffers + i * tile;
            if (code[i].Op == LoopOp.Constant) Fill(S.Broadcast(T.CreateTruncating(code[i].Value)), values[i], shortest);
        }
        for (; rows > 0; rows--)
        {
            for (int p = 0; p < schedule.Body.Length; p++)
            {
                foreach (int i in schedule.RowCode[p]) RunRow(program, i, row, values, shortest);
                if (schedule.Body[p].Length > 0) RunPhase(program, p, row, values, buffers, sums, scratch, scratchStep, tile, shortest, cols);
            }
            for (int k = 0; k < program.Streams.Length; k++) row[k] += rowSteps[k];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Fill(V x, T* target, nint count)
    {
        for (nint i = 0; i < count; i += S.Count) S.Store(x, target + i);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRow(LoopProgram program, int i, byte** row, T** values, nint shortest)
    {
        LoopInstruction x = program.Code[i];
        T* result = values[i];
        switch (x.Op)
        {
            case LoopOp.Constant: break;
            case LoopOp.Load:
                byte* source = row[x.Stream];
                V loaded = program.Streams[x.Stream].Type switch
                {
                    LoopType.Float32 => Lanes<T, V, S>.RowFloat32(source),
                    LoopType.Float64 => Lanes<T, V, S>.RowFloat64(source),
                    LoopType.Int32 => Lanes<T, V, S>.RowInt32(source),
                    LoopType.Int64 => Lanes<T, V, S>.RowInt64(source),
                    _ => Lanes<T, V, S>.RowBool(source),
                };
                Fill(loaded, result, shortest);
                break;
            case LoopOp.Apply:
                functions[x.Function](Of(values, x.A), Of(values, x.B), Of(values, x.C), result, S.Count);
                Fill(S.Load(result), result, shortest);
                break;
            case LoopOp.Accumulate: Lanes<T, V, S>.AccumulateRow(S.Load(values[x.A]), row[x.Stream]); break;
            default:
                if (program.Schedule.IsMask[x.A]) Lanes<T, V, S>.StoreRowMask(S.Load(values[x.A]), row[x.Stream]);
                else Lanes<T, V, S>.StoreRow(S.Load(values[x.A]), row[x.Stream]);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T* Of(T** values, int i) => i < 0 ? null : values[i];

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunPhase(LoopProgram program, int p, byte** row, T** values, T* buffers, T* sums, byte* scratch, nint scratchStep, nint tile, nint shortest, nint cols)
    {
        LoopInstruction[] code = program.Code;
        LoopSchedule schedule = program.Schedule;
        int[] body = schedule.Body[p];
        int ways = schedule.Ways[p];
        nint unrolled = cols / (ways * S.Count) * (ways * S.Count);
        foreach (int i in body)
        {
            V start = code[i].Op switch
            {
                LoopOp.Max => Lanes<T, V, S>.StartMax(),
                LoopOp.Min => Lanes<T, V, S>.StartMin(),
                _ => Lanes<T, V, S>.StartSum(),
            };
            if (!LoopSchedule.IsReduction(code[i].Op)) continue;
            Fill(start, sums + 4 * i * S.Count, 4 * S.Count);
            Fill(start, sums + (4 * (code.Length + i) * S.Count), 4 * S.Count);
        }
        bool inBlocks = sizeof(T) == 4 && cols >= LoopEmitter.SumBlock;
        for (nint at = 0; at < cols; at += tile)
        {
            nint here = Math.Min(tile, cols - at), full = here / S.Count * S.Count, padded = (here + S.Count - 1) / S.Count * S.Count;
            int rest = (int)(here - full);
            for (int b = 0; b < body.Length; b++)
            {
                int i = body[b];
                LoopInstruction x = code[i];
                T* own = buffers + i * tile;
                if (schedule.FromSpill[p][b])
                {
                    values[i] = (T*)(scratch + schedule.Spill[i] * scratchStep) + at;
                    continue;
                }
                switch (x.Op)
                {
                    case LoopOp.Load:
                        values[i] = own;
                        byte* source = row[x.Stream];
                        if (schedule.IsMask[i])
                        {
                            for (nint j = 0; j < full; j += S.Count) S.Store(Lanes<T, V, S>.LoadMask(source, at + j), own + j);
                            if (rest > 0) S.Store(Lanes<T, V, S>.LoadMaskPart(source, at + full, rest), own + full);
                        }
                        else if (program.Streams[x.Stream].Step is var step and > 1)
                        {
                            for (nint j = 0; j < full; j += S.Count) S.Store(Lanes<T, V, S>.LoadStep(source, at + j, step), own + j);
                            if (rest > 0) S.Store(Lanes<T, V, S>.LoadStepPart(source, at + full, step, rest), own + full);
                        }
                        else
                        {
                            // A copy, so that what is stored meanwhile does not change it.
                            for (nint j = 0; j < full; j += S.Count) S.Store(Lanes<T, V, S>.Load(source, at + j), own + j);
                            if (rest > 0) S.Store(Lanes<T, V, S>.LoadPart(source, at + full, rest), own + full);
                        }
                        break;
                    case LoopOp.Apply:
                        values[i] = own;
                        functions[x.Function](Of(values, x.A), Of(values, x.B), Of(values, x.C), own, padded);
                        break;
                    case LoopOp.Sum or LoopOp.Max or LoopOp.Min:
                        Reduce(x.Op, values[x.A], sums + 4 * i * S.Count, at, here, ways, unrolled);
                        break;
                }
                if (schedule.Spill[i] < 0) continue;
                T* kept = (T*)(scratch + schedule.Spill[i] * scratchStep) + at;
                for (nint j = 0; j < padded; j += S.Count) S.Store(S.Load(values[i] + j), kept + j);
            }
            foreach (int i in body)
            {
                LoopInstruction x = code[i];
                if (x.Op is not (LoopOp.Store or LoopOp.Accumulate)) continue;
                T* from = values[x.A];
                byte* target = row[x.Stream];
                for (nint j = 0; j < full; j += S.Count)
                {
                    if (x.Op == LoopOp.Accumulate) Lanes<T, V, S>.Accumulate(S.Load(from + j), target, at + j);
                    else if (schedule.IsMask[x.A]) Lanes<T, V, S>.StoreMask(S.Load(from + j), target, at + j);
                    else Lanes<T, V, S>.Store(S.Load(from + j), target, at + j);
                }
                if (rest == 0) continue;
                if (x.Op == LoopOp.Accumulate) Lanes<T, V, S>.AccumulatePart(S.Load(from + full), target, at + full, rest);
                else if (schedule.IsMask[x.A]) Lanes<T, V, S>.StoreMaskPart(S.Load(from + full), target, at + full, rest);
                else Lanes<T, V, S>.StorePart(S.Load(from + full), target, at + full, rest);
            }
            nint next = at + here;
            if (inBlocks && next <= unrolled && next % LoopEmitter.SumBlock == 0) AddToTotals(code, body, sums, sums + (4 * code.Length * S.Count));
        }
        if (inBlocks) AddToTotals(code, body, sums, sums);
        foreach (int i in body)
        {
            if (!LoopSchedule.IsReduction(code[i].Op)) continue;
            T* s = sums + 4 * i * S.Count;
            // In the order of compiled code, as operands leave the stack: 0 + (1 + (2 + 3)).
            V total = S.Load(s + (ways - 1) * S.Count);
            for (int w = ways - 2; w >= 0; w--) total = Step(code[i].Op, S.Load(s + w * S.Count), total);
            V end = code[i].Op switch
            {
                LoopOp.Max => Lanes<T, V, S>.EndMax(total),
                LoopOp.Min => Lanes<T, V, S>.EndMin(total),
                _ => Lanes<T, V, S>.EndSum(total),
            };
            values[i] = buffers + i * tile;
            Fill(end, values[i], shortest);
        }
    }

    /// <summary>Sums and totals of blocks, added up where they are told; sums that became totals begin anew.</summary>
    private static void AddToTotals(LoopInstruction[] code, int[] body, T* sums, T* into)
    {
        nint totals = 4 * code.Length * S.Count;
        foreach (int i in body)
        {
            if (code[i].Op != LoopOp.Sum) continue;
            for (nint j = 4 * i * S.Count; j < 4 * (i + 1) * S.Count; j += S.Count)
            {
                V total = Lanes<T, V, S>.StepSum(S.Load(sums + totals + j), S.Load(sums + j));
                if (into != sums) S.Store(Lanes<T, V, S>.StartSum(), sums + j);
                S.Store(total, into + j);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Step(LoopOp op, V x, V y) => op switch
    {
        LoopOp.Max => Lanes<T, V, S>.StepMax(x, y),
        LoopOp.Min => Lanes<T, V, S>.StepMin(x, y),
        _ => Lanes<T, V, S>.StepSum(x, y),
    };

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Reduce(LoopOp op, T* x, T* sums, nint at, nint here, int ways, nint unrolled)
    {
        for (nint j = 0; j < here; j += S.Count)
        {
            nint way = at + j < unrolled ? (at + j) / S.Count % ways : 0;
            int count = (int)Math.Min(S.Count, here - j);
            T* sum = sums + way * S.Count;
            V value = S.Load(x + j), before = S.Load(sum);
            if (count == S.Count) before = Step(op, before, value);
            else before = op switch
            {
                LoopOp.Max => Lanes<T, V, S>.StepMaxPart(before, value, count),
                LoopOp.Min => Lanes<T, V, S>.StepMinPart(before, value, count),
                _ => Lanes<T, V, S>.StepSumPart(before, value, count),
            };
            S.Store(before, sum);
        }
    }
}
