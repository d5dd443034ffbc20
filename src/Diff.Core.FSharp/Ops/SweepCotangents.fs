namespace Diff

open System.Collections.Generic

/// The cotangents that are known while the adjoint of a loop is made: of final states, and of what is read at each iteration.
[<Sealed>]
type internal LoopCotangents() =
    let finals, finalMasks =
        Dictionary<struct (int * int), Expr>(), Dictionary<struct (int * int), Expr>()
    // By what is read at each iteration: the arguments whose slices, and the outputs of adjoint sweeps, that are its cotangents.
    let feeds = Dictionary<Feed, List<Feed>>()
    // The masks of the caller's that these have, read beside them: what they keep back stays back in the body.
    let masks = Dictionary<Feed, Feed>()
    let find (of': Dictionary<struct (int * int), Expr>) (j: int) (s: int) : Expr | null =
        match of'.TryGetValue(struct (j, s)) with
        | true, known -> known
        | _ -> null

    /// One more of a final state.
    member _.AddFinal(j: int, s: int, g: Expr) : unit =
        finals[struct (j, s)] <-
            match finals.TryGetValue(struct (j, s)) with
            | true, known -> known + g
            | _ -> g

    /// The masks of those of the final states, once all are there.
    member _.MaskFinals() : unit =
        for KeyValue(state, g) in finals do
            match Mask.tryMask g with
            | null -> ()
            | mask -> finalMasks[state] <- mask

    member _.TryFinal(j: int, s: int) : Expr | null = find finals j s
    member _.TryFinalMask(j: int, s: int) : Expr | null = find finalMasks j s

    /// One more of what is read at each iteration: what `give` makes of it, and of its mask, is read by the adjoint.
    member _.Add(read: Feed, g: Expr, give: Expr -> Feed) : unit =
        let from = give g
        match feeds.TryGetValue read with
        | true, known -> known.Add from
        | _ -> feeds[read] <- List<Feed>([ from ])
        match Mask.tryMask g with
        | null -> ()
        | mask -> masks[from] <- give mask

    /// The sum of those of what is read at each iteration, in the body of an adjoint; null if there is none.
    member _.Read(draft: SweepDraft, read: Feed, like: Expr) : Expr | null =
        match feeds.TryGetValue read with
        | true, known ->
            known.ToArray()
            |> Array.map (fun feed ->
                let hole = SweepDraft.hole "cotangent" like
                draft.Read(feed, hole)
                match masks.TryGetValue feed with
                | true, from ->
                    let mask = Mask.hole like
                    draft.Read(from, mask)
                    Mask.maskedBy mask hole
                | _ -> hole)
            |> Array.reduce Mask.sum
        | _ -> null

    member _.AnyMasked = masks.Count > 0 || finalMasks.Count > 0

/// The cotangents of one sweep at an iteration: of its states after it, which are the states of the adjoint, and from them and what else
/// reads the sweep those of what it reads itself.
[<Sealed>]
type internal SweepCotangents
    (
        d: Differentiator,
        known: LoopCotangents,
        draft: SweepDraft,
        j: int,
        sweep: Sweep,
        inputs: (Feed * Expr)[]
    ) =
    let seeds =
        [| for o in 0 .. sweep.Outputs - 1 do
               match known.Read(draft, Feed.Output(j, o), sweep.Output o) with
               | null -> ()
               | g -> sweep.Output o, g
           for s in 0 .. sweep.States - 1 do
               match known.Read(draft, Feed.After(j, s), sweep.State s) with
               | null -> ()
               | g -> sweep.State s, g |]
    let before =
        Array.init sweep.States (fun s -> known.Read(draft, Feed.State(j, s), sweep.State s))
    let holes =
        Array.init sweep.States (fun s -> SweepDraft.hole "cotangent" (sweep.State s))
    // The states whose cotangents are masked at every iteration: all, until one is found that is not.
    let maskHoles = Array.init sweep.States (fun s -> Mask.hole (sweep.State s))
    let isMasked = HashSet<int>()
    let live = HashSet<int>()
    let total = Dictionary<Feed, Expr>()

    do
        let isAny = known.AnyMasked || Mask.areIn sweep.Body.Outputs
        for s in 0 .. sweep.States - 1 do
            let isFinal = not (isNull (known.TryFinal(j, s)))
            if isAny && (not isFinal || not (isNull (known.TryFinalMask(j, s)))) then
                isMasked.Add s |> ignore
            if isFinal || not (isNull before[s]) then
                live.Add s |> ignore

    /// The cotangents of the inputs, where these states have one.
    let pull () : (Feed * Expr)[] =
        let ofStates =
            [| for s in live ->
                   sweep.State s,
                   if isMasked.Contains s then
                       Mask.maskedBy maskHoles[s] holes[s]
                   else
                       holes[s] |]
        d.Pull (Array.append ofStates seeds) (Array.map snd inputs)
        |> Array.zip inputs
        |> Array.choose (fun ((feed, _), g) ->
            match g with
            | null -> None
            | g when isZero g -> None
            | g -> Some(feed, g))

    /// The cotangent of a state before the iteration.
    let next s : Expr =
        let own: Expr | null =
            match total.TryGetValue(Feed.State(j, s)) with
            | true, g -> g
            | _ -> null
        match own, before[s] with
        | null, null -> SweepDraft.zeros (sweep.State s)
        | null, g
        | g, null -> nonNull g
        | g, more -> g + more

    /// All of them, once it is known which states have one.
    let settle () =
        let mutable pulled = pull ()
        let mutable count = -1
        while count < live.Count do
            count <- live.Count
            for feed, _ in pulled do
                match feed with
                | Feed.State(read, s) when read = j -> live.Add s |> ignore
                | _ -> ()
            if live.Count > count then
                pulled <- pull ()
        total.Clear()
        for feed, gs in Array.groupBy fst pulled do
            total[feed] <- gs |> Array.map snd |> Array.reduce (+)

    do
        settle ()
        let mutable unmasked = isMasked.Count
        while unmasked > 0 do
            unmasked <- isMasked.RemoveWhere(fun s -> live.Contains s && isNull (Mask.reach (next s)))
            if unmasked > 0 then
                settle ()

    /// The states that have a cotangent.
    member _.States: int[] = Seq.sort live |> Array.ofSeq
    /// The cotangent of a state before the iteration: the next state of the adjoint.
    member _.Next(s: int) : Expr = next s
    /// The place of the cotangent of a state after it, and of its mask if it has one.
    member _.Hole(s: int) : Expr = holes[s]
    member _.IsMasked(s: int) : bool = isMasked.Contains s
    member _.MaskHole(s: int) : Expr = maskHoles[s]
    /// The cotangents of what the sweep reads.
    member _.Total: Dictionary<Feed, Expr> = total
