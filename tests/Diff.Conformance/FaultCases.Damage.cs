using System.Diagnostics;
using System.Globalization;

namespace Diff.Conformance;

// Damaged files: every prefix, every changed bit.
internal static partial class FaultCases
{
    private static void TruncateEverywhere(RunOptions options)
    {
        ForEachFormat(2000, (name, format, path, whole) =>
        {
            var sound = Formats.LoaderOf(format)(path, null);
            for (var length = 0; length < whole.Length; length += Stride(options))
            {
                File.WriteAllBytes(path, whole[..length]);
                var loaded = TryLoad(format, path, whole.Length);
                // A gzip may lose its end, checksum and length, without a loss of content.
                Require.That(loaded is null || (name == "idx.gz" && Same(sound, loaded)), $"{name}: the first {length} of {whole.Length} bytes were loaded");
            }
        });
        TruncateTable(options);
    }

    /// <summary>A table has no mark at its end: what is left of it are its first rows, of which the last may have lost the end of its last number.</summary>
    private static void TruncateTable(RunOptions options)
    {
        using var folder = new TemporaryFolder();
        var (path, text) = (folder["table.csv"], Table(2000));
        File.WriteAllText(path, text);
        var sound = Formats.LoaderOf("csv")(path, null)[""];
        var (columns, refused) = (sound.Shape[1], 0);
        for (var length = 0; length < text.Length; length += Stride(options))
        {
            var part = text[..length];
            File.WriteAllText(path, part);
            if (TryLoad("csv", path, text.Length) is not { } loaded)
            {
                refused++;
                continue;
            }
            var (array, lines) = (loaded[""], part.Split('\n'));
            var isCut = lines[^1].Length > 0;
            var rows = lines.Length - 2 + (isCut ? 1 : 0);
            Require.That(array.Shape[0] == rows && (array.Shape[1] == columns || lines.Length == 1), $"csv: the first {length} characters, {rows} rows, were loaded as {array.Shape}");
            for (var i = 0; i < array.Length; i++)
            {
                var want = isCut && i == array.Length - 1 ? double.Parse(lines[^1].Split(',')[^1], CultureInfo.InvariantCulture) : sound.Float(i);
                Require.That(array.Float(i).Equals(want), $"csv: the first {length} characters have {array.Float(i)} at {i}, expected {want}");
            }
        }
        // Most cuts leave a row without all of its numbers.
        Require.That(refused > text.Length / Stride(options) / 2, $"csv: only {refused} parts of a file of {text.Length} characters were refused");
    }

    private static string Table(int characters)
    {
        var text = new System.Text.StringBuilder("\"a \"\"quoted\"\" name\",\"b, c\",d\n");
        for (var row = 0; text.Length < characters; row++) text.Append(CultureInfo.InvariantCulture, $"{row},{row / 7.0:R},-{row * 1e10:E3}\n");
        return text.ToString();
    }

    private static void FlipEveryBit(RunOptions options) => ForEachFormat(500, (name, format, path, whole) =>
    {
        var sound = Formats.LoaderOf(format)(path, null);
        var damaged = (byte[])whole.Clone();
        for (var bit = 0; bit < 8 * whole.Length; bit += Stride(options))
        {
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            File.WriteAllBytes(path, damaged);
            var loaded = TryLoad(format, path, whole.Length);
            // What a loader gives is whole: as many numbers as its shape says. A zip has checksums, so no number may have changed.
            foreach (var (tensor, array) in loaded ?? new Dictionary<string, NDArray>())
                Require.That(FileCases.Bytes(array).Length >= array.Length && array.Length <= 8 * whole.Length, $"{name}, bit {bit}: {tensor} has {array.Length} elements");
            Require.That(format != "npz" || loaded is null || Same(sound, loaded), $"{name}, bit {bit}: {string.Join(", ", (loaded ?? sound).Select(p => $"{p.Key} {p.Value.Shape}"))} of {whole.Length} bytes were loaded");
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    }, withText: true);

    private static bool Same(IReadOnlyDictionary<string, NDArray> a, IReadOnlyDictionary<string, NDArray> b) =>
        a.Count == b.Count && a.All(p => b.TryGetValue(p.Key, out var other) && FileCases.Bytes(p.Value).SequenceEqual(FileCases.Bytes(other)));

    // With less effort every so many: an odd number, so that all bits of bytes and all places of words have their turn.
    private static int Stride(RunOptions options) => (int)(1 / options.Effort) | 1;

    /// <summary>What was loaded; null if the loader refused the file. Any other error, much memory or time is a failure.</summary>
    private static IReadOnlyDictionary<string, NDArray>? TryLoad(string format, string path, int size)
    {
        var (allocated, watch) = (GC.GetAllocatedBytesForCurrentThread(), Stopwatch.StartNew());
        try
        {
            return Formats.LoaderOf(format)(path, null);
        }
        catch (DiffFormatException)
        {
            return null;
        }
        finally
        {
            var bytes = GC.GetAllocatedBytesForCurrentThread() - allocated;
            Require.That(bytes <= 4L * size + (16 << 20), $"{format}: {bytes} bytes allocated for a file of {size}");
            Require.That(watch.Elapsed.TotalSeconds < 5, $"{format}: {watch.Elapsed.TotalSeconds:F1} s");
        }
    }

    /// <summary>A sound file of about a size in each format, packed ones too, in a folder of its own.</summary>
    private static void ForEachFormat(int bytes, Action<string, string, string, byte[]> check, bool withText = false)
    {
        List<(string Name, string Format, Action<string> Save)> files =
            [.. Formats.Binary.Select(f => (f, f, (Action<string>)(path => Formats.SaverOf(f)!(path, Sample(f, bytes)))))];
        files.Add(("npz, packed", "npz", path => Npz.Save(path, Sample("npz", bytes), true)));
        files.Add(("idx.gz", "idx", SavePacked));
        if (withText) files.Add(("csv", "csv", path => File.WriteAllText(path, Table(bytes))));
        void SavePacked(string path)
        {
            Idx.Save(path + ".gz", Sample("idx", bytes)[""]);
            File.Move(path + ".gz", path);
        }
        foreach (var (name, format, save) in files)
        {
            using var folder = new TemporaryFolder();
            var path = folder["file." + format];
            save(path);
            check(name, format, path, File.ReadAllBytes(path));
        }
    }

    private static Dictionary<string, NDArray> Sample(string format, int bytes)
    {
        NDArray Values(int n) => Enumerable.Range(0, n).Select(i => (float)i / 3).ToArray();
        return format is "idx" or "npy"
            ? new() { [""] = Values(bytes / 5) }
            : new() { ["first"] = Values(bytes / 20), ["second"] = Values(bytes / 20), ["counts"] = new[] { 1L, -1 }, ["mask"] = new[] { true, false, true } };
    }
}
