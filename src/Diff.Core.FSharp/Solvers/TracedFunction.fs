namespace Diff

open System
open System.Collections.Generic

/// Arrays of given shapes in one vector of float64 and back: solvers take functions of one vector.
[<Sealed>]
type Packing(shapes: IReadOnlyList<Shape>) =
    do ArgumentNullException.ThrowIfNull(shapes, nameof shapes)
    let shapes = Array.ofSeq shapes
    do Argument.noneIsNull "shapes" shapes
    let starts = shapes |> Array.scan (fun start (s: Shape) -> start + s.Length) 0

    /// The number of all elements.
    member _.Length = starts[shapes.Length]

    /// A vector as arrays of the shapes.
    member this.Split(x: Expr) : Expr[] =
        ArgumentNullException.ThrowIfNull(x, nameof x)
        if x.Rank <> 1 || x.Shape[0] <> this.Length then
            raise (ShapeException $"Packing.Split: expected a vector of {this.Length}, got shape {x.Shape}")
        shapes
        |> Array.mapi (fun k s ->
            Window.slice [| starts[k] |] [| 1 |] (Shape [| s.Length |]) x |> Reshape.make s)

    /// Arrays of the shapes as one vector.
    member this.Pack([<ParamArray>] values: NDArray[]) : float[] =
        Argument.noneIsNull (nameof values) values
        if values.Length <> shapes.Length then
            invalidArg (nameof values) $"Packing.Pack: expected {shapes.Length} arrays, got {values.Length}"
        let result = Array.zeroCreate<float> this.Length
        for k in 0 .. values.Length - 1 do
            if not (values[k].Shape.Equals shapes[k]) then
                raise (
                    ShapeException
                        $"Packing.Pack: array {k} has shape {values[k].Shape}, expected {shapes[k]}; give the arrays in the order of the shapes"
                )
            for i in 0 .. values[k].Length - 1 do
                result[starts[k] + i] <- values[k].Float i
        result

    /// A vector as arrays of the shapes, with memory of their own.
    member this.Unpack(x: float[]) : NDArray[] =
        ArgumentNullException.ThrowIfNull(x, nameof x)
        if x.Length <> this.Length then
            raise (ShapeException $"Packing.Unpack: expected {this.Length} numbers, got {x.Length}")
        shapes
        |> Array.mapi (fun k s -> NDArray.Create(Array.sub x starts[k] s.Length, s))

/// The graph of a function of one array and of parameters, with the plans that solvers ask for, each made when first asked for.
[<Sealed>]
type internal FunctionGraph(x: Expr, y: Expr, parameters: Expr[], engine: EngineOptions) =
    let inputs = Array.append [| x |] parameters
    let plan (roots: unit -> Expr[]) =
        lazy (Planner.make engine inputs (roots ()))
    let value = plan (fun () -> [| y |])
    let gradient =
        plan (fun () -> [| y; (Gradient.grad Unconnected.Error y [| x |])[0] |])
    let jacobian = plan (fun () -> [| y; Jacobians.jacobian JacobianMode.Auto y x |])
    let curvature =
        lazy
            (let v = Leaf.input "direction" x.Shape x.DType
             Planner.make engine (Array.append inputs [| v |]) [| (Gradient.hvp y [| x |] [| v |])[0] |])

    member _.X = x
    member _.Y = y
    member _.Value = value.Value
    member _.ValueAndGradient = gradient.Value
    member _.ValueAndJacobian = jacobian.Value
    member _.Curvature = curvature.Value

[<RequireQualifiedAccess>]
module internal Tracing =
    let private checkFloat64 operation what (y: Expr) =
        if y.DType <> DType.Float64 then
            raise (
                DTypeException
                    $"{operation}: expected {what} of float64, got {DType.name y.DType}; solvers compute in float64, so cast it"
            )

    /// A function of a vector with a scalar value.
    let scalar operation (f: Expr -> Expr) (n: int) (engine: EngineOptions) : FunctionGraph =
        let x = Leaf.input "x" (Shape [| n |]) DType.Float64
        let y = f x
        if y.Shape.Length <> 1 then
            raise (
                ShapeException
                    $"{operation}: expected a function with a scalar value, got shape {y.Shape}; sum it, or use LeastSquares for residuals"
            )
        checkFloat64 operation "a value" y
        FunctionGraph(x, Reshape.make Shape.Scalar y, [||], engine)

    /// A function of a vector whose value, whatever its shape, becomes a vector.
    let vector operation (f: Expr -> Expr) (n: int) (engine: EngineOptions) : FunctionGraph =
        let x = Leaf.input "x" (Shape [| n |]) DType.Float64
        let y = f x
        checkFloat64 operation "values" y
        FunctionGraph(x, Reshape.make (Shape [| y.Shape.Length |]) y, [||], engine)

    /// A function of a number.
    let number operation (f: Expr -> Expr) (engine: EngineOptions) : FunctionGraph =
        let x = Leaf.input "x" Shape.Scalar DType.Float64
        let y = f x
        if y.Shape.Length <> 1 then
            raise (
                ShapeException
                    $"{operation}: expected a function of one number with one number as value, got shape {y.Shape}"
            )
        checkFloat64 operation "a value" y
        FunctionGraph(x, Reshape.make Shape.Scalar y, [||], engine)

    /// A vector that has as many components as it is from.
    let square operation (f: Expr -> Expr) (n: int) (engine: EngineOptions) : FunctionGraph =
        let graph = vector operation f n engine
        if graph.Y.Shape[0] <> n then
            raise (
                ShapeException
                    $"{operation}: expected as many values as unknowns, got {graph.Y.Shape[0]} values of {n} unknowns; use LeastSquares where the numbers differ"
            )
        graph

/// A traced function in one run: its buffers are made once, so evaluating it allocates next to nothing.
[<Sealed>]
type internal TracedFunction(graph: FunctionGraph, parameters: NDArray[], run: SolverRun) =
    let n, m = graph.X.Shape.Length, graph.Y.Shape.Length
    let xs, ys = Array.zeroCreate<float> n, Array.zeroCreate<float> m
    let x, y = NDArray.Create(xs, graph.X.Shape), NDArray.Create(ys, graph.Y.Shape)
    let inputs = Array.append [| x |] parameters
    let value = [| y |]
    let gradients = Array.zeroCreate<float> n
    let gradient = [| y; NDArray.Create(gradients, graph.X.Shape) |]
    let jacobians: Lazy<float[]> = lazy (Array.zeroCreate (m * n))
    let jacobian =
        lazy
            (let shape = Shape(Array.append graph.Y.Shape.Dims graph.X.Shape.Dims)
             [| y; NDArray.Create(jacobians.Value, shape) |])
    let direction, product = Array.zeroCreate<float> n, Array.zeroCreate<float> n
    let alongInputs = Array.append inputs [| NDArray.Create(direction, graph.X.Shape) |]
    let along = [| NDArray.Create(product, graph.X.Shape) |]

    // Where matrices do not allow what the function asks, it has no value.
    let evaluate (plan: Plan) inputs (results: NDArray[]) =
        try
            plan.Run(inputs, results, run.Cancellation)
        with :? LinearAlgebraException ->
            for result in results do
                result.Span<float>().Fill nan

    /// How many numbers the function takes, and how many it gives.
    member _.N = n
    member _.M = m
    member val CurvatureProducts = 0 with get, set
    member val JacobianEvaluations = 0 with get, set

    /// The value of a scalar function.
    member _.Value(at: float[]) : float =
        run.Evaluate()
        at.CopyTo(xs, 0)
        evaluate graph.Value inputs value
        ys[0]

    /// The value of a scalar function; its gradient goes into `g`.
    member _.ValueAndGradient(at: float[], g: float[]) : float =
        run.Evaluate()
        at.CopyTo(xs, 0)
        evaluate graph.ValueAndGradient inputs gradient
        gradients.CopyTo(g, 0)
        ys[0]

    /// The second derivative at a point applied to a direction.
    member this.Curvature(at: float[], v: float[], into: float[]) : unit =
        run.Cancellation.ThrowIfCancellationRequested()
        this.CurvatureProducts <- this.CurvatureProducts + 1
        at.CopyTo(xs, 0)
        v.CopyTo(direction, 0)
        evaluate graph.Curvature alongInputs along
        product.CopyTo(into, 0)

    /// The values.
    member _.Values(at: float[], into: float[]) : unit =
        run.Evaluate()
        at.CopyTo(xs, 0)
        evaluate graph.Value inputs value
        ys.CopyTo(into, 0)

    /// The values and the m × n Jacobian in rows.
    member this.ValuesAndJacobian(at: float[], into: float[], j: float[]) : unit =
        run.Evaluate()
        this.JacobianEvaluations <- this.JacobianEvaluations + 1
        at.CopyTo(xs, 0)
        evaluate graph.ValueAndJacobian inputs jacobian.Value
        ys.CopyTo(into, 0)
        jacobians.Value.CopyTo(j, 0)
