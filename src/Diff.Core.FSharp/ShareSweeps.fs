namespace Diff

open System
open System.Collections.Generic

/// A sweep that several loops of a graph begin with (a loop, and its derivative, that of this) is run by the first of them alone. What the
/// others read of it becomes a part of the first one's value, where the number of iterations is known and the bound of memory allows.
[<RequireQualifiedAccess>]
module internal ShareSweeps =
    /// A sweep of a loop of the graph.
    type private Owner = { Loop: Expr; Sweep: int }

    let private iterationOf (node: Expr) : Iteration voption =
        match node.Op with
        | Op.Loop extension -> ValueSome (Iterated.Of extension).Iteration
        | _ -> ValueNone

    /// The first loop that has each sweep, on the same arguments and reading the same sweeps.
    let private owners (nodes: Expr[]) : Dictionary<struct (int64 * int), Owner> =
        let known = Dictionary<Sweep, Dictionary<string, Owner>>(HashIdentity.Reference)
        let found = Dictionary<struct (int64 * int), Owner>()
        for node in nodes do
            match iterationOf node with
            | ValueSome it when it.Length.IsSome ->
                for j in 0 .. it.Sweeps.Length - 1 do
                    let sweep = it.Sweeps[j]
                    let owner read =
                        let owner = found[struct (node.Id, read)]
                        $"{owner.Loop.Id}.{owner.Sweep}"
                    let text (feed: Feed) =
                        match feed with
                        | Feed.State(read, s) when read = j -> $"own {s}"
                        | Feed.State(read, s) -> $"state {owner read} {s}"
                        | Feed.After(read, s) -> $"after {owner read} {s}"
                        | Feed.Output(read, o) -> $"output {owner read} {o}"
                        | Feed.Slice a -> $"slice {node.Args[a].Id}"
                        | Feed.Whole a -> $"whole {node.Args[a].Id}"
                    let feeds =
                        Seq.append (sweep.Init |> Seq.map Feed.Whole) sweep.Feeds |> Seq.map text
                    let key = $"""{it.Length.Value} {String.Join(", ", feeds)}"""
                    let same =
                        match known.TryGetValue sweep with
                        | true, same -> same
                        | _ ->
                            let same = Dictionary<string, Owner>()
                            known[sweep] <- same
                            same
                    match same.TryGetValue key with
                    | true, owner -> found[struct (node.Id, j)] <- owner
                    | _ ->
                        let own = { Loop = node; Sweep = j }
                        same[key] <- own
                        found[struct (node.Id, j)] <- own
            | _ -> ()
        found

    /// What a loop reads of its own sweep j: feeds of later sweeps, and parts.
    let private readOf (it: Iteration) (j: int) : struct (Feed[] * LoopPart[]) =
        let feeds =
            it.Sweeps[j + 1 ..]
            |> Array.collect _.Feeds
            |> Array.filter (fun feed ->
                match feed with
                | Feed.State(read, _)
                | Feed.After(read, _)
                | Feed.Output(read, _) -> read = j
                | _ -> false)
            |> Array.distinct
        let parts =
            it.Parts
            |> Array.filter (fun part ->
                match part with
                | LoopPart.Final(read, _)
                | LoopPart.Stacked(read, _) -> read = j)
        struct (feeds, parts)

    let private bytesOf (e: Expr) =
        int64 e.Shape.Length * int64 (DType.size e.DType)

    /// A loop of which more is asked.
    [<Sealed>]
    type private Asked(it: Iteration) =
        let more = it.Sweeps |> Array.map (fun _ -> List<Expr>())
        let feeds = it.Sweeps |> Array.map (fun sweep -> List<Feed>(sweep.Feeds))
        let inputs = it.Sweeps |> Array.map (fun sweep -> List<Expr>(sweep.Body.Inputs))
        let parts = List<LoopPart>(it.Parts)
        let known = Dictionary<Feed, int>()

        let same (a: Expr) (b: Expr) = obj.ReferenceEquals(a, b)
        let part (part: LoopPart) =
            match parts.IndexOf part with
            | -1 ->
                parts.Add part
                parts.Count - 1
            | k -> k

        /// The part of the value that is what the feed or the part was; it is made if there is none.
        member _.Part(part': LoopPart) = part part'
        member _.Feed(feed: Feed) : int =
            match feed with
            | Feed.Output(j, o) -> part (LoopPart.Stacked(j, o))
            | Feed.After(j, s) when
                Seq.exists
                    (fun o -> same (it.Sweeps[j].Output o) (it.Sweeps[j].State s))
                    (seq { 0 .. it.Sweeps[j].Outputs - 1 })
                ->
                // It is given anyhow.
                let isIt o =
                    same (it.Sweeps[j].Output o) (it.Sweeps[j].State s)
                part (LoopPart.Stacked(j, Seq.find isIt (seq { 0 .. it.Sweeps[j].Outputs - 1 })))
            | Feed.State(j, s)
            | Feed.After(j, s) ->
                match known.TryGetValue feed with
                | true, k -> k
                | _ ->
                    let value =
                        match feed, feeds[j].IndexOf feed with
                        | Feed.After _, _ -> it.Sweeps[j].State s
                        | _, -1 ->
                            let state = it.Sweeps[j].State s
                            let hole = Leaf.input "state" state.Shape state.DType
                            feeds[j].Add feed
                            inputs[j].Add hole
                            hole
                        | _, k -> (inputs[j])[k]
                    more[j].Add value
                    let k = part (LoopPart.Stacked(j, it.Sweeps[j].Outputs + more[j].Count - 1))
                    known[feed] <- k
                    k
            | _ -> invalidOp "loop: only states and outputs are asked for"

        member _.IsAsked = parts.Count > it.Parts.Length

        member _.Iteration: Iteration =
            { it with
                Parts = parts.ToArray()
                Sweeps =
                    it.Sweeps
                    |> Array.mapi (fun j sweep ->
                        if more[j].Count = 0 then
                            sweep
                        else
                            let body =
                                Body(
                                    inputs[j].ToArray(),
                                    Array.append sweep.Body.Outputs (more[j].ToArray())
                                )
                            Sweep(sweep.Reverse, sweep.Init, feeds[j].ToArray(), body, sweep.IsSimple)) }

    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let owners = owners nodes
        let isTaken (node: Expr) j =
            match owners.TryGetValue(struct (node.Id, j)) with
            | true, owner -> not (obj.ReferenceEquals(owner.Loop, node))
            | _ -> false
        let asked = NodeMap<Asked | null>()
        // What each loop takes from others: by its own sweep, feed or part, which part of whose value.
        let taken = Dictionary<struct (int64 * int), bool>()
        let feeds = Dictionary<struct (int64 * Feed), struct (Expr * int)>()
        let parts = Dictionary<struct (int64 * LoopPart), struct (Expr * int)>()
        let ofOwner (owner: Owner) (feed: Feed) =
            match feed with
            | Feed.State(_, s) -> Feed.State(owner.Sweep, s)
            | Feed.After(_, s) -> Feed.After(owner.Sweep, s)
            | Feed.Output(_, o) -> Feed.Output(owner.Sweep, o)
            | feed -> feed
        let take (node: Expr) (it: Iteration) j =
            let owner = owners[struct (node.Id, j)]
            let whose = (iterationOf owner.Loop).Value
            let struct (read, shown) = readOf it j
            // What is not there yet, and of what type.
            let exprOf (feed: Feed) =
                match feed with
                | Feed.State(_, s)
                | Feed.After(_, s) -> it.Sweeps[j].State s
                | Feed.Output(_, o) -> it.Sweeps[j].Output o
                | _ -> invalidOp "loop: only states and outputs are read"
            let bytes =
                read |> Array.sumBy (fun feed -> int64 it.Length.Value * bytesOf (exprOf feed))
            let fits =
                bytes <= min it.MaxRecordBytes whose.MaxRecordBytes
                && Seq.append (read |> Seq.map exprOf) (shown |> Seq.map it.PartOf)
                   |> Seq.forall (fun e -> e.DType = whose.Packed || whose.Packed = DType.Float64)
            if fits then
                taken[struct (node.Id, j)] <- true
                let asks =
                    match asked[owner.Loop] with
                    | null ->
                        let made = Asked whose
                        asked[owner.Loop] <- made
                        made
                    | known -> known
                for feed in read do
                    feeds[struct (node.Id, feed)] <- struct (owner.Loop, asks.Feed(ofOwner owner feed))
                for part in shown do
                    let same =
                        match part with
                        | LoopPart.Final(_, s) -> LoopPart.Final(owner.Sweep, s)
                        | LoopPart.Stacked(_, o) -> LoopPart.Stacked(owner.Sweep, o)
                    parts[struct (node.Id, part)] <- struct (owner.Loop, asks.Part same)
        for node in nodes do
            match iterationOf node with
            | ValueSome it ->
                // The first sweeps of a loop, as long as others have them.
                for j in 0 .. it.Sweeps.Length - 1 do
                    if isTaken node j then
                        take node it j
            | ValueNone -> ()
        if taken.Count = 0 then
            roots
        else
            let made = NodeMap<Expr | null>()
            let places = NodeMap<int[]>() // where the parts that are asked for stand among those of the loop now
            let valueOf (struct (owner: Expr, k: int)) : Expr =
                (Iterated.Parts(nonNull made[owner]))[(places[owner])[k]]
            let pieces = NodeMap<Expr[] | null>()
            /// A window of a loop's value that lies within one of its pieces.
            let windowOf (original: Expr) (node: Expr) : Expr =
                match original.Op with
                | Op.Slice([| start |], [| step |]) when original.Shape.Length > 0 ->
                    match pieces[original.Args[0]] with
                    | null -> node
                    | found ->
                        let last = start + step * (original.Shape.Length - 1)
                        let starts = found |> Array.scan (fun at (piece: Expr) -> at + piece.Shape.Length) 0
                        let k = starts |> Array.findIndexBack (fun at -> at <= min start last)
                        if k < found.Length && max start last < starts[k + 1] then
                            Window.slice [| start - starts[k] |] [| step |] original.Shape found[k]
                        else
                            node
                | _ -> node
            let replace (original: Expr) (node: Expr) : Expr =
                match iterationOf original with
                | ValueNone -> windowOf original node
                | ValueSome it ->
                    let isGone j =
                        taken.ContainsKey(struct (original.Id, j))
                    let now =
                        match asked[original] with
                        | null -> it
                        | asks -> asks.Iteration
                    let number =
                        let mutable next = -1
                        Array.init it.Sweeps.Length (fun j ->
                            if not (isGone j) then
                                next <- next + 1
                            next)
                    let args = List<Expr>(node.Args)
                    let placed = Dictionary<Feed, Feed>()
                    let move (feed: Feed) =
                        match feed with
                        | Feed.State(j, _)
                        | Feed.After(j, _)
                        | Feed.Output(j, _) when isGone j ->
                            match placed.TryGetValue feed with
                            | true, known -> known
                            | _ ->
                                args.Add(valueOf feeds[struct (original.Id, feed)])
                                placed[feed] <- Feed.Slice(args.Count - 1)
                                placed[feed]
                        | Feed.State(j, s) -> Feed.State(number[j], s)
                        | Feed.After(j, s) -> Feed.After(number[j], s)
                        | Feed.Output(j, o) -> Feed.Output(number[j], o)
                        | feed -> feed
                    let sweeps =
                        [| for j in 0 .. it.Sweeps.Length - 1 do
                               if not (isGone j) then
                                   let sweep = now.Sweeps[j]
                                   Sweep(
                                       sweep.Reverse,
                                       sweep.Init,
                                       Array.map move sweep.Feeds,
                                       sweep.Body,
                                       sweep.IsSimple
                                   ) |]
                    let own = List<LoopPart>()
                    places[original] <-
                        now.Parts
                        |> Array.map (fun part ->
                            match part with
                            | LoopPart.Final(j, s) when not (isGone j) ->
                                own.Add(LoopPart.Final(number[j], s))
                            | LoopPart.Stacked(j, o) when not (isGone j) ->
                                own.Add(LoopPart.Stacked(number[j], o))
                            | _ -> ()
                            own.Count - 1)
                    if sweeps.Length = it.Sweeps.Length && isNull asked[original] then
                        made[original] <- node
                        node
                    else
                        Graph.within node.Scope (fun () ->
                            let value =
                                if sweeps.Length = 0 then
                                    node
                                else
                                    Iterated.Node(
                                        { now with
                                            Sweeps = sweeps
                                            Parts = own.ToArray() },
                                        args.ToArray()
                                    )
                            made[original] <- value
                            // Parts of its own, those of others, and those that are arguments.
                            let mutable at = 0
                            let piece (part: LoopPart) =
                                let length = Pack.length it.Packed (it.ShapeOf part) (it.PartOf part).DType
                                match parts.TryGetValue(struct (original.Id, part)) with
                                | true, place -> Pack.flat original.DType (valueOf place)
                                | _ ->
                                    let start = at
                                    at <- at + length
                                    match part with
                                    | LoopPart.Stacked(j, o) ->
                                        match
                                            Array.IndexOf(it.Sweeps[j].Body.Inputs, it.Sweeps[j].Output o)
                                        with
                                        | -1 -> Pack.window start length value
                                        | k ->
                                            match move (it.Sweeps[j].Feeds[k]) with
                                            | Feed.Slice a -> Pack.flat original.DType args[a]
                                            | _ -> Pack.window start length value
                                    | LoopPart.Final _ -> Pack.window start length value
                            let found = it.Parts |> Array.map piece
                            pieces[original] <- found
                            Window.concat 0 found)
            Graph.rebuild replace nodes roots
