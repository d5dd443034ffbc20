namespace Diff

open System
open System.Collections.Generic

/// Where a stream of a loop comes from or goes to. Offsets and strides are in elements; there is a stride for each axis of the loop.
[<RequireQualifiedAccess>]
type internal StreamOf =
    /// The elements of a node in memory, by its position.
    | Node of node: int * offset: int * strides: int[]
    /// The same, copied before into an array in the order of the loop's axes, because the loop cannot run along it.
    | Copied of node: int * offset: int * strides: int[]
    /// The numbers 0, 1, 2 … of the loop's type.
    | Indices of extent: int * start: int * strides: int[]
    /// The numbers start + Σ stride · index, in the order of the loop's axes, where the loop cannot run along the ones above.
    | Table of start: int * strides: int[]
    /// What the loop computes of a node.
    | Result of node: int * strides: int[]

[<RequireQualifiedAccess>]
module internal StreamOf =
    let strides stream =
        match stream with
        | StreamOf.Node(_, _, strides)
        | StreamOf.Copied(_, _, strides)
        | StreamOf.Indices(_, _, strides)
        | StreamOf.Table(_, strides)
        | StreamOf.Result(_, strides) -> strides

/// A unit that becomes a loop, with its axes outermost first.
type internal LoopFrame =
    { Graph: PlanGraph
      Fuser: Fuser
      Unit: FusedUnit
      Extents: int[]
      DType: DType
      Members: int[] }

    member this.Rank = this.Extents.Length

    /// Strides along the loop's axes, from those of an array whose axes lie at `map`.
    member this.Along (map: int[]) (strides: int[]) : int[] =
        let result = Array.zeroCreate this.Rank
        Array.iter2
            (fun axis stride ->
                if axis >= 0 then
                    result[Array.IndexOf(this.Unit.Order, axis)] <- stride)
            map
            strides
        result

/// A stream, and the type of its elements in memory.
[<Struct>]
type internal TypedStream = { Of: StreamOf; DType: DType }

/// The streams of a loop.
type internal LoopStreams =
    {
        All: TypedStream[]
        /// For each operand of each member the stream from which it is read; −1 if it is a constant, or computed by the loop.
        Reads: int[][]
        /// The stream to which each member is written, −1 if it is not.
        Results: int[]
    }

/// What a loop reads and writes, and along which axes it can run.
[<RequireQualifiedAccess>]
module internal LoopStreams =
    // Beyond this, elements are copied next to each other before.
    let private maxStep = 4

    let frame (graph: PlanGraph) (fuser: Fuser) (unit: FusedUnit) : LoopFrame =
        { Graph = graph
          Fuser = fuser
          Unit = unit
          Extents = unit.Order |> Array.map (fun axis -> unit.Extents[axis])
          DType =
            (if unit.DType = DType.Bool then
                 DType.Float32
             else
                 unit.DType)
          Members = unit.Members.ToArray() |> Array.sort }

    let make (f: LoopFrame) : LoopStreams =
        let graph, fuser = f.Graph, f.Fuser
        let all = List<TypedStream>()
        let known = Dictionary<string, int>()
        let add stream dtype =
            all.Add { Of = stream; DType = dtype }
            all.Count - 1
        let addOnce key stream dtype =
            match known.TryGetValue key with
            | true, number -> number
            | _ ->
                known[key] <- all.Count
                add stream dtype
        let read (map: int[]) a =
            let view = graph.Views[a]
            let node = graph.BaseOf a
            let inMemory () =
                let strides = f.Along map view.Strides
                addOnce
                    $"{node} {view.Offset} {String.Join(',', strides)}"
                    (StreamOf.Node(node, view.Offset, strides))
                    view.Base.DType
            match view.Base.Op with
            | Op.Const _ -> -1
            | _ when FusedUnit.isSame f.Unit (fuser.UnitOf node) -> -1
            | Op.Iota axis ->
                match View.indices axis graph.Nodes[a].Shape view with
                | ValueSome(struct (start, steps)) ->
                    let extent, steps = view.Base.Shape[axis], f.Along map steps
                    addOnce
                        $"i{extent} {start} {String.Join(',', steps)}"
                        (StreamOf.Indices(extent, start, steps))
                        f.DType
                | ValueNone -> inMemory ()
            | _ -> inMemory ()
        let reads =
            f.Members
            |> Array.map (fun i ->
                let map =
                    if graph.IsView i then
                        fuser.MapOf i
                    else
                        fuser.OperandMapOf i
                graph.ReadsOf i |> Array.map (read map))
        let results =
            f.Members
            |> Array.map (fun i ->
                if fuser.IsStored i then
                    add
                        (StreamOf.Result(i, f.Along (fuser.MapOf i) (graph.StridesOf i)))
                        graph.Nodes[i].DType
                else
                    -1)
        { All = all.ToArray()
          Reads = reads
          Results = results }

    // ---- Columns --------------------------------------------------------------------------------------------------------

    /// Whether the loop can run along a stream with these strides, if `first` is the first column.
    let private runs (f: LoopFrame) (stream: TypedStream) strides first =
        match stream.Of, LoopAxes.lineStep f.Extents strides first with
        | StreamOf.Node _, ValueSome step when stream.DType = f.DType -> step >= 0 && step <= maxStep
        | _, ValueSome step -> step = 0 || step = 1
        | _, ValueNone -> false

    /// The columns are what is reduced, else as many of the last axes as all streams can run along.
    let firstColumn (f: LoopFrame) (streams: TypedStream[]) : int =
        if not f.Unit.IsOpen then
            f.Rank - f.Unit.Columns.Length
        else
            let runsFrom first (stream: TypedStream) =
                let strides = StreamOf.strides stream.Of
                // What cannot run along the last axis is copied.
                let laid =
                    if runs f stream strides (f.Rank - 1) then
                        strides
                    else
                        LoopAxes.compact f.Extents (f.Rank - 1) strides
                runs f stream laid first
            let mutable first = max 0 (f.Rank - 1)
            while first > 0 && Array.forall (runsFrom (first - 1)) streams do
                first <- first - 1
            first

    /// The stream itself, or a copy along which the loop can run.
    let runnable (f: LoopFrame) firstColumn (stream: TypedStream) : TypedStream =
        let strides = StreamOf.strides stream.Of
        if runs f stream strides firstColumn then
            stream
        else
            match stream.Of with
            | StreamOf.Node(node, offset, strides) ->
                { stream with
                    Of = StreamOf.Copied(node, offset, strides) }
            | StreamOf.Indices(_, start, strides) ->
                { stream with
                    Of = StreamOf.Table(start, strides) }
            | _ ->
                invalidOp $"fusion: a loop over {Shape.Text f.Extents} cannot run along {Shape.Text strides}"

    /// The strides with which the loop goes along a stream.
    let laidStrides (f: LoopFrame) firstColumn (stream: TypedStream) : int[] =
        match stream.Of with
        | StreamOf.Copied(_, _, strides)
        | StreamOf.Table(_, strides) -> LoopAxes.compact f.Extents firstColumn strides
        | other -> StreamOf.strides other
