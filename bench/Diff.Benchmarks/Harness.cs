using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Diff.Benchmarks;

/// <summary>One job: what it is, and how to make it.</summary>
/// <param name="Name">The name, the same in every suite.</param>
/// <param name="Description">Element types, shapes and rules.</param>
/// <param name="Make">From inputs to what is done.</param>
internal sealed record Workload(string Name, string Description, Func<Data, Job> Make)
{
    /// <summary>Between which numbers the first value lies.</summary>
    public (double Low, double High) Expected { get; init; } = (double.MinValue, double.MaxValue);

    /// <summary>Whether the value has to fall from step to step, as a loss does.</summary>
    public bool Falls { get; init; }

    /// <summary>What one run does, if the rate is asked for: bytes or operations, and the unit of 10⁹ of them a second.</summary>
    public (double Amount, string Unit)? Work { get; init; }
}

/// <summary>What a workload does.</summary>
/// <param name="Step">Does it once and gives a number to check.</param>
/// <param name="Profile">What each step of its plan takes, if one plan does it.</param>
internal sealed record Job(Func<double> Step, Func<string>? Profile = null)
{
    public static implicit operator Job(Func<double> step) => new(step);
}

/// <summary>How to measure.</summary>
/// <param name="Suite">The name of the suite: diff, or limit.</param>
/// <param name="Threads">How many threads compute.</param>
/// <param name="Seconds">For how long each workload is repeated.</param>
internal sealed record Settings(string Suite, int Threads, double Seconds);

/// <summary>Random inputs from a fixed seed, and the threads for what is written by hand.</summary>
internal sealed class Data(int threads)
{
    /// <summary>How many threads a workload starts by itself; the engine hears of its threads elsewhere.</summary>
    public int Threads => threads;

    /// <summary>The generator.</summary>
    public Random Random { get; } = new(0);

    /// <summary>Normal numbers, float32.</summary>
    public NDArray Normal(params int[] shape) => Create(shape, () => (float)Gaussian());

    /// <summary>Normal numbers, float64.</summary>
    public NDArray Normal64(params int[] shape) => Create(shape, Gaussian);

    /// <summary>0 or 1 with equal probability, float32.</summary>
    public NDArray Coins(params int[] shape) => Create(shape, () => Random.NextDouble() < 0.5 ? 1f : 0f);

    /// <summary>Whole numbers below a bound, int64.</summary>
    public NDArray Indices(int bound, params int[] shape) => Create(shape, () => Random.NextInt64(bound));

    private static NDArray Create<T>(int[] shape, Func<T> draw) where T : unmanaged
    {
        var values = new T[new Shape(shape).Length];
        for (var i = 0; i < values.Length; i++) values[i] = draw();
        return NDArray.Create(values, new Shape(shape));
    }

    // Box and Muller 1958; 1 − u keeps the logarithm's argument off 0.
    private double Gaussian() => Math.Sqrt(-2 * Math.Log(1 - Random.NextDouble())) * Math.Cos(2 * Math.PI * Random.NextDouble());
}

/// <summary>Measures a workload and writes one line of JSON about it.</summary>
internal static class Harness
{
    /// <summary>The step that computes a function's results into the same arrays each time, and gives the first number.</summary>
    public static Job Value(CompiledFunction f, params NDArray[] args)
    {
        var results = new Lazy<NDArray[]>(() => f.Call(args));
        return Into(f, args, results, () => f.CallInto(results.Value, args));
    }

    /// <summary>The same for value and gradient.</summary>
    public static Job ValueAndGradient(CompiledFunction f, params NDArray[] args)
    {
        var results = new Lazy<NDArray[]>(() =>
        {
            var (value, gradient) = f.ValueAndGradient(args);
            return [value, .. gradient.OfType<NDArray>()];
        });
        return Into(f, args, results, () => f.ValueAndGradientInto(results.Value, args));
    }

    private static Job Into(CompiledFunction f, NDArray[] args, Lazy<NDArray[]> results, Action run)
    {
        double Step()
        {
            run();
            return results.Value[0].Float(0);
        }
        return new(Step, () => f.Profile(args));
    }

    /// <summary>A step of training on one batch; its number is the loss.</summary>
    public static Job Train(TrainingStep step, params NDArray[] batch) => new(() => step.Run(batch), () => step.Profile(batch));

    private static readonly JsonSerializerOptions WithoutNull = new() { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    // The runtime compiles what runs often once more, better, and takes about this long over it.
    private const double WarmupSeconds = 1;
    private const int LeastWarmups = 3, LeastRuns = 5;
    private const double LeastGroupSeconds = 0.002;

    /// <summary>Whether the values were right; a line is written in any case.</summary>
    public static bool Measure(Workload workload, Settings settings)
    {
        try
        {
            WriteLine(workload, settings);
            return true;
        }
        catch (InvalidOperationException e)
        {
            Console.WriteLine(JsonSerializer.Serialize(new { suite = settings.Suite, name = workload.Name, threads = settings.Threads, error = e.Message }));
            return false;
        }
    }

    /// <summary>Writes what each step of a workload's plan takes.</summary>
    public static void Profile(Workload workload, Settings settings)
    {
        var profile = workload.Make(new Data(settings.Threads)).Profile;
        Console.WriteLine($"{workload.Name}\n{profile?.Invoke() ?? "no single plan does this"}\n");
    }

    private static void WriteLine(Workload workload, Settings settings)
    {
        var step = workload.Make(new Data(settings.Threads)).Step;
        var clock = Stopwatch.StartNew();
        var value = step(); // traced, differentiated, planned, run
        var first = clock.Elapsed;
        var (low, high) = workload.Expected;
        Check(workload, double.IsFinite(value) && value >= low && value <= high, $"gives {value:R}");

        var last = value;
        var warmups = 0;
        for (clock.Restart(); clock.Elapsed.TotalSeconds < WarmupSeconds || warmups < LeastWarmups; warmups++) last = step();
        clock.Restart();
        last = step();
        var group = Math.Max(1, (int)(LeastGroupSeconds / Math.Max(clock.Elapsed.TotalSeconds, 1e-7))); // very short steps are timed in groups
        var times = new List<double>();
        for (var end = Stopwatch.StartNew(); end.Elapsed.TotalSeconds < settings.Seconds || times.Count < LeastRuns;)
        {
            clock.Restart();
            for (var i = 0; i < group; i++) last = step();
            times.Add(clock.Elapsed.TotalMicroseconds / group);
        }
        Check(workload, double.IsFinite(last) && (!workload.Falls || last < value), $"went from {value:R} to {last:R}");

        // Of all threads. The least of some runs: the runtime's own allocate at times.
        var bytes = long.MaxValue;
        for (var i = 0; i < LeastRuns; i++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            _ = step();
            bytes = Math.Min(bytes, GC.GetTotalAllocatedBytes(precise: true) - before);
        }
        using var process = Process.GetCurrentProcess();
        times.Sort();
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            suite = settings.Suite,
            name = workload.Name,
            threads = settings.Threads,
            median_us = Math.Round((times[(times.Count - 1) / 2] + times[times.Count / 2]) / 2, 4),
            min_us = Math.Round(times[0], 4),
            first_call_ms = Math.Round(first.TotalMilliseconds, 2),
            runs = times.Count,
            bytes_per_step = bytes,
            peak_mb = Math.Round(process.PeakWorkingSet64 / 1e6, 1),
            rate = workload.Work is { } work ? Math.Round(work.Amount / (times[0] * 1e3), 1) : (double?)null,
            unit = workload.Work?.Unit,
        }, WithoutNull));
    }

    private static void Check(Workload workload, bool right, string what)
    {
        if (!right) throw new InvalidOperationException($"{workload.Name}: wrong value: it {what}");
    }
}
