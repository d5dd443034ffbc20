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
          Recurrent.table ]
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

    /// Every name is defined once and before it is used, and every operation is known.
    let check (path: string) (graph: OnnxGraph) : unit =
        let known = HashSet<string>(StringComparer.Ordinal)
        let made = HashSet<string>(StringComparer.Ordinal)
        let initial = HashSet<string>(StringComparer.Ordinal)
        for tensor in graph.Initializers do
            if not (initial.Add tensor.Name) then
                FileText.fail path $"tensor {FileText.quote tensor.Name}: duplicate name"
            known.Add tensor.Name |> ignore
        for input in graph.Inputs do
            if not (known.Add input.Name) && not (initial.Contains input.Name) then
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
            for input in node.Inputs do
                if input <> "" && not (known.Contains input) then
                    let name = FileText.quote input
                    if made.Contains input then
                        FileText.fail
                            path
                            $"node {describe node}: {name} is made later: a cycle, or nodes that are not in their order"
                    else
                        FileText.fail path $"node {describe node}: {name} is not defined"
            for output in node.Outputs do
                if output <> "" && not (known.Add output) then
                    FileText.fail path $"node {describe node}: {FileText.quote output} is defined twice"
        if graph.Outputs.Length = 0 then
            FileText.fail path "the graph has no outputs"
        for output in graph.Outputs do
            if not (known.Contains output.Name) then
                FileText.fail path $"output {FileText.quote output.Name} is not defined"

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
        for node in file.Graph.Nodes do
            let args =
                node.Inputs
                |> Array.map (fun name -> if name = "" then ValueNone else ValueSome values[name])
            let context = NodeContext(path, file.Opset, node, args, budget)
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
        file.Graph.Outputs |> Array.map (fun output -> values[output.Name])
