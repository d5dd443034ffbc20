using System.Diagnostics;
using System.Globalization;
using Diff.Samples;

namespace Diff.Comparing;

internal static class Program
{
    private const string Help = """
        Measures our workloads and those of other programs in turn, workload by workload, and prints a table. A peer is any program that
        understands --only NAME, --seconds S and --threads N and prints a line of JSON with name and median_us, and first_call_ms if it can.
        Each round waits until the machine is idle. The best round of each side counts.

          --peer LABEL=COMMAND   a program to compare with; may be given again
          --ours COMMAND         what stands for ours (the benchmark that lies beside this program)
          --limits               also what can be reached at best: ours with --limits
          --only NAMES           the workloads, separated by commas (all)
          --rounds N             how often each side measures each workload (3)
          --threads N            how many threads each side uses (1)
          --seconds S            for how long a round repeats a workload (1.0)
          --timeout S            when a program that does not end is stopped (120)
          --max-load X           how many processors may be busy when a round begins (0.5)
          --wait S               for how long a round waits for that (60)
          --markdown FILE        where to write the table too
          --help                 this text
        """;

    /// <summary>0 if all went well, 1 if a side failed somewhere, 2 if the options are wrong.</summary>
    public static int Main(string[] args)
    {
        var failed = false;
        var code = CommandLine.Run(args, Help, options => failed = !Run(options).GetAwaiter().GetResult());
        return failed ? 1 : code;
    }

    private static IReadOnlyList<string> Benchmark()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "Diff.Benchmarks.dll");
        return [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", program];
    }

    private static async Task<bool> Run(CommandLine options)
    {
        var ours = new Side("ours", options.Has("--ours") ? Side.Words("--ours", options.Text("--ours", "")) : Benchmark());
        var peers = options.Texts("--peer").Select(Side.Parse).ToArray();
        var limit = options.Has("--limits") ? new Side("limit", [.. ours.Command, "--limits"]) : null;
        Side[] sides = limit is null ? [ours, .. peers] : [ours, .. peers, limit];
        if (sides.GroupBy(s => s.Label).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UsageException($"--peer: the label {twice.Key} is taken");

        var run = new Comparison(
            options.Int("--rounds", 3, least: 1), options.Int("--threads", 1, least: 1), options.Number("--seconds", 1),
            options.Number("--timeout", 120, least: 0.001), options.Number("--max-load", 0.5), options.Number("--wait", 60));
        var (known, limits) = await Names(ours, limit, run.Timeout);
        var chosen = options.Text("--only", "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (chosen.FirstOrDefault(n => !known.Contains(n)) is { } unknown)
            throw new UsageException($"--only: there is no workload {unknown}; there are {string.Join(", ", known)}");

        var date = DateTime.UtcNow.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        var report = new Report(ours, peers, limit, string.Create(
            CultureInfo.InvariantCulture, $"{date} UTC; {Machine.Description}; threads: {run.Threads}; the best of {run.Rounds} rounds of {run.Seconds} s."));
        var file = options.Text("--markdown", "");
        void Save()
        {
            if (file.Length > 0) File.WriteAllText(file, report.ToString());
        }
        Save(); // a file that cannot be written is refused before anything is measured

        foreach (var name in chosen.Length > 0 ? chosen : known)
        {
            report.Rows.Add(new Row(name));
            await run.Measure(report.Rows[^1], limit is not null && !limits.Contains(name) ? [ours, .. peers] : sides, report);
            Save();
        }
        foreach (var name in limits.Except(known))
        {
            report.Rates.Add(new Row(name));
            await run.Measure(report.Rates[^1], [limit!], report);
            Save();
        }
        Console.WriteLine();
        Console.Write(report);
        return report.Notes.Count == 0;
    }

    private static async Task<(IReadOnlyList<string> Known, IReadOnlyList<string> Limits)> Names(Side ours, Side? limit, double timeout)
    {
        try
        {
            return (await ours.List(timeout), limit is null ? [] : await limit.List(timeout));
        }
        catch (SideException e)
        {
            throw new UsageException($"{ours.Label}: {e.Message}");
        }
    }
}

/// <summary>How to measure, and the programs that have been given up.</summary>
internal sealed record Comparison(int Rounds, int Threads, double Seconds, double Timeout, double MaxLoad, double Wait)
{
    private const double PauseSeconds = 0.5;
    private readonly HashSet<string> _gone = [];

    /// <summary>All rounds of one workload. A side that fails is left out of its further rounds.</summary>
    public async Task Measure(Row row, IReadOnlyList<Side> sides, Report report)
    {
        var failed = new HashSet<string>(_gone);
        for (var round = 1; round <= Rounds && sides.Any(s => !failed.Contains(s.Label)); round++)
        {
            var busy = await Idle();
            row.Before.Add((busy, Machine.Load()));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{row.Workload}, round {round} of {Rounds}, {busy:0.00} processors busy"));
            // Every other round backwards, so that no side always follows the same other one.
            foreach (var side in round % 2 == 1 ? sides : sides.Reverse())
            {
                if (failed.Contains(side.Label)) continue;
                try
                {
                    var result = await side.Measure(row.Workload, Threads, Seconds, Timeout);
                    row.Add(side, result);
                    Console.WriteLine($"  {side.Label}: {Report.Number(result.Median)} µs");
                    if (result.Threads is { } used && used != Threads) Note(report, $"{side.Label}, {row.Workload}: used {used} threads, not {Threads}");
                }
                catch (SideException e)
                {
                    failed.Add(side.Label);
                    if (e.Forever) _gone.Add(side.Label);
                    Note(report, e.Forever ? $"{side.Label}: {e.Message}" : $"{side.Label}, {row.Workload}: {e.Message}");
                }
            }
        }
    }

    private static void Note(Report report, string note)
    {
        if (report.Notes.Contains(note)) return;
        report.Notes.Add(note);
        Console.WriteLine($"  {note}");
    }

    // The load average would still hold what was just measured; the processors' clocks do not.
    private async Task<double> Idle()
    {
        var clock = Stopwatch.StartNew();
        var busy = await Machine.Busy();
        if (busy > MaxLoad)
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"waiting up to {Wait} s for the machine: {busy:0.00} processors are busy, {MaxLoad} may be"));
        while (busy > MaxLoad && clock.Elapsed.TotalSeconds < Wait)
        {
            await Task.Delay(TimeSpan.FromSeconds(PauseSeconds));
            busy = await Machine.Busy();
        }
        if (busy > MaxLoad) Console.WriteLine("still busy; measured all the same");
        return busy;
    }
}
