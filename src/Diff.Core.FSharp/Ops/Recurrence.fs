namespace Diff

open System.Numerics
open Diff.Kernels

/// The linear recurrence of first order along an axis: its derivative is one in the other direction.
[<RequireQualifiedAccess>]
module internal Recurrence =
    /// h_t = a_t·h_{t−1} + b_t, or with h_{t+1} if reversed; the first h is the first b, whatever the first a is. A scalar a is every factor.
    let make operation axis reverse (a: Expr) (b: Expr) : Expr =
        let axis = Shape.axis operation b.Shape axis
        if not (a.Shape.IsScalar || a.Shape.Equals b.Shape) then
            raise (
                ShapeException
                    $"{operation}: expected one factor, or factors of the terms' shape {b.Shape}, got shape {a.Shape}; broadcast them"
            )
        if a.DType <> b.DType then
            raise (
                DTypeException
                    $"{operation}: element types {DType.name a.DType} and {DType.name b.DType} do not mix; cast one of them"
            )
        if b.DType = DType.Bool then
            raise (DTypeException $"{operation}: expected numbers, got bool; cast it")
        Loop.refuseHalf operation b
        Expr(Op.Recurrence(axis, reverse), [| a; b |], b.Shape, b.DType)

    /// All along an axis but one element at its start or end.
    let without axis (isStart: bool) (x: Expr) : Expr =
        let starts, dims = Array.zeroCreate x.Rank, x.Shape.ToArray()
        starts[axis] <- if isStart then 1 else 0
        dims[axis] <- dims[axis] - 1
        Window.slice starts (Array.create x.Rank 1) (Shape dims) x

    /// With a zero at the start or end of an axis.
    let withZero axis (isStart: bool) (x: Expr) : Expr =
        let starts, dims = Array.zeroCreate x.Rank, x.Shape.ToArray()
        starts[axis] <- if isStart then 1 else 0
        dims[axis] <- dims[axis] + 1
        Window.embed starts (Array.create x.Rank 1) (Shape dims) x

    /// λ_t = g_t + a_{t+1}·λ_{t+1} is the cotangent of b, λ_t·h_{t−1} that of a (the adjoint of a linear system runs backwards).
    let rule axis reverse : Rule =
        { Derivative =
            General(fun needed xs y g ->
                let a = xs[0]
                if g.Shape[axis] = 0 then
                    [| Expr.ZerosLike a; g |]
                else
                    // Which factor λ's first step gets means nothing.
                    let next =
                        if a.Shape.IsScalar then
                            a
                        else
                            a |> without axis (not reverse) |> withZero axis reverse
                    let back = make "recurrence" axis (not reverse) next g
                    let ofFactors () =
                        let products = without axis (not reverse) back * without axis reverse y
                        if a.Shape.IsScalar then
                            Reduce.sum (Array.init y.Rank id) products
                        else
                            withZero axis (not reverse) products
                    let ofFactors: Expr | null = if needed[0] then ofFactors () else null
                    [| ofFactors; back |])
          Kernel =
            fun node ->
                let shape = LineShape.Along(node.Shape.Dims, axis)
                let isOne = node.Args[0].Shape.IsScalar
                Loop.numeric
                    node.DType
                    { new INumeric with
                        member _.Run<'T when 'T: unmanaged and 'T :> INumber<'T>>(args, result) =
                            RecurrenceKernel.Run(
                                args[0].Span<'T>(),
                                args[1].Span<'T>(),
                                result.Span<'T>(),
                                shape,
                                reverse,
                                isOne
                            ) }
          Batching =
            Mapped(fun n stacked args node ->
                let b = if stacked[1] then args[1] else Stack.repeat n args[1]
                let a =
                    match stacked[0], node.Args[0].Shape.IsScalar with
                    | true, true -> // a factor for each set
                        let dims = Array.create b.Rank 1
                        dims[0] <- n
                        Expr.BroadcastTo(Reshape.make (Shape dims) args[0], b.Shape)
                    | false, true
                    | true, false -> args[0]
                    | false, false -> Stack.repeat n args[0]
                make "recurrence" (axis + 1) reverse a b) }
