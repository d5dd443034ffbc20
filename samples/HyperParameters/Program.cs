using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// Hyper-parameters by gradient descent: the error on held-out points, differentiated through a whole training run with respect to
/// the learning rate, the momentum and one weight decay for each feature (Maclaurin, Duvenaud and Adams 2015).
/// </summary>
public static class HyperParameters
{
    private const int Features = 20, Training = 30, Held = 200, InnerSteps = 60;

    private const string Help = """
        Trains the learning rate, the momentum and 20 weight decays of a regression by differentiating through 60 steps of its training.

          --steps N      how many steps of the outer descent (300)
          --out DIR      for fit.svg, error.svg and decays.svg (artifacts/HyperParameters)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Tune(options.Int("--steps", 300, least: 1), options.Folder("artifacts/HyperParameters")));

    /// <summary>What is tuned, on scales without bounds.</summary>
    private sealed class Settings : Module
    {
        public Parameter LogRate { get; } = new(Math.Log(0.05));
        public Parameter MomentumLogit { get; } = new(0.0);
        public Parameter LogDecay { get; } = new(Enumerable.Repeat(Math.Log(1e-3), Features).ToArray());

        public Expr Rate => Exp(LogRate);
        public Expr Momentum => Sigmoid(MomentumLogit);
        public Expr Decay => Exp(LogDecay);
    }

    /// <summary>The weights that 60 steps of descent with momentum end with, from zeros, as a graph of the settings.</summary>
    private static Expr Trained(Settings settings, Expr features, Expr targets)
    {
        Expr w = Variable(new double[Features]), velocity = ZerosLike(w);
        for (var i = 0; i < InnerSteps; i++)
        {
            var loss = Mean(Square(MatMul(features, w) - targets)) + Sum(settings.Decay * w * w);
            velocity = (settings.Momentum * velocity) - (settings.Rate * Grad(loss, w));
            w += velocity;
        }
        return w;
    }

    private static void Tune(int steps, string folder)
    {
        var random = new PythonRandom(7);
        var (x, y) = Points(random, Training);
        var (heldX, heldY) = Points(random, Held);
        var settings = new Settings();
        Expr Error(Expr features, Expr targets, Expr heldFeatures, Expr heldTargets) =>
            Mean(Square(MatMul(heldFeatures, Trained(settings, features, targets)) - heldTargets));
        var step = TrainingStep.Compile(settings, Error, Optimizer.Adam(0.05));
        NDArray[] data = [Basis(x), y, Basis(heldX), heldY];

        var errors = new List<double>();
        using (var progress = new Progress(0, steps, every: 50, InnerSteps, "inner steps"))
        {
            while (errors.Count < steps && !progress.Interrupted)
            {
                errors.Add(step.Run(data));
                progress.Report(errors.Count, () => $"held-out error {errors[^1]:F5}");
            }
        }

        Console.WriteLine($"\nheld-out error {errors[0]:F5} before, {errors[^1]:F5} after; the noise alone is {0.1 * 0.1:F5}");
        Console.WriteLine($"learning rate {settings.Rate.Item():F3}, momentum {settings.Momentum.Item():F3}");
        var decays = settings.Decay.Eval().ToArray<double>();
        Console.WriteLine($"weight decay of the five lowest frequencies {decays.Take(5).Average():E1}, of the five highest {decays.TakeLast(5).Average():E1}");

        double[] grid = [.. Enumerable.Range(0, 300).Select(i => i / 299.0)];
        var fitted = Compile((f, t, g) => MatMul(g, Trained(settings, f, t))).Call(data[0], y, Basis(grid))[0].ToArray<double>();
        new Chart("A fit with learned hyper-parameters") { XLabel = "x", YLabel = "y" }
            .Points("training points", x, y).Line("truth", grid, grid.Select(Truth)).Line("fit", grid, fitted).Save(Path.Combine(folder, "fit.svg"));
        new Chart("The error on held-out points") { XLabel = "outer step", YLabel = "mean squared error", LogY = true }
            .Line("", Enumerable.Range(1, errors.Count).Select(n => (double)n), errors).Save(Path.Combine(folder, "error.svg"));
        new Chart("Learned weight decays") { XLabel = "frequency", YLabel = "decay", LogY = true }
            .Points("", Enumerable.Range(0, Features).Select(k => (double)k), decays).Save(Path.Combine(folder, "decays.svg"));
        Console.WriteLine($"Charts in {folder}");
    }

    private static double Truth(double x) => Math.Sin(2 * Math.PI * x) + (0.5 * Math.Cos(5 * Math.PI * x));

    private static (double[] X, double[] Y) Points(PythonRandom random, int count)
    {
        double[] x = [.. Enumerable.Range(0, count).Select(_ => random.Uniform(0, 1))];
        return (x, Array.ConvertAll(x, x => Truth(x) + random.Gauss(0, 0.1)));
    }

    /// <summary>Cosines of ascending frequency: [points, features].</summary>
    private static NDArray Basis(double[] x) =>
        NDArray.Create([.. x.SelectMany(x => Enumerable.Range(0, Features).Select(k => Math.Cos(Math.PI * k * x)))], new Shape([x.Length, Features]));
}
