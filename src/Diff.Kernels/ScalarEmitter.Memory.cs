using System.Reflection.Emit;

namespace Diff.Kernels;

/// <summary>Loads and stores of arrays and of the scratch array.</summary>
internal sealed unsafe partial class ScalarEmitter
{
    private void Offset(int bytes)
    {
        if (bytes == 0) return;
        il.Emit(OpCodes.Ldc_I4, bytes);
        il.Emit(OpCodes.Conv_I);
        il.Emit(OpCodes.Add);
    }

    /// <summary>Puts the address of an element on the stack; the address of an array is fetched once a method.</summary>
    private void Address(OpCode table, LocalBuilder?[] known, int array, int bytes)
    {
        if (flat)
        {
            il.Emit(table);
            Offset(array * sizeof(double));
            return;
        }
        if (known[array] is { } pointer) il.Emit(OpCodes.Ldloc, pointer);
        else
        {
            il.Emit(table);
            Offset(array * sizeof(nint));
            il.Emit(OpCodes.Ldind_I);
            known[array] = il.DeclareLocal(typeof(nint));
            il.Emit(OpCodes.Dup);
            il.Emit(OpCodes.Stloc, known[array]!);
        }
        Offset(bytes);
    }

    private static int Size(ScalarElement element) => element switch
    {
        ScalarElement.Float64 or ScalarElement.Int64 => 8,
        ScalarElement.Bool => 1,
        _ => 4
    };

    private void Load(ScalarInstruction x)
    {
        var element = (ScalarElement)x.C;
        Address(OpCodes.Ldarg_1, inputs, x.A, x.B * Size(element));
        switch (element)
        {
            case ScalarElement.Float64: il.Emit(OpCodes.Ldind_R8); break;
            case ScalarElement.Float32: il.Emit(OpCodes.Ldind_R4); break;
            case ScalarElement.Int32:
                il.Emit(OpCodes.Ldind_I4);
                il.Emit(OpCodes.Conv_R8);
                break;
            case ScalarElement.Int64:
                il.Emit(OpCodes.Ldind_I8);
                il.Emit(OpCodes.Conv_R8);
                break;
            default:
                il.Emit(OpCodes.Ldind_U1);
                il.Emit(OpCodes.Ldc_I4_0);
                il.Emit(OpCodes.Cgt_Un);
                break;
        }
    }

    private void Store(ScalarStore store)
    {
        Address(OpCodes.Ldarg_2, outputs, store.Output, store.Position * Size(store.Element));
        Push(store.Value);
        switch (store.Element)
        {
            case ScalarElement.Float64: il.Emit(OpCodes.Stind_R8); break;
            case ScalarElement.Float32: il.Emit(OpCodes.Stind_R4); break;
            case ScalarElement.Int32:
                il.Emit(OpCodes.Conv_I4);
                il.Emit(OpCodes.Stind_I4);
                break;
            case ScalarElement.Int64:
                il.Emit(OpCodes.Conv_I8);
                il.Emit(OpCodes.Stind_I8);
                break;
            default: il.Emit(OpCodes.Stind_I1); break;
        }
    }

    private void ScratchAddress(int value)
    {
        il.Emit(OpCodes.Ldarg_3);
        Offset(slot[value] * sizeof(double));
    }

    private void StoreScratch(int value)
    {
        ScratchAddress(value);
        il.Emit(OpCodes.Ldloc, Local(value));
        il.Emit(code.Instructions[value].Type switch
        {
            ScalarType.Float64 => OpCodes.Stind_R8,
            ScalarType.Float32 => OpCodes.Stind_R4,
            _ => OpCodes.Stind_I4
        });
    }

    private void LoadScratch(int value)
    {
        ScratchAddress(value);
        il.Emit(code.Instructions[value].Type switch
        {
            ScalarType.Float64 => OpCodes.Ldind_R8,
            ScalarType.Float32 => OpCodes.Ldind_R4,
            _ => OpCodes.Ldind_I4
        });
    }
}
