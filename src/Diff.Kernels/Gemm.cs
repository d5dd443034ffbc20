using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>The matrix product C[b, i, j] = Σ_k A[b, i, k] · B[b, k, j] over offset tables. C is overwritten; it must not overlap A or B.</summary>
public static unsafe class Gemm
{
    internal const int MaxDotRows = 16;

    [ThreadStatic]
    private static byte[]? scratch;

    /// <summary>The product in float or double, on the calling thread. Given the plan and the machine, the bits are always the same;
    /// a machine of another vector width may sum in another order. Allocates nothing but buffers that grow and stay with the thread.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<T>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, Span<T> c, GemmPlan plan) where T : unmanaged, IFloatingPointIeee754<T>
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.Depth == 0 || !Vector128.IsHardwareAccelerated || (typeof(T) != typeof(float) && typeof(T) != typeof(double)))
        {
            MultiplyGeneric(a, b, c, plan);
            return;
        }
        plan.Check(a.Length, b.Length, c.Length);
        if (plan.Batch == 0 || plan.M == 0 || plan.N == 0) return;

        GemmPath path = Choose(plan, sizeof(T));
        int lanes = path == GemmPath.Dot ? plan.Depth : plan.N;
        fixed (T* pa = plan.Swapped ? b : a, pb = plan.Swapped ? a : b, pc = c)
        fixed (int* o = plan.Offsets)
        {
            if (Vector512.IsHardwareAccelerated && lanes >= Vector512<T>.Count) GemmDriver<T, Vector512<T>, Simd512<T>>.Run(path, plan, o, pa, pb, pc);
            else if (Vector256.IsHardwareAccelerated && lanes >= Vector256<T>.Count) GemmDriver<T, Vector256<T>, Simd256<T>>.Run(path, plan, o, pa, pb, pc);
            else GemmDriver<T, Vector128<T>, Simd128<T>>.Run(path, plan, o, pa, pb, pc);
        }
    }

    /// <summary>The product in any number type, summed in the order of k: for integers, and the reference of <see cref="Multiply"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void MultiplyGeneric<T>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, Span<T> c, GemmPlan plan) where T : unmanaged, INumber<T>
    {
        ArgumentNullException.ThrowIfNull(plan);
        plan.Check(a.Length, b.Length, c.Length);
        ReadOnlySpan<T> x = plan.Swapped ? b : a, y = plan.Swapped ? a : b;
        ReadOnlySpan<int> o = plan.Offsets, xDepth = o.Slice(plan.ADepth, plan.Depth), yDepth = o.Slice(plan.BDepth, plan.Depth);
        for (int s = 0; s < plan.Batch; s++)
        {
            for (int i = 0; i < plan.M; i++)
            {
                for (int j = 0; j < plan.N; j++)
                {
                    T sum = T.Zero;
                    int row = o[plan.ABatch + s] + o[plan.ARow + i], col = o[plan.BBatch + s] + o[plan.BCol + j];
                    for (int k = 0; k < xDepth.Length; k++) sum += x[row + xDepth[k]] * y[col + yDepth[k]];
                    c[o[plan.CBatch + s] + o[plan.CRow + i] + o[plan.CCol + j]] = sum;
                }
            }
        }
    }

    // The thresholds are measured (Zen 4, AVX-512): where the faster path changes. Dot, AddRows and InPlace load whole vectors, hence the 4.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static GemmPath Choose(GemmPlan p, int size)
    {
        long bytes = (long)p.Depth * p.N * size;
        bool contiguousRows = p.BColStride == 1 && p.N >= 4, contiguousCols = p.BDepthStride == 1 && p.Depth >= 4;
        if (contiguousCols && !contiguousRows && (p.M == 1 || (p.M <= MaxDotRows && p.Depth >= 16 * p.M))) return GemmPath.Dot;
        if (contiguousRows && (p.M == 1 || (p.M <= 6 && bytes > 1 << 20))) return GemmPath.AddRows;
        bool small = bytes <= 128 << 10 || (p.M <= 48 && bytes <= 1 << 20);
        bool regular = contiguousRows && p.BDepthStride != GemmPlan.Irregular && p.ADepthStride != GemmPlan.Irregular;
        return small && regular ? GemmPath.InPlace : GemmPath.Packed;
    }

    /// <summary>Aligned memory of this thread, valid until the next call. It is pinned.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static T* Scratch<T>(nint count) where T : unmanaged
    {
        nint bytes = count * sizeof(T) + 63;
        byte[]? memory = scratch;
        if (memory == null || memory.Length < bytes) scratch = memory = GC.AllocateUninitializedArray<byte>(checked((int)bytes), pinned: true);
        return (T*)(((nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(memory)) + 63) & ~63);
    }
}
