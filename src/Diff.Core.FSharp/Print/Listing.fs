namespace Diff

open System
open System.Collections.Generic
open System.Text

/// Graphs as text, one node a line: `%7 : float64[2,3] = einsum ij,jk->ik %3 %5  ; encoder/linear1`.
[<RequireQualifiedAccess>]
module internal Listing =
    /// Nodes in topological order numbered from 1, so that the same graph made again prints the same.
    let number (nodes: Expr[]) : Dictionary<int64, int> =
        let numbers = Dictionary<int64, int>(nodes.Length)
        for node in nodes do
            numbers[node.Id] <- numbers.Count + 1
        numbers

    /// Element type and extents: `float64[2,3]`.
    let typeText (e: Expr) =
        DType.name e.DType + "[" + String.Join(",", e.Shape.Dims) + "]"

    let quote (text: string) = "\"" + Words.escape '"' text + "\""

    /// What a node does, without its arguments.
    let operation (e: Expr) : string =
        let window starts steps shape whole =
            Words.list (Words.window starts steps shape whole)
        match e.Op with
        | Op.Variable v -> "variable " + quote v.Name
        | Op.Const c -> "const " + Words.number c
        | Op.Literal value ->
            match Words.literal value with
            | Some numbers -> "literal " + numbers
            | None -> "literal"
        | Op.Slice(starts, steps) -> "slice " + window starts steps e.Shape e.Args[0].Shape
        | Op.Embed(starts, steps) -> "embed " + window starts steps e.Args[0].Shape e.Shape
        | Op.Call body -> "call " + quote body.Name
        | Op.Loop body -> "loop " + quote body.Name
        | Op.Branch body -> "branch " + quote body.Name
        | Op.Custom custom -> "custom " + quote custom.Name
        | op -> Words.op op

    /// A scope's path on one line.
    let scopeText (scope: Scope) = Words.escape '\000' (string scope)

    /// The graphs within a node: what each is, and where its inputs come from.
    let private bodies (node: Expr) (nameOf: Expr -> string) : (string * Body) list =
        let arg a = nameOf node.Args[a]
        let from (feed: Feed) =
            match feed with
            | Feed.State(j, s) -> $"state {s} of sweep {j + 1}"
            | Feed.After(j, s) -> $"new state {s} of sweep {j + 1}"
            | Feed.Output(j, o) -> $"output {o} of sweep {j + 1}"
            | Feed.Slice a -> "slice of " + arg a
            | Feed.Whole a -> arg a
        match node.Op with
        | Op.Loop extension ->
            let it = (Iterated.Of extension).Iteration
            let inputs (feeds: Feed[]) = String.Join(", ", Array.map from feeds)
            [ match it.Condition with
              | ValueSome(struct (feeds, body)) -> $"as long as, of {inputs feeds}", body
              | ValueNone -> ()
              for j in 0 .. it.Sweeps.Length - 1 do
                  let sweep = it.Sweeps[j]
                  let direction = if sweep.Reverse then "backwards" else "forwards"
                  let first = String.Join(", ", sweep.Init |> Array.map arg)
                  $"sweep {j + 1}, {direction}, states at first {Words.list [ first ]}, of {inputs sweep.Feeds}",
                  sweep.Body ]
        | Op.Branch extension ->
            let branches = Branches.Of extension
            let inputs = String.Join(", ", node.Args[1..] |> Array.map nameOf)
            [ $"if {arg 0}, of {inputs}", branches.WhenTrue
              $"else, of {inputs}", branches.WhenFalse ]
        | _ -> []

    /// The listing of all that the roots need; then a line that names the roots, and what is within loops and branches.
    let rec private listing (roots: Expr[]) : string =
        let nodes = Graph.topological roots
        let numbers = number nodes
        let text = StringBuilder()
        let reference (e: Expr) =
            text.Append(" %").Append(numbers[e.Id]) |> ignore
        for node in nodes do
            text.Append('%').Append(numbers[node.Id]).Append(" : ").Append(typeText node).Append(" = ")
            |> ignore
            text.Append(operation node) |> ignore
            Array.iter reference node.Args
            match node.Scope with
            | null -> ()
            | scope -> text.Append("  ; ").Append(scopeText scope) |> ignore
            text.Append '\n' |> ignore
        text.Append "return" |> ignore
        Array.iter reference roots
        for node in nodes do
            let nameOf (e: Expr) = $"%%{numbers[e.Id]}"
            for title, body in bodies node nameOf do
                let within = listing body.Outputs
                text.Append($"\n\nwithin {nameOf node}: {title}\n    ") |> ignore
                text.Append(within.Replace("\n", "\n    ")) |> ignore
        text.ToString()

    let text (roots: Expr[]) : string = listing roots
