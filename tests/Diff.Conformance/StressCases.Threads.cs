using System.Diagnostics;
using System.Text.Json;

namespace Diff.Conformance;

// Threads, cancellation and memory.
internal static partial class StressCases
{
    private static void ConcurrentCalls(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var (threads, evals) = (recipe.Int("threads")!.Value, options.Times(recipe.Int("evals_per_thread")!.Value));
        using var f = Ops.Compile(xs => Mlp(xs[0]), options.Engine);
        NDArray[] inputs = [.. Enumerable.Range(0, threads).Select(k => Uniform(new Random(k), 32))];
        Numbers[][] alone = [.. inputs.Select(x => Array.ConvertAll(f.Call(x), Numbers.Of))];
        OnThreads(threads, k =>
        {
            for (var i = 0; i < evals; i++)
            {
                Numbers[] got = Array.ConvertAll(f.Call(inputs[k]), Numbers.Of);
                for (var r = 0; r < got.Length; r++) Require.That(got[r].Same(alone[k][r]), $"thread {k}, call {i}, result {r} differs from that of one thread");
            }
        });
    }

    /// <summary>A loss of a network of 32, 64 and 10 units, and its gradients.</summary>
    private static Expr[] Mlp(Expr x)
    {
        var random = new Random(1);
        Expr w1 = Ops.Constant(Uniform(random, 64, 32)), w2 = Ops.Constant(Uniform(random, 10, 64));
        Expr b1 = Ops.Constant(Uniform(random, 64)), b2 = Ops.Constant(Uniform(random, 10));
        var loss = Ops.LogSumExp(Ops.MatMul(w2, Ops.Tanh(Ops.MatMul(w1, x) + b1)) + b2);
        return [loss, .. Ops.Grad(loss, [x, w1, b1, w2, b2])];
    }

    private static void ConcurrentCompilations(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var graphs = recipe.Int("graphs")!.Value;
        Numbers[] Values()
        {
            var values = new Numbers[graphs];
            for (var k = 0; k < graphs; k++)
            {
                using var f = Ops.Compile(xs => RandomGraph(k, xs), options.Engine);
                values[k] = Numbers.Of(f.Call(GraphInputs(k))[0]);
            }
            return values;
        }
        var alone = Values();
        OnThreads(recipe.Int("threads")!.Value, t =>
        {
            var values = Values();
            for (var k = 0; k < graphs; k++) Require.That(values[k].Same(alone[k]), $"thread {t}, graph {k} differs from that of one thread");
        });
    }

    private static void ThreadCounts(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        int[] counts = recipe.Ints("thread_counts");
        for (var k = 0; k < options.Times(recipe.Int("graphs")!.Value); k++)
        {
            Numbers[]? first = null;
            foreach (var count in counts)
            {
                using var f = Ops.Compile(xs => RandomGraph(k, xs), options.Engine.WithThreads(count));
                Numbers[] results = Array.ConvertAll(f.Call(GraphInputs(k)), Numbers.Of);
                first ??= results;
                for (var r = 0; r < results.Length; r++)
                    Require.That(results[r].Same(first[r]), $"graph {k}, result {r}: {count} threads differ from {counts[0]}");
            }
        }
    }

    // Every tenth graph is large enough to be cut into chunks for threads.
    private static (int Rows, int Columns) GraphSize(int seed) => seed % 10 == 0 ? (150 + seed % 7, 211) : (2 + seed % 5, 3 + seed % 11);

    private static NDArray[] GraphInputs(int seed)
    {
        var ((rows, columns), random) = (GraphSize(seed), new Random(seed));
        return [Uniform(random, rows, columns), Uniform(random, rows, columns), Uniform(random, columns)];
    }

    /// <summary>A scalar of three arrays made by ten random steps, and its gradients.</summary>
    private static Expr[] RandomGraph(int seed, Expr[] inputs)
    {
        var random = new Random(seed);
        var (rows, columns) = GraphSize(seed);
        List<Expr> values = [.. inputs];
        for (var step = 0; step < 10; step++)
        {
            Expr a = values[random.Next(values.Count)], b = values[random.Next(values.Count)];
            values.Add(random.Next(9) switch
            {
                0 => a + b,
                1 => a * b,
                2 => Ops.Tanh(a),
                3 => Ops.Exp(Ops.Tanh(a)) / (1 + b * b),
                4 => Ops.Softmax(a),
                5 => a - Ops.Mean(b, [b.Rank - 1], keepDims: true),
                6 => Ops.Sum(Ops.BroadcastTo(a, rows, columns) * b, 0) / rows,
                7 => Ops.MatMul(Ops.BroadcastTo(a, rows, columns), Ops.Tanh(Ops.MatMul(Ops.Transpose(Ops.BroadcastTo(b, rows, columns)), values[0]))) / rows,
                _ => Ops.LogSumExp(a, [a.Rank - 1], keepDims: true) + b,
            });
        }
        var y = values.Skip(3).Select(v => Ops.Mean(v)).Aggregate((v, w) => v + w);
        return [y, .. Ops.Grad(y, inputs)];
    }

    private static void Cancellation(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        using var longRun = Ops.Compile(xs => [LongProduct(xs[0], 400)], options.Engine);
        using var oneStep = Ops.Compile(xs => [Ops.MatMul(xs[0], xs[0])], options.Engine);
        NDArray small = Uniform(new Random(2), 700, 700), large = Uniform(new Random(2), 6000, 6000);
        CheckCancelled("many steps", token => longRun.Call([small], token));
        CheckCancelled("one long step", token => oneStep.Call([large], token));
        var two = NDArray.Create([1.0, 1, 0, 1], new Shape([2, 2]));
        Require.That(oneStep.Invoke(two).ToArray<double>() is [1, 2, 0, 1], "the engine is not usable afterwards");
    }

    private static Expr LongProduct(Expr x, int steps) => Repeated(x, steps, y => Ops.Tanh(Ops.MatMul(y, x)));

    private static void CheckCancelled(string what, Action<CancellationToken> run)
    {
        using var source = new CancellationTokenSource();
        var start = Stopwatch.GetTimestamp();
        source.CancelAfter(100);
        try
        {
            run(source.Token);
        }
        catch (OperationCanceledException)
        {
            var late = Stopwatch.GetElapsedTime(start).TotalSeconds - 0.1;
            Require.That(late <= 1, $"{what}: cancelled {late:F1} s late");
            return;
        }
        throw new FailureException($"{what}: ran to its end, {(source.IsCancellationRequested ? "though cancelled" : "in less than 100 ms")}");
    }

    // ---- Memory -------------------------------------------------------------------------------------------------------

    private static void ManySteps(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var model = new Linear(9, 1, random: new Random(1), dtype: DType.Float64);
        var step = TrainingStep.Compile(model, (x, y) => Ops.MeanSquaredError(model.Call(x), y), Optimizer.Sgd(0.01), options.Engine);
        NDArray x = Uniform(new Random(2), 4, 9), y = Uniform(new Random(3), 4, 1);
        CheckGrowth(c, options.Times(recipe.Int("steps")!.Value), 1000, _ => step.Run(x, y));
    }

    private static void ManyFunctions(JsonElement recipe, JsonElement expected, Case c, RunOptions options) =>
        CheckGrowth(c, options.Times(recipe.Int("functions")!.Value), 100, k =>
        {
            // Constants of their own make each a function never seen before; not disposed of, as many would be in a program.
            var f = Ops.Compile(x => Ops.Tanh(x * k + 0.5) * (k + 1), options.Engine);
            Require.Close(f.Invoke(0.25), Math.Tanh(0.25 * k + 0.5) * (k + 1), 1e-12, $"function {k}");
        });

    /// <summary>The growth of heap and process after a number of first steps.</summary>
    private static void CheckGrowth(Case c, int steps, int first, Action<int> step)
    {
        (long Heap, long Process) before = default;
        for (var k = 0; k < steps; k++)
        {
            step(k);
            if (k == Math.Min(first, steps / 2)) before = Memory();
        }
        var after = Memory();
        var limit = c.Limit("max_growth_mb")!.Value * (1 << 20);
        bool Grew(long from, long to) => to - from > Math.Max(limit, 0.05 * from);
        Require.That(!Grew(before.Heap, after.Heap), $"the heap grew from {before.Heap >> 20} to {after.Heap >> 20} MB");
        Require.That(!Grew(before.Process, after.Process), $"the working set grew from {before.Process >> 20} to {after.Process >> 20} MB");
    }

    private static (long Heap, long Process) Memory()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect(2, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            GC.WaitForPendingFinalizers();
        }
        using var process = Process.GetCurrentProcess();
        return (GC.GetTotalMemory(true), process.WorkingSet64);
    }

    private static NDArray Uniform(Random random, params int[] shape)
    {
        var values = new double[shape.Aggregate(1, (n, d) => n * d)];
        for (var i = 0; i < values.Length; i++) values[i] = 2 * random.NextDouble() - 1;
        return NDArray.Create(values, new Shape(shape));
    }

    private static void OnThreads(int count, Action<int> action)
    {
        var errors = new Exception?[count];
        Thread[] threads = [.. Enumerable.Range(0, count).Select(k => new Thread(() =>
        {
            try
            {
                action(k);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                errors[k] = e;
            }
        }))];
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        if (errors.FirstOrDefault(e => e is not null) is { } first) throw new FailureException(first.Message);
    }
}
