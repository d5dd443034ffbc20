namespace Diff

open System
open System.Collections.Generic
open Diff.Kernels
open FSharp.NativeInterop

/// One run of a loop at a time, with the memory that it takes. In the steady state nothing is allocated.
[<Sealed>]
type internal SweepRun(plan: LoopPlan) =
    let it = plan.Iteration
    let workspaces =
        plan.Sweeps
        |> Array.map (fun p ->
            let workspace = Workspace p.Plan.Data
            workspace.Attach p.Inputs
            workspace)
    let condition =
        match plan.Condition with
        | ValueSome(struct (plan, inputs, feeds)) ->
            let workspace = Workspace plan.Data
            workspace.Attach inputs
            ValueSome(struct (workspace, feeds, Entry.source plan.Data.Sources.Length))
        | ValueNone -> ValueNone
    let packedBytes = int64 (DType.size it.Packed)
    // The arguments, the value, and the memory of this run.
    let args: nativeint[] =
        let feeds =
            plan.Sweeps
            |> Seq.collect (fun p -> Seq.append (p.Sweep.Init |> Seq.map Feed.Whole) p.Sweep.Feeds)
        let conditions =
            match it.Condition with
            | ValueSome(struct (feeds, _)) -> Seq.ofArray feeds
            | ValueNone -> Seq.empty
        let last =
            Seq.append feeds conditions
            |> Seq.fold
                (fun last feed ->
                    match feed with
                    | Feed.Slice a
                    | Feed.Whole a -> max last a
                    | _ -> last)
                -1
        Array.zeroCreate (last + 1)
    let mutable value = 0n
    let mutable memory = 0n
    let mutable layout = Unchecked.defaultof<SweepLayout>
    let mutable keeps = true
    let mutable count = 0
    // Which of two slots the states that are not kept are in, and which segment is there, by sweep.
    let turn: int[] = Array.zeroCreate plan.Sweeps.Length
    let present: int[] = Array.zeroCreate plan.Sweeps.Length
    // Entries that change from iteration to iteration: by a step, or between two addresses.
    let size = workspaces |> Array.map (fun w -> w.Table.Length) |> Array.max
    let moving, steps = Array.zeroCreate<int> size, Array.zeroCreate<nativeint> size
    let turning, between = Array.zeroCreate<int> size, Array.zeroCreate<nativeint> size
    let mutable movings = 0
    let mutable turnings = 0
    let mutable owned: Block | null = null
    // For how many iterations there is memory at first, of a loop whose length is not known: for as many as the longest run so far, unless that was too much to keep.
    let leastRoom = 64
    let mutable roomBefore = leastRoom
    // The run that has the record of the first sweep, if this one does without it.
    let mutable lender: SweepRun | null = null

    let keptState (j: int) (s: int) =
        match lender with
        | null -> keeps && plan.Sweeps[j].KeepsState[s]
        | lender when j = 0 -> lender.KeepsState s
        | _ -> keeps && plan.Sweeps[j].KeepsState[s]
    let strideOf (bytes: int64) = nativeint (SweepLayout.stride bytes)
    let firstOf seg = seg * layout.Segment
    let endOf seg = min count ((seg + 1) * layout.Segment)

    /// The place of iteration i among those of its segment, in the order in which the sweep takes them.
    let slotOf j seg i =
        if plan.Sweeps[j].Sweep.Reverse then
            endOf seg - 1 - i
        else
            i - firstOf seg

    /// The state of a sweep after so many iterations of a segment.
    let stateAt j s slot : nativeint =
        if j = 0 && not (isNull lender) then
            (nonNull lender).StateAt(s, slot)
        else
            let at = memory + nativeint layout.Sweeps[j].States[s]
            let index = if keptState j s then slot else turn[j]
            at + nativeint index * strideOf plan.Sweeps[j].StateBytes[s]

    let startAt j s seg : nativeint =
        memory
        + nativeint layout.Sweeps[j].Starts[s]
        + nativeint seg * strideOf plan.Sweeps[j].StateBytes[s]

    let visibleAt j o i : nativeint =
        let p = plan.Sweeps[j]
        let output = p.Sweep.Output o
        let length = int64 (Pack.length it.Packed output.Shape output.DType)
        value + nativeint ((int64 p.Visible[o] + int64 i * length) * packedBytes)

    /// Where an output goes at an iteration, and how far that is from iteration to iteration, ascending.
    let outputAt j o seg i : struct (nativeint * nativeint) =
        let p = plan.Sweeps[j]
        if j = 0 && not (isNull lender) then
            (nonNull lender).OutputAt(o, i)
        elif p.Direct[o] then
            struct (visibleAt j o i, nativeint p.OutputBytes[o])
        elif keeps && p.KeepsOutput[o] then
            let stride = strideOf p.OutputBytes[o]
            let at = memory + nativeint layout.Sweeps[j].Outputs[o]
            struct (at + nativeint (i - firstOf seg) * stride, stride)
        else
            struct (memory + nativeint layout.Sweeps[j].Outputs[o], 0n)

    let goesOn () =
        NativePtr.read (NativePtr.ofNativeInt<byte>(memory + nativeint layout.Condition))
        <> 0uy

    let move (table: nativeint[]) entry (at: nativeint) (step: nativeint) =
        table[entry] <- at
        if step <> 0n then
            moving[movings] <- entry
            steps[movings] <- step
            movings <- movings + 1

    let alternate (table: nativeint[]) entry (a: nativeint) (b: nativeint) =
        table[entry] <- a
        turning[turnings] <- entry
        between[turnings] <- a ^^^ b
        turnings <- turnings + 1

    /// The slot of a state that is not kept in which it is not.
    let otherSlot j s : nativeint =
        let at = memory + nativeint layout.Sweeps[j].States[s]
        at + nativeint (1 - turn[j]) * strideOf plan.Sweeps[j].StateBytes[s]

    /// Some iterations of a segment, in the sweep's order; how many were run. With `stops`, no more once the condition is false.
    let stretch (j: int) (seg: int) (low: int) (high: int) (stops: bool) : int =
        let p = plan.Sweeps[j]
        let sweep = p.Sweep
        let table = workspaces[j].Table
        let first = if sweep.Reverse then high - 1 else low
        let ahead = if sweep.Reverse then -1n else 1n
        movings <- 0
        turnings <- 0
        for struct (entry, feed, bytes) in p.Feeds do
            match feed with
            | Feed.Whole a -> table[entry] <- args[a]
            | Feed.Slice a ->
                let bytes = nativeint bytes
                move table entry (args[a] + nativeint first * bytes) (ahead * bytes)
            | Feed.State(read, s) when keptState read s ->
                let along =
                    if plan.Sweeps[read].Sweep.Reverse = sweep.Reverse then
                        1n
                    else
                        -1n
                move
                    table
                    entry
                    (stateAt read s (slotOf read seg first))
                    (along * strideOf plan.Sweeps[read].StateBytes[s])
            | Feed.After(read, s) ->
                let along =
                    if plan.Sweeps[read].Sweep.Reverse = sweep.Reverse then
                        1n
                    else
                        -1n
                move
                    table
                    entry
                    (stateAt read s (slotOf read seg first + 1))
                    (along * strideOf plan.Sweeps[read].StateBytes[s])
            | Feed.State(_, s) -> alternate table entry (stateAt j s 0) (otherSlot j s)
            | Feed.Output(read, o) ->
                let struct (at, step) = outputAt read o seg first
                move table entry at (ahead * step)
        for s in 0 .. sweep.States - 1 do
            let entry = p.FirstResult + s
            if keptState j s then
                move table entry (stateAt j s (slotOf j seg first + 1)) (strideOf p.StateBytes[s])
            else
                alternate table entry (otherSlot j s) (stateAt j s 0)
        let mutable packs = false
        for o in 0 .. sweep.Outputs - 1 do
            let struct (at, step) = outputAt j o seg first
            move table (p.FirstResult + sweep.States + o) at (ahead * step)
            packs <- packs || (p.Visible[o] >= 0 && not p.Direct[o])
        if p.Plan.Data.Results.Length > sweep.States + sweep.Outputs then
            table[p.FirstResult + sweep.States + sweep.Outputs] <- memory + nativeint layout.Condition
        let workspace = workspaces[j]
        let total = high - low
        let mutable ran = 0
        let mutable going = true
        while going && ran < total do
            Team.ThrowIfCancelled()
            workspace.RunSteps()
            if packs then
                for o in 0 .. sweep.Outputs - 1 do
                    if p.Visible[o] >= 0 && not p.Direct[o] then
                        let output = sweep.Output o
                        let i = first + int ahead * ran
                        Memory.pack
                            output.DType
                            it.Packed
                            output.Shape.Length
                            table[p.FirstResult + sweep.States + o]
                            (visibleAt j o i)
            for k in 0 .. movings - 1 do
                table[moving[k]] <- table[moving[k]] + steps[k]
            for k in 0 .. turnings - 1 do
                table[turning[k]] <- table[turning[k]] ^^^ between[k]
            ran <- ran + 1
            if stops then
                going <- goesOn ()
        turn[j] <- turn[j] ^^^ (ran &&& 1)
        ran

    /// The states that a sweep starts with.
    let start j =
        turn[j] <- 0
        let p = plan.Sweeps[j]
        for s in 0 .. p.Sweep.States - 1 do
            Memory.copy p.StateBytes[s] args[p.Sweep.Init[s]] (stateAt j s 0)

    let rec ensure j seg =
        for struct (_, feed, _) in plan.Sweeps[j].Feeds do
            match feed with
            | Feed.State(read, _)
            | Feed.After(read, _)
            | Feed.Output(read, _) when read < j && plan.Sweeps[read].Keeps && present[read] <> seg ->
                again read seg
            | _ -> ()

    /// A segment of an earlier sweep once more, from the states at its start.
    and again j seg =
        let p = plan.Sweeps[j]
        ensure j seg
        turn[j] <- 0
        for s in 0 .. p.Sweep.States - 1 do
            Memory.copy p.StateBytes[s] (startAt j s seg) (stateAt j s 0)
        stretch j seg (firstOf seg) (endOf seg) false |> ignore
        present[j] <- seg

    /// The final states, into the value.
    let pack j slot =
        for k in 0 .. it.Parts.Length - 1 do
            match it.Parts[k] with
            | LoopPart.Final(of', s) when of' = j ->
                let state = plan.Sweeps[j].Sweep.State s
                let into = value + nativeint (int64 plan.Starts[k] * packedBytes)
                Memory.pack state.DType it.Packed state.Shape.Length (stateAt j s slot) into
            | _ -> ()

    /// A whole sweep, segment by segment.
    let run j =
        let p = plan.Sweeps[j]
        start j
        let segments = (count + layout.Segment - 1) / layout.Segment
        let mutable slot = 0
        for k in 0 .. segments - 1 do
            let seg = if p.Sweep.Reverse then segments - 1 - k else k
            for s in 0 .. p.Sweep.States - 1 do
                if k > 0 && keptState j s then
                    Memory.copy p.StateBytes[s] (stateAt j s slot) (stateAt j s 0)
                if layout.Sweeps[j].Starts.Length > 0 then
                    Memory.copy p.StateBytes[s] (stateAt j s 0) (startAt j s seg)
            ensure j seg
            slot <- stretch j seg (firstOf seg) (endOf seg) false
            present[j] <- seg
        pack j slot

    let runAll () =
        for j in 0 .. plan.Sweeps.Length - 1 do
            run j

    // The bytes that are kept of an iteration, by all sweeps and by those behind the first.
    let struct (costOfEach, _) = SweepLayout.costs plan
    let struct (costOfOthers, _) = SweepLayout.costsFrom 1 plan
    // Layouts of a loop whose length is not known, by the first sweep, whether states are kept, the segment and the count.
    let layouts = Dictionary<struct (int * bool * int * int), SweepLayout>()
    let layoutOf (from: int) keeps segment count : SweepLayout =
        let key = struct (from, keeps, segment, count)
        match layouts.TryGetValue key with
        | true, known -> known
        | _ ->
            if layouts.Count = 64 then
                layouts.Clear()
            let made = SweepLayout.makeFrom from plan keeps segment count
            layouts[key] <- made
            made

    /// Memory of its own for a layout.
    let own (made: SweepLayout) =
        let block =
            match owned with
            | null -> Block made.Bytes
            | block when block.Bytes >= made.Bytes -> block
            | _ -> Block made.Bytes
        owned <- block
        layout <- made
        memory <- block.Address

    let asks () =
        match condition with
        | ValueNone -> invalidOp "loop: neither a length nor a condition"
        | ValueSome(struct (workspace, feeds, result)) ->
            for struct (entry, feed, _) in feeds do
                workspace.Table[entry] <-
                    match feed with
                    | Feed.State(_, s) -> stateAt 0 s 0
                    | Feed.Whole a -> args[a]
                    | _ -> invalidOp "loop: a condition reads states and arguments"
            workspace.Table[result] <- memory + nativeint layout.Condition
            workspace.RunSteps()
            goesOn ()

    /// The first sweep for as long as the condition holds. False if what later sweeps read takes more than the bound.
    let runWhile () : bool =
        let bounded = keeps && costOfEach > 0L
        let most = int (min it.Limit (int64 (Int32.MaxValue - 1)))
        let mutable room = if bounded then min roomBefore most else most
        own (layoutOf 0 keeps (if bounded then max 1 room else 1) 1)
        count <- room
        start 0
        let mutable ran = 0
        let mutable going = asks ()
        let mutable fits = true
        while going && fits do
            if ran = most then
                raise (IterationLimitException(it.Name, it.Limit))
            if ran = room then
                room <- int (min (int64 most) (2L * int64 room))
                let larger = layoutOf 0 true room 1
                fits <- larger.Bytes <= it.MaxRecordBytes
                if fits then
                    let before, old, from = layout, owned, memory
                    owned <- null
                    own larger
                    let p = plan.Sweeps[0]
                    for s in 0 .. p.Sweep.States - 1 do
                        let slots = if keptState 0 s then ran + 1 else 2
                        Memory.copy
                            (int64 slots * SweepLayout.stride p.StateBytes[s])
                            (from + nativeint before.Sweeps[0].States[s])
                            (memory + nativeint larger.Sweeps[0].States[s])
                    for o in 0 .. p.Sweep.Outputs - 1 do
                        if p.KeepsOutput[o] then
                            Memory.copy
                                (int64 ran * SweepLayout.stride p.OutputBytes[o])
                                (from + nativeint before.Sweeps[0].Outputs[o])
                                (memory + nativeint larger.Sweeps[0].Outputs[o])
                    GC.KeepAlive old
                    count <- room
            if fits then
                ran <- ran + stretch 0 0 ran room true
                going <- goesOn ()
        count <- ran
        present[0] <- 0
        if bounded then
            roomBefore <- if fits then room else leastRoom
        if fits then
            pack 0 ran
        fits

    /// The other sweeps, after the first one of another run. False if their states take more than the bound.
    let runAfter (first: SweepRun) : bool =
        let fits = costOfOthers * int64 first.Count <= it.MaxRecordBytes
        if fits then
            lender <- first
            try
                keeps <- true
                count <- first.Count
                own (layoutOf 1 true (max 1 count) count)
                present[0] <- 0
                pack 0 count
                for j in 1 .. plan.Sweeps.Length - 1 do
                    run j
            finally
                lender <- null
        fits

    /// Large memory goes once it is no longer needed.
    let letGo () =
        match owned with
        | null -> ()
        | block ->
            if block.Bytes > (16L <<< 20) then
                owned <- null
                roomBefore <- leastRoom

    /// How many iterations there were, and where the first sweep's states and outputs are: for runs that do without a first sweep.
    member _.Count = count
    member _.KeepsState(s: int) : bool = keptState 0 s
    member _.StateAt(s: int, slot: int) : nativeint = stateAt 0 s slot
    member _.OutputAt(o: int, i: int) : struct (nativeint * nativeint) = outputAt 0 o 0 i
    /// Whether all that is recorded is there.
    member _.IsRecorded = keeps && layout.Segment >= count
    member _.LetGo() : unit = letGo ()
    /// What others know it by while it is lent.
    member val Lent: Lent | null = null with get, set

    /// Runs it; of a loop whose length is known, in the memory given. `first` has run the first sweep.
    member _.Run
        (
            given: Place[],
            result: Place,
            room: Place,
            known: SweepLayout,
            table: nativeptr<nativeint>,
            first: SweepRun | null
        ) : unit =
        let inline address (place: Place) =
            NativePtr.get table place.Entry + place.Bytes
        for a in 0 .. args.Length - 1 do
            args[a] <- address given[a]
        value <- address result
        match it.Length with
        | ValueSome n ->
            count <- n
            layout <- known
            memory <- address room
            runAll ()
        | ValueNone ->
            let isDone =
                match first with
                | null -> false
                | first -> runAfter first
            if not isDone then
                keeps <- true
                if runWhile () then
                    for j in 1 .. plan.Sweeps.Length - 1 do
                        run j
                else
                    // Too many states to keep: first how many there are, then all of it in segments.
                    keeps <- false
                    runWhile () |> ignore
                    if plan.Sweeps.Length > 1 then
                        keeps <- true
                        own (layoutOf 0 true (SweepLayout.segment plan count) count)
                        runAll ()

/// The step of a loop.
[<Sealed>]
type internal SweepStep(plan: LoopPlan, args: Place[], result: Place, room: Place, layout: SweepLayout) =
    inherit InnerStep()
    let pool = Pool<SweepRun>(fun () -> SweepRun plan)
    let giveBack (run: SweepRun) =
        run.LetGo()
        pool.GiveBack run
    let lend (run: SweepRun) : Lent =
        match run.Lent with
        | null ->
            let lent =
                { Run = run
                  Left = 0
                  Release = fun () -> giveBack run }
            run.Lent <- lent
            lent
        | lent -> lent
    let it = plan.Iteration
    let iterations =
        match it.Length with
        | ValueSome n -> float n
        | ValueNone -> 1.0
    let sum (f: Step -> float) =
        iterations
        * (plan.Sweeps |> Array.sumBy (fun p -> Array.sumBy f p.Plan.Data.Steps))

    override _.Kind = it.Name
    override _.Flops = sum _.Flops
    override _.Bytes = sum _.Bytes
    override _.Plans =
        plan.Sweeps
        |> Array.mapi (fun j p ->
            let direction = if p.Sweep.Reverse then "backwards" else "forwards"
            $"sweep {j + 1}, {direction}", p.Plan)
    override _.Run(table: nativeptr<nativeint>, _: int) =
        let where = NativePtr.toNativeInt table
        let run = pool.Rent()
        let mutable isLent = false
        try
            match it.Lends with
            | null -> ()
            | loan -> loan.Forget where
            let first =
                match it.Borrows with
                | null -> null
                | loan ->
                    match loan.TryFind where with
                    | :? SweepRun as first -> first
                    | _ -> null
            run.Run(args, result, room, layout, table, first)
            match it.Lends with
            | null -> ()
            | loan ->
                if run.IsRecorded then
                    isLent <- true
                    loan.Give(where, lend run)
        finally
            match it.Borrows with
            | null -> ()
            | loan -> loan.IsRead where
            if not isLent then
                giveBack run
    override _.Text =
        match it.Length with
        | ValueNone when not (isNull it.Borrows) -> "as the loop before it went"
        | ValueNone -> "as long as its condition holds"
        | ValueSome n when layout.Segment < n ->
            $"{n} iterations, the states of {layout.Segment} kept at a time"
        | ValueSome n -> $"{n} iterations"
    member _.Iteration = it
    /// How many iterations are kept at a time, and the memory for that, of a loop whose length is known.
    member _.Layout = layout

[<RequireQualifiedAccess>]
module internal SweepStep =
    /// What feeds the sources of a plan.
    let private feedsOf (plan: Plan) (inputs: Expr[]) (feeds: Feed[]) : (struct (int * Feed * int64))[] =
        [| for k in 0 .. plan.Data.Sources.Length - 1 do
               match plan.Data.Sources[k] with
               | Source.Input i -> struct (Entry.source k, feeds[i], SweepLayout.bytesOf inputs[i])
               | _ -> () |]

    let private sweepPlan (make: Expr[] -> Expr[] -> Plan) (loop: Iterated) (j: int) : SweepPlan =
        let it = loop.Iteration
        let sweep = it.Sweeps[j]
        let struct (inputs, feeds, outputs) =
            match it.Condition with
            | ValueSome(struct (feeds, condition)) when j = 0 ->
                // What the condition says of the new states, in the same plan.
                let pairs =
                    Array.zip feeds condition.Inputs
                    |> Array.choose (fun (feed, hole) ->
                        match feed with
                        | Feed.State(_, s) -> Some(hole, sweep.State s)
                        | _ -> None)
                let more =
                    Array.zip feeds condition.Inputs |> Array.filter (fun (feed, _) -> feed.IsWhole)
                struct (Array.append sweep.Body.Inputs (Array.map snd more),
                        Array.append sweep.Feeds (Array.map fst more),
                        Array.append sweep.Body.Outputs (Graph.substitute pairs condition.Outputs))
            | _ -> struct (sweep.Body.Inputs, sweep.Feeds, sweep.Body.Outputs)
        let plan = make inputs outputs
        let isRead feed =
            it.Sweeps[j + 1 ..]
            |> Array.exists (fun later -> Array.contains feed later.Feeds)
            || (match it.Lends with
                | null -> false
                | loan -> j = 0 && Array.contains feed loan.Reads)
        let visible =
            Array.init sweep.Outputs (fun o ->
                match Array.IndexOf(it.Parts, LoopPart.Stacked(j, o)) with
                | -1 -> -1
                | k -> loop.Starts[k])
        let direct =
            Array.init sweep.Outputs (fun o -> visible[o] >= 0 && (sweep.Output o).DType = it.Packed)
        { Sweep = sweep
          Plan = plan
          Inputs = inputs
          Feeds = feedsOf plan inputs feeds
          FirstResult = Entry.source plan.Data.Sources.Length
          StateBytes = Array.init sweep.States (sweep.State >> SweepLayout.bytesOf)
          OutputBytes = Array.init sweep.Outputs (sweep.Output >> SweepLayout.bytesOf)
          KeepsState =
            Array.init sweep.States (fun s -> isRead (Feed.State(j, s)) || isRead (Feed.After(j, s)))
          KeepsOutput = Array.init sweep.Outputs (fun o -> not direct[o] && isRead (Feed.Output(j, o)))
          Visible = visible
          Direct = direct }

    /// The step of a loop: its bodies are planned once.
    let make
        (inner: Expr[] -> Expr[] -> Plan)
        (loop: Iterated)
        (args: Place[])
        (result: Place)
        (temporary: int64 -> Place)
        : InnerStep =
        let it = loop.Iteration
        let plan =
            { Iteration = it
              Starts = loop.Starts
              Sweeps = Array.init it.Sweeps.Length (sweepPlan inner loop)
              Condition =
                match it.Condition with
                | ValueSome(struct (feeds, body)) ->
                    let plan = inner body.Inputs body.Outputs
                    ValueSome(struct (plan, body.Inputs, feedsOf plan body.Inputs feeds))
                | ValueNone -> ValueNone }
        match it.Length with
        | ValueSome n ->
            let layout = SweepLayout.make plan true (SweepLayout.segment plan n) n
            SweepStep(plan, args, result, temporary layout.Bytes, layout)
        | ValueNone -> SweepStep(plan, args, result, result, SweepLayout.make plan false 1 1)
