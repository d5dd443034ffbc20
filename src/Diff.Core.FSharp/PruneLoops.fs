namespace Diff

open System.Collections.Generic

/// Loops and branches without the parts of their values that nobody reads: states, outputs, arguments and whole sweeps go.
[<RequireQualifiedAccess>]
module internal PruneLoops =
    /// Which parts of a value are read, of those that start somewhere; where all are, or it is not known, none is left out.
    let private readBy (nodes: Expr[]) (roots: Expr[]) : NodeMap<List<struct (int * int)> | null> =
        let ranges = NodeMap<List<struct (int * int)> | null>()
        let add (node: Expr) low high =
            let found =
                match ranges[node] with
                | null -> List<struct (int * int)>()
                | known -> known
            found.Add(struct (low, high))
            ranges[node] <- found
        let isParted (e: Expr) =
            match e.Op with
            | Op.Loop _
            | Op.Branch _ -> true
            | _ -> false
        for node in nodes do
            for a in node.Args do
                if isParted a then
                    match node.Op with
                    | Op.Slice([| start |], [| step |]) when node.Shape.Length > 0 ->
                        let last = start + step * (node.Shape.Length - 1)
                        add a (min start last) (max start last + 1)
                    | Op.Slice _ when node.Shape.Length = 0 -> add a 0 0
                    | _ -> add a 0 a.Shape.Length
        for root in roots do
            if isParted root then
                add root 0 root.Shape.Length
        ranges

    /// The parts that overlap what is read.
    let private partsRead (starts: int[]) (length: int) (ranges: List<struct (int * int)>) : bool[] =
        starts
        |> Array.mapi (fun k start ->
            let stop = if k + 1 < starts.Length then starts[k + 1] else length
            ranges |> Seq.exists (fun (struct (low, high)) -> low < stop && start < high))

    let private keep (kept: bool[]) (xs: 'T[]) : 'T[] =
        Array.zip xs kept |> Array.filter snd |> Array.map fst

    /// The positions that things kept have among themselves.
    let private numbers (kept: bool[]) : int[] =
        let mutable next = -1
        kept
        |> Array.map (fun isKept ->
            if isKept then
                next <- next + 1
            next)

    /// What is needed of each sweep: states and outputs. `first` are states of the first sweep that are needed anyhow.
    let private live (it: Iteration) (first: bool[]) (parts: bool[]) : struct (bool[][] * bool[][]) =
        let states = it.Sweeps |> Array.map (fun sweep -> Array.create sweep.States false)
        first.CopyTo(states[0], 0)
        let outputs = it.Sweeps |> Array.map (fun sweep -> Array.create sweep.Outputs false)
        let need (feed: Feed) =
            match feed with
            | Feed.State(j, s)
            | Feed.After(j, s) -> (states[j])[s] <- true
            | Feed.Output(j, o) -> (outputs[j])[o] <- true
            | _ -> ()
        it.Parts
        |> Array.iteri (fun k part ->
            if parts[k] then
                match part with
                | LoopPart.Final(j, s) -> need (Feed.State(j, s))
                | LoopPart.Stacked(j, o) -> need (Feed.Output(j, o)))
        match it.Condition with
        | ValueSome(struct (feeds, _)) -> Array.iter need feeds
        | ValueNone -> ()
        for j in it.Sweeps.Length - 1 .. -1 .. 0 do
            let sweep = it.Sweeps[j]
            let mutable count = -1
            let known () =
                Array.append states[j] outputs[j] |> Array.filter id |> Array.length
            while count < known () do
                count <- known ()
                let wanted = keep (Array.append states[j] outputs[j]) sweep.Body.Outputs
                keep (Bodies.used sweep.Body wanted) sweep.Feeds |> Array.iter need
        struct (states, outputs)

    /// Bodies of which as much is kept stay one object: loops that begin with the same sweep still do.
    [<Sealed>]
    type private Cut() =
        let known =
            Dictionary<Body, List<struct (bool[] * Feed[] * Feed[] * Body)>>(HashIdentity.Reference)
        member _.Body(feeds: Feed[], body: Body, kept: bool[]) : struct (Feed[] * Body) =
            let found =
                match known.TryGetValue body with
                | true, found -> found
                | _ ->
                    let found = List()
                    known[body] <- found
                    found
            let same =
                found
                |> Seq.tryFind (fun (struct (mask, given, _, _)) -> mask = kept && given = feeds)
            match same with
            | _ when Array.forall id kept -> struct (feeds, body)
            | Some(struct (_, _, feeds, body)) -> struct (feeds, body)
            | None ->
                let struct (trimmed, cut) =
                    Bodies.trimmed feeds (Body(body.Inputs, keep kept body.Outputs))
                found.Add(struct (kept, feeds, trimmed, cut))
                struct (trimmed, cut)

    /// The loop with the parts that are read, and the arguments that it then takes.
    let private loop
        (cut: Cut)
        (it: Iteration)
        (args: Expr[])
        (first: bool[])
        (parts: bool[])
        : struct (Iteration * Expr[]) =
        let struct (states, outputs) = live it first parts
        let isLive =
            Array.init it.Sweeps.Length (fun j ->
                (j = 0 && it.Condition.IsSome)
                || Array.contains true states[j]
                || Array.contains true outputs[j])
        let sweepNumber = numbers isLive
        let stateNumber, outputNumber = Array.map numbers states, Array.map numbers outputs
        let used = Array.create args.Length false
        let move (feed: Feed) =
            match feed with
            | Feed.State(j, s) -> Feed.State(sweepNumber[j], (stateNumber[j])[s])
            | Feed.After(j, s) -> Feed.After(sweepNumber[j], (stateNumber[j])[s])
            | Feed.Output(j, o) -> Feed.Output(sweepNumber[j], (outputNumber[j])[o])
            | Feed.Slice a
            | Feed.Whole a ->
                used[a] <- true
                feed
        let sweep j =
            let sweep = it.Sweeps[j]
            let struct (feeds, body) =
                cut.Body(sweep.Feeds, sweep.Body, Array.append states[j] outputs[j])
            let init = keep states[j] sweep.Init
            for a in init do
                used[a] <- true
            struct (sweep.Reverse, init, Array.map move feeds, body, sweep.IsSimple)
        let sweeps = [| 0 .. it.Sweeps.Length - 1 |] |> keep isLive |> Array.map sweep
        let condition =
            it.Condition
            |> ValueOption.map (fun (struct (feeds, body)) -> struct (Array.map move feeds, body))
        let argNumber = numbers used
        let renumber (feed: Feed) =
            match feed with
            | Feed.Slice a -> Feed.Slice argNumber[a]
            | Feed.Whole a -> Feed.Whole argNumber[a]
            | feed -> feed
        let made =
            { it with
                Sweeps =
                    sweeps
                    |> Array.map (fun (struct (reverse, init, feeds, body, isSimple)) ->
                        let init = init |> Array.map (fun a -> argNumber[a])
                        Sweep(reverse, init, Array.map renumber feeds, body, isSimple))
                Condition =
                    condition
                    |> ValueOption.map (fun (struct (feeds, body)) -> struct (Array.map renumber feeds, body))
                Parts =
                    keep parts it.Parts
                    |> Array.map (function
                        | LoopPart.Final(j, s) -> LoopPart.Final(sweepNumber[j], (stateNumber[j])[s])
                        | LoopPart.Stacked(j, o) -> LoopPart.Stacked(sweepNumber[j], (outputNumber[j])[o])) }
        struct (made, keep used args)

    /// Whether leaving out would leave anything out.
    let private isWhole (it: Iteration) (first: bool[]) (parts: bool[]) =
        let struct (states, outputs) = live it first parts
        Array.forall id parts
        && Array.forall (Array.forall id) states
        && Array.forall (Array.forall id) outputs

    /// The branch with the results that are read, and the arguments that it then takes.
    let private branch (branches: Branches) (args: Expr[]) (parts: bool[]) : struct (Branches * Expr[]) =
        let results (body: Body) = keep parts body.Outputs
        let used =
            Array.map2
                (||)
                (Bodies.used branches.WhenTrue (results branches.WhenTrue))
                (Bodies.used branches.WhenFalse (results branches.WhenFalse))
        let part (body: Body) =
            Body(keep used body.Inputs, results body)
        let made =
            Branches(
                branches.Name,
                branches.Packed,
                part branches.WhenTrue,
                part branches.WhenFalse,
                branches.IsSimple
            )
        struct (made, Array.append args[..0] (keep used args[1..]))

    let run (roots: Expr[]) : Expr[] =
        let nodes = Graph.topological roots
        let ranges = readBy nodes roots
        let cut = Cut()
        // Of loops with a condition that begin with the same sweep, all keep the states that one of them needs: so they still do.
        let shared = Dictionary<Body, bool[]>(HashIdentity.Reference)
        let firstOf (it: Iteration) =
            match it.Condition with
            | ValueSome _ when shared.ContainsKey it.Sweeps[0].Body -> shared[it.Sweeps[0].Body]
            | _ -> [||]
        for node in nodes do
            match node.Op, ranges[node] with
            | Op.Loop extension, (NonNull read) ->
                let loops = Iterated.Of extension
                let it = loops.Iteration
                if it.Condition.IsSome then
                    let parts = partsRead loops.Starts loops.Length read
                    let struct (states, _) = live it (firstOf it) parts
                    shared[it.Sweeps[0].Body] <- states[0]
            | _ -> ()
        // By original node: where the parts that stay started, and start now.
        let moved = NodeMap<struct (int[] * int[]) voption>()
        let startsNow (before: int[]) (parts: bool[]) (now: int[]) = struct (keep parts before, now)
        let replace (original: Expr) (node: Expr) : Expr =
            match original.Op, ranges[original] with
            | Op.Loop extension, (NonNull read) ->
                let loops = Iterated.Of extension
                let parts = partsRead loops.Starts loops.Length read
                let first = firstOf loops.Iteration
                if isWhole loops.Iteration first parts || not (Array.contains true parts) then
                    node
                else
                    let struct (made, args) = loop cut loops.Iteration node.Args first parts
                    let struct (starts, _) = made.Starts
                    moved[original] <- ValueSome(startsNow loops.Starts parts starts)
                    Graph.within node.Scope (fun () -> Iterated.Node(made, args))
            | Op.Branch extension, (NonNull read) ->
                let branches = Branches.Of extension
                let before = branches.Starts[.. branches.Starts.Length - 2]
                let parts = partsRead before branches.Length read
                if Array.forall id parts || not (Array.contains true parts) then
                    node
                else
                    let struct (made, args) = branch branches node.Args parts
                    moved[original] <-
                        ValueSome(startsNow before parts made.Starts[.. made.Starts.Length - 2])
                    Graph.within node.Scope (fun () -> Branch.node made args)
            | Op.Slice([| start |], steps), _ ->
                match moved[original.Args[0]] with
                | ValueNone -> node
                | ValueSome _ when original.Shape.Length = 0 ->
                    Window.slice [| 0 |] steps original.Shape node.Args[0]
                | ValueSome(struct (before, now)) ->
                    let first = min start (start + steps[0] * (original.Shape.Length - 1))
                    let k = before |> Array.findIndexBack (fun at -> at <= first)
                    Window.slice [| start - before[k] + now[k] |] steps original.Shape node.Args[0]
            | _ -> node
        if nodes |> Array.exists (fun node -> not (isNull ranges[node])) then
            Graph.rebuild replace nodes roots
        else
            roots
