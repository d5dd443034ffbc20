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
        let inside = Graph.dependents holes nodes
        let captured = List<Expr>()
        let capture (e: Expr) =
            let isConstant =
                match e.Op with
                | Op.Const _
                | Op.Literal _
                | Op.Iota _ -> true
                | _ -> false
            if not (inside.Contains e.Id || isConstant) then
                captured.Add e
        let taken = HashSet<int64>()
        for node in nodes do
            if inside.Contains node.Id then
                for a in node.Args do
                    if taken.Add a.Id then
                        capture a
        if not (inside.Contains output.Id) then
            output // depends on no argument: there is nothing to recompute
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
                let fresh = xs |> Array.map (fun x -> if DType.isFloat x.DType then Expr(Op.Barrier, [| x; g |], x.Shape, x.DType) else x)
                fresh, inlined (body extension) fresh)
          Kernel = fun _ -> invalidOp "checkpoint: a graph within the graph has no kernel; the plan inlines it"
          InPlace = false }

    /// Every graph within the graph, opened: what simplification and evaluation work on.
    let rec inlineAll (roots: Expr[]) : Expr[] =
        let mutable found = false
        let opened =
            roots
            |> Graph.map (fun node ->
                match node.Op with
                | Op.Call extension ->
                    found <- true
                    inlined (body extension) node.Args
                | _ -> node)
        if found then inlineAll opened else roots // as deep as checkpoints are nested
