using System;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Diff.Kernels;
using Xunit;

namespace Diff.Tests;

public class VectorMathTests
{
    /// <summary>A function, the bounds of its error in units in the last place, and where it is compared.</summary>
    internal sealed record Case(string Name, double Single, double Double, double Low, double High, Func<double, (DoubleDouble M, int N)> Truth);

    // The full range of T is cut at Low and High: beyond, the result is 0, 1, infinite or NaN, which the tables of edges test.
    internal static readonly Case[] Cases =
    [
        new("Exp", 1, 1, -745.2, 709.8, x => DoubleDouble.Exp(x)),
        new("Expm1", 2, 2, -60, 709.7, x => x > 100 ? DoubleDouble.Exp(x) : (DoubleDouble.Expm1(x), 0)),
        new("Log", 1, 1, 0, double.MaxValue, x => (DoubleDouble.Log(x), 0)),
        new("Log1p", 2, 2, -1, double.MaxValue, x => (DoubleDouble.Log1p(x), 0)),
        new("Sin", 1, 1, -1 << 28, 1 << 28, x => (DoubleDouble.SinCos(x).Sin, 0)),
        new("Cos", 1, 1, -1 << 28, 1 << 28, x => (DoubleDouble.SinCos(x).Cos, 0)),
        new("Tan", 3, 3, -1 << 28, 1 << 28, x => DoubleDouble.SinCos(x) is var (sin, cos) ? (sin / cos, 0) : default),
        new("Tanh", 3, 3, double.MinValue, double.MaxValue, x => (Tanh(x), 0)),
        new("Sigmoid", 3, 3, -745, double.MaxValue, Sigmoid),
        new("Softplus", 3, 3, -745, 1e300, Softplus),
        new("Sqrt", 0.5, 0.5, 0, double.MaxValue, x => (Sqrt(x), 0)),
        new("Sinh", 5, 5, -710.4, 710.4, x => Hyperbolic(x, -1)),
        new("Cosh", 5, 5, -710.4, 710.4, x => Hyperbolic(x, 1)),
        new("Atanh", 5, 5, -1, 1, x => (Atanh(x), 0)),
        new("OneMinusSquare", 2, 2, -1e150, 1e150, x => ((1 - (DoubleDouble)x) * (1 + (DoubleDouble)x), 0)),
    ];

    // (e^x ± e^-x)/2.
    private static (DoubleDouble, int) Hyperbolic(double x, int sign)
    {
        if (sign < 0 && Math.Abs(x) < 20)
        {
            DoubleDouble e = DoubleDouble.Expm1(x);
            return ((e + (e / (e + 1))) / 2, 0);
        }
        var (m, n) = DoubleDouble.Exp(Math.Abs(x));
        DoubleDouble rest = Math.Abs(x) < 40 ? DoubleDouble.ScaleB(1 / DoubleDouble.ScaleB(m, n), -n) : 0;
        DoubleDouble sum = m + (sign * rest);
        return (x < 0 && sign < 0 ? -sum : sum, n - 1);
    }

    private static DoubleDouble Atanh(double x) => (DoubleDouble.Log1p(x) - DoubleDouble.Log1p(-x)) / 2;

    private static DoubleDouble Tanh(double x)
    {
        DoubleDouble e = DoubleDouble.Expm1(2 * Math.Clamp(x, -100, 100));
        return e / (e + 2);
    }

    private static (DoubleDouble, int) Sigmoid(double x)
    {
        var (m, n) = DoubleDouble.Exp(-Math.Min(Math.Abs(x), 800));
        DoubleDouble sum = DoubleDouble.ScaleB(m, n) + 1;
        return x < 0 ? (m / sum, n) : (1 / sum, 0);
    }

    private static (DoubleDouble, int) Softplus(double x)
    {
        var (m, n) = DoubleDouble.Exp(-Math.Min(Math.Abs(x), 800));
        if (x < -100) return (m, n);
        return (DoubleDouble.Log1p(DoubleDouble.ScaleB(m, n)) + Math.Max(x, 0), 0);
    }

    private static DoubleDouble Sqrt(double x)
    {
        DoubleDouble y = Math.Sqrt(x);
        return y.High > 1e-140 && y.High < 1e150 ? y + ((x - (y * y)) / (2 * y.High)) : y;
    }

    public static TheoryData<string> Names => [.. Cases.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void ErrorIsWithinTheBound(string name)
    {
        Case test = Cases.Single(c => c.Name == name);
        double single = Error<float>(test, Points(test, 1e-45, 3.4028234663852886e38, 1));
        double dual = Error<double>(test, Points(test, 5e-324, 1.7e308, 2));
        Assert.True(single <= test.Single, $"float: {single} ulp");
        Assert.True(dual <= test.Double, $"double: {dual} ulp");
    }

    /// <summary>Against the scalar functions, which are tested against numbers of high precision: the name, the bounds, where, and the function.</summary>
    private static readonly (string Name, double Single, double Double, double Low, double High, Func<double, double, double> Truth)[] Scalars =
    [
        ("Erf", 3, 4, -6.5, 6.5, (x, _) => SpecialMath.Erf(x)),
        ("Erfc", 5, 6, -7, 27, (x, _) => SpecialMath.Erfc(x)),
        ("Ndtr", 5, 6, -39, 9, (x, _) => SpecialMath.Ndtr(x)),
        ("Asinh", 5, 6, -1e30, 1e30, (x, _) => Math.Asinh(x)),
        ("Acosh", 5, 6, 1, 1e30, (x, _) => Math.Acosh(x)),
        ("Floor", 0, 0, -1e30, 1e30, (x, _) => Math.Floor(x)),
        ("Ceil", 0, 0, -1e30, 1e30, (x, _) => Math.Ceiling(x)),
        ("Round", 0, 0, -1e30, 1e30, (x, _) => Math.Round(x)),
        ("Trunc", 0, 0, -1e30, 1e30, (x, _) => Math.Truncate(x)),
        ("Gaussian", 3, 4, -27, 27, (c, x) => SpecialMath.Gaussian(c, x)),
        ("Hypot", 2, 3, -1e30, 1e30, SpecialMath.Hypot),
    ];

    public static TheoryData<string> ScalarNames => [.. Scalars.Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(ScalarNames))]
    public void VectorsAgreeWithScalars(string name)
    {
        var test = Scalars.Single(c => c.Name == name);
        Assert.InRange(Distance<float>(), 0, test.Single);
        Assert.InRange(Distance<double>(), 0, test.Double);

        double Distance<T>() where T : unmanaged, INumber<T>
        {
            var random = new Random(3);
            T[] x = new T[60000], y = new T[x.Length];
            for (int i = 0; i < x.Length; i++)
            {
                double near = (random.NextDouble() * 12) - 6, small = Math.ScaleB(near, -random.Next(100));
                double wide = Math.CopySign(Math.Pow(10, (random.NextDouble() * 60) - 30), near);
                double inside = test.Low + (random.NextDouble() * (test.High - test.Low));
                double pick = (i % 4) switch { 0 => near, 1 => small, 2 => wide, _ => inside };
                (x[i], y[i]) = (T.CreateTruncating(Math.Clamp(pick, test.Low, test.High)), T.CreateTruncating(Math.ScaleB(near, random.Next(-3, 3))));
            }
            if (name == "Gaussian") (x, y) = ([.. y.Select(T.Abs)], [.. x.Select(v => T.Clamp(v, T.CreateChecked(-5), T.CreateChecked(5)))]);
            bool two = name is "Gaussian" or "Hypot";
            T[] z = two ? SameInAllWidths(name, x, y) : SameInAllWidths(name, x);
            double worst = 0;
            for (int i = 0; i < x.Length; i++)
            {
                double truth = test.Truth(double.CreateTruncating(x[i]), double.CreateTruncating(y[i]));
                worst = Math.Max(worst, Ulps<T>(double.CreateTruncating(z[i]), (truth, 0)));
            }
            return worst;
        }
    }

    [Fact]
    public void ErrorOfPowIsWithinTheBound()
    {
        double single = ErrorOfPow<float>(1), dual = ErrorOfPow<double>(2);
        Assert.True(single <= 2, $"float: {single} ulp");
        Assert.True(dual <= 2, $"double: {dual} ulp");
    }

    /// <summary>Bases of all exponents, those near 1 more often, and powers for results of all exponents, small and whole ones.</summary>
    internal static double ErrorOfPow<T>(int seed) where T : unmanaged, INumber<T>
    {
        var random = new Random(seed);
        double range = typeof(T) == typeof(float) ? 104 : 745, worst = 0;
        T[] x = new T[200000], y = new T[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            double sign = random.Next(2) == 0 ? 1 : -1;
            double @base = i % 3 == 0
                ? 1 + ((random.NextDouble() - 0.5) / (1 << random.Next(20)))
                : Math.Exp((random.NextDouble() * 2 - 1) * (range - 16));
            double power = (i % 5) switch
            {
                0 => random.Next(-20, 20),
                1 => random.NextDouble() * 4 - 2,
                _ => sign * random.NextDouble() * range / Math.Log(@base),
            };
            (x[i], y[i]) = (T.CreateTruncating(power == Math.Round(power) ? sign * @base : @base), T.CreateTruncating(power));
        }
        T[] z = SameInAllWidths("Pow", x, y);
        for (int i = 0; i < x.Length; i++)
        {
            (double at, double power) = (double.CreateTruncating(x[i]), double.CreateTruncating(y[i]));
            DoubleDouble log = DoubleDouble.Log(Math.Abs(at)) * power;
            if (!(Math.Abs(log.High) < 1000)) continue;
            var (m, n) = DoubleDouble.Exp(log);
            worst = Math.Max(worst, Ulps<T>(double.CreateTruncating(z[i]), (at < 0 && Math.Abs(power % 2) == 1 ? -m : m, n)));
        }
        return worst;
    }

    private const double Inf = double.PositiveInfinity, NaN = double.NaN;

    // Exact results, in both types.
    private static readonly Dictionary<string, (double X, double Y)[]> Edges = new()
    {
        ["Neg"] = [(0, -0.0), (-0.0, 0), (Inf, -Inf), (-2, 2), (NaN, NaN)],
        ["Abs"] = [(0, 0), (-0.0, 0), (-Inf, Inf), (-2, 2), (NaN, NaN)],
        ["Sign"] = [(0, 0), (-0.0, -0.0), (Inf, 1), (-Inf, -1), (1e-30, 1), (3, 1), (-3, -1), (NaN, NaN)],
        ["Relu"] = [(0, 0), (-0.0, -0.0), (Inf, Inf), (-Inf, 0), (-1, 0), (2, 2), (NaN, NaN)],
        ["Sqrt"] = [(0, 0), (-0.0, -0.0), (Inf, Inf), (-Inf, NaN), (-1, NaN), (9, 3), (NaN, NaN)],
        ["Exp"] = [(0, 1), (-0.0, 1), (Inf, Inf), (-Inf, 0), (1000, Inf), (-1000, 0), (1e30, Inf), (-1e30, 0), (NaN, NaN)],
        ["Expm1"] = [(0, 0), (-0.0, -0.0), (Inf, Inf), (-Inf, -1), (1000, Inf), (-100, -1), (-1e30, -1), (NaN, NaN)],
        ["Log"] = [(1, 0), (0, -Inf), (-0.0, -Inf), (Inf, Inf), (-Inf, NaN), (-1, NaN), (-1e-30, NaN), (NaN, NaN)],
        ["Log1p"] = [(0, 0), (-0.0, -0.0), (-1, -Inf), (Inf, Inf), (-Inf, NaN), (-1.5, NaN), (-1e30, NaN), (NaN, NaN)],
        ["Sin"] = [(0, 0), (-0.0, -0.0), (Inf, NaN), (-Inf, NaN), (NaN, NaN)],
        ["Cos"] = [(0, 1), (-0.0, 1), (1e-30, 1), (Inf, NaN), (-Inf, NaN), (NaN, NaN)],
        ["Tan"] = [(0, 0), (-0.0, -0.0), (Inf, NaN), (-Inf, NaN), (NaN, NaN)],
        ["Tanh"] = [(0, 0), (-0.0, -0.0), (Inf, 1), (-Inf, -1), (50, 1), (-50, -1), (1e30, 1), (NaN, NaN)],
        ["Sigmoid"] = [(0, 0.5), (-0.0, 0.5), (Inf, 1), (-Inf, 0), (1000, 1), (-1000, 0), (NaN, NaN)],
        ["Softplus"] = [(Inf, Inf), (-Inf, 0), (1000, 1000), (-1000, 0), (NaN, NaN)],
    };

    [Fact]
    public void EdgesAreExact()
    {
        EdgesOf<float>(float.Epsilon, 1e-20f);
        EdgesOf<double>(double.Epsilon, 1e-20);
    }

    private static void EdgesOf<T>(params T[] tiny) where T : unmanaged, INumber<T>
    {
        foreach (var (name, edges) in Edges)
        {
            T[] y = SameInAllWidths(name, [.. edges.Select(e => T.CreateTruncating(e.X))]);
            for (int i = 0; i < y.Length; i++) Agree(T.CreateTruncating(edges[i].Y), y[i], $"{name}({edges[i].X})");
        }
        foreach (string name in new[] { "Expm1", "Log1p", "Sin", "Tan", "Tanh" })
        {
            foreach (T x in tiny.Concat(tiny.Select(t => -t))) Agree(x, SameInAllWidths(name, [x])[0], $"{name}({x})");
        }
    }

    private static void Agree<T>(T expected, T actual, string what) where T : unmanaged, INumber<T> =>
        Assert.True(Same(expected, actual), $"{what} is {actual}, not {expected}");

    [Fact]
    public void TwoOperandsKeepTheirSpecialCases()
    {
        TwoOperands<float>();
        TwoOperands<double>();
    }

    private static void TwoOperands<T>() where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        double[] values = [0, -0.0, 1, -1, 2, -2, 3, -3, 0.5, -0.5, 2.5, -2.5, 1e30, -1e30, 16777215, -16777215, 16777216, Inf, -Inf, NaN];
        T[] near = [T.Epsilon, -T.Epsilon, T.BitDecrement(T.One), T.BitIncrement(T.One), T.BitDecrement(-T.One)];
        T[] some = [.. values.Select(T.CreateTruncating), .. near];
        T[] x = [.. some.SelectMany(_ => some)], y = [.. some.SelectMany(v => Enumerable.Repeat(v, some.Length))];
        void Is(string name, Func<T, T, T> expected)
        {
            T[] z = SameInAllWidths(name, x, y);
            for (int i = 0; i < z.Length; i++) Agree(expected(x[i], y[i]), z[i], $"{name}({x[i]}, {y[i]})");
        }
        T[] all = SameInAllWidths("Not", new T[x.Length]);
        void IsMask(string name, Func<T, T, bool> expected)
        {
            T[] mask = SameInAllWidths(name, x, y), chosen = SameInAllWidths("Where", mask, x, y);
            T[] not = SameInAllWidths("Not", mask), both = SameInAllWidths("And", mask, all), either = SameInAllWidths("Or", mask, not);
            for (int i = 0; i < mask.Length; i++)
            {
                bool is1 = expected(x[i], y[i]);
                Assert.Equal(is1 ? -1L : 0, Bits(mask[i]));
                Assert.Equal(is1 ? 0L : -1, Bits(not[i]));
                Assert.Equal(Bits(mask[i]), Bits(both[i]));
                Assert.Equal(-1L, Bits(either[i]));
                Agree(is1 ? x[i] : y[i], chosen[i], "Where");
            }
        }
        Is("Add", (a, b) => a + b);
        Is("Sub", (a, b) => a - b);
        Is("Mul", (a, b) => a * b);
        Is("Div", (a, b) => a / b);
        Is("Max", T.Max);
        Is("Min", T.Min);
        IsMask("Equal", (a, b) => a == b);
        IsMask("NotEqual", (a, b) => a != b);
        IsMask("Less", (a, b) => a < b);
        IsMask("LessEqual", (a, b) => a <= b);
        IsMask("Greater", (a, b) => a > b);
        IsMask("GreaterEqual", (a, b) => a >= b);
        T[] powers = SameInAllWidths("Pow", x, y);
        for (int i = 0; i < powers.Length; i++)
        {
            double truth = Math.Pow(double.CreateTruncating(x[i]), double.CreateTruncating(y[i]));
            T rounded = T.CreateTruncating(truth);
            string what = $"Pow({x[i]}, {y[i]})";
            if (!T.IsFinite(rounded) || T.IsZero(rounded) || T.Abs(rounded) == T.One) Agree(rounded, powers[i], what);
            else Assert.True(Ulps<T>(double.CreateTruncating(powers[i]), (truth, 0)) <= 3, $"{what} is {powers[i]}, not {rounded}");
        }
    }

    private static long Bits<T>(T x) => x is float f ? BitConverter.SingleToInt32Bits(f) : BitConverter.DoubleToInt64Bits((double)(object)x!);

    /// <summary>Over the exponents of both signs, uniform near 0 and over the whole range, and next to the multiples of π/2.</summary>
    private static double[] Points(Case test, double least, double most, int seed)
    {
        var random = new Random(seed);
        (double low, double high) = (Math.Max(test.Low, -most), Math.Min(test.High, most));
        double Spread(double from, double to) => Math.Exp(Math.Log(from) + (random.NextDouble() * (Math.Log(to) - Math.Log(from))));
        IEnumerable<double> Some()
        {
            for (int i = 0; i < 20000; i++)
            {
                yield return Spread(least, most);
                yield return -Spread(least, most);
                yield return Spread(1e-4, 1e4);
                yield return -Spread(1e-4, 1e4);
                yield return (random.NextDouble() * 4) - 2;
                yield return (random.NextDouble() * 200) - 100;
                yield return Math.Max(low, -1e6) + (random.NextDouble() * (Math.Min(high, 1e6) - Math.Max(low, -1e6)));
                yield return 1 + (random.NextDouble() - 0.5) / (1 << random.Next(24));
                yield return random.Next(-80000, 80000) * (Math.PI / 2);
                yield return -1 + Spread(1e-16, 1);
            }
        }
        return [.. Some().Where(x => x >= low && x <= high)];
    }

    /// <summary>The largest error of 128, 256 and 512 bits, which have the same bits.</summary>
    internal static double Error<T>(Case test, double[] points) where T : unmanaged, INumber<T>
    {
        T[] x = [.. points.Select(T.CreateTruncating)];
        T[] y = SameInAllWidths(test.Name, x);
        double worst = 0;
        for (int i = 0; i < x.Length; i++)
        {
            double at = double.CreateTruncating(x[i]);
            if (at <= test.Low || at >= test.High) continue;
            worst = Math.Max(worst, Ulps<T>(double.CreateTruncating(y[i]), test.Truth(at)));
        }
        return worst;
    }

    /// <summary>The distance from the truth in units in its last place, in a scale in which nothing is denormal.</summary>
    internal static double Ulps<T>(double y, (DoubleDouble M, int N) truth) where T : unmanaged
    {
        var (m, n) = truth;
        if (m.High == 0) return y == 0 ? 0 : double.PositiveInfinity;
        (int digits, int lowest, int above) = typeof(T) == typeof(float) ? (23, -149, 128) : (52, -1074, 1024);
        int exponent = Math.ILogB(m.High);
        // Infinity stands for the first power of two that T lacks, on both sides.
        if (exponent + n >= above) (m, exponent) = (Math.CopySign(Math.ScaleB(1, above - n), m.High), above - n);
        int unit = Math.Max(exponent - digits, lowest - n);
        DoubleDouble result = double.IsInfinity(y) ? Math.CopySign(Math.ScaleB(1, above - n), y) : Math.ScaleB(y, -n);
        DoubleDouble distance = DoubleDouble.ScaleB(result - m, -unit);
        double ulps = Math.Abs(distance.High + distance.Low);
        return double.IsNaN(ulps) ? double.PositiveInfinity : ulps;
    }

    internal static T[] SameInAllWidths<T>(string name, params T[][] operands) where T : unmanaged, INumber<T>
    {
        T[] narrow = Apply<T, Vector128<T>, Simd128<T>>(name, operands), middle = Apply<T, Vector256<T>, Simd256<T>>(name, operands);
        T[] wide = Apply<T, Vector512<T>, Simd512<T>>(name, operands);
        for (int i = 0; i < narrow.Length; i++)
        {
            if (!Same(narrow[i], middle[i]) || !Same(narrow[i], wide[i]))
            {
                string arguments = string.Join(", ", operands.Select(o => $"{o[i]:R}"));
                Assert.Fail($"{name}({arguments}) is {narrow[i]:R} in 128, {middle[i]:R} in 256 and {wide[i]:R} in 512 bits");
            }
        }
        return narrow;
    }

    // Any NaN is as good as another.
    private static bool Same<T>(T x, T y) where T : unmanaged, INumber<T> =>
        Bits(x) == Bits(y) || (T.IsNaN(x) && T.IsNaN(y));

    internal static T[] Apply<T, V, S>(string name, params T[][] operands) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        MethodInfo method = typeof(VectorMath).GetMethod(name)!.MakeGenericMethod(typeof(T), typeof(V), typeof(S));
        int length = operands[0].Length, vectors = (length + S.Count - 1) / S.Count;
        V[][] loaded = [.. operands.Select(Vectors)];
        V[] result = new V[vectors];
        switch (operands.Length)
        {
            case 1:
                var one = method.CreateDelegate<Func<V, V>>();
                for (int i = 0; i < vectors; i++) result[i] = one(loaded[0][i]);
                break;
            case 2:
                var two = method.CreateDelegate<Func<V, V, V>>();
                for (int i = 0; i < vectors; i++) result[i] = two(loaded[0][i], loaded[1][i]);
                break;
            default:
                var three = method.CreateDelegate<Func<V, V, V, V>>();
                for (int i = 0; i < vectors; i++) result[i] = three(loaded[0][i], loaded[1][i], loaded[2][i]);
                break;
        }
        return MemoryMarshal.Cast<V, T>(result.AsSpan())[..length].ToArray();

        V[] Vectors(T[] source)
        {
            V[] target = new V[vectors];
            source.AsSpan().CopyTo(MemoryMarshal.Cast<V, T>(target.AsSpan()));
            return target;
        }
    }
}
