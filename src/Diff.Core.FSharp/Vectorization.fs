namespace Diff

open System

/// Functions of one set of arguments applied to many sets at once.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Vectorization =
    let internal vmapAxes
        (inAxes: Nullable<int>[])
        outAxis
        (f: Func<Expr[], Expr[]>)
        (args: Expr[])
        : Expr[] =
        if inAxes.Length <> args.Length then
            invalidArg
                "inAxes"
                $"vmap: {args.Length} arguments need as many axes (none for one that is the same for all), got {inAxes.Length}"
        // Each argument with the axis of its slices, counted from 0; those without one are the same for all.
        let mapped =
            Array.map2
                (fun (x: Expr) (axis: Nullable<int>) ->
                    struct (x,
                            (if axis.HasValue then
                                 Shape.axis "vmap" x.Shape axis.Value
                             else
                                 -1)))
                args
                inAxes
        let counts =
            mapped
            |> Array.filter (fun (struct (_, axis)) -> axis >= 0)
            |> Array.map (fun (struct (x, axis)) -> x.Shape[axis])
            |> Array.distinct
        match counts with
        | [| n |] ->
            let slices =
                mapped
                |> Array.map (fun (struct (x, axis)) ->
                    if axis < 0 then
                        x
                    else
                        Leaf.input (nameOf x) (Shape(Array.removeAt axis x.Shape.Dims)) x.DType)
            let pairs =
                [| for slice, struct (x, axis) in Array.zip slices mapped do
                       if axis >= 0 then
                           let others = [| 0 .. x.Rank - 1 |] |> Array.except [| axis |]
                           slice, Einsum.permute (Array.append [| axis |] others) x |]
            let place (stacked: Expr) =
                let axis = if outAxis < 0 then outAxis + stacked.Rank else outAxis
                if axis < 0 || axis >= stacked.Rank then
                    raise (
                        ShapeException
                            $"vmap: the results are stacked along axis {outAxis}, but have shape {stacked.Shape} with it"
                    )
                Einsum.permute (Array.insertAt axis 0 [| 1 .. stacked.Rank - 1 |]) stacked
            Batch.run n pairs (f.Invoke slices) |> Array.map place
        | [||] -> invalidArg "inAxes" "vmap: expected an axis for at least one argument, got none"
        | several ->
            let shapes = String.Join(", ", args |> Array.map (fun x -> string x.Shape))
            raise (
                ShapeException
                    $"vmap: the arguments of shapes {shapes} have {Shape.Text several} slices along the axes given; they need equally many"
            )

    /// f for all slices of its arguments at once. `inAxes` says along which axis of each argument the slices lie, None for an argument that
    /// is the same for all; the results are stacked along `outAxis`. It is one graph without a loop: f is traced once, for one slice, and
    /// each of its operations is done for all slices. f may use other nodes too; vmap nests, and derivatives go through it.
    let vmapWith
        (inAxes: int option list)
        (outAxis: int)
        (f: Expr list -> Expr list)
        (args: Expr list)
        : Expr list =
        let axes = inAxes |> List.map Option.toNullable |> Array.ofList
        let onArrays = Func<Expr[], Expr[]>(fun xs -> Array.ofList (f (List.ofArray xs)))
        vmapAxes axes outAxis onArrays (Array.ofList args) |> List.ofArray

    /// f for all slices of x along the leading axis; the results are stacked along the leading axis.
    let vmap (f: Expr -> Expr) (x: Expr) : Expr =
        vmapWith [ Some 0 ] 0 (fun xs -> [ f xs.Head ]) [ x ] |> List.head

    /// f for all pairs of slices of x and y along their leading axes.
    let vmap2 (f: Expr -> Expr -> Expr) (x: Expr) (y: Expr) : Expr =
        vmapWith [ Some 0; Some 0 ] 0 (fun xs -> [ f xs[0] xs[1] ]) [ x; y ]
        |> List.head
