using System;
using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

public class SpecialFunctionTests
{
    [Fact]
    public void FunctionsHaveTheirValuesAndDerivatives()
    {
        Expr x = Variable(0.5, "x"), a = Variable(2.0, "a"), b = Variable(3.0, "b");
        (Expr Value, double Expected)[] cases =
        [
            (Cbrt(a * 4), 2), (Rsqrt(a * 2), 0.5), (Log2(a), 1), (Log10(a * 50), 2), (Exp2(b), 8), (Asin(x), Math.PI / 6), (Acos(x), Math.PI / 3),
            (Atan(x * 2), Math.PI / 4), (Atan2(x, x), Math.PI / 4), (Sinh(x), Math.Sinh(0.5)), (Cosh(x), Math.Cosh(0.5)), (Asinh(Sinh(x)), 0.5),
            (Acosh(Cosh(x)), 0.5), (Atanh(Tanh(x)), 0.5), (Hypot(b, a * 2), 5), (LogAddExp(Log(a), Log(b)), Math.Log(5)), (XLogY(a, b), 2 * Math.Log(3)),
            (XLog1PY(a, a), 2 * Math.Log(3)), (LogSigmoid(x), -Math.Log(1 + Math.Exp(-0.5))), (Silu(x), 0.5 / (1 + Math.Exp(-0.5))),
            (Gelu(x), 0.34573123063700656), (Sinc(x), 2 / Math.PI), (Floor(x), 0), (Ceiling(x), 1), (Round(x), 0), (Truncate(-x), 0),
            (Fmod(-b, a), -1), (-b % a, -1), (b % 2, 1), (Remainder(-b, a), 1), (Erf(x), 0.5204998778130465), (Erfc(x), 0.4795001221869535),
            (Erfcx(x), 0.6156903441929259), (ErfInv(Erf(x)), 0.5), (Ndtr(x), 0.6914624612740131), (LogNdtr(x), -0.36894641528865635),
            (LogGamma(b), Math.Log(2)), (Digamma(a), 0.42278433509846714), (Polygamma(1, a), 0.6449340668482264), (Beta(a, b), 1 / 12.0),
            (LogBeta(a, b), -Math.Log(12)), (GammaInc(a, b), 0.8008517265285442), (GammaIncC(a, b), 0.1991482734714558), (BetaInc(a, b, x), 0.6875),
            (Grad(BetaInc(a, b, x), x), 1.5), (Grad(GammaInc(a, b), b), 3 * Math.Exp(-3)),
        ];
        foreach (var (value, expected) in cases) Assert.Equal(expected, value.Item(), 1e-14);
        Assert.False(IsNaN(x).Eval().ToArray<bool>()[0] || IsInfinity(x).Eval().ToArray<bool>()[0]);
        Assert.True(IsFinite(x).Eval().ToArray<bool>()[0]);
    }

    [Fact]
    public void StatisticsTakeAxesAndKeepThem()
    {
        Expr x = Variable(new[,] { { 3.0, 4.0 }, { 6.0, 8.0 } }, "x");
        Assert.Equal(5.0 * Math.Sqrt(5), Norm(x).Item(), 1e-14);
        Assert.Equal([5.0, 10.0], Norm(x, 1).Eval().ToArray<double>());
        Assert.Equal([7.0, 14.0], Norm(x, [1], keepDims: true, p: 1).Eval().ToArray<double>());
        Assert.Equal([0.25, 1.0], Var(x, 1).Eval().ToArray<double>());
        Assert.Equal([4.5, 8.0], Var(x, [0], keepDims: true, ddof: 1).Eval().ToArray<double>());
        Assert.Equal([0.5, 1.0], Std(x, 1).Eval().ToArray<double>());
        Assert.Equal([-1.0, 1.0, -1.0, 1.0], Standardize(x, 1).Eval().ToArray<double>());
        Assert.Equal([-1.0, 1.0, -1.0, 1.0], LayerNorm(x, 0).Eval().ToArray<double>());
        Assert.Equal([4.5, 6.0, 6.0, 8.0], Covariance(x).Eval().ToArray<double>());
    }

    [Fact]
    public void IntegersAreNotDividedByZero()
    {
        Expr n = Variable(new[] { 7, -7 }, "n"), zero = Variable(new[] { 1, 0 }, "zero");
        Assert.Equal([3, -3], (n / 2).Eval().ToArray<int>());
        Assert.Contains("zero", Assert.Throws<DivideByZeroException>(() => (n / zero).Eval()).Message);
        Assert.Contains("zero", Assert.Throws<DivideByZeroException>(() => (n % zero).Eval()).Message);
    }
}
