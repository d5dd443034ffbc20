using System;
using System.Linq;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

// Values on the stack: constants, entries of tables, elements of streams, results of functions.
internal sealed partial class LoopEmitter
{
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

    private void PushValue(int i, int copy = 0)
    {
        if (program.Code[i].Op != LoopOp.Constant)
        {
            il.Emit(OpCodes.Ldloc, values[schedule.IsRow[i] ? 0 : copy][i] ?? throw new InvalidOperationException($"loop: the value of instruction {i} is used before it is there"));
            return;
        }
        // Written where it is used: the compiler of machine code keeps it in a register if there is one.
        if (element == typeof(float)) il.Emit(OpCodes.Ldc_R4, (float)program.Code[i].Value);
        else il.Emit(OpCodes.Ldc_R8, program.Code[i].Value);
        il.Emit(OpCodes.Call, Vectors.GetMethod("Create", [element]) ?? throw new MissingMethodException(Vectors.Name, "Create"));
    }

    private void PopValue(int i, int copy = 0) => il.Emit(OpCodes.Stloc, values[copy][i] ??= il.DeclareLocal(vector));

    private void EmitApply(LoopInstruction x, int copy = 0)
    {
        foreach (int a in LoopSchedule.Operands(x)) PushValue(a, copy);
        LoopFunction function = LoopFunction.All[x.Function];
        MethodInfo? plain = function.Name switch
        {
            "add" => Operator("op_Addition", 2),
            "sub" => Operator("op_Subtraction", 2),
            "mul" => Operator("op_Multiply", 2),
            "neg" => Operator("op_UnaryNegation", 1),
            _ => null,
        };
        MethodInfo method = IsLarge(x) && (copy == Last ? outlinesLast : outlines) ? function.Outlined : function.Method;
        il.Emit(OpCodes.Call, plain ?? method.MakeGenericMethod(element, vector, width));
    }

    // What the machine does itself is called without the layers around it, each of which would take locals.
    private MethodInfo Operator(string name, int operands) =>
        vector.GetMethod(name, [.. Enumerable.Repeat(vector, operands)]) ?? throw new MissingMethodException(vector.Name, name);

    // The platform's functions of vectors of the width.
    private Type Vectors => (count * program.Size) switch { 64 => typeof(Vector512), 32 => typeof(Vector256), _ => typeof(Vector128) };

    // From the pointer of a stream on the stack to that of its element at the index.
    private void PushElement(int way)
    {
        PushAt(way, part: false);
        PushNative(program.Size);
        il.Emit(OpCodes.Mul);
        il.Emit(OpCodes.Add);
    }

    // The elements of a stream's last columns as a vector or, given one, into the stream, with the pointer on the stack.
    private void EmitMaskedMove(int? stored)
    {
        PushElement(0);
        il.Emit(OpCodes.Ldloc, lastMask!);
        if (stored is { } i) PushValue(i, Last);
        else il.Emit(OpCodes.Call, Operator("get_Zero", 0));
        string name = stored is null ? "MaskLoad" : "MaskStore";
        Type[] operands = [element.MakePointerType(), vector, vector];
        il.Emit(OpCodes.Call, typeof(Avx512F).GetMethod(name, operands) ?? throw new MissingMethodException(nameof(Avx512F), name));
    }

    // Between a vector and the elements of a stream, given the pointer on the stack.
    private void EmitMove(string name, int way)
    {
        PushElement(way);
        MethodInfo move = Vectors.GetMethod(name) ?? throw new MissingMethodException(Vectors.Name, name);
        il.Emit(OpCodes.Call, move.MakeGenericMethod(element));
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
}
