namespace Diff

open System.Collections.Concurrent
open Diff.Kernels

/// Random numbers: functions of keys, so that the same key always gives the same numbers.
[<RequireQualifiedAccess>]
module internal Draws =
    /// A draw as the kernels know it.
    let kind =
        function
        | Draw.Bits -> RandomDraw.Bits
        | Draw.FoldIn -> RandomDraw.FoldIn
        | Draw.Split -> RandomDraw.Split
        | Draw.Uniform -> RandomDraw.Uniform
        | Draw.Normal -> RandomDraw.Normal
        | Draw.Exponential -> RandomDraw.Exponential
        | Draw.Laplace -> RandomDraw.Laplace
        | Draw.Gumbel -> RandomDraw.Gumbel
        | Draw.Logistic -> RandomDraw.Logistic
        | Draw.Below _ -> RandomDraw.Below
        | Draw.Permutation -> RandomDraw.Permutation
        | Draw.TruncatedNormal -> RandomDraw.TruncatedNormal
        | Draw.Gamma -> RandomDraw.Gamma
        | Draw.LogGamma -> RandomDraw.LogGamma

    let bound =
        function
        | Draw.Below n -> uint64 n
        | _ -> 0UL

    // ---- Making nodes ---------------------------------------------------------------------------------------------------

    let private checkKey operation (key: Expr) =
        if key.DType <> DType.Int64 then
            raise (
                DTypeException
                    $"{operation}: a key is an int64 array of any shape, got {DType.name key.DType}; make one with Rng.key"
            )

    /// A draw of a shape from each key; parameters have the whole shape.
    let make operation draw (shape: Shape) dtype (key: Expr) (parameters: Expr[]) : Expr =
        checkKey operation key
        let whole = Shape(Array.append key.Shape.Dims shape.Dims)
        let fit (x: Expr) =
            match Shape.tryBroadcast x.Shape whole with
            | ValueSome s when s.Equals whole -> Expr.BroadcastTo(x, whole)
            | _ ->
                raise (
                    ShapeException
                        $"{operation}: a parameter of shape {x.Shape} does not broadcast to {whole}, the shape of the key and of a draw"
                )
        Expr(Op.Random draw, Array.append [| key |] (Array.map fit parameters), whole, dtype)

    let foldIn (key: Expr) (data: Expr) : Expr =
        checkKey "fold_in" key
        if not (DType.isInteger data.DType) then
            raise (
                DTypeException $"fold_in: expected int32 or int64 data, got {DType.name data.DType}; cast it"
            )
        match Shape.tryBroadcast key.Shape data.Shape with
        | ValueSome shape ->
            let args =
                [| key; Elementwise.makeCast DType.Int64 data |]
                |> Array.map (fun x -> Expr.BroadcastTo(x, shape))
            Expr(Op.Random Draw.FoldIn, args, shape, DType.Int64)
        | ValueNone ->
            raise (
                ShapeException
                    $"fold_in: a key of shape {key.Shape} and data of shape {data.Shape} do not broadcast"
            )

    // ---- Derivatives ------------------------------------------------------------------------------------------------------

    /// An operation on arrays of one shape and float type, index by index, with an integer.
    let private family (name: int -> string) (value: int -> float[] -> float) derivative =
        let made = ConcurrentDictionary<int, CustomOp>()
        let rec apply k (args: Expr[]) : Expr =
            let make k =
                let forward (args: NDArray[]) =
                    let result = NDArray.Zeros(args[0].DType, args[0].Shape)
                    for i in 0 .. result.Length - 1 do
                        let y = value k (args |> Array.map (fun a -> a.Float i))
                        if result.DType = DType.Float32 then
                            result.Span<float32>()[i] <- float32 y
                        else
                            result.Span<float>()[i] <- y
                    result
                let backward args y g =
                    derivative apply k args y |> Array.map (fun d -> g * d: Expr | null)
                CustomOp(name k, Custom.likeFirst, forward, backward, true)
            Custom.apply (made.GetOrAdd(k, make)) args
        apply

    /// The moments of GammaMath: ∂sₖ/∂a = sₖ₊₁ and ∂sₖ/∂y = (eʸ − a)·sₖ − k·sₖ₋₁, + 1 for k = 0.
    let private moment =
        family
            (fun k -> $"gamma_moment {k}")
            (fun k x -> GammaMath.Moment(k, x[0], x[1]))
            (fun self k args s ->
                let a, y = args[0], args[1]
                let own = (exp y - a) * s
                [| self (k + 1) args
                   (if k = 0 then
                        own + 1.0
                    else
                        own - float k * self (k - 1) args) |])

    /// The derivative of the logarithm y of a gamma variate with respect to the shape a, −(∂P/∂a)/(∂P/∂y) for the distribution function P
    /// (Figurnov, Mohamed and Mnih 2018), of every order.
    let private implicitSlope (a: Expr) (y: Expr) : Expr =
        -(moment 1 [| a; y |] + (y - Expr.Map(Fn.Digamma, [| a |])) * moment 0 [| a; y |])

    /// The quantile x at u of a normal between bounds: ∂x/∂low = φ(low)/φ(x)·(1 − u), ∂x/∂high = φ(high)/φ(x)·u; nothing for an infinite bound.
    let private truncatedSlope (args: Expr[]) (x: Expr) i : Expr =
        let u = Expr(Op.Random Draw.Uniform, [| args[0] |], x.Shape, DType.Float64)
        let part = Elementwise.makeCast x.DType (if i = 1 then 1.0 - u else u)
        let isFinite = Expr.Map(Fn.Less, [| abs args[i]; Expr.op_Implicit infinity |])
        let zero = Expr.ZerosLike x
        let bound = Expr.Map(Fn.Where, [| isFinite; args[i]; zero |])
        let slope = exp (0.5 * (x - bound) * (x + bound)) * part
        Expr.Map(Fn.Where, [| isFinite; slope; zero |])

    let private derivative draw =
        match draw with
        | Draw.TruncatedNormal ->
            General(fun needed args x g ->
                Array.init 3 (fun i -> if needed[i] then g * truncatedSlope args x i else null))
        | Draw.LogGamma -> General(fun _ args y g -> [| null; g * implicitSlope args[1] y |])
        | Draw.Gamma ->
            General(fun _ args x g ->
                let isThere = Expr.Map(Fn.Greater, [| x; Expr.op_Implicit 0.0 |])
                let safe = Expr.Map(Fn.Where, [| isThere; x; Expr.OnesLike x |])
                let slope = safe * implicitSlope args[1] (log safe)
                [| null; Expr.Map(Fn.Where, [| isThere; g * slope; Expr.ZerosLike x |]) |])
        | _ -> Zero

    // ---- Evaluation ---------------------------------------------------------------------------------------------------------

    let private floats (value: uint64 -> uint64 -> int -> NDArray[] -> float) : Kernel =
        Kernel(fun args result ->
            let keys = args[0].Span<int64>()
            let n = result.Length / max 1 keys.Length
            for at in 0 .. result.Length - 1 do
                let y = value (uint64 keys[at / n]) (uint64 (at % n)) at args
                if result.DType = DType.Float32 then
                    result.Span<float32>()[at] <- float32 y
                else
                    result.Span<float>()[at] <- y)

    let private integers (value: uint64 -> uint64 -> int -> NDArray[] -> int64) : Kernel =
        Kernel(fun args result ->
            let keys = args[0].Span<int64>()
            let n = result.Length / max 1 keys.Length
            for at in 0 .. result.Length - 1 do
                let y = value (uint64 keys[at / n]) (uint64 (at % n)) at args
                if result.DType = DType.Int32 then
                    result.Span<int>()[at] <- int y
                else
                    result.Span<int64>()[at] <- y)

    let private permutation: Kernel =
        Kernel(fun args result ->
            let keys = args[0].Span<int64>()
            let n = result.Length / max 1 keys.Length
            let out = result.Span<int64>()
            for k in 0 .. keys.Length - 1 do
                let key = uint64 keys[k]
                let order = ResizeArray<int64>()
                for j in 0 .. n - 1 do
                    let word = Philox.Word(key, uint64 j)
                    let at = int (RandomNumber.Below(key, uint64 j, word, uint64 j + 1UL))
                    order.Add(int64 j)
                    order[j] <- order[at]
                    order[at] <- int64 j
                for j in 0 .. n - 1 do
                    out[k * n + j] <- order[j])

    let private kernel draw (node: Expr) : Kernel =
        let quantile (f: uint64 -> float) =
            floats (fun key i _ _ -> f (Philox.Word(key, i)))
        match draw with
        | Draw.Bits when node.DType = DType.Int32 ->
            integers (fun key i _ _ ->
                let word = Philox.Word(key, i / 2UL)
                int64 (int (uint32 (if i % 2UL = 0UL then word else word >>> 32))))
        | Draw.Bits -> integers (fun key i _ _ -> int64 (Philox.Word(key, i)))
        | Draw.FoldIn ->
            integers (fun key _ at args ->
                int64 (Philox.Block(key, uint64 (args[1].Span<int64>()[at]), RandomUse.FoldIn, 0u).Low))
        | Draw.Split -> integers (fun key i _ _ -> int64 (Philox.Block(key, i, RandomUse.Split, 0u).Low))
        | Draw.Uniform when node.DType = DType.Float32 ->
            quantile (fun word -> float (RandomNumber.UniformSingle word))
        | Draw.Uniform -> quantile RandomNumber.Uniform
        | Draw.Normal -> quantile RandomNumber.Normal
        | Draw.Exponential -> quantile RandomNumber.Exponential
        | Draw.Laplace -> quantile RandomNumber.Laplace
        | Draw.Gumbel -> quantile RandomNumber.Gumbel
        | Draw.Logistic -> quantile RandomNumber.Logistic
        | Draw.Below n ->
            integers (fun key i _ _ -> RandomNumber.Below(key, i, Philox.Word(key, i), uint64 n))
        | Draw.Permutation -> permutation
        | Draw.TruncatedNormal ->
            floats (fun key i at args ->
                let bounds = TruncatedNormal(args[1].Float at, args[2].Float at)
                RandomNumber.Truncated(&bounds, Philox.Word(key, i)))
        | Draw.Gamma -> floats (fun key i at args -> RandomNumber.Gamma(key, i, args[1].Float at))
        | Draw.LogGamma -> floats (fun key i at args -> RandomNumber.LogGamma(key, i, args[1].Float at))

    let rule draw : Rule =
        { Derivative = derivative draw
          Kernel = kernel draw
          Batching = Stacked(Op.Random draw) }
