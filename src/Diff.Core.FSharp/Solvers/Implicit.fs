namespace Diff

open System

/// A function of a vector as a graph with holes: for the vector, and for all that the function captures.
[<Sealed>]
type internal Captured(operation: string, f: Expr -> Expr, start: Expr) =
    let node = Control.checkpoint (fun xs -> f xs[0]) [| start |]
    let x, holes, captured, y =
        match node.Op with
        | Op.Call extension ->
            let body = extension :?> Subgraph
            body.Inputs[0], body.Inputs[1..], node.Args[1..], body.Output
        | _ -> start, [||], [||], node
    do
        let dependent = Graph.dependents [ x ] (Graph.topological [ y ])
        if obj.ReferenceEquals(x, start) || not dependent[y] then
            invalidArg "f" $"{operation}: the function's value does not depend on its argument"
        if y.DType <> DType.Float64 then
            raise (
                DTypeException
                    $"{operation}: expected values of float64, got {DType.name y.DType}; solvers compute in float64, so cast it"
            )
    /// The hole for the vector.
    member _.X = x
    /// The value.
    member _.Y = y
    /// The holes for what is captured, and what that is.
    member _.Holes = holes
    member _.Nodes = captured
    /// The graph with values in place of the holes.
    member _.Put(xValue: Expr, values: Expr[], more: (Expr * Expr) list, root: Expr) : Expr =
        Graph.substitute (Seq.concat [ Seq.singleton (x, xValue); Seq.zip holes values; more ]) [| root |]
        |> Array.head

/// Solutions of equations as operations. The value is found by a solver; the derivative is that of the implicit function theorem, a graph
/// at the solution, so it has derivatives too (Griewank, Walther 2008, 15; Blondel et al. 2022). What the functions capture gets its
/// derivative; the start has none.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Implicit =
    /// Up to this size derivatives factor the Jacobian; beyond, they solve with it by iteration.
    let internal denseSize = 512

    let private vectorOf operation (x: Expr) =
        if x.DType <> DType.Float64 then
            raise (
                DTypeException
                    $"{operation}: expected a float64 start, got {DType.name x.DType}; solvers compute in float64, so cast it"
            )
        if x.Shape.Length = 0 then
            raise (
                ShapeException $"{operation}: expected a start of at least one number, got shape {x.Shape}"
            )
        Reshape.make (Shape [| x.Shape.Length |]) x

    let private flat (x: Expr) =
        Reshape.make (Shape [| x.Shape.Length |]) x

    let private numbers (x: NDArray) = x.ToArray<float>()

    /// The captured nodes' cotangents, given that of `root`; null where there is none.
    let private pullBack (captured: Captured) (root: Expr) (y: Expr) (values: Expr[]) (cotangent: Expr) =
        let hole = Leaf.input "adjoint" root.Shape root.DType
        let isReal = captured.Holes |> Array.map (fun h -> DType.isReal h.DType)
        let wanted = captured.Holes |> Array.filter (fun h -> DType.isReal h.DType)
        let parts = Gradient.vjp Unconnected.Zeros root hole wanted
        let mutable next = 0
        isReal
        |> Array.map (fun real ->
            if real then
                next <- next + 1
                captured.Put(y, values, [ hole, cotangent ], parts[next - 1])
                : Expr | null
            else
                null)

    let private transposedOptions (options: LinearOptions) =
        LinearOptions(
            Tolerance = options.Tolerance,
            AbsoluteTolerance = options.AbsoluteTolerance,
            Restart = options.Restart,
            MaxIterations = options.MaxIterations,
            Cancellation = options.Cancellation,
            Engine = options.Engine
        )

    let rec private solveWith isSymmetric (options: LinearOptions) (a: Expr -> Expr) (b: Expr) : Expr =
        let operation = "linearSolve"
        let captured = Captured(operation, a, b)
        if not (captured.Y.Shape.Equals b.Shape) then
            raise (
                ShapeException
                    $"{operation}: the operator maps shape {b.Shape} to {captured.Y.Shape}; the two must be alike"
            )
        let graph = FunctionGraph(captured.X, captured.Y, captured.Holes, options.Engine)
        let forward (args: NDArray[]) =
            let applied = Krylov.operatorOf graph args[1..] options
            let result =
                if isSymmetric then
                    Krylov.cgOf options applied (numbers args[0])
                else
                    Krylov.gmresOf options applied (numbers args[0])
            if not result.IsConverged then
                raise (SolverException $"{operation}: no solution was found: {result.Message}")
            NDArray.Create(result.X, args[0].Shape)
        // Aᵀλ = g; then λ is the cotangent of b, and −λ that of A(x).
        let backward (args: Expr[]) (x: Expr) (g: Expr) =
            let hole = Leaf.input "cotangent" b.Shape b.DType
            let transposed =
                lazy (Gradient.vjp Unconnected.Zeros captured.Y hole [| captured.X |])[0]
            let lambda =
                if isSymmetric then
                    solveWith true options (fun v -> captured.Put(v, args[1..], [], captured.Y)) g
                else
                    solveWith
                        false
                        (transposedOptions options)
                        (fun v -> captured.Put(x, args[1..], [ hole, v ], transposed.Value))
                        g
            let ofB: (Expr | null)[] = [| lambda |]
            Array.append ofB (pullBack captured captured.Y x args[1..] (-lambda))
        Custom.apply
            (CustomOp(operation, Custom.likeFirst, forward, backward))
            (Array.append [| b |] captured.Nodes)

    /// x of A(x) = b for a linear operator, given as a function of a vector like b: by conjugate gradients if it is symmetric and positive
    /// definite, else by GMRES. The derivative solves with the transposed operator.
    /// A SolverException when evaluated, if no solution is found.
    let linearSolve (options: LinearOptions) (isSymmetric: bool) (a: Expr -> Expr) (b: Expr) : Expr =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(box b, nameof b)
        let shape = b.Shape
        solveWith isSymmetric options (fun v -> flat (a (Reshape.make shape v))) (vectorOf "linearSolve" b)
        |> Reshape.make shape

    /// The solution of r(x) = 0, where `residual` makes r of the captured function: the rule that all share.
    let internal make
        operation
        dense
        isSymmetric
        (engine: EngineOptions)
        (f: Expr -> Expr)
        (start: Expr)
        (residual: Captured -> Expr)
        (solve: FunctionGraph -> NDArray[] -> float[] -> float[])
        (isResidual: bool)
        : Expr =
        let captured = Captured(operation, f, vectorOf operation start)
        let r = residual captured
        let n = captured.X.Shape[0]
        let graph =
            FunctionGraph(captured.X, (if isResidual then r else captured.Y), captured.Holes, engine)
        let forward (args: NDArray[]) =
            NDArray.Create(solve graph args[1..] (numbers args[0]), args[0].Shape)
        // ∂r/∂xᵀ·λ = −g; then the cotangents are those of r's parameters for λ.
        let backward (args: Expr[]) (x: Expr) (g: Expr) =
            let values = args[1..]
            let lambda =
                if n <= dense then
                    let j =
                        captured.Put(x, values, [], Jacobians.jacobian JacobianMode.Auto r captured.X)
                    LinearAlgebra.solve (MatrixGraph.transpose j) -g
                else
                    let hole = Leaf.input "cotangent" r.Shape r.DType
                    let transposed = (Gradient.vjp Unconnected.Zeros r hole [| captured.X |])[0]
                    solveWith
                        isSymmetric
                        (LinearOptions(Tolerance = 1e-13, Engine = engine))
                        (fun v -> captured.Put(x, values, [ hole, v ], transposed))
                        -g
            let ofStart: (Expr | null)[] = [| null |]
            Array.append ofStart (pullBack captured r x values lambda)
        Custom.apply
            (CustomOp(operation, Custom.likeFirst, forward, backward))
            (Array.append [| vectorOf operation start |] captured.Nodes)
        |> Reshape.make start.Shape

    let private checkSquare operation (captured: Captured) =
        if captured.Y.Shape[0] <> captured.X.Shape[0] then
            raise (
                ShapeException
                    $"{operation}: expected as many values as unknowns, got {captured.Y.Shape[0]} values of {captured.X.Shape[0]} unknowns"
            )

    let private found operation what (result: SolverResult) =
        if not result.IsConverged then
            raise (SolverException $"{operation}: no {what} was found: {result.Message}")

    let private ofShape (start: Expr) (f: Expr -> Expr) : Expr -> Expr =
        fun x -> flat (f (Reshape.make start.Shape x))

    let internal rootWith dense (options: RootOptions) (f: Expr -> Expr) (start: Expr) : Expr =
        let operation = "implicit root"
        make
            operation
            dense
            false
            options.Engine
            (ofShape start f)
            start
            (fun captured ->
                checkSquare operation captured
                captured.Y)
            (fun graph parameters x0 ->
                let result = NewtonRoot(options, graph, parameters, x0).Run()
                found operation "root" result
                result.X)
            true

    /// x of f(x) = 0, found by Newton's method from `start`, of the start's shape; f is of as many values as unknowns.
    /// A SolverException when evaluated, if no root is found.
    let root (options: RootOptions) (f: Expr -> Expr) (start: Expr) : Expr =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(box start, nameof start)
        rootWith denseSize options f start

    let internal fixedPointWith dense (options: FixedPointOptions) (g: Expr -> Expr) (start: Expr) : Expr =
        let operation = "implicit fixed point"
        make
            operation
            dense
            false
            options.Engine
            (ofShape start g)
            start
            (fun captured ->
                checkSquare operation captured
                captured.Y - captured.X)
            (fun graph parameters x0 ->
                let result =
                    FixedPointIteration(options, graph, parameters, options.Depth, x0).Run()
                found operation "fixed point" result
                result.X)
            false

    /// x of x = g(x), found by Anderson's acceleration from `start`, of the start's shape.
    /// A SolverException when evaluated, if no fixed point is found.
    let fixedPoint (options: FixedPointOptions) (g: Expr -> Expr) (start: Expr) : Expr =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(box start, nameof start)
        fixedPointWith denseSize options g start

    let internal argminWith dense (options: MinimizeOptions) (f: Expr -> Expr) (start: Expr) : Expr =
        let operation = "implicit argmin"
        let value x =
            let y = f (Reshape.make start.Shape x)
            if y.Shape.Length <> 1 then
                raise (
                    ShapeException
                        $"{operation}: expected a function with a scalar value, got shape {y.Shape}; sum it"
                )
            Reshape.make Shape.Scalar y
        make
            operation
            dense
            true
            options.Engine
            value
            start
            (fun captured -> (Gradient.grad Unconnected.Error captured.Y [| captured.X |])[0])
            (fun graph parameters x0 ->
                let result = TrustRegion(options, graph, parameters, x0).Run()
                found operation "minimum" result
                result.X)
            false

    /// The x that makes a scalar f least, found by Newton's method in a trust region from `start`, of the start's shape. The derivative is
    /// as exact as the gradient there is small, so ask for a small one; it needs a Hessian that is not singular at the minimum.
    /// A SolverException when evaluated, if no minimum is found.
    let argmin (options: MinimizeOptions) (f: Expr -> Expr) (start: Expr) : Expr =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(box start, nameof start)
        argminWith denseSize options f start
