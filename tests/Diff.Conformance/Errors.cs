namespace Diff.Conformance;

/// <summary>Which exceptions the library has for each category of error, and whether their words help.</summary>
internal static class Errors
{
    private static readonly Dictionary<string, Type[]> categories = new()
    {
        ["shape"] = [typeof(ShapeException)],
        ["argument"] = [typeof(ArgumentException)],
        ["index"] = [typeof(IndexOutOfRangeException), typeof(ArgumentOutOfRangeException)],
        ["numeric"] = [typeof(ArithmeticException)],
        ["size"] = [typeof(ShapeException), typeof(InsufficientMemoryException)],
        ["state"] = [typeof(InvalidOperationException), typeof(DiffFormatException)],
        ["format"] = [typeof(DiffFormatException)],
    };

    /// <summary>Fails unless the action throws an error of the category with all the words in its message.</summary>
    public static void Require(Action action, string category, IEnumerable<string> words)
    {
        try
        {
            action();
        }
        catch (Exception e) when (e is not (FailureException or UnsupportedException))
        {
            RequireClear(e, category, words);
            return;
        }
        throw new FailureException($"no error; expected one of category {category}");
    }

    public static void RequireClear(Exception e, string category, IEnumerable<string> words)
    {
        var types = categories[category];
        if (!types.Any(t => t.IsInstanceOfType(e)))
            throw new FailureException($"{e.GetType().Name} is not of category {category} ({string.Join(", ", types.Select(t => t.Name))}): {e.Message}");
        // Shapes are written with spaces here: (2, 3).
        var message = e.Message.Replace(", ", ",", StringComparison.Ordinal);
        var missing = words.Where(w => !message.Contains(w, StringComparison.OrdinalIgnoreCase)).ToList();
        if (missing.Count > 0 || message.Length == 0)
            throw new FailureException($"the message does not mention {string.Join(", ", missing)}: {e.Message}");
    }

    /// <summary>The words that the case asks for.</summary>
    public static void RequireAsExpected(Action action, System.Text.Json.JsonElement expected) =>
        Require(action, expected.Text("category")!, expected.Texts("message_mentions"));
}
