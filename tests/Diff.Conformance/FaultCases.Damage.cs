using System.Diagnostics;

namespace Diff.Conformance;

// Damaged files: every prefix, every changed bit.
internal static partial class FaultCases
{
    private static void TruncateEverywhere(RunOptions options) => ForEachFormat(2000, (format, path, whole) =>
    {
        for (var length = 0; length < whole.Length; length += Stride(options))
        {
            File.WriteAllBytes(path, whole[..length]);
            Require.That(TryLoad(format, path, whole.Length) is null, $"{format}: the first {length} of {whole.Length} bytes were loaded");
        }
    });

    private static void FlipEveryBit(RunOptions options) => ForEachFormat(500, (format, path, whole) =>
    {
        var sound = Formats.LoaderOf(format)(path, null);
        var damaged = (byte[])whole.Clone();
        for (var bit = 0; bit < 8 * whole.Length; bit += Stride(options))
        {
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            File.WriteAllBytes(path, damaged);
            var loaded = TryLoad(format, path, whole.Length);
            // What a loader gives is whole: as many numbers as its shape says. A zip has checksums, so no number may have changed.
            foreach (var (name, array) in loaded ?? new Dictionary<string, NDArray>())
                Require.That(FileCases.Bytes(array).Length >= array.Length && array.Length <= 8 * whole.Length, $"{format}, bit {bit}: {name} has {array.Length} elements");
            if (format == "npz" && loaded is not null)
                foreach (var (name, array) in loaded)
                    Require.That(sound.TryGetValue(name, out var other) && FileCases.Bytes(array).SequenceEqual(FileCases.Bytes(other)), $"npz, bit {bit}: {name} changed");
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
        }
    });

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

    /// <summary>A sound file of about a size in each binary format, in a folder of its own.</summary>
    private static void ForEachFormat(int bytes, Action<string, string, byte[]> check)
    {
        foreach (var format in Formats.Binary)
        {
            using var folder = new TemporaryFolder();
            var path = folder["file." + format];
            Formats.SaverOf(format)!(path, Sample(format, bytes));
            check(format, path, File.ReadAllBytes(path));
        }
    }

    private static Dictionary<string, NDArray> Sample(string format, int bytes)
    {
        NDArray Values(int n) => Enumerable.Range(0, n).Select(i => (float)i / 3).ToArray();
        var isOne = format is "idx" or "npy";
        return isOne
            ? new() { [""] = Values(bytes / 5) }
            : new() { ["first"] = Values(bytes / 20), ["second"] = Values(bytes / 20) };
    }
}
