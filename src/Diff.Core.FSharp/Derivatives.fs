namespace Diff

open System

/// Which intermediate values of a checkpoint are kept for the derivative; the others are computed again.
[<Sealed>]
type CheckpointPolicy internal (saves: Expr -> bool) =
    member internal _.Saves = saves
    /// None of them: the least memory.
    static member SaveNothing = CheckpointPolicy(fun _ -> false)
    /// The results of contractions (products with sums: matrix products, convolutions), which cost most to compute again.
    static member SaveContractions =
        CheckpointPolicy(fun e ->
            match e.Op with
            | Op.Einsum spec ->
                spec.Inputs.Length > 1
                && String.Join("", spec.Inputs)
                   |> Seq.exists (fun c -> not (spec.Output.Contains c))
            | _ -> false)
    /// Those with one of these names; see saveAs.
    static member SaveNamed([<ParamArray>] names: string[]) =
        ArgumentNullException.ThrowIfNull(names, nameof names)
        CheckpointPolicy(fun e ->
            match e.Op, e.Scope with
            | Op.Barrier, scope when not (isNull scope) -> Array.contains (nonNull scope).Name names
            | _ -> false)
    /// Those that a function of a value chooses.
    static member Save(choose: Func<Expr, bool>) =
        ArgumentNullException.ThrowIfNull(choose, nameof choose)
        CheckpointPolicy(fun e -> choose.Invoke e)
    /// Those that either of two policies keeps.
    member _.Or(other: CheckpointPolicy) =
        ArgumentNullException.ThrowIfNull(other, nameof other)
        CheckpointPolicy(fun e -> saves e || other.Saves e)

/// Derivatives as graphs, graphs within the graph, operations of one's own.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Derivatives =
    let internal simplified (make: unit -> Expr[]) : Expr[] =
        let before = NodeId.latest ()
        Simplify.since before (make ())

    /// The derivative of the sum of y with respect to each of xs, as graphs. xs may be any nodes. Zeros where y does not depend on one.
    let grads (y: Expr) (xs: Expr list) : Expr list =
        simplified (fun () -> Gradient.grad Unconnected.Zeros y (Array.ofList xs))
        |> List.ofArray

    /// The same, with a choice of what to do if y does not depend on one of xs: zeros, or an error that names it.
    let gradsWith (unconnected: Unconnected) (y: Expr) (xs: Expr list) : Expr list =
        simplified (fun () -> Gradient.grad unconnected y (Array.ofList xs))
        |> List.ofArray

    /// The derivative of the sum of y with respect to x, as a graph.
    let grad (y: Expr) (x: Expr) : Expr = grads y [ x ] |> List.head

    /// Which of xs y has no derivative with respect to, so that `grads` gives zeros, and why: it is not used, or the operations at which its
    /// influence ends. Their lines are known if the graph is built under `SourceLines.Record`.
    let disconnected (y: Expr) (xs: Expr list) : Disconnection list =
        Gradient.disconnected "disconnected" y (Array.ofList xs) |> List.ofArray

    /// The cotangent g of y pulled back to each of xs, as graphs.
    let vjp (y: Expr) (g: Expr) (xs: Expr list) : Expr list =
        simplified (fun () -> Gradient.vjp Unconnected.Zeros y g (Array.ofList xs))
        |> List.ofArray

    /// The derivative of y along tangents of xs, as a graph.
    let jvp (y: Expr) (xs: Expr list) (tangents: Expr list) : Expr =
        simplified (fun () -> [| Gradient.jvp y (Array.ofList xs) (Array.ofList tangents) |])
        |> Array.head

    /// The second derivative of a scalar y applied to directions, as graphs.
    let hvp (y: Expr) (xs: Expr list) (directions: Expr list) : Expr list =
        simplified (fun () -> Gradient.hvp y (Array.ofList xs) (Array.ofList directions))
        |> List.ofArray

    /// The same for many directions at once: each argument's stacked along a new leading axis, and so the results.
    let hvpMany (y: Expr) (xs: Expr list) (directions: Expr list) : Expr list =
        let count =
            match
                directions
                |> List.map (fun v -> if v.Rank = 0 then -1 else v.Shape[0])
                |> List.distinct
            with
            | [ n ] when n >= 0 -> n
            | _ -> -1
        let fits =
            xs.Length = directions.Length
            && List.forall2
                (fun (x: Expr) (v: Expr) -> v.Shape.Equals(Stack.shape (max 0 count) x.Shape))
                xs
                directions
        if count < 0 || not fits then
            let text (es: Expr list) =
                String.Join(", ", es |> List.map (fun e -> string e.Shape))
            raise (
                ShapeException
                    $"hvpMany: arguments of shapes {text xs} need equally many directions, stacked along a leading axis; got shapes {text directions}"
            )
        simplified (fun () -> Jacobians.hvpMany count y (Array.ofList xs) (Array.ofList directions))
        |> List.ofArray

    /// The Gauss–Newton product Jᵀ·H·J·v for directions v of xs (Schraudolph 2002): J is the derivative of the outputs with respect to xs, H the
    /// second derivative of the scalar loss with respect to the outputs. It is what is left of the Hessian where the outputs are linear in xs.
    let gaussNewtonProduct
        (loss: Expr)
        (outputs: Expr list)
        (xs: Expr list)
        (directions: Expr list)
        : Expr list =
        if outputs.IsEmpty then
            invalidArg "outputs" "gaussNewtonProduct: expected at least one output, got none"
        simplified (fun () ->
            Jacobians.gaussNewton loss (Array.ofList outputs) (Array.ofList xs) (Array.ofList directions))
        |> List.ofArray

    /// ∂y/∂x with the axes of y before those of x, as a graph. All rows (or columns, if these are fewer) are computed at once; where most
    /// elements are 0 whatever the values, several in one product.
    let jacobian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Jacobians.jacobian JacobianMode.Auto y x |])
        |> Array.head

    /// The same by rows (reverse mode) or by columns (forward mode), as asked.
    let jacobianBy (mode: JacobianMode) (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Jacobians.jacobian mode y x |]) |> Array.head

    /// ∂y/∂x of each place of a batch, the leading axis of both, as a graph: [batch; the other axes of y; those of x]. It takes no more products than one place
    /// alone, since the derivatives between different places are not asked for. They have to be 0: if y has a part from other places of x, that is added in.
    let batchJacobian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Jacobians.batch y x |]) |> Array.head

    /// The second derivatives of a scalar y with the axes of x twice, as a graph.
    let hessian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Jacobians.hessian y x |]) |> Array.head

    /// The derivative n times over: of y, then of that …
    let nthDerivative (order: int) (y: Expr) (x: Expr) : Expr =
        if order < 0 then
            invalidArg "order" $"nthDerivative: expected an order of at least 0, got {order}"
        Seq.fold (fun y _ -> grad y x) y (seq { 1..order })

    /// Taylor mode. Along curves x(t) = x + x₁·t + x₂·t² + … of the nodes xs, given by their coefficients from the first on (those left out are 0), the
    /// coefficients 0 … order of y. xs count as independent of each other. The cost grows with the square of the order where nested derivatives
    /// would grow exponentially (Griewank and Walther 2008, chapter 13).
    let jet (order: int) (y: Expr) (xs: Expr list) (curves: Expr list list) : Expr list =
        simplified (fun () ->
            Jet.run order y (Array.ofList xs) (curves |> List.map Array.ofList |> Array.ofList))
        |> List.ofArray

    /// The coefficients 0 … order of y when all elements of x grow by t: those of the Taylor series of a function index by index, of which
    /// the derivative of order k is k! times coefficient k.
    let taylor (order: int) (y: Expr) (x: Expr) : Expr list =
        jet order y [ x ] [ [ Expr.Full(1.0, x.Shape, DType.ofDerivative x.DType) ] ]

    /// A smaller graph of the same value.
    let simplify (x: Expr) : Expr = Simplify.run [| x |] |> Array.head

    // ---- Graphs within the graph, own operations ---------------------------------------------------------------------

    /// f of the arguments, whose intermediate values are not kept for the derivative but computed again there.
    let checkpoint (f: Expr list -> Expr) (args: Expr list) : Expr =
        Control.checkpoint (fun xs -> f (List.ofArray xs)) (Array.ofList args)

    /// The same, of which some intermediate values are kept, as the policy says.
    let checkpointWith (policy: CheckpointPolicy) (f: Expr list -> Expr) (args: Expr list) : Expr =
        Control.checkpointWith policy.Saves (fun xs -> f (List.ofArray xs)) (Array.ofList args)

    /// x, under a name by which a policy keeps its value (CheckpointPolicy.SaveNamed).
    let saveAs (name: string) (x: Expr) : Expr =
        use _ = Scope.Enter name
        Expr(Op.Barrier, [| x |], x.Shape, x.DType)

    /// An operation on one array index by index: its value by numbers, its derivative as a graph from argument and value.
    /// `let cube = scalarOp "cube" (fun x -> x ** 3.0) (fun x _ -> 3.0 * x * x)`
    let scalarOp (name: string) (value: float -> float) (derivative: Expr -> Expr -> Expr) : Expr -> Expr =
        let op = Custom.scalar name value derivative
        fun x -> Custom.apply op [| x |]

    /// An operation of your own: `shape` says what the result is like, `forward` computes it, and `backward` gives, from
    /// arguments, value and cotangent, the cotangents of the arguments as graphs (so that derivatives of every order exist).
    let customOp
        (name: string)
        (shape: Expr list -> Shape)
        (forward: NDArray list -> NDArray)
        (backward: Expr list -> Expr -> Expr -> Expr list)
        : Expr list -> Expr =
        let op =
            CustomOp(
                name,
                (fun xs -> shape (List.ofArray xs), xs[0].DType),
                (fun xs -> forward (List.ofArray xs)),
                fun xs y g ->
                    backward (List.ofArray xs) y g
                    |> Array.ofList
                    |> Array.map (fun e -> e: Expr | null)
            )
        fun xs -> Custom.apply op (Array.ofList xs)
