using System;
using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>A compiled loop.</summary>
/// <param name="streams">Where each stream's first row begins.</param>
/// <param name="rowSteps">Bytes from row to row of each stream.</param>
/// <param name="scratch">Memory for values kept between phases.</param>
/// <param name="scratchStep">Bytes of a row of it.</param>
/// <param name="rows">The rows, at least 1.</param>
/// <param name="cols">The columns, at least 1.</param>
internal unsafe delegate void LoopCode(byte** streams, nint* rowSteps, byte* scratch, nint scratchStep, nint rows, nint cols);

/// <summary>
/// Machine code from a program: the widest vectors, values in registers, the last columns of a row by masked loads and stores.
/// A loop costs 0.5–2 ms to compile and then runs as fast as the same loop written by hand.
/// </summary>
internal sealed class LoopEmitter
{
    /// <summary>Rows of float32 are summed by so many columns at a time, a lane 64 to 512 numbers, lest long sums lose digits.</summary>
    public const int SumBlock = 4096;

    private const int MaxCached = 2048;
    private static readonly ConcurrentDictionary<string, LoopCode> cache = new();

    private readonly LoopProgram program;
    private readonly LoopSchedule schedule;
    private readonly bool[] streaming;
    private readonly Type element, vector, width, lanes;
    private readonly ILGenerator il;
    private readonly LocalBuilder[] pointers;
    // The last columns have locals of their own: what a call there writes to would otherwise lie in memory in the loop too.
    private readonly LocalBuilder?[] values, lastValues, sums, totals;
    private readonly LocalBuilder at, full, unrolled, blockEnd, rest;
    private readonly int count;

    private LoopEmitter(LoopProgram program, bool[] streaming, ILGenerator il)
    {
        (this.program, this.streaming, this.il, schedule) = (program, streaming, il, program.Schedule);
        element = program.Type == LoopType.Float32 ? typeof(float) : typeof(double);
        (Type v, Type s, int bits) = Vector512.IsHardwareAccelerated ? (typeof(Vector512<>), typeof(Simd512<>), 512)
            : Vector256.IsHardwareAccelerated ? (typeof(Vector256<>), typeof(Simd256<>), 256) : (typeof(Vector128<>), typeof(Simd128<>), 128);
        (vector, width) = (v.MakeGenericType(element), s.MakeGenericType(element));
        lanes = typeof(Lanes<,,>).MakeGenericType(element, vector, width);
        count = bits / 8 / program.Size;
        pointers = Array.ConvertAll(program.Streams, _ => il.DeclareLocal(typeof(byte*)));
        values = new LocalBuilder?[program.Code.Length];
        lastValues = new LocalBuilder?[program.Code.Length];
        sums = new LocalBuilder?[program.Code.Length * 4];
        totals = new LocalBuilder?[program.Code.Length * 4];
        (at, full, unrolled) = (il.DeclareLocal(typeof(nint)), il.DeclareLocal(typeof(nint)), il.DeclareLocal(typeof(nint)));
        (blockEnd, rest) = (il.DeclareLocal(typeof(nint)), il.DeclareLocal(typeof(int)));
    }

    /// <summary>The code of a program; made once for all programs of the same text.</summary>
    /// <param name="program">The program.</param>
    /// <param name="streaming">Which streams are written past the caches.</param>
    public static LoopCode Compile(LoopProgram program, bool[] streaming)
    {
        string key = program.Text + "|" + string.Join("", Array.ConvertAll(streaming, s => s ? '1' : '0'));
        if (cache.TryGetValue(key, out LoopCode? known)) return known;
        if (cache.Count >= MaxCached) cache.Clear();
        var method = new DynamicMethod("loop", typeof(void), [typeof(byte**), typeof(nint*), typeof(byte*), typeof(nint), typeof(nint), typeof(nint)],
            typeof(LoopEmitter).Module, skipVisibility: true);
        new LoopEmitter(program, streaming, method.GetILGenerator()).Emit();
        return cache.GetOrAdd(key, method.CreateDelegate<LoopCode>());
    }

    private void Emit()
    {
        for (int k = 0; k < pointers.Length; k++)
        {
            PushEntry(OpCodes.Ldarg_0, k);
            il.Emit(OpCodes.Stloc, pointers[k]);
        }
        // full = cols & -count; rest = cols & (count - 1)
        il.Emit(OpCodes.Ldarg, 5);
        PushNative(-count);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Stloc, full);
        il.Emit(OpCodes.Ldarg, 5);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, count - 1);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Stloc, rest);
        Label row = il.DefineLabel();
        il.MarkLabel(row);
        for (int p = 0; p < schedule.Body.Length; p++)
        {
            foreach (int i in schedule.RowCode[p]) EmitRow(i);
            if (schedule.Body[p].Length > 0) EmitPhase(p);
        }
        for (int k = 0; k < pointers.Length; k++)
        {
            il.Emit(OpCodes.Ldloc, pointers[k]);
            PushEntry(OpCodes.Ldarg_1, k);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Stloc, pointers[k]);
        }
        il.Emit(OpCodes.Ldarg, 4);
        il.Emit(OpCodes.Ldc_I4_1);
        il.Emit(OpCodes.Conv_I);
        il.Emit(OpCodes.Sub);
        il.Emit(OpCodes.Starg, 4);
        il.Emit(OpCodes.Ldarg, 4);
        PushNative(0);
        il.Emit(OpCodes.Bgt, row);
        il.Emit(OpCodes.Ret);
    }

    private void PushNative(long value)
    {
        il.Emit(OpCodes.Ldc_I4, checked((int)value));
        il.Emit(OpCodes.Conv_I);
    }

    private void PushEntry(OpCode table, int index)
    {
        il.Emit(table);
        PushNative(index * 8L);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Ldind_I);
    }

    private void CallLanes(string name) =>
        il.Emit(OpCodes.Call, lanes.GetMethod(name, BindingFlags.Public | BindingFlags.Static) ?? throw new MissingMethodException(nameof(Lanes<,,>), name));

    private void PushValue(int i, bool part = false)
    {
        if (program.Code[i].Op != LoopOp.Constant)
        {
            il.Emit(OpCodes.Ldloc, (part && !schedule.IsRow[i] ? lastValues[i] : values[i]) ?? throw new InvalidOperationException($"loop: the value of instruction {i} is used before it is there"));
            return;
        }
        // Written where it is used: the compiler of machine code keeps it in a register if there is one.
        if (element == typeof(float)) il.Emit(OpCodes.Ldc_R4, (float)program.Code[i].Value);
        else il.Emit(OpCodes.Ldc_R8, program.Code[i].Value);
        CallLanes("Constant");
    }

    private void PopValue(int i, bool part = false) =>
        il.Emit(OpCodes.Stloc, part ? lastValues[i] ??= il.DeclareLocal(vector) : values[i] ??= il.DeclareLocal(vector));

    private void EmitApply(LoopInstruction x, bool part = false)
    {
        foreach (int a in LoopSchedule.Operands(x)) PushValue(a, part);
        il.Emit(OpCodes.Call, LoopFunction.All[x.Function].Method.MakeGenericMethod(element, vector, width));
    }

    private void EmitRow(int i)
    {
        LoopInstruction x = program.Code[i];
        switch (x.Op)
        {
            case LoopOp.Constant: break;
            case LoopOp.Load:
                il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
                CallLanes("Row" + program.Streams[x.Stream].Type);
                PopValue(i);
                break;
            case LoopOp.Apply:
                EmitApply(x);
                PopValue(i);
                break;
            default:
                PushValue(x.A);
                il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
                CallLanes(x.Op == LoopOp.Accumulate ? "AccumulateRow" : schedule.IsMask[x.A] ? "StoreRowMask" : "StoreRow");
                break;
        }
    }

    private void EmitPhase(int p)
    {
        int ways = schedule.Ways[p];
        foreach (int i in schedule.Body[p])
        {
            if (!LoopSchedule.IsReduction(program.Code[i].Op)) continue;
            for (int w = 0; w < ways; w++)
            {
                CallLanes("Start" + program.Code[i].Op);
                il.Emit(OpCodes.Stloc, sums[4 * i + w] ??= il.DeclareLocal(vector));
            }
        }
        PushNative(0);
        il.Emit(OpCodes.Stloc, at);
        int[] blocked = Array.FindAll(schedule.Body[p], i => program.Code[i].Op == LoopOp.Sum && element == typeof(float));
        if (ways > 1)
        {
            // unrolled = cols & -(ways·count)
            il.Emit(OpCodes.Ldarg, 5);
            PushNative(-ways * count);
            il.Emit(OpCodes.And);
            il.Emit(OpCodes.Stloc, unrolled);
        }
        LocalBuilder end = ways > 1 ? unrolled : full;
        if (blocked.Length > 0) EmitBlocks(p, ways, end, blocked);
        else EmitLoop(p, ways, end);
        if (ways > 1) EmitLoop(p, 1, full);
        Label done = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, rest);
        il.Emit(OpCodes.Brfalse, done);
        EmitBody(p, 0, part: true);
        il.MarkLabel(done);
        if (blocked.Length > 0) EmitTotals(ways, blocked);
        foreach (int i in schedule.Body[p])
        {
            string name = program.Code[i].Op.ToString();
            if (!LoopSchedule.IsReduction(program.Code[i].Op)) continue;
            for (int w = 0; w < ways; w++) il.Emit(OpCodes.Ldloc, sums[4 * i + w]!);
            for (int w = 1; w < ways; w++) CallLanes("Step" + name);
            CallLanes("End" + name);
            PopValue(i);
        }
    }

    // Long sums of float32: after each block what it gave is added to the totals, and the sums begin anew.
    // while (at < end) { loop to min(at + block, end); if (at % block == 0) { totals += sums; sums = 0 } }
    private void EmitBlocks(int p, int ways, LocalBuilder end, int[] summed)
    {
        foreach (int i in summed)
        {
            for (int w = 0; w < ways; w++)
            {
                CallLanes("StartSum");
                il.Emit(OpCodes.Stloc, totals[4 * i + w] ??= il.DeclareLocal(vector));
            }
        }
        Label again = il.DefineLabel(), done = il.DefineLabel(), isWhole = il.DefineLabel(), open = il.DefineLabel();
        il.MarkLabel(again);
        il.Emit(OpCodes.Ldloc, at);
        il.Emit(OpCodes.Ldloc, end);
        il.Emit(OpCodes.Bge, done);
        il.Emit(OpCodes.Ldloc, at);
        PushNative(SumBlock);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Stloc, blockEnd);
        il.Emit(OpCodes.Ldloc, blockEnd);
        il.Emit(OpCodes.Ldloc, end);
        il.Emit(OpCodes.Ble, isWhole);
        il.Emit(OpCodes.Ldloc, end);
        il.Emit(OpCodes.Stloc, blockEnd);
        il.MarkLabel(isWhole);
        EmitLoop(p, ways, blockEnd);
        il.Emit(OpCodes.Ldloc, at);
        il.Emit(OpCodes.Conv_I4);
        il.Emit(OpCodes.Ldc_I4, SumBlock - 1);
        il.Emit(OpCodes.And);
        il.Emit(OpCodes.Brtrue, open);
        foreach (int i in summed)
        {
            for (int w = 0; w < ways; w++)
            {
                il.Emit(OpCodes.Ldloc, totals[4 * i + w]!);
                il.Emit(OpCodes.Ldloc, sums[4 * i + w]!);
                CallLanes("StepSum");
                il.Emit(OpCodes.Stloc, totals[4 * i + w]!);
                CallLanes("StartSum");
                il.Emit(OpCodes.Stloc, sums[4 * i + w]!);
            }
        }
        il.MarkLabel(open);
        il.Emit(OpCodes.Br, again);
        il.MarkLabel(done);
    }

    // if (cols >= block) sums += totals
    private void EmitTotals(int ways, int[] summed)
    {
        Label none = il.DefineLabel();
        il.Emit(OpCodes.Ldarg, 5);
        PushNative(SumBlock);
        il.Emit(OpCodes.Blt, none);
        foreach (int i in summed)
        {
            for (int w = 0; w < ways; w++)
            {
                il.Emit(OpCodes.Ldloc, totals[4 * i + w]!);
                il.Emit(OpCodes.Ldloc, sums[4 * i + w]!);
                CallLanes("StepSum");
                il.Emit(OpCodes.Stloc, sums[4 * i + w]!);
            }
        }
        il.MarkLabel(none);
    }

    // if (at < end) do { bodies; at += steps·count } while (at < end)
    private void EmitLoop(int p, int steps, LocalBuilder end)
    {
        Label done = il.DefineLabel(), again = il.DefineLabel();
        il.Emit(OpCodes.Ldloc, at);
        il.Emit(OpCodes.Ldloc, end);
        il.Emit(OpCodes.Bge, done);
        il.MarkLabel(again);
        for (int w = 0; w < steps; w++) EmitBody(p, w, part: false);
        il.Emit(OpCodes.Ldloc, at);
        PushNative(steps * count);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Stloc, at);
        il.Emit(OpCodes.Ldloc, at);
        il.Emit(OpCodes.Ldloc, end);
        il.Emit(OpCodes.Blt, again);
        il.MarkLabel(done);
    }

    private void PushAt(int way, bool part)
    {
        il.Emit(OpCodes.Ldloc, at);
        if (way > 0)
        {
            PushNative(way * count);
            il.Emit(OpCodes.Add);
        }
        if (part) il.Emit(OpCodes.Ldloc, rest);
    }

    private void PushScratch(int i)
    {
        il.Emit(OpCodes.Ldarg_2);
        il.Emit(OpCodes.Ldarg_3);
        PushNative(schedule.Spill[i]);
        il.Emit(OpCodes.Mul);
        il.Emit(OpCodes.Add);
    }

    private void EmitBody(int p, int way, bool part)
    {
        string suffix = part ? "Part" : "";
        int[] body = schedule.Body[p];
        for (int b = 0; b < body.Length; b++)
        {
            int i = body[b];
            LoopInstruction x = program.Code[i];
            if (schedule.FromSpill[p][b])
            {
                PushScratch(i);
                PushAt(way, part: false);
                CallLanes("Load");
                PopValue(i, part);
                continue;
            }
            switch (x.Op)
            {
                case LoopOp.Load:
                    int step = program.Streams[x.Stream].Step;
                    il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
                    PushAt(way, part: false);
                    if (step > 1) il.Emit(OpCodes.Ldc_I4, step);
                    if (part) il.Emit(OpCodes.Ldloc, rest);
                    CallLanes((schedule.IsMask[i] ? "LoadMask" : step > 1 ? "LoadStep" : "Load") + suffix);
                    PopValue(i, part);
                    break;
                case LoopOp.Apply:
                    EmitApply(x, part);
                    PopValue(i, part);
                    break;
                case LoopOp.Sum or LoopOp.Max or LoopOp.Min:
                    il.Emit(OpCodes.Ldloc, sums[4 * i + way]!);
                    PushValue(x.A, part);
                    if (part) il.Emit(OpCodes.Ldloc, rest);
                    CallLanes("Step" + x.Op + suffix);
                    il.Emit(OpCodes.Stloc, sums[4 * i + way]!);
                    break;
            }
            if (schedule.Spill[i] < 0) continue;
            PushValue(i, part);
            PushScratch(i);
            PushAt(way, part: false);
            CallLanes("Store");
        }
        // What is written may lie where something was read: at the same index, so after all reads of this index.
        foreach (int i in body)
        {
            LoopInstruction x = program.Code[i];
            if (x.Op is not (LoopOp.Store or LoopOp.Accumulate)) continue;
            PushValue(x.A, part);
            il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
            PushAt(way, part);
            string name = x.Op == LoopOp.Accumulate ? "Accumulate" : schedule.IsMask[x.A] ? "StoreMask" : streaming[x.Stream] && !part ? "Stream" : "Store";
            CallLanes(name + suffix);
        }
    }
}
