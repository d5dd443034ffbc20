namespace Diff

open System
open System.Collections.Generic
open System.IO

/// A value of a model that is being written.
[<NoEquality; NoComparison>]
type internal Written =
    {
        Name: string
        /// Extents; −1 where a runtime finds one out.
        Dims: int[]
        DType: DType
    }

/// An attribute of a node that is being written.
[<RequireQualifiedAccess; NoEquality; NoComparison>]
type internal Setting =
    | Int of string * int64
    | Ints of string * int64[]
    | Text of string * string
    | Graph of string * ProtoWriter

/// What all graphs of a model have together: names, and tensors, which lie in the outermost graph.
[<Sealed>]
type internal ModelStore() =
    member val Tensors = List<ProtoWriter>()
    member val Names = HashSet<string>(StringComparer.Ordinal)
    member val Lists = Dictionary<string, string>(StringComparer.Ordinal)
    member val Bytes = 0L with get, set

/// Collects nodes and tensors of a graph, and gives them names of their own. The members that make values know their shapes.
[<Sealed>]
type internal ModelWriter(store: ModelStore) =
    let nodes = List<ProtoWriter>()
    let tensors, names, lists = store.Tensors, store.Names, store.Lists

    let fresh (hint: string) =
        let hint = if hint = "" then "value" else hint
        if names.Add hint then
            hint
        else
            Seq.initInfinite (fun k -> $"{hint}_{k + 1}") |> Seq.find names.Add

    let setting (s: Setting) =
        let writer = ProtoWriter()
        match s with
        | Setting.Int(name, value) ->
            writer.Text(1, name)
            writer.Int64(3, value)
            writer.Int64(20, 2L)
        | Setting.Ints(name, values) ->
            writer.Text(1, name)
            for value in values do
                writer.Int64(8, value)
            writer.Int64(20, 7L)
        | Setting.Text(name, value) ->
            writer.Text(1, name)
            writer.Text(4, value)
            writer.Int64(20, 3L)
        | Setting.Graph(name, value) ->
            writer.Text(1, name)
            writer.Message(6, value)
            writer.Int64(20, 5L)
        writer

    let most = 2_000_000_000L

    new() = ModelWriter(ModelStore())

    /// A graph within this one: it may use values of this one by their names.
    member _.Inner() = ModelWriter store

    /// A name that is not taken, like the given one; it is taken then.
    member _.Fresh(hint: string) : string = fresh hint

    member _.Tensor(hint: string, value: NDArray) : Written =
        let name = fresh hint
        store.Bytes <- store.Bytes + int64 value.Length * int64 (DType.size value.DType)
        if store.Bytes > most then
            raise (
                ArgumentException
                    $"Onnx.Save: the tensors take more than {most} bytes; a protobuf file has no room for them"
            )
        let writer = ProtoWriter()
        for d in value.Shape.Dims do
            writer.Int64(1, int64 d)
        writer.Int64(2, int64 (OnnxType.ofDType value.DType))
        writer.Text(8, name)
        use stream = new MemoryStream()
        ElementStream.writeArray stream false value
        writer.Bytes(9, ReadOnlySpan(stream.GetBuffer(), 0, int stream.Length))
        tensors.Add writer
        { Name = name
          Dims = value.Shape.Dims
          DType = value.DType }

    /// A list of integers as a tensor; equal lists are one.
    member this.List(values: int64[]) : string =
        let text = String.Join(",", values)
        match lists.TryGetValue text with
        | true, name -> name
        | _ ->
            let name = (this.Tensor("ints", NDArray.op_Implicit values)).Name
            lists[text] <- name
            name

    member this.Scalar(value: Scalar) : Written =
        this.Tensor("number", NDArray.Full(value, Shape.Scalar))

    member this.Number(dtype: DType, value: float) : Written = this.Scalar(Scalar.ofFloat dtype value)

    /// A node with one result of the given shape and element type.
    member this.Node
        (op: string, inputs: string list, settings: Setting list, dims: int[], dtype: DType)
        : Written =
        this.Named(fresh (op.ToLowerInvariant()), op, inputs, settings, dims, dtype)

    /// A node with several results, each of the given shape and element type.
    member this.Nodes
        (op: string, inputs: string list, settings: Setting list, results: (int[] * DType)[])
        : Written[] =
        let written =
            results
            |> Array.map (fun (dims, dtype) ->
                { Name = fresh (op.ToLowerInvariant())
                  Dims = dims
                  DType = dtype })
        this.Add(written, op, inputs, settings)
        written

    /// The value under a name of its own that `Fresh` gave.
    member this.Output(name: string, v: Written) : Written =
        this.Named(name, "Identity", [ v.Name ], [], v.Dims, v.DType)

    member private this.Named
        (name: string, op: string, inputs: string list, settings: Setting list, dims: int[], dtype: DType)
        : Written =
        let written =
            { Name = name
              Dims = dims
              DType = dtype }
        this.Add([| written |], op, inputs, settings)
        written

    member private _.Add(results: Written[], op: string, inputs: string list, settings: Setting list) : unit =
        let writer = ProtoWriter()
        for input in inputs do
            writer.Text(1, input)
        for result in results do
            writer.Text(2, result.Name)
        // A node without results has no name.
        for result in Seq.truncate 1 results do
            writer.Text(3, result.Name)
        writer.Text(4, op)
        for s in settings do
            writer.Message(5, setting s)
        nodes.Add writer

    /// A node with operands of equal shapes, or numbers, and a result like the given one.
    member this.Map(op: string, operands: Written list, like: Written) : Written =
        this.Node(op, operands |> List.map _.Name, [], like.Dims, like.DType)

    member this.Reshape(v: Written, dims: int[]) : Written =
        if v.Dims = dims then
            v
        else
            let shape = this.List(Array.map int64 dims)
            let settings =
                if Array.contains 0 dims then
                    [ Setting.Int("allowzero", 1L) ]
                else
                    []
            this.Node("Reshape", [ v.Name; shape ], settings, dims, v.DType)

    member this.Transpose(v: Written, order: int[]) : Written =
        if order = Array.init order.Length id then
            v
        else
            let dims = order |> Array.map (fun i -> v.Dims[i])
            this.Node("Transpose", [ v.Name ], [ Setting.Ints("perm", Array.map int64 order) ], dims, v.DType)

    member this.Expand(v: Written, dims: int[]) : Written =
        if v.Dims = dims then
            v
        elif Array.contains 0 dims then
            this.Tensor("empty", NDArray.Zeros(v.DType, Shape dims)) // runtimes take 0 for 1 here
        else
            this.Node("Expand", [ v.Name; this.List(Array.map int64 dims) ], [], dims, v.DType)

    /// Zeros before and after along each axis.
    member this.Pad(v: Written, before: int[], after: int[]) : Written =
        if Array.forall ((=) 0) before && Array.forall ((=) 0) after then
            v
        else
            let pads = Array.append before after |> Array.map int64
            let dims = Array.map3 (fun b d a -> b + d + a) before v.Dims after
            this.Node("Pad", [ v.Name; this.List pads ], [], dims, v.DType)

    /// The elements at starts[k] + steps[k]·i.
    member this.Slice(v: Written, starts: int[], steps: int[], dims: int[]) : Written =
        let axes =
            [| for k in 0 .. dims.Length - 1 do
                   if dims[k] <> v.Dims[k] || steps[k] <> 1 then
                       k |]
        if axes.Length = 0 then
            v
        else
            let pick (f: int -> int64) = this.List(Array.map f axes)
            let stop k =
                let last = int64 starts[k] + int64 steps[k] * int64 (dims[k] - 1)
                if dims[k] = 0 then int64 starts[k]
                elif steps[k] > 0 then last + 1L
                elif last = 0L then Int64.MinValue + 1L // before the first: there is no such number
                else last - 1L
            let inputs =
                [ v.Name
                  pick (fun k -> int64 starts[k])
                  pick stop
                  pick int64
                  pick (fun k -> if dims[k] = 0 then 1L else int64 steps[k]) ]
            this.Node("Slice", inputs, [], dims, v.DType)

    member private _.ValueInfo(v: Written) =
        let shape = ProtoWriter()
        for d in v.Dims do
            let axis = ProtoWriter()
            if d >= 0 then
                axis.Int64(1, int64 d)
            shape.Message(1, axis)
        let tensor, kind, info = ProtoWriter(), ProtoWriter(), ProtoWriter()
        tensor.Int64(1, int64 (OnnxType.ofDType v.DType))
        tensor.Message(2, shape)
        kind.Message(1, tensor)
        info.Text(1, v.Name)
        info.Message(2, kind)
        info

    /// The nodes as a graph. Only the outermost one has tensors.
    member this.Graph
        (name: string, inputs: Written seq, outputs: Written seq, isOutermost: bool)
        : ProtoWriter =
        let graph = ProtoWriter()
        for node in nodes do
            graph.Message(1, node)
        graph.Text(2, name)
        if isOutermost then
            for tensor in tensors do
                graph.Message(5, tensor)
        for input in inputs do
            graph.Message(11, this.ValueInfo input)
        for output in outputs do
            graph.Message(12, this.ValueInfo output)
        graph

    /// The model, format 8 and opset 17. What a reader cannot do without comes last, so that no part of a file passes for the whole.
    member this.Write(stream: Stream, inputs: Written list, outputs: Written list) : unit =
        let graph = this.Graph("graph", inputs, outputs, true)
        let model, opset = ProtoWriter(), ProtoWriter()
        model.Int64(1, 8L)
        model.Text(2, "Diff")
        model.Message(7, graph)
        opset.Text(1, "")
        opset.Int64(2, 17L)
        model.Message(8, opset)
        model.WriteTo stream
