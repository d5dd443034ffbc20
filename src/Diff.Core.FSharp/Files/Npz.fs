namespace Diff

open System
open System.Collections.Generic
open System.Collections.ObjectModel
open System.IO
open System.IO.Compression

/// Named arrays in NumPy's .npz format: a zip file of .npy files. What `Npy` loads can be loaded from it, packed or not.
[<AbstractClass; Sealed>]
type Npz =
    static member private ReadMember
        (path: string, limits: FileLimits, keepHalf: bool, file: Stream, entry: ZipEntry)
        : NDArray =
        use content = new ZipMember(path, file, entry)
        let place = $"member {FileText.quote entry.Name}: "
        try
            let array = Npy.Read(path, place, limits, keepHalf, content, entry.Unpacked)
            content.Finish()
            array
        with
        | :? InvalidDataException as e -> raise (DiffFormatException(path, $"zip: {place}{e.Message}", e))
        | :? EndOfStreamException as e ->
            raise (DiffFormatException(path, $"zip: {place}size: it ends before the directory says", e))

    /// Loads all arrays of a file. Names, sizes and places are checked before memory is taken, checksums before anything is given
    /// out; a name is only a name.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <param name="keepHalf">Whether float16 stays what it is; else it becomes float32.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load
        (path: string, limits: FileLimits | null, keepHalf: bool)
        : IReadOnlyDictionary<string, NDArray> =
        let limits = FileLimits.OrDefault limits
        use file = ElementStream.openRead path
        try
            let result = Dictionary<string, NDArray>(StringComparer.Ordinal)
            for entry in ZipDirectory.read path limits file do
                if not (entry.Name.EndsWith(".npy", StringComparison.Ordinal)) then
                    FileText.fail
                        path
                        $"zip: member {FileText.quote entry.Name}: a name that ends with .npy was expected"
                result.Add(
                    entry.Name.Substring(0, entry.Name.Length - 4),
                    Npz.ReadMember(path, limits, keepHalf, file, entry)
                )
            ReadOnlyDictionary result
        with :? EndOfStreamException as e ->
            raise (DiffFormatException(path, "zip: the file became shorter while it was read", e))

    /// Loads all arrays of a file, float16 as float32.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, limits: FileLimits | null) : IReadOnlyDictionary<string, NDArray> =
        Npz.Load(path, limits, false)

    /// Loads all arrays of a file.
    /// <param name="path">The file.</param>
    /// <param name="keepHalf">Whether float16 stays what it is; else it becomes float32.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, keepHalf: bool) : IReadOnlyDictionary<string, NDArray> =
        Npz.Load(path, null, keepHalf)

    /// Loads all arrays of a file, float16 as float32.
    /// <param name="path">The file.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a type that cannot be
    /// loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : IReadOnlyDictionary<string, NDArray> = Npz.Load(path, null, false)

    static member private WriteAll
        (stream: Stream, tensors: KeyValuePair<string, NDArray>[], level: CompressionLevel)
        : unit =
        use zip = new ZipArchive(stream, ZipArchiveMode.Create, true)
        for pair in tensors do
            let entry = zip.CreateEntry(pair.Key + ".npy", level)
            entry.LastWriteTime <- DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero)
            use content = entry.Open()
            Npy.Write(content, pair.Value)

    /// Saves arrays in one step: when it fails or the process dies, the file is as before. The same arrays give the same bytes.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="tensors">The arrays by name.</param>
    /// <param name="compress">Whether to pack them, which takes more time.</param>
    /// <exception cref="T:System.ArgumentException">The format has no room for a name or an array.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, tensors: IReadOnlyDictionary<string, NDArray>, compress: bool) : unit =
        ArgumentNullException.ThrowIfNull(tensors, nameof tensors)
        for pair in tensors do
            FileText.checkText "Npz.Save: " "a name" pair.Key
            if pair.Key.Length > 10_000 || pair.Key.Contains '\000' then
                raise (
                    ArgumentException
                        $"Npz.Save: the name {FileText.quote pair.Key} is too long or has a NUL character"
                )
            Npy.Check($"Npz.Save: tensor {FileText.quote pair.Key}", pair.Value)
        let sorted =
            Seq.toArray tensors
            |> Array.sortWith (fun a b -> String.CompareOrdinal(a.Key, b.Key))
        let level =
            if compress then
                CompressionLevel.Optimal
            else
                CompressionLevel.NoCompression
        let check =
            Action<Stream>(fun stream ->
                let own = FileLimits(MaxUnpackedBytes = Int64.MaxValue, MaxTensors = Int32.MaxValue)
                ZipDirectory.read path own stream |> ignore)
        AtomicFile.Write(path, (fun stream -> Npz.WriteAll(stream, sorted, level)), check)

    /// Saves arrays in one step, not packed.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="tensors">The arrays by name.</param>
    /// <exception cref="T:System.ArgumentException">The format has no room for a name or an array.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, tensors: IReadOnlyDictionary<string, NDArray>) : unit =
        Npz.Save(path, tensors, false)
