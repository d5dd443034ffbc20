namespace Diff

open System.Collections.Generic

/// What a loop means: its derivative, and how it is done for many sets of operands. Reference.fs says what its value is.
[<RequireQualifiedAccess>]
module internal Iterations =
    /// What holds different numbers for each set: from the arguments that do, states and outputs.
    let private stackedFeeds (it: Iteration) (stacked: bool[]) : HashSet<Feed> =
        let found = HashSet<Feed>()
        let isStacked feed =
            match feed with
            | Feed.Slice a
            | Feed.Whole a -> stacked[a]
            | Feed.After(j, s) -> found.Contains(Feed.State(j, s))
            | feed -> found.Contains feed
        let isAny (feeds: Feed[]) = Array.exists isStacked feeds
        let mutable count = -1
        while count < found.Count do
            count <- found.Count
            // Sets that end early keep their states, so all of these differ.
            let differ =
                match it.Condition with
                | ValueSome(struct (feeds, _)) -> isAny feeds
                | ValueNone -> false
            it.Sweeps
            |> Array.iteri (fun j sweep ->
                let sources =
                    Array.zip sweep.Feeds sweep.Body.Inputs
                    |> Array.filter (fst >> isStacked)
                    |> Array.map snd
                let depends = Graph.dependents sources (Graph.topological sweep.Body.Outputs)
                for s in 0 .. sweep.States - 1 do
                    if differ || stacked[sweep.Init[s]] || depends[sweep.State s] then
                        found.Add(Feed.State(j, s)) |> ignore
                for o in 0 .. sweep.Outputs - 1 do
                    if differ || depends[sweep.Output o] then
                        found.Add(Feed.Output(j, o)) |> ignore)
        found

    /// The leading axis of slices before that of the sets, and back.
    let private exchanged (x: Expr) =
        Einsum.permute (Array.append [| 1; 0 |] [| 2 .. x.Rank - 1 |]) x

    let private batch
        (it: Iteration)
        (run: int -> (Expr * Expr)[] -> Expr[] -> Expr[])
        n
        (stacked: bool[])
        (args: Expr[])
        (node: Expr)
        : Expr =
        let found = stackedFeeds it stacked
        let isStacked feed =
            match feed with
            | Feed.Slice a
            | Feed.Whole a -> stacked[a]
            | Feed.After(j, s) -> found.Contains(Feed.State(j, s))
            | feed -> found.Contains feed
        let all = List<Expr>(args)
        let added = Dictionary<struct (string * int), int>()
        let add what a (make: Expr -> Expr) =
            match added.TryGetValue(struct (what, a)) with
            | true, known -> known
            | _ ->
                all.Add(make args[a])
                added[struct (what, a)] <- all.Count - 1
                all.Count - 1
        let feedOf (feed: Feed) =
            match feed with
            | Feed.Slice a when stacked[a] -> Feed.Slice(add "slices" a exchanged)
            | feed -> feed
        let holeOf (feed: Feed) (hole: Expr) =
            if isStacked feed then
                Leaf.input "stacked" (Stack.shape n hole.Shape) hole.DType
            else
                hole
        /// A body's outputs for all sets, those of one set where they do not differ.
        let mapped (feeds: Feed[]) (body: Body) (holes: Expr[]) (isOutput: int -> bool) : Expr[] =
            let pairs =
                Array.zip3 feeds body.Inputs holes
                |> Array.filter (fun (feed, _, _) -> isStacked feed)
                |> Array.map (fun (_, hole, stack) -> hole, stack)
            let many = run n pairs body.Outputs
            body.Outputs |> Array.mapi (fun k one -> if isOutput k then many[k] else one)
        let lanes =
            match it.Condition with
            | ValueSome(struct (feeds, body)) when Array.exists isStacked feeds ->
                ValueSome(
                    struct (feeds,
                            fun () ->
                                let holes = Array.map2 holeOf feeds body.Inputs
                                struct (holes, (mapped feeds body holes (fun _ -> true))[0]))
                )
            | _ -> ValueNone
        /// What goes on in the sets whose condition still holds; else what there was.
        let kept (alive: Expr) (next: Expr) (last: Expr) =
            let dims = Array.create next.Rank 1
            dims[0] <- n
            Expr.Map(Fn.Where, [| Reshape.make (Shape dims) alive; next; last |])
        let sweep j (sweep: Sweep) =
            let outputs = Array.init sweep.Outputs (fun o -> isStacked (Feed.Output(j, o)))
            let states = Array.init sweep.States (fun s -> isStacked (Feed.State(j, s)))
            if not (Array.exists isStacked sweep.Feeds || Array.contains true states) then
                sweep
            else
                let holes = Array.map2 holeOf sweep.Feeds sweep.Body.Inputs
                let results =
                    mapped sweep.Feeds sweep.Body holes (fun k -> (Array.append states outputs)[k])
                let feeds = List<Feed>(sweep.Feeds |> Array.map feedOf)
                let inputs = List<Expr>(holes)
                let results =
                    match lanes with
                    | ValueNone -> results
                    | ValueSome(struct (of', make)) ->
                        let struct (holes, alive) = make ()
                        feeds.AddRange of'
                        inputs.AddRange holes
                        results
                        |> Array.mapi (fun k next ->
                            if k < sweep.States then
                                let last = Leaf.input "state" next.Shape next.DType
                                feeds.Add(Feed.State(j, k))
                                inputs.Add last
                                kept alive next last
                            else
                                kept alive next (Expr.ZerosLike next))
                let init =
                    Array.map2
                        (fun a isStacked ->
                            if isStacked && not stacked[a] then
                                add "repeated" a (Stack.repeat n)
                            else
                                a)
                        sweep.Init
                        states
                Sweep(sweep.Reverse, init, feeds.ToArray(), Body(inputs.ToArray(), results))
        let condition =
            match lanes with
            | ValueNone -> it.Condition
            | ValueSome(struct (feeds, make)) ->
                let struct (holes, alive) = make ()
                let count =
                    Elementwise.makeCast DType.Int32 alive |> Reduce.make Extreme.Max [| 0 |]
                ValueSome(
                    struct (feeds, Body(holes, [| Expr.Map(Fn.Greater, [| count; Expr.ZerosLike count |]) |]))
                )
        let sweeps = it.Sweeps |> Array.mapi sweep
        let made =
            { it with
                Condition = condition
                Sweeps = sweeps }
        let value = Iterated.Node(made, all.ToArray())
        let struct (starts, _) = made.Starts
        let piece k (part: LoopPart) =
            let of' = it.PartOf part
            let width = Pack.width it.Packed of'.DType
            let length = Pack.length it.Packed (it.ShapeOf part) of'.DType
            let feed, rows =
                match part with
                | LoopPart.Final(j, s) -> Feed.State(j, s), 1
                | LoopPart.Stacked(j, o) -> Feed.Output(j, o), it.Length.Value
            if not (isStacked feed) then
                Pack.window starts[k] length value |> Stack.repeat n
            else
                Pack.window starts[k] (n * length) value
                |> Reshape.make (Shape [| rows; n; of'.Shape.Length * width |])
                |> exchanged
                |> Reshape.make (Shape [| n; length |])
        if n = 0 then
            Expr.Full(0.0, Stack.shape 0 node.Shape, node.DType)
        else
            it.Parts |> Array.mapi piece |> Window.concat 1

    let rule (extension: Extension) : Rule =
        let loop = Iterated.Of extension
        { Derivative = Differentiated(SweepDerivative.vjp loop, SweepDerivative.jvp loop)
          Kernel = fun _ -> invalidOp "loop: what runs the bodies is Reference.fs, and in plans SweepRun.fs"
          Batching = Batched(batch loop.Iteration) }
