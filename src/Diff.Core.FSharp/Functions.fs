namespace Diff

open System

/// Leaves, and the scalar functions index by index.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Functions =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)

    // ---- Leaves ---------------------------------------------------------------------------------------------------

    /// A leaf that holds an array; `Variable.assign` gives it another.
    let variableOf (name: string) (value: NDArray) : Expr = Leaf.make name value

    /// A scalar float64 leaf.
    let variable (name: string) (value: float) : Expr =
        Leaf.make name (NDArray.Create([| value |], Shape.Scalar))

    /// A leaf over the caller's numbers, without a copy, with a shape.
    let tensor (name: string) (shape: int list) (values: 'T[]) : Expr =
        Leaf.make name (NDArray.Create(values, Shape(Array.ofList shape)))

    /// A leaf without a value: an input of a compiled function.
    let input (name: string) (shape: int list) (dtype: DType) : Expr =
        Leaf.input name (Shape(Array.ofList shape)) dtype

    /// The numbers of an array, as they are now, as a constant.
    let constant (value: NDArray) : Expr = Leaf.literal (value.Clone())

    /// One number at every index of a shape.
    let full (shape: int list) (dtype: DType) (value: float) : Expr =
        Expr.Full(value, Shape(Array.ofList shape), dtype)

    /// Zeros of the shape and element type of x.
    let zerosLike (x: Expr) : Expr = Expr.ZerosLike x
    /// Ones of the shape and element type of x.
    let onesLike (x: Expr) : Expr = Expr.OnesLike x

    /// 0, 1 … along an axis of a shape, the same at every other index.
    let iota (shape: int list) (axis: int) (dtype: DType) : Expr =
        Leaf.iota (Shape(Array.ofList shape)) axis dtype

    // ---- Index by index -------------------------------------------------------------------------------------------

    /// −1, 0 or 1.
    let signum (x: Expr) : Expr = map Fn.Sign [ x ]
    /// log(1 + x), accurate near 0.
    let log1p (x: Expr) : Expr = map Fn.Log1p [ x ]
    /// eˣ − 1, accurate near 0.
    let expm1 (x: Expr) : Expr = map Fn.Expm1 [ x ]
    /// 1 / (1 + e⁻ˣ).
    let sigmoid (x: Expr) : Expr = map Fn.Sigmoid [ x ]
    /// log(1 + eˣ).
    let softplus (x: Expr) : Expr = map Fn.Softplus [ x ]
    /// max(x, 0), with derivative 0 at 0.
    let relu (x: Expr) : Expr = map Fn.Relu [ x ]
    /// x².
    let square (x: Expr) : Expr = x * x
    /// A number as an expression; beside another operand it takes that operand's element type.
    let scalar (value: float) : Expr = Expr.op_Implicit value
    /// 1 / x.
    let reciprocal (x: Expr) : Expr = 1.0 / x
    /// The larger of two; where they are equal each gets half of the derivative.
    let maximum (x: Expr) (y: Expr) : Expr = map Fn.Max [ x; y ]
    /// The smaller of two; where they are equal each gets half of the derivative.
    let minimum (x: Expr) (y: Expr) : Expr = map Fn.Min [ x; y ]
    let equal (x: Expr) (y: Expr) : Expr = map Fn.Equal [ x; y ]
    let notEqual (x: Expr) (y: Expr) : Expr = map Fn.NotEqual [ x; y ]
    let less (x: Expr) (y: Expr) : Expr = map Fn.Less [ x; y ]
    let lessEqual (x: Expr) (y: Expr) : Expr = map Fn.LessEqual [ x; y ]
    let greater (x: Expr) (y: Expr) : Expr = map Fn.Greater [ x; y ]
    let greaterEqual (x: Expr) (y: Expr) : Expr = map Fn.GreaterEqual [ x; y ]
    let logicalNot (x: Expr) : Expr = map Fn.Not [ x ]
    let logicalAnd (x: Expr) (y: Expr) : Expr = map Fn.And [ x; y ]
    let logicalOr (x: Expr) (y: Expr) : Expr = map Fn.Or [ x; y ]
    /// x where the condition holds, else y; the derivative goes to the branch taken.
    let where (condition: Expr) (x: Expr) (y: Expr) : Expr = map Fn.Where [ condition; x; y ]

    /// The value of x, treated as a constant by every derivative.
    let stopGradient (x: Expr) : Expr =
        Expr(Op.StopGradient, [| x |], x.Shape, x.DType)

    /// The condition of a `where` that keeps an operation defined: both branches are, so what it masks need not stay masked through products.
    let internal guard (condition: Expr) : Expr = stopGradient condition

    /// x cut to [low, high]; the derivative is 1 inside and at the bounds, 0 beyond.
    let clip (low: float) (high: float) (x: Expr) : Expr =
        if not (low <= high) then
            invalidArg "low" $"clip: expected low <= high, got {low} and {high}"
        where
            (guard (less x low))
            (Expr.Full(low, Shape.Scalar, x.DType))
            (where (guard (greater x high)) (Expr.Full(high, Shape.Scalar, x.DType)) x)

    /// Conversion to another element type.
    let cast (dtype: DType) (x: Expr) : Expr = Elementwise.makeCast dtype x
