namespace Diff

open System
open System.Collections.Generic

/// Terms of a sum that are products of the same factors, as derivatives of powers are: (x·x)·y + x·(x·y) becomes 2·((x·x)·y), with the product
/// that others need anyway or that is cheapest. Signs must agree: then a number that is not finite stays what it is. The order of the other terms stays.
[<RequireQualifiedAccess>]
module internal LikeTerms =
    // A sum or a product of more is as it was written.
    let private maxTerms = 32
    let private maxFactors = 12

    /// A product: the constant among its factors, and the others.
    [<Struct>]
    type private Monomial = { Constant: float; Factors: int64[] }

    /// What of a sum changes: terms that leave, and what the one that stays is multiplied with.
    type private Change =
        { Dropped: HashSet<Expr>
          Times: Dictionary<Expr, float> }

    /// The product that a term is, and the nodes that only multiply.
    let private monomial (term: Expr) : struct (Monomial * Expr list) =
        let factors = List<int64>()
        let waiting = Stack<Expr>([ term ])
        let mutable constant, products = 1.0, []
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
            | _ -> factors.Add e.Id
        if waiting.Count > 0 then
            struct ({ Constant = 1.0
                      Factors = [| term.Id |] },
                    [])
        else
            factors.Sort()
            struct ({ Constant = constant
                      Factors = factors.ToArray() },
                    products)

    /// Which of some terms of equal factors stays, and whether that saves anything.
    let private choose (uses: NodeMap<int>) (terms: (struct (Expr * float * Expr list))[]) : Expr voption =
        // What nobody else needs, users first.
        let own = HashSet<Expr>(HashIdentity.Reference)
        let needed = NodeMap<int>()
        let count e = needed[e] <- needed[e] + 1
        for struct (term, _, _) in terms do
            count term
        let products =
            terms
            |> Seq.collect (fun (struct (_, _, products)) -> products)
            |> Seq.distinctBy _.Id
            |> Seq.sortByDescending _.Id
        for e in products do
            if needed[e] = uses[e] then
                own.Add e |> ignore
                Array.iter count e.Args
        let cost (struct (_, _, products: Expr list)) =
            products |> Seq.filter own.Contains |> Seq.distinctBy _.Id |> Seq.length
        let stays = Array.minBy cost terms
        let struct (stay, _, _) = stays
        // A multiplication is new, and each term that leaves takes an addition along.
        if own.Count - cost stays + terms.Length - 2 > 0 then
            ValueSome stay
        else
            ValueNone

    /// The terms of a sum with their signs: through additions, subtractions and negations that nobody else needs.
    let private termsOf
        (uses: NodeMap<int>)
        (inner: HashSet<Expr>)
        (sum: Expr)
        : (struct (Expr * float)) list =
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
                terms <- struct (e, sign) :: terms
                count <- count + 1
        List.rev terms

    let private isSum (e: Expr) =
        match e.Op with
        | Op.Elementwise(Fn.Add | Fn.Sub) -> DType.isFloat e.DType
        | _ -> false

    /// What changes in a sum, if anything does.
    let private changeOf (uses: NodeMap<int>) (terms: (struct (Expr * float)) list) : Change voption =
        let change =
            { Dropped = HashSet<Expr>(HashIdentity.Reference)
              Times = Dictionary<Expr, float>(HashIdentity.Reference) }
        // What changes is known by its node, so a node that stands in the sum twice, perhaps with the other sign, stays as it is.
        let counts = NodeMap<int>()
        for struct (term, _) in terms do
            counts[term] <- counts[term] + 1
        let known =
            terms
            |> List.filter (fun (struct (term, _)) -> counts[term] = 1)
            |> List.map (fun (struct (term, sign)) ->
                let struct (product, products) = monomial term
                struct (product.Factors, struct (term, sign * product.Constant, products)))
        let groups =
            known
            |> Seq.filter (fun (struct (factors, _)) -> factors.Length > 0)
            |> Seq.groupBy (fun (struct (factors, struct (_, constant, _))) ->
                struct (String.Join(" ", factors), constant > 0.0))
        for _, group in groups do
            let like = group |> Seq.map (fun (struct (_, term)) -> term) |> Array.ofSeq
            if like.Length > 1 then
                match choose uses like with
                | ValueSome stay ->
                    let total = like |> Array.sumBy (fun (struct (_, constant, _)) -> constant)
                    for struct (e, constant, _) in like do
                        if same e stay then
                            change.Times[e] <- total / constant
                        else
                            change.Dropped.Add e |> ignore
                | ValueNone -> ()
        if change.Dropped.Count > 0 then
            ValueSome change
        else
            ValueNone

    /// The sum with a change, of nodes that have been rebuilt. It is no deeper than it has terms.
    let rec private rebuilt
        (inner: HashSet<Expr>)
        (result: NodeMap<Expr>)
        change
        (isWhole: bool)
        (e: Expr)
        : Expr voption =
        if isWhole || inner.Contains e then
            let part = rebuilt inner result change false
            match e.Op, part e.Args[0], part e.Args[1] with
            | op, ValueSome a, ValueSome b -> ValueSome(Expr(op, [| a; b |], e.Shape, e.DType))
            | Op.Elementwise Fn.Sub, ValueNone, ValueSome b -> ValueSome(-b)
            | _, ValueSome a, _ -> ValueSome a
            | _, _, b -> b
        elif change.Dropped.Contains e then
            ValueNone
        else
            match change.Times.TryGetValue e with
            | true, times when times <> 1.0 ->
                let constant = Expr.Const(Scalar.ofFloat e.DType times, e.Shape)
                ValueSome(Expr.Map(Fn.Mul, [| constant; result[e] |]))
            | _ -> ValueSome result[e]

    /// The graph with like terms put together.
    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let uses = Contraction.countUses nodes roots
        let inner = HashSet<Expr>(HashIdentity.Reference)
        let changes = Dictionary<Expr, Change>(HashIdentity.Reference)
        for e in Array.rev nodes do
            if isSum e && not (inner.Contains e) then
                match changeOf uses (termsOf uses inner e) with
                | ValueSome change -> changes[e] <- change
                | ValueNone -> ()
        if changes.Count = 0 then
            roots
        else
            let result = NodeMap<Expr>()
            let replace (original: Expr) (node: Expr) =
                let made =
                    match changes.TryGetValue original with
                    | true, change ->
                        Graph.within original.Scope (fun () ->
                            ValueOption.defaultValue node (rebuilt inner result change true original))
                    | _ -> node
                result[original] <- made
                made
            Graph.rebuild replace nodes roots
