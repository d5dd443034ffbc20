namespace Diff

open System.Collections.Generic

/// The reference evaluator: one operation after the other, as written, each by its definition. Everything faster is tested against it.
[<RequireQualifiedAccess>]
module internal Reference =
    /// Slice i along the leading axis.
    let private sliceOf (x: NDArray) (i: int) : NDArray =
        let slice = Shape x.Shape.Dims[1..]
        let whole = Leaf.literal x
        let starts, steps = Array.zeroCreate x.Shape.Rank, Array.create x.Shape.Rank 1
        starts[0] <- i
        let node = Window.slice starts steps (Stack.shape 1 slice) whole
        match node.Op with
        | Op.Slice _ ->
            let result = NDArray.Zeros(x.DType, node.Shape)
            ((Rules.ofOp node.Op).Kernel node).Invoke([| x |], result)
            result.Reshape slice
        | _ -> x.Reshape slice

    let private ignoreBody (_: int) (_: Body) (_: NDArray[]) (_: NDArray[]) = ()

    /// The values of some nodes, given those of leaves.
    let rec private evaluateOn (given: (Expr * NDArray) seq) (roots: Expr[]) : NDArray[] =
        let roots = Control.inlineAll roots
        let values = NodeMap<NDArray>()
        for leaf, value in given do
            values[leaf] <- value
        for node in Graph.topological roots do
            if isNull (box values[node]) then
                values[node] <-
                    match node.Op with
                    | Op.Literal value -> value
                    | Op.Variable v -> Variable.valueOf v
                    | Op.Loop loop ->
                        loopOn ignoreBody (Iterated.Of loop) (node.Args |> Array.map (fun a -> values[a]))
                    | Op.Branch branches ->
                        branchOn (Branches.Of branches) (node.Args |> Array.map (fun a -> values[a]))
                    | _ ->
                        let result = NDArray.Zeros(node.DType, node.Shape)
                        ((Rules.ofOp node.Op).Kernel node)
                            .Invoke(node.Args |> Array.map (fun a -> values[a]), result)
                        result
        roots |> Array.map (fun e -> values[e].Clone())

    /// Sweep after sweep, iteration after iteration; all states and outputs are kept. `seen` is told of each iteration: its number, the body,
    /// what went in and what came out.
    and private loopOn
        (seen: int -> Body -> NDArray[] -> NDArray[] -> unit)
        (loop: Iterated)
        (args: NDArray[])
        : NDArray =
        let it = loop.Iteration
        // By sweep and iteration: the states before and after it, and what was given.
        let before = it.Sweeps |> Array.map (fun _ -> Dictionary<int, NDArray[]>())
        let after = it.Sweeps |> Array.map (fun _ -> Dictionary<int, NDArray[]>())
        let given = it.Sweeps |> Array.map (fun _ -> Dictionary<int, NDArray[]>())
        let valueOf i (feed: Feed) =
            match feed with
            | Feed.State(j, s) -> (before[j][i])[s]
            | Feed.After(j, s) -> (after[j][i])[s]
            | Feed.Output(j, o) -> (given[j][i])[o]
            | Feed.Slice a -> sliceOf args[a] i
            | Feed.Whole a -> args[a]
        let run i (feeds: Feed[]) (body: Body) =
            let values = Array.map (valueOf i) feeds
            let results = evaluateOn (Seq.zip body.Inputs values) body.Outputs
            seen i body values results
            results
        let goesOn i =
            match it.Condition, it.Length with
            | ValueSome(struct (feeds, body)), _ ->
                let results = run i feeds body
                let more = results[0].Span<bool>()[0]
                if more && int64 i >= it.Limit then
                    raise (IterationLimitException(it.Name, it.Limit))
                more
            | ValueNone, ValueSome n -> i < n
            | ValueNone, ValueNone -> invalidOp "loop: neither a length nor a condition"
        let states =
            it.Sweeps |> Array.map (fun sweep -> sweep.Init |> Array.map (fun a -> args[a]))
        let step j i =
            let sweep = it.Sweeps[j]
            before[j][i] <- states[j]
            let results = run i sweep.Feeds sweep.Body
            states[j] <- results[.. sweep.States - 1]
            after[j][i] <- states[j]
            given[j][i] <- results[sweep.States ..]
        // The first sweep says how many iterations there are.
        let mutable count = 0
        before[0][0] <- states[0]
        if it.Sweeps[0].Reverse then
            count <- it.Length.Value
            for i in count - 1 .. -1 .. 0 do
                step 0 i
        else
            while goesOn count do
                step 0 count
                count <- count + 1
                before[0][count] <- states[0]
        for j in 1 .. it.Sweeps.Length - 1 do
            for i in
                (if it.Sweeps[j].Reverse then
                     [ count - 1 .. -1 .. 0 ]
                 else
                     [ 0 .. count - 1 ]) do
                step j i
        let result = NDArray.Zeros(it.Packed, Shape [| loop.Length |])
        it.Parts
        |> Array.iteri (fun k part ->
            match part with
            | LoopPart.Final(j, s) -> Pack.write ((states[j])[s]) result (loop.Starts[k])
            | LoopPart.Stacked(j, o) ->
                let of' = it.PartOf part
                let length = Pack.length it.Packed of'.Shape of'.DType
                for i in 0 .. count - 1 do
                    Pack.write ((given[j][i])[o]) result (loop.Starts[k] + i * length))
        result

    and private branchOn (branches: Branches) (args: NDArray[]) : NDArray =
        let body =
            if args[0].Span<bool>()[0] then
                branches.WhenTrue
            else
                branches.WhenFalse
        let result = NDArray.Zeros(branches.Packed, Shape [| branches.Length |])
        evaluateOn (Seq.zip body.Inputs args[1..]) body.Outputs
        |> Array.iteri (fun k value -> Pack.write value result (branches.Starts[k]))
        result

    let evaluate (roots: Expr[]) : NDArray[] = evaluateOn [] roots

    /// Runs a loop, and tells of each iteration: its number, the body, what went in and what came out.
    let follow
        (seen: int -> Body -> NDArray[] -> NDArray[] -> unit)
        (loop: Iterated)
        (args: NDArray[])
        : unit =
        loopOn seen loop args |> ignore
