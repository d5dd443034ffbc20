using System.Numerics.Tensors;
using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

public sealed class ImperativeTests
{
    [Fact]
    public void Backward_accumulates_and_zeroing_forgets()
    {
        var x = Variable(3.0, "x");
        var y = x * x * 2;
        y.Backward();
        Assert.Equal(12, x.Grad!.Float(0));
        y.Backward(); // again: 12 more, not what is left of the first time
        Assert.Equal(24, x.Grad!.Float(0));
        x.ZeroGrad();
        Assert.Null(x.Grad);
    }

    [Fact]
    public void What_was_read_from_Grad_does_not_change_later()
    {
        var x = Variable(3.0);
        (x * x).Backward();
        var first = x.Grad!;
        (x * x).Backward();
        Assert.Equal(6, first.Float(0));
    }

    [Fact]
    public void Integers_get_no_gradient()
    {
        var n = Variable(new[] { 0, 1 });
        var table = Variable(new double[] { 1, 2 });
        Sum(Gather(table, n)).Backward();
        Assert.Null(n.Grad);
        Assert.Equal([1, 1], table.Grad!.ToArray<double>());
    }

    [Fact]
    public void A_cotangent_may_be_given() // the matrix product of the sixteen-line teaching project, with the right rule
    {
        var x = Variable(new double[,] { { 1, 2, 3 } });
        var y = Variable(new double[,] { { 0 }, { 1 }, { 1 } });
        MatMul(x, y).Backward(new double[,] { { 1 } });
        Assert.Equal([0, 1, 1], x.Grad!.ToArray<double>());
        Assert.Equal([1, 2, 3], y.Grad!.ToArray<double>());
    }

    [Fact]
    public void Backward_of_an_array_needs_a_cotangent() =>
        Assert.Equal(
            "Backward: expected a scalar, but the value to differentiate has shape (2); sum it, or give a cotangent",
            Assert.Throws<ShapeException>(() => (2 * Variable(new double[] { 1, 2 })).Backward()).WithoutLine());

    [Fact]
    public void Only_variables_have_values_to_assign() =>
        Assert.Equal(
            "assign: only a variable holds a value of its own, not the result of add",
            Assert.Throws<InvalidOperationException>(() => (Variable(1.0) + 1).Assign(2.0)).Message);

    [Fact]
    public void Backward_without_a_variable_to_differentiate_is_an_error()
    {
        Assert.Equal(
            "Backward: the value depends on no variable of a float type, so there is nothing to differentiate with respect to",
            Assert.Throws<InvalidOperationException>(() => Sum(Ones(new Shape([2]))).Backward()).Message);
        Assert.Throws<InvalidOperationException>(() => Sum(Variable(new[] { 1, 2 })).Backward());
    }

    [Fact]
    public void A_function_of_several_results_is_not_taken_for_its_first()
    {
        var f = Compile(xs => new[] { xs[0], 2 * xs[0] });
        Assert.Equal(
            "Invoke: expected a function with one result, got 2; use Call",
            Assert.Throws<InvalidOperationException>(() => f.Invoke(1.0)).Message);
        Assert.Equal(
            "ValueAndGrad: expected a function with one result, got 2; differentiate their sum, or one at a time",
            Assert.Throws<InvalidOperationException>(() => f.ValueAndGrad(1.0)).Message);
    }

    [Fact]
    public void A_gradient_of_another_shape_is_refused()
    {
        var w = Variable(new double[] { 1, 2 }, "w");
        Assert.StartsWith(
            "Grad: \"w\" has shape (2), got a value of shape (3)",
            Assert.Throws<ShapeException>(() => w.Grad = new double[] { 1, 2, 3 }).Message, StringComparison.Ordinal);
    }

    private sealed class Product : Function
    {
        protected override NDArray Forward(NDArray[] args) => args[0].Float(0) * args[1].Float(0);
        protected override Expr?[] Backward(Expr[] args, Expr value, Expr cotangent) => [cotangent * args[1], cotangent * args[0]];
    }

    [Fact]
    public void An_operation_with_forward_and_backward_has_every_order()
    {
        var product = new Product();
        var (x, y) = (Variable(3.0), Variable(5.0));
        var z = product.Apply(x, y) * x; // x²y
        Assert.Equal(45, z.Item());
        Assert.Equal(30, Grad(z, x).Item());
        Assert.Equal(10, Grad(Grad(z, x), x).Item());
        Assert.Equal(6, Grad(Grad(z, x), y).Item());
        z.Backward();
        Assert.Equal(9, y.Grad!.Float(0));
    }

    // The recipe of docs/add-an-op.md.
    private sealed class Dot : Function
    {
        protected override NDArray Forward(NDArray[] a) => TensorPrimitives.Dot<double>(a[0].Span<double>(), a[1].Span<double>());
        protected override Expr?[] Backward(Expr[] a, Expr value, Expr g) => [g * a[1], g * a[0]];
        protected override Shape ResultShape(Shape[] shapes) => Shape.Scalar;
    }

    [Fact]
    public void The_recipe_for_an_operation_from_outside_works()
    {
        var (x, y) = (Variable(new double[] { 1, 2, 3 }), Variable(new double[] { 4, 5, 6 }));
        var z = new Dot().Apply(x, y);
        Assert.Equal(32, z.Item());
        Assert.Equal([4, 5, 6], Grad(z, x).Eval().ToArray<double>());
        Check.Gradients(xs => new Dot().Apply(xs), [x.Value, y.Value]).ThrowIfWorseThan(8);
    }

    [Fact]
    public void Sixteen_threads_differentiate_and_evaluate_as_one_does()
    {
        static double[] Work(int seed)
        {
            var random = new Random(seed);
            var model = new Sequential(new Linear(4, 5, random: random, dtype: DType.Float64), new Tanh(), new Linear(5, 1, random: random, dtype: DType.Float64));
            var x = Variable(new double[,] { { 1, 2, 3, 4 }, { 0, -1, 0.5, 2 } }, "x");
            var g = Grad(Sum(Square(model.Call(x))), x);
            return Grad(Sum(Square(g)), x).Eval().ToArray<double>();
        }
        var serial = Enumerable.Range(0, 64).Select(Work).ToArray();
        var parallel = new double[64][];
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => parallel[i] = Work(i));
        Assert.Equal(serial, parallel);
    }

    [Fact]
    public void Calls_of_one_compiled_function_may_overlap()
    {
        var f = Compile((Expr a) => Sum(Exp(a) * Sin(a)));
        var inputs = Enumerable.Range(0, 200).Select(i => (NDArray)Enumerable.Range(0, 50 + i % 3).Select(j => i * 0.01 + j * 0.1).ToArray()).ToArray();
        var serial = inputs.Select(x => f.Invoke(x).Float(0)).ToArray();
        var parallel = new double[200];
        Parallel.For(0, 200, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => parallel[i] = f.Invoke(inputs[i]).Float(0));
        Assert.Equal(serial, parallel);
    }
}
