namespace Diff

open System
open System.Collections.Generic
open System.Numerics.Tensors

/// Scalar functions applied index by index: one row each.
[<RequireQualifiedAccess>]
module internal Elementwise =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
    let private where (condition: Expr) a b = map Fn.Where [ condition; a; b ]
    let private any = Row.any
    let private like (x: Expr) value = Row.like x value
    let inline private unary ([<InlineIfLambda>] value: float -> float) partial domain =
        Row.unary value partial domain
    let private flat value numbers = Row.flat value numbers

    /// Half of the cotangent goes to each of two equal operands.
    let private extreme value wins =
        { Value = value
          Derivative =
            Pointwise(fun i xs _ g ->
                let x, other = xs[i], xs[1 - i]
                where (map Fn.Equal [ x; other ]) (0.5 * g) (where (map wins [ x; other ]) g (like g 0.0)))
          Domain = [| (-2.0, -0.1); (0.1, 2.0) |] }

    /// ∂(x^y)/∂x = y·x^(y−1), taken as 0 where y = 0 and 1/x is no finite number; ∂(x^y)/∂y = x^y·log x, taken as 0 where x = 0.
    /// In the branch not taken stands a power and a logarithm that exist, so that derivatives of the branch exist too.
    let private powTimes i (xs: Expr[]) (power: Expr) g =
        let x, y = xs[0], xs[1]
        if i = 0 then
            // Elsewhere y = 0 is a point like any other: the derivative changes with y there.
            let least = if x.DType = DType.Float32 then 1e-37 else 1e-300
            let hasInverse = map Fn.Greater [ map Fn.Abs [ x ]; like x least ]
            let isFlat = map Fn.And [ map Fn.Equal [ y; 0.0 ]; map Fn.Not [ hasInverse ] ]
            where isFlat (like g 0.0) (y * map Fn.Pow [ x; where isFlat (like y 1.0) (y - 1.0) ] * g)
        else
            let isZero = map Fn.Equal [ x; 0.0 ]
            where isZero (like g 0.0) (power * log (where isZero (like x 1.0) x) * g)

    let rule =
        function
        | Fn.Neg ->
            { Value = Loops.exact1 (fun x -> -x) (fun n -> -n)
              Derivative = Linear(fun _ _ g -> -g)
              Domain = [| any |] }
        | Fn.Abs ->
            { unary (fun x -> Math.Abs x) (fun x _ -> map Fn.Sign [ x ]) (0.1, 2.0) with
                Value = Loops.exact1 (fun x -> Math.Abs x) (fun n -> if n < 0L then -n else n) }
        | Fn.Sign ->
            { flat (Loops.exact1 (fun x -> Special.sign x) (fun n -> int64 (sign n))) 1 with
                Domain = [| (0.1, 2.0) |] }
        | Fn.Exp -> unary (fun x -> exp x) (fun _ y -> y) any
        | Fn.Log -> unary (fun x -> log x) (fun x _ -> 1.0 / x) (0.2, 3.0)
        | Fn.Log1p -> unary (fun x -> Special.log1p x) (fun x _ -> 1.0 / (1.0 + x)) (-0.7, 2.0)
        | Fn.Expm1 -> unary (fun x -> Special.expm1 x) (fun x _ -> exp x) any
        | Fn.Sqrt -> unary (fun x -> sqrt x) (fun _ y -> 0.5 / y) (0.2, 3.0)
        | Fn.Sin -> unary (fun x -> sin x) (fun x _ -> cos x) any
        | Fn.Cos -> unary (fun x -> cos x) (fun x _ -> -(sin x)) any
        | Fn.Tan -> unary (fun x -> tan x) (fun _ y -> 1.0 + y * y) (-1.2, 1.2)
        | Fn.Tanh -> unary (fun x -> tanh x) (fun _ y -> 1.0 - y * y) any
        | Fn.Sigmoid -> unary (fun x -> Special.sigmoid x) (fun x y -> y * map Fn.Sigmoid [ -x ]) any
        | Fn.Softplus -> unary (fun x -> Special.softplus x) (fun x _ -> map Fn.Sigmoid [ x ]) any
        | Fn.Relu ->
            { Value = Loops.floats1 (fun x -> if x < 0.0 then 0.0 else x)
              Derivative = Pointwise(fun _ xs _ g -> where (map Fn.Greater [ xs[0]; 0.0 ]) g (like g 0.0))
              Domain = [| (0.1, 2.0) |] }
        | Fn.Not -> flat (Loops.exact1 (fun x -> 1.0 - x) (fun n -> 1L - n)) 0
        | Fn.And -> flat (Loops.exact2 (fun x y -> x * y) (fun m n -> m &&& n)) 0
        | Fn.Or -> flat (Loops.exact2 (fun x y -> Math.Max(x, y)) (fun m n -> m ||| n)) 0
        | Fn.Add ->
            { Value = Loops.exact2 (fun x y -> x + y) (fun m n -> m + n)
              Derivative = Linear(fun _ _ g -> g)
              Domain = [| any; any |] }
        | Fn.Sub ->
            { Value = Loops.exact2 (fun x y -> x - y) (fun m n -> m - n)
              Derivative = Linear(fun i _ g -> if i = 0 then g else -g)
              Domain = [| any; any |] }
        | Fn.Mul ->
            { Value = Loops.exact2 (fun x y -> x * y) (fun m n -> m * n)
              Derivative = Multilinear(fun i xs g -> xs[1 - i] * g)
              Domain = [| any; any |] }
        | Fn.Div ->
            { Value = Loops.exact2 (fun x y -> x / y) (Row.divide "div" (fun m n -> m / n))
              Derivative = Pointwise(fun i xs y g -> if i = 0 then g / xs[1] else -(y * (g / xs[1])))
              Domain = [| any; (0.3, 2.0) |] }
        | Fn.Pow ->
            { Value = Loops.floats2 (fun x y -> Math.Pow(x, y))
              Derivative = Pointwise powTimes
              Domain = [| (0.2, 2.0); any |] }
        | Fn.Max -> extreme (Loops.exact2 (fun x y -> Math.Max(x, y)) (fun m n -> Math.Max(m, n))) Fn.Greater
        | Fn.Min -> extreme (Loops.exact2 (fun x y -> Math.Min(x, y)) (fun m n -> Math.Min(m, n))) Fn.Less
        | Fn.Equal -> flat (Loops.test (fun x y -> x = y) (fun m n -> m = n)) 2
        | Fn.NotEqual -> flat (Loops.test (fun x y -> x <> y) (fun m n -> m <> n)) 2
        | Fn.Less -> flat (Loops.test (fun x y -> x < y) (fun m n -> m < n)) 2
        | Fn.LessEqual -> flat (Loops.test (fun x y -> x <= y) (fun m n -> m <= n)) 2
        | Fn.Greater -> flat (Loops.test (fun x y -> x > y) (fun m n -> m > n)) 2
        | Fn.GreaterEqual -> flat (Loops.test (fun x y -> x >= y) (fun m n -> m >= n)) 2
        | Fn.Where ->
            { Value = Loops.select
              Derivative =
                Linear(fun i xs g ->
                    where
                        xs[0]
                        (if i = 1 then g else Expr.ZerosLike g)
                        (if i = 1 then Expr.ZerosLike g else g))
              Domain = [| (0.0, 1.0); any; any |] }
        | Fn.Cbrt
        | Fn.Log2
        | Fn.Log10
        | Fn.Exp2
        | Fn.Asin
        | Fn.Acos
        | Fn.Atan
        | Fn.Sinh
        | Fn.Cosh
        | Fn.Asinh
        | Fn.Acosh
        | Fn.Atanh
        | Fn.OneMinusSquare
        | Fn.Atan2
        | Fn.Hypot
        | Fn.Direction
        | Fn.Logaddexp
        | Fn.Sinc
        | Fn.SincDerivative
        | Fn.Floor
        | Fn.Ceil
        | Fn.Round
        | Fn.Trunc
        | Fn.Fmod as fn -> ElementaryRows.rule fn
        | Fn.Erf
        | Fn.Erfc
        | Fn.Erfcx
        | Fn.ErfcxDerivative
        | Fn.Erfinv
        | Fn.Ndtr
        | Fn.LogNdtr
        | Fn.Gaussian
        | Fn.Lgamma
        | Fn.Digamma
        | Fn.Polygamma
        | Fn.GammaDensity
        | Fn.Gammainc
        | Fn.Gammaincc
        | Fn.GammaincDerivative
        | Fn.Lbeta
        | Fn.BetaDensity
        | Fn.Betainc
        | Fn.BetaincDerivative as fn -> SpecialRows.rule fn

    /// One kernel for each element type, made when first asked for: nothing else of the node matters.
    let private kernels fn : Expr -> Kernel =
        let made =
            Enum.GetValues<DType>() |> Array.map (fun dtype -> lazy (rule fn).Value dtype)
        fun node -> made[int node.Args[node.Args.Length - 1].DType].Value

    let private rules =
        let table = Dictionary<Fn, Rule>()
        for fn in Fn.all do
            table[fn] <-
                { Derivative = (rule fn).Derivative
                  Kernel = kernels fn
                  Batching = Stacked(Op.ofFn fn) }
        table

    /// The rule of an elementwise operation.
    let ofFn fn : Rule = rules[fn]

    let private converted (from: DType) : Expr -> Kernel =
        fun node ->
            let inline into (toFloat: 'T -> float) (toInt: 'T -> int64) =
                match node.DType with
                // Straight from the float, so that what is too large becomes the largest integer, as for int64.
                | DType.Int32 when DType.isFloat from -> Loops.one toFloat (int: float -> int) id
                | DType.Float64 -> Loops.one toFloat (id: float -> float) id
                // At once, so that it rounds once.
                | DType.Float32 when from = DType.Int64 -> Loops.one toInt (float32: int64 -> float32) id
                | DType.Float32 -> Loops.one toFloat float32 id
                | DType.Int32 -> Loops.one toInt int id
                | DType.Int64 -> Loops.one toInt (id: int64 -> int64) id
                | DType.Bool -> Loops.one toFloat ((<>) 0.0) id
                | DType.Float16 -> Loops.one toFloat (fun (x: float) -> Half.op_Explicit x: Half) id
                | DType.BFloat16 -> Loops.one toFloat BFloat16.OfDouble id
                | other -> DType.unknown other
            match from with
            | DType.Float16 when node.DType = DType.Float32 ->
                Kernel(fun args result ->
                    TensorPrimitives.ConvertToSingle(
                        (Span<Half>.op_Implicit(args[0].Span<Half>()): ReadOnlySpan<Half>),
                        result.Span<float32>()
                    ))
            | DType.Float32 when node.DType = DType.Float16 ->
                Kernel(fun args result ->
                    TensorPrimitives.ConvertToHalf(
                        (Span<float32>.op_Implicit(args[0].Span<float32>()): ReadOnlySpan<float32>),
                        result.Span<Half>()
                    ))
            | DType.Float16 -> into (float: Half -> float) int64
            | DType.BFloat16 ->
                into (fun (x: BFloat16) -> x.ToDouble()) (fun (x: BFloat16) -> int64 (x.ToDouble()))
            | DType.Float64 -> into (id: float -> float) int64
            | DType.Float32 -> into (float: float32 -> float) int64
            | DType.Int32 -> into (float: int -> float) int64
            | DType.Int64 -> into (float: int64 -> float) id
            | DType.Bool -> into (fun (b: bool) -> if b then 1.0 else 0.0) Loops.ofBool
            | other -> DType.unknown other

    let makeCast (dtype: DType) (x: Expr) =
        let isOfHalf = DType.isHalf dtype || DType.isHalf x.DType
        if x.DType = dtype then
            x
        elif isOfHalf && not (DType.isReal dtype && DType.isReal x.DType) then
            raise (
                DTypeException
                    $"cast: {DType.name x.DType} does not become {DType.name dtype} at once; cast it to float32 first"
            )
        else
            Expr(Op.Cast, [| x |], x.Shape, dtype)

    /// Conversion between element types: floats to integers by cutting off, anything to bool as "is not 0".
    let castRule: Rule =
        { Derivative = Linear(fun _ xs g -> makeCast (DType.ofDerivative xs[0].DType) g)
          Kernel = fun node -> converted node.Args[0].DType node
          Batching = Stacked Op.Cast }

    let private copy (args: NDArray[]) (result: NDArray) = args[0].CopyTo result

    let stopGradientRule: Rule =
        { Derivative = Zero
          Kernel = fun _ -> Kernel copy
          Batching = Stacked Op.StopGradient }

    /// The identity in its first argument; the others only have to be there before.
    let barrierRule: Rule =
        { Derivative = Linear(fun i xs g -> if i = 0 then g else Expr.NoDerivative xs[i])
          Kernel = fun _ -> Kernel copy
          Batching =
            Mapped(fun n stacked args node ->
                let first = if stacked[0] then args[0] else Stack.repeat n args[0]
                Expr(Op.Barrier, Array.updateAt 0 first args, first.Shape, node.DType)) }
