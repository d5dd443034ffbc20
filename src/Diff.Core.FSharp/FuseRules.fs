namespace Diff

open System
open System.Collections.Generic
open Diff.Kernels

/// Which nodes loops can compute, and which loops they fit in. The numbers in comments are those of the rules of the Fuser.
[<RequireQualifiedAccess>]
module internal FuseRules =
    let maxMembers = 120
    /// Less is not worth rows: what happens once a row costs as much as a vector of columns.
    let minColumns = 8
    // Integers below this are exact as float32.
    let private maxIndex = 1 <<< 24

    // ---- Nodes ----------------------------------------------------------------------------------------------------------

    let private isSmallIndex (graph: PlanGraph) i =
        let view = graph.Views[i]
        match view.Base.Op with
        | Op.Const c -> abs c.AsInt < int64 maxIndex
        | Op.Iota axis ->
            view.Base.Shape[axis] < maxIndex
            && (match View.indices axis graph.Nodes[i].Shape view with
                | ValueSome(struct (_, steps)) -> Array.forall (fun step -> step = 0 || step = 1) steps
                | ValueNone -> false)
        | _ -> false

    let takesIntegers (node: Expr) =
        node.Args.Length > 0 && DType.isInteger node.Args[0].DType

    /// Integers compared with indices: exact in float32, whatever the other integer is, since rounding keeps order.
    let private comparesIndices (graph: PlanGraph) i =
        takesIntegers graph.Nodes[i]
        && (isSmallIndex graph (graph.Arg(i, 0)) || isSmallIndex graph (graph.Arg(i, 1)))

    /// A bool constant, perhaps behind views: loops have masks for bools, but numbers for constants.
    let rec private isBoolConst (e: Expr) =
        e.DType = DType.Bool
        && match e.Op with
           | Op.Const _ -> true
           | Op.StopGradient
           | Op.Barrier
           | Op.Reshape
           | Op.Slice _ -> isBoolConst e.Args[0]
           | Op.Einsum spec -> spec.Inputs.Length = 1 && isBoolConst e.Args[0]
           | _ -> false

    let private isPlain (dtype: DType) =
        DType.isFloat dtype || dtype = DType.Bool

    /// Whether loops can compute the node index by index (4).
    let isPointwise (graph: PlanGraph) i =
        let node = graph.Nodes[i]
        node.Shape.Length > 0
        && match node.Op with
           | Op.Elementwise fn ->
               isPlain node.DType
               && LoopFunction.Find(Fn.name fn) >= 0
               && not (Array.exists isBoolConst node.Args)
               && (node.Args |> Array.forall (fun a -> isPlain a.DType)
                   || (Fn.isComparison fn && comparesIndices graph i))
               && not (Fn.isComparison fn && node.Args[0].DType = DType.Bool)
           | Op.Cast ->
               let from = node.Args[0].DType
               (from = DType.Bool && DType.isFloat node.DType)
               || (DType.isFloat from && node.DType = DType.Bool)
           // A view that is wanted as an array.
           | _ -> graph.IsView i && isPlain node.DType

    /// The float type that a loop needs for the node; bool if any will do.
    let typeOf (node: Expr) =
        if DType.isFloat node.DType then
            node.DType
        else
            match node.Op with
            | Op.Elementwise _
            | Op.Cast ->
                node.Args
                |> Array.tryPick (fun a -> if DType.isFloat a.DType then Some a.DType else None)
                |> Option.defaultValue DType.Bool
            | _ -> DType.Bool

    let typesFit (a: DType) (b: DType) =
        a = b || a = DType.Bool || b = DType.Bool

    // ---- Nodes in loops -------------------------------------------------------------------------------------------------

    /// Whether the axes of a node, in order, lie in the order of the loop.
    let isAscending (unit: FusedUnit) (map: int[]) =
        map
        |> Array.filter (fun axis -> axis >= 0)
        |> Seq.map (fun axis -> Array.IndexOf(unit.Order, axis))
        |> Seq.pairwise
        |> Seq.forall (fun (place, next) -> place < next)

    let private isRowAxis (unit: FusedUnit) axis = not (Array.contains axis unit.Columns)

    /// Whether the axes are all axes, or all but the columns (2).
    let covers (unit: FusedUnit) (map: int[]) =
        let own = map |> Array.filter (fun axis -> axis >= 0)
        own.Length = unit.Order.Length
        || (not unit.IsOpen
            && own.Length = unit.Order.Length - unit.Columns.Length
            && Array.forall (isRowAxis unit) own)

    /// Whether integers that are compared are one a row (4).
    let private integersFit (graph: PlanGraph) (unit: FusedUnit) i (map: int[]) =
        let node = graph.Nodes[i]
        let isPerRow a =
            Seq.forall2 (fun axis stride -> stride = 0 || isRowAxis unit axis) map graph.Views[a].Strides
        DType.isFloat node.DType
        || not (takesIntegers node)
        || (not unit.IsOpen
            && graph.Args[i] |> Array.forall (fun a -> isSmallIndex graph a || isPerRow a))

    /// The columns that an undecided loop gets from a value that varies along its first axes only; none where it does not.
    let columnsAfter (unit: FusedUnit) (map: int[]) : int[] =
        let own = map |> Array.filter (fun axis -> axis >= 0)
        let rest = unit.Order[min own.Length unit.Order.Length ..]
        if
            unit.IsOpen
            && own.Length > 0
            && rest.Length > 0
            && own = unit.Order[.. own.Length - 1]
            && Array.fold (fun n axis -> n * unit.Extents[axis]) 1 rest >= minColumns
        then
            rest
        else
            [||]

    // Rule 5. More large arrays at once, as in the sum of a gradient over many uses, would all be kept until then and come from memory again.
    let private maxLargeReads = 16
    let private isLarge (graph: PlanGraph) i =
        graph.Views[i].Base.Shape.Length >= 4096

    let private readsFit (graph: PlanGraph) (unit: FusedUnit) i =
        not (isLarge graph i)
        || unit.Members.Count < maxLargeReads
        || (let members = HashSet unit.Members
            members.Add i |> ignore
            let reads = HashSet<int>()
            for m in members do
                for a in graph.Args[m] do
                    if isLarge graph a && not (members.Contains a) then
                        reads.Add a |> ignore
            reads.Count <= maxLargeReads)

    /// Whether a loop may compute a pointwise node at these axes.
    let mayJoin (graph: PlanGraph) i (unit: FusedUnit) (map: int[]) =
        unit.IsLoop
        && unit.Members.Count < maxMembers
        && typesFit unit.DType (typeOf graph.Nodes[i])
        && isAscending unit map
        && (covers unit map || (columnsAfter unit map).Length > 0)
        && integersFit graph unit i map
        && readsFit graph unit i

    /// The axes of a view's operand, given those of the view; none where an index of one is not just an index of the other.
    let throughView (node: Expr) : (int[] -> int[]) voption =
        match node.Op with
        | Op.StopGradient
        | Op.Barrier -> ValueSome id
        | Op.Reshape ->
            match View.squeezed node.Shape node.Args[0].Shape with
            | Some axes -> ValueSome(fun map -> axes |> Array.map (fun k -> if k < 0 then -1 else map[k]))
            | None -> ValueNone
        | Op.Einsum spec when View.isDistinct spec.Inputs[0] ->
            ValueSome(fun map ->
                spec.Inputs[0].ToCharArray()
                |> Array.map (fun c ->
                    let k = spec.Output.IndexOf c
                    if k < 0 || node.Shape[k] = 1 then -1 else map[k]))
        | _ -> ValueNone
