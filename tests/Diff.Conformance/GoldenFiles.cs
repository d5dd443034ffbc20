using System.Diagnostics;

namespace Diff.Conformance;

/// <summary>Files kept in the repository, one folder for each released version, and files exchanged with other programs.</summary>
internal static class GoldenFiles
{
    /// <summary>Writes the files of this version. A release adds them to the repository: <c>Diff.Conformance --child golden golden/VERSION</c>.</summary>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (var format in Formats.Known)
            Formats.SaverOf(format)!(Path.Combine(folder, "golden." + format), Arrays(format));
    }

    /// <summary>Every file of every version loads with the same bits.</summary>
    public static void CheckOldVersions()
    {
        var versions = Directory.GetDirectories(Path.Combine(AppContext.BaseDirectory, "golden"));
        Require.That(versions.Length > 0, "there are no files of released versions");
        foreach (var path in versions.SelectMany(Directory.GetFiles))
        {
            var format = Path.GetExtension(path)[1..];
            CheckEqual(path, Formats.LoaderOf(format)(path, null), Arrays(format));
        }
    }

    /// <summary>Python reads what was written here and writes what is read here, with NumPy's and safetensors' own readers where they are installed
    /// and else with what its standard library has.</summary>
    public static void CheckInterop()
    {
        using var folder = new TemporaryFolder();
        Write(folder["ours"]);
        Directory.CreateDirectory(folder["theirs"]);
        var script = Path.Combine(AppContext.BaseDirectory, "interop.py");
        foreach (var format in Formats.Known)
        {
            var expected = Path.Combine(folder.Path, "expected." + format);
            File.WriteAllLines(expected, Arrays(format).SelectMany(a => (string[])[$"{a.Key}|{a.Value.DType}|{string.Join(",", a.Value.Shape.ToArray())}|{Convert.ToHexString(FileCases.Bytes(a.Value))}"]));
        }
        var (code, text) = Python(script, folder.Path);
        Require.That(code == 0, $"python: {text}");
        foreach (var path in Directory.GetFiles(folder["theirs"]))
        {
            var format = Path.GetExtension(path)[1..];
            CheckEqual(path, Formats.LoaderOf(format)(path, null), Arrays(format));
        }
        Require.That(Directory.GetFiles(folder["theirs"]).Length == Formats.Known.Count(), $"python did not write all formats: {text}");
    }

    private static (int Code, string Text) Python(params string[] args)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo("python3", args) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var errors = process.StandardError.ReadToEndAsync();
            var text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, text + errors.Result);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new UnsupportedException("python3 is not installed");
        }
    }

    private static void CheckEqual(string path, IReadOnlyDictionary<string, NDArray> got, Dictionary<string, NDArray> want)
    {
        Require.That(got.Count == want.Count, $"{path}: {got.Count} arrays");
        foreach (var (name, array) in want)
            Require.That(got.TryGetValue(name, out var other) && other.DType == array.DType && other.Shape.Equals(array.Shape)
                && FileCases.Bytes(other).SequenceEqual(FileCases.Bytes(array)), $"{path}: {name} is not what was saved");
    }

    /// <summary>What the files hold: ordinary numbers and the odd ones.</summary>
    private static Dictionary<string, NDArray> Arrays(string format)
    {
        var shape = new Shape([2, 4]);
        var doubles = NDArray.Create([0.1, -2.5e300, double.Epsilon, -0.0, double.NaN, double.PositiveInfinity, double.NegativeInfinity, 1.0 / 3], shape);
        if (format is "idx" or "npy" or "csv") return new() { [""] = doubles };
        return new()
        {
            ["doubles"] = doubles,
            ["floats"] = NDArray.Create([0.1f, -0f, float.Epsilon, BitConverter.Int32BitsToSingle(0x7fc00001)], new Shape([4])),
            ["integers"] = NDArray.Create([int.MinValue, -1, 0, int.MaxValue], new Shape([2, 1, 2])),
            ["longs"] = NDArray.Create([long.MinValue, 1L << 53, long.MaxValue], new Shape([3])),
            ["flags"] = NDArray.Create([true, false, true], new Shape([3])),
            ["scalar"] = 7.0,
            ["empty"] = NDArray.Zeros(DType.Float32, new Shape([0, 3])),
        };
    }
}
