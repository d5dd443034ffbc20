namespace Diff

open System

/// An operation supplied by the caller: its value as numbers, its derivative as a graph, so that it has derivatives of every order.
[<Sealed>]
type internal CustomOp
    (
        name: string,
        result: Expr[] -> Shape * DType,
        forward: NDArray[] -> NDArray,
        backward: Expr[] -> Expr -> Expr -> (Expr | null)[],
        isPointwise: bool
    ) =
    inherit Extension(name)
    new(name, result, forward, backward) = CustomOp(name, result, forward, backward, false)
    /// Whether it is index by index, forwards and backwards.
    member _.IsPointwise = isPointwise
    member _.Result = result
    member _.Forward = forward
    member _.Backward = backward

[<RequireQualifiedAccess>]
module internal Custom =
    let apply (op: CustomOp) (args: Expr[]) : Expr =
        if args.Length = 0 then
            invalidArg "args" $"{op.Name}: expected at least one argument, got none"
        let shape, dtype = op.Result args
        Expr(Op.Custom op, args, shape, dtype)

    /// The shape and element type of a result like the first argument.
    let likeFirst (args: Expr[]) = args[0].Shape, args[0].DType

    /// An operation on one array index by index: a scalar function and, from argument and value, its derivative.
    let scalar name (f: float -> float) (derivative: Expr -> Expr -> Expr) : CustomOp =
        let forward (args: NDArray[]) =
            let result = NDArray.Zeros(args[0].DType, args[0].Shape)
            match args[0].DType with
            | DType.Float32 ->
                let x = args[0].Span<float32>()
                let y = result.Span<float32>()
                for i in 0 .. y.Length - 1 do
                    y[i] <- float32 (f (float x[i]))
            | _ ->
                let x = args[0].Span<float>()
                let y = result.Span<float>()
                for i in 0 .. y.Length - 1 do
                    y[i] <- f x[i]
            result
        let result (args: Expr[]) =
            if not (DType.isFloat args[0].DType) then
                raise (
                    DTypeException
                        $"{name}: expected float32 or float64, got {DType.name args[0].DType}; cast it"
                )
            likeFirst args
        CustomOp(name, result, forward, (fun xs y g -> [| g * derivative xs[0] y |]), true)

    let isPointwise (extension: Extension) = (extension :?> CustomOp).IsPointwise

    let private checkCotangents (op: CustomOp) (xs: Expr[]) (gs: (Expr | null)[]) =
        if gs.Length <> xs.Length then
            invalidOp
                $"{op.Name}: its backward gave {gs.Length} cotangents for {xs.Length} arguments; give one for each, null where there is none"
        Array.iteri2
            (fun i (x: Expr) (g: Expr | null) ->
                match g with
                | null -> ()
                | g when g.Shape.Equals x.Shape && g.DType = DType.ofDerivative x.DType -> ()
                | g ->
                    raise (
                        ShapeException
                            $"{op.Name}: its backward gave a cotangent of shape {g.Shape}, {DType.name g.DType}, for argument {i} of shape {x.Shape}, {DType.name x.DType}; the two must be alike"
                    ))
            xs
            gs
        gs

    let rule (extension: Extension) : Rule =
        let op = extension :?> CustomOp
        { Derivative = General(fun _ xs y g -> checkCotangents op xs (op.Backward xs y g))
          Kernel =
            fun node ->
                Kernel(fun args result ->
                    let value = op.Forward args
                    if not (value.Shape.Equals node.Shape) || value.DType <> node.DType then
                        raise (
                            ShapeException
                                $"{op.Name}: its forward gave a value of shape {value.Shape}, {DType.name value.DType}, but shape {node.Shape}, {DType.name node.DType}, was declared"
                        )
                    value.CopyTo result)
          // What the caller's code does is unknown, so it is called for each set.
          Batching =
            Mapped(fun n stacked args node ->
                let set i (x: Expr) =
                    let starts = Array.zeroCreate x.Rank
                    starts[0] <- i
                    Window.slice starts (Array.create x.Rank 1) (Shape(Array.updateAt 0 1 x.Shape.Dims)) x
                    |> Reshape.make (Shape x.Shape.Dims[1..])
                let result i =
                    let own =
                        Array.map2 (fun isStacked x -> if isStacked then set i x else x) stacked args
                    Reshape.make (Stack.shape 1 node.Shape) (node.With own)
                if n = 0 then
                    Expr.Full(0.0, Stack.shape 0 node.Shape, node.DType)
                else
                    Window.concat 0 (Array.init n result)) }
