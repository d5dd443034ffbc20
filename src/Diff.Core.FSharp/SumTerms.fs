namespace Diff

open System
open System.Collections.Generic

/// A term of a sum as a product: its sign, the constant among its factors times that, the others by age, and the nodes that only multiply.
type internal Term =
    { Node: Expr
      Sign: float
      Constant: float
      Factors: Expr[]
      Products: Expr list }

/// Sums as their terms, and how they are made anew.
[<RequireQualifiedAccess>]
module internal SumTerms =
    // A sum or a product of more is as it was written.
    let private maxTerms = 32
    let private maxFactors = 12

    /// Whether a constant takes numbers neither far beyond the largest nor far below the smallest.
    let isModest (c: float) = abs c >= 1e-3 && abs c <= 1e3

    let isSum (e: Expr) =
        match e.Op with
        | Op.Elementwise(Fn.Add | Fn.Sub) -> DType.isFloat e.DType
        | _ -> false

    /// A node as a term of that sign.
    let term (node: Expr) (sign: float) : Term =
        let factors = List<Expr>()
        let waiting = Stack<Expr>([ node ])
        let mutable constant, products = sign, []
        while waiting.Count > 0 && factors.Count + waiting.Count <= maxFactors do
            let e = waiting.Pop()
            match e with
            | Binary Fn.Mul (a, b) ->
                products <- e :: products
                waiting.Push a
                waiting.Push b
            | Unary Fn.Neg x ->
                products <- e :: products
                constant <- -constant
                waiting.Push x
            | Number c when c <> 0.0 && Double.IsNormal(constant * c) -> constant <- constant * c
            | _ -> factors.Add e
        if waiting.Count > 0 then
            { Node = node
              Sign = sign
              Constant = sign
              Factors = [| node |]
              Products = [] }
        else
            { Node = node
              Sign = sign
              Constant = constant
              Factors = factors |> Seq.sortBy _.Id |> Array.ofSeq
              Products = products }

    /// The terms of a sum: through additions and subtractions that nobody else needs, which are added to `inner`.
    let ofSum (uses: NodeMap<int>) (inner: HashSet<Expr>) (sum: Expr) : Term list =
        let waiting = Stack<struct (Expr * float)>([ struct (sum, 1.0) ])
        let mutable terms, count = [], 0
        while waiting.Count > 0 do
            let struct (e, sign) = waiting.Pop()
            let isPart = same e sum || (uses[e] = 1 && count + waiting.Count < maxTerms)
            if isPart && not (same e sum) then
                inner.Add e |> ignore
            match e with
            | Binary Fn.Add (a, b) when isPart ->
                waiting.Push(struct (b, sign))
                waiting.Push(struct (a, sign))
            | Binary Fn.Sub (a, b) when isPart ->
                waiting.Push(struct (b, -sign))
                waiting.Push(struct (a, sign))
            | _ ->
                inner.Remove e |> ignore
                terms <- term e sign :: terms
                count <- count + 1
        List.rev terms

    /// Terms whose node stands once among them: one that stands twice, perhaps with the other sign, stays as it is.
    let once (terms: Term list) : Term list =
        let counts = NodeMap<int>()
        for term in terms do
            counts[term.Node] <- counts[term.Node] + 1
        terms |> List.filter (fun term -> counts[term.Node] = 1)

    /// The sum of what terms become, in the order of the terms: `become` gives nothing for one that leaves. It is no deeper than it has terms.
    let rebuilt (inner: HashSet<Expr>) (become: Expr -> Expr voption) (sum: Expr) : Expr voption =
        let rec build (isWhole: bool) (e: Expr) =
            if isWhole || inner.Contains e then
                match e.Op, build false e.Args[0], build false e.Args[1] with
                | op, ValueSome a, ValueSome b -> ValueSome(Expr(op, [| a; b |], e.Shape, e.DType))
                | Op.Elementwise Fn.Sub, ValueNone, ValueSome b -> ValueSome(-b)
                | _, ValueSome a, _ -> ValueSome a
                | _, _, b -> b
            else
                become e
        build true sum

    /// A constant times a value.
    let scaled (constant: float) (x: Expr) : Expr =
        if constant = 1.0 then
            x
        else
            Expr.Map(Fn.Mul, [| Expr.Const(Scalar.ofFloat x.DType constant, x.Shape); x |])

    /// The graph with other nodes in place of some: `find` sees all nodes, users before what they use, and says how a node is made from
    /// those that have been made.
    let rewrite
        (nodes: Expr[])
        (find: Expr -> (struct (Expr * (NodeMap<Expr> -> Expr))) voption)
        (roots: Expr[])
        =
        let changes = Dictionary<Expr, NodeMap<Expr> -> Expr>(HashIdentity.Reference)
        for e in Array.rev nodes do
            match find e with
            | ValueSome(struct (node, make)) -> changes[node] <- make
            | ValueNone -> ()
        if changes.Count = 0 then
            roots
        else
            let result = NodeMap<Expr>()
            let replace (original: Expr) (node: Expr) =
                let made =
                    match changes.TryGetValue original with
                    | true, make -> Graph.within original.Scope (fun () -> make result)
                    | _ -> node
                result[original] <- made
                made
            Graph.rebuild replace nodes roots
