using System.Numerics;

namespace Diff;

public static partial class Differentiate
{
    /// <summary>Value and gradient in reverse: the cost of a few evaluations, however many arguments there are.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="gradient">Room for as many derivatives.</param>
    public static T ValueAndGradient<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> gradient)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T> => Reverse(new GenericFunction<TFunction, Var<T>>(f), x, gradient);

    /// <inheritdoc cref="ValueAndGradient{TFunction, T}(TFunction, ReadOnlySpan{T}, Span{T})"/>
    public static T ValueAndGradient<T>(ScalarFunction<Var<T>> f, ReadOnlySpan<T> x, Span<T> gradient) where T : IFloatingPointIeee754<T> =>
        Reverse(new DelegateFunction<Var<T>>(Given(f)), x, gradient);

    /// <summary>The gradient in reverse, as a new array.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    public static T[] Gradient<T>(ScalarFunction<Var<T>> f, params ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
    {
        var gradient = new T[x.Length];
        ValueAndGradient(f, x, gradient);
        return gradient;
    }

    /// <summary>
    /// The value of a function. Where a tape records, it keeps only the derivatives with respect to the arguments, not all operations, so that what a long
    /// computation keeps is far less if its parts have few arguments. What f captures counts as constant only if it is: a number of the tape is an error.
    /// </summary>
    /// <param name="f">A part of the computation.</param>
    /// <param name="x">Its arguments.</param>
    /// <exception cref="InvalidOperationException">f captured a number of the tape.</exception>
    public static T Preaccumulate<TFunction, T>(TFunction f, ReadOnlySpan<T> x)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T> => T.Zero is ITaped<T> taped ? taped.Preaccumulate(f, x) : f.Invoke(x);

    /// <summary>Lets go of the memory that the thread keeps for computations in reverse with numbers of this type.</summary>
    public static void ReleaseTape<T>() where T : IFloatingPointIeee754<T> => Tape<T>.Release();

    /// <summary>Value, gradient and the second derivative applied to a direction, in one pass: forward over reverse.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="direction">The direction, of as many numbers.</param>
    /// <param name="gradient">Room for as many derivatives.</param>
    /// <param name="product">Room for the product of the Hessian and the direction.</param>
    public static T HessianVector<TFunction, T>(TFunction f, ReadOnlySpan<T> x, ReadOnlySpan<T> direction, Span<T> gradient, Span<T> product)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T> => SecondOrder(new GenericFunction<TFunction, Var<Dual<T>>>(f), x, direction, gradient, product);

    /// <inheritdoc cref="HessianVector{TFunction, T}(TFunction, ReadOnlySpan{T}, ReadOnlySpan{T}, Span{T}, Span{T})"/>
    public static T HessianVector<T>(ScalarFunction<Var<Dual<T>>> f, ReadOnlySpan<T> x, ReadOnlySpan<T> direction, Span<T> gradient, Span<T> product)
        where T : IFloatingPointIeee754<T> => SecondOrder(new DelegateFunction<Var<Dual<T>>>(Given(f)), x, direction, gradient, product);

    /// <summary>Value, gradient and all second derivatives: forward over reverse, once for each argument.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="gradient">Room for as many derivatives.</param>
    /// <param name="hessian">Room for the second derivatives, row by row.</param>
    public static T Hessian<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> gradient, Span<T> hessian)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T> => ByRows(new GenericFunction<TFunction, Var<Dual<T>>>(f), x, gradient, hessian);

    /// <inheritdoc cref="Hessian{TFunction, T}(TFunction, ReadOnlySpan{T}, Span{T}, Span{T})"/>
    public static T Hessian<T>(ScalarFunction<Var<Dual<T>>> f, ReadOnlySpan<T> x, Span<T> gradient, Span<T> hessian) where T : IFloatingPointIeee754<T> =>
        ByRows(new DelegateFunction<Var<Dual<T>>>(Given(f)), x, gradient, hessian);

    private static T Reverse<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> gradient)
        where TFunction : IFunctionOf<Var<T>>
        where T : IFloatingPointIeee754<T>
    {
        Expect(nameof(ValueAndGradient), nameof(gradient), gradient.Length, x.Length);
        var tape = Tape<T>.Begin(out var mark);
        var variables = Scratch<Var<T>>.Rent(x.Length);
        try
        {
            for (var i = 0; i < x.Length; i++) variables[i] = tape.Variable(x[i]);
            var y = f.Invoke(variables);
            tape.Sweep(y, T.One, mark, x.Length);
            // By place, since the function may have written over its arguments' room.
            for (var i = 0; i < x.Length; i++) gradient[i] = tape.Take(mark + 1 + i);
            return y.Value;
        }
        finally
        {
            Scratch<Var<T>>.Return(x.Length);
            tape.End(mark);
        }
    }

    private static T SecondOrder<TFunction, T>(TFunction f, ReadOnlySpan<T> x, ReadOnlySpan<T> direction, Span<T> gradient, Span<T> product)
        where TFunction : IFunctionOf<Var<Dual<T>>>
        where T : IFloatingPointIeee754<T>
    {
        Expect(nameof(HessianVector), nameof(direction), direction.Length, x.Length);
        Expect(nameof(HessianVector), nameof(gradient), gradient.Length, x.Length);
        Expect(nameof(HessianVector), nameof(product), product.Length, x.Length);
        var point = Scratch<Dual<T>>.Rent(2 * x.Length);
        try
        {
            for (var i = 0; i < x.Length; i++) point[i] = new(x[i], direction[i]);
            var both = point[x.Length..];
            var y = Reverse(f, point[..x.Length], both);
            for (var i = 0; i < x.Length; i++) (gradient[i], product[i]) = (both[i].Value, both[i].Tangent);
            return y.Value;
        }
        finally
        {
            Scratch<Dual<T>>.Return(2 * x.Length);
        }
    }

    private static T ByRows<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> gradient, Span<T> hessian)
        where TFunction : IFunctionOf<Var<Dual<T>>>
        where T : IFloatingPointIeee754<T>
    {
        Expect(nameof(Hessian), nameof(hessian), hessian.Length, checked(x.Length * x.Length));
        var value = T.Zero;
        var direction = Scratch<T>.Rent(x.Length);
        try
        {
            direction.Fill(T.Zero);
            for (var i = 0; i < x.Length; i++)
            {
                direction[i] = T.One;
                value = SecondOrder(f, x, direction, gradient, hessian.Slice(i * x.Length, x.Length));
                direction[i] = T.Zero;
            }
            return value;
        }
        finally
        {
            Scratch<T>.Return(x.Length);
        }
    }
}
