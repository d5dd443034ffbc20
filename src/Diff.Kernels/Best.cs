using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Which of two numbers is looked for; NaN before all others.</summary>
internal interface IBest<T, V>
{
    static abstract V Of(V x, V y);
    static abstract T Of(T x, T y);
    /// <summary>The best lane.</summary>
    static abstract T Of(V x);
    /// <summary>The mask of the lanes of x that are better than those of y; NaN is neither.</summary>
    static abstract V IsBetter(V x, V y);
    static abstract bool IsBetter(T x, T y);
}

internal readonly struct Largest<T, V, S> : IBest<T, V> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of(V x, V y) => S.Max(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Of(T x, T y) => T.Max(x, y);
    public static T Of(V x) => S.Largest(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V IsBetter(V x, V y) => S.Less(y, x);
    public static bool IsBetter(T x, T y) => x > y;
}

internal readonly struct Smallest<T, V, S> : IBest<T, V> where T : unmanaged, INumber<T> where V : struct where S : struct, ISimd<T, V>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Of(V x, V y) => S.Min(x, y);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Of(T x, T y) => T.Min(x, y);
    public static T Of(V x) => S.Smallest(x);
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V IsBetter(V x, V y) => S.Less(x, y);
    public static bool IsBetter(T x, T y) => x < y;
}

/// <summary>Groups of elements that are compared. A group lies at base + column + offset for every offset and, if there is a run, the `Run` elements
/// from there on. The results of a base's columns lie side by side.</summary>
internal sealed record Groups
{
    public required nint[] Bases { get; init; }
    public required nint Width { get; init; }

    /// <summary>From one column to the next.</summary>
    public required nint ColumnStep { get; init; }
    public required nint[] Offsets { get; init; }
    public required nint Run { get; init; }
}
