using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>
/// What the projects behind this library get wrong, each under its number in their list of defects: B, S, O and J name the project.
/// Those of single operations are in the core's tests; here are the ones that a user of the facade would meet.
/// </summary>
public sealed class DefectTests
{
    private static double[] Numbers(Expr x) => x.Eval().ToArray<double>();

    private static void Near(double[] expected, double[] actual, double tolerance = 1e-15)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.All(expected.Zip(actual), p => Assert.Equal(p.First, p.Second, tolerance));
    }

    // ---- Values and gradients ----

    [Fact]
    public void B2_Division_has_no_epsilon_in_it()
    {
        var x = Variable(new[] { 1e-13, -1e-12, 0.0, 3.0 });
        Assert.Equal([1e13, -1e12, double.PositiveInfinity, 1 / 3.0], Numbers(1 / x));
        Assert.Equal(1, (1 / Variable(3.0) * 3).Item());
    }

    [Fact]
    public void B3_B4_B5_Relu_near_0_and_at_infinity()
    {
        var x = Variable(new[] { 1e-13, 1e-9, 0, -1e-13, double.NegativeInfinity, double.PositiveInfinity });
        Assert.Equal([1e-13, 1e-9, 0, 0, 0, double.PositiveInfinity], Numbers(Relu(x)));
        Assert.Equal([1, 1, 0, 0, 0, 1], Numbers(Grad(Relu(x), x)));
        Assert.Equal([0, 0, 0, 0, 0, 0], Numbers(Grad(Grad(Relu(x), x), x)));
    }

    [Theory]
    [InlineData(0, new[] { 1, 0.5, 0, 0.5 })]
    [InlineData(-1, new[] { 1.0, 0, 0.5, 0.5 })]
    public void B6_Softmax_of_large_numbers_along_any_axis(int axis, double[] expected) =>
        Assert.Equal(expected, Numbers(Softmax(Variable(new double[,] { { 1000, 0 }, { axis == 0 ? 0 : -7, axis == 0 ? 0 : -7 } }), axis)));

    [Fact]
    public void B7_Gradient_of_the_cross_entropy_of_large_logits()
    {
        var logits = Variable(new double[] { 1000, 0 });
        foreach (var (target, value, gradient) in new[] { (0, 0.0, new[] { 0.0, 0 }), (1, 1000, [1, -1]) })
        {
            var byDistribution = CrossEntropy(logits, Reshape(OneHot(Constant(new[] { target }), 2), 2));
            Assert.Equal(value, byDistribution.Item());
            Assert.Equal(gradient, Numbers(Grad(byDistribution, logits)));
            var byClass = CrossEntropy(Reshape(logits, 1, 2), Variable(new[] { target }));
            Assert.Equal(value, byClass.Item());
            Assert.Equal(gradient, Numbers(Grad(byClass, logits)));
        }
        var one = Variable(new double[] { 1000, -1000 });
        var sigmoid = SigmoidCrossEntropy(one, Constant(new double[] { 1, 1 }));
        Assert.Equal([0, 1000], Numbers(sigmoid));
        Assert.Equal([0, -1], Numbers(Grad(sigmoid, one)));
    }

    [Fact]
    public void Derivatives_of_any_order_have_a_name()
    {
        var x = Variable(2.0);
        Assert.Equal(16, NthDerivative(0, x * x * x * x, x).Item());
        Assert.Equal(48, NthDerivative(3, x * x * x * x, x).Item());
        Assert.Throws<ArgumentException>(() => NthDerivative(-1, x, x));
    }

    [Fact]
    public void B8_Gradients_with_respect_to_labels()
    {
        var logits = Variable(new double[] { 0, 1 });
        var labels = Variable(new[] { 0.25, 0.75 });
        var logSumExp = Math.Log(1 + Math.E);
        Near([logSumExp, logSumExp - 1], Numbers(Grad(CrossEntropy(logits, labels), labels)));
        Near([0, -1], Numbers(Grad(SigmoidCrossEntropy(logits, labels), labels)));
        CrossEntropy(logits, labels).Backward();
        Near([logSumExp, logSumExp - 1], labels.Grad!.ToArray<double>());
    }

    [Fact]
    public void B9_Cross_entropies_of_any_rank()
    {
        double[] logits = [0.3, -1, 2, 0.5, 0, -0.25], labels = [1, 0, 0, 1, 0.5, 0.5];
        double Softmax(int i) => -labels[i] * logits[i] - labels[i + 1] * logits[i + 1] + Math.Log(Math.Exp(logits[i]) + Math.Exp(logits[i + 1]));
        double[] softmax = [Softmax(0), Softmax(2), Softmax(4)];
        double[] sigmoid = [.. logits.Zip(labels, (x, t) => Math.Log(1 + Math.Exp(x)) - t * x)];
        foreach (var shape in new int[][] { [3, 2], [1, 3, 2], [3, 1, 1, 2] })
        {
            var (x, t) = (Variable(logits, new Shape(shape)), Variable(labels, new Shape(shape)));
            Assert.Equal(new Shape(shape[..^1]), CrossEntropies(x, t).Shape);
            Near(softmax, Numbers(CrossEntropies(x, t)));
            Assert.Equal(softmax.Average(), CrossEntropy(x, t).Item(), 1e-15);
            Near(sigmoid, Numbers(SigmoidCrossEntropy(x, t)));
        }
        Assert.Equal(Softmax(0), CrossEntropies(Variable(logits[..2]), Variable(labels[..2])).Item(), 1e-15);
        Near(sigmoid, Numbers(SigmoidCrossEntropy(Variable(logits), Variable(labels))));
    }

    [Fact]
    public void B10_J7_Tanh_and_sigmoid_saturate()
    {
        var x = Variable(new double[] { -800, -400, 400, 800 });
        Assert.Equal([-1, -1, 1, 1], Numbers(Tanh(x)));
        Assert.Equal([0, 0, 0, 0], Numbers(Grad(Tanh(x), x)));
        Assert.Equal([0, Math.Exp(-400), 1, 1], Numbers(Sigmoid(x)));
        Assert.All(Numbers(Grad(Sigmoid(x), x)), g => Assert.InRange(g, 0, 1e-170));
    }

    [Fact]
    public void B11_B12_Powers()
    {
        var (x, y) = (Variable(2.0), Variable(new double[] { 1, 3 }));
        Assert.Equal([2, 8], Numbers(Pow(2, y)));
        Near([2 * Math.Log(2), 8 * Math.Log(2)], Numbers(Grad(Pow(2, y), y)));
        Assert.Equal(new Shape([2]), Grad(Pow(x, y), y).Shape);
        Assert.Equal(1 + 3 * 4, Grad(Pow(x, y), x).Item()); // summed to the scalar's shape
        var zero = Variable(0.0);
        Assert.Equal([0, 1, 0], new[] { Pow(zero, 0), Pow(zero, 1), Pow(zero, 2) }.Select(p => Grad(p, zero).Item()));
        Assert.Equal(-32, Pow(Variable(-2.0), 5).Item());
    }

    [Fact]
    public void B13_Repeated_operands_count_each_time()
    {
        var x = Variable(new double[] { 1, 2, 3 });
        Assert.Equal([2, 4, 6], Numbers(Grad(MatMul(x, x), x)));
        var m = Variable(new double[,] { { 1, 2 }, { 3, 4 } });
        Assert.Equal([7, 11, 9, 13], Numbers(Grad(Sum(MatMul(m, m)), m)));
        Sum(MatMul(m, m)).Backward();
        Assert.Equal([7, 11, 9, 13], m.Grad!.ToArray<double>());
    }

    [Fact]
    public void B16_A_thing_concatenated_with_itself()
    {
        var x = Variable(new double[] { 5, 7 });
        Assert.Equal([4, 6], Numbers(Grad(Concat(0, x, x), x, seed: Constant(new double[] { 1, 2, 3, 4 }))));
        Assert.Equal([9, 12], Numbers(Grad(Stack(-1, x, x, x), x, seed: Constant(new double[,] { { 1, 2, 6 }, { 3, 4, 5 } }))));
    }

    [Fact]
    public void B18_Second_derivatives_through_slices()
    {
        var x = Variable(new double[] { 1, 2 });
        Near([Math.E, 0], Numbers(Grad(Grad(Exp(x[..1]), x), x)));
        var g = Grad(x[0] * x[1], x);
        Assert.Equal([2, 1], Numbers(g));
        Assert.Equal([0, 1, 1, 0], Numbers(Hessian(x[0] * x[^1], x)));
    }

    [Fact]
    public void B19_Repeated_indices_add_up()
    {
        var x = Variable(new double[] { 1, 2 });
        Assert.Equal([2, 1], Numbers(Grad(Gather(x, Constant(new[] { 0, 0, 1 })), x)));
    }

    [Fact]
    public void B21_Nothing_is_stale_after_an_assignment_or_a_step()
    {
        var w = new Parameter(3.0, "w");
        var loss = w * w;
        var gradient = Grad(loss, w);
        var f = Compile(x => x * w);
        Assert.Equal((9, 6, 6), (loss.Item(), gradient.Item(), f.Invoke(2.0)));
        w.Assign(4.0);
        Assert.Equal((16, 8, 8), (loss.Item(), gradient.Item(), f.Invoke(2.0)));
        loss.Backward();
        new Optimizer(Optimizer.Sgd(0.25), [w]).Step();
        Assert.Equal((4, 4, 4), (loss.Item(), gradient.Item(), f.Invoke(2.0)));
    }

    [Fact]
    public void B22_J3_O4_Depth_is_no_limit()
    {
        var x = Variable(1.0, "x");
        Expr sum = x, product = x;
        for (var i = 0; i < 50_000; i++) (sum, product) = (sum + x, product * x);
        Assert.Equal(50_001, sum.Item());
        Assert.Equal(50_001, Grad(product, x).Item());
        sum.Backward();
        product.Backward();
        Assert.Equal(100_002, x.Grad!.Float(0));
        x.ZeroGrad();
    }

    [Fact]
    public void B25_What_is_not_connected_has_zeros_of_its_own_shape_or_is_an_error()
    {
        var (x, other) = (Variable(2.0, "x"), Variable(new double[,] { { 1, 2, 3 } }, "other"));
        Assert.Equal(new Shape([1, 3]), Grad(x * x, other).Shape);
        Assert.Equal([0, 0, 0], Numbers(Grad(x * x, other)));
        Assert.ThrowsAny<Exception>(() => Grad(x * x, other, unconnected: Unconnected.Error));
        Assert.Equal(0, Grad(0 * x, x, unconnected: Unconnected.Error).Item()); // connected, with derivative 0
    }

    [Fact]
    public void B26_The_normal_density_and_its_gradients()
    {
        Expr[] args = [Variable(1.5, "x"), Variable(1.0, "mean"), Variable(2.0, "variance")];
        Assert.Equal(0.28209479177387814, NormalDensity(1.0, 1.0, 2.0).Item(), 1e-16);
        var density = NormalDensity(args[0], args[1], args[2]);
        var p = density.Item();
        Assert.Equal(0.28209479177387814 * Math.Exp(-0.0625), p, 1e-16);
        Near([-0.25 * p, 0.25 * p, p * (0.25 / 8 - 0.25)], [.. Grad(density, args).Select(g => g.Item())]);
        Assert.Equal(Math.Log(p), NormalLogDensity(args[0], args[1], args[2]).Item(), 1e-15);
    }

    [Fact]
    public void B27_The_norm_of_a_thing_twice_and_of_zeros()
    {
        var x = Variable(new double[] { 3, 4 });
        Assert.Equal(Shape.Scalar, FrobeniusNorm(x, x).Shape);
        Assert.Equal(Math.Sqrt(50), FrobeniusNorm(x, x).Item(), 1e-15);
        Near([6 / Math.Sqrt(50), 8 / Math.Sqrt(50)], Numbers(Grad(FrobeniusNorm(x, x), x)));
        var zeros = Variable(new double[] { 0, 0 });
        Assert.Equal([0, 0], Numbers(Grad(FrobeniusNorm(zeros), zeros)));
    }

    [Fact]
    public void B28_A_checkpoint_has_a_shape_and_gradients_of_what_it_captures()
    {
        var layer = new Linear(3, 3, random: new Random(1), dtype: DType.Float64);
        var x = Variable(new double[,] { { 0.1, 0.2, 0.3 } }, "x");
        var traces = 0;
        Expr Twice(Expr x)
        {
            traces++;
            return Tanh(layer.Call(Tanh(layer.Call(x))));
        }
        var kept = Checkpoint(Twice, x) * x;
        Assert.Equal(1, traces);
        Assert.Equal(new Shape([1, 3]), kept.Shape);
        Expr[] wrt = [x, layer.Weight, layer.Bias!];
        foreach (var (a, b) in Grad(Sum(kept), wrt).Zip(Grad(Sum(Twice(x) * x), wrt)))
        {
            Assert.Equal(Numbers(b), Numbers(a));
            Assert.NotEqual(0, Numbers(a)[0]);
        }
    }

    [Fact]
    public void S1_O2_A_shared_value_is_visited_once()
    {
        var x = Variable(1.0, "x");
        var y = x;
        for (var i = 0; i < 200; i++) y += y;
        Assert.Equal(1.6069380442589903e60, y.Item());
        Assert.Equal(1.6069380442589903e60, Grad(y, x).Item());
        y.Backward();
        Assert.Equal(1.6069380442589903e60, x.Grad!.Float(0));
    }

    // ---- Operators and literals ----

    [Fact]
    public void S2_J4_J9_Operators_take_numbers_of_every_type_on_either_side()
    {
        var x = Variable(new double[,] { { 1, 2 }, { 4, 8 } }, "x");
        Assert.Equal([6, 7, 9, 13], Numbers(x + 5));
        foreach (var y in new[] { 5 + x, 5L + x, 5f + x, 5.0 + x, x + 5, x + 5L, x + 5f, x + 5.0 }) Assert.Equal([6, 7, 9, 13], Numbers(y));
        foreach (var y in new[] { 5 - x, 5L - x, 5f - x, 5.0 - x, -(x - 5), -(x - 5L), -(x - 5f), -(x - 5.0) }) Assert.Equal([4, 3, 1, -3], Numbers(y));
        foreach (var y in new[] { 2 * x, 2L * x, 2f * x, 2.0 * x, x * 2, x * 2L, x * 2f, x * 2.0 }) Assert.Equal([2, 4, 8, 16], Numbers(y));
        foreach (var y in new[] { 8 / x, 8L / x, 8f / x, 8.0 / x }) Assert.Equal([8, 4, 2, 1], Numbers(y));
        foreach (var y in new[] { x / 8, x / 8L, x / 8f, x / 8.0 }) Assert.Equal([0.125, 0.25, 0.5, 1], Numbers(y));
        foreach (var y in new[] { x > 3, x >= 3, 3 < x, 3 <= x, x > 3.0, 3f < x }) Assert.Equal([false, false, true, true], y.Eval().ToArray<bool>());
        Assert.Equal([4, 4, 4, 8], Numbers(Max(x, 4)));
        Assert.Equal([1, 2, 0, 0], Numbers(Where(x < 4, x, 0)));
        Assert.Equal([-1, -0.25, -1 / 16.0, -1 / 64.0], Numbers(Grad(1 / x, x)));
    }

    [Fact]
    public void S2_J4_Numbers_take_the_element_type_of_the_other_side()
    {
        var x = Variable(new float[] { 1, 2 }, "x");
        foreach (var y in new[] { x + 1, 1 + x, x * 0.5, 0.5 * x, 1 / x, x / 3, Pow(x, 2), Pow(2, x), Max(x, 1.5), Where(x > 1.5, x, 0), Clip(x, 0, 1) })
        {
            Assert.Equal(DType.Float32, y.DType);
            Assert.Equal(DType.Float32, Grad(y, x).DType);
        }
        var n = Variable(new[] { 1, 2 }, "n");
        Assert.Equal([DType.Int32, DType.Int32], new[] { n + 1, 2 * n }.Select(e => e.DType));
    }

    [Fact]
    public void J8_Relu_passes_on_not_a_number_and_keeps_its_type()
    {
        Assert.True(double.IsNaN(Relu(Variable(double.NaN)).Item()));
        var single = new Relu().Call(Variable(new[] { float.NaN, -1, 2 }));
        Assert.Equal(DType.Float32, single.DType);
        Assert.Equal([float.NaN, 0, 2], single.Eval().ToArray<float>());
        Assert.True(double.IsNaN(Max(Variable(double.NaN), 0).Item()));
    }

    [Fact]
    public void J10_Shape_errors_name_the_operation_and_the_shapes()
    {
        var (a, b) = (Variable(new double[] { 1, 2 }, "a"), Variable(new double[] { 1, 2, 3 }, "b"));
        foreach (var (name, wrong) in new (string, Func<Expr>)[]
        {
            ("add", () => a + b), ("matmul", () => MatMul(a, b)), ("concat", () => Concat(0, a, Reshape(b, 3, 1))), ("where", () => Where(a > 0, a, b)),
        })
        {
            var message = Assert.ThrowsAny<ArgumentException>(() => wrong()).Message;
            Assert.Matches($@"^{name}( ""[^""]*"")?: ", message);
            Assert.Matches(@"\(2\)|\(3", message);
        }
    }

    [Fact]
    public void J11_Every_elementary_function_is_there()
    {
        var x = Variable(0.5, "x");
        Near([Math.Log(0.5), Math.Tan(0.5)], [Log(x).Item(), Tan(x).Item()]);
        Near([2, 1 + Math.Tan(0.5) * Math.Tan(0.5)], [Grad(Log(x), x).Item(), Grad(Tan(x), x).Item()]);
    }

    // ---- Optimisers ----

    private sealed class Point(double value) : Module
    {
        public Parameter X { get; } = new(value);
    }

    public static TheoryData<string> Transformations => [.. Make.Keys];

    private static readonly Dictionary<string, Func<GradientTransformation>> Make = new()
    {
        ["sgd"] = () => Optimizer.Sgd(0.001),
        ["momentum"] = () => Optimizer.Momentum(0.001),
        ["nesterov"] = () => Optimizer.Nesterov(0.001),
        ["adagrad"] = () => Optimizer.AdaGrad(0.001),
        ["rmsprop"] = () => Optimizer.RmsProp(0.001),
        ["adam"] = () => Optimizer.Adam(0.001),
        ["adamw"] = () => Optimizer.AdamW(0.001),
    };

    [Fact]
    public void B29_Adam_uses_the_first_gradient_and_corrects_by_the_right_step()
    {
        var (point, position) = (new Point(0), 0.0);
        var optimizer = new Optimizer(Optimizer.Adam(0.001), point.Parameters());
        for (var step = 1; step <= 4; step++)
        {
            (1 * point.X).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            Assert.Equal(0.001, position - point.X.Value.Float(0), 1e-10);
            position = point.X.Value.Float(0);
        }
    }

    [Fact]
    public void B30_Nesterov_looks_ahead()
    {
        var point = new Point(1);
        var step = TrainingStep.Compile(point, () => 0.5 * Square(point.X), Optimizer.Nesterov(0.1, 0.9));
        var (x, m) = (1.0, 0.0);
        for (var i = 0; i < 5; i++)
        {
            m = 0.9 * m + x; // the gradient is x
            x -= 0.1 * (x + 0.9 * m);
            step.Run();
            Assert.Equal(x, point.X.Value.Float(0), 1e-15);
        }
    }

    [Theory]
    [MemberData(nameof(Transformations))]
    public void B31_An_update_is_pure(string name)
    {
        Expr[] parameters = [Variable(1.0, "a"), Variable(new double[] { 2, 3 }, "b")];
        Expr[] gradients = [Variable(0.5, "da"), Variable(new double[] { -1, 4 }, "db")];
        var transformation = Make[name]();
        var state = transformation.Initialise(parameters);
        var (before, states) = (parameters.Concat(gradients).SelectMany(Numbers).ToArray(), (Expr[])state.Clone());
        var (updates, next) = transformation.Update(gradients, state, parameters);
        var (again, _) = transformation.Update(gradients, state, parameters);
        Assert.Equal(updates.SelectMany(Numbers), again.SelectMany(Numbers));
        Assert.Equal(states, state);
        Assert.Equal(state.Length, next.Length);
        Assert.Equal(before, parameters.Concat(gradients).SelectMany(Numbers));
    }

    [Fact]
    public void B31_An_optimiser_keeps_the_parameters_that_it_was_given()
    {
        Parameter a = new(1.0, "a"), b = new(1.0, "b");
        List<Parameter> list = [a];
        var optimizer = new Optimizer(Optimizer.Sgd(1), list);
        list[0] = b;
        (2 * a).Backward();
        optimizer.Step();
        Assert.Equal((-1, 1), (a.Value.Float(0), b.Value.Float(0)));
        Assert.Same(b, list[0]);
    }

    [Theory]
    [MemberData(nameof(Transformations))]
    public void B31_Optimisers_of_one_transformation_do_not_share_state(string name)
    {
        var transformation = Make[name]();
        double Run()
        {
            var point = new Point(1);
            var step = TrainingStep.Compile(point, () => point.X * point.X, transformation);
            for (var i = 0; i < 3; i++) step.Run();
            return point.X.Value.Float(0);
        }
        Assert.Equal(Run(), Run());
    }

    [Fact]
    public void The_optimiser_can_be_differentiated() // learned optimisers: updates are graphs
    {
        var (rate, x) = (Variable(0.1, "rate"), Variable(1.0, "x"));
        var sgd = Optimizer.Sgd(Schedule.From(_ => rate));
        Expr[] state = sgd.Initialise([x]), at = [x];
        for (var i = 0; i < 2; i++)
        {
            var (updates, next) = sgd.Update([Grad(at[0] * at[0], at[0])], state, at);
            (at, state) = ([at[0] + updates[0]], next);
        }
        Assert.Equal(0.64, at[0].Item(), 1e-15);
        Assert.Equal(-4 * 0.8, Grad(at[0], rate).Item(), 1e-15); // (1 − 2r)²
    }

    // ---- Modules ----

    [Fact]
    public void B32_Equal_models_make_equal_graphs_whatever_was_made_before()
    {
        static string Listing()
        {
            var random = new Random(1);
            var model = new Sequential(new Linear(2, 3, random: random), new Tanh(), new Linear(3, 1, random: random));
            return Sum(model.Call(Variable(new float[,] { { 1, 2 } }, "x"))).ToDot();
        }
        var first = Listing();
        var others = new string[32];
        Parallel.For(0, others.Length, new ParallelOptions { MaxDegreeOfParallelism = 16 }, i => others[i] = Listing());
        Assert.All(others, other => Assert.Equal(first, other));
    }

    [Fact]
    public void B32_The_scope_is_left_when_a_module_throws()
    {
        Assert.Throws<ShapeException>(() => new Sequential(new Linear(3, 1)).Call(Variable(new float[] { 1, 2 })));
        Assert.Null((Variable(1.0) + 1).Scope);
    }

    [Fact]
    public void B35_O5_Integers_are_not_differentiated_silently()
    {
        var n = Variable(new[] { 1, 2 }, "n");
        Assert.ThrowsAny<Exception>(() => Grad(Sum(n * n), n));
        Assert.ThrowsAny<Exception>(() => Compile((Expr[] xs) => [Grad(Sum(xs[0] * xs[0]), xs[0])]).Call(new[] { 1, 2 }));
        var x = Cast(n, DType.Float64);
        Assert.Equal([2, 4], Numbers(Grad(Sum(x * x), x)));
        Assert.Null(Compile((Expr a, Expr i) => Sum(Gather(a, i))).ValueAndGrad(new double[] { 1, 2 }, new[] { 1, 1 }).Gradient[1]);
    }

    [Fact]
    public void J2_A_second_call_of_Backward_adds_the_same_again_whatever_was_asked_in_between()
    {
        var x = Variable(3.0, "x");
        var square = x * x;
        var y = square * 2;
        y.Backward();
        Assert.Equal((2, 12), (Grad(y, square).Item(), Grad(y, x).Item()));
        y.Backward();
        (square * 2).Backward();
        Assert.Equal(36, x.Grad!.Float(0));
    }

    [Fact]
    public void O3_A_gradient_of_a_shared_intermediate_counts_once()
    {
        var x = Variable(2.0, "x");
        var square = x * x;
        var y = square + square;
        Assert.Equal([2, 8], Grad(y, [square, x]).Select(g => g.Item()));
        y.Backward();
        Assert.Equal(8, x.Grad!.Float(0));
        Assert.Throws<InvalidOperationException>(() => square.Grad);
    }

    [Fact]
    public void J5_Layers_of_one_model_start_different_and_a_seed_decides()
    {
        static float[][] Weights(int seed)
        {
            var random = new Random(seed);
            return [.. Enumerable.Range(0, 8).Select(_ => new Linear(10, 10, random: random).Weight.Value.ToArray<float>())];
        }
        var (one, two) = (Weights(1), Weights(2));
        Assert.Equal(16, one.Concat(two).Select(w => string.Join(' ', w)).Distinct().Count());
        Assert.Equal(one, Weights(1));
        Assert.NotEqual(new Linear(3, 3).Weight.Value.ToArray<float>(), new Linear(3, 3).Weight.Value.ToArray<float>());
    }

    [Fact]
    public void J6_A_layer_draws_from_its_own_generator_only_as_many_numbers_as_it_has_weights()
    {
        Random used = new(1), beside = new(1), other = new(1);
        var draws = 0;
        _ = new Linear(3, 4, initializer: Initializer.From(r =>
        {
            draws++;
            return r.NextDouble();
        }), random: used);
        Assert.Equal(12, draws);
        for (var i = 0; i < 12; i++) beside.NextDouble();
        Assert.Equal(beside.NextDouble(), used.NextDouble());
        _ = new Linear(3, 4);
        Assert.Equal(new Random(1).NextDouble(), other.NextDouble());
    }

    [Fact]
    public void J11_A_batch_gives_each_row_what_it_gets_alone()
    {
        var model = new Sequential(new Linear(3, 4, random: new Random(1), dtype: DType.Float64), new Tanh(), new Linear(4, 2, random: new Random(2), dtype: DType.Float64));
        double[] data = [.. Enumerable.Range(0, 24).Select(i => Math.Sin(i))];
        var batch = Numbers(model.Call(Constant(NDArray.Create(data, new Shape([2, 4, 3])))));
        for (var i = 0; i < 8; i++) Near(Numbers(model.Call(Constant(data[(3 * i)..(3 * i + 3)]))), batch[(2 * i)..(2 * i + 2)]);
    }
}
