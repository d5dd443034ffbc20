using System.Text.Json;

namespace Diff.Conformance;

/// <summary>The values of a program by name, over those of the program around it.</summary>
/// <param name="dtype">The element type of constants.</param>
/// <param name="outer">What is around it, or null.</param>
internal sealed class Scope(DType dtype, Scope? outer = null)
{
    private readonly Dictionary<string, Expr> _values = [];

    public DType DType => dtype;

    public Expr this[string name] =>
        _values.TryGetValue(name, out var value) ? value
        : outer is not null ? outer[name]
        : throw new InvalidDataException($"no value is called {name}");

    public void Name(IEnumerable<string> names, IEnumerable<Expr> values)
    {
        foreach (var (name, value) in names.Zip(values)) _values[name] = value;
    }

    /// <summary>Runs steps one after the other, each of whose results passes through a function.</summary>
    public void Run(IEnumerable<JsonElement> steps, Func<Expr, Expr>? each = null)
    {
        foreach (var step in steps)
        {
            var results = Apply(step.Text("op")!, [.. step.Texts("args").Select(a => this[a])], step.GetProperty("attrs"));
            var to = step.GetProperty("out");
            Name(
                to.ValueKind == JsonValueKind.Array ? [.. to.EnumerateArray().Select(n => n.GetString()!)] : [to.GetString()!],
                // Some operands must be constants of the graph: orders of derivatives.
                each is null || step.Text("op") == "const" ? results : results.Select(each));
        }
    }

    private Expr[] Apply(string op, Expr[] args, JsonElement attributes) =>
        FunctionWords.Find(op) is { } word ? word(args, new Attributes(attributes, this)) : [Vocabulary.Apply(op, args, attributes, dtype)];

    /// <summary>A program of a program, <c>{inputs, program, outputs}</c>, as a function; it sees the names around it.</summary>
    public Func<Expr[], Expr[]> Function(JsonElement body)
    {
        JsonElement[] steps = [.. body.GetProperty("program").EnumerateArray()];
        var (inputs, outputs) = (body.Texts("inputs"), body.Texts("outputs"));
        return args =>
        {
            var inner = new Scope(dtype, this);
            inner.Name(inputs, args);
            inner.Run(steps);
            return [.. outputs.Select(o => inner[o])];
        };
    }
}

/// <summary>The attributes of a step whose word takes functions.</summary>
internal readonly struct Attributes(JsonElement json, Scope scope)
{
    public Func<Expr[], Expr[]> Function(string name = "body") => scope.Function(json.GetProperty(name));

    /// <summary>A function with one result.</summary>
    public Func<Expr[], Expr> Scalar(string name = "body")
    {
        var f = Function(name);
        return xs => f(xs)[0];
    }

    /// <summary>A function of one argument with one result.</summary>
    public Func<Expr, Expr> Single(string name = "body")
    {
        var f = Function(name);
        return x => f([x])[0];
    }

    /// <summary>A function of two arguments with one result.</summary>
    public Func<Expr, Expr, Expr> Pair(string name = "body")
    {
        var f = Function(name);
        return (x, y) => f([x, y])[0];
    }

    public int? Int(string name) => json.Int(name);

    public double? Number(string name) => json.Find(name)?.GetDouble();

    public bool Flag(string name) => json.Find(name)?.GetBoolean() ?? false;

    public string? Text(string name) => json.Text(name);

    /// <summary>Numbers, any of which may be null.</summary>
    public int?[]? OptionalInts(string name) =>
        json.Find(name) is { } found ? [.. found.EnumerateArray().Select(n => n.ValueKind == JsonValueKind.Null ? (int?)null : n.GetInt32())] : null;
}
