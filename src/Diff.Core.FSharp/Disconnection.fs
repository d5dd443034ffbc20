namespace Diff

open System
open System.Collections.Generic

/// Why an operation passes no derivative on.
type DerivativeEndReason =
    /// It is stopGradient.
    | Stopped = 0
    /// Its derivative is 0 everywhere, as those of round, floor and sign are.
    | Flat = 1
    /// Its value is no float, as those of comparisons, argmax and casts to integers are.
    | NotFloat = 2
    /// Its rule gives none for what comes in here: a loop's state that nothing depends on smoothly, an operation of the caller's own.
    | NoRule = 3

/// An operation at which a derivative ends.
[<Sealed>]
type DerivativeEnd internal (node: Expr, reason: DerivativeEndReason) =
    /// The node of the graph.
    member _.Node = node
    member _.Reason = reason
    /// What the node does, such as `round`.
    member _.Operation = Formula.opText node.Op
    /// The path of modules; empty outside all.
    member _.Scope = Scope.PathText node.Scope
    /// The line of the caller's code, such as `Program.cs:12`; null if it was not recorded.
    member _.Line: string | null = Scope.LineOf node.Scope
    override this.ToString() =
        let details =
            [ match reason with
              | DerivativeEndReason.Flat -> "0 everywhere"
              | DerivativeEndReason.NotFloat -> $"gives {DType.name node.DType}"
              | DerivativeEndReason.NoRule -> "its rule gives none"
              | _ -> ()
              match this.Line with
              | null -> ()
              | line -> $"at {line}"
              if this.Scope <> "" then
                  $"in {this.Scope}" ]
        if details.IsEmpty then
            this.Operation
        else
            $"""{this.Operation} ({String.Join(", ", details)})"""

/// A derivative that does not exist, so that zeros stand for it, and why.
[<Sealed>]
type Disconnection internal (value: Expr, argument: Expr, isUsed: bool, ends: DerivativeEnd[]) =
    static member internal Describe(e: Expr) : string =
        match e.Op with
        | Op.Variable v when v.Name <> "" -> $"\"{v.Name}\""
        | op -> $"{Formula.verb op (e.Args |> Array.map _.Shape)} of shape {e.Shape}"
    /// What was to be differentiated.
    member _.Value = value
    /// With respect to what.
    member _.Argument = argument
    /// Whether the value depends on the argument at all.
    member _.IsUsed = isUsed
    /// The operations at which the argument's influence ends, in the order in which they were made; none where it is not used.
    member _.Ends: IReadOnlyList<DerivativeEnd> = Array.AsReadOnly ends
    override _.ToString() =
        let value, argument = Disconnection.Describe value, Disconnection.Describe argument
        if isUsed then
            let shown = 3
            let names = String.Join(", ", Seq.truncate shown ends)
            let more =
                if ends.Length > shown then
                    $" and {ends.Length - shown} more"
                else
                    ""
            $"the value ({value}) depends on {argument} only through operations without a derivative: {names}{more}"
        else
            $"the value ({value}) does not depend on {argument}"

/// Looking for what keeps a derivative from existing.
[<RequireQualifiedAccess>]
module internal Disconnections =
    /// The operations that make something without a derivative of what x passes on, and the nodes it is passed on to.
    let private stops (nodes: Expr[]) (x: Expr) : struct (List<DerivativeEnd> * NodeMap<bool>) =
        let reached = NodeMap<bool>()
        reached[x] <- true
        let found = List<DerivativeEnd>()
        for node in nodes do
            if node.Args |> Array.exists (fun a -> reached[a]) then
                match node.Op, (Rules.ofOp node.Op).Derivative with
                | Op.StopGradient, _ -> found.Add(DerivativeEnd(node, DerivativeEndReason.Stopped))
                | _ when not (DType.isReal node.DType) ->
                    found.Add(DerivativeEnd(node, DerivativeEndReason.NotFloat))
                | _, Zero -> found.Add(DerivativeEnd(node, DerivativeEndReason.Flat))
                | _ -> reached[node] <- true
        found, reached

    /// For each argument that graphs within a node read: its position, the input there that stands for it, and the results.
    let private within (node: Expr) : (int * Expr * Expr[]) list =
        let real (outputs: Expr[]) =
            outputs |> Array.filter (fun e -> DType.isReal e.DType)
        match node.Op with
        | Op.Call extension ->
            match extension with
            | :? Subgraph as body when body.Given.IsNone ->
                [ for a in 0 .. body.Inputs.Length - 1 -> a, body.Inputs[a], real [| body.Output |] ]
            | _ -> []
        | Op.Branch extension ->
            let branches = Branches.Of extension
            [ for body in [ branches.WhenTrue; branches.WhenFalse ] do
                  for i in 0 .. body.Inputs.Length - 1 do
                      1 + i, body.Inputs[i], real body.Outputs ]
        | Op.Loop extension ->
            [ for sweep in (Iterated.Of extension).Iteration.Sweeps do
                  for i in 0 .. sweep.Feeds.Length - 1 do
                      match sweep.Feeds[i] with
                      | Feed.Slice a
                      | Feed.Whole a -> a, sweep.Body.Inputs[i], real sweep.Body.Outputs
                      | _ -> () ]
        | _ -> []

    /// The operations at which what x passes on to y ends, given that no derivative comes back.
    let rec private ends (y: Expr) (x: Expr) : DerivativeEnd seq =
        let nodes = Passes.youngerThan [| x |] [ y ]
        let used = Graph.dependents [| x |] nodes
        let inner = nodes |> Array.filter (fun node -> used[node])
        let struct (found, reached) = stops inner x
        if not used[y] then
            Seq.empty
        elif not reached[y] then
            found
        else
            // Rules let it through, but not for this argument: where the cotangent that comes back from y goes no further.
            let cotangents = Passes.accumulate y (Expr.OnesLike y) inner
            let isMet = NodeMap<bool>()
            Array.iter2 (fun node g -> isMet[node] <- not (isNull g)) inner cotangents
            inner
            |> Seq.filter (fun node -> isMet[node] && not (obj.ReferenceEquals(node, x)))
            |> Seq.collect (fun node ->
                let shut = node.Args |> Array.map (fun a -> used[a] && not isMet[a])
                if not (Array.contains true shut) then
                    Seq.empty
                else
                    let inside =
                        [ for a, hole, outputs in within node do
                              if shut[a] then
                                  for output in outputs do
                                      yield! ends output hole ]
                    if inside.IsEmpty then
                        [ DerivativeEnd(node, DerivativeEndReason.NoRule) ]
                    else
                        inside)

    /// Why no derivative of y with respect to x exists.
    let why (y: Expr) (x: Expr) : Disconnection =
        let isUsed = (Graph.dependents [| x |] (Passes.youngerThan [| x |] [ y ]))[y]
        let found =
            ends y x |> Seq.distinctBy _.Node.Id |> Seq.sortBy _.Node.Id |> Array.ofSeq
        Disconnection(y, x, isUsed, found)

    /// For each of `xs` with respect to which y has no derivative: why.
    let find (y: Expr) (xs: Expr[]) : Disconnection[] =
        Passes.accumulate y (Expr.OnesLike y) xs
        |> Array.zip xs
        |> Array.choose (fun (x, part) -> if isNull part then Some(why y x) else None)
