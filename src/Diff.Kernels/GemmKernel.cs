using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>A number as a type: the compiler drops the rows a kernel of fewer rows has not.</summary>
internal interface ICount { static abstract int Value { get; } }
internal struct N1 : ICount { public static int Value => 1; }
internal struct N2 : ICount { public static int Value => 2; }
internal struct N3 : ICount { public static int Value => 3; }
internal struct N4 : ICount { public static int Value => 4; }
internal struct N5 : ICount { public static int Value => 5; }
internal struct N6 : ICount { public static int Value => 6; }
internal struct N7 : ICount { public static int Value => 7; }
internal struct N8 : ICount { public static int Value => 8; }

/// <summary>The operands of one tile: C[r, ·] = (Add ? C[r, ·] : 0) + Σ_k A[ARow[r] + k · AStep] · B[k · BStep + ·], or with ADepth[k] for k · AStep
/// where there is such a table. The rows of A and C lie anywhere.</summary>
internal unsafe struct Tile<T> where T : unmanaged
{
    public T* A, B, C;
    public int* ARow, CRow, ADepth;
    public nint AStep, BStep, Depth;

    /// <summary>Where the second vector of B and C begins, and how many last lanes of the last vector are added to C: the others have been.</summary>
    public int SecondB, Second, Keep;
    public bool Add;
}

/// <summary>The loops over registers. V and S are the vector and its width.</summary>
internal static unsafe class GemmKernel<T, V, S> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    /// <summary>The rows a tile may have.</summary>
    public static int MaxRows => typeof(V) == typeof(Vector512<T>) ? 8 : 6;

    /// <summary>A tile of 1–8 rows and 1 or 2 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(in Tile<T> t, int rows, bool wide)
    {
        if (t.ADepth != null)
        {
            if (wide) Run<N2, N2>(t, rows);
            else Run<N1, N2>(t, rows);
        }
        else if (wide) Run<N2, N1>(t, rows);
        else Run<N1, N1>(t, rows);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Run<W, D>(in Tile<T> t, int rows) where W : struct, ICount where D : struct, ICount
    {
        switch (rows)
        {
            case 1: Run<N1, W, D>(t); break;
            case 2: Run<N2, W, D>(t); break;
            case 3: Run<N3, W, D>(t); break;
            case 4: Run<N4, W, D>(t); break;
            case 5: Run<N5, W, D>(t); break;
            case 6: Run<N6, W, D>(t); break;
            case 7: Run<N7, W, D>(t); break;
            default: Run<N8, W, D>(t); break;
        }
    }

    // 6 rows of 2 vectors are 12 sums, 2 vectors of B and one of A: 15 of the 16 registers of AVX2, and more sums than the 8 or 10 that hide the
    // latency of two multiply-adds a cycle. Each step loads 2 vectors and 6 scalars for 12 multiply-adds, so the loads are not the limit. AVX-512 has
    // 32 registers, but there are general ones for the addresses of 8 rows only. D = 2 reads the offset along k from a table: one more load a step, no time.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Run<R, W, D>(in Tile<T> t) where R : struct, ICount where W : struct, ICount where D : struct, ICount
    {
        int* ar = t.ARow;
        T* a0 = t.A + ar[0], a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0, a6 = a0, a7 = a0;
        if (R.Value > 1) a1 = t.A + ar[1];
        if (R.Value > 2) a2 = t.A + ar[2];
        if (R.Value > 3) a3 = t.A + ar[3];
        if (R.Value > 4) a4 = t.A + ar[4];
        if (R.Value > 5) a5 = t.A + ar[5];
        if (R.Value > 6) a6 = t.A + ar[6];
        if (R.Value > 7) a7 = t.A + ar[7];
        V c00 = default, c10 = c00, c20 = c00, c30 = c00, c40 = c00, c50 = c00, c01 = c00, c11 = c00, c21 = c00, c31 = c00, c41 = c00, c51 = c00;
        V c60 = default, c61 = c60, c70 = c60, c71 = c60;
        T* b = t.B;
        nint bStep = t.BStep, aStep = t.AStep, a = 0, second = t.SecondB;
        int* table = t.ADepth;
        for (nint k = t.Depth; k > 0; k--)
        {
            if (D.Value > 1) a = *table++;
            V b0 = S.Load(b), b1 = W.Value > 1 ? S.Load(b + second) : b0;
            Step<W>(a0[a], b0, b1, ref c00, ref c01);
            if (R.Value > 1) Step<W>(a1[a], b0, b1, ref c10, ref c11);
            if (R.Value > 2) Step<W>(a2[a], b0, b1, ref c20, ref c21);
            if (R.Value > 3) Step<W>(a3[a], b0, b1, ref c30, ref c31);
            if (R.Value > 4) Step<W>(a4[a], b0, b1, ref c40, ref c41);
            if (R.Value > 5) Step<W>(a5[a], b0, b1, ref c50, ref c51);
            if (R.Value > 6) Step<W>(a6[a], b0, b1, ref c60, ref c61);
            if (R.Value > 7) Step<W>(a7[a], b0, b1, ref c70, ref c71);
            if (D.Value == 1) a += aStep;
            b += bStep;
        }
        T* c = t.C;
        int* row = t.CRow;
        second = t.Second;
        if (t.Add)
        {
            int keep = t.Keep;
            Add<W>(c + row[0], second, keep, c00, c01);
            if (R.Value > 1) Add<W>(c + row[1], second, keep, c10, c11);
            if (R.Value > 2) Add<W>(c + row[2], second, keep, c20, c21);
            if (R.Value > 3) Add<W>(c + row[3], second, keep, c30, c31);
            if (R.Value > 4) Add<W>(c + row[4], second, keep, c40, c41);
            if (R.Value > 5) Add<W>(c + row[5], second, keep, c50, c51);
            if (R.Value > 6) Add<W>(c + row[6], second, keep, c60, c61);
            if (R.Value > 7) Add<W>(c + row[7], second, keep, c70, c71);
        }
        else
        {
            Store<W>(c + row[0], second, c00, c01);
            if (R.Value > 1) Store<W>(c + row[1], second, c10, c11);
            if (R.Value > 2) Store<W>(c + row[2], second, c20, c21);
            if (R.Value > 3) Store<W>(c + row[3], second, c30, c31);
            if (R.Value > 4) Store<W>(c + row[4], second, c40, c41);
            if (R.Value > 5) Store<W>(c + row[5], second, c50, c51);
            if (R.Value > 6) Store<W>(c + row[6], second, c60, c61);
            if (R.Value > 7) Store<W>(c + row[7], second, c70, c71);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<W>(T a, V b0, V b1, ref V c0, ref V c1) where W : struct, ICount
    {
        V x = S.Broadcast(a);
        c0 = S.MultiplyAdd(x, b0, c0);
        if (W.Value > 1) c1 = S.MultiplyAdd(x, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<W>(T* c, nint second, V c0, V c1) where W : struct, ICount
    {
        S.Store(c0, c);
        if (W.Value > 1) S.Store(c1, c + second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add<W>(T* c, nint second, int keep, V c0, V c1) where W : struct, ICount
    {
        if (keep < S.Count && W.Value == 1) c0 = S.KeepLast(c0, keep);
        if (keep < S.Count && W.Value > 1) c1 = S.KeepLast(c1, keep);
        S.Store(S.Add(c0, S.Load(c)), c);
        if (W.Value > 1) S.Store(S.Add(c1, S.Load(c + second)), c + second); // after the first, which it may overlap
    }

    /// <summary>The sums over k of R = 1, 2 or 4 rows of A times 4 columns of B, all contiguous: 16 sums from 8 loads a step. Needs k ≥ the width: the
    /// rest is the last vector with the lanes done before set to zero. The sums across lanes at the end cost about 8 multiply-adds each.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Dot<R>(T** a, T* b0, T* b1, T* b2, T* b3, nint depth, T* sums) where R : struct, ICount
    {
        T* a0 = a[0], a1 = R.Value > 1 ? a[1] : a0, a2 = R.Value > 2 ? a[2] : a0, a3 = R.Value > 2 ? a[3] : a0;
        V c00 = default, c01 = c00, c02 = c00, c03 = c00, c10 = c00, c11 = c00, c12 = c00, c13 = c00;
        V c20 = default, c21 = c00, c22 = c00, c23 = c00, c30 = c00, c31 = c00, c32 = c00, c33 = c00;
        for (nint k = 0; k < depth; k += S.Count)
        {
            nint rest = depth - k, at = rest < S.Count ? depth - S.Count : k;
            V y0 = S.Load(b0 + at), y1 = S.Load(b1 + at), y2 = S.Load(b2 + at), y3 = S.Load(b3 + at);
            // Both sides, since what is left out may be infinite.
            bool part = rest < S.Count;
            if (part)
            {
                (y0, y1) = (S.KeepLast(y0, (int)rest), S.KeepLast(y1, (int)rest));
                (y2, y3) = (S.KeepLast(y2, (int)rest), S.KeepLast(y3, (int)rest));
            }
            V x = S.Load(a0 + at);
            if (part) x = S.KeepLast(x, (int)rest);
            (c00, c01, c02, c03) = (S.MultiplyAdd(x, y0, c00), S.MultiplyAdd(x, y1, c01), S.MultiplyAdd(x, y2, c02), S.MultiplyAdd(x, y3, c03));
            if (R.Value > 1)
            {
                x = S.Load(a1 + at);
                if (part) x = S.KeepLast(x, (int)rest);
                (c10, c11, c12, c13) = (S.MultiplyAdd(x, y0, c10), S.MultiplyAdd(x, y1, c11), S.MultiplyAdd(x, y2, c12), S.MultiplyAdd(x, y3, c13));
            }
            if (R.Value > 2)
            {
                x = S.Load(a2 + at);
                if (part) x = S.KeepLast(x, (int)rest);
                (c20, c21, c22, c23) = (S.MultiplyAdd(x, y0, c20), S.MultiplyAdd(x, y1, c21), S.MultiplyAdd(x, y2, c22), S.MultiplyAdd(x, y3, c23));
                x = S.Load(a3 + at);
                if (part) x = S.KeepLast(x, (int)rest);
                (c30, c31, c32, c33) = (S.MultiplyAdd(x, y0, c30), S.MultiplyAdd(x, y1, c31), S.MultiplyAdd(x, y2, c32), S.MultiplyAdd(x, y3, c33));
            }
        }
        (sums[0], sums[1], sums[2], sums[3]) = (S.Sum(c00), S.Sum(c01), S.Sum(c02), S.Sum(c03));
        if (R.Value > 1) (sums[4], sums[5], sums[6], sums[7]) = (S.Sum(c10), S.Sum(c11), S.Sum(c12), S.Sum(c13));
        if (R.Value > 2) (sums[8], sums[9], sums[10], sums[11]) = (S.Sum(c20), S.Sum(c21), S.Sum(c22), S.Sum(c23));
        if (R.Value > 2) (sums[12], sums[13], sums[14], sums[15]) = (S.Sum(c30), S.Sum(c31), S.Sum(c32), S.Sum(c33));
    }

    /// <summary>y = (add ? y : 0) + Σ x[k] · B[k, ·] for R = 1 or 4 rows of B, which are read once and in order. Needs n ≥ the width: the last vector overlaps the one before.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void AddRows<R>(T* x, T* b, int* depth, T* y, nint n, bool add) where R : struct, ICount
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
        V last = add ? S.Load(y + n - S.Count) : default;
        for (nint j = 0; j < n; j += S.Count)
        {
            bool overlap = n - j < S.Count;
            j = overlap ? n - S.Count : j;
            V sum = S.MultiplyAdd(x0, S.Load(b0 + j), overlap || !add ? last : S.Load(y + j));
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
