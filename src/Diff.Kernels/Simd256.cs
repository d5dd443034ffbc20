using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Diff.Kernels;

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
