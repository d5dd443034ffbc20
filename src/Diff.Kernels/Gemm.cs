using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>The matrix product C[b, i, j] = Σ_k A[b, i, k] · B[b, k, j] over offset tables. C must not overlap A or B.</summary>
public static unsafe class Gemm
{
    internal const int MaxDotRows = 48;

    [ThreadStatic]
    private static byte[]? scratch;

    /// <summary>The product in float or double, on the calling thread. Given the plan and the machine, the bits are always the same;
    /// a machine of another vector width may sum in another order. Allocates nothing but buffers that grow and stay with the thread.</summary>
    public static void Multiply<T>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, Span<T> c, GemmPlan plan) where T : unmanaged, IFloatingPointIeee754<T>
    {
        ArgumentNullException.ThrowIfNull(plan);
        plan.Check(a.Length, b.Length, c.Length);
        fixed (T* pa = a, pb = b, pc = c) Multiply(pa, pb, pc, plan, accumulate: false, threads: 1);
    }

    /// <summary>The product, added to C or written over it, on up to `threads` threads. The bits do not depend on their number. Nothing is checked:
    /// the operands hold what the plan addresses.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply<T>(T* a, T* b, T* c, GemmPlan plan, bool accumulate, int threads) where T : unmanaged, IFloatingPointIeee754<T> =>
        Multiply(a, b, c, plan, accumulate, threads, null);

    /// <summary>The same; true if `after` has begun and has run on every block of C, false if it has not begun: the cuts that it needs would leave threads idle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static bool Multiply<T>(T* a, T* b, T* c, GemmPlan plan, bool accumulate, int threads, LoopEpilogue? after) where T : unmanaged, IFloatingPointIeee754<T>
    {
        if (plan.Count == 0 || plan.M == 0 || plan.N == 0) return false;
        T* left = plan.Swapped ? b : a, right = plan.Swapped ? a : b;
        if (plan.Depth == 0 || !Vector128.IsHardwareAccelerated || (typeof(T) != typeof(float) && typeof(T) != typeof(double)))
        {
            Generic(left, right, c, plan, accumulate);
            return false;
        }
        GemmPath path = Choose(plan, sizeof(T), out int lanes);
        fixed (int* o = plan.Offsets)
        {
            GemmArgs<T> args = new() { Path = path, Plan = plan, O = o, A = left, B = right, C = c, Accumulate = accumulate, After = after, To = plan.Depth };
            if (Vector512.IsHardwareAccelerated && lanes >= Vector512<T>.Count) return GemmDriver<T, Vector512<T>, Simd512<T>>.Run(args, threads);
            if (Vector256.IsHardwareAccelerated && lanes >= Vector256<T>.Count) return GemmDriver<T, Vector256<T>, Simd256<T>>.Run(args, threads);
            return GemmDriver<T, Vector128<T>, Simd128<T>>.Run(args, threads);
        }
    }

    /// <summary>The definition, in any number type, summed in the order of k: what the others are tested against.</summary>
    internal static void MultiplyGeneric<T>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, Span<T> c, GemmPlan plan) where T : unmanaged, INumber<T>
    {
        ArgumentNullException.ThrowIfNull(plan);
        plan.Check(a.Length, b.Length, c.Length);
        fixed (T* pa = plan.Swapped ? b : a, pb = plan.Swapped ? a : b, pc = c) Generic(pa, pb, pc, plan, accumulate: false);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Generic<T>(T* a, T* b, T* c, GemmPlan plan, bool accumulate) where T : unmanaged, INumber<T>
    {
        ReadOnlySpan<int> o = plan.Offsets, aDepth = o.Slice(plan.ADepth, plan.Depth), bDepth = o.Slice(plan.BDepth, plan.Depth);
        for (int s = 0; s < plan.Count; s++)
        {
            for (int i = 0; i < plan.M; i++)
            {
                for (int j = 0; j < plan.N; j++)
                {
                    T sum = T.Zero;
                    T* x = a + o[plan.ABatch + s] + o[plan.ARow + i], y = b + o[plan.BBatch + s] + o[plan.BCol + j];
                    for (int k = 0; k < aDepth.Length; k++) sum += x[aDepth[k]] * y[bDepth[k]];
                    T* target = c + o[plan.CBatch + s] + o[plan.CRow + i] + o[plan.CCol + j];
                    *target = accumulate ? *target + sum : sum;
                }
            }
        }
    }

    // The thresholds are measured (Zen 4, AVX-512): where the faster path changes. Dot, AddRows and InPlace load whole vectors, hence the 4.
    // `lanes` is the label that lies along the vectors, or the width they should have where they are padded.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static GemmPath Choose(GemmPlan p, int size, out int lanes)
    {
        long bytes = (long)p.Depth * p.N * size;
        bool contiguousRows = p.BColStride == 1 && p.N >= 4, contiguousCols = p.BDepthStride == 1 && p.Depth >= 4;
        lanes = p.Depth;
        if (contiguousCols && !contiguousRows)
        {
            // Packed would fill up the last vector of columns, and first copy B.
            int vector = 64 / size, padded = (p.N + vector - 1) & -vector;
            // One row waits for loads: of arrays that lie anywhere every one of 64 bytes is in two lines, every other one of 32.
            if (p.M == 1) lanes = Math.Min(lanes, 32 / size);
            if (p.M == 1 || ((p.ADepthStride == 1 || size == 8) && p.M <= MaxDotRows && (long)p.Depth * padded >= 20L * p.M * p.N)) return GemmPath.Dot;
        }
        lanes = p.N;
        if (contiguousRows && (p.M == 1 || p.Depth <= 2 || (p.M <= 6 && bytes > 1 << 20))) return GemmPath.AddRows;
        bool small = bytes <= 128 << 10 || (p.M <= 48 && bytes <= 1 << 20);
        bool regular = contiguousRows && p.BDepthStride != GemmPlan.Irregular && p.ADepthStride != GemmPlan.Irregular;
        if (p.M >= 12 && lanes * size < 64 && (lanes & (lanes - 1)) != 0)
        {
            lanes = (int)BitOperations.RoundUpToPowerOf2((uint)lanes);
            return GemmPath.Packed;
        }
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
