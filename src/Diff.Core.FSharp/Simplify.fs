namespace Diff

open System
open System.Collections.Generic

/// Whether two nodes compute the same value: operation, arguments, shape, element type. Constants compare by bits,
/// variables and caller-supplied operations by identity; the operands of + and × in any order.
[<RequireQualifiedAccess>]
module internal SameValue =
    let private isSymmetric (op: Op) =
        match op with
        | Op.Elementwise(Fn.Add | Fn.Mul | Fn.Max | Fn.Min | Fn.Equal) -> true
        | _ -> false

    let private sameArgs (a: Expr) (b: Expr) =
        let mutable equal = a.Args.Length = b.Args.Length
        let mutable i = 0
        while equal && i < a.Args.Length do
            equal <- same a.Args[i] b.Args[i]
            i <- i + 1
        equal
        || (isSymmetric a.Op && same a.Args[0] b.Args[1] && same a.Args[1] b.Args[0])

    // Nodes made one after the other stay near each other in the table: the youngest argument says where, the rest spreads.
    let private hashOf (e: Expr) =
        let mutable youngest, args = 0L, 0
        for a in e.Args do
            youngest <- max youngest a.Id
            args <- args + HashCode.Combine a.Id // in any order
        int youngest
        + (HashCode.Combine(e.Op.GetHashCode(), args, e.Shape.Length) &&& 0xFFFF)

    let comparer: IEqualityComparer<Expr> =
        HashIdentity.FromFunctions hashOf (fun a b ->
            a.DType = b.DType && a.Op.Equals b.Op && sameArgs a b && a.Shape.Equals b.Shape)

/// Rewrites a graph into a smaller one of the same value: identities, constant folding, sharing, contractions of contractions.
/// It assumes nothing of NaN and infinity: 0·x stays, since x may be infinite. docs/mathematics.md has the list.
[<RequireQualifiedAccess>]
module internal Simplify =
    let private isConstant (e: Expr) =
        match e.Op with
        | Op.Const _ -> true
        | _ -> false

    /// The value of an elementwise operation on constants.
    let private fold (e: Expr) : Expr voption =
        if e.Args.Length = 0 || not (Array.forall isConstant e.Args) then
            ValueNone
        else
            let constants =
                e.Args
                |> Array.choose (fun a ->
                    match a.Op with
                    | Op.Const c -> Some c
                    | _ -> None)
            match e.Op with
            | Op.Elementwise _
            | Op.Cast ->
                let result = NDArray.Zeros(e.DType, Shape.Scalar)
                let scalar = Expr(e.Op, e.Args, Shape.Scalar, e.DType)
                (Rules.ofOp e.Op)
                    .Kernel(scalar)
                    .Invoke(constants |> Array.map (fun c -> NDArray.Full(c, Shape.Scalar)), result)
                let value =
                    match e.DType with
                    | DType.Int64 -> Scalar.ofInt DType.Int64 (result.Span<int64>()[0])
                    | dtype -> Scalar.ofFloat dtype (result.Float 0)
                ValueSome(Expr.Const(value, e.Shape))
            | Op.StopGradient
            | Op.Reshape
            | Op.Slice _
            | Op.Unfold _ -> ValueSome(Expr.Const(constants[0], e.Shape))
            | Op.Concat _ when constants |> Array.forall (fun c -> c.Bits = constants[0].Bits) ->
                ValueSome(Expr.Const(constants[0], e.Shape))
            | _ -> ValueNone

    let private map fn args = Expr.Map(fn, args)

    /// A node made after `keep`: only into such nodes do the rules look.
    let private (|Newer|_|) (keep: int64) (e: Expr) = e.Id > keep

    /// The operand of such a node if it is a negation.
    [<return: Struct>]
    let private (|Neg|_|) (keep: int64) (e: Expr) =
        match e with
        | Newer keep & Unary Fn.Neg x -> ValueSome x
        | _ -> ValueNone

    /// The identities of scalar functions. `build` simplifies what is made on the way.
    let private pointwise (keep: int64) (build: Expr -> Expr) fn (e: Expr) : Expr =
        let neg x = build (map Fn.Neg [| x |])
        match fn, e.Args with
        | Fn.Add, [| IsZero; x |]
        | Fn.Add, [| x; IsZero |] -> x
        | Fn.Add, [| x; Neg keep y |] -> x - y
        | Fn.Add, [| Neg keep x; y |] -> y - x
        | Fn.Sub, [| x; IsZero |] -> x
        | Fn.Sub, [| x; Neg keep y |] -> x + y
        | Fn.Mul, [| IsOne; x |]
        | Fn.Mul, [| x; IsOne |] -> x
        | Fn.Mul, [| Neg keep x; Neg keep y |] -> x * y
        | Fn.Mul, [| Number -1.0; x |]
        | Fn.Mul, [| x; Number -1.0 |] -> -x
        | Fn.Mul, [| Neg keep x; y |]
        | Fn.Mul, [| x; Neg keep y |] -> neg (build (x * y))
        | Fn.Div, [| x; IsOne |] -> x
        // Of integers the least one is its own negative, and −(x / y) another number.
        | Fn.Div, [| Neg keep x; y |] when DType.isFloat e.DType -> neg (build (x / y))
        | Fn.Pow, [| x; IsOne |] -> x
        | Fn.Pow, [| _; IsZero |] -> Expr.OnesLike e // also for NaN: IEEE 754-2019, 9.2.1
        | Fn.Pow, [| x; Number 2.0 |] -> x * x
        | Fn.Neg, [| Neg keep x |] -> x
        | Fn.Neg, [| Newer keep & Binary Fn.Sub (x, y) |] -> y - x
        | Fn.Not, [| Newer keep & Unary Fn.Not x |] -> x
        | (Fn.And | Fn.Or), [| x; y |] when same x y -> x
        | Fn.And, ([| Number 1.0; x |] | [| x; Number 1.0 |]) -> x
        | Fn.Or, ([| Number 0.0; x |] | [| x; Number 0.0 |]) -> x
        | Fn.And, ([| Number 0.0 & no; _ |] | [| _; Number 0.0 & no |]) -> no
        | Fn.Or, ([| Number 1.0 & yes; _ |] | [| _; Number 1.0 & yes |]) -> yes
        | Fn.Where, [| Number 1.0; x; _ |] -> x
        | Fn.Where, [| Number 0.0; _; x |] -> x
        | Fn.Where, [| _; x; y |] when same x y -> x
        | _ -> e

    /// One identity applied at the root, if one fits; its arguments are simplified already.
    let private identity (keep: int64) (build: Expr -> Expr) (e: Expr) : Expr =
        match e.Op with
        | Op.Elementwise fn -> pointwise keep build fn e
        | Op.Cast when e.Args[0].DType = e.DType -> e.Args[0]
        | Op.Reshape when e.Shape.Equals e.Args[0].Shape -> e.Args[0]
        | Op.Einsum spec -> Contraction.simplify spec e
        | op when e.Args.Length > 0 && e.Args[0].Id > keep ->
            let inner = e.Args[0]
            match op, inner.Op with
            | Op.Reshape, Op.Reshape -> Expr(Op.Reshape, inner.Args, e.Shape, e.DType)
            | Op.Slice(starts, steps), Op.Embed(s, t) when
                s = starts && t = steps && e.Shape.Equals inner.Args[0].Shape
                ->
                inner.Args[0]
            | Op.Slice(starts, steps), Op.Slice(s, t) ->
                Window.slice
                    (Array.map3 (fun a b c -> a + b * c) s t starts)
                    (Array.map2 (*) t steps)
                    e.Shape
                    inner.Args[0]
            | Op.StopGradient, Op.StopGradient -> inner
            | _ -> e
        | _ -> e

    /// Simplifies what was made after the node `keep`. Older nodes stay as they are: no new one is merged with them, and no rule
    /// looks into them (x + z stays, though z be −y), so that a later derivative with respect to one of them means what it
    /// meant without simplification. Constants alone are looked at.
    let rec since (keep: int64) (roots: Expr[]) : Expr[] =
        let nodes = Graph.since keep roots
        let known = HashSet<Expr>(nodes.Length, SameValue.comparer)
        let uses = Contraction.countUses nodes roots
        let share (e: Expr) =
            if known.Add e then
                e
            else
                match known.TryGetValue e with
                | true, first -> first
                | _ -> e
        let rec build (e: Expr) : Expr =
            let next =
                match fold e with
                | ValueSome constant -> constant
                | ValueNone -> identity keep build (Contraction.absorb uses keep e)
            if same next e then share e
            elif next.Id <= keep then next
            else build next
        let replace original (node: Expr) =
            let result = Graph.within node.Scope (fun () -> build (withSimpleBodies node))
            uses[result] <- max uses[result] uses[original]
            result
        Graph.rebuild replace nodes roots

    /// The node with the graphs within it simplified, each once.
    and private withSimpleBodies (node: Expr) : Expr =
        let simple (body: Body) =
            Body(body.Inputs, since 0L body.Outputs)
        match node.Op with
        | Op.Loop extension ->
            let it = (Iterated.Of extension).Iteration
            if it.Sweeps |> Array.forall _.IsSimple then
                node
            else
                let sweep (sweep: Sweep) =
                    if sweep.IsSimple then
                        sweep
                    else
                        let struct (feeds, body) = Bodies.trimmed sweep.Feeds (simple sweep.Body)
                        Sweep(sweep.Reverse, sweep.Init, feeds, body, true)
                Iterated.Node(
                    { it with
                        Sweeps = Array.map sweep it.Sweeps },
                    node.Args
                )
        | Op.Branch extension ->
            let branches = Branches.Of extension
            if branches.IsSimple then
                node
            else
                let yes, no = simple branches.WhenTrue, simple branches.WhenFalse
                Branch.node (Branches(branches.Name, branches.Packed, yes, no, true)) node.Args
        | _ -> node

    /// Simplifies the whole graph.
    let run (roots: Expr[]) : Expr[] = since 0L roots

    /// Simplifies the whole graph before it is planned: loops do once what several of them do, and nothing that nobody reads.
    let forPlan (roots: Expr[]) : Expr[] =
        let roots = run roots
        let isLoop (e: Expr) =
            match e.Op with
            | Op.Loop _
            | Op.Branch _ -> true
            | _ -> false
        if Graph.topological roots |> Array.exists isLoop then
            roots
            |> ShareSweeps.run
            |> since 0L
            |> PruneLoops.run
            |> since 0L
            |> LendSweeps.run
        else
            roots
