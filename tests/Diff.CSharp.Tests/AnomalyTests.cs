using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Where NaN came from: operation, module, line, pass, numbers. And which line of the caller's an error of shapes is about.</summary>
public sealed class AnomalyTests
{
    private static string LineOf(string text)
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, "tests", "Diff.CSharp.Tests", "AnomalyTests.cs"));
        return $"AnomalyTests.cs:{Array.FindIndex(lines, l => l.Contains(text, StringComparison.Ordinal) && !l.Contains("LineOf", StringComparison.Ordinal)) + 1}";
    }

    private static readonly EngineOptions Watched = EngineOptions.Default.WithAnomalyDetection();

    [Fact]
    public void A_logarithm_of_a_negative_number_is_found_with_its_line_and_its_operand()
    {
        var x = Variable(new double[] { 3, 1, 2 }, "x");
        Anomaly found;
        using (SourceLines.Record())
        {
            var y = Sum(Log(x - 2)); // the logarithm
            found = y.FindAnomaly()!;
        }
        Assert.Equal("log", found.Operation);
        Assert.Equal("forward", found.Pass);
        Assert.Equal(LineOf("// the logarithm"), found.Line);
        Assert.Equal([1], found.Index);
        Assert.Equal(1, found.Count);
        Assert.True(double.IsNaN(found.Value));
        var operand = Assert.Single(found.Operands);
        Assert.Equal((-1.0, 1.0, 0, 0), (operand.Min, operand.Max, operand.NaNs, operand.Infinities));
        Assert.Null(found.Cause);
    }

    [Fact]
    public void Nothing_is_found_where_all_is_finite_and_lines_are_unknown_without_recording()
    {
        var x = Variable(new double[] { 3, 1 }, "x");
        Assert.Null(Sum(Log(x)).FindAnomaly());
        var found = Sqrt(-x).FindAnomaly()!;
        Assert.Null(found.Line);
        Assert.Equal("", found.Scope);
        Assert.StartsWith("sqrt gave NaN in the forward pass; first at index (0) of shape (2), 2 of 2", found.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_infinity_that_became_NaN_is_traced_to_where_it_was_made()
    {
        var x = Variable(new double[] { 1, 800 }, "x");
        var e = Exp(x);
        var found = Sum(e / Sum(e)).FindAnomaly()!;
        Assert.Equal("div", found.Operation);
        Assert.Equal("exp", found.Cause!.Operation);
        Assert.Equal([1], found.Cause.Index);
        Assert.Equal("\"x\"", found.Cause.Operands[0].Name);
        Assert.Equal(800, found.Cause.Operands[0].Max);
    }

    [Fact]
    public void An_overflow_alone_is_found_and_a_written_infinity_is_not()
    {
        var x = Variable(new double[] { 1, 800 }, "x");
        Assert.Equal("exp", (1 / Exp(x)).FindAnomaly()!.Operation);
        Assert.Null(Where(x > 2, double.NegativeInfinity, x).FindAnomaly());
    }

    [Fact]
    public void NaN_in_an_input_is_found_at_the_input()
    {
        var found = Sum(2 * Variable(new double[] { 0, double.NaN }, "data")).FindAnomaly()!;
        Assert.Equal("\"data\"", found.Operation);
        Assert.Equal([1], found.Index);
    }

    [Fact]
    public void A_derivative_without_a_number_is_found_in_the_backward_pass_under_the_line_of_its_function()
    {
        var f = Compile((Expr x) =>
        {
            var root = Sqrt(x * x); // the root
            return Sum(root * 3);
        }, Watched);
        Assert.Equal(6, f.ValueAndGrad(new double[] { 2, 0, -0.0 }[..1]).Value);
        var error = Assert.Throws<AnomalyException>(() => f.ValueAndGrad(new double[] { 2, 0 }));
        Assert.Equal("backward", error.Anomaly!.Pass);
        Assert.Equal(LineOf("// the root"), error.Anomaly.Line);
        Assert.Equal("div", error.Anomaly.Cause!.Operation);
        Assert.Contains("backward pass", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_compiled_function_says_where_and_keeps_working()
    {
        var f = Compile((Expr x) => Log(x) * 2, Watched);
        Assert.Equal(0, f.Invoke(1.0));
        var error = Assert.Throws<AnomalyException>(() => f.Invoke(-1.0));
        Assert.Equal("log", error.Anomaly!.Operation);
        Assert.Equal(0, f.Invoke(1.0));
        var g = Compile((Expr a, Expr b) => Log(a * b), Watched);
        Assert.Throws<AnomalyException>(() => g.ValueAndGrad(-1.0, 2.0));
        Assert.Throws<AnomalyException>(() => g.ValueAndGrad(-1.0, 2.0)); // also on the way for scalars that is known by now
        Assert.Equal(0.5, g.ValueAndGrad(1.0, 2.0).Gradient[1]);
    }

    private sealed class Rooted : Module
    {
        private readonly Linear _inner = new(1, 1, random: new Random(1));

        protected override Expr Forward(Expr x) => Log(_inner.Call(x)); // logarithm of a layer
    }

    [Fact]
    public void A_training_step_names_the_module_and_leaves_everything_as_it_was()
    {
        var model = new Rooted();
        var step = TrainingStep.Compile(model, x => Mean(model.Call(x)), Optimizer.Adam(0.1), Watched);
        var weight = model.Parameters()[0];
        weight.Assign(new float[,] { { 1 } });
        model.Parameters()[1].Assign(new float[] { 0 });
        step.Run(new float[,] { { 2 } });
        var before = model.Parameters().SelectMany(p => p.Value.ToArray<float>()).ToArray();
        var error = Assert.Throws<AnomalyException>(() => step.Run(new float[,] { { -2 } }));
        Assert.Equal(before, model.Parameters().SelectMany(p => p.Value.ToArray<float>()));
        Assert.Equal("Rooted", error.Anomaly!.Scope);
        Assert.Equal(LineOf("// logarithm of a layer"), error.Anomaly.Line);
        step.Run(new float[,] { { 2 } });
    }

    [Fact]
    public void An_error_of_shapes_names_the_callers_line()
    {
        var error = Assert.Throws<ShapeException>(() =>
        {
            _ = Zeros(new Shape([2, 3])) + Zeros(new Shape([4])); // two shapes
        });
        Assert.EndsWith($"at {LineOf("// two shapes")}", error.Message, StringComparison.Ordinal);
        var types = Assert.Throws<DTypeException>(() =>
        {
            _ = Sin(Variable(new[] { 1, 2 })); // a sine of integers
        });
        Assert.EndsWith($"at {LineOf("// a sine of integers")}", types.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_derivative_says_at_which_operation_it_ends()
    {
        var x = Variable(new double[] { 3, 1 }, "x");
        var y = Variable(2.0, "y");
        string Said(Expr of, Expr by) => Assert.Throws<InvalidOperationException>(() => Grad(of, by, unconnected: Unconnected.Error)).Message;
        Assert.Contains("does not depend on \"y\"", Said(Sum(x), y), StringComparison.Ordinal);
        Assert.Contains("only through operations without a derivative: stop_gradient", Said(Sum(StopGradient(2 * x)), x), StringComparison.Ordinal);
        Assert.Contains("argmax", Said(Cast(ArgMax(x, 0), DType.Float64), x), StringComparison.Ordinal);
    }
}
