namespace Diff

open System
open System.Collections.Generic
open System.Globalization
open System.Text

/// What numbers an array holds.
[<Sealed>]
type ValueRange internal (name: string, shape: Shape, low: float, high: float, nans: int, infinities: int) =
    static member internal Text(x: float) : string =
        x.ToString("G6", CultureInfo.InvariantCulture)
    /// The name of a variable, else the operation that the array comes from.
    member _.Name = name
    member _.Shape = shape
    /// The smallest finite number; NaN where there is none.
    member _.Min = low
    /// The largest finite number; NaN where there is none.
    member _.Max = high
    member _.NaNs = nans
    member _.Infinities = infinities
    override _.ToString() =
        let text = StringBuilder $"{name} {shape}: "
        if Double.IsNaN low then
            text.Append "nothing finite" |> ignore
        else
            text.Append(ValueRange.Text low).Append(" to ").Append(ValueRange.Text high)
            |> ignore
        if nans > 0 then
            text.Append($", {nans} NaN") |> ignore
        if infinities > 0 then
            text.Append($", {infinities} infinite") |> ignore
        text.ToString()

/// The first operation that made NaN, or an infinity, of operands that had none.
[<Sealed>]
type Anomaly
    internal
    (
        node: Expr,
        operation: string,
        pass: string,
        value: float,
        index: int[],
        count: int,
        operands: ValueRange[],
        cause: Anomaly | null
    ) =
    /// The node of the graph.
    member _.Node = node
    /// What the node does, such as `log`.
    member _.Operation = operation
    /// The same, found within a loop or a branch.
    member internal _.Within(place: string) : Anomaly =
        Anomaly(node, $"{operation}, in {place},", pass, value, index, count, operands, cause)
    /// `forward`, `backward` (a derivative), or `update` (an optimiser).
    member _.Pass = pass
    /// The path of modules; empty outside all.
    member _.Scope = Scope.PathText node.Scope
    /// The line of the caller's code, such as `Program.cs:12`; null if it was not recorded.
    member _.Line: string | null = Scope.LineOf node.Scope
    /// NaN or an infinity.
    member _.Value = value
    /// Where in the array it stands first.
    member _.Index: IReadOnlyList<int> = Array.AsReadOnly index
    /// How many there are.
    member _.Count = count
    /// What the operands hold.
    member _.Operands: IReadOnlyList<ValueRange> = Array.AsReadOnly operands
    /// Where an infinity among the operands came from; null if there is none, or it was given.
    member _.Cause = cause

    override this.ToString() =
        let text = StringBuilder()
        text.Append($"{operation} gave {ValueRange.Text value} in the {pass} pass")
        |> ignore
        match this.Line with
        | null -> ()
        | line -> text.Append($", at {line}") |> ignore
        if this.Scope <> "" then
            text.Append($", in {this.Scope}") |> ignore
        if node.Shape.Rank > 0 then
            text.Append(
                $"; first at index {Shape.Text index} of shape {node.Shape}, {count} of {node.Shape.Length}"
            )
            |> ignore
        for range in operands do
            text.Append(Environment.NewLine).Append("   of ").Append range |> ignore
        match cause with
        | null -> ()
        | cause -> text.Append(Environment.NewLine).Append("   after ").Append cause |> ignore
        if isNull this.Line && isNull cause then
            text
                .Append(Environment.NewLine)
                .Append("   its line is known if the graph is built under SourceLines.Record()")
            |> ignore
        text.ToString()

/// Raised where NaN was asked to be an error: see `EngineOptions.WithAnomalyDetection`.
type AnomalyException internal (message: string, anomaly: Anomaly | null) =
    inherit ArithmeticException(message)
    /// What was found; null if the results hold NaN but no operation makes one when computed step by step.
    member _.Anomaly = anomaly

/// Where NaN and infinities come from. The graph is computed one node after the other, so it is slow, and needs no preparation.
[<RequireQualifiedAccess>]
module internal Anomalies =
    let private name (node: Expr) =
        match node.Op with
        | Op.Variable v when v.Name <> "" -> $"\"{v.Name}\""
        | Op.Variable _ -> "input"
        | op -> Formula.verb op (node.Args |> Array.map _.Shape)

    let private passOf (node: Expr) =
        match node.Scope with
        | null -> "forward"
        | scope ->
            match Array.tryHead scope.Path with
            | Some "grad" -> "backward"
            | Some "optimizer" -> "update"
            | _ -> "forward"

    let private range (node: Expr) (value: NDArray) : ValueRange =
        let mutable low, high, nans, infinities = infinity, -infinity, 0, 0
        for i in 0 .. value.Length - 1 do
            let x = value.Float i
            if Double.IsNaN x then
                nans <- nans + 1
            elif Double.IsInfinity x then
                infinities <- infinities + 1
            else
                low <- min low x
                high <- max high x
        if low > high then
            ValueRange(name node, node.Shape, nan, nan, nans, infinities)
        else
            ValueRange(name node, node.Shape, low, high, nans, infinities)

    /// Whether there is one, without looking at the rest.
    let private has (test: float -> bool) (value: NDArray) =
        DType.isReal value.DType
        && (let mutable i = 0
            while i < value.Length && not (test (value.Float i)) do
                i <- i + 1
            i < value.Length)

    let hasNaN (value: NDArray) = has Double.IsNaN value

    let private make (node: Expr) (value: NDArray) (test: float -> bool) (operands: NDArray[]) cause =
        let found = Seq.init value.Length value.Float |> Seq.filter test |> Seq.length
        let first = Seq.init value.Length id |> Seq.find (fun i -> test (value.Float i))
        let index = Array.zeroCreate node.Rank
        let mutable rest = first
        for axis in node.Rank - 1 .. -1 .. 0 do
            index[axis] <- rest % node.Shape[axis]
            rest <- rest / node.Shape[axis]
        Anomaly(
            node,
            name node,
            passOf node,
            value.Float first,
            index,
            found,
            Array.map2 range node.Args operands,
            cause
        )

    /// The first node, in the order of computation, that makes NaN of operands without any; if there is none and `infinitiesToo`,
    /// the first that makes an infinity of finite operands.
    let rec find (infinitiesToo: bool) (roots: Expr[]) : Anomaly | null =
        let roots = Control.inlineAll roots
        let nodes = Graph.topological roots
        let uses = NodeMap<int>()
        for node in nodes do
            for a in node.Args do
                uses[a] <- uses[a] + 1
        let values = NodeMap<NDArray | null>()
        let valueOf (node: Expr) = nonNull values[node]
        let infinite = NodeMap<Anomaly | null>() // the anomaly that an infinity among the numbers of a node goes back to
        let mutable overflow: Anomaly | null = null
        let mutable found: Anomaly | null = null
        let mutable i = 0
        while isNull found && i < nodes.Length do
            let node = nodes[i]
            let operands = node.Args |> Array.map valueOf
            let value =
                match node.Op with
                | Op.Variable v -> Variable.valueOf v
                | Op.Literal value -> value
                | _ when node.Args.Length = 0 -> Evaluate.one node
                | _ -> node.With(operands |> Array.map (Leaf.make "")) |> Evaluate.one
            values[node] <- value
            let earlier =
                node.Args
                |> Array.tryPick (fun a ->
                    match infinite[a] with
                    | null -> None
                    | known -> Some known)
                |> Option.toObj
            if hasNaN value && not (Array.exists hasNaN operands) then
                found <-
                    match within node operands with
                    | null -> make node value Double.IsNaN operands earlier
                    | inner -> inner
            elif has Double.IsInfinity value then
                let isGiven =
                    match node.Op with
                    | Op.Const _ -> true // written so
                    | _ -> Array.exists (has Double.IsInfinity) operands
                infinite[node] <-
                    if isGiven then
                        earlier
                    else
                        make node value Double.IsInfinity operands null
                if isNull overflow then
                    overflow <- infinite[node]
            for a in node.Args do
                uses[a] <- uses[a] - 1
                if uses[a] = 0 then
                    values[a] <- null // its memory may go
            i <- i + 1
        match found with
        | null when infinitiesToo -> overflow
        | _ -> found

    /// The first operation that makes NaN within a loop or a branch; null if there is none, or the node is neither.
    and private within (node: Expr) (operands: NDArray[]) : Anomaly | null =
        let ofBody (place: string) (body: Body) (values: NDArray[]) : Anomaly | null =
            let inputs = values |> Array.map (Leaf.make "")
            Array.iter2
                (fun (hole: Expr) (input: Expr) ->
                    match hole.Op, input.Op with
                    | Op.Variable from, Op.Variable into -> into.Name <- from.Name
                    | _ -> ())
                body.Inputs
                inputs
            match find false (Graph.substitute (Array.zip body.Inputs inputs) body.Outputs) with
            | null -> null
            | inner -> inner.Within place
        match node.Op with
        | Op.Loop extension ->
            let loop = Iterated.Of extension
            let mutable found: Anomaly | null = null
            let seen i body (values: NDArray[]) (results: NDArray[]) =
                if isNull found && Array.exists hasNaN results && not (Array.exists hasNaN values) then
                    found <- ofBody $"iteration {i} of {loop.Name}" body values
            Reference.follow seen loop operands
            found
        | Op.Branch extension ->
            let branches = Branches.Of extension
            if operands[0].Span<bool>()[0] then
                ofBody $"the true side of {branches.Name}" branches.WhenTrue operands[1..]
            else
                ofBody $"the false side of {branches.Name}" branches.WhenFalse operands[1..]
        | _ -> null

    /// Raises the error for results with NaN. `trace` makes the graph anew, so that its lines are recorded.
    let fail (trace: unit -> Expr[]) : 'T =
        let anomaly =
            use _ = SourceLines.Record()
            find false (trace ())
        let message =
            match anomaly with
            | null ->
                "the result holds NaN, but no operation makes one when the graph is computed step by step"
            | anomaly -> string anomaly
        raise (AnomalyException(message, anomaly))

/// Looking for what went wrong with the numbers.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Diagnostics =
    /// The first operation that makes NaN of operands without any; without NaN, the first that makes an infinity of finite operands.
    /// Its line is known if the graph was built under `SourceLines.Record`.
    let findAnomaly (x: Expr) : Anomaly option =
        Anomalies.find true [| x |] |> Option.ofObj
