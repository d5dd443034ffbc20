namespace Diff

open Diff.Kernels

/// The steps of a node with a kernel of its own.
[<RequireQualifiedAccess>]
module internal KernelStep =
    /// The operand in row-major order: where it lies, if that will do, or a copy.
    let private rowMajor (draft: PlanDraft) mayLie a : Place =
        let shape = draft.Graph.Nodes[a].Shape
        let place = draft.Memory.First a
        if View.isContiguous shape draft.Graph.Views[a] && mayLie place then
            place
        else
            let copy = draft.Memory.Temporary(draft.Graph.BytesOf a)
            draft.CopyWhole(a, copy)
            copy

    /// The operand as an array: a part of a source or of a result is none.
    let private array (draft: PlanDraft) a : ArrayAt =
        let view = draft.Graph.Views[a]
        let node = draft.Graph.Nodes[a]
        let isWhole =
            view.Offset = 0
            && view.Base.Shape.Length = node.Shape.Length
            && not (draft.Memory.IsPart(draft.Graph.BaseOf a))
        { Place = rowMajor draft (fun place -> place.Entry < Entry.source 0 || isWhole) a
          Shape = node.Shape
          DType = node.DType }

    let private fast (draft: PlanDraft) u i (kernel: FastKernel) (operands: Place[]) =
        draft.Memory.Allot(u, i)
        draft.Steps.Add
            { Action = OnMemory(kernel.Make operands (draft.Memory.PlaceOf i))
              Nodes = [| draft.Graph.Nodes[i] |]
              Kind = "kernel"
              Flops = kernel.Flops
              Bytes = kernel.Bytes }

    /// The kernel by the operation's definition.
    let private byDefinition (draft: PlanDraft) u i =
        let graph = draft.Graph
        let node = graph.Nodes[i]
        let operands = graph.Args[i] |> Array.map (array draft)
        draft.Memory.Allot(u, i)
        let result =
            { Place = draft.Memory.PlaceOf i
              Shape = node.Shape
              DType = node.DType }
        draft.Steps.Add
            { Action = OnArrays((Rules.ofOp node.Op).Kernel node, operands, result)
              Nodes = [| node |]
              Kind = "kernel"
              Flops = float node.Shape.Length
              Bytes = (graph.Args[i] |> Seq.sumBy (graph.BytesOf >> float)) + float (graph.BytesOf i) }

    /// A fast kernel that reads the operands where they lie or, where there is none, in row-major order.
    let private byKernel (draft: PlanDraft) u i =
        let graph = draft.Graph
        let node, args = graph.Nodes[i], graph.Args[i]
        match FastKernels.tryMake node (args |> Array.map (fun a -> graph.Views[a].Strides)) with
        | ValueSome kernel -> fast draft u i kernel (Array.map draft.Memory.First args)
        | ValueNone ->
            match FastKernels.tryMake node (node.Args |> Array.map (fun x -> Shape.strides x.Shape.Dims)) with
            | ValueSome kernel -> fast draft u i kernel (args |> Array.map (rowMajor draft (fun _ -> true)))
            | ValueNone -> byDefinition draft u i

    /// Graphs within the graph: their step takes the operands in row-major order.
    let private inner (draft: PlanDraft) u i (make: Place[] -> Place -> (int64 -> Place) -> InnerStep) =
        let graph = draft.Graph
        let operands = graph.Args[i] |> Array.map (rowMajor draft (fun _ -> true))
        draft.Memory.Allot(u, i)
        let step = make operands (draft.Memory.PlaceOf i) draft.Memory.Temporary
        draft.Steps.Add
            { Action = OnMemory step
              Nodes = [| graph.Nodes[i] |]
              Kind = step.Kind
              Flops = step.Flops
              Bytes = step.Bytes }

    /// The same numbers in another order.
    let private move (draft: PlanDraft) u i =
        let graph, memory = draft.Graph, draft.Memory
        let node, a = graph.Nodes[i], graph.Arg(i, 0)
        memory.Allot(u, i)
        match node.Op with
        | Op.Reshape -> draft.CopyWhole(a, memory.PlaceOf i)
        | _ ->
            let view = (View.tryMake node graph.Views[a]).Value
            let dims = node.Shape.Dims
            draft.Copy(node, dims, view.Strides, memory.OfView view, Shape.strides dims, memory.PlaceOf i)

    /// The unit number u, of one node.
    let add (draft: PlanDraft) u (unit: FusedUnit) : unit =
        let i = unit.Members[0]
        let node = draft.Graph.Nodes[i]
        // The unit reads the variable that this would be written over, not index by index.
        match draft.Roots.InPlace i with
        | null -> ()
        | v -> draft.Roots.PutAside(i, v)
        match node.Op with
        | _ when draft.Terms.IsSum i ->
            draft.Memory.Allot(u, i)
            SumSteps.sum draft i
        | Op.Einsum _ when Terms.IsProduct node ->
            draft.Memory.Allot(u, i)
            SumSteps.product draft i [| i |] false
        | Op.Reshape
        | Op.Slice _
        | Op.Einsum _ when (View.tryMake node (View.own node.Args[0])).IsSome && node.Shape.Length > 0 ->
            move draft u i
        | Op.Concat _ ->
            draft.Memory.Allot(u, i)
            SumSteps.join draft i (draft.Terms.Parts i).Value
        | Op.Loop loop -> inner draft u i (SweepStep.make draft.Inner (Iterated.Of loop))
        | Op.Branch branches -> inner draft u i (BranchStep.make draft.Inner (Branches.Of branches))
        | _ -> byKernel draft u i
