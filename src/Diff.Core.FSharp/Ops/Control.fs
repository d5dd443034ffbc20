namespace Diff

open System.Collections.Generic

/// Graphs within the graph. So far one: the checkpoint, whose intermediate values are computed again when the derivative needs them.
[<RequireQualifiedAccess>]
module internal Control =
    /// The body with arguments in place of its holes.
    let inlined (body: Subgraph) (args: Expr[]) : Expr =
        Graph.substitute (Seq.zip body.Inputs args) [| body.Output |] |> Array.head

    /// `f` of the arguments, as one node. What `f` captures (parameters, other values) becomes an argument too.
    let checkpoint (f: Expr[] -> Expr) (args: Expr[]) : Expr =
        let holes = args |> Array.mapi (fun i a -> Leaf.input $"arg{i}" a.Shape a.DType)
        let output = f holes
        let nodes = Graph.topological [ output ]
        // What depends on the arguments; where nothing does, on the variables that f captures.
        let sources =
            let captured (e: Expr) =
                match e.Op with
                | Op.Variable _ -> DType.isReal e.DType && not (Array.contains e holes)
                | _ -> false
            let ofArguments = Graph.dependents holes nodes
            if ofArguments[output] then
                holes
            else
                Array.filter captured nodes
        let inside = Graph.dependents sources nodes
        let captured = List<Expr>()
        let capture (e: Expr) =
            let isConstant =
                match e.Op with
                | Op.Const _
                | Op.Literal _
                | Op.Iota _ -> true
                | _ -> false
            if
                not isConstant
                && (not inside[e] || Array.contains e sources)
                && not (Array.contains e holes)
            then
                captured.Add e
        let taken = NodeMap<bool>()
        for node in nodes do
            if inside[node] then
                for a in node.Args do
                    if not taken[a] then
                        taken[a] <- true
                        capture a
        let isCaptured = Array.contains output sources && not (Array.contains output holes)
        if isCaptured || not inside[output] then
            output // a variable, or nothing that has a derivative: there is nothing to recompute
        else
            let more = captured.ToArray()
            let moreHoles = more |> Array.map (fun e -> Leaf.input "captured" e.Shape e.DType)
            let body = Graph.substitute (Seq.zip more moreHoles) [| output |] |> Array.head
            let subgraph = Subgraph("checkpoint", Array.append holes moreHoles, body)
            Expr(Op.Call subgraph, Array.append args more, output.Shape, output.DType)

    let private body (extension: Extension) = extension :?> Subgraph

    let rule extension : Rule =
        { Derivative =
            // The barrier keeps the second computation apart from the first, and after the cotangent is there;
            // one recomputation serves all arguments.
            Recompute(fun xs g ->
                let fresh =
                    xs
                    |> Array.map (fun x ->
                        if DType.isReal x.DType then
                            Expr(Op.Barrier, [| x; g |], x.Shape, x.DType)
                        else
                            x)
                fresh, inlined (body extension) fresh)
          Kernel =
            fun _ -> invalidOp "checkpoint: a graph within the graph has no kernel; the plan inlines it"
          Batching = Within(body extension) }

    /// Every graph within the graph, opened: what simplification and evaluation work on.
    let rec inlineAll (roots: Expr[]) : Expr[] =
        let isCall (node: Expr) =
            match node.Op with
            | Op.Call _ -> true
            | _ -> false
        let opened (node: Expr) =
            match node.Op with
            | Op.Call extension -> inlined (body extension) node.Args
            | _ -> node
        let nodes = Graph.topological roots
        if Array.exists isCall nodes then
            inlineAll (Graph.rebuild (fun _ node -> opened node) nodes roots) // as deep as checkpoints are nested
        else
            roots
