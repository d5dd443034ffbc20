using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Diff;

/// <summary>
/// A function with parameters, made of other modules to any depth. Parameters and modules in its fields and properties, also within
/// arrays, lists, dictionaries and tuples, are found without registration and named by their path, such as <c>layers.0.weight</c>.
/// What only a delegate captures is not found.
/// </summary>
public abstract class Module
{
    private string? _label;

    /// <summary>The module applied to an expression; the nodes that it makes belong to the module's scope.</summary>
    /// <param name="x">The argument.</param>
    public Expr Call(Expr x)
    {
        ArgumentNullException.ThrowIfNull(x);
        using (Enter())
            return Forward(x);
    }

    /// <summary>What the module computes from one expression.</summary>
    /// <param name="x">The argument.</param>
    /// <exception cref="NotSupportedException">The module takes something else; it has a method of its own.</exception>
    protected virtual Expr Forward(Expr x) =>
        throw new NotSupportedException($"{GetType().Name}: it does not take one expression; override Forward, or call the module's own method");

    /// <summary>Nodes made until the result is disposed belong to this module's scope; for methods beside <see cref="Call"/>.</summary>
    protected IDisposable Enter()
    {
        if (_label is null) LabelChildren(); // only the outermost module has no label from its parent
        return Scope.Enter(_label ??= GetType().Name);
    }

    /// <summary>The parameters of the module and of all modules in it, each once, in order of declaration.</summary>
    public Parameter[] Parameters() => [.. NamedParameters().Select(p => p.Parameter)];

    /// <summary>The parameters with their paths; one met again under another path keeps the first.</summary>
    public IReadOnlyList<(string Path, Parameter Parameter)> NamedParameters()
    {
        var found = new List<(string, Parameter)>();
        Visit("", "", this, new HashSet<object>(ReferenceEqualityComparer.Instance), (path, _, item) =>
        {
            if (item is not Parameter parameter) return;
            parameter.NameIfNameless(path);
            found.Add((path, parameter));
        });
        if (found.GroupBy(p => p.Item1).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new InvalidOperationException($"{GetType().Name}: two parameters have the path \"{twice.Key}\"; rename a field (a leading underscore and the case of the first letter do not count)");
        return found;
    }

    /// <summary>What f computes, with expressions in place of parameters: the module as a function of them.</summary>
    /// <param name="parameters">Expressions by the paths of the parameters that they replace; the others stay.</param>
    /// <param name="f">What to compute with the module.</param>
    /// <exception cref="ArgumentException">The module has no such parameter.</exception>
    /// <exception cref="ShapeException">An expression is not like its parameter.</exception>
    public Expr With(IReadOnlyDictionary<string, Expr> parameters, Func<Expr> f)
    {
        ArgumentNullException.ThrowIfNull(f);
        var own = NamedParameters().ToDictionary(p => p.Path, p => p.Parameter);
        var pairs = new List<Tuple<Expr, Expr>>();
        foreach (var (path, value) in Given(parameters))
        {
            if (!own.TryGetValue(path, out var parameter))
                throw new ArgumentException($"With: {GetType().Name} has no parameter \"{path}\"; it has {string.Join(", ", own.Keys.Take(8))}", nameof(parameters));
            if (!value.Shape.Equals(parameter.Shape) || value.DType != parameter.DType)
                throw new ShapeException($"With: \"{path}\" is {DTypeModule.name(parameter.DType)}{parameter.Shape}, got {DTypeModule.name(value.DType)}{value.Shape}");
            pairs.Add(Tuple.Create<Expr, Expr>(parameter, value));
        }
        return Graph.substitute(pairs, [f()])[0];
    }

    /// <summary>The number of numbers in all parameters.</summary>
    public long ParameterCount => Parameters().Sum(p => (long)p.Shape.Length);

    /// <summary>Forgets what <c>Backward</c> has accumulated in the parameters.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters()) parameter.ZeroGrad();
    }

    /// <summary>Writes the parameters as a safetensors file. Interrupted at any moment, it leaves the old file or the new one.</summary>
    /// <param name="path">The file.</param>
    public void Save(string path) => Safetensors.Save(Given(path), NamedParameters().ToDictionary(p => p.Path, p => p.Parameter.Value), null);

    /// <summary>Reads the parameters from a safetensors file; if anything does not fit, none of them changes.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="DiffFormatException">The file is malformed, or its tensors are not this module's parameters.</exception>
    public void Load(string path) => Checkpoints.Restore(Given(path), Safetensors.Load(path).Tensors, NamedParameters());

    private void LabelChildren() =>
        Visit("", "", this, new HashSet<object>(ReferenceEqualityComparer.Instance), (_, label, item) =>
        {
            if (item is Module module && item != this) module._label ??= label;
        });

    // The path leads from the outermost module; the label, which names a scope within the scopes around it, from the module just outside.
    private static void Visit(string path, string label, object? item, HashSet<object> seen, Action<string, string, object> found)
    {
        if (item is null or string || (item is not Expr && item.GetType().IsPrimitive) || !seen.Add(item)) return;
        static string Below(string path, string name) => path.Length == 0 ? name : path + "." + name;
        void VisitElement(object? element, string name) => Visit(Below(path, name), Below(label, name), element, seen, found);
        switch (item)
        {
            case Parameter:
                found(path, label, item);
                break;
            case Module module:
                found(path, label, module);
                foreach (var field in Fields(module.GetType()))
                    if (Holds(field.FieldType)) Visit(Below(path, NameOf(field)), NameOf(field), field.GetValue(module), seen, found);
                break;
            case IDictionary dictionary:
                foreach (DictionaryEntry entry in dictionary) VisitElement(entry.Value, $"{entry.Key}");
                break;
            case ITuple tuple:
                for (var i = 0; i < tuple.Length; i++) VisitElement(tuple[i], $"{i}");
                break;
            case IEnumerable items when item is ICollection || HoldsModules(item.GetType()):
                var n = 0;
                foreach (var element in items) VisitElement(element, $"{n++}");
                break;
        }
    }

    // A set is no ICollection; anything that says it enumerates modules or parameters is looked into.
    private static bool HoldsModules(Type type) => type.GetInterfaces().Any(i =>
        i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IEnumerable<>)
        && (typeof(Module).IsAssignableFrom(i.GenericTypeArguments[0]) || i.GenericTypeArguments[0] == typeof(Parameter)));

    private static bool Holds(Type type) => !type.IsPrimitive && type != typeof(string) && !(type.IsArray && type.GetElementType()!.IsPrimitive);

    private static IEnumerable<FieldInfo> Fields(Type type) =>
        type == typeof(Module)
            ? []
            : Fields(type.BaseType!).Concat(type
                .GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                .OrderBy(f => f.MetadataToken));

    // "<Weight>k__BackingField" and "_weight" and "weight" are all "weight".
    private static string NameOf(FieldInfo field)
    {
        var name = field.Name.StartsWith('<') ? field.Name[1..field.Name.IndexOf('>', StringComparison.Ordinal)] : field.Name.TrimStart('_');
        return char.ToLowerInvariant(name[0]) + name[1..];
    }
}
