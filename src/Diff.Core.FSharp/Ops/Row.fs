namespace Diff

open System

/// A scalar function: value, derivative and where it is smooth.
type internal ScalarRule =
    {
        /// The loop for an element type.
        Value: DType -> Kernel
        Derivative: Derivative
        /// For each operand, an interval in which the function is smooth; the laws draw their points from there.
        Domain: (float * float)[]
    }

/// What rows of scalar functions are made of.
[<RequireQualifiedAccess>]
module internal Row =
    let any = -2.0, 2.0

    /// A scalar constant of the element type of x.
    let like (x: Expr) value = Expr.Full(value, Shape.Scalar, x.DType)

    let inline unary ([<InlineIfLambda>] value: float -> float) partial domain =
        { Value = Loops.floats1 value
          Derivative = Pointwise(fun _ xs y g -> partial ((xs: Expr[]).[0]) y * g)
          Domain = [| domain |] }

    /// A function that passes nothing back, of so many numbers (none for a function of bools).
    let flat value numbers =
        { Value = value
          Derivative = Zero
          Domain = Array.create numbers any }

    /// Two operands, with the derivative with respect to each, already times the cotangent.
    let inline binary ([<InlineIfLambda>] value: float -> float -> float) partial first second =
        { Value = Loops.floats2 value
          Derivative = Pointwise partial
          Domain = [| first; second |] }

    /// A quotient or rest of integers, where one of the least integer by −1 wraps around.
    let divide (operation: string) (f: int64 -> int64 -> int64) (m: int64) (n: int64) =
        if n = 0L then
            raise (
                DivideByZeroException
                    $"{operation}: {m} was divided by zero; integers have no infinity, so test the divisor or cast to float64"
            )
        elif n = -1L then
            f (0L - m) 1L
        else
            f m n

    /// The order of a derivative, which an operand holds as a constant.
    let order operation (x: Expr) : int =
        match x.Op with
        | Op.Const n -> int n.AsFloat
        | _ ->
            raise (
                NotSupportedException
                    $"{operation}: the order of a derivative is a constant, and there is no derivative with respect to it"
            )

    /// An order as an operand.
    let ofOrder (x: Expr) (n: int) = Expr.Full(float n, x.Shape, x.DType)
