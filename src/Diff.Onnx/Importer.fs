namespace Diff

open System
open System.Collections.Generic

/// From a model's graph to expressions.
[<RequireQualifiedAccess>]
module internal Importer =
    let private imports: IReadOnlyDictionary<string, NodeImport> =
        [ Pointwise.table
          Reducing.table
          Moving.table
          Indexing.table
          Windows.table
          Normalizing.table
          Recurrent.table
          ControlFlowImport.table
          Drawing.table ]
        |> List.concat
        |> dict
        |> Dictionary
        :> _

    /// The operations that can be loaded.
    let operations = imports.Keys |> Seq.sort |> Array.ofSeq

    let private describe (node: OnnxNode) =
        if node.Label = "" then
            FileText.quote node.OpType
        else
            $"{FileText.quote node.Label} ({FileText.plain node.OpType})"

    /// Every name is defined once and before it is used, and every operation is known. A graph within a node may use the names around it,
    /// and not define them again. Recursion goes as deep as messages are nested, which `FileLimits.MaxDepth` bounds.
    let rec private checkWithin (path: string) (around: string -> bool) (graph: OnnxGraph) : unit =
        let known = HashSet<string>(StringComparer.Ordinal)
        let made = HashSet<string>(StringComparer.Ordinal)
        let initial = HashSet<string>(StringComparer.Ordinal)
        let isKnown name = known.Contains name || around name
        for tensor in graph.Initializers do
            if not (initial.Add tensor.Name) || around tensor.Name then
                FileText.fail path $"tensor {FileText.quote tensor.Name}: duplicate name"
            known.Add tensor.Name |> ignore
        for input in graph.Inputs do
            if
                around input.Name
                || not (known.Add input.Name) && not (initial.Contains input.Name)
            then
                FileText.fail path $"input {FileText.quote input.Name}: duplicate name"
        for node in graph.Nodes do
            for output in node.Outputs do
                made.Add output |> ignore
        for node in graph.Nodes do
            if not (OnnxParser.isStandard node.Domain) then
                FileText.fail
                    path
                    $"node {describe node}: operations of domain {FileText.quote node.Domain} are unknown"
            if not (imports.ContainsKey node.OpType) then
                FileText.fail
                    path
                    $"node {describe node}: the operation {FileText.quote node.OpType} cannot be loaded"
            for attribute in node.Attributes.Values do
                match attribute with
                | OnnxAttribute.Graph inner -> checkWithin path isKnown inner
                | _ -> ()
            for input in node.Inputs do
                if input <> "" && not (isKnown input) then
                    let name = FileText.quote input
                    if made.Contains input then
                        FileText.fail
                            path
                            $"node {describe node}: {name} is made later: a cycle, or nodes that are not in their order"
                    else
                        FileText.fail path $"node {describe node}: {name} is not defined"
            for output in node.Outputs do
                if output <> "" && (around output || not (known.Add output)) then
                    FileText.fail path $"node {describe node}: {FileText.quote output} is defined twice"
        if graph.Outputs.Length = 0 then
            FileText.fail path "the graph has no outputs"
        for output in graph.Outputs do
            if not (isKnown output.Name) then
                FileText.fail path $"output {FileText.quote output.Name} is not defined"

    let check (path: string) (graph: OnnxGraph) : unit = checkWithin path (fun _ -> false) graph

    let private isConstant (e: Expr) =
        match e.Op with
        | Op.Literal _ -> true
        | Op.Const _ -> true
        | _ -> false

    /// Small results of constants are constants too: shapes are computed so.
    let private foldedSize = 4096

    let private folded (budget: FoldBudget) (inputs: Expr voption[]) (result: Expr) =
        let areConstant = inputs |> Array.forall (fun i -> i.IsNone || isConstant i.Value)
        if areConstant && not (isConstant result) && result.Shape.Length <= foldedSize then
            match budget.TryValue result with
            | Some value -> Leaf.literal value
            | None -> result
        else
            result

    /// The outputs of a graph, given values by their names, to which those that it computes are added; others are around it.
    let rec private runGraph
        (path: string)
        (opset: int)
        (limits: FileLimits)
        (budget: FoldBudget)
        (graph: OnnxGraph)
        (around: string -> Expr)
        (values: Dictionary<string, Expr>)
        : Expr[] =
        let find name =
            match values.TryGetValue name with
            | true, value -> value
            | _ -> around name
        /// A graph within a node: its own tensors are constants.
        let within (inner: OnnxGraph) (inputs: Expr[]) =
            let known = Dictionary<string, Expr>(StringComparer.Ordinal)
            for tensor in inner.Initializers do
                known[tensor.Name] <- Leaf.literal (TensorData.load path limits tensor)
            Array.iter2 (fun (input: OnnxValue) value -> known[input.Name] <- value) inner.Inputs inputs
            runGraph path opset limits budget inner find known
        for node in graph.Nodes do
            let args =
                node.Inputs
                |> Array.map (fun name -> if name = "" then ValueNone else ValueSome(find name))
            let context = NodeContext(path, opset, node, args, budget, within)
            let results =
                try
                    imports[node.OpType] context
                with
                | :? DiffFormatException
                | :? OutOfMemoryException -> reraise ()
                // Whatever the operation makes of shapes and numbers that no model should have.
                | e -> raise (DiffFormatException(path, $"node {context.Name}: {e.Message}", e))
            context.CheckAttributes()
            let results = Array.ofList results
            for i in 0 .. node.Outputs.Length - 1 do
                if node.Outputs[i] <> "" then
                    if i >= results.Length then
                        context.Fail $"its output {i} is not supported"
                    if int64 results[i].Shape.Length > limits.MaxElements then
                        context.Fail
                            $"a result of shape {results[i].Shape}; at most {limits.MaxElements} elements are allowed"
                    values[node.Outputs[i]] <- folded budget args results[i]
        graph.Outputs |> Array.map (fun output -> find output.Name)

    /// The graph on other inputs: its outputs.
    let run
        (path: string)
        (file: OnnxFile)
        (limits: FileLimits)
        (initial: IReadOnlyDictionary<string, Expr>)
        (inputs: (string * Expr) seq)
        : Expr[] =
        let values = Dictionary<string, Expr>(initial, StringComparer.Ordinal)
        for name, value in inputs do
            values[name] <- value
        let parameters = HashSet<Expr>(initial.Values, HashIdentity.Reference)
        let budget = FoldBudget(limits, parameters.Contains)
        let unknown (name: string) = raise (KeyNotFoundException name)
        runGraph path file.Opset limits budget file.Graph unknown values
