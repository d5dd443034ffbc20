using Diff.Conformance;
using Xunit;

namespace Diff.Tests;

/// <summary>The conformance cases, each on both tiers and with one and two threads; long recipes once and with a part of their loops.</summary>
[Collection(TheConsole.Name)]
public sealed class ConformanceTests
{
    private static readonly IReadOnlyList<Case> cases = Case.Load(Conformance.Program.OwnCases);

    public static TheoryData<string> Ids => [.. cases.Select(c => c.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void A_case_passes(string id)
    {
        var (outcome, why) = Runner.Run(cases.Single(c => c.Id == id), RunOptions.Make(["tiles", "compiled"], [1, 2], effort: 0.1));
        Assert.True(outcome == Outcome.Passed, $"{outcome}: {why}");
    }

    [Fact]
    public void All_cases_are_there()
    {
        Assert.Equal(455, cases.Count);
        Assert.Equal(cases.Count, cases.Select(c => c.Id).Distinct().Count());
    }

    private static (int Code, string[] Lines) Run(params string[] args)
    {
        var before = (Console.Out, Console.Error);
        using var output = new StringWriter();
        Console.SetOut(output);
        Console.SetError(TextWriter.Null);
        try
        {
            return (Conformance.Program.Main(args), output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
        }
        finally
        {
            Console.SetOut(before.Out);
            Console.SetError(before.Error);
        }
    }

    [Fact]
    public void The_program_counts_and_lists()
    {
        var (code, lines) = Run("--only", "pow-any-0-nan", "--tier", "tiles", "--threads", "1");
        Assert.Equal((0, "1 passed, 0 failed, 0 skipped"), (code, Assert.Single(lines)));
        Assert.Equal(455, Run("--list").Lines.Length);
        Assert.Equal(2, Run("--tier", "fast").Code);
        Assert.Equal(2, Run("--threads", "0").Code);
        Assert.Equal(2, Run("--what").Code);
    }

    /// <summary>A wrong expectation of every sort must be noticed, and what is not known be counted as skipped.</summary>
    [Fact]
    public void The_program_notices_what_is_wrong()
    {
        var text = File.ReadAllText(Conformance.Program.OwnCases);
        using var folder = new TemporaryFolder();
        (int Code, string[] Lines) With(string id, string old, string replacement)
        {
            var at = text.IndexOf($"\"{id}\"", StringComparison.Ordinal);
            var found = text.IndexOf(old, at, StringComparison.Ordinal);
            Assert.True(at >= 0 && found >= 0 && found - at < 3000, id);
            File.WriteAllText(folder["cases.json"], text[..found] + replacement + text[(found + old.Length)..]);
            return Run(folder["cases.json"], "--only", id, "--tier", "tiles");
        }
        string Why((int Code, string[] Lines) result)
        {
            Assert.Equal(1, result.Code);
            Assert.EndsWith(" 1 failed, 0 skipped", result.Lines[^1], StringComparison.Ordinal);
            return result.Lines[0];
        }
        Assert.Contains("value", Why(With("d2-tan", "0.5463024898437905", "0.5463")), StringComparison.Ordinal);
        Assert.Contains("gradient for x", Why(With("d2-tan", "1.2984464104095248", "1.2984")), StringComparison.Ordinal);
        Assert.Contains("Hessian-vector product", Why(With("d2-tan", "1.4186890138709114", "1.4186")), StringComparison.Ordinal);
        Assert.Contains("shape", Why(With("unused-input", "\"shape\": [2], \"data\": [1, 4]", "\"shape\": [2, 1], \"data\": [1, 4]")), StringComparison.Ordinal);
        Assert.Contains("does not mention", Why(With("error-39", "square", "round")), StringComparison.Ordinal);
        Assert.Contains("not of category", Why(With("error-39", "\"category\": \"shape\"", "\"category\": \"numeric\"")), StringComparison.Ordinal);
        Assert.Contains("expected 1", Why(With("idx-ok", "[0, 1, 2, 3", "[1, 1, 2, 3")), StringComparison.Ordinal);
        Assert.Contains("an error was expected", Why(With("idx-ok", "\"expected\": \"ok\"", "\"expected\": \"error\"")), StringComparison.Ordinal);
        Assert.Contains("derivative 6", Why(With("nested-grad-6", "0.0439453125}", "0.0439}")), StringComparison.Ordinal);
        // The other one is d2-tanh.
        var (code, lines) = With("d2-tan", "\"op\": \"tan\", \"args\"", "\"op\": \"sausage\", \"args\"");
        Assert.Equal((0, "skipped d2-tan: operation sausage", "1 passed, 0 failed, 1 skipped"), (code, lines[0], lines[1]));
    }
}
