using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

/// <summary>A vector width: one source serves 512, 256 and 128 bits. A mask is a vector whose lanes are all ones or all zeros.</summary>
internal unsafe interface ISimd<T, V> where T : unmanaged where V : struct
{
    /// <summary>The lanes.</summary>
    static abstract int Count { get; }
    static abstract V Load(T* source);
    static abstract void Store(V x, T* target);
    /// <summary>The first `count` lanes from memory, the others 0; no byte beyond is touched.</summary>
    static abstract V LoadPart(T* source, int count);
    /// <summary>The first `count` lanes to memory; no byte beyond is touched.</summary>
    static abstract void StorePart(V x, T* target, int count);
    static abstract V Broadcast(T x);
    /// <summary>The number in every lane, rounded to the element type; for numbers known to the compiler.</summary>
    static abstract V Constant(double x);
    /// <summary>The mask of the first `count` lanes.</summary>
    static abstract V First(int count);
    /// <summary>One fused instruction where the machine has it (x86 from 2013, Arm64), else two.</summary>
    static abstract V MultiplyAdd(V x, V y, V z);
    /// <summary>The same with a number known to the compiler.</summary>
    static abstract V MultiplyAdd(V x, V y, double z);
    /// <summary>All lanes but the last `count` set to zero.</summary>
    static abstract V KeepLast(V x, int count);
    static abstract T Sum(V x);
    /// <summary>The largest lane; NaN if one is NaN.</summary>
    static abstract T Largest(V x);
    static abstract T Smallest(V x);

    static abstract V Add(V x, V y);
    static abstract V Sub(V x, V y);
    static abstract V Mul(V x, V y);
    static abstract V Div(V x, V y);
    static abstract V Neg(V x);
    static abstract V Abs(V x);
    static abstract V Sqrt(V x);
    /// <summary>The larger; NaN if one is NaN; +0 is above −0 (IEEE 754-2019, maximum).</summary>
    static abstract V Max(V x, V y);
    /// <summary>The smaller; NaN if one is NaN; −0 is below +0.</summary>
    static abstract V Min(V x, V y);
    /// <summary>The smaller, in one instruction; a NaN in x stays, the sign of a zero is open.</summary>
    static abstract V AtMost(V x, V bound);
    /// <summary>The larger, in one instruction; a NaN in x stays, the sign of a zero is open.</summary>
    static abstract V AtLeast(V x, V bound);
    static abstract V Floor(V x);
    /// <summary>x·2ⁿ, rounded once, for integers |n| ≤ 2000 (T = double) or 250 (float), and for n = ±∞ some number or NaN.</summary>
    static abstract V Scale(V x, V n);
    /// <summary>x = m·2ᵉ with 0.75 ≤ m &lt; 1.5, also for denormals; e = −∞ for 0, ∞ for ∞, NaN for NaN and below 0 (m is then anything).</summary>
    static abstract V Split(V x, out V e);
    static abstract V Equal(V x, V y);
    static abstract V Less(V x, V y);
    static abstract V LessEqual(V x, V y);
    static abstract V And(V x, V y);
    static abstract V Or(V x, V y);
    static abstract V Not(V x);
    static abstract V Xor(V x, V y);
    static abstract V Select(V mask, V x, V y);
    /// <summary>Whether x is less than y in some lane.</summary>
    static abstract bool AnyLess(V x, V y);
    /// <summary>The lanes as integers, shifted.</summary>
    static abstract V ShiftLeft(V x, int count);
    /// <summary>The lanes as integers, shifted, copies of the highest bit coming in.</summary>
    static abstract V ShiftRight(V x, int count);
    /// <summary>The sum of the lanes as integers.</summary>
    static abstract V AddBits(V x, V y);
    /// <summary>The difference of the lanes as integers.</summary>
    static abstract V SubBits(V x, V y);
}

internal unsafe struct Simd512<T> : ISimd<T, Vector512<T>> where T : unmanaged, INumber<T>
{
    public static int Count => Vector512<T>.Count;
    public static Vector512<T> Load(T* source) => Vector512.Load(source);
    public static void Store(Vector512<T> x, T* target) => x.Store(target);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> LoadPart(T* source, int count)
    {
        if (Avx512F.IsSupported && typeof(T) == typeof(float))
            return Avx512F.MaskLoad((float*)source, First(count).AsSingle(), Vector512<float>.Zero).As<float, T>();
        if (Avx512F.IsSupported && typeof(T) == typeof(double))
            return Avx512F.MaskLoad((double*)source, First(count).AsDouble(), Vector512<double>.Zero).As<double, T>();
        Vector512<T> whole = default;
        Buffer.MemoryCopy(source, &whole, sizeof(Vector512<T>), (nint)count * sizeof(T));
        return whole;
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePart(Vector512<T> x, T* target, int count)
    {
        if (Avx512F.IsSupported && typeof(T) == typeof(float)) Avx512F.MaskStore((float*)target, First(count).AsSingle(), x.AsSingle());
        else if (Avx512F.IsSupported && typeof(T) == typeof(double)) Avx512F.MaskStore((double*)target, First(count).AsDouble(), x.AsDouble());
        else
            Buffer.MemoryCopy(&x, target, (nint)count * sizeof(T), (nint)count * sizeof(T));
    }
    public static Vector512<T> Broadcast(T x) => Vector512.Create(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Constant(double x) => sizeof(T) == sizeof(float) ? Vector512.Create((float)x).As<float, T>() : Vector512.Create(x).As<double, T>();
    public static Vector512<T> First(int count) => Vector512.LessThan(Vector512<T>.Indices, Vector512.Create(T.CreateTruncating(count)));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> MultiplyAdd(Vector512<T> x, Vector512<T> y, Vector512<T> z) => sizeof(T) == sizeof(float)
        ? Vector512.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), z.AsSingle()).As<float, T>()
        : Vector512.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), z.AsDouble()).As<double, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> MultiplyAdd(Vector512<T> x, Vector512<T> y, double z) => sizeof(T) == sizeof(float)
        ? Vector512.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), Vector512.Create((float)z)).As<float, T>()
        : Vector512.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), Vector512.Create(z)).As<double, T>();
    public static Vector512<T> KeepLast(Vector512<T> x, int count) =>
        x & Vector512.GreaterThanOrEqual(Vector512<T>.Indices, Vector512.Create(T.CreateTruncating(Count - count)));
    public static T Sum(Vector512<T> x) => Vector512.Sum(x);
    public static T Largest(Vector512<T> x) => Simd256<T>.Largest(Vector256.Max(x.GetLower(), x.GetUpper()));
    public static T Smallest(Vector512<T> x) => Simd256<T>.Smallest(Vector256.Min(x.GetLower(), x.GetUpper()));

    public static Vector512<T> Add(Vector512<T> x, Vector512<T> y) => x + y;
    public static Vector512<T> Sub(Vector512<T> x, Vector512<T> y) => x - y;
    public static Vector512<T> Mul(Vector512<T> x, Vector512<T> y) => x * y;
    public static Vector512<T> Div(Vector512<T> x, Vector512<T> y) => x / y;
    public static Vector512<T> Neg(Vector512<T> x) => -x;
    public static Vector512<T> Abs(Vector512<T> x) => Vector512.Abs(x);
    public static Vector512<T> Sqrt(Vector512<T> x) => Vector512.Sqrt(x);
    public static Vector512<T> Max(Vector512<T> x, Vector512<T> y) => Vector512.Max(x, y);
    public static Vector512<T> Min(Vector512<T> x, Vector512<T> y) => Vector512.Min(x, y);
    public static Vector512<T> AtMost(Vector512<T> x, Vector512<T> bound) => Vector512.MinNative(bound, x);
    public static Vector512<T> AtLeast(Vector512<T> x, Vector512<T> bound) => Vector512.MaxNative(bound, x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Floor(Vector512<T> x) =>
        sizeof(T) == sizeof(float) ? Vector512.Floor(x.AsSingle()).As<float, T>() : Vector512.Floor(x.AsDouble()).As<double, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Scale(Vector512<T> x, Vector512<T> n)
    {
        if (!Avx512F.IsSupported) return SimdBits.Scale<T, Vector512<T>, Simd512<T>>(x, n);
        return sizeof(T) == sizeof(float)
            ? Avx512F.Scale(x.AsSingle(), n.AsSingle()).As<float, T>() : Avx512F.Scale(x.AsDouble(), n.AsDouble()).As<double, T>();
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> Split(Vector512<T> x, out Vector512<T> e)
    {
        if (!Avx512F.IsSupported) return SimdBits.Split<T, Vector512<T>, Simd512<T>>(x, out e);
        // The mantissa from 0.75 to 1.5, NaN for negative numbers. Its own exponent is 0 or -1.
        Vector512<T> m = sizeof(T) == sizeof(float)
            ? Avx512F.GetMantissa(x.AsSingle(), 0b1011).As<float, T>() : Avx512F.GetMantissa(x.AsDouble(), 0b1011).As<double, T>();
        e = sizeof(T) == sizeof(float)
            ? (Avx512F.GetExponent(x.AsSingle()) - Avx512F.GetExponent(m.AsSingle())).As<float, T>()
            : (Avx512F.GetExponent(x.AsDouble()) - Avx512F.GetExponent(m.AsDouble())).As<double, T>();
        return m;
    }
    public static Vector512<T> Equal(Vector512<T> x, Vector512<T> y) => Vector512.Equals(x, y);
    public static Vector512<T> Less(Vector512<T> x, Vector512<T> y) => Vector512.LessThan(x, y);
    public static Vector512<T> LessEqual(Vector512<T> x, Vector512<T> y) => Vector512.LessThanOrEqual(x, y);
    public static Vector512<T> And(Vector512<T> x, Vector512<T> y) => x & y;
    public static Vector512<T> Or(Vector512<T> x, Vector512<T> y) => x | y;
    public static Vector512<T> Not(Vector512<T> x) => ~x;
    public static Vector512<T> Xor(Vector512<T> x, Vector512<T> y) => x ^ y;
    public static Vector512<T> Select(Vector512<T> mask, Vector512<T> x, Vector512<T> y) => Vector512.ConditionalSelect(mask, x, y);
    public static bool AnyLess(Vector512<T> x, Vector512<T> y) => Vector512.LessThanAny(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> ShiftLeft(Vector512<T> x, int count) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() << count).As<int, T>() : (x.AsInt64() << count).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> ShiftRight(Vector512<T> x, int count) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() >> count).As<int, T>() : (x.AsInt64() >> count).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> AddBits(Vector512<T> x, Vector512<T> y) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() + y.AsInt32()).As<int, T>() : (x.AsInt64() + y.AsInt64()).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<T> SubBits(Vector512<T> x, Vector512<T> y) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() - y.AsInt32()).As<int, T>() : (x.AsInt64() - y.AsInt64()).As<long, T>();
}

internal unsafe struct Simd256<T> : ISimd<T, Vector256<T>> where T : unmanaged, INumber<T>
{
    public static int Count => Vector256<T>.Count;
    public static Vector256<T> Load(T* source) => Vector256.Load(source);
    public static void Store(Vector256<T> x, T* target) => x.Store(target);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> LoadPart(T* source, int count)
    {
        if (Avx.IsSupported && typeof(T) == typeof(float)) return Avx.MaskLoad((float*)source, First(count).AsSingle()).As<float, T>();
        if (Avx.IsSupported && typeof(T) == typeof(double)) return Avx.MaskLoad((double*)source, First(count).AsDouble()).As<double, T>();
        Vector256<T> whole = default;
        Buffer.MemoryCopy(source, &whole, sizeof(Vector256<T>), (nint)count * sizeof(T));
        return whole;
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePart(Vector256<T> x, T* target, int count)
    {
        if (Avx.IsSupported && typeof(T) == typeof(float)) Avx.MaskStore((float*)target, First(count).AsSingle(), x.AsSingle());
        else if (Avx.IsSupported && typeof(T) == typeof(double)) Avx.MaskStore((double*)target, First(count).AsDouble(), x.AsDouble());
        else
            Buffer.MemoryCopy(&x, target, (nint)count * sizeof(T), (nint)count * sizeof(T));
    }
    public static Vector256<T> Broadcast(T x) => Vector256.Create(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> Constant(double x) => sizeof(T) == sizeof(float) ? Vector256.Create((float)x).As<float, T>() : Vector256.Create(x).As<double, T>();
    public static Vector256<T> First(int count) => Vector256.LessThan(Vector256<T>.Indices, Vector256.Create(T.CreateTruncating(count)));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> MultiplyAdd(Vector256<T> x, Vector256<T> y, Vector256<T> z) => sizeof(T) == sizeof(float)
        ? Vector256.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), z.AsSingle()).As<float, T>()
        : Vector256.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), z.AsDouble()).As<double, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> MultiplyAdd(Vector256<T> x, Vector256<T> y, double z) => sizeof(T) == sizeof(float)
        ? Vector256.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), Vector256.Create((float)z)).As<float, T>()
        : Vector256.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), Vector256.Create(z)).As<double, T>();
    public static Vector256<T> KeepLast(Vector256<T> x, int count) =>
        x & Vector256.GreaterThanOrEqual(Vector256<T>.Indices, Vector256.Create(T.CreateTruncating(Count - count)));
    public static T Sum(Vector256<T> x) => Vector256.Sum(x);
    public static T Largest(Vector256<T> x) => Simd128<T>.Largest(Vector128.Max(x.GetLower(), x.GetUpper()));
    public static T Smallest(Vector256<T> x) => Simd128<T>.Smallest(Vector128.Min(x.GetLower(), x.GetUpper()));

    public static Vector256<T> Add(Vector256<T> x, Vector256<T> y) => x + y;
    public static Vector256<T> Sub(Vector256<T> x, Vector256<T> y) => x - y;
    public static Vector256<T> Mul(Vector256<T> x, Vector256<T> y) => x * y;
    public static Vector256<T> Div(Vector256<T> x, Vector256<T> y) => x / y;
    public static Vector256<T> Neg(Vector256<T> x) => -x;
    public static Vector256<T> Abs(Vector256<T> x) => Vector256.Abs(x);
    public static Vector256<T> Sqrt(Vector256<T> x) => Vector256.Sqrt(x);
    public static Vector256<T> Max(Vector256<T> x, Vector256<T> y) => Vector256.Max(x, y);
    public static Vector256<T> Min(Vector256<T> x, Vector256<T> y) => Vector256.Min(x, y);
    public static Vector256<T> AtMost(Vector256<T> x, Vector256<T> bound) => Vector256.MinNative(bound, x);
    public static Vector256<T> AtLeast(Vector256<T> x, Vector256<T> bound) => Vector256.MaxNative(bound, x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> Floor(Vector256<T> x) =>
        sizeof(T) == sizeof(float) ? Vector256.Floor(x.AsSingle()).As<float, T>() : Vector256.Floor(x.AsDouble()).As<double, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> Scale(Vector256<T> x, Vector256<T> n) => SimdBits.Scale<T, Vector256<T>, Simd256<T>>(x, n);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> Split(Vector256<T> x, out Vector256<T> e) => SimdBits.Split<T, Vector256<T>, Simd256<T>>(x, out e);
    public static Vector256<T> Equal(Vector256<T> x, Vector256<T> y) => Vector256.Equals(x, y);
    public static Vector256<T> Less(Vector256<T> x, Vector256<T> y) => Vector256.LessThan(x, y);
    public static Vector256<T> LessEqual(Vector256<T> x, Vector256<T> y) => Vector256.LessThanOrEqual(x, y);
    public static Vector256<T> And(Vector256<T> x, Vector256<T> y) => x & y;
    public static Vector256<T> Or(Vector256<T> x, Vector256<T> y) => x | y;
    public static Vector256<T> Not(Vector256<T> x) => ~x;
    public static Vector256<T> Xor(Vector256<T> x, Vector256<T> y) => x ^ y;
    public static Vector256<T> Select(Vector256<T> mask, Vector256<T> x, Vector256<T> y) => Vector256.ConditionalSelect(mask, x, y);
    public static bool AnyLess(Vector256<T> x, Vector256<T> y) => Vector256.LessThanAny(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> ShiftLeft(Vector256<T> x, int count) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() << count).As<int, T>() : (x.AsInt64() << count).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> ShiftRight(Vector256<T> x, int count) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() >> count).As<int, T>() : (x.AsInt64() >> count).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> AddBits(Vector256<T> x, Vector256<T> y) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() + y.AsInt32()).As<int, T>() : (x.AsInt64() + y.AsInt64()).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<T> SubBits(Vector256<T> x, Vector256<T> y) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() - y.AsInt32()).As<int, T>() : (x.AsInt64() - y.AsInt64()).As<long, T>();
}

internal unsafe struct Simd128<T> : ISimd<T, Vector128<T>> where T : unmanaged, INumber<T>
{
    public static int Count => Vector128<T>.Count;
    public static Vector128<T> Load(T* source) => Vector128.Load(source);
    public static void Store(Vector128<T> x, T* target) => x.Store(target);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> LoadPart(T* source, int count)
    {
        Vector128<T> whole = default;
        Buffer.MemoryCopy(source, &whole, sizeof(Vector128<T>), (nint)count * sizeof(T));
        return whole;
    }
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StorePart(Vector128<T> x, T* target, int count)
    {
        Buffer.MemoryCopy(&x, target, (nint)count * sizeof(T), (nint)count * sizeof(T));
    }
    public static Vector128<T> Broadcast(T x) => Vector128.Create(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> Constant(double x) => sizeof(T) == sizeof(float) ? Vector128.Create((float)x).As<float, T>() : Vector128.Create(x).As<double, T>();
    public static Vector128<T> First(int count) => Vector128.LessThan(Vector128<T>.Indices, Vector128.Create(T.CreateTruncating(count)));
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> MultiplyAdd(Vector128<T> x, Vector128<T> y, Vector128<T> z) => sizeof(T) == sizeof(float)
        ? Vector128.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), z.AsSingle()).As<float, T>()
        : Vector128.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), z.AsDouble()).As<double, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> MultiplyAdd(Vector128<T> x, Vector128<T> y, double z) => sizeof(T) == sizeof(float)
        ? Vector128.MultiplyAddEstimate(x.AsSingle(), y.AsSingle(), Vector128.Create((float)z)).As<float, T>()
        : Vector128.MultiplyAddEstimate(x.AsDouble(), y.AsDouble(), Vector128.Create(z)).As<double, T>();
    public static Vector128<T> KeepLast(Vector128<T> x, int count) =>
        x & Vector128.GreaterThanOrEqual(Vector128<T>.Indices, Vector128.Create(T.CreateTruncating(Count - count)));
    public static T Sum(Vector128<T> x) => Vector128.Sum(x);
    public static T Largest(Vector128<T> x)
    {
        T most = x[0];
        for (int i = 1; i < Count; i++) most = T.Max(most, x[i]);
        return most;
    }
    public static T Smallest(Vector128<T> x)
    {
        T least = x[0];
        for (int i = 1; i < Count; i++) least = T.Min(least, x[i]);
        return least;
    }

    public static Vector128<T> Add(Vector128<T> x, Vector128<T> y) => x + y;
    public static Vector128<T> Sub(Vector128<T> x, Vector128<T> y) => x - y;
    public static Vector128<T> Mul(Vector128<T> x, Vector128<T> y) => x * y;
    public static Vector128<T> Div(Vector128<T> x, Vector128<T> y) => x / y;
    public static Vector128<T> Neg(Vector128<T> x) => -x;
    public static Vector128<T> Abs(Vector128<T> x) => Vector128.Abs(x);
    public static Vector128<T> Sqrt(Vector128<T> x) => Vector128.Sqrt(x);
    public static Vector128<T> Max(Vector128<T> x, Vector128<T> y) => Vector128.Max(x, y);
    public static Vector128<T> Min(Vector128<T> x, Vector128<T> y) => Vector128.Min(x, y);
    public static Vector128<T> AtMost(Vector128<T> x, Vector128<T> bound) => Vector128.MinNative(bound, x);
    public static Vector128<T> AtLeast(Vector128<T> x, Vector128<T> bound) => Vector128.MaxNative(bound, x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> Floor(Vector128<T> x) =>
        sizeof(T) == sizeof(float) ? Vector128.Floor(x.AsSingle()).As<float, T>() : Vector128.Floor(x.AsDouble()).As<double, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> Scale(Vector128<T> x, Vector128<T> n) => SimdBits.Scale<T, Vector128<T>, Simd128<T>>(x, n);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> Split(Vector128<T> x, out Vector128<T> e) => SimdBits.Split<T, Vector128<T>, Simd128<T>>(x, out e);
    public static Vector128<T> Equal(Vector128<T> x, Vector128<T> y) => Vector128.Equals(x, y);
    public static Vector128<T> Less(Vector128<T> x, Vector128<T> y) => Vector128.LessThan(x, y);
    public static Vector128<T> LessEqual(Vector128<T> x, Vector128<T> y) => Vector128.LessThanOrEqual(x, y);
    public static Vector128<T> And(Vector128<T> x, Vector128<T> y) => x & y;
    public static Vector128<T> Or(Vector128<T> x, Vector128<T> y) => x | y;
    public static Vector128<T> Not(Vector128<T> x) => ~x;
    public static Vector128<T> Xor(Vector128<T> x, Vector128<T> y) => x ^ y;
    public static Vector128<T> Select(Vector128<T> mask, Vector128<T> x, Vector128<T> y) => Vector128.ConditionalSelect(mask, x, y);
    public static bool AnyLess(Vector128<T> x, Vector128<T> y) => Vector128.LessThanAny(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> ShiftLeft(Vector128<T> x, int count) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() << count).As<int, T>() : (x.AsInt64() << count).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> ShiftRight(Vector128<T> x, int count) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() >> count).As<int, T>() : (x.AsInt64() >> count).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> AddBits(Vector128<T> x, Vector128<T> y) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() + y.AsInt32()).As<int, T>() : (x.AsInt64() + y.AsInt64()).As<long, T>();
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<T> SubBits(Vector128<T> x, Vector128<T> y) =>
        sizeof(T) == sizeof(float) ? (x.AsInt32() - y.AsInt32()).As<int, T>() : (x.AsInt64() - y.AsInt64()).As<long, T>();
}

/// <summary>What takes the numbers apart, from integer operations: for widths and machines without instructions for it.</summary>
internal static class SimdBits
{
    /// <summary>Twice a half of n, so that no power of two leaves the range; only the second product can round.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Scale<T, V, S>(V x, V n) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V half = S.Floor(S.Mul(n, S.Constant(0.5)));
        return S.Mul(S.Mul(x, PowerOfTwo<T, V, S>(half)), PowerOfTwo<T, V, S>(S.Sub(n, half)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Split<T, V, S>(V x, out V e) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        int bits = single ? 23 : 52;
        V tiny = S.Less(x, S.Constant(single ? 1.17549435e-38 : 2.2250738585072014e-308));
        V y = S.Select(tiny, S.Mul(x, S.Constant(single ? 1 << 24 : 1L << 54)), x);
        V k = S.ShiftRight(S.SubBits(y, S.Constant(0.75)), bits);
        V shift = S.Constant(single ? 12582912 : 6755399441055744);
        e = S.Sub(S.Sub(S.AddBits(k, shift), shift), S.And(tiny, S.Constant(single ? 24 : 54)));
        V bounds = S.Select(S.Equal(x, S.Constant(0)), S.Constant(double.NegativeInfinity), S.Select(S.Less(x, S.Constant(0)), S.Constant(double.NaN), x));
        e = S.Select(S.And(S.Less(S.Constant(0), x), S.Less(x, S.Constant(double.PositiveInfinity))), e, bounds);
        return S.SubBits(y, S.ShiftLeft(k, bits));
    }

    // 1.5·2^23 (2^52) plus n has n in its lowest bits; shifted to the exponent's place and added to 1 it is the power.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V PowerOfTwo<T, V, S>(V n) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        bool single = typeof(T) == typeof(float);
        return S.AddBits(S.ShiftLeft(S.Add(n, S.Constant(single ? 12582912 : 6755399441055744)), single ? 23 : 52), S.Constant(1));
    }
}
