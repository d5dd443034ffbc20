namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// Where the roots go: computed where they are wanted if that may be, else copied there before anything runs, or after everything.
[<Sealed>]
type internal PlanRoots
    (
        graph: PlanGraph,
        fuser: Fuser,
        units: FusedUnit[],
        memory: PlanMemory,
        targets: Target[],
        shapes: Shape[]
    ) =
    let nodes = graph.Nodes
    let sources = memory.Sources
    let early = List<struct (int * Place)>()
    let late = List<struct (Place voption * int * Place)>()
    // The variable that a node goes to in place, if the unit that computes it reads the old value at the same index.
    let inPlace: (Variable | null)[] = Array.zeroCreate nodes.Length
    let unitNumber = Dictionary<FusedUnit, int>(HashIdentity.Reference)
    do units |> Array.iteri (fun u unit -> unitNumber[unit] <- u)
    let variableNode = Dictionary<Variable, int>(HashIdentity.Reference)
    do
        nodes
        |> Array.iteri (fun i node ->
            match node.Op with
            | Op.Variable v when not (sources.IsGiven node) -> variableNode[v] <- i
            | _ -> ())

    let isInput v =
        nodes
        |> Array.exists (fun node ->
            match node.Op with
            | Op.Variable other -> obj.ReferenceEquals(other, v) && sources.IsGiven node
            | _ -> false)

    let resultCount =
        targets
        |> Seq.sumBy (function
            | Target.Result _ -> 1
            | Target.Into _ -> 0)
    let results: struct (Shape * DType)[] = Array.zeroCreate resultCount

    /// Whether a root is still to be computed: a leaf is not, and what stands twice is computed once.
    let isComputed r =
        not (isNull (fuser.UnitOf r)) && not (memory.IsPlaced r) && isNull inPlace[r]

    let putAside r into =
        memory.SetPlace(r, memory.Keep r)
        late.Add(struct (ValueNone, r, into))

    let placeResult r k (shape: Shape) =
        results[k] <- struct (shape, nodes[r].DType)
        let place = sources.Result k
        if isComputed r then memory.SetPlace(r, place)
        elif Graph.isLeaf nodes[r] then early.Add(struct (r, place))
        else late.Add(struct (ValueNone, r, place))

    let placeVariable r v =
        let held = sources.Held v
        // The caller may pass the variable's own array as an input.
        if isComputed r && isInput v then
            putAside r held
        elif isComputed r then
            let u = unitNumber[nonNull (fuser.UnitOf r)]
            match variableNode.TryGetValue v with
            | true, s when memory.LastRead s > u -> putAside r held
            | true, s when memory.LastRead s = u -> inPlace[r] <- v
            | _ -> memory.SetPlace(r, held)
        elif Graph.isLeaf nodes[r] then
            // All variables change at once: the old value is put aside.
            let aside = memory.Keep r
            early.Add(struct (r, aside))
            late.Add(struct (ValueSome aside, r, held))
        else
            late.Add(struct (ValueNone, r, held))

    do
        // Sources get their entries before results do.
        for node in nodes do
            match node.Op with
            | Op.Variable _
            | Op.Literal _ -> sources.PlaceOf node |> ignore
            | _ -> ()
        for target in targets do
            match target with
            | Target.Into v -> sources.Held v |> ignore
            | Target.Result _ -> ()
        graph.Roots
        |> Array.iteri (fun root r ->
            match targets[root] with
            | Target.Result k -> placeResult r k shapes[root]
            | Target.Into v -> placeVariable r v)

    /// The results' shapes and element types, by position.
    member _.Results = results

    /// The variable that a node goes to if it may be written over the old value, which is still read when it is computed.
    member _.InPlace(i: int) : Variable | null = inPlace[i]

    /// The node that is the old value of a variable.
    member _.NodeOf(v: Variable) : int = variableNode[v]

    /// Computes a node apart from the variable that it goes to, which is still read.
    member _.PutAside(i: int, v: Variable) : unit = putAside i (sources.Held v)

    /// Copies to make before anything runs: nodes and where they go.
    member _.Early: struct (int * Place) seq = early

    /// Copies to make after everything: from where, nodes, and where they go.
    member _.Late: struct (Place * int * Place) seq =
        late
        |> Seq.map (fun (struct (from, r, into)) ->
            struct (ValueOption.defaultWith (fun () -> memory.PlaceOf r) from, r, into))
