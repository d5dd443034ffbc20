namespace Diff

open System.Collections.Generic

/// Arguments of a loop, of which more are made on the way.
[<Sealed>]
type internal LoopArguments(args: Expr[]) =
    let all = List<Expr>(args)
    member _.Add(e: Expr) : int =
        all.Add e
        all.Count - 1
    member _.ToArray() = all.ToArray()

/// A sweep while it is made.
[<Sealed>]
type internal SweepDraft(index: int) =
    let init, feeds, holes = List<int>(), List<Feed>(), List<Expr>()
    let states, outputs = List<Expr>(), List<Expr>()
    member _.Index = index
    member _.Read(feed: Feed, hole: Expr) =
        feeds.Add feed
        holes.Add hole
    /// A state that starts with an argument, its hole, and what it becomes.
    member this.State(arg: int, hole: Expr, next: Expr) : unit =
        this.Read(Feed.State(index, init.Count), hole)
        init.Add arg
        states.Add next
    /// The same output has one number.
    member _.Give(output: Expr) : int =
        match outputs.FindIndex(fun known -> obj.ReferenceEquals(known, output)) with
        | -1 ->
            outputs.Add output
            outputs.Count - 1
        | known -> known
    member _.States = states.Count
    member _.IsEmpty = states.Count = 0 && outputs.Count = 0
    /// What the sweep of the loop that it is the adjoint of has computed is read, not computed again.
    member this.ToSweep(reverse, known: (Expr * Feed)[]) : Sweep =
        let results = Array.append (states.ToArray()) (outputs.ToArray())
        let pairs =
            known
            |> Array.filter (fun (e, _) -> e.Args.Length > 0)
            |> Array.distinctBy (fun (e, _) -> e.Id)
            |> Array.map (fun (e, feed) ->
                let hole = Leaf.input "known" e.Shape e.DType
                this.Read(feed, hole)
                e, hole)
        let body = Body(holes.ToArray(), Graph.substitute pairs results)
        let struct (feeds, body) = Bodies.trimmed (feeds.ToArray()) body
        Sweep(reverse, init.ToArray(), feeds, body)

/// What the derivatives of loops are made of, in both directions.
[<RequireQualifiedAccess>]
module internal SweepDraft =
    /// The derivative of what none passes through.
    let zeros (e: Expr) = Expr.NoDerivative e

    /// The place of a derivative in a body, for values like this.
    let hole name (e: Expr) =
        Leaf.input name e.Shape (DType.ofDerivative e.DType)

    /// What depends on the arguments that `given` marks: states and outputs of numbers that have derivatives.
    let varying (it: Iteration) (given: int -> bool) : HashSet<Feed> =
        let found = HashSet<Feed>()
        it.Sweeps
        |> Array.iteri (fun j sweep ->
            let reaches () =
                let sources =
                    Array.zip sweep.Feeds sweep.Body.Inputs
                    |> Array.filter (fun (feed, hole) ->
                        DType.isReal hole.DType
                        && match feed with
                           | Feed.Slice a
                           | Feed.Whole a -> given a
                           | Feed.After(read, s) -> found.Contains(Feed.State(read, s))
                           | feed -> found.Contains feed)
                    |> Array.map snd
                Graph.dependents sources (Graph.topological sweep.Body.Outputs)
            let add (depends: NodeMap<bool>) =
                for s in 0 .. sweep.States - 1 do
                    let state = sweep.State s
                    if DType.isReal state.DType && (given sweep.Init[s] || depends[state]) then
                        found.Add(Feed.State(j, s)) |> ignore
                for o in 0 .. sweep.Outputs - 1 do
                    let output = sweep.Output o
                    if DType.isReal output.DType && depends[output] then
                        found.Add(Feed.Output(j, o)) |> ignore
            let mutable count = -1
            while count < found.Count do
                count <- found.Count
                add (reaches ()))
        found

    /// The loop with other sweeps, and a value of these parts.
    let loop (it: Iteration) (sweeps: Sweep[]) (parts: LoopPart[]) : Iteration =
        let made =
            { it with
                Sweeps = sweeps
                Parts = parts }
        { made with
            Packed = Pack.typeOf (parts |> Seq.map (fun part -> (made.PartOf part).DType)) }
