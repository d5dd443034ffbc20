namespace Diff

open System.Collections.Generic

/// Graphs for one set of values as graphs for n sets at once, stacked along a new leading axis: one node for one node, and no loop.
[<RequireQualifiedAccess>]
module internal Batch =
    let rec private ofNode n (stacked: bool[]) (args: Expr[]) (node: Expr) : Expr =
        match (Rules.ofOp node.Op).Batching with
        | Never -> invalidOp $"vmap: {Formula.opText node.Op} has no operands to stack"
        | Stacked op -> Expr(op, Stack.all n stacked args, Stack.shape n node.Shape, node.DType)
        | Mapped f -> f n stacked args node
        | Batched f -> f run n stacked args node
        | Within body ->
            let holes =
                Array.map2
                    (fun (hole: Expr) (arg: Expr) -> Leaf.input "stacked" arg.Shape hole.DType)
                    body.Inputs
                    args
            let pairs = Array.zip body.Inputs holes
            let isStacked i = stacked[i]
            let outer, inner = pairs |> Array.indexed |> Array.partition (fst >> isStacked)
            let roots =
                Graph.substitute (inner |> Array.map snd) (Array.append [| body.Output |] body.Saved)
            let roots = run n (outer |> Array.map snd) roots
            let output = roots[0]
            let given = body.Given |> ValueOption.map (ofGiven n stacked body)
            Expr(
                Op.Call(Subgraph(body.Name, holes, output, roots[1..], given)),
                args,
                output.Shape,
                node.DType
            )

    /// A derivative that the caller gives for one set, for n of them.
    and private ofGiven n (stacked: bool[]) (body: Subgraph) (given: GivenDerivative) : GivenDerivative =
        let hole (like: Expr) dtype = Leaf.input "slice" like.Shape dtype
        let arguments (xs: Expr[]) =
            let one = Array.map2 (fun (h: Expr) (x: Expr) -> hole h x.DType) body.Inputs xs
            let pairs =
                Array.zip one xs
                |> Array.indexed
                |> Array.filter (fun (i, _) -> stacked[i])
                |> Array.map snd
            Array.mapi (fun i x -> if stacked[i] then one[i] else x) xs, pairs
        match given with
        | GivenDerivative.Vjp vjp ->
            GivenDerivative.Vjp(fun xs y g ->
                let one, pairs = arguments xs
                let value, cotangent = hole body.Output y.DType, hole body.Output g.DType
                let parts = vjp one value cotangent
                let all = parts |> Array.choose Option.ofObj
                let found = Queue(run n (Array.append pairs [| value, y; cotangent, g |]) all)
                parts
                |> Array.mapi (fun i part ->
                    match part with
                    | null -> null
                    | _ when stacked[i] -> found.Dequeue()
                    | _ ->
                        // An argument that is the same for all has the sum.
                        let sum = found.Dequeue()
                        let labels = EinsumSpec.labels sum.Rank
                        let spec =
                            { Inputs = [| System.String labels |]
                              Output = System.String labels[1..] }
                        Expr.Contract(spec, [| sum |], Shape sum.Shape.Dims[1..])))
        | GivenDerivative.Jvp jvp ->
            GivenDerivative.Jvp(fun xs y vs ->
                let one, pairs = arguments xs
                let value = hole body.Output y.DType
                let tangents =
                    Array.mapi2
                        (fun i (x: Expr) (v: Expr | null) ->
                            match v with
                            | null -> null
                            | v when stacked[i] -> (hole x v.DType: Expr | null)
                            | v -> v)
                        one
                        vs
                let more =
                    [| value, y
                       for i in 0 .. vs.Length - 1 do
                           match tangents[i], vs[i] with
                           | null, _
                           | _, null -> ()
                           | hole, v ->
                               if stacked[i] then
                                   (hole, v) |]
                (run n (Array.append pairs more) [| jvp one value tangents |])[0])

    /// The roots with nodes replaced by n values each, stacked; all of the result is stacked.
    and run n (pairs: (Expr * Expr)[]) (roots: Expr[]) : Expr[] =
        let replaced = NodeMap<Expr | null>()
        for node, stack in pairs do
            replaced[node] <- stack
        let oldest =
            pairs |> Array.fold (fun id (node, _) -> min id node.Id) System.Int64.MaxValue
        for node in Graph.since (oldest - 1L) roots do
            if isNull replaced[node] then
                let stacked = node.Args |> Array.map (fun a -> not (isNull replaced[a]))
                if Array.contains true stacked then
                    let args =
                        node.Args
                        |> Array.map (fun a ->
                            match replaced[a] with
                            | null -> a
                            | stack -> stack)
                    replaced[node] <- Graph.within node.Scope (fun () -> ofNode n stacked args node)
        roots
        |> Array.map (fun root ->
            match replaced[root] with
            | null -> Stack.repeat n root
            | stack -> stack)
