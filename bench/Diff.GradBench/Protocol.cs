using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Diff.GradBench;

/// <summary>The tool's side of the benchmark's protocol: a line of JSON for each line of JSON.</summary>
internal static class Protocol
{
    /// <summary>Names in snake case, A kept; no NaN and no infinity in either direction.</summary>
    public static JsonSerializerOptions Strict { get; } = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        PropertyNameCaseInsensitive = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };

    private sealed record Answer(long Id)
    {
        public string? Tool { get; init; }

        public bool? Success { get; init; }

        public object? Output { get; init; }

        public Timing[]? Timings { get; init; }

        public string? Error { get; init; }
    }

    private sealed record Timing(string Name, long Nanoseconds);

    /// <summary>Answers each line until the input ends.</summary>
    public static void Serve(TextReader input, TextWriter output)
    {
        while (input.ReadLine() is { } line)
        {
            if (line.Length == 0) continue;
            output.WriteLine(Reply(line));
            output.Flush();
        }
    }

    /// <summary>The answer to one message.</summary>
    public static string Reply(string line)
    {
        using var message = JsonDocument.Parse(line);
        var root = message.RootElement;
        var id = new Answer(root.GetProperty("id").GetInt64());
        try
        {
            return JsonSerializer.Serialize(Answered(root, id), Strict);
        }
        // Whatever an input makes fail is said, so that the next message can be answered.
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return JsonSerializer.Serialize(id with { Success = false, Error = $"{e.GetType().Name}: {e.Message}" }, Strict);
        }
    }

    private static Answer Answered(JsonElement message, Answer id) => message.GetProperty("kind").GetString() switch
    {
        "start" => id with { Tool = "diff" },
        "define" => Defined(Text(message, "module"), id),
        "evaluate" => Evaluated(message, id),
        _ => id,
    };

    private static string Text(JsonElement message, string name) =>
        message.GetProperty(name).GetString() ?? throw new JsonException($"{name}: expected a text");

    private static Answer Defined(string module, Answer id) =>
        Catalogue.Find(module) is not null ? id with { Success = true } : id with { Success = false, Error = $"there is no module {module}" };

    private static Answer Evaluated(JsonElement message, Answer id)
    {
        var module = Text(message, "module");
        var eval = Catalogue.Find(module) ?? throw new ArgumentException($"there is no module {module}");
        var input = message.GetProperty("input");
        var clock = Stopwatch.StartNew();
        // The first run compiles what the others use.
        var job = eval.Prepare(Text(message, "function"), input);
        job.Run();
        var timings = new List<Timing> { new("prepare", Nanoseconds(clock)) };
        var (leastRuns, leastSeconds) = (Limit(input, "min_runs", 1), Limit(input, "min_seconds", 0));
        for (var total = Stopwatch.StartNew(); timings.Count <= leastRuns || total.Elapsed.TotalSeconds < leastSeconds;)
        {
            clock.Restart();
            job.Run();
            timings.Add(new("evaluate", Nanoseconds(clock)));
        }
        return id with { Success = true, Output = Checked(job.Output()), Timings = [.. timings] };
    }

    // The serializer refuses NaN and infinity, but not by the name of what is wrong.
    private static JsonElement Checked(object output)
    {
        try
        {
            return JsonSerializer.SerializeToElement(output, Strict);
        }
        catch (ArgumentException e)
        {
            throw new ArithmeticException("the output has NaN or infinity", e);
        }
    }

    private static double Limit(JsonElement input, string name, double otherwise) =>
        input.ValueKind == JsonValueKind.Object && input.TryGetProperty(name, out var limit) ? limit.GetDouble() : otherwise;

    private static long Nanoseconds(Stopwatch clock) => (long)clock.Elapsed.TotalNanoseconds;
}
