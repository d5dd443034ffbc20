using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Derivatives that do not exist, reported in C#.</summary>
public sealed class DisconnectionTests
{
    private static readonly Expr X = Variable(new double[] { 3, 1 }, "x"), Y = Variable(2.0, "y");

    private static Disconnection Only(Expr of, Expr by) => Assert.Single(Disconnected(of, by));

    [Fact]
    public void Each_reason_has_its_operation_and_line()
    {
        using var lines = SourceLines.Record();
        foreach (var (of, operation, reason) in new (Expr, string, DerivativeEndReason)[]
        {
            (Sum(StopGradient(2 * X)), "stop_gradient", DerivativeEndReason.Stopped),
            (Sum(Floor(X) * Y), "floor", DerivativeEndReason.Flat),
            (Sum(Where(X > Y, Y, 2 * Y)), "greater", DerivativeEndReason.NotFloat),
            (Y * Cast(ArgMax(X, 0), DType.Float64), "argmax", DerivativeEndReason.NotFloat),
        })
        {
            var found = Only(of, X);
            Assert.True(found.IsUsed);
            Assert.Same(of, found.Value);
            var end = Assert.Single(found.Ends);
            Assert.StartsWith(operation, end.Operation, StringComparison.Ordinal);
            Assert.Equal(reason, end.Reason);
            Assert.StartsWith("DisconnectionTests.cs:", end.Line, StringComparison.Ordinal);
            var error = Assert.Throws<InvalidOperationException>(() => Grad(of, X, unconnected: Unconnected.Error));
            Assert.Contains(found.ToString(), error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_not_used_is_said_to_be_so()
    {
        Assert.Empty(Disconnected(Sum(X) * Y, X, Y));
        var unused = Only(Sum(X), Y);
        Assert.False(unused.IsUsed);
        Assert.Equal("the value (sum of shape ()) does not depend on \"y\"", unused.ToString());
    }

    private sealed class Frozen : Module
    {
        private readonly Linear _first = new(2, 3), _second = new(3, 1);

        public Expr Apply(Expr x) => _second.Call(StopGradient(_first.Call(x)));
    }

    [Fact]
    public void Parameters_of_a_module_are_named_by_their_paths()
    {
        var model = new Frozen();
        var found = Disconnected(Sum(model.Apply(Ones(new Shape([1, 2]), DType.Float32))), model);
        Assert.Equal(["first.bias", "first.weight"], found.Keys.Order());
        Assert.All(found.Values, d => Assert.StartsWith("stop_gradient", d.Ends[0].Operation, StringComparison.Ordinal));
    }

    [Fact]
    public void A_compiled_function_says_it_where_it_is_explained()
    {
        using var f = Compile((Expr a, Expr b) => a * a + Floor(b));
        Assert.Matches("zeros as a gradient: .*\"b\" only through .*: floor \\(0 everywhere, at DisconnectionTests.cs:\\d+\\)", f.Explain(2.0, 3.0));
        f.ValueAndGrad(2.0, 3.0);
    }
}
