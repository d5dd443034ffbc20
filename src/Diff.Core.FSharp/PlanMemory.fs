namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// Where the values of a plan lie. Those that are computed lie in the arena, results and variables apart, from the step that computes them
/// to the last one that reads them.
[<Sealed>]
type internal PlanMemory
    (
        graph: PlanGraph,
        sources: PlanSources,
        units: FusedUnit[],
        reads: HashSet<int>[],
        parts: Joined voption[]
    ) =
    let nodes = graph.Nodes
    let constants = PlanConstants()
    let arena = Arena()
    let places: Place[] = Array.create nodes.Length (Place(-1, 0n))
    let temporary = List<struct (int64 * int64)>()
    /// For each unit, the nodes that nobody reads after it.
    let dying: List<int>[] = Array.init units.Length (fun _ -> List<int>())
    let lastRead = Array.create nodes.Length -1
    let hasParts = Array.zeroCreate<bool> nodes.Length
    do
        reads
        |> Array.iteri (fun u found ->
            for s in found do
                lastRead[s] <- u)
        // A whole lives as long as its parts.
        parts
        |> Array.iteri (fun a part ->
            match part with
            | ValueSome part ->
                hasParts[part.Whole] <- true
                lastRead[part.Whole] <- max lastRead[part.Whole] lastRead[a]
            | ValueNone -> ())

    let inArena (at: int64) = Place(Entry.arena, nativeint at)

    member _.Sources = sources
    member _.Constants = constants
    member _.ArenaBytes = arena.Bytes

    /// Whether it is known where a node that is computed goes.
    member _.IsPlaced(i: int) = places[i].Entry >= 0
    member _.SetPlace(i: int, place: Place) = places[i] <- place

    /// Where the elements of a node lie that is no view.
    member _.PlaceOf(i: int) : Place =
        let node = nodes[i]
        match node.Op with
        | Op.Variable _
        | Op.Literal _ -> sources.PlaceOf node
        | Op.Const value -> constants.Full(value, node.Shape)
        | Op.Iota axis -> constants.Iota(axis, node.Shape, node.DType)
        | _ -> places[i]

    /// The place so many elements of a node's base behind its first.
    member this.At(i: int, offset: int) : Place =
        let place = this.PlaceOf i
        Place(place.Entry, place.Bytes + nativeint offset * nativeint (DType.size nodes[i].DType))

    /// The place of the first element of a view.
    member this.OfView(view: View) : Place =
        this.At(graph.IndexOf view.Base, view.Offset)

    /// The place of the first element of a node, which may be a view.
    member this.First(i: int) : Place = this.OfView graph.Views[i]

    /// Memory until the step is over.
    member _.Temporary(bytes: int64) : Place =
        let at = arena.Take bytes
        temporary.Add(struct (at, bytes))
        inArena at

    /// A place in the arena that lives to the end, for a node's value.
    member _.Keep(i: int) : Place = inArena (arena.Take(graph.BytesOf i))

    /// The unit that reads a node's memory last; −1 if none does.
    member _.LastRead(i: int) = lastRead[i]

    /// Memory for a node that unit u computes, if it has none yet.
    member this.Allot(u: int, i: int) : unit =
        if not (this.IsPlaced i) then
            match parts[i] with
            | ValueSome part ->
                this.Allot(u, part.Whole)
                let whole = places[part.Whole]
                places[i] <- Place(whole.Entry, whole.Bytes + nativeint part.Offset)
            | ValueNone ->
                places[i] <- this.Keep i
                // What nobody reads is given back at once; it is computed all the same.
                dying[max u lastRead[i]].Add i

    /// Whether the node is computed within another.
    member _.IsPart(i: int) = parts[i].IsSome

    /// Whether unit u is the last to read s, whose memory then is free.
    member _.IsDying(u: int, s: int) =
        dying[u].Contains s && places[s].Entry = Entry.arena && not hasParts[s]

    /// Gives the memory of s, which nobody reads after unit u, to i.
    member _.TakeOver(u: int, s: int, i: int) : unit =
        places[i] <- places[s]
        dying[u].Remove s |> ignore
        dying[max u lastRead[i]].Add i

    /// Gives back what is needed no more after unit u; once.
    member _.Release(u: int) : unit =
        for struct (at, bytes) in temporary do
            arena.Release(at, bytes)
        temporary.Clear()
        for s in dying[u] do
            if places[s].Entry = Entry.arena then
                arena.Release(int64 places[s].Bytes, graph.BytesOf s)
        dying[u].Clear()
