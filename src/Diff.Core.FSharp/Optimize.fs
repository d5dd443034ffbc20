namespace Diff

open System
open System.Threading

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

    /// √Σg² over all gradients, added up in float64.
    let globalNorm (gradients: Expr seq) : Expr =
        let squares =
            gradients |> Seq.map (fun g -> cast DType.Float64 (sum (g * g))) |> Array.ofSeq
        if squares.Length = 0 then
            Expr.op_Implicit 0.0
        else
            sqrt (Array.reduce (+) squares)

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

    /// rate·decay^(step / every).
    let exponentialDecay (rate: float) (decay: float) (every: float) : Expr -> Expr =
        fun step -> rate * Expr.Pow(decay, step / every)

    /// From one rate to another in a straight line over a number of steps, constant after.
    let linearRate (first: float) (last: float) (steps: float) : Expr -> Expr =
        fun step -> first + (last - first) * minimum (step / steps) (Expr.op_Implicit 1.0)

    /// From a rate to 0 along half a cosine over a number of steps, 0 after (Loshchilov and Hutter 2017).
    let cosineDecay (rate: float) (steps: float) : Expr -> Expr =
        fun step ->
            rate
            * 0.5
            * (1.0 + cos (Math.PI * minimum (step / steps) (Expr.op_Implicit 1.0)))

    /// One schedule for a number of steps, then another, whose steps count from there.
    let join (first: Expr -> Expr) (steps: float) (next: Expr -> Expr) : Expr -> Expr =
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

/// Parameters with the state of their optimiser: gradients in, new values out.
[<Sealed>]
type internal OptimizerState(optimizer: GradientTransformation, parameters: Expr[]) =
    let variables = parameters |> Array.map (fun p -> Values.variableIn "optimiser" p)
    let state =
        optimizer.Initialise parameters
        |> Array.mapi (fun i initial -> Leaf.make $"state{i}" (Evaluate.one initial))

    /// The leaves that hold the state.
    member _.State = state

    /// What each variable becomes, given the gradients' graphs.
    member _.Updates(gradients: Expr[]) : (Variable * Expr)[] =
        let struct (updates, next) = optimizer.Update(gradients, state, parameters)
        let stepped =
            Array.map3 (fun v (p: Expr) (u: Expr) -> v, p + u) variables parameters updates
        let kept =
            Array.map2 (fun (s: Expr) (n: Expr) -> Values.variableIn "optimiser" s, n) state next
        Array.append stepped kept

/// One step of training as one plan: the loss, its gradients, the update of the parameters and of the optimiser's state.
/// With a seed the loss may draw random numbers, others at each step: `TrainingMode.nextKey` gives their keys.
[<Sealed>]
type TrainingPlan
    (
        parameters: Expr[],
        loss: Func<Expr[], Expr>,
        optimizer: GradientTransformation,
        options: EngineOptions,
        seed: Nullable<int64>
    ) =
    do
        Argument.noneIsNull (nameof parameters) parameters
        ArgumentNullException.ThrowIfNull(loss, nameof loss)
        ArgumentNullException.ThrowIfNull(optimizer, nameof optimizer)
        ArgumentNullException.ThrowIfNull(options, nameof options)

    let state = OptimizerState(optimizer, parameters)

    // The seed and the number of the step: random numbers of a step depend on nothing else.
    let random: Expr | null =
        if seed.HasValue then
            Leaf.make "random" (NDArray.Create([| seed.Value; 0L |], Shape [| 2 |]))
        else
            null

    let traced (inputs: Expr[]) =
        use _ =
            TrainingMode.enter (
                match random with
                | null -> null
                | random -> Rng.foldIn (at 0 1 random) (at 0 0 random)
            )
        loss.Invoke inputs

    let nextRandom =
        match random with
        | null -> [||]
        | random -> [| Values.variableIn "training" random, random + iota [ 2 ] 0 DType.Int64 |]

    let trace (inputs: Expr[]) =
        let y = traced inputs
        if y.Shape.Length <> 1 then
            raise (
                ShapeException $"training: expected a scalar loss, got shape {y.Shape}; take its sum or mean"
            )
        // A parameter without a gradient would silently never learn.
        let gradients = Gradient.grad Unconnected.Error y parameters
        use _ = Scope.Enter "optimizer"
        struct (y, Array.append (state.Updates gradients) nextRandom)

    let cache =
        SignatureCache<UpdatePlan>(
            16,
            null,
            fun inputs ->
                let struct (y, updates) = trace inputs in UpdatePlan(options, inputs, [| y |], updates)
        )

    let mutable isDisposed = false

    let plan (batch: NDArray[]) : UpdatePlan =
        Argument.noneIsNull (nameof batch) batch
        if Volatile.Read &isDisposed then
            raise (
                ObjectDisposedException(
                    "TrainingPlan",
                    "run: the training step was disposed of; make another"
                )
            )
        cache.Get batch

    // All that a step changes.
    let variables =
        lazy
            (let counter =
                match random with
                | null -> [||]
                | random -> [| random |]
             Array.concat [ parameters; state.State; counter ]
             |> Array.map (Values.variableIn "training"))

    let run (plan: UpdatePlan) (batch: NDArray[]) : float =
        plan.Run(batch, (fun results -> results[0].Float 0))

    // One step that leaves parameters and state as they were if it would put NaN into them, and says where the NaN came from.
    let watched (plan: UpdatePlan) (batch: NDArray[]) : float =
        let before = variables.Value |> Array.map (fun v -> (Variable.valueOf v).Clone())
        let loss = run plan batch
        if
            Double.IsNaN loss
            || variables.Value |> Array.exists (Variable.valueOf >> Anomalies.hasNaN)
        then
            Array.iter2 (fun v (old: NDArray) -> old.CopyTo(Variable.valueOf v)) variables.Value before
            Anomalies.fail (fun () ->
                let struct (y, updates) =
                    batch |> Array.mapi (fun i a -> Leaf.make $"arg{i}" a) |> trace
                Array.append [| y |] (Array.map snd updates))
        else
            loss

    new(parameters, loss, optimizer) = new TrainingPlan(parameters, loss, optimizer, EngineOptions.Default)
    new(parameters, loss, optimizer, options) =
        new TrainingPlan(parameters, loss, optimizer, options, Nullable())

    /// Runs one step on a batch and gives the loss before the update.
    member this.Run([<ParamArray>] batch: NDArray[]) : float = this.Run(batch, CancellationToken.None)

    /// The same, unless the token says stop before it begins. A step that has begun ends, so that parameters never hold half an update.
    /// <exception cref="T:System.OperationCanceledException">The token was cancelled.</exception>
    member _.Run(batch: NDArray[], cancellation: CancellationToken) : float =
        let plan = plan batch
        cancellation.ThrowIfCancellationRequested()
        if options.DetectsAnomalies then
            watched plan batch
        else
            run plan batch

    /// The leaves that hold the optimiser's state, to save and restore.
    member _.State: Expr[] = Array.copy state.State

    /// The leaf that holds the seed and the number of the next step, to save and restore; null without a seed.
    member _.Random: Expr | null = random

    /// The graph of a step for batches of these shapes: the loss, then the new value of each parameter and state.
    member _.Graph([<ParamArray>] batch: NDArray[]) : Expr[] =
        Argument.noneIsNull (nameof batch) batch
        let struct (y, updates) = trace (Signature.inputs null batch)
        Array.append [| y |] (Array.map snd updates)

    /// What a step on such a batch does: the steps of its plan.
    member _.Explain([<ParamArray>] batch: NDArray[]) : string =
        Explain.plan "training step" options (plan batch).Plan batch false

    /// The same with the time that each step takes: the median of some runs, on copies of parameters and state.
    member _.Profile([<ParamArray>] batch: NDArray[]) : string =
        Explain.plan "training step" options (plan batch).Plan batch true

    /// Lets go of all plans; parameters and state stay, and steps run after this fail.
    member _.Dispose() : unit =
        Volatile.Write(&isDisposed, true)
        cache.Clear()

    interface IDisposable with
        member this.Dispose() = this.Dispose()
