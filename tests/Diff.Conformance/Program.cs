using System.Diagnostics;
using System.Globalization;

namespace Diff.Conformance;

/// <summary>Runs a file of conformance cases: a line for each that fails, then the counts.</summary>
public static class Program
{
    private const string Usage = """
        Diff.Conformance [FILE] [options]
          FILE                 cases in the format diff-conformance/1; the program's own without it
          --tier LIST          auto, tiles, compiled, or several with commas; tiles,compiled without it
          --threads LIST       numbers of threads; 1,2 without it. Results must be equal to the bit on all tiers and numbers of threads
          --only PREFIX        the cases whose id begins so
          --effort X           the part of the loops of long recipes, 0 to 1; 1 without it
          --list               lists the cases instead of running them
          --verbose            a line for every case, with its time
        Exit code: 0 when nothing failed, 1 when something did, 2 for wrong arguments.
        """;

    /// <summary>The file of cases beside the program.</summary>
    public static string OwnCases => Path.Combine(AppContext.BaseDirectory, "cases.json");

    public static int Main(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        if (args is [Child.Switch, ..]) return Child.Play(args[1..]);
        string? file = null, only = null;
        string[] tiers = ["tiles", "compiled"];
        int[] threads = [1, 2];
        var effort = 1.0;
        bool list = false, verbose = false;
        try
        {
            for (var i = 0; i < args.Length; i++)
            {
                string Next() => ++i < args.Length ? args[i] : throw new FormatException($"{args[i - 1]} needs a value");
                switch (args[i])
                {
                    case "--tier": tiers = Next().Split(','); break;
                    case "--threads": threads = [.. Next().Split(',').Select(n => int.Parse(n, CultureInfo.InvariantCulture))]; break;
                    case "--only": only = Next(); break;
                    case "--effort": effort = double.Parse(Next(), CultureInfo.InvariantCulture); break;
                    case "--list": list = true; break;
                    case "--verbose": verbose = true; break;
                    case var option when option.StartsWith('-') || file is not null: throw new FormatException($"{option} is not understood");
                    default: file = args[i]; break;
                }
            }
            if (tiers.Except(RunOptions.Tiers).FirstOrDefault() is { } unknown) throw new FormatException($"there is no tier {unknown}");
            if (threads.Any(n => n < 1)) throw new FormatException("a number of threads is at least 1");
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            Console.Error.WriteLine($"{e.Message}\n{Usage}");
            return 2;
        }
        var cases = Case.Load(file ?? OwnCases).Where(c => only is null || c.Id.StartsWith(only, StringComparison.Ordinal)).ToList();
        if (!list) return RunAll(cases, RunOptions.Make(tiers, threads, effort), verbose);
        foreach (var c in cases) Console.WriteLine($"{c.Kind,-6} {c.Id}");
        return 0;
    }

    private static int RunAll(IEnumerable<Case> cases, RunOptions options, bool verbose)
    {
        var counts = new int[3];
        foreach (var c in cases)
        {
            var watch = Stopwatch.StartNew();
            var (outcome, why) = Runner.Run(c, options);
            counts[(int)outcome]++;
            if (verbose || outcome != Outcome.Passed)
                Console.WriteLine($"{outcome.ToString().ToLowerInvariant()} {c.Id}{(verbose ? $" ({watch.ElapsedMilliseconds} ms)" : "")}{(why.Length > 0 ? ": " : "")}{why.ReplaceLineEndings(" ")}");
        }
        Console.WriteLine($"{counts[0]} passed, {counts[1]} failed, {counts[2]} skipped");
        return counts[(int)Outcome.Failed] > 0 ? 1 : 0;
    }
}
