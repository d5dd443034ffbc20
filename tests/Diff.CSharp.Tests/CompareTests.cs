using System.Diagnostics;
using System.Globalization;
using Xunit;

namespace Diff.Tests;

/// <summary>The program that compares benchmarks, with shell scripts in place of the programs that measure. No times are taken.</summary>
[Collection(TheConsole.Name)]
public sealed class CompareTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-compare").FullName;

    public CompareTests() => Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no shell to run the scripts");

    public void Dispose() => Directory.Delete(_folder, true);

    private string At(string file) => Path.Combine(_folder, file);

    // --only NAME --seconds S --threads N follow, behind what the command line itself says.
    private string Script(string name, string body)
    {
        File.WriteAllText(At(name), body + "\n");
        return $"sh '{At(name)}'";
    }

    private static string Line(string workload, double median, string more = "") =>
        string.Create(CultureInfo.InvariantCulture, $"echo '{{\"name\": \"{workload}\", \"median_us\": {median}{more}}}'");

    /// <summary>Two workloads, a limit for one of them, and a rate.</summary>
    private string Ours() => Script("ours.sh", $"""
        case "$*" in
          "--limits --list") echo "one - by hand"; echo "copy - a rate" ;;
          *--list) echo "one - the first"; echo "two - the second" ;;
          *--limits*one*) {Line("one", 25)} ;;
          *--limits*copy*) {Line("copy", 1, ", \"rate\": 31.5, \"unit\": \"GB/s\"")} ;;
          *one*) {Line("one", 100, ", \"first_call_ms\": 7.5, \"threads\": 1")} ;;
          *two*) {Line("two", 4)} ;;
        esac
        """);

    private (int Code, string Out, string Error) Run(params string[] args)
    {
        var (before, beforeError) = (Console.Out, Console.Error);
        using StringWriter output = new(CultureInfo.InvariantCulture), error = new(CultureInfo.InvariantCulture);
        Console.SetOut(output);
        Console.SetError(error);
        try
        {
            string[] calm = args.Contains("--max-load") ? [] : ["--max-load", "1000"];
            return (Comparing.Program.Main(["--ours", Ours(), .. calm, .. args]), output.ToString(), error.ToString());
        }
        finally
        {
            Console.SetOut(before);
            Console.SetError(beforeError);
        }
    }

    /// <summary>The cells of the row about a workload, without the last, which says how busy the machine was.</summary>
    private static string[] Row(string text, string workload) =>
        text.Split('\n').Single(l => l.StartsWith($"| `{workload}` |", StringComparison.Ordinal)).Split('|', StringSplitOptions.TrimEntries)[2..^2];

    [Fact]
    public void The_table_pairs_the_best_rounds_and_divides_them()
    {
        var count = At("count");
        // 300, then 250, then 280.
        var peer = Script("peer.sh", $"""
            echo 'a warning that is no JSON'; echo '[1]'
            echo x >> '{count}'
            case "$(wc -l < '{count}' | tr -d ' ')" in
              1) {Line("one", 300, ", \"first_call_ms\": 90")} ;;
              2) {Line("one", 250, ", \"first_call_ms\": 80")} ;;
              *) {Line("one", 280, ", \"first_call_ms\": 85")} ;;
            esac
            """);
        var other = Script("other.sh", Line("one", 400));
        var result = Run("--peer", $"fast={peer}", "--peer", $"slow={other}", "--only", "one", "--limits", "--markdown", At("table.md"));
        Assert.Equal((0, ""), (result.Code, result.Error));
        // ours, fast, slow, best ÷ ours, limit, ours ÷ limit, the first calls
        Assert.Equal(["100", "250", "400", "2.50", "25.0", "4.00", "7.50", "80.0", "–"], Row(result.Out, "one"));
        Assert.Contains("Rates of the machine: copy 31.5 GB/s.", result.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("disturbed", result.Out, StringComparison.Ordinal);
        Assert.Contains("one, round 3 of 3", result.Out, StringComparison.Ordinal);
        Assert.EndsWith(File.ReadAllText(At("table.md")), result.Out, StringComparison.Ordinal);
        Assert.Contains(".NET 10", File.ReadLines(At("table.md")).First(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_side_is_given_the_options_that_all_share()
    {
        var peer = Script("peer.sh", $"echo \"$*\" >> '{At("asked")}'; {Line("two", 8, ", \"threads\": 2")}");
        var result = Run("--peer", $"p={peer} --own 'two words'", "--only", "two", "--rounds", "1", "--seconds", "0.25", "--threads", "2");
        Assert.Equal("--own two words --only two --seconds 0.25 --threads 2", File.ReadAllText(At("asked")).Trim());
        Assert.Equal(0, result.Code);
        Assert.Equal(["4.00", "8.00", "2.00", "–", "–"], Row(result.Out, "two"));
    }

    [Fact]
    public void Rounds_that_differ_by_more_than_a_factor_of_2_are_marked()
    {
        var peer = Script("peer.sh", $"if [ -e '{At("seen")}' ]; then {Line("one", 200)}; else touch '{At("seen")}'; {Line("one", 401)}; fi");
        var result = Run("--peer", $"p={peer}", "--only", "one", "--rounds", "2");
        Assert.Equal(["100", "200 *", "2.00 *", "7.50", "–"], Row(result.Out, "one"));
        Assert.Contains("`*` disturbed", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void What_fails_is_named_and_the_rest_goes_on()
    {
        var clock = Stopwatch.StartNew();
        var good = Script("good.sh", $"case \"$*\" in *one*) {Line("one", 50)} ;; *) {Line("two", 2)} ;; esac");
        var garbage = Script("garbage.sh", "echo hello; echo 'no module named it' >&2; exit 3");
        var reports = Script("reports.sh", """echo '{"name": "one", "error": "cannot do it"}'""");
        var timeless = Script("timeless.sh", """echo '{"name": "one", "median_us": "soon"}'""");
        var endless = Script("endless.sh", "case \"$*\" in *one*) sleep 1000 ;; *) " + Line("two", 3) + " ;; esac");
        var result = Run(
            "--peer", $"missing={At("nothing")}", "--peer", $"garbage={garbage}", "--peer", $"reports={reports}", "--peer", $"timeless={timeless}",
            "--peer", $"endless={endless}", "--peer", $"good={good}", "--rounds", "2", "--timeout", "2");
        Assert.Equal(1, result.Code);
        Assert.Contains("\n- missing: cannot be started: ", result.Out, StringComparison.Ordinal);
        Assert.Contains("\n- garbage, one: no result (exit status 3): no module named it\n", result.Out, StringComparison.Ordinal);
        Assert.Contains("\n- reports, one: cannot do it\n", result.Out, StringComparison.Ordinal);
        Assert.Contains("\n- timeless, one: no time in its line: ", result.Out, StringComparison.Ordinal);
        Assert.Contains("\n- endless, one: has not ended after 2 s\n", result.Out, StringComparison.Ordinal);
        Assert.Single(result.Out.Split('\n'), l => l.StartsWith("- missing", StringComparison.Ordinal)); // not tried again
        Assert.Equal(["100", "–", "–", "–", "–", "–", "50.0", "0.50"], Row(result.Out, "one")[..8]);
        Assert.Equal(["4.00", "–", "–", "–", "–", "3.00", "2.00", "0.50"], Row(result.Out, "two")[..8]);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(500), "the endless program was waited for");
    }

    [Fact]
    public void A_side_with_other_threads_is_named()
    {
        var peer = Script("peer.sh", Line("one", 200, ", \"threads\": 2"));
        var result = Run("--peer", $"p={peer}", "--only", "one", "--rounds", "1");
        Assert.Equal(1, result.Code);
        Assert.Contains("\n- p, one: used 2 threads, not 1\n", result.Out, StringComparison.Ordinal);
    }

    [Fact]
    public void A_busy_machine_is_waited_for_but_not_for_ever()
    {
        Assert.SkipUnless(File.Exists("/proc/stat"), "the system does not say how busy it is");
        using var heavy = Process.Start("sh", ["-c", "while :; do :; done"]);
        try
        {
            var result = Run("--only", "two", "--rounds", "1", "--max-load", "0", "--wait", "0.1");
            Assert.Equal(0, result.Code);
            Assert.Contains("waiting up to 0.1 s for the machine: ", result.Out, StringComparison.Ordinal);
            Assert.Contains("still busy; measured all the same", result.Out, StringComparison.Ordinal);
            Assert.Equal(["4.00", "–"], Row(result.Out, "two"));
        }
        finally
        {
            heavy.Kill();
        }
    }

    [Theory]
    [InlineData("--only: there is no workload three; there are one, two", "--only", "three")]
    [InlineData("--peer: expected LABEL=COMMAND, got python", "--peer", "python")]
    [InlineData("--peer: there is no command in  ", "--peer", "p= ")]
    [InlineData("--peer: a quote is not closed: sh 'x", "--peer", "p=sh 'x")]
    [InlineData("--peer: the label ours is taken", "--peer", "ours=sh")]
    [InlineData("--rounds: expected a whole number from 1 up, got 0", "--rounds", "0")]
    [InlineData("--max-load: expected a number from 0 up, got NaN", "--max-load", "NaN")]
    [InlineData("--seconds: expected a number from 0 up, got -1", "--seconds", "-1")]
    public void Bad_options_are_refused_before_anything_is_measured(string message, string option, string value)
    {
        var result = Run(option, value);
        Assert.Equal((2, $"error: {message}", ""), (result.Code, result.Error.TrimEnd('\r', '\n'), result.Out));
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_refused_before_anything_is_measured()
    {
        var result = Run("--markdown", Path.Combine(_folder, "no", "table.md"));
        Assert.Equal((2, ""), (result.Code, result.Out));
        Assert.Contains("table.md", result.Error, StringComparison.Ordinal);
    }
}
