namespace Diff

open System
open System.Collections.Generic

/// The derivatives of loops: loops with more sweeps backwards, with more states forwards.
[<RequireQualifiedAccess>]
module internal SweepDerivative =
    let private isZero (e: Expr) =
        match e.Op with
        | Op.Const c -> c.AsFloat = 0.0
        | _ -> false

    let private zeros (e: Expr) = Expr.NoDerivative e

    let private hole name (e: Expr) =
        Leaf.input name e.Shape (DType.ofDerivative e.DType)

    let private sum (parts: Expr seq) : Expr | null =
        if Seq.isEmpty parts then
            null
        else
            Seq.reduce Mask.sum parts

    /// What depends on the arguments that `given` marks: states and outputs of numbers that have derivatives.
    let private varying (it: Iteration) (given: int -> bool) : HashSet<Feed> =
        let found = HashSet<Feed>()
        it.Sweeps
        |> Array.iteri (fun j sweep ->
            let reaches () =
                let sources =
                    Array.zip sweep.Feeds sweep.Body.Inputs
                    |> Array.filter (fun (feed, hole) ->
                        DType.isReal hole.DType
                        && match feed with
                           | Feed.Slice a
                           | Feed.Whole a -> given a
                           | Feed.After(read, s) -> found.Contains(Feed.State(read, s))
                           | feed -> found.Contains feed)
                    |> Array.map snd
                Graph.dependents sources (Graph.topological sweep.Body.Outputs)
            let add (depends: NodeMap<bool>) =
                for s in 0 .. sweep.States - 1 do
                    let state = sweep.State s
                    if DType.isReal state.DType && (given sweep.Init[s] || depends[state]) then
                        found.Add(Feed.State(j, s)) |> ignore
                for o in 0 .. sweep.Outputs - 1 do
                    let output = sweep.Output o
                    if DType.isReal output.DType && depends[output] then
                        found.Add(Feed.Output(j, o)) |> ignore
            let mutable count = -1
            while count < found.Count do
                count <- found.Count
                add (reaches ()))
        found

    /// Arguments of a loop, of which more are made on the way.
    [<Sealed>]
    type private Arguments(args: Expr[]) =
        let all = List<Expr>(args)
        member _.Add(e: Expr) : int =
            all.Add e
            all.Count - 1
        member _.ToArray() = all.ToArray()

    /// A sweep while it is made.
    [<Sealed>]
    type private SweepDraft(index: int) =
        let init, feeds, holes = List<int>(), List<Feed>(), List<Expr>()
        let states, outputs = List<Expr>(), List<Expr>()
        member _.Index = index
        member _.Read(feed: Feed, hole: Expr) =
            feeds.Add feed
            holes.Add hole
        /// A state that starts with an argument, its hole, and what it becomes.
        member this.State(arg: int, hole: Expr, next: Expr) : unit =
            this.Read(Feed.State(index, init.Count), hole)
            init.Add arg
            states.Add next
        /// The same output has one number.
        member _.Give(output: Expr) : int =
            match outputs.FindIndex(fun known -> obj.ReferenceEquals(known, output)) with
            | -1 ->
                outputs.Add output
                outputs.Count - 1
            | known -> known
        member _.States = states.Count
        member _.IsEmpty = states.Count = 0 && outputs.Count = 0
        /// What the sweep of the loop that it is the adjoint of has computed is read, not computed again.
        member this.ToSweep(reverse, known: (Expr * Feed)[]) : Sweep =
            let results = Array.append (states.ToArray()) (outputs.ToArray())
            let pairs =
                known
                |> Array.filter (fun (e, _) -> e.Args.Length > 0)
                |> Array.distinctBy (fun (e, _) -> e.Id)
                |> Array.map (fun (e, feed) ->
                    let hole = Leaf.input "known" e.Shape e.DType
                    this.Read(feed, hole)
                    e, hole)
            let body = Body(holes.ToArray(), Graph.substitute pairs results)
            let struct (feeds, body) = Bodies.trimmed (feeds.ToArray()) body
            Sweep(reverse, init.ToArray(), feeds, body)

    /// What a sum over all iterations of a contraction is made of: an operand in the body, where it is when the loop is done.
    [<RequireQualifiedAccess>]
    type private Factor =
        /// Given at each iteration: a part of the value, and the one that is its mask, or −1.
        | Given of part: int * mask: int
        /// The slices of an argument.
        | Sliced of arg: int
        /// The same at all iterations.
        | Whole of arg: int

    /// Contractions added up over the iterations, Σᵢ hᵢᵀδᵢ say, are one contraction of what was stacked: one large product for many small.
    /// That is done where the operands are small beside the states, so that they take no more memory than these.
    let private tryContraction (it: Iteration) (sweep: Sweep) (term: Expr) : (EinsumSpec * Expr[]) voption =
        let bytes (e: Expr) =
            int64 e.Shape.Length * int64 (DType.size e.DType)
        match term.Op, it.Length with
        | Op.Einsum spec, ValueSome n when n > 1 ->
            let states = Seq.init sweep.States sweep.State |> Seq.sumBy bytes
            let operands = term.Args |> Array.sumBy bytes
            let isWhole (e: Expr) =
                match Array.IndexOf(sweep.Body.Inputs, e) with
                | -1 -> false
                | k -> sweep.Feeds[k].IsWhole
            if Array.forall isWhole term.Args then
                ValueNone // the same at each iteration
            elif operands <= 4L * states && int64 n * operands <= it.MaxRecordBytes then
                ValueSome(spec, term.Args)
            else
                ValueNone
        | _ -> ValueNone

    /// The terms of a sum.
    let private terms (e: Expr) : Expr list =
        let found = List<Expr>()
        let waiting = Stack<Expr>([ e ])
        while waiting.Count > 0 do
            let next = waiting.Pop()
            match next.Op with
            | Op.Elementwise Fn.Add -> Array.iter waiting.Push (Array.rev next.Args)
            | _ -> found.Add next
        List.ofSeq found

    /// The cotangents of the needed arguments, from that of the value: the sweeps again, then the adjoint of each, the last one first and
    /// in the other direction, whose state is the cotangent of the state.
    let vjp (it: Iterated) (d: Differentiator) (needed: bool[]) (args: Expr[]) (g: Expr) : (Expr | null)[] =
        let starts, it = it.Starts, it.Iteration
        let arguments = Arguments args
        let varies = varying it (fun a -> needed[a])
        /// The cotangent of a part of the value.
        let partOf (k: int) : Expr | null =
            let part = it.Parts[k]
            let e = it.PartOf part
            let feed =
                match part with
                | LoopPart.Final(j, s) -> Feed.State(j, s)
                | LoopPart.Stacked(j, o) -> Feed.Output(j, o)
            if not (varies.Contains feed) then
                null
            else
                match Pack.tryPart starts[k] (Pack.length it.Packed (it.ShapeOf part) e.DType) g with
                | null -> null
                | flat when isZero flat -> null
                | flat ->
                    Reshape.make (it.ShapeOf part) flat
                    |> Elementwise.makeCast (DType.ofDerivative e.DType)
        // By what is read at each iteration: the arguments whose slices, and the outputs of adjoint sweeps, that are its cotangents.
        let cotangents = Dictionary<Feed, List<Feed>>()
        let contribute (to': Feed) (from: Feed) =
            match cotangents.TryGetValue to' with
            | true, known -> known.Add from
            | _ -> cotangents[to'] <- List<Feed>([ from ])
        let contributions feed =
            match cotangents.TryGetValue feed with
            | true, known -> known
            | _ -> List<Feed>()
        // The masks of the caller's that these have, read beside them: what they keep back stays back in the body.
        let masks = Dictionary<Feed, Feed>()
        let finals = Dictionary<struct (int * int), Expr>()
        it.Parts
        |> Array.iteri (fun k part ->
            match part, partOf k with
            | _, null -> ()
            | LoopPart.Final(j, s), g ->
                finals[struct (j, s)] <-
                    match finals.TryGetValue(struct (j, s)) with
                    | true, known -> known + g
                    | _ -> g
            | LoopPart.Stacked(j, o), g ->
                let from = Feed.Slice(arguments.Add g)
                contribute (Feed.Output(j, o)) from
                match Mask.tryMask g with
                | null -> ()
                | mask -> masks[from] <- Feed.Slice(arguments.Add mask))
        let finalMasks = Dictionary<struct (int * int), Expr>()
        for KeyValue(state, g) in finals do
            match Mask.tryMask g with
            | null -> ()
            | mask -> finalMasks[state] <- mask
        let keeps a = d.IsWithin || args[a].Args.Length > 0
        let made = List<Sweep>()
        // What the arguments get: parts of the value.
        let results = List<struct (int * int * int)>()
        let parts = List<LoopPart>()
        let partNumber (part: LoopPart) =
            if not (parts.Contains part) then
                parts.Add part
            parts.IndexOf part
        let contractions = List<struct (int * EinsumSpec * Expr * Factor[])>()
        let adjoint j =
            let sweep = it.Sweeps[j]
            let draft = SweepDraft(it.Sweeps.Length + made.Count)
            let read (feeds: List<Feed>) (like: Expr) : Expr | null =
                feeds
                |> Seq.map (fun feed ->
                    let hole = hole "cotangent" like
                    draft.Read(feed, hole)
                    match masks.TryGetValue feed with
                    | true, from ->
                        let mask = Mask.hole like
                        draft.Read(from, mask)
                        Mask.maskedBy mask hole
                    | _ -> hole)
                |> Array.ofSeq
                |> sum
            let seeds =
                [| for o in 0 .. sweep.Outputs - 1 do
                       match read (contributions (Feed.Output(j, o))) (sweep.Output o) with
                       | null -> ()
                       | g -> sweep.Output o, g
                   for s in 0 .. sweep.States - 1 do
                       match read (contributions (Feed.After(j, s))) (sweep.State s) with
                       | null -> ()
                       | g -> sweep.State s, g |]
            let before =
                Array.init sweep.States (fun s -> read (contributions (Feed.State(j, s))) (sweep.State s))
            let inputs =
                Array.zip sweep.Feeds sweep.Body.Inputs
                |> Array.filter (fun (feed, hole) ->
                    DType.isReal hole.DType
                    && match feed with
                       | Feed.Slice a
                       | Feed.Whole a -> needed[a]
                       | Feed.After(read, s) -> varies.Contains(Feed.State(read, s))
                       | feed -> varies.Contains feed)
            let holes = Array.init sweep.States (fun s -> hole "cotangent" (sweep.State s))
            // The states whose cotangents are masked at every iteration: all, until one is found that is not.
            let maskHoles = Array.init sweep.States (fun s -> Mask.hole (sweep.State s))
            let isMasked = HashSet<int>()
            if masks.Count > 0 || finalMasks.Count > 0 || Mask.areIn sweep.Body.Outputs then
                for s in 0 .. sweep.States - 1 do
                    if finalMasks.ContainsKey(struct (j, s)) || not (finals.ContainsKey(struct (j, s))) then
                        isMasked.Add s |> ignore
            /// The cotangents of the inputs, where these states have one.
            let pull (live: HashSet<int>) =
                let ofStates =
                    [| for s in live ->
                           sweep.State s,
                           if isMasked.Contains s then
                               Mask.maskedBy maskHoles[s] holes[s]
                           else
                               holes[s] |]
                d.Pull (Array.append ofStates seeds) (Array.map snd inputs)
                |> Array.map (fun (g: Expr | null) ->
                    match g with
                    | null -> null
                    | g when isZero g -> null
                    | g -> g)
            let found (pulled: (Expr | null)[]) =
                Seq.zip inputs pulled
                |> Seq.choose (fun ((feed, _), g) ->
                    match g with
                    | null -> None
                    | g -> Some(feed, g))
            let live = HashSet<int>()
            for s in 0 .. sweep.States - 1 do
                if finals.ContainsKey(struct (j, s)) || not (isNull before[s]) then
                    live.Add s |> ignore
            let total = Dictionary<Feed, Expr>()
            let totalOf feed : Expr | null =
                match total.TryGetValue feed with
                | true, g -> g
                | _ -> null
            /// The cotangent of a state before the iteration.
            let next s =
                match totalOf (Feed.State(j, s)), before[s] with
                | null, null -> zeros (sweep.State s)
                | null, g
                | g, null -> nonNull g
                | g, more -> g + more
            /// All of them, once it is known which states have one.
            let settle () =
                let mutable pulled = pull live
                let mutable count = -1
                while count < live.Count do
                    count <- live.Count
                    for feed, _ in found pulled do
                        match feed with
                        | Feed.State(sweepRead, s) when sweepRead = j -> live.Add s |> ignore
                        | _ -> ()
                    if live.Count > count then
                        pulled <- pull live
                let totals =
                    found pulled
                    |> Seq.groupBy fst
                    |> Seq.map (fun (feed, gs) -> feed, Seq.map snd gs)
                total.Clear()
                for feed, gs in totals do
                    total[feed] <- Seq.reduce (+) gs
            settle ()
            let mutable unmasked = isMasked.Count
            while unmasked > 0 do
                unmasked <- isMasked.RemoveWhere(fun s -> live.Contains s && isNull (Mask.reach (next s)))
                if unmasked > 0 then
                    settle ()
            for feed, hole in Array.zip sweep.Feeds sweep.Body.Inputs do
                draft.Read(feed, hole)
            /// A mask after the last iteration, as a part of the value.
            let finalNumbers (first: Expr) (next: Expr) (like: Expr) : int =
                let part = partNumber (LoopPart.Final(draft.Index, draft.States))
                draft.State(arguments.Add(Mask.numbers first like), hole "mask" like, Mask.numbers next like)
                part
            let givenMask (g: Expr) : int =
                match Mask.tryMask g with
                | null -> -1
                | mask -> partNumber (LoopPart.Stacked(draft.Index, draft.Give(Mask.numbers mask g)))
            for s in Seq.sort live do
                let state = sweep.State s
                let first =
                    match finals.TryGetValue(struct (j, s)) with
                    | true, g -> g
                    | _ -> zeros state
                let next = next s
                let own = draft.States
                draft.State(arguments.Add first, holes[s], next)
                let mask =
                    if not (isMasked.Contains s) then
                        -1
                    else
                        let firstMask =
                            match finalMasks.TryGetValue(struct (j, s)) with
                            | true, mask -> mask
                            | _ -> Expr.Full(0.0, state.Shape, DType.Bool)
                        let nextMask = nonNull (Mask.tryMask next)
                        draft.State(arguments.Add firstMask, maskHoles[s], nextMask)
                        if keeps sweep.Init[s] then
                            finalNumbers firstMask nextMask next
                        else
                            -1
                if needed[sweep.Init[s]] then
                    results.Add(struct (sweep.Init[s], partNumber (LoopPart.Final(draft.Index, own)), mask))
            let factor a (operand: Expr) : Factor =
                match Array.IndexOf(sweep.Body.Inputs, operand) with
                | k when k >= 0 && sweep.Feeds[k].IsSlice ->
                    match sweep.Feeds[k] with
                    | Feed.Slice a -> Factor.Sliced a
                    | _ -> invalidOp "loop: no slice"
                | k when k >= 0 && sweep.Feeds[k].IsWhole ->
                    match sweep.Feeds[k] with
                    | Feed.Whole a -> Factor.Whole a
                    | _ -> invalidOp "loop: no argument"
                | _ ->
                    let part = partNumber (LoopPart.Stacked(draft.Index, draft.Give operand))
                    Factor.Given(part, (if keeps a then givenMask operand else -1))
            for KeyValue(feed, g) in total do
                match feed with
                | Feed.State(read, _) when read = j -> ()
                | Feed.State _
                | Feed.After _
                | Feed.Output _ ->
                    let from = Feed.Output(draft.Index, draft.Give g)
                    contribute feed from
                    match Mask.tryMask g with
                    | null -> ()
                    | mask -> masks[from] <- Feed.Output(draft.Index, draft.Give mask)
                | Feed.Slice a ->
                    let part = partNumber (LoopPart.Stacked(draft.Index, draft.Give g))
                    results.Add(struct (a, part, (if keeps a then givenMask g else -1)))
                | Feed.Whole a ->
                    let later, now =
                        terms g |> List.partition (fun term -> (tryContraction it sweep term).IsSome)
                    for term in later do
                        let spec, operands = (tryContraction it sweep term).Value
                        contractions.Add(struct (a, spec, term, Array.map (factor a) operands))
                    match now with
                    | [] -> ()
                    | _ ->
                        let part = partNumber (LoopPart.Final(draft.Index, draft.States))
                        let soFar = hole "sum" g
                        let now = List.reduce (+) now
                        draft.State(arguments.Add(zeros g), soFar, soFar + now)
                        let mask =
                            match (if keeps a then Mask.tryMask now else null) with
                            | null -> -1
                            | mask ->
                                let none = Expr.Full(0.0, g.Shape, DType.Bool)
                                let soFar = Mask.hole g
                                let next = Mask.either soFar mask
                                draft.State(arguments.Add none, soFar, next)
                                finalNumbers none next g
                        results.Add(struct (a, part, mask))
            if not draft.IsEmpty then
                let shown o =
                    Array.contains (LoopPart.Stacked(j, o)) it.Parts
                let known =
                    [| for o in 0 .. sweep.Outputs - 1 do
                           if shown o then
                               sweep.Output o, Feed.Output(j, o)
                       for s in 0 .. sweep.States - 1 do
                           sweep.State s, Feed.After(j, s) |]
                made.Add(draft.ToSweep(not sweep.Reverse, known))
        for j in it.Sweeps.Length - 1 .. -1 .. 0 do
            adjoint j
        let sweeps = Array.append it.Sweeps (made.ToArray())
        let parts = parts.ToArray()
        let all =
            { it with
                Sweeps = sweeps
                Parts = parts }
        let all =
            { all with
                Packed = Pack.typeOf (parts |> Seq.map (fun part -> (all.PartOf part).DType)) }
        let cotangent: (Expr | null)[] = Array.create args.Length null
        if parts.Length > 0 then
            let values = Iterated.Parts(Iterated.Node(all, arguments.ToArray()))
            let add a (part: Expr) =
                cotangent[a] <-
                    match cotangent[a] with
                    | null -> part
                    | sum -> Mask.sum sum part
            let masked k mask =
                if mask < 0 then
                    values[k]
                else
                    Mask.within values[mask] values[k]
            for struct (a, k, mask) in results do
                add a (masked k mask)
            for struct (a, spec, term, factors) in contractions do
                let label =
                    EinsumSpec.labels (spec.Output.Length + Seq.sumBy String.length spec.Inputs + 1)
                    |> Array.find (fun c ->
                        not (String.exists ((=) c) (String.Join("", spec.Inputs) + spec.Output)))
                let along =
                    factors
                    |> Array.map (function
                        | Factor.Given(k, mask) -> string label, masked k mask
                        | Factor.Sliced a -> string label, args[a]
                        | Factor.Whole a -> "", args[a])
                let spec =
                    { spec with
                        Inputs = Array.map2 (fun (label, _) axes -> label + axes) along spec.Inputs }
                let product = Expr(Op.Einsum spec, Array.map snd along, term.Shape, term.DType)
                match (if keeps a then Mask.reach product else null) with
                | null -> add a product
                | numbers -> add a (Mask.within numbers product)
        cotangent

    /// The tangent of the value, from those of the arguments: each sweep with the tangents of its states beside them.
    let jvp (it: Iterated) (d: Differentiator) (args: Expr[]) (tangents: (Expr | null)[]) : Expr | null =
        let it = it.Iteration
        let arguments = Arguments args
        let tangentArg =
            tangents
            |> Array.map (fun v -> if isNull v then -1 else arguments.Add(nonNull v))
        let varies = varying it (fun a -> tangentArg[a] >= 0)
        // Where the tangents of states and outputs stand: behind the states and outputs themselves.
        let place = Dictionary<Feed, int>()
        it.Sweeps
        |> Array.iteri (fun j sweep ->
            let mutable state, output = sweep.States, sweep.Outputs
            for s in 0 .. sweep.States - 1 do
                if varies.Contains(Feed.State(j, s)) then
                    place[Feed.State(j, s)] <- state
                    state <- state + 1
            for o in 0 .. sweep.Outputs - 1 do
                if varies.Contains(Feed.Output(j, o)) then
                    place[Feed.Output(j, o)] <- output
                    output <- output + 1)
        let tangentOf (feed: Feed) : Feed voption =
            match feed with
            | Feed.State(j, _) when place.ContainsKey feed -> ValueSome(Feed.State(j, place[feed]))
            | Feed.After(j, s) when place.ContainsKey(Feed.State(j, s)) ->
                ValueSome(Feed.After(j, place[Feed.State(j, s)]))
            | Feed.Output(j, _) when place.ContainsKey feed -> ValueSome(Feed.Output(j, place[feed]))
            | Feed.Slice a when tangentArg[a] >= 0 -> ValueSome(Feed.Slice tangentArg[a])
            | Feed.Whole a when tangentArg[a] >= 0 -> ValueSome(Feed.Whole tangentArg[a])
            | _ -> ValueNone
        let doubled j (sweep: Sweep) =
            let moved =
                [| for feed, x in Array.zip sweep.Feeds sweep.Body.Inputs do
                       match tangentOf feed with
                       | ValueSome from -> x, from, hole "tangent" x
                       | ValueNone -> () |]
            let xs, vs =
                moved |> Array.map (fun (x, _, _) -> x), moved |> Array.map (fun (_, _, v) -> v)
            let pushed =
                Array.map2
                    (fun (y: Expr) (v: Expr | null) ->
                        match v with
                        | null -> zeros y
                        | v -> v)
                    sweep.Body.Outputs
                    (d.Push sweep.Body.Outputs xs vs)
            let states =
                [| for s in 0 .. sweep.States - 1 do
                       if varies.Contains(Feed.State(j, s)) then
                           s |]
            let outputs =
                [| for o in 0 .. sweep.Outputs - 1 do
                       if varies.Contains(Feed.Output(j, o)) then
                           o |]
            let first s =
                match tangents[sweep.Init[s]] with
                | null -> arguments.Add(zeros (sweep.State s))
                | _ -> tangentArg[sweep.Init[s]]
            let body =
                Body(
                    Array.append sweep.Body.Inputs vs,
                    Array.concat
                        [ sweep.Body.Outputs[.. sweep.States - 1]
                          states |> Array.map (fun s -> pushed[s])
                          sweep.Body.Outputs[sweep.States ..]
                          outputs |> Array.map (fun o -> pushed[sweep.States + o]) ]
                )
            let struct (feeds, body) =
                Bodies.trimmed (Array.append sweep.Feeds (moved |> Array.map (fun (_, from, _) -> from))) body
            Sweep(sweep.Reverse, Array.append sweep.Init (states |> Array.map first), feeds, body)
        let tangentPart (part: LoopPart) : LoopPart voption =
            match part with
            | LoopPart.Final(j, s) when place.ContainsKey(Feed.State(j, s)) ->
                ValueSome(LoopPart.Final(j, place[Feed.State(j, s)]))
            | LoopPart.Stacked(j, o) when place.ContainsKey(Feed.Output(j, o)) ->
                ValueSome(LoopPart.Stacked(j, place[Feed.Output(j, o)]))
            | _ -> ValueNone
        let moved = it.Parts |> Array.map tangentPart
        let parts = moved |> Array.filter _.IsSome |> Array.map _.Value
        if parts.Length = 0 then
            null
        else
            let all =
                { it with
                    Sweeps = it.Sweeps |> Array.mapi doubled
                    Parts = parts }
            let all =
                { all with
                    Packed = Pack.typeOf (parts |> Seq.map (fun part -> (all.PartOf part).DType)) }
            let node = Iterated.Node(all, arguments.ToArray())
            let packed = DType.ofDerivative it.Packed
            let struct (starts, _) = all.Starts
            let mutable next = 0
            let pieces =
                Array.map2
                    (fun (part: LoopPart) (tangent: LoopPart voption) ->
                        let length = Pack.length it.Packed (it.ShapeOf part) (it.PartOf part).DType
                        match tangent with
                        | ValueNone -> Expr.Full(0.0, Shape [| length |], packed)
                        | ValueSome _ ->
                            let start = starts[next]
                            next <- next + 1
                            Pack.window start length node |> Elementwise.makeCast packed)
                    it.Parts
                    moved
            Window.concat 0 pieces
