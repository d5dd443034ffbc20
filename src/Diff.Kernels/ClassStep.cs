using System;
using System.Numerics;

namespace Diff.Kernels;

/// <summary>Copies integers and fails at the first that is no index of a class. Cost: the bytes of the integers, read and written once.</summary>
/// <typeparam name="T">The type of the integers.</typeparam>
internal sealed unsafe class ClassStep<T>(int classes, int count, Func<long, long, Exception> failure, Place from, Place to) : MemoryStep
    where T : unmanaged, IBinaryInteger<T>
{
    public override void Run(nint* table, int threads)
    {
        T* x = (T*)(table[from.Entry] + from.Bytes), y = (T*)(table[to.Entry] + to.Bytes);
        for (int row = 0; row < count; row++)
        {
            long index = long.CreateTruncating(x[row]);
            if ((ulong)index >= (ulong)classes) throw failure(index, row);
            y[row] = x[row];
        }
    }
}
