namespace Diff

open System.Collections.Generic

/// An array that is put into a larger one: the node that says so, the array, and where its elements go.
[<Struct>]
type internal PlacedTerm =
    { Term: int
      Of: int
      Shape: Shape
      Starts: int[]
      Steps: int[] }

[<RequireQualifiedAccess>]
module internal PlacedTerm =
    // Each is compared with each.
    let private maxCompared = 200

    /// Whether windows without gaps fill a shape and never meet: then they are copied, and nothing is added.
    let fill (whole: Shape) (windows: PlacedTerm[]) =
        let isSolid (w: PlacedTerm) =
            Array.forall2 (fun n step -> n = 1 || step = 1) w.Shape.Dims w.Steps
        let meet (a: PlacedTerm) (b: PlacedTerm) =
            Seq.forall
                (fun axis ->
                    a.Starts[axis] < b.Starts[axis] + b.Shape[axis]
                    && b.Starts[axis] < a.Starts[axis] + a.Shape[axis])
                (seq { 0 .. whole.Rank - 1 })
        let meetsEarlier k =
            Seq.exists (fun l -> meet windows[k] windows[l]) (seq { 0 .. k - 1 })
        let total = windows |> Array.sumBy (fun w -> int64 w.Shape.Length)
        total = int64 whole.Length
        && Array.forall isSolid windows
        && windows.Length <= maxCompared
        && not (Seq.exists meetsEarlier (seq { 1 .. windows.Length - 1 }))

/// Sums of which every term is a matrix product or an array put into zeros, and used nowhere else: the terms are added to one array,
/// products of one form as one product along all their summed axes. Gradients of what is used at every step of a sequence are such sums.
[<Sealed>]
type internal Terms(graph: PlanGraph, roots: Expr[]) =
    let nodes = graph.Nodes
    let termsOf: (List<int> | null)[] = Array.zeroCreate nodes.Length
    let isTerm = Array.zeroCreate<bool> nodes.Length
    do
        let uses = Contraction.countUses nodes roots
        let isPlaced (node: Expr) =
            match node.Op with
            | Op.Embed _ -> DType.isFloat node.DType
            | _ -> false
        let mayBeTerm i =
            uses[nodes[i]] = 1
            && (Terms.IsProduct nodes[i] || isPlaced nodes[i] || not (isNull termsOf[i]))
        let terms i =
            match termsOf[i] with
            | null -> List<int> [ i ]
            | terms -> terms
        let join i a b =
            let x, y = terms a, terms b
            // The longer one grows, so that a chain costs no more than its length.
            let longer, shorter = if x.Count >= y.Count then x, y else y, x
            longer.AddRange shorter
            for k in [ a; b ] do
                isTerm[k] <- true
                termsOf[k] <- null
            termsOf[i] <- longer
        for i in 0 .. nodes.Length - 1 do
            match nodes[i].Op with
            | Op.Elementwise Fn.Add when nodes[i].Shape.Length > 0 ->
                let a, b = graph.Arg(i, 0), graph.Arg(i, 1)
                if a <> b && mayBeTerm a && mayBeTerm b then
                    join i a b
            | _ -> ()

    static member IsProduct(node: Expr) : bool =
        match node.Op with
        | Op.Einsum spec -> spec.Inputs.Length = 2 && Einsum.isMatrixProduct spec node
        | _ -> false

    /// Whether the node is computed as a part of the sum that it is added to.
    member _.IsTerm(i: int) = isTerm[i]

    /// The terms of a sum; none where the node is no such sum.
    member _.Of(i: int) : int[] =
        match termsOf[i] with
        | null -> [||]
        | terms -> terms.ToArray()

    member _.IsSum(i: int) = not (isNull termsOf[i])

    /// The arrays among the terms of a sum that are put into zeros.
    member this.Placed(i: int) : PlacedTerm[] =
        this.Of i
        |> Array.choose (fun t ->
            match nodes[t].Op with
            | Op.Embed(starts, steps) when nodes[t].Args[0].Shape.Length > 0 ->
                Some
                    { Term = t
                      Of = graph.Arg(t, 0)
                      Shape = nodes[t].Args[0].Shape
                      Starts = starts
                      Steps = steps }
            | _ -> None)

    /// The arrays that a node consists of, side by side: a concatenation, or a sum of arrays put into zeros that leave none and never meet.
    member this.Parts(i: int) : PlacedTerm[] voption =
        let node = nodes[i]
        match node.Op with
        | Op.Concat axis ->
            let mutable start = 0
            let part a =
                let shape = nodes[a].Shape
                let starts = Array.zeroCreate node.Shape.Rank
                starts[axis] <- start
                start <- start + shape[axis]
                { Term = i
                  Of = a
                  Shape = shape
                  Starts = starts
                  Steps = Array.create node.Shape.Rank 1 }
            ValueSome(
                graph.Args[i]
                |> Array.map part
                |> Array.filter (fun part -> part.Shape.Length > 0)
            )
        | _ when this.IsSum i ->
            let placed = this.Placed i
            if
                not (Array.exists (fun t -> Terms.IsProduct nodes[t]) (this.Of i))
                && PlacedTerm.fill node.Shape placed
            then
                ValueSome placed
            else
                ValueNone
        | _ -> ValueNone
