/// ONNX: what is saved is what was meant, what others saved is read as they meant it, and a hostile model costs nothing.
namespace global

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open System.IO.Compression
open System.Reflection
open System.Text
open System.Text.Json
open Diff
open Diff.Testing.Generators
open Diff.Testing
open Xunit

module OnnxTests =
    let private inFolder (test: string -> unit) =
        let folder = Directory.CreateTempSubdirectory("diff-onnx-").FullName
        try
            test folder
        finally
            Directory.Delete(folder, true)

    let private resource (name: string) =
        nonNull (Assembly.GetExecutingAssembly().GetManifestResourceStream name)

    let private close (tolerance: float) (expected: NDArray) (found: NDArray) =
        Assert.Equal(expected.DType, found.DType)
        Assert.Equal(expected.Shape, found.Shape)
        for i in 0 .. expected.Length - 1 do
            let a, b = expected.Float i, found.Float i
            Assert.True(
                a.Equals b || abs (a - b) <= tolerance * (1.0 + abs a),
                $"[{i}]: {a} expected, {b} found"
            )

    // ---- Files of the conformance set -------------------------------------------------------------------------

    let private cases =
        use stream = resource "onnx-cases.json"
        JsonSerializer.Deserialize<JsonElement[]> stream |> nonNull

    let private field (name: string) (case: JsonElement) =
        nonNull ((case.GetProperty name).GetString())

    let caseNames: TheoryData<string> =
        TheoryData<string>(cases |> Array.map (field "name"))

    /// The message without the path, after a check that the model was refused quickly and without memory.
    let private refused (path: string) =
        let clock, before = Stopwatch.StartNew(), GC.GetAllocatedBytesForCurrentThread()
        let error = Assert.Throws<DiffFormatException>(fun () -> Onnx.Load path |> ignore)
        let allocated = GC.GetAllocatedBytesForCurrentThread() - before
        Assert.True(allocated < 32_000_000L, $"{allocated} bytes were allocated")
        let quickly () =
            clock.Elapsed.TotalSeconds < 1.0
            || (clock.Restart() // the machine may have been busy, or the code new: once more
                Assert.Throws<DiffFormatException>(fun () -> Onnx.Load path |> ignore) |> ignore
                clock.Elapsed.TotalSeconds < 1.0)
        Assert.True(quickly (), $"it took {clock.Elapsed}")
        Assert.StartsWith(path + ": ", error.Message)
        use _ = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None)
        error.Message.Substring(path.Length + 2)

    [<Theory; MemberData(nameof caseNames)>]
    let ``a model of the set is loaded or refused with the reason`` (name: string) =
        inFolder (fun outer ->
            let folder = Directory.CreateDirectory(Path.Combine(outer, "model")).FullName
            let case = cases |> Array.find (fun case -> field "name" case = name)
            let path = Path.Combine(folder, "m.onnx")
            File.WriteAllBytes(path, Convert.FromBase64String(field "base64" case))
            for extra in case.GetProperty("extra").EnumerateObject() do
                File.WriteAllBytes(Path.Combine(folder, extra.Name), extra.Value.GetBytesFromBase64())
            if name = "onnx-ext-symlink" then
                File.WriteAllBytes(Path.Combine(outer, "secret.bin"), Array.zeroCreate 16)
                File.CreateSymbolicLink(Path.Combine(folder, "link.bin"), Path.Combine(outer, "secret.bin"))
                |> ignore
            if field "expected" case = "ok" then
                let f = (Onnx.Load path).Compile()
                let result (x: float32[]) =
                    (f.Call(NDArray.Create(x, Shape [| 1; 2 |]))[0]).ToArray<float32>()
                Assert.Equal<float32[]>([| 0f; 0f |], result [| 1f; -1f |])
                Assert.Equal<float32[]>([| 4f; 6f |], result [| 1f; 1f |])
            else
                let message = refused path
                for word in case.GetProperty("mentions").EnumerateArray() do
                    Assert.Contains(string word, message, StringComparison.OrdinalIgnoreCase))

    // ---- Models built here ---------------------------------------------------------------------------------------

    let private message (fill: ProtoWriter -> unit) =
        let writer = ProtoWriter()
        fill writer
        writer

    let private value (name: string) (kind: int) (axes: string list) =
        message (fun info ->
            info.Text(1, name)
            info.Message(
                2,
                message (fun t ->
                    t.Message(
                        1,
                        message (fun t ->
                            t.Int64(1, int64 kind)
                            t.Message(
                                2,
                                message (fun shape ->
                                    for axis in axes do
                                        shape.Message(
                                            1,
                                            message (fun d ->
                                                match Int64.TryParse axis with
                                                | true, n -> d.Int64(1, n)
                                                | _ -> d.Text(2, axis))
                                        ))
                            ))
                    ))
            ))

    let private node (op: string) (inputs: string list) (outputs: string list) (more: ProtoWriter -> unit) =
        message (fun n ->
            for i in inputs do
                n.Text(1, i)
            for o in outputs do
                n.Text(2, o)
            n.Text(4, op)
            more n)

    let private plain (op: string) inputs output = node op inputs [ output ] ignore

    let private attribute (name: string) (value: int64) (n: ProtoWriter) =
        n.Message(
            5,
            message (fun a ->
                a.Text(1, name)
                a.Int64(3, value)
                a.Int64(20, 2L))
        )

    let private ints (name: string) (values: int64 list) =
        message (fun t ->
            t.Int64(1, int64 values.Length)
            t.Int64(2, 7L)
            t.Text(8, name)
            t.PackedInts(7, values))

    let private write (path: string) opset nodes tensors inputs outputs =
        let graph =
            message (fun g ->
                for n in nodes do
                    g.Message(1, n)
                for t in tensors do
                    g.Message(5, t)
                for i in inputs do
                    g.Message(11, i)
                for o in outputs do
                    g.Message(12, o))
        let model =
            message (fun m ->
                m.Int64(1, 8L)
                m.Message(7, graph)
                m.Message(8, message (fun o -> o.Int64(2, int64<int> opset))))
        using (File.Create path) model.WriteTo

    /// y = x + w, where w lies in another file.
    let private withExternal (path: string) (entries: (string * string) list) =
        let tensor =
            message (fun t ->
                t.Int64(1, 2L)
                t.Int64(2, 1L)
                t.Text(8, "w")
                for key, text in entries do
                    t.Message(
                        13,
                        message (fun e ->
                            e.Text(1, key)
                            e.Text(2, text))
                    )
                t.Int64(14, 1L))
        write
            path
            13
            [ plain "Add" [ "x"; "w" ] "y" ]
            [ tensor ]
            [ value "x" 1 [ "2" ] ]
            [ value "y" 1 [ "2" ] ]

    [<Fact>]
    let ``external data are read only from regular files within the folder`` () =
        inFolder (fun outer ->
            let folder = Directory.CreateDirectory(Path.Combine(outer, "model")).FullName
            let path = Path.Combine(folder, "m.onnx")
            let inside = Directory.CreateDirectory(Path.Combine(folder, "a", "b")).FullName
            let weights =
                Array.collect (fun (w: float32) -> BitConverter.GetBytes w) [| 9f; 1f; 2f; 9f |]
            File.WriteAllBytes(Path.Combine(inside, "w.bin"), weights)
            File.WriteAllBytes(Path.Combine(outer, "secret.bin"), weights)
            let value entries =
                withExternal path entries
                let model = Onnx.Load path
                (eval model.Parameters["w"]).ToArray<float32>()
            Assert.Equal<float32[]>(
                [| 1f; 2f |],
                value [ "location", "a/b/w.bin"; "offset", "4"; "length", "8" ]
            )
            Assert.Equal<float32[]>([| 9f; 1f |], value [ "location", "a/b/w.bin" ])
            let message entries =
                withExternal path entries
                (refused path).Replace("tensor 'w': external data: ", "")
            let at location = message [ "location", location ]
            Assert.Contains("leads outside", at "a/../../secret.bin")
            Assert.Contains("leads outside", at "..")
            Assert.Contains("is absolute", at "/etc/hostname")
            for odd in [ "C:\\x"; "a\\b"; "C:x" ] do
                Assert.Contains("has a backslash or a colon", at odd)
            for odd in [ "a//b/w.bin"; "./w.bin"; "a/" ] do
                Assert.Contains("has an empty part", at odd)
            Assert.Equal("its location is empty", at "")
            Assert.Equal("its location is empty", message [])
            Assert.Contains("NUL", at "a\000b")
            Assert.Contains("there is no such file", at "a/b")
            Assert.Contains("there is no such file", at "none/w.bin")
            Assert.Equal("duplicate key 'location'", message [ "location", "x"; "location", "y" ])
            Assert.Equal("unknown key 'url'", message [ "location", "x"; "url", "y" ])
            Assert.Equal("offset '-4' is not a number of bytes", message [ "location", "x"; "offset", "-4" ])
            Assert.Equal("length 4, but its shape needs 8 bytes", message [ "location", "x"; "length", "4" ])
            Assert.Contains(
                "has 16 bytes; 8 bytes at 12 are needed",
                message [ "location", "a/b/w.bin"; "offset", "12" ]
            )
            if not (OperatingSystem.IsWindows()) then
                Directory.CreateSymbolicLink(Path.Combine(folder, "out"), outer) |> ignore
                Assert.Contains("'out' is a symbolic link", at "out/secret.bin")
                File.CreateSymbolicLink(Path.Combine(folder, "in.bin"), Path.Combine(inside, "w.bin"))
                |> ignore
                Assert.Contains("'in.bin' is a symbolic link", at "in.bin")
                use pipe = Process.Start("mkfifo", Path.Combine(folder, "pipe"))
                pipe.WaitForExit()
                Assert.Contains("has 0 bytes", at "pipe"))

    [<Fact>]
    let ``a small graph cannot ask for much`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x, y = [ value "x" 1 [ "1000" ] ], [ value "y" 1 [ "n" ] ]
            // x doubled forty times
            let doubled =
                [ for i in 0..39 do
                      let from = if i = 0 then "x" else $"t{i - 1}"
                      let into = if i = 39 then "y" else $"t{i}"
                      node "Concat" [ from; from ] [ into ] (fun n ->
                          n.Message(
                              5,
                              message (fun a ->
                                  a.Text(1, "axis")
                                  a.Int64(3, 0L)
                                  a.Int64(20, 2L))
                          )) ]
            write path 13 doubled [] x y
            Assert.Contains("Concat", refused path)
            // a shape that would have to be computed from a billion numbers
            let shape =
                [ plain "ConstantOfShape" [ "n" ] "big"
                  plain "ReduceSum" [ "big"; "axes" ] "sum"
                  plain "Cast" [ "sum" ] "none"
                  plain "Reshape" [ "x"; "sum" ] "y" ]
            write
                path
                13
                [ shape[0]; shape[1]; shape[3] ]
                [ ints "n" [ 1_000_000_000L ]; ints "axes" [ 0L ] ]
                x
                y
            Assert.Contains("input 1 must be computed from constants", refused path)
            write
                path
                13
                [ shape[0]; plain "Add" [ "x"; "big" ] "y" ]
                [ ints "n" [ 1_000_000L; 1_000_000L ] ]
                x
                y
            Assert.Contains("ConstantOfShape", refused path)
            // a long chain is no deep recursion
            let chain =
                [ for i in 0..20_000 do
                      plain
                          "Neg"
                          [ (if i = 0 then "x" else $"t{i - 1}") ]
                          (if i = 20_000 then "y" else $"t{i}") ]
            write path 13 chain [] x y
            let onSmallStack = Threading.Thread((fun () -> Onnx.Load path |> ignore), 262_144)
            onSmallStack.Start()
            onSmallStack.Join()
            let few = FileLimits(MaxNodes = 100)
            let error =
                Assert.Throws<DiffFormatException>(fun () -> Onnx.Load(path, null, few) |> ignore)
            Assert.Contains("more than 100 nodes", error.Message))

    [<Fact>]
    let ``graphs within graphs are not followed for ever`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let mutable graph = message (fun g -> g.Text(2, "g"))
            for _ in 1..3000 do
                let inner = graph
                let attribute =
                    message (fun a ->
                        a.Text(1, "body")
                        a.Message(6, inner))
                graph <-
                    message (fun g -> g.Message(1, node "If" [] [ "y" ] (fun n -> n.Message(5, attribute))))
            using (File.Create path) (fun file -> (message (fun m -> m.Message(7, graph))).WriteTo file)
            let thread =
                Threading.Thread((fun () -> Assert.Contains("protobuf", refused path)), 262_144)
            thread.Start()
            thread.Join()
            Assert.Contains("nested more than 64 deep", refused path))

    [<Fact>]
    let ``sizes that a file only names come from the inputs or from the caller`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            write
                path
                13
                [ plain "Shape" [ "x" ] "s"
                  plain "Reshape" [ "z"; "s" ] "r"
                  plain "Add" [ "x"; "r" ] "y" ]
                []
                [ value "x" 1 [ "n"; "3" ]; value "z" 1 [ "n"; "3" ] ]
                [ value "y" 1 [ "n"; "3" ] ]
            let model = Onnx.Load path
            Assert.Equal("x: float(n, 3)", string model.Inputs[0])
            Assert.Empty model.Parameters
            let f = model.Compile()
            for n in [ 1; 4 ] do
                let x = NDArray.Create(Array.init (3 * n) float32, Shape [| n; 3 |])
                close
                    0.0
                    (NDArray.Create(Array.init (3 * n) (fun i -> 2f * float32 i), x.Shape))
                    (f.Call(x, x)[0])
            let input dims = input "a" dims DType.Float32
            let shapes =
                Assert.Throws<ShapeException>(fun () ->
                    model.Apply(input [ 1; 3 ], input [ 2; 3 ]) |> ignore)
            Assert.Equal($"{path}: input 'z' has 2 along 'n', which is 1 elsewhere", withoutLine shapes)
            let shape =
                Assert.Throws<ShapeException>(fun () ->
                    model.Apply(input [ 2; 4 ], input [ 2; 3 ]) |> ignore)
            Assert.Equal($"{path}: input 'x' has the shape (n, 3), got (2, 4)", withoutLine shape)
            let count =
                Assert.Throws<ArgumentException>(fun () -> model.Apply(input [ 2; 3 ]) |> ignore)
            Assert.Equal($"{path}: the model has 2 inputs (x, z), got 1", count.Message)
            let missing =
                Assert.Throws<ArgumentException>(fun () ->
                    model.Apply(Dictionary(dict [ "x", input [ 2; 3 ] ])) |> ignore)
            Assert.Equal($"{path}: input 'z' is missing", missing.Message)
            let sized = Onnx.Load(path, Dictionary(dict [ "n", 2 ]), null)
            let other =
                Assert.Throws<ShapeException>(fun () ->
                    sized.Apply(input [ 3; 3 ], input [ 3; 3 ]) |> ignore)
            Assert.Contains("has 3 along 'n', which is 2 elsewhere", other.Message))

    [<Fact>]
    let ``what would be misread is refused`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x, y = [ value "x" 1 [ "3" ] ], [ value "y" 1 [ "3" ] ]
            let refusal nodes =
                write path 13 nodes [] x y
                refused path
            let text (name: string) (content: string) (n: ProtoWriter) =
                n.Message(
                    5,
                    message (fun a ->
                        a.Text(1, name)
                        a.Text(4, content)
                        a.Int64(20, 3L))
                )
            Assert.Equal(
                "node Relu of 'y': attribute 'mode' is not supported for this operation in opset 13",
                refusal [ node "Relu" [ "x" ] [ "y" ] (text "mode" "leaky") ]
            )
            Assert.Equal(
                "node 'Relu': 'y' is defined twice",
                refusal [ plain "Relu" [ "x" ] "y"; plain "Relu" [ "x" ] "y" ]
            )
            Assert.Equal("output 'y' is not defined", refusal [ plain "Relu" [ "x" ] "z" ])
            Assert.Equal(
                "node 'Relu': operations of domain 'com.example' are unknown",
                refusal [ node "Relu" [ "x" ] [ "y" ] (fun n -> n.Text(7, "com.example")) ]
            )
            Assert.Equal("node Add of 'y': input 1 is missing", refusal [ plain "Add" [ "x" ] "y" ])
            Assert.Contains(
                "must be computed from constants and shapes",
                refusal [ plain "Reshape" [ "x"; "x" ] "y" ]
            ))

    // ---- Every word, saved and loaded ------------------------------------------------------------------------------

    let words: TheoryData<string> = TheoryData<string>(Samples.table |> Seq.map fst)

    /// Words that ONNX lacks, and of what it has no short graph makes: some samples of these, or their derivatives, are refused.
    let private lacking =
        Set
            [ "Op.Linalg" // all but det
              "Op.Random" // with parameters that are inputs
              "Op.Custom"
              "Fn.Sinc" // its derivative
              "Fn.SincDerivative"
              "Fn.Erfcx"
              "Fn.ErfcxDerivative"
              "Fn.Erfinv"
              "Fn.LogNdtr"
              "Fn.Lgamma"
              "Fn.Digamma"
              "Fn.Polygamma"
              "Fn.GammaDensity"
              "Fn.Gammainc"
              "Fn.Gammaincc"
              "Fn.GammaincDerivative"
              "Fn.Lbeta"
              "Fn.BetaDensity"
              "Fn.Betainc"
              "Fn.BetaincDerivative" ]

    /// The derivative of a loop whose length depends on values reads what such a loop stacks: runtimes can, here shapes are known before.
    let private isOfUnknownLength (e: DiffFormatException) =
        e.Message.Contains "the number of its iterations depends on values"

    /// A graph saved and loaded, or why it is refused.
    let private roundTrip (path: string) (inputs: Expr list) (y: Expr) : Result<Expr, string> =
        try
            Onnx.Save(path, inputs, [ KeyValuePair("y", y) ])
            Ok((Onnx.Load path).Apply(Array.ofList inputs)[0])
        with :? NotSupportedException as e ->
            Assert.StartsWith("Onnx.Save: the operation ", e.Message)
            Assert.EndsWith(" (for the output 'y')", e.Message)
            Error e.Message

    [<Theory; MemberData(nameof words)>]
    let ``what is saved is loaded with its value, and so are its derivatives`` (word: string) =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let _, samples = Samples.table |> List.find (fst >> (=) word)
            for s in Option.defaultValue [] samples do
                let inputs = s.Points |> List.mapi (fun i p -> variableOf $"x{i}" p)
                let y = s.Build inputs
                let floats = inputs |> List.filter (fun x -> DType.isFloat x.DType)
                let check what graph =
                    try
                        match roundTrip path inputs graph with
                        | Ok found -> close 1e-12 (eval graph) (eval found)
                        | Error text -> Assert.True(lacking.Contains word, $"{s.Name}, {what}: {text}")
                    with :? DiffFormatException as e when
                        word = "Op.Loop" && what = "gradient" && isOfUnknownLength e ->
                        ()
                check "value" y
                if DType.isFloat y.DType then
                    for g in grads (sum y) floats do
                        check "gradient" g)

    [<Fact>]
    let ``determinants, orders, transforms, loops and branches are the operations that ONNX has for them``
        ()
        =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = variableOf "x" (spread 3 (-2.0, 2.0) [ 4; 4 ])
            let saved (y: Expr) =
                Onnx.Save(path, [ x ], y)
                close 1e-12 (eval y) (eval ((Onnx.Load path).Apply(x)[0]))
                Encoding.Latin1.GetString(File.ReadAllBytes path)
            Assert.Contains("Det", saved (det x))
            Assert.Contains("TopK", saved (sort 1 x))
            Assert.Contains("TopK", saved (fst (topK 2 0 x)))
            Assert.Contains("GatherElements", saved (sortDescending 0 x))
            Assert.Contains("ScatterElements", saved (grad (sum (sort 1 x * exp x)) x))
            Assert.Contains("DFT", saved (fft (complexOf x (sin x))))
            Assert.Contains("DFT", saved (ifft (complexOf x (sin x))))
            let last, ys =
                scanWith
                    (LoopOptions.Default.Reversed())
                    (fun s xs -> [ tanh (s[0] + xs[0]) ], [ s[0] * xs[0] ])
                    [ at 0 0 x ]
                    [ x ]
            Assert.Contains("Loop", saved (last.Head + sum ys.Head))
            Assert.Contains("Loop", saved (grad (sum last.Head * sum ys.Head) x))
            let count =
                whileLoop (fun s -> less (sum s[0]) 100.0) (fun s -> [ 2.0 * s[0] + 1.0 ]) [ x ]
            Assert.Contains("Loop", saved count.Head)
            let either =
                cond
                    (less (sum x) 0.0)
                    (fun xs -> [ exp xs[0]; sum xs[0] ])
                    (fun xs -> [ sin xs[0]; prod xs[0] ])
                    [ x ]
            Assert.Contains("If", saved (either[0] * either[1]))
            Assert.Contains("If", saved (grad (sum either[0]) x))
            // A loop in a branch in a loop, with integers and bools among the states.
            let nested =
                scan
                    (fun s xs ->
                        let n = s[1]
                        let even = equal (remainder n (Expr.op_Implicit 2L)) (Expr.op_Implicit 0L)
                        let inner =
                            cond
                                (logicalAnd even s[2])
                                (fun a -> forLoop 3 (fun i b -> [ 0.5 * b[0] + cast DType.Float64 i ]) a)
                                (fun a -> [ -a[0] ])
                                [ s[0] ]
                        [ inner[0] + xs[0]; n + Expr.op_Implicit 1L; logicalNot s[2] ], [ inner[0]; even ])
                    [ at 0 0 x; Expr.op_Implicit 0L; Expr.op_Implicit true ]
                    [ x ]
            let nested = fst nested @ snd nested
            Assert.Contains("If", saved (sum nested[0] + cast DType.Float64 nested[1] + sum nested[3]))
            saved (cast DType.Int32 nested[4]) |> ignore
            saved nested[2] |> ignore)

    [<Fact>]
    let ``gradients of gelu and of angles are saved`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = tensor "x" [ 7 ] [| -3.0; -1.0; -0.1; 0.0; 0.5; 2.0; 4.0 |]
            let y = tensor "y" [ 7 ] [| 1.0; -2.0; 0.0; 0.0; infinity; -infinity; 1e-300 |]
            let check (z: Expr) =
                Onnx.Save(path, [ x; y ], z)
                close 1e-13 (eval z) (eval ((Onnx.Load path).Apply(x, y)[0]))
            check (grad (sum (gelu x)) x)
            check (grad (sum (square (grad (sum (gelu x)) x))) x)
            for angle in [ atan2 x y; atan2 y x; atan2 (-y) x; hypot x y; logaddexp x y ] do
                check angle
                check (grad (sum angle) x)
                check (grad (sum angle) y)
            for f in [ cbrt; exp2; erfc; sinc; truncate ] do
                check (f x)
            let log = variableOf "x" (eval (abs x + 0.1))
            for f in [ log2; log10 ] do
                Onnx.Save(path, [ log ], f log)
                close 1e-13 (eval (f log)) (eval ((Onnx.Load path).Apply(log)[0])))

    [<Fact>]
    let ``half precision is stored and rounded to, and computed with in float32`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = tensor "x" [ 5 ] [| 0.1f; 1f / 3f; 65504f; 1e-7f; 3.14159f |]
            for dtype in [ DType.Float16; DType.BFloat16 ] do
                let weights = variableOf "w" (eval (cast dtype x))
                // A weight, a constant, a rounding, and a move of what is rounded.
                for y in
                    [ x * cast DType.Float32 weights
                      x + cast DType.Float32 (constant (eval (cast dtype (2.0 * x))))
                      cast DType.Float32 (cast dtype (x / 3.0))
                      cast DType.Float32 (flip [ 0 ] (cast dtype x)) ] do
                    Onnx.Save(path, [ x ], y)
                    close 0.0 (eval y) (eval ((Onnx.Load path).Apply(x)[0]))
                // An output of half precision has the same numbers.
                Onnx.Save(path, [ x ], cast dtype x)
                let model = Onnx.Load path
                Assert.Equal(
                    (if dtype = DType.Float16 then "float16" else "bfloat16"),
                    model.Outputs[0].ElementType
                )
                close 0.0 (eval (cast DType.Float32 (cast dtype x))) (eval (model.Apply(x)[0]))
                // So has an input.
                let half = variableOf "h" (eval (cast dtype x))
                Onnx.Save(path, [ half ], 2.0 * cast DType.Float32 half)
                let wide = cast DType.Float32 half
                close 0.0 (eval (2.0 * wide)) (eval ((Onnx.Load path).Apply(wide)[0])))

    [<Fact>]
    let ``numbers drawn with a key of their own are saved as numbers`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = tensor "x" [ 3 ] [| 1.0; 2.0; 3.0 |]
            let noise =
                Rng.normal DType.Float64 [ 3 ] (Rng.foldIn (Expr.op_Implicit 4L) (Rng.key 7L))
            Onnx.Save(path, [ x ], x + noise)
            close 0.0 (eval (x + noise)) (eval ((Onnx.Load path).Apply(x)[0]))
            let key = input "key" [] DType.Int64
            let refused =
                Assert.Throws<NotSupportedException>(fun () ->
                    Onnx.Save(
                        path,
                        [ x; key ],
                        [ KeyValuePair("noisy", x + Rng.normal DType.Float64 [ 3 ] key) ]
                    ))
            Assert.Equal(
                "Onnx.Save: the operation random_normal draws numbers for what is an input; ONNX has generators of the runtime's own only: draw outside, and give the numbers (for the output 'noisy')",
                refused.Message
            ))

    let private withSeed (name: string) (n: ProtoWriter) =
        let number (name: string) (value: float32) =
            message (fun a ->
                a.Text(1, name)
                a.Float(2, value)
                a.Int64(20, 1L))
        n.Message(5, number "seed" 3.5f)
        match name with
        | "RandomUniform" -> n.Message(5, number "low" 2f)
        | "RandomNormal" -> n.Message(5, number "mean" 5f)
        | _ -> ()
        if name = "RandomUniform" || name = "RandomNormal" then
            n.Message(
                5,
                message (fun a ->
                    a.Text(1, "shape")
                    a.Int64(8, 50L)
                    a.Int64(8, 4L)
                    a.Int64(20, 7L))
            )

    [<Fact>]
    let ``random numbers of a model are those of its seed, without one it is refused`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let p = NDArray.Create(Array.init 200 (fun i -> float32 (i % 2)), Shape [| 50; 4 |])
            for name, low, high, mean in
                [ "RandomUniform", 1.0, 2.0, 1.5
                  "RandomUniformLike", 0.0, 1.0, 0.5
                  "RandomNormal", 0.0, 10.0, 5.0
                  "RandomNormalLike", -5.0, 5.0, 0.0
                  "Bernoulli", 0.0, 1.0, 0.5 ] do
                let write more =
                    let inputs =
                        if name = "RandomUniform" || name = "RandomNormal" then
                            []
                        else
                            [ "x" ]
                    write
                        path
                        15
                        [ node name inputs [ "r" ] more; plain "Add" [ "r"; "zero" ] "y" ]
                        []
                        [ value "x" 1 [ "50"; "4" ]; value "zero" 1 [] ]
                        [ value "y" 1 [ "50"; "4" ] ]
                write (withSeed name)
                let run () =
                    ((Onnx.Load path).Compile().Call(p, NDArray.Create([| 0f |], Shape.Scalar))[0])
                        .ToArray<float32>()
                let drawn = run ()
                Assert.Equal<float32[]>(drawn, run ())
                Assert.All(drawn, (fun v -> Assert.InRange(float v, low, high)))
                Assert.InRange(Array.average (Array.map float drawn), mean - 0.3, mean + 0.3)
                if name = "Bernoulli" then
                    Assert.Equal<float32[]>(p.ToArray<float32>(), drawn)
                else
                    Assert.Equal(200, Array.length (Array.distinct drawn))
                    write (fun n ->
                        withSeed name n
                        n.Message(
                            5,
                            message (fun a ->
                                a.Text(1, "dtype")
                                a.Int64(3, 8L)
                                a.Int64(20, 2L))
                        ))
                    Assert.Contains("numbers of string", refused path)
                write (fun n ->
                    if name.StartsWith "RandomUniform" || name.StartsWith "RandomNormal" then
                        if not (name.EndsWith "Like") then
                            n.Message(
                                5,
                                message (fun a ->
                                    a.Text(1, "shape")
                                    a.Int64(8, 50L)
                                    a.Int64(8, 4L)
                                    a.Int64(20, 7L))
                            ))
                Assert.Contains("it has no seed", refused path))

    [<Fact>]
    let ``bodies that are wrong are refused with the node and the reason`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let graphOf nodes inputs outputs =
                message (fun g ->
                    for n in nodes do
                        g.Message(1, n)
                    for i in inputs do
                        g.Message(11, i)
                    for o in outputs do
                        g.Message(12, o))
            let body name (g: ProtoWriter) (n: ProtoWriter) =
                n.Message(
                    5,
                    message (fun a ->
                        a.Text(1, name)
                        a.Message(6, g)
                        a.Int64(20, 5L))
                )
            let x, y = [ value "x" 1 [ "3" ] ], [ value "y" 1 [ "3" ] ]
            let refusal nodes =
                write path 17 nodes [ ints "n" [ 2L ] ] x y
                refused path
            let states = [ value "i" 7 []; value "c" 9 []; value "s" 1 [ "3" ] ]
            let loop g =
                node "Loop" [ "n"; ""; "x" ] [ "y" ] (body "body" g)
            let same = plain "Identity" [ "c" ] "c1"
            // A name of the graph around may be used and not be defined again; a state keeps its shape.
            let ok =
                graphOf [ same; plain "Add" [ "s"; "x" ] "s1" ] states [ value "c1" 9 []; value "s1" 1 [] ]
            write path 17 [ loop ok ] [ ints "n" [ 2L ] ] x y
            let v = NDArray.op_Implicit [| 1f; 2f; 3f |]
            Assert.Equal<float32[]>(
                [| 3f; 6f; 9f |],
                ((Onnx.Load path).Compile().Call(v)[0]).ToArray<float32>()
            )
            Assert.Contains(
                "'x' is defined twice",
                refusal
                    [ loop (
                          graphOf
                              [ same; plain "Neg" [ "s" ] "x" ]
                              states
                              [ value "c1" 9 []; value "x" 1 [] ]
                      ) ]
            )
            Assert.Contains(
                "'ghost' is not defined",
                refusal
                    [ loop (
                          graphOf
                              [ same; plain "Neg" [ "ghost" ] "s1" ]
                              states
                              [ value "c1" 9 []; value "s1" 1 [] ]
                      ) ]
            )
            Assert.Contains(
                "its body has 3 inputs; 2 are given",
                refusal [ node "Loop" [ "n"; "" ] [ "y" ] (body "body" ok) ]
            )
            let grows =
                graphOf
                    [ same; node "Concat" [ "s"; "s" ] [ "s1" ] (attribute "axis" 0L) ]
                    states
                    [ value "c1" 9 []; value "s1" 1 [] ]
            Assert.Contains("Loop of 'y': scan: part 0 of the state has shape (3)", refusal [ loop grows ])
            Assert.Contains(
                "attribute body: a graph was expected",
                refusal [ plain "Loop" [ "n"; ""; "x" ] "y" ]
            )
            // The number of iterations is a sum of inputs, and what they give is stacked.
            let stacks =
                graphOf
                    [ same; plain "Neg" [ "s" ] "s1"; plain "Neg" [ "s" ] "t" ]
                    states
                    [ value "c1" 9 []; value "s1" 1 []; value "t" 1 [] ]
            let counted =
                [ node "Cast" [ "k" ] [ "m" ] (attribute "to" 7L)
                  node "Loop" [ "m"; ""; "x" ] [ "y"; "z" ] (body "body" stacks) ]
            write path 17 counted [] (value "k" 1 [] :: x) y
            Assert.Contains("the number of its iterations depends on values", refused path)
            // As a loop with a condition where nothing is stacked.
            write
                path
                17
                [ counted[0]; node "Loop" [ "m"; ""; "x" ] [ "y" ] (body "body" ok) ]
                []
                (value "k" 1 [] :: x)
                y
            let k = NDArray.Create([| 4f |], Shape.Scalar)
            Assert.Equal<float32[]>(
                [| 5f; 10f; 15f |],
                ((Onnx.Load path).Compile().Call(k, v)[0]).ToArray<float32>()
            ))

    // ---- Numbers, as exact as the vocabulary has them ------------------------------------------------------------------

    /// One operation of two vectors, loaded from a file.
    let private loaded folder op more kind (inputs: NDArray list) : NDArray =
        let path = Path.Combine(folder, "m.onnx")
        let names = inputs |> List.mapi (fun i _ -> $"x{i}")
        let values =
            List.map2 (fun name (x: NDArray) -> value name kind [ string x.Length ]) names inputs
        write path 18 [ node op names [ "y" ] more ] [] values [ value "y" kind [ "n" ] ]
        ((Onnx.Load path).Compile().Call(Array.ofList inputs))[0]

    [<Fact>]
    let ``quotients and rests of integers are exact, and of a divisor 0 an error`` () =
        inFolder (fun folder ->
            let longs (values: int64 list) =
                NDArray.op_Implicit (Array.ofList values)
            let run op more x y =
                (loaded folder op more 7 [ longs x; longs y ]).ToArray<int64>() |> List.ofArray
            let big = 9007199254740993L
            Assert.Equal<int64 list>(
                [ big; -3L; -3L; Int64.MinValue ],
                run "Div" ignore [ big; -7L; 7L; Int64.MinValue ] [ 1L; 2L; -2L; -1L ]
            )
            let x, y = [ Int64.MaxValue; -7L; 7L; big ], [ 10L; 3L; -3L; 2L ]
            Assert.Equal<int64 list>([ 7L; 2L; -2L; 1L ], run "Mod" ignore x y)
            Assert.Equal<int64 list>([ 7L; -1L; 1L; 1L ], run "Mod" (attribute "fmod" 1L) x y)
            for op in [ "Div"; "Mod" ] do
                Assert.Throws<DivideByZeroException>(fun () -> run op ignore [ 7L ] [ 0L ] |> ignore)
                |> ignore
            // Saved and loaded again.
            let path = Path.Combine(folder, "m.onnx")
            let x, y = variableOf "x" (longs x), variableOf "y" (longs y)
            for word in [ (/); fmod; remainder ] do
                Onnx.Save(path, [ x; y ], word x y)
                Assert.Equal<int64[]>(
                    (eval (word x y)).ToArray<int64>(),
                    (eval ((Onnx.Load path).Apply(x, y)[0])).ToArray<int64>()
                ))

    [<Fact>]
    let ``rests, norms and tails of floats are those of the vocabulary`` () =
        inFolder (fun folder ->
            let floats (values: float list) =
                NDArray.op_Implicit (Array.ofList values)
            let is (expected: float list) (found: NDArray) = close 1e-15 (floats expected) found
            let rest x y =
                loaded folder "Mod" (attribute "fmod" 1L) 11 [ floats x; floats y ]
            let big = 1e300 % 1e-300
            rest [ 1e17; 5.0; 1e300; -5.3 ] [ 3.0; infinity; 1e-300; 0.1 ]
            |> is [ 1.0; 5.0; big; -5.3 % 0.1 ]
            let norm = loaded folder "ReduceL2" ignore 11 [ floats [ 3e200; 4e200 ] ]
            Assert.Equal(1.0, norm.Float 0 / 5e200, 1e-15)
            // Below −8.3 one and the error function leave nothing.
            let x = variable "x" -9.0
            let gelu' = loaded folder "Gelu" ignore 11 [ floats [ -9.0 ] ]
            Assert.Equal(1.0, gelu'.Float 0 / item (gelu x), 1e-15)
            Assert.NotEqual(0.0, item (gelu x)))

    [<Fact>]
    let ``what was loaded is saved again, running sums and gelu too`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = tensor "x" [ 2; 3 ] [| 1.0; -2.0; 3.0; 0.5; 5.0; -0.25 |]
            for reverse in [ false; true ] do
                for exclusive in [ false; true ] do
                    let sums = cumsumWith 1 reverse exclusive x
                    Onnx.Save(path, [ x ], sums)
                    let again = (Onnx.Load path).Apply(x)[0]
                    close 0.0 (eval sums) (eval again)
                    Onnx.Save(path, [ x ], again)
                    close 0.0 (eval sums) (eval ((Onnx.Load path).Apply(x)[0]))
            Onnx.Save(path, [ x ], gelu x)
            close 1e-15 (eval (gelu x)) (eval ((Onnx.Load path).Apply(x)[0])))

    [<Fact>]
    let ``a large offset does not blur what is normalised`` () =
        inFolder (fun folder ->
            let x = NDArray.op_Implicit [| 1e9 + 1.0; 1e9 + 2.0; 1e9 + 3.0 |]
            let one = NDArray.op_Implicit [| 1.0; 1.0; 1.0 |]
            let y = loaded folder "LayerNormalization" (attribute "axis" 0L) 11 [ x; one ]
            let scale = 1.0 / Math.Sqrt(2.0 / 3.0 + 1e-5)
            close 1e-15 (NDArray.op_Implicit [| -scale; 0.0; scale |]) y)

    [<Fact>]
    let ``a model that was loaded can be trained further`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = input "x" [ 2; 3 ] DType.Float32
            let w = tensor "w" [ 3; 4 ] (Array.init 12 (fun i -> float32 (i - 5) / 10f))
            let b = tensor "b" [ 4 ] [| 0.1f; 0.2f; 0.3f; 0.4f |]
            Onnx.Save(path, [ x ], tanh (matmul x w + b))
            let model = Onnx.Load path
            Assert.Equal<string list>([ "b"; "w" ], List.sort (List.ofSeq model.Parameters.Keys))
            let data = tensor "data" [ 2; 3 ] [| 1f; 2f; 3f; -1f; 0f; 1f |]
            let loss (y: Expr) = sum (square y)
            let mine, loaded = loss (tanh (matmul data w + b)), loss (model.Apply(data)[0])
            for name, own in [ "w", w; "b", b ] do
                close 1e-6 (eval (grad mine own)) (eval (grad loaded model.Parameters[name]))
            let before = item loaded
            assign model.Parameters["w"] (NDArray.Zeros(DType.Float32, w.Shape))
            Assert.NotEqual(before, item loaded))

    [<Fact>]
    let ``convolutions are saved as convolutions, the same graph as the same bytes`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let random = Random 4
            let array dims =
                let n = List.fold (*) 1 dims
                tensor $"t{n}" dims (Array.init n (fun _ -> random.NextSingle() - 0.5f))
            let x, kernel = array [ 2; 4; 7; 6 ], array [ 6; 2; 3; 2 ]
            let y =
                convWith [ 2; 1 ] (Padding.Each(struct (1, 0), struct (2, 1))) [ 1; 2 ] 2 kernel x
            Onnx.Save(path, [ x ], y)
            let bytes = File.ReadAllBytes path
            let text = Encoding.Latin1.GetString bytes
            Assert.Contains("Conv", text)
            Assert.DoesNotContain("Gather", text)
            Assert.DoesNotContain("Einsum", text)
            close 1e-6 (eval y) (eval ((Onnx.Load path).Apply(x)[0]))
            Onnx.Save(path, [ x ], y)
            Assert.Equal<byte[]>(bytes, File.ReadAllBytes path))

    [<Fact>]
    let ``what cannot be saved is named, and nothing is left`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let x = variable "x" 1.0
            let cube = scalarOp "cube" (fun v -> v * v * v) (fun v _ -> 3.0 * v * v)
            let custom =
                Assert.Throws<NotSupportedException>(fun () -> Onnx.Save(path, [ x ], cube x))
            Assert.Equal(
                "Onnx.Save: the operation 'cube' was supplied from outside; ONNX has no counterpart (for the output 'output')",
                custom.Message
            )
            let inner =
                Assert.Throws<ArgumentException>(fun () -> Onnx.Save(path, [ exp x ], x))
            Assert.Equal("Onnx.Save: an input is a variable, not the result of exp", inner.Message)
            let twice = Assert.Throws<ArgumentException>(fun () -> Onnx.Save(path, [ x; x ], x))
            Assert.Equal("Onnx.Save: the input 'x' is there twice", twice.Message)
            let free = input "free" [ 2 ] DType.Float64
            let noValue =
                Assert.Throws<InvalidOperationException>(fun () -> Onnx.Save(path, [ x ], free))
            Assert.Contains("\"free\"", noValue.Message)
            Assert.Empty(Directory.GetFileSystemEntries folder))

    [<Fact>]
    let ``a compiled function is saved as what it does with its arguments`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let f = new CompiledFunction(fun xs -> [| xs[0] * xs[1]; sum xs[0] |])
            let a = NDArray.op_Implicit [| 1.0; 2.0; 3.0 |]
            Onnx.Save(path, f, a, a)
            let model = Onnx.Load path
            Assert.Equal<string[]>([| "output0"; "output1" |], [| for o in model.Outputs -> o.Name |])
            let results = model.Compile().Call(a, a)
            close 0.0 (NDArray.op_Implicit [| 1.0; 4.0; 9.0 |]) results[0]
            close 0.0 (NDArray.op_Implicit 6.0) results[1])

    // ---- Models by others --------------------------------------------------------------------------------------------

    /// Models of one operation each, made with the package onnx 1.12, and what onnxruntime 1.30 computes with them.
    let private golden =
        lazy
            (use zip = new ZipArchive(resource "golden/onnx-operations.zip")
             let content (name: string) =
                 use stream = (nonNull (zip.GetEntry name)).Open()
                 use memory = new MemoryStream()
                 stream.CopyTo memory
                 memory.ToArray()
             let cases =
                 JsonSerializer.Deserialize<JsonElement[]>(content "cases.json") |> nonNull
             cases
             |> Array.map (fun case ->
                 let id = case.GetProperty("id").GetInt32()
                 case, content $"{id}.onnx"))

    let private arrayOf (e: JsonElement) : NDArray =
        let shape =
            Shape [| for d in e.GetProperty("dims").EnumerateArray() -> d.GetInt32() |]
        let numbers =
            [| for v in e.GetProperty("data").EnumerateArray() ->
                   if v.ValueKind = JsonValueKind.Number then
                       v.GetDouble()
                   else
                       match v.GetString() with
                       | "inf" -> infinity
                       | "-inf" -> -infinity
                       | _ -> nan |]
        match field "dtype" e with
        | "Float32" -> NDArray.Create(Array.map float32 numbers, shape)
        | "Float64" -> NDArray.Create(numbers, shape)
        | "Int32" -> NDArray.Create(Array.map int numbers, shape)
        | "Int64" -> NDArray.Create(Array.map int64 numbers, shape)
        | _ -> NDArray.Create(Array.map ((<>) 0.0) numbers, shape)

    [<Fact>]
    let ``models of each operation compute what onnxruntime computes`` () =
        inFolder (fun folder ->
            let seen = HashSet<string>()
            let problems =
                [ for case, bytes in golden.Value do
                      let path = Path.Combine(folder, "m.onnx")
                      File.WriteAllBytes(path, bytes)
                      let label = field "label" case
                      seen.Add(label.Substring(0, label.IndexOf '@')) |> ignore
                      try
                          let model = Onnx.Load path
                          let inputs =
                              [| for i in model.Inputs ->
                                     constant (arrayOf (case.GetProperty("inputs").GetProperty i.Name)) |]
                          let outputs = model.Apply inputs
                          for k in 0 .. outputs.Length - 1 do
                              let name = model.Outputs[k].Name
                              close
                                  2e-5
                                  (arrayOf (case.GetProperty("expected").GetProperty name))
                                  (eval outputs[k])
                      with e ->
                          $"{label}: {e.Message}" ]
            Assert.Empty problems
            let untested =
                Onnx.Operations |> Seq.filter (seen.Contains >> not) |> Seq.sort |> List.ofSeq
            // Runtimes draw other numbers; those are tested above.
            let drawn =
                untested |> List.filter (fun op -> op.StartsWith "Random" || op = "Bernoulli")
            Assert.Equal(5, drawn.Length)
            Assert.Equal<string list>([ "CastLike" ], List.except drawn untested))

    // ---- Damage ---------------------------------------------------------------------------------------------------

    let private small (path: string) =
        let x = input "x" [ 2; 3 ] DType.Float32
        let w = tensor "w" [ 3; 2 ] [| 1f; 2f; 3f; 4f; 5f; 6f |]
        Onnx.Save(path, [ x ], softmax -1 (relu (matmul x w)))
        File.ReadAllBytes path

    let private loads (path: string) (content: byte[]) =
        File.WriteAllBytes(path, content)
        try
            Onnx.Load path |> ignore
            true
        with :? DiffFormatException ->
            false

    [<Fact>]
    let ``no part of a model is taken for the whole, and a flipped bit is refused or another model`` () =
        inFolder (fun folder ->
            let path = Path.Combine(folder, "m.onnx")
            let whole = small path
            for length in 0 .. whole.Length - 1 do
                Assert.False(
                    loads path whole[.. length - 1],
                    $"the first {length} bytes of {whole.Length} were loaded"
                )
            Assert.True(loads path whole)
            for bit in 0 .. 8 * whole.Length - 1 do
                let flipped = Array.copy whole
                flipped[bit / 8] <- flipped[bit / 8] ^^^ (1uy <<< bit % 8)
                let before = GC.GetAllocatedBytesForCurrentThread()
                loads path flipped |> ignore
                let allocated = GC.GetAllocatedBytesForCurrentThread() - before
                Assert.True(
                    allocated < 4L * whole.LongLength + 16_000_000L,
                    $"{allocated} bytes, bit {bit} flipped"
                ))
