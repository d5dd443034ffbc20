namespace Diff

open System
open System.Collections.Generic

/// What makes two nodes compute the same value: operation, arguments, shape, element type. Constants compare by bits,
/// variables and caller-supplied operations by identity; the operands of + and × in any order.
[<Struct; CustomEquality; NoComparison>]
type internal NodeKey =
    { Op: Op
      Args: int64[]
      Shape: Shape
      DType: DType }

    override k.GetHashCode() =
        let mutable h = HashCode()
        h.Add(hash k.Op)
        for a in k.Args do
            h.Add a
        h.Add(k.Shape.GetHashCode())
        h.ToHashCode()
    override k.Equals(other: obj) =
        match other with
        | :? NodeKey as o -> (k :> IEquatable<NodeKey>).Equals o
        | _ -> false
    interface IEquatable<NodeKey> with
        member k.Equals o =
            k.DType = o.DType && k.Args.AsSpan().SequenceEqual(o.Args.AsSpan()) && k.Shape.Equals o.Shape && k.Op.Equals o.Op

/// Rewrites a graph into a smaller one of the same value: identities, constant folding, sharing, contractions of contractions.
/// It assumes nothing of NaN and infinity: 0·x stays, since x may be infinite. docs/mathematics.md has the list.
[<RequireQualifiedAccess>]
module internal Simplify =
    let private keyOf (e: Expr) : NodeKey =
        let args = e.Args |> Array.map _.Id
        match e.Op with
        | Op.Elementwise(Fn.Add | Fn.Mul | Fn.Max | Fn.Min | Fn.Equal) when args[0] > args[1] -> Array.Reverse args
        | _ -> ()
        { Op = e.Op
          Args = args
          Shape = e.Shape
          DType = e.DType }

    /// The value of an elementwise operation on constants.
    let private fold (e: Expr) : Expr voption =
        let constants =
            e.Args
            |> Array.choose (fun a ->
                match a.Op with
                | Op.Const c -> Some c
                | _ -> None)
        if constants.Length < e.Args.Length || e.Args.Length = 0 then
            ValueNone
        else
            match e.Op with
            | Op.Elementwise _
            | Op.Cast ->
                let result = NDArray.Zeros(e.DType, Shape.Scalar)
                let scalar = Expr(e.Op, e.Args |> Array.map (fun a -> Expr.BroadcastTo(a, a.Shape)), Shape.Scalar, e.DType)
                (Rules.ofOp e.Op).Kernel(scalar).Invoke(constants |> Array.map (fun c -> NDArray.Full(c, Shape.Scalar)), result)
                let value =
                    match e.DType with
                    | DType.Int64 -> Scalar.ofInt DType.Int64 (result.Span<int64>()[0])
                    | dtype -> Scalar.ofFloat dtype (result.Float 0)
                ValueSome(Expr.Const(value, e.Shape))
            | Op.Reshape
            | Op.Slice _ -> ValueSome(Expr.Const(constants[0], e.Shape))
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

    /// One identity applied at the root, if one fits; its arguments are simplified already. `build` simplifies what is made on the way.
    let private identity (keep: int64) (build: Expr -> Expr) (e: Expr) : Expr =
        let like value = Expr.Full(value, e.Shape, e.DType)
        let neg x = build (map Fn.Neg [| x |])
        match e with
        | Binary Fn.Add (IsZero, x) -> x
        | Binary Fn.Add (x, IsZero) -> x
        | Binary Fn.Add (x, Neg keep y) -> map Fn.Sub [| x; y |]
        | Binary Fn.Add (Neg keep x, y) -> map Fn.Sub [| y; x |]
        | Binary Fn.Sub (x, IsZero) -> x
        | Binary Fn.Sub (IsZero, x) -> map Fn.Neg [| x |]
        | Binary Fn.Sub (x, Neg keep y) -> map Fn.Add [| x; y |]
        | Binary Fn.Mul (IsOne, x) -> x
        | Binary Fn.Mul (x, IsOne) -> x
        | Binary Fn.Mul (Neg keep x, Neg keep y) -> map Fn.Mul [| x; y |]
        | Binary Fn.Mul (Number -1.0, x) -> map Fn.Neg [| x |]
        | Binary Fn.Mul (x, Number -1.0) -> map Fn.Neg [| x |]
        | Binary Fn.Mul (Neg keep x, y) -> neg (build (map Fn.Mul [| x; y |]))
        | Binary Fn.Mul (x, Neg keep y) -> neg (build (map Fn.Mul [| x; y |]))
        | Binary Fn.Div (x, IsOne) -> x
        | Binary Fn.Div (Neg keep x, y) -> neg (build (map Fn.Div [| x; y |]))
        | Binary Fn.Pow (x, IsOne) -> x
        | Binary Fn.Pow (_, IsZero) -> like 1.0 // also for NaN: IEEE 754-2019, 9.2.1
        | Binary Fn.Pow (x, Number 2.0) -> map Fn.Mul [| x; x |]
        | Unary Fn.Neg (Neg keep x) -> x
        | Unary Fn.Neg (Newer keep & Binary Fn.Sub (x, y)) -> map Fn.Sub [| y; x |]
        | Unary Fn.Not (Newer keep & Unary Fn.Not x) -> x
        | Where(Number 1.0, x, _) -> x
        | Where(Number 0.0, _, x) -> x
        | Where(_, x, y) when same x y -> x
        | _ ->
            match e.Op with
            | Op.Cast when e.Args[0].DType = e.DType -> e.Args[0]
            | Op.Reshape when e.Shape.Equals e.Args[0].Shape -> e.Args[0]
            | Op.Einsum spec -> Contraction.simplify spec e
            | op when e.Args.Length > 0 && e.Args[0].Id > keep ->
                let inner = e.Args[0]
                match op, inner.Op with
                | Op.Reshape, Op.Reshape -> Expr(Op.Reshape, inner.Args, e.Shape, e.DType)
                | Op.Slice(starts, steps), Op.Embed(s, t) when s = starts && t = steps && e.Shape.Equals inner.Args[0].Shape ->
                    inner.Args[0]
                | Op.Slice(starts, steps), Op.Slice(s, t) ->
                    Window.slice (Array.map3 (fun a b c -> a + b * c) s t starts) (Array.map2 (*) t steps) e.Shape inner.Args[0]
                | Op.StopGradient, Op.StopGradient -> inner
                | _ -> e
            | _ -> e

    /// Simplifies what was made after the node `keep`. Older nodes stay as they are: no new one is merged with them, and no rule
    /// looks into them (x + z stays, though z be −y), so that a later derivative with respect to one of them means what it
    /// meant without simplification. Constants alone are looked at.
    let since (keep: int64) (roots: Expr[]) : Expr[] =
        let known = Dictionary<NodeKey, Expr>()
        let share (e: Expr) =
            let key = keyOf e
            match known.TryGetValue key with
            | true, first -> first
            | _ ->
                known[key] <- e
                e
        let uses = Contraction.countUses roots
        let rec build (e: Expr) : Expr =
            let next =
                match fold e with
                | ValueSome constant -> constant
                | ValueNone -> identity keep build (Contraction.absorb uses keep e)
            if same next e then
                share e
            elif next.Id <= keep then
                next
            else
                Graph.within e.Scope (fun () -> build next)
        roots |> Graph.map (fun node -> if node.Id <= keep then node else build node)

    /// Simplifies the whole graph.
    let run (roots: Expr[]) : Expr[] = since 0L roots
