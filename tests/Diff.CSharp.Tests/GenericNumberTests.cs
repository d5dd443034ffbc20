using System.Globalization;
using System.Numerics;
using System.Reflection;
using Xunit;

namespace Diff.Tests;

/// <summary>
/// The numbers that carry derivatives, function by function: against differences to second order, against each other, and against the derivatives of graphs.
/// </summary>
public class GenericNumberTests
{
    // Every function of one number of the interfaces, and points inside its domain.
    public static TheoryData<string, double[]> Unary => new()
    {
        { "Abs", [-1.3, 0.7] }, { "Sqrt", [0.3, 2.5] }, { "Cbrt", [-1.5, 0.4] },
        { "Exp", [-1.2, 0.8] }, { "Exp2", [-1.2, 0.8] }, { "Exp10", [-0.5, 0.4] }, { "ExpM1", [-1.2, 0.3] }, { "Exp2M1", [-1.2, 0.3] }, { "Exp10M1", [-0.5, 0.3] },
        { "Log", [0.4, 2.5] }, { "Log2", [0.4, 2.5] }, { "Log10", [0.4, 2.5] }, { "LogP1", [-0.4, 1.5] }, { "Log2P1", [-0.4, 1.5] }, { "Log10P1", [-0.4, 1.5] },
        { "Sin", [-1.2, 0.8] }, { "Cos", [-1.2, 0.8] }, { "Tan", [-1.0, 0.7] }, { "SinPi", [-0.4, 0.3] }, { "CosPi", [-0.4, 0.3] }, { "TanPi", [-0.3, 0.2] },
        { "Asin", [-0.6, 0.4] }, { "Acos", [-0.6, 0.4] }, { "Atan", [-1.6, 0.4] }, { "AsinPi", [-0.6, 0.4] }, { "AcosPi", [-0.6, 0.4] }, { "AtanPi", [-1.6, 0.4] },
        { "Sinh", [-1.2, 0.8] }, { "Cosh", [-1.2, 0.8] }, { "Tanh", [-1.2, 0.8] }, { "Asinh", [-1.2, 0.8] }, { "Acosh", [1.4, 3.1] }, { "Atanh", [-0.6, 0.4] },
        { "Floor", [-1.3, 0.7] }, { "Ceiling", [-1.3, 0.7] }, { "Round", [-1.3, 0.7] }, { "Truncate", [-1.3, 0.7] },
        { "Erf", [-0.8, 1.7] }, { "Erfc", [-0.8, 1.7] }, { "Ndtr", [-2.8, 1.7] }, { "Sigmoid", [-1.5, 2.2] },
    };

    public static TheoryData<string, double, double> Binary => new()
    {
        { "op_Addition", 1.2, -0.7 }, { "op_Subtraction", 1.2, -0.7 }, { "op_Multiply", 1.2, -0.7 }, { "op_Division", 1.2, -0.7 }, { "op_Modulus", 7.3, 2.1 },
        { "Ieee754Remainder", 7.0, 2.1 }, { "Pow", 1.7, 2.3 }, { "Pow", 0.6, -1.4 }, { "Log", 3.1, 2.2 }, { "Atan2", 0.8, -1.1 }, { "Atan2", -0.8, 1.1 }, { "Atan2Pi", 0.8, -1.1 },
        { "Hypot", 0.8, -1.1 }, { "Max", 0.8, -1.1 }, { "Min", 0.8, -1.1 }, { "MaxNumber", 0.8, 1.1 }, { "MinNumber", 0.8, 1.1 }, { "CopySign", 0.8, -1.1 },
        { "MaxMagnitude", 0.8, -1.1 }, { "MinMagnitude", 0.8, -1.1 }, { "MaxMagnitudeNumber", 0.8, -1.1 }, { "MinMagnitudeNumber", 0.8, -1.1 },
    };

    // A function of the type's own by name, as a caller of the type sees it; else the one of GenericMath.
    private static MethodInfo Method<T>(string name, int arity)
    {
        var types = Enumerable.Repeat(typeof(T), arity).ToArray();
        if (typeof(T).GetMethod(name, BindingFlags.Public | BindingFlags.Static, types) is { } own && own.ReturnType == typeof(T)) return own;
        return typeof(GenericMath).GetMethod(name)?.MakeGenericMethod(typeof(T)) ?? typeof(Bridge).GetMethod(name)!.MakeGenericMethod(typeof(T));
    }

    // Operators of double are no methods.
    private static class Bridge
    {
        public static T op_Addition<T>(T x, T y) where T : INumber<T> => x + y;
        public static T op_Subtraction<T>(T x, T y) where T : INumber<T> => x - y;
        public static T op_Multiply<T>(T x, T y) where T : INumber<T> => x * y;
        public static T op_Division<T>(T x, T y) where T : INumber<T> => x / y;
        public static T op_Modulus<T>(T x, T y) where T : INumber<T> => x % y;
    }

    private static Func<T, T> One<T>(string name) => Method<T>(name, 1).CreateDelegate<Func<T, T>>();

    private static Func<T, T, T> Two<T>(string name) => Method<T>(name, 2).CreateDelegate<Func<T, T, T>>();

    // Central differences, extrapolated twice.
    private static double Slope(Func<double, double> f, double x)
    {
        double Central(double h) => (f(x + h) - f(x - h)) / (2 * h);
        var (a, b, c) = (Central(0.02), Central(0.01), Central(0.005));
        var (ab, bc) = (b + (b - a) / 3, c + (c - b) / 3);
        return bc + (bc - ab) / 15;
    }

    private static void Near(double expected, double actual, double tolerance, string what) =>
        Assert.True(Math.Abs(expected - actual) <= tolerance * (1 + Math.Abs(expected)), string.Create(CultureInfo.InvariantCulture, $"{what}: expected {expected:R}, got {actual:R}"));

    [Theory]
    [MemberData(nameof(Unary))]
    public void A_function_of_one_number_has_its_derivatives_in_every_mode(string name, double[] points)
    {
        foreach (var x in points)
        {
            var (value, first, second) = Differentiate.ValueAndDerivatives(One<Dual<Dual<double>>>(name), x);
            Near(One<double>(name)(x), value, 1e-15, "value");
            Near(Slope(One<double>(name), x), first, 1e-7, "first");
            Near(Slope(t => Differentiate.Derivative(One<Dual<double>>(name), t), x), second, 1e-7, "second");

            double[] gradient = new double[1], product = new double[1];
            Differentiate.HessianVector(xs => One<Var<Dual<double>>>(name)(xs[0]), [x], [1.0], gradient, product);
            Near(first, gradient[0], 1e-15, "reverse");
            Near(second, product[0], 1e-14, "forward over reverse");
            var twice = Differentiate.Gradient(xs => Differentiate.Gradient(ys => One<Var<Var<double>>>(name)(ys[0]), xs[0])[0], x);
            Near(second, twice[0], 1e-14, "reverse over reverse");
            Near(first, One<DualVector>(name)(DualVector.Variable(x, 3)).Tangents[3], 1e-15, "eight directions");
            Near(0, One<DualVector>(name)(DualVector.Variable(x, 3)).Tangents[4], 0, "another direction");
        }
    }

    [Theory]
    [MemberData(nameof(Binary))]
    public void A_function_of_two_numbers_has_its_derivatives_in_every_mode(string name, double x, double y)
    {
        double[] gradient = new double[2], hessian = new double[4], reverse = new double[2];
        var value = Differentiate.Hessian(xs => Two<Var<Dual<double>>>(name)(xs[0], xs[1]), [x, y], gradient, hessian);
        var f = Two<double>(name);
        Near(f(x, y), value, 1e-15, "value");
        Near(Slope(t => f(t, y), x), gradient[0], 1e-7, "∂x");
        Near(Slope(t => f(x, t), y), gradient[1], 1e-7, "∂y");
        for (var i = 0; i < 2; i++)
        {
            double[] direction = [1 - i, i];
            double Partial(double a, double b, int k)
            {
                var g = new double[2];
                Differentiate.ValueAndGradient(xs => Two<Var<double>>(name)(xs[0], xs[1]), [a, b], g);
                return g[k];
            }
            Near(Slope(t => Partial(t, y, i), x), hessian[2 * i], 1e-7, $"∂x of ∂{i}");
            Near(Slope(t => Partial(x, t, i), y), hessian[2 * i + 1], 1e-7, $"∂y of ∂{i}");
            Near(gradient[i], Differentiate.ValueAndDirectional(xs => Two<Dual<double>>(name)(xs[0], xs[1]), [x, y], direction).Derivative, 1e-15, "forward");
            Near(gradient[i], Two<DualVector>(name)(DualVector.Variable(x, 0), DualVector.Variable(y, 7)).Tangents[7 * i], 1e-15, "eight directions");
        }
    }

    [Theory]
    [InlineData("Exp")]
    [InlineData("Log")]
    [InlineData("Sqrt")]
    [InlineData("Cbrt")]
    [InlineData("Sin")]
    [InlineData("Cos")]
    [InlineData("Tan")]
    [InlineData("Asin")]
    [InlineData("Acos")]
    [InlineData("Atan")]
    [InlineData("Sinh")]
    [InlineData("Cosh")]
    [InlineData("Tanh")]
    [InlineData("Asinh")]
    [InlineData("Atanh")]
    [InlineData("Exp2")]
    [InlineData("Log2")]
    [InlineData("Log10")]
    [InlineData("Abs")]
    [InlineData("Erf")]
    [InlineData("Erfc")]
    [InlineData("Ndtr")]
    [InlineData("Sigmoid")]
    public void Graphs_have_the_same_derivatives(string name)
    {
        var x = Ops.Variable(0.37, "x");
        var y = (Expr)typeof(Ops).GetMethod(name, [typeof(Expr)])!.Invoke(null, [x])!;
        var first = Ops.Grad(y, x);
        var (value, d, dd) = Differentiate.ValueAndDerivatives(One<Dual<Dual<double>>>(name), 0.37);
        Near(y.Item(), value, 1e-15, "value");
        Near(first.Item(), d, 1e-14, "first");
        Near(Ops.Grad(first, x).Item(), dd, 1e-13, "second");
    }

    // ---- kinks, ties and edges: docs/mathematics.md ----

    private static double[] Gradient(Func<Var<double>, Var<double>, Var<double>> f, double x, double y)
    {
        var gradient = Differentiate.Gradient(xs => f(xs[0], xs[1]), x, y);
        return gradient;
    }

    [Fact]
    public void Kinks_and_ties_follow_the_conventions()
    {
        Assert.Equal(0, Differentiate.Derivative(Dual<double>.Abs, 0.0));
        Assert.Equal([0.5, 0.5], Gradient(Var<double>.Max, 2, 2));
        Assert.Equal([0.5, 0.5], Gradient(Var<double>.Min, 2, 2));
        Assert.Equal(1, Differentiate.Derivative(x => Dual<double>.Max(x, x), 2.0));
        Assert.Equal([0.5, 0.5], Gradient(Var<double>.MaxMagnitude, 2, 2));
        Assert.Equal([1, 0], Gradient(Var<double>.MaxMagnitude, 2, -2)); // the value is that of the maximum
        Assert.Equal([0, 1], Gradient(Var<double>.Max, 1, double.NaN));
        Assert.Equal([1, 0], Gradient(Var<double>.MaxNumber, 1, double.NaN));
        Assert.Equal(1, Differentiate.Derivative(x => Dual<double>.Clamp(x, 0, 2), 2.0)); // at a bound
        Assert.Equal(0, Differentiate.Derivative(x => Dual<double>.Clamp(x, 0, 2), 2.5));
        Assert.Equal([0, 0], Gradient(Var<double>.Hypot, 0, 0));
        Assert.Equal([0, 0], Gradient(Var<double>.Atan2, 0, 0));
        Assert.Equal([0, 0], Gradient(Var<double>.Pow, 0, 0)); // the power 0 is constant, and 0^y is flat
        Assert.Equal(0, Differentiate.Derivative(x => Dual<double>.Pow(x, 2), 0.0));
        Assert.Equal(double.PositiveInfinity, Differentiate.Derivative(Dual<double>.Sqrt, 0.0));
    }

    [Fact]
    public void What_is_constant_contributes_nothing_where_derivatives_do_not_exist()
    {
        Assert.Equal(1, Differentiate.Derivative(x => x + Dual<double>.Sqrt(0), 1.0));
        Assert.Equal(-6, Differentiate.Derivative(x => Dual<double>.Pow(x, 2), -3.0)); // log of −3 is not asked for
        Assert.Equal([-6.0], Differentiate.Gradient(xs => Var<double>.Pow(xs[0], 2), -3.0));
        Assert.Equal(-6, DualVector.Pow(DualVector.Variable(-3, 0), 2).Tangents[0]);
        Assert.Equal((9.0, -6.0, 2.0), Differentiate.ValueAndDerivatives(x => Dual<Dual<double>>.Pow(x, Dual<double>.Constant(2)), -3.0));
        Assert.Equal([0.0], Differentiate.Gradient(xs => xs[0] * Var<double>.Sqrt(xs[0]), 0.0)); // x·√x
        Assert.Equal([0.0, 0.0], Differentiate.Gradient(xs => 7, 1.0, 2.0));
    }

    // ---- a number like any other ----

    private static void Behaves<T>() where T : IFloatingPointIeee754<T>
    {
        var (half, three) = (T.CreateChecked(0.5), T.CreateChecked(3));
        Assert.True(half < three && three >= half && half != three && T.One > T.Zero && !(T.NaN == T.NaN));
        Assert.Equal(0.5, double.CreateChecked(half));
        Assert.Equal(3, int.CreateTruncating(T.CreateChecked(3.7)));
        Assert.Equal(1, T.Sign(three));
        Assert.True(T.IsNaN(T.NaN) && T.IsInfinity(T.PositiveInfinity) && T.IsZero(T.NegativeZero) && T.IsNegative(-three) && T.IsOddInteger(three) && !T.IsInteger(half));
        Assert.Equal(Math.Tau, double.CreateChecked(T.Tau));
        Assert.Equal(Math.BitIncrement(0.5), double.CreateChecked(T.BitIncrement(half)));
        Assert.Equal(1.75, double.CreateChecked(T.Lerp(half, three, half)));
        Assert.Equal(2.5, double.CreateChecked(T.FusedMultiplyAdd(three, half, T.One)));
        Assert.Equal(12, double.CreateChecked(T.ScaleB(three, 2)));
        Assert.Equal(1, T.ILogB(three));
        Assert.Equal(Math.Cbrt(3), double.CreateChecked(T.RootN(three, 3)), 1e-15);
        Assert.Equal(1.5, double.CreateChecked(T.Parse("1.5", CultureInfo.InvariantCulture)));
        Assert.True(T.TryParse("2.5", NumberStyles.Float, CultureInfo.InvariantCulture, out var parsed) && parsed > three - T.One);
        Assert.False(T.TryParse("x", CultureInfo.InvariantCulture, out _));
        Assert.Equal("0.50", half.ToString("0.00", CultureInfo.InvariantCulture));
        Assert.Equal("0.500", string.Create(CultureInfo.InvariantCulture, $"{half:0.000}"));
        Assert.True(half.CompareTo(three) < 0 && half.Equals(T.CreateChecked(0.5)) && half.GetHashCode() == T.CreateChecked(0.5).GetHashCode());
        Assert.Throws<ArgumentException>(() => T.Clamp(half, three, T.One));
        var counted = three;
        Assert.Equal(4, double.CreateChecked(++counted));
    }

    [Fact]
    public void They_are_numbers_for_generic_code()
    {
        Behaves<double>();
        Behaves<Dual<double>>();
        Behaves<Dual<Dual<double>>>();
        Behaves<Var<double>>();
        Behaves<Var<Dual<double>>>();
        Behaves<DualVector>();
    }

    [Fact]
    public void Float32_has_derivatives_too() =>
        Assert.Equal(MathF.Exp(1.5f) * 2, Differentiate.Derivative(x => x * Dual<float>.Exp(x) - (x - 1) * Dual<float>.Exp(x) + Dual<float>.Exp(x), 1.5f), 1e-5f);
}
