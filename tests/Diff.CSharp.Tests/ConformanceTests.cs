using Diff.Conformance;
using Diff.Fuzz;
using Xunit;

namespace Diff.Tests;

/// <summary>The conformance cases, each on both tiers and with one and two threads; most long recipes with a part of their loops.</summary>
[Collection(TheConsole.Name)]
public sealed class ConformanceTests
{
    private static readonly IReadOnlyList<Case> cases = Case.Load(Conformance.Program.OwnCases);
    private static readonly IReadOnlyList<Case> transforms = Case.Load(Conformance.Program.OwnTransforms);

    public static TheoryData<string> Ids => [.. cases.Select(c => c.Id)];

    public static TheoryData<string> TransformIds => [.. transforms.Select(c => c.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void A_case_passes(string id)
    {
        var effort = id is "kill9-during-save-200" or "truncate-everywhere" or "flip-every-bit" ? 1 : 0.1;
        var (outcome, why) = Runner.Run(cases.Single(c => c.Id == id), RunOptions.Make(["tiles", "compiled"], [1, 2], effort));
        Assert.True(outcome == Outcome.Passed, $"{outcome}: {why}");
    }

    [Theory]
    [MemberData(nameof(TransformIds))]
    public void A_case_of_loops_and_transforms_passes(string id)
    {
        var (outcome, why) = Runner.Run(transforms.Single(c => c.Id == id), RunOptions.Make(["tiles", "compiled"], [1, 2], effort: 0.1));
        Assert.True(outcome == Outcome.Passed, $"{outcome}: {why}");
    }

    [Fact]
    public void All_cases_are_there()
    {
        Assert.Equal(455, cases.Count);
        Assert.Equal(154, transforms.Count);
        Assert.Equal(455 + 154, cases.Concat(transforms).Select(c => c.Id).Distinct().Count());
    }

    /// <summary>Every word that takes functions is in some program, also within those of others.</summary>
    [Fact]
    public void All_words_occur()
    {
        var text = File.ReadAllText(Conformance.Program.OwnTransforms);
        Assert.All(FunctionWords.All, w => Assert.Contains($"\"op\": \"{w}\"", text, StringComparison.Ordinal));
    }

    private static (int Code, string[] Lines) Run(params string[] args) => Run(TextWriter.Null, args);

    private static (int Code, string[] Lines) Run(TextWriter errors, params string[] args)
    {
        var before = (Console.Out, Console.Error);
        using var output = new StringWriter();
        Console.SetOut(output);
        Console.SetError(errors);
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
        Assert.Equal(455 + 154, Run("--list").Lines.Length);
        Assert.Equal(44 + 40, Run("--list", "--kind", "error").Lines.Length);
        Assert.Equal(2, Run("--kind", "odd").Code);
        Assert.Equal(2, Run("--tier", "fast").Code);
        Assert.Equal(2, Run("--threads", "0").Code);
        Assert.Equal(2, Run("--what").Code);
    }

    /// <summary>A line that names the file and says what was expected, and no trace of the stack.</summary>
    [Fact]
    public void A_file_that_is_no_file_of_cases_is_refused()
    {
        using var folder = new TemporaryFolder();
        string Refusal(string name, string? content)
        {
            var path = folder[name];
            if (content is not null) File.WriteAllText(path, content);
            var errors = new StringWriter();
            var (code, lines) = Run(errors, path);
            Assert.Equal(2, code);
            Assert.Empty(lines);
            var line = Assert.Single(errors.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
            Assert.StartsWith(path + ": ", line, StringComparison.Ordinal);
            return line;
        }
        Assert.Contains("Could not find file", Refusal("missing.json", null), StringComparison.Ordinal);
        Directory.CreateDirectory(folder["folder"]);
        Assert.Contains("denied", Refusal("folder", null), StringComparison.Ordinal);
        Assert.Contains("got none", Refusal("a.json", "{}"), StringComparison.Ordinal);
        Assert.Contains("got none", Refusal("b.json", "[1, 2]"), StringComparison.Ordinal);
        Assert.Contains("got other/3", Refusal("c.json", """{"format": "other/3", "cases": []}"""), StringComparison.Ordinal);
        Assert.Contains("an array of cases", Refusal("d.json", """{"format": "diff-conformance/1"}"""), StringComparison.Ordinal);
        Assert.Contains("an id and a kind", Refusal("e.json", """{"format": "diff-conformance/1", "cases": [{"id": "x"}]}"""), StringComparison.Ordinal);
        Assert.Contains("an id and a kind", Refusal("f.json", """{"format": "diff-conformance/1", "cases": [{"id": 1, "kind": "eval"}]}"""), StringComparison.Ordinal);
        Refusal("g.json", "{\"format\": ");
        Refusal("h.json", "");
    }

    // ---- Random graphs ------------------------------------------------------------------------------------------------

    public static TheoryData<string> Corpus =>
        [.. Directory.GetFiles(Path.Combine(Repository.Root, "tests", "Diff.Fuzz", "corpus"), "*.json").Select(p => Path.GetFileName(p))];

    [Theory]
    [MemberData(nameof(Corpus))]
    public void A_program_that_failed_once_passes(string file)
    {
        var (code, lines) = Run(Path.Combine(Repository.Root, "tests", "Diff.Fuzz", "corpus", file));
        Assert.Equal((0, "1 passed, 0 failed, 0 skipped"), (code, Assert.Single(lines)));
    }

    /// <summary>Whatever the fuzzer can make it can write, and what is read of it has the value and the gradient that it had.</summary>
    [Fact]
    public void Random_graphs_written_and_read_have_the_same_value_and_gradient()
    {
        const int graphs = 2000;
        var written = new List<CaseFile.Case>();
        var unseen = Table.all.Select(o => o.Name).ToHashSet();
        for (var k = 0L; written.Count < graphs || unseen.Count > 0; k++)
        {
            Assert.True(k < 10 * graphs, $"not drawn: {string.Join(", ", unseen)}");
            var seed = Fuzz.Run.seedOf(123, k);
            var program = Growth.program(seed);
            var words = program.Steps.Select(s => s.Op).ToHashSet();
            if (program.Count >= 100 || program.Leaves.Any(leaf => leaf.Value.Length > 1000) || (written.Count >= graphs && !words.Overlaps(unseen))) continue;
            written.Add(Fuzz.Run.caseOf($"graph-{k}", "gradient", seed, program));
            unseen.ExceptWith(words);
        }
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["graphs.json"], CaseFile.write(written));
        var options = RunOptions.Make(["tiles"], [1], effort: 1);
        var read = Case.Load(folder["graphs.json"]);
        Assert.Equal(written.Count, read.Count);
        var failures = read.Select(c => (c.Id, Result: Runner.Run(c, options))).Where(r => r.Result.Outcome != Outcome.Passed).ToList();
        Assert.True(failures.Count == 0, $"{failures.Count} failed: {string.Join("\n", failures.Take(20))}");
        Assert.True(written.Count(c => c.Value is not null) > graphs * 8 / 10);
        Assert.True(written.Count(c => c.Gradient.Length > 0) > graphs * 6 / 10);
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
        text = File.ReadAllText(Conformance.Program.OwnTransforms);
        Assert.Contains("value", Why(With("cond-false", "\"expected_value\": {\"shape\": [], \"data\": [0.82", "\"expected_value\": {\"shape\": [], \"data\": [0.83")), StringComparison.Ordinal);
        Assert.Contains("gradient for a", Why(With("while-heron", "\"expected_grad\": [{\"input\": \"a\", \"shape\": [], \"data\": [0.1", "\"expected_grad\": [{\"input\": \"a\", \"shape\": [], \"data\": [0.2")), StringComparison.Ordinal);
        Assert.Contains("not of category", Why(With("error-scan-shape", "\"category\": \"shape\"", "\"category\": \"numeric\"")), StringComparison.Ordinal);
        text = File.ReadAllText(Conformance.Program.OwnCases);
        // The other one is d2-tanh.
        var (code, lines) = With("d2-tan", "\"op\": \"tan\", \"args\"", "\"op\": \"sausage\", \"args\"");
        Assert.Equal((0, "skipped d2-tan: operation sausage", "1 passed, 0 failed, 1 skipped"), (code, lines[0], lines[1]));
    }
}
