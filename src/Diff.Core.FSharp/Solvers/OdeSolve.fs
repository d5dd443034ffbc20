namespace Diff

open System

/// Solutions of y′ = f(t, y) as expressions with derivatives: y at times ts, stacked along a new leading axis, where y(ts[0]) = y0. The times
/// may lie after or before each other; y0 may have any shape; f may capture parameters. Derivatives pass to y0, to ts and to what f captures.
[<RequireQualifiedAccess; CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
[<ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module OdeSolve =
    let private prepared operation (options: OdeSolveOptions) f (y0: Expr) (ts: Expr) =
        ArgumentNullException.ThrowIfNull(options, nameof options)
        ArgumentNullException.ThrowIfNull(box y0, nameof y0)
        ArgumentNullException.ThrowIfNull(box ts, nameof ts)
        if not (DType.isFloat y0.DType) then
            raise (
                DTypeException
                    $"{operation}: expected a start of float64 or float32, got {DType.name y0.DType}; cast it"
            )
        if y0.Shape.Length = 0 then
            raise (
                ShapeException $"{operation}: expected a start of at least one number, got shape {y0.Shape}"
            )
        if ts.Rank <> 1 || ts.Shape[0] = 0 then
            raise (
                ShapeException
                    $"{operation}: expected the times in a vector, that of the start first, got shape {ts.Shape}"
            )
        if ts.DType <> y0.DType then
            raise (
                DTypeException
                    $"{operation}: expected times of {DType.name y0.DType} like the start, got {DType.name ts.DType}; cast one of them"
            )
        struct (OdeDynamics(operation, f, y0), Reshape.make (Shape [| y0.Shape.Length |]) y0)

    let private shaped (y0: Expr) (ts: Expr) (ys: Expr) =
        Reshape.make (Shape(Array.append [| ts.Shape[0] |] y0.Shape.Dims)) ys

    /// By as many steps of one length between two times as the options say, of their method. Derivatives of every order are those of the
    /// steps, exact for them. Nothing looks at the error.
    let fixedSteps (options: OdeSolveOptions) (f: Expr -> Expr -> Expr) (y0: Expr) (ts: Expr) : Expr =
        let struct (dynamics, start) = prepared "fixedSteps" options f y0 ts
        let flow = dynamics.Flow dynamics.Captured
        let step =
            match options.Method with
            | OdeMethod.RungeKutta4 -> OdeFlow.rungeKutta4 flow
            | OdeMethod.DormandPrince -> OdeFlow.dormandPrince flow
            | other -> invalidArg "options" $"fixedSteps: there is no method {other}"
        let k = ts.Shape[0]
        let first = expandDims 0 start
        if k = 1 then
            shaped y0 ts first
        else
            let count = iota [ options.Steps ] 0 y0.DType
            let between (state: Expr list) (times: Expr list) =
                let t0 = times[0]
                let h = (times[1] - t0) / float options.Steps
                let one (state: Expr list) (i: Expr list) =
                    [ step (t0 + i.Head * h) h state.Head ], []
                let state, _ = scanWith options.Loop one state [ count ]
                state, state
            let times = [ OdeFlow.part 0 (k - 1) ts; OdeFlow.part 1 (k - 1) ts ]
            let _, ys = scanWith options.Loop between [ start ] times
            shaped y0 ts (concat 0 [ first; ys.Head ])

    /// By Dormand and Prince's steps of order 5(4), as long as the tolerances allow, each time reached by a step. Derivatives of every order
    /// are those of the steps made, exact for them with their lengths taken as constant. Where the solution ends before a time (its steps
    /// become too short), it is NaN from there on.
    let adaptive (options: OdeSolveOptions) (f: Expr -> Expr -> Expr) (y0: Expr) (ts: Expr) : Expr =
        let struct (dynamics, start) = prepared "adaptive" options f y0 ts
        OdeFlow.adaptive options (dynamics.Flow dynamics.Captured) start ts
        |> shaped y0 ts

    /// The same, with the derivative of the equation, not of the steps: the adjoint equation is solved backwards with the same tolerances, from the
    /// states at ts, between which y is computed again. It needs no memory for steps, and is as exact as the tolerances, not more. Equations whose
    /// solutions come together fast (stiff ones) are unstable backwards: use `adaptive` for them, or times that lie closer.
    let adjoint (options: OdeSolveOptions) (f: Expr -> Expr -> Expr) (y0: Expr) (ts: Expr) : Expr =
        let struct (dynamics, start) = prepared "adjoint" options f y0 ts
        let value (xs: Expr[]) =
            OdeFlow.adaptive options (dynamics.Flow xs[2..]) xs[0] xs[1]
        Control.custom
            "odeAdjoint"
            value
            (GivenDerivative.Vjp(OdeAdjoint.cotangents options dynamics))
            (Array.append [| start; ts |] dynamics.Captured)
        |> shaped y0 ts
