using static Diff.Ops;

namespace Diff.Samples;

/// <summary>A deep network fitted to a curve with a jump, by one gradient step for each point.</summary>
public static class CurveFit
{
    private const int Points = 1000, Width = 10, HiddenLayers = 9;

    private const string Help = """
        Fits a network of ten layers to 1,000 noisy points of a curve with a jump, by Adam.

          --epochs N     how often to go through the points (100)
          --out DIR      for curve.svg and loss.svg (artifacts/CurveFit)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Fit(options.Int("--epochs", 100, least: 1), options.Folder("artifacts/CurveFit")));

    private static double Curve(double x) => x < 0 ? -3 * x * x - 2 : Math.Exp(1.5 * x) * Math.Sin(10 * x);

    private static void Fit(int epochs, string folder)
    {
        var random = new PythonRandom(42);
        double[] x = [.. Enumerable.Range(0, Points).Select(_ => random.Uniform(-1, 1))];
        var y = Array.ConvertAll(x, x => Curve(x) + random.Gauss(0, 0.1));

        var layers = new List<Module>();
        for (var i = 0; i < HiddenLayers; i++) layers.AddRange(Layer(i == 0 ? 1 : Width, Width), new Relu());
        var model = new Sequential([.. layers, Layer(Width, 1)]);
        var step = TrainingStep.Compile(model, (x, y) => Square(model.Call(x)[0] - y) / Points, Optimizer.Adam(0.001));

        var inputs = Array.ConvertAll(x, x => (NDArray)new[] { x });
        var targets = Array.ConvertAll(y, y => (NDArray)y);
        var losses = new List<double>();
        using (var progress = new Progress(0, epochs, every: 10, Points, "points", "epoch"))
        {
            while (losses.Count < epochs && !progress.Interrupted)
            {
                var loss = 0.0;
                for (var i = 0; i < Points; i++) loss += step.Run(inputs[i], targets[i]);
                losses.Add(loss);
                progress.Report(losses.Count, () => $"loss {loss:R}");
            }
        }

        // The whole curve at once: the network takes any number of points.
        double[] grid = [.. Enumerable.Range(0, 1000).Select(i => 2 * (i / 999.0) - 1)];
        var truth = Array.ConvertAll(grid, Curve);
        var fitted = Compile(model.Call).Call(NDArray.Create(grid, new Shape([grid.Length, 1])))[0].ToArray<double>();
        var errors = fitted.Zip(truth, (a, b) => Math.Abs(a - b)).ToArray();
        Console.WriteLine($"\nmean squared error to the curve {errors.Average(e => e * e):F7}, largest error {errors.Max():F4}");

        new Chart("A network fitted to a curve") { XLabel = "x", YLabel = "y" }
            .Points("points", x, y).Line("curve", grid, truth).Line("network", grid, fitted).Save(Path.Combine(folder, "curve.svg"));
        new Chart("The loss of a curve fit") { XLabel = "epoch", YLabel = "mean squared error", LogY = true }
            .Line("", Enumerable.Range(1, losses.Count).Select(n => (double)n), losses).Save(Path.Combine(folder, "loss.svg"));
        Console.WriteLine($"Charts in {folder}");
    }

    /// <summary>A layer whose weights are drawn with a generator of its own that begins at the same number, as in the project
    /// that this experiment comes from; a network of your own had better share one generator among its layers.</summary>
    private static Linear Layer(int inputs, int outputs)
    {
        var random = new PythonRandom(42);
        var he = Initializer.From(_ => random.Gauss(0, Math.Sqrt(2.0 / inputs)));
        return new Linear(inputs, outputs, initializer: he, dtype: DType.Float64);
    }
}
