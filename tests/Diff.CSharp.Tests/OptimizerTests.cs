using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

public sealed class OptimizerTests
{
    // f = x², x₀ = 1, rate 0.1, three steps: figures of the teaching project.
    public static TheoryData<string, double[]> Fixtures => new()
    {
        { "sgd", [0.8, 0.64, 0.512] },
        { "momentum", [0.8, 0.46, 0.062] },
        { "adagrad", [0.9000000005, 0.8331035275658407, 0.7804561822187429] },
        { "rmsprop", [0.683772238983162, 0.498870613507054, 0.36918056029155977] },
        { "adam", [0.9000000005, 0.8004122286917928, 0.7015862729460303] },
        // worked from the formulas
        { "nesterov", [0.62, 0.2224, -0.108352] },
        { "adamw", [0.8990000005, 0.7985190271685215, 0.6989111831582321] },
    };

    private static GradientTransformation Make(string name) => name switch
    {
        "sgd" => Optimizer.Sgd(0.1),
        "momentum" => Optimizer.Momentum(0.1),
        "nesterov" => Optimizer.Nesterov(0.1),
        "adagrad" => Optimizer.AdaGrad(0.1),
        "rmsprop" => Optimizer.RmsProp(0.1),
        "adam" => Optimizer.Adam(0.1),
        _ => Optimizer.AdamW(0.1, weightDecay: 0.01),
    };

    private sealed class Point(double value) : Module
    {
        public Parameter X { get; } = new(value);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Both_styles_follow_the_published_steps(string name, double[] expected)
    {
        ArgumentNullException.ThrowIfNull(expected);
        Point compiled = new(1), imperative = new(1);
        var step = TrainingStep.Compile(compiled, () => compiled.X * compiled.X, Make(name));
        var optimizer = new Optimizer(Make(name), imperative.Parameters());
        const double tolerance = 4e-15;
        foreach (var x in expected)
        {
            step.Run();
            (imperative.X * imperative.X).Backward();
            optimizer.Step();
            optimizer.ZeroGrad();
            Assert.Equal(x, compiled.X.Value.Float(0), tolerance);
            Assert.Equal(compiled.X.Value.Float(0), imperative.X.Value.Float(0), 1e-15);
        }
    }

    [Fact]
    public void Adam_moves_by_the_rate_from_the_first_step_under_a_constant_gradient()
    {
        var point = new Point(0);
        var step = TrainingStep.Compile(point, () => 1 * point.X, Optimizer.Adam(0.001));
        for (var i = 1; i <= 4; i++)
        {
            step.Run();
            Assert.Equal(-0.001 * i, point.X.Value.Float(0), 1e-10);
        }
    }

    [Fact]
    public void Clipping_by_the_global_norm_keeps_the_direction()
    {
        var a = new Parameter(new double[] { 0, 0 });
        var b = new Parameter(0.0);
        var optimizer = new Optimizer(Optimizer.Chain(Optimizer.ClipByGlobalNorm(1), Optimizer.Sgd(1)), [a, b]);
        (Sum(a * Variable(new double[] { 3, 4 })) + 12 * b).Backward();
        optimizer.Step();
        Assert.All(a.Value.ToArray<double>().Append(b.Value.Float(0)).Zip([-3 / 13.0, -4 / 13.0, -12 / 13.0]), p => Assert.Equal(p.Second, p.First, 1e-15));
    }

    [Fact]
    public void Clipping_by_value_cuts_each_element()
    {
        var a = new Parameter(new double[] { 0, 0, 0 });
        var optimizer = new Optimizer(Optimizer.Chain(Optimizer.Clip(1), Optimizer.Sgd(1)), [a]);
        Sum(a * Variable(new double[] { 3, -4, 0.5 })).Backward();
        optimizer.Step();
        Assert.Equal([-1, 1, -0.5], a.Value.ToArray<double>());
    }

    [Fact]
    public void Schedules_follow_their_formulas()
    {
        double[] At(Schedule schedule, params double[] steps) => [.. steps.Select(s => schedule.At(Variable(s)).Item())];
        Assert.Equal([1, 0.5, 0.25], At(Schedule.ExponentialDecay(1, 0.5, 10), 0, 10, 20));
        Assert.Equal([0, 0.5, 1, 1], At(Schedule.Linear(0, 1, 10), 0, 5, 10, 20));
        Assert.All(At(Schedule.CosineDecay(2, 10), 0, 5, 10, 30).Zip([2, 1, 0, 0]), p => Assert.Equal(p.Second, p.First, 1e-15));
        Assert.All(At(Schedule.WarmupCosine(2, 4, 14), 0, 2, 4, 9, 14).Zip([0, 1, 2, 1, 0]), p => Assert.Equal(p.Second, p.First, 1e-15));
    }

    [Fact]
    public void A_rise_of_no_steps_is_none()
    {
        foreach (var (step, expected) in new[] { (0.0, 2.0), (5.0, 1.0), (10.0, 0.0) })
            Assert.Equal(expected, Schedule.WarmupCosine(2, 0, 10).At(step).Item(), 1e-15);
    }

    [Fact]
    public void A_schedule_steers_the_steps()
    {
        var point = new Point(0);
        var step = TrainingStep.Compile(point, () => 1 * point.X, Optimizer.Sgd(Schedule.Linear(1, 0, 2)));
        for (var i = 0; i < 4; i++) step.Run();
        Assert.Equal(-1.5, point.X.Value.Float(0));
    }

    [Fact]
    public void A_parameter_without_a_gradient_is_named()
    {
        var optimizer = new Optimizer(Optimizer.Sgd(1), [new Parameter(new double[] { 0 }, "w")]);
        Assert.Equal(
            "Step: the parameter \"w\" of shape (1) has no gradient; call Backward on a loss that depends on it first",
            Assert.Throws<InvalidOperationException>(optimizer.Step).Message);
    }

    [Fact]
    public void A_parameter_that_the_loss_ignores_is_an_error_in_compiled_training()
    {
        var model = new Sequential(new Linear(2, 2), new Linear(2, 2));
        var step = TrainingStep.Compile(model, x => Sum(model.Layers[0].Call(x)), Optimizer.Sgd(1));
        var error = Assert.Throws<InvalidOperationException>(() => step.Run(new float[,] { { 1, 2 } }));
        Assert.Contains("does not depend on \"layers.1.weight\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_state_is_saved_and_restored_with_the_parameters()
    {
        var path = Path.Combine(Path.GetTempPath(), Guid.NewGuid() + ".safetensors");
        try
        {
            (Point, TrainingStep) Fresh()
            {
                var point = new Point(1);
                return (point, TrainingStep.Compile(point, () => point.X * point.X, Optimizer.Adam(0.1)));
            }
            var (whole, wholeStep) = Fresh();
            for (var i = 0; i < 10; i++) wholeStep.Run();
            var (half, halfStep) = Fresh();
            for (var i = 0; i < 5; i++) halfStep.Run();
            halfStep.Save(path, new Dictionary<string, string> { ["step"] = "5" });
            var (resumed, resumedStep) = Fresh();
            Assert.Equal("5", resumedStep.Load(path)["step"]);
            for (var i = 0; i < 5; i++) resumedStep.Run();
            Assert.Equal(whole.X.Value.Float(0), resumed.X.Value.Float(0));
            Assert.NotEqual(half.X.Value.Float(0), resumed.X.Value.Float(0));
        }
        finally
        {
            File.Delete(path);
        }
    }
}
