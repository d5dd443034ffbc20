using System.Diagnostics;
using System.Text.Json;

namespace Diff.Benchmarks;

/// <summary>One job: what it is, and how to make the step that does it once and gives a number to check.</summary>
/// <param name="Name">The name, the same in every suite.</param>
/// <param name="Description">Element types, shapes and rules.</param>
/// <param name="Make">From inputs to the step.</param>
internal sealed record Workload(string Name, string Description, Func<Data, Func<double>> Make)
{
    /// <summary>Between which numbers the first value lies.</summary>
    public (double Low, double High) Expected { get; init; } = (double.MinValue, double.MaxValue);

    /// <summary>Whether the value has to fall from step to step, as a loss does.</summary>
    public bool Falls { get; init; }
}

/// <summary>Random inputs from a fixed seed.</summary>
internal sealed class Data
{
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
    // The runtime compiles what runs often once more, better, and takes about this long over it.
    private const double WarmupSeconds = 1;
    private const int LeastWarmups = 3, LeastRuns = 5;
    private const double LeastGroupSeconds = 0.002;

    /// <summary>Whether the values were right; a line is written in any case.</summary>
    public static bool Measure(Workload workload, double seconds)
    {
        try
        {
            WriteLine(workload, seconds);
            return true;
        }
        catch (InvalidOperationException e)
        {
            Console.WriteLine(JsonSerializer.Serialize(new { suite = "diff", name = workload.Name, threads = 1, error = e.Message }));
            return false;
        }
    }

    private static void WriteLine(Workload workload, double seconds)
    {
        var step = workload.Make(new Data());
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
        for (var end = Stopwatch.StartNew(); end.Elapsed.TotalSeconds < seconds || times.Count < LeastRuns;)
        {
            clock.Restart();
            for (var i = 0; i < group; i++) last = step();
            times.Add(clock.Elapsed.TotalMicroseconds / group);
        }
        Check(workload, double.IsFinite(last) && (!workload.Falls || last < value), $"went from {value:R} to {last:R}");

        var before = GC.GetAllocatedBytesForCurrentThread();
        _ = step();
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        using var process = Process.GetCurrentProcess();
        times.Sort();
        Console.WriteLine(JsonSerializer.Serialize(new
        {
            suite = "diff",
            name = workload.Name,
            threads = 1,
            median_us = Math.Round((times[(times.Count - 1) / 2] + times[times.Count / 2]) / 2, 2),
            min_us = Math.Round(times[0], 2),
            first_call_ms = Math.Round(first.TotalMilliseconds, 2),
            runs = times.Count,
            bytes_per_step = bytes,
            peak_mb = Math.Round(process.PeakWorkingSet64 / 1e6, 1),
        }));
    }

    private static void Check(Workload workload, bool right, string what)
    {
        if (!right) throw new InvalidOperationException($"{workload.Name}: wrong value: it {what}");
    }
}
