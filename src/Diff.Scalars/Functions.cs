using System.Numerics;

namespace Diff;

/// <summary>A function of several numbers, written once for every type of number. A struct that implements it is compiled without calls in between.</summary>
public interface IScalarFunction
{
    /// <summary>The value.</summary>
    /// <param name="x">The arguments.</param>
    /// <typeparam name="T">The type of numbers.</typeparam>
    T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>;
}

/// <summary>A function with several results, written once for every type of number.</summary>
public interface IVectorFunction
{
    /// <summary>Computes the results.</summary>
    /// <param name="x">The arguments.</param>
    /// <param name="y">Room for the results; all of it has to be written.</param>
    /// <typeparam name="T">The type of numbers.</typeparam>
    void Invoke<T>(ReadOnlySpan<T> x, Span<T> y) where T : IFloatingPointIeee754<T>;
}

/// <summary>A function of several numbers of one type.</summary>
/// <param name="x">The arguments.</param>
public delegate T ScalarFunction<T>(ReadOnlySpan<T> x);

/// <summary>A function with several results, of numbers of one type.</summary>
/// <param name="x">The arguments.</param>
/// <param name="y">Room for the results.</param>
public delegate void VectorFunction<T>(ReadOnlySpan<T> x, Span<T> y);

/// <summary>Either kind of function, at one type.</summary>
internal interface IFunctionOf<T>
{
    T Invoke(ReadOnlySpan<T> x);
}

internal readonly struct GenericFunction<TFunction, T>(TFunction f) : IFunctionOf<T>
    where TFunction : IScalarFunction
    where T : IFloatingPointIeee754<T>
{
    public T Invoke(ReadOnlySpan<T> x) => f.Invoke(x);
}

internal readonly struct DelegateFunction<T>(ScalarFunction<T> f) : IFunctionOf<T>
{
    public T Invoke(ReadOnlySpan<T> x) => f(x);
}

/// <summary>Either kind of function with several results, at one type.</summary>
internal interface IVectorFunctionOf<T>
{
    void Invoke(ReadOnlySpan<T> x, Span<T> y);
}

internal readonly struct GenericVectorFunction<TFunction, T>(TFunction f) : IVectorFunctionOf<T>
    where TFunction : IVectorFunction
    where T : IFloatingPointIeee754<T>
{
    public void Invoke(ReadOnlySpan<T> x, Span<T> y) => f.Invoke(x, y);
}

internal readonly struct DelegateVectorFunction<T>(VectorFunction<T> f) : IVectorFunctionOf<T>
{
    public void Invoke(ReadOnlySpan<T> x, Span<T> y) => f(x, y);
}
