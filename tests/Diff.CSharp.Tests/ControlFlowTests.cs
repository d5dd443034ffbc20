using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Loops and branches as C# calls them.</summary>
public sealed class ControlFlowTests
{
    private static Expr Vector(params double[] values) => Variable(values, "v");

    private static Expr Number(double value) => Variable(value, "x");

    private static double[] Values(Expr e) => e.Eval().ToArray<double>();

    [Fact]
    public void A_scan_gives_the_last_state_and_what_was_kept()
    {
        var xs = Vector(1, 2, 3);
        var (last, sums) = Scan((sum, x) => (sum + x, sum * x), Number(1), xs);
        Assert.Equal([7.0], Values(last));
        Assert.Equal([1.0, 4, 12], Values(sums));
        // Σ of 1·x₁ + (1 + x₁)·x₂ + (1 + x₁ + x₂)·x₃
        Assert.Equal([6.0, 5, 4], Values(Grad(Sum(sums), xs)));
    }

    [Fact]
    public void A_scan_goes_backwards_and_without_slices()
    {
        var xs = Vector(1, 2, 3);
        var state = Scan((s, x) => 2 * s + x, Number(0), xs, LoopOptions.Default.Reversed());
        Assert.Equal([17.0], Values(state)); // ((0·2 + 3)·2 + 2)·2 + 1
        var (powers, _) = Scan((s, _) => ([s[0] * xs], []), [xs], [], LoopOptions.Default.WithLength(3));
        Assert.Equal([1.0, 16, 81], Values(powers[0]));
        Assert.Equal([1.0 + 3, 2 + 3, 3 + 3], Values(For(3, (i, s) => s + Cast(i, DType.Float64), xs)));
    }

    [Fact]
    public void A_loop_with_a_condition_counts_its_iterations_and_has_a_derivative()
    {
        var a = Number(2.0);
        var (state, count) = While(s => Abs(s[0] * s[0] - a) > 1e-13, s => [0.5 * (s[0] + a / s[0])], [a]);
        Assert.Equal(Math.Sqrt(2), Values(state[0])[0], 1e-12);
        Assert.InRange(count.Eval().ToArray<long>()[0], 3, 8);
        Assert.Equal(0.5 / Math.Sqrt(2), Values(Grad(state[0], a))[0], 1e-8);
        Assert.Equal([16.0], Values(While(s => s < 10, s => 2 * s, a)));
    }

    [Fact]
    public void A_limit_of_iterations_is_kept()
    {
        var forever = While(s => s > 0, s => s + 1, Number(1.0), LoopOptions.Default.WithMaxIterations(20));
        Assert.Equal(20, Assert.Throws<IterationLimitException>(() => forever.Eval()).Limit);
    }

    [Fact]
    public void A_branch_takes_one_side()
    {
        var x = Number(3.0);
        var y = Cond(x > 0, v => v * v, v => Log(-v), x);
        Assert.Equal([9.0], Values(y));
        Assert.Equal([6.0], Values(Grad(y, x)));
        var both = Cond(x < 0, xs => [xs[0], xs[1]], xs => [xs[1], xs[0]], x, 2 * x);
        Assert.Equal([6.0, 3.0], both.SelectMany(Values));
    }

    [Fact]
    public void Null_is_refused_by_name()
    {
        var x = Number(3.0);
        Assert.Equal("body", Assert.Throws<ArgumentNullException>(() => Scan((Func<Expr, Expr, Expr>)null!, x, x)).ParamName);
        Assert.Equal("condition", Assert.Throws<ArgumentNullException>(() => While(null!, s => s, x)).ParamName);
        Assert.Equal("whenFalse", Assert.Throws<ArgumentNullException>(() => Cond(x > 0, v => v, (Func<Expr, Expr>)null!, x)).ParamName);
    }
}
