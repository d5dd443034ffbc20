namespace Diff;

/// <summary>Putting saved tensors back where they came from: all of them or none.</summary>
internal static class Checkpoints
{
    public static void Restore(string path, IReadOnlyDictionary<string, NDArray> tensors, IEnumerable<(string Path, Parameter Parameter)> parameters) =>
        Restore(path, tensors, parameters.Select(p => (p.Path, (Expr)p.Parameter)).ToList());

    public static void Restore(string path, IReadOnlyDictionary<string, NDArray> tensors, IReadOnlyList<(string Path, Expr Leaf)> leaves)
    {
        var names = leaves.Select(l => l.Path).ToHashSet();
        var wrong = leaves
            .Where(l => !tensors.ContainsKey(l.Path)).Select(l => $"the name \"{l.Path}\" is missing")
            .Concat(tensors.Keys.Where(k => !names.Contains(k)).Select(k => $"the name \"{k}\" is not expected"))
            .Concat(leaves
                .Where(l => tensors.TryGetValue(l.Path, out var t) && !(t.DType == l.Leaf.DType && t.Shape.Equals(l.Leaf.Shape)))
                .Select(l => $"\"{l.Path}\" is {DTypeModule.name(tensors[l.Path].DType)}{tensors[l.Path].Shape}, expected {DTypeModule.name(l.Leaf.DType)}{l.Leaf.Shape}"))
            .ToList();
        if (wrong.Count > 0)
            throw new DiffFormatException(path, $"its tensors are not this model's: {string.Join("; ", wrong.Take(8))}{(wrong.Count > 8 ? $" and {wrong.Count - 8} more" : "")}");
        foreach (var (name, leaf) in leaves) tensors[name].CopyTo(leaf.Value);
    }
}
