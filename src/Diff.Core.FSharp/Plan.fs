namespace Diff

open System
open System.Collections.Generic
open System.Threading

/// One operation of a plan: which kernel, from which slots, into which slot.
[<Struct>]
type internal Step =
    { Node: Expr
      Kernel: Kernel
      Args: int[]
      Result: int }

/// Where the contents of a slot come from.
type internal Slot =
    /// Position among the inputs given to each run.
    | Input of int
    /// A variable's value at the time of the run.
    | Held of Variable
    /// The same in every run.
    | Fixed of NDArray
    /// Storage number `buffer` of the workspace, seen with a shape.
    | Buffer of buffer: int * shape: Shape * dtype: DType

/// The arrays of one run at a time.
[<Sealed>]
type internal Workspace(slots: Slot[], steps: Step[], bufferLengths: (DType * int)[]) =
    let buffers = bufferLengths |> Array.map (fun (dtype, length) -> NDArray.Zeros(dtype, Shape [| length |]))
    let values =
        slots
        |> Array.map (fun slot ->
            match slot with
            | Fixed value -> value
            | Buffer(buffer, shape, _) -> buffers[buffer].Reshape shape
            | Input _
            | Held _ -> Unchecked.defaultof<NDArray>)
    let args = steps |> Array.map (fun step -> Array.map (fun slot -> values[slot]) step.Args)
    // The places that change from run to run.
    let loads =
        [| for s in 0 .. slots.Length - 1 do
               match slots[s] with
               | Input _
               | Held _ -> s
               | _ -> () |]
    let patches =
        [| for i in 0 .. steps.Length - 1 do
               for k in 0 .. steps[i].Args.Length - 1 do
                   match slots[steps[i].Args[k]] with
                   | Input _
                   | Held _ -> struct (i, k, steps[i].Args[k])
                   | _ -> () |]
    member _.Values = values

    member _.Run(inputs: NDArray[]) =
        for s in loads do
            values[s] <-
                match slots[s] with
                | Input i -> inputs[i]
                | Held v -> Variable.valueOf v
                | _ -> values[s]
        for struct (i, k, slot) in patches do
            args[i][k] <- values[slot]
        for i in 0 .. steps.Length - 1 do
            steps[i].Kernel.Invoke(args[i], values[steps[i].Result])

/// A graph as a flat list of steps in order, with storage shared between values that are never alive together.
/// The only door from graphs to numbers: nothing after it looks at the graph again. Runs may overlap in time.
[<Sealed>]
type internal Plan(slots: Slot[], steps: Step[], buffers: (DType * int)[], outputs: int[]) =
    let pool: (Workspace | null)[] = Array.zeroCreate 16

    let rent () =
        let mutable found: Workspace | null = null
        let mutable i = 0
        while isNull found && i < pool.Length do
            found <- Interlocked.Exchange(&pool[i], null)
            i <- i + 1
        match found with
        | null -> Workspace(slots, steps, buffers)
        | workspace -> workspace

    let giveBack (workspace: Workspace) =
        let mutable i = 0
        while i < pool.Length && not (isNull (Interlocked.CompareExchange(&pool[i], workspace, null))) do
            i <- i + 1

    member _.Steps = steps
    member _.Slots = slots
    member _.Outputs = outputs
    /// Bytes of storage for one run, without inputs and variables.
    member _.Bytes = buffers |> Array.sumBy (fun (dtype, length) -> int64 length * int64 (DType.size dtype))

    /// Runs the plan and lets `read` look at the outputs, which are good only until it returns.
    member _.Run(inputs: NDArray[], read: Workspace -> int[] -> 'R) : 'R =
        let workspace = rent ()
        try
            workspace.Run inputs
            read workspace outputs
        finally
            giveBack workspace

    /// Runs the plan; the results are new arrays.
    member this.Run(inputs: NDArray[]) : NDArray[] =
        this.Run(inputs, fun workspace outputs -> outputs |> Array.map (fun s -> workspace.Values[s].Clone()))

[<RequireQualifiedAccess>]
module internal Plan =
    /// Simplified, opened and lowered to what kernels exist for.
    let prepare (roots: Expr[]) : Expr[] =
        roots |> Control.inlineAll |> Simplify.run |> Graph.map Contraction.lower

    /// A view of the same numbers takes no step and no storage of its own.
    let private isView (node: Expr) =
        match node.Op with
        | Op.Reshape
        | Op.StopGradient
        | Op.Barrier -> true
        | _ -> false

    /// Plans the values of `roots` as functions of the placeholders `inputs`.
    let make (inputs: Expr[]) (roots: Expr[]) : Plan =
        let roots = prepare roots
        let nodes = Graph.topological roots
        let index = Dictionary<int64, int>()
        nodes |> Array.iteri (fun i n -> index[n.Id] <- i)
        let argsOf (n: Expr) = n.Args |> Array.map (fun a -> index[a.Id])
        let inputIndex = Dictionary<int64, int>()
        inputs |> Array.iteri (fun i e -> inputIndex[e.Id] <- i)

        // Which node's storage a node lives in.
        let home = Array.init nodes.Length id
        let isLeaf i =
            match nodes[i].Op with
            | Op.Variable _
            | Op.Const _
            | Op.Literal _
            | Op.Iota _ -> true
            | _ -> false
        for i in 0 .. nodes.Length - 1 do
            if isView nodes[i] then
                let source = home[index[nodes[i].Args[0].Id]]
                if not (isLeaf source) then
                    home[i] <- source

        let lastUse = Array.create nodes.Length -1
        for i in 0 .. nodes.Length - 1 do
            for a in argsOf nodes[i] do
                lastUse[home[a]] <- max lastUse[home[a]] i
        for r in roots do
            lastUse[home[index[r.Id]]] <- Int32.MaxValue

        let buffers = List<DType * int>()
        let free = Dictionary<struct (DType * int), Stack<int>>()
        let release i (bufferOf: int[]) =
            let key = struct (nodes[i].DType, nodes[i].Shape.Length)
            match free.TryGetValue key with
            | true, stack -> stack.Push bufferOf[i]
            | _ -> free[key] <- Stack<int>([ bufferOf[i] ])
        let take (node: Expr) =
            match free.TryGetValue(struct (node.DType, node.Shape.Length)) with
            | true, stack when stack.Count > 0 -> stack.Pop()
            | _ ->
                buffers.Add((node.DType, node.Shape.Length))
                buffers.Count - 1

        let bufferOf = Array.create nodes.Length -1
        let slots = Array.zeroCreate<Slot> nodes.Length
        let steps = List<Step>()
        for i in 0 .. nodes.Length - 1 do
            let node = nodes[i]
            let rule () = Rules.ofOp node.Op
            match node.Op with
            | Op.Variable v ->
                slots[i] <-
                    match inputIndex.TryGetValue node.Id with
                    | true, k -> Input k
                    | _ -> Held v
            | Op.Literal value -> slots[i] <- Fixed value
            | Op.Const _
            | Op.Iota _ ->
                let value = NDArray.Zeros(node.DType, node.Shape)
                (rule ()).Kernel(node).Invoke([||], value)
                slots[i] <- Fixed value
            | _ when home[i] <> i ->
                bufferOf[i] <- bufferOf[home[i]]
                slots[i] <- Buffer(bufferOf[i], node.Shape, node.DType)
            | _ ->
                let args = argsOf node
                let rule = rule ()
                let dying = args |> Array.map (fun a -> home[a]) |> Array.distinct |> Array.filter (fun h -> lastUse[h] = i && bufferOf[h] >= 0)
                let fits h = nodes[h].DType = node.DType && nodes[h].Shape.Length = node.Shape.Length
                match (if rule.InPlace then Array.tryFind fits dying else None) with
                | Some h -> bufferOf[i] <- bufferOf[h]
                | None -> bufferOf[i] <- take node
                for h in dying do
                    if bufferOf[h] <> bufferOf[i] then
                        release h bufferOf
                slots[i] <- Buffer(bufferOf[i], node.Shape, node.DType)
                steps.Add
                    { Node = node
                      Kernel = rule.Kernel node
                      Args = args
                      Result = i }
            // A value that nobody reads (it cannot be: every node is there for a root) would keep its storage.
        Plan(slots, steps.ToArray(), buffers.ToArray(), roots |> Array.map (fun r -> index[r.Id]))
