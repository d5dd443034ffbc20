namespace Diff

open System

/// Values of expressions, and what variables hold.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Values =
    /// The value now, as an array of its own.
    let eval (x: Expr) : NDArray = Evaluate.one x

    /// The value of a graph of one element, as a float.
    let item (x: Expr) : float =
        if x.Shape.Length <> 1 then
            raise (ShapeException $"item: expected one element, got shape {x.Shape}; use eval")
        (Evaluate.one x).Float 0

    let internal variableIn operation (x: Expr) : Variable =
        match x.Op with
        | Op.Variable v -> v
        | op ->
            invalidOp
                $"{operation}: only a variable holds a value of its own, not the result of {Formula.opText op}"

    /// The name of a variable, nothing for other nodes.
    let internal nameOf (x: Expr) =
        match x.Op with
        | Op.Variable v -> v.Name
        | _ -> ""

    /// Gives a variable a copy of another value of the same shape and element type. Values evaluated later see it.
    let assign (x: Expr) (value: NDArray) : unit =
        let v = variableIn "assign" x
        Variable.check "assign" v value
        v.Value <- value.Clone()
