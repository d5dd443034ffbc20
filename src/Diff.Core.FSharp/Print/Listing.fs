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
        | Op.Custom custom -> "custom " + quote custom.Name
        | op -> Words.op op

    /// A scope's path on one line.
    let scopeText (scope: Scope) = Words.escape '\000' (string scope)

    /// The listing of all that the roots need. The last line names the roots.
    let text (roots: Expr[]) : string =
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
        text.ToString()
