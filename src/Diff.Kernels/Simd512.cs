using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

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
