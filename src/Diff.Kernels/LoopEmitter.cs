using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

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
internal sealed partial class LoopEmitter
{
    /// <summary>Rows of float32 are summed by so many columns at a time, a lane 64 to 512 numbers, lest long sums lose digits.</summary>
    public const int SumBlock = 4096;

    // The compiler of machine code keeps track of 1024 locals, of which a function needs about three for each unit of its cost; once they are used up it
    // inlines nothing more, not even additions. Where there is more, functions that cost so much are called.
    private const int MaxInlinedCost = 200, LeastOutlinedCost = 8;

    private const int MaxCached = 2048;
    private const int Last = 2; // the values of the last columns
    private static readonly ConcurrentDictionary<string, LoopCode> cache = new();

    private readonly LoopProgram program;
    private readonly LoopSchedule schedule;
    private readonly bool[] streaming, ahead;
    private readonly Type element, vector, width, lanes;
    private readonly ILGenerator il;
    private readonly LocalBuilder[] pointers;
    // Of two vectors side by side and of the last columns, which have locals of their own: what a call there writes to would otherwise lie in
    // memory in the loop too.
    private readonly LocalBuilder?[][] values;
    private readonly LocalBuilder?[] sums, totals;
    // For each sum that only goes to memory, the instruction that adds it there; else −1.
    private readonly int[] accumulatedBy;
    private readonly bool outlines, outlinesLast;
    private readonly LocalBuilder at, full, unrolled, blockEnd, rest;
    // Which lanes are columns in a row's last vector; only where the machine loads and stores by such masks, and behind no pairs.
    private readonly LocalBuilder? lastMask;
    private readonly int count;

    private LoopEmitter(LoopProgram program, bool[] streaming, bool[] ahead, ILGenerator il)
    {
        (this.program, this.streaming, this.ahead, this.il, schedule) = (program, streaming, ahead, il, program.Schedule);
        element = program.Type == LoopType.Float32 ? typeof(float) : typeof(double);
        (Type v, Type s, int bits) = Vector512.IsHardwareAccelerated ? (typeof(Vector512<>), typeof(Simd512<>), 512)
            : Vector256.IsHardwareAccelerated ? (typeof(Vector256<>), typeof(Simd256<>), 256) : (typeof(Vector128<>), typeof(Simd128<>), 128);
        (vector, width) = (v.MakeGenericType(element), s.MakeGenericType(element));
        lanes = typeof(Lanes<,,>).MakeGenericType(element, vector, width);
        count = bits / 8 / program.Size;
        if (bits == 512 && Avx512F.IsSupported && !schedule.IsPaired) lastMask = il.DeclareLocal(vector);
        pointers = Array.ConvertAll(program.Streams, _ => il.DeclareLocal(typeof(byte*)));
        values = [new LocalBuilder?[program.Code.Length], new LocalBuilder?[program.Code.Length], new LocalBuilder?[program.Code.Length]];
        sums = new LocalBuilder?[program.Code.Length * 4];
        totals = new LocalBuilder?[program.Code.Length * 4];
        accumulatedBy = new int[program.Code.Length];
        for (int i = 0; i < program.Code.Length; i++) accumulatedBy[i] = AccumulatedBy(i);
        (outlines, outlinesLast) = (InlinedCost(withLast: false) > MaxInlinedCost, InlinedCost(withLast: true) > MaxInlinedCost);
        (at, full, unrolled) = (il.DeclareLocal(typeof(nint)), il.DeclareLocal(typeof(nint)), il.DeclareLocal(typeof(nint)));
        (blockEnd, rest) = (il.DeclareLocal(typeof(nint)), il.DeclareLocal(typeof(int)));
    }

    /// <summary>The code of a program; made once for all programs of the same text.</summary>
    /// <param name="program">The program.</param>
    /// <param name="streaming">Which streams are written past the caches.</param>
    /// <param name="ahead">Of which streams the next row is fetched while a row is computed.</param>
    public static LoopCode Compile(LoopProgram program, bool[] streaming, bool[] ahead)
    {
        string key = program.Text + "|" + Digits(streaming) + "|" + Digits(ahead);
        if (cache.TryGetValue(key, out LoopCode? known)) return known;
        if (cache.Count >= MaxCached) cache.Clear();
        var method = new DynamicMethod("loop", typeof(void), [typeof(byte**), typeof(nint*), typeof(byte*), typeof(nint), typeof(nint), typeof(nint)],
            typeof(LoopEmitter).Module, skipVisibility: true)
        {
            InitLocals = false,
        };
        new LoopEmitter(program, streaming, ahead, method.GetILGenerator()).Emit();
        return cache.GetOrAdd(key, method.CreateDelegate<LoopCode>());
    }

    private static string Digits(bool[] flags) => string.Concat(Array.ConvertAll(flags, f => f ? '1' : '0'));

    private static bool IsLarge(LoopInstruction x) => x.Op == LoopOp.Apply && LoopFunction.All[x.Function].Cost >= LeastOutlinedCost;

    // Of what may be called instead, with every copy of it in the code.
    private int InlinedCost(bool withLast)
    {
        int Sum(int[] body) => body.Select(i => program.Code[i]).Where(IsLarge).Sum(x => LoopFunction.All[x.Function].Cost);
        int cost = schedule.RowCode.Sum(Sum);
        for (int p = 0; p < schedule.Body.Length; p++)
            cost += Sum(schedule.Body[p]) * ((schedule.IsPaired ? 2 : schedule.Ways[p] > 1 ? schedule.Ways[p] + 1 : 1) + (withLast ? 1 : 0));
        return cost;
    }

    private int AccumulatedBy(int sum)
    {
        if (program.Code[sum].Op != LoopOp.Sum) return -1;
        int[] users = [.. Enumerable.Range(0, program.Code.Length).Where(i => LoopSchedule.Operands(program.Code[i]).Contains(sum))];
        return users.Length == 1 && program.Code[users[0]].Op == LoopOp.Accumulate && schedule.IsRow[users[0]] ? users[0] : -1;
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
        if (lastMask is not null)
        {
            il.Emit(OpCodes.Ldloc, rest);
            il.Emit(OpCodes.Call, width.GetMethod("First") ?? throw new MissingMethodException(width.Name, "First"));
            il.Emit(OpCodes.Stloc, lastMask);
        }
        Label row = il.DefineLabel();
        il.MarkLabel(row);
        for (int p = 0; p < schedule.Body.Length; p++)
        {
            foreach (int i in schedule.RowCode[p]) if (Array.IndexOf(accumulatedBy, i) < 0) EmitRow(i);
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

    // So many vectors side by side, instruction by instruction, the sums of all of them in those of this way.
    private void EmitBody(int p, int way, int vectors, bool part)
    {
        int[] body = schedule.Body[p];
        for (int b = 0; b < body.Length; b++)
        {
            for (int v = 0; v < vectors; v++) EmitInstruction(body[b], schedule.FromSpill[p][b], way, v, part);
        }
        for (int k = 0; k < ahead.Length && p == schedule.Longest && !part; k++)
        {
            if (!ahead[k]) continue;
            il.Emit(OpCodes.Ldloc, pointers[k]);
            PushEntry(OpCodes.Ldarg_1, k);
            il.Emit(OpCodes.Add);
            PushAt(way, part: false);
            CallLanes("Fetch");
        }
        // What is written may lie where something was read: at the same index, so after all reads of this index.
        foreach (int i in body)
        {
            LoopInstruction x = program.Code[i];
            if (x.Op is not (LoopOp.Store or LoopOp.Accumulate)) continue;
            if (lastMask is not null && part && x.Op == LoopOp.Store && !schedule.IsMask[x.A])
            {
                il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
                EmitMaskedMove(x.A);
                continue;
            }
            for (int v = 0; v < vectors; v++)
            {
                PushValue(x.A, part ? Last : v);
                il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
                if (x.Op == LoopOp.Store && !part && !schedule.IsMask[x.A] && !streaming[x.Stream])
                {
                    EmitMove("Store", way + v);
                    continue;
                }
                PushAt(way + v, part);
                string name = x.Op == LoopOp.Accumulate ? "Accumulate" : schedule.IsMask[x.A] ? "StoreMask" : streaming[x.Stream] && !part ? "Stream" : "Store";
                CallLanes(part ? name + "Part" : name);
            }
        }
    }

    private void EmitInstruction(int i, bool fromSpill, int way, int v, bool part)
    {
        LoopInstruction x = program.Code[i];
        string suffix = part ? "Part" : "";
        int copy = part ? Last : v;
        if (fromSpill)
        {
            PushScratch(i);
            PushAt(way + v, part: false);
            CallLanes("Load");
            PopValue(i, copy);
            return;
        }
        switch (x.Op)
        {
            case LoopOp.Load:
                int step = program.Streams[x.Stream].Step;
                il.Emit(OpCodes.Ldloc, pointers[x.Stream]);
                if (step <= 1 && !schedule.IsMask[i] && (!part || lastMask is not null))
                {
                    if (part) EmitMaskedMove(stored: null);
                    else EmitMove("Load", way + v);
                    PopValue(i, copy);
                    break;
                }
                PushAt(way + v, part: false);
                if (step > 1) il.Emit(OpCodes.Ldc_I4, step);
                if (part) il.Emit(OpCodes.Ldloc, rest);
                CallLanes((schedule.IsMask[i] ? "LoadMask" : step > 1 ? "LoadStep" : "Load") + suffix);
                PopValue(i, copy);
                break;
            case LoopOp.Apply:
                EmitApply(x, copy);
                PopValue(i, copy);
                break;
            case LoopOp.Sum or LoopOp.Max or LoopOp.Min:
                il.Emit(OpCodes.Ldloc, sums[4 * i + way]!);
                PushValue(x.A, copy);
                if (part) il.Emit(OpCodes.Ldloc, rest);
                CallLanes("Step" + x.Op + suffix);
                il.Emit(OpCodes.Stloc, sums[4 * i + way]!);
                break;
        }
        if (schedule.Spill[i] < 0) return;
        PushValue(i, copy);
        PushScratch(i);
        PushAt(way + v, part: false);
        CallLanes("Store");
    }
}
