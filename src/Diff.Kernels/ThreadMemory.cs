using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>Memory of one thread, at an address that is a multiple of 64, that grows and stays until the thread ends. What it holds is undefined.</summary>
internal sealed unsafe class ThreadMemory
{
    private byte* block;
    private nint size;

    /// <summary>At least so many bytes; they are good until more are asked for.</summary>
    public byte* Of(nint bytes)
    {
        if (size < bytes)
        {
            NativeMemory.AlignedFree(block);
            block = null;
            size = 0;
            nint rounded = (bytes + (bytes / 4) + 63) & ~63;
            block = (byte*)NativeMemory.AlignedAlloc((nuint)rounded, 64);
            size = rounded;
        }
        return block;
    }

    ~ThreadMemory() => NativeMemory.AlignedFree(block);
}
