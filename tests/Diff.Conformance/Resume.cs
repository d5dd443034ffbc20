using System.Globalization;

namespace Diff.Conformance;

/// <summary>A training with Adam, dropout and shuffled batches, which can stop and go on in another process.</summary>
internal sealed class Resume : IDisposable
{
    private readonly Batches _batches;
    private readonly TrainingStep _step;

    public Resume(EngineOptions engine)
    {
        var random = new Random(5);
        NDArray Values(int columns) => NDArray.Create([.. Enumerable.Range(0, 100 * columns).Select(_ => 2 * random.NextDouble() - 1)], new Shape([100, columns]));
        var model = new Sequential(
            new Linear(6, 8, random: random, dtype: DType.Float64), new Tanh(), new Dropout(0.3), new Linear(8, 2, random: random, dtype: DType.Float64));
        _batches = new Batches([Values(6), Values(2)], batchSize: 16, seed: 3);
        _step = TrainingStep.Compile(model, (x, y) => Ops.MeanSquaredError(model.Call(x), y), Optimizer.Adam(0.01), engine, seed: 11);
    }

    /// <summary>The bits of the losses of so many steps.</summary>
    public long[] Train(int steps) => [.. Enumerable.Range(0, steps).Select(_ => BitConverter.DoubleToInt64Bits(_step.Run(_batches.Next())))];

    public void Save(string path) => _step.Save(path, _batches.State());

    public void Load(string path) => _batches.Restore(_step.Load(path));

    public void Dispose() => _step.Dispose();

    /// <summary>The part of the other process: goes on from a checkpoint, saves a later one and writes the losses.</summary>
    public static void Continue(string path, int steps, string target)
    {
        using var training = new Resume(EngineOptions.Default);
        training.Load(path);
        foreach (var loss in training.Train(steps)) Console.WriteLine(loss.ToString(CultureInfo.InvariantCulture));
        training.Save(target);
    }

    /// <summary>200 steps at once give the bits of 100 steps, a checkpoint, and 100 more in a new process.</summary>
    public static void Check(RunOptions options)
    {
        const int half = 100;
        using var folder = new TemporaryFolder();
        using Resume whole = new(options.Engine), first = new(options.Engine);
        long[] all = whole.Train(2 * half), begun = first.Train(half);
        whole.Save(folder["whole"]);
        first.Save(folder["half"]);
        var (code, text) = Child.Run([], "continue", folder["half"], half.ToString(CultureInfo.InvariantCulture), folder["resumed"]);
        Require.That(code == 0, $"the child ended with {code}: {text}");
        long[] rest = [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => long.Parse(l, CultureInfo.InvariantCulture))];
        Require.That(all.SequenceEqual(begun.Concat(rest)), "the losses differ");
        Require.That(File.ReadAllBytes(folder["whole"]).SequenceEqual(File.ReadAllBytes(folder["resumed"])), "parameters, optimiser, random numbers or data order differ");
    }
}
