using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>A place in memory: an entry of the run's table of addresses, and an offset in bytes.</summary>
/// <param name="Entry">The entry.</param>
/// <param name="Bytes">The offset.</param>
internal readonly record struct Place(int Entry, nint Bytes);

/// <summary>One operation of a plan on arrays in memory. It holds nothing of a run, so runs may overlap in time.</summary>
internal abstract unsafe class MemoryStep
{
    /// <summary>Runs it on arrays whose addresses are in the table.</summary>
    public abstract void Run(nint* table, int threads);
}

internal sealed unsafe class LoopMemoryStep(LoopKernel kernel, Place[] streams) : MemoryStep
{
    public LoopKernel Kernel => kernel;

    public int Streams => streams.Length;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(nint* table, int threads)
    {
        byte** at = stackalloc byte*[streams.Length];
        Locate(table, at);
        kernel.Run(at, threads);
    }

    /// <summary>Where the streams begin.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Locate(nint* table, byte** at)
    {
        Place[] places = streams;
        for (int k = 0; k < places.Length; k++) at[k] = (byte*)(table[places[k].Entry] + places[k].Bytes);
    }
}

internal sealed unsafe class CopyMemoryStep(StridedCopy copy, Place from, Place to) : MemoryStep
{
    // What lies together needs no more than a call; in a loop over short vectors the rest would take longer than the copy.
    private readonly nint together = copy.BytesTogether;

    public override void Run(nint* table, int threads)
    {
        byte* source = (byte*)(table[from.Entry] + from.Bytes), target = (byte*)(table[to.Entry] + to.Bytes);
        if (together > 0) Unsafe.CopyBlockUnaligned(target, source, (uint)together);
        else copy.Run(source, target, threads);
    }
}

internal sealed unsafe class ProductMemoryStep(GemmPlan plan, LoopType type, bool accumulate, Place a, Place b, Place c) : MemoryStep
{
    public GemmPlan Plan => plan;

    /// <summary>Whether the product is added to what C holds.</summary>
    public bool Accumulates => accumulate;

    /// <summary>The operands and the result: where they begin and how many bytes they take.</summary>
    public (Place At, long Bytes) A => (a, plan.Reach.A * Size);
    public (Place At, long Bytes) B => (b, plan.Reach.B * Size);
    public (Place At, long Bytes) C => (c, (long)plan.Batch * plan.Rows * plan.Cols * Size);

    private int Size => type is LoopType.Float64 or LoopType.Int64 ? 8 : 4;

    public override void Run(nint* table, int threads) => Run(table, threads, null);

    /// <summary>The product, and what comes after each block of it; true if that has begun.</summary>
    public bool Run(nint* table, int threads, LoopEpilogue? after)
    {
        nint x = table[a.Entry] + a.Bytes, y = table[b.Entry] + b.Bytes, z = table[c.Entry] + c.Bytes;
        switch (type)
        {
            case LoopType.Float32: return Gemm.Multiply((float*)x, (float*)y, (float*)z, plan, accumulate, threads, after);
            case LoopType.Float64: return Gemm.Multiply((double*)x, (double*)y, (double*)z, plan, accumulate, threads, after);
            case LoopType.Int32: IntegerGemm<int>.Run((int*)x, (int*)y, (int*)z, plan, accumulate, threads); break;
            default: IntegerGemm<long>.Run((long*)x, (long*)y, (long*)z, plan, accumulate, threads); break;
        }
        return false;
    }
}

internal sealed unsafe class ScalarMemoryStep(ScalarFunction function, Place[] inputs, Place[] outputs) : MemoryStep
{
    public ScalarFunction Function => function;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(nint* table, int threads)
    {
        nint* from = stackalloc nint[inputs.Length], to = stackalloc nint[outputs.Length];
        for (int k = 0; k < inputs.Length; k++) from[k] = table[inputs[k].Entry] + inputs[k].Bytes;
        for (int k = 0; k < outputs.Length; k++) to[k] = table[outputs[k].Entry] + outputs[k].Bytes;
        function.Run(from, to);
    }
}

/// <summary>Zeros.</summary>
internal sealed unsafe class FillMemoryStep(Place target, nint bytes) : MemoryStep
{
    public override void Run(nint* table, int threads) => NativeMemory.Clear((void*)(table[target.Entry] + target.Bytes), (nuint)bytes);
}
