using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

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
