using System;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

/// <summary>Runs of bytes or numbers side by side, often short: what the kernels that move whole rows are made of.</summary>
internal static unsafe class Rows
{
    // Beyond this the platform's copy, which costs some nanoseconds to call, is no slower.
    private const nint LongCopy = 2048;

    /// <summary>Copies some bytes; the runs do not overlap. From L1 a row of 256 bytes takes about 2 ns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(byte* from, byte* to, nint bytes)
    {
        if (bytes >= LongCopy) Buffer.MemoryCopy(from, to, bytes, bytes);
        else if (bytes >= 32)
        {
            for (nint i = 0; i < bytes - 32; i += 32) Vector256.Store(Vector256.Load(from + i), to + i);
            Vector256.Store(Vector256.Load(from + bytes - 32), to + bytes - 32); // the last ones, some of them once more
        }
        else if (bytes >= 16)
        {
            Vector128<byte> first = Vector128.Load(from), last = Vector128.Load(from + bytes - 16);
            Vector128.Store(first, to);
            Vector128.Store(last, to + bytes - 16);
        }
        else if (bytes >= 8)
        {
            ulong first = Unsafe.ReadUnaligned<ulong>(from), last = Unsafe.ReadUnaligned<ulong>(from + bytes - 8);
            Unsafe.WriteUnaligned(to, first);
            Unsafe.WriteUnaligned(to + bytes - 8, last);
        }
        else for (nint i = 0; i < bytes; i++) to[i] = from[i];
    }

    /// <summary>Zeros past the caches, where no line is read before it is written: for what will not be there when it is read.</summary>
    public static void StreamZeros(byte* to, nint bytes)
    {
        nint head = Math.Min(bytes, (nint)((64 - ((nuint)to & 63)) & 63)), i = head;
        new Span<byte>(to, (int)head).Clear();
        for (; i <= bytes - 64; i += 64)
        {
            if (Vector512.IsHardwareAccelerated) Vector512.StoreAlignedNonTemporal(Vector512<byte>.Zero, to + i);
            else
            {
                Vector256.StoreAlignedNonTemporal(Vector256<byte>.Zero, to + i);
                Vector256.StoreAlignedNonTemporal(Vector256<byte>.Zero, to + i + 32);
            }
        }
        new Span<byte>(to + i, (int)(bytes - i)).Clear();
    }

    /// <summary>Asks for the lines of a row that will be needed soon, the first few: the others follow by themselves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(byte* row, nint bytes)
    {
        if (!Sse.IsSupported) return;
        bytes = Math.Min(bytes, 512);
        for (nint i = 0; i < bytes; i += 64) Sse.Prefetch0(row + i);
    }
}
