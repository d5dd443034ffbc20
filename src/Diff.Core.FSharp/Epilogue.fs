namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// Which loops run on the blocks of the product that they follow. `Always` is for tests.
[<RequireQualifiedAccess>]
type internal Blockwise =
    | Never
    | WherePays
    | Always

/// A loop that follows a matrix product and goes through its result in order may run on each block of it as soon as that is finished: product and
/// loop become one step. Other blocks are still computed then, so what the loop writes lies apart from what the product reads, and of the result
/// it reads an element only where it is.
[<RequireQualifiedAccess>]
module internal Epilogue =
    let private overlaps (struct (a: Place, length: int64)) (struct (b: Place, other: int64)) =
        a.Entry = b.Entry
        && int64 a.Bytes < int64 b.Bytes + other
        && int64 b.Bytes < int64 a.Bytes + length

    // Of what lies by rows within another array this is only the first part; the rest is that array's, which no product here reads or writes whole.
    let private rangeOf (draft: PlanDraft) i =
        struct (draft.Memory.PlaceOf i, draft.Graph.BytesOf i)

    let private reads (product: ProductMemoryStep) =
        let struct (a, aBytes), struct (b, bBytes) = product.A, product.B
        [ struct (a, aBytes); struct (b, bBytes) ]

    /// Whether a stream goes through the whole node c in row-major order, as the loop goes through its elements.
    let private isInOrder (draft: PlanDraft) (fused: FusedLoop) c stream =
        match stream with
        | StreamOf.Node(n, 0, strides) when n = c ->
            let mutable step, fits = 1, true
            for axis in fused.Extents.Length - 1 .. -1 .. 0 do
                fits <- fits && (fused.Extents[axis] = 1 || strides[axis] = step)
                step <- step * fused.Extents[axis]
            fits && step = draft.Graph.Nodes[c].Shape.Length
        | _ -> false

    /// The product that the unit number u has ended with, if the loop after it may run block by block. Then the product's operands keep their memory
    /// until the loop's results have theirs.
    let tryStart
        (draft: PlanDraft)
        (blockwise: Blockwise)
        (units: FusedUnit[])
        (reads: HashSet<int>[])
        u
        : ProductMemoryStep voption =
        let i = units[u].Members[0]
        let isRead () =
            not units[u].IsLoop
            && (Terms.IsProduct draft.Graph.Nodes[i]
                || (draft.Terms.IsSum i && (draft.Terms.Parts i).IsNone))
            && u + 1 < units.Length
            && units[u + 1].IsLoop
            && reads[u + 1].Contains i
        let pays (product: ProductMemoryStep) =
            blockwise = Blockwise.Always
            || EpilogueLayout.Pays(product.Plan, DType.size draft.Graph.Nodes[i].DType)
        if blockwise = Blockwise.Never || not (isRead ()) then
            ValueNone
        else
            match draft.Steps[draft.Steps.Count - 1].Action with
            | OnMemory(:? ProductMemoryStep as product) when pays product -> ValueSome product
            | _ -> ValueNone

    /// How the loop lies in blocks of the node c that the product computes, if it reads that as it may.
    let tryLay (draft: PlanDraft) (fused: FusedLoop) (product: ProductMemoryStep) c : EpilogueLayout voption =
        let isRead stream =
            match stream with
            | StreamOf.Node(n, _, _) -> overlaps (rangeOf draft n) (rangeOf draft c)
            | StreamOf.Copied _ -> true // the copy would lie between the two
            | _ -> false
        match fused.Streams |> Array.filter isRead with
        | [| one |] when isInOrder draft fused c one ->
            match EpilogueLayout.Of(product.Plan, fused.Kernel) with
            | null -> ValueNone
            | layout -> ValueSome layout
        | _ -> ValueNone

    /// What the loop writes: where, and how many bytes.
    let private written (draft: PlanDraft) (fused: FusedLoop) =
        fused.Streams
        |> Array.choose (function
            | StreamOf.Result(i, _) -> Some(rangeOf draft i)
            | _ -> None)

    /// The step of both, if what the loop writes lies apart from the product's operands; `loop` is the step that the loop alone would be.
    let tryJoin
        (draft: PlanDraft)
        (fused: FusedLoop)
        (product: ProductMemoryStep)
        (layout: EpilogueLayout)
        (loop: Step)
        : Step voption =
        let results = written draft fused
        let isApart range =
            reads product |> List.forall (fun operand -> not (overlaps range operand))
        match loop.Action with
        | OnMemory(:? LoopMemoryStep as action) when Array.forall isApart results ->
            let before = draft.Steps[draft.Steps.Count - 1]
            // Variables: the caller may have given the array that one holds as an argument too.
            let foreign =
                results
                |> Array.filter (fun (struct (place, _)) -> place.Entry >= Entry.source 0)
            let struct (_, bytes) = product.C
            ValueSome
                { Action = OnMemory(ProductLoopMemoryStep(product, action, layout, foreign))
                  Nodes = Array.append before.Nodes loop.Nodes
                  Kind = "product+loop"
                  Flops = before.Flops + loop.Flops
                  // The result is read from the cache.
                  Bytes = before.Bytes + loop.Bytes - float bytes }
        | _ -> ValueNone
