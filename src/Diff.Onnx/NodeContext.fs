namespace Diff

open System
open System.Collections.Generic

/// What loading a graph may still compute in advance, and which leaves hold values of the model.
[<Sealed>]
type internal FoldBudget(limits: FileLimits, isParameter: Expr -> bool) =
    let mutable left = limits.MaxFoldedElements

    member _.Limits = limits

    /// How many elements are looked at to compute a node.
    static member private Cost(node: Expr) : int64 =
        let work =
            match node.Op with
            | Op.Einsum spec ->
                Einsum.sizes spec node
                |> Seq.fold (fun n size -> min (n * int64 (max 1 size.Value)) (1L <<< 31)) 1L
            | Op.Reduce _
            | Op.ArgReduce _ -> int64 node.Args[0].Shape.Length
            // Graphs within are not run in advance: how much work they are is not seen here.
            | Op.Loop _
            | Op.Branch _ -> 1L <<< 40
            | _ -> 0L
        match node.Op with
        | Op.Literal _
        | Op.Variable _ -> 1L // there already
        | _ -> 1L + int64 node.Shape.Length + work

    /// The value of a graph of constants and parameters; None where something else is in it, or it is too large.
    member _.TryValue(e: Expr) : NDArray option =
        match e.Op with
        | Op.Literal value -> Some value
        | Op.Variable v when isParameter e -> Option.ofObj v.Value
        | _ ->
            let nodes = Graph.topological [ e ]
            let isGiven (node: Expr) =
                match node.Op with
                | Op.Variable _ -> isParameter node
                | _ -> true
            let cost = nodes |> Array.sumBy FoldBudget.Cost
            if not (Array.forall isGiven nodes) || cost > left then
                None
            else
                left <- left - cost
                Some((Reference.evaluate [| e |])[0])

/// A node of a model while it becomes an expression: its inputs, its attributes, and words for what is wrong with it.
[<Sealed>]
type internal NodeContext
    (
        path: string,
        opset: int,
        node: OnnxNode,
        inputs: Expr voption[],
        budget: FoldBudget,
        within: OnnxGraph -> Expr[] -> Expr[]
    ) =
    let used = HashSet<string>(StringComparer.Ordinal)

    let name =
        if node.Label = "" then
            $"{FileText.plain node.OpType} of {FileText.quote (Seq.append node.Outputs [ String.Empty ] |> Seq.head)}"
        else
            $"{FileText.plain node.OpType} {FileText.quote node.Label}"

    member _.Opset = opset
    member _.Limits = budget.Limits
    member _.OpType = node.OpType
    member _.Name = name
    /// How many inputs are named, the last of those that are there being the last.
    member _.Count =
        match Array.tryFindIndexBack (fun (i: Expr voption) -> i.IsSome) inputs with
        | Some last -> last + 1
        | None -> 0
    /// How many outputs the node names.
    member _.OutputCount = node.Outputs.Length
    /// Whether somebody may use an output.
    member _.Wants(output: int) =
        output < node.Outputs.Length && node.Outputs[output] <> ""

    member _.Fail(text: string) : 'T =
        FileText.fail path $"node {name}: {text}"

    member this.TryInput(i: int) : Expr voption =
        if i < inputs.Length then inputs[i] else ValueNone

    member this.Input(i: int) : Expr =
        match this.TryInput i with
        | ValueSome e -> e
        | ValueNone -> this.Fail $"input {i} is missing"

    member this.Inputs: Expr list = List.init this.Count this.Input

    /// The value of an input, where it is known before anything runs.
    member this.TryKnown(i: int) : NDArray voption =
        match this.TryInput i with
        | ValueNone -> ValueNone
        | ValueSome e ->
            match budget.TryValue e with
            | Some value when value.Length = 1 -> ValueSome value
            | _ -> ValueNone

    /// The value of an input that must be known before anything runs: a shape, an axis.
    member this.Known(i: int) : NDArray =
        match budget.TryValue(this.Input i) with
        | Some value -> value
        | None ->
            this.Fail
                $"input {i} must be computed from constants and shapes, of at most {budget.Limits.MaxFoldedElements} elements in all"

    member this.KnownInts(i: int) : int64[] =
        let value = this.Known i
        Array.init value.Length (fun k ->
            if value.DType = DType.Int64 then
                value.Span<int64>()[k]
            else
                int64 (value.Float k))

    member private this.TryAttribute(name: string) : OnnxAttribute voption =
        used.Add name |> ignore
        match node.Attributes.TryGetValue name with
        | true, value -> ValueSome value
        | _ -> ValueNone

    member private this.Wrong(name: string, expected: string) : 'T =
        this.Fail $"attribute {name}: {expected} was expected"

    /// Whether an attribute is there.
    member _.Has(name: string) = node.Attributes.ContainsKey name

    member this.Int(name: string, absent: int64) : int64 =
        match this.TryAttribute name with
        | ValueNone -> absent
        | ValueSome(OnnxAttribute.Int value) -> value
        | _ -> this.Wrong(name, "an integer")

    member this.Flag(name: string, absent: bool) : bool =
        this.Int(name, (if absent then 1L else 0L)) <> 0L

    member this.Ints(name: string) : int64[] voption =
        match this.TryAttribute name with
        | ValueNone -> ValueNone
        | ValueSome(OnnxAttribute.Ints value) -> ValueSome value
        | _ -> this.Wrong(name, "a list of integers")

    member this.Float(name: string, absent: float) : float =
        match this.TryAttribute name with
        | ValueNone -> absent
        | ValueSome(OnnxAttribute.Float value) ->
            // the decimal number that was meant: 0.01f is not 0.01
            Double.Parse(
                value.ToString("R", Globalization.CultureInfo.InvariantCulture),
                Globalization.CultureInfo.InvariantCulture
            )
        | _ -> this.Wrong(name, "a number")

    member this.Floats(name: string) : float[] voption =
        match this.TryAttribute name with
        | ValueNone -> ValueNone
        | ValueSome(OnnxAttribute.Floats value) -> ValueSome(Array.map float value)
        | _ -> this.Wrong(name, "a list of numbers")

    member this.Text(name: string, absent: string) : string =
        match this.TryAttribute name with
        | ValueNone -> absent
        | ValueSome(OnnxAttribute.Text value) -> value
        | _ -> this.Wrong(name, "a text")

    member this.Texts(name: string) : string[] voption =
        match this.TryAttribute name with
        | ValueNone -> ValueNone
        | ValueSome(OnnxAttribute.Texts value) -> ValueSome value
        | _ -> this.Wrong(name, "a list of texts")

    member this.Tensor(name: string) : NDArray voption =
        match this.TryAttribute name with
        | ValueNone -> ValueNone
        | ValueSome(OnnxAttribute.Tensor value) -> ValueSome(TensorData.load path budget.Limits value)
        | _ -> this.Wrong(name, "a tensor")

    member this.Graph(name: string) : OnnxGraph =
        match this.TryAttribute name with
        | ValueSome(OnnxAttribute.Graph value) -> value
        | _ -> this.Wrong(name, "a graph")

    /// The results of a graph within the node, which may use what the graph around it has.
    member _.Run(graph: OnnxGraph, inputs: Expr[]) : Expr[] = within graph inputs

    /// An attribute that only says what is done anyway, or what nobody asks for here.
    member _.Ignore(name: string) : unit = used.Add name |> ignore

    /// Fails where an attribute was not looked at: it might change the meaning.
    member this.CheckAttributes() : unit =
        for name in node.Attributes.Keys do
            if not (used.Contains name) then
                this.Fail
                    $"attribute {FileText.quote name} is not supported for this operation in opset {opset}"

    /// An axis counted from 0.
    member this.Axis(axis: int64, rank: int) : int =
        if axis < int64 -rank || axis >= int64 rank then
            this.Fail $"axis {axis} is outside rank {rank}"
        int (if axis < 0L then axis + int64 rank else axis)

    /// A number that must fit an int, for extents and steps.
    member this.Small(what: string, value: int64) : int =
        if value < int64 Int32.MinValue || value > int64 Int32.MaxValue then
            this.Fail $"{what} {value} is too large"
        int value

    /// Several axes, counted from 0 and sorted, from an attribute or, from some opset on, from an input; none means all.
    member this.Axes(input: int, fromOpset: int, rank: int) : int[] voption =
        let given =
            if opset >= fromOpset then
                match this.TryInput input with
                | ValueSome _ -> ValueSome(this.KnownInts input)
                | ValueNone -> ValueNone
            else
                this.Ints "axes"
        match given with
        | ValueNone -> ValueNone
        | ValueSome axes ->
            let axes = axes |> Array.map (fun axis -> this.Axis(axis, rank)) |> Array.sort
            if Array.length (Array.distinct axes) <> axes.Length then
                this.Fail "an axis is named twice"
            ValueSome axes

/// How an operation of ONNX becomes expressions, one for each output that is there.
type internal NodeImport = NodeContext -> Expr list
