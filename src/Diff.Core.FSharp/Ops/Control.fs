namespace Diff

open System.Collections.Generic

/// Graphs within the graph. So far one: the checkpoint, whose intermediate values are computed again when the derivative needs them.
[<RequireQualifiedAccess>]
module internal Control =
    /// The body with arguments in place of its holes.
    let inlined (body: Subgraph) (args: Expr[]) : Expr =
        Graph.substitute (Seq.zip body.Inputs args) [| body.Output |] |> Array.head

    /// `f` of the arguments, as one node. What `f` captures (parameters, other values) becomes an argument too. `saves` says which
    /// values within are kept for the derivative.
    let checkpointWith (saves: Expr -> bool) (f: Expr[] -> Expr) (args: Expr[]) : Expr =
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
            // A name is on the value that it was given to.
            let named (e: Expr) =
                match e.Op with
                | Op.Barrier -> e.Args[0]
                | _ -> e
            let saved =
                nodes
                |> Array.filter saves
                |> Array.map named
                |> Array.filter (fun e ->
                    inside[e] && e.Args.Length > 0 && not (obj.ReferenceEquals(e, output)))
                |> Array.distinct
            let roots =
                Graph.substitute (Seq.zip more moreHoles) (Array.append [| output |] saved)
            let subgraph =
                Subgraph("checkpoint", Array.append holes moreHoles, roots[0], roots[1..])
            Expr(Op.Call subgraph, Array.append args more, output.Shape, output.DType)

    /// Nothing within is kept.
    let checkpoint (f: Expr[] -> Expr) (args: Expr[]) : Expr = checkpointWith (fun _ -> false) f args

    /// `f` of the arguments, as one node with a derivative that the caller gives. It is for the arguments alone, so `f` may capture
    /// only what no derivative passes through; that becomes an argument too.
    let custom operation (f: Expr[] -> Expr) (given: GivenDerivative) (args: Expr[]) : Expr =
        let holes = args |> Array.mapi (fun i a -> Leaf.input $"arg{i}" a.Shape a.DType)
        let output = f holes
        let nodes = Graph.topological [ output ]
        let inside = Graph.dependents holes nodes
        let variables =
            nodes
            |> Array.filter (fun e ->
                match e.Op with
                | Op.Variable _ -> not (Array.contains e holes)
                | _ -> false)
        let free = Graph.dependents variables nodes
        /// For each node a variable through which a derivative would pass.
        let smooth = NodeMap<Expr | null>()
        for e in nodes do
            match e.Op with
            | Op.Variable _ ->
                smooth[e] <-
                    if free[e] && DType.isReal e.DType then
                        (e: Expr | null)
                    else
                        null
            | Op.StopGradient -> ()
            | _ ->
                for a in e.Args do
                    if not (isNull smooth[a]) then
                        smooth[e] <- smooth[a]
        match smooth[output] with
        | null -> ()
        | e ->
            let name =
                match e.Op with
                | Op.Variable v when v.Name <> "" -> $"\"{v.Name}\""
                | _ -> $"a value of shape {e.Shape}"
            invalidOp
                $"{operation}: the function captures {name}, for which its derivative says nothing; make it an argument, or wrap it in stopGradient"
        let captured =
            nodes
            |> Array.filter (fun e -> inside[e] || obj.ReferenceEquals(e, output))
            |> Array.collect _.Args
            |> Array.filter (fun a -> free[a] && not inside[a])
            |> Array.distinct
        let moreHoles =
            captured |> Array.map (fun e -> Leaf.input "captured" e.Shape e.DType)
        let body = Graph.substitute (Seq.zip captured moreHoles) [| output |] |> Array.head
        let n = args.Length
        let given =
            match given with
            | GivenDerivative.Vjp vjp ->
                GivenDerivative.Vjp(fun xs y g ->
                    Array.append (vjp xs[.. n - 1] y g) (Array.create<Expr | null> captured.Length null))
            | GivenDerivative.Jvp jvp -> GivenDerivative.Jvp(fun xs y vs -> jvp xs[.. n - 1] y vs[.. n - 1])
        let subgraph =
            Subgraph(operation, Array.append holes moreHoles, body, ValueSome given)
        Expr(Op.Call subgraph, Array.append args captured, output.Shape, output.DType)

    let private body (extension: Extension) = extension :?> Subgraph

    let rule extension : Rule =
        let recomputed =
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
                let within = body extension
                let copies =
                    Graph.substitute
                        (Seq.zip within.Inputs fresh)
                        (Array.append [| within.Output |] within.Saved)
                // On the arguments themselves: the first computation, which is there. What follows from it is computed anew all the same.
                let values =
                    Graph.substitute (Seq.zip within.Inputs xs) within.Saved
                    |> Array.map (fun v -> Expr(Op.Barrier, [| v; g |], v.Shape, v.DType))
                fresh, copies[0], Array.zip copies[1..] values)
        { Derivative =
            match (body extension).Given with
            | ValueNone -> recomputed
            | ValueSome(GivenDerivative.Vjp vjp) -> General(fun _ xs y g -> vjp xs y g)
            | ValueSome(GivenDerivative.Jvp jvp) -> Forward jvp
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
