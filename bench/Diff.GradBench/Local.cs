using System.Diagnostics;
using System.Globalization;
using Diff.Samples;

namespace Diff.GradBench;

/// <summary>All evals at their default sizes, without other software: checks, and a table of times.</summary>
internal static class Local
{
    private const int MostColumns = 4;

    public static bool Run(CommandLine options)
    {
        var names = options.Text("--only", "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (Array.Find(names, n => Catalogue.Find(n) is null) is { } unknown)
            throw new UsageException($"--only: there is no eval {unknown}; there are {string.Join(", ", Catalogue.All.Select(e => e.Name))}");
        var evals = Catalogue.All.Where(e => names.Length == 0 || names.Contains(e.Name)).ToList();
        var (seconds, longest) = (options.Number("--seconds", 0.5), options.Number("--longest", 10));

        var right = Golden.Check(evals);
        Console.WriteLine($"\n{"eval",-9}{"size",-26}{"objective µs",14}{"derivative µs",15}{"ratio",8}");
        foreach (var eval in evals) right &= Measure(eval, seconds, longest);
        return right;
    }

    private static bool Measure(Eval eval, double seconds, double longest)
    {
        var right = true;
        foreach (var (size, isZero, prepare) in eval.Workloads())
        {
            // Modes of one derivative have no objective of their own.
            var isModes = eval.Functions.Count == MostColumns;
            var times = new List<double>();
            foreach (var function in eval.Functions)
            {
                var (time, problem) = Time(prepare(function), seconds, function == eval.Functions[0] && !isModes ? null : isZero);
                times.Add(time);
                if (problem is not null) Console.WriteLine($"{eval.Name,-9}{size,-26}{function}: {problem}");
                right &= problem is null;
            }
            Console.WriteLine(isModes
                ? $"{eval.Name,-9}{size,-26}{string.Join("  ", eval.Functions.Zip(times, (f, t) => $"{f} {Text(t)}"))}"
                : $"{eval.Name,-9}{size,-26}{Text(times[0]),14}{Text(times[1]),15}{(times[1] / times[0]).ToString("0.00", CultureInfo.InvariantCulture),8}");
            if (times.Max() > longest * 1e6) break;
        }
        return right;
    }

    private static string Text(double microseconds) =>
        microseconds.ToString(microseconds < 10 ? "0.000" : microseconds < 1000 ? "0.0" : "#,0", CultureInfo.InvariantCulture);

    // The shortest time of a run, in microseconds, after warming up; short runs are timed in groups. On a busy machine the processor's time is
    // less than the clock's, and nearer to what a run takes.
    private static (double Microseconds, string? Problem) Time(Job job, double seconds, bool? isZero)
    {
        var clock = Stopwatch.StartNew();
        var runs = 0;
        while (runs < 2 || clock.Elapsed.TotalSeconds < seconds / 2)
        {
            job.Run();
            if (++runs == 1 && clock.Elapsed.TotalSeconds > seconds) break;
        }
        var group = Math.Max(1, (int)(0.0005 / Math.Max(clock.Elapsed.TotalSeconds / runs, 1e-8)));
        var best = double.PositiveInfinity;
        var count = 0;
        for (var total = Stopwatch.StartNew(); count < 3 || total.Elapsed.TotalSeconds < seconds; count++)
        {
            var before = Environment.CpuUsage.TotalTime;
            clock.Restart();
            for (var i = 0; i < group; i++) job.Run();
            var wall = clock.Elapsed;
            var busy = Environment.CpuUsage.TotalTime - before;
            best = Math.Min(best, Math.Min(wall.TotalMicroseconds, busy > TimeSpan.Zero ? busy.TotalMicroseconds : double.PositiveInfinity) / group);
            if (total.Elapsed.TotalSeconds > 10 * seconds) break;
        }
        return (best, Golden.Problem(job.Output(), isZero));
    }
}
