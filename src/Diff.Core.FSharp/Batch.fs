namespace Diff

/// Graphs for one set of values as graphs for n sets at once, stacked along a new leading axis: one node for one node, and no loop.
[<RequireQualifiedAccess>]
module internal Batch =
    let rec private ofNode n (stacked: bool[]) (args: Expr[]) (node: Expr) : Expr =
        match (Rules.ofOp node.Op).Batching with
        | Never -> invalidOp $"vmap: {Formula.opText node.Op} has no operands to stack"
        | Stacked op -> Expr(op, Stack.all n stacked args, Stack.shape n node.Shape, node.DType)
        | Mapped f -> f n stacked args node
        | Within body ->
            let holes =
                Array.map2
                    (fun (hole: Expr) (arg: Expr) -> Leaf.input "stacked" arg.Shape hole.DType)
                    body.Inputs
                    args
            let pairs = Array.zip body.Inputs holes
            let isStacked i = stacked[i]
            let outer, inner = pairs |> Array.indexed |> Array.partition (fst >> isStacked)
            let output = Graph.substitute (inner |> Array.map snd) [| body.Output |]
            let output = (run n (outer |> Array.map snd) output)[0]
            Expr(Op.Call(Subgraph(body.Name, holes, output)), args, output.Shape, node.DType)

    /// The roots with nodes replaced by n values each, stacked; all of the result is stacked.
    and run n (pairs: (Expr * Expr)[]) (roots: Expr[]) : Expr[] =
        let replaced = NodeMap<Expr | null>()
        for node, stack in pairs do
            replaced[node] <- stack
        let oldest =
            pairs |> Array.fold (fun id (node, _) -> min id node.Id) System.Int64.MaxValue
        for node in Graph.since (oldest - 1L) roots do
            if isNull replaced[node] then
                let stacked = node.Args |> Array.map (fun a -> not (isNull replaced[a]))
                if Array.contains true stacked then
                    let args =
                        node.Args
                        |> Array.map (fun a ->
                            match replaced[a] with
                            | null -> a
                            | stack -> stack)
                    replaced[node] <- Graph.within node.Scope (fun () -> ofNode n stacked args node)
        roots
        |> Array.map (fun root ->
            match replaced[root] with
            | null -> Stack.repeat n root
            | stack -> stack)
