/// The formats of NumPy and text tables: what each rule of them refuses, and what goes round without a loss.
namespace global

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.IO.Compression
open System.Text
open System.Threading
open Diff
open Diff.Testing.Generators
open Xunit

module FormatTests =
    let private inFolder (test: string -> unit) =
        let folder = Directory.CreateTempSubdirectory("diff-formats-").FullName
        try
            test folder
        finally
            Directory.Delete(folder, true)

    let private array<'T when 'T: unmanaged> (values: 'T[]) (dims: int list) =
        NDArray.Create(values, Shape(List.toArray dims))

    let private bits (a: NDArray) =
        use stream = new MemoryStream()
        ElementStream.writeArray stream false a
        stream.ToArray()

    let private same (a: NDArray) (b: NDArray) =
        Assert.Equal(a.DType, b.DType)
        Assert.Equal(a.Shape, b.Shape)
        Assert.Equal<byte[]>(bits a, bits b)

    let private refusal (path: string) (load: string -> 'T) =
        let error = Assert.Throws<DiffFormatException>(fun () -> load path |> ignore)
        Assert.StartsWith(path + ": ", error.Message)
        error.Message.Substring(path.Length + 2)

    // .npy

    let private npyOf (version: byte) (header: string) (data: byte[]) =
        let text = Encoding.UTF8.GetBytes header
        let length =
            if version = 1uy then
                BitConverter.GetBytes(uint16 text.Length)
            else
                BitConverter.GetBytes(uint32 text.Length)
        Array.concat [ [| 0x93uy |]; "NUMPY"B; [| version; 0uy |]; length; text; data ]

    let private header descr order shape =
        $"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"

    let private loadNpy folder (content: byte[]) =
        let path = Path.Combine(folder, "x.npy")
        File.WriteAllBytes(path, content)
        Npy.Load path

    let private npyRefused folder (content: byte[]) =
        let path = Path.Combine(folder, "x.npy")
        File.WriteAllBytes(path, content)
        refusal path Npy.Load

    /// Four numbers in an element type of NumPy's, least significant byte first.
    let private four (descr: string) (values: int[]) =
        let each (bytes: int -> byte[]) = Array.collect bytes values
        match descr with
        | "b1" -> each (fun v -> [| (if v = 0 then 0uy else 1uy) |])
        | "i1" -> each (fun v -> [| byte (sbyte v) |])
        | "u1" -> each (fun v -> [| byte v |])
        | "i2" -> each (fun v -> BitConverter.GetBytes(int16 v))
        | "u2" -> each (fun v -> BitConverter.GetBytes(uint16 v))
        | "i4" -> each (fun v -> BitConverter.GetBytes v)
        | "u4" -> each (fun v -> BitConverter.GetBytes(uint32 v))
        | "i8" -> each (fun v -> BitConverter.GetBytes(int64 v))
        | "u8" -> each (fun v -> BitConverter.GetBytes(uint64 v))
        | "f2" -> each (fun v -> BitConverter.GetBytes(Half.op_Explicit (float32 v): Half))
        | "f4" -> each (fun v -> BitConverter.GetBytes(float32 v))
        | _ -> each (fun v -> BitConverter.GetBytes(float v))

    let descrs: TheoryData<string> =
        TheoryData<string>([| "b1"; "i1"; "u1"; "i2"; "u2"; "i4"; "u4"; "i8"; "u8"; "f2"; "f4"; "f8" |])

    [<Theory; MemberData(nameof descrs)>]
    let ``npy: every element type, byte order, order of axes and version is loaded`` (descr: string) =
        inFolder (fun folder ->
            let values =
                if descr = "b1" then
                    [| 0; 1; 1; 0; 1; 0 |]
                else
                    [| 1; 2; 3; 4; 5; 6 |]
            let little = four descr values
            let size = int descr[1..]
            let big = little |> Array.chunkBySize size |> Array.collect Array.rev
            let transposed =
                [| 0; 3; 1; 4; 2; 5 |]
                |> Array.collect (fun i -> little[i * size .. i * size + size - 1])
            let dtype =
                match descr with
                | "b1" -> DType.Bool
                | "u4"
                | "i8"
                | "u8" -> DType.Int64
                | "f2"
                | "f4" -> DType.Float32
                | "f8" -> DType.Float64
                | _ -> DType.Int32
            for version in 1uy .. 3uy do
                for sign, order, data in
                    [ "<", "False", little
                      "=", "False", little
                      ">", "False", big
                      "<", "True", transposed
                      (if size = 1 then "|" else "<"), "False", little ] do
                    let found =
                        loadNpy folder (npyOf version (header (sign + descr) order "(2, 3)") data)
                    Assert.Equal(dtype, found.DType)
                    Assert.Equal(Shape [| 2; 3 |], found.Shape)
                    Assert.Equal<float[]>(Array.map float values, Array.init 6 found.Float))

    [<Fact>]
    let ``npy and npz: float16 is saved as it is, and loaded so where that is asked for`` () =
        inFolder (fun folder ->
            // Every bit pattern, NaN too.
            let all =
                NDArray.Create(
                    Array.init 65536 (fun i -> BitConverter.UInt16BitsToHalf(uint16 i)),
                    Shape [| 256; 256 |]
                )
            let bits (x: NDArray) =
                x.ToArray<Half>() |> Array.map BitConverter.HalfToUInt16Bits
            let npy, npz = Path.Combine(folder, "h.npy"), Path.Combine(folder, "h.npz")
            Npy.Save(npy, all)
            Assert.Contains("'descr': '<f2'", Encoding.Latin1.GetString(File.ReadAllBytes npy)[..100])
            Npz.Save(npz, dict [ "h", all ] |> Dictionary, true)
            for kept, wide in
                [ Npy.Load(npy, true), Npy.Load npy
                  Npz.Load(npz, true)["h"], Npz.Load(npz)["h"] ] do
                Assert.Equal(DType.Float16, kept.DType)
                Assert.Equal<uint16[]>(bits all, bits kept)
                Assert.Equal(DType.Float32, wide.DType)
                Assert.Equal(all.Shape, wide.Shape)
                for i in 0..65535 do
                    Assert.True(wide.Float(i).Equals(all.Float i))
            // In either byte order, with the first axis closest.
            let big = [| 0x3Cuy; 0x00uy; 0xC0uy; 0x00uy |]
            File.WriteAllBytes(npy, npyOf 1uy (header ">f2" "True" "(1, 2)") big)
            Assert.Equal<Half[]>([| Half.One; Half.op_Explicit -2.0f |], Npy.Load(npy, true).ToArray<Half>())
            let brain = NDArray.Zeros(DType.BFloat16, Shape [| 2 |])
            let refused (save: unit -> unit) =
                (Assert.Throws<DTypeException> save).Message
            Assert.StartsWith(
                "Npy.Save: NumPy has no type for bfloat16; cast it",
                refused (fun () -> Npy.Save(npy, brain))
            )
            Assert.StartsWith(
                "Npz.Save: tensor 'b': NumPy has no type for bfloat16",
                refused (fun () -> Npz.Save(npz, dict [ "b", brain ] |> Dictionary))
            ))

    [<Fact>]
    let ``npy: an array with its first axis closest is turned round`` () =
        inFolder (fun folder ->
            let random = Random 7
            for rank in 2..5 do
                let dims = Array.init rank (fun _ -> random.Next(1, 6))
                let n = Array.fold (*) 1 dims
                // element (i0, i1 …) has the number that its row-major position says
                let strides = Array.scan (*) 1 dims
                let data = Array.zeroCreate<int> n
                for position in 0 .. n - 1 do
                    let mutable rest, place = position, 0
                    for axis in rank - 1 .. -1 .. 0 do
                        place <- place + rest % dims[axis] * strides[axis]
                        rest <- rest / dims[axis]
                    data[place] <- position
                let shape = "(" + String.Join(", ", dims) + ")"
                let bytes = data |> Array.collect BitConverter.GetBytes
                let found = loadNpy folder (npyOf 1uy (header "<i4" "True" shape) bytes)
                Assert.Equal<int[]>(Array.init n id, found.ToArray<int>()))

    let npyHeaders: TheoryData<string, string> =
        let all = TheoryData<string, string>()
        let add (text: string) (message: string) = all.Add(text, message)
        let dtype found =
            $"header: dtype '{found}' cannot be loaded; b1, i1, u1, i2, u2, i4, u4, i8, u8, f2, f4, f8 can"
        add (header "<c8" "False" "(1,)") (dtype "<c8")
        add (header "<U4" "False" "(1,)") (dtype "<U4")
        add (header "<M8[ns]" "False" "(1,)") (dtype "<M8[ns]")
        add (header "" "False" "(1,)") (dtype "")
        add
            (header "|O" "False" "(1,)")
            "header: dtype '|O': Python objects are pickled code, which is never read"
        add
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }"
            "header: descr: a structured dtype cannot be loaded"
        add (header "<f4" "False" "(-1,)") "header: shape (-1): -1 is negative or overflows 64 bits"
        add
            (header "<f4" "False" "(2)")
            "header: shape (2) of <f4 needs 8 bytes of data, there are 4: it is truncated"
        add (header "<f4" "False" "()  ") ""
        add
            (header "<f4" "False" "(0,)")
            "header: shape (0) of <f4 needs 0 bytes of data, there are 4: it has trailing bytes"
        add
            (header "<f4" "False" "(4611686018427387904,)")
            "header: shape (4611686018427387904): the number of bytes overflows 64 bits"
        add
            (header "<f4" "False" "(99999999999999999999,)")
            "header: shape (99999999999999999999): 99999999999999999999 is negative or overflows 64 bits"
        add
            (header "<f4" "False" "(2147483648, 0)")
            "header: shape (2147483648, 0) of <f4 needs 0 bytes of data, there are 4: it has trailing bytes"
        add
            (header "<f4" "False" ("(" + String.replicate 33 "1," + ")"))
            "header: shape has rank 33; at most 32 is allowed"
        add (header "<f4" "Maybe" "(1,)") "header: a string was expected at character 34, found 'M'"
        add (header "<f4" "'x'" "(1,)") "header: fortran_order: True or False was expected"
        add (header "<f4" "False" "'x'") "header: shape: a tuple of integers was expected"
        add (header "<f4" "False" "(1.0,)") "header: ',' was expected at character 52, found '.'"
        add
            "{'descr': True, 'fortran_order': False, 'shape': (1,)}"
            "header: descr: a string, the dtype, was expected"
        add "{'descr': '<f4', 'shape': (1,)}" "header: the key 'fortran_order' is missing"
        add
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': True}"
            "header: unknown key 'more'; descr, fortran_order and shape are allowed"
        add
            "{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"
            "header: duplicate key 'descr'"
        add "" "header: '{' was expected at character 0, found its end"
        add "__import__('os')" "header: '{' was expected at character 0, found '_'"
        add (header "<f4" "False" "(1,)" + "x") "header: nothing more was expected at character 58, found 'x'"
        add
            "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (1,)}"
            "header: a string without escapes, with an end, was expected at character 10, found '''"
        all

    [<Theory; MemberData(nameof npyHeaders)>]
    let ``npy: a bad header is named`` (text: string) (message: string) =
        inFolder (fun folder ->
            let content = npyOf 1uy text (Array.zeroCreate 4)
            if message = "" then
                Assert.Equal(Shape.Scalar, (loadNpy folder content).Shape)
            else
                Assert.Equal(message, npyRefused folder content))

    [<Fact>]
    let ``npy: a header has limits, and text in it is UTF-8 in version 3`` () =
        inFolder (fun folder ->
            let good = header "<f4" "False" "(1,)"
            let version = npyOf 1uy good (Array.zeroCreate 4)
            version[6] <- 4uy
            Assert.Equal(
                "header: version 4.0 is unknown; 1.0, 2.0 and 3.0 are allowed",
                npyRefused folder version
            )
            Assert.Equal(
                "header: its length 65537 is too large; at most 65536 bytes are allowed",
                npyRefused folder (npyOf 2uy (good.PadRight 65537) (Array.zeroCreate 4))
            )
            let path = Path.Combine(folder, "x.npy")
            let loaded = Npy.Load(path, FileLimits(MaxNpyHeaderBytes = 65537))
            Assert.Equal(Shape [| 1 |], loaded.Shape)
            let broken = npyOf 3uy good (Array.zeroCreate 4)
            broken[14] <- 0xFFuy
            Assert.Equal("header: it is not UTF-8", npyRefused folder broken)
            Assert.Equal(
                "element 0 of uint64 is 9223372036854775808, more than int64 holds",
                npyRefused folder (npyOf 1uy (header "<u8" "False" "()") (BitConverter.GetBytes(1UL <<< 63)))
            )
            Assert.Equal(
                "element 1 of bool is neither 0 nor 1",
                npyRefused folder (npyOf 1uy (header "|b1" "False" "(2,)") [| 1uy; 2uy |])
            ))

    let private everyType =
        [ "f", array [| 1.5f; nanf; -0.0f; 3e38f; 1e-45f; -infinityf |] [ 2; 3 ]
          "d", array [| Math.PI; -0.0 |] [ 2; 1 ]
          "i", array [| Int32.MinValue; 7 |] [ 2 ]
          "l", array [| Int64.MaxValue |] []
          "b", array [| true; false; true |] [ 3 ]
          "e", array<float> [||] [ 2; 0; 3 ]
          "κ 😀/..", array (Array.init 100_000 float32) [ 100; 1000 ] ]

    [<Fact>]
    let ``npy and npz: what is saved is loaded, and the same arrays give the same bytes`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            for _, value in everyType do
                Npy.Save(path, value)
                same value (Npy.Load path)
                Assert.Equal(0L, (FileInfo(path).Length - int64 (bits value).Length) % 64L)
            for compress in [ false; true ] do
                let save (name: string) pairs =
                    let path = Path.Combine(folder, name)
                    Npz.Save(path, Dictionary(dict pairs), compress)
                    path
                let path, again = save "a" everyType, save "b" (List.rev everyType)
                Assert.Equal<byte[]>(File.ReadAllBytes path, File.ReadAllBytes again)
                let found = Npz.Load path
                Assert.Equal(everyType.Length, found.Count)
                for name, value in everyType do
                    same value found[name]
                Npz.Save(path, Dictionary(), compress)
                Assert.Empty(Npz.Load path))

    [<Fact>]
    let ``npz: a file that unpacks to too much is refused before it is unpacked`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            Npz.Save(
                path,
                Dictionary(dict [ "a", array (Array.zeroCreate<float> 3_000_000) [ 3_000_000 ] ]),
                true
            )
            let before = GC.GetAllocatedBytesForCurrentThread()
            let message =
                refusal path (fun path -> Npz.Load(path, FileLimits(MaxUnpackedBytes = 8_000_000L)))
            Assert.Equal(
                "zip: size: its members unpack to 24000128 bytes; at most 8000000 are allowed",
                message
            )
            Assert.StartsWith(
                "zip: member 'a.npy': size: ",
                refusal path (fun path -> Npz.Load(path, FileLimits(MaxRatio = 100)))
            )
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0L, 1_000_000L)
            Assert.Equal(3_000_000, (Npz.Load path).["a"].Length))

    /// A zip file of the platform's making with its bytes changed: the position of a text in the file, then an offset.
    let private zipOf (folder: string) (names: string list) =
        let path = Path.Combine(folder, "x.npz")
        using (new FileStream(path, FileMode.Create)) (fun stream ->
            use zip = new ZipArchive(stream, ZipArchiveMode.Create)
            for name in names do
                let entry = zip.CreateEntry(name, CompressionLevel.NoCompression)
                use content = entry.Open()
                content.Write(ReadOnlySpan(npyOf 1uy (header "<f4" "False" "(1,)") (Array.zeroCreate 4))))
        path

    [<Fact>]
    let ``npz: what the zip format can hide is found`` () =
        inFolder (fun folder ->
            let message names (change: byte[] -> byte[]) =
                let path = zipOf folder names
                File.WriteAllBytes(path, change (File.ReadAllBytes path))
                refusal path Npz.Load
            let find (signature: byte[]) (bytes: byte[]) =
                bytes.AsSpan().IndexOf(ReadOnlySpan signature)
            let central, local = "PK\001\002"B, "PK\003\004"B
            let set (signature: byte[]) offset (value: byte) (bytes: byte[]) =
                bytes[find signature bytes + offset] <- value
                bytes
            let one = [ "a.npy" ]
            Assert.Equal("zip: member 'a.npy': duplicate name", message [ "a.npy"; "a.npy" ] id)
            Assert.Equal("zip: member 'a.npy': it is encrypted", message one (set central 8 1uy))
            Assert.Equal("zip: member 'a.npy': flags 0x0010 are unknown", message one (set central 8 16uy))
            Assert.Equal(
                "zip: member 'a.npy': compression method 14 is unknown; 0 (stored) and 8 (deflate) are allowed",
                message one (set central 10 14uy)
            )
            Assert.Equal(
                "zip: member 'a.npy': name, flags or method differ between the directory and its own header",
                message one (set local 30 (byte 'b'))
            )
            Assert.Contains(
                "CRC-32",
                message one (fun b ->
                    b[find central b - 1] <- 1uy
                    b)
            )
            Assert.Contains("differ", message one (set local 8 8uy))
            Assert.Equal(
                "zip: member 'a.txt': a name that ends with .npy was expected",
                message [ "a.txt" ] id
            )
            Assert.Contains("is missing or damaged", message one (set central 0 0uy))
            Assert.Contains("its own header is missing", message one (set local 0 0uy))
            Assert.Equal(
                "zip: the directory of 51 bytes at 107 does not end at 159, where its end record is",
                message one (fun bytes -> Array.append [| 0uy |] bytes)
            )
            Assert.Equal(
                "zip: there is no end record: it is not a zip file, or it is truncated",
                message one (fun bytes -> Array.append bytes [| 0uy |])
            ))

    [<Fact>]
    let ``npz: what the format has no room for is not saved`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x")
            let message (name: string) value =
                Assert
                    .Throws<ArgumentException>(fun () -> Npz.Save(path, Dictionary(dict [ name, value ])))
                    .Message
            Assert.Equal(
                "Npz.Save: tensor 'a': rank 33; at most 32 is allowed",
                message "a" ((array [| 1 |] []).Reshape(Shape(Array.create 33 1)))
            )
            Assert.Equal(
                "Npz.Save: the name 'a\\u0000' is too long or has a NUL character",
                message "a\000" (array [| 1 |] [])
            )
            Assert.Empty(Directory.GetFileSystemEntries folder))

    // Text tables

    let private csv (folder: string) (text: string) (options: CsvOptions) =
        let path = Path.Combine(folder, "x.csv")
        File.WriteAllText(path, text)
        path, fun () -> Csv.Load(path, options)

    [<Theory>]
    [<InlineData("a,b\n1,2\n\n3,4\n", "line 3: it is blank; only the end of a file may have blank lines")>]
    [<InlineData("a,b\n1,2\n3\n", "line 3: 1 fields, the header names 2")>]
    [<InlineData("a,b\n1,2,3\n", "line 2: 3 fields, the header names 2")>]
    [<InlineData("a,b\n1,0x10\n", "line 2, column 2 ('b'): '0x10' is not a number")>]
    [<InlineData("a,b\n1,1e400\n", "line 2, column 2 ('b'): '1e400' is more than float64 holds")>]
    [<InlineData("a,b\n1,\"1,234\"\n", "line 2, column 2 ('b'): '1,234' is not a number")>]
    [<InlineData("a,b\n1,--1\n", "line 2, column 2 ('b'): '--1' is not a number")>]
    [<InlineData("a,b\n1,\n",
                 "line 2, column 2 ('b'): it is empty, a number was expected; set EmptyIsNaN to load it as NaN")>]
    [<InlineData("a,b\n\"1\n\n2,3\n", "line 2: field 1: the quote that opens it is never closed")>]
    [<InlineData("a,b\n\"1\"2,3\n", "line 2: field 1: text after the quote that closes it")>]
    [<InlineData("a,b\n1\"2\",3\n", "line 2: field 1: a quote within a field that does not begin with one")>]
    [<InlineData("a,b\n\"1\n\",2\nx,3\n", "line 4, column 1 ('a'): 'x' is not a number")>]
    [<InlineData("a,b\n1,2\000\n", "line 2: it has a NUL character; it is no text")>]
    [<InlineData("a,a\n1,2\n", "line 1: duplicate column name 'a'")>]
    [<InlineData("1,2\n3,4\n",
                 "line 1: numbers, where the names of the columns were expected: 1,2; set HasHeader to false if there are no names")>]
    [<InlineData("", "it is empty; a line with the names of the columns was expected")>]
    let ``csv: a bad line is named`` (text: string) (message: string) =
        inFolder (fun folder ->
            let path, load = csv folder text (CsvOptions())
            Assert.Equal(message, refusal path (fun _ -> load ())))

    [<Fact>]
    let ``csv: quotes, line ends, blanks and signs are those of the format`` () =
        inFolder (fun folder ->
            let load text options = (snd (csv folder text options)) ()
            let table =
                load "\uFEFF\"x, \"\"y\"\"\",z\r\n\"1.5\", 2 \r-3e-2,\"+4\"\n.5,6.\n\n\n" (CsvOptions())
            Assert.Equal<string[]>([| "x, \"y\""; "z" |], Array.ofSeq table.Columns)
            Assert.Equal<float[]>([| 1.5; 2.0; -0.03; 4.0; 0.5; 6.0 |], table.Values.ToArray<float>())
            Assert.Equal<float[]>([| 2.0; 4.0; 6.0 |], table["z"].ToArray<float>())
            let missing = Assert.Throws<KeyNotFoundException>(fun () -> table["w"] |> ignore)
            Assert.Equal("there is no column 'w'; there are x, \"y\", z", missing.Message)
            let plain = load "1;2\n3;4" (CsvOptions(Separator = ';', HasHeader = false))
            Assert.Equal<string[]>([| "0"; "1" |], Array.ofSeq plain.Columns)
            Assert.Equal(Shape [| 2; 2 |], plain.Values.Shape)
            let chosen =
                load "name,b,a\nAda,1,\nBob,,2\n" (CsvOptions(Columns = [ "a"; "b" ], EmptyIsNaN = true))
            Assert.Equal<float[]>([| nan; 1.0; 2.0; nan |], chosen.Values.ToArray<float>())
            Assert.Equal(Shape [| 0; 2 |], (load "a,b\n" (CsvOptions())).Values.Shape)
            let path, load = csv folder "a,b\n1,2\n" (CsvOptions(Columns = [ "c" ]))
            Assert.Equal("line 1: there is no column 'c'; there are a, b", refusal path (fun _ -> load ()))
            let path, load = csv folder "1,2\n3\n" (CsvOptions(HasHeader = false))
            Assert.Equal("line 2: 1 fields, line 1 has 2", refusal path (fun _ -> load ()))
            File.WriteAllBytes(path, [| byte 'a'; byte '\n'; 0xFFuy |])
            Assert.Equal("it is not UTF-8", refusal path Csv.Load)
            File.WriteAllText(path, "a,\"b\nc\"\n\nd\n")
            let lines = refusal path (fun path -> Csv.LoadText(path, null))
            Assert.Equal("line 3: it is blank; only the end of a file may have blank lines", lines)
            File.WriteAllText(path, "a,\"b\nc\"\nd\n")
            Assert.Equal<string[][]>(
                [| [| "a"; "b\nc" |]; [| "d" |] |],
                Array.ofSeq (Csv.LoadText(path, null))
            ))

    [<Fact>]
    let ``csv: numbers are read and written alike in every language`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x.csv")
            let german = CultureInfo ""
            german.NumberFormat.NumberDecimalSeparator <- ","
            german.NumberFormat.NumberGroupSeparator <- "."
            german.NumberFormat.NegativeSign <- "~"
            let before = Thread.CurrentThread.CurrentCulture
            try
                Thread.CurrentThread.CurrentCulture <- german
                Csv.Save(path, array [| 1.5; -0.1; nan; -infinity; -0.0; 1e300 |] [ 3; 2 ], [ "a"; "b" ])
                Assert.Equal("a,b\n1.5,-0.1\nNaN,-Infinity\n-0,1E+300\n", File.ReadAllText path)
                same (array [| 1.5; -0.1; nan; -infinity; -0.0; 1e300 |] [ 3; 2 ]) (Csv.Load path).Values
            finally
                Thread.CurrentThread.CurrentCulture <- before)

    [<Fact>]
    let ``csv: what is saved is loaded`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "x.csv")
            let random = Random 3
            let values =
                Array.init 3000 (fun _ -> BitConverter.Int64BitsToDouble(random.NextInt64()))
                |> Array.map (fun v -> if Double.IsNaN v then nan else v)
            let odd = [ "a,b"; "\"q\""; "two\nlines" ]
            Csv.Save(path, array values [ 1000; 3 ], odd)
            let table = Csv.Load path
            Assert.Equal<string[]>(Array.ofList odd, Array.ofSeq table.Columns)
            same (array values [ 1000; 3 ]) table.Values
            Csv.Save(path, array [| 0.1f; 16777216f |] [ 2 ], null)
            Assert.Equal("0.1\n16777216\n", File.ReadAllText path)
            Csv.Save(path, array [| true; false |] [ 1; 2 ], null)
            Assert.Equal("1,0\n", File.ReadAllText path)
            let names =
                Assert.Throws<ShapeException>(fun () -> Csv.Save(path, array [| 1 |] [ 1 ], [ "a"; "b" ]))
            Assert.Equal("Csv.Save: 2 names for 1 columns of shape (1)", withoutLine names))

    [<Fact>]
    let ``the name of a file says its format`` () =
        inFolder (fun folder ->
            let path (name: string) = Path.Combine(folder, name)
            let value = array [| 1.0; 2.0 |] [ 2; 1 ]
            Npy.Save(path "x.npy", value)
            Npz.Save(path "x.npz", Dictionary(dict [ "a", value ]))
            Safetensors.Save(path "x.safetensors", Dictionary(dict [ "a", value ]))
            Csv.Save(path "x.csv", value, [ "c" ])
            Idx.Save(path "x.idx", value)
            Idx.Save(path "x.IDX.gz", value)
            Idx.Save(path "x-ubyte", value)
            for name in [ "x.npy"; "x.csv"; "x.idx"; "x.IDX.gz"; "x-ubyte" ] do
                same value (TensorFile.Load(path name)).[""]
            for name in [ "x.npz"; "x.safetensors" ] do
                same value (TensorFile.Load(path name)).["a"]
            let unknown =
                Assert.Throws<ArgumentException>(fun () -> TensorFile.Load(path "x.bin") |> ignore)
            let bin = path "x.bin"
            Assert.Equal(
                $"TensorFile.Load: {bin}: its name says no format; safetensors, npz, npy, csv and idx are known",
                unknown.Message
            ))
