namespace Diff

open System

/// Loops and branches as code. States lie in slots: as many as there are iterations and one more where a later sweep reads them, else two in turn.
[<RequireQualifiedAccess>]
module internal CodeLoops =
    /// The iterations that there is room for where states are recorded and neither a length nor a limit says how many there are.
    let private unlimited = 4096

    let private bytesOf (e: Expr) =
        int64 e.Shape.Length * int64 (DType.size e.DType)

    /// An array in a span, as a part of a packed vector.
    let private pack
        (text: CodeWriter)
        (part: Expr)
        (from: string)
        (packed: DType)
        (t: string)
        (start: string)
        =
        let n = part.Shape.Length
        if part.DType = packed then
            text.Line $"{from}.CopyTo({t}.Slice({start}, {n}));"
        elif Pack.width packed part.DType = 2 then
            text.Open $"for (int e = 0; e < {n}; e++)"
            text.Line $"{t}[{start} + (2 * e)] = (double)({from}[e] & 0xFFFFFFFFL);"
            text.Line $"{t}[{start} + (2 * e) + 1] = (double)({from}[e] >> 32);"
            text.Close()
        else
            let element = CodeText.cast part.DType packed $"{from}[e]"
            text.Line $"for (int e = 0; e < {n}; e++) {t}[{start} + e] = {element};"

    /// What later sweeps, or other loops, read of sweep j.
    let private readsOf (it: Iteration) j =
        let lent =
            match it.Lends with
            | NonNull loan when j = 0 -> loan.Reads
            | _ -> [||]
        Seq.append lent (it.Sweeps[j + 1 ..] |> Seq.collect _.Feeds)
        |> Seq.distinct
        |> Array.ofSeq

    /// How many iterations there is room for.
    let private roomOf (it: Iteration) =
        match it.Length with
        | ValueSome n -> n
        | ValueNone ->
            let isRead = it.Sweeps.Length > 1 || not (isNull it.Lends)
            if not isRead then 1
            elif it.Limit <= 1_000_000L then int it.Limit
            else unlimited

    let loop (scope: CodeScope) (t: string) (it: Iteration) (node: Expr) : unit =
        let frame, text = scope.Frame, scope.Text
        let struct (starts, _) = it.Starts
        let room = roomOf it
        let held = Collections.Generic.List<struct (int64 * int64)>()
        let buffer (e: Expr) slots =
            let bytes = int64 slots * bytesOf e
            let struct (name, place) = frame.Span(CodeText.typeOf e, bytes)
            held.Add(struct (place, bytes))
            name
        let record =
            match it.Borrows with
            | null -> None
            | loan ->
                match frame.Records.TryGetValue loan with
                | true, record -> Some record
                | _ -> None
        /// For each sweep what it has, or for the first what the loop has that recorded it.
        let each (recorded: CodeRecord -> 'T) (make: int -> Sweep -> 'T) : 'T[] =
            it.Sweeps
            |> Array.mapi (fun j sweep ->
                match record with
                | Some record when j = 0 -> recorded record
                | _ -> make j sweep)
        text.Line $"// {it.Name}"
        // What others read stays in sight.
        if isNull it.Lends then
            text.Open ""
        let keepsState =
            each _.KeepsState (fun j sweep ->
                let reads = readsOf it j
                Array.init sweep.States (fun s ->
                    Array.contains (Feed.State(j, s)) reads
                    || Array.contains (Feed.After(j, s)) reads))
        let states =
            each _.States (fun j sweep ->
                Array.init sweep.States (fun s ->
                    buffer (sweep.State s) (if keepsState[j][s] then room + 1 else 2)))
        let visible =
            it.Sweeps
            |> Array.mapi (fun j sweep ->
                Array.init sweep.Outputs (fun o -> Array.IndexOf(it.Parts, LoopPart.Stacked(j, o))))
        /// Outputs are computed where they are wanted, if they are of the value's type.
        let isDirect j o =
            visible[j][o] >= 0 && (it.Sweeps[j].Output o).DType = it.Packed
        let keepsOutput =
            each _.KeepsOutput (fun j sweep ->
                let reads = readsOf it j
                Array.init sweep.Outputs (fun o -> Array.contains (Feed.Output(j, o)) reads))
        let outputs =
            each _.Outputs (fun j sweep ->
                Array.init sweep.Outputs (fun o ->
                    if isDirect j o then
                        t
                    else
                        buffer (sweep.Output o) (if keepsOutput[j][o] then room else 1)))
        let slice name start (e: Expr) =
            $"{name}.Slice({start}, {e.Shape.Length})"
        let stateAt j s (slot: string) =
            let e = it.Sweeps[j].State s
            let slot = if keepsState[j][s] then slot else $"({slot} & 1)"
            slice (states[j][s]) $"{slot} * {e.Shape.Length}" e
        let outputAt j o (i: string) =
            let e = it.Sweeps[j].Output o
            if isDirect j o then
                slice t $"{starts[visible[j][o]]} + ({i} * {e.Shape.Length})" e
            elif keepsOutput[j][o] then
                slice (outputs[j][o]) $"{i} * {e.Shape.Length}" e
            else
                slice (outputs[j][o]) "0" e
        let isKept = Seq.append keepsState keepsOutput |> Seq.exists (Array.contains true)
        let count =
            match it.Length, record with
            | ValueSome n, _ -> string n
            | ValueNone, Some record -> record.Count
            | ValueNone, None -> frame.Fresh()
        let whole a = scope.SpanOf node.Args[a]
        let declare kind (e: Expr) (source: string) =
            let name = frame.Fresh()
            text.Line $"{kind}<{CodeText.typeOf e}> {name} = {source};"
            name
        /// The span of what feeds a hole of sweep j at iteration i, the k-th in its order.
        let fed j (k: string) (i: string) (feed: Feed) (hole: Expr) =
            let slotOf read =
                if read = j then k
                elif it.Sweeps[read].Reverse then $"({count} - 1 - {i})"
                else i
            declare
                "ReadOnlySpan"
                hole
                (match feed with
                 | Feed.Whole a -> whole a
                 | Feed.Slice a -> slice (whole a) $"{i} * {hole.Shape.Length}" hole
                 | Feed.State(read, s) -> stateAt read s (slotOf read)
                 | Feed.After(read, s) -> stateAt read s $"({slotOf read} + 1)"
                 | Feed.Output(read, o) -> outputAt read o i)
        let iteration j (k: string) =
            let sweep = it.Sweeps[j]
            let i = if sweep.Reverse then $"({count} - 1 - {k})" else k
            let holes = Array.map2 (fed j k i) sweep.Feeds sweep.Body.Inputs
            let targets =
                sweep.Body.Outputs
                |> Array.mapi (fun m e ->
                    declare
                        "Span"
                        e
                        (if m < sweep.States then
                             stateAt j m $"({k} + 1)"
                         else
                             outputAt j (m - sweep.States) i))
            scope.Body sweep.Body holes targets
            for o in 0 .. sweep.Outputs - 1 do
                if visible[j][o] >= 0 && not (isDirect j o) then
                    let e = sweep.Output o
                    let length = Pack.length it.Packed e.Shape e.DType
                    let start = $"{starts[visible[j][o]]} + ({i} * {length})"
                    pack text e targets[sweep.States + o] it.Packed t start
        for j in 0 .. it.Sweeps.Length - 1 do
            let sweep = it.Sweeps[j]
            let isRecorded = j = 0 && record.IsSome
            if not isRecorded then
                for s in 0 .. sweep.States - 1 do
                    text.Line $"""{whole sweep.Init[s]}.CopyTo({stateAt j s "0"});"""
            match it.Condition with
            | _ when isRecorded -> ()
            | ValueSome(struct (feeds, test)) when j = 0 ->
                text.Line $"int {count} = 0;"
                text.Open "while (true)"
                let holes = Array.map2 (fed 0 count count) feeds test.Inputs
                let goesOn = buffer test.Outputs[0] 1
                scope.Body test holes [| goesOn |]
                text.Line $"if (!{goesOn}[0]) break;"
                text.Line
                    $"if ({count} >= {it.Limit}) throw new ArithmeticException(\"{it.Name}: the condition still holds after {it.Limit} iterations\");"
                if int64 room < it.Limit && isKept then
                    text.Line
                        $"if ({count} == {room}) throw new ArithmeticException(\"{it.Name}: the derivative has room for {room} iterations; limit the loop to more\");"
                iteration 0 count
                text.Line $"{count}++;"
                text.Close()
            | _ ->
                let k = frame.Fresh()
                text.Open $"for (int {k} = 0; {k} < {count}; {k}++)"
                iteration j k
                text.Close()
            it.Parts
            |> Array.iteri (fun p part ->
                match part with
                | LoopPart.Final(of', s) when of' = j ->
                    pack text (sweep.State s) (stateAt j s count) it.Packed t (string starts[p])
                | _ -> ())
        match it.Lends with
        | null ->
            text.Close()
            for struct (place, bytes) in held do
                frame.Release(place, bytes)
        | loan ->
            frame.Records[loan] <-
                { Count = count
                  States = states[0]
                  KeepsState = keepsState[0]
                  Outputs = outputs[0]
                  KeepsOutput = keepsOutput[0] }

    let branch (scope: CodeScope) (t: string) (branches: Branches) (node: Expr) : unit =
        let frame, text = scope.Frame, scope.Text
        let side (body: Body) =
            text.Open ""
            let held = Collections.Generic.List<struct (int64 * int64)>()
            let targets =
                body.Outputs
                |> Array.mapi (fun k e ->
                    if e.DType = branches.Packed then
                        let name = frame.Fresh()
                        text.Line
                            $"Span<{CodeText.typeOf e}> {name} = {t}.Slice({branches.Starts[k]}, {e.Shape.Length});"
                        name
                    else
                        let struct (name, place) = frame.Span(CodeText.typeOf e, bytesOf e)
                        held.Add(struct (place, bytesOf e))
                        name)
            scope.Body body (node.Args[1..] |> Array.map scope.SpanOf) targets
            body.Outputs
            |> Array.iteri (fun k e ->
                if e.DType <> branches.Packed then
                    pack text e targets[k] branches.Packed t (string branches.Starts[k]))
            text.Close()
            for struct (place, bytes) in held do
                frame.Release(place, bytes)
        text.Line $"""if ({scope.At node.Args[0] "0"})"""
        side branches.WhenTrue
        text.Line "else"
        side branches.WhenFalse

    /// Writes the node into the span `t`; false for other words.
    let tryEmit (scope: CodeScope) (t: string) (node: Expr) : bool =
        match node.Op with
        | Op.Loop extension ->
            loop scope t (Iterated.Of extension).Iteration node
            true
        | Op.Branch extension ->
            branch scope t (Branches.Of extension) node
            true
        | _ -> false
