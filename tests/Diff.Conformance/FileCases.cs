using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Diff.Conformance;

/// <summary>Good, damaged and malicious files.</summary>
internal static class FileCases
{
    private static readonly CultureInfo[] cultures = [Culture("de-DE", ",", "."), Culture("tr-TR", ",", ".")];

    public static void Run(Case c)
    {
        var load = Formats.LoaderOf(c["format"].GetString()!);
        using var folder = new TemporaryFolder();
        // The file lies in a sub-folder, so that ".." is a place to break out to.
        var own = Directory.CreateDirectory(folder["model"]).FullName;
        var path = Path.Combine(own, c["file_name"].GetString()!);
        File.WriteAllBytes(path, c["file_base64"].GetBytesFromBase64());
        foreach (var extra in c["extra_files"].EnumerateObject())
            File.WriteAllBytes(Path.GetFullPath(Path.Combine(own, extra.Name)), extra.Value.GetBytesFromBase64());
        if (c.Note.Contains("symlink", StringComparison.Ordinal)) Link(folder, own);
        var before = folder.Contents();

        var limit = c.Limit("configured_limit_mb") is { } mb ? (long)(mb * (1 << 20)) : (long?)null;
        var loaded = Within(c, limit is null ? c["expected"].GetString()! : "error", () => load(path, limit));
        if (limit is not null) LoadAnyhow(() => load(path, null));
        if (loaded is not null) CheckTensors(c, loaded, folder);
        if (c.Id == "onnx-ok") CheckModel(path);
        if (c.Note.Contains("culture", StringComparison.Ordinal))
            foreach (var culture in cultures)
                CheckTensors(c, Under(culture, () => load(path, limit)), folder);
        Require.That(folder.Contents().SequenceEqual(before), "loading wrote files");
    }

    private static void Link(TemporaryFolder folder, string own)
    {
        var secret = folder["outside.bin"];
        File.WriteAllBytes(secret, new byte[64]);
        File.CreateSymbolicLink(Path.Combine(own, "link.bin"), secret);
    }

    /// <summary>Loads within the limits of time and memory; null where an error was expected and came.</summary>
    private static IReadOnlyDictionary<string, NDArray>? Within(Case c, string expected, Func<IReadOnlyDictionary<string, NDArray>> load)
    {
        IReadOnlyDictionary<string, NDArray>? loaded = null;
        Exception? error = null;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var watch = Stopwatch.StartNew();
        try
        {
            loaded = load();
        }
        catch (Exception e) when (e is not UnsupportedException)
        {
            error = e;
        }
        var (seconds, mb) = (watch.Elapsed.TotalSeconds, (GC.GetAllocatedBytesForCurrentThread() - allocated) / 1048576.0);
        Require.That(c.Limit("max_seconds") is not { } s || seconds <= s, $"{seconds:F1} s");
        Require.That(c.Limit("max_allocated_mb") is not { } m || mb <= m, $"{mb:F0} MB allocated");
        if (error is null) Require.That(expected != "error", "the file was loaded; an error was expected");
        else if (expected == "ok") throw new FailureException($"{error.GetType().Name}: {error.Message}");
        else Errors.RequireAsExpected(() => throw error, c["expected_error"]);
        return loaded;
    }

    /// <summary>Without its limit the file may load, whatever that takes, or be refused; nothing else may happen.</summary>
    private static void LoadAnyhow(Action load)
    {
        try
        {
            load();
        }
        catch (DiffFormatException)
        {
        }
    }

    /// <summary>y = relu(x·W) of the model in the cases.</summary>
    private static void CheckModel(string path)
    {
        using var model = Onnx.Load(path).Compile();
        double[] At(float a, float b) => Numbers.Of(model.Call(NDArray.Create([a, b], new Shape([1, 2])))[0]).Data;
        Require.That(At(1, -1) is [0, 0] && At(1, 1) is [4, 6], $"the model gives {string.Join(", ", At(1, -1))} and {string.Join(", ", At(1, 1))}, expected 0, 0 and 4, 6");
    }

    private static void CheckTensors(Case c, IReadOnlyDictionary<string, NDArray> loaded, TemporaryFolder folder)
    {
        if (c.Find("expected_tensors") is not { } expected) return;
        var names = expected.EnumerateObject().Select(t => t.Name).Order(StringComparer.Ordinal);
        Require.That(loaded.Keys.Order(StringComparer.Ordinal).SequenceEqual(names), $"tensors {string.Join(", ", loaded.Keys)}, expected {string.Join(", ", names)}");
        foreach (var tensor in expected.EnumerateObject())
        {
            var got = loaded[tensor.Name];
            Require.That(IsLoadedAs(tensor.Value.Text("dtype")!, got.DType), $"{tensor.Name} is {got.DType}, expected {tensor.Value.Text("dtype")}");
            if (Numbers.Of(got).Difference(Numbers.Of(tensor.Value), 0, 0, true) is { } why) throw new FailureException($"{tensor.Name}: {why}");
        }
        CheckRoundTrip(c, loaded, folder);
    }

    // Bytes become int32, which holds the same numbers.
    private static bool IsLoadedAs(string dtype, DType got) =>
        string.Equals(dtype, got.ToString(), StringComparison.OrdinalIgnoreCase) || (dtype == "uint8" && got == DType.Int32);

    /// <summary>Saved and loaded again, the arrays are the same bit for bit, NaN payloads included.</summary>
    private static void CheckRoundTrip(Case c, IReadOnlyDictionary<string, NDArray> loaded, TemporaryFolder folder)
    {
        var format = c["format"].GetString()!;
        if (Formats.SaverOf(format) is not { } save) return;
        var copy = folder["copy." + format];
        save(copy, loaded);
        var again = Formats.LoaderOf(format)(copy, null);
        foreach (var (name, array) in loaded)
            Require.That(again.ContainsKey(name) && again[name].Shape.Equals(array.Shape) && Bytes(again[name]).SequenceEqual(Bytes(array)), $"{name} is not the same after a save and a load");
        File.Delete(copy);
    }

    public static byte[] Bytes(NDArray array) => array.DType switch
    {
        DType.Float32 => System.Runtime.InteropServices.MemoryMarshal.AsBytes(array.Span<float>()).ToArray(),
        DType.Float64 => System.Runtime.InteropServices.MemoryMarshal.AsBytes(array.Span<double>()).ToArray(),
        DType.Int32 => System.Runtime.InteropServices.MemoryMarshal.AsBytes(array.Span<int>()).ToArray(),
        DType.Int64 => System.Runtime.InteropServices.MemoryMarshal.AsBytes(array.Span<long>()).ToArray(),
        DType.Bool => System.Runtime.InteropServices.MemoryMarshal.AsBytes(array.Span<bool>()).ToArray(),
        _ => throw new UnsupportedException($"element type {array.DType}"),
    };

    private static T Under<T>(CultureInfo culture, Func<T> f)
    {
        var before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = culture;
        try
        {
            return f();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    // In invariant mode there are no other cultures: one with the same separators takes its place.
    private static CultureInfo Culture(string name, string decimalPoint, string group)
    {
        try
        {
            return CultureInfo.GetCultureInfo(name);
        }
        catch (CultureNotFoundException)
        {
            var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            (culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NumberGroupSeparator) = (decimalPoint, group);
            return culture;
        }
    }
}
