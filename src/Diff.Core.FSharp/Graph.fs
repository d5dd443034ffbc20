namespace Diff

open System.Collections.Generic

/// Traversals. None recurses: a graph may be a chain of a million nodes.
[<RequireQualifiedAccess>]
module internal Graph =
    /// All nodes that the roots need, arguments before the nodes that use them.
    let topological (roots: Expr seq) : Expr[] =
        let seen = HashSet<int64>()
        let nodes = List<Expr>()
        let visit (node: Expr) =
            if seen.Add node.Id then
                nodes.Add node
        Seq.iter visit roots
        let mutable i = 0
        while i < nodes.Count do
            Array.iter visit nodes[i].Args
            i <- i + 1
        // Every node is younger than its arguments.
        let sorted = nodes.ToArray()
        System.Array.Sort(sorted |> Array.map _.Id, sorted)
        sorted

    /// Rebuilds the graph bottom-up. `f` gets each node with its new arguments (the node itself where none changed),
    /// and its result takes the node's place.
    let map (f: Expr -> Expr) (roots: Expr[]) : Expr[] =
        let replaced = Dictionary<int64, Expr>()
        let find (e: Expr) = replaced[e.Id]
        for node in topological roots do
            let args = node.Args
            let mutable changed = false
            for a in args do
                changed <- changed || not (obj.ReferenceEquals(find a, a))
            replaced[node.Id] <- f (if changed then node.With(Array.map find args) else node)
        Array.map find roots

    /// The graph with some nodes exchanged for others of the same shapes and element types.
    let substitute (pairs: (Expr * Expr) seq) (roots: Expr[]) : Expr[] =
        let target = Dictionary<int64, Expr>()
        for from, into in pairs do
            target[from.Id] <- into
        let replaced = Dictionary<int64, Expr>()
        let find (e: Expr) = replaced[e.Id]
        for node in topological roots do
            replaced[node.Id] <-
                match target.TryGetValue node.Id with
                | true, into -> into
                | _ when node.Args |> Array.exists (fun a -> not (obj.ReferenceEquals(find a, a))) ->
                    node.With(Array.map find node.Args)
                | _ -> node
        Array.map find roots

    /// The nodes, of those given in topological order, whose value depends on one of `sources`.
    let dependents (sources: Expr seq) (nodes: Expr[]) : HashSet<int64> =
        let active = HashSet<int64>(sources |> Seq.map _.Id)
        for node in nodes do
            let mutable depends = false
            for a in node.Args do
                depends <- depends || active.Contains a.Id
            if depends then
                active.Add node.Id |> ignore
        active

    /// Runs `f` with new nodes belonging to a scope.
    let within (scope: Scope | null) (f: unit -> 'T) : 'T =
        let outer = Scope.Current
        if obj.ReferenceEquals(outer, scope) then
            f ()
        else
            Scope.Set scope
            try
                f ()
            finally
                Scope.Set outer
