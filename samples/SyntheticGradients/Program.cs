using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// Layers that do not wait for the backward pass: each is trained by an estimate of the gradient at its output, made from that output and
/// the label by a small model, which is itself trained to agree with what comes from the layer above (Jaderberg et al. 2017).
/// </summary>
public static class SyntheticGradients
{
    private const int Width = 32, Batch = 128, Layers = 3;

    private const string Help = """
        Trains a network on two spirals by learned estimates of its gradients, by the true ones, and with its lower layers left alone.

          --steps N      how many steps (6000)
          --out DIR      for loss.svg, agreement.svg and spirals.svg (artifacts/SyntheticGradients)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Train(options.Int("--steps", 6000, least: 1), options.Folder("artifacts/SyntheticGradients")));

    /// <summary>The layers, and a readout.</summary>
    private sealed class Net : Module
    {
        private readonly Linear[] _layers;

        public Net(int seed)
        {
            var random = new Random(seed);
            _layers = [.. Enumerable.Range(0, Layers).Select(i => new Linear(i == 0 ? 2 : Width, Width, random: random, initializer: Initializer.HeNormal))];
            Readout = new Linear(Width, 1, random: random);
        }

        public Linear Readout { get; }

        public Expr Layer(int i, Expr x) => Tanh(_layers[i].Call(x));
        public Expr Top(Expr x) => Enumerable.Range(0, Layers).Aggregate(x, (h, i) => Layer(i, h));
        public Expr Loss(Expr h, Expr label) => Mean(SigmoidCrossEntropy(Readout.Call(h), label));
        public Expr Logits(Expr x) => Readout.Call(Top(x));
    }

    /// <summary>A network, and for each layer a model of the gradient at its output.</summary>
    private sealed class Estimated(Net net) : Module
    {
        // Zeros to begin with: an untrained estimate moves nothing.
        private readonly Linear[] _estimates = [.. Enumerable.Range(0, Layers).Select(_ => new Linear(Width + 1, Width, initializer: Initializer.Zeros))];

        public Net Net { get; } = net;

        public Expr Estimate(int i, Expr h, Expr label) => _estimates[i].Call(Concat(1, h, label)) / Batch;
    }

    /// <summary>The whole network by back-propagation; with frozen layers only the readout learns.</summary>
    private static Expr Usual(Net net, Expr x, Expr label, bool frozen)
    {
        var h = net.Top(x);
        return net.Loss(frozen ? StopGradient(h) : h, label);
    }

    /// <summary>
    /// A sum whose gradient is what every part is trained by. No derivative crosses from a layer to the one below: a layer sees
    /// Σ h·δ with an estimate δ taken as a constant, and the estimate sees its distance from the gradient that the part above passes down.
    /// </summary>
    private static Expr Decoupled(Estimated model, Expr x, Expr label)
    {
        var (input, total) = (x, (Expr)0f);
        Expr[] inputs = new Expr[Layers + 1], parts = new Expr[Layers + 1];
        for (var i = 0; i < Layers; i++)
        {
            inputs[i] = input;
            var h = model.Net.Layer(i, input);
            input = StopGradient(h);
            parts[i] = Sum(h * StopGradient(model.Estimate(i, input, label)));
        }
        inputs[Layers] = input;
        parts[Layers] = model.Net.Loss(input, label);
        for (var i = 0; i < Layers; i++)
        {
            var target = StopGradient(Grad(parts[i + 1], inputs[i + 1])); // itself from an estimate, but for the topmost
            total = total + parts[i] + (Batch * Sum(Square(model.Estimate(i, inputs[i + 1], label) - target)));
        }
        return total + parts[Layers];
    }

    private static void Train(int steps, string folder)
    {
        var random = new Random(3);
        Net usual = new(1), frozen = new(1);
        var synthetic = new Estimated(new Net(1));
        var syntheticStep = TrainingStep.Compile(synthetic, (x, label) => Decoupled(synthetic, x, label), Optimizer.Adam(0.002));
        var usualStep = TrainingStep.Compile(usual, (x, label) => Usual(usual, x, label, frozen: false), Optimizer.Adam(0.002));
        var frozenStep = TrainingStep.Compile(frozen.Readout, (x, label) => Usual(frozen, x, label, frozen: true), Optimizer.Adam(0.002));
        var watch = Compile(xs => new[] { Usual(synthetic.Net, xs[0], xs[1], frozen: false), Agreement(synthetic, xs[0], xs[1]) });

        List<double> at = [], ours = [], theirs = [], untrained = [], cosine = [];
        using (var progress = new Progress(0, steps, every: 1000, Batch, "points"))
        {
            for (var n = 1; n <= steps && !progress.Interrupted; n++)
            {
                var (x, label) = Spirals(random, Batch);
                syntheticStep.Run(x, label);
                var (full, only) = (usualStep.Run(x, label), frozenStep.Run(x, label));
                if (n % 50 == 0 || n == steps)
                {
                    var seen = watch.Call(x, label);
                    at.Add(n);
                    ours.Add(seen[0].Float(0));
                    cosine.Add(seen[1].Float(0));
                    theirs.Add(full);
                    untrained.Add(only);
                }
                progress.Report(n, () => ours.Count == 0 ? "" : $"loss {ours[^1]:F4}, with true gradients {theirs[^1]:F4}");
            }
        }

        var (testX, testLabel) = Spirals(random, 2000);
        foreach (var (name, net) in new[] { ("synthetic gradients", synthetic.Net), ("back-propagation", usual), ("layers left alone", frozen) })
            Console.WriteLine($"{name,-20} accuracy {100 * Accuracy(net, testX, testLabel):F1} %");
        Console.WriteLine($"cosine of the lowest layer's estimate and the true gradient: at most {cosine.Max():F2}, {cosine.Average():F2} on average");

        new Chart("Training by estimated gradients") { XLabel = "step", YLabel = "cross-entropy", LogY = true }
            .Line("synthetic gradients", at, ours).Line("back-propagation", at, theirs).Line("layers left alone", at, untrained).Save(Path.Combine(folder, "loss.svg"));
        new Chart("Estimate and true gradient at the lowest layer") { XLabel = "step", YLabel = "cosine" }.Line("", at, cosine).Save(Path.Combine(folder, "agreement.svg"));
        Picture(synthetic.Net, testX, testLabel, folder);
        Console.WriteLine($"Charts in {folder}");
    }

    /// <summary>The cosine between the lowest layer's estimate and the gradient that back-propagation gives it.</summary>
    private static Expr Agreement(Estimated model, Expr x, Expr label)
    {
        var net = model.Net;
        var h = net.Layer(0, x);
        var truth = Grad(net.Loss(net.Layer(2, net.Layer(1, h)), label), h);
        var estimate = model.Estimate(0, h, label);
        return Sum(estimate * truth) / (Norm(estimate) * Norm(truth) + 1e-12);
    }

    private static double Accuracy(Net net, NDArray x, NDArray label)
    {
        var logits = Compile(net.Logits).Call(x)[0];
        return Enumerable.Range(0, logits.Length).Average(i => logits.Float(i) > 0 == label.Float(i) > 0.5 ? 1 : 0);
    }

    private static void Picture(Net net, NDArray x, NDArray label, string folder)
    {
        var logits = Compile(net.Logits).Call(x)[0];
        var chart = new Chart("Two spirals, told apart without a backward pass") { Width = 480, Height = 480 };
        foreach (var side in new[] { false, true })
        {
            int[] chosen = [.. Enumerable.Range(0, label.Length).Where(i => logits.Float(i) > 0 == side)];
            chart.Points(side ? "taken for the one" : "for the other", chosen.Select(i => x.Float(2 * i)), chosen.Select(i => x.Float((2 * i) + 1)));
        }
        chart.Save(Path.Combine(folder, "spirals.svg"));
    }

    /// <summary>Points of two spirals of one and a half turns: [count, 2] and [count, 1].</summary>
    private static (NDArray X, NDArray Label) Spirals(Random random, int count)
    {
        float[] x = new float[2 * count], label = new float[count];
        for (var i = 0; i < count; i++)
        {
            var (side, along) = (random.Next(2), Math.Sqrt(random.NextDouble()));
            var angle = (3 * Math.PI * along) + (Math.PI * side);
            x[2 * i] = (float)((along * Math.Cos(angle)) + (0.03 * (random.NextDouble() - 0.5)));
            x[(2 * i) + 1] = (float)((along * Math.Sin(angle)) + (0.03 * (random.NextDouble() - 0.5)));
            label[i] = side;
        }
        return (NDArray.Create(x, new Shape([count, 2])), NDArray.Create(label, new Shape([count, 1])));
    }
}
