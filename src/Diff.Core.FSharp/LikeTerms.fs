namespace Diff

open System
open System.Collections.Generic

/// Terms of a sum that are products of the same factors, as derivatives of powers are: (x·x)·y + x·(x·y) becomes 2·((x·x)·y), with the product
/// that others need anyway or that is cheapest. Signs must agree: then a number that is not finite stays what it is. The order of the other terms stays.
[<RequireQualifiedAccess>]
module internal LikeTerms =
    /// What of a sum changes: terms that leave, and what the one that stays is multiplied with.
    type private Change =
        { Dropped: HashSet<Expr>
          Times: Dictionary<Expr, float> }

    let private mostTimes = 1000.0

    /// Which of some terms of equal factors stays, and whether that saves anything.
    let private choose (uses: NodeMap<int>) (terms: Term[]) : Expr voption =
        // What nobody else needs, users first.
        let own = HashSet<Expr>(HashIdentity.Reference)
        let needed = NodeMap<int>()
        let count e = needed[e] <- needed[e] + 1
        for term in terms do
            count term.Node
        let products =
            terms
            |> Seq.collect _.Products
            |> Seq.distinctBy _.Id
            |> Seq.sortByDescending _.Id
        for e in products do
            if needed[e] = uses[e] then
                own.Add e |> ignore
                Array.iter count e.Args
        let cost (term: Term) =
            term.Products |> Seq.filter own.Contains |> Seq.distinctBy _.Id |> Seq.length
        let stays =
            terms |> Array.minBy (fun term -> struct (cost term, -(abs term.Constant)))
        let times = Array.sumBy _.Constant terms / stays.Constant
        // A multiplication is new, and each term that leaves takes an addition along. A small part of the sum would be denormal, or its
        // factor infinite, where the sum is neither.
        if own.Count - cost stays + terms.Length - 2 > 0 && times <= mostTimes then
            ValueSome stays.Node
        else
            ValueNone

    /// What changes in a sum, if anything does.
    let private changeOf (uses: NodeMap<int>) (terms: Term list) : Change voption =
        let change =
            { Dropped = HashSet<Expr>(HashIdentity.Reference)
              Times = Dictionary<Expr, float>(HashIdentity.Reference) }
        let groups =
            SumTerms.once terms
            |> Seq.filter (fun term -> term.Factors.Length > 0)
            |> Seq.groupBy (fun term ->
                struct (String.Join(" ", term.Factors |> Seq.map _.Id), term.Constant > 0.0))
        for _, group in groups do
            let like = Array.ofSeq group
            if like.Length > 1 then
                match choose uses like with
                | ValueSome stay ->
                    let total = like |> Array.sumBy _.Constant
                    for term in like do
                        if same term.Node stay then
                            change.Times[term.Node] <- total / term.Constant
                        else
                            change.Dropped.Add term.Node |> ignore
                | ValueNone -> ()
        if change.Dropped.Count > 0 then
            ValueSome change
        else
            ValueNone

    /// The graph with like terms put together.
    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let uses = Contraction.countUses nodes roots
        let inner = HashSet<Expr>(HashIdentity.Reference)
        let find (e: Expr) =
            if SumTerms.isSum e && not (inner.Contains e) then
                match changeOf uses (SumTerms.ofSum uses inner e) with
                | ValueSome change ->
                    let make (result: NodeMap<Expr>) =
                        let become (term: Expr) =
                            if change.Dropped.Contains term then
                                ValueNone
                            else
                                match change.Times.TryGetValue term with
                                | true, times -> ValueSome(SumTerms.scaled times result[term])
                                | _ -> ValueSome result[term]
                        SumTerms.rebuilt inner become e |> ValueOption.get
                    ValueSome(struct (e, make))
                | ValueNone -> ValueNone
            else
                ValueNone
        SumTerms.rewrite nodes find roots
