using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

/// <summary>Between memory and vectors: what loops, compiled and on tiles, call by name. `at` counts elements of the lanes from the stream's row.</summary>
internal static unsafe class Lanes<T, V, S> where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Constant(T value) => S.Broadcast(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load(byte* row, nint at) => S.Load((T*)row + at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LoadPart(byte* row, nint at, int count) => S.LoadPart((T*)row + at, count);

    /// <summary>Elements that lie `step` apart. Two apart, as in windows of two, they are picked from two vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LoadStep(byte* row, nint at, int step)
    {
        T* source = (T*)row + at * step;
        if (step == 2 && typeof(V) == typeof(Vector512<float>) && Avx512F.IsSupported)
        {
            // Not the element behind the last one: it may be outside of the array.
            Vector512<float> low = Vector512.Load((float*)source), high = Simd512<float>.LoadPart((float*)source + 16, 15);
            return (V)(object)Avx512F.PermuteVar16x32x2(low, Vector512<int>.Indices + Vector512<int>.Indices, high);
        }
        return LoadStepPart(row, at, step, S.Count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static V LoadStepPart(byte* row, nint at, int step, int count)
    {
        if (step == 2 && typeof(V) == typeof(Vector512<float>) && Avx512F.IsSupported)
        {
            float* first = (float*)row + at * step;
            int all = 2 * count - 1;
            Vector512<float> low = Simd512<float>.LoadPart(first, Math.Min(all, 16)), high = Simd512<float>.LoadPart(first + 16, Math.Max(all - 16, 0));
            return (V)(object)Avx512F.PermuteVar16x32x2(low, Vector512<int>.Indices + Vector512<int>.Indices, high);
        }
        T* lanes = stackalloc T[16], source = (T*)row + at * step;
        for (int i = 0; i < S.Count; i++) lanes[i] = i < count ? source[i * step] : T.Zero;
        return S.Load(lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(V x, byte* row, nint at) => S.Store(x, (T*)row + at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePart(V x, byte* row, nint at, int count) => S.StorePart(x, (T*)row + at, count);

    /// <summary>Past the caches: for results so large that they would not be there when they are read. Stores need 64-byte alignment for that.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Stream(V x, byte* row, nint at)
    {
        T* target = (T*)row + at;
        if (typeof(V) == typeof(Vector512<T>) && ((nuint)target & 63) == 0) ((Vector512<T>)(object)x).StoreAlignedNonTemporal(target);
        else if (typeof(V) == typeof(Vector256<T>) && ((nuint)target & 31) == 0) ((Vector256<T>)(object)x).StoreAlignedNonTemporal(target);
        else S.Store(x, target);
    }

    /// <summary>Asks for memory that is read soon; it need not be there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Fetch(byte* row, nint at)
    {
        if (Sse.IsSupported) Sse.Prefetch1((T*)row + at);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Accumulate(V x, byte* row, nint at) => S.Store(S.Add(S.Load((T*)row + at), x), (T*)row + at);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AccumulatePart(V x, byte* row, nint at, int count) => S.StorePart(S.Add(S.LoadPart((T*)row + at, count), x), (T*)row + at, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LoadMask(byte* row, nint at)
    {
        byte* source = row + at;
        if (typeof(V) == typeof(Vector512<float>) && Avx512F.IsSupported)
            return (V)(object)Vector512.GreaterThan(Avx512F.ConvertToVector512Int32(Vector128.Load(source)), Vector512<int>.Zero).AsSingle();
        if (typeof(V) == typeof(Vector512<double>) && Avx512F.IsSupported)
            return (V)(object)Vector512.GreaterThan(Avx512F.ConvertToVector512Int64(Vector128.CreateScalarUnsafe(*(ulong*)source).AsByte()), Vector512<long>.Zero).AsDouble();
        return LoadMaskPart(row, at, S.Count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static V LoadMaskPart(byte* row, nint at, int count)
    {
        T* lanes = stackalloc T[16];
        for (int i = 0; i < S.Count; i++) lanes[i] = i < count && row[at + i] != 0 ? T.One : T.Zero;
        return S.Not(S.Equal(S.Load(lanes), S.Broadcast(T.Zero)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreMask(V mask, byte* row, nint at)
    {
        if (typeof(V) == typeof(Vector512<float>) && Avx512F.IsSupported)
            Avx512F.ConvertToVector128Byte(((Vector512<float>)(object)mask).AsInt32() & Vector512<int>.One).Store(row + at);
        else StoreMaskPart(mask, row, at, S.Count);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void StoreMaskPart(V mask, byte* row, nint at, int count)
    {
        T* lanes = stackalloc T[16];
        S.Store(S.Select(mask, S.Broadcast(T.One), S.Broadcast(T.Zero)), lanes);
        for (int i = 0; i < count; i++) row[at + i] = lanes[i] != T.Zero ? (byte)1 : (byte)0;
    }

    // One element a row, of any type.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V RowFloat32(byte* row) => S.Broadcast(T.CreateTruncating(*(float*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V RowFloat64(byte* row) => S.Broadcast(T.CreateTruncating(*(double*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V RowInt32(byte* row) => S.Broadcast(T.CreateTruncating(*(int*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V RowInt64(byte* row) => S.Broadcast(T.CreateTruncating(*(long*)row));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V RowBool(byte* row) => *row != 0 ? S.Not(S.Broadcast(T.Zero)) : S.Broadcast(T.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRow(V x, byte* row) => *(T*)row = First(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreRowMask(V mask, byte* row) =>
        *row = First(S.Select(mask, S.Broadcast(T.One), S.Broadcast(T.Zero))) != T.Zero ? (byte)1 : (byte)0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AccumulateRow(V x, byte* row) => *(T*)row += First(x);

    /// <summary>The end of a sum, added to the one element of a row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AccumulateSum(V sum, byte* row) => *(T*)row += S.Sum(sum);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T First(V x) => Unsafe.As<V, T>(ref x);

    // Reductions: what they begin with, a step, and the end, in every lane.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StartSum() => S.Broadcast(T.Zero);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StartMax() => S.Broadcast(T.NegativeInfinity);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StartMin() => S.Broadcast(T.PositiveInfinity);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StepSum(V sum, V x) => S.Add(sum, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StepMax(V most, V x) => S.Max(most, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StepMin(V least, V x) => S.Min(least, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StepSumPart(V sum, V x, int count) => S.Add(sum, S.Select(S.First(count), x, S.Broadcast(T.Zero)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StepMaxPart(V most, V x, int count) => S.Max(most, S.Select(S.First(count), x, S.Broadcast(T.NegativeInfinity)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V StepMinPart(V least, V x, int count) => S.Min(least, S.Select(S.First(count), x, S.Broadcast(T.PositiveInfinity)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V EndSum(V sum) => S.Broadcast(S.Sum(sum));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V EndMax(V most) => S.Broadcast(S.Largest(most));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V EndMin(V least) => S.Broadcast(S.Smallest(least));
}
