namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// The step of a loop: memory for what it computes, in place of what it reads for the last time where that may be.
[<RequireQualifiedAccess>]
module internal LoopStep =
    /// Extents of an array with an element for each index at which a stream varies, and its strides.
    let private compact (fused: FusedLoop) strides : struct (int[] * int[]) =
        let target = LoopAxes.compact fused.Extents fused.FirstColumn strides
        struct (Array.map2 (fun n stride -> if stride = 0 then 1 else n) fused.Extents target, target)

    /// Where the copies of streams are that the loop cannot run along; they are made before it.
    let private copies (draft: PlanDraft) (fused: FusedLoop) : Dictionary<int, Place> =
        let places = Dictionary<int, Place>()
        fused.Streams
        |> Array.iteri (fun k stream ->
            match stream with
            | StreamOf.Copied(n, offset, strides) ->
                let node = draft.Graph.Nodes[n]
                let struct (extents, target) = compact fused strides
                let bytes = int64 (Array.fold (*) 1 extents) * int64 (DType.size node.DType)
                places[k] <- draft.Memory.Temporary bytes
                draft.Copy(node, extents, strides, draft.Memory.At(n, offset), target, places[k])
            | _ -> ())
        places

    /// Whether stream r may be written where node s lies: one stream alone reads it, element for element where stream r writes.
    let private mayReplace (fused: FusedLoop) r strides s =
        let program = fused.Kernel.Program
        let readers =
            fused.Streams
            |> Array.indexed
            |> Array.filter (fun (_, stream) ->
                match stream with
                | StreamOf.Node(n, _, _)
                | StreamOf.Copied(n, _, _) -> n = s
                | _ -> false)
        let isAccumulator =
            program.Code |> Array.exists (fun i -> i.Op = LoopOp.Accumulate && i.Stream = r)
        match readers with
        | [| k, StreamOf.Node(_, 0, other) |] ->
            not isAccumulator && other = strides && program.MayShare(k, r)
        | _ -> false

    /// Memory for what the unit u computes, best that of the first of the nodes it reads.
    let private allotResults (draft: PlanDraft) u (reads: int seq) (fused: FusedLoop) =
        let memory, graph = draft.Memory, draft.Graph
        let fits i s =
            memory.IsDying(u, s)
            && graph.BytesOf s = graph.BytesOf i
            && graph.Nodes[s].DType = graph.Nodes[i].DType
        fused.Streams
        |> Array.iteri (fun r stream ->
            match stream with
            | StreamOf.Result(i, strides) when not (memory.IsPlaced i) ->
                match draft.Roots.InPlace i with
                | null when memory.IsPart i -> memory.Allot(u, i)
                | null ->
                    match reads |> Seq.tryFind (fun s -> fits i s && mayReplace fused r strides s) with
                    | Some s -> memory.TakeOver(u, s, i)
                    | None -> memory.Allot(u, i)
                | v ->
                    if mayReplace fused r strides (draft.Roots.NodeOf v) then
                        memory.SetPlace(i, memory.Sources.Held v)
                    else
                        draft.Roots.PutAside(i, v)
            | _ -> ())

    let private placeOf (draft: PlanDraft) (fused: FusedLoop) (copies: Dictionary<int, Place>) k : Place =
        let memory = draft.Memory
        match fused.Streams[k] with
        | StreamOf.Node(n, offset, _) -> memory.At(n, offset)
        | StreamOf.Copied _ -> copies[k]
        | StreamOf.Indices(extent, start, _) ->
            let numbers = memory.Constants.Numbers(extent, fused.DType)
            Place(numbers.Entry, numbers.Bytes + nativeint (start * DType.size fused.DType))
        | StreamOf.Table(start, strides) ->
            let struct (extents, _) = compact fused strides
            memory.Constants.Table(start, extents, strides, fused.DType)
        | StreamOf.Result(i, _) -> memory.PlaceOf i

    let private bytesOf (fused: FusedLoop) k : float =
        let size =
            match fused.Kernel.Program.Streams[k].Type with
            | LoopType.Bool -> 1.0
            | LoopType.Float32 -> 4.0
            | _ -> 8.0
        Array.fold2
            (fun n stride m -> if stride = 0 then n else n * float (m: int))
            size
            (StreamOf.strides fused.Streams[k])
            fused.Extents

    /// The unit number u, which reads these nodes from memory. `product` is what the unit before has ended with, if this one may run on blocks of
    /// it: what that reads still has its memory.
    let add
        (draft: PlanDraft)
        u
        (unit: FusedUnit)
        (reads: HashSet<int>)
        (product: struct (ProductMemoryStep * int) voption)
        =
        let fused = LoopBuild.make draft.Tier draft.Graph draft.Fuser unit
        let laid =
            product
            |> ValueOption.bind (fun (struct (product, c)) ->
                Epilogue.tryLay draft fused product c
                |> ValueOption.map (fun layout -> struct (product, c, layout)))
        if laid.IsNone && product.IsSome then
            draft.Memory.Release(u - 1)
        // Copies first: they read what results may overwrite.
        let copies = copies draft fused
        let preferred =
            match laid with
            | ValueSome(struct (_, c, _)) -> [ c ]
            | ValueNone -> []
        allotResults draft u (Seq.append preferred reads) fused
        let members = unit.Members.ToArray() |> Array.sort
        let count = fused.Streams.Length
        let elements = Array.fold (fun n m -> n * float m) 1.0 fused.Extents
        let loop =
            { Action = OnMemory(LoopMemoryStep(fused.Kernel, Array.init count (placeOf draft fused copies)))
              Nodes = members |> Array.map (fun i -> draft.Graph.Nodes[i])
              Kind = "loop"
              Flops = float members.Length * elements
              Bytes = Seq.sumBy (bytesOf fused) (seq { 0 .. count - 1 }) }
        let joined =
            laid
            |> ValueOption.bind (fun (struct (product, _, layout)) ->
                Epilogue.tryJoin draft fused product layout loop)
        match joined with
        | ValueSome both -> draft.Steps[draft.Steps.Count - 1] <- both
        | ValueNone -> draft.Steps.Add loop
