using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace Diff.Kernels;

/// <summary>Scalar code as a function of arrays. It is interpreted at first and compiled when it has run as often as pays for that. Calls
/// may overlap in time, and an output may be the memory of an input: all of the inputs are read before.</summary>
internal sealed unsafe class ScalarFunction
{
    // Compiling costs 3 to 4 µs an instruction and saves about 2 ns of it in each run.
    private const int Patience = 2000;
    // Measured on 5,000 instructions (ns each): 100: 0.14, 300 to 600: 0.11, all in one method: 0.2.
    private const int DefaultPart = 400;

    [ThreadStatic]
    private static byte[]? scratch;

    private readonly ScalarCode code;
    private readonly int partSize;
    private readonly Lock gate = new();
    private Compiled? arrays, numbers;
    private int runs;

    private sealed record Compiled(ScalarKernel[] Kernels, int Scratch)
    {
        public ScalarKernel Only { get; } = Kernels[0];
        public bool IsSingle { get; } = Kernels.Length == 1;
    }

    public ScalarFunction(ScalarCode code, int partSize = DefaultPart)
    {
        this.code = code;
        this.partSize = partSize;
        IsFlat = Array.TrueForAll(code.InputBytes, b => b == sizeof(double)) && Array.TrueForAll(code.OutputBytes, b => b == sizeof(double))
            && Array.TrueForAll(code.Stores, s => s.Element == ScalarElement.Float64);
        for (int i = code.Constants; i < code.First; i++) IsFlat &= (ScalarElement)code.Instructions[i].C == ScalarElement.Float64;
    }

    /// <summary>Whether machine code is made once that pays.</summary>
    public bool Compiles { get; set; } = RuntimeFeature.IsDynamicCodeSupported && RuntimeFeature.IsDynamicCodeCompiled;

    /// <summary>The number of instructions, without constants.</summary>
    public int Count => code.Instructions.Length - code.Constants;

    /// <summary>Whether all inputs and outputs are single float64 numbers.</summary>
    public bool IsFlat { get; }

    /// <summary>Whether the next run of arrays runs machine code.</summary>
    public bool IsCompiled => Volatile.Read(ref arrays) != null;

    /// <summary>Computes all outputs; the arguments point to tables of pointers to the arrays.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(nint* inputs, nint* outputs)
    {
        Compiled? compiled = Volatile.Read(ref arrays) ?? Promote(ref arrays, flat: false);
        if (compiled == null) Interpret(inputs, outputs);
        else if (compiled.IsSingle) compiled.Only(inputs, outputs, null);
        else RunParts(compiled, inputs, outputs);
    }

    /// <summary>Computes all outputs of a function of single numbers; only where <see cref="IsFlat"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run(ReadOnlySpan<double> inputs, Span<double> outputs)
    {
        if (!IsFlat) throw new InvalidOperationException("scalar code: its inputs and outputs are not single float64 numbers");
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs.Length, code.InputBytes.Length);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs.Length, code.OutputBytes.Length);
        Compiled? compiled = Volatile.Read(ref numbers) ?? Promote(ref numbers, flat: true);
        fixed (double* from = inputs, to = outputs)
        {
            if (compiled != null && compiled.IsSingle) compiled.Only(from, to, null);
            else RunNumbers(compiled, from, to);
        }
    }

    /// <summary>Computes all outputs of a function of single numbers: gives the first and writes the others. Nothing is looked up or allocated.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    public double Run(ReadOnlySpan<double> inputs, Span<double> others, out bool fits)
    {
        const int Room = 32;
        Compiled? compiled = numbers;
        fits = compiled != null && compiled.IsSingle && code.InputBytes.Length == inputs.Length && code.OutputBytes.Length == others.Length + 1 && others.Length < Room;
        if (!fits) return 0;
        double* outputs = stackalloc double[Room];
        fixed (double* from = inputs) compiled!.Only(from, outputs, null);
        for (int i = 0; i < others.Length; i++) others[i] = outputs[i + 1];
        return outputs[0];
    }

    /// <summary>Compiles what has not run often enough yet; does nothing where code cannot be generated.</summary>
    public void Compile()
    {
        runs = Patience;
        if (Volatile.Read(ref arrays) == null) Promote(ref arrays, flat: false);
        if (IsFlat && Volatile.Read(ref numbers) == null) Promote(ref numbers, flat: true);
    }

    /// <summary>Runs the code without compiling it, however often.</summary>
    public void Interpret(nint* inputs, nint* outputs) =>
        ScalarInterpreter.Run(code, inputs, outputs, (double*)Scratch((nint)code.Instructions.Length * sizeof(double)));

    /// <summary>The compiled code once it pays; who finds another thread compiling goes on interpreting.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Compiled? Promote(ref Compiled? place, bool flat)
    {
        if (!Compiles || runs++ < Patience || !gate.TryEnter()) return null;
        try
        {
            if (place == null)
            {
                ScalarKernel[] kernels = ScalarEmitter.Compile(code, flat, partSize, out int needed);
                foreach (ScalarKernel kernel in kernels) RuntimeHelpers.PrepareDelegate(kernel);
                Volatile.Write(ref place, new Compiled(kernels, needed));
            }
            return place;
        }
        finally
        {
            gate.Exit();
        }
    }

    /// <summary>Several methods store as they go, so an input that an output overlaps is copied before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunParts(Compiled compiled, nint* inputs, nint* outputs)
    {
        nint room = (nint)compiled.Scratch * sizeof(double), pointers = 0;
        int n = code.InputBytes.Length;
        for (int i = 0; i < n; i++)
        {
            if (!IsOverwritten(i, inputs, outputs)) continue;
            pointers = (nint)n * sizeof(nint);
            room += (code.InputBytes[i] + 7) & ~7;
        }
        byte* memory = Scratch(room + pointers), free = memory + (nint)compiled.Scratch * sizeof(double);
        if (pointers != 0)
        {
            nint* table = (nint*)(memory + room);
            for (int i = 0; i < n; i++)
            {
                table[i] = inputs[i];
                if (!IsOverwritten(i, inputs, outputs)) continue;
                Unsafe.CopyBlockUnaligned(free, (void*)inputs[i], (uint)code.InputBytes[i]);
                table[i] = (nint)free;
                free += (code.InputBytes[i] + 7) & ~7;
            }
            inputs = table;
        }
        foreach (ScalarKernel kernel in compiled.Kernels) kernel(inputs, outputs, (double*)memory);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool IsOverwritten(int input, nint* inputs, nint* outputs)
    {
        for (int o = 0; o < code.OutputBytes.Length; o++)
        {
            if (outputs[o] < inputs[input] + code.InputBytes[input] && inputs[input] < outputs[o] + code.OutputBytes[o]) return true;
        }
        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private void RunNumbers(Compiled? compiled, double* inputs, double* outputs)
    {
        int n = code.InputBytes.Length, m = code.OutputBytes.Length;
        if (compiled == null)
        {
            int values = code.Instructions.Length;
            double* memory = (double*)Scratch((nint)(values + n + m) * sizeof(double));
            nint* table = (nint*)(memory + values);
            for (int i = 0; i < n; i++) table[i] = (nint)(inputs + i);
            for (int o = 0; o < m; o++) table[n + o] = (nint)(outputs + o);
            ScalarInterpreter.Run(code, table, table + n, memory);
        }
        else
        {
            double* memory = (double*)Scratch((nint)(compiled.Scratch + n) * sizeof(double)), copies = memory + compiled.Scratch;
            Unsafe.CopyBlockUnaligned(copies, inputs, (uint)(n * sizeof(double)));
            foreach (ScalarKernel kernel in compiled.Kernels) kernel(copies, outputs, memory);
        }
    }

    /// <summary>Pinned memory of this thread, valid until the next call; it grows and stays.</summary>
    private static byte* Scratch(nint bytes)
    {
        byte[]? memory = scratch;
        if (memory == null || memory.Length < bytes) scratch = memory = GC.AllocateUninitializedArray<byte>((int)bytes, pinned: true);
        return (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(memory));
    }
}
