namespace Diff

open System
open System.Collections.Generic
open System.Threading
open Diff.Kernels

/// A plan that also writes: after each run some of its results have become the new values of variables, all at once.
[<Sealed>]
type internal UpdatePlan
    (options: EngineOptions, inputs: Expr[], results: Expr[], updates: (Variable * Expr)[]) =
    let plan =
        Planner.makeFor
            options
            inputs
            (Array.append results (Array.map snd updates))
            (Array.append
                (results |> Array.mapi (fun k _ -> Target.Result k))
                (updates |> Array.map (fun (v, _) -> Target.Into v)))
    let mutable spare: NDArray[] | null = null

    member _.Plan = plan

    /// Runs once.
    member _.Run(inputs: NDArray[]) : unit = plan.Run(inputs, plan.NewResults())

    /// Runs once and gives what `read` makes of the results, which are good only until it returns.
    member _.Run(inputs: NDArray[], read: NDArray[] -> 'R) : 'R =
        let results =
            match Interlocked.Exchange(&spare, null) with
            | null -> plan.NewResults()
            | results -> results
        try
            plan.Run(inputs, results)
            read results
        finally
            Volatile.Write(&spare, results)

/// What a function has to be traced anew for: the shapes and element types of its arguments.
[<RequireQualifiedAccess>]
module internal Signature =
    let fits (inputs: Expr[]) (args: NDArray[]) =
        let mutable same = inputs.Length = args.Length
        let mutable i = 0
        while same && i < args.Length do
            same <- inputs[i].DType = args[i].DType && inputs[i].Shape.Equals args[i].Shape
            i <- i + 1
        same

    let inputs (names: string[] | null) (args: NDArray[]) =
        args
        |> Array.mapi (fun i a ->
            let name =
                match names with
                | null -> $"arg{i}"
                | names -> names[i]
            Leaf.input name a.Shape a.DType)

    let checkCount (names: string[]) count =
        if count <> names.Length then
            let plural = if names.Length = 1 then "" else "s"
            let expected = String.Join(", ", names)
            let what =
                if count < names.Length then
                    let rest = String.Join(", ", names[count..])
                    $"; missing: {rest}"
                else
                    ""
            invalidArg
                "args"
                $"call: the function takes {names.Length} argument{plural} ({expected}), got {count}{what}"

/// A cache of what was made for each signature met; the number of signatures is bounded by `capacity`, the oldest leave first.
[<Sealed>]
type internal SignatureCache<'T>(capacity: int, names: string[] | null, make: Expr[] -> 'T) =
    let gate = Lock()
    let mutable entries: (struct (Expr[] * 'T))[] = [||]

    /// Lets go of all that was made.
    member _.Clear() : unit = Volatile.Write(&entries, [||])

    member _.Get(args: NDArray[]) : 'T =
        let rec find (entries: (struct (Expr[] * 'T))[]) i =
            if i = entries.Length then
                ValueNone
            else
                let struct (inputs, made) = entries[i]
                if Signature.fits inputs args then
                    ValueSome made
                else
                    find entries (i + 1)
        match find (Volatile.Read &entries) 0 with
        | ValueSome made -> made
        | ValueNone ->
            // Outside the lock, since what the caller wrote runs here. Another thread may have been faster.
            let inputs = Signature.inputs names args
            let made = make inputs
            let scope = gate.EnterScope()
            try
                match find entries 0 with
                | ValueSome made -> made
                | ValueNone ->
                    let kept = if entries.Length < capacity then entries else entries[1..]
                    Volatile.Write(&entries, Array.append kept [| struct (inputs, made) |])
                    made
            finally
                scope.Dispose()

/// What one signature of a compiled function needs: plans for the value, and for value and gradient, made when first asked for.
[<Sealed>]
type internal Traced(options: EngineOptions, inputs: Expr[], outputs: Expr[]) =
    let value = lazy Planner.make options inputs outputs
    let gradient =
        lazy Planner.make options inputs (Traced.WithGradient(inputs, outputs))

    static member private Floats(inputs: Expr[]) =
        inputs |> Array.filter (fun x -> DType.isReal x.DType)

    /// The value of a scalar function and its derivatives with respect to the inputs of a float type.
    static member WithGradient(inputs: Expr[], outputs: Expr[]) : Expr[] =
        let y =
            match outputs with
            | [| y |] -> y
            | several ->
                invalidOp
                    $"ValueAndGrad: expected a function with one result, got {several.Length}; differentiate their sum, or one at a time"
        if y.Shape.Length <> 1 then
            raise (
                ShapeException
                    $"ValueAndGrad: expected a scalar, but the value to differentiate has shape {y.Shape}; sum it"
            )
        Array.append [| y |] (Gradient.grad Unconnected.Zeros y (Traced.Floats inputs))

    member _.Inputs = inputs
    member _.Outputs = outputs
    member _.Value = value.Value
    member _.Gradient = gradient.Value

    /// The derivatives that do not exist and stand as zeros in the gradient.
    member _.Disconnected: Disconnection[] =
        Gradient.disconnected "Explain" outputs[0] (Traced.Floats inputs)

    /// The plans in words: of the value, and of value and gradient where there is one; what is missing in the gradient, with the lines of the
    /// function if `retraced`, traced anew, knows them.
    member this.Explain(args: NDArray[], timed: bool, retraced: unit -> Traced) : string =
        let isDifferentiable =
            outputs.Length = 1
            && outputs[0].Shape.Length = 1
            && DType.isFloat outputs[0].DType
            && inputs |> Array.exists (fun x -> DType.isReal x.DType)
        let value = Explain.plan "value" options this.Value args timed
        if isDifferentiable then
            let missing =
                if this.Disconnected.Length = 0 then
                    [||]
                else
                    retraced().Disconnected |> Array.map (fun d -> $"\nzeros as a gradient: {d}")
            value
            + "\n\n"
            + Explain.plan "value and gradient" options this.Gradient args timed
            + String.Join("", missing)
        else
            value

/// A function of arrays, traced, differentiated and planned once for each combination of shapes and element types that
/// it is called with, for evaluation and for training apart. Calls may overlap in time. Disposed of, it lets go of its plans, whose memory
/// is free at the next collection; without that they go when the function does.
[<Sealed>]
type CompiledFunction internal (f: Func<Expr[], Expr[]>, names: string[] | null, options: EngineOptions) =
    do
        ArgumentNullException.ThrowIfNull(f, nameof f)
        ArgumentNullException.ThrowIfNull(options, nameof options)

    let mutable isDisposed = false

    let trace (inputs: Expr[]) : Traced =
        let outputs =
            try
                f.Invoke inputs
            with :? IndexOutOfRangeException as e when isNull names ->
                raise (
                    ArgumentException(
                        $"call: the function looked for an element that is not there; does it take more than the {inputs.Length} arguments given?",
                        "args",
                        e
                    )
                )
        match outputs with
        | outputs when isNull (box outputs) -> invalidOp "compile: the function gave null, not its results"
        | outputs ->
            match Array.tryFindIndex (fun (y: Expr) -> isNull (box y)) outputs with
            | Some k -> invalidOp $"compile: result {k} of the function is null"
            | None -> Traced(options, inputs, outputs)

    let cache = SignatureCache<Traced>(64, names, trace)

    // Layers may do something else in training, and draw random numbers there, which must not stay the same.
    let traceInTraining inputs =
        use _ = TrainingMode.enterCompiled ()
        trace inputs

    let inTraining = SignatureCache<Traced>(64, names, traceInTraining)

    let isTraining () =
        TrainingMode.mayBeOn () && TrainingMode.isOn ()

    let traced (args: NDArray[]) : Traced =
        Argument.noneIsNull (nameof args) args
        if Volatile.Read &isDisposed then
            raise (
                ObjectDisposedException(
                    "CompiledFunction",
                    "call: the compiled function was disposed of; compile it again"
                )
            )
        match names with
        | null -> ()
        | names -> Signature.checkCount names args.Length
        if isTraining () then
            inTraining.Get args
        else
            cache.Get args

    // The scalar code for value and gradient of the latest function of scalars: nothing has to be looked up, nor made into arrays.
    let mutable flat: ScalarFunction | null = null

    let onScalars (args: ReadOnlySpan<float>) (gradient: Span<float>) : float =
        if gradient.Length <> args.Length then
            invalidArg
                "gradient"
                $"ValueAndGradient: of {args.Length} arguments, got room for {gradient.Length} derivatives"
        let n = args.Length
        let arrays = Array.zeroCreate<NDArray> n
        for i in 0 .. n - 1 do
            arrays[i] <- NDArray.op_Implicit args[i]
        let plan = (traced arrays).Gradient
        let results =
            match plan.Flat with
            | null -> plan.Run arrays |> Array.map (fun value -> value.Float 0)
            | code ->
                if not (TrainingMode.mayBeOn ()) then
                    flat <- code
                let results = Array.zeroCreate<float>(n + 1)
                code.Run(args, Span<float> results)
                results
        Span<float>(results, 1, n).CopyTo gradient
        results[0]

    let fail isGradient (args: NDArray[]) : unit =
        Anomalies.fail (fun () ->
            let inputs = args |> Array.mapi (fun i a -> Leaf.make $"arg{i}" a)
            let outputs = f.Invoke inputs
            if isGradient then
                Traced.WithGradient(inputs, outputs)
            else
                outputs)

    let explain (args: NDArray[]) timed =
        let traced = traced args
        traced.Explain(
            args,
            timed,
            fun () ->
                use _ = SourceLines.Record()
                if isTraining () then
                    traceInTraining traced.Inputs
                else
                    trace traced.Inputs
        )

    // With anomaly detection, results with NaN are an error.
    let check isGradient (args: NDArray[]) (results: NDArray[]) =
        if options.DetectsAnomalies && Array.exists Anomalies.hasNaN results then
            fail isGradient args

    /// A function of any number of arrays.
    new(f, options) = new CompiledFunction(f, null, options)
    new(f) = new CompiledFunction(f, EngineOptions.Default)

    /// The values of the function's results; new arrays.
    member this.Call([<ParamArray>] args: NDArray[]) : NDArray[] = this.Call(args, CancellationToken.None)

    /// The same, stopped within moments once the token says so.
    /// <exception cref="T:System.OperationCanceledException">The token was cancelled.</exception>
    member _.Call(args: NDArray[], cancellation: CancellationToken) : NDArray[] =
        let results = (traced args).Value.Run(args, cancellation)
        check false args results
        results

    /// The values of the function's results, written to the given arrays, which must not share memory with the arguments.
    /// In the steady state nothing is allocated.
    member _.CallInto(results: NDArray[], [<ParamArray>] args: NDArray[]) : unit =
        Argument.noneIsNull (nameof results) results
        (traced args).Value.Run(args, results)
        check false args results

    /// The value of a scalar function and its gradient with respect to every argument of a float type, in this order, written to
    /// the given arrays, which must not share memory with the arguments. In the steady state nothing is allocated.
    member _.ValueAndGradientInto(results: NDArray[], [<ParamArray>] args: NDArray[]) : unit =
        Argument.noneIsNull (nameof results) results
        (traced args).Gradient.Run(args, results)
        check true args results

    /// The value of a function of float64 scalars; its gradient is written to `gradient`. In the steady state nothing is allocated.
    member _.ValueAndGradient(args: ReadOnlySpan<float>, gradient: Span<float>) : float =
        let value =
            match flat with
            | null -> onScalars args gradient
            | _ when TrainingMode.mayBeOn () -> onScalars args gradient
            | known ->
                let mutable fits = false
                let value = known.Run(args, gradient, &fits)
                if fits then value else onScalars args gradient
        if options.DetectsAnomalies then
            let mutable isNaN = Double.IsNaN value
            for g in gradient do
                isNaN <- isNaN || Double.IsNaN g
            if isNaN then
                let numbers = args.ToArray()
                fail true (numbers |> Array.map (fun x -> NDArray.op_Implicit x))
        value

    /// The value of a scalar function and its gradient with respect to every argument of a float type; null for the others.
    member this.ValueAndGradient([<ParamArray>] args: NDArray[]) : struct (NDArray * (NDArray | null)[]) =
        this.ValueAndGradient(args, CancellationToken.None)

    /// The same, stopped within moments once the token says so.
    /// <exception cref="T:System.OperationCanceledException">The token was cancelled.</exception>
    member _.ValueAndGradient
        (args: NDArray[], cancellation: CancellationToken)
        : struct (NDArray * (NDArray | null)[]) =
        let results = (traced args).Gradient.Run(args, cancellation)
        check true args results
        let gradients = Queue<NDArray>(Seq.skip 1 results)
        struct (results[0],
                args
                |> Array.map (fun a ->
                    if DType.isReal a.DType then
                        (gradients.Dequeue(): NDArray | null)
                    else
                        null))

    /// The function on expressions: its results as graphs of them, to differentiate, or to put into another function.
    member _.Apply([<ParamArray>] args: Expr[]) : Expr[] =
        Argument.noneIsNull (nameof args) args
        match names with
        | null -> ()
        | names -> Signature.checkCount names args.Length
        f.Invoke args

    /// The graph that the arguments' shapes and element types give, to look at: its inputs and its results.
    member _.Trace([<ParamArray>] args: NDArray[]) : struct (Expr[] * Expr[]) =
        let traced = traced args
        struct (traced.Inputs, traced.Outputs)

    /// What a call with such arguments does: the steps of the plans for the value and, of a scalar function, for value and gradient.
    member _.Explain([<ParamArray>] args: NDArray[]) : string = explain args false

    /// The same with the time that each step takes: the median of some runs.
    member _.Profile([<ParamArray>] args: NDArray[]) : string = explain args true

    /// Lets go of all plans; calls made after this fail.
    member _.Dispose() : unit =
        Volatile.Write(&isDisposed, true)
        Volatile.Write(&flat, null)
        cache.Clear()
        inTraining.Clear()

    interface IDisposable with
        member this.Dispose() = this.Dispose()
