namespace Diff

open System
open System.Buffers
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Text.Encodings.Web
open System.Text.Json

/// What a safetensors file says of one tensor: its elements are the bytes from Begin up to End after the
/// header.
[<NoEquality; NoComparison>]
type internal SafetensorsEntry =
    { Name: string
      Word: string
      Dims: int[]
      Begin: uint64
      End: uint64 }

/// The header of a safetensors file: 8 bytes of length, then JSON. It is read as if an enemy had written
/// it.
/// https://github.com/huggingface/safetensors#format
[<RequireQualifiedAccess>]
module internal SafetensorsHeader =
    [<Literal>]
    let Metadata = "__metadata__"

    /// The words for element types that can be loaded, and the bytes of an element.
    let private sizes =
        dict
            [ "F64", 8UL
              "F32", 4UL
              "F16", 2UL
              "BF16", 2UL
              "I64", 8UL
              "I32", 4UL
              "U8", 1UL
              "BOOL", 1UL ]

    /// The shape as an array can have it, after a check that its elements fill exactly the bytes given.
    let private shape path (tensor: Place) word (dims: uint64[]) (given: uint64) : int[] =
        let text = "[" + String.Join(", ", dims) + "]"
        let needed =
            FileShape.bytes path (fun () -> $"{tensor}: shape {text} of {word}") dims sizes[word]
        if needed <> given then
            FileText.fail
                path
                $"{tensor}: shape {text} of {word} needs {needed} bytes, data_offsets give {given}"
        FileShape.toInts path (fun () -> $"{tensor}: shape {text}") dims

    let private checkedEntry path tensor name word dims (offsets: uint64[]) : SafetensorsEntry =
        if not (sizes.ContainsKey word) then
            let known = String.Join(", ", sizes.Keys)
            FileText.fail path $"{tensor}: dtype {FileText.quote word} cannot be loaded; {known} can"
        if offsets.Length <> 2 then
            FileText.fail path $"{tensor}: data_offsets: 2 integers were expected, found {offsets.Length}"
        let first, last = offsets[0], offsets[1]
        if first > last then
            FileText.fail path $"{tensor}: data_offsets [{first}, {last}] end before they begin"
        { Name = name
          Word = word
          Dims = shape path tensor word dims (last - first)
          Begin = first
          End = last }

    let private entry
        path
        (limits: FileLimits)
        (name: string)
        (reader: byref<Utf8JsonReader>)
        : SafetensorsEntry =
        let tensor =
            { Kind = "tensor"
              Name = name
              Field = "" }
        if reader.TokenType <> JsonTokenType.StartObject then
            FileText.fail path $"{tensor}: a JSON object was expected, found {reader.TokenType}"
        let mutable word: string | null = null
        let mutable dims: uint64[] | null = null
        let mutable offsets: uint64[] | null = null
        while reader.Read() && reader.TokenType = JsonTokenType.PropertyName do
            let field = StrictJson.text path tensor &reader
            let once seen =
                if seen then
                    FileText.fail path $"{tensor}: duplicate key {FileText.quote field}"
            reader.Read() |> ignore
            match field with
            | "dtype" ->
                once (not (isNull word))
                word <- StrictJson.text path { tensor with Field = "dtype" } &reader
            | "shape" ->
                once (not (isNull dims))
                dims <-
                    StrictJson.integers
                        path
                        { tensor with
                            Field = "shape (its dimensions, the rank)" }
                        limits.MaxRank
                        &reader
            | "data_offsets" ->
                once (not (isNull offsets))
                offsets <- StrictJson.integers path { tensor with Field = "data_offsets" } 2 &reader
            | other ->
                FileText.fail
                    path
                    $"{tensor}: unknown key {FileText.quote other}; dtype, shape, data_offsets are allowed"
        match word, dims, offsets with
        | null, _, _
        | _, null, _
        | _, _, null -> FileText.fail path $"{tensor}: dtype, shape and data_offsets are needed"
        | word, dims, offsets -> checkedEntry path tensor name word dims offsets

    let private metadata path (reader: byref<Utf8JsonReader>) : Dictionary<string, string> =
        if reader.TokenType <> JsonTokenType.StartObject then
            FileText.fail path $"{Metadata}: a JSON object of strings was expected, found {reader.TokenType}"
        let result = Dictionary<string, string> StringComparer.Ordinal
        while reader.Read() && reader.TokenType = JsonTokenType.PropertyName do
            let key =
                StrictJson.text
                    path
                    { Kind = Metadata
                      Name = null
                      Field = "a key" }
                    &reader
            reader.Read() |> ignore
            let place =
                { Kind = Metadata + ": the value of"
                  Name = key
                  Field = "" }
            let value = StrictJson.text path place &reader
            if not (result.TryAdd(key, value)) then
                FileText.fail path $"{Metadata}: duplicate key {FileText.quote key}"
        result

    /// The tensors lie one behind the other: every byte belongs to exactly one.
    let private checkLayout path (entries: List<SafetensorsEntry>) (available: uint64) =
        entries.Sort(fun a b ->
            let order = compare a.Begin b.Begin
            if order <> 0 then order else compare a.End b.End)
        let mutable next = 0UL
        for e in entries do
            if e.Begin <> next then
                let problem = if e.Begin < next then "an overlap" else "a hole"
                let found = $"tensor {FileText.quote e.Name}: data_offsets begin at {e.Begin}"
                FileText.fail path $"{found}, the tensor before ends at {next}: {problem}"
            next <- e.End
        if next <> available then
            let problem =
                if next > available then
                    "it is truncated"
                else
                    "it has trailing bytes"
            FileText.fail path $"header: data_offsets cover {next} bytes, the file has {available}: {problem}"

    /// The tensors in the order of their bytes, and the metadata, with everything checked. The stream
    /// stands behind the header.
    let read
        (path: string)
        (limits: FileLimits)
        (stream: Stream)
        : List<SafetensorsEntry> * Dictionary<string, string> =
        let size = stream.Length
        if size < 8L then
            FileText.fail path $"header: the file has {size} bytes, the length of the header alone takes 8"
        let prefix = Array.zeroCreate 8
        stream.ReadExactly(prefix, 0, 8)
        let length = BinaryPrimitives.ReadUInt64LittleEndian(ReadOnlySpan prefix)
        if length > uint64 limits.MaxHeaderBytes then
            FileText.fail
                path
                $"header: its length {length} is too large; at most {limits.MaxHeaderBytes} bytes are allowed"
        if length > uint64 (size - 8L) then
            let problem = $"reaches past the end of the file of {size} bytes: it is truncated"
            FileText.fail path $"header: its length {length} {problem}"
        let json: byte[] = Array.zeroCreate (int length)
        stream.ReadExactly(json, 0, json.Length)
        StrictJson.check path json
        let entries = List<SafetensorsEntry>()
        let mutable notes = Dictionary<string, string>()
        let names = HashSet<string> StringComparer.Ordinal
        let mutable reader = Utf8JsonReader(ReadOnlySpan json, StrictJson.options)
        reader.Read() |> ignore
        while reader.Read() && reader.TokenType = JsonTokenType.PropertyName do
            let name =
                StrictJson.text
                    path
                    { Kind = "header"
                      Name = null
                      Field = "a name" }
                    &reader
            if not (names.Add name) then
                FileText.fail path $"header: duplicate key {FileText.quote name}"
            reader.Read() |> ignore
            if name = Metadata then
                notes <- metadata path &reader
            else
                if entries.Count = limits.MaxTensors then
                    FileText.fail
                        path
                        $"header: more than {limits.MaxTensors} tensors; at most {limits.MaxTensors} are allowed"
                entries.Add(entry path limits name &reader)
        checkLayout path entries (uint64 (size - 8L) - length)
        entries, notes

    /// The first bytes of a file: length and JSON, filled up with spaces so that the data begin at a
    /// multiple of 8.
    let write (entries: SafetensorsEntry seq) (metadata: KeyValuePair<string, string> seq) : byte[] =
        let buffer = ArrayBufferWriter<byte>()
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.GetSpan 8, 0UL)
        buffer.Advance 8
        use writer =
            new Utf8JsonWriter(
                buffer,
                JsonWriterOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping)
            )
        writer.WriteStartObject()
        if not (Seq.isEmpty metadata) then
            writer.WriteStartObject Metadata
            for note in metadata do
                writer.WriteString(note.Key, note.Value)
            writer.WriteEndObject()
        for e in entries do
            writer.WriteStartObject e.Name
            writer.WriteString("dtype", e.Word)
            writer.WriteStartArray "shape"
            for d in e.Dims do
                writer.WriteNumberValue d
            writer.WriteEndArray()
            writer.WriteStartArray "data_offsets"
            writer.WriteNumberValue e.Begin
            writer.WriteNumberValue e.End
            writer.WriteEndArray()
            writer.WriteEndObject()
        writer.WriteEndObject()
        writer.Flush()
        while buffer.WrittenCount % 8 <> 0 do
            buffer.Write(ReadOnlySpan [| byte ' ' |])
        let header = buffer.WrittenSpan.ToArray()
        BinaryPrimitives.WriteUInt64LittleEndian(Span header, uint64 (header.Length - 8))
        header
