namespace Diff

open System

/// The right side of y′ = f(t, y) of a vector as a graph of parameters, t and y. The errors of y's parts, given by their lengths, are
/// measured each by itself, so that many small ones do not hide a large one.
type internal OdeFlow =
    { Slope: Expr[] -> Expr -> Expr -> Expr
      Parameters: Expr[]
      Parts: int[] }

/// Steps of differential equations as graphs.
[<RequireQualifiedAccess>]
module internal OdeFlow =
    let number (like: Expr) (value: float) =
        Expr.Full(value, Shape.Scalar, like.DType)

    let private epsilon (x: Expr) =
        if x.DType = DType.Float32 then
            1.1920928955078125e-7
        else
            Double.BitIncrement 1.0 - 1.0

    let part (start: int) (length: int) (x: Expr) =
        Window.slice [| start |] [| 1 |] (Shape [| length |]) x

    let private combined (weights: float[]) (k: Expr seq) : Expr =
        Seq.zip weights k
        |> Seq.filter (fun (weight, _) -> weight <> 0.0)
        |> Seq.map (fun (weight, k) -> weight * k)
        |> Seq.reduce (+)

    /// The classical method's step.
    let rungeKutta4 (flow: OdeFlow) (t: Expr) (h: Expr) (y: Expr) : Expr =
        let slope t y = flow.Slope flow.Parameters t y
        let middle = t + 0.5 * h
        let k1 = slope t y
        let k2 = slope middle (y + 0.5 * h * k1)
        let k3 = slope middle (y + 0.5 * h * k2)
        let k4 = slope (t + h) (y + h * k3)
        y + h / 6.0 * (k1 + 2.0 * (k2 + k3) + k4)

    /// Where Dormand and Prince's step ends, and the slopes of its stages, of which the last is there.
    let private stages withLast (flow: OdeFlow) parameters (y: Expr) (slope: Expr) (t: Expr) (h: Expr) =
        let k = ResizeArray [ slope ]
        let mutable last = y
        for stage in 1..6 do
            last <- y + h * combined Tableau.dormandPrince.A[stage] k
            if stage < 6 || withLast then
                k.Add(flow.Slope parameters (t + Tableau.dormandPrince.C[stage] * h) last)
        struct (last, k)

    /// Dormand and Prince's step of order 5.
    let dormandPrince (flow: OdeFlow) (t: Expr) (h: Expr) (y: Expr) : Expr =
        let slope = flow.Slope flow.Parameters t y
        let struct (next, _) = stages false flow flow.Parameters y slope t h
        next

    let private norm (flow: OdeFlow) (x: Expr) =
        let starts = Array.scan (+) 0 flow.Parts
        Array.zip starts[.. flow.Parts.Length - 1] flow.Parts
        |> Array.filter (fun (_, length) -> length > 0)
        |> Array.map (fun (start, length) -> sqrt (mean (square (part start length x))))
        |> Array.reduce maximum

    /// The size of x beside what is allowed: 1 is just enough.
    let private size (options: OdeSolveOptions) flow (magnitude: Expr) (x: Expr) =
        let allowed = options.AbsoluteTolerance + options.RelativeTolerance * magnitude
        where (equal x (number x 0.0)) (zerosLike x) (x / allowed) |> norm flow

    /// A step with its error: the end, the slope there and the error's size in one vector. A step that is not taken has no derivative,
    /// and is of length 0 in the derivative's graph, so that what is infinite in it stays out.
    let private trial
        (options: OdeSolveOptions)
        (flow: OdeFlow)
        (y: Expr)
        (slope: Expr)
        (t: Expr)
        (h: Expr)
        : Expr =
        let n = y.Shape[0]
        let stagesOf (xs: Expr[]) =
            stages true flow xs[4..] xs[0] xs[1] xs[2] xs[3]
        let value (xs: Expr[]) =
            let struct (next, k) = stagesOf xs
            let error = xs[3] * combined Tableau.dormandPrince.E k
            let size = size options flow (maximum (abs xs[0]) (abs next)) error
            let size = where (isFinite (sum (abs next))) size (number size nan)
            concat 0 [ next; k[6]; Reshape.make (Shape [| 1 |]) size ]
        let tangent (xs: Expr[]) (value: Expr) (vs: (Expr | null)[]) =
            let holes = xs |> Array.map (fun x -> Leaf.input "step" x.Shape x.DType)
            let struct (next, k) = stagesOf holes
            let result = concat 0 [ next; k[6]; full [ 1 ] y.DType 0.0 ]
            let moved, along =
                Array.zip holes vs
                |> Array.choose (fun (hole, v) ->
                    match v with
                    | null -> None
                    | v -> Some(hole, v))
                |> Array.unzip
            let directions = along |> Array.map (fun v -> Leaf.input "tangent" v.Shape v.DType)
            let isTaken = lessEqual (at 0 (2 * n) value) (number value 1.0)
            let safe = Array.copy xs
            safe[3] <- where isTaken xs[3] (zerosLike xs[3])
            Graph.substitute
                (Seq.append (Array.zip holes safe) (Array.zip directions along))
                [| Gradient.jvp result moved directions |]
            |> Array.head
        Control.custom
            "odeStep"
            value
            (GivenDerivative.Jvp tangent)
            (Array.append [| y; slope; t; h |] flow.Parameters)

    /// The first step (Hairer, Nørsett, Wanner 1993, II.4), at most `span`.
    let firstStep
        (options: OdeSolveOptions)
        (flow: OdeFlow)
        (t: Expr)
        (span: Expr)
        (y: Expr)
        (slope: Expr)
        : Expr =
        if options.InitialStep > 0.0 then
            number y options.InitialStep
        else
            let size = size options flow (abs y)
            let span = where (equal span (zerosLike span)) (onesLike span) span
            let d0, d1 = size y, size slope
            let small = logicalOr (less d0 (number y 1e-5)) (less d1 (number y 1e-5))
            let h0 = minimum (where small (number y 1e-6) (0.01 * d0 / d1)) (abs span)
            let signed = where (less span (zerosLike span)) -h0 h0
            let moved = flow.Slope flow.Parameters (t + signed) (y + signed * slope)
            let d2 = size (moved - slope) / h0
            let most = maximum d1 d2
            let h1 =
                where
                    (lessEqual most (number y 1e-15))
                    (maximum (number y 1e-6) (1e-3 * h0))
                    ((0.01 / most) ** 0.2)
            let h = minimum (100.0 * h0) h1
            let least = 16.0 * epsilon y * abs t
            stopGradient (maximum least (where (isFinite h) h h0))

    /// Adaptive steps from t0 to t1: y, its slope, the next step's length and the last error's size, before and after. The lengths are
    /// constants to derivatives, but that of the last, which ends at t1. Where a step would be too short for its time, y is NaN and the length 0.
    let interval
        (options: OdeSolveOptions)
        (flow: OdeFlow)
        (t0: Expr)
        (t1: Expr)
        (state: Expr list)
        : Expr list =
        let n = state.Head.Shape[0]
        let zero = zerosLike t0
        let isForwards = greaterEqual t1 t0
        let nanUnless condition =
            where condition (onesLike t0) (number t0 nan)
        let isOn (state: Expr list) =
            logicalAnd state[5] (greater state[3] zero)
        let body (state: Expr list) =
            let t, y, slope, length, lastError =
                state[0], state[1], state[2], state[3], state[4]
            let least = 4.0 * epsilon t * abs t
            let wanted = minimum length (number t options.MaxStep)
            let left = t1 - t
            // A step that is nearly as long as what is left ends there.
            let isLast = greaterEqual wanted (0.999 * abs left)
            let h = where isLast left (where isForwards wanted -wanted)
            let result = trial options flow y slope t h
            let error = at 0 (2 * n) result
            let isTaken = lessEqual error (number t 1.0)
            let bounded low high x =
                maximum (number t low) (minimum (number t high) x)
            let growth =
                bounded 0.2 5.0 (0.9 * maximum error (number t 1e-10) ** -0.17 * lastError ** 0.04)
            let shrinkage =
                where (isFinite error) (bounded 0.2 1.0 (0.9 * error ** -0.2)) (number t 0.25)
            let grown = abs h * growth
            let shrunk = abs h * shrinkage
            let next =
                where
                    isTaken
                    (where isLast (maximum length grown) (where (greater grown least) grown zero))
                    (where (greater shrunk least) shrunk zero)
            [ where isTaken (where isLast t1 (t + h)) t
              nanUnless (greater next zero) * where isTaken (part 0 n result) y
              where isTaken (part n n result) slope
              stopGradient next
              stopGradient (where isTaken (maximum error (number t 1e-4)) lastError)
              logicalNot (logicalAnd isTaken isLast) ]
        // What the loop is not to begin with is NaN, unless there is nothing to do.
        let canBegin = logicalAnd (greater state[2] zero) (equal t1 t1)
        let start = nanUnless (logicalOr canBegin (equal t0 t1)) * state.Head
        let options = options.Loop.WithMaxIterations(int64 options.MaxSteps)
        // An interval without length has a step too: its derivative is that of its ends.
        let isLeft: Expr = Expr.op_Implicit true
        let ends, _ =
            whileLoopWith options isOn body (t0 :: start :: state.Tail @ [ isLeft ])
        ends[1..4]

    /// y at all of ts, stacked, by adaptive steps from the first one on.
    let adaptive (options: OdeSolveOptions) (flow: OdeFlow) (y0: Expr) (ts: Expr) : Expr =
        let k = ts.Shape[0]
        let first = expandDims 0 y0
        if k = 1 then
            first
        else
            let t0 = at 0 0 ts
            let slope = flow.Slope flow.Parameters t0 y0
            let h = firstStep options flow t0 (at 0 (k - 1) ts - t0) y0 slope
            let body (state: Expr list) (times: Expr list) =
                let state = interval options flow times[0] times[1] state
                state, [ state.Head ]
            let _, ys =
                scanWith
                    options.Loop
                    body
                    [ y0; slope; h; number y0 1.0 ]
                    [ part 0 (k - 1) ts; part 1 (k - 1) ts ]
            concat 0 [ first; ys.Head ]
