namespace Diff

open System.Collections.Generic

/// Graphs as an HTML page of their own.
[<RequireQualifiedAccess>]
module internal Page =
    let private node (numbers: Dictionary<int64, int>) (d: Drawn) : HtmlPage.Node =
        { Id = int64 numbers[d.Node.Id]
          Label = Drawing.label d.Node
          Detail = Drawing.detail d.Node
          Kind =
            if d.IsSeed then HtmlPage.Kind.Seed
            elif d.IsLeaf then HtmlPage.Kind.Leaf
            elif d.IsOutput then HtmlPage.Kind.Output
            else HtmlPage.Kind.Operation
          Scope = d.Path
          Inputs = d.Node.Args |> Array.map (fun a -> int64 numbers[a.Id]) }

    /// The page of all that the roots need.
    let text (title: string) (roots: Expr[]) : string =
        let drawn = Drawing.nodes roots None
        let numbers = Listing.number (drawn |> Array.map _.Node)
        HtmlPage.render title (drawn |> Array.map (node numbers))
