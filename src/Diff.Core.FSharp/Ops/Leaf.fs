namespace Diff

open System

/// Leaves: values that are there before anything runs. The plan loads variables and literals; constants and indices are written once.
[<RequireQualifiedAccess>]
module internal Leaf =
    let make (name: string) (value: NDArray) : Expr =
        let v = Variable(name, value.Shape, value.DType, Value = value)
        Expr(Op.Variable v, [||], value.Shape, value.DType)

    /// A leaf whose value is given later.
    let input name (shape: Shape) dtype : Expr =
        Expr(Op.Variable(Variable(name, shape, dtype)), [||], shape, dtype)

    let literal (value: NDArray) : Expr =
        Expr(Op.Literal value, [||], value.Shape, value.DType)

    /// 0, 1, 2 … along an axis, the same at every other index.
    let iota (shape: Shape) axis dtype : Expr =
        if dtype = DType.Bool then
            raise (
                DTypeException "iota: expected an element type of numbers that are computed with, got bool"
            )
        if DType.isHalf dtype then
            raise (
                DTypeException
                    $"iota: expected a type that is computed with, got {DType.name dtype}; cast it after"
            )
        Expr(Op.Iota(Shape.axis "iota" shape axis), [||], shape, dtype)

    let private given: Rule =
        { Derivative = Zero
          Kernel = fun node -> invalidOp $"{Formula.opText node.Op}: a leaf has no kernel; the plan loads it"
          Batching = Never }

    let variableRule = given
    let literalRule = given

    let constRule (value: Scalar) : Rule =
        { Derivative = Zero
          Kernel = fun node -> Kernel(fun _ result -> NDArray.Full(value, node.Shape).CopyTo result)
          Batching = Never }

    let iotaRule axis : Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let step = (Shape.strides node.Shape.Dims)[axis]
                let extent = node.Shape[axis]
                let inline fill (convert: int -> 'T) =
                    Kernel(fun _ result ->
                        let out = result.Span<'T>()
                        for i in 0 .. out.Length - 1 do
                            out[i] <- convert (i / step % extent))
                match node.DType with
                | DType.Float32 -> fill float32
                | DType.Float64 -> fill float
                | DType.Int32 -> fill int
                | _ -> fill int64
          Batching = Never }
