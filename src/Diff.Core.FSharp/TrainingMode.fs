namespace Diff

open System
open System.ComponentModel
open System.Threading

/// Where the random numbers of a graph made for training come from: keys that follow from one, in the order in which they are asked for.
[<Sealed>]
type internal KeySource(root: Expr | null, without: string) =
    let mutable asked = 0
    member _.Next(operation: string) : Expr =
        match root with
        | null -> invalidOp $"{operation}: {without}"
        | root ->
            asked <- asked + 1
            Rng.foldIn (Expr.op_Implicit (int64 (asked - 1))) root

/// Whether graphs made now are for training, where layers such as dropout draw random numbers, or for evaluation, where they do not.
/// Training steps set it while they trace their loss. It flows with the caller.
[<RequireQualifiedAccess; EditorBrowsable(EditorBrowsableState.Never)>]
module TrainingMode =
    let private current = AsyncLocal<KeySource | null>()
    // How many scopes of training there are anywhere: none is quickly seen.
    let mutable private scopes = 0

    let private enterWith (source: KeySource) : IDisposable =
        let before = current.Value
        let isOpen = ref true
        current.Value <- source
        Interlocked.Increment &scopes |> ignore
        { new IDisposable with
            member _.Dispose() =
                if isOpen.Value then
                    isOpen.Value <- false
                    current.Value <- before
                    Interlocked.Decrement &scopes |> ignore }

    /// Until the result is disposed graphs are made for training, with keys that follow from this one; null: without keys.
    let internal enter (key: Expr | null) : IDisposable =
        KeySource(
            key,
            "the loss draws random numbers, and the training step was given no seed to draw them from; give it one"
        )
        |> enterWith

    /// The same while a function is compiled: its graph serves many calls, so it has no keys of the caller's.
    let internal enterCompiled () : IDisposable =
        KeySource(
            null,
            "a compiled function would draw the same random numbers at every call; let it take a key as an argument, and train with that"
        )
        |> enterWith

    /// Whether some graph may be made for training; false says that none is.
    let internal mayBeOn () : bool = Volatile.Read &scopes > 0

    /// Whether graphs made now are for training.
    let isOn () : bool = not (isNull (box current.Value))

    /// The next key, one for each time it is asked for; fails outside training.
    let nextKey (operation: string) : Expr =
        match current.Value with
        | null -> invalidOp $"{operation}: keys of training are there only while a graph is made for training"
        | source -> source.Next operation

    /// What a function makes in training, with random numbers from a key.
    let within (key: Expr) (f: unit -> 'T) : 'T =
        use _ = enter key
        f ()

    /// What a function makes for evaluation, also within training.
    let without (f: unit -> 'T) : 'T =
        let before = current.Value
        current.Value <- null
        try
            f ()
        finally
            current.Value <- before
