using System.Text.Json;

namespace Diff.GradBench;

/// <summary>A function with its input in place: what is timed, and what it computed last.</summary>
/// <param name="Run">Computes once.</param>
/// <param name="Output">The results of the latest run, as something that JSON can say.</param>
internal sealed record Job(Action Run, Func<object> Output)
{
    /// <summary>A job that computes one value.</summary>
    public static Job Of<T>(Func<T> compute) where T : notnull
    {
        var result = default(T);
        return new Job(() => result = compute(), () => result ?? throw new InvalidOperationException("the job has not run"));
    }

    /// <summary>A job of the engine's: planned here, on one thread, and run into the same arrays each time.</summary>
    public static Job Of(CompiledFunction f, Func<NDArray[], object> output, params NDArray[] args)
    {
        var results = f.Call(args);
        return new Job(() => f.CallInto(results, args), () => output(results));
    }
}

/// <summary>How plans run here.</summary>
internal static class Engine
{
    public static EngineOptions OneThread { get; } = EngineOptions.Default.WithThreads(1).WithCompilationAtOnce();
}

/// <summary>A size of an eval's input.</summary>
/// <param name="Size">The size, in words.</param>
/// <param name="IsZero">Whether the derivative vanishes there.</param>
/// <param name="Prepare">From a function's name to the job.</param>
internal sealed record Workload(string Size, bool IsZero, Func<string, Job> Prepare);

/// <summary>One eval of the benchmark: a function and its derivative, under the names of the protocol.</summary>
internal abstract class Eval
{
    public abstract string Name { get; }

    /// <summary>The functions' names: what is differentiated, then its derivatives.</summary>
    public abstract IReadOnlyList<string> Functions { get; }

    /// <summary>The default sizes with inputs of our own.</summary>
    public abstract IEnumerable<Workload> Workloads();

    public abstract Job Prepare(string function, JsonElement input);
}

/// <summary>An eval with inputs of one type.</summary>
/// <param name="name">The name of the protocol's module.</param>
internal sealed class Eval<TInput>(string name) : Eval, System.Collections.IEnumerable
{
    private readonly List<(string Name, Func<TInput, Job> Prepare)> _functions = [];
    private readonly List<(string Size, bool IsZero, Func<TInput> Input)> _inputs = [];

    public override string Name => name;

    public override IReadOnlyList<string> Functions => [.. _functions.Select(f => f.Name)];

    public void Add(string function, Func<TInput, Job> prepare) => _functions.Add((function, prepare));

    public Eval<TInput> With(string size, Func<TInput> input, bool isZero = false)
    {
        _inputs.Add((size, isZero, input));
        return this;
    }

    public override Job Prepare(string function, JsonElement input) =>
        Prepare(function, input.Deserialize<TInput>(Protocol.Strict) ?? throw new JsonException($"{name}: no input"));

    public override IEnumerable<Workload> Workloads()
    {
        foreach (var (size, isZero, make) in _inputs)
        {
            var input = new Lazy<TInput>(make);
            yield return new(size, isZero, function => Prepare(function, input.Value));
        }
    }

    public System.Collections.IEnumerator GetEnumerator() => _functions.GetEnumerator();

    private Job Prepare(string function, TInput input) => _functions.Find(f => f.Name == function).Prepare is { } prepare
        ? prepare(input)
        : throw new ArgumentException($"{name}: there is no function {function}; there are {string.Join(", ", Functions)}");
}
