namespace Diff

/// A lowered graph as planning sees it: nodes by position, operands before those that use them.
[<Sealed>]
type internal PlanGraph(roots: Expr[]) =
    let nodes = Graph.topological roots
    let index = NodeMap<int>()
    do nodes |> Array.iteri (fun i node -> index[node] <- i)
    let args =
        nodes |> Array.map (fun node -> node.Args |> Array.map (fun a -> index[a]))
    let rootOf = roots |> Array.map (fun root -> index[root])
    let isRoot = Array.zeroCreate<bool> nodes.Length
    do
        for r in rootOf do
            isRoot[r] <- true
    let views: View[] = Array.zeroCreate nodes.Length
    do
        nodes
        |> Array.iteri (fun i node ->
            let first = Array.tryHead args[i]
            views[i] <-
                match first |> Option.map (fun a -> View.tryMake node views[a]) with
                | Some(ValueSome view) -> view
                | _ -> View.own node)

    member _.Count = nodes.Length
    member _.Nodes = nodes
    /// The positions of each node's operands.
    member _.Args = args
    /// The position of an operand.
    member _.Arg(i: int, k: int) : int = args[i][k]
    /// Where the elements of each node lie.
    member _.Views = views
    /// The strides with which a node lies that is computed.
    member this.StridesOf(i: int) : int[] =
        if this.IsView i then
            Shape.strides nodes[i].Shape.Dims
        else
            views[i].Strides
    /// Gives nodes that are computed other strides than those of row-major order; what is a view of them follows, and has to be one still.
    member this.LayOut(strides: int -> int[] voption) : unit =
        for i in 0 .. nodes.Length - 1 do
            if this.IsView i then
                views[i] <- (View.tryMake nodes[i] views[args[i][0]]).Value
            else
                match strides i with
                | ValueSome strides -> views[i] <- { views[i] with Strides = strides }
                | ValueNone -> ()
    /// The positions of the roots.
    member _.Roots = rootOf
    member _.IsRoot(i: int) = isRoot[i]
    member _.IndexOf(node: Expr) : int = index[node]
    /// The position of the node whose storage the node is a view of.
    member _.BaseOf(i: int) : int = index[views[i].Base]
    /// Whether the node is a view of another one.
    member _.IsView(i: int) =
        not (obj.ReferenceEquals(views[i].Base, nodes[i]))
    /// The positions whose views are read to compute the node: a view is copied.
    member this.ReadsOf(i: int) : int[] =
        if this.IsView i then [| i |] else args[i]
    member _.BytesOf(i: int) : int64 =
        int64 nodes[i].Shape.Length * int64 (DType.size nodes[i].DType)
