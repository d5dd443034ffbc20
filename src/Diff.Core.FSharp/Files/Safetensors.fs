namespace Diff

open System
open System.Collections.Generic
open System.Collections.ObjectModel
open System.IO
open System.Numerics.Tensors
open System.Runtime.InteropServices
open System.Text

/// The content of a safetensors file.
[<Sealed>]
type SafetensorsFile internal (tensors: Dictionary<string, NDArray>, metadata: Dictionary<string, string>) =
    /// The tensors by name.
    member _.Tensors: IReadOnlyDictionary<string, NDArray> = ReadOnlyDictionary tensors
    /// The notes of the file; empty when it has none.
    member _.Metadata: IReadOnlyDictionary<string, string> = ReadOnlyDictionary metadata

/// Named arrays in the safetensors format, https://github.com/huggingface/safetensors: F64, F32, I64, I32
/// and BOOL, bit by bit, F16 and BF16 too. These are loaded as float32, unless asked for as they are, and U8 as
/// int32, which hold the same numbers; other types are refused.
[<AbstractClass; Sealed>]
type Safetensors =
    static member private Word(dtype: DType) : string =
        match dtype with
        | DType.Float32 -> "F32"
        | DType.Float64 -> "F64"
        | DType.Int32 -> "I32"
        | DType.Int64 -> "I64"
        | DType.Float16 -> "F16"
        | DType.BFloat16 -> "BF16"
        | DType.Bool -> "BOOL"
        | other -> DType.unknown other

    static member private Refuse(message: string) : 'T =
        raise (ArgumentException("Safetensors.Save: " + message))

    static member private Check(tensors: IReadOnlyDictionary<string, NDArray>) : unit =
        let limits = FileLimits()
        let most, rank = limits.MaxTensors, limits.MaxRank
        if tensors.Count > most then
            Safetensors.Refuse $"at most {most} tensors are allowed, got {tensors.Count}"
        for pair in tensors do
            let name, array = pair.Key, pair.Value
            FileText.checkText "Safetensors.Save: " "a name" name
            if name = SafetensorsHeader.Metadata then
                Safetensors.Refuse $"the name '{name}' belongs to the format; choose another"
            if isNull (box array) then
                Safetensors.Refuse $"tensor {FileText.quote name} is null"
            if array.Shape.Rank > rank then
                Safetensors.Refuse
                    $"tensor {FileText.quote name} has rank {array.Shape.Rank}; at most {rank} is allowed"

    /// Where the tensors go: wide elements first, so that each begins at a multiple of its size; then by
    /// name.
    static member private Layout(tensors: IReadOnlyDictionary<string, NDArray>) : SafetensorsEntry[] =
        let order (a: KeyValuePair<string, NDArray>) (b: KeyValuePair<string, NDArray>) =
            let bySize = compare (DType.size b.Value.DType) (DType.size a.Value.DType)
            if bySize <> 0 then
                bySize
            else
                String.CompareOrdinal(a.Key, b.Key)
        let mutable next = 0UL
        [| for pair in Seq.sortWith order tensors do
               let first = next
               next <- first + uint64 pair.Value.Length * uint64 (DType.size pair.Value.DType)
               { Name = pair.Key
                 Word = Safetensors.Word pair.Value.DType
                 Dims = pair.Value.Shape.Dims
                 Begin = first
                 End = next } |]

    /// The bytes of a file, written by the action: the same for the same content, whatever the order of the
    /// dictionaries.
    static member internal Writer
        (tensors: IReadOnlyDictionary<string, NDArray>, metadata: IReadOnlyDictionary<string, string> | null)
        : Action<Stream> =
        ArgumentNullException.ThrowIfNull(tensors, nameof tensors)
        Safetensors.Check tensors
        let notes =
            match metadata with
            | null -> Array.empty
            | metadata ->
                Seq.toArray metadata
                |> Array.sortWith (fun a b -> String.CompareOrdinal(a.Key, b.Key))
        for note in notes do
            FileText.checkText "Safetensors.Save: " "a key of the metadata" note.Key
            FileText.checkText "Safetensors.Save: " "a value of the metadata" note.Value
        let layout = Safetensors.Layout tensors
        let byName =
            layout |> Array.sortWith (fun a b -> String.CompareOrdinal(a.Name, b.Name))
        let header, most =
            SafetensorsHeader.write byName notes, (FileLimits()).MaxHeaderBytes
        if header.Length - 8 > most then
            Safetensors.Refuse
                $"names and metadata take {header.Length - 8} bytes; at most {most} are allowed"
        Action<Stream>(fun stream ->
            stream.Write(ReadOnlySpan header)
            for entry in layout do
                ElementStream.writeArray stream false tensors[entry.Name])

    /// Saves arrays and notes in one step: when it fails or the process dies, the file is as before. The
    /// same content gives the same bytes.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="tensors">The arrays by name; at most 1,000,000 of at most 32 axes each.</param>
    /// <param name="metadata">Notes, for instance the version of a model; may be null.</param>
    /// <exception cref="T:System.ArgumentException">The format has no room for a name, a note or an
    /// array.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save
        (
            path: string,
            tensors: IReadOnlyDictionary<string, NDArray>,
            metadata: IReadOnlyDictionary<string, string> | null
        ) : unit =
        let check =
            Action<Stream>(fun stream -> SafetensorsHeader.read path (FileLimits()) stream |> ignore)
        AtomicFile.Write(path, Safetensors.Writer(tensors, metadata), check)

    /// Saves arrays in one step, without notes.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="tensors">The arrays by name; at most 1,000,000 of at most 32 axes each.</param>
    /// <exception cref="T:System.ArgumentException">The format has no room for a name or an
    /// array.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, tensors: IReadOnlyDictionary<string, NDArray>) : unit =
        Safetensors.Save(path, tensors, null)

    static member private ReadBFloat16(stream: Stream, target: Span<float32>) : unit =
        // bfloat16 is the upper half of a float32
        let bits = MemoryMarshal.Cast<float32, int> target
        ElementStream.readAs<uint16, int> stream false bits
        TensorPrimitives.ShiftLeft<int>(bits, 16, bits)

    static member private ReadBool
        (path: string, stream: Stream, entry: SafetensorsEntry, target: Span<bool>)
        : unit =
        ElementStream.read stream false target
        let other = (MemoryMarshal.AsBytes target).IndexOfAnyExcept(0uy, 1uy)
        if other >= 0 then
            FileText.fail
                path
                $"tensor {FileText.quote entry.Name}: element {other} of BOOL is neither 0 nor 1"

    static member private ReadTensor
        (path: string, stream: Stream, keepHalf: bool, entry: SafetensorsEntry)
        : NDArray =
        let filled dtype (fill: NDArray -> unit) =
            let array = NDArray.Zeros(dtype, Shape entry.Dims)
            fill array
            array
        match entry.Word with
        | "F64" -> filled DType.Float64 (fun a -> ElementStream.read stream false (a.Span<float>()))
        | "F32" -> filled DType.Float32 (fun a -> ElementStream.read stream false (a.Span<float32>()))
        | "F16" when keepHalf ->
            filled DType.Float16 (fun a -> ElementStream.read stream false (a.Span<Half>()))
        | "BF16" when keepHalf ->
            filled DType.BFloat16 (fun a -> ElementStream.read stream false (a.Span<BFloat16>()))
        | "F16" ->
            filled DType.Float32 (fun a ->
                ElementStream.readAs<Half, float32> stream false (a.Span<float32>()))
        | "BF16" -> filled DType.Float32 (fun a -> Safetensors.ReadBFloat16(stream, a.Span<float32>()))
        | "I64" -> filled DType.Int64 (fun a -> ElementStream.read stream false (a.Span<int64>()))
        | "I32" -> filled DType.Int32 (fun a -> ElementStream.read stream false (a.Span<int>()))
        | "U8" -> filled DType.Int32 (fun a -> ElementStream.readAs<byte, int> stream false (a.Span<int>()))
        | _ -> filled DType.Bool (fun a -> Safetensors.ReadBool(path, stream, entry, a.Span<bool>()))

    /// Loads a file. All that the header says is checked before memory is taken; names are only names.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <param name="keepHalf">Whether F16 and BF16 stay what they are; else they become float32.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a
    /// type that cannot be loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, limits: FileLimits | null, keepHalf: bool) : SafetensorsFile =
        use stream = ElementStream.openRead path
        try
            let entries, metadata =
                SafetensorsHeader.read path (FileLimits.OrDefault limits) stream
            let tensors = Dictionary<string, NDArray>(entries.Count, StringComparer.Ordinal)
            for entry in entries do
                tensors.Add(entry.Name, Safetensors.ReadTensor(path, stream, keepHalf, entry))
            SafetensorsFile(tensors, metadata)
        with :? EndOfStreamException as e ->
            raise (DiffFormatException(path, "the file became shorter while it was read", e))

    /// Loads a file, F16 and BF16 as float32.
    /// <param name="path">The file.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a
    /// type that cannot be loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, limits: FileLimits | null) : SafetensorsFile =
        Safetensors.Load(path, limits, false)

    /// Loads a file.
    /// <param name="path">The file.</param>
    /// <param name="keepHalf">Whether F16 and BF16 stay what they are; else they become float32.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a
    /// type that cannot be loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, keepHalf: bool) : SafetensorsFile =
        Safetensors.Load(path, null, keepHalf)

    /// Loads a file, F16 and BF16 as float32.
    /// <param name="path">The file.</param>
    /// <exception cref="T:Diff.DiffFormatException">The file is damaged or malicious, or has elements of a
    /// type that cannot be loaded.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : SafetensorsFile = Safetensors.Load(path, null, false)
