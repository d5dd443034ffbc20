namespace Diff

open System

/// Reductions that compare: the largest and smallest value, and where it is.
[<RequireQualifiedAccess>]
module internal Reduce =
    let private name extreme = "reduce_" + Op.extremeName extreme

    /// The value expanded back along the axes that a reduction removed.
    let expand (axes: int[]) (shape: Shape) (x: Expr) : Expr =
        Expr.BroadcastTo(Reshape.make (Shape.reduce true axes shape) x, shape)

    let sum (axes: int[]) (x: Expr) : Expr =
        Loop.refuseHalf "sum" x
        let labels = EinsumSpec.labels x.Rank
        let kept =
            labels
            |> Array.indexed
            |> Array.filter (fun (i, _) -> not (Array.contains i axes))
            |> Array.map snd
        if axes.Length = 0 then
            x
        else
            Expr.Contract(
                { Inputs = [| String labels |]
                  Output = String kept },
                [| x |],
                Shape.reduce false axes x.Shape
            )

    let private nonEmpty operation (x: Expr) (axes: int[]) =
        if axes |> Array.exists (fun axis -> x.Shape[axis] = 0) then
            raise (
                ShapeException
                    $"{operation}: shape {x.Shape} is empty along the axes {Shape.Text axes}, so there is no value to pick"
            )
        if x.DType = DType.Bool then
            raise (DTypeException $"{operation}: expected numbers, got bool; cast it")
        Loop.refuseHalf operation x

    let make extreme (axes: int[]) (x: Expr) : Expr =
        nonEmpty (name extreme) x axes
        if axes.Length = 0 then
            x
        else
            Expr(Op.Reduce(extreme, axes), [| x |], Shape.reduce false axes x.Shape, x.DType)

    let arg extreme axis (x: Expr) : Expr =
        let axis = Shape.axis ("arg" + Op.extremeName extreme) x.Shape axis
        nonEmpty ("arg" + Op.extremeName extreme) x [| axis |]
        Expr(Op.ArgReduce(extreme, axis), [| x |], Shape.reduce false [| axis |] x.Shape, DType.Int64)

    /// Calls `f start` for each group and `g i` … the elements of a group lie at base + inner offset.
    let private groups (shape: Shape) (axes: int[]) =
        let strides = Shape.strides shape.Dims
        let pick keep =
            let chosen =
                [| for i in 0 .. shape.Rank - 1 do
                       if Array.contains i axes = keep then
                           i |]
            Loop.offsets (chosen |> Array.map (fun i -> shape[i])) (chosen |> Array.map (fun i -> strides[i]))
        pick false, pick true

    // A NaN wins over everything, so that it is not lost.
    let inline private better extreme (candidate: 'T) (best: 'T) =
        (match extreme with
         | Extreme.Max -> candidate > best
         | Extreme.Min -> candidate < best)
        || (candidate <> candidate && best = best)

    let inline private extremes<'T when 'T: unmanaged and 'T: comparison>
        extreme
        (bases: int[])
        (inner: int[])
        =
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let out = result.Span<'T>()
            for i in 0 .. bases.Length - 1 do
                let mutable best = x[bases[i]]
                for j in 1 .. inner.Length - 1 do
                    let candidate = x[bases[i] + inner[j]]
                    if better extreme candidate best then
                        best <- candidate
                out[i] <- best)

    let inline private positions<'T when 'T: unmanaged and 'T: comparison>
        extreme
        (bases: int[])
        (inner: int[])
        =
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let out = result.Span<int64>()
            for i in 0 .. bases.Length - 1 do
                let mutable best = 0
                for j in 1 .. inner.Length - 1 do
                    if better extreme x[bases[i] + inner[j]] x[bases[i] + inner[best]] then
                        best <- j
                out[i] <- int64 best)

    /// Whether a reduction goes over few elements that do not lie behind one another, as a pooling does.
    let isOverFew (axes: int[]) (shape: Shape) =
        let count = axes |> Array.fold (fun n axis -> n * shape[axis]) 1
        let isLast = Array.forall (fun axis -> axis >= shape.Rank - axes.Length) axes
        count <= 16 && not isLast && shape.Length > 0

    /// What stands at each combination of indices along some axes: the indices, and a view without these axes.
    let slices (axes: int[]) (x: Expr) : struct (int[] * Expr)[] =
        let rest = Shape.reduce false axes x.Shape
        let extents = axes |> Array.map (fun axis -> x.Shape[axis])
        let window = x.Shape.ToArray()
        for axis in axes do
            window[axis] <- 1
        Array.init (Array.fold (*) 1 extents) (fun number ->
            let starts = Array.zeroCreate x.Rank
            let mutable left = number
            for k in axes.Length - 1 .. -1 .. 0 do
                starts[axes[k]] <- left % extents[k]
                left <- left / extents[k]
            struct (starts,
                    Window.slice starts (Array.create x.Rank 1) (Shape window) x
                    |> Reshape.make rest))

    /// The derivative of an extreme over few elements, slice by slice: nothing of the operand's shape is made but the result.
    let private shareAmongFew (axes: int[]) (x: Expr) (y: Expr) (g: Expr) : Expr =
        let parts = slices axes x
        let isBest =
            parts
            |> Array.map (fun (struct (_, slice)) -> Expr.Map(Fn.Equal, [| slice; y |]))
        let count = isBest |> Array.map (Elementwise.makeCast x.DType) |> Array.reduce (+)
        let share = g / count
        let window = x.Shape.ToArray()
        for axis in axes do
            window[axis] <- 1
        Array.map2
            (fun (struct (starts, _)) isBest ->
                Expr.Map(Fn.Where, [| isBest; share; Expr.ZerosLike share |])
                |> Reshape.make (Shape window)
                |> Window.embed starts (Array.create x.Rank 1) x.Shape)
            parts
            isBest
        |> Array.reduce (+)

    /// Equal extremes share the cotangent equally.
    let rule extreme (axes: int[]) : Rule =
        { Derivative =
            General(fun _ xs y g ->
                let x = xs[0]
                if isOverFew axes x.Shape then
                    [| shareAmongFew axes x y g |]
                else
                    let back = expand axes x.Shape
                    let isBest = Expr.Map(Fn.Equal, [| x; back y |])
                    let share = g / sum axes (Elementwise.makeCast x.DType isBest)
                    [| Expr.Map(Fn.Where, [| isBest; back share; Expr.ZerosLike x |]) |])
          Kernel =
            fun node ->
                let x = node.Args[0]
                let bases, inner = groups x.Shape axes
                match x.DType with
                | DType.Float32 -> extremes<float32> extreme bases inner
                | DType.Float64 -> extremes<float> extreme bases inner
                | DType.Int32 -> extremes<int> extreme bases inner
                | _ -> extremes<int64> extreme bases inner
          Batching = Stacked(Op.Reduce(extreme, axes |> Array.map ((+) 1))) }

    let argRule extreme axis : Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let x = node.Args[0]
                let bases, inner = groups x.Shape [| axis |]
                match x.DType with
                | DType.Float32 -> positions<float32> extreme bases inner
                | DType.Float64 -> positions<float> extreme bases inner
                | DType.Int32 -> positions<int> extreme bases inner
                | _ -> positions<int64> extreme bases inner
          Batching = Stacked(Op.ArgReduce(extreme, axis + 1)) }
