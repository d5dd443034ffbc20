namespace Diff

open System.Collections.Generic

/// What runs as one step: a loop that computes many nodes index by index, or one node with a kernel of its own.
/// A loop has axes, numbered as they were met; `Order` lists them outermost first. Each member knows which axis of the loop each of its own
/// axes is. `Columns`, the last axes, are what the loop reduces row by row; empty while nothing has decided it.
[<Sealed>]
type internal FusedUnit(number: int, isLoop: bool) =
    member _.Number = number
    member _.IsLoop = isLoop
    member val Extents = List<int>() with get
    member val Order: int[] = [||] with get, set
    member val Columns: int[] = [||] with get, set
    /// Whether nothing yet has decided the columns: then every member covers all axes.
    member val IsOpen = true with get, set
    member val DType = DType.Bool with get, set
    member val Members = List<int>() with get
    /// Larger than the stage of every unit that reads what this one writes.
    member val Stage = 0 with get, set
    member val Producers = HashSet<FusedUnit>(HashIdentity.Reference) with get
    member val Consumers = HashSet<FusedUnit>(HashIdentity.Reference) with get
    /// The unit that this one has become a part of, and which of its axes each axis is.
    member val Parent: FusedUnit | null = null with get, set
    member val Translation: int[] = [||] with get, set

/// How a unit reads a node: index by index, with an axis of the unit for each axis of the node (−1 for extent 1), or as an array in memory.
[<Struct>]
type internal Use = { By: FusedUnit; Map: int[] voption }

/// The graph of units: who waits for whom.
[<RequireQualifiedAccess>]
module internal FusedUnit =
    let private maxVisits = 400
    // Less is worth looking at where all that is saved is a step.
    let private maxVisitsForStep = 32
    // A pass over less than this takes no longer than what starts it.
    let private minPass = 2048L

    let isSame (a: FusedUnit) (b: FusedUnit | null) = obj.ReferenceEquals(a, b)

    /// What the unit is a part of now.
    let rec current (unit: FusedUnit) : FusedUnit =
        match unit.Parent with
        | null -> unit
        | parent -> current parent

    /// Axes of a unit that has become a part of others, as axes of the whole.
    let rec currentAxes (unit: FusedUnit) (map: int[]) : int[] =
        match unit.Parent with
        | null -> map
        | parent ->
            map
            |> Array.map (fun axis -> if axis < 0 then -1 else unit.Translation[axis])
            |> currentAxes parent

    let resolve (entry: Use) : Use =
        { By = current entry.By
          Map = ValueOption.map (currentAxes entry.By) entry.Map }

    /// How many indices the loop goes through.
    let size (unit: FusedUnit) : int64 =
        unit.Order |> Array.fold (fun n axis -> n * int64 unit.Extents[axis]) 1L

    /// Notes that `consumer` reads what `producer` writes.
    let link (producer: FusedUnit) (consumer: FusedUnit) =
        producer.Consumers.Add consumer |> ignore
        consumer.Producers.Add producer |> ignore

    /// Raises a unit to a stage, and what it waits for above it.
    let raiseTo (first: FusedUnit) stage =
        let waiting = Stack<struct (FusedUnit * int)>()
        waiting.Push(struct (first, stage))
        while waiting.Count > 0 do
            let struct (unit, stage) = waiting.Pop()
            if unit.Stage < stage then
                unit.Stage <- stage
                for producer in unit.Producers do
                    waiting.Push(struct (current producer, stage + 1))

    let private reachesWithin visits (from: FusedUnit) (into: FusedUnit) =
        if from.Stage <= into.Stage then
            false
        else
            let seen = HashSet<FusedUnit>(HashIdentity.Reference)
            let waiting = Stack<FusedUnit>()
            waiting.Push from
            let mutable found = false
            while not found && waiting.Count > 0 do
                for consumer in waiting.Pop().Consumers do
                    let consumer = current consumer
                    if isSame consumer into || seen.Count > visits then
                        found <- true
                    elif consumer.Stage > into.Stage && seen.Add consumer then
                        waiting.Push consumer
            found

    /// Whether `into` depends on `from`; also true when that takes long to find out.
    let reaches from into = reachesWithin maxVisits from into

    /// Whether two loops may become one as far as order goes: neither depends on the other.
    let areApart (a: FusedUnit) (b: FusedUnit) =
        let visits = if size a < minPass then maxVisitsForStep else maxVisits
        not (reachesWithin visits a b) && not (reachesWithin visits b a)

    /// The units, each after those it reads from, otherwise in the order of the graph: what nothing else waits for (the derivative by a
    /// parameter, say) comes when its operands are there, not at the end, so that these need not be kept. A loop that only waits for a large
    /// product follows it at once, while some of it is in the caches.
    let inOrder (isLargeProduct: FusedUnit -> bool) (units: FusedUnit seq) : FusedUnit[] =
        let whole = units |> Seq.filter (fun u -> isNull u.Parent) |> Array.ofSeq
        let waitsFor = Dictionary<FusedUnit, HashSet<FusedUnit>>(HashIdentity.Reference)
        let readers = Dictionary<FusedUnit, List<FusedUnit>>(HashIdentity.Reference)
        for unit in whole do
            readers[unit] <- List<FusedUnit>()
        for unit in whole do
            let producers =
                HashSet<FusedUnit>(Seq.map current unit.Producers, HashIdentity.Reference)
            producers.Remove unit |> ignore
            waitsFor[unit] <- producers
            for producer in producers do
                readers[producer].Add unit
        let ready = PriorityQueue<FusedUnit, int>()
        let last (unit: FusedUnit) = Seq.max unit.Members
        for unit in whole do
            if waitsFor[unit].Count = 0 then
                ready.Enqueue(unit, last unit)
        let order = List<FusedUnit>()
        while ready.Count > 0 do
            let unit = ready.Dequeue()
            order.Add unit
            let free = List<FusedUnit>()
            for reader in readers[unit] do
                waitsFor[reader].Remove unit |> ignore
                if waitsFor[reader].Count = 0 then
                    free.Add reader
            let loops =
                if isLargeProduct unit then
                    free |> Seq.filter _.IsLoop |> List.ofSeq
                else
                    []
            let follower: FusedUnit | null =
                if loops.IsEmpty then null else List.minBy last loops
            for reader in free do
                ready.Enqueue(reader, (if isSame reader follower then -1 else last reader))
        if order.Count < whole.Length then
            invalidOp "fusion: loops wait for each other"
        order.ToArray()
