using System.Text.Json;

namespace Diff.Conformance;

/// <summary>A small program with its value, its gradient and a Hessian-vector product.</summary>
internal sealed class EvalCase
{
    // The copies of a program that are run side by side to reach the loops over vectors and their tails.
    private const int Copies = 67;

    private static readonly HashSet<string> reducing =
    [
        "sum", "mean", "prod", "reduce_max", "reduce_min", "var", "std", "norm2", "logsumexp", "softmax", "log_softmax", "cumsum", "cumprod",
        "reshape", "transpose", "broadcast_to", "slice", "concat", "gather", "scatter_add", "matmul", "einsum", "det", "logdet", "inv", "solve",
        "cholesky", "conv2d", "layer_norm", "cross_entropy", "interpolate_linear", "interpolate_pchip", "interpolate_spline",
    ];

    private readonly Case _case;
    private readonly JsonElement[] _steps, _inputs;
    private readonly DType _dtype;
    private readonly double _rtol, _atol;
    private readonly bool _signOfZeroMatters;

    private EvalCase(Case c)
    {
        _case = c;
        _steps = [.. c["program"].EnumerateArray()];
        _inputs = [.. c["inputs"].EnumerateArray()];
        _dtype = c["dtype"].GetString() == "float32" ? DType.Float32 : DType.Float64;
        (_rtol, _atol) = (c["rtol"].GetDouble(), c["atol"].GetDouble());
        _signOfZeroMatters = c["sign_of_zero_matters"].GetBoolean();
    }

    /// <summary>All that the case expects, on every engine, with the same bits on all of them.</summary>
    public static void Run(Case c, RunOptions options)
    {
        var eval = new EvalCase(c);
        try
        {
            eval.CheckStepwise();
            eval.CheckEngines(options, copies: 0);
            if (eval.IsElementwise) eval.CheckEngines(options, Copies);
            if (eval.HasFunctions) eval.CheckTransforms(options);
        }
        // The note says so where a refusal is as good as the value.
        catch (ArgumentException e) when (c.Note.Contains("clear error", StringComparison.Ordinal))
        {
            Errors.RequireClear(e, "argument", []);
        }
    }

    /// <summary>Makes the program of a case and evaluates it.</summary>
    public static NDArray Evaluate(Case c)
    {
        var eval = new EvalCase(c);
        return eval.Build([.. eval._inputs.Select(x => Ops.Variable(eval.Array(x, 0)))], e => e).Eval();
    }

    private bool IsElementwise =>
        !HasFunctions && _case.Find("fuzzer") is null
        && _steps.All(s => s.Text("op") is { } op && Vocabulary.IsOwn(op) && !reducing.Contains(op))
        && _inputs.All(x => x.Ints("shape").SequenceEqual(_inputs[0].Ints("shape")));

    private bool HasFunctions => _steps.Any(s => FunctionWords.Find(s.Text("op")!) is not null);

    private string[] InputNames => [.. _inputs.Select(x => x.Text("name")!)];

    // ---- Graphs -------------------------------------------------------------------------------------------------

    private Expr Build(Expr[] inputs, Func<Expr, Expr> each)
    {
        var scope = new Scope(_dtype);
        // Of constants the engine knows more than of inputs.
        scope.Name(InputNames, inputs.Zip(_inputs, (given, x) => IsConstant(x) ? Ops.Constant(Array(x, 0)) : given));
        scope.Run(_steps, each);
        return scope[_case["output"].GetString()!];
    }

    /// <summary>Value, gradients and the Hessian-vector product as one graph.</summary>
    private Expr[] Derivatives(Expr[] inputs, int copies)
    {
        var y = Build(inputs, e => e);
        List<Expr> results = [y];
        Expr Constant(JsonElement json) => Ops.Constant(Array(json, copies));
        Expr Input(string name) => inputs[System.Array.IndexOf(InputNames, name)];
        var seed = _case.Find("cotangent") is { } g ? Constant(g) : Ops.OnesLike(y);
        if (Gradients.Length > 0)
            results.AddRange(Ops.Grad(y, [.. Gradients.Select(e => Input(e.Text("input")!))], seed));
        if (_case.Find("expected_hvp") is { } hvp)
        {
            var x = Input(hvp.Text("input")!);
            var gradient = Ops.Grad(y, x, seed);
            results.Add(Ops.Jvp(gradient, [x], [Constant(hvp.GetProperty("direction"))]));
        }
        return [.. results];
    }

    /// <summary>The same derivatives by other ways: of a checkpoint, and the second one by reverse over reverse mode.</summary>
    private Expr[] Others(Expr[] inputs)
    {
        var y = Ops.Checkpoint(xs => Build(xs, e => e), inputs);
        var seed = _case.Find("cotangent") is { } g ? Ops.Constant(Array(g, 0)) : Ops.OnesLike(y);
        List<Expr> results = [y];
        Expr Input(string name) => inputs[System.Array.IndexOf(InputNames, name)];
        if (Gradients.Length > 0)
            results.AddRange(Ops.Grad(y, [.. Gradients.Select(e => Input(e.Text("input")!))], seed));
        if (_case.Find("expected_hvp") is { } hvp)
        {
            var x = Input(hvp.Text("input")!);
            results.Add(Ops.Grad(Ops.Sum(Ops.Grad(y, x, seed) * Ops.Constant(Array(hvp.GetProperty("direction"), 0))), x));
        }
        return [.. results];
    }

    private JsonElement[] Gradients => _case.Find("expected_grad") is { } g ? [.. g.EnumerateArray()] : [];

    private NDArray Array(JsonElement json, int copies) =>
        Repeated(Numbers.Of(json), copies).ToArray(json.Text("dtype") ?? (_dtype == DType.Float32 ? "float32" : "float64"));

    private static bool IsConstant(JsonElement input) => input.Find("constant")?.GetBoolean() ?? false;

    private static Numbers Repeated(Numbers one, int copies) => copies == 0
        ? one
        : new([copies, .. one.Shape], [.. Enumerable.Repeat(one.Data, copies).SelectMany(x => x)]);

    // ---- Checks -------------------------------------------------------------------------------------------------

    /// <summary>Each operation by itself, on arrays: nothing is fused or rewritten across operations.</summary>
    private void CheckStepwise()
    {
        Expr[] inputs = [.. _inputs.Select(x => Ops.Constant(Array(x, 0)))];
        var value = Build(inputs, e => Ops.Constant(e.Eval())).Eval();
        CheckValue(Numbers.Of(value), "value, operation by operation", 0);
    }

    private void CheckEngines(RunOptions options, int copies)
    {
        NDArray[] inputs = [.. _inputs.Select(x => Array(x, copies))];
        var suffix = copies == 0 ? "" : $", {copies} copies";
        (string Engine, Numbers[] Results)? first = null;
        foreach (var (name, engine) in options.Engines)
        {
            using var alone = Ops.Compile(xs => [Build(xs, e => e)], engine);
            CheckValue(Numbers.Of(alone.Call(inputs)[0]), $"value, {name}{suffix}", copies);
            using var together = Ops.Compile(xs => Derivatives(xs, copies), engine);
            Numbers[] results = [.. together.Call(inputs).Select(Numbers.Of)];
            Check(results, name + suffix, copies);
            if (first is { } other)
                for (var i = 0; i < results.Length; i++)
                    Require.That(results[i].Same(other.Results[i]), $"{name} gives {results[i]}, {other.Engine} {other.Results[i]}{suffix}");
            else first = (name, results);
        }
    }

    /// <summary>All of it for several equal sets of inputs at once, and by other ways: what transforms make of a program computes the same.</summary>
    private void CheckTransforms(RunOptions options)
    {
        const int sets = 3;
        var (name, engine) = options.Engines[0];
        using var stacked = Ops.Compile(xs => Ops.Vmap(slices => Derivatives(slices, 0), xs), engine);
        Check([.. stacked.Call([.. _inputs.Select(x => Array(x, sets))]).Select(Numbers.Of)], $"{sets} sets at once, {name}", sets);
        using var others = Ops.Compile(Others, engine);
        Check([.. others.Call([.. _inputs.Select(x => Array(x, 0))]).Select(Numbers.Of)], $"checkpoint, reverse over reverse, {name}", 0);
    }

    private void Check(Numbers[] results, string where, int copies)
    {
        CheckValue(results[0], $"value, {where}", copies);
        CheckGradients([.. results.Skip(1).Take(Gradients.Length)], where, copies);
        if (_case.Find("expected_hvp") is { } hvp
            && results[^1].Difference(Repeated(Numbers.Of(hvp.GetProperty("expected")), copies), _rtol, _atol, false) is { } why)
            throw new FailureException($"Hessian-vector product, {where}: {why}");
    }

    private void CheckValue(Numbers got, string what, int copies)
    {
        if (_case.Find("expected_value") is not { } expected || Difference(got, expected, copies) is not { } why) return;
        if (_case["accept_value"].EnumerateArray().All(other => Difference(got, other, copies) is not null))
            throw new FailureException($"{what}: {why}");
    }

    private void CheckGradients(Numbers[] got, string where, int copies)
    {
        string? Wrong(JsonElement[] want) => want
            .Select((w, i) => Difference(got[i], w, copies) is { } why ? $"gradient for {w.Text("input")}, {where}: {why}" : null)
            .FirstOrDefault(why => why is not null);
        if (Wrong(Gradients) is not { } first) return;
        if (_case["accept_grad"].EnumerateArray().All(other => Wrong([.. other.EnumerateArray()]) is not null)) throw new FailureException(first);
    }

    private string? Difference(Numbers got, JsonElement want, int copies) =>
        got.Difference(Repeated(Numbers.Of(want), copies), _rtol, _atol, _signOfZeroMatters);
}
