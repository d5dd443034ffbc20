using System.Diagnostics;
using System.Globalization;
using Diff.Samples;

namespace Diff.Benchmarks;

internal static class Program
{
    private const string Help = """
        Times whole jobs: value and gradient of a function, or one step of training. Prints one line of JSON for each,
        with times in microseconds. Each of several jobs runs in a process of its own and warms up for a second.

          --only NAMES   the workloads, separated by commas (all)
          --threads N    how many threads to use (1)
          --seconds S    for how long to repeat each workload (1.0)
          --limits       some of the workloads written by hand, and the machine's rates: what can be reached at best
          --products BLAS  matrix products of many shapes beside those of a library with the C interface of BLAS (its path); --only MxKxN,... chooses
          --profile      in place of that, what each step of the plan takes: its size, operations, bytes, rate
          --list         names and descriptions of the workloads
          --help         this text
        """;

    private static readonly Workload[] Workloads = [.. Scalars.All, .. Elementwise.All, .. Contractions.All, .. Training.All, .. Planning.All];

    /// <summary>0 if all went well, 1 if a workload failed, 2 if the options are wrong.</summary>
    public static int Main(string[] args)
    {
        var failed = false;
        var code = CommandLine.Run(args, Help, options => failed = !Run(options));
        return failed ? 1 : code;
    }

    private static string[] Names(CommandLine options) =>
        options.Text("--only", "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static bool Run(CommandLine options)
    {
        var blas = options.Text("--products", "");
        if (blas != "")
        {
            var threads = options.Int("--threads", 1, least: 1);
            UseThreads(threads);
            return Products.Compare(blas, threads, options.Number("--seconds", 0.2), Names(options));
        }
        var limits = options.Has("--limits");
        var workloads = limits ? Limits.All : Workloads;
        if (options.Has("--list"))
        {
            foreach (var workload in workloads) Console.WriteLine($"{workload.Name} - {workload.Description}");
            return true;
        }
        var settings = new Settings(limits ? "limit" : "diff", options.Int("--threads", 1, least: 1), options.Number("--seconds", 1));
        if (!limits) UseThreads(settings.Threads);

        var names = Names(options);
        if (names.FirstOrDefault(n => workloads.All(w => w.Name != n)) is { } unknown)
            throw new UsageException($"--only: there is no workload {unknown}; --list names them");
        var chosen = names.Length == 0 ? workloads : workloads.Where(w => names.Contains(w.Name)).ToArray();
        if (options.Has("--profile"))
        {
            foreach (var workload in chosen) Harness.Profile(workload, settings);
            return true;
        }
        return chosen.Length == 1
            ? Harness.Measure(chosen[0], settings)
            : Array.ConvertAll(chosen, w => RunAlone(w.Name, settings, limits)).All(right => right); // each is run, also after a failure
    }

    // The one place where the engine hears how many threads it may use, before any workload is made.
    private static void UseThreads(int threads) => Environment.SetEnvironmentVariable("DIFF_THREADS", $"{threads}");

    // In a process of its own, so that neither memory nor compiled code is left from another workload.
    private static bool RunAlone(string name, Settings settings, bool limits)
    {
        var host = Environment.ProcessPath ?? throw new InvalidOperationException("the process has no path to start again");
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        string[] suite = limits ? ["--limits"] : [];
        var seconds = settings.Seconds.ToString("0.#########", CultureInfo.InvariantCulture); // no exponent
        using var process = Process.Start(host, [.. program, .. suite, "--only", name, "--threads", $"{settings.Threads}", "--seconds", seconds]);
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
