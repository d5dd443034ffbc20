namespace Diff

open System.Collections.Generic

/// Partial evaluation: what can be computed of graphs before some of their inputs are known.
[<RequireQualifiedAccess>]
module internal Partial =
    /// Whether it is as cheap to read the argument in another way as to read the value, and the argument is no larger.
    let private isView (e: Expr) =
        match e.Op with
        | Op.Reshape -> true
        | Op.Einsum spec when spec.Inputs.Length = 1 -> e.Args[0].Shape.Length <= e.Shape.Length
        | _ -> false

    /// Of `roots`, which depend on `unknown` and may share nodes with `values`: the values to store that do not depend on it, placeholders for these,
    /// and the roots with the placeholders in place of the values.
    let split (unknown: Expr[]) (values: Expr[]) (roots: Expr[]) : Expr[] * Expr[] * Expr[] =
        // Together, so that what both compute has one form.
        let simple = Array.append values roots |> Control.inlineAll |> Simplify.run
        let roots = simple[values.Length ..]
        let nodes = Graph.topological roots
        let late = Graph.dependents unknown nodes
        let stored = List<Expr>()
        let seen = NodeMap<bool>()
        let waiting = Stack<Expr>()
        let store (first: Expr) =
            waiting.Push first
            while waiting.Count > 0 do
                let e = waiting.Pop()
                if not seen[e] && not late[e] then
                    seen[e] <- true
                    match e.Op with
                    | Op.Const _
                    | Op.Literal _
                    | Op.Iota _ -> ()
                    | _ when isView e -> Array.iter waiting.Push e.Args
                    | _ -> stored.Add e
        for e in nodes do
            if late[e] then
                Array.iter store e.Args
        Array.iter store roots
        let residuals = stored.ToArray()
        let places = residuals |> Array.map (fun e -> Leaf.input "stored" e.Shape e.DType)
        residuals, places, Graph.substitute (Array.zip residuals places) roots
