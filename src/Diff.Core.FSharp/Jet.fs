namespace Diff

open System.Collections.Generic

/// Taylor coefficients as graphs. Along a curve x(t) = x₀ + x₁·t + x₂·t² + …, coefficient k of y = f(x) is that of t^k in f(x(t)).
/// A linear operation is applied to coefficients, a multilinear one convolves them, a quotient is solved for. Any other follows
/// from its derivative: y′ = T(x, y, x′) with T the graph of its tangent, so k·y_k is coefficient k − 1 of T, whose own words need lower
/// orders only. Equal nodes are one, so T closes on itself (e^x by e^x, sin by cos and back) and the cost is polynomial in the order.
[<Sealed>]
type internal Jets(keep: int64) =
    let nodes = HashSet<Expr>(SameValue.comparer)
    let series = NodeMap<Dictionary<int, Expr | null> | null>()
    let active = NodeMap<bool>()
    // The derivative of a node along the curve: a placeholder whose coefficients are (k + 1)·x_{k+1}.
    let velocities = NodeMap<Expr | null>()
    let moving = NodeMap<Expr | null>()
    let tangents = NodeMap<Expr | null>()

    let intern (e: Expr) =
        if nodes.Add e then
            e
        else
            match nodes.TryGetValue e with
            | true, known -> known
            | _ -> e

    /// The nodes of a graph shared with those that are there; which of them move along the curve is noted.
    member private _.Admit(root: Expr) : Expr =
        let simple = Simplify.since keep [| root |]
        let enter _ (node: Expr) =
            let known = intern node
            if not active[known] && Array.exists (fun a -> active[a]) known.Args then
                active[known] <- true
            known
        (Graph.rebuild enter (Graph.since keep simple) simple)[0]

    /// A node of the graph that was there before.
    member _.Enter(node: Expr) : unit =
        nodes.Add node |> ignore
        if Array.exists (fun a -> active[a]) node.Args then
            active[node] <- true

    /// Says how a node moves: its coefficients from the first on.
    member _.Move(node: Expr, coefficients: Expr[]) : unit =
        active[node] <- true
        let known = Dictionary<int, Expr | null>()
        known[0] <- node
        coefficients |> Array.iteri (fun i c -> known[i + 1] <- c)
        series[node] <- known
        moving[node] <- node

    member _.IsActive(node: Expr) = active[node]

    member private _.Velocity(x: Expr) : Expr =
        match velocities[x] with
        | null ->
            let hole = Leaf.input "velocity" x.Shape (DType.ofDerivative x.DType)
            velocities[x] <- hole
            moving[hole] <- x
            active[hole] <- true
            hole
        | hole -> hole

    /// The graph of the derivative of a node along the curve.
    member private this.Tangent(y: Expr) : Expr | null =
        match tangents[y] with
        | null ->
            let vs =
                y.Args
                |> Array.map (fun a ->
                    if active[a] && DType.isReal a.DType then
                        (this.Velocity a: Expr | null)
                    else
                        null)
            match Gradient.tangent y vs with
            | null -> null
            | t ->
                let made = this.Admit t
                tangents[y] <- made
                made
        | made -> made

    /// Coefficient k of a node; null where it is 0.
    member this.Coefficient(y: Expr, k: int) : Expr | null =
        if not active[y] then
            if k = 0 then y else null
        else
            let known =
                match series[y] with
                | null ->
                    let made = Dictionary<int, Expr | null>()
                    series[y] <- made
                    made
                | known -> known
            match known.TryGetValue k with
            | true, c -> c
            | _ ->
                let c = this.Compute(y, k)
                known[k] <- c
                c

    member private this.Compute(y: Expr, k: int) : Expr | null =
        match moving[y] with
        | null -> this.OfOperation(y, k)
        | x when obj.ReferenceEquals(x, y) -> null // beyond the coefficients given
        | x ->
            match this.Coefficient(x, k + 1) with
            | null -> null
            | c when k = 0 -> c
            | c -> float (k + 1) * c

    member private this.Sum(parts: (Expr | null) seq) : Expr | null =
        let present = parts |> Seq.choose Option.ofObj
        if Seq.isEmpty present then null else Seq.reduce (+) present

    member private this.OfOperation(y: Expr, k: int) : Expr | null =
        let coefficients j =
            y.Args |> Array.map (fun a -> this.Coefficient(a, j))
        let isData (i: int) = not (DType.isReal y.Args[i].DType)
        let isZero (parts: (Expr | null)[]) =
            Seq.forall (fun i -> isData i || isNull parts[i]) (seq { 0 .. parts.Length - 1 })
        match y.Op, (Rules.ofOp y.Op).Derivative with
        | _, Linear _ when k = 0 ->
            if
                Array.exists (fun (a: Expr) -> DType.isReal a.DType) y.Args
                && isZero (coefficients 0)
            then
                null
            else
                this.AtPoint y
        | _, Multilinear _ when k = 0 ->
            if Array.exists isNull (coefficients 0) then
                null
            else
                this.AtPoint y
        | _ when k = 0 -> this.AtPoint y
        | Op.Elementwise Fn.Div, _ ->
            // b·y = a.
            let a, b = y.Args[0], y.Args[1]
            let products =
                Seq.init k (fun j ->
                    match this.Coefficient(b, k - j) with
                    | null -> null
                    | c ->
                        match this.Coefficient(y, j) with
                        | null -> null
                        | d -> (c * d: Expr | null))
            match this.Coefficient(a, k), this.Sum products with
            | null, null -> null
            | rest, products ->
                let divisor =
                    match this.Coefficient(b, 0) with
                    | null -> Expr.NoDerivative b
                    | c -> c
                match products with
                | null ->
                    match rest with
                    | null -> null
                    | rest -> rest / divisor
                | sum ->
                    match rest with
                    | null -> -(sum / divisor)
                    | rest -> (rest - sum) / divisor
        | _, Zero -> null
        | _, Linear _ ->
            let parts = coefficients k
            if isZero parts then
                null
            else
                // Integers and bools beside the numbers are those of the point.
                parts
                |> Array.mapi (fun i c -> if isData i then null else c)
                |> Gradient.tangent (this.AtPoint y)
        | _, Multilinear _ -> this.Convolve(y, k)
        | _ ->
            match this.Tangent y with
            | null -> null
            | t ->
                match this.Coefficient(t, k - 1) with
                | null -> null
                | c when k = 1 -> c
                | c -> (1.0 / float k) * c

    /// The node on its arguments' values at the point.
    member private this.AtPoint(y: Expr) : Expr =
        let args =
            y.Args
            |> Array.map (fun a ->
                match this.Coefficient(a, 0) with
                | null -> Expr.NoDerivative a
                | c -> c)
        if Array.forall2 (fun a b -> obj.ReferenceEquals(a, b)) args y.Args then
            y
        else
            y.With args

    /// The sum over all ways to give the operands orders that add up to k.
    member private this.Convolve(y: Expr, k: int) : Expr | null =
        let parts = List<Expr | null>()
        let rec visit i left (chosen: Expr list) =
            if i = y.Args.Length then
                if left = 0 then
                    parts.Add(y.OfTangents(Array.ofList (List.rev chosen)))
            else
                let a = y.Args[i]
                let last = i = y.Args.Length - 1
                for j in (if last then left else 0) .. (if active[a] then left else 0) do
                    match this.Coefficient(a, j) with
                    | null -> ()
                    | c -> visit (i + 1) (left - j) (c :: chosen)
        visit 0 k []
        this.Sum parts

/// Taylor mode: derivatives of any order along a curve, at a polynomial cost.
[<RequireQualifiedAccess>]
module internal Jet =
    /// The coefficients 0 … order of y along the curve on which each of xs has the given coefficients from the first on.
    let run order (y: Expr) (xs: Expr[]) (curves: Expr[][]) : Expr[] =
        if order < 0 then
            invalidArg "order" $"jet: expected an order of at least 0, got {order}"
        if xs.Length <> curves.Length then
            invalidArg "curves" $"jet: {xs.Length} arguments need as many curves, got {curves.Length}"
        if not (DType.isFloat y.DType) then
            raise (
                DTypeException $"jet: the value is {DType.name y.DType}; derivatives need float32 or float64"
            )
        for x, curve in Array.zip xs curves do
            if not (DType.isReal x.DType) then
                raise (
                    DTypeException
                        $"jet: an argument is {DType.name x.DType}; derivatives need float32 or float64, so cast it or leave it out"
                )
            for c in curve do
                if not (c.Shape.Equals x.Shape) || c.DType <> DType.ofDerivative x.DType then
                    raise (
                        ShapeException
                            $"jet: a coefficient has shape {c.Shape}, {DType.name c.DType}, but its argument shape {x.Shape}, {DType.name (DType.ofDerivative x.DType)}; the two must be alike"
                    )
        let jets = Jets(NodeId.latest ())
        let oldest = xs |> Array.fold (fun id x -> min id x.Id) System.Int64.MaxValue
        let graph = Graph.since (oldest - 1L) [ y ]
        Array.iter2 (fun (x: Expr) curve -> jets.Move(x, curve)) xs curves
        for node in graph do
            jets.Enter node
        // Arguments first, so that no recursion is deep.
        for node in graph do
            if jets.IsActive node && DType.isReal node.DType then
                Graph.within node.Scope (fun () ->
                    for k in 0..order do
                        jets.Coefficient(node, k) |> ignore)
        Array.init (order + 1) (fun k ->
            match jets.Coefficient(y, k) with
            | null -> Expr.NoDerivative y
            | c -> c)
