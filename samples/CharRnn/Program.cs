using static Diff.Ops;

namespace Diff.Samples;

/// <summary>A recurrent network that learns to write like a text, one character at a time.</summary>
public static class CharRnn
{
    private const int Hidden = 100, Batch = 8, Window = 20;

    private const string Help = """
        Trains a recurrent network on a text and lets it write. Ctrl+C saves and ends; --resume goes on from there.

          --text FILE    the text (the sources and documents of this repository)
          --steps N      how many steps to train altogether (2000)
          --seed N       of the initial values and the batches (1)
          --prompt WORDS what the samples begin with (The, or how the text begins)
          --out DIR      for model.safetensors, cost.svg, step.html (artifacts/CharRnn)
          --resume       continue from the model in DIR
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) => CommandLine.Run(args, Help, Train);

    private static void Train(CommandLine options)
    {
        var text = Corpus.Read(options.Text("--text", ""), atLeast: Window + 1);
        var (steps, seed) = (options.Int("--steps", 2000), options.Int("--seed", 1));
        var prompt = options.Text("--prompt", text.Encode("The").Contains(-1) ? text.Beginning(3) : "The");
        var folder = options.Folder("artifacts/CharRnn");
        var file = Path.Combine(folder, "model.safetensors");
        if (prompt.Length == 0 || text.Encode(prompt).Contains(-1))
            throw new UsageException($"--prompt: \"{prompt}\" is empty or has characters that are not in the text");

        var network = new Network(text.Symbols.Length, new Random(seed));
        var step = TrainingStep.Compile(network, network.Cost, Optimizer.Adam(Schedule.ExponentialDecay(0.01, 0.5, 1000)));
        var write = Compile(xs => network.Next(xs[0], xs[1]));
        var costs = new List<double>();
        if (options.Has("--resume"))
        {
            var saved = step.Load(file);
            if (saved.GetValueOrDefault("symbols") != text.Alphabet)
                throw new UsageException($"--resume: {file} has learned a text with other characters");
            seed = int.Parse(saved["seed"]);
            costs.AddRange(saved["costs"].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(double.Parse));
        }
        Console.WriteLine($"{text.Length:N0} characters, {text.Symbols.Length} different ones; {network.ParameterCount:N0} parameters");

        using (var progress = new Progress(costs.Count, steps, every: 100, Batch * (Window - 1), "characters"))
        {
            while (costs.Count < steps && !progress.Interrupted)
            {
                // A batch depends on seed and step alone, so a run that is resumed takes the same ones.
                costs.Add(step.Run(text.Windows(Batch, Window, new Random(HashCode(seed, costs.Count)))));
                var n = costs.Count;
                progress.Report(n, () => $"cost {costs.TakeLast(20).Average():F2}");
                if (n % 200 != 0) continue;
                progress.WriteLine("    " + string.Join(' ', Sample(150, n).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
                Save();
            }
        }
        Save();
        step.SaveHtml(Path.Combine(folder, "step.html"), text.Windows(Batch, Window, new Random(seed)));
        var index = Enumerable.Range(0, costs.Count);
        var means = index.Select(i => costs[Math.Max(0, i - 99)..(i + 1)].Average());
        new Chart("Learning to write") { XLabel = "step", YLabel = "cost" }
            .Line("each step", index.Select(i => (double)i), costs)
            .Line("mean of 100", index.Select(i => (double)i), means).Save(Path.Combine(folder, "cost.svg"));
        Console.WriteLine($"\n{Sample(400, costs.Count)}\n\nSaved after step {costs.Count:N0} in {folder}");

        void Save() => step.Save(file, new Dictionary<string, string>
        {
            ["symbols"] = text.Alphabet,
            ["seed"] = $"{seed}",
            ["costs"] = string.Join(' ', costs.Select(c => $"{c:R}")),
        });

        string Sample(int length, int n) => text.Decode(Write(write, text.Encode(prompt), length, new Random(HashCode(seed, n))));
    }

    private static int HashCode(int seed, int step) => unchecked(seed * 486187739 + step * 16777619);

    /// <summary>The prompt, and characters after it, each drawn from what the network expects.</summary>
    private static List<int> Write(CompiledFunction next, int[] prompt, int length, Random random)
    {
        var written = new List<int>(prompt);
        var state = NDArray.Zeros(DType.Float32, new Shape([1, Hidden]));
        for (var i = 0; i < prompt.Length + length - 1; i++)
        {
            var results = next.Call(new[] { written[i] }, state);
            state = results[1];
            if (i + 1 == written.Count) written.Add(Draw(results[0].Span<float>(), random.NextDouble()));
        }
        return written;

        static int Draw(ReadOnlySpan<float> probabilities, double u)
        {
            var i = 0;
            while (i < probabilities.Length - 1 && (u -= probabilities[i]) >= 0) i++;
            return i;
        }
    }

    /// <summary>Characters in, scores of the next character out.</summary>
    private sealed class Network(int symbols, Random random) : Module
    {
        private const double Temperature = 0.7;
        private readonly RnnCell _cell = new(symbols, Hidden, Initializer.HeNormal, random);
        private readonly Linear _readOut = new(Hidden, symbols, initializer: Initializer.Normal(0.02), random: random);

        /// <summary>The cross-entropies of all predictions in windows of text [batch, time], divided by the window's length.</summary>
        public Expr Cost(Expr windows)
        {
            using var scope = Enter();
            var states = new Expr[Window - 1];
            var state = Zeros(new Shape([Batch, Hidden]), DType.Float32);
            for (var t = 0; t < states.Length; t++) states[t] = state = _cell.CallSymbol(windows[.., t], state);
            return Sum(CrossEntropies(_readOut.Call(Stack(1, states)), windows[.., 1..])) / Window;
        }

        /// <summary>After one more character: the probabilities of the next one, sharpened by the temperature, and the state.</summary>
        public Expr[] Next(Expr symbol, Expr state)
        {
            var next = _cell.CallSymbol(symbol, state);
            return [Softmax(_readOut.Call(next) / Temperature), next];
        }
    }
}
