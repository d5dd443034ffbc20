using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Diff.Samples;

namespace Diff.Comparing;

/// <summary>Why a side has no result; the message is for the user.</summary>
/// <param name="message">What went wrong.</param>
/// <param name="forever">Whether it will go wrong with every workload.</param>
internal sealed class SideException(string message, bool forever = false) : Exception(message)
{
    public bool Forever => forever;
}

/// <summary>What a side says about one workload.</summary>
internal sealed record Result(double Median, double? FirstCall, double? Threads, double? Rate, string? Unit);

/// <summary>A program that measures workloads and prints a line of JSON for each.</summary>
/// <param name="Label">Its name in the table.</param>
/// <param name="Command">The program and its first arguments.</param>
internal sealed record Side(string Label, IReadOnlyList<string> Command)
{
    /// <summary>From <c>LABEL=COMMAND</c>.</summary>
    public static Side Parse(string text)
    {
        var at = text.IndexOf('=', StringComparison.Ordinal);
        var label = at < 0 ? "" : text[..at].Trim();
        if (label.Length == 0 || label.Contains('|', StringComparison.Ordinal)) throw new UsageException($"--peer: expected LABEL=COMMAND, got {text}");
        return new Side(label, Words("--peer", text[(at + 1)..]));
    }

    /// <summary>The words of a command line; a part in single or double quotes belongs to one word.</summary>
    public static IReadOnlyList<string> Words(string option, string text)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        char? quote = null;
        foreach (var c in text)
        {
            if (quote == c) quote = null;
            else if (quote is null && c is '"' or '\'') (quote, word) = (c, word ?? new StringBuilder());
            else if (quote is not null || !char.IsWhiteSpace(c)) (word ??= new StringBuilder()).Append(c);
            else if (word is not null)
            {
                words.Add(word.ToString());
                word = null;
            }
        }
        if (word is not null) words.Add(word.ToString());
        if (quote is not null) throw new UsageException($"{option}: a quote is not closed: {text}");
        return words.Count > 0 ? words : throw new UsageException($"{option}: there is no command in {text}");
    }

    /// <summary>Measures one workload.</summary>
    public async Task<Result> Measure(string workload, int threads, double seconds, double timeout)
    {
        // No exponent, which not every program reads.
        var time = seconds.ToString("0.#########", CultureInfo.InvariantCulture);
        var (code, output, error) = await Run(["--only", workload, "--seconds", time, "--threads", $"{threads}"], timeout);
        foreach (var line in Lines(output))
            if (Read(line, workload) is { } result) return result;
        var said = Lines(error).LastOrDefault() ?? Lines(output).LastOrDefault() ?? "it printed nothing";
        throw new SideException($"no result (exit status {code}): {Short(said)}");
    }

    /// <summary>The names that <c>--list</c> prints.</summary>
    public async Task<IReadOnlyList<string>> List(double timeout)
    {
        var (code, output, error) = await Run(["--list"], timeout);
        if (code != 0) throw new SideException($"--list fails (exit status {code}): {Short(Lines(error).LastOrDefault() ?? "it printed nothing")}");
        return [.. Lines(output).Select(l => l.Split(" - ")[0])];
    }

    private async Task<(int Code, string Out, string Error)> Run(string[] arguments, double timeout)
    {
        var info = new ProcessStartInfo(Command[0], [.. Command.Skip(1), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Start(info);
        process.StandardInput.Close();
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(timeout));
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await Task.WhenAll(output, error);
            await process.WaitForExitAsync(limit.Token);
            return (process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new SideException($"has not ended after {timeout} s");
        }
    }

    private static Process Start(ProcessStartInfo info)
    {
        try
        {
            return Process.Start(info)!;
        }
        catch (Win32Exception e)
        {
            throw new SideException($"cannot be started: {e.Message}", forever: true);
        }
    }

    // Null for what is not a line about the workload: programs also print warnings.
    private static Result? Read(string line, string workload)
    {
        try
        {
            using var json = JsonDocument.Parse(line);
            var root = json.RootElement;
            if (root.ValueKind != JsonValueKind.Object || Text(root, "name") != workload) return null;
            if (Text(root, "error") is { } error) throw new SideException(Short(error));
            return Number(root, "median_us") is { } median && double.IsFinite(median) && median > 0
                ? new Result(median, Number(root, "first_call_ms"), Number(root, "threads"), Number(root, "rate"), Text(root, "unit"))
                : throw new SideException($"no time in its line: {Short(line)}");
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string? Text(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static double? Number(JsonElement from, string name) =>
        from.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static string[] Lines(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    private static string Short(string text) => text.Length <= 300 ? text : text[..300] + "…";
}
