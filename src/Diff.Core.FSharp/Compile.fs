namespace Diff

open System
open System.Collections.Generic
open System.Threading

/// A plan that also writes: after each run some of its results become the new values of variables, all at once.
[<Sealed>]
type internal UpdatePlan(inputs: Expr[], results: Expr[], updates: (Variable * Expr)[]) =
    let plan = Plan.make inputs (Array.append results (Array.map snd updates))
    // A result that is itself the value of a variable may be overwritten before it is read.
    let isHeld =
        plan.Outputs
        |> Array.map (fun slot ->
            match plan.Slots[slot] with
            | Held _ -> true
            | _ -> false)

    let write (values: NDArray[]) (outputs: int[]) =
        let first = results.Length
        for i in 0 .. updates.Length - 1 do
            if isHeld[first + i] then
                values[outputs[first + i]] <- values[outputs[first + i]].Clone()
        for i in 0 .. updates.Length - 1 do
            let variable, _ = updates[i]
            values[outputs[first + i]].CopyTo(Variable.valueOf variable)

    /// Runs once and gives what `read` makes of the results, which are good only until it returns.
    member _.Run(inputs: NDArray[], read: NDArray[] -> int[] -> 'R) : 'R =
        plan.Run(
            inputs,
            fun workspace outputs ->
                let result = read workspace.Values outputs
                write workspace.Values outputs
                result
        )

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

    let inputs (args: NDArray[]) =
        args |> Array.mapi (fun i a -> Leaf.input $"arg{i}" a.Shape a.DType)

/// A cache of what was made for each signature met; the number of signatures is bounded by `capacity`, the oldest leave first.
[<Sealed>]
type internal SignatureCache<'T>(capacity: int, make: Expr[] -> 'T) =
    let gate = Lock()
    let mutable entries: (struct (Expr[] * 'T))[] = [||]

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
            let scope = gate.EnterScope()
            try
                match find entries 0 with
                | ValueSome made -> made
                | ValueNone ->
                    let inputs = Signature.inputs args
                    let made = make inputs
                    let kept = if entries.Length < capacity then entries else entries[1..]
                    Volatile.Write(&entries, Array.append kept [| struct (inputs, made) |])
                    made
            finally
                scope.Dispose()

/// What one signature of a compiled function needs: plans for the value, and for value and gradient, made when first asked for.
[<Sealed>]
type internal Traced(inputs: Expr[], outputs: Expr[]) =
    let value = lazy Plan.make inputs outputs
    let gradient =
        lazy
            (let y =
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
             let floats = inputs |> Array.filter (fun x -> DType.isFloat x.DType)
             Plan.make inputs (Array.append [| y |] (Gradient.grad Unconnected.Zeros y floats)))
    member _.Inputs = inputs
    member _.Outputs = outputs
    member _.Value = value.Value
    member _.Gradient = gradient.Value

/// A function of arrays, traced, differentiated and planned once for each combination of shapes and element types that
/// it is called with. Calls may overlap in time.
[<Sealed>]
type CompiledFunction(f: Func<Expr[], Expr[]>) =
    let cache =
        SignatureCache<Traced>(64, fun inputs -> Traced(inputs, f.Invoke inputs))

    /// The values of the function's results; new arrays.
    member _.Call([<ParamArray>] args: NDArray[]) : NDArray[] = (cache.Get args).Value.Run args

    /// The value of a scalar function and its gradient with respect to every argument of a float type; null for the others.
    member _.ValueAndGradient([<ParamArray>] args: NDArray[]) : struct (NDArray * (NDArray | null)[]) =
        let results = (cache.Get args).Gradient.Run args
        let gradients = Queue<NDArray>(Seq.skip 1 results)
        struct (results[0],
                args
                |> Array.map (fun a ->
                    if DType.isFloat a.DType then
                        (gradients.Dequeue(): NDArray | null)
                    else
                        null))

    /// The graph that the arguments' shapes and element types give, to look at: its inputs and its results.
    member _.Trace([<ParamArray>] args: NDArray[]) : struct (Expr[] * Expr[]) =
        let traced = cache.Get args
        struct (traced.Inputs, traced.Outputs)
