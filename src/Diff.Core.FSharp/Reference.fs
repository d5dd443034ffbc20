namespace Diff

/// The reference evaluator: one operation after the other, as written, each by its definition. Everything faster is tested against it.
[<RequireQualifiedAccess>]
module internal Reference =
    let evaluate (roots: Expr[]) : NDArray[] =
        let roots = Control.inlineAll roots
        let values = NodeMap<NDArray>()
        for node in Graph.topological roots do
            values[node] <-
                match node.Op with
                | Op.Literal value -> value
                | Op.Variable v -> Variable.valueOf v
                | _ ->
                    let result = NDArray.Zeros(node.DType, node.Shape)
                    ((Rules.ofOp node.Op).Kernel node)
                        .Invoke(node.Args |> Array.map (fun a -> values[a]), result)
                    result
        roots |> Array.map (fun e -> values[e].Clone())
