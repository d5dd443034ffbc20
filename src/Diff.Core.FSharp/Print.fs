namespace Diff

open System

/// Graphs in words and pictures. Nothing is evaluated, and graphs may be of any size and depth.
[<AbstractClass; Sealed>]
type Print =
    static member private Roots(exprs: Expr seq, name: string) : Expr[] =
        ArgumentNullException.ThrowIfNull(exprs, name)
        let roots = Array.ofSeq exprs
        for root in roots do
            ArgumentNullException.ThrowIfNull(root, name)
        roots

    /// <summary>The formula in plain text, the same as <c>ToString</c>: <c>y + exp(x + 3)</c>.</summary>
    /// <remarks>
    /// <c>@</c> is the matrix product, <c>^</c> the power; operands broadcast as the operations themselves do. A formula
    /// that does not fit on a line has its long and its shared parts named on lines before it, <c>t1 = …</c>. Another
    /// variable of the same name is <c>x'2</c>; names that would not read as names stand in backticks.
    /// </remarks>
    static member Formula(expr: Expr) : string =
        ArgumentNullException.ThrowIfNull(expr, nameof expr)
        expr.ToString()

    /// <summary>The formula in LaTeX, to stand in math mode; it needs the package amsmath.</summary>
    /// <remarks>
    /// Sums of products are written with their indices, <c>\sum_{j} A_{ij} \, B_{jk}</c>; all else is elementwise, and
    /// ⊙ is the product of arrays. What does not fit on a line is an <c>aligned</c> block of named parts.
    /// </remarks>
    static member Latex(expr: Expr) : string =
        ArgumentNullException.ThrowIfNull(expr, nameof expr)
        Latex.text expr

    /// <summary>
    /// All nodes, one a line, arguments before the nodes that use them:
    /// <c>%7 : float64[2,3] = einsum ij,jk->ik %3 %5  ; encoder/linear1</c>, at the end of the line the module scope.
    /// </summary>
    /// <remarks>Nodes are numbered from 1: the same program prints the same. The last line, <c>return</c>, names the roots.</remarks>
    static member Listing(expr: Expr) : string =
        Listing.text (Print.Roots([| expr |], nameof expr))

    /// <summary>All nodes of several graphs, one a line; what they share is listed once.</summary>
    static member Listing(exprs: Expr seq) : string =
        Listing.text (Print.Roots(exprs, nameof exprs))

    /// <summary>
    /// The graph for Graphviz (<c>dot -Tsvg</c>): leaves are red boxes, operations blue ovals, the cotangents that
    /// derivatives start with grey; outputs have a double border; module scopes are nested clusters.
    /// </summary>
    static member Dot(expr: Expr) : string =
        Dot.text (Print.Roots([| expr |], nameof expr)) None

    /// <summary>Several graphs for Graphviz, what they share drawn once.</summary>
    /// <remarks>A cotangent is found if it is a constant of ones that only derivatives use.</remarks>
    static member Dot(exprs: Expr seq) : string =
        Dot.text (Print.Roots(exprs, nameof exprs)) None

    /// <summary>Several graphs for Graphviz, with the cotangents (grey) named.</summary>
    static member Dot(exprs: Expr seq, seeds: Expr seq) : string =
        Dot.text (Print.Roots(exprs, nameof exprs)) (Some(Print.Roots(seeds, nameof seeds)))

    /// <summary>The graph as an HTML page, complete in one text: modules open and close, and nothing is loaded from elsewhere.</summary>
    static member Html(title: string, expr: Expr) : string =
        ArgumentNullException.ThrowIfNull(expr, nameof expr)
        Print.Html(title, [| expr |])

    /// <summary>Several graphs as one HTML page.</summary>
    static member Html(title: string, exprs: Expr seq) : string =
        ArgumentNullException.ThrowIfNull(title, nameof title)
        Page.text title (Print.Roots(exprs, nameof exprs))

    /// <summary>Writes the graph as an HTML page, in one step: the file is the old one or the new one, never a part.</summary>
    /// <exception cref="T:System.IO.IOException">The file could not be written; the message names it.</exception>
    static member SaveHtml(path: string, title: string, expr: Expr) : unit =
        ArgumentNullException.ThrowIfNull(expr, nameof expr)
        Print.SaveHtml(path, title, [| expr |])

    /// <summary>Writes several graphs as one HTML page, in one step.</summary>
    /// <exception cref="T:System.IO.IOException">The file could not be written; the message names it.</exception>
    static member SaveHtml(path: string, title: string, exprs: Expr seq) : unit =
        AtomicFile.WriteText(path, Print.Html(title, exprs))
