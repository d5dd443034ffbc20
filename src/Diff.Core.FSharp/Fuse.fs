namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// Which nodes are computed in one pass over memory. Consumers come first: a node joins the loop that uses it, and loops that share a
/// node are joined. The rules:
/// 1. A node is computed in one place. It joins a loop only index by index: every use of it there is at the loop's own index.
/// 2. In a loop, values vary along all axes, or along all but the columns (one a row). A reduction over the columns is such a value and may be used
///    in the loop again; sums over rows, or over everything, are results only.
/// 3. No unit waits for itself: what is read by others from memory is complete before they begin. Stages order the units; two of one stage never
///    depend on each other.
/// 4. Element types: numbers of one float type, bools, and comparisons of integers that are one a row with indices.
/// 5. A loop reads at most 16 large arrays: sums of many are taken a few at a time, while what they add is near.
[<Sealed>]
type internal Fuser(graph: PlanGraph, terms: Terms) =
    // Beyond this, comparing each reader with each costs too much.
    static let maxReaders = 8

    let nodes = graph.Nodes
    let units = List<FusedUnit>()
    // The unit that each node was taken into, and its axes and those of its operands there.
    let unitOf: (FusedUnit | null)[] = Array.zeroCreate nodes.Length
    let mapOf: int[][] = Array.create nodes.Length [||]
    let operandMapOf: int[][] = Array.create nodes.Length [||]
    let uses = Array.init nodes.Length (fun _ -> List<Use>())

    /// The units that use a node now, once each; without a map where a unit does not use it at one index of its own.
    let usesOf i : Use[] =
        let found = List<Use>()
        for entry in uses[i] do
            let entry = FusedUnit.resolve entry
            let known = found.FindIndex(fun other -> FusedUnit.isSame other.By entry.By)
            if known < 0 then
                found.Add entry
            elif found[known].Map <> entry.Map then
                found[known] <- { entry with Map = ValueNone }
        found.ToArray()

    /// One more than the latest stage of some readers.
    let stageAfter (readers: Use[]) =
        readers |> Array.fold (fun stage reader -> max stage (reader.By.Stage + 1)) 0

    let unitAt isLoop stage =
        let made = FusedUnit(units.Count, isLoop, Stage = stage)
        units.Add made
        made

    /// A new loop over the axes of a shape; where each axis of the shape went.
    let newLoop (shape: Shape) stage : struct (FusedUnit * int[]) =
        let unit = unitAt true stage
        let map = Array.create shape.Rank -1
        for k in View.longAxes shape do
            map[k] <- unit.Extents.Count
            unit.Extents.Add shape[k]
        unit.Order <- Array.init unit.Extents.Count id
        struct (unit, map)

    // ---- Joining loops ----------------------------------------------------------------------------------------------------

    /// Joins two loops that go through all of a node.
    let tryMerge (a: Use) (b: Use) =
        let goesThrough (unit: FusedUnit) map =
            FuseRules.covers unit map && FuseRules.isAscending unit map
        match a.Map, b.Map with
        | ValueSome mapA, ValueSome mapB when a.By.Number < b.By.Number ->
            goesThrough a.By mapA
            && goesThrough b.By mapB
            && FuseLoops.tryMerge a.By mapA b.By mapB
        | _ -> false

    /// Joins the loops that use a node: long ones pass over it once, and of short ones there are fewer to start.
    let mergeReaders i =
        let isLoop (entry: Use) =
            entry.Map.IsSome && (FusedUnit.current entry.By).IsLoop
        let rec next () =
            let readers = usesOf i
            if
                readers.Length <= maxReaders
                && Seq.allPairs readers readers |> Seq.exists (fun (a, b) -> tryMerge a b)
            then
                next ()
        if Seq.length (Seq.filter isLoop uses[i]) > 1 then
            next ()

    // ---- One node after the other ---------------------------------------------------------------------------------------------

    /// The loop among its users that a node may be computed in. `fits` says whether a loop takes it at these axes.
    let host i (fits: FusedUnit -> int[] -> bool) : struct (FusedUnit * int[]) voption =
        let readers = usesOf i
        let rec attempt (candidates: Use[]) =
            if candidates.Length = 0 then
                ValueNone
            else
                let best = candidates |> Array.maxBy (fun reader -> reader.By.Stage)
                let unit = best.By
                let isBest (reader: Use) = FusedUnit.isSame reader.By unit
                // Others read it from memory, so they come later.
                let others = readers |> Array.filter (isBest >> not)
                if others |> Array.exists (fun reader -> FusedUnit.reaches reader.By unit) then
                    attempt (candidates |> Array.filter (isBest >> not))
                else
                    FusedUnit.raiseTo unit (max unit.Stage (stageAfter others))
                    ValueSome(struct (unit, best.Map.Value))
        readers
        |> Array.filter (fun reader -> reader.Map.IsSome && fits reader.By reader.Map.Value)
        |> attempt

    /// Takes the node into a unit, where it and its operands lie at these axes.
    let enter (unit: FusedUnit) i (map: int[]) (operandMap: int[]) =
        unitOf[i] <- unit
        mapOf[i] <- map
        operandMapOf[i] <- operandMap
        unit.Members.Add i
        if unit.DType = DType.Bool then
            unit.DType <- FuseRules.typeOf nodes[i]
        for reader in usesOf i do
            if not (FusedUnit.isSame reader.By unit) then
                FusedUnit.link unit reader.By

    let useArgs i (unit: FusedUnit) (map: int[] voption) =
        for a in graph.Args[i] do
            uses[a].Add { By = unit; Map = map }

    /// A view passes uses of it on to what it is a view of.
    let passOn i (entries: Use seq) =
        let through = FuseRules.throughView nodes[i]
        for entry in entries do
            let map =
                match through with
                | ValueSome f -> ValueOption.map f entry.Map
                | ValueNone -> ValueNone
            uses[graph.Arg(i, 0)].Add { entry with Map = map }
            // A barrier's other operands only have to be there before.
            for a in Seq.skip 1 graph.Args[i] do
                uses[a].Add { entry with Map = ValueNone }

    /// A node with a kernel of its own.
    let addHard i =
        mergeReaders i
        let unit = unitAt false (stageAfter (usesOf i))
        enter unit i [||] [||]
        useArgs i unit ValueNone

    let addPointwise i =
        mergeReaders i
        match host i (FuseRules.mayJoin graph i) with
        | ValueNone when FuseRules.takesIntegers nodes[i] -> addHard i // no loop knows yet what a row is
        | found ->
            let struct (unit, map) =
                match found with
                | ValueSome found -> found
                | ValueNone -> newLoop nodes[i].Shape (stageAfter (usesOf i))
            if not (FuseRules.covers unit map) then
                unit.Columns <- FuseRules.columnsAfter unit map
                unit.IsOpen <- false
            enter unit i map map
            if graph.IsView i then
                // Readers of a view, also of one that is copied for a root, read what it is a view of.
                passOn i (Seq.append (uses[i].ToArray()) [| { By = unit; Map = ValueSome map } |])
            else
                useArgs i unit (ValueSome map)

    let addReduction i (reduction: LoopReduction) =
        mergeReaders i
        let node = nodes[i]
        match host i (LoopReduction.mayJoin reduction) with
        | ValueSome(struct (unit, map)) ->
            let taken = LoopReduction.takeColumns reduction unit map
            let operands = LoopReduction.operandMap reduction map taken
            enter unit i map operands
            useArgs i unit (ValueSome operands)
        | ValueNone ->
            let struct (unit, operands) = newLoop node.Args[0].Shape (stageAfter (usesOf i))
            LoopReduction.decideColumns reduction unit operands
            enter unit i (LoopReduction.resultMap reduction operands) operands
            useArgs i unit (ValueSome operands)

    /// Part of the sum that it is added to, whose unit is known.
    let addTerm i =
        for entry in uses[i] do
            unitOf[i] <- entry.By
        useArgs i (nonNull unitOf[i]) ValueNone

    let visit i =
        if Graph.isLeaf nodes[i] then
            mergeReaders i
        elif graph.IsView i && not (graph.IsRoot i) then
            passOn i uses[i]
        elif terms.IsTerm i then
            addTerm i
        elif terms.IsSum i then
            addHard i
        elif FuseRules.isPointwise graph i then
            addPointwise i
        else
            match LoopReduction.tryMake nodes[i] with
            | ValueSome reduction -> addReduction i reduction
            | ValueNone -> addHard i

    do
        for i in nodes.Length - 1 .. -1 .. 0 do
            visit i

    let currentAxes i (map: int[]) =
        match unitOf[i] with
        | null -> map
        | unit -> FusedUnit.currentAxes unit map

    /// The unit that computes a node; null for leaves and views.
    member _.UnitOf(i: int) : FusedUnit | null =
        match unitOf[i] with
        | null -> null
        | unit -> FusedUnit.current unit

    /// For each axis of a member of a loop, the loop's axis.
    member _.MapOf(i: int) = currentAxes i mapOf[i]

    /// For each axis of a member's operands, the loop's axis.
    member _.OperandMapOf(i: int) = currentAxes i operandMapOf[i]

    /// Whether others read the node from memory.
    member this.IsStored(i: int) =
        let unit = this.UnitOf i
        graph.IsRoot i
        || usesOf i |> Array.exists (fun reader -> not (FusedUnit.isSame reader.By unit))

    /// The units, each after those it reads from.
    member _.Units: FusedUnit[] =
        let isLargeProduct (unit: FusedUnit) =
            let i = unit.Members[0]
            not unit.IsLoop
            && graph.BytesOf i >= EpilogueLayout.LeastBytes
            && (terms.IsSum i || Terms.IsProduct nodes[i])
        FusedUnit.inOrder isLargeProduct units
