namespace Diff

open System
open System.Collections.Generic

/// What there is to know of a graph before it is written: which values have memory of their own, and how long.
[<Sealed>]
type internal CodeLayout(roots: Expr[]) =
    let nodes = Graph.topological roots
    let isPointwise (node: Expr) =
        match node.Op with
        | Op.Elementwise _
        | Op.Cast -> true
        | _ -> false
    let rec own (node: Expr) =
        match node.Op with
        | Op.Reshape
        | Op.StopGradient
        | Op.Barrier
        | Op.ClassIndices _ -> own node.Args[0]
        | _ -> node
    // What is read under the same index by one reader that computes index by index is written into that reader's loop.
    let inlined = NodeMap<bool>()
    // Methods, loops and branches take spans, so what they read lies in memory.
    let needsSpan = NodeMap<bool>()
    let isRoot = NodeMap<bool>()
    let lastRead = NodeMap<int>()
    let isRepeated (node: Expr) =
        match node.Op with
        | Op.Einsum spec ->
            // A label twice in the output leaves zeros beside the diagonal.
            spec.Inputs.Length = 1
            && node.Args[0].Shape.Length = 1
            && Seq.length (Seq.distinct spec.Output) = spec.Output.Length
            && not needsSpan[node]
        | _ -> false
    let rec memory (node: Expr) =
        let node = own node
        if isRepeated node then memory node.Args[0] else node
    do
        let uses, depth = NodeMap<int>(), NodeMap<int>()
        let reader = NodeMap<Expr | null>()
        for node in nodes do
            for a in node.Args do
                uses[a] <- uses[a] + 1
                reader[a] <- node
        for root in roots do
            uses[root] <- uses[root] + 2
        for node in nodes do
            depth[node] <-
                1
                + (node.Args |> Array.fold (fun d a -> if inlined[a] then max d depth[a] else d) 0)
            match reader[node] with
            | null -> ()
            | next ->
                inlined[node] <- isPointwise node && isPointwise next && uses[node] = 1 && depth[node] < 24
        for node in nodes do
            match node.Op with
            | Op.Linalg _
            | Op.ArgSort _
            | Op.SearchSorted _
            | Op.Loop _
            | Op.Branch _ ->
                for a in node.Args do
                    needsSpan[own a] <- true
            | _ -> ()
        for root in roots do
            isRoot[memory root] <- true
        nodes
        |> Array.iteri (fun i node ->
            for a in node.Args do
                lastRead[memory a] <- i)
        // Numbers that go into a reader's loop are read when that loop runs.
        for i in nodes.Length - 1 .. -1 .. 0 do
            if inlined[nodes[i]] then
                let at = lastRead[nodes[i]]
                for a in nodes[i].Args do
                    lastRead[memory a] <- max at lastRead[memory a]
    member _.Nodes = nodes
    /// The node whose numbers a node has under the same index.
    member _.Own(node: Expr) : Expr = own node
    /// Whether a node repeats one number.
    member _.IsRepeated(node: Expr) = isRepeated node
    member _.IsInlined(node: Expr) = inlined[node]
    member _.NeedsSpan(node: Expr) = needsSpan[node]
    member _.IsRoot(node: Expr) = isRoot[node]
    member _.LastRead(node: Expr) = lastRead[node]

/// Graphs as lines of code.
[<RequireQualifiedAccess>]
module internal CodeGraph =
    let private constant (frame: CodeFrame) (node: Expr) (value: NDArray) =
        let element k =
            let n =
                match value.DType with
                | DType.Int64 -> value.Span<int64>()[k]
                | _ when Double.IsFinite(value.Float k) -> int64 (value.Float k)
                | _ -> 0L
            CodeText.number value.DType (value.Float k) n
        let name = $"Constant{frame.Constants.Count}"
        let elements = String.Join(", ", Seq.init value.Length element)
        frame.Constants.Add $"private static ReadOnlySpan<{CodeText.typeOf node}> {name} => [{elements}];"
        name

    /// Writes the graph of some results, from spans for its leaves into the spans named for the results.
    let rec write
        (frame: CodeFrame)
        (leaves: (Expr * string)[])
        (targets: string[])
        (results: Expr[])
        : unit =
        let roots =
            results |> Control.inlineAll |> Simplify.forPlan |> Graph.map Contraction.lower
        let layout = CodeLayout roots
        let nodes, text = layout.Nodes, frame.Text
        let names = NodeMap<string | null>()
        let rec at (node: Expr) (i: string) : string =
            match node.Op with
            | Op.Const c -> CodeText.number c.DType c.AsFloat c.AsInt
            | Op.Reshape
            | Op.StopGradient
            | Op.Barrier
            | Op.ClassIndices _ -> at node.Args[0] i
            | Op.Iota axis ->
                let step = (Shape.strides node.Shape.Dims)[axis]
                CodeText.cast DType.Int32 node.DType $"(({i}) / {step} %% {node.Shape[axis]})"
            | Op.Einsum _ when layout.IsRepeated node -> at node.Args[0] "0"
            | Op.Elementwise _
            | Op.Cast when isNull names[node] -> computed node i
            | _ -> $"{names[node]}[{i}]"
        and computed (node: Expr) i =
            match node.Op with
            | Op.Elementwise fn ->
                let operand = node.Args[node.Args.Length - 1]
                CodeText.apply fn operand.DType (node.Args |> Array.map (fun a -> at a i))
            | _ -> CodeText.cast node.Args[0].DType node.DType (at node.Args[0] i)
        let scope =
            { Frame = frame
              At = at
              SpanOf = fun node -> string names[layout.Own node]
              Body = fun body holes outputs -> write frame (Array.zip body.Inputs holes) outputs body.Outputs }
        let emit (t: string) (node: Expr) =
            let n = node.Shape.Length
            match node.Op with
            | _ when n = 0 -> ()
            | Op.Const _
            | Op.Iota _ -> text.Line $"""for (int i = 0; i < {n}; i++) {t}[i] = {at node "i"};"""
            | Op.Elementwise _
            | Op.Cast ->
                if n = 1 then
                    text.Line $"""{t}[0] = {computed node "0"};"""
                else
                    text.Line $"""for (int i = 0; i < {n}; i++) {t}[i] = {computed node "i"};"""
            | _ ->
                if
                    not (
                        CodeMoves.tryEmit scope t node
                        || CodeSums.tryEmit scope t node
                        || CodeMatrices.tryEmit scope t node
                        || CodeLoops.tryEmit scope t node
                    )
                then
                    CodeText.refuse
                        node
                        "has no form in plain C#; evaluate it, and pass its value as an input"
        let dying = Array.init nodes.Length (fun _ -> List<struct (int64 * int64)>())
        let held = List<struct (int64 * int64)>()
        for e, leaf in leaves do
            names[e] <- leaf
        let taken = HashSet<string>()
        nodes
        |> Array.iteri (fun i node ->
            match node.Op with
            | Op.Variable _
            | Op.Reshape
            | Op.StopGradient
            | Op.Barrier
            | Op.ClassIndices _ -> ()
            | Op.Const _
            | Op.Iota _ when not (layout.NeedsSpan node) -> ()
            | Op.Literal value -> names[node] <- constant frame node value
            | _ when layout.IsInlined node || layout.IsRepeated node -> ()
            | _ ->
                let isResult k name =
                    not (taken.Contains name) && obj.ReferenceEquals(layout.Own roots[k], node)
                let t =
                    match targets |> Array.indexed |> Array.tryFind (fun (k, name) -> isResult k name) with
                    | Some(_, name) ->
                        taken.Add name |> ignore
                        name
                    | None ->
                        let bytes = int64 node.Shape.Length * int64 (DType.size node.DType)
                        let struct (name, place) = frame.Span(CodeText.typeOf node, bytes)
                        let until =
                            if layout.IsRoot node then
                                held
                            else
                                dying[max i (layout.LastRead node)]
                        until.Add(struct (place, bytes))
                        name
                emit t node
                names[node] <- t
            for struct (place, bytes) in dying[i] do
                frame.Release(place, bytes))
        targets
        |> Array.iteri (fun k name ->
            if not (taken.Contains name) then
                let root = roots[k]
                text.Line $"""for (int i = 0; i < {root.Shape.Length}; i++) {name}[i] = {at root "i"};""")
        for struct (place, bytes) in held do
            frame.Release(place, bytes)
