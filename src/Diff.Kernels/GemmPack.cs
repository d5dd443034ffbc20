using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

/// <summary>Copies with transposition, by squares in registers: about a quarter of a cycle an element (float), where single elements take a whole one.</summary>
internal static unsafe class GemmPack
{
    /// <summary>The side of the square, or 0 where there is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Side<T>() => !Avx.IsSupported ? 0 : typeof(T) == typeof(float) ? 8 : typeof(T) == typeof(double) ? 4 : 0;

    /// <summary>target[k · step + l] = source[lane[min(l, lanes − 1)] + k] for the lanes of one square and `count` k, a multiple of its side.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transpose<T>(T* source, int* lane, int lanes, nint count, T* target, nint step) where T : unmanaged
    {
        if (typeof(T) == typeof(float)) Transpose8((float*)source, lane, lanes, count, (float*)target, step);
        else Transpose4((double*)source, lane, lanes, count, (double*)target, step);
    }

    /// <summary>target[k · step + l] = source[lane[min(l, lanes − 1)] + depth[k]] for the lanes of one square and the four k from each group on, whose places
    /// follow one another.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Transpose<T>(T* source, int* lane, int lanes, int* depth, int* group, int groups, T* target, nint step) where T : unmanaged
    {
        int last = lanes - 1;
        T* s0 = source + lane[0], s1 = source + lane[Math.Min(1, last)], s2 = source + lane[Math.Min(2, last)], s3 = source + lane[Math.Min(3, last)];
        T* s4 = source + lane[Math.Min(4, last)], s5 = source + lane[Math.Min(5, last)], s6 = source + lane[Math.Min(6, last)], s7 = source + lane[Math.Min(7, last)];
        for (int g = 0; g < groups; g++)
        {
            nint at = depth[group[g]];
            T* to = target + group[g] * step;
            if (typeof(T) == typeof(float))
            {
                Square((float*)s0 + at, (float*)s1 + at, (float*)s2 + at, (float*)s3 + at, (float*)s4 + at, (float*)s5 + at, (float*)s6 + at, (float*)s7 + at, (float*)to, step);
            }
            else
            {
                Square((double*)s0 + at, (double*)s1 + at, (double*)s2 + at, (double*)s3 + at, (double*)to, step);
                Square((double*)s0 + at + 2, (double*)s1 + at + 2, (double*)s2 + at + 2, (double*)s3 + at + 2, (double*)to + (2 * step), step);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose8(float* source, int* lane, int lanes, nint count, float* target, nint step)
    {
        int last = lanes - 1;
        float* s0 = source + lane[0], s1 = source + lane[Math.Min(1, last)], s2 = source + lane[Math.Min(2, last)], s3 = source + lane[Math.Min(3, last)];
        float* s4 = source + lane[Math.Min(4, last)], s5 = source + lane[Math.Min(5, last)], s6 = source + lane[Math.Min(6, last)], s7 = source + lane[Math.Min(7, last)];
        for (nint k = 0; k < count; k += 4)
        {
            Square(s0 + k, s1 + k, s2 + k, s3 + k, s4 + k, s5 + k, s6 + k, s7 + k, target, step);
            target += 4 * step;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Transpose4(double* source, int* lane, int lanes, nint count, double* target, nint step)
    {
        int last = lanes - 1;
        double* s0 = source + lane[0], s1 = source + lane[Math.Min(1, last)], s2 = source + lane[Math.Min(2, last)], s3 = source + lane[Math.Min(3, last)];
        for (nint k = 0; k < count; k += 2)
        {
            Square(s0 + k, s1 + k, s2 + k, s3 + k, target, step);
            target += 2 * step;
        }
    }

    /// <summary>Four elements of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Square(float* s0, float* s1, float* s2, float* s3, float* s4, float* s5, float* s6, float* s7, float* target, nint step)
    {
        Vector256<float> r0 = Pair(s0, s4), r1 = Pair(s1, s5), r2 = Pair(s2, s6), r3 = Pair(s3, s7);
        Vector256<float> low01 = Avx.UnpackLow(r0, r1), high01 = Avx.UnpackHigh(r0, r1), low23 = Avx.UnpackLow(r2, r3), high23 = Avx.UnpackHigh(r2, r3);
        Avx.Shuffle(low01, low23, 0x44).Store(target);
        Avx.Shuffle(low01, low23, 0xEE).Store(target + step);
        Avx.Shuffle(high01, high23, 0x44).Store(target + 2 * step);
        Avx.Shuffle(high01, high23, 0xEE).Store(target + 3 * step);
    }

    /// <summary>Two elements of four lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Square(double* s0, double* s1, double* s2, double* s3, double* target, nint step)
    {
        Vector256<double> r0 = Pair(s0, s2), r1 = Pair(s1, s3);
        Avx.UnpackLow(r0, r1).Store(target);
        Avx.UnpackHigh(r0, r1).Store(target + step);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Pair(float* low, float* high) => Avx.InsertVector128(Vector128.Load(low).ToVector256Unsafe(), Vector128.Load(high), 1);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Pair(double* low, double* high) => Avx.InsertVector128(Vector128.Load(low).ToVector256Unsafe(), Vector128.Load(high), 1);
}
