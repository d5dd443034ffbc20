using System.ComponentModel;
using System.Reflection;
using System.Text;
using Xunit;

namespace Diff.Tests;

/// <summary>
/// The public surface of the assemblies, as text in the repository: a change shows in review. To accept one, run the tests with
/// the environment variable DIFF_ACCEPT_API=1.
/// </summary>
public class PublicApiTests
{
    private static readonly Assembly Core = typeof(Expr).Assembly;
    private static readonly Assembly Facade = typeof(Ops).Assembly;
    private static readonly Assembly Models = typeof(Onnx).Assembly;
    private static readonly Assembly Numbers = typeof(Differentiate).Assembly;

    [Theory]
    [InlineData("Diff.Core.FSharp")]
    [InlineData("Diff.CSharp")]
    [InlineData("Diff.Onnx")]
    [InlineData("Diff.Scalars")]
    public void The_surface_is_the_recorded_one(string name)
    {
        var path = Repository.File($"tests/Diff.CSharp.Tests/PublicApi.{name}.txt");
        var actual = Describe(name switch { "Diff.CSharp" => Facade, "Diff.Onnx" => Models, "Diff.Scalars" => Numbers, _ => Core });
        if (Environment.GetEnvironmentVariable("DIFF_ACCEPT_API") == "1") File.WriteAllText(path, actual);
        Assert.Equal(File.ReadAllText(path), actual);
    }

    [Fact]
    public void Nothing_that_a_CSharp_program_meets_is_written_in_FSharp_types()
    {
        var met = Core.GetExportedTypes().Concat(Facade.GetExportedTypes()).Concat(Models.GetExportedTypes()).Concat(Numbers.GetExportedTypes())
            .Where(t => t.GetCustomAttribute<EditorBrowsableAttribute>()?.State != EditorBrowsableState.Never);
        var wrong = met.SelectMany(Lines).Where(l => l.Contains("FSharp", StringComparison.Ordinal)).ToList();
        Assert.Empty(wrong);
    }

    private static string Describe(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (var type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append(type.FullName).Append(type.BaseType is { } b && b != typeof(object) ? $" : {b.Name}" : "").Append('\n');
            foreach (var line in Lines(type)) text.Append("    ").Append(line).Append('\n');
        }
        return text.ToString();
    }

    private static IEnumerable<string> Lines(Type type) => type
        .GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
        .Select(Line).OfType<string>().Order(StringComparer.Ordinal);

    private static string? Line(MemberInfo member) => member switch
    {
        MethodInfo m when Visible(m) && !m.IsSpecialName || member is MethodInfo { IsSpecialName: true, IsPublic: true } op && op.Name.StartsWith("op_", StringComparison.Ordinal) =>
            $"{(((MethodInfo)member).IsStatic ? "static " : "")}{Name(((MethodInfo)member).ReturnType)} {member.Name}({Parameters((MethodInfo)member)})",
        ConstructorInfo c when Visible(c) && !c.IsStatic => $"new({Parameters(c)})",
        PropertyInfo p when p.GetMethod is { } get && Visible(get) || p is PropertyInfo { SetMethod: { } set } && Visible(set) =>
            $"{Name(p.PropertyType)} {p.Name} {{ {(p.GetMethod is { } g && Visible(g) ? "get; " : "")}{(p.SetMethod is { } s && Visible(s) ? "set; " : "")}}}",
        FieldInfo f when f.IsPublic && f.Name != "value__" => $"{Name(f.FieldType)} {f.Name}",
        _ => null,
    };

    private static bool Visible(MethodBase m) => m.IsPublic || m.IsFamily || m.IsFamilyOrAssembly;

    private static string Parameters(MethodBase m) => string.Join(", ", m.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}"));

    private static string Name(Type t) =>
        t.IsGenericType ? $"{t.Name.Split('`')[0]}<{string.Join(", ", t.GetGenericArguments().Select(Name))}>" : t.Name;
}
