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
type internal Workspace(slots: Slot[], steps: Step[], buffers: int) =
    let values =
        let latest: (NDArray | null)[] = Array.zeroCreate buffers // most slots of a buffer have the same shape
        slots
        |> Array.map (fun slot ->
            match slot with
            | Fixed value -> value
            | Buffer(buffer, shape, dtype) ->
                let view =
                    match latest[buffer] with
                    | null -> NDArray.Zeros(dtype, shape)
                    | view when view.Shape.Equals shape -> view
                    | view -> view.Reshape shape
                latest[buffer] <- view
                view
            | Input _
            | Held _ -> Unchecked.defaultof<NDArray>)
    let args =
        steps |> Array.map (fun step -> Array.map (fun slot -> values[slot]) step.Args)
    let results = steps |> Array.map (fun step -> values[step.Result])
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
            steps[i].Kernel.Invoke(args[i], results[i])

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
        | null -> Workspace(slots, steps, buffers.Length)
        | workspace -> workspace

    let giveBack (workspace: Workspace) =
        let mutable i = 0
        while i < pool.Length
              && not (isNull (Interlocked.CompareExchange(&pool[i], workspace, null))) do
            i <- i + 1

    member _.Steps = steps
    member _.Slots = slots
    member _.Outputs = outputs

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

/// Storage for values: handed out, taken back, handed out again to a value of the same element type and size.
[<Sealed>]
type internal Storage() =
    let lengths = List<DType * int>()
    let free = Dictionary<struct (DType * int), Stack<int>>()

    let freeFor (node: Expr) =
        let key = struct (node.DType, node.Shape.Length)
        match free.TryGetValue key with
        | true, stack -> stack
        | _ ->
            let stack = Stack<int>()
            free[key] <- stack
            stack

    member _.Take(node: Expr) : int =
        let free = freeFor node
        if free.Count > 0 then
            free.Pop()
        else
            lengths.Add((node.DType, node.Shape.Length))
            lengths.Count - 1
    member _.Release(node: Expr, buffer: int) : unit = (freeFor node).Push buffer
    member _.Lengths: (DType * int)[] = lengths.ToArray()

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

    let private isLeaf (node: Expr) =
        match node.Op with
        | Op.Variable _
        | Op.Const _
        | Op.Literal _
        | Op.Iota _ -> true
        | _ -> false

    /// Which node's storage each node lives in: its own, or that of what it is a view of.
    let private homes (nodes: Expr[]) (args: int[][]) : int[] =
        let home = Array.init nodes.Length id
        for i in 0 .. nodes.Length - 1 do
            if isView nodes[i] then
                let source = home[args[i][0]]
                if not (isLeaf nodes[source]) then
                    home[i] <- source
        home

    /// The last step that reads each node's storage; the largest int where the caller does.
    let private lastUses (home: int[]) (args: int[][]) (roots: int[]) : int[] =
        let lastUse = Array.create home.Length -1
        for i in 0 .. args.Length - 1 do
            for a in args[i] do
                lastUse[home[a]] <- i
        for root in roots do
            lastUse[home[root]] <- Int32.MaxValue
        lastUse

    /// Plans the values of `roots` as functions of the placeholders `inputs`.
    let make (inputs: Expr[]) (roots: Expr[]) : Plan =
        let roots = prepare roots
        let nodes = Graph.topological roots
        let index = NodeMap<int>()
        for i in 0 .. nodes.Length - 1 do
            index[nodes[i]] <- i
        let find (e: Expr) = index[e]
        let args = nodes |> Array.map (fun node -> Array.map find node.Args)
        let outputs = Array.map find roots
        let home = homes nodes args
        let lastUse = lastUses home args outputs
        let storage = Storage()
        let bufferOf = Array.create nodes.Length -1
        let dies i h = lastUse[h] = i && bufferOf[h] >= 0
        // The storage of an argument that nobody reads any more, if it fits; else new storage.
        let place i inPlace =
            let mutable buffer = -1
            if inPlace then
                for a in args[i] do
                    let h = home[a]
                    if
                        buffer < 0
                        && dies i h
                        && nodes[h].DType = nodes[i].DType
                        && nodes[h].Shape.Length = nodes[i].Shape.Length
                    then
                        buffer <- bufferOf[h]
                        lastUse[h] <- -1
            if buffer < 0 then storage.Take nodes[i] else buffer
        let release i =
            for a in args[i] do
                let h = home[a]
                if dies i h then
                    lastUse[h] <- -1 // the argument may stand twice
                    storage.Release(nodes[h], bufferOf[h])
        let given = NodeMap<int>() // 1 + position
        inputs |> Array.iteri (fun i input -> given[input] <- i + 1)
        let steps = List<Step>()
        let slots =
            nodes
            |> Array.mapi (fun i node ->
                match node.Op with
                | Op.Variable v -> if given[node] > 0 then Input(given[node] - 1) else Held v
                | Op.Literal value -> Fixed value
                | Op.Const value -> Fixed(NDArray.Full(value, node.Shape))
                | Op.Iota _ ->
                    let value = NDArray.Zeros(node.DType, node.Shape)
                    (Rules.ofOp node.Op).Kernel(node).Invoke([||], value)
                    Fixed value
                | _ ->
                    if home[i] <> i then
                        bufferOf[i] <- bufferOf[home[i]]
                    else
                        let rule = Rules.ofOp node.Op
                        bufferOf[i] <- place i rule.InPlace
                        steps.Add
                            { Node = node
                              Kernel = rule.Kernel node
                              Args = args[i]
                              Result = i }
                    release i
                    Buffer(bufferOf[i], node.Shape, node.DType))
        Plan(slots, steps.ToArray(), storage.Lengths, outputs)
