namespace Diff

open System
open System.Threading

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
