using System;
using System.Buffers;

namespace Diff.Kernels;

/// <summary>Room for some numbers, given back when disposed of. What it holds at first means nothing.</summary>
internal readonly ref struct Scratch
{
    private readonly double[] rented;

    public Scratch(int count)
    {
        rented = ArrayPool<double>.Shared.Rent(count);
        Span = rented.AsSpan(0, count);
    }

    public Span<double> Span { get; }

    public void Dispose() => ArrayPool<double>.Shared.Return(rented);
}
