namespace Diff

open System
open System.Collections.Generic

/// The passes over a graph that derivatives are made of: backwards from a value with cotangents, forwards from arguments with tangents.
[<RequireQualifiedAccess>]
module internal Passes =
    /// The scope of what is derived from a node: the same path, under "grad". One for all nodes of a scope.
    let private gradScopes () : Expr -> Scope =
        let top = Scope.OfKind(ScopeKind.Derivative, null, "grad")
        let scopes = Dictionary<Scope, Scope>(HashIdentity.Reference)
        fun node ->
            match node.Scope with
            | null -> top
            | scope ->
                match scopes.TryGetValue scope with
                | true, known -> known
                | _ ->
                    let path =
                        scope.Path |> Array.fold (fun parent name -> Scope.Under(parent, name)) top
                    let made = Scope.At(path, scope.Line) |> nonNull
                    scopes[scope] <- made
                    made

    /// The nodes below some values that can depend on `xs`, which are not older than they: a long history before them costs nothing.
    let youngerThan (xs: Expr[]) (ys: Expr seq) : Expr[] =
        let oldest = xs |> Array.fold (fun id x -> min id x.Id) Int64.MaxValue
        Graph.since (oldest - 1L) ys

    let private sum = Mask.sum

    /// The graph with another node in place of a leaf that is younger than everything but the nodes to look at.
    let private withoutHole (hole: Expr) (value: Expr) (root: Expr) : Expr =
        let replace original (node: Expr) =
            if obj.ReferenceEquals(original, hole) then value else node
        Graph.rebuild replace (Graph.since (hole.Id - 1L) [ root ]) [| root |]
        |> Array.head

    /// Graphs made after the node `before`, with values that are there in place of nodes that would compute them again.
    let private withSaved
        (before: int64)
        (saved: (Expr * Expr)[])
        (parts: (Expr | null)[])
        : (Expr | null)[] =
        let there = NodeMap<Expr | null>()
        for node, value in saved do
            there[node] <- value
        let roots = Array.choose Option.ofObj parts
        let replace (original: Expr) (node: Expr) : Expr =
            match there[original] with
            | null -> node
            | value -> value
        let replaced = Queue(Graph.rebuild replace (Graph.since before roots) roots)
        parts
        |> Array.map (fun part ->
            match part with
            | null -> null
            | _ -> (replaced.Dequeue(): Expr | null))

    /// The cotangents that a node passes on to its arguments: null where nothing is passed on.
    let rec private pullback isWithin (needed: bool[]) (y: Expr) (g: Expr) : (Expr | null)[] =
        let each (f: int -> Expr) : (Expr | null)[] =
            Array.init needed.Length (fun i -> if needed[i] then f i else null)
        // What goes to a leaf need not stay masked: nothing comes after it, or the mask is found again, as in the body of a loop.
        let through (i: int) (f: Expr -> Expr) : Expr =
            match y.Op with
            | Op.Elementwise _
            | Op.Cast -> Masks.masked f g
            | op when y.Args[i].Args.Length > 0 && Masks.isMove op -> Masks.moved op y.Args[i] f g
            | op when y.Args[i].Args.Length > 0 && Masks.isDearMove op -> Masks.movedIfChosen op y.Args[i] f g
            | Op.Fourier _ -> f g |> Masks.ofBlocks (y.Rank - 2) g
            | _ -> f g
        match (Rules.ofOp y.Op).Derivative with
        | Zero -> Array.create needed.Length null
        | Pointwise apply -> each (fun i -> through i (apply i y.Args y))
        | Linear transpose -> each (fun i -> through i (transpose i y.Args))
        | Multilinear transpose ->
            match y.Op with
            | Op.Einsum spec when spec.Inputs.Length > 1 ->
                each (fun i -> Masks.ofProduct spec i y.Args (transpose i) g)
            | _ -> each (fun i -> through i (transpose i y.Args))
        | General vjp ->
            let eachPart f =
                vjp needed y.Args y g
                |> Array.map (fun part ->
                    match part with
                    | null -> null
                    | part -> f part)
            match y.Op with
            | Op.Reduce(_, axes) -> eachPart (Masks.ofRows axes g)
            | Op.Linalg _ -> eachPart (Masks.ofBlocks (y.Args[0].Rank - 2) g)
            | Op.Recurrence(axis, reverse) ->
                Masks.ofRecurrence axis reverse y.Args y (fun xs y -> vjp needed xs y g) g
            | Op.Random _ -> eachPart (Masks.ofBlocks y.Rank g)
            | Op.Custom op when Custom.isPointwise op -> eachPart (Masks.ofBlocks y.Rank g)
            // What the caller's code does with a cotangent is unknown.
            | Op.Custom _
            | Op.Call _ -> eachPart (Masks.ofBlocks 0 g)
            | _ -> vjp needed y.Args y g
        | Differentiated(vjp, _) -> vjp (differentiator isWithin) needed y.Args g
        | Forward jvp ->
            // A tangent is linear in those of the arguments: its transpose.
            let vs =
                Array.map2
                    (fun (x: Expr) isNeeded ->
                        if isNeeded then
                            (Leaf.input "tangent" x.Shape (DType.ofDerivative x.DType): Expr | null)
                        else
                            null)
                    y.Args
                    needed
            let holes = Array.choose Option.ofObj vs
            let parts = accumulate (jvp y.Args y vs) g holes
            let left = parts |> Array.choose Option.ofObj |> Graph.topological
            for hole in holes do
                if Array.contains hole left then
                    invalidOp
                        $"{Formula.opText y.Op}: the tangent that its rule gives is not linear in the tangents of the arguments"
            let found = Queue<Expr | null> parts
            Array.init needed.Length (fun i -> if needed[i] then found.Dequeue() else null)
            |> Array.map (fun part ->
                match part with
                | null -> null
                | part -> Masks.ofBlocks 0 g part)
        | Recompute expansion ->
            let before = NodeId.latest ()
            let inputs, copy, saved = expansion y.Args g
            let wanted =
                [| for i in 0 .. needed.Length - 1 do
                       if needed[i] then
                           inputs[i] |]
            let parts = accumulateIn isWithin [| copy, g |] wanted
            let found =
                Queue<Expr | null>(
                    if saved.Length = 0 then
                        parts
                    else
                        withSaved before saved parts
                )
            Array.init needed.Length (fun i -> if needed[i] then found.Dequeue() else null)

    /// The cotangent of each of `xs`, given that of y; null where y does not depend on it.
    and accumulate (y: Expr) (g: Expr) (xs: Expr[]) : (Expr | null)[] = accumulateAll [| y, g |] xs

    /// The same of several values, each with its cotangent.
    and accumulateAll (seeds: (Expr * Expr)[]) (xs: Expr[]) : (Expr | null)[] = accumulateIn false seeds xs

    /// The same within a graph or not.
    and private accumulateIn isWithin (seeds: (Expr * Expr)[]) (xs: Expr[]) : (Expr | null)[] =
        let nodes = youngerThan xs (Seq.map fst seeds)
        let active = Graph.dependents xs nodes
        let cotangent = NodeMap<Expr | null>()
        let add (node: Expr) (part: Expr) =
            cotangent[node] <-
                match cotangent[node] with
                | null -> part
                | before -> sum part before
        let scopeOf = gradScopes ()
        let outer = Scope.Current
        try
            for y, g in seeds do
                add y g
            for n in nodes.Length - 1 .. -1 .. 0 do
                let node = nodes[n]
                match cotangent[node] with
                | null -> ()
                | g when node.Args.Length > 0 && active[node] ->
                    let needed = node.Args |> Array.map (fun a -> active[a] && DType.isReal a.DType)
                    if Array.contains true needed then
                        Scope.Set(scopeOf node)
                        let parts = pullback isWithin needed node g
                        // Summed over argument positions, not over distinct arguments: x * x passes back twice.
                        for i in 0 .. parts.Length - 1 do
                            match parts[i] with
                            | null -> ()
                            | part ->
                                if needed[i] then
                                    add node.Args[i] part
                | _ -> ()
        finally
            Scope.Set outer
        xs |> Array.map (fun x -> cotangent[x])

    /// The tangent of one node from those of its arguments (null: no tangent).
    and pushforward (y: Expr) (tangents: (Expr | null)[]) : Expr | null =
        let sum (parts: Expr seq) : Expr | null =
            if Seq.isEmpty parts then null else Seq.reduce (+) parts
        let present =
            [| for i in 0 .. tangents.Length - 1 do
                   match tangents[i] with
                   | null -> ()
                   | v -> yield i, v |]
        match (Rules.ofOp y.Op).Derivative with
        | Zero -> null
        | Pointwise apply -> present |> Seq.map (fun (i, v) -> apply i y.Args y v) |> sum
        | Multilinear _ ->
            present
            |> Seq.map (fun (i, v) -> y.OfTangents(Array.updateAt i v y.Args))
            |> sum
        | Linear _ ->
            let args =
                Array.map2
                    (fun (x: Expr) (v: Expr | null) ->
                        match v with
                        | null when DType.isReal x.DType && DType.isReal y.DType -> Expr.NoDerivative x
                        | null -> x
                        | v -> v)
                    y.Args
                    tangents
            match y.Op with
            | Op.Cast -> Elementwise.makeCast (DType.ofDerivative y.DType) args[0]
            | _ -> y.OfTangents args
        | General vjp ->
            // The vjp is linear in its cotangent, so its own transpose is the forward mode (Townsend 2017).
            let g = Leaf.input "cotangent" y.Shape (DType.ofDerivative y.DType)
            let parts = vjp (tangents |> Array.map (isNull >> not)) y.Args y g
            let pairings =
                present
                |> Array.choose (fun (i, v) ->
                    match parts[i] with
                    | null -> None
                    | part -> Some(part, v))
            let tangent =
                pairings
                |> Seq.choose (fun (part, v) ->
                    match (accumulate part v [| g |])[0] with
                    | null -> None
                    | t -> Some t)
            match sum tangent with
            | null -> null
            | tangent ->
                // It does not depend on g, but a value recomputed after g (see Control.rule) waits for it.
                withoutHole g (Expr.NoDerivative y) tangent
        | Differentiated(_, jvp) -> jvp (differentiator false) y.Args tangents
        | Forward jvp -> jvp y.Args y tangents
        | Recompute expansion ->
            let inputs, copy, _ = expansion y.Args (Expr.NoDerivative y)
            push copy [| for i, _ in present -> inputs[i] |] [| for _, v in present -> v |]

    and push (y: Expr) (xs: Expr[]) (vs: Expr[]) : Expr | null = (pushAll [| y |] xs vs)[0]

    /// The tangents of several values.
    and pushAll (ys: Expr[]) (xs: Expr[]) (vs: Expr[]) : (Expr | null)[] =
        let tangent = NodeMap<Expr | null>()
        // A node given twice has both tangents; one that depends on another has its own and what comes through the other:
        // so the pairing with vjp, which gives each node its total derivative, holds.
        let add (x: Expr) (v: Expr | null) =
            tangent[x] <-
                match tangent[x], v with
                | null, v -> v
                | sum, null -> sum
                | sum, v -> sum + v
        Array.iter2 (fun (x: Expr) (v: Expr) -> add x v) xs vs
        for node in youngerThan xs ys do
            let isReached () =
                node.Args |> Array.exists (fun a -> not (isNull tangent[a]))
            if DType.isReal node.DType && isReached () then
                Graph.within node.Scope (fun () ->
                    add node (pushforward node (Array.map (fun a -> tangent[a]) node.Args)))
        ys |> Array.map (fun y -> tangent[y])

    /// For operations that have graphs within.
    and private differentiator isWithin : Differentiator =
        { Pull = accumulateIn true
          Push = pushAll
          IsWithin = isWithin }
