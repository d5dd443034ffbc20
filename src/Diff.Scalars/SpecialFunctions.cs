using System.Numerics;
using Diff.Kernels;

namespace Diff;

/// <summary>What a number that carries derivatives adds to the functions of its interfaces.</summary>
internal interface ISpecialFunctions<TSelf>
{
    TSelf Erf();

    TSelf Erfc();

    TSelf Ndtr();

    TSelf Sigmoid();
}

/// <summary>A number whose history is kept.</summary>
internal interface ITaped<TSelf>
{
    TSelf Preaccumulate<TFunction>(TFunction f, ReadOnlySpan<TSelf> x) where TFunction : IScalarFunction;
}

/// <summary>The derivatives of these functions.</summary>
internal static class SpecialRules<TSelf, T>
    where TSelf : struct, IDifferentiable<TSelf, T>
    where T : IFloatingPointIeee754<T>
{
    private static T Gaussian(T factor, T rate, T x) => factor * T.Exp(-(rate * x * x));

    private static T TwoOverRootPi => T.CreateChecked(1.1283791670955126);

    public static TSelf Erf(TSelf x) => TSelf.Chain(x, GenericMath.Erf(x.Value), Gaussian(TwoOverRootPi, T.One, x.Value));

    public static TSelf Erfc(TSelf x) => TSelf.Chain(x, GenericMath.Erfc(x.Value), -Gaussian(TwoOverRootPi, T.One, x.Value));

    public static TSelf Sigmoid(TSelf x)
    {
        var (y, rest) = GenericMath.SigmoidAndRest(x.Value);
        return TSelf.Chain(x, y, y * rest);
    }

    public static TSelf Ndtr(TSelf x) => TSelf.Chain(x, GenericMath.Ndtr(x.Value), Gaussian(T.CreateChecked(0.39894228040143268), T.CreateChecked(0.5), x.Value));
}

/// <summary>Functions that the interfaces of numbers lack, for float types and for numbers that carry derivatives.</summary>
public static class GenericMath
{
    /// <summary>The error function, of a float type or a number that carries derivatives.</summary>
    /// <param name="x">The argument.</param>
    public static T Erf<T>(T x) where T : IFloatingPointIeee754<T> =>
        x is ISpecialFunctions<T> known ? known.Erf() : Of(x, SpecialMath.Erf(double.CreateChecked(x)));

    /// <summary>1 − erf(x), accurate where it is small.</summary>
    /// <param name="x">The argument.</param>
    public static T Erfc<T>(T x) where T : IFloatingPointIeee754<T> =>
        x is ISpecialFunctions<T> known ? known.Erfc() : Of(x, SpecialMath.Erfc(double.CreateChecked(x)));

    /// <summary>The distribution function of the standard normal distribution.</summary>
    /// <param name="x">The argument.</param>
    public static T Ndtr<T>(T x) where T : IFloatingPointIeee754<T> =>
        x is ISpecialFunctions<T> known ? known.Ndtr() : Of(x, SpecialMath.Ndtr(double.CreateChecked(x)));

    /// <summary>1 / (1 + e⁻ˣ), without overflow on either side.</summary>
    /// <param name="x">The argument.</param>
    public static T Sigmoid<T>(T x) where T : IFloatingPointIeee754<T> =>
        x is ISpecialFunctions<T> known ? known.Sigmoid() : SigmoidAndRest(x).Value;

    // Its value and what is missing to 1, neither by a difference.
    internal static (T Value, T Missing) SigmoidAndRest<T>(T x) where T : IFloatingPointIeee754<T>
    {
        var isNegative = T.IsNegative(x);
        var e = T.Exp(isNegative ? x : -x);
        var large = T.One / (T.One + e);
        return isNegative ? (e * large, large) : (large, e * large);
    }

    private static T Of<T>(T _, double value) where T : IFloatingPointIeee754<T> => T.CreateSaturating(value);
}
