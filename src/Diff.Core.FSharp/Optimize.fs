namespace Diff

open System

/// How gradients become updates: a pair of pure functions on graphs. An update is added to its parameter.
/// Transformations chain; forward pass, gradients, update and next state are then one graph, which can be differentiated again.
[<Sealed>]
type GradientTransformation
    (initialise: Func<Expr[], Expr[]>, update: Func<Expr[], Expr[], Expr[], struct (Expr[] * Expr[])>) =
    do
        ArgumentNullException.ThrowIfNull(initialise, nameof initialise)
        ArgumentNullException.ThrowIfNull(update, nameof update)

    /// The state before the first step, for parameters.
    member _.Initialise(parameters: Expr[]) : Expr[] =
        Argument.noneIsNull (nameof parameters) parameters
        initialise.Invoke parameters
    /// The updates and the next state, from gradients, state and parameters.
    member _.Update(gradients: Expr[], state: Expr[], parameters: Expr[]) : struct (Expr[] * Expr[]) =
        Argument.noneIsNull (nameof gradients) gradients
        Argument.noneIsNull (nameof state) state
        Argument.noneIsNull (nameof parameters) parameters
        update.Invoke(gradients, state, parameters)

/// The usual optimisers as gradient transformations. Learning rates may be schedules: functions from the number of the step,
/// which counts from 0 and is a float64 scalar, to a scalar.
[<RequireQualifiedAccess; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Optimize =
    let private make
        (initialise: Expr[] -> Expr[])
        (update: Expr[] -> Expr[] -> Expr[] -> struct (Expr[] * Expr[]))
        =
        GradientTransformation(initialise, Func<_, _, _, _> update)

    let private refuse operation (name: string) (range: string) (value: float) =
        raise (ArgumentException $"{operation}: expected a {name} of {range}, got {value}")

    // NaN is in no range.
    let private notNegative operation name (value: float) =
        if not (value >= 0.0) then
            refuse operation name "at least 0" value

    let private fraction operation name (value: float) =
        if not (value >= 0.0 && value <= 1.0) then
            refuse operation name "0 to 1" value

    let private belowOne operation name (value: float) =
        if not (value >= 0.0 && value < 1.0) then
            refuse operation name "0 to below 1" value

    /// Fails for a learning rate that would climb.
    let internal checkRate operation (rate: float) =
        notNegative operation "learning rate" rate

    let private stateless (f: Expr[] -> Expr[] -> Expr[]) =
        make (fun _ -> [||]) (fun g _ p -> struct (f g p, [||]))

    let private zeros (parameters: Expr[]) = parameters |> Array.map Expr.ZerosLike

    /// One value of state for each parameter, updated index by index: (gradient, state) to (update, next state).
    let private each (f: Expr -> Expr -> struct (Expr * Expr)) =
        make zeros (fun gradients state _ ->
            let pairs = Array.map2 f gradients state
            struct (pairs |> Array.map (fun (struct (u, _)) -> u),
                    pairs |> Array.map (fun (struct (_, s)) -> s)))

    /// One transformation after the other.
    let chain (transformations: GradientTransformation seq) : GradientTransformation =
        let parts = Array.ofSeq transformations
        make
            (fun parameters -> parts |> Array.collect (fun t -> t.Initialise parameters))
            (fun gradients state parameters ->
                let mutable updates, rest, next = gradients, state, [||]
                for t in parts do
                    let own = (t.Initialise parameters).Length
                    let struct (u, s) = t.Update(updates, rest[.. own - 1], parameters)
                    updates <- u
                    next <- Array.append next s
                    rest <- rest[own..]
                struct (updates, next))

    /// Multiplies by a number.
    let scale (factor: float) =
        stateless (fun g _ -> g |> Array.map (fun g -> g * factor))

    /// Multiplies by a schedule of the step number.
    let scaleBySchedule (schedule: Expr -> Expr) : GradientTransformation =
        make (fun _ -> [| Expr.op_Implicit 0.0 |]) (fun gradients state _ ->
            let factor = schedule state[0]
            struct (gradients |> Array.map (fun g -> g * cast g.DType factor), [| state[0] + 1.0 |]))

    /// Adds c·parameter: the gradient of c/2·‖parameter‖².
    let addDecayedWeights (c: float) =
        notNegative "addDecayedWeights" "weight decay" c
        stateless (Array.map2 (fun g p -> g + p * c))

    /// Cuts every element to [−limit, limit].
    let clip (limit: float) =
        notNegative "clip" "limit" limit
        stateless (fun g _ -> g |> Array.map (Functions.clip -limit limit))

    /// √Σg² over all gradients, added up in float64, without overflow of the squares.
    let globalNorm (gradients: Expr seq) : Expr =
        let gradients = List.ofSeq gradients
        let isMixed = gradients |> List.exists (fun g -> g.DType <> gradients.Head.DType)
        let alike =
            if isMixed then
                List.map (cast DType.Float64) gradients
            else
                gradients
        normOfAll "global_norm" DType.Float64 alike

    /// Scales all gradients so that their global norm is at most the limit (Pascanu et al. 2013).
    let clipByGlobalNorm (limit: float) =
        if not (limit > 0.0) then
            invalidArg "limit" $"clipByGlobalNorm: expected a limit above 0, got {limit}"
        stateless (fun gradients _ ->
            let norm = globalNorm gradients
            let factor = where (greater norm limit) (limit / norm) (onesLike norm)
            gradients |> Array.map (fun g -> g * cast g.DType factor))

    /// m ← μ·m + g; the update is m, or g + μ·m for Nesterov's variant (Sutskever et al. 2013).
    let trace (momentum: float) (nesterov: bool) =
        fraction "momentum" "momentum" momentum
        each (fun g m ->
            let m = momentum * m + g
            struct ((if nesterov then g + momentum * m else m), m))

    /// g / (√Σg² + ε) over all steps so far (Duchi et al. 2011).
    let scaleByAdaGrad (epsilon: float) =
        notNegative "adagrad" "epsilon" epsilon
        each (fun g s ->
            let s = s + g * g
            struct (g / (sqrt s + epsilon), s))

    /// g / (√v + ε), v ← β·v + (1 − β)·g² (Tieleman and Hinton 2012).
    let scaleByRmsProp (decay: float) (epsilon: float) =
        fraction "rmsprop" "decay" decay
        notNegative "rmsprop" "epsilon" epsilon
        each (fun g v ->
            let v = decay * v + (1.0 - decay) * (g * g)
            struct (g / (sqrt v + epsilon), v))

    /// m̂ / (√v̂ + ε) with m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ), t = 1, 2 …
    /// (Kingma and Ba 2015, algorithm 1).
    let scaleByAdam (beta1: float) (beta2: float) (epsilon: float) : GradientTransformation =
        belowOne "adam" "beta1" beta1
        belowOne "adam" "beta2" beta2
        notNegative "adam" "epsilon" epsilon
        make
            (fun parameters ->
                Array.concat [ zeros parameters; zeros parameters; [| Expr.op_Implicit 0.0 |] ])
            (fun gradients state _ ->
                let n = gradients.Length
                let t = state[2 * n] + 1.0
                let correction beta (g: Expr) =
                    cast g.DType (1.0 - Expr.Pow((beta: float), t))
                let m =
                    Array.map2 (fun g (m: Expr) -> beta1 * m + (1.0 - beta1) * g) gradients state[.. n - 1]
                let v =
                    Array.map2
                        (fun (g: Expr) (v: Expr) -> beta2 * v + (1.0 - beta2) * (g * g))
                        gradients
                        state[n .. 2 * n - 1]
                let updates =
                    Array.map3
                        (fun g (m: Expr) (v: Expr) ->
                            m / correction beta1 g / (sqrt (v / correction beta2 g) + epsilon))
                        gradients
                        m
                        v
                struct (updates, Array.concat [ m; v; [| t |] ]))

    let private descend (learningRate: Expr -> Expr) =
        scaleBySchedule (fun step -> -(learningRate step))

    // ---- Schedules ------------------------------------------------------------------------------------------------

    /// The same at every step.
    let constantRate (rate: float) : Expr -> Expr = fun _ -> Expr.op_Implicit rate

    let private positive operation name (value: float) =
        if not (value > 0.0) then
            refuse operation name "more than 0" value

    /// rate·decay^(step / every).
    let exponentialDecay (rate: float) (decay: float) (every: float) : Expr -> Expr =
        positive "exponentialDecay" "number of steps" every
        fun step -> rate * Expr.Pow(decay, step / every)

    /// From one rate to another in a straight line over a number of steps, constant after.
    let linearRate (first: float) (last: float) (steps: float) : Expr -> Expr =
        positive "linearRate" "number of steps" steps
        fun step -> first + (last - first) * minimum (step / steps) (Expr.op_Implicit 1.0)

    /// From a rate to 0 along half a cosine over a number of steps, 0 after (Loshchilov and Hutter 2017).
    let cosineDecay (rate: float) (steps: float) : Expr -> Expr =
        positive "cosineDecay" "number of steps" steps
        fun step ->
            rate
            * 0.5
            * (1.0 + cos (Math.PI * minimum (step / steps) (Expr.op_Implicit 1.0)))

    /// One schedule for a number of steps, then another, whose steps count from there.
    let join (first: Expr -> Expr) (steps: float) (next: Expr -> Expr) : Expr -> Expr =
        notNegative "join" "number of steps" steps
        fun step -> where (less step steps) (first step) (next (step - steps))

    // ---- The usual combinations --------------------------------------------------------------------------------------

    /// −rate·g.
    let sgdBy learningRate = descend learningRate
    let momentumBy learningRate momentum =
        chain [ trace momentum false; descend learningRate ]
    let nesterovBy learningRate momentum =
        chain [ trace momentum true; descend learningRate ]
    let adagradBy learningRate epsilon =
        chain [ scaleByAdaGrad epsilon; descend learningRate ]
    let rmspropBy learningRate decay epsilon =
        chain [ scaleByRmsProp decay epsilon; descend learningRate ]
    let adamBy learningRate beta1 beta2 epsilon =
        chain [ scaleByAdam beta1 beta2 epsilon; descend learningRate ]
    /// Adam with weight decay beside the gradient, not in it (Loshchilov and Hutter 2019).
    let adamwBy learningRate beta1 beta2 epsilon decay =
        chain
            [ scaleByAdam beta1 beta2 epsilon
              addDecayedWeights decay
              descend learningRate ]

    let private constant optimizer (rate: float) =
        checkRate optimizer rate
        constantRate rate

    let sgd (rate: float) = sgdBy (constant "sgd" rate)
    let momentum (rate: float) (momentum: float) =
        momentumBy (constant "momentum" rate) momentum
    let nesterov (rate: float) (momentum: float) =
        nesterovBy (constant "nesterov" rate) momentum
    let adagrad (rate: float) =
        adagradBy (constant "adagrad" rate) 1e-8
    let rmsprop (rate: float) =
        rmspropBy (constant "rmsprop" rate) 0.9 1e-8
    let adam (rate: float) =
        adamBy (constant "adam" rate) 0.9 0.999 1e-8
    let adamw (rate: float) (decay: float) =
        adamwBy (constant "adamw" rate) 0.9 0.999 1e-8 decay
