namespace Diff

open System

/// Random numbers as graphs. A key is an int64 expression, of any shape, and everything drawn from it is a function of it: the same key gives
/// the same numbers, the same bits on every machine and for any number of threads. Use a key for one draw, and `split` it or
/// `foldIn` a number to have others. Results have the axes of the key, then those asked for. The generator is Philox4x32-10
/// (Salmon et al. 2011); docs/mathematics.md says what is promised.
[<RequireQualifiedAccess; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Rng =
    let private floating operation dtype =
        if not (DType.isFloat dtype) then
            raise (DTypeException $"{operation}: expected float32 or float64, got {DType.name dtype}")

    let private shapeOf operation (shape: int list) =
        if List.exists (fun n -> n < 0) shape then
            raise (ShapeException $"{operation}: expected extents of at least 0, got {Shape.Text shape}")
        Shape(Array.ofList shape)

    let private standard operation draw dtype shape key =
        floating operation dtype
        Draws.make operation draw (shapeOf operation shape) dtype key [||]

    // ---- Keys -------------------------------------------------------------------------------------------------------------

    /// The key of a seed. Any number will do; keys of neighbouring seeds have nothing in common.
    let key (seed: int64) : Expr =
        Leaf.make "key" (NDArray.Create([| seed |], Shape.Scalar))

    /// The key that a key and an integer give, such as the number of a step; shapes broadcast. Different integers give different
    /// keys, but for a chance of 2⁻⁶⁴ each pair.
    let foldIn (data: Expr) (key: Expr) : Expr = Draws.foldIn key data

    /// New keys along a new last axis.
    let splitAxis (n: int) (key: Expr) : Expr =
        Draws.make "split_key" Draw.Split (shapeOf "split_key" [ n ]) DType.Int64 key [||]

    /// So many new keys of the shape of the key.
    let split (n: int) (key: Expr) : Expr list =
        let all = splitAxis n key
        List.init n (fun i -> at -1 i all)

    // ---- Standard distributions -----------------------------------------------------------------------------------------------

    /// Random bits, int32 or int64: all values equally likely.
    let bits (dtype: DType) (shape: int list) (key: Expr) : Expr =
        if not (DType.isInteger dtype) then
            raise (DTypeException $"random_bits: expected int32 or int64, got {DType.name dtype}")
        Draws.make "random_bits" Draw.Bits (shapeOf "random_bits" shape) dtype key [||]

    /// Uniform in [0, 1): multiples of 2⁻²⁴ (float32) or 2⁻⁵³ (float64), never 1. low + (high − low)·u has other bounds.
    let uniform (dtype: DType) (shape: int list) (key: Expr) : Expr =
        standard "random_uniform" Draw.Uniform dtype shape key

    /// Standard normal, the quantile (Wichura 1988) of a uniform number of 64 bits: between −9.2 and 9.2. mean + σ·z has others.
    let normal (dtype: DType) (shape: int list) (key: Expr) : Expr =
        standard "random_normal" Draw.Normal dtype shape key

    /// Exponential of rate 1, never 0; divide by a rate.
    let exponential (dtype: DType) (shape: int list) (key: Expr) : Expr =
        standard "random_exponential" Draw.Exponential dtype shape key

    /// Laplace around 0 of scale 1.
    let laplace (dtype: DType) (shape: int list) (key: Expr) : Expr =
        standard "random_laplace" Draw.Laplace dtype shape key

    /// Gumbel, −log(−log u).
    let gumbel (dtype: DType) (shape: int list) (key: Expr) : Expr =
        standard "random_gumbel" Draw.Gumbel dtype shape key

    /// Logistic, log(u / (1 − u)).
    let logistic (dtype: DType) (shape: int list) (key: Expr) : Expr =
        standard "random_logistic" Draw.Logistic dtype shape key

    // ---- Integers, choices -------------------------------------------------------------------------------------------------

    /// Integers from low up to, but without, high, all equally likely: int32 or int64.
    let integers (low: int64) (high: int64) (dtype: DType) (shape: int list) (key: Expr) : Expr =
        if not (DType.isInteger dtype) then
            raise (DTypeException $"random_integers: expected int32 or int64, got {DType.name dtype}")
        if low >= high then
            invalidArg "high" $"random_integers: expected low < high, got {low} and {high}"
        let first = Expr.Const(Scalar.ofInt dtype low, Shape.Scalar)
        Expr.Const(Scalar.ofInt dtype (high - 1L), Shape.Scalar) |> ignore // both must fit
        Draws.make "random_integers" (Draw.Below(high - low)) (shapeOf "random_integers" shape) dtype key [||]
        + first

    /// true with probability p, index by index: p of a float type broadcasts to the shape. Above 1 means 1, below 0 means 0.
    let bernoulli (p: Expr) (shape: int list) (key: Expr) : Expr = less (uniform p.DType shape key) p

    /// The indices of classes with probabilities softmax(logits) over the last axis (the Gumbel-max trick, Gumbel 1954): int64.
    /// The result has the axes of the key, the shape, then the axes of logits but the last.
    let categorical (logits: Expr) (shape: int list) (key: Expr) : Expr =
        if logits.Rank = 0 then
            raise (ShapeException "random_categorical: expected logits with an axis of classes, got a scalar")
        let noise = gumbel logits.DType (shape @ List.ofArray logits.Shape.Dims) key
        argmax -1 (logits + noise)

    /// 0 … n − 1 in an order of which all are equally likely, along a new last axis: int64.
    let permutation (n: int) (key: Expr) : Expr =
        Draws.make
            "random_permutation"
            Draw.Permutation
            (shapeOf "random_permutation" [ n ])
            DType.Int64
            key
            [||]

    let private single operation (key: Expr) =
        if key.Rank <> 0 then
            raise (
                ShapeException $"{operation}: expected one key, of shape (), got keys of shape {key.Shape}"
            )

    /// The slabs of x along an axis in random order, from one key.
    let shuffle (axis: int) (x: Expr) (key: Expr) : Expr =
        single "random_shuffle" key
        let axis = Shape.axis "random_shuffle" x.Shape axis
        gather axis (permutation x.Shape[axis] key) x

    /// Some slabs of x along an axis, none twice, in random order, from one key.
    let choice (count: int) (axis: int) (x: Expr) (key: Expr) : Expr =
        single "random_choice" key
        let axis = Shape.axis "random_choice" x.Shape axis
        if count < 0 || count > x.Shape[axis] then
            raise (
                ArgumentOutOfRangeException(
                    "count",
                    $"random_choice: expected 0 to {x.Shape[axis]} of axis {axis} of shape {x.Shape}, got {count}"
                )
            )
        gather axis (slice 0 None (Some count) 1 (permutation x.Shape[axis] key)) x

    // ---- Distributions with parameters: derivatives with respect to them pass through the numbers drawn -------------------------

    /// Two parameters of one float type; a number beside an expression takes the type of that.
    let private pair operation (x: Expr) (y: Expr) : Expr * Expr =
        floating operation x.DType
        floating operation y.DType
        let beside (other: Expr) (e: Expr) =
            match e.Op with
            | Op.Const value when e.Shape.IsScalar -> Expr.Full(value.AsFloat, e.Shape, other.DType)
            | _ -> e
        let x, y = beside y x, beside x y
        if x.DType <> y.DType then
            raise (
                DTypeException
                    $"{operation}: parameters are {DType.name x.DType} and {DType.name y.DType}; cast one of them"
            )
        x, y

    /// Standard normal between bounds, its quantile at a uniform number: NaN where not low ≤ high. Bounds broadcast to the
    /// shape, may be infinite, and may lie far in a tail. Derivatives of every order.
    let truncatedNormal (low: Expr) (high: Expr) (shape: int list) (key: Expr) : Expr =
        let name = "random_truncated_normal"
        let low, high = pair name low high
        Draws.make name Draw.TruncatedNormal (shapeOf name shape) low.DType key [| low; high |]

    /// Gamma of a shape parameter a ≥ 0, which broadcasts to the shape, and scale 1 (Marsaglia and Tsang 2000). Derivatives with respect to
    /// a of every order are those of the quantile at fixed probability (implicit reparameterisation, Figurnov et al. 2018).
    let gamma (a: Expr) (shape: int list) (key: Expr) : Expr =
        let name = "random_gamma"
        floating name a.DType
        Draws.make name Draw.Gamma (shapeOf name shape) a.DType key [| a |]

    /// The logarithm of a gamma variate, right also where that is too small for a float, as it often is for small a.
    let logGamma (a: Expr) (shape: int list) (key: Expr) : Expr =
        let name = "random_log_gamma"
        floating name a.DType
        Draws.make name Draw.LogGamma (shapeOf name shape) a.DType key [| a |]

    /// Beta of parameters a and b, which broadcast to the shape: x / (x + y) of gamma variates.
    let beta (a: Expr) (b: Expr) (shape: int list) (key: Expr) : Expr =
        let a, b = pair "random_beta" a b
        match split 2 key with
        | [ first; second ] -> sigmoid (logGamma a shape first - logGamma b shape second)
        | _ -> invalidOp "random_beta: two keys were asked for"

    /// Dirichlet of the parameters along the last axis: numbers from 0 to 1 whose sum is 1. The result has the axes of the key, the
    /// shape, then those of the parameters.
    let dirichlet (parameters: Expr) (shape: int list) (key: Expr) : Expr =
        if parameters.Rank = 0 then
            raise (ShapeException "random_dirichlet: expected parameters along an axis, got a scalar")
        softmax -1 (logGamma parameters (shape @ List.ofArray parameters.Shape.Dims) key)

    /// Student's t of so many degrees of freedom, which broadcast to the shape: z / √(2·gamma(ν/2) / ν).
    let studentT (freedom: Expr) (shape: int list) (key: Expr) : Expr =
        floating "random_student_t" freedom.DType
        match split 2 key with
        | [ first; second ] ->
            let half = 0.5 * freedom
            normal freedom.DType shape first * sqrt (half / gamma half shape second)
        | _ -> invalidOp "random_student_t: two keys were asked for"

    /// mean + L·z of a mean [.., n] and a Cholesky factor L [.., n, n] of the covariance; leading axes broadcast. The result has the axes
    /// of the key, the shape, then those of the mean and the leading ones of L.
    let multivariateNormal (mean: Expr) (factor: Expr) (shape: int list) (key: Expr) : Expr =
        let name = "random_multivariate_normal"
        let mean, factor = pair name mean factor
        let n = if mean.Rank = 0 then -1 else mean.Shape[mean.Rank - 1]
        let fits =
            factor.Rank >= 2
            && factor.Shape[factor.Rank - 1] = n
            && factor.Shape[factor.Rank - 2] = n
        let batch =
            if fits then
                Shape.tryBroadcast
                    (Shape mean.Shape.Dims[.. mean.Rank - 2])
                    (Shape factor.Shape.Dims[.. factor.Rank - 3])
            else
                ValueNone
        match batch with
        | ValueSome batch ->
            let z = normal mean.DType (shape @ List.ofArray batch.Dims @ [ n ]) key
            mean + einsum "...ij,...j->...i" [ factor; z ]
        | ValueNone ->
            raise (
                ShapeException
                    $"{name}: a mean of shape {mean.Shape} needs a factor of shape [.., n, n] with n its last extent and leading axes that broadcast, got {factor.Shape}"
            )

    /// x with elements set to 0 with probability p and the others divided by 1 − p, from one key (Srivastava et al. 2014). 0 ≤ p < 1.
    let dropout (p: float) (x: Expr) (key: Expr) : Expr =
        if not (p >= 0.0 && p < 1.0) then
            raise (
                ArgumentOutOfRangeException(
                    "p",
                    $"dropout: expected a probability of at least 0 and below 1, got {p}"
                )
            )
        single "dropout" key
        floating "dropout" x.DType
        if p = 0.0 then
            x
        else
            let keep = guard (greaterEqual (uniform x.DType (List.ofArray x.Shape.Dims) key) p)
            where keep (x / (1.0 - p)) (zerosLike x)
