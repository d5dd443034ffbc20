namespace Diff

/// Views of nodes for the passes that rewrite graphs.
[<AutoOpen>]
module internal Patterns =
    /// A constant's number.
    [<return: Struct>]
    let (|Number|_|) (e: Expr) =
        match e.Op with
        | Op.Const c -> ValueSome c.AsFloat
        | _ -> ValueNone

    /// Whether a value is the constant 0.
    let isZero (e: Expr) =
        match e.Op with
        | Op.Const c -> c.AsFloat = 0.0
        | _ -> false

    let (|IsZero|_|) (e: Expr) = isZero e

    let (|IsOne|_|) (e: Expr) =
        match e.Op with
        | Op.Const c -> c.AsFloat = 1.0
        | _ -> false

    [<return: Struct>]
    let (|Unary|_|) fn (e: Expr) =
        match e.Op with
        | Op.Elementwise f when f = fn -> ValueSome e.Args[0]
        | _ -> ValueNone

    [<return: Struct>]
    let (|Binary|_|) fn (e: Expr) =
        match e.Op with
        | Op.Elementwise f when f = fn -> ValueSome(struct (e.Args[0], e.Args[1]))
        | _ -> ValueNone

    [<return: Struct>]
    let (|Where|_|) (e: Expr) =
        match e.Op with
        | Op.Elementwise Fn.Where -> ValueSome(struct (e.Args[0], e.Args[1], e.Args[2]))
        | _ -> ValueNone

    [<return: Struct>]
    let (|Contraction|_|) (e: Expr) =
        match e.Op with
        | Op.Einsum spec -> ValueSome spec
        | _ -> ValueNone

    let same (a: Expr) (b: Expr) = obj.ReferenceEquals(a, b)
