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

    public static IReadOnlyList<Case> Load(string path)
    {
        var root = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        var format = root.Text("format");
        if (format != "diff-conformance/1") throw new InvalidDataException($"{path}: expected the format diff-conformance/1, got {format}");
        return [.. root.GetProperty("cases").EnumerateArray().Select(json => new Case(json))];
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
