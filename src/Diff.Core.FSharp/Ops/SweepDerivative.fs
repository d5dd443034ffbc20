namespace Diff

open System.Collections.Generic

/// The derivatives of loops: loops with more sweeps backwards, with more states forwards.
[<RequireQualifiedAccess>]
module internal SweepDerivative =
    /// A loop with the adjoints of its sweeps while these are made, and what they give its arguments.
    [<Sealed>]
    type private LoopAdjoint(loop: Iterated, d: Differentiator, needed: bool[], args: Expr[]) =
        let it = loop.Iteration
        let arguments = LoopArguments args
        let varies = SweepDraft.varying it (fun a -> needed[a])
        let cotangents = LoopCotangents()
        let made = List<Sweep>()
        let parts = List<LoopPart>()
        // What the arguments get: parts of the value, and the parts that are their masks, or −1.
        let results = List<struct (int * int * int)>()
        let contractions = List<LaterContraction>()

        /// Whether what an argument gets goes on, so that its mask is needed.
        let keeps a = d.IsWithin || args[a].Args.Length > 0

        /// Where a part stands in the value of the loop that is made.
        let partNumber (part: LoopPart) =
            if not (parts.Contains part) then
                parts.Add part
            parts.IndexOf part

        /// The cotangent of a part of the value.
        let partOf (g: Expr) (k: int) : Expr | null =
            let part = it.Parts[k]
            let e = it.PartOf part
            let feed =
                match part with
                | LoopPart.Final(j, s) -> Feed.State(j, s)
                | LoopPart.Stacked(j, o) -> Feed.Output(j, o)
            if not (varies.Contains feed) then
                null
            else
                match Pack.tryPart loop.Starts[k] (Pack.length it.Packed (it.ShapeOf part) e.DType) g with
                | null -> null
                | flat when isZero flat -> null
                | flat ->
                    Reshape.make (it.ShapeOf part) flat
                    |> Elementwise.makeCast (DType.ofDerivative e.DType)

        /// The inputs of a sweep's body that are to have cotangents.
        let inputsOf (sweep: Sweep) : (Feed * Expr)[] =
            Array.zip sweep.Feeds sweep.Body.Inputs
            |> Array.filter (fun (feed, hole) ->
                DType.isReal hole.DType
                && match feed with
                   | Feed.Slice a
                   | Feed.Whole a -> needed[a]
                   | Feed.After(read, s) -> varies.Contains(Feed.State(read, s))
                   | feed -> varies.Contains feed)

        /// A mask after the last iteration, as a part of the value.
        let finalMask (draft: SweepDraft) (first: Expr) (next: Expr) (like: Expr) : int =
            let part = partNumber (LoopPart.Final(draft.Index, draft.States))
            let start = arguments.Add(Mask.numbers first like)
            draft.State(start, SweepDraft.hole "mask" like, Mask.numbers next like)
            part

        /// What an argument gets of each iteration, as a part of the value, and the part that is its mask.
        let stacked (draft: SweepDraft) (a: int) (g: Expr) : struct (int * int) =
            let give e =
                partNumber (LoopPart.Stacked(draft.Index, draft.Give e))
            let part = give g
            match (if keeps a then Mask.tryMask g else null) with
            | null -> struct (part, -1)
            | mask -> struct (part, give (Mask.numbers mask g))

        /// The cotangent of a state: a state of the adjoint, its mask another. What it is in the end is the cotangent of the initial state.
        let addState (draft: SweepDraft) (j: int) (own: SweepCotangents) (s: int) : unit =
            let sweep = it.Sweeps[j]
            let state = sweep.State s
            let orElse (none: unit -> Expr) (known: Expr | null) =
                match known with
                | null -> none ()
                | known -> known
            let first = cotangents.TryFinal(j, s) |> orElse (fun () -> SweepDraft.zeros state)
            let next = own.Next s
            let number = draft.States
            draft.State(arguments.Add first, own.Hole s, next)
            let mask =
                if not (own.IsMasked s) then
                    -1
                else
                    let firstMask =
                        cotangents.TryFinalMask(j, s)
                        |> orElse (fun () -> Expr.Full(0.0, state.Shape, DType.Bool))
                    let nextMask = nonNull (Mask.tryMask next)
                    draft.State(arguments.Add firstMask, own.MaskHole s, nextMask)
                    if keeps sweep.Init[s] then
                        finalMask draft firstMask nextMask next
                    else
                        -1
            if needed[sweep.Init[s]] then
                results.Add(struct (sweep.Init[s], partNumber (LoopPart.Final(draft.Index, number)), mask))

        /// Terms added up over the iterations, in a state of the adjoint that starts with 0; the mask of the sum is another.
        let addSum (draft: SweepDraft) (a: int) (terms: Expr list) (like: Expr) : unit =
            let part = partNumber (LoopPart.Final(draft.Index, draft.States))
            let soFar = SweepDraft.hole "sum" like
            let now = List.reduce (+) terms
            draft.State(arguments.Add(SweepDraft.zeros like), soFar, soFar + now)
            let mask =
                match (if keeps a then Mask.tryMask now else null) with
                | null -> -1
                | mask ->
                    let none = Expr.Full(0.0, like.Shape, DType.Bool)
                    let soFar = Mask.hole like
                    let next = Mask.either soFar mask
                    draft.State(arguments.Add none, soFar, next)
                    finalMask draft none next like
            results.Add(struct (a, part, mask))

        /// What an argument that is the same at all iterations gets: contractions that are left for after the loop, and a sum in it.
        let addWhole (draft: SweepDraft) (sweep: Sweep) (a: int) (g: Expr) : unit =
            let struct (later, now) = SweepContractions.split it sweep g
            for struct (spec, term) in later do
                contractions.Add
                    { Arg = a
                      Spec = spec
                      Term = term
                      Factors = Array.map (SweepContractions.factor sweep (stacked draft a)) term.Args }
            if not now.IsEmpty then
                addSum draft a now g

        /// The cotangent of what a sweep reads, given to where that comes from. That of its own states is a state of the adjoint.
        let pass (draft: SweepDraft) (j: int) (feed: Feed) (g: Expr) : unit =
            match feed with
            | Feed.State(read, _) when read = j -> ()
            | Feed.State _
            | Feed.After _
            | Feed.Output _ -> cotangents.Add(feed, g, (fun e -> Feed.Output(draft.Index, draft.Give e)))
            | Feed.Slice a ->
                let struct (part, mask) = stacked draft a g
                results.Add(struct (a, part, mask))
            | Feed.Whole a -> addWhole draft it.Sweeps[j] a g

        /// What a sweep has computed at the iteration and the adjoint can read.
        let knownOf (j: int) : (Expr * Feed)[] =
            let sweep = it.Sweeps[j]
            [| for o in 0 .. sweep.Outputs - 1 do
                   if Array.contains (LoopPart.Stacked(j, o)) it.Parts then
                       sweep.Output o, Feed.Output(j, o)
               for s in 0 .. sweep.States - 1 do
                   sweep.State s, Feed.After(j, s) |]

        /// The cotangents of the parts of the value, from that of the value.
        member _.Collect(g: Expr) : unit =
            it.Parts
            |> Array.iteri (fun k part ->
                match part, partOf g k with
                | _, null -> ()
                | LoopPart.Final(j, s), g -> cotangents.AddFinal(j, s, g)
                | LoopPart.Stacked(j, o), g ->
                    cotangents.Add(Feed.Output(j, o), g, (fun e -> Feed.Slice(arguments.Add e))))
            cotangents.MaskFinals()

        /// The adjoint of a sweep, once those of all later sweeps are made.
        member _.Adjoin(j: int) : unit =
            let sweep = it.Sweeps[j]
            let draft = SweepDraft(it.Sweeps.Length + made.Count)
            let own = SweepCotangents(d, cotangents, draft, j, sweep, inputsOf sweep)
            for feed, hole in Array.zip sweep.Feeds sweep.Body.Inputs do
                draft.Read(feed, hole)
            for s in own.States do
                addState draft j own s
            for KeyValue(feed, g) in own.Total do
                pass draft j feed g
            if not draft.IsEmpty then
                let known = knownOf j
                made.Add(draft.ToSweep(not sweep.Reverse, known))

        /// The cotangents of the arguments: sums of parts of the value of one loop with all sweeps, and of contractions after it.
        member _.Assemble() : (Expr | null)[] =
            let cotangent: (Expr | null)[] = Array.create args.Length null
            if parts.Count > 0 then
                let all =
                    SweepDraft.loop it (Array.append it.Sweeps (made.ToArray())) (parts.ToArray())
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
                for later in contractions do
                    let product = SweepContractions.product args masked later
                    match (if keeps later.Arg then Mask.reach product else null) with
                    | null -> add later.Arg product
                    | numbers -> add later.Arg (Mask.within numbers product)
            cotangent

    /// The cotangents of the needed arguments, from that of the value: the sweeps again, then the adjoint of each, the last one first and
    /// in the other direction, whose state is the cotangent of the state.
    let vjp (loop: Iterated) (d: Differentiator) (needed: bool[]) (args: Expr[]) (g: Expr) : (Expr | null)[] =
        let adjoint = LoopAdjoint(loop, d, needed, args)
        adjoint.Collect g
        for j in loop.Iteration.Sweeps.Length - 1 .. -1 .. 0 do
            adjoint.Adjoin j
        adjoint.Assemble()

    /// The tangent of the value, from those of the arguments: each sweep with the tangents of its states beside them.
    let jvp (it: Iterated) (d: Differentiator) (args: Expr[]) (tangents: (Expr | null)[]) : Expr | null =
        let it = it.Iteration
        let arguments = LoopArguments args
        let tangentArg =
            tangents
            |> Array.map (fun v -> if isNull v then -1 else arguments.Add(nonNull v))
        let varies = SweepDraft.varying it (fun a -> tangentArg[a] >= 0)
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
                       | ValueSome from -> x, from, SweepDraft.hole "tangent" x
                       | ValueNone -> () |]
            let xs, vs =
                moved |> Array.map (fun (x, _, _) -> x), moved |> Array.map (fun (_, _, v) -> v)
            let pushed =
                Array.map2
                    (fun (y: Expr) (v: Expr | null) ->
                        match v with
                        | null -> SweepDraft.zeros y
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
                | null -> arguments.Add(SweepDraft.zeros (sweep.State s))
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
            let all = SweepDraft.loop it (Array.mapi doubled it.Sweeps) parts
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
