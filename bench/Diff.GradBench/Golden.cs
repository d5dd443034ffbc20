using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Diff.GradBench;

/// <summary>A case with known results, of each function of an eval.</summary>
/// <param name="Id">Its name.</param>
/// <param name="Input">What the protocol would send.</param>
/// <param name="Expected">By the functions' names.</param>
internal sealed record GoldenCase(string Id, JsonElement Input, Dictionary<string, JsonElement> Expected);

/// <summary>Results to compare with: of hand-written derivatives and complex steps, at sizes where no derivative vanishes.</summary>
internal static class Golden
{
    private const double Tolerance = 1e-9;

    /// <summary>The text of an eval's file.</summary>
    public static JsonNode Read(string eval)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"{eval}.json")
            ?? throw new FileNotFoundException($"{eval}.json is not in the program");
        return JsonNode.Parse(stream) ?? throw new JsonException($"{eval}.json is empty");
    }

    /// <summary>The cases of an eval. Models of hands stand once in the file.</summary>
    public static IReadOnlyList<GoldenCase> Cases(string eval)
    {
        var file = Read(eval);
        foreach (var item in file["cases"]!.AsArray())
            if (item!["input"] is JsonObject input && input["data"]?["model_ref"] is { } model)
                input["data"]!["model"] = file["models"]![(string)model!]!.DeepClone();
        return file["cases"].Deserialize<List<GoldenCase>>(Protocol.Strict)!;
    }

    /// <summary>Runs all cases; a line on the console for each eval, and for each problem.</summary>
    public static bool Check(IEnumerable<Eval> evals)
    {
        var right = true;
        foreach (var eval in evals)
        {
            var cases = Cases(eval.Name);
            var problems = cases.SelectMany(c => eval.Functions.Select(f => (c.Id, f, Problem: Problem(eval, f, c)))).Where(p => p.Problem is not null).ToList();
            Console.WriteLine($"{eval.Name,-9}{(problems.Count == 0 ? $"right in {cases.Count} golden cases" : "WRONG")}");
            foreach (var (id, function, problem) in problems) Console.WriteLine($"{eval.Name,-9}{id} {function}: {problem}");
            right &= problems.Count == 0;
        }
        return right;
    }

    /// <summary>What is wrong with a function's results, or null.</summary>
    public static string? Problem(Eval eval, string function, GoldenCase c)
    {
        var job = eval.Prepare(function, c.Input);
        job.Run();
        return Difference(JsonSerializer.SerializeToElement(job.Output(), Lenient), c.Expected[function]);
    }

    /// <summary>Where results of the same form differ by more than 10⁻⁹ of the largest number, or null.</summary>
    public static string? Difference(JsonElement actual, JsonElement expected)
    {
        if (Form(actual) != Form(expected)) return "the results have another form than expected";
        double[] got = [.. Numbers(actual)], right = [.. Numbers(expected)];
        var bound = Tolerance * right.Max(Math.Abs);
        var wrong = Array.FindIndex([.. got.Zip(right)], p => !(Math.Abs(p.First - p.Second) <= bound));
        return wrong < 0 ? null : $"number {wrong} is {got[wrong]:R}, expected {right[wrong]:R}";
    }

    /// <summary>NaN, infinity, or a derivative that vanishes where it should not, or does not where it should; or null.</summary>
    public static string? Problem(object output, bool? isZero)
    {
        double[] numbers = [.. Numbers(JsonSerializer.SerializeToElement(output, Lenient))];
        if (!numbers.All(double.IsFinite)) return "the results have NaN or infinity";
        return isZero is null || numbers.All(x => x == 0) == isZero ? null : isZero.Value ? "the results should be 0" : "all results are 0";
    }

    // NaN has to come through here, to be found.
    private static readonly JsonSerializerOptions Lenient = new(Protocol.Strict)
    {
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };

    // Braces, names and commas, with places for the numbers.
    private static string Form(JsonElement x) => x.ValueKind switch
    {
        JsonValueKind.Object => $"{{{string.Join(',', x.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal).Select(p => p.Name + Form(p.Value)))}}}",
        JsonValueKind.Array => $"[{string.Join(',', x.EnumerateArray().Select(Form))}]",
        _ => "0",
    };

    private static IEnumerable<double> Numbers(JsonElement x) => x.ValueKind switch
    {
        JsonValueKind.Object => x.EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal).SelectMany(p => Numbers(p.Value)),
        JsonValueKind.Array => x.EnumerateArray().SelectMany(Numbers),
        JsonValueKind.String => [double.Parse(x.GetString()!, System.Globalization.CultureInfo.InvariantCulture)],
        _ => [x.GetDouble()],
    };
}
