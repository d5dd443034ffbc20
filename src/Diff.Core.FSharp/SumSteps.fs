namespace Diff

open System
open Diff.Kernels

/// The steps of matrix products, and of sums of products and of arrays put into zeros.
[<RequireQualifiedAccess>]
module internal SumSteps =
    /// Where one operand of some products lies, in elements from the least address that occurs, and what its strides are.
    let private operand (draft: PlanDraft) (terms: int[]) k : struct (Place * Einsum.Operand) =
        let graph = draft.Graph
        let node = graph.Nodes[terms[0]]
        let size = DType.size node.DType
        let places = terms |> Array.map (fun t -> draft.Memory.First(graph.Arg(t, k)))
        let first = places[0]
        let strides = graph.Views[graph.Arg(terms[0], k)].Strides
        let starts =
            places
            |> Array.map (fun place -> Checked.int ((place.Bytes - first.Bytes) / nativeint size))
        // Backward strides reach below the first element.
        let least =
            Array.fold2
                (fun sum n stride -> sum + min 0 ((n - 1) * stride))
                (Array.min starts)
                node.Args[k].Shape.Dims
                strides
        struct (Place(first.Entry, first.Bytes + nativeint least * nativeint size),
                { Einsum.Operand.Starts = starts |> Array.map (fun start -> start - least)
                  Einsum.Operand.Strides = strides })

    /// Products of one form, added up to node i: operands in the same block of memory are reached by offsets, so that it is one product.
    let product (draft: PlanDraft) i (terms: int[]) accumulate : unit =
        let node = draft.Graph.Nodes[terms[0]]
        let spec =
            match node.Op with
            | Op.Einsum spec -> spec
            | op -> invalidOp $"plan: {Formula.opText op} is no product"
        let struct (a, x) = operand draft terms 0
        let struct (b, y) = operand draft terms 1
        let plan = Einsum.productPlan spec node x y (draft.Graph.StridesOf i)
        let read =
            float terms.Length
            * float (node.Args[0].Shape.Length + node.Args[1].Shape.Length)
        let dtype: LoopType = LanguagePrimitives.EnumOfValue(byte node.DType)
        draft.Steps.Add
            { Action = OnMemory(ProductMemoryStep(plan, dtype, accumulate, a, b, draft.Memory.PlaceOf i))
              Nodes = terms |> Array.map (fun t -> draft.Graph.Nodes[t])
              Kind = "product"
              Flops = 2.0 * float plan.Batch * float plan.Rows * float plan.Cols * float plan.Depth
              Bytes = float (DType.size node.DType) * (read + float node.Shape.Length) }

    /// The terms that can be one product: alike but for where the operands lie in a block of memory.
    let private byForm (draft: PlanDraft) (terms: int[]) : int[][] =
        let graph = draft.Graph
        let form t =
            let lies k =
                let a = graph.Arg(t, k)
                struct ((draft.Memory.First a).Entry, String.Join(",", graph.Views[a].Strides))
            let node = graph.Nodes[t]
            struct (node.Op, lies 0, lies 1, node.Args[0].Shape, node.Args[1].Shape)
        terms |> Array.groupBy form |> Array.map snd

    let private zeros (draft: PlanDraft) i =
        let bytes = draft.Graph.BytesOf i
        draft.Steps.Add
            { Action = OnMemory(FillMemoryStep(draft.Memory.PlaceOf i, nativeint bytes))
              Nodes = [| draft.Graph.Nodes[i] |]
              Kind = "zeros"
              Flops = 0.0
              Bytes = float bytes }

    /// Where a window of node i begins, in elements, and its strides.
    let private lies (draft: PlanDraft) i (window: PlacedTerm) : struct (int * int[]) =
        let own = draft.Graph.StridesOf i
        struct (Array.fold2 (fun sum start stride -> sum + start * stride) 0 window.Starts own,
                Array.map2 (*) window.Steps own)

    /// Adds an array to its window of the sum i.
    let private add (draft: PlanDraft) i (window: PlacedTerm) =
        let graph, memory = draft.Graph, draft.Memory
        let term, a = graph.Nodes[window.Term], window.Of
        let struct (start, into) = lies draft i window
        draft.Steps.Add
            { Action =
                OnMemory(
                    LoopBuild.addition
                        draft.Tier
                        term.DType
                        window.Shape.Dims
                        (memory.First a)
                        graph.Views[a].Strides
                        (memory.At(i, start))
                        into
                )
              Nodes = [| term |]
              Kind = "loop"
              Flops = float window.Shape.Length
              Bytes = 3.0 * float (graph.BytesOf a) }

    /// Copies the parts of node i where they belong, in one step, but for those that have been computed there.
    let join (draft: PlanDraft) i (parts: PlacedTerm[]) : unit =
        let graph, memory = draft.Graph, draft.Memory
        let size = DType.size graph.Nodes[i].DType
        let missing =
            parts
            |> Array.map (fun part -> struct (part, lies draft i part))
            |> Array.filter (fun (struct (part, struct (start, _))) ->
                memory.First part.Of <> memory.At(i, start))
        let copied (struct (part: PlacedTerm, struct (start, into))) =
            let copy = StridedCopy(size, part.Shape.Dims, graph.Views[part.Of].Strides, into)
            JoinPart(copy, memory.First part.Of, nativeint (start * size))
        if missing.Length > 0 then
            let bytes =
                missing
                |> Array.sumBy (fun (struct (part, _)) -> int64 part.Shape.Length * int64 size)
            draft.Steps.Add
                { Action = OnMemory(JoinStep(size, Array.map copied missing, memory.PlaceOf i, bytes))
                  Nodes =
                    missing
                    |> Array.map (fun (struct (part, _)) -> graph.Nodes[part.Term])
                    |> Array.distinct
                  Kind = "copy"
                  Flops = 0.0
                  Bytes = 2.0 * float bytes }

    /// A sum of products and of arrays put into zeros, in memory that it has.
    let sum (draft: PlanDraft) i : unit =
        match draft.Terms.Parts i with
        | ValueSome parts -> join draft i parts
        | ValueNone ->
            let products =
                draft.Terms.Of i |> Array.filter (fun t -> Terms.IsProduct draft.Graph.Nodes[t])
            byForm draft products
            |> Array.iteri (fun k group -> product draft i group (k > 0))
            if products.Length = 0 then
                zeros draft i
            Array.iter (add draft i) (draft.Terms.Placed i)
