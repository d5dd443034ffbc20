namespace Diff

open System
open System.Collections.Generic

/// What a derivative with respect to something that the value does not depend on is.
type Unconnected =
    /// Zeros of the right shape.
    | Zeros = 0
    /// An error that names it.
    | Error = 1

/// How a Jacobian is computed.
type JacobianMode =
    /// By rows or by columns, whichever are fewer.
    | Auto = 0
    /// One reverse pass for all elements of the value.
    | Rows = 1
    /// One forward pass for all elements of the argument.
    | Columns = 2

/// Derivatives as graphs: every function here maps graphs to graphs and looks at nothing but the graph.
[<RequireQualifiedAccess>]
module internal Gradient =
    let private describe (e: Expr) =
        match e.Op with
        | Op.Variable v when v.Name <> "" -> $"\"{v.Name}\""
        | op -> $"{Formula.verb op (e.Args |> Array.map _.Shape)} of shape {e.Shape}"

    let private differentiable operation (e: Expr) =
        if not (DType.isFloat e.DType) then
            raise (
                DTypeException
                    $"{operation}: {describe e} is {DType.name e.DType}; derivatives need float32 or float64, so cast it or leave it out"
            )

    /// What derivatives are taken with respect to may be stored in half precision: those are of float32.
    let private stored operation (e: Expr) =
        if not (DType.isHalf e.DType) then
            differentiable operation e

    /// A constant is its number: folding would take it for one, so no derivative with respect to it would be left to find.
    let private target operation (x: Expr) =
        match x.Op with
        | Op.Const c ->
            invalidOp
                $"{operation}: {Words.number c} is a constant, and nothing can be differentiated with respect to it; make it a variable"
        | _ -> stored operation x

    /// The scope of what is derived from a node: the same path, under "grad". One for all nodes of a scope.
    let private gradScopes () : Expr -> Scope =
        let top = Scope.Under(null, "grad")
        let scopes = Dictionary<Scope, Scope>(HashIdentity.Reference)
        fun node ->
            match node.Scope with
            | null -> top
            | scope ->
                match scopes.TryGetValue scope with
                | true, known -> known
                | _ ->
                    let path =
                        scope.Path |> Array.fold (fun parent name -> Scope.Under(parent, name)) top
                    let made = Scope.At(path, scope.Line) |> nonNull
                    scopes[scope] <- made
                    made

    /// The nodes below y that can depend on `xs`, which are not older than they: a long history before them costs nothing.
    let private youngerThan (xs: Expr[]) (y: Expr) : Expr[] =
        let oldest = xs |> Array.fold (fun id x -> min id x.Id) Int64.MaxValue
        Graph.since (oldest - 1L) [ y ]

    let private isZero (e: Expr) =
        match e.Op with
        | Op.Const c -> c.AsFloat = 0.0
        | _ -> false

    let private both (mask: Expr | null) (also: Expr) : Expr =
        match mask with
        | null -> also
        | mask -> Expr.Map(Fn.And, [| mask; also |])

    /// What a chain of masks lets pass: where all of `mask` and the chain's conditions hold, the value within.
    let rec private unmasked (mask: Expr | null) (g: Expr) : struct (Expr | null * Expr) =
        match g.Op with
        | Op.Elementwise Fn.Where when isZero g.Args[2] -> unmasked (both mask g.Args[0]) g.Args[1]
        | Op.Elementwise Fn.Where when isZero g.Args[1] ->
            unmasked (both mask (Expr.Map(Fn.Not, [| g.Args[0] |]))) g.Args[2]
        | _ -> struct (mask, g)

    /// f(g) for a function index by index. Where g is masked the result is, not f of a mask: in a branch that `where` did not take,
    /// an infinite or undefined derivative times 0 would be NaN. There is one mask at a time, however many functions gave one.
    let private masked (f: Expr -> Expr) (g: Expr) : Expr =
        match unmasked null g with
        | struct (null, _) -> f g
        | struct (mask, within) ->
            let part = f within
            if obj.ReferenceEquals(part, within) then
                g
            else
                match unmasked mask part with
                | struct (null, part) -> part
                | struct (mask, part) -> Expr.Map(Fn.Where, [| mask; part; Expr.ZerosLike part |])

    /// The cotangents that a node passes on to its arguments: null where nothing is passed on.
    let rec private pullback (needed: bool[]) (y: Expr) (g: Expr) : (Expr | null)[] =
        let each (f: int -> Expr) : (Expr | null)[] =
            Array.init needed.Length (fun i -> if needed[i] then f i else null)
        let byIndex =
            match y.Op with
            | Op.Elementwise _
            | Op.Cast -> masked
            | _ -> id
        match (Rules.ofOp y.Op).Derivative with
        | Zero -> Array.create needed.Length null
        | Pointwise apply -> each (fun i -> byIndex (apply i y.Args y) g)
        | Linear transpose
        | Multilinear transpose -> each (fun i -> byIndex (transpose i y.Args) g)
        | General vjp -> vjp needed y.Args y g
        | Recompute expansion ->
            let inputs, copy = expansion y.Args g
            let wanted =
                [| for i in 0 .. needed.Length - 1 do
                       if needed[i] then
                           inputs[i] |]
            let found = Queue<Expr | null>(accumulate copy g wanted)
            Array.init needed.Length (fun i -> if needed[i] then found.Dequeue() else null)

    /// The cotangent of each of `xs`, given that of y; null where y does not depend on it.
    and private accumulate (y: Expr) (g: Expr) (xs: Expr[]) : (Expr | null)[] =
        let nodes = youngerThan xs y
        let active = Graph.dependents xs nodes
        let cotangent = NodeMap<Expr | null>()
        let add (node: Expr) (part: Expr) =
            cotangent[node] <-
                match cotangent[node] with
                | null -> part
                | sum -> part + sum
        let scopeOf = gradScopes ()
        let outer = Scope.Current
        try
            add y g
            for n in nodes.Length - 1 .. -1 .. 0 do
                let node = nodes[n]
                match cotangent[node] with
                | null -> ()
                | g when node.Args.Length > 0 && active[node] ->
                    let needed = node.Args |> Array.map (fun a -> active[a] && DType.isReal a.DType)
                    if Array.contains true needed then
                        Scope.Set(scopeOf node)
                        let parts = pullback needed node g
                        // Summed over argument positions, not over distinct arguments: x * x passes back twice.
                        for i in 0 .. parts.Length - 1 do
                            match parts[i] with
                            | null -> ()
                            | part ->
                                if needed[i] then
                                    add node.Args[i] part
                | _ -> ()
        finally
            Scope.Set outer
        xs |> Array.map (fun x -> if active[y] then cotangent[x] else null)

    /// The operations at which what x passes on ends, because they have no derivative: at most three, in order.
    let private ends (y: Expr) (x: Expr) : Expr[] =
        let nodes = youngerThan [| x |] y
        let needed = Graph.dependents [| x |] nodes
        let reached = NodeMap<bool>()
        reached[x] <- true
        let found = List<Expr>()
        for node in nodes do
            if needed[node] && node.Args |> Array.exists (fun a -> reached[a]) then
                match (Rules.ofOp node.Op).Derivative with
                | Zero -> found.Add node
                | _ when not (DType.isFloat node.DType) -> found.Add node
                | _ -> reached[node] <- true
        found |> Seq.truncate 3 |> Array.ofSeq

    /// Why a derivative is missing.
    let private disconnection (y: Expr) (x: Expr) : string =
        match ends y x with
        | [||] -> $"the value ({describe y}) does not depend on {describe x}"
        | ends ->
            let place (e: Expr) =
                match e.Scope with
                | null -> Formula.opText e.Op
                | scope -> $"{Formula.opText e.Op} (in {scope})"
            let names = String.Join(", ", ends |> Array.map place)
            $"the value ({describe y}) depends on {describe x} only through operations without a derivative: {names}"

    let private connect operation unconnected (y: Expr) (xs: Expr[]) (parts: (Expr | null)[]) : Expr[] =
        Array.map2
            (fun (x: Expr) (part: Expr | null) ->
                match part with
                | null when unconnected = Unconnected.Error ->
                    invalidOp
                        $"{operation}: {disconnection y x}; differentiate with respect to something it uses, or ask for zeros"
                | null -> Expr.NoDerivative x
                | g -> g)
            xs
            parts

    /// The product of the cotangent g of y with the Jacobians of y: the gradient of Σ y·g with respect to each of `xs`, in one pass.
    let vjp unconnected (y: Expr) (g: Expr) (xs: Expr[]) : Expr[] =
        differentiable "vjp" y
        Array.iter (target "vjp") xs
        if not (g.Shape.Equals y.Shape) || g.DType <> y.DType then
            raise (
                ShapeException
                    $"vjp: the cotangent has shape {g.Shape}, {DType.name g.DType}, but the value shape {y.Shape}, {DType.name y.DType}; the two must be alike"
            )
        accumulate y g xs |> connect "vjp" unconnected y xs

    /// The gradient of the sum of y with respect to each of `xs`: vjp with a cotangent of ones.
    let grad unconnected (y: Expr) (xs: Expr[]) : Expr[] =
        differentiable "grad" y
        Array.iter (target "grad") xs
        accumulate y (Expr.OnesLike y) xs |> connect "grad" unconnected y xs

    /// The graph with another node in place of a leaf that is younger than everything but the nodes to look at.
    let private withoutHole (hole: Expr) (value: Expr) (root: Expr) : Expr =
        let replace original (node: Expr) =
            if obj.ReferenceEquals(original, hole) then value else node
        Graph.rebuild replace (Graph.since (hole.Id - 1L) [ root ]) [| root |]
        |> Array.head

    /// The tangent of one node from those of its arguments (null: no tangent).
    let rec private pushforward (y: Expr) (tangents: (Expr | null)[]) : Expr | null =
        let sum (parts: Expr seq) : Expr | null =
            if Seq.isEmpty parts then null else Seq.reduce (+) parts
        let present =
            [| for i in 0 .. tangents.Length - 1 do
                   match tangents[i] with
                   | null -> ()
                   | v -> yield i, v |]
        match (Rules.ofOp y.Op).Derivative with
        | Zero -> null
        | Pointwise apply -> present |> Seq.map (fun (i, v) -> apply i y.Args y v) |> sum
        | Multilinear _ ->
            present
            |> Seq.map (fun (i, v) -> y.OfTangents(Array.updateAt i v y.Args))
            |> sum
        | Linear _ ->
            let args =
                Array.map2
                    (fun (x: Expr) (v: Expr | null) ->
                        match v with
                        | null when DType.isReal x.DType && DType.isReal y.DType -> Expr.NoDerivative x
                        | null -> x
                        | v -> v)
                    y.Args
                    tangents
            match y.Op with
            | Op.Cast -> Elementwise.makeCast (DType.ofDerivative y.DType) args[0]
            | _ -> y.OfTangents args
        | General vjp ->
            // The vjp is linear in its cotangent, so its own transpose is the forward mode (Townsend 2017).
            let g = Leaf.input "cotangent" y.Shape (DType.ofDerivative y.DType)
            let parts = vjp (tangents |> Array.map (isNull >> not)) y.Args y g
            let pairings =
                present
                |> Array.choose (fun (i, v) ->
                    match parts[i] with
                    | null -> None
                    | part -> Some(part, v))
            let tangent =
                pairings
                |> Seq.choose (fun (part, v) ->
                    match (accumulate part v [| g |])[0] with
                    | null -> None
                    | t -> Some t)
            match sum tangent with
            | null -> null
            | tangent ->
                // It does not depend on g, but a value recomputed after g (see Control.rule) waits for it.
                withoutHole g (Expr.NoDerivative y) tangent
        | Recompute expansion ->
            let inputs, copy = expansion y.Args (Expr.NoDerivative y)
            push copy [| for i, _ in present -> inputs[i] |] [| for _, v in present -> v |]

    and private push (y: Expr) (xs: Expr[]) (vs: Expr[]) : Expr | null =
        let tangent = NodeMap<Expr | null>()
        // A node given twice has both tangents; one that depends on another has its own and what comes through the other:
        // so the pairing with vjp, which gives each node its total derivative, holds.
        let add (x: Expr) (v: Expr | null) =
            tangent[x] <-
                match tangent[x], v with
                | null, v -> v
                | sum, null -> sum
                | sum, v -> sum + v
        Array.iter2 (fun (x: Expr) (v: Expr) -> add x v) xs vs
        for node in youngerThan xs y do
            let isReached () =
                node.Args |> Array.exists (fun a -> not (isNull tangent[a]))
            if DType.isReal node.DType && isReached () then
                Graph.within node.Scope (fun () ->
                    add node (pushforward node (Array.map (fun a -> tangent[a]) node.Args)))
        tangent[y]

    /// The derivative of y along tangents `vs` of `xs`: the Jacobian applied to a direction.
    let jvp (y: Expr) (xs: Expr[]) (vs: Expr[]) : Expr =
        differentiable "jvp" y
        if xs.Length <> vs.Length then
            invalidArg "vs" $"jvp: {xs.Length} arguments need as many tangents, got {vs.Length}"
        for x, v in Array.zip xs vs do
            target "jvp" x
            let dtype = DType.ofDerivative x.DType
            if not (v.Shape.Equals x.Shape) || v.DType <> dtype then
                raise (
                    ShapeException
                        $"jvp: the tangent of {describe x} has shape {v.Shape}, {DType.name v.DType}, but the argument shape {x.Shape}, {DType.name dtype}; the two must be alike"
                )
        match push y xs vs with
        | null -> Expr.ZerosLike y
        | v -> v

    let private scalarValue operation (y: Expr) =
        if y.Shape.Length <> 1 then
            raise (
                ShapeException
                    $"{operation}: expected a scalar, but the value to differentiate has shape {y.Shape}; sum it, or give a cotangent to vjp"
            )

    /// The second derivative of a scalar applied to directions `vs`: forward over reverse.
    let hvp (y: Expr) (xs: Expr[]) (vs: Expr[]) : Expr[] =
        scalarValue "hvp" y
        grad Unconnected.Zeros y xs |> Array.map (fun g -> jvp g xs vs)

    /// The unit arrays of a shape, stacked: ones on the diagonal of a matrix of zeros, whose rows have that shape.
    let private units (shape: Shape) (dtype: DType) : Expr =
        let n = shape.Length
        let stacked = Stack.shape n shape
        let ones = Expr.Full(1.0, Shape [| n |], dtype)
        let diagonal =
            Window.embed [| 0 |] [| n + 1 |] (Shape [| n * n |]) ones
            |> Reshape.make stacked
        // Small ones are there before anything runs.
        if stacked.Length <= 65536 then
            Leaf.literal (Reference.evaluate [| diagonal |] |> Array.head)
        else
            diagonal

    /// The cotangents of x for all unit cotangents of y at once: a row for each element of y.
    let private rows (y: Expr) (x: Expr) : Expr | null =
        let g = Leaf.input "row" y.Shape y.DType
        match (accumulate y g [| x |])[0] with
        | null -> null
        | row -> (Batch.run y.Shape.Length [| g, units y.Shape y.DType |] [| row |])[0]

    /// The tangents of y for all unit tangents of x at once: a column for each element of x.
    let private columns (y: Expr) (x: Expr) : Expr | null =
        let v = Leaf.input "column" x.Shape (DType.ofDerivative x.DType)
        match push y [| x |] [| v |] with
        | null -> null
        | column ->
            let m = x.Shape.Length
            let all = (Batch.run m [| v, units x.Shape v.DType |] [| column |])[0]
            Einsum.permute (Array.append [| 1 .. y.Rank |] [| 0 |]) all

    /// ∂yᵢ/∂xⱼ with the axes of y before those of x, by rows or by columns, whichever are fewer; all of them at once.
    let jacobian (mode: JacobianMode) (y: Expr) (x: Expr) : Expr =
        differentiable "jacobian" y
        target "jacobian" x
        let shape = Shape(Array.append y.Shape.Dims x.Shape.Dims)
        let byRows =
            match mode with
            | JacobianMode.Rows -> true
            | JacobianMode.Columns -> false
            | _ -> y.Shape.Length <= x.Shape.Length
        let found =
            if shape.Length = 0 then null
            elif byRows then rows y x
            else columns y x
        match found with
        | null -> Expr.Full(0.0, shape, DType.ofDerivative x.DType)
        | all -> Reshape.make shape all

    /// The matrix of second derivatives of a scalar, with the axes of x twice.
    let hessian (y: Expr) (x: Expr) : Expr =
        scalarValue "hessian" y
        let gradient = grad Unconnected.Zeros y [| x |]
        jacobian JacobianMode.Rows gradient[0] x
