using System;
using System.Reflection.Emit;

namespace Diff.Kernels;

// The loops of a phase: whole vectors, several at a time, blocks of long sums, the last columns.
internal sealed partial class LoopEmitter
{
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
        int steps = schedule.IsPaired ? 2 : ways;
        if (steps > 1)
        {
            // unrolled = cols & -(steps·count)
            il.Emit(OpCodes.Ldarg, 5);
            PushNative(-steps * count);
            il.Emit(OpCodes.And);
            il.Emit(OpCodes.Stloc, unrolled);
        }
        LocalBuilder end = steps > 1 ? unrolled : full;
        if (blocked.Length > 0) EmitBlocks(p, ways, steps, end, blocked);
        else EmitLoop(p, steps, end);
        if (ways > 1) EmitLoop(p, 1, full);
        EmitLast(p);
        if (blocked.Length > 0) EmitTotals(ways, blocked);
        foreach (int i in schedule.Body[p])
        {
            string name = program.Code[i].Op.ToString();
            if (!LoopSchedule.IsReduction(program.Code[i].Op)) continue;
            for (int w = 0; w < ways; w++) il.Emit(OpCodes.Ldloc, sums[4 * i + w]!);
            for (int w = 1; w < ways; w++) CallLanes("Step" + name);
            if (accumulatedBy[i] >= 0)
            {
                il.Emit(OpCodes.Ldloc, pointers[program.Code[accumulatedBy[i]].Stream]);
                CallLanes("AccumulateSum");
                continue;
            }
            CallLanes("End" + name);
            PopValue(i);
        }
    }

    // The columns that fill no vector; behind pairs there may be a whole vector before them.
    private void EmitLast(int p)
    {
        Label done = il.DefineLabel(), again = il.DefineLabel(), isPart = il.DefineLabel();
        if (schedule.IsPaired)
        {
            // again: rest = cols - at; if (rest > count) rest = count
            il.MarkLabel(again);
            il.Emit(OpCodes.Ldarg, 5);
            il.Emit(OpCodes.Ldloc, at);
            il.Emit(OpCodes.Sub);
            il.Emit(OpCodes.Conv_I4);
            il.Emit(OpCodes.Stloc, rest);
            il.Emit(OpCodes.Ldloc, rest);
            il.Emit(OpCodes.Ldc_I4, count);
            il.Emit(OpCodes.Ble, isPart);
            il.Emit(OpCodes.Ldc_I4, count);
            il.Emit(OpCodes.Stloc, rest);
            il.MarkLabel(isPart);
        }
        il.Emit(OpCodes.Ldloc, rest);
        il.Emit(OpCodes.Ldc_I4_0);
        il.Emit(OpCodes.Ble, done);
        EmitBody(p, 0, 1, part: true);
        if (schedule.IsPaired)
        {
            il.Emit(OpCodes.Ldloc, at);
            PushNative(count);
            il.Emit(OpCodes.Add);
            il.Emit(OpCodes.Stloc, at);
            il.Emit(OpCodes.Br, again);
        }
        il.MarkLabel(done);
    }

    // Long sums of float32: after each block what it gave is added to the totals, and the sums begin anew.
    // while (at < end) { loop to min(at + block, end); if (at % block == 0) { totals += sums; sums = 0 } }
    private void EmitBlocks(int p, int ways, int steps, LocalBuilder end, int[] summed)
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
        EmitLoop(p, steps, blockEnd);
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
        if (schedule.IsPaired) EmitBody(p, 0, steps, part: false);
        else for (int w = 0; w < steps; w++) EmitBody(p, w, 1, part: false);
        il.Emit(OpCodes.Ldloc, at);
        PushNative(steps * count);
        il.Emit(OpCodes.Add);
        il.Emit(OpCodes.Stloc, at);
        il.Emit(OpCodes.Ldloc, at);
        il.Emit(OpCodes.Ldloc, end);
        il.Emit(OpCodes.Blt, again);
        il.MarkLabel(done);
    }
}
