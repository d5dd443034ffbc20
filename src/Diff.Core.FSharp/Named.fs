namespace Diff

open System.ComponentModel

/// Expressions whose axes have names, in F#'s way.
[<RequireQualifiedAccess; EditorBrowsable(EditorBrowsableState.Never)>]
module Named =
    /// Gives the axes of an expression names, one each, in order.
    let ofExpr (names: string list) (x: Expr) : NamedExpr = NamedExpr.Of(x, Array.ofList names)
    /// The expression with its axes in the order given; in their own order without any.
    let unwrap (order: string list) (x: NamedExpr) : Expr = x.Unwrap(Array.ofList order)
    /// Another name for an axis.
    let rename (from: string) (into: string) (x: NamedExpr) : NamedExpr = x.Rename(from, into)
    /// A function index by index.
    let map (f: Expr -> Expr) (x: NamedExpr) : NamedExpr = x.Map f
    /// A function index by index of two, on their aligned axes.
    let map2 (f: Expr -> Expr -> Expr) (a: NamedExpr) (b: NamedExpr) : NamedExpr = NamedExpr.Combine(f, a, b)
    /// A function along an axis that keeps the shape: `Named.along "time" cumsum x`.
    let along (name: string) (f: int -> Expr -> Expr) (x: NamedExpr) : NamedExpr =
        x.Along(name, (fun e axis -> f axis e))
    /// The sum over axes, which go away.
    let sum (over: string list) (x: NamedExpr) : NamedExpr =
        if over.IsEmpty then x else x.Sum(Array.ofList over)
    /// The mean over axes, which go away.
    let mean (over: string list) (x: NamedExpr) : NamedExpr =
        if over.IsEmpty then x else x.Mean(Array.ofList over)
    /// The largest elements over axes, which go away.
    let max (over: string list) (x: NamedExpr) : NamedExpr =
        if over.IsEmpty then x else x.Max(Array.ofList over)
    /// The smallest elements over axes, which go away.
    let min (over: string list) (x: NamedExpr) : NamedExpr =
        if over.IsEmpty then x else x.Min(Array.ofList over)
    /// The sum of products over axes, which go away: one contraction.
    let contract (over: string list) (operands: NamedExpr list) : NamedExpr =
        NamedExpr.Contract(Array.ofList over, Array.ofList operands)
    /// The part at one index of an axis, which goes away.
    let at (name: string) (index: int) (x: NamedExpr) : NamedExpr = x.At(name, index)
