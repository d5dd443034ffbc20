namespace Diff

/// Where the elements of a node lie: those of another node's storage, seen with an offset and a stride for each axis, in elements.
[<Struct>]
type internal View =
    { Base: Expr
      Offset: int
      Strides: int[] }

/// Operations that move no number: a window, a transposition, a repetition, another shape.
[<RequireQualifiedAccess>]
module internal View =
    /// A node's own storage, in row-major order.
    let own (node: Expr) : View =
        { Base = node
          Offset = 0
          Strides = Shape.strides node.Shape.Dims }

    let isDistinct (labels: string) =
        Seq.length (Seq.distinct labels) = labels.Length

    /// Whether a contraction of one operand sums nothing (but over axes of extent 1) and repeats no label in its output.
    let isMove (spec: EinsumSpec) (node: Expr) =
        spec.Inputs.Length = 1
        && isDistinct spec.Output
        && Seq.forall2
            (fun c n -> n = 1 || spec.Output.Contains(c: char))
            spec.Inputs[0]
            node.Args[0].Shape.Dims

    /// The axes that are longer than 1 (or empty).
    let longAxes (shape: Shape) : int[] =
        [| for k in 0 .. shape.Rank - 1 do
               if shape[k] <> 1 then
                   k |]

    /// For each axis of a reshaped array, the axis of its operand that it is; None if more happens than that axes of extent 1 come and go.
    let squeezed (from: Shape) (into: Shape) : int[] option =
        let a, b = longAxes from, longAxes into
        if
            a.Length = b.Length
            && Array.forall2 (fun (i: int) (j: int) -> from[i] = into[j]) a b
        then
            let axes = Array.create into.Rank -1
            Array.iter2 (fun i j -> axes[j] <- i) a b
            Some axes
        else
            None

    /// The strides of the same numbers under another shape, if there are any.
    let reshaped (from: Shape) (strides: int[]) (into: Shape) : int[] voption =
        match squeezed from into with
        | Some axes -> ValueSome(axes |> Array.map (fun axis -> if axis < 0 then 0 else strides[axis]))
        | None ->
            // Axes that lie behind one another are one axis, which can be cut anew; cut ends must meet (as in NumPy's reshape without a copy).
            let result = Array.zeroCreate into.Rank
            let a = longAxes from |> Array.map (fun i -> struct (from[i], strides[i]))
            let b = longAxes into
            let mutable fits = from.Length > 0
            let mutable i, j = 0, 0
            while fits && i < a.Length && j < b.Length do
                let firstI, firstJ = i, j
                let struct (n, _) = a[i]
                let mutable size, target = n, into[b[j]]
                i <- i + 1
                j <- j + 1
                while fits && size <> target do
                    if size < target then
                        if i = a.Length then
                            fits <- false
                        else
                            let struct (n, _) = a[i]
                            size <- size * n
                            i <- i + 1
                    elif j = b.Length then
                        fits <- false
                    else
                        target <- target * into[b[j]]
                        j <- j + 1
                for k in firstI .. i - 2 do
                    let struct (_, outer) = a[k]
                    let struct (n, inner) = a[k + 1]
                    fits <- fits && outer = n * inner
                let struct (_, last) = a[i - 1]
                let mutable stride = last
                for k in j - 1 .. -1 .. firstJ do
                    result[b[k]] <- stride
                    stride <- stride * into[b[k]]
            if fits && i = a.Length && j = b.Length then
                ValueSome result
            else
                ValueNone

    /// The node as a view of what `arg`, the view of its first argument, is a view of; None if its numbers have to be computed or copied.
    let tryMake (node: Expr) (arg: View) : View voption =
        match node.Op with
        | Op.StopGradient
        | Op.Barrier -> ValueSome arg
        | Op.Reshape ->
            match reshaped node.Args[0].Shape arg.Strides node.Shape with
            | ValueSome strides -> ValueSome { arg with Strides = strides }
            | ValueNone -> ValueNone
        | Op.Slice(starts, steps) ->
            ValueSome
                { arg with
                    Offset =
                        arg.Offset
                        + Array.fold2 (fun sum start stride -> sum + start * stride) 0 starts arg.Strides
                    Strides = Array.map2 (*) steps arg.Strides }
        | Op.Unfold(axis, _, step, dilation) ->
            let strides = arg.Strides
            ValueSome
                { arg with
                    Strides =
                        Array.concat
                            [ strides[.. axis - 1]
                              [| strides[axis] * step; strides[axis] * dilation |]
                              strides[axis + 1 ..] ] }
        | Op.Einsum spec when isMove spec node ->
            let stride label =
                let mutable sum = 0
                spec.Inputs[0]
                |> Seq.iteri (fun axis c ->
                    if c = label then
                        sum <- sum + arg.Strides[axis])
                sum
            ValueSome
                { arg with
                    Strides = spec.Output.ToCharArray() |> Array.map stride }
        | _ -> ValueNone

    /// How many of the last elements of an array with these strides lie side by side.
    let row (shape: Shape) (strides: int[]) : int =
        let mutable n, axis = 1, shape.Rank - 1
        while axis >= 0 && (shape[axis] = 1 || strides[axis] = n) do
            n <- n * shape[axis]
            axis <- axis - 1
        n

    /// Whether the view is its base's storage as it lies, whole or a part.
    let isContiguous (shape: Shape) (view: View) =
        let own = Shape.strides shape.Dims
        Seq.forall (fun i -> shape[i] = 1 || view.Strides[i] = own[i]) (seq { 0 .. shape.Rank - 1 })

    /// A view of an array of indices along `axis` as a view of the numbers 0, 1, 2 … in a row: where it starts and its steps; None if it goes
    /// through them more than once along one axis.
    let indices axis (shape: Shape) (view: View) : struct (int * int[]) voption =
        let extent = view.Base.Shape[axis]
        let own = (Shape.strides view.Base.Shape.Dims)[axis]
        let start = view.Offset / own % extent
        // A stride moves along the axis, along axes outside of it, or along axes inside; a diagonal moves along several.
        let steps = Array.zeroCreate shape.Rank
        let mutable last, inside, fits = start, view.Offset % own, true
        for k in 0 .. shape.Rank - 1 do
            let stride = view.Strides[k]
            let moves = max 1 shape[k] - 1
            if stride < 0 then
                fits <- false
            elif stride < own then
                inside <- inside + moves * stride
            elif stride % own = 0 && stride / own < extent then
                steps[k] <- stride / own
                last <- last + moves * steps[k]
            elif stride % (own * extent) <> 0 then
                fits <- false
        if fits && last < extent && inside < own then
            ValueSome(struct (start, steps))
        else
            ValueNone
