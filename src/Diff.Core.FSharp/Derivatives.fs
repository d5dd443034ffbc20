namespace Diff

open System

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

    /// ∂y/∂x with the axes of y before those of x, as a graph. All rows (or columns, if these are fewer) are computed at once.
    let jacobian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Gradient.jacobian JacobianMode.Auto y x |])
        |> Array.head

    /// The same by rows (reverse mode) or by columns (forward mode), as asked.
    let jacobianBy (mode: JacobianMode) (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Gradient.jacobian mode y x |]) |> Array.head

    /// The second derivatives of a scalar y with the axes of x twice, as a graph.
    let hessian (y: Expr) (x: Expr) : Expr =
        simplified (fun () -> [| Gradient.hessian y x |]) |> Array.head

    /// The derivative n times over: of y, then of that …
    let nthDerivative (order: int) (y: Expr) (x: Expr) : Expr =
        if order < 0 then
            invalidArg "order" $"nthDerivative: expected an order of at least 0, got {order}"
        Seq.fold (fun y _ -> grad y x) y (seq { 1..order })

    /// A smaller graph of the same value.
    let simplify (x: Expr) : Expr = Simplify.run [| x |] |> Array.head

    // ---- Graphs within the graph, own operations ---------------------------------------------------------------------

    /// f of the arguments, whose intermediate values are not kept for the derivative but computed again there.
    let checkpoint (f: Expr list -> Expr) (args: Expr list) : Expr =
        Control.checkpoint (fun xs -> f (List.ofArray xs)) (Array.ofList args)

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
