namespace Diff

/// Makes one loop of two that use the same node.
[<RequireQualifiedAccess>]
module internal FuseLoops =
    /// For each axis of `other` the axis of `unit` that it is, given that a node lies at these axes of both; None if they do not fit.
    let private pairing (unit: FusedUnit) (map: int[]) (other: FusedUnit) (otherMap: int[]) : int[] option =
        let pairs = Array.create other.Extents.Count -1
        let mutable fits = true
        Array.iter2
            (fun a b ->
                fits <- fits && (a < 0) = (b < 0)
                if fits && a >= 0 then
                    pairs[b] <- a)
            map
            otherMap
        let left = unit.Order |> Array.filter (fun axis -> not (Array.contains axis pairs))
        let unpaired = other.Order |> Array.filter (fun axis -> pairs[axis] < 0)
        if not fits then
            None
        elif unpaired.Length = 0 then
            Some pairs
        elif
            // The node is one a row in both; their columns have to be as long.
            left.Length = unpaired.Length
            && Array.forall2 (fun a b -> unit.Extents[a] = other.Extents[b]) left unpaired
        then
            Array.iter2 (fun a b -> pairs[b] <- a) left unpaired
            Some pairs
        else
            None

    let private columnsFit (unit: FusedUnit) (other: FusedUnit) (pairs: int[]) =
        let paired = Array.map (fun axis -> pairs[axis])
        let order = paired other.Order
        if order.Length = unit.Order.Length then
            order = unit.Order
            && (unit.IsOpen || other.IsOpen || paired other.Columns = unit.Columns)
        else
            // A loop over the rows only becomes what happens once a row.
            other.IsOpen
            && not unit.IsOpen
            && order = unit.Order[.. unit.Order.Length - unit.Columns.Length - 1]

    let private merge (unit: FusedUnit) (other: FusedUnit) (pairs: int[]) =
        other.Parent <- unit
        other.Translation <- pairs
        if unit.IsOpen && not other.IsOpen then
            unit.IsOpen <- false
            unit.Columns <- other.Columns |> Array.map (fun axis -> pairs[axis])
        if unit.DType = DType.Bool then
            unit.DType <- other.DType
        unit.Members.AddRange other.Members
        unit.Producers.UnionWith other.Producers
        unit.Consumers.UnionWith other.Consumers
        let stage = max unit.Stage other.Stage
        unit.Stage <- stage - 1
        FusedUnit.raiseTo unit stage

    let private attempt (unit: FusedUnit) map (other: FusedUnit) otherMap =
        match pairing unit map other otherMap with
        | Some pairs when columnsFit unit other pairs ->
            merge unit other pairs
            true
        | _ -> false

    /// Makes one loop of two that use a node at these axes, if they fit and neither waits for the other.
    let tryMerge (unit: FusedUnit) (map: int[]) (other: FusedUnit) (otherMap: int[]) : bool =
        unit.IsLoop
        && other.IsLoop
        && unit.Members.Count + other.Members.Count <= FuseRules.maxMembers
        && FuseRules.typesFit unit.DType other.DType
        && FusedUnit.areApart unit other
        && (if unit.Order.Length >= other.Order.Length then
                attempt unit map other otherMap
            else
                attempt other otherMap unit map)
