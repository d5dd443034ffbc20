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
          --threads N    how many threads to use; today only 1 is supported (1)
          --seconds S    for how long to repeat each workload (1.0)
          --list         names and descriptions of the workloads
          --help         this text
        """;

    private static readonly Workload[] Workloads = [.. Scalars.All, .. Elementwise.All, .. Contractions.All, .. Training.All];

    /// <summary>0 if all went well, 1 if a workload failed, 2 if the options are wrong.</summary>
    public static int Main(string[] args)
    {
        var failed = false;
        var code = CommandLine.Run(args, Help, options => failed = !Run(options));
        return failed ? 1 : code;
    }

    private static bool Run(CommandLine options)
    {
        if (options.Has("--list"))
        {
            foreach (var workload in Workloads) Console.WriteLine($"{workload.Name} - {workload.Description}");
            return true;
        }
        if (options.Int("--threads", 1, least: 1) is var threads and > 1)
            throw new UsageException($"--threads {threads}: Diff computes on 1 thread today; leave the option out or say 1");
        var text = options.Text("--seconds", "1.0");
        if (!double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds))
            throw new UsageException($"--seconds: expected a number, got {text}");

        var names = options.Text("--only", "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (names.FirstOrDefault(n => Workloads.All(w => w.Name != n)) is { } unknown)
            throw new UsageException($"--only: there is no workload {unknown}; --list names them");
        var chosen = names.Length == 0 ? Workloads : Workloads.Where(w => names.Contains(w.Name)).ToArray();
        return chosen.Length == 1
            ? Harness.Measure(chosen[0], seconds)
            : Array.ConvertAll(chosen, w => RunAlone(w.Name, text)).All(right => right); // each is run, also after a failure
    }

    // In a process of its own, so that neither memory nor compiled code is left from another workload.
    private static bool RunAlone(string name, string seconds)
    {
        var host = Environment.ProcessPath ?? throw new InvalidOperationException("the process has no path to start again");
        string[] program = Path.GetFileNameWithoutExtension(host) == "dotnet" ? [Environment.GetCommandLineArgs()[0]] : [];
        using var process = Process.Start(host, [.. program, "--only", name, "--seconds", seconds]);
        process.WaitForExit();
        return process.ExitCode == 0;
    }
}
