using System.Runtime.Intrinsics;

namespace Diff.Benchmarks;

/// <summary>A vector of the machine: one source of a loop serves 512 and 256 bits.</summary>
internal unsafe interface IWide<T, V> where T : unmanaged where V : struct, IWide<T, V>
{
    /// <summary>The lanes.</summary>
    static abstract int Count { get; }
    static abstract V All(T x);
    static abstract V Load(T* source);
    static abstract void Store(V x, T* target);
    /// <summary>Past the cache: no line is read before it is written. The address is aligned to the vector.</summary>
    static abstract void Stream(V x, T* target);
    static abstract V MultiplyAdd(V x, V y, V z);
    static abstract V Sqrt(V x);
    /// <summary>Between the limits; nothing is said about NaN.</summary>
    static abstract V Clamp(V x, V low, V high);
    /// <summary>x · 2ⁿ for n in the lowest bits of another vector's mantissa.</summary>
    static abstract V Scale(V x, V exponents);
    static abstract T Sum(V x);
    static abstract V operator +(V x, V y);
    static abstract V operator -(V x, V y);
    static abstract V operator *(V x, V y);
    static abstract V operator /(V x, V y);
}

/// <summary>512 bits.</summary>
internal readonly unsafe struct Wide512<T>(Vector512<T> value) : IWide<T, Wide512<T>> where T : unmanaged
{
    private readonly Vector512<T> _value = value;

    public static int Count => Vector512<T>.Count;
    public static Wide512<T> All(T x) => new(Vector512.Create(x));
    public static Wide512<T> Load(T* source) => new(Vector512.Load(source));
    public static void Store(Wide512<T> x, T* target) => x._value.Store(target);
    public static void Stream(Wide512<T> x, T* target) => x._value.StoreAlignedNonTemporal(target);
    public static Wide512<T> MultiplyAdd(Wide512<T> x, Wide512<T> y, Wide512<T> z) => new(typeof(T) == typeof(float)
        ? Vector512.FusedMultiplyAdd(x._value.AsSingle(), y._value.AsSingle(), z._value.AsSingle()).As<float, T>()
        : Vector512.FusedMultiplyAdd(x._value.AsDouble(), y._value.AsDouble(), z._value.AsDouble()).As<double, T>());
    public static Wide512<T> Sqrt(Wide512<T> x) => new(Vector512.Sqrt(x._value));
    public static Wide512<T> Clamp(Wide512<T> x, Wide512<T> low, Wide512<T> high) => new(Vector512.ClampNative(x._value, low._value, high._value));
    public static Wide512<T> Scale(Wide512<T> x, Wide512<T> exponents) => new(typeof(T) == typeof(float)
        ? (x._value.AsInt32() + (exponents._value.AsInt32() << 23)).As<int, T>()
        : (x._value.AsInt64() + (exponents._value.AsInt64() << 52)).As<long, T>());
    public static T Sum(Wide512<T> x) => Vector512.Sum(x._value);
    public static Wide512<T> operator +(Wide512<T> x, Wide512<T> y) => new(x._value + y._value);
    public static Wide512<T> operator -(Wide512<T> x, Wide512<T> y) => new(x._value - y._value);
    public static Wide512<T> operator *(Wide512<T> x, Wide512<T> y) => new(x._value * y._value);
    public static Wide512<T> operator /(Wide512<T> x, Wide512<T> y) => new(x._value / y._value);
}

/// <summary>256 bits.</summary>
internal readonly unsafe struct Wide256<T>(Vector256<T> value) : IWide<T, Wide256<T>> where T : unmanaged
{
    private readonly Vector256<T> _value = value;

    public static int Count => Vector256<T>.Count;
    public static Wide256<T> All(T x) => new(Vector256.Create(x));
    public static Wide256<T> Load(T* source) => new(Vector256.Load(source));
    public static void Store(Wide256<T> x, T* target) => x._value.Store(target);
    public static void Stream(Wide256<T> x, T* target) => x._value.StoreAlignedNonTemporal(target);
    public static Wide256<T> MultiplyAdd(Wide256<T> x, Wide256<T> y, Wide256<T> z) => new(typeof(T) == typeof(float)
        ? Vector256.FusedMultiplyAdd(x._value.AsSingle(), y._value.AsSingle(), z._value.AsSingle()).As<float, T>()
        : Vector256.FusedMultiplyAdd(x._value.AsDouble(), y._value.AsDouble(), z._value.AsDouble()).As<double, T>());
    public static Wide256<T> Sqrt(Wide256<T> x) => new(Vector256.Sqrt(x._value));
    public static Wide256<T> Clamp(Wide256<T> x, Wide256<T> low, Wide256<T> high) => new(Vector256.ClampNative(x._value, low._value, high._value));
    public static Wide256<T> Scale(Wide256<T> x, Wide256<T> exponents) => new(typeof(T) == typeof(float)
        ? (x._value.AsInt32() + (exponents._value.AsInt32() << 23)).As<int, T>()
        : (x._value.AsInt64() + (exponents._value.AsInt64() << 52)).As<long, T>());
    public static T Sum(Wide256<T> x) => Vector256.Sum(x._value);
    public static Wide256<T> operator +(Wide256<T> x, Wide256<T> y) => new(x._value + y._value);
    public static Wide256<T> operator -(Wide256<T> x, Wide256<T> y) => new(x._value - y._value);
    public static Wide256<T> operator *(Wide256<T> x, Wide256<T> y) => new(x._value * y._value);
    public static Wide256<T> operator /(Wide256<T> x, Wide256<T> y) => new(x._value / y._value);
}
