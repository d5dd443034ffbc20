namespace Diff

open System.Collections.Generic
open Diff.Kernels

/// A plan while its steps are made, unit by unit.
type internal PlanDraft =
    {
        Tier: Tier
        /// Plans a graph within the graph: its inputs, and its results.
        Inner: Expr[] -> Expr[] -> Plan
        Graph: PlanGraph
        Terms: Terms
        Fuser: Fuser
        Memory: PlanMemory
        Roots: PlanRoots
        Steps: List<Step>
    }

    /// A copy of some elements of a node's type.
    member this.Copy
        (node: Expr, extents: int[], strides: int[], from: Place, target: int[], into: Place)
        : unit =
        let size = DType.size node.DType
        this.Steps.Add
            { Action = OnMemory(CopyMemoryStep(StridedCopy(size, extents, strides, target), from, into))
              Nodes = [| node |]
              Kind = "copy"
              Flops = 0.0
              Bytes = 2.0 * float size * float (Array.fold (*) 1 extents) }

    /// A copy of a node, wherever it lies, as an array in row-major order.
    member this.CopyWhole(i: int, into: Place) : unit =
        let node = this.Graph.Nodes[i]
        let dims = node.Shape.Dims
        this.Copy(node, dims, this.Graph.Views[i].Strides, this.Memory.First i, Shape.strides dims, into)
