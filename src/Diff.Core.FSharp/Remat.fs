namespace Diff

open System
open System.Collections.Generic

/// What units read from memory.
[<RequireQualifiedAccess>]
module internal UnitReads =
    /// The nodes that a unit reads from memory.
    let ofUnit (graph: PlanGraph) (terms: Terms) (fuser: Fuser) (unit: FusedUnit) : HashSet<int> =
        let found = HashSet<int>()
        let add a =
            let s = graph.BaseOf a
            if not (FusedUnit.isSame unit (fuser.UnitOf s)) then
                found.Add s |> ignore
        for i in unit.Members do
            Array.iter add (graph.ReadsOf i)
            for term in terms.Of i do
                Array.iter add graph.Args[term]
        found

/// Rematerialization: values that lie idle while memory is short are computed again where they are read next, instead of being kept.
/// Greedy: at the fullest moment, the value goes that frees most memory for the work it costs (Kumar et al. 2019 treat the general problem).
[<RequireQualifiedAccess>]
module internal Remat =
    /// A value in memory: who computes it, who reads it first and last.
    type private Life =
        { Node: int
          Bytes: int64
          First: int
          Reads: int[] }

    /// Whether computing it twice gives the same and calls nobody else's code.
    let private isOurs (e: Expr) =
        match e.Op with
        | Op.Custom _
        | Op.Call _ -> false
        | _ -> true

    let private work (e: Expr) =
        match e.Op with
        | Op.Einsum spec -> Einsum.sizes spec e |> Seq.fold (fun n entry -> n * float entry.Value) 1.0
        | Op.Linalg _ -> 50.0 * float e.Shape.Length
        | _ -> float e.Shape.Length

    /// The plan's units and lives, as planning will find them.
    [<Sealed>]
    type private Picture(roots: Expr[]) =
        let graph = PlanGraph roots
        let terms = Terms(graph, roots)
        let fuser = Fuser(graph, terms)
        let units = fuser.Units
        let position = Dictionary<FusedUnit, int>(HashIdentity.Reference)
        do units |> Array.iteri (fun u unit -> position[unit] <- u)
        let unitOf i =
            match fuser.UnitOf i with
            | null -> -1
            | unit ->
                match position.TryGetValue unit with
                | true, u -> u
                | _ -> -1
        let readers = Array.init graph.Count (fun _ -> List<int>())
        do
            units
            |> Array.iteri (fun u unit ->
                for s in UnitReads.ofUnit graph terms fuser unit do
                    readers[s].Add u)
        let lives =
            [| for i in 0 .. graph.Count - 1 do
                   let u = unitOf i
                   if u >= 0 && readers[i].Count > 0 && not (graph.IsRoot i) then
                       { Node = i
                         Bytes = graph.BytesOf i
                         First = u
                         Reads = readers[i].ToArray() } |]

        member _.Graph = graph
        member _.Units = units
        member _.UnitOf(i: int) = unitOf i
        member _.Lives = lives

        /// The bytes alive in each unit.
        member _.Totals: int64[] =
            let change = Array.zeroCreate<int64>(units.Length + 1)
            for life in lives do
                change[life.First] <- change[life.First] + life.Bytes
                let last = Array.last life.Reads
                change[last + 1] <- change[last + 1] - life.Bytes
            Array.scan (+) 0L change |> Array.skip 1

        /// The first node, in units from `late` on, that reads a value.
        member _.FirstReader(value: int, late: int) : int =
            let mutable first = graph.Count
            for i in graph.Count - 1 .. -1 .. 0 do
                if
                    unitOf i >= late
                    && graph.Args[i] |> Array.exists (fun a -> graph.BaseOf a = value)
                then
                    first <- i
            first

    /// The nodes to compute again for a value at unit u, in order, down to what is there; nothing if it would be too many.
    let private cone (picture: Picture) (alive: HashSet<int>) (value: int) : int[] voption =
        let graph = picture.Graph
        let inside = SortedSet<int>()
        let waiting = Stack<int>()
        waiting.Push value
        let mutable possible = true
        while possible && waiting.Count > 0 do
            let i = waiting.Pop()
            if inside.Add i then
                if inside.Count > 1000 || not (isOurs graph.Nodes[i]) then
                    possible <- false
                else
                    for a in graph.Args[i] do
                        let own = graph.BaseOf a
                        if
                            graph.Nodes[a].Args.Length > 0
                            && not (graph.Nodes[own].Args.Length = 0 && own = a)
                        then
                            if graph.IsView a then
                                waiting.Push a
                            elif not (alive.Contains a) then
                                waiting.Push a
        if possible then
            ValueSome(Seq.toArray inside)
        else
            ValueNone

    /// The graph with a value computed again before the first of its readers in unit `late` and later.
    let private again
        (picture: Picture)
        (value: int)
        (nodes: int[])
        (late: int)
        (trigger: int)
        (roots: Expr[])
        : Expr[] =
        let graph = picture.Graph
        let made = NodeMap<Expr | null>()
        let current (e: Expr) : Expr =
            match made[e] with
            | null -> e
            | other -> other
        let copies = NodeMap<Expr | null>()
        let isViewOf i =
            graph.IsView i && graph.BaseOf i = value
        let firstReader = picture.FirstReader(value, late)
        let insert () =
            let guard = current graph.Nodes[trigger]
            let inside = HashSet<int> nodes
            let guarded = Dictionary<int, Expr>()
            for i in nodes do
                let node = graph.Nodes[i]
                let args =
                    graph.Args[i]
                    |> Array.map (fun a ->
                        if inside.Contains a then
                            nonNull copies[graph.Nodes[a]]
                        else
                            let arg = current graph.Nodes[a]
                            match arg.Op with
                            | Op.Const _
                            | Op.Iota _ -> arg
                            | _ ->
                                match guarded.TryGetValue a with
                                | true, known -> known
                                | _ ->
                                    let fresh =
                                        Expr(Op.Barrier, [| arg; guard |], arg.Shape, arg.DType, arg.Scope)
                                    guarded[a] <- fresh
                                    fresh)
                copies[node] <- node.With args
        // Views of the value are made again on the copy where they are read late.
        let rec late' (a: Expr) : Expr =
            match copies[a] with
            | null ->
                let i = graph.IndexOf a
                if isViewOf i then
                    let view = a.With(a.Args |> Array.map late')
                    copies[a] <- view
                    view
                else
                    current a
            | copy -> copy
        graph.Nodes
        |> Array.iteri (fun i node ->
            if i = firstReader then
                insert ()
            if node.Args.Length > 0 then
                let isLate = i >= firstReader && picture.UnitOf i >= late
                let args =
                    node.Args
                    |> Array.map (fun a ->
                        if isLate && (graph.BaseOf(graph.IndexOf a) = value) then
                            late' a
                        else
                            current a)
                // Made anew even where nothing changed: the order of the nodes is that of their numbers.
                made[node] <- node.With args)
        Array.map current roots

    let private size (bytes: int64) =
        if bytes < 10_000L then $"{bytes} bytes"
        elif bytes < 10_000_000L then $"{bytes / 1000L} kB"
        else $"{bytes / 1_000_000L} MB"

    /// The plan of a graph whose values between steps take at most `budget` bytes, by computing some of them again; fails where that cannot be.
    let fit
        (budget: int64)
        (roots: Expr[])
        (first: 'P)
        (make: Expr[] -> Expr[] -> 'P)
        (bytesOf: 'P -> int64)
        : 'P =
        let mutable graph = roots
        let mutable best = bytesOf first
        let mutable found: 'P voption = ValueNone
        let mutable target = budget
        let recomputed = List<Expr>()
        let mutable go = true
        let mutable turns = 0
        while go && found.IsNone do
            turns <- turns + 1
            let picture = Picture graph
            let totals = picture.Totals
            let peak = Array.max totals
            let fits = peak <= target
            // The plan itself is asked now and then: it also has memory of kernels, and gaps.
            if fits || turns % 16 = 0 then
                let plan = make graph (recomputed.ToArray())
                best <- min best (bytesOf plan)
                if bytesOf plan <= budget then
                    found <- ValueSome plan
                elif fits then
                    target <- min (target - 1L) (peak - (bytesOf plan - budget))
            if found.IsNone then
                let moment = Array.IndexOf(totals, peak)
                let candidates =
                    [ for life in picture.Lives do
                          let next = life.Reads |> Array.filter (fun u -> u > moment)
                          let isRead = Array.contains moment life.Reads
                          if life.First < moment && next.Length > 0 && not isRead then
                              let late = next[0]
                              let alive =
                                  HashSet<int>(
                                      picture.Lives
                                      |> Seq.filter (fun l ->
                                          l.Node <> life.Node && l.First < late && Array.last l.Reads >= late)
                                      |> Seq.map _.Node
                                  )
                              // Something computed just before, so that the copy is not made earlier.
                              let reader = picture.FirstReader(life.Node, late)
                              let trigger =
                                  seq { late - 1 .. -1 .. moment }
                                  |> Seq.collect (fun u -> picture.Units[u].Members)
                                  |> Seq.tryFind (fun i ->
                                      i < reader && DType.isReal picture.Graph.Nodes[i].DType)
                              match trigger, cone picture alive life.Node with
                              | Some trigger, ValueSome nodes when not (Array.contains trigger nodes) ->
                                  let cost = nodes |> Array.sumBy (fun i -> work picture.Graph.Nodes[i])
                                  (float life.Bytes / (cost + 1.0), (life, nodes, late, trigger))
                              | _ -> () ]
                if candidates.IsEmpty || turns > 40 + 4 * roots.Length + 2000 then
                    let plan = make graph (recomputed.ToArray())
                    best <- min best (bytesOf plan)
                    if bytesOf plan <= budget then
                        found <- ValueSome plan
                    else
                        go <- false
                else
                    let _, (life, nodes, late, trigger) = List.maxBy fst candidates
                    recomputed.Add picture.Graph.Nodes[life.Node]
                    graph <- again picture life.Node nodes late trigger graph
        match found with
        | ValueSome plan -> plan
        | ValueNone ->
            invalidOp
                $"memory budget: the least memory for values between steps that was found, by computing again what is idle, is {size best} ({best} bytes), but only {size budget} ({budget} bytes) are allowed; allow that, put checkpoints by hand, or make batches smaller"
