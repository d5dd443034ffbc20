namespace Diff

open System
open System.Collections.Generic

/// The passes over a graph that derivatives are made of: backwards from a value with cotangents, forwards from arguments with tangents.
[<RequireQualifiedAccess>]
module internal Passes =
    /// The scope of what is derived from a node: the same path, under "grad". One for all nodes of a scope.
    let private gradScopes () : Expr -> Scope =
        let top = Scope.Under(null, "grad")
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

    let private isZero (e: Expr) =
        match e.Op with
        | Op.Const c -> c.AsFloat = 0.0
        | _ -> false

    /// The graph with another node in place of a leaf that is younger than everything but the nodes to look at.
    let private withoutHole (hole: Expr) (value: Expr) (root: Expr) : Expr =
        let replace original (node: Expr) =
            if obj.ReferenceEquals(original, hole) then value else node
        Graph.rebuild replace (Graph.since (hole.Id - 1L) [ root ]) [| root |]
        |> Array.head

    let private both (mask: Expr | null) (also: Expr) : Expr =
        match mask with
        | null -> also
        | mask -> Expr.Map(Fn.And, [| mask; also |])

    /// What a chain of masks lets pass: where all of `mask` and the chain's conditions hold, the value within.
    let rec private unmasked (mask: Expr | null) (g: Expr) : struct (Expr | null * Expr) =
        match g.Op with
        | Op.Elementwise Fn.Where when isZero g.Args[2] -> unmasked (both mask g.Args[0]) g.Args[1]
        | Op.Elementwise Fn.Where when isZero g.Args[1] ->
            unmasked (both mask (Expr.Map(Fn.Not, [| g.Args[0] |]))) g.Args[2]
        | _ -> struct (mask, g)

    let private maskedBy mask (value: Expr) =
        Expr.Map(Fn.Where, [| mask; value; Expr.ZerosLike value |])

    /// f(g) for a function index by index. Where g is masked the result is, not f of a mask: in a branch that `where` did not take,
    /// an infinite or undefined derivative times 0 would be NaN. There is one mask at a time, however many functions gave one.
    let private masked (f: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> f g
        | struct (mask, within) ->
            let part = f within
            if obj.ReferenceEquals(part, within) then
                g
            else
                match unmasked mask part with
                | struct (null, part) -> part
                | struct (mask, part) -> maskedBy mask part

    let private sameMask (a: Expr) (b: Expr) =
        let same (a: Expr) (b: Expr) = obj.ReferenceEquals(a, b)
        same a b
        || (a.Args.Length > 0
            && a.Args.Length = b.Args.Length
            && a.Op.Equals b.Op
            && Array.forall2 same a.Args b.Args)

    let private isNot (a: Expr) (b: Expr) =
        match a.Op with
        | Op.Elementwise Fn.Not -> sameMask a.Args[0] b
        | _ -> false

    /// The sum of two cotangents of one node: masked where both are, one or the other where one mask is the other's opposite.
    let private sum (a: Expr) (b: Expr) : Expr =
        match unmasked null a, unmasked null b with
        | struct (null, _), _
        | _, struct (null, _) -> a + b
        | struct (m, x), struct (n, y) when sameMask m n -> maskedBy m (x + y)
        | struct (m, x), struct (n, y) when isNot n m -> Expr.Map(Fn.Where, [| m; x; y |])
        | struct (m, x), struct (n, y) when isNot m n -> Expr.Map(Fn.Where, [| n; y; x |])
        | struct (m, _), struct (n, _) -> maskedBy (Expr.Map(Fn.Or, [| m; n |])) (a + b)

    /// A masked cotangent through the transpose of an operation that moves, repeats or sums elements: masked where all that an element
    /// is made of was.
    let private moved (transpose: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> transpose g
        | struct (mask, _) ->
            let live = transpose (Expr(Op.Cast, [| mask |], g.Shape, g.DType))
            maskedBy (Expr.Map(Fn.Greater, [| live; Expr.ZerosLike live |])) (transpose g)

    /// The cotangent of what was reduced along axes: masked where that of its row was.
    let private ofRows (axes: int[]) (g: Expr) (part: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> part
        | struct (mask, _) ->
            let labels = EinsumSpec.labels part.Rank
            let kept =
                [| for i in 0 .. labels.Length - 1 do
                       if not (Array.contains i axes) then
                           labels[i] |]
            let spec =
                { Inputs = [| String kept |]
                  Output = String labels }
            let live =
                Expr.Contract(spec, [| Expr(Op.Cast, [| mask |], g.Shape, g.DType) |], part.Shape)
            maskedBy (Expr.Map(Fn.Greater, [| live; Expr.ZerosLike live |])) part

    /// Whether the transpose of an operation only moves, repeats or sums elements. Gathers, windows and products of several are left
    /// out: the mask would cost as much as they do.
    let private isMove (op: Op) =
        match op with
        | Op.Reshape
        | Op.Slice _
        | Op.Embed _
        | Op.Concat _ -> true
        | Op.Einsum spec -> spec.Inputs.Length = 1
        | _ -> false

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
    let rec private pullback (needed: bool[]) (y: Expr) (g: Expr) : (Expr | null)[] =
        let each (f: int -> Expr) : (Expr | null)[] =
            Array.init needed.Length (fun i -> if needed[i] then f i else null)
        // What goes to a leaf need not stay masked: nothing comes after it.
        let through (i: int) (f: Expr -> Expr) : Expr =
            match y.Op with
            | Op.Elementwise _
            | Op.Cast -> masked f g
            | op when y.Args[i].Args.Length > 0 && isMove op -> moved f g
            | _ -> f g
        match (Rules.ofOp y.Op).Derivative with
        | Zero -> Array.create needed.Length null
        | Pointwise apply -> each (fun i -> through i (apply i y.Args y))
        | Linear transpose
        | Multilinear transpose -> each (fun i -> through i (transpose i y.Args))
        | General vjp ->
            match y.Op, vjp needed y.Args y g with
            | Op.Reduce(_, axes), [| part |] when not (isNull part) -> [| ofRows axes g (nonNull part) |]
            | _, parts -> parts
        | Differentiated(vjp, _) -> vjp (differentiator ()) needed y.Args g
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
        | Recompute expansion ->
            let before = NodeId.latest ()
            let inputs, copy, saved = expansion y.Args g
            let wanted =
                [| for i in 0 .. needed.Length - 1 do
                       if needed[i] then
                           inputs[i] |]
            let parts = accumulate copy g wanted
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
    and accumulateAll (seeds: (Expr * Expr)[]) (xs: Expr[]) : (Expr | null)[] =
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
                        let parts = pullback needed node g
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
        | Differentiated(_, jvp) -> jvp (differentiator ()) y.Args tangents
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
    and private differentiator () : Differentiator =
        { Pull = accumulateAll; Push = pushAll }
