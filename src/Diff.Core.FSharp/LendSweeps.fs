namespace Diff

open System
open System.Collections.Generic

/// A loop with a condition and its derivatives begin with the same sweep, whose length nobody knows before. The first of them to run keeps
/// what the others read of it. It is the last pass: the indices of states and outputs must not change any more.
[<RequireQualifiedAccess>]
module internal LendSweeps =
    let private iterationOf (node: Expr) : Iteration voption =
        match node.Op with
        | Op.Loop extension -> ValueSome (Iterated.Of extension).Iteration
        | _ -> ValueNone

    /// What makes first sweeps the same: bodies, and what feeds them.
    let private keyOf (node: Expr) (it: Iteration) (feeds: Feed[]) : string =
        let text (feed: Feed) =
            match feed with
            | Feed.Whole a -> $"whole {node.Args[a].Id}"
            | Feed.Slice a -> $"slice of {node.Args[a].Id}"
            | feed -> string feed
        let first = it.Sweeps[0]
        let all =
            Seq.concat [ Seq.map Feed.Whole first.Init; Seq.ofArray first.Feeds; Seq.ofArray feeds ]
        $"""{it.Limit} {String.Join(", ", Seq.map text all)}"""

    /// What later sweeps read of the first.
    let private readsOf (it: Iteration) : Feed[] =
        it.Sweeps[1..]
        |> Seq.collect _.Feeds
        |> Seq.filter (fun feed ->
            match feed with
            | Feed.State(0, _)
            | Feed.After(0, _)
            | Feed.Output(0, _) -> true
            | _ -> false)
        |> Seq.distinct
        |> Array.ofSeq

    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let groups =
            Dictionary<struct (Body * Body), Dictionary<string, List<Expr>>>(HashIdentity.Structural)
        let members = List<List<Expr>>()
        for node in nodes do
            match iterationOf node with
            | ValueSome({ Condition = ValueSome(struct (feeds, test)) } as it) ->
                let bodies = struct (it.Sweeps[0].Body, test)
                let alike =
                    match groups.TryGetValue bodies with
                    | true, alike -> alike
                    | _ ->
                        let alike = Dictionary()
                        groups[bodies] <- alike
                        alike
                let key = keyOf node it feeds
                match alike.TryGetValue key with
                | true, group -> group.Add node
                | _ ->
                    let group = List [ node ]
                    alike[key] <- group
                    members.Add group
            | _ -> ()
        let lends, borrows = NodeMap<Loan | null>(), NodeMap<Loan | null>()
        let lender = NodeMap<Expr | null>()
        for group in members do
            let borrowers =
                group
                |> Seq.skip 1
                |> Seq.filter (fun node -> (iterationOf node).Value.Sweeps.Length > 1)
            if not (Seq.isEmpty borrowers) then
                let reads =
                    borrowers
                    |> Seq.collect (fun node -> readsOf (iterationOf node).Value)
                    |> Seq.distinct
                let loan = Loan(Array.ofSeq reads, Seq.length borrowers)
                lends[group[0]] <- loan
                for node in borrowers do
                    borrows[node] <- loan
                    lender[node] <- group[0]
        if members |> Seq.forall (fun group -> isNull lends[group[0]]) then
            roots
        else
            let made = NodeMap<Expr | null>()
            let replace (original: Expr) (node: Expr) : Expr =
                match iterationOf original, lends[original], borrows[original] with
                | ValueSome it, NonNull loan, _ ->
                    let node =
                        Graph.within node.Scope (fun () -> Iterated.Node({ it with Lends = loan }, node.Args))
                    made[original] <- node
                    node
                | ValueSome it, _, NonNull loan ->
                    let first = nonNull made[nonNull lender[original]]
                    Graph.within node.Scope (fun () ->
                        Iterated.Node({ it with Borrows = loan }, Array.append node.Args [| first |]))
                | _ -> node
            Graph.rebuild replace nodes roots
