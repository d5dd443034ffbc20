using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// An optimiser that was learned: a recurrent network reads the gradient of each coordinate and writes its update, and is trained by
/// differentiating through the training that it does (Andrychowicz et al. 2016).
/// </summary>
public static class LearnedOptimizer
{
    private const int Size = 10, Hidden = 20, Unrolled = 20, Problems = 32, Longest = 100;

    private const string Help = """
        Trains a recurrent network to minimise random least-squares problems, and compares it with SGD and Adam on new ones.

          --steps N      how many problems to learn from, in batches of 32 (2000)
          --out DIR      for descent.svg and learning.svg (artifacts/LearnedOptimizer)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Learn(options.Int("--steps", 2000, least: 1), options.Folder("artifacts/LearnedOptimizer")));

    /// <summary>The update rule, the same for every coordinate: gradient and state in, update and next state out.</summary>
    private sealed class Rule(Random random) : Module
    {
        private readonly Linear _input = new(2, 4 * Hidden, random: random), _state = new(Hidden, 4 * Hidden, bias: false, random: random);
        private readonly Linear _output = new(Hidden, 1, random: random);

        public (Expr Update, Expr H, Expr C) Step(Expr gradient, Expr h, Expr c)
        {
            // Magnitude and sign apart, since gradients shrink by orders of magnitude on the way.
            var size = Clip(Log(Abs(gradient) + 1e-8) / 8, -1, 1);
            var gates = _input.Call(Stack(-1, size, Tanh(10 * gradient))) + _state.Call(h);
            Expr Gate(int k) => gates[.., .., (k * Hidden)..((k + 1) * Hidden)];
            c = (Sigmoid(Gate(0) + 1) * c) + (Sigmoid(Gate(1)) * Tanh(Gate(2)));
            h = Sigmoid(Gate(3)) * Tanh(c);
            return (0.1 * Squeeze(_output.Call(h), -1), h, c);
        }
    }

    /// <summary>½‖Wθ − y‖² of each problem: W is [problems, n, n], θ and y are [problems, n].</summary>
    private static Expr Objective(Expr w, Expr y, Expr theta) => 0.5 * Sum(Square(Einsum("pij,pj->pi", w, theta) - y), 1);

    /// <summary>The objectives of all problems on the way, [steps + 1, problems].</summary>
    private static Expr Descend(Rule rule, Expr w, Expr y, int steps)
    {
        var problems = w.Shape[0];
        Expr theta = Variable(new float[y.Shape.Length], y.Shape), h = Zeros(new Shape([problems, Size, Hidden]), DType.Float32), c = ZerosLike(h);
        var values = new List<Expr> { Objective(w, y, theta) };
        for (var i = 0; i < steps; i++)
        {
            var gradient = Grad(values[^1], theta);
            (var update, h, c) = rule.Step(gradient, h, c);
            theta += update;
            values.Add(Objective(w, y, theta));
        }
        return Stack(0, [.. values]);
    }

    private static void Learn(int steps, string folder)
    {
        var random = new Random(5);
        var rule = new Rule(new Random(6));
        // Relative to where each problem begins, so that no problem outweighs the others.
        var train = TrainingStep.Compile(rule, (w, y) =>
        {
            var values = Descend(rule, w, y, Unrolled);
            return Mean(Log((values[1..] / values[..1]) + 1e-6));
        }, Optimizer.Chain(Optimizer.ClipByGlobalNorm(1), Optimizer.Adam(0.003)));

        var losses = new List<double>();
        using (var progress = new Progress(0, steps, every: 200, Problems, "problems"))
        {
            while (losses.Count < steps && !progress.Interrupted)
            {
                var (w, y) = Draw(random, Problems);
                losses.Add(train.Run(w, y));
                progress.Report(losses.Count, () => $"mean log of the objective {losses[^1]:F3}");
            }
        }

        // New problems, and five times as many steps as were ever unrolled.
        var (newW, newY) = Draw(random, 64);
        var learned = Curve(Compile((w, y) => Descend(rule, w, y, Longest)).Call(newW, newY)[0]);
        var sgd = Best(newW, newY, rate => Optimizer.Momentum(rate), [0.003, 0.01, 0.02, 0.05, 0.1]);
        var adam = Best(newW, newY, rate => Optimizer.Adam(rate), [0.01, 0.03, 0.1, 0.2, 0.3]);
        Console.WriteLine($"\nobjective, as a part of the first    after {Unrolled} steps   after {Longest} steps");
        foreach (var (name, curve) in new[] { ("learned", learned), ("momentum, best rate", sgd), ("Adam, best rate", adam) })
            Console.WriteLine($"{name,-34} {curve[Unrolled],16:E2} {curve[Longest],17:E2}");

        var at = Enumerable.Range(0, Longest + 1).Select(n => (double)n).ToArray();
        new Chart("New problems, minimised") { XLabel = "step", YLabel = "objective ÷ first", LogY = true }
            .Line("learned", at, learned).Line("momentum", at, sgd).Line("Adam", at, adam).Save(Path.Combine(folder, "descent.svg"));
        new Chart("Learning to optimise") { XLabel = "step", YLabel = "mean log objective" }
            .Line("", Enumerable.Range(1, losses.Count).Select(n => (double)n), losses).Save(Path.Combine(folder, "learning.svg"));
        Console.WriteLine($"Charts in {folder}");
    }

    /// <summary>The geometric mean over problems of the objective as a part of the first, by step.</summary>
    private static double[] Curve(NDArray values)
    {
        var problems = values.Shape[1];
        double Part(int step) => Math.Exp(Enumerable.Range(0, problems).Average(p => Math.Log((values.Float((step * problems) + p) / values.Float(p)) + 1e-12)));
        return [.. Enumerable.Range(0, values.Shape[0]).Select(Part)];
    }

    /// <summary>The curve of the rate that ends lowest.</summary>
    private static double[] Best(NDArray w, NDArray y, Func<double, GradientTransformation> optimizer, double[] rates)
    {
        double[] Run(double rate)
        {
            var theta = new Minimiser(y.Shape);
            var step = TrainingStep.Compile(theta, (w, y) => Sum(Objective(w, y, theta.Theta)), optimizer(rate));
            var value = Compile((w, y) => Objective(w, y, theta.Theta));
            var values = new List<float>(value.Call(w, y)[0].ToArray<float>());
            for (var i = 0; i < Longest; i++)
            {
                step.Run(w, y);
                values.AddRange(value.Call(w, y)[0].ToArray<float>());
            }
            return Curve(NDArray.Create(values.ToArray(), new Shape([Longest + 1, y.Shape[0]])));
        }
        return rates.Select(Run).MinBy(curve => double.IsFinite(curve[^1]) ? curve[^1] : double.MaxValue)!;
    }

    private sealed class Minimiser(Shape shape) : Module
    {
        public Parameter Theta { get; } = new(shape, Initializer.Zeros);
    }

    private static (NDArray W, NDArray Y) Draw(Random random, int problems)
    {
        NDArray Normal(params int[] shape) => RandomNormal(new RandomKey(random.NextInt64()), new Shape(shape), DType.Float32).Eval();
        return (Normal(problems, Size, Size), Normal(problems, Size));
    }
}
