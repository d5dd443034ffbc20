using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>What the facade says when something is wrong, word for word.</summary>
public sealed class MessageTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-message").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    private string At(string name) => Path.Combine(_folder, name);

    private static void Says<T>(string message, Action action) where T : Exception => Assert.Equal(message, Assert.Throws<T>(action).WithoutLine());

    /// <summary>For messages of the core, which has its own tests: what a user of the facade must find in them.</summary>
    private static void Tells<T>(Action action, params string[] parts) where T : Exception
    {
        var message = Assert.Throws<T>(action).Message;
        Assert.StartsWith(parts[0], message, StringComparison.Ordinal);
        Assert.All(parts, part => Assert.Contains(part, message, StringComparison.Ordinal));
    }

    private static readonly Expr Two = Variable(new double[] { 1, 2 }, "two");

    // ---- Modules ----

    private sealed class Pair : Module
    {
        public Parameter A { get; } = new(new double[] { 1, 2 });

        public Parameter B { get; } = new(new double[] { 3 });
    }

    private void LoadingSays(string message, Dictionary<string, NDArray> tensors)
    {
        var path = At("pair.safetensors");
        Safetensors.Save(path, tensors);
        var pair = new Pair();
        var error = Assert.Throws<DiffFormatException>(() => pair.Load(path));
        Assert.Equal(path, error.Path);
        Assert.Equal($"{path}: {message}", error.Message);
        Assert.Equal([1, 2, 3], pair.A.Value.ToArray<double>().Concat(pair.B.Value.ToArray<double>())); // nothing has changed
    }

    [Fact]
    public void Load_of_too_little() =>
        LoadingSays("its tensors are not this model's: the name \"b\" is missing", new() { ["a"] = new double[] { 5, 6 } });

    [Fact]
    public void Load_of_too_much() =>
        LoadingSays("its tensors are not this model's: the name \"c\" is not expected", new() { ["a"] = new double[] { 5, 6 }, ["b"] = new double[] { 7 }, ["c"] = 1.0 });

    [Fact]
    public void Load_of_another_shape() =>
        LoadingSays("its tensors are not this model's: \"a\" is float64(2, 1), expected float64(2)", new() { ["a"] = new double[,] { { 5 }, { 6 } }, ["b"] = new double[] { 7 } });

    [Fact]
    public void Load_of_another_element_type() =>
        LoadingSays("its tensors are not this model's: \"b\" is float32(1), expected float64(1)", new() { ["a"] = new double[] { 5, 6 }, ["b"] = new float[] { 7 } });

    [Fact]
    public void Load_of_several_mistakes() =>
        LoadingSays(
            "its tensors are not this model's: the name \"a\" is missing; the name \"x\" is not expected; \"b\" is float32(), expected float64(1)",
            new() { ["x"] = 1.0, ["b"] = 7f });

    [Fact]
    public void Load_of_a_model_that_has_nothing_in_common() =>
        LoadingSays(
            "its tensors are not this model's: the name \"a\" is missing; the name \"b\" is missing; the name \"x00\" is not expected; the name \"x01\" is not expected; "
            + "the name \"x02\" is not expected; the name \"x03\" is not expected; the name \"x04\" is not expected; the name \"x05\" is not expected and 4 more",
            Enumerable.Range(0, 10).ToDictionary(i => $"x{i:00}", i => (NDArray)i));

    [Fact]
    public void Load_of_a_training_step_with_another_optimiser()
    {
        var path = At("step.safetensors");
        static TrainingStep Step(GradientTransformation optimizer)
        {
            var pair = new Pair();
            return TrainingStep.Compile(pair, () => Sum(pair.A) + Sum(pair.B), optimizer);
        }
        Step(Optimizer.Sgd(1)).Save(path);
        Says<DiffFormatException>(
            $"{path}: its tensors are not this model's: the name \"optimizer.1\" is missing; the name \"optimizer.2\" is missing; \"optimizer.0\" is float64(), expected float64(2)",
            () => Step(Optimizer.Momentum(1)).Load(path));
    }

    [Fact]
    public void Load_of_no_file() =>
        Assert.Contains(At("nothing"), Assert.Throws<FileNotFoundException>(() => new Pair().Load(At("nothing"))).Message, StringComparison.Ordinal);

    [Fact]
    public void Call_of_a_module_without_Forward() =>
        Says<NotSupportedException>(
            "Pair: it does not take one expression; override Forward, or call the module's own method",
            () => new Pair().Call(Two));

    [Fact]
    public void Linear_of_a_wrong_argument()
    {
        Says<ShapeException>("Linear: expected an argument of shape [..., 3], got (2)", () => new Linear(3, 1, dtype: DType.Float64).Call(Two));
        Says<ShapeException>("Linear: expected an argument of shape [..., 3], got ()", () => new Linear(3, 1).Call(1.0));
    }

    [Fact]
    public void Linear_of_another_element_type() =>
        Tells<DTypeException>(() => new Linear(2, 1).Call(Two), "einsum", "float64", "float32", "cast");

    [Fact]
    public void Linear_of_impossible_extents() =>
        Says<ShapeException>("Linear: expected at least 1 of inputs and outputs, got -2 and 1", () => _ = new Linear(-2, 1));

    [Fact]
    public void Embedding_of_floats() =>
        Tells<DTypeException>(() => new Embedding(3, 2).Call(Two), "gather: indices are int32 or int64, got float64");

    [Fact]
    public void Embedding_of_an_index_outside() =>
        Tells<IndexOutOfRangeException>(() => new Embedding(3, 2).Call(Constant(new[] { 0, 3 })).Eval(), "gather: index 3 is outside", "extent 3");

    // ---- Parameters ----

    [Fact]
    public void Parameter_of_integers()
    {
        Says<DTypeException>("Parameter: expected float32 or float64, got int32", () => _ = new Parameter(new[] { 1, 2 }));
        Says<DTypeException>("Initializer: expected float32 or float64, got int64", () => _ = new Parameter(new Shape([2]), Initializer.Zeros, dtype: DType.Int64));
    }

    [Fact]
    public void Initializer_of_a_vector() =>
        Says<ShapeException>(
            "Initializer: fan-in and fan-out need a weight of rank 2 or more, got shape (3); use Zeros, Normal or Uniform",
            () => _ = new Parameter(new Shape([3]), Initializer.HeNormal));

    [Fact]
    public void Assign_of_another_shape_or_element_type()
    {
        Says<ShapeException>(
            "assign: \"w\" has shape (2), got a value of shape (3); reshape the value, or make a new variable",
            () => Variable(new double[] { 1, 2 }, "w").Assign(new double[] { 1, 2, 3 }));
        Says<ShapeException>(
            "assign: the variable has shape (2), got a value of shape (); reshape the value, or make a new variable",
            () => Variable(new double[] { 1, 2 }).Assign(1.0));
        Says<DTypeException>(
            "assign: \"w\" is float64, got a value of float32; convert the value, or make a new variable",
            () => Variable(new double[] { 1, 2 }, "w").Assign(new float[] { 1, 2 }));
    }

    [Fact]
    public void Only_variables_have_a_gradient_a_value_and_can_be_cleared()
    {
        Says<InvalidOperationException>("Grad: only a variable holds a value of its own, not the result of mul", () => _ = (Two * Two).Grad);
        Says<InvalidOperationException>("Value: only a variable holds a value of its own, not the result of mul", () => _ = (Two * Two).Value);
        Says<InvalidOperationException>("ZeroGrad: only a variable holds a value of its own, not the result of mul", () => (Two * Two).ZeroGrad());
    }

    [Fact]
    public void Item_of_an_array() => Says<ShapeException>("item: expected one element, got shape (2); use eval", () => Two.Item());

    // ---- Training ----

    private static TrainingStep Training(Func<Linear, Expr, Expr, Expr> loss)
    {
        var model = new Linear(2, 2, dtype: DType.Float64);
        return TrainingStep.Compile(model, (x, y) => loss(model, x, y), Optimizer.Sgd(1));
    }

    [Fact]
    public void Training_with_the_wrong_number_of_arrays() =>
        Says<ArgumentException>("Run: the loss takes 2 arrays, got 1", () => Training((m, x, y) => MeanSquaredError(m.Call(x), y)).Run(new double[] { 1, 2 }));

    [Fact]
    public void Training_with_a_loss_that_is_an_array() =>
        Says<ShapeException>(
            "training: expected a scalar loss, got shape (2); take its sum or mean",
            () => Training((m, x, y) => Square(m.Call(x) - y)).Run(new double[] { 1, 2 }, new double[] { 1, 2 }));

    [Fact]
    public void Training_of_what_the_loss_ignores() =>
        Tells<InvalidOperationException>(
            () => Training((m, x, y) => Sum(Square(x - y))).Run(new double[] { 1, 2 }, new double[] { 1, 2 }),
            "grad: ", "does not depend on \"weight\"");

    [Fact]
    public void Training_of_a_model_without_parameters() =>
        Says<ArgumentException>(
            "TrainingStep: Relu has no parameters to train (Parameter 'model')",
            () => TrainingStep.Compile(new Relu(), x => Sum(x), Optimizer.Sgd(1)));

    [Fact]
    public void Step_without_Backward() =>
        Says<InvalidOperationException>(
            "Step: the parameter \"w\" of shape (2) has no gradient; call Backward on a loss that depends on it first",
            new Optimizer(Optimizer.Sgd(1), [new Parameter(new double[] { 1, 2 }, "w")]).Step);

    [Theory]
    [InlineData(0.0, "0")]
    [InlineData(-1.0, "-1")]
    [InlineData(double.NaN, "NaN")]
    public void Clipping_by_no_norm(double limit, string shown) =>
        Says<ArgumentException>($"clipByGlobalNorm: expected a limit above 0, got {shown} (Parameter 'limit')", () => Optimizer.ClipByGlobalNorm(limit));

    // ---- Derivatives ----

    [Fact]
    public void Backward_of_an_array() =>
        Says<ShapeException>("Backward: expected a scalar, but the value to differentiate has shape (2); sum it, or give a cotangent", () => (2 * Two).Backward());

    [Fact]
    public void Backward_with_a_cotangent_of_another_shape_or_type()
    {
        Tells<ShapeException>(() => (2 * Two).Backward(new double[] { 1, 2, 3 }), "vjp: the cotangent", "(3)", "(2)");
        Tells<ShapeException>(() => (2 * Two).Backward(new float[] { 1, 2 }), "vjp: the cotangent", "float32", "float64");
    }

    [Fact]
    public void ValueAndGrad_of_an_array() =>
        Says<ShapeException>(
            "ValueAndGrad: expected a scalar, but the value to differentiate has shape (2); sum it",
            () => Compile(x => 2 * x).ValueAndGrad((NDArray)new double[] { 1, 2 }));

    [Fact]
    public void Compiled_function_with_the_wrong_number_of_arguments()
    {
        Says<ArgumentException>("call: the function takes 2 arguments (a, b), got 1; missing: b (Parameter 'args')", () => Compile((a, b) => a + b).Invoke(1.0));
        Says<ArgumentException>("call: the function takes 1 argument (a), got 3 (Parameter 'args')", () => Compile((Expr a) => a).Invoke(1.0, 2.0, 3.0));
    }

    [Fact]
    public void Gradient_of_integers()
    {
        var n = Variable(new[] { 1, 2 }, "n");
        Tells<DTypeException>(() => Grad(Sum(n * n), n), "grad: ", "int32", "float32", "cast");
        Tells<DTypeException>(() => Grad(Sum(Two * Cast(n, DType.Float64)), n), "grad: \"n\" is int32", "float32", "cast");
    }

    [Fact]
    public void Gradient_of_what_is_not_connected() =>
        Tells<InvalidOperationException>(
            () => Grad(Variable(1.0, "x") + 1, Two, unconnected: Unconnected.Error), "grad: ", "does not depend on \"two\"", "ask for zeros");

    // ---- Shapes ----

    [Fact]
    public void MatMul_of_a_scalar()
    {
        Says<ShapeException>("matmul: expected arrays of rank 1 or more, got shapes (2) and ()", () => MatMul(Two, 3));
        Says<ShapeException>("matmul: expected arrays of rank 1 or more, got shapes () and (2)", () => MatMul(Variable(3.0), Two));
    }

    [Fact]
    public void MatMul_of_extents_that_differ()
    {
        var m = Variable(new double[,] { { 1, 2, 3 }, { 4, 5, 6 } }, "m");
        Says<ShapeException>("matmul: shapes (2, 3) and (2, 3) do not fit: the last axis of the first is 3, the last but one of the second 2", () => MatMul(m, m));
        Says<ShapeException>("matmul: shapes (2, 3) and (2) do not fit: the last axis of the first is 3, the axis of the second 2", () => MatMul(m, Two));
    }

    [Fact]
    public void Linspace_of_less_than_no_numbers()
    {
        Says<ArgumentException>("linspace: expected a number of elements of at least 0, got -1 (Parameter 'count')", () => Linspace(0, 1, -1));
        Says<DTypeException>("linspace: expected float32 or float64, got int32", () => Linspace(0, 1, 3, DType.Int32));
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(-2, "-2")]
    [InlineData(double.NaN, "NaN")]
    public void Schedules_of_no_steps(double steps, string shown)
    {
        Says<ArgumentException>($"cosineDecay: expected a number of steps of more than 0, got {shown}", () => Schedule.CosineDecay(1, steps));
        Says<ArgumentException>($"linearRate: expected a number of steps of more than 0, got {shown}", () => Schedule.Linear(1, 0, steps));
        Says<ArgumentException>($"exponentialDecay: expected a number of steps of more than 0, got {shown}", () => Schedule.ExponentialDecay(1, 0.5, steps));
        Says<ArgumentException>(
            $"WarmupCosine: expected a rise of 0 to less than all {shown} steps, got 3 (Parameter 'warmup')", () => Schedule.WarmupCosine(1, 3, steps));
    }

    [Fact]
    public void Slices_out_of_range()
    {
        Says<ArgumentOutOfRangeException>("slice: 7 is outside axis 0 of shape (2) (Parameter 'slices')", () => _ = Two[7]);
        Says<ArgumentOutOfRangeException>("slice: ^9 is outside axis 0 of shape (2) (Parameter 'slices')", () => _ = Two[^9]);
        Says<ArgumentOutOfRangeException>("slice: ^3 is outside axis 0 of shape (2) (Parameter 'slices')", () => _ = Two[-3]);
        Says<ArgumentOutOfRangeException>("slice: 3 is outside axis 0 of shape (2) (Parameter 'slices')", () => _ = Two[1..3]);
        Says<ShapeException>("slice: expected at most 1 slices for shape (2), got 2", () => _ = Two[0, 0]);
        Says<ShapeException>("slice: expected at most one ellipsis, got 2", () => _ = Two[Slice.Ellipsis, Slice.Ellipsis]);
        Says<ArgumentException>("slice: expected a step other than 0 (Parameter 'step')", () => _ = Two[Slice.Every(0)]);
    }

    [Fact]
    public void Reductions_along_axes_that_are_not_there()
    {
        Tells<ShapeException>(() => Sum(Two, 1), "sum: axis 1 is outside shape (2)");
        Tells<ShapeException>(() => Mean(Two, 0, -1), "mean: axis 0", "named twice in (0, -1)");
        Tells<DTypeException>(() => Mean(Constant(new[] { 1, 2 })), "mean: ", "int32", "cast");
    }

    [Fact]
    public void Arithmetic_of_different_shapes_or_element_types()
    {
        Tells<ShapeException>(() => _ = Two + Variable(new double[] { 1, 2, 3 }, "three"), "add: shapes ", "(2)", "(3)", "do not broadcast");
        Tells<DTypeException>(() => _ = Two * Variable(new float[] { 1, 2 }, "single"), "mul: element types ", "float64", "float32", "cast");
        Tells<DTypeException>(() => Exp(Constant(new[] { 1, 2 })), "exp: ", "int32", "cast");
        Tells<DTypeException>(() => Where(Two, Two, Two), "where: the condition is bool, got float64");
    }

    // ---- Operations of one's own ----

    private sealed class WrongShape : Function
    {
        protected override NDArray Forward(NDArray[] args) => 1.0;
        protected override Expr?[] Backward(Expr[] args, Expr value, Expr cotangent) => [];
    }

    [Fact]
    public void A_function_that_does_not_keep_its_promises()
    {
        Tells<ShapeException>(() => new WrongShape().Apply(Two).Eval(), "WrongShape: its forward gave ", "()", "(2)", "declared");
        Tells<InvalidOperationException>(() => Grad(new WrongShape().Apply(Two), Two), "WrongShape: its backward gave 0 cotangents for 1 arguments");
    }
}
