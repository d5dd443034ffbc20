using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>The solvers as C# calls them.</summary>
public sealed class SolverTests
{
    private static Expr Rosenbrock(Expr x) => 100 * Square(x[1] - Square(x[0])) + Square(1 - x[0]);

    private static readonly double[] Start = [-1.2, 1];

    private static void Close(double[] expected, double[] actual, double tolerance = 1e-6)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], tolerance);
    }

    public static TheoryData<string> Minimisers => ["conjugate", "bfgs", "lbfgs", "lbfgsb", "newton"];

    private static MinimizeResult Run(
        string method, Func<Expr, Expr> f, MinimizeOptions options, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default)
    {
        return method switch
        {
            "conjugate" => Minimize.ConjugateGradient(f, Start, options, progress, cancellation),
            "bfgs" => Minimize.Bfgs(f, Start, options, progress, cancellation),
            "lbfgs" => Minimize.LBfgs(f, Start, options, progress, cancellation),
            "lbfgsb" => Minimize.LBfgsB(f, Start, [-10, -10], [10, 10], options, progress, cancellation),
            _ => Minimize.NewtonCG(f, Start, options, progress, cancellation),
        };
    }

    [Theory]
    [MemberData(nameof(Minimisers))]
    public void A_minimum_with_progress_and_history(string method)
    {
        var heard = new Heard();
        var result = Run(method, Rosenbrock, new MinimizeOptions { GradientTolerance = 1e-10, KeepsHistory = true }, heard);
        Close([1, 1], result.X);
        Assert.Equal(StopReason.GradientSmall, result.Reason);
        Assert.True(result.IsConverged);
        Assert.Equal(result.History, heard.Reports);
        Assert.Equal(result.Iterations, heard.Reports[^1].Iteration);
        Assert.Equal(24.2, heard.Reports[0].Value, 1e-12);
        Assert.Contains("gradient", result.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Minimisers))]
    public void A_cancelled_search_gives_the_best_point_so_far(string method)
    {
        using var source = new CancellationTokenSource();
        var heard = new Heard { Hear = p => { if (p.Iteration == 2) source.Cancel(); } };
        var result = Run(method, Rosenbrock, new MinimizeOptions(), heard, source.Token);
        Assert.Equal(StopReason.Cancelled, result.Reason);
        Assert.Equal(heard.Reports[^1].Value, result.Value);
        Assert.Equal(Rosenbrock(Variable(result.X)).Item(), result.Value, 1e-12);
    }

    [Fact]
    public void The_options_given_are_not_changed_by_progress_and_cancellation()
    {
        var options = new MinimizeOptions();
        Minimize.Bfgs(Rosenbrock, Start, options, new Heard(), new CancellationToken(true));
        Assert.Null(options.Progress);
        Assert.Equal(CancellationToken.None, options.Cancellation);
    }

    [Fact]
    public void Compiled_functions_are_minimised_too()
    {
        using var f = Compile((Expr x) => Rosenbrock(x));
        Close([1, 1], Minimize.LBfgs(f, Start).X, 1e-5);
        Close([1, 1], Minimize.GradientDescent(f, Start, new() { MaxIterations = 20_000 }).X, 1e-4);
        Close([0.5, 0.25], Minimize.LBfgsB(f, Start, [-2, -2], [0.5, 2]).X);
        using var two = Compile(xs => [xs[0], xs[0]]);
        Assert.Contains("one result", Assert.Throws<InvalidOperationException>(() => Minimize.LBfgs(two, Start)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fit_with_standard_errors()
    {
        double[] x = [0, 1, 2, 3, 4], y = [2.1, 1.3, 0.72, 0.45, 0.27];
        var fit = LeastSquares.LevenbergMarquardt(b => b[0] * Exp(-b[1] * Constant(x)) - Constant(y), [1, 1]);
        Assert.True(fit.IsConverged);
        Assert.Equal(3, fit.DegreesOfFreedom);
        Assert.Equal(2, fit.Covariance.GetLength(0));
        Assert.Equal(Math.Sqrt(fit.Covariance[1, 1]), fit.StandardErrors[1], 1e-14);
        Assert.InRange(fit.StandardErrors[0], 0.005, 0.1);
        Close(fit.X, LeastSquares.GaussNewton(b => b[0] * Exp(-b[1] * Constant(x)) - Constant(y), [1, 1]).X);
    }

    [Fact]
    public void Roots_fixed_points_and_linear_equations()
    {
        Func<Expr, Expr> circle = x => Stack(0, x[0] * x[0] + x[1] * x[1] - 1, x[0] - x[1]);
        var diagonal = Math.Sqrt(0.5);
        Close([diagonal, diagonal], Root.Newton(circle, [1, 0.2]).X, 1e-10);
        Close([diagonal, diagonal], Root.Broyden(circle, [1, 0.2]).X, 1e-9);
        Assert.Equal(Math.Sqrt(2), Root.Brent(x => x * x - 2, 0, 2).X, 1e-14);
        Assert.Equal(Math.Sqrt(2), Root.SafeNewton(x => x * x - 2, 0, 2).X, 1e-14);
        Close([0.7390851332151607], FixedPoint.Iterate(x => Cos(x), [1]).X, 1e-11);
        Close([0.7390851332151607], FixedPoint.Anderson(x => Cos(x), [1]).X, 1e-11);
        var a = Constant(new double[,] { { 4, 1 }, { 1, 3 } });
        Close([1.0 / 11, 7.0 / 11], Krylov.ConjugateGradient(v => MatMul(a, v), [1, 2]).X, 1e-10);
        Close([1.0 / 11, 7.0 / 11], Krylov.Gmres((v, result) => { result[0] = 4 * v[0] + v[1]; result[1] = v[0] + 3 * v[1]; }, [1, 2]).X, 1e-10);
    }

    [Fact]
    public void Solutions_are_differentiated()
    {
        var theta = Variable(2.0, "theta");
        var root = Implicit.Root(x => x * x - theta, 1.0);
        Assert.Equal(1 / (2 * Math.Sqrt(2)), Grad(root, theta).Item(), 1e-12);
        Assert.Equal(-1 / (4 * Math.Pow(2, 1.5)), Grad(Grad(root, theta), theta).Item(), 1e-12);
        var point = Implicit.FixedPoint(x => (x + theta / x) / 2, 1.0);
        Assert.Equal(1 / (2 * Math.Sqrt(2)), Grad(point, theta).Item(), 1e-11);
        var least = Implicit.ArgMin(x => Square(x - theta) + 0.5 * x * x, 0.0);
        Assert.Equal(2 / 3.0, Grad(least, theta).Item(), 1e-10);
        var b = Variable(new double[] { 1, 2 }, "b");
        var solved = Implicit.LinearSolve(v => theta * v, b, isSymmetric: true);
        Close([0.5, 0.5], Grad(Sum(solved), b).Eval().ToArray<double>(), 1e-12);
        Assert.Equal(-3 / 4.0, Grad(Sum(solved), theta).Item(), 1e-12);
    }

    [Fact]
    public void Differential_equations_integrals_and_interpolation()
    {
        Func<Expr, Expr, Expr> circle = (t, y) => Stack(0, y[1], -y[0]);
        var options = new OdeOptions { RelativeTolerance = 1e-10, AbsoluteTolerance = 1e-12 };
        var heard = new Heard();
        var orbit = Ode.DormandPrince(circle, 0, 3, [0, 1], options, heard);
        Close([Math.Sin(3), Math.Cos(3)], orbit.X, 1e-8);
        Close([Math.Sin(1.234), Math.Cos(1.234)], orbit.At(1.234), 1e-8);
        Assert.Equal(orbit.Times, heard.Reports.ConvertAll(r => r.Value));
        var half = Ode.Radau(circle, 0, 10, [0, 1], new() { RelativeTolerance = 1e-10, StopEvent = (t, y) => y[1] });
        Assert.Equal(StopReason.EventReached, half.Reason);
        Assert.Equal(Math.PI / 2, half.Time, 1e-7);
        Assert.Equal(Math.Sqrt(Math.PI), Quadrature.Integrate(x => Exp(-x * x), double.NegativeInfinity, double.PositiveInfinity).Value, 1e-9);
        var xs = Constant(new double[] { 0, 1, 2, 3 });
        var ys = Variable(new double[] { 0, 1, 8, 27 }, "ys");
        var q = Variable(1.5, "q");
        Assert.Equal(4.5, InterpolateLinear(xs, ys, q).Item(), 1e-14);
        Assert.Equal(3.375, InterpolateSpline(xs, ys, q).Item(), 1e-12);
        Assert.Equal(6.75, Grad(InterpolateSpline(xs, ys, q), q).Item(), 1e-11);
        Assert.InRange(InterpolatePchip(xs, ys, q).Item(), 1, 8);
        Assert.Equal([0, 0.5, 0.5, 0], Grad(InterpolateLinear(xs, ys, q), ys).Eval().ToArray<double>());
    }

    [Fact]
    public void Solutions_of_differential_equations_have_derivatives()
    {
        Expr k = Variable(0.5, "k"), ts = Constant(new double[] { 0, 1, 2 });
        Func<Expr, Expr, Expr> decay = (t, y) => -k * y;
        var options = new OdeSolveOptions { Method = OdeMethod.RungeKutta4, Steps = 100, RelativeTolerance = 1e-10, AbsoluteTolerance = 1e-12 };
        double once = Math.Exp(-0.5), twice = Math.Exp(-1);
        foreach (var y in new[] { OdeSolve.FixedSteps(decay, 3.0, ts, options), OdeSolve.Adaptive(decay, 3.0, ts, options), OdeSolve.Adjoint(decay, 3.0, ts, options) })
        {
            Close([3, 3 * once, 3 * twice], y.Eval().ToArray<double>(), 1e-8);
            var slope = Grad(Sum(y), k);
            Assert.Equal(-3 * (once + 2 * twice), slope.Item(), 1e-7);
            Assert.Equal(3 * (once + 4 * twice), Grad(slope, k).Item(), 1e-6);
        }
        Assert.Equal(once, OdeSolve.Adaptive(decay, 1.0, ts)[1].Item(), 1e-5);
        Assert.Throws<ShapeException>(() => OdeSolve.Adaptive((t, y) => Stack(0, y, y), 1.0, ts));
    }

    [Fact]
    public void Errors_name_what_was_expected()
    {
        Assert.Contains("scalar value", Assert.Throws<ShapeException>(() => Minimize.LBfgs(x => x, Start)).Message, StringComparison.Ordinal);
        Assert.Contains("index 0", Assert.Throws<ArgumentException>(() => Minimize.LBfgs(Rosenbrock, [double.NaN, 1])).Message, StringComparison.Ordinal);
        Assert.Contains("no number is within the bounds", Assert.Throws<ArgumentException>(() => Minimize.LBfgsB(Rosenbrock, Start, [1, 1], [0, 2])).Message, StringComparison.Ordinal);
        Assert.Contains("Memory", Assert.Throws<ArgumentException>(() => new MinimizeOptions { Memory = 0 }).Message, StringComparison.Ordinal);
    }

    /// <summary>Hears on the solver's own thread.</summary>
    private sealed class Heard : IProgress<SolverProgress>
    {
        public List<SolverProgress> Reports { get; } = [];

        public Action<SolverProgress> Hear { get; init; } = _ => { };

        public void Report(SolverProgress value)
        {
            Reports.Add(value);
            Hear(value);
        }
    }
}
