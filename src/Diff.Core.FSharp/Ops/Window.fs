namespace Diff

open System

/// Regular windows of an array: slice and embed are each other's transposes.
[<RequireQualifiedAccess>]
module internal Window =
    let slice (starts: int[]) (steps: int[]) (shape: Shape) (x: Expr) : Expr =
        if shape.Equals x.Shape && Array.forall ((=) 1) steps then
            x
        else
            Expr(Op.Slice(starts, steps), [| x |], shape, x.DType)

    /// Zeros of the given shape with x at starts + steps·i.
    let embed (starts: int[]) (steps: int[]) (shape: Shape) (x: Expr) : Expr =
        if shape.Equals x.Shape && Array.forall ((=) 1) steps then
            x
        else
            Expr(Op.Embed(starts, steps), [| x |], shape, x.DType)

    let private windowOffsets (window: Shape) (whole: Shape) (starts: int[]) (steps: int[]) =
        let strides = Shape.strides whole.Dims
        let first =
            Array.fold2 (fun sum start stride -> sum + start * stride) 0 starts strides
        let offsets = Loop.offsets window.Dims (Array.map2 (*) steps strides)
        Array.map ((+) first) offsets

    /// result[i] = from[offsets[i]].
    let copyOut (offsets: int[]) =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                let x = args[0].Span<'T>()
                let out = result.Span<'T>()
                for i in 0 .. offsets.Length - 1 do
                    out[i] <- x[offsets[i]] }

    let private copyIn (offsets: int[]) =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                let x = args[0].Span<'T>()
                let out = result.Span<'T>()
                out.Clear()
                for i in 0 .. offsets.Length - 1 do
                    out[offsets[i]] <- x[i] }

    let private kernel move window whole starts steps (node: Expr) =
        // Offsets into an empty array do not exist.
        let offsets =
            if (window: Shape).Length = 0 then
                [||]
            else
                windowOffsets window whole starts steps
        let action = move offsets
        Kernel(fun args result -> Loop.move node.DType action args result)

    let sliceRule starts steps : Rule =
        { Derivative = Linear(fun _ xs g -> embed starts steps xs[0].Shape g)
          Kernel = fun node -> kernel copyOut node.Shape node.Args[0].Shape starts steps node
          Batching = Stacked(Op.Slice(Array.append [| 0 |] starts, Array.append [| 1 |] steps)) }

    let embedRule starts steps : Rule =
        { Derivative = Linear(fun _ xs g -> slice starts steps xs[0].Shape g)
          Kernel = fun node -> kernel copyIn node.Args[0].Shape node.Shape starts steps node
          Batching = Stacked(Op.Embed(Array.append [| 0 |] starts, Array.append [| 1 |] steps)) }

    let concat axis (xs: Expr[]) : Expr =
        if xs.Length = 0 then
            invalidArg "xs" "concat: expected at least one array, got none"
        let axis = Shape.axis "concat" xs[0].Shape axis
        for x in xs do
            if x.DType <> xs[0].DType then
                raise (
                    DTypeException
                        $"concat: element types {DType.name xs[0].DType} and {DType.name x.DType} do not mix; cast one of them"
                )
            let others =
                seq { 0 .. x.Rank - 1 }
                |> Seq.filter (fun i -> i <> axis && x.Rank = xs[0].Rank && x.Shape[i] <> xs[0].Shape[i])
                |> List.ofSeq
            if x.Rank <> xs[0].Rank || not others.IsEmpty then
                let how =
                    if others.IsEmpty then
                        $"they have {xs[0].Rank} and {x.Rank} axes"
                    else
                        $"they differ along axis {others.Head} too"
                raise (
                    ShapeException
                        $"concat: shapes {xs[0].Shape} and {x.Shape} may differ along axis {axis} only; {how}"
                )
        if xs.Length = 1 then
            xs[0]
        else
            let dims = xs[0].Shape.ToArray()
            dims[axis] <- xs |> Array.sumBy (fun x -> x.Shape[axis])
            Expr(Op.Concat axis, xs, Shape dims, xs[0].DType)

    let private joined (axis: int) (shapes: Shape[]) =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                let out = result.Span<'T>()
                let row = out.Length / max 1 (shapes[0].Dims[.. axis - 1] |> Array.fold (*) 1)
                let mutable column = 0
                for k in 0 .. args.Length - 1 do
                    let x = args[k].Span<'T>()
                    let width = shapes[k].Dims[axis..] |> Array.fold (*) 1
                    if width > 0 then
                        for i in 0 .. x.Length / width - 1 do
                            x.Slice(i * width, width).CopyTo(out.Slice(i * row + column, width))
                    column <- column + width }

    let concatRule axis : Rule =
        { Derivative =
            Linear(fun i xs g ->
                let starts = Array.zeroCreate g.Rank
                starts[axis] <- xs |> Seq.take i |> Seq.sumBy (fun x -> x.Shape[axis])
                slice starts (Array.create g.Rank 1) xs[i].Shape g)
          Kernel =
            fun node ->
                let action = joined axis (node.Args |> Array.map _.Shape)
                Kernel(fun args result -> Loop.move node.DType action args result)
          Batching = Stacked(Op.Concat(axis + 1)) }
