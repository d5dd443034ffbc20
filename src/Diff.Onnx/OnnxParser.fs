namespace Diff

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.Globalization
open System.Text

/// From protocol buffers to the messages of ONNX. Recursion goes as deep as messages are nested, which `FileLimits.MaxDepth` bounds.
[<RequireQualifiedAccess>]
module internal OnnxParser =
    let private pair (reader: ProtoReader) =
        let mutable key, value = "", ""
        while reader.Next() do
            match reader.Field with
            | 1 -> key <- reader.Text()
            | 2 -> value <- reader.Text()
            | _ -> reader.Skip()
        key, value

    let private floatsOf (bytes: ReadOnlyMemory<byte>) =
        Array.init (bytes.Length / 4) (fun i ->
            BinaryPrimitives.ReadSingleLittleEndian(bytes.Span.Slice(4 * i, 4)))

    let private wordsOf (size: int) (bytes: ReadOnlyMemory<byte>) =
        Array.init (bytes.Length / size) (fun i ->
            let word = bytes.Span.Slice(size * i, size)
            if size = 4 then
                int64 (BinaryPrimitives.ReadUInt32LittleEndian word)
            else
                BinaryPrimitives.ReadInt64LittleEndian word)

    let private tensor (limits: FileLimits) depth (reader: ProtoReader) : OnnxTensor =
        let dims, external = List<int64>(), List<string * string>()
        let mutable name, kind, isExternal = "", 0, false
        let mutable raw = ValueNone
        let typed = SortedDictionary<int, List<int64>>()
        let values field =
            match typed.TryGetValue field with
            | true, list -> list
            | _ ->
                let list = List<int64>()
                typed[field] <- list
                list
        while reader.Next() do
            match reader.Field with
            | 1 -> reader.Varints(fun d -> dims.Add d)
            | 2 -> kind <- reader.Int32()
            | 4 -> reader.Fixed(4, (fun bytes -> (values 4).AddRange(wordsOf 4 bytes)))
            | 5
            | 7
            | 11 ->
                let list = values reader.Field
                reader.Varints(fun v -> list.Add v)
            | 8 -> name <- reader.Text()
            | 9 -> raw <- ValueSome(reader.Bytes())
            | 10 -> reader.Fixed(8, (fun bytes -> (values 10).AddRange(wordsOf 8 bytes)))
            | 13 -> external.Add(pair (reader.Message(depth + 1, limits.MaxDepth)))
            | 14 -> isExternal <- reader.Int32() = 1
            | _ -> reader.Skip()
        { Name = name
          Dims = dims.ToArray()
          Type = kind
          Raw = raw
          Typed = [ for entry in typed -> struct (entry.Key, entry.Value.ToArray()) ]
          External = List.ofSeq external
          IsExternal = isExternal }

    let private axis (reader: ProtoReader) =
        let mutable result = "?"
        while reader.Next() do
            match reader.Field with
            | 1 -> result <- reader.Int64().ToString CultureInfo.InvariantCulture
            | 2 -> result <- reader.Text()
            | _ -> reader.Skip()
        result

    let private value (limits: FileLimits) depth (reader: ProtoReader) : OnnxValue =
        let inside depth (reader: ProtoReader) = reader.Message(depth, limits.MaxDepth)
        let mutable name, kind = "", 0
        let mutable axes: string[] | null = null
        while reader.Next() do
            match reader.Field with
            | 1 -> name <- reader.Text()
            | 2 ->
                let ofType = inside (depth + 1) reader
                while ofType.Next() do
                    if ofType.Field = 1 then
                        let ofTensor = inside (depth + 2) ofType
                        while ofTensor.Next() do
                            match ofTensor.Field with
                            | 1 -> kind <- ofTensor.Int32()
                            | 2 ->
                                let shape = inside (depth + 3) ofTensor
                                let found = List<string>()
                                while shape.Next() do
                                    if shape.Field = 1 then
                                        found.Add(axis (inside (depth + 4) shape))
                                    else
                                        shape.Skip()
                                axes <- found.ToArray()
                            | _ -> ofTensor.Skip()
                    else
                        ofType.Skip()
            | _ -> reader.Skip()
        { Name = name
          Type = kind
          Axes = axes }

    let rec private attribute
        path
        (limits: FileLimits)
        depth
        (reader: ProtoReader)
        : struct (string * OnnxAttribute) =
        let mutable name, kind = "", 0
        let mutable single = ValueNone
        let floats, ints, texts = List<float32>(), List<int64>(), List<string>()
        let text (bytes: ReadOnlyMemory<byte>) = Encoding.UTF8.GetString bytes.Span
        while reader.Next() do
            match reader.Field with
            | 1 -> name <- reader.Text()
            | 2 -> single <- ValueSome(OnnxAttribute.Float(reader.Float()))
            | 3 -> single <- ValueSome(OnnxAttribute.Int(reader.Int64()))
            | 4 -> single <- ValueSome(OnnxAttribute.Text(text (reader.Bytes())))
            | 5 ->
                let inner = reader.Message(depth + 1, limits.MaxDepth)
                single <- ValueSome(OnnxAttribute.Tensor(tensor limits (depth + 1) inner))
            | 6 ->
                let inner = reader.Message(depth + 1, limits.MaxDepth)
                single <- ValueSome(OnnxAttribute.Graph(graph path limits (depth + 1) inner))
            | 11 ->
                // Read for its faults; no operation here takes several graphs.
                graph path limits (depth + 1) (reader.Message(depth + 1, limits.MaxDepth))
                |> ignore
                single <- ValueSome(OnnxAttribute.Other "several graphs")
            | 7 -> reader.Fixed(4, (fun bytes -> floats.AddRange(floatsOf bytes)))
            | 8 -> reader.Varints(fun v -> ints.Add v)
            | 9 -> texts.Add(text (reader.Bytes()))
            | 20 -> kind <- reader.Int32()
            | 21 -> single <- ValueSome(OnnxAttribute.Other "a reference to a function's attribute")
            | 10
            | 14
            | 15
            | 22
            | 23 ->
                reader.Skip()
                single <- ValueSome(OnnxAttribute.Other "a list of tensors, a sparse tensor or a type")
            | _ -> reader.Skip()
        let found =
            if kind = 6 || floats.Count > 0 then
                OnnxAttribute.Floats(floats.ToArray())
            elif kind = 7 || ints.Count > 0 then
                OnnxAttribute.Ints(ints.ToArray())
            elif kind = 8 || texts.Count > 0 then
                OnnxAttribute.Texts(texts.ToArray())
            else
                match single, kind with
                | ValueSome value, _ -> value
                // What is 0 or empty may be left out.
                | ValueNone, 1 -> OnnxAttribute.Float 0.0f
                | ValueNone, 2 -> OnnxAttribute.Int 0L
                | ValueNone, 3 -> OnnxAttribute.Text ""
                | ValueNone, _ -> OnnxAttribute.Other "nothing"
        struct (name, found)

    and private node path (limits: FileLimits) depth (reader: ProtoReader) : OnnxNode =
        let inputs, outputs = List<string>(), List<string>()
        let attributes = Dictionary<string, OnnxAttribute>(StringComparer.Ordinal)
        let mutable label, op, domain = "", "", ""
        while reader.Next() do
            match reader.Field with
            | 1 -> inputs.Add(reader.Text())
            | 2 -> outputs.Add(reader.Text())
            | 3 -> label <- reader.Text()
            | 4 -> op <- reader.Text()
            | 5 ->
                let inner = reader.Message(depth + 1, limits.MaxDepth)
                let struct (name, value) = attribute path limits (depth + 1) inner
                if not (attributes.TryAdd(name, value)) then
                    FileText.fail
                        path
                        $"node {FileText.quote label}: duplicate attribute {FileText.quote name}"
            | 7 -> domain <- reader.Text()
            | _ -> reader.Skip()
        { Label = label
          OpType = op
          Domain = domain
          Inputs = inputs.ToArray()
          Outputs = outputs.ToArray()
          Attributes = attributes }

    and private graph path (limits: FileLimits) depth (reader: ProtoReader) : OnnxGraph =
        let nodes, tensors = List<OnnxNode>(), List<OnnxTensor>()
        let inputs, outputs = List<OnnxValue>(), List<OnnxValue>()
        let inside () =
            reader.Message(depth + 1, limits.MaxDepth)
        while reader.Next() do
            match reader.Field with
            | 1 ->
                if nodes.Count = limits.MaxNodes then
                    FileText.fail
                        path
                        $"the graph has more than {limits.MaxNodes} nodes; at most {limits.MaxNodes} are allowed"
                nodes.Add(node path limits (depth + 1) (inside ()))
            | 5 ->
                if tensors.Count = limits.MaxTensors then
                    FileText.fail
                        path
                        $"the graph has more than {limits.MaxTensors} tensors; at most {limits.MaxTensors} are allowed"
                tensors.Add(tensor limits (depth + 1) (inside ()))
            | 11 -> inputs.Add(value limits (depth + 1) (inside ()))
            | 12 -> outputs.Add(value limits (depth + 1) (inside ()))
            | 15 -> FileText.fail path "the graph has sparse initializers, which cannot be loaded"
            | _ -> reader.Skip()
        { Nodes = nodes.ToArray()
          Initializers = tensors.ToArray()
          Inputs = inputs.ToArray()
          Outputs = outputs.ToArray() }

    /// The versions of the format and of the operations that can be loaded.
    let private firstIr, lastIr, firstOpset, lastOpset = 3L, 12L, 7L, 22L

    let private opset (reader: ProtoReader) =
        let mutable domain, version = "", 0L
        while reader.Next() do
            match reader.Field with
            | 1 -> domain <- reader.Text()
            | 2 -> version <- reader.Int64()
            | _ -> reader.Skip()
        struct (domain, version)

    let isStandard (domain: string) = domain = "" || domain = "ai.onnx"

    /// The model in a file's bytes.
    let parse (path: string) (limits: FileLimits) (bytes: byte[]) : OnnxFile =
        let reader = ProtoReader(path, bytes, 0, bytes.Length)
        let mutable ir, version = ValueNone, ValueNone
        let mutable found = ValueNone
        while reader.Next() do
            match reader.Field with
            | 1 -> ir <- ValueSome(reader.Int64())
            | 7 ->
                if found.IsSome then
                    FileText.fail path "the model has two graphs"
                found <- ValueSome(graph path limits 1 (reader.Message(1, limits.MaxDepth)))
            | 8 ->
                let struct (domain, number) = opset (reader.Message(1, limits.MaxDepth))
                if isStandard domain then
                    version <- ValueSome number
            | 25 -> FileText.fail path "the model has functions of its own, which cannot be loaded"
            | _ -> reader.Skip()
        match found, ir, version with
        | ValueNone, _, _ ->
            FileText.fail path "protobuf: the model has no graph: the file is empty or no ONNX model"
        | _, ValueNone, _ -> FileText.fail path "protobuf: the model has no ir_version"
        | _, ValueSome ir, _ when ir < firstIr || ir > lastIr ->
            FileText.fail path $"the model has ir_version {ir}; {firstIr} to {lastIr} can be loaded"
        | _, _, ValueNone ->
            FileText.fail path "protobuf: the model has no opset_import of the standard operations"
        | _, _, ValueSome opset when opset < firstOpset || opset > lastOpset ->
            FileText.fail path $"the model has opset {opset}; {firstOpset} to {lastOpset} can be loaded"
        | ValueSome graph, _, ValueSome opset -> { Opset = int opset; Graph = graph }
