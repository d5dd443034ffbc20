namespace Diff

open System

/// A right side f(t, y) as a graph with holes for t, y as a vector, and all that f captures.
[<Sealed>]
type internal OdeDynamics(operation: string, f: Expr -> Expr -> Expr, y0: Expr) =
    let n = y0.Shape.Length
    let t = Leaf.input "t" Shape.Scalar y0.DType
    let y = Leaf.input "y" (Shape [| n |]) y0.DType
    let value = f t (Reshape.make y0.Shape y)
    do
        if value.DType <> y0.DType then
            raise (
                DTypeException
                    $"{operation}: expected a derivative of {DType.name y0.DType} like the start, got {DType.name value.DType}; cast one of them"
            )
        if not (value.Shape.Equals y0.Shape) then
            raise (
                ShapeException
                    $"{operation}: expected a derivative of shape {y0.Shape} like the start, got {value.Shape}; broadcast or reduce it"
            )
    let struct (captured, body) =
        Bodies.close [| t; y |] [| Reshape.make (Shape [| n |]) value |]
    /// What f captures.
    member _.Captured = captured
    /// f of other values in place of what it captures.
    member _.Slope (values: Expr[]) (t: Expr) (y: Expr) : Expr =
        Graph.substitute (Seq.zip body.Inputs (Array.append [| t; y |] values)) body.Outputs
        |> Array.head
    member this.Flow(values: Expr[]) : OdeFlow =
        { Slope = this.Slope
          Parameters = values
          Parts = [| n |] }

/// The adjoint equation (Pontryagin 1962; Chen et al. 2018): a′ = −aᵀ·∂f/∂y, and w′ = −aᵀ·∂f/∂θ, whose integral is the gradient.
[<RequireQualifiedAccess>]
module internal OdeAdjoint =
    /// The vector of y, a and w, backwards together.
    let private flow (dynamics: OdeDynamics) (n: int) (values: Expr[]) : OdeFlow =
        let isReal (x: Expr) = DType.isReal x.DType
        let theta = values |> Array.filter isReal
        let slope (values: Expr[]) (t: Expr) (s: Expr) =
            let time = Leaf.input "t" t.Shape t.DType
            let y = Leaf.input "y" (Shape [| n |]) s.DType
            let a = Leaf.input "adjoint" (Shape [| n |]) s.DType
            let holes = values |> Array.map (fun v -> Leaf.input "captured" v.Shape v.DType)
            let f = dynamics.Slope holes time y
            let parts =
                Gradient.vjp Unconnected.Zeros f a (Array.append [| y |] (Array.filter isReal holes))
            let flat (x: Expr) =
                -(cast s.DType (Reshape.make (Shape [| x.Shape.Length |]) x))
            let s' = concat 0 (f :: [ for p in parts -> flat p ])
            let given = Array.append [| t; OdeFlow.part 0 n s; OdeFlow.part n n s |] values
            Graph.substitute (Seq.zip (Array.append [| time; y; a |] holes) given) [| s' |]
            |> Array.head
        { Slope = slope
          Parameters = values
          Parts = Array.append [| n; n |] (theta |> Array.map _.Shape.Length) }

    /// The cotangents of y0, ts and what is captured, from that of y at all of ts.
    let cotangents (options: OdeSolveOptions) (dynamics: OdeDynamics) (xs: Expr[]) (ys: Expr) (g: Expr) =
        let ts, values = xs[1], xs[2..]
        let k, n = ys.Shape[0], ys.Shape[1]
        let flow = flow dynamics n values
        let m = Array.sum flow.Parts - 2 * n
        // The equation is linear in g: of size 1, so that the absolute tolerance means the same for every g.
        let scale = stopGradient (reduceMax (abs g))
        let scale = where (greater scale (zerosLike scale)) scale (onesLike scale)
        let g = g / scale
        let padded (g: Expr) =
            Window.embed [| 0 |] [| 1 |] (Shape [| n + m |]) g
        let rest (x: Expr) = slice 0 (Some 1) None 1 x
        let adjoint =
            if k = 1 then
                full [ n + m ] ys.DType 0.0
            else
                let last = at 0 (k - 1) ts
                let s = concat 0 [ at 0 (k - 1) ys; padded (at 0 (k - 1) g) ]
                let h =
                    OdeFlow.firstStep options flow last (at 0 0 ts - last) s (flow.Slope values last s)
                let body (state: Expr list) (slices: Expr list) =
                    let from, until, y, g = slices[0], slices[1], slices[2], slices[3]
                    let s = concat 0 [ y; state[0] + padded g ]
                    let found =
                        OdeFlow.interval options flow from until (s :: flow.Slope values from s :: state[1..])
                    OdeFlow.part n (n + m) found[0] :: found[2..], []
                let found, _ =
                    scanWith
                        (options.Loop.Reversed())
                        body
                        [ full [ n + m ] ys.DType 0.0; h; OdeFlow.number ys 1.0 ]
                        [ rest ts; OdeFlow.part 0 (k - 1) ts; rest ys; rest g ]
                found.Head
        let a = OdeFlow.part 0 n adjoint
        let slopes =
            Vectorization.vmapAxes
                [| Nullable 0; Nullable 0 |]
                0
                (Func<_, _>(fun (xs: Expr[]) -> [| dynamics.Slope values xs[0] xs[1] |]))
                [| ts; ys |]
        // y moves with the times after the first, and against the first.
        let atTimes = sumOver [ 1 ] (g * slopes[0])
        let atStart = expandDims 0 -(sum (a * at 0 0 slopes[0]))
        let ofTimes =
            if k = 1 then
                zerosLike ts
            else
                concat 0 [ atStart; rest atTimes ]
        let mutable start = n
        let ofValues =
            values
            |> Array.map (fun v ->
                if DType.isReal v.DType then
                    let w = OdeFlow.part start v.Shape.Length adjoint
                    start <- start + v.Shape.Length
                    (cast v.DType (scale * Reshape.make v.Shape w): Expr | null)
                else
                    null)
        let ofStart: (Expr | null)[] = [| scale * (a + at 0 0 g); scale * ofTimes |]
        Array.append ofStart ofValues
