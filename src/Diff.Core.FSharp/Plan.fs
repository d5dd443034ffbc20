namespace Diff

open System
open System.Buffers
open System.Collections.Generic
open System.Threading
open Diff.Kernels
open FSharp.NativeInterop

/// An array that the kernel of one operation works on: where it lies, and what it is.
[<Struct>]
type internal ArrayAt =
    { Place: Place
      Shape: Shape
      DType: DType }

/// One operation of a plan.
type internal StepAction =
    /// On memory: by addresses.
    | OnMemory of MemoryStep
    /// On arrays: a kernel by its definition.
    | OnArrays of kernel: Kernel * args: ArrayAt[] * result: ArrayAt

/// A step, and what there is to say about it.
type internal Step =
    {
        Action: StepAction
        /// The nodes that it computes.
        Nodes: Expr[]
        Kind: string
        /// Arithmetic operations, and bytes read and written.
        Flops: float
        Bytes: float
    }

/// Where a value that is not computed comes from.
[<RequireQualifiedAccess>]
type internal Source =
    /// Position among the inputs given to each run.
    | Input of int
    /// A variable's value at the time of the run.
    | Held of Variable
    /// Always the same.
    | Fixed of NDArray

/// Where a root goes.
[<RequireQualifiedAccess>]
type internal Target =
    /// The array of this position among those given to each run.
    | Result of int
    /// The storage of a variable: its new value.
    | Into of Variable

/// The table of addresses of a run: the arena, the constants, the sources, then the results.
[<RequireQualifiedAccess>]
module internal Entry =
    let arena = 0
    let constants = 1
    let source k = 2 + k

/// All that a run needs to know of a plan.
type internal PlanData =
    {
        Steps: Step[]
        Sources: Source[]
        /// The roots that are results: shapes and element types, by position.
        Results: struct (Shape * DType)[]
        /// What is computed and where it goes, for those who describe the plan.
        Roots: Expr[]
        Targets: Target[]
        Constants: Block
        ArenaBytes: int64
        /// What is computed again because there is no room to keep it.
        Recomputed: Expr[]
        Threads: int
    }

/// Runs that are only timed: they work on copies of what variables hold, so that no variable changes.
[<Sealed>]
type internal Trial(clock: int -> TimeSpan -> unit) =
    let copies = Dictionary<Variable, NDArray>(HashIdentity.Reference)

    member _.ValueOf(v: Variable) : NDArray =
        match copies.TryGetValue v with
        | true, copy -> copy
        | _ ->
            let copy = (Variable.valueOf v).Clone()
            copies[v] <- copy
            copy

    /// Told of each step by its position how long it took.
    member _.Clock(step: int, time: TimeSpan) : unit = clock step time

/// The memory of one run at a time.
[<Sealed>]
type internal Workspace(data: PlanData) =
    static let isLarge (array: NDArray) =
        not (isNull (box array)) && array.Length > 16_384

    let block = Block data.ArenaBytes
    let first = Entry.source data.Sources.Length
    let table: nativeint[] =
        GC.AllocateArray<nativeint>(first + data.Results.Length, pinned = true)
    let arrays: NDArray[] = Array.zeroCreate table.Length
    let handles: MemoryHandle[] = Array.zeroCreate table.Length
    let moves: bool[] = Array.zeroCreate table.Length
    // Arrays seen with another shape than they were given with; the last one of each step's operand is kept.
    let shaped = Dictionary<struct (int * Shape), struct (NDArray * NDArray)>()

    let at (array: ArrayAt) : NDArray =
        let entry = array.Place.Entry
        if entry = Entry.arena then
            Block.array block (int64 array.Place.Bytes) array.Shape array.DType
        elif entry = Entry.constants then
            Block.array data.Constants (int64 array.Place.Bytes) array.Shape array.DType
        else
            Unchecked.defaultof<NDArray>

    let operands =
        data.Steps
        |> Array.map (fun step ->
            match step.Action with
            | OnArrays(_, args, result) -> struct (Array.map at args, at result)
            | OnMemory _ -> struct ([||], Unchecked.defaultof<NDArray>))

    /// What the array is in this run, where that changes from run to run.
    let given (array: ArrayAt) (known: NDArray) : NDArray =
        let entry = array.Place.Entry
        if entry < Entry.source 0 then
            known
        else
            let whole = arrays[entry]
            if whole.Shape.Equals array.Shape then
                whole
            else
                let key = struct (entry, array.Shape)
                match shaped.TryGetValue key with
                | true, struct (source, view) when obj.ReferenceEquals(source, whole) -> view
                | _ ->
                    let view = whole.Reshape array.Shape
                    shaped[key] <- struct (whole, view)
                    view

    let release entry =
        handles[entry].Dispose()
        handles[entry] <- new MemoryHandle()
        arrays[entry] <- Unchecked.defaultof<NDArray>

    // Whether an array is another than in the run before.
    let mutable isNew = false

    /// Keeps the array where it is. One that stayed since the last run costs nothing.
    let pin entry (array: NDArray) =
        if not (obj.ReferenceEquals(arrays[entry], array)) || moves[entry] then
            isNew <- true
            release entry
            moves[entry] <- array.Moves
            handles[entry] <- array.Pin()
            arrays[entry] <- array
            table[entry] <- NativePtr.toNativeInt (NativePtr.ofVoidPtr<byte> handles[entry].Pointer)

    let isShared (a: int) (b: int) =
        let size (x: NDArray) =
            nativeint (int64 x.Length * int64 (DType.size x.DType))
        table[a] < table[b] + size arrays[b] && table[b] < table[a] + size arrays[a]

    /// A result written over what is still to be read would be wrong without a word.
    let refuseOverlap k =
        let own = first + k
        for s in 0 .. data.Sources.Length - 1 do
            if isShared own (Entry.source s) then
                let what =
                    match data.Sources[s] with
                    | Source.Input i -> $"argument {i}"
                    | Source.Held v when v.Name <> "" -> $"the value of \"{v.Name}\""
                    | _ -> "a value that the function reads"
                invalidArg
                    "results"
                    $"run: the array for result {k} shares memory with {what}; give the result an array of its own"
        for other in first .. own - 1 do
            if isShared own other then
                invalidArg
                    "results"
                    $"run: the arrays for results {other - first} and {k} share memory; give each its own"

    /// What variables hold stays for the next run, and what is small; large arrays of the caller's are let go.
    let letGo () =
        for k in 0 .. data.Sources.Length - 1 do
            match data.Sources[k] with
            | Source.Input _ when isLarge arrays[Entry.source k] -> release (Entry.source k)
            | _ -> ()
        for entry in first .. table.Length - 1 do
            if isLarge arrays[entry] then
                release entry

    let run s (addresses: nativeptr<nativeint>) =
        match data.Steps[s].Action with
        | OnMemory step -> step.Run(addresses, data.Threads)
        | OnArrays(kernel, args, result) ->
            let struct (known, target) = operands[s]
            for k in 0 .. args.Length - 1 do
                known[k] <- given args[k] known[k]
            kernel.Invoke(known, given result target)

    // Also of one whose memory could not be had, which has no handles yet.
    override _.Finalize() =
        if not (isNull (box handles)) then
            for entry in 0 .. handles.Length - 1 do
                handles[entry].Dispose()

    /// The addresses of a run: of the arena, the constants, the sources, the results.
    member _.Table = table

    /// Prepares runs whose inputs and results are no arrays but addresses, which the caller writes into the table before each.
    /// `inputs` says what the inputs are.
    member _.Attach(inputs: Expr[]) : unit =
        table[Entry.arena] <- block.Address
        table[Entry.constants] <- data.Constants.Address
        for k in 0 .. data.Sources.Length - 1 do
            let entry = Entry.source k
            match data.Sources[k] with
            | Source.Input i -> arrays[entry] <- Block.entry table entry inputs[i].Shape inputs[i].DType
            | Source.Fixed value -> pin entry value
            | Source.Held v -> invalidOp $"plan: a graph within a graph holds the variable \"{v.Name}\""
        for k in 0 .. data.Results.Length - 1 do
            let struct (shape, dtype) = data.Results[k]
            arrays[first + k] <- Block.entry table (first + k) shape dtype

    /// Runs all steps on what the table says.
    member _.RunSteps() : unit =
        use addresses = fixed table
        for s in 0 .. data.Steps.Length - 1 do
            run s addresses

    member _.Run
        (inputs: NDArray[], results: NDArray[], trial: Trial | null, cancellation: CancellationToken)
        : unit =
        let isCancellable = cancellation.CanBeCanceled
        let outer =
            if isCancellable then
                Team.Cancellation
            else
                CancellationToken.None
        try
            if isCancellable then
                Team.Cancellation <- cancellation
            table[Entry.arena] <- block.Address
            table[Entry.constants] <- data.Constants.Address
            for k in 0 .. data.Sources.Length - 1 do
                pin
                    (Entry.source k)
                    (match data.Sources[k] with
                     | Source.Input i -> inputs[i]
                     | Source.Held v ->
                         match trial with
                         | null -> Variable.valueOf v
                         | trial -> trial.ValueOf v
                     | Source.Fixed value -> value)
            for k in 0 .. results.Length - 1 do
                pin (first + k) results[k]
            if isNew then
                for k in 0 .. results.Length - 1 do
                    refuseOverlap k
                isNew <- false
            use addresses = fixed table
            for s in 0 .. data.Steps.Length - 1 do
                let before =
                    if isNull trial then
                        0L
                    else
                        Diagnostics.Stopwatch.GetTimestamp()
                cancellation.ThrowIfCancellationRequested()
                run s addresses
                match trial with
                | null -> ()
                | trial -> trial.Clock(s, Diagnostics.Stopwatch.GetElapsedTime before)
            // Not every step looks at the token: what it asked for before the end is no result.
            cancellation.ThrowIfCancellationRequested()
        finally
            if isCancellable then
                Team.Cancellation <- outer
            letGo ()

/// Objects for one user at a time, some of which are kept for the next.
[<Sealed>]
type internal Pool<'T when 'T: not struct and 'T: not null>(make: unit -> 'T) =
    // As many as can be used at a time; what more there were in a moment of many calls goes.
    let kept: (obj | null)[] =
        Array.zeroCreate (Math.Clamp(Environment.ProcessorCount, 1, 16))

    member _.Rent() : 'T =
        let mutable found: obj | null = null
        let mutable i = 0
        while isNull found && i < kept.Length do
            found <- Interlocked.Exchange(&kept[i], null)
            i <- i + 1
        match found with
        | :? 'T as found -> found
        | _ -> make ()

    member _.GiveBack(item: 'T) : unit =
        let mutable i = 0
        while i < kept.Length
              && not (isNull (Interlocked.CompareExchange(&kept[i], box item, null))) do
            i <- i + 1

/// A graph as a flat list of steps in order, with memory shared between values that are never alive together.
/// The only door from graphs to numbers: nothing after it looks at the graph again. Runs may overlap in time.
[<Sealed>]
type internal Plan(data: PlanData) =
    let pool = Pool<Workspace>(fun () -> Workspace data)

    let check (results: NDArray[]) =
        if results.Length <> data.Results.Length then
            invalidArg
                "results"
                $"run: the function has {data.Results.Length} results, got {results.Length} arrays for them"
        for k in 0 .. results.Length - 1 do
            let struct (shape, dtype) = data.Results[k]
            if not (results[k].Shape.Equals shape) || results[k].DType <> dtype then
                raise (
                    ShapeException
                        $"run: result {k} has shape {shape}, {DType.name dtype}, got an array of shape {results[k].Shape}, {DType.name results[k].DType} for it"
                )

    member _.Data = data

    /// The whole plan as a function of its inputs, when these and the results are single float64 numbers; else null.
    member val Flat: ScalarFunction | null =
        (match data.Steps with
         | [| { Action = OnMemory(:? ScalarMemoryStep as step) } |] when
             step.Function.IsFlat
             && data.Sources
                |> Array.forall (function
                    | Source.Input _ -> true
                    | _ -> false)
             ->
             step.Function
         | _ -> null)

    /// New arrays for the results.
    member _.NewResults() : NDArray[] =
        if data.Results.Length = 0 then
            Array.Empty()
        else
            data.Results
            |> Array.map (fun (struct (shape, dtype)) -> NDArray.Uninitialized(dtype, shape))

    /// Runs the plan; the results are written to the given arrays, which must not share memory with the inputs. Cancelled, it stops between
    /// steps and between the chunks of a step; what the results hold then is undefined.
    member _.Run(inputs: NDArray[], results: NDArray[], cancellation: CancellationToken) : unit =
        check results
        let workspace = pool.Rent()
        try
            workspace.Run(inputs, results, null, cancellation)
        finally
            pool.GiveBack workspace
    member this.Run(inputs: NDArray[], results: NDArray[]) : unit =
        this.Run(inputs, results, CancellationToken.None)

    /// Runs the plan; the results are new arrays.
    member this.Run(inputs: NDArray[], cancellation: CancellationToken) : NDArray[] =
        let results = this.NewResults()
        this.Run(inputs, results, cancellation)
        results
    member this.Run(inputs: NDArray[]) : NDArray[] =
        this.Run(inputs, CancellationToken.None)

    /// Runs the plan as a trial, which hears of each step how long it took.
    member _.Time(inputs: NDArray[], results: NDArray[], trial: Trial) : unit =
        check results
        let workspace = pool.Rent()
        try
            workspace.Run(inputs, results, trial, CancellationToken.None)
        finally
            pool.GiveBack workspace
