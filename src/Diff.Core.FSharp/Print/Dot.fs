namespace Diff

open System
open System.Collections.Generic
open System.Text

/// Graphs in Graphviz's language, data flowing downwards, module scopes as nested clusters.
[<RequireQualifiedAccess>]
module internal Dot =
    let private header =
        """digraph {
  node [fontname="Helvetica,Arial,sans-serif", fontsize=11, style=filled]
  edge [color="#555555", arrowsize=0.7]
  graph [fontname="Helvetica,Arial,sans-serif", fontsize=11, style=rounded, color="#999999"]
"""

    let private quote (text: string) =
        let escaped =
            text
            |> String.collect (fun c ->
                match c with
                | '"' -> "\\\""
                | '\\' -> "\\\\"
                | '\n' -> "\\n"
                | c when Char.IsControl c -> " "
                | c -> string c)
        "\"" + escaped + "\""

    let private look (d: Drawn) =
        let border = if d.IsOutput then ", peripheries=2" else ""
        if d.IsSeed then
            "shape=box, fillcolor=lightgrey, color=dimgrey" + border
        elif d.IsLeaf then
            "shape=box, fillcolor=indianred1, color=firebrick" + border
        else
            "shape=oval, fillcolor=lightblue, color=steelblue" + border

    let private comparePaths (a: string[]) (b: string[]) =
        let mutable i = 0
        while i < min a.Length b.Length && a[i] = b[i] do
            i <- i + 1
        if i < min a.Length b.Length then
            String.CompareOrdinal(a[i], b[i])
        else
            compare a.Length b.Length

    /// Sorted by path, the nodes of a cluster and of those inside it are neighbours: each is opened and closed once.
    let private clusters (text: StringBuilder) (numbers: Dictionary<int64, int>) (drawn: Drawn[]) =
        let indent depth = text.Append(' ', 2 * depth + 2)
        let mutable path = [||]
        let mutable opened = 0
        let moveTo (target: string[]) =
            let mutable common = 0
            while common < min path.Length target.Length && path[common] = target[common] do
                common <- common + 1
            for depth in path.Length - 1 .. -1 .. common do
                indent(depth).Append("}\n") |> ignore
            for depth in common .. target.Length - 1 do
                opened <- opened + 1
                let label = quote target[depth]
                indent(depth).Append("subgraph cluster_").Append(opened).Append(" {\n")
                |> ignore
                indent(depth + 1).Append("label=").Append(label).Append('\n') |> ignore
            path <- target
        for d in drawn |> List.ofArray |> List.sortWith (fun a b -> comparePaths a.Path b.Path) do
            if not (obj.ReferenceEquals(path, d.Path)) then
                moveTo d.Path
            let label = quote (Drawing.label d.Node + "\n" + Drawing.detail d.Node)
            indent(path.Length).Append('n').Append(numbers[d.Node.Id]) |> ignore
            text.Append(" [label=").Append(label).Append(", ").Append(look d).Append("]\n")
            |> ignore
        moveTo [||]

    /// The graph of all that the roots need. Without `seeds` the cotangents are found.
    let text (roots: Expr[]) (seeds: Expr seq option) : string =
        let drawn = Drawing.nodes roots seeds
        let numbers = Listing.number (drawn |> Array.map _.Node)
        let text = StringBuilder header
        clusters text numbers drawn
        for d in drawn do
            for arg in d.Node.Args do
                text
                    .Append("  n")
                    .Append(numbers[arg.Id])
                    .Append(" -> n")
                    .Append(numbers[d.Node.Id])
                    .Append('\n')
                |> ignore
        text.Append("}\n").ToString()
