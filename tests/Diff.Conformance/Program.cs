using System.Diagnostics;
using System.Globalization;

namespace Diff.Conformance;

/// <summary>Runs a file of conformance cases: a line for each that fails, then the counts.</summary>
public static class Program
{
    private const string Usage = """
        Diff.Conformance [FILES] [options]
          FILES                cases in the format diff-conformance/1 or /2; the program's own without any
          --tier LIST          auto, tiles, compiled, or several with commas; tiles,compiled without it
          --threads LIST       numbers of threads; 1,2 without it. Results must be equal to the bit on all tiers and numbers of threads
          --only PREFIX        the cases whose id begins so
          --kind LIST          eval, error, stress, file, fault, or several with commas; all without it
          --effort X           the part of the loops of long recipes; 1 without it, more than 1 for more rounds
          --list               lists the cases instead of running them
          --verbose            a line for every case, with its time
        Exit code: 0 when nothing failed, 1 when something did, 2 for wrong arguments or files.
        """;

    /// <summary>The file of cases of operations beside the program.</summary>
    public static string OwnCases => Path.Combine(AppContext.BaseDirectory, "cases.json");

    /// <summary>The file of cases of loops, branches, transforms and solutions beside the program.</summary>
    public static string OwnTransforms => Path.Combine(AppContext.BaseDirectory, "transforms.json");

    public static int Main(string[] args)
    {
        ArgumentNullException.ThrowIfNull(args);
        if (args is [Child.Switch, ..]) return Child.Play(args[1..]);
        string? only = null;
        List<string> files = [];
        string[] tiers = ["tiles", "compiled"];
        int[] threads = [1, 2];
        string[] kinds = ["eval", "error", "stress", "file", "fault"], wanted = kinds;
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
                    case "--kind": wanted = Next().Split(','); break;
                    case "--only": only = Next(); break;
                    case "--effort": effort = double.Parse(Next(), CultureInfo.InvariantCulture); break;
                    case "--list": list = true; break;
                    case "--verbose": verbose = true; break;
                    case var option when option.StartsWith('-'): throw new FormatException($"{option} is not understood");
                    default: files.Add(args[i]); break;
                }
            }
            if (tiers.Except(RunOptions.Tiers).FirstOrDefault() is { } unknown) throw new FormatException($"there is no tier {unknown}");
            if (wanted.Except(kinds).FirstOrDefault() is { } other) throw new FormatException($"there is no kind {other}");
            if (threads.Any(n => n < 1)) throw new FormatException("a number of threads is at least 1");
        }
        catch (Exception e) when (e is FormatException or OverflowException)
        {
            Console.Error.WriteLine($"{e.Message}\n{Usage}");
            return 2;
        }
        if (files.Count == 0) files = [OwnCases, OwnTransforms];
        List<Case> cases;
        try
        {
            cases = [.. files.SelectMany(Case.Load).Where(c => wanted.Contains(c.Kind) && (only is null || c.Id.StartsWith(only, StringComparison.Ordinal)))];
        }
        catch (InvalidDataException e)
        {
            Console.Error.WriteLine(e.Message);
            return 2;
        }
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
