namespace Diff

open System
open System.Collections.Generic

/// A value for each node, found by the node's Id; the default of the type where none was set. The Ids of one graph lie
/// close together, so the values lie in pages of neighbours: faster than hashing each, and in ascending order.
[<Sealed>]
type internal NodeMap<'T>() =
    static let bits = 6
    let pages = Dictionary<int64, 'T[]>()
    // Neighbours are asked for one after the other.
    let mutable number = -1L
    let mutable page: 'T[] = [||]

    let turnTo (wanted: int64) =
        match pages.TryGetValue wanted with
        | true, known ->
            number <- wanted
            page <- known
            true
        | _ -> false

    member _.Item
        with get (node: Expr): 'T =
            let wanted = node.Id >>> bits
            if wanted = number || turnTo wanted then
                page[int node.Id &&& ((1 <<< bits) - 1)]
            else
                Unchecked.defaultof<'T>
        and set (node: Expr) (value: 'T) =
            let wanted = node.Id >>> bits
            if wanted <> number && not (turnTo wanted) then
                number <- wanted
                page <- Array.zeroCreate (1 <<< bits)
                pages[wanted] <- page
            page[int node.Id &&& ((1 <<< bits) - 1)] <- value

    /// The pages in ascending order of Id.
    member _.Pages: 'T[][] =
        let numbers, contents = Seq.toArray pages.Keys, Seq.toArray pages.Values
        Array.Sort(numbers, contents)
        contents

/// Traversals. None recurses: a graph may be a chain of a million nodes.
[<RequireQualifiedAccess>]
module internal Graph =
    /// Whether the node's value is given, held or known, and not computed.
    let isLeaf (node: Expr) =
        match node.Op with
        | Op.Variable _
        | Op.Const _
        | Op.Literal _
        | Op.Iota _ -> true
        | _ -> false

    /// The nodes made after the node `keep` that the roots need, arguments before the nodes that use them: in ascending
    /// order of Id, since every node is younger than its arguments.
    let since (keep: int64) (roots: Expr seq) : Expr[] =
        let found = NodeMap<Expr | null>()
        let waiting = Stack<Expr>()
        let mutable count = 0
        let visit (node: Expr) =
            if node.Id > keep && isNull found[node] then
                found[node] <- node
                count <- count + 1
                if node.Args.Length > 0 then
                    waiting.Push node
        Seq.iter visit roots
        while waiting.Count > 0 do
            Array.iter visit (waiting.Pop()).Args
        let nodes = Array.zeroCreate<Expr> count
        let mutable i = 0
        for page in found.Pages do
            for entry in page do
                match entry with
                | null -> ()
                | node ->
                    nodes[i] <- node
                    i <- i + 1
        nodes

    /// All nodes that the roots need, arguments before the nodes that use them.
    let topological (roots: Expr seq) : Expr[] = since 0L roots

    let private find (replaced: NodeMap<Expr | null>) (node: Expr) : Expr =
        match replaced[node] with
        | null -> node
        | other -> other

    /// The node on what has replaced its arguments; the node itself where nothing has.
    let private onReplaced (replaced: NodeMap<Expr | null>) (node: Expr) : Expr =
        let mutable changed = false
        for a in node.Args do
            changed <- changed || not (obj.ReferenceEquals(find replaced a, a))
        if changed then
            node.With(Array.map (find replaced) node.Args)
        else
            node

    /// Rebuilds the graph bottom-up. `f` gets each node and the same with its new arguments (the node itself where none
    /// changed), and its result takes the node's place. `nodes` are those to rebuild, in topological order;
    /// others stay.
    let rebuild (f: Expr -> Expr -> Expr) (nodes: Expr[]) (roots: Expr[]) : Expr[] =
        let replaced = NodeMap<Expr | null>()
        for node in nodes do
            replaced[node] <- f node (onReplaced replaced node)
        Array.map (find replaced) roots

    /// Rebuilds the graph bottom-up: `f` gets each node with its new arguments.
    let map (f: Expr -> Expr) (roots: Expr[]) : Expr[] =
        rebuild (fun _ node -> f node) (topological roots) roots

    /// The graph with some nodes exchanged for others of the same shapes and element types.
    let substitute (pairs: (Expr * Expr) seq) (roots: Expr[]) : Expr[] =
        let target = NodeMap<Expr | null>()
        for from, into in pairs do
            target[from] <- into
        let replaced = NodeMap<Expr | null>()
        for node in topological roots do
            replaced[node] <-
                match target[node] with
                | null -> onReplaced replaced node
                | into -> into
        Array.map (find replaced) roots

    /// The nodes, of those given in topological order, whose value depends on one of `sources`.
    let dependents (sources: Expr seq) (nodes: Expr[]) : NodeMap<bool> =
        let active = NodeMap<bool>()
        for source in sources do
            active[source] <- true
        for node in nodes do
            let mutable depends = false
            for a in node.Args do
                depends <- depends || active[a]
            if depends then
                active[node] <- true
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
