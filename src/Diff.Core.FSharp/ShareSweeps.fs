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

    /// What each loop takes from others: by its own sweep, feed or part, which part of whose value.
    [<Sealed>]
    type private Shared(nodes: Expr[]) =
        let owners = owners nodes
        let asked = NodeMap<Asked | null>()
        let taken = HashSet<struct (int64 * int)>()
        let feeds = Dictionary<struct (int64 * Feed), struct (Expr * int)>()
        let parts = Dictionary<struct (int64 * LoopPart), struct (Expr * int)>()

        /// Whether another loop has the sweep too, and begins with it earlier.
        let isOfAnother (node: Expr) j =
            match owners.TryGetValue(struct (node.Id, j)) with
            | true, owner -> not (obj.ReferenceEquals(owner.Loop, node))
            | _ -> false

        /// What a feed is called in the loop that has the sweep.
        let feedOf (owner: Owner) (feed: Feed) =
            match feed with
            | Feed.State(_, s) -> Feed.State(owner.Sweep, s)
            | Feed.After(_, s) -> Feed.After(owner.Sweep, s)
            | Feed.Output(_, o) -> Feed.Output(owner.Sweep, o)
            | feed -> feed

        /// What a part is called there.
        let partOf (owner: Owner) (part: LoopPart) =
            match part with
            | LoopPart.Final(_, s) -> LoopPart.Final(owner.Sweep, s)
            | LoopPart.Stacked(_, o) -> LoopPart.Stacked(owner.Sweep, o)

        /// What is asked of a loop so far.
        let askedOf (loop: Expr) (it: Iteration) : Asked =
            match asked[loop] with
            | null ->
                let made = Asked it
                asked[loop] <- made
                made
            | known -> known

        /// Whether what is not there yet is within the bound of memory, and of a type that the owner's value can hold.
        let fits (it: Iteration) j (read: Feed[]) (shown: LoopPart[]) (whose: Iteration) =
            let exprOf (feed: Feed) =
                match feed with
                | Feed.State(_, s)
                | Feed.After(_, s) -> it.Sweeps[j].State s
                | Feed.Output(_, o) -> it.Sweeps[j].Output o
                | _ -> invalidOp "loop: only states and outputs are read"
            let bytes =
                read |> Array.sumBy (fun feed -> int64 it.Length.Value * bytesOf (exprOf feed))
            bytes <= min it.MaxRecordBytes whose.MaxRecordBytes
            && Seq.append (read |> Seq.map exprOf) (shown |> Seq.map it.PartOf)
               |> Seq.forall (fun e -> e.DType = whose.Packed || whose.Packed = DType.Float64)

        /// What a loop reads of its sweep j is asked of the owner.
        let take (node: Expr) (it: Iteration) j =
            let owner = owners[struct (node.Id, j)]
            let whose = (iterationOf owner.Loop).Value
            let struct (read, shown) = readOf it j
            if fits it j read shown whose then
                taken.Add(struct (node.Id, j)) |> ignore
                let asks = askedOf owner.Loop whose
                for feed in read do
                    feeds[struct (node.Id, feed)] <- struct (owner.Loop, asks.Feed(feedOf owner feed))
                for part in shown do
                    parts[struct (node.Id, part)] <- struct (owner.Loop, asks.Part(partOf owner part))

        do
            for node in nodes do
                match iterationOf node with
                | ValueSome it ->
                    // The first sweeps of a loop, as long as others have them.
                    for j in 0 .. it.Sweeps.Length - 1 do
                        if isOfAnother node j then
                            take node it j
                | ValueNone -> ()

        member _.IsEmpty = taken.Count = 0
        /// Whether the loop takes what its sweep j gives from another.
        member _.IsTaken(loop: Expr, j: int) : bool = taken.Contains(struct (loop.Id, j))
        /// What others ask of the loop; null if nothing.
        member _.Asked(loop: Expr) : Asked | null = asked[loop]
        member _.Feed(loop: Expr, feed: Feed) : struct (Expr * int) = feeds[struct (loop.Id, feed)]
        member _.TryPart(loop: Expr, part: LoopPart) : struct (Expr * int) voption =
            match parts.TryGetValue(struct (loop.Id, part)) with
            | true, place -> ValueSome place
            | _ -> ValueNone

    /// A loop without the sweeps that others run for it: those that stay have new numbers, and what is taken becomes slices of further arguments.
    [<Sealed>]
    type private Shortened(sweeps: Sweep[], args: Expr[], isTaken: int -> bool, valueOf: Feed -> Expr) =
        let args = List<Expr>(args)
        let placed = Dictionary<Feed, Feed>()
        let number =
            let mutable next = -1
            Array.init sweeps.Length (fun j ->
                if not (isTaken j) then
                    next <- next + 1
                next)
        /// Where what a feed reads comes from now.
        let move (feed: Feed) =
            match feed with
            | Feed.State(j, _)
            | Feed.After(j, _)
            | Feed.Output(j, _) when isTaken j ->
                match placed.TryGetValue feed with
                | true, known -> known
                | _ ->
                    args.Add(valueOf feed)
                    placed[feed] <- Feed.Slice(args.Count - 1)
                    placed[feed]
            | Feed.State(j, s) -> Feed.State(number[j], s)
            | Feed.After(j, s) -> Feed.After(number[j], s)
            | Feed.Output(j, o) -> Feed.Output(number[j], o)
            | feed -> feed
        let left =
            [| for j in 0 .. sweeps.Length - 1 do
                   if not (isTaken j) then
                       let sweep = sweeps[j]
                       Sweep(
                           sweep.Reverse,
                           sweep.Init,
                           Array.map move sweep.Feeds,
                           sweep.Body,
                           sweep.IsSimple
                       ) |]

        member _.Args = args
        member _.Sweeps = left
        member _.Move(feed: Feed) : Feed = move feed

        /// The parts that the loop itself still gives, and where each of all stands among these.
        member _.Parts(all: LoopPart[]) : struct (LoopPart[] * int[]) =
            let own = List<LoopPart>()
            let places =
                all
                |> Array.map (fun part ->
                    match part with
                    | LoopPart.Final(j, s) when not (isTaken j) -> own.Add(LoopPart.Final(number[j], s))
                    | LoopPart.Stacked(j, o) when not (isTaken j) -> own.Add(LoopPart.Stacked(number[j], o))
                    | _ -> ()
                    own.Count - 1)
            struct (own.ToArray(), places)

    /// The graph made anew, each loop with what it takes and what is asked of it.
    [<Sealed>]
    type private Rewriting(shared: Shared) =
        let made = NodeMap<Expr | null>()
        let places = NodeMap<int[]>() // where the parts that are asked for stand among those of the loop now
        let pieces = NodeMap<Expr[] | null>()

        /// A part of what the value of a loop is now.
        let valueOf (struct (owner: Expr, k: int)) : Expr =
            (Iterated.Parts(nonNull made[owner]))[(places[owner])[k]]

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

        /// What the loop's value was, part by part: parts of its own, those of others, and those that are arguments.
        let piecesOf (original: Expr) (it: Iteration) (loop: Shortened) (value: Expr) : Expr[] =
            let mutable at = 0
            it.Parts
            |> Array.map (fun part ->
                match shared.TryPart(original, part) with
                | ValueSome place -> Pack.flat original.DType (valueOf place)
                | ValueNone ->
                    let length = Pack.length it.Packed (it.ShapeOf part) (it.PartOf part).DType
                    let start = at
                    at <- at + length
                    let argument =
                        match part with
                        | LoopPart.Stacked(j, o) ->
                            match Array.IndexOf(it.Sweeps[j].Body.Inputs, it.Sweeps[j].Output o) with
                            | -1 -> ValueNone
                            | k ->
                                match loop.Move(it.Sweeps[j].Feeds[k]) with
                                | Feed.Slice a -> ValueSome a
                                | _ -> ValueNone
                        | LoopPart.Final _ -> ValueNone
                    match argument with
                    | ValueSome a -> Pack.flat original.DType loop.Args[a]
                    | ValueNone -> Pack.window start length value)

        /// A loop with what it takes and what is asked of it, as the value that it was.
        let loopOf (original: Expr) (node: Expr) (it: Iteration) : Expr =
            let asks = shared.Asked original
            let now =
                match asks with
                | null -> it
                | asks -> asks.Iteration
            let loop =
                Shortened(
                    now.Sweeps,
                    node.Args,
                    (fun j -> shared.IsTaken(original, j)),
                    (fun feed -> valueOf (shared.Feed(original, feed)))
                )
            let struct (own, placesNow) = loop.Parts now.Parts
            places[original] <- placesNow
            if loop.Sweeps.Length = it.Sweeps.Length && isNull asks then
                made[original] <- node
                node
            else
                Graph.within node.Scope (fun () ->
                    let value =
                        if loop.Sweeps.Length = 0 then
                            node
                        else
                            Iterated.Node(
                                { now with
                                    Sweeps = loop.Sweeps
                                    Parts = own },
                                loop.Args.ToArray()
                            )
                    made[original] <- value
                    let found = piecesOf original it loop value
                    pieces[original] <- found
                    Window.concat 0 found)

        member _.Replace (original: Expr) (node: Expr) : Expr =
            match iterationOf original with
            | ValueNone -> windowOf original node
            | ValueSome it -> loopOf original node it

    /// The graph with loops that take from others the sweeps that these have run.
    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let shared = Shared nodes
        if shared.IsEmpty then
            roots
        else
            let rewriting = Rewriting shared
            Graph.rebuild rewriting.Replace nodes roots
