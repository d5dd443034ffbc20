namespace Diff

open System
open System.Buffers
open System.Collections.Generic
open System.Runtime.CompilerServices
open System.Runtime.InteropServices
open System.Threading

/// What a graph computes, as numbers: operations with what they carry, shapes, element types, and which nodes the arguments are. Graphs of
/// one structure differ at most in their leaves' values. The numbers of each node say how many they are, so different structures have
/// different numbers. What numbers cannot say, operations supplied from outside, stands beside them.
[<Sealed>]
type internal Structure(code: int[], length: int, operations: obj[]) =
    let hash =
        let mutable h = HashCode()
        h.AddBytes(MemoryMarshal.AsBytes(ReadOnlySpan(code, 0, length)))
        for operation in operations do
            h.Add(RuntimeHelpers.GetHashCode operation)
        h.ToHashCode()

    member private _.Numbers = Span(code, 0, length)
    member private _.Operations = operations
    /// How many numbers there are.
    member _.Length = length
    /// The same with memory of its own.
    member this.Copy() =
        Structure(this.Numbers.ToArray(), length, operations)

    override _.GetHashCode() = hash
    override this.Equals(other: obj) =
        match other with
        | :? Structure as other ->
            this.Numbers.SequenceEqual(Span.op_Implicit other.Numbers)
            && operations.Length = other.Operations.Length
            && Array.forall2 (fun (a: obj) b -> obj.ReferenceEquals(a, b)) operations other.Operations
        | _ -> false

/// Finds the structure of a graph in one pass over its nodes: about 0.1 µs a node. Its memory is borrowed until it is disposed of.
[<Sealed>]
type internal StructureWriter(given: Expr[]) =
    let struct (roots, nodes) =
        let nodes = Graph.topological given
        let isCall (node: Expr) =
            match node.Op with
            | Op.Call _ -> true
            | _ -> false
        // A checkpoint is an object of its own each time it is made; its graph is what counts.
        if Array.exists isCall nodes then
            let opened = Control.inlineAll given
            struct (opened, Graph.topological opened)
        else
            struct (given, nodes)
    let mutable code = ArrayPool<int>.Shared.Rent(16 * nodes.Length + 64)
    let mutable length = 0
    let operations = List<obj>()
    let leaves = List<obj>()
    let leafNumber = Dictionary<obj, int>(HashIdentity.Reference)
    let position = NodeMap<int>()

    let add (number: int) =
        if length = code.Length then
            let larger = ArrayPool<int>.Shared.Rent(2 * length)
            code.AsSpan(0, length).CopyTo(larger.AsSpan())
            ArrayPool<int>.Shared.Return code
            code <- larger
        code[length] <- number
        length <- length + 1
    let addWide (number: int64) =
        add (int number)
        add (int (number >>> 32))
    let addText (text: string) =
        add text.Length
        for c in text do
            add (int c)
    let addAll (numbers: int[]) =
        add numbers.Length
        for n in numbers do
            add n

    /// The same leaf has the same number: x + x is not x + y.
    let addLeaf (leaf: obj) =
        match leafNumber.TryGetValue leaf with
        | true, number -> add number
        | _ ->
            add leaves.Count
            leafNumber[leaf] <- leaves.Count
            leaves.Add leaf

    let rec addOp (op: Op) =
        match op with
        | Op.Variable v -> addLeaf v
        | Op.Literal value when StructureWriter.IsKey value ->
            for i in 0 .. value.Length - 1 do
                addWide (
                    if value.DType = DType.Int64 then
                        value.Span<int64>()[i]
                    else
                        int64 (value.Float i)
                )
        | Op.Literal value -> addLeaf value
        | Op.Const value -> addWide value.Bits
        | Op.Elementwise fn -> add (Fn.tag fn)
        | Op.Einsum spec ->
            add spec.Inputs.Length
            for input in spec.Inputs do
                addText input
            addText spec.Output
        | Op.Slice(starts, steps)
        | Op.Embed(starts, steps) ->
            addAll starts
            addAll steps
        | Op.Loop loop -> addLoop (Iterated.Of loop).Iteration
        | Op.Branch extension ->
            let branches = Branches.Of extension
            addBody branches.WhenTrue
            addBody branches.WhenFalse
        | Op.Call operation
        | Op.Custom operation -> operations.Add operation
        | Op.Cast
        | Op.StopGradient
        | Op.Barrier
        | Op.Reshape -> () // their kind says it all
        | op ->
            match Op.plain op with
            | ValueSome(struct (name, numbers)) ->
                addText name
                for n in numbers do
                    add n
            | ValueNone -> invalidOp $"no structure: {Formula.opText op}"

    /// A graph: its nodes in order, and which of them are the roots.
    and addGraph (position: NodeMap<int>) (nodes: Expr[]) (roots: Expr[]) =
        for i in 0 .. nodes.Length - 1 do
            let node = nodes[i]
            position[node] <- i
            add (StructureWriter.Kind node.Op ||| (int node.DType <<< 8))
            addAll node.Shape.Dims
            add node.Args.Length
            for a in node.Args do
                add position[a]
            addOp node.Op
        add roots.Length
        for root in roots do
            add position[root]

    /// Numbers in a graph within, which the plan of it holds: they are part of the operations.
    and addConstant (value: NDArray) =
        if value.Length > 64 then
            operations.Add value
        elif DType.isReal value.DType then
            for i in 0 .. value.Length - 1 do
                addWide (BitConverter.DoubleToInt64Bits(value.Float i))
        else
            addOp (Op.Literal value)

    /// A graph within: its holes by position, and nothing of them but that.
    and addBody (body: Body) =
        let outputs = Control.inlineAll body.Outputs
        let found = Graph.topological outputs
        let isHole = NodeMap<bool>()
        for hole in body.Inputs do
            isHole[hole] <- true
        let inner = NodeMap<int>()
        addAll (body.Inputs |> Array.map (fun hole -> int hole.DType))
        for hole in body.Inputs do
            addAll hole.Shape.Dims
        body.Inputs |> Array.iteri (fun k hole -> inner[hole] <- k)
        let computed = found |> Array.filter (fun node -> not isHole[node])
        add computed.Length
        computed |> Array.iteri (fun k node -> inner[node] <- body.Inputs.Length + k)
        for node in computed do
            add (StructureWriter.Kind node.Op ||| (int node.DType <<< 8))
            addAll node.Shape.Dims
            addAll (node.Args |> Array.map (fun a -> inner[a]))
            match node.Op with
            | Op.Literal value -> addConstant value
            | op -> addOp op
        addAll (outputs |> Array.map (fun e -> inner[e]))

    and addFeeds (feeds: Feed[]) =
        for feed in feeds do
            match feed with
            | Feed.State(j, s) -> addAll [| 0; j; s |]
            | Feed.Output(j, o) -> addAll [| 1; j; o |]
            | Feed.Slice a -> addAll [| 2; a |]
            | Feed.Whole a -> addAll [| 3; a |]
            | Feed.After(j, s) -> addAll [| 4; j; s |]

    and addLoop (it: Iteration) =
        addText it.Name
        add (ValueOption.defaultValue -1 it.Length)
        addWide it.Limit
        addWide it.MaxRecordBytes
        match it.Condition with
        | ValueSome(struct (feeds, body)) ->
            addFeeds feeds
            addBody body
        | ValueNone -> ()
        add it.Sweeps.Length
        for sweep in it.Sweeps do
            add (if sweep.Reverse then 1 else 0)
            addAll sweep.Init
            addFeeds sweep.Feeds
            addBody sweep.Body
        for part in it.Parts do
            match part with
            | LoopPart.Final(j, s) -> addAll [| 0; j; s |]
            | LoopPart.Stacked(j, o) -> addAll [| 1; j; o |]

    do addGraph position nodes roots

    let structure = Structure(code, length, operations.ToArray())

    /// A small array of indices counts as part of the operations: with indices that are known some graphs become scalar code.
    static member private IsKey(value: NDArray) =
        value.Length <= 64 && not (DType.isReal value.DType)

    /// Leaves with a value are one kind, whatever holds it.
    static member private Kind(op: Op) =
        match op with
        | Op.Literal value when StructureWriter.IsKey value -> 255
        | Op.Variable _
        | Op.Literal _ -> 254
        | op -> Op.tag op

    member _.Structure = structure

    /// The variables and literals by their numbers.
    member _.Leaves = leaves

    /// A graph of this structure on placeholders. It shares nothing with the one given, so a plan for it depends on the structure alone.
    member _.Copy() : struct (Expr[] * Expr[]) =
        let placeholders: Expr[] = Array.zeroCreate leaves.Count
        let copies: Expr[] = Array.zeroCreate nodes.Length
        for i in 0 .. nodes.Length - 1 do
            let node = nodes[i]
            let onLeaf (leaf: obj) name =
                let k = leafNumber[leaf]
                if isNull (box placeholders[k]) then
                    placeholders[k] <- Leaf.input name node.Shape node.DType
                placeholders[k]
            let other (op: Op) =
                Expr(op, node.Args |> Array.map (fun a -> copies[position[a]]), node.Shape, node.DType, null)
            copies[i] <-
                match node.Op with
                | Op.Variable v -> onLeaf v v.Name
                | Op.Literal value when StructureWriter.IsKey value -> other (Op.Literal(value.Clone()))
                | Op.Literal value -> onLeaf value ""
                | op -> other op
        struct (placeholders, roots |> Array.map (fun root -> copies[position[root]]))

    interface IDisposable with
        member _.Dispose() = ArrayPool<int>.Shared.Return code

/// The plan of all graphs of a structure, and which of their leaves it takes as inputs.
[<Sealed>]
type internal CachedPlan(structure: Structure, plan: Plan, used: int[]) =
    // A number of the structure stands for about so much memory of the graph and the plan.
    static let bytesOfNumber = 64L

    member _.Structure = structure
    member _.Bytes =
        plan.Data.ArenaBytes
        + plan.Data.Constants.Bytes
        + bytesOfNumber * int64 structure.Length

    /// The plan's inputs among the leaves of a graph.
    member _.Inputs(leaves: List<obj>) : obj[] = used |> Array.map (fun k -> leaves[k])
    member _.Plan = plan

/// A plan with the leaves of one graph.
[<Sealed>]
type internal GivenPlan(plan: Plan, leaves: obj[]) =
    /// The values of the roots with what the variables hold now; new arrays.
    member _.Run() : NDArray[] =
        let inputs: NDArray[] = Array.zeroCreate leaves.Length
        for k in 0 .. inputs.Length - 1 do
            inputs[k] <-
                match leaves[k] with
                | :? Variable as v -> Variable.valueOf v
                | literal -> literal :?> NDArray
        plan.Run inputs

/// Plans of graphs that are made anew again and again, found by structure. A plan that was not used for the longest time is the first to
/// leave when there are too many of them, or when they hold too much memory; one that alone holds too much does not stay at all.
[<Sealed>]
type internal PlanCache(options: EngineOptions, capacity: int, capacityBytes: int64) =
    let gate = Lock()
    let found = Dictionary<Structure, LinkedListNode<CachedPlan>>()
    let latestFirst = LinkedList<CachedPlan>()
    let mutable bytes = 0L
    let mutable made = 0

    let make (writer: StructureWriter) : CachedPlan =
        Interlocked.Increment &made |> ignore
        let struct (placeholders, roots) = writer.Copy()
        let simple = Simplify.forPlan roots
        let isNeeded = NodeMap<bool>()
        for node in Graph.topological simple do
            isNeeded[node] <- true
        let used =
            [| for k in 0 .. placeholders.Length - 1 do
                   if isNeeded[placeholders[k]] then
                       k |]
        let plan =
            Planner.makeSimple
                options
                (used |> Array.map (fun k -> placeholders[k]))
                simple
                (simple |> Array.mapi (fun k _ -> Target.Result k))
        CachedPlan(writer.Structure.Copy(), plan, used)

    let drop (node: LinkedListNode<CachedPlan>) =
        latestFirst.Remove node
        found.Remove node.Value.Structure |> ignore
        bytes <- bytes - node.Value.Bytes

    let tryFind (structure: Structure) : CachedPlan | null =
        let scope = gate.EnterScope()
        try
            match found.TryGetValue structure with
            | true, node ->
                if not (obj.ReferenceEquals(latestFirst.First, node)) then
                    latestFirst.Remove node
                    latestFirst.AddFirst node
                node.Value
            | _ -> null
        finally
            scope.Dispose()

    let keep (plan: CachedPlan) =
        let scope = gate.EnterScope()
        try
            // Another thread may have been faster.
            if plan.Bytes <= capacityBytes && not (found.ContainsKey plan.Structure) then
                found[plan.Structure] <- latestFirst.AddFirst plan
                bytes <- bytes + plan.Bytes
                while latestFirst.Count > capacity || bytes > capacityBytes do
                    drop (nonNull latestFirst.Last)
        finally
            scope.Dispose()

    /// How many plans were made so far, and how many are held.
    member _.Made = Volatile.Read &made
    member _.Count =
        let scope = gate.EnterScope()
        try
            latestFirst.Count
        finally
            scope.Dispose()

    /// The plan for a graph, to run on the graph's leaves.
    member _.Find(roots: Expr[]) : GivenPlan =
        use writer = new StructureWriter(roots)
        let plan =
            match tryFind writer.Structure with
            | null ->
                let plan = make writer
                keep plan
                plan
            | plan -> plan
        GivenPlan(plan.Plan, plan.Inputs writer.Leaves)
