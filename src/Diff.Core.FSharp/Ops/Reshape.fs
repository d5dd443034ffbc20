namespace Diff

/// The same numbers with another shape: its own transpose.
[<RequireQualifiedAccess>]
module internal Reshape =
    /// The requested shape with a −1 replaced by what is left over.
    let resolve (from: Shape) (dims: int[]) : Shape =
        let fail why =
            raise (
                ShapeException
                    $"reshape: shape {from} of {from.Length} elements does not fit {Shape.Text dims}: {why}"
            )
        let unknown = dims |> Array.filter ((=) -1) |> Array.length
        if dims |> Array.exists (fun d -> d < -1) then
            fail "an extent is at least 0, or -1 for what is left over"
        if unknown > 1 then
            fail "only one extent may be -1"
        let known = Shape(dims |> Array.filter ((<>) -1)).Length
        if unknown = 0 then
            if known <> from.Length then
                fail $"that has {known} elements"
            Shape dims
        elif known = 0 || from.Length % known <> 0 then
            fail $"{from.Length} elements cannot be divided by {known}"
        else
            dims |> Array.map (fun d -> if d = -1 then from.Length / known else d) |> Shape

    let make (shape: Shape) (x: Expr) : Expr =
        if shape.Equals x.Shape then
            x
        else
            Expr(Op.Reshape, [| x |], shape, x.DType)

    let rule: Rule =
        { Derivative = Linear(fun _ xs g -> make xs[0].Shape g)
          Kernel = fun _ -> Kernel(fun args result -> args[0].Reshape(result.Shape).CopyTo result)
          Batching = Stacked Op.Reshape }
