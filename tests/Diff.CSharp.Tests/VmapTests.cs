using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>vmap as C# calls it.</summary>
public sealed class VmapTests
{
    private static readonly Expr X = Variable(new double[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } }, "x");

    [Fact]
    public void Slices_along_any_axis_stacked_along_any()
    {
        Assert.Equal([5, 25, 61], Vmap(v => Sum(v * v), X).Eval().ToArray<double>());
        Assert.Equal([35, 56], Vmap(v => Sum(v * v), X, inAxis: 1).Eval().ToArray<double>());
        Assert.Equal([2, 3], Vmap(v => 2 * v, X, outAxis: 1).Eval().Shape.ToArray());
        Assert.Equal([1 * 1 + 2 * 2, 25, 61], Vmap((a, b) => Sum(a * b), X, X).Eval().ToArray<double>());
    }

    [Fact]
    public void Several_results_and_arguments_that_are_the_same_for_all()
    {
        var w = Variable(new double[] { 10, 1 }, "w");
        var results = Vmap(xs => [Sum(xs[0] * xs[1]), Grad(Sum(xs[0] * xs[0] * xs[1]), xs[0])], [X, w], [0, null]);
        Assert.Equal([12, 34, 56], results[0].Eval().ToArray<double>());
        Assert.Equal([20, 4, 60, 8, 100, 12], results[1].Eval().ToArray<double>());
    }

    [Fact]
    public void An_own_operation_is_called_for_each_slice()
    {
        var cube = Function.Scalar("cube", x => x * x * x, (x, y) => 3 * x * x);
        var y = Vmap(v => Sum(cube(v)), X);
        Assert.Equal([9, 91, 341], y.Eval().ToArray<double>());
        Assert.Equal([3, 12, 27, 48, 75, 108], Grad(Sum(y), X).Eval().ToArray<double>());
    }

    [Theory]
    [InlineData(JacobianMode.Auto)]
    [InlineData(JacobianMode.Rows)]
    [InlineData(JacobianMode.Columns)]
    public void A_jacobian_either_way(JacobianMode mode)
    {
        var v = Variable(new double[] { 1, 2 }, "v");
        var y = Concat(0, v * v, v[..1] * v[1..]);
        Assert.Equal([2, 0, 0, 4, 2, 1], Jacobian(y, v, mode).Eval().ToArray<double>());
    }
}
