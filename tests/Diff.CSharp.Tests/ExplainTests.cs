using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Plans in words, as C# asks for them.</summary>
public sealed class ExplainTests
{
    [Fact]
    public void Expressions_and_compiled_functions_are_explained_and_measured()
    {
        var x = Variable(3.0, "x");
        var z = x * x + Exp(x);
        Assert.Contains("x^2 + exp(x) : float64[] → result 0", z.Explain(), StringComparison.Ordinal);
        Assert.Contains("\ntotal ", z.Profile(), StringComparison.Ordinal);
        var f = Compile((Expr a, Expr b) => a / b);
        Assert.Contains("a / b", f.Explain(2.0, 3.0), StringComparison.Ordinal);
        Assert.Contains("value and gradient: ", f.Profile(2.0, 3.0), StringComparison.Ordinal);
    }

    [Fact]
    public void Measuring_a_training_step_trains_nothing()
    {
        var model = new Linear(3, 1, random: new Random(1));
        var step = TrainingStep.Compile(model, x => Mean(Square(model.Call(x))), Optimizer.Adam(0.1));
        var batch = new float[,] { { 1, 2, 3 }, { 4, 5, 6 } };
        var before = model.NamedParameters().Select(p => p.Parameter.Value.ToArray<float>()).ToArray();
        var text = step.Profile(batch);
        Assert.Contains("→ weight", text, StringComparison.Ordinal);
        Assert.Equal(before, model.NamedParameters().Select(p => p.Parameter.Value.ToArray<float>()).ToArray());
    }
}
