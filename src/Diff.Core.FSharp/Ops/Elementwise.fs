namespace Diff

open System
open System.Collections.Generic

/// A scalar function: value, derivative and where it is smooth.
type internal ScalarRule =
    {
        Value: ScalarValue
        Derivative: Derivative
        /// For each operand, an interval in which the function is smooth; the laws draw their points from there.
        Domain: (float * float)[]
    }

and internal ScalarValue =
    | Unary of (float -> float)
    | Binary of (float -> float -> float)
    /// Also for integers and bools, the latter as 0 and 1.
    | UnaryExact of (float -> float) * (int64 -> int64)
    | BinaryExact of (float -> float -> float) * (int64 -> int64 -> int64)
    | Test of (float -> float -> bool) * (int64 -> int64 -> bool)
    | Select

/// Scalar functions applied index by index: one row each.
[<RequireQualifiedAccess>]
module internal Elementwise =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
    let private where (condition: Expr) a b = map Fn.Where [ condition; a; b ]
    let private any = -2.0, 2.0

    /// A scalar constant of the element type of x.
    let private like (x: Expr) value = Expr.Full(value, Shape.Scalar, x.DType)

    let private unary value partial domain =
        { Value = Unary value
          Derivative = Pointwise(fun _ xs y g -> partial ((xs: Expr[]).[0]) y * g)
          Domain = [| domain |] }

    let private logical value =
        { Value = value
          Derivative = Zero
          Domain = [||] }

    let private test f g =
        { Value = Test(f, g)
          Derivative = Zero
          Domain = [| any; any |] }

    /// Half of the cotangent goes to each of two equal operands.
    let private extreme value wins =
        { Value = value
          Derivative =
            Pointwise(fun i xs _ g ->
                let x, other = xs[i], xs[1 - i]
                where (map Fn.Equal [ x; other ]) (0.5 * g) (where (map wins [ x; other ]) g (like g 0.0)))
          Domain = [| (-2.0, -0.1); (0.1, 2.0) |] }

    /// ∂(x^y)/∂x = y·x^(y−1), which is 0 for y = 0 also where x = 0; ∂(x^y)/∂y = x^y·log x, taken as 0 where x = 0.
    /// In the branch not taken stands a power and a logarithm that exist, so that derivatives of the branch exist too.
    let private powTimes i (xs: Expr[]) (power: Expr) g =
        let x, y = xs[0], xs[1]
        if i = 0 then
            let isZero = map Fn.Equal [ y; 0.0 ]
            where isZero (like g 0.0) (y * map Fn.Pow [ x; where isZero (like y 1.0) (y - 1.0) ] * g)
        else
            let isZero = map Fn.Equal [ x; 0.0 ]
            where isZero (like g 0.0) (power * log (where isZero (like x 1.0) x) * g)

    let rule =
        function
        | Fn.Neg ->
            { Value = UnaryExact((~-), (~-))
              Derivative = Linear(fun _ _ g -> -g)
              Domain = [| any |] }
        | Fn.Abs ->
            { unary abs (fun x _ -> map Fn.Sign [ x ]) (0.1, 2.0) with
                Value = UnaryExact(abs, fun n -> if n < 0L then -n else n) }
        | Fn.Sign ->
            { unary Special.sign (fun x _ -> Expr.ZerosLike x) (0.1, 2.0) with
                Value = UnaryExact(Special.sign, fun n -> int64 (sign n))
                Derivative = Zero }
        | Fn.Exp -> unary exp (fun _ y -> y) any
        | Fn.Log -> unary log (fun x _ -> 1.0 / x) (0.2, 3.0)
        | Fn.Log1p -> unary Special.log1p (fun x _ -> 1.0 / (1.0 + x)) (-0.7, 2.0)
        | Fn.Expm1 -> unary Special.expm1 (fun _ y -> y + 1.0) any
        | Fn.Sqrt -> unary sqrt (fun _ y -> 0.5 / y) (0.2, 3.0)
        | Fn.Sin -> unary sin (fun x _ -> cos x) any
        | Fn.Cos -> unary cos (fun x _ -> -(sin x)) any
        | Fn.Tan -> unary tan (fun _ y -> 1.0 + y * y) (-1.2, 1.2)
        | Fn.Tanh -> unary tanh (fun _ y -> 1.0 - y * y) any
        | Fn.Sigmoid -> unary Special.sigmoid (fun x y -> y * map Fn.Sigmoid [ -x ]) any
        | Fn.Softplus -> unary Special.softplus (fun x _ -> map Fn.Sigmoid [ x ]) any
        | Fn.Relu ->
            { Value = Unary(fun x -> if x < 0.0 then 0.0 else x)
              Derivative = Pointwise(fun _ xs _ g -> where (map Fn.Greater [ xs[0]; 0.0 ]) g (like g 0.0))
              Domain = [| (0.1, 2.0) |] }
        | Fn.Not -> logical (UnaryExact((fun x -> 1.0 - x), (fun x -> 1L - x)))
        | Fn.And -> logical (BinaryExact((fun x y -> x * y), (&&&)))
        | Fn.Or -> logical (BinaryExact((fun x y -> Math.Max(x, y)), (|||)))
        | Fn.Add ->
            { Value = BinaryExact((+), (+))
              Derivative = Linear(fun _ _ g -> g)
              Domain = [| any; any |] }
        | Fn.Sub ->
            { Value = BinaryExact((-), (-))
              Derivative = Linear(fun i _ g -> if i = 0 then g else -g)
              Domain = [| any; any |] }
        | Fn.Mul ->
            { Value = BinaryExact((*), (*))
              Derivative = Multilinear(fun i xs g -> xs[1 - i] * g)
              Domain = [| any; any |] }
        | Fn.Div ->
            { Value = Binary (/)
              Derivative = Pointwise(fun i xs y g -> if i = 0 then g / xs[1] else -(y * (g / xs[1])))
              Domain = [| any; (0.3, 2.0) |] }
        | Fn.Pow ->
            { Value = Binary(fun x y -> Math.Pow(x, y))
              Derivative = Pointwise powTimes
              Domain = [| (0.2, 2.0); any |] }
        | Fn.Max -> extreme (BinaryExact((fun x y -> Math.Max(x, y)), max)) Fn.Greater
        | Fn.Min -> extreme (BinaryExact((fun x y -> Math.Min(x, y)), min)) Fn.Less
        | Fn.Equal -> test (=) (=)
        | Fn.NotEqual -> test (<>) (<>)
        | Fn.Less -> test (<) (<)
        | Fn.LessEqual -> test (<=) (<=)
        | Fn.Greater -> test (>) (>)
        | Fn.GreaterEqual -> test (>=) (>=)
        | Fn.Where ->
            { Value = Select
              Derivative =
                Linear(fun i xs g ->
                    where
                        xs[0]
                        (if i = 1 then g else Expr.ZerosLike g)
                        (if i = 1 then Expr.ZerosLike g else g))
              Domain = [| (0.0, 1.0); any; any |] }

    let private select =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                let condition = args[0].Span<bool>()
                let a = args[1].Span<'T>()
                let b = args[2].Span<'T>()
                let out = result.Span<'T>()
                for i in 0 .. out.Length - 1 do
                    out[i] <- if condition[i] then a[i] else b[i] }

    // Each loop below converts to float64 or int64, the types of the rows, and back. For +, −, ×, ÷ and √ of float32
    // this rounds exactly as float32 arithmetic does (Figueroa 1995: 53 ≥ 2·24 + 2).
    let inline private loop1 (convert: 'T -> 'V) (back: 'U -> 'R) (f: 'V -> 'U) =
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let out = result.Span<'R>()
            for i in 0 .. out.Length - 1 do
                out[i] <- back (f (convert x[i])))

    let inline private loop2 (convert: 'T -> 'V) (back: 'U -> 'R) (f: 'V -> 'V -> 'U) =
        let f = OptimizedClosures.FSharpFunc<_, _, _>.Adapt f
        Kernel(fun args result ->
            let x = args[0].Span<'T>()
            let y = args[1].Span<'T>()
            let out = result.Span<'R>()
            for i in 0 .. out.Length - 1 do
                out[i] <- back (f.Invoke(convert x[i], convert y[i])))

    let private ofBool (b: bool) = if b then 1L else 0L

    let private kernel1 (dtype: DType) f g =
        match dtype with
        | DType.Float64 -> loop1 id id f
        | DType.Float32 -> loop1 (float: float32 -> float) float32 f
        | DType.Int32 -> loop1 (int64: int -> int64) int g
        | DType.Int64 -> loop1 id id g
        | _ -> loop1 ofBool ((<>) 0L) g

    let private kernel2 (dtype: DType) f g =
        match dtype with
        | DType.Float64 -> loop2 id id f
        | DType.Float32 -> loop2 (float: float32 -> float) float32 f
        | DType.Int32 -> loop2 (int64: int -> int64) int g
        | DType.Int64 -> loop2 id id g
        | _ -> loop2 ofBool ((<>) 0L) g

    let private kernelTest (dtype: DType) f g =
        match dtype with
        | DType.Float64 -> loop2 (id: float -> float) (id: bool -> bool) f
        | DType.Float32 -> loop2 (float: float32 -> float) id f
        | DType.Int32 -> loop2 (int64: int -> int64) id g
        | DType.Int64 -> loop2 (id: int64 -> int64) id g
        | _ -> loop2 ofBool id g

    let private floatsOnly (_: int64) : int64 =
        raise (DTypeException "a function of floats was asked for integers")
    let private floatsOnly2 (_: int64) = floatsOnly

    let private kernelOf fn (dtype: DType) : Kernel =
        match (rule fn).Value with
        | Unary f -> kernel1 dtype f floatsOnly
        | UnaryExact(f, g) -> kernel1 dtype f g
        | Binary f -> kernel2 dtype f floatsOnly2
        | BinaryExact(f, g) -> kernel2 dtype f g
        | Test(f, g) -> kernelTest dtype f g
        | Select -> Kernel(fun args result -> Loop.move dtype select args result)

    /// One kernel for each element type, made when first asked for: nothing else of the node matters.
    let private kernels fn : Expr -> Kernel =
        let made =
            Enum.GetValues<DType>() |> Array.map (fun dtype -> lazy kernelOf fn dtype)
        fun node -> made[int node.Args[node.Args.Length - 1].DType].Value

    let private rules =
        let table = Dictionary<Fn, Rule>()
        for fn in Fn.all do
            table[fn] <-
                { Derivative = (rule fn).Derivative
                  Kernel = kernels fn
                  InPlace = true }
        table

    /// The rule of an elementwise operation.
    let ofFn fn : Rule = rules[fn]

    let private converted (from: DType) : Expr -> Kernel =
        fun node ->
            let inline into (toFloat: 'T -> float) (toInt: 'T -> int64) =
                match node.DType with
                // Straight from the float, so that what is too large becomes the largest integer, as for int64.
                | DType.Int32 when DType.isFloat from -> loop1 toFloat (int: float -> int) id
                | DType.Float64 -> loop1 toFloat (id: float -> float) id
                | DType.Float32 -> loop1 toFloat float32 id
                | DType.Int32 -> loop1 toInt int id
                | DType.Int64 -> loop1 toInt (id: int64 -> int64) id
                | _ -> loop1 toFloat ((<>) 0.0) id
            match from with
            | DType.Float64 -> into (id: float -> float) int64
            | DType.Float32 -> into (float: float32 -> float) int64
            | DType.Int32 -> into (float: int -> float) int64
            | DType.Int64 -> into (float: int64 -> float) id
            | _ -> into (fun (b: bool) -> if b then 1.0 else 0.0) ofBool

    let makeCast (dtype: DType) (x: Expr) =
        if x.DType = dtype then
            x
        else
            Expr(Op.Cast, [| x |], x.Shape, dtype)

    /// Conversion between element types: floats to integers by cutting off, anything to bool as "is not 0".
    let castRule: Rule =
        { Derivative = Linear(fun _ xs g -> makeCast xs[0].DType g)
          Kernel = fun node -> converted node.Args[0].DType node
          InPlace = false }

    let private copy (args: NDArray[]) (result: NDArray) = args[0].CopyTo result

    let stopGradientRule: Rule =
        { Derivative = Zero
          Kernel = fun _ -> Kernel copy
          InPlace = true }

    /// The identity in its first argument; the others only have to be there before.
    let barrierRule: Rule =
        { Derivative = Linear(fun i xs g -> if i = 0 then g else Expr.ZerosLike xs[i])
          Kernel = fun _ -> Kernel copy
          InPlace = true }
