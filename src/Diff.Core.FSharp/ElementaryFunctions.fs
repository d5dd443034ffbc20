namespace Diff

open System

/// Elementary functions index by index: roots, logarithms, arcs, hyperbolic functions, activations, steps, questions about numbers.
/// `asin`, `acos`, `atan`, `atan2`, `sinh`, `cosh`, `log10`, `floor`, `ceil`, `round`, `truncate` and `%` are those of F#.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module ElementaryFunctions =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
    let private like (x: Expr) value = Expr.Full(value, Shape.Scalar, x.DType)

    /// An operand of floats, or an error that names the operation that was called.
    let private floats operation (x: Expr) : Expr =
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"{operation}: expected float32 or float64, got {DType.name x.DType}; cast it"
            )
        x

    /// The cube root, of negative numbers too.
    let cbrt (x: Expr) : Expr = map Fn.Cbrt [ x ]
    /// 1 / √x.
    let rsqrt (x: Expr) : Expr = 1.0 / sqrt (floats "rsqrt" x)
    /// The logarithm to base 2, exact for powers of 2.
    let log2 (x: Expr) : Expr = map Fn.Log2 [ x ]
    /// 2ˣ, exact for integers.
    let exp2 (x: Expr) : Expr = map Fn.Exp2 [ x ]
    let asinh (x: Expr) : Expr = map Fn.Asinh [ x ]
    let acosh (x: Expr) : Expr = map Fn.Acosh [ x ]
    let atanh (x: Expr) : Expr = map Fn.Atanh [ x ]

    /// √(x² + y²) without overflow or underflow of the squares; the derivative at the origin is 0.
    let hypot (x: Expr) (y: Expr) : Expr = map Fn.Hypot [ x; y ]

    /// log(eˣ + eʸ) without overflow; of two equal infinities it is that infinity, with derivative 0.
    let logaddexp (x: Expr) (y: Expr) : Expr = map Fn.Logaddexp [ x; y ]

    // x·f(y), 0 where x is 0 and f(y) infinite or not defined (`beyond`); there the derivatives are 0.
    let private timesLog f beyond x y =
        let operands = Expr.Unify(Fn.Mul, [| x; y |])
        let x, y = operands[0], operands[1]
        let undefined =
            map Fn.Or [ map Fn.LessEqual [ y; like y beyond ]; map Fn.Equal [ y; like y infinity ] ]
        let flat = guard (map Fn.And [ map Fn.Equal [ x; like x 0.0 ]; undefined ])
        let zero = like x 0.0
        map
            Fn.Where
            [ flat
              zero
              map Fn.Where [ flat; zero; x ] * f (map Fn.Where [ flat; like y 1.0; y ]) ]

    /// x·log y, 0 where x is 0 unless y is NaN. Where x is 0 and y is 0, negative or infinite, both derivatives are 0.
    let xlogy (x: Expr) (y: Expr) : Expr = timesLog log 0.0 x y

    /// x·log(1 + y), 0 where x is 0 unless y is NaN. Where x is 0 and y is −1, less or infinite, both derivatives are 0.
    let xlog1py (x: Expr) (y: Expr) : Expr =
        timesLog (fun y -> map Fn.Log1p [ y ]) -1.0 x y

    /// log σ(x) = −softplus(−x), without overflow.
    let logSigmoid (x: Expr) : Expr =
        -(map Fn.Softplus [ -(floats "log_sigmoid" x) ])
    /// x·σ(x).
    let silu (x: Expr) : Expr = x * map Fn.Sigmoid [ floats "silu" x ]
    /// x·Φ(x), with the normal distribution function Φ (the form with erf).
    let gelu (x: Expr) : Expr = x * map Fn.Ndtr [ floats "gelu" x ]
    /// sin(πx)/(πx), 1 at 0, with all its derivatives.
    let sinc (x: Expr) : Expr = map Fn.Sinc [ x ]

    /// The rest of a division that cuts off, with the sign of x, as `%` of .NET; also of integers, where a divisor 0 is an error.
    let fmod (x: Expr) (y: Expr) : Expr = map Fn.Fmod [ x; y ]

    /// The rest of a division that rounds down, with the sign of y; also of integers, where a divisor 0 is an error.
    let remainder (x: Expr) (y: Expr) : Expr =
        let rest = map Fn.Fmod [ x; y ]
        let zero = like rest 0.0
        let opposite =
            map Fn.NotEqual [ map Fn.Less [ rest; zero ]; map Fn.Less [ y; like y 0.0 ] ]
        map Fn.Where [ map Fn.And [ map Fn.NotEqual [ rest; zero ]; opposite ]; rest + y; rest ]

    /// Whether a number is NaN.
    let isNaN (x: Expr) : Expr = map Fn.NotEqual [ x; x ]
    /// Whether a number is infinite.
    let isInfinite (x: Expr) : Expr =
        map Fn.Equal [ abs x; like x Double.PositiveInfinity ]
    /// Whether a number is neither infinite nor NaN.
    let isFinite (x: Expr) : Expr =
        map Fn.Less [ abs x; like x Double.PositiveInfinity ]
