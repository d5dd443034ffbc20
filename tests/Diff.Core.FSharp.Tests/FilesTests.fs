/// Files are read as if an enemy had written them, and written so that a crash costs nothing.
namespace global

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.IO.Compression
open System.Reflection
open System.Text
open System.Text.Json
open System.Threading
open Diff
open Diff.Testing
open Xunit

/// A stream that fails at its n-th write, once or from then on.
type FailingStream(inner: Stream, failing: int, forEver: bool) =
    inherit Stream()
    let mutable writes = 0
    let count () =
        writes <- writes + 1
        if writes = failing || (forEver && writes > failing) then
            raise (IOException "no space left")
    member _.Writes = writes
    override _.CanRead = false
    override _.CanSeek = false
    override _.CanWrite = true
    override _.Length = inner.Length
    override _.Position
        with get () = inner.Position
        and set _ = raise (NotSupportedException())
    override _.Flush() = inner.Flush()
    override _.Read(_: byte[], _: int, _: int) : int = raise (NotSupportedException())
    override _.Seek(_, _) = raise (NotSupportedException())
    override _.SetLength _ = raise (NotSupportedException())
    override _.Write(buffer: byte[], offset: int, length: int) =
        count ()
        inner.Write(buffer, offset, length)
    override _.Write(buffer: ReadOnlySpan<byte>) =
        count ()
        inner.Write buffer

module FilesTests =
    let private inFolder (test: string -> unit) =
        let folder = Directory.CreateTempSubdirectory("diff-files-").FullName
        try
            test folder
        finally
            Directory.Delete(folder, true)

    let private dictionary (pairs: (string * 'T) seq) : IReadOnlyDictionary<string, 'T> =
        let result = Dictionary<string, 'T>()
        for name, value in pairs do
            result.Add(name, value)
        result

    let private array<'T when 'T: unmanaged> (values: 'T[]) (dims: int list) =
        NDArray.Create(values, Shape(List.toArray dims))

    /// The elements as they lie in memory.
    let private bits (a: NDArray) =
        use stream = new MemoryStream()
        ElementStream.writeArray stream false a
        stream.ToArray()

    let private same (a: NDArray) (b: NDArray) =
        Assert.Equal(a.DType, b.DType)
        Assert.Equal(a.Shape, b.Shape)
        Assert.Equal<byte[]>(bits a, bits b)

    let private sameAll (a: IReadOnlyDictionary<string, NDArray>) (b: IReadOnlyDictionary<string, NDArray>) =
        Assert.Equal<string list>(List.sort (List.ofSeq a.Keys), List.sort (List.ofSeq b.Keys))
        for pair in a do
            same pair.Value b[pair.Key]

    /// A safetensors file with the given header, unchecked.
    let private safetensors (header: byte[]) (data: byte[]) =
        let length = Array.zeroCreate 8
        BinaryPrimitives.WriteInt64LittleEndian(Span length, int64 header.Length)
        Array.concat [ length; header; data ]

    let private entry dtype shape offsets =
        $"{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}"

    let private one dtype shape offsets (data: byte[]) =
        safetensors (Encoding.UTF8.GetBytes("{\"a\":" + entry dtype shape offsets + "}")) data

    let private load (path: string) (format: string) = TensorFile.Load(path, format, null)

    /// The message without the path, after a check that the file was refused quickly, without memory, and
    /// is closed.
    let private refused format (path: string) (content: byte[]) =
        File.WriteAllBytes(path, content)
        let clock, before = Stopwatch.StartNew(), GC.GetAllocatedBytesForCurrentThread()
        let error = Assert.Throws<DiffFormatException>(fun () -> load path format |> ignore)
        let allocated = GC.GetAllocatedBytesForCurrentThread() - before
        Assert.True(allocated < 32_000_000L, $"{allocated} bytes were allocated")
        let quickly () =
            clock.Elapsed.TotalSeconds < 1.0
            || (clock.Restart() // the machine may have been busy with something else: once more
                Assert.Throws<DiffFormatException>(fun () -> load path format |> ignore)
                |> ignore
                clock.Elapsed.TotalSeconds < 1.0)
        Assert.True(quickly (), $"it took {clock.Elapsed}")
        Assert.Equal(path, error.Path)
        Assert.StartsWith(path + ": ", error.Message)
        use _ = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None)
        error.Message.Substring(path.Length + 2)

    let private mentions (words: string seq) (message: string) =
        for word in words do
            Assert.Contains(word, message, StringComparison.OrdinalIgnoreCase)

    // Files of the conformance set: good, odd and malicious.

    let private cases =
        use stream =
            nonNull (Assembly.GetExecutingAssembly().GetManifestResourceStream "file-cases.json")
        JsonSerializer.Deserialize<JsonElement[]> stream |> nonNull

    let private field (name: string) (case: JsonElement) =
        nonNull ((case.GetProperty name).GetString())

    let caseNames: TheoryData<string> =
        TheoryData<string>(cases |> Array.map (field "name"))

    let private number (value: JsonElement) =
        if value.ValueKind = JsonValueKind.Number then
            value.GetDouble()
        else
            match value.GetString() with
            | "nan" -> nan
            | "inf" -> infinity
            | "-inf" -> -infinity
            | _ -> -0.0

    let private checkTensors (expected: JsonElement) (found: IReadOnlyDictionary<string, NDArray>) =
        for tensor in expected.EnumerateObject() do
            let array = found[tensor.Name]
            let dtype =
                match field "dtype" tensor.Value with
                | "uint8" -> "int32"
                | other -> other
            Assert.Equal(dtype, DType.name array.DType)
            let shape =
                [| for d in tensor.Value.GetProperty("shape").EnumerateArray() -> d.GetInt32() |]
            Assert.Equal<int[]>(shape, array.Shape.ToArray())
            let values =
                [| for v in tensor.Value.GetProperty("data").EnumerateArray() -> number v |]
            Assert.Equal<float[]>(values, Array.init array.Length array.Float)

    [<Theory; MemberData(nameof caseNames)>]
    let ``a file of the set is loaded exactly or refused with the reason`` (name: string) =
        inFolder (fun folder ->
            let case = cases |> Array.find (fun case -> field "name" case = name)
            let format, content =
                field "format" case, Convert.FromBase64String(field "base64" case)
            let path = Path.Combine(folder, name)
            if field "expected" case = "ok" then
                File.WriteAllBytes(path, content)
                checkTensors (case.GetProperty "tensors") (load path format)
            else
                refused format path content
                |> mentions [ for word in case.GetProperty("mentions").EnumerateArray() -> string word ])

    // Messages as the user meets them, one for each rule of the format.

    let private deep = String.replicate 5000 "[" + String.replicate 5000 "]"
    let private long33 = "[" + String.Join(",", Array.create 33 "1") + "]"
    let private many = "[" + String.Join(",", Array.create 20000 "1") + "]"
    let private quoted = "header: it is not JSON: "

    let headers: TheoryData<string, string> =
        let all = TheoryData<string, string>()
        let add (header: string) (message: string) = all.Add(header, message)
        let tensor dtype shape offsets message =
            add ("{\"a\":" + entry dtype shape offsets + "}") ("tensor 'a': " + message)
        let all4 = "[0,4]"
        add "" "header: it is empty, a JSON object was expected"
        add "[]" "header: a JSON object must begin with {, found byte 0x5B"
        add "\ufeff{}" "header: it begins with a byte order mark (BOM), JSON must begin with {"
        add "{" quoted
        add "{\"a\"" quoted
        add "{}{}" quoted
        add "{}\u0000" quoted
        add ("{\"a\":" + deep + "}") quoted
        add ("{\"__metadata__\":{\"a\":" + deep + "}}") quoted
        add "{\"a\":[]}" "tensor 'a': a JSON object was expected, found StartArray"
        add "{\"a\":{}}" "tensor 'a': dtype, shape and data_offsets are needed"
        add "{\"\\ud800\":{}}" "header: a name: the string has half of a surrogate pair"
        add "{\"a\":1,\"a\":1}" "tensor 'a': a JSON object was expected, found Number"
        add
            ("{\"a\":"
             + entry "F32" "[1]" all4
             + ",\"\\u0061\":"
             + entry "F32" "[1]" all4
             + "}")
            "header: duplicate key 'a'"
        add
            "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}"
            "tensor 'a': duplicate key 'dtype'"
        add
            "{\"a\":{\"strides\":[1]}}"
            "tensor 'a': unknown key 'strides'; dtype, shape, data_offsets are allowed"
        add "{\"a\":{\"dtype\":null}}" "tensor 'a': dtype: a JSON string was expected, found Null"
        add "{\"__metadata__\":[]}" "__metadata__: a JSON object of strings was expected, found StartArray"
        add
            "{\"__metadata__\":{\"k\":3}}"
            "__metadata__: the value of 'k': a JSON string was expected, found Number"
        add "{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}" "__metadata__: duplicate key 'k'"
        add "{\"__metadata__\":{},\"__metadata__\":{}}" "header: duplicate key '__metadata__'"
        add
            "{\"__metadata__\":{\"k\":\"\\udc00\"}}"
            "__metadata__: the value of 'k': the string has half of a surrogate pair"
        for word in [ "I8"; "I16"; "U16"; "U32"; "U64"; "F8_E4M3"; "C64"; "f32"; "" ] do
            tensor
                word
                "[1]"
                all4
                $"dtype '{word}' cannot be loaded; F64, F32, F16, BF16, I64, I32, U8, BOOL can"
        let shape = "shape (its dimensions, the rank): "
        tensor "F32" "1" all4 (shape + "a JSON array of integers was expected, found Number")
        tensor "F32" "[\"1\"]" all4 (shape + "an integer was expected, found String")
        tensor "F32" "[1.0]" all4 (shape + "1.0 is not an exact integer; digits only are allowed")
        tensor "F32" "[1e0]" all4 (shape + "1e0 is not an exact integer; digits only are allowed")
        tensor "F32" "[-1,-1]" all4 (shape + "-1 is negative; digits only are allowed")
        tensor "F32" "[-0]" all4 (shape + "-0 is negative; digits only are allowed")
        tensor "F32" "[18446744073709551616]" all4 (shape + "18446744073709551616 overflows 64 bits")
        tensor "F32" long33 all4 (shape + "more than 32 integers; at most 32 are allowed")
        tensor "F32" many all4 (shape + "more than 32 integers; at most 32 are allowed")
        let overflows = "the number of bytes overflows 64 bits"
        // 2^32 * 2^32 wraps to 0; 2^62 + 1 elements of 4 bytes wrap to 4
        tensor "F32" "[4294967296,4294967296]" "[0,0]" ("shape [4294967296, 4294967296] of F32: " + overflows)
        tensor "F32" "[4611686018427387905]" all4 ("shape [4611686018427387905] of F32: " + overflows)
        tensor
            "F32"
            "[9223372036854775808,2,0]"
            "[0,0]"
            ("shape [9223372036854775808, 2, 0] of F32: " + overflows)
        let longest = $"is too large: an array has at most {Array.MaxLength} elements"
        tensor "U8" "[2147483648]" "[0,2147483648]" ("shape [2147483648] " + longest)
        tensor "F32" "[0,4294967296]" "[0,0]" ("shape [0, 4294967296] " + longest)
        tensor "F32" "[2]" all4 "shape [2] of F32 needs 8 bytes, data_offsets give 4"
        tensor "F32" "[1]" "[0]" "data_offsets: 2 integers were expected, found 1"
        tensor "F32" "[1]" "[0,4,8]" "data_offsets: more than 2 integers; at most 2 are allowed"
        tensor "F32" "[1]" "[4,0]" "data_offsets [4, 0] end before they begin"
        tensor "F32" "[1]" "[-4,0]" "data_offsets: -4 is negative; digits only are allowed"
        tensor "F32" "[1]" "[0,18446744073709551616]" "data_offsets: 18446744073709551616 overflows 64 bits"
        tensor "F32" "[1]" "[4,8]" "data_offsets begin at 4, the tensor before ends at 0: a hole"
        let two a b =
            "{\"a\":" + entry "F32" "[1]" a + ",\"b\":" + entry "F32" "[1]" b + "}"
        add
            (two "[0,4]" "[0,4]")
            "tensor 'b': data_offsets begin at 0, the tensor before ends at 4: an overlap"
        add
            (two "[2,6]" "[0,4]")
            "tensor 'a': data_offsets begin at 2, the tensor before ends at 4: an overlap"
        add (two "[0,4]" "[4,8]") "header: data_offsets cover 8 bytes, the file has 4: it is truncated"
        add "{}" "header: data_offsets cover 0 bytes, the file has 4: it has trailing bytes"
        all

    [<Theory; MemberData(nameof headers)>]
    let ``safetensors: a bad header is named`` (header: string) (message: string) =
        inFolder (fun folder ->
            let found =
                safetensors (Encoding.UTF8.GetBytes header) [| 0uy; 0uy; 0uy; 0uy |]
                |> refused "safetensors" (Path.Combine(folder, "x"))
            // the rest is System.Text.Json's
            if message = quoted then
                Assert.StartsWith(message, found)
            else
                Assert.Equal(message, found))

    [<Fact>]
    let ``safetensors: the length of the header has limits`` () =
        inFolder (fun folder ->
            let message (length: uint64) (rest: byte[]) =
                let prefix = Array.zeroCreate 8
                BinaryPrimitives.WriteUInt64LittleEndian(Span prefix, length)
                refused "safetensors" (Path.Combine(folder, "x")) (Array.append prefix rest)
            let large length =
                $"header: its length {length} is too large; at most 100000000 bytes are allowed"
            for length in [ UInt64.MaxValue; 1UL <<< 63; 100_000_001UL ] do
                Assert.Equal(large length, message length "{}"B)
            Assert.Equal(
                "header: its length 3 reaches past the end of the file of 10 bytes: it is truncated",
                message 3UL "{}"B
            )
            Assert.Equal("header: it is not UTF-8", message 3UL [| byte '{'; 0xFFuy; byte '}' |])
            Assert.Equal(
                "header: the file has 7 bytes, the length of the header alone takes 8",
                refused "safetensors" (Path.Combine(folder, "x")) (Array.zeroCreate 7)
            ))

    [<Fact>]
    let ``names from files do not reach messages as they are`` () =
        inFolder (fun folder ->
            let message (name: string) =
                refused
                    "safetensors"
                    (Path.Combine(folder, "x"))
                    (safetensors (Encoding.UTF8.GetBytes $"{{\"{name}\":1}}") [||])
            Assert.Equal(
                "tensor 'a\\u000a\\u001b[31m': a JSON object was expected, found Number",
                message "a\\n\\u001b[31m"
            )
            Assert.Equal(
                "tensor '" + String('x', 60) + "…': a JSON object was expected, found Number",
                message (String('x', 10000))
            ))

    [<Fact>]
    let ``safetensors: a bool is 0 or 1`` () =
        inFolder (fun folder ->
            Assert.Equal(
                "tensor 'a': element 1 of BOOL is neither 0 nor 1",
                refused
                    "safetensors"
                    (Path.Combine(folder, "x"))
                    (one "BOOL" "[3]" "[0,3]" [| 1uy; 2uy; 0uy |])
            ))

    // IDX

    let private hex (text: string) =
        Convert.FromHexString(text.Replace(" ", ""))

    let idxFiles: TheoryData<string, string> =
        let all = TheoryData<string, string>()
        let add (content: string) (message: string) = all.Add(content, message)
        let most = $"; at most {Array.MaxLength} are allowed"
        add "" "header: an IDX header has at least 4 bytes, found 0"
        add "00 00 08" "header: an IDX header has at least 4 bytes, found 3"
        add "01 00 08 01 00000001 00" "header: magic: the first two bytes must be 0, found 0x01 0x00"
        add
            "00 00 0A 01 00000001 00"
            "header: magic: element type 0x0A is unknown; 08, 09, 0B, 0C, 0D and 0E are allowed"
        add "00 00 08 03 00000002" "header: 3 dimensions need 16 bytes, found 8"
        add "00 00 08 FF 00000001" "header: 255 dimensions; at most 32 are allowed"
        add
            "00 00 08 02 FFFFFFFF FFFFFFFF"
            ("header: dimensions (4294967295, 4294967295): the number of elements overflows"
             + most)
        add
            "00 00 08 04 00010000 00010000 00010000 00010000"
            ("header: dimensions (65536, 65536, 65536, 65536): the number of elements overflows"
             + most)
        add
            "00 00 08 02 00000000 FFFFFFFF"
            ("header: dimensions (0, 4294967295): the number of elements overflows" + most)
        add
            "00 00 08 01 7FFFFFC7 00"
            ($"header: it declares {Array.MaxLength} elements ({Array.MaxLength} bytes), "
             + "the file has 1 bytes: it is truncated")
        add
            "00 00 0E 01 00000002 00"
            "header: it declares 2 elements (16 bytes), the file has 1 bytes: it is truncated"
        add
            "00 00 08 01 00000001 0000"
            "header: it declares 1 elements (1 bytes), the file has 2 bytes: it has trailing bytes"
        all

    [<Theory; MemberData(nameof idxFiles)>]
    let ``IDX: a bad file is named`` (content: string) (message: string) =
        inFolder (fun folder ->
            Assert.Equal(message, refused "idx" (Path.Combine(folder, "x")) (hex content)))

    let private gzip (content: byte[]) =
        use result = new MemoryStream()
        using (new GZipStream(result, CompressionLevel.Optimal)) (fun zip ->
            zip.Write(content, 0, content.Length))
        result.ToArray()

    [<Fact>]
    let ``IDX: a bad gzip file is named and not unpacked further than its header says`` () =
        inFolder (fun folder ->
            let message (content: byte[]) =
                refused "idx" (Path.Combine(folder, "x")) content
            let bomb =
                gzip (Array.append (hex "00 00 08 01 00000001") (Array.zeroCreate 50_000_000))
            Assert.Equal(
                "header: it declares 1 elements, the file has more: it has trailing bytes",
                message bomb
            )
            let lie = gzip (hex "00 00 08 01 7FFFFFC7 00")
            Assert.Equal(
                $"header: it declares 2147483591 bytes, more than {lie.Length} bytes of gzip can hold",
                message lie
            )
            Assert.Equal(
                "the elements end before the header says: it is truncated",
                message (gzip (hex "00 00 08 01 00000003 0000"))
            )
            Assert.Equal("header: 1 dimensions need 8 bytes, found 4", message (gzip (hex "00 00 08 01")))
            let broken = gzip (hex "00 00 08 01 00000002 0102")
            broken[broken.Length - 8] <- broken[broken.Length - 8] ^^^ 1uy
            Assert.StartsWith("gzip: ", message broken))

    [<Theory>]
    [<InlineData("00 00 08 01 00000003 00 7F FF", 0.0, 127.0, 255.0)>]
    [<InlineData("00 00 09 01 00000003 00 7F FF", 0.0, 127.0, -1.0)>]
    [<InlineData("00 00 0B 01 00000003 0001 7FFF FFFE", 1.0, 32767.0, -2.0)>]
    [<InlineData("00 00 0C 01 00000003 00000001 7FFFFFFF FFFFFFFE", 1.0, 2147483647.0, -2.0)>]
    [<InlineData("00 00 0D 01 00000003 3F800000 BF800000 7F800000", 1.0, -1.0, Double.PositiveInfinity)>]
    [<InlineData("00 00 0E 01 00000003 3FF0000000000000 BFF0000000000000 7FF0000000000000",
                 1.0,
                 -1.0,
                 Double.PositiveInfinity)>]
    let ``IDX: elements are big-endian`` (content: string) (a: float) (b: float) (c: float) =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            for content in [ hex content; gzip (hex content) ] do
                File.WriteAllBytes(path, content)
                let found = Idx.Load path
                let dtype =
                    if content[2] = 0x0Duy then DType.Float32
                    elif content[2] = 0x0Euy then DType.Float64
                    else found.DType
                Assert.Equal(dtype, found.DType)
                Assert.Equal<float[]>([| a; b; c |], Array.init 3 found.Float)
                let scaled = Idx.LoadFloat32(path, 0.5)
                Assert.Equal<float32[]>(
                    [| a; b; c |] |> Array.map (fun v -> float32 (v * 0.5)),
                    scaled.ToArray<float32>()
                ))

    [<Fact>]
    let ``IDX: images times 1/255 are bytes divided by 255`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x.gz")
            Idx.Save(path, array [| 0..255 |] [ 16; 16 ], IdxElement.UInt8)
            let images = Idx.LoadFloat32(path, 1.0 / 255.0)
            Assert.Equal(Shape [| 16; 16 |], images.Shape)
            Assert.Equal<float32[]>(Array.init 256 (fun b -> float32 b / 255.0f), images.ToArray<float32>()))

    [<Fact>]
    let ``IDX: what is saved is loaded`` () =
        inFolder (fun folder ->
            let saved (name: string) =
                let path = Path.Combine(folder, name)
                fun (a: NDArray) ->
                    Idx.Save(path, a)
                    same a (Idx.Load path)
            for name in [ "x"; "x.gz" ] do
                saved name (array [| 1; -2; Int32.MaxValue; Int32.MinValue |] [ 2; 2 ])
                saved name (array [| BitConverter.Int32BitsToSingle 0x7fa00001; -0.0f; 1e-45f |] [ 3; 1 ])
                saved name (array [| BitConverter.Int64BitsToDouble 0x7ff4000000000001L; -0.0 |] [ 2 ])
                saved name (array [| 5 |] [])
                saved name (array<float32> [||] [ 3; 0 ])
                saved name (array (Array.init 300_000 id) [ 3; 100_000 ])
            let path = Path.Combine(folder, "y")
            let numbers = array [| 0L; 1L; 100L |] [ 3 ]
            for element in Enum.GetValues<IdxElement>() do
                Idx.Save(path, numbers, element)
                let found = Idx.Load path
                Assert.Equal<float[]>([| 0.0; 1.0; 100.0 |], Array.init 3 found.Float)
            Idx.Save(path, array [| true; false |] [ 2 ], IdxElement.UInt8)
            Assert.Equal<byte[]>(hex "00 00 08 01 00000002 01 00", File.ReadAllBytes path))

    [<Fact>]
    let ``IDX: what does not fit is not saved`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            let message (a: NDArray) (element: IdxElement) =
                Assert.Throws<ArgumentException>(fun () -> Idx.Save(path, a, element)).Message
            Assert.Equal(
                "Idx.Save: element 1 is 256, which UInt8 cannot hold",
                message (array [| 1; 256 |] [ 2 ]) IdxElement.UInt8
            )
            Assert.Equal(
                "Idx.Save: element 0 is 0.5, which Int32 cannot hold",
                message (array [| 0.5 |] []) IdxElement.Int32
            )
            Assert.Equal(
                "Idx.Save: element 0 is NaN, which Int8 cannot hold",
                message (array [| nan |] []) IdxElement.Int8
            )
            Assert.Equal(
                "Idx.Save: element 0 is 0.1, which Float32 cannot hold",
                message (array [| 0.1 |] []) IdxElement.Float32
            )
            Assert.Equal(
                "Idx.Save: element 0 is 9007199254740992, which Float64 cannot hold",
                message (array [| 9007199254740993L |] []) IdxElement.Float64
            )
            Assert.Equal("Idx.Save: there is no element type 7", message (array [| 1 |] []) (enum 7))
            Assert.Equal(
                "Idx.Save: rank 33; at most 32 is allowed",
                message (array [| 1 |] (List.replicate 33 1)) IdxElement.Int32
            )
            Assert.Equal(
                "Idx.Save: IDX has no int64; name the elements: Idx.Save(path, array, IdxElement.UInt8)",
                Assert.Throws<ArgumentException>(fun () -> Idx.Save(path, array [| 1L |] [])).Message
            )
            Assert.Empty(Directory.GetFileSystemEntries folder))

    let private small =
        dictionary
            [ "w", array [| 1.5f; nanf; -0.0f; 3e38f |] [ 2; 2 ]
              "n", array [| 1L; -1L |] [ 2 ]
              "m", array [| true; false; true |] [ 3 ] ]

    // What is saved is loaded

    let private roundTrip
        (tensors: IReadOnlyDictionary<string, NDArray>)
        (metadata: IReadOnlyDictionary<string, string>)
        =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x.safetensors")
            Safetensors.Save(path, tensors, metadata)
            let file = Safetensors.Load path
            sameAll tensors file.Tensors
            Assert.Equal<(string * string) list>(
                List.sort [ for pair in metadata -> pair.Key, pair.Value ],
                List.sort [ for pair in file.Metadata -> pair.Key, pair.Value ]
            ))

    /// An array of random bits.
    let private random (seed: int) =
        let random = Random seed
        let dims = List.init (random.Next 5) (fun _ -> random.Next 6)
        let length = Shape(List.toArray dims).Length
        let values bytes =
            Array.init length (fun _ -> random.NextInt64(1L <<< 62)) |> Array.map bytes
        match random.Next 5 with
        | 0 -> array (values (fun v -> BitConverter.Int32BitsToSingle(int v))) dims
        | 1 -> array (values (fun v -> BitConverter.Int64BitsToDouble(v * 3L))) dims
        | 2 -> array (values int) dims
        | 3 -> array (values (fun v -> v * 3L)) dims
        | _ -> array (values (fun v -> v % 2L = 0L)) dims

    [<Property>]
    let ``safetensors: what is saved is loaded, bit by bit`` (seeds: int[]) (keys: string[]) =
        let names =
            Seq.distinct [ for i, _ in Seq.indexed seeds -> $"layer.{seeds[i] % 7}.{i}" ]
        let ofUtf8 (text: string | null) =
            Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(string text))
        let notes =
            keys |> Seq.map (fun key -> ofUtf8 key, ofUtf8 key + "\n") |> Seq.distinctBy fst
        roundTrip (dictionary (Seq.zip names (Seq.map random seeds))) (dictionary notes)

    [<Fact>]
    let ``safetensors: odd arrays and names are loaded as they were saved`` () =
        let names =
            [ ""
              "../../etc/passwd"
              "κ̄·weight/層.0 😀"
              "\"\\\u0000\n\u2028"
              "dtype"
              String('n', 5000) ]
        roundTrip
            (dictionary [ for i, name in List.indexed names -> name, array [| i |] [] ])
            (dictionary [ "", ""; "κ 😀", "\"}\u0000" ])
        roundTrip
            (dictionary
                [ "nan", array [| 0x7fc00001; 0x7fa00001; -1; Int32.MinValue |] [ 4 ]
                  "empty", array<float> [||] [ 2; 0; 3 ]
                  "rank 32", array [| true |] (List.replicate 32 1)
                  "many", array (Array.init 600_001 float32) [ 600_001 ] ])
            (dictionary [])
        roundTrip (dictionary []) (dictionary [])

    [<Fact>]
    let ``safetensors: the bytes are those of the format, wide elements first`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            Safetensors.Save(
                path,
                dictionary [ "b", array [| 1.0 |] []; "a", array [| true; false |] [ 2 ] ],
                dictionary [ "k", "é" ]
            )
            let header =
                "{\"__metadata__\":{\"k\":\"é\"},"
                + "\"a\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[8,10]},"
                + "\"b\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}"
            let bytes = Encoding.UTF8.GetBytes header
            let padded =
                Array.append bytes (Array.create ((8 - bytes.Length % 8) % 8) (byte ' '))
            Assert.Equal<byte[]>(safetensors padded (hex "000000000000F03F 01 00"), File.ReadAllBytes path))

    [<Fact>]
    let ``the same content gives the same bytes`` () =
        inFolder (fun folder ->
            let path i = Path.Combine(folder, string<int> i)
            let pairs = [ for i in 0..20 -> $"t{i}", random i ]
            let notes = [ for i in 0..20 -> $"k{i}", $"v{i}" ]
            Safetensors.Save(path 0, dictionary pairs, dictionary notes)
            Safetensors.Save(path 1, dictionary (List.rev pairs), dictionary (List.rev notes))
            let loaded = Safetensors.Load(path 0)
            Safetensors.Save(path 2, loaded.Tensors, loaded.Metadata)
            for i in 1..2 do
                Assert.Equal<byte[]>(File.ReadAllBytes(path 0), File.ReadAllBytes(path i)))

    [<Fact>]
    let ``safetensors: F16, BF16 and U8 become the same numbers`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            let all =
                [| for i in 0..65535 do
                       byte i
                       byte (i >>> 8) |]
            let load dtype shape offsets data =
                File.WriteAllBytes(path, one dtype shape offsets data)
                (Safetensors.Load path).Tensors["a"]
            let half = load "F16" "[65536]" "[0,131072]" all
            Assert.Equal<float32[]>(
                Array.init 65536 (fun i -> float32 (BitConverter.UInt16BitsToHalf(uint16 i))),
                half.ToArray<float32>()
            )
            let brain = load "BF16" "[65536]" "[0,131072]" all
            Assert.Equal<byte[]>(
                [| for i in 0..65535 do
                       0uy
                       0uy
                       byte i
                       byte (i >>> 8) |],
                bits brain
            )
            let bytes = load "U8" "[256]" "[0,256]" [| 0uy .. 255uy |]
            Assert.Equal<int[]>([| 0..255 |], bytes.ToArray<int>()))

    [<Fact>]
    let ``safetensors: what the format has no room for is not saved`` () =
        inFolder (fun folder ->
            let message tensors notes =
                Assert
                    .Throws<ArgumentException>(fun () ->
                        Safetensors.Save(Path.Combine(folder, "x"), dictionary tensors, dictionary notes))
                    .Message
            let scalar = array [| 1 |] []
            let half (code: int) = string (char code)
            Assert.Equal(
                "Safetensors.Save: a name 'a\\ud800' has half of a surrogate pair",
                message [ "a" + half 0xD800, scalar ] []
            )
            Assert.Equal(
                "Safetensors.Save: the name '__metadata__' belongs to the format; choose another",
                message [ "__metadata__", scalar ] []
            )
            Assert.Equal(
                "Safetensors.Save: tensor 'a' is null",
                message [ "a", Unchecked.defaultof<NDArray> ] []
            )
            Assert.Equal(
                "Safetensors.Save: tensor 'a' has rank 33; at most 32 is allowed",
                message [ "a", scalar.Reshape(Shape(Array.create 33 1)) ] []
            )
            Assert.Equal(
                "Safetensors.Save: a key of the metadata '\\udc00' has half of a surrogate pair",
                message [] [ half 0xDC00, "" ]
            )
            Assert.Equal(
                "Safetensors.Save: a value of the metadata is null",
                message [] [ "k", Unchecked.defaultof<string> ]
            )
            Assert.Empty(Directory.GetFileSystemEntries folder))

    // Saves that fail

    let private only (path: string) =
        Assert.Equal<string[]>(
            [| path |],
            Directory.GetFileSystemEntries(string (Path.GetDirectoryName path))
        )

    [<Fact>]
    let ``a writer that throws leaves the old file and nothing else`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            let save (write: Stream -> unit) =
                Record.Exception(fun () -> AtomicFile.Write(path, Action<Stream> write))
                |> string
            let half (error: exn) (stream: Stream) =
                stream.Write(ReadOnlySpan(Array.zeroCreate<byte> 100_000))
                raise error
            Assert.Contains("a mistake", save (half (InvalidOperationException "a mistake")))
            Assert.Empty(Directory.GetFileSystemEntries folder)
            AtomicFile.WriteText(path, "old é")
            Assert.Equal<byte[]>(
                [| 0x6Fuy; 0x6Cuy; 0x64uy; 0x20uy; 0xC3uy; 0xA9uy |],
                File.ReadAllBytes path
            )
            Assert.StartsWith(
                "System.InvalidOperationException: a mistake",
                save (half (InvalidOperationException "a mistake"))
            )
            Assert.StartsWith(
                $"System.IO.IOException: {path}: was not saved: full",
                save (half (IOException "full"))
            )
            let refusing =
                Action<Stream>(fun stream ->
                    Assert.Equal("new", (new StreamReader(stream)).ReadToEnd())
                    raise (DiffFormatException(path, "refused")))
            let refusal =
                Assert.Throws<DiffFormatException>(fun () ->
                    AtomicFile.Write(path, (fun s -> s.Write(ReadOnlySpan "new"B)), refusing))
            Assert.Equal($"{path}: refused", refusal.Message)
            let advice = "new StreamWriter(stream, leaveOpen: true) leaves it open"
            Assert.StartsWith(
                $"System.InvalidOperationException: {path}: the writer closed the stream; {advice}",
                save _.Dispose()
            )
            Assert.Equal("old é", File.ReadAllText path)
            only path)

    [<Theory>]
    [<InlineData(false)>]
    [<InlineData(true)>]
    let ``a disk that fails at any write leaves the old file and nothing else`` (forEver: bool) =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            Safetensors.Save(path, small)
            let old = File.ReadAllBytes path
            let tensors = dictionary [ for i in 0..9 -> $"t{i}", random i ]
            let rec save failing =
                try
                    let write (stream: Stream) =
                        Safetensors.Writer(tensors, null).Invoke(new FailingStream(stream, failing, forEver))
                    AtomicFile.Write(path, write)
                    failing
                with :? IOException as e ->
                    Assert.Equal($"{path}: was not saved: no space left", e.Message)
                    Assert.Equal<byte[]>(old, File.ReadAllBytes path)
                    only path
                    save (failing + 1)
            Assert.InRange(save 1, 3, 20)
            sameAll tensors (Safetensors.Load path).Tensors
            only path)

    [<Fact>]
    let ``paths that cannot be files are named`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            let error (action: unit -> unit) =
                let e = nonNull (Record.Exception action)
                $"{e.GetType().Name}: {e.Message}"
            let save (path: string) =
                error (fun () -> Safetensors.Save(path, small))
            let load (path: string) =
                error (fun () -> Safetensors.Load path |> ignore)
            Assert.Equal($"IOException: {folder}: is a folder, a file was expected", load folder)
            Assert.Equal(
                $"IOException: {folder}: is a folder, a file was expected",
                error (fun () -> Idx.Load folder |> ignore)
            )
            Assert.Equal($"IOException: {folder}: is a folder, a file was expected", save folder)
            Assert.Equal($"FileNotFoundException: Could not find file '{path}'.", load path)
            let inside = Path.Combine(path, "y")
            Assert.Equal(
                $"DirectoryNotFoundException: Could not find a part of the path '{inside}'.",
                load inside
            )
            Assert.Equal(
                $"DirectoryNotFoundException: {inside}: there is no folder {path}; make it first",
                save inside
            )
            let nul =
                "ArgumentException: a\\u0000b: a path has no NUL character (Parameter 'path')"
            Assert.Equal(nul, save "a\u0000b")
            Assert.Equal(nul, load "a\u0000b")
            Assert.Equal(
                "ArgumentException: The value cannot be an empty string. (Parameter 'path')",
                save ""
            )
            Assert.Equal(
                "ArgumentException: The value cannot be an empty string. (Parameter 'path')",
                load ""
            )
            Assert.Contains(" was not saved: ", save (Path.Combine(folder, String('n', 5000))))
            Assert.Empty(Directory.GetFileSystemEntries folder)
            let long = Path.Combine(folder, String('n', 255))
            Safetensors.Save(long, small)
            sameAll small (Safetensors.Load long).Tensors
            Safetensors.Save(path, small)
            using (new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) (fun _ ->
                Assert.StartsWith($"IOException: The process cannot access the file '{path}'", load path)))

    [<Fact>]
    let ``a folder or file without permission is named`` () =
        if not (OperatingSystem.IsWindows()) && Environment.UserName <> "root" then
            inFolder (fun folder ->
                let path = Path.Combine(folder, "x")
                Safetensors.Save(path, small)
                File.SetUnixFileMode(path, UnixFileMode.None)
                let load =
                    Assert.Throws<UnauthorizedAccessException>(fun () -> Safetensors.Load path |> ignore)
                Assert.Equal($"Access to the path '{path}' is denied.", load.Message)
                File.SetUnixFileMode(folder, UnixFileMode.UserRead ||| UnixFileMode.UserExecute)
                let save =
                    Assert.Throws<UnauthorizedAccessException>(fun () -> Safetensors.Save(path, small))
                File.SetUnixFileMode(
                    folder,
                    UnixFileMode.UserRead ||| UnixFileMode.UserWrite ||| UnixFileMode.UserExecute
                )
                Assert.StartsWith($"{path}: was not saved: Access to the path '", save.Message))

    [<Fact>]
    let ``a save keeps the permissions of the file`` () =
        if not (OperatingSystem.IsWindows()) then
            inFolder (fun folder ->
                let path = Path.Combine(folder, "x")
                Safetensors.Save(path, small)
                let mode = UnixFileMode.UserRead ||| UnixFileMode.UserWrite
                File.SetUnixFileMode(path, mode)
                Safetensors.Save(path, small)
                Assert.Equal(mode, File.GetUnixFileMode path))

    /// The id of a process that is over.
    let private deadProcess () =
        use child =
            nonNull (Process.Start(ProcessStartInfo("dotnet", "--version", RedirectStandardOutput = true)))
        child.StandardOutput.ReadToEnd() |> ignore
        child.WaitForExit()
        child.Id

    [<Fact>]
    let ``a save removes what dead saves of the same file left, and nothing else`` () =
        inFolder (fun folder ->
            let make (name: string) =
                File.WriteAllText(Path.Combine(folder, name), "")
                name
            let id = deadProcess ()
            // the first of the running processes lives as long as the system
            let alive =
                Process.GetProcesses() |> Array.map _.Id |> Array.filter ((<) 0) |> Array.min
            let left =
                [ make $".x.{id}.0123456789abcdef.tmp"
                  make $".x.{Environment.ProcessId}.0123456789abcdef.tmp" ]
            let kept =
                [ make $".y.{id}.0123456789abcdef.tmp"
                  make $".x.y.{id}.0123456789abcdef.tmp"
                  make $".x.{id}.tmp"
                  make $".x.{id}.0123456789abcdef"
                  make $".x.{alive}.0123456789abcdef.tmp"
                  make $"x.{id}.0123456789abcdef.tmp" ]
            let locked = make $".x.{id}.fedcba9876543210.tmp"
            using
                (new FileStream(
                    Path.Combine(folder, locked),
                    FileMode.Open,
                    FileAccess.Write,
                    FileShare.None
                ))
                (fun _ ->
                    // a save within a save: the temp of the outer one is alive
                    AtomicFile.Write(
                        Path.Combine(folder, "x"),
                        fun stream ->
                            AtomicFile.WriteText(Path.Combine(folder, "x"), "inner")
                            stream.Write(ReadOnlySpan "outer"B)
                    ))
            Assert.Equal("outer", File.ReadAllText(Path.Combine(folder, "x")))
            let names =
                Directory.GetFiles folder
                |> Array.map (fun path -> string (Path.GetFileName path))
            Assert.Equal<string list>(List.sort ("x" :: locked :: kept), List.sort (List.ofArray names))
            Assert.Equal(2, left.Length))

    [<Fact>]
    let ``every format refuses paths that cannot be files, and makes nothing`` () =
        inFolder (fun folder ->
            let value = array [| 1.0; 2.0 |] [ 2; 1 ]
            let x = variable "x" 1.0
            let savers: (string * (string -> unit)) list =
                [ "safetensors", (fun path -> Safetensors.Save(path, small))
                  "npy", (fun path -> Npy.Save(path, value))
                  "npz", (fun path -> Npz.Save(path, small))
                  "csv", (fun path -> Csv.Save(path, value, null))
                  "idx", (fun path -> Idx.Save(path, value))
                  "onnx", (fun path -> Onnx.Save(path, [ x ], exp x)) ]
            for name, save in savers do
                let error path =
                    let e = nonNull (Record.Exception(fun () -> save path))
                    Assert.True(e :? IOException || e :? ArgumentException, $"{name}: {e}")
                    Assert.Contains(FileText.plain path, FileText.plain e.Message)
                error folder
                error (Path.Combine(folder, "none", "y"))
                error (Path.Combine(folder, String('n', 5000)))
                error "a\000b"
                Assert.Empty(Directory.GetFileSystemEntries folder))
