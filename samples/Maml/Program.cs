using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// Weights from which one step of gradient descent fits a new sinusoid: model-agnostic meta-learning (Finn, Abbeel and Levine 2017).
/// The step is part of the graph, so the meta-gradient is a derivative through a derivative; all tasks of a batch are one vmap.
/// </summary>
public static class Maml
{
    private const int Width = 40, Shots = 10, Tasks = 25;
    private const double InnerRate = 0.02;

    private const string Help = """
        Learns initial weights from which one gradient step on 10 points fits a sinusoid of any amplitude and phase.

          --steps N      how many meta-steps (10000)
          --out DIR      for maml.svg and losses.svg (artifacts/Maml)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Learn(options.Int("--steps", 10_000, least: 1), options.Folder("artifacts/Maml")));

    /// <summary>A network 1-40-40-1 as a function of its weights, so that it can be had with others.</summary>
    private sealed class Net(Random random) : Module
    {
        private readonly Linear _first = new(1, Width, random: random, initializer: Initializer.HeNormal);
        private readonly Linear _second = new(Width, Width, random: random, initializer: Initializer.HeNormal);
        private readonly Linear _last = new(Width, 1, random: random);

        public Expr[] Weights => [_first.Weight, _first.Bias!, _second.Weight, _second.Bias!, _last.Weight, _last.Bias!];
    }

    private static Expr Predict(Expr[] w, Expr x)
    {
        Expr Layer(Expr h, int i) => Einsum("ni,oi->no", h, w[i]) + w[i + 1];
        return Layer(Relu(Layer(Relu(Layer(x, 0)), 2)), 4);
    }

    private static Expr Loss(Expr[] w, Expr x, Expr y) => Mean(Square(Predict(w, x) - y));

    /// <summary>The weights after some steps of gradient descent on one task.</summary>
    private static Expr[] Adapt(Expr[] w, Expr x, Expr y, int steps, double rate = InnerRate)
    {
        for (var i = 0; i < steps; i++) w = [.. w.Zip(Grad(Loss(w, x, y), w), (w, g) => w - (rate * g))];
        return w;
    }

    private static void Learn(int steps, string folder)
    {
        var random = new Random(1);
        Net meta = new(new Random(2)), pooled = new(new Random(2));
        var metaStep = TrainingStep.Compile(meta, (x, y, testX, testY) =>
            Mean(Vmap(task => [Loss(Adapt(meta.Weights, task[0], task[1], 1), task[2], task[3])], [x, y, testX, testY])[0]), Optimizer.Adam(0.002));
        // For comparison: the same network trained on all tasks at once, which can only learn their mean.
        var pooledStep = TrainingStep.Compile(pooled, (x, y) => Mean(Vmap((x, y) => Loss(pooled.Weights, x, y), x, y)), Optimizer.Adam(0.001));

        var losses = new List<double>();
        using (var progress = new Progress(0, steps, every: 1000, Tasks, "tasks"))
        {
            while (losses.Count < steps && !progress.Interrupted)
            {
                var (x, y) = Draw(random, Tasks, 2 * Shots);
                var loss = metaStep.Run(Half(x, 0), Half(y, 0), Half(x, 1), Half(y, 1));
                pooledStep.Run(x, y);
                losses.Add(loss);
                progress.Report(losses.Count, () => $"loss after one step {loss:F4}");
            }
        }

        // New tasks: fitted to 10 points, judged on 100 others. The pooled weights take the rate that is best for them.
        var (points, values) = Draw(random, 200, Shots + 100);
        Console.WriteLine("\nmean squared error on 200 new tasks after     0 steps    1 step   5 steps");
        Table("from weights learned for adaptation", meta, [InnerRate], points, values);
        Table("from weights trained on all tasks", pooled, [0.0003, 0.001, 0.003, InnerRate], points, values);

        Picture(meta, folder);
        new Chart("The loss after one step of adaptation") { XLabel = "meta-step", YLabel = "mean squared error", LogY = true }
            .Line("", Enumerable.Range(1, losses.Count).Select(n => (double)n), losses).Save(Path.Combine(folder, "losses.svg"));
        Console.WriteLine($"Charts in {folder}");
    }

    private static void Table(string name, Net net, double[] rates, NDArray x, NDArray y)
    {
        double Error(int steps, double rate) => Compile((x, y) => Mean(Vmap(
            (x, y) => Loss(Adapt(net.Weights, x[..Shots], y[..Shots], steps, rate), x[Shots..], y[Shots..]), x, y))).Call(x, y)[0].Float(0);
        var best = rates.MinBy(rate => Error(1, rate));
        Console.WriteLine($"{name,-42} {Error(0, best),10:F3}{Error(1, best),10:F3}{Error(5, best),10:F3}");
    }

    private static void Picture(Net net, string folder)
    {
        float[] grid = [.. Enumerable.Range(0, 200).Select(i => -5 + (i / 19.9f))];
        float[] x = [.. Enumerable.Range(0, Shots).Select(i => -4.5f + (9f * i / (Shots - 1)))], y = Array.ConvertAll(x, x => Sinusoid(3, 1, x));
        var chart = new Chart("A sinusoid from ten points") { XLabel = "x" }.Points("points", Doubles(x), Doubles(y)).Line("truth", Doubles(grid), grid.Select(x => (double)Sinusoid(3, 1, x)));
        for (var steps = 0; steps <= 5; steps += steps == 0 ? 1 : 4)
        {
            var fitted = Compile((x, y, grid) => Predict(Adapt(net.Weights, x, y, steps), grid)).Call(Column(x), Column(y), Column(grid))[0];
            chart.Line($"after {steps} steps", Doubles(grid), Doubles(fitted.ToArray<float>()));
        }
        chart.Save(Path.Combine(folder, "maml.svg"));
    }

    private static float Sinusoid(double amplitude, double phase, double x) => (float)(amplitude * Math.Sin(x - phase));

    /// <summary>Points of sinusoids with amplitudes in [0.1, 5] and phases in [0, π]: x and y, each [tasks, count, 1].</summary>
    private static (NDArray X, NDArray Y) Draw(Random random, int tasks, int count)
    {
        float[] x = new float[tasks * count], y = new float[tasks * count];
        for (var task = 0; task < tasks; task++)
        {
            var (amplitude, phase) = (0.1 + (4.9 * random.NextDouble()), Math.PI * random.NextDouble());
            for (var i = task * count; i < (task + 1) * count; i++) y[i] = Sinusoid(amplitude, phase, x[i] = (float)((10 * random.NextDouble()) - 5));
        }
        var shape = new Shape([tasks, count, 1]);
        return (NDArray.Create(x, shape), NDArray.Create(y, shape));
    }

    private static NDArray Half(NDArray points, int which) => Constant(points)[.., which == 0 ? ..Shots : Shots..].Eval();
    private static NDArray Column(float[] x) => NDArray.Create(x, new Shape([x.Length, 1]));
    private static IEnumerable<double> Doubles(float[] x) => x.Select(x => (double)x);
}
