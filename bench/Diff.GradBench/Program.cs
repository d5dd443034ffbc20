using Diff.Samples;

namespace Diff.GradBench;

internal static class Program
{
    private const string Help = """
        The tool's side of GradBench's protocol: reads a message of JSON a line on standard input and answers each with a line.

          --local        instead, check all evals against golden cases, and time their default sizes with inputs of our own
          --only NAMES   with --local: these evals only, separated by commas (all)
          --seconds S    with --local: for how long to repeat each function (0.5)
          --longest S    with --local: leave out the larger sizes of an eval once one run of a function took longer (10)
          --help         this text
        """;

    /// <summary>0 if all went well, 1 if a check failed, 2 if the options are wrong.</summary>
    public static int Main(string[] args)
    {
        var failed = false;
        var code = CommandLine.Run(args, Help, options =>
        {
            if (options.Has("--local")) failed = !Local.Run(options);
            else Protocol.Serve(Console.In, Console.Out);
        });
        return failed ? 1 : code;
    }
}
