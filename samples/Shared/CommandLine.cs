using System.Globalization;
using System.Text.RegularExpressions;

namespace Diff.Samples;

/// <summary>What the user has to change; the message says what.</summary>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>The options of a sample. Its help text declares them: <c>--steps N</c> takes a value, <c>--resume</c> does not.</summary>
internal sealed partial class CommandLine
{
    private readonly Dictionary<string, List<string>> _given = [];

    private CommandLine(string[] args, string help)
    {
        var declared = Declaration().Matches(help).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Success);
        for (var i = 0; i < args.Length; i++)
        {
            if (!declared.TryGetValue(args[i], out var hasValue))
                throw new UsageException($"unknown option {args[i]}; there are {string.Join(", ", declared.Keys)} and --help");
            if (hasValue && i + 1 == args.Length) throw new UsageException($"{args[i]}: a value has to follow");
            if (!_given.TryGetValue(args[i], out var values)) _given[args[i]] = values = [];
            values.Add(hasValue ? args[++i] : "");
        }
    }

    /// <summary>Runs a sample: 0 if all went well; 2, with a line on the error stream, if the user has to change something.</summary>
    public static int Run(string[] args, string help, Action<CommandLine> main)
    {
        try
        {
            if (args.Contains("--help")) Console.WriteLine(help);
            else main(new CommandLine(args, help));
            return 0;
        }
        catch (Exception e) when (e is UsageException or IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"error: {e.Message}");
            return 2;
        }
    }

    public bool Has(string name) => _given.ContainsKey(name);

    /// <summary>The last value that was given.</summary>
    public string Text(string name, string otherwise) => Texts(name) is [.., var last] ? last : otherwise;

    /// <summary>All values of an option that may be given more than once.</summary>
    public IReadOnlyList<string> Texts(string name) => _given.GetValueOrDefault(name, []);

    public double Number(string name, double otherwise, double least = 0)
    {
        if (Texts(name) is not [.., var text]) return otherwise;
        return double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var x) && x >= least && double.IsFinite(x)
            ? x
            : throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{name}: expected a number from {least} up, got {text}"));
    }

    public int Int(string name, int otherwise, int least = 0)
    {
        if (Texts(name) is not [.., var text]) return otherwise;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var n) && n >= least
            ? n
            : throw new UsageException($"{name}: expected a whole number from {least} up, got {text}");
    }

    /// <summary>The folder for the results; made if it is not there.</summary>
    public string Folder(string otherwise) => Directory.CreateDirectory(Text("--out", otherwise)).FullName;

    [GeneratedRegex(@"(?m)^ +(--[a-z-]+)( [A-Z]+)?")]
    private static partial Regex Declaration();
}
