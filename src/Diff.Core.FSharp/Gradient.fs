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
    let private describe = Disconnection.Describe

    let differentiable operation (e: Expr) =
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
    let target operation (x: Expr) =
        match x.Op with
        | Op.Const c ->
            invalidOp
                $"{operation}: {Words.number c} is a constant, and nothing can be differentiated with respect to it; make it a variable"
        | _ -> stored operation x

    /// For each of `xs` with respect to which y has no derivative: why.
    let disconnected operation (y: Expr) (xs: Expr[]) : Disconnection[] =
        differentiable operation y
        Array.iter (target operation) xs
        Disconnections.find y xs

    let private connect operation unconnected (y: Expr) (xs: Expr[]) (parts: (Expr | null)[]) : Expr[] =
        Array.map2
            (fun (x: Expr) (part: Expr | null) ->
                match part with
                | null when unconnected = Unconnected.Error ->
                    invalidOp
                        $"{operation}: {Disconnections.why y x}; differentiate with respect to something it uses, or ask for zeros"
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
        Passes.accumulate y g xs |> connect "vjp" unconnected y xs

    /// The gradient of the sum of y with respect to each of `xs`: vjp with a cotangent of ones.
    let grad unconnected (y: Expr) (xs: Expr[]) : Expr[] =
        differentiable "grad" y
        Array.iter (target "grad") xs
        Passes.accumulate y (Expr.OnesLike y) xs |> connect "grad" unconnected y xs

    /// The tangent of one node from those of its arguments (null: no tangent).
    let tangent (y: Expr) (tangents: (Expr | null)[]) : Expr | null = Passes.pushforward y tangents

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
        match Passes.push y xs vs with
        | null -> Expr.ZerosLike y
        | v -> v

    let scalarValue operation (y: Expr) =
        if y.Shape.Length <> 1 then
            raise (
                ShapeException
                    $"{operation}: expected a scalar, but the value to differentiate has shape {y.Shape}; sum it, or give a cotangent to vjp"
            )

    /// The second derivative of a scalar applied to directions `vs`: forward over reverse.
    let hvp (y: Expr) (xs: Expr[]) (vs: Expr[]) : Expr[] =
        scalarValue "hvp" y
        grad Unconnected.Zeros y xs |> Array.map (fun g -> jvp g xs vs)
