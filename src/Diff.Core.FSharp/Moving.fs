namespace Diff

open System

/// What an array is continued with beyond its edges.
type PadMode =
    /// The edge repeats: a a | a b c | c c.
    | Edge = 0
    /// The mirror image without the edge: c b | a b c | b a.
    | Reflect = 1
    /// The mirror image with the edge: b a | a b c | c b.
    | Symmetric = 2
    /// The array again and again: b c | a b c | a b.
    | Wrap = 3

/// Elements turned, moved round, repeated and replaced. Axes count from 0, negative ones from the end.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Moving =
    let internal flipped (axes: int[]) (x: Expr) =
        (x, Shape.axes "flip" x.Shape axes)
        ||> Array.fold (fun x axis -> slice axis None None -1 x)

    /// The elements along some axes in the opposite order; along all without any.
    let flip (axes: int list) (x: Expr) : Expr = flipped (Array.ofList axes) x

    /// The elements moved forward along an axis; what leaves it at the end comes back at its start.
    let roll (shift: int) (axis: int) (x: Expr) : Expr =
        let axis = Shape.axis "roll" x.Shape axis
        let n = x.Shape[axis]
        let by = if n = 0 then 0 else (shift % n + n) % n
        if by = 0 then
            x
        else
            concat axis [ slice axis (Some(n - by)) None 1 x; slice axis None (Some(n - by)) 1 x ]

    let private count operation n =
        if n < 0 then
            invalidArg "count" $"{operation}: expected numbers of repetitions of at least 0, got {n}"

    /// The array side by side with itself: so many times along each axis; numbers are for the last axes, new ones come first.
    let tile (counts: int list) (x: Expr) : Expr =
        List.iter (count "tile") counts
        let rank = max counts.Length x.Rank
        let lead n (values: int[]) =
            Array.append (Array.create (rank - values.Length) n) values
        let counts, dims = lead 1 (Array.ofList counts), lead 1 x.Shape.Dims
        let interleave (a: int[]) (b: int[]) =
            Array.collect (fun k -> [| a[k]; b[k] |]) [| 0 .. rank - 1 |]
        let apart = Reshape.make (Shape(interleave (Array.create rank 1) dims)) x
        Reshape.make
            (Shape(Array.map2 (*) counts dims))
            (Expr.BroadcastTo(apart, Shape(interleave counts dims)))

    /// Each element so many times in a row along an axis.
    let repeatElements (times: int) (axis: int) (x: Expr) : Expr =
        count "repeat" times
        let axis = Shape.axis "repeat" x.Shape axis
        let many = Array.insertAt (axis + 1) times x.Shape.Dims
        let apart = Reshape.make (Shape(Array.updateAt (axis + 1) 1 many)) x
        Reshape.make
            (Shape(Array.updateAt axis (times * x.Shape[axis]) x.Shape.Dims))
            (Expr.BroadcastTo(apart, Shape many))

    // ---- Axes -------------------------------------------------------------------------------------------------------

    /// The axis at another place; the others keep their order.
    let moveAxis (source: int) (destination: int) (x: Expr) : Expr =
        let source = Shape.axis "move_axis" x.Shape source
        let destination = Shape.axis "move_axis" x.Shape destination
        [| 0 .. x.Rank - 1 |]
        |> Array.removeAt source
        |> Array.insertAt destination source
        |> fun order -> permuted order x

    /// Two axes exchanged.
    let swapAxes (first: int) (second: int) (x: Expr) : Expr =
        let first = Shape.axis "swap_axes" x.Shape first
        let second = Shape.axis "swap_axes" x.Shape second
        let order =
            Array.init x.Rank (fun k ->
                if k = first then second
                elif k = second then first
                else k)
        permuted order x

    let internal squeezed (axes: int[]) (x: Expr) =
        let axes =
            if axes.Length = 0 then
                [| for k in 0 .. x.Rank - 1 do
                       if x.Shape[k] = 1 then
                           k |]
            else
                Shape.axes "squeeze" x.Shape axes
        for axis in axes do
            if x.Shape[axis] <> 1 then
                raise (
                    ShapeException
                        $"squeeze: axis {axis} of shape {x.Shape} has extent {x.Shape[axis]}; only axes of extent 1 go away"
                )
        if axes.Length = 0 then
            x
        else
            Reshape.make (Shape.reduce false axes x.Shape) x

    /// Without some axes of extent 1; without all such axes if none is named.
    let squeeze (axes: int list) (x: Expr) : Expr = squeezed (Array.ofList axes) x

    /// Neighbouring axes, from the first to the last named, as one.
    let flatten (first: int) (last: int) (x: Expr) : Expr =
        if x.Rank = 0 then
            Reshape.make (Shape [| 1 |]) x
        else
            let first, last =
                Shape.axis "flatten" x.Shape first, Shape.axis "flatten" x.Shape last
            if first > last then
                raise (
                    ShapeException
                        $"flatten: expected the first axis not behind the last, got {first} and {last} of shape {x.Shape}"
                )
            let dims = x.Shape.Dims
            let joined = Array.fold (*) 1 dims[first..last]
            Reshape.make (Shape(Array.concat [ dims[.. first - 1]; [| joined |]; dims[last + 1 ..] ])) x

    // ---- Beyond the edges ---------------------------------------------------------------------------------------------

    // Which element of an axis of extent n continues it at place i, which may be any integer.
    let private continued mode n i =
        let wrap m = ((i % m) + m) % m
        match mode with
        | PadMode.Edge -> max 0 (min (n - 1) i)
        | PadMode.Wrap -> wrap n
        | PadMode.Symmetric -> let k = wrap (2 * n) in if k < n then k else 2 * n - 1 - k
        | _ when n = 1 -> 0
        | _ -> let k = wrap (2 * n - 2) in if k < n then k else 2 * n - 2 - k

    /// The array continued by (before, after) elements on each axis, as `mode` says; the widths may exceed the extents.
    let padBy (mode: PadMode) (widths: (int * int) list) (x: Expr) : Expr =
        if widths.Length <> x.Rank || List.exists (fun (a, b) -> a < 0 || b < 0) widths then
            let given = String.Join(", ", widths)
            raise (
                ShapeException
                    $"pad: expected {x.Rank} pairs of numbers of at least 0 for shape {x.Shape}, got {given}"
            )
        let along (x: Expr) (axis, (before, after)) =
            let n = x.Shape[axis]
            if before = 0 && after = 0 then
                x
            elif n = 0 then
                raise (ShapeException $"pad: axis {axis} of shape {x.Shape} has nothing to continue it with")
            else
                let places =
                    Array.init (before + n + after) (fun k -> continued mode n (k - before))
                gather axis (constant (NDArray.op_Implicit places)) x
        Seq.fold along x (Seq.indexed widths)

    // ---- Parts replaced -------------------------------------------------------------------------------------------------

    // The value, broadcast to what the slices show, among zeros of the shape of x; and where it lies.
    let private placed operation (slices: Slice[]) (value: Expr) (x: Expr) =
        let struct (starts, steps, window, shown) = Slicing.resolve x.Shape slices
        match Shape.tryBroadcast value.Shape shown with
        | ValueSome s when s.Equals shown -> ()
        | _ ->
            raise (
                ShapeException
                    $"{operation}: the slices show shape {shown} of {x.Shape}, to which a value of shape {value.Shape} does not broadcast"
            )
        let put (e: Expr) =
            Expr.BroadcastTo(e, shown)
            |> Reshape.make window
            |> Window.embed starts steps x.Shape
        put

    /// A literal takes the element type of the array; anything else must have it.
    let internal ofTypeOf operation (x: Expr) (value: Expr) =
        match value.Op with
        | Op.Const c when value.DType <> x.DType -> Expr.Const(Scalar.cast x.DType c, value.Shape)
        | _ when value.DType <> x.DType ->
            raise (
                DTypeException
                    $"{operation}: element types {DType.name x.DType} and {DType.name value.DType} do not mix; cast one of them"
            )
        | _ -> value

    let internal setSlices (slices: Slice[]) (value: Expr) (x: Expr) =
        let value = ofTypeOf "set_at" x value
        let put = placed "set_at" slices value x
        where (put (Expr.Full(1.0, Shape.Scalar, DType.Bool))) (put value) x

    let internal addSlices (slices: Slice[]) (value: Expr) (x: Expr) =
        let value = ofTypeOf "add_at" x value
        x + placed "add_at" slices value x value

    /// x with a value in place of the part that slices show (as in `x[slices]`); the value broadcasts to it. Nothing of x changes.
    let setAt (slices: Slice list) (value: Expr) (x: Expr) : Expr = setSlices (Array.ofList slices) value x
    /// x with a value added to the part that slices show; the value broadcasts to it.
    let addAt (slices: Slice list) (value: Expr) (x: Expr) : Expr = addSlices (Array.ofList slices) value x
    /// x with a function of the part that slices show in its place.
    let updateAt (slices: Slice list) (f: Expr -> Expr) (x: Expr) : Expr =
        let slices = Array.ofList slices
        setSlices slices (f x[slices]) x
