using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>A vector width: one source serves 512, 256 and 128 bits. MultiplyAdd is one fused instruction where the machine has it (x86 from 2013,
/// Arm64), else two; KeepLast sets all lanes but the last `count` to zero.</summary>
internal unsafe interface ISimd<T, V> where T : unmanaged where V : struct
{
    static abstract int Count { get; }
    static abstract V Load(T* source);
    static abstract void Store(V x, T* target);
    static abstract V Broadcast(T x);
    static abstract V MultiplyAdd(V x, V y, V z);
    static abstract V KeepLast(V x, int count);
    static abstract T Sum(V x);
}

internal unsafe struct Simd512<T> : ISimd<T, Vector512<T>> where T : unmanaged, INumber<T>
{
    public static int Count => Vector512<T>.Count;
    public static Vector512<T> Load(T* source) => Vector512.Load(source);
    public static void Store(Vector512<T> x, T* target) => x.Store(target);
    public static Vector512<T> Broadcast(T x) => Vector512.Create(x);
    public static Vector512<T> MultiplyAdd(Vector512<T> x, Vector512<T> y, Vector512<T> z) => typeof(T) == typeof(float)
        ? Vector512.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), z.AsSingle()).As<float, T>()
        : Vector512.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), z.AsDouble()).As<double, T>();
    public static Vector512<T> KeepLast(Vector512<T> x, int count) =>
        x & Vector512.GreaterThanOrEqual(Vector512<T>.Indices, Vector512.Create(T.CreateTruncating(Count - count)));
    public static T Sum(Vector512<T> x) => Vector512.Sum(x);
}

internal unsafe struct Simd256<T> : ISimd<T, Vector256<T>> where T : unmanaged, INumber<T>
{
    public static int Count => Vector256<T>.Count;
    public static Vector256<T> Load(T* source) => Vector256.Load(source);
    public static void Store(Vector256<T> x, T* target) => x.Store(target);
    public static Vector256<T> Broadcast(T x) => Vector256.Create(x);
    public static Vector256<T> MultiplyAdd(Vector256<T> x, Vector256<T> y, Vector256<T> z) => typeof(T) == typeof(float)
        ? Vector256.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), z.AsSingle()).As<float, T>()
        : Vector256.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), z.AsDouble()).As<double, T>();
    public static Vector256<T> KeepLast(Vector256<T> x, int count) =>
        x & Vector256.GreaterThanOrEqual(Vector256<T>.Indices, Vector256.Create(T.CreateTruncating(Count - count)));
    public static T Sum(Vector256<T> x) => Vector256.Sum(x);
}

internal unsafe struct Simd128<T> : ISimd<T, Vector128<T>> where T : unmanaged, INumber<T>
{
    public static int Count => Vector128<T>.Count;
    public static Vector128<T> Load(T* source) => Vector128.Load(source);
    public static void Store(Vector128<T> x, T* target) => x.Store(target);
    public static Vector128<T> Broadcast(T x) => Vector128.Create(x);
    public static Vector128<T> MultiplyAdd(Vector128<T> x, Vector128<T> y, Vector128<T> z) => typeof(T) == typeof(float)
        ? Vector128.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), z.AsSingle()).As<float, T>()
        : Vector128.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), z.AsDouble()).As<double, T>();
    public static Vector128<T> KeepLast(Vector128<T> x, int count) =>
        x & Vector128.GreaterThanOrEqual(Vector128<T>.Indices, Vector128.Create(T.CreateTruncating(Count - count)));
    public static T Sum(Vector128<T> x) => Vector128.Sum(x);
}

/// <summary>A number as a type: the compiler drops the rows a kernel of fewer rows has not.</summary>
internal interface ICount { static abstract int Value { get; } }
internal struct N1 : ICount { public static int Value => 1; }
internal struct N2 : ICount { public static int Value => 2; }
internal struct N3 : ICount { public static int Value => 3; }
internal struct N4 : ICount { public static int Value => 4; }
internal struct N5 : ICount { public static int Value => 5; }
internal struct N6 : ICount { public static int Value => 6; }

/// <summary>The operands of one tile: C[r, ·] = (Add ? C[r, ·] : 0) + Σ_k A[ARow[r] + k · AStep] · B[k · BStep + ·].
/// Only the steps along k must be equal; the rows of A and C lie anywhere.</summary>
internal unsafe struct Tile<T> where T : unmanaged
{
    public T* A, B, C;
    public int* ARow, CRow;
    public nint AStep, BStep, Depth;
    public bool Add;
}

/// <summary>The loops over registers. V and S are the vector and its width.</summary>
internal static unsafe class GemmKernel<T, V, S> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    /// <summary>A tile of 1–6 rows and 1 or 2 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(in Tile<T> t, int rows, bool wide)
    {
        if (wide) Run<N2>(t, rows);
        else Run<N1>(t, rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run<W>(in Tile<T> t, int rows) where W : struct, ICount
    {
        switch (rows)
        {
            case 1: Run<N1, W>(t); break;
            case 2: Run<N2, W>(t); break;
            case 3: Run<N3, W>(t); break;
            case 4: Run<N4, W>(t); break;
            case 5: Run<N5, W>(t); break;
            default: Run<N6, W>(t); break;
        }
    }

    // 6 rows of 2 vectors are 12 sums, 2 vectors of B and one of A: 15 of the 16 registers of AVX2, and more sums than the 8 or 10 that hide the
    // latency of two multiply-adds a cycle. Each step loads 2 vectors and 6 scalars for 12 multiply-adds, so the loads are not the limit.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Run<R, W>(in Tile<T> t) where R : struct, ICount where W : struct, ICount
    {
        int* ar = t.ARow;
        T* a0 = t.A + ar[0], a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0;
        if (R.Value > 1) a1 = t.A + ar[1];
        if (R.Value > 2) a2 = t.A + ar[2];
        if (R.Value > 3) a3 = t.A + ar[3];
        if (R.Value > 4) a4 = t.A + ar[4];
        if (R.Value > 5) a5 = t.A + ar[5];
        V c00 = default, c10 = c00, c20 = c00, c30 = c00, c40 = c00, c50 = c00, c01 = c00, c11 = c00, c21 = c00, c31 = c00, c41 = c00, c51 = c00;
        T* b = t.B;
        nint bStep = t.BStep, aStep = t.AStep, a = 0;
        for (nint k = t.Depth; k > 0; k--)
        {
            V b0 = S.Load(b), b1 = W.Value > 1 ? S.Load(b + S.Count) : b0;
            Step<W>(a0[a], b0, b1, ref c00, ref c01);
            if (R.Value > 1) Step<W>(a1[a], b0, b1, ref c10, ref c11);
            if (R.Value > 2) Step<W>(a2[a], b0, b1, ref c20, ref c21);
            if (R.Value > 3) Step<W>(a3[a], b0, b1, ref c30, ref c31);
            if (R.Value > 4) Step<W>(a4[a], b0, b1, ref c40, ref c41);
            if (R.Value > 5) Step<W>(a5[a], b0, b1, ref c50, ref c51);
            a += aStep;
            b += bStep;
        }
        T* c = t.C;
        int* row = t.CRow;
        bool add = t.Add;
        Finish<W>(c + row[0], add, c00, c01);
        if (R.Value > 1) Finish<W>(c + row[1], add, c10, c11);
        if (R.Value > 2) Finish<W>(c + row[2], add, c20, c21);
        if (R.Value > 3) Finish<W>(c + row[3], add, c30, c31);
        if (R.Value > 4) Finish<W>(c + row[4], add, c40, c41);
        if (R.Value > 5) Finish<W>(c + row[5], add, c50, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<W>(T a, V b0, V b1, ref V c0, ref V c1) where W : struct, ICount
    {
        V x = S.Broadcast(a);
        c0 = S.MultiplyAdd(x, b0, c0);
        if (W.Value > 1) c1 = S.MultiplyAdd(x, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish<W>(T* c, bool add, V c0, V c1) where W : struct, ICount
    {
        V one = S.Broadcast(T.One);
        S.Store(add ? S.MultiplyAdd(S.Load(c), one, c0) : c0, c);
        if (W.Value > 1) S.Store(add ? S.MultiplyAdd(S.Load(c + S.Count), one, c1) : c1, c + S.Count);
    }

    /// <summary>The sums over k of R = 1 or 2 rows of A times 4 columns of B, all contiguous: 8 sums from 6 loads. Needs k ≥ the width: the rest is the
    /// last vector with the lanes done before set to zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Dot<R>(T* a0, T* a1, T* b0, T* b1, T* b2, T* b3, nint depth, T* sums) where R : struct, ICount
    {
        V c00 = default, c01 = c00, c02 = c00, c03 = c00, c10 = c00, c11 = c00, c12 = c00, c13 = c00;
        for (nint k = 0; k < depth; k += S.Count)
        {
            nint rest = depth - k, at = rest < S.Count ? depth - S.Count : k;
            V x0 = S.Load(a0 + at), x1 = R.Value > 1 ? S.Load(a1 + at) : x0;
            V y0 = S.Load(b0 + at), y1 = S.Load(b1 + at), y2 = S.Load(b2 + at), y3 = S.Load(b3 + at);
            if (rest < S.Count)
            {
                (x0, y0, y1) = (S.KeepLast(x0, (int)rest), S.KeepLast(y0, (int)rest), S.KeepLast(y1, (int)rest));
                (x1, y2, y3) = (S.KeepLast(x1, (int)rest), S.KeepLast(y2, (int)rest), S.KeepLast(y3, (int)rest));
            }
            (c00, c01) = (S.MultiplyAdd(x0, y0, c00), S.MultiplyAdd(x0, y1, c01));
            (c02, c03) = (S.MultiplyAdd(x0, y2, c02), S.MultiplyAdd(x0, y3, c03));
            if (R.Value > 1)
            {
                (c10, c11) = (S.MultiplyAdd(x1, y0, c10), S.MultiplyAdd(x1, y1, c11));
                (c12, c13) = (S.MultiplyAdd(x1, y2, c12), S.MultiplyAdd(x1, y3, c13));
            }
        }
        (sums[0], sums[1], sums[2], sums[3]) = (S.Sum(c00), S.Sum(c01), S.Sum(c02), S.Sum(c03));
        if (R.Value > 1) (sums[4], sums[5], sums[6], sums[7]) = (S.Sum(c10), S.Sum(c11), S.Sum(c12), S.Sum(c13));
    }

    /// <summary>y += Σ x[k] · B[k, ·] for R = 1 or 4 rows of B, which are read once and in order. Needs n ≥ the width: the last vector overlaps the one before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void AddRows<R>(T* x, T* b, int* depth, T* y, nint n) where R : struct, ICount
    {
        T* b0 = b + depth[0], b1 = b0, b2 = b0, b3 = b0;
        V x0 = S.Broadcast(x[0]), x1 = x0, x2 = x0, x3 = x0;
        if (R.Value > 1)
        {
            b1 = b + depth[1];
            b2 = b + depth[2];
            b3 = b + depth[3];
            (x1, x2, x3) = (S.Broadcast(x[1]), S.Broadcast(x[2]), S.Broadcast(x[3]));
        }
        V last = S.Load(y + n - S.Count);
        for (nint j = 0; j < n; j += S.Count)
        {
            bool overlap = n - j < S.Count;
            j = overlap ? n - S.Count : j;
            V sum = S.MultiplyAdd(x0, S.Load(b0 + j), overlap ? last : S.Load(y + j));
            if (R.Value > 1)
            {
                sum = S.MultiplyAdd(x1, S.Load(b1 + j), sum);
                sum = S.MultiplyAdd(x2, S.Load(b2 + j), sum);
                sum = S.MultiplyAdd(x3, S.Load(b3 + j), sum);
            }
            S.Store(sum, y + j);
        }
    }
}
