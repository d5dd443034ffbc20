using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Diff;

/// <summary>
/// Derivatives of functions written over a generic number (<see cref="IFloatingPointIeee754{TSelf}"/>): forward by dual numbers, in reverse by a tape, nested to
/// any depth. In the steady state nothing is allocated.
/// </summary>
public static partial class Differentiate
{
    /// <summary>The derivative of a function of one number, forward.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    public static T Derivative<T>(Func<Dual<T>, Dual<T>> f, T x) where T : IFloatingPointIeee754<T> => ValueAndDerivative(f, x).Derivative;

    /// <summary>Value and derivative of a function of one number, forward.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    public static (T Value, T Derivative) ValueAndDerivative<T>(Func<Dual<T>, Dual<T>> f, T x) where T : IFloatingPointIeee754<T>
    {
        ArgumentNullException.ThrowIfNull(f);
        var y = f(Dual<T>.Variable(x));
        return (y.Value, y.Tangent);
    }

    /// <summary>Value, first and second derivative of a function of one number.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    public static (T Value, T First, T Second) ValueAndDerivatives<T>(Func<Dual<Dual<T>>, Dual<Dual<T>>> f, T x) where T : IFloatingPointIeee754<T>
    {
        ArgumentNullException.ThrowIfNull(f);
        var y = f(Dual<Dual<T>>.Variable(Dual<T>.Variable(x)));
        return (y.Value.Value, y.Tangent.Value, y.Tangent.Tangent);
    }

    /// <summary>Value and derivative along a direction, forward: the cost of two evaluations, however many arguments there are.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="direction">The direction, of as many numbers.</param>
    public static (T Value, T Derivative) ValueAndDirectional<TFunction, T>(TFunction f, ReadOnlySpan<T> x, ReadOnlySpan<T> direction)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T> => Forward(new GenericFunction<TFunction, Dual<T>>(f), x, direction);

    /// <inheritdoc cref="ValueAndDirectional{TFunction, T}(TFunction, ReadOnlySpan{T}, ReadOnlySpan{T})"/>
    public static (T Value, T Derivative) ValueAndDirectional<T>(ScalarFunction<Dual<T>> f, ReadOnlySpan<T> x, ReadOnlySpan<T> direction)
        where T : IFloatingPointIeee754<T> => Forward(new DelegateFunction<Dual<T>>(Given(f)), x, direction);

    private static (T Value, T Derivative) Forward<TFunction, T>(TFunction f, ReadOnlySpan<T> x, ReadOnlySpan<T> direction)
        where TFunction : IFunctionOf<Dual<T>>
        where T : IFloatingPointIeee754<T>
    {
        Expect(nameof(ValueAndDirectional), nameof(direction), direction.Length, x.Length);
        var variables = Scratch<Dual<T>>.Rent(x.Length);
        try
        {
            for (var i = 0; i < x.Length; i++) variables[i] = new(x[i], direction[i]);
            var y = f.Invoke(variables);
            return (y.Value, y.Tangent);
        }
        finally
        {
            Scratch<Dual<T>>.Return(x.Length);
        }
    }

    /// <summary>Value and gradient forward: an evaluation for each argument, and no memory; the faster way where arguments are few.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="gradient">Room for as many derivatives.</param>
    public static T ValueAndGradientForward<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> gradient)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T>
    {
        Expect(nameof(ValueAndGradientForward), nameof(gradient), gradient.Length, x.Length);
        var variables = Scratch<Dual<T>>.Rent(x.Length);
        try
        {
            var value = T.Zero;
            for (var i = 0; i < x.Length; i++)
            {
                for (var k = 0; k < x.Length; k++) variables[k] = k == i ? Dual<T>.Variable(x[k]) : x[k];
                var y = f.Invoke<Dual<T>>(variables);
                (value, gradient[i]) = (y.Value, y.Tangent);
            }
            return x.Length == 0 ? f.Invoke(x) : value;
        }
        finally
        {
            Scratch<Dual<T>>.Return(x.Length);
        }
    }

    private static TDelegate Given<TDelegate>(TDelegate f) where TDelegate : Delegate
    {
        ArgumentNullException.ThrowIfNull(f);
        return f;
    }

    internal static void Expect(string operation, string name, int length, int expected)
    {
        if (length != expected) Unexpected(operation, name, length, expected);
    }

    [DoesNotReturn]
    private static void Unexpected(string operation, string name, int length, int expected) =>
        throw new ArgumentException($"{operation}: expected {name} of {expected} numbers, got {length}", name);
}
