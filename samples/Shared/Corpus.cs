using System.Text;
using System.Text.RegularExpressions;

namespace Diff.Samples;

/// <summary>A text as numbers: each character is its place among the text's different characters.</summary>
internal sealed partial class Corpus
{
    private readonly Dictionary<Rune, int> _index;
    private readonly int[] _text;

    private Corpus(string text)
    {
        var runes = text.ReplaceLineEndings("\n").EnumerateRunes().ToArray();
        Symbols = [.. runes.Distinct().Order()];
        _index = Symbols.Select((rune, i) => (rune, i)).ToDictionary();
        _text = Array.ConvertAll(runes, rune => _index[rune]);
    }

    public int Length => _text.Length;

    /// <summary>The different characters, in order.</summary>
    public Rune[] Symbols { get; }

    public string Alphabet => string.Concat(Symbols);

    /// <summary>Reads a text file; without a name, the sources and documents of the repository around the working directory.</summary>
    public static Corpus Read(string path, int atLeast)
    {
        if (Directory.Exists(path)) throw new UsageException($"{path}: is a folder, a text file was expected");
        var corpus = new Corpus(path.Length > 0 ? Strict(path) : Repository());
        return corpus.Length >= atLeast
            ? corpus
            : throw new UsageException($"{path}: the text has {corpus.Length} characters, at least {atLeast} are needed");
    }

    /// <summary>The numbers of some characters; −1 for one that is not in the text.</summary>
    public int[] Encode(string words) => [.. words.EnumerateRunes().Select(rune => _index.GetValueOrDefault(rune, -1))];

    public string Decode(IEnumerable<int> numbers) => string.Concat(numbers.Select(i => Symbols[i]));

    public string Beginning(int length) => Decode(_text.Take(length));

    /// <summary>Windows of the text, one that begins anywhere in each of as many equal parts: int32 [count, length].</summary>
    public NDArray Windows(int count, int length, Random random)
    {
        var windows = new int[count * length];
        for (var row = 0; row < count; row++)
        {
            var start = (int)((row + random.NextDouble()) / count * (_text.Length - length + 1));
            _text.AsSpan(start, length).CopyTo(windows.AsSpan(row * length));
        }
        return NDArray.Create(windows, new Shape([count, length]));
    }

    private static string Strict(string path)
    {
        try
        {
            return File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (DecoderFallbackException e)
        {
            throw new UsageException($"{path}: is not a text in UTF-8 ({e.Message})");
        }
    }

    private static string Repository()
    {
        var root = new DirectoryInfo(Directory.GetCurrentDirectory());
        while (root is not null && !File.Exists(Path.Combine(root.FullName, "Diff.sln"))) root = root.Parent;
        if (root is null) throw new UsageException("--text: name a text file; the working directory is not in this repository");
        string[] folders = ["docs", "samples", "src"];
        var files = folders
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(root.FullName, folder), "*", SearchOption.AllDirectories))
            .Where(file => Path.GetExtension(file) is ".cs" or ".fs" or ".fsx" or ".md")
            .Where(file => !file[root.FullName.Length..].Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
            .Order(StringComparer.Ordinal);
        return Rulers().Replace(string.Join("\n", files.Select(Strict)), "---");
    }

    // A network with a short memory that has begun one would never end it.
    [GeneratedRegex("-{4,}")]
    private static partial Regex Rulers();
}
