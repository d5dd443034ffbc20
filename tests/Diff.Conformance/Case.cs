using System.Text.Json;

namespace Diff.Conformance;

/// <summary>One case of the file.</summary>
internal sealed class Case(JsonElement json)
{
    public string Id { get; } = json.GetProperty("id").GetString()!;

    public string Kind { get; } = json.GetProperty("kind").GetString()!;

    public string Note { get; } = json.Text("note") ?? "";

    public JsonElement this[string property] => json.GetProperty(property);

    /// <summary>The property, unless it is absent or null.</summary>
    public JsonElement? Find(string property) => json.Find(property);

    /// <summary>A number among the limits of the case, or none.</summary>
    public double? Limit(string name) =>
        json.TryGetProperty("limits", out var limits) && limits.TryGetProperty(name, out var limit) ? limit.GetDouble() : null;

    public override string ToString() => Id;

    /// <summary>The cases of a file; InvalidDataException says in a line why there are none.</summary>
    public static IReadOnlyList<Case> Load(string path)
    {
        try
        {
            var root = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
            var format = root.ValueKind == JsonValueKind.Object ? root.Text("format") : null;
            if (format is not ("diff-conformance/1" or "diff-conformance/2"))
                throw new InvalidDataException($"{path}: expected the format diff-conformance/1 or /2, got {format ?? "none"}");
            if (root.Find("cases") is not { ValueKind: JsonValueKind.Array } cases) throw new InvalidDataException($"{path}: expected an array of cases");
            return [.. cases.EnumerateArray().Select(json => new Case(json))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or ArgumentException)
        {
            throw new InvalidDataException($"{path}: {e.Message.ReplaceLineEndings(" ")}", e);
        }
        // What JSON has in place of what was looked for.
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: expected each case to have an id and a kind, as texts", e);
        }
    }
}

internal static class JsonExtensions
{
    extension(JsonElement json)
    {
        /// <summary>The property, unless it is absent or null.</summary>
        public JsonElement? Find(string name) =>
            json.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

        public string? Text(string name) => json.Find(name)?.GetString();

        public int? Int(string name) => json.Find(name)?.GetInt32();

        public int[] Ints(string name) => [.. json.GetProperty(name).EnumerateArray().Select(n => n.GetInt32())];

        public string[] Texts(string name) => [.. json.GetProperty(name).EnumerateArray().Select(s => s.GetString()!)];
    }
}
