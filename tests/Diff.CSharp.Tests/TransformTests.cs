using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Transforms of functions of nested arguments, as C# writes them.</summary>
public class TransformTests
{
    private sealed record Line(Expr W, Expr B, string Name);

    private sealed class Settings
    {
        public required Expr Rate { get; init; }
        public int Steps { get; init; }
        public Dictionary<string, Expr> More { get; init; } = [];
    }

    private static Expr Leaf(params double[] numbers) => Constant(NDArray.Create(numbers, new Shape([numbers.Length])));

    private static void Close(Expr expected, Expr actual)
    {
        var (e, a) = (expected.Eval(), actual.Eval());
        Assert.Equal(e.Shape, a.Shape);
        for (var i = 0; i < e.Length; i++) Assert.Equal(e.Float(i), a.Float(i), 10);
    }

    [Fact]
    public void Gradients_come_nested_as_the_arguments_are()
    {
        var x = Leaf(1, 2, 3);
        var (value, gradient) = ValueAndGrad(l => Sum(Square(l.W * x + l.B)), new Line(Leaf(1, 0, 2), Leaf(0.5, 1, -1), "line"));
        Assert.Equal("line", gradient.Name);
        Close(Leaf(1.5 * 2, 2, 10), gradient.B);
        Close(Leaf(3, 4, 30), gradient.W);
        Assert.Equal(2.25 + 1 + 25, value.Eval().Float(0), 12);

        var (dx, dy) = Grad(p => Sum(p.X * p.Y * p.Y), (X: x, Y: Leaf(1, 2, 3)));
        Close(Leaf(1, 4, 9), dx);
        Close(Leaf(2, 8, 18), dy);

        var settings = new Settings { Rate = Leaf(2), Steps = 3, More = { ["a"] = x, ["b"] = x } };
        var slopes = Grad(s => Sum(s.Rate * s.More["a"] * s.Steps), settings);
        Assert.Equal(3, slopes.Steps);
        Close(Leaf(18), slopes.Rate);
        Close(Leaf(6, 6, 6), slopes.More["a"]);
        Close(Leaf(0, 0, 0), slopes.More["b"]);
    }

    [Fact]
    public void Leaves_are_mapped_raveled_and_built_again()
    {
        var line = new Line(Leaf(1, 2), Leaf(3), "n");
        var twice = Trees.Map(e => 2.0 * e, line);
        Close(Leaf(2, 4), twice.W);
        Assert.Equal(["W", "B"], Trees.Structure(line).Paths);
        var (vector, back) = Trees.Ravel(line);
        Close(Leaf(1, 2, 3), vector);
        Close(Leaf(6), back(2.0 * vector).B);
        Close(Leaf(4, 8), Trees.Map((a, b) => a + b, twice, twice).W);
        Assert.Same(line.W, Trees.Build<Line>(Trees.Structure(line), Trees.Leaves(line)).W);
        var error = Assert.Throws<ArgumentException>(() => Trees.Leaves((line, new HashSet<Expr>())));
        Assert.Contains("\"Item2\"", error.Message.Replace("\"1\"", "\"Item2\"", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Transforms_of_functions_agree_with_those_of_graphs()
    {
        Expr x = Leaf(0.3, 0.7), y = Leaf(1.1, 0.4), v = Leaf(1, -2);
        static (Expr P, Expr Q) F((Expr X, Expr Y) p) => (Sin(p.X) * p.Y, Sum(p.X));
        var (value, pullback) = Vjp<(Expr X, Expr Y), (Expr P, Expr Q)>(F, (x, y));
        Close(Sin(x) * y, value.P);
        var (gx, gy) = pullback((v, Constant(NDArray.Create([2.0], Shape.Scalar))));
        Close(Cos(x) * y * v + 2.0, gx);
        Close(Sin(x) * v, gy);
        var (_, tangent) = Jvp<(Expr X, Expr Y), (Expr P, Expr Q)>(F, (x, y), (v, v));
        Close(Cos(x) * y * v + Sin(x) * v, tangent.P);
        Close(Hvp(p => Sum(F(p).P), (x, y), (v, v)).Item1, -Sin(x) * y * v + Cos(x) * v);
        Assert.Equal(new Shape([2, 2]), Jacobian(p => F(p).P, (x, y)).Item1.Shape);
        Assert.Equal(new Shape([2, 2]), Hessian(p => Sum(F(p).P), (x, y))[0][1].Shape);
        var each = Vmap<(Expr X, Expr Y), Expr>(p => p.X * p.Y, (x, y));
        Close(x * y, each);
        Close(Grad(p => Sum(F(p).P), (x, y)).Item1, Grad(q => Checkpoint(p => Sum(F(p).P), q), (x, y)).Item1);
    }

    [Fact]
    public void Functions_of_nested_arguments_are_compiled()
    {
        var f = CompileNested<(Expr X, Expr[] More), Expr, (NDArray X, NDArray[] More), NDArray>(p => p.X * p.More[0] + p.More[1]);
        var result = f((NDArray.Create([1.0, 2.0], new Shape([2])), [NDArray.Create([3.0, 4.0], new Shape([2])), NDArray.Create([1.0], Shape.Scalar)]));
        Assert.Equal([4.0, 9.0], result.ToArray<double>());
    }

    [Fact]
    public void Modules_are_functions_of_their_parameters()
    {
        var model = new Linear(2, 1, dtype: DType.Float64);
        var x = Constant(NDArray.Create([1.0, 2.0], new Shape([1, 2])));
        var loss = Sum(Square(model.Call(x)));
        var gradients = Grad(loss, model);
        Assert.Equal(model.NamedParameters().Select(p => p.Path), gradients.Keys);
        foreach (var (path, parameter) in model.NamedParameters()) Close(Grad(loss, parameter), gradients[path]);
        // One step of descent as a graph, and the loss after it, with its own derivative.
        var rate = Leaf(0.1)[0];
        var next = model.NamedParameters().ToDictionary(p => p.Path, p => p.Parameter - rate * gradients[p.Path]);
        var after = model.With(next, () => Sum(Square(model.Call(x))));
        Assert.True(after.Eval().Float(0) < loss.Eval().Float(0));
        Assert.True(Grad(after, rate).Eval().Float(0) != 0.0);
        Assert.Contains("wrong", Assert.Throws<ArgumentException>(() => model.With(new Dictionary<string, Expr> { ["wrong"] = x }, () => x)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_derivative_is_taken_at_a_point_and_applied_to_many_tangents()
    {
        Expr x = Leaf(0.3, 0.7), v = Leaf(1, -2);
        var (value, derivative) = Linearize<Expr, Expr>(e => Sin(e) * e, x);
        Close(Sin(x) * x, value);
        Close((Cos(x) * x + Sin(x)) * v, derivative(v));

        var compiled = CompileLinearize<Expr, Expr, NDArray, NDArray>(e => Sin(e) * e);
        var (number, apply) = compiled(x.Eval());
        Close(value, Constant(number));
        Close(derivative(v), Constant(apply(v.Eval())));
        var (_, pullback) = CompileVjp<Expr, Expr, NDArray, NDArray>(e => Sin(e) * e)(x.Eval());
        Close(derivative(v), Constant(pullback(v.Eval())));
    }

    [Fact]
    public void Functions_have_derivatives_of_ones_own()
    {
        Expr x = Leaf(0.3, 40, 800), y = Leaf(1, 2, 3);
        // log(1 + e^x) as written overflows; the rule does not.
        var f = CustomGrad<Expr>(e => Softplus(e), (e, _, g) => g * Sigmoid(e));
        Close(Sigmoid(x), Grad(Sum(f(x)), x));
        Close(Sigmoid(x) * (1.0 - Sigmoid(x)), Grad(Sum(Grad(Sum(f(x)), x)), x));
        var h = CustomJvp<(Expr, Expr)>(p => p.Item1 * p.Item2, (p, _, v) => 2.0 * p.Item2 * v.Item1 + p.Item1 * v.Item2);
        Close(2.0 * y, Grad(Sum(h((x, y))), x));
        Close(x, Grad(Sum(h((x, y))), y));
    }

    [Fact]
    public void Products_with_second_derivatives_for_many_directions()
    {
        Expr x = Leaf(0.3, 0.7), v = Constant(NDArray.Create([1.0, 0, 0, 1], new Shape([2, 2])));
        var loss = Sum(Exp(x) * x);
        Close(Hessian(loss, x), HvpMany(loss, [x], [v])[0]);
        var outputs = Sin(x);
        var squares = Sum(outputs * outputs);
        Close(2.0 * Square(Cos(x)) * Leaf(1, 0), GaussNewtonProduct(squares, [outputs], [x], [Leaf(1, 0)])[0]);
    }

    [Fact]
    public void Taylor_coefficients()
    {
        Expr x = Leaf(0.3, 0.7), v = Leaf(1, -2);
        var series = Taylor(3, Exp(x), x);
        Close(Exp(x) / 6.0, series[3]);
        var along = Jet(2, Sin(x), [x], [[v]]);
        Close(-0.5 * Sin(x) * v * v, along[2]);
        Close(along[2], Jet<Expr, Expr>(2, e => Sin(e), x, v)[2]);
    }

    [Fact]
    public void Sparse_derivatives_need_few_products()
    {
        Expr x = Leaf(0.3, 0.7, 1.1, 0.2);
        Expr a = x[..^1], b = x[1..];
        var j = SparseJacobian(a * Sin(b), x);
        Assert.Equal(2, j.Colors);
        Assert.Equal(6, Sparsity(a * Sin(b), x).Count);
        Close(Jacobian(a * Sin(b), x), j.ToDense());
        Assert.Equal([0, 2, 4, 6], j.RowPointers);
        var h = SparseHessian(Sum(a * Sin(b)), x);
        Assert.Equal(3, h.Colors);
        Close(Hessian(Sum(a * Sin(b)), x), h.ToDense());
    }

    [Fact]
    public void Source_code_of_value_and_gradient()
    {
        var x = Variable(new double[] { 1, 2 }, "x");
        var code = Sum(Sin(x) * x).ToCSharp("Wave");
        Assert.Contains("public static void ValueAndGradient(ReadOnlySpan<double> x_2, Span<double> value, Span<double> gradientOfX", code, StringComparison.Ordinal);
        Assert.Contains("public static partial class Pair", ToCSharp("Pair", ("a", Sin(x)), ("b", Cos(x))), StringComparison.Ordinal);
        Assert.Contains("svd", Assert.Throws<NotSupportedException>(() => ToCSharp("F", ("s", Svd(Variable(new double[,] { { 1, 2 }, { 3, 4 } }, "m")).S))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Checkpoints_keep_what_the_policy_says()
    {
        Expr x = Leaf(0.3, 0.7);
        Expr F(Expr[] xs) => Sum(Sin(SaveAs("inner", Exp(xs[0]))));
        foreach (var policy in new[] { CheckpointPolicy.SaveNothing, CheckpointPolicy.SaveContractions, CheckpointPolicy.SaveNamed("inner"), CheckpointPolicy.Save(e => e.Rank == 1) })
            Close(Cos(Exp(x)) * Exp(x), Grad(Checkpoint(policy, F, x), x));
        using var f = Compile(xs => [F(xs)], EngineOptions.Default.WithMemoryBudget(1L << 20));
        Assert.Equal(F([x]).Eval().Float(0), f.Call(x.Eval())[0].Float(0), 12);
    }
}
