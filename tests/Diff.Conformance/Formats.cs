namespace Diff.Conformance;

/// <summary>The library's loader and saver for each format of files.</summary>
internal static class Formats
{
    /// <summary>Loads a file as arrays by name; formats of one array give it the name "".</summary>
    public delegate IReadOnlyDictionary<string, NDArray> Loader(string path, long? limitBytes);

    private static readonly Dictionary<string, Loader> loaders = new()
    {
        ["safetensors"] = (path, limit) => Safetensors.Load(path, Limits(limit)).Tensors,
        ["idx"] = (path, limit) => One(Idx.Load(path, Limits(limit))),
        ["npy"] = (path, limit) => One(Npy.Load(path, Limits(limit))),
        ["npz"] = (path, limit) => Npz.Load(path, Limits(limit)),
        ["onnx"] = (path, limit) => Onnx.Load(path, null, Limits(limit)).Parameters.ToDictionary(p => p.Key, p => p.Value.Value),
        ["csv"] = (path, limit) => One(Csv.Load(path, null, Limits(limit)).Values),
    };

    private static readonly Dictionary<string, Action<string, IReadOnlyDictionary<string, NDArray>>> savers = new()
    {
        ["safetensors"] = Safetensors.Save,
        ["idx"] = (path, arrays) => Idx.Save(path, arrays[""]),
        ["npy"] = (path, arrays) => Npy.Save(path, arrays[""]),
        ["npz"] = Npz.Save,
        ["csv"] = (path, arrays) => Csv.Save(path, arrays[""], [.. Enumerable.Range(0, arrays[""].Shape[1]).Select(k => $"column{k}")]),
    };

    /// <summary>Formats in which every prefix of a file and every changed bit of a header can be told from a whole file.</summary>
    public static IEnumerable<string> Binary => savers.Keys.Where(f => f != "csv");

    /// <summary>Formats that can be saved.</summary>
    public static IEnumerable<string> Known => savers.Keys;

    public static Loader LoaderOf(string format) =>
        loaders.TryGetValue(format, out var load) ? load : throw new UnsupportedException($"format {format}");

    public static Action<string, IReadOnlyDictionary<string, NDArray>>? SaverOf(string format) => savers.GetValueOrDefault(format);

    private static FileLimits Limits(long? bytes)
    {
        var limits = new FileLimits();
        if (bytes is { } most) limits.MaxUnpackedBytes = most;
        return limits;
    }

    private static Dictionary<string, NDArray> One(NDArray array) => new() { [""] = array };
}
