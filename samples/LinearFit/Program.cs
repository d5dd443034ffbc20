using static Diff.Ops;

namespace Diff.Samples;

/// <summary>A line through noisy points in five dimensions, found by one gradient step for each point.</summary>
public static class LinearFit
{
    private const int Points = 10_000, Features = 5;

    private const string Help = """
        Fits the weights of a linear function to 10,000 noisy points by stochastic gradient descent with momentum.

          --epochs N     how often to go through the points (100)
          --out DIR      for loss.svg and weights.svg (artifacts/LinearFit)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Fit(options.Int("--epochs", 100, least: 1), options.Folder("artifacts/LinearFit")));

    private static void Fit(int epochs, string folder)
    {
        var (rows, targets, truth) = Data();
        var random = new PythonRandom(42);
        var he = Initializer.From(_ => random.Gauss(0, Math.Sqrt(2.0 / Features)));
        var model = new Linear(Features, 1, bias: false, he, dtype: DType.Float64);
        var step = TrainingStep.Compile(model, (x, y) => Square(model.Call(x)[0] - y) / Points, Optimizer.Momentum(0.01, 0.9));

        var losses = new List<double>();
        using (var progress = new Progress(0, epochs, every: 10, Points, "points", "epoch"))
        {
            while (losses.Count < epochs && !progress.Interrupted)
            {
                var loss = 0.0;
                for (var i = 0; i < Points; i++) loss += step.Run(rows[i], targets[i]);
                losses.Add(loss);
                progress.Report(losses.Count, () => $"loss {loss:R}");
            }
        }

        var learned = model.Weight.Value.ToArray<double>();
        Console.WriteLine($"\n{"true weight",22}   learned");
        for (var i = 0; i < Features; i++) Console.WriteLine($"{truth[i],22:R}   {learned[i]:R}");

        var epoch = Enumerable.Range(1, losses.Count).Select(n => (double)n);
        new Chart("The loss of a linear fit") { XLabel = "epoch", YLabel = "mean squared error", LogY = true }
            .Line("", epoch, losses).Save(Path.Combine(folder, "loss.svg"));
        var index = Enumerable.Range(0, Features).Select(i => (double)i);
        new Chart("The weights of a linear fit") { XLabel = "index", YLabel = "weight" }
            .Line("true", index, truth).Points("learned", index, learned).Save(Path.Combine(folder, "weights.svg"));
        Console.WriteLine($"\nCharts in {folder}");
    }

    private static (NDArray[] Rows, NDArray[] Targets, double[] Truth) Data()
    {
        var random = new PythonRandom(42);
        var x = Draw(Points * Features, () => random.Uniform(-1, 1));
        var truth = Draw(Features, () => random.Gauss(-1, 1));
        var noise = Draw(Points, () => random.Gauss(0, 0.1));
        var rows = new NDArray[Points];
        var targets = new NDArray[Points];
        for (var i = 0; i < Points; i++)
        {
            var row = x.AsMemory(i * Features, Features);
            rows[i] = NDArray.Create(row, new Shape([Features]));
            targets[i] = truth.Select((b, j) => b * row.Span[j]).Sum() + noise[i];
        }
        return (rows, targets, truth);
    }

    private static double[] Draw(int count, Func<double> next) => [.. Enumerable.Range(0, count).Select(_ => next())];
}
