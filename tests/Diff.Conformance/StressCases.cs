using System.Diagnostics;
using System.Text.Json;

namespace Diff.Conformance;

/// <summary>Recipes of size: deep and wide graphs, long sums, many threads, many runs.</summary>
internal static partial class StressCases
{
    private delegate void Recipe(JsonElement recipe, JsonElement expected, Case c, RunOptions options);

    private static readonly Dictionary<string, Recipe> recipes = new()
    {
        ["deep-chain-add-1e6"] = DeepSum,
        ["deep-chain-sin-1e5"] = DeepSines,
        ["diamond-60"] = Diamond,
        ["fibonacci-dag-80"] = Fibonacci,
        ["wide-sum-1e5"] = WideSum,
        ["concat-1e4"] = WideConcat,
        ["nested-grad-6"] = NestedGradients,
        ["rank-32"] = HighRank,
        ["f32-sum-ones-20000000"] = LongReduction,
        ["f32-mean-01-1e7"] = LongReduction,
        ["f32-var-offset"] = LongReduction,
        ["concurrent-eval-same-function"] = ConcurrentCalls,
        ["concurrent-compile"] = ConcurrentCompilations,
        ["thread-count-bitwise"] = ThreadCounts,
        ["cancellation-token"] = Cancellation,
        ["loop-1e5-steps"] = ManySteps,
        ["compile-1e4-functions"] = ManyFunctions,
    };

    private static readonly JsonElement noAttributes = JsonDocument.Parse("{}").RootElement;

    public static void Run(Case c, RunOptions options)
    {
        if (!recipes.TryGetValue(c.Id, out var recipe)) throw new UnsupportedException("a recipe that is not known");
        var watch = Stopwatch.StartNew();
        recipe(c["recipe"], c["expected"], c, options);
        var seconds = watch.Elapsed.TotalSeconds;
        Require.That(c.Limit("max_seconds") is not { } limit || seconds <= limit, $"{seconds:F1} s, at most {c.Limit("max_seconds")} allowed");
    }

    // ---- Depth and width ------------------------------------------------------------------------------------------

    private static void DeepSum(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var graph = new WeakReference(null);
        void Build()
        {
            var x = recipe.GetProperty("x").GetDouble();
            CheckScalar(a => graph.Remember(Repeated(a, recipe.Int("repeat")!.Value, v => v + 1)), x, expected, options);
            CheckMemory(c);
        }
        OnSmallStack(Build);
        Require.That(IsCollected(graph), "the graph is still held after its last use");
    }

    private static void DeepSines(JsonElement recipe, JsonElement expected, Case c, RunOptions options) => OnSmallStack(() =>
    {
        var (x, repeat) = (recipe.GetProperty("x").GetDouble(), options.Times(recipe.Int("repeat")!.Value));
        var (value, slope, second) = SinesByLoop(x, repeat);
        using var f = Ops.Compile(xs =>
        {
            var y = Repeated(xs[0], repeat, Ops.Sin);
            var g = Ops.Grad(y, xs[0]);
            return [y, g, Ops.Grad(g, xs[0])];
        }, options.Engine);
        var got = f.Call(x);
        var rtol = expected.GetProperty("rtol").GetDouble();
        Require.Close(got[0].Float(0), value, rtol, "value");
        Require.Close(got[1].Float(0), slope, rtol, "gradient");
        Require.Close(got[2].Float(0), second, 1e-9, "second derivative");
    });

    /// <summary>Value, first and second derivative of sin(sin(…x)) by the chain rule, step by step.</summary>
    private static (double Value, double Slope, double Second) SinesByLoop(double x, int repeat)
    {
        var (value, slope, second) = (x, 1.0, 0.0);
        for (var i = 0; i < repeat; i++)
        {
            var (s, k) = Math.SinCos(value);
            second = k * second - s * slope * slope;
            (value, slope) = (s, k * slope);
        }
        return (value, slope, second);
    }

    private static void Diamond(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var x = recipe.GetProperty("x").GetDouble();
        Expr Build(Expr a) => Repeated(a, recipe.Int("repeat")!.Value, v => v + v);
        CheckScalar(Build, x, expected, options);
        CheckVisits(Build, c);
        var y = Build(Ops.Variable(x, "x"));
        // Each of these must be linear in the number of nodes.
        Require.That(y.ToString()!.Length + y.ToListing().Length + y.ToDot().Length + y.ToLatex().Length < 1_000_000, "texts of the graph grow with its paths");
        Require.That(y.GetHashCode() == y.GetHashCode() && y.Equals(y), "equality");
        Ops.Simplify(y);
    }

    private static void Fibonacci(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        Expr Build(Expr x)
        {
            var (a, b) = (x, x);
            for (var i = 0; i < recipe.Int("repeat"); i++) (a, b) = (b, a + b);
            return b;
        }
        CheckScalar(Build, recipe.GetProperty("x").GetDouble(), expected, options);
        CheckVisits(Build, c);
    }

    private static void WideSum(JsonElement recipe, JsonElement expected, Case c, RunOptions options) => OnSmallStack(() =>
        CheckScalar(x =>
        {
            Expr sum = x * 1;
            for (var k = 2; k <= recipe.Int("terms"); k++) sum += x * k;
            return sum;
        }, recipe.GetProperty("x").GetDouble(), expected, options));

    private static void WideConcat(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var n = recipe.Int("inputs")!.Value;
        var shape = new Shape(recipe.Ints("shape"));
        using var f = Ops.Compile(xs =>
        {
            var joined = Ops.Concat(0, xs);
            var y = Ops.Sum(joined * joined);
            return [y, .. Ops.Grad(y, xs)];
        }, options.Engine);
        var results = f.Call([.. Enumerable.Range(0, n).Select(k => NDArray.Create([(double)k], shape))]);
        Require.Close(results[0].Float(0), Enumerable.Range(0, n).Sum(k => (double)k * k), 1e-14, "value");
        for (var k = 0; k < n; k++) Require.Close(results[1 + k].Float(0), 2.0 * k, 0, $"gradient of input {k}");
    }

    private static void NestedGradients(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var order = recipe.Int("order")!.Value;
        var nodes = 0;
        Expr Build(Expr x)
        {
            var y = Repeated(1 / x, order, g => Ops.Grad(g, x));
            nodes = Nodes([y]);
            return y;
        }
        using var f = Ops.Compile(Build, options.Engine);
        Require.Close(f.Invoke(recipe.GetProperty("x").GetDouble()), expected.GetProperty("value").GetDouble(), 1e-12, $"derivative {order}");
        Require.That(nodes <= c.Limit("max_nodes"), $"{nodes} nodes");
    }

    private static void HighRank(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var shape = new Shape(recipe.Ints("shape"));
        double[] values = [.. Enumerable.Range(1, shape.Length).Select(k => (double)k)];
        using var f = Ops.Compile(xs => [Ops.Sum(xs[0] * xs[0]), Ops.Grad(Ops.Sum(xs[0] * xs[0]), xs[0])], options.Engine);
        var results = f.Call(NDArray.Create(values, shape));
        Require.Close(results[0].Float(0), values.Sum(x => x * x), 0, "value");
        Require.That(results[1].Shape.Equals(shape) && results[1].ToArray<double>().SequenceEqual(values.Select(x => 2 * x)), "gradient");
    }

    // ---- Long sums --------------------------------------------------------------------------------------------------

    private static void LongReduction(JsonElement recipe, JsonElement expected, Case c, RunOptions options)
    {
        var n = recipe.Int("count")!.Value;
        var values = new float[n];
        for (var k = 0; k < n; k++) values[k] = recipe.Find("fill") is { } fill ? fill.GetSingle() : 1000 + k % 2;
        var op = recipe.Text("op")!;
        using var f = Ops.Compile(xs =>
        {
            var y = Vocabulary.Apply(op, [xs[0]], noAttributes, DType.Float32);
            return [y, Ops.Grad(y, xs[0])];
        }, options.Engine);
        var results = f.Call(values);
        var rtol = expected.Find("rtol")?.GetDouble() ?? 0;
        Require.Close(results[0].Float(0), expected.GetProperty("value").GetDouble(), rtol, "value");
        if (op == "var") return;
        var slope = op == "sum" ? 1f : 1f / n;
        Require.That(!results[1].Span<float>().ContainsAnyExcept(slope), "gradient");
    }

    // ---- Helpers ------------------------------------------------------------------------------------------------------

    private static Expr Repeated(Expr x, int times, Func<Expr, Expr> step)
    {
        for (var i = 0; i < times; i++) x = step(x);
        return x;
    }

    /// <summary>Value and derivative, and the second where the case has it.</summary>
    private static void CheckScalar(Func<Expr, Expr> build, double x, JsonElement expected, RunOptions options)
    {
        using var f = Ops.Compile(xs =>
        {
            var y = build(xs[0]);
            var g = Ops.Grad(y, xs[0]);
            return expected.Find("hvp") is null ? [y, g] : [y, g, Ops.Grad(g, xs[0])];
        }, options.Engine);
        var got = f.Call(x);
        var rtol = expected.Find("rtol")?.GetDouble() ?? 0;
        Require.Close(got[0].Float(0), expected.GetProperty("value").GetDouble(), rtol, "value");
        Require.Close(got[1].Float(0), expected.GetProperty("grad").GetDouble(), rtol, "gradient");
        if (expected.Find("hvp") is { } hvp) Require.Close(got[2].Float(0), hvp.GetDouble(), rtol, "second derivative");
    }

    private static void CheckVisits(Func<Expr, Expr> build, Case c)
    {
        var x = Ops.Variable(1.0);
        var y = build(x);
        var nodes = Nodes([y, Ops.Grad(y, x)]);
        Require.That(nodes <= c.Limit("max_visits"), $"value and gradient have {nodes} nodes");
    }

    private static int Nodes(IEnumerable<Expr> roots)
    {
        var seen = new HashSet<long>();
        var rest = new Stack<Expr>(roots);
        while (rest.TryPop(out var e))
            if (seen.Add(e.Id))
                foreach (var a in e.Arguments) rest.Push(a);
        return seen.Count;
    }

    private static void CheckMemory(Case c)
    {
        var mb = GC.GetTotalMemory(false) / 1048576;
        Require.That(c.Limit("max_managed_mb") is not { } limit || mb <= limit, $"{mb} MB of managed memory");
    }

    /// <summary>On a thread whose stack would not last for recursion on the depth of a graph.</summary>
    private static void OnSmallStack(Action action)
    {
        Exception? error = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                error = e;
            }
        }, 256 * 1024);
        thread.Start();
        thread.Join();
        if (error is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(error);
    }

    private static bool IsCollected(WeakReference graph)
    {
        for (var i = 0; i < 5 && graph.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        return !graph.IsAlive;
    }

    private static Expr Remember(this WeakReference reference, Expr graph)
    {
        reference.Target = graph;
        return graph;
    }
}
