using System;
using System.Collections.Generic;
using System.Reflection;
using System.Reflection.Emit;

namespace Diff.Kernels;

/// <summary>A part of compiled scalar code: from tables of pointers to the arrays, or from and to numbers side by side.</summary>
internal unsafe delegate void ScalarKernel(void* inputs, void* outputs, double* scratch);

/// <summary>Turns scalar code into machine code. Values used once stay on the evaluation stack, the others get a local; each is computed just
/// before its first use. Large code becomes several methods, since beyond some hundred instructions the registers spill more, and far beyond
/// (60,000 bytes of IL or 2,000 locals) the JIT no longer optimises; values that cross methods lie in the scratch array.
/// Emitting and compiling cost about 4 µs an instruction.</summary>
internal sealed unsafe partial class ScalarEmitter
{
    // The JIT walks expressions by recursion, and a method ends only where the stack is empty.
    private const int MaxTree = 32;
    private const BindingFlags Static = BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
    private static readonly Type[] Parameters = [typeof(object), typeof(void*), typeof(void*), typeof(double*)];

    private readonly ScalarCode code;
    private readonly bool flat;
    /// <summary>Whether the value is computed by itself, into a local or the scratch array, not inside the expression that uses it.</summary>
    private readonly bool[] isStatement;
    private readonly int[] treeSize;
    /// <summary>The method that computes a statement, or −1.</summary>
    private readonly int[] home;
    /// <summary>The place in the scratch array of a value that crosses methods, or −1.</summary>
    private readonly int[] slot;
    private readonly List<ScalarStore>?[] storesOf;
    private readonly List<int[]> parts = [];

    // Of the method in work.
    private readonly LocalBuilder?[] locals;
    private readonly int[] fetches;
    private readonly LocalBuilder?[] inputs, outputs;
    private ILGenerator il = null!;

    private ScalarEmitter(ScalarCode code, bool flat, int partSize)
    {
        this.code = code;
        this.flat = flat;
        int n = code.Instructions.Length;
        isStatement = new bool[n];
        treeSize = new int[n];
        home = new int[n];
        slot = new int[n];
        locals = new LocalBuilder?[n];
        fetches = new int[n];
        inputs = new LocalBuilder?[code.InputBytes.Length];
        outputs = new LocalBuilder?[code.OutputBytes.Length];
        storesOf = new List<ScalarStore>?[n];
        Array.Fill(home, -1);
        Array.Fill(slot, -1);
        foreach (ScalarStore store in code.Stores) (storesOf[store.Value] ??= []).Add(store);
        FindStatements();
        Divide(Schedule(), partSize);
    }

    /// <summary>The length of the scratch array.</summary>
    public int Scratch { get; private set; }

    /// <summary>Compiles the code into methods to be called in this order.</summary>
    /// <param name="code">The code.</param>
    /// <param name="flat">Whether inputs and outputs are float64 numbers side by side instead of pointers to arrays.</param>
    /// <param name="partSize">About how many instructions a method gets.</param>
    /// <param name="scratch">How many numbers the scratch array must hold.</param>
    /// <returns>The methods. A single one stores after it has loaded everything; of several, each stores its results at once.</returns>
    public static ScalarKernel[] Compile(ScalarCode code, bool flat, int partSize, out int scratch)
    {
        var emitter = new ScalarEmitter(code, flat, partSize);
        var kernels = new ScalarKernel[emitter.parts.Count];
        for (int p = 0; p < kernels.Length; p++) kernels[p] = emitter.Emit(p);
        scratch = emitter.Scratch;
        return kernels;
    }

    private ScalarKernel Emit(int p)
    {
        var method = new DynamicMethod("scalar", typeof(void), Parameters, typeof(ScalarEmitter).Module, skipVisibility: true)
        {
            InitLocals = false
        };
        il = method.GetILGenerator();
        Array.Clear(locals);
        Array.Clear(inputs);
        Array.Clear(outputs);
        Array.Clear(fetches);
        var leaves = new List<int>();
        foreach (int value in parts[p]) Leaves(value, leaves);
        foreach (int leaf in leaves) fetches[leaf]++;
        bool single = parts.Count == 1;
        foreach (int value in parts[p])
        {
            if (value >= code.Constants)
            {
                Compute(value);
                il.Emit(OpCodes.Stloc, Local(value));
            }
            if (slot[value] >= 0) StoreScratch(value);
            if (!single && storesOf[value] is { } own) foreach (ScalarStore store in own) Store(store);
        }
        // An output may be the memory of an input: a single method has read everything before it writes.
        if (single) foreach (ScalarStore store in code.Stores) Store(store);
        il.Emit(OpCodes.Ret);
        // Bound to an object, a delegate jumps straight to the code.
        return method.CreateDelegate<ScalarKernel>(code);
    }

    private LocalBuilder Local(int value) => locals[value] ??= il.DeclareLocal(code.Instructions[value].Type switch
    {
        ScalarType.Float64 => typeof(double),
        ScalarType.Float32 => typeof(float),
        _ => typeof(int)
    });

    /// <summary>Puts a value on the stack.</summary>
    private void Push(int value)
    {
        ScalarInstruction x = code.Instructions[value];
        if (x.Op == ScalarOp.Const)
        {
            if (x.Type == ScalarType.Float64) il.Emit(OpCodes.Ldc_R8, x.Value);
            else if (x.Type == ScalarType.Float32) il.Emit(OpCodes.Ldc_R4, (float)x.Value);
            else il.Emit(OpCodes.Ldc_I4, x.Value != 0.0 ? 1 : 0);
            return;
        }
        if (locals[value] is { } known)
        {
            il.Emit(OpCodes.Ldloc, known);
            return;
        }
        if (x.Op == ScalarOp.Load) Load(x);
        else if (isStatement[value]) LoadScratch(value);
        else
        {
            Compute(value);
            return;
        }
        if (fetches[value] > 1)
        {
            il.Emit(OpCodes.Dup);
            il.Emit(OpCodes.Stloc, Local(value));
        }
    }

    private void Compute(int value)
    {
        ScalarInstruction x = code.Instructions[value];
        if (x.Op == ScalarOp.Load)
        {
            Load(x);
            return;
        }
        ScalarType from = code.Instructions[x.A].Type;
        // Where float32 has no function of its own, the float64 function rounded: what the reference evaluation computes.
        bool widened = x.Type == ScalarType.Float32 && WidensFloat32(x.Op);
        for (int k = 0; k < x.Operands; k++)
        {
            Push(x.Operand(k));
            if (widened) il.Emit(OpCodes.Conv_R8);
        }
        switch (x.Op)
        {
            case ScalarOp.Convert: Convert(from, x.Type); break;
            case ScalarOp.Neg: il.Emit(OpCodes.Neg); break;
            case ScalarOp.Not: Negate(); break;
            case ScalarOp.Add: il.Emit(OpCodes.Add); break;
            case ScalarOp.Sub: il.Emit(OpCodes.Sub); break;
            case ScalarOp.Mul: il.Emit(OpCodes.Mul); break;
            case ScalarOp.Div: il.Emit(OpCodes.Div); break;
            case ScalarOp.Equal: il.Emit(OpCodes.Ceq); break;
            case ScalarOp.Less: il.Emit(OpCodes.Clt); break;
            case ScalarOp.Greater: il.Emit(OpCodes.Cgt); break;
            case ScalarOp.And: il.Emit(OpCodes.And); break;
            case ScalarOp.Or: il.Emit(OpCodes.Or); break;
            case ScalarOp.NotEqual:
                il.Emit(OpCodes.Ceq);
                Negate();
                break;
            case ScalarOp.LessEqual:
                il.Emit(OpCodes.Cgt_Un); // false for NaN after the negation
                Negate();
                break;
            case ScalarOp.GreaterEqual:
                il.Emit(OpCodes.Clt_Un);
                Negate();
                break;
            default: il.Emit(OpCodes.Call, Function(x.Op, x.Type, widened)); break;
        }
        if (widened) il.Emit(OpCodes.Conv_R4);
    }

    private static bool WidensFloat32(ScalarOp op) => op switch
    {
        ScalarOp.Abs or ScalarOp.Sqrt or ScalarOp.Max or ScalarOp.Min => false,
        ScalarOp.Exp or ScalarOp.Log or ScalarOp.Sin or ScalarOp.Cos or ScalarOp.Tan or ScalarOp.Tanh or ScalarOp.Pow => true,
        ScalarOp.Sign or ScalarOp.Log1p or ScalarOp.Expm1 or ScalarOp.Sigmoid or ScalarOp.Softplus or ScalarOp.Relu => true,
        ScalarOp.Larger or ScalarOp.Smaller => true,
        _ => IsSpecial(op)
    };

    /// <summary>Whether the function is one of <see cref="SpecialMath"/> or of the platform without a form for float32 that is used.</summary>
    private static bool IsSpecial(ScalarOp op) => op is (> ScalarOp.Relu and < ScalarOp.Not) or (> ScalarOp.Smaller and not ScalarOp.Where);

    /// <summary>The method of the platform, or of ours, that has the operation's name.</summary>
    private static MethodInfo Function(ScalarOp op, ScalarType type, bool widened)
    {
        Type number = type == ScalarType.Bool ? typeof(bool) : type == ScalarType.Float32 && !widened ? typeof(float) : typeof(double);
        if (op == ScalarOp.Where) return typeof(ScalarMath).GetMethod("Select", Static, [typeof(bool), number, number])!;
        Type[] signature = op is ScalarOp.Pow or ScalarOp.Max or ScalarOp.Min or ScalarOp.Larger or ScalarOp.Smaller ? [number, number] : [number];
        string name = op.ToString();
        if (IsSpecial(op))
        {
            signature = new Type[new ScalarInstruction(op, type).Operands];
            Array.Fill(signature, typeof(double));
            return typeof(SpecialMath).GetMethod(name, Static, signature) ?? typeof(Math).GetMethod(name, Static, signature)!;
        }
        return typeof(ScalarMath).GetMethod(name, Static, signature)
            ?? (number == typeof(float) && op == ScalarOp.Sqrt ? typeof(MathF) : typeof(Math)).GetMethod(name, Static, signature)!;
    }

    private void Negate()
    {
        il.Emit(OpCodes.Ldc_I4_0);
        il.Emit(OpCodes.Ceq);
    }

    private void Convert(ScalarType from, ScalarType to)
    {
        if (to == ScalarType.Float64) il.Emit(OpCodes.Conv_R8);
        else if (to == ScalarType.Float32) il.Emit(OpCodes.Conv_R4);
        else
        {
            if (from == ScalarType.Float64) il.Emit(OpCodes.Ldc_R8, 0.0);
            else il.Emit(OpCodes.Ldc_R4, 0f);
            il.Emit(OpCodes.Ceq);
            Negate();
        }
    }
}
