namespace Diff

open System.Collections.Generic
open System.Globalization
open System.Reflection
open System.Text.RegularExpressions
open System.Threading
open FSharp.Reflection

/// The scalar functions that act index by index. What each one means is a row of Ops/Elementwise.fs.
[<RequireQualifiedAccess>]
type internal Fn =
    | Neg
    | Abs
    | Sign
    | Exp
    | Log
    | Log1p
    | Expm1
    | Sqrt
    | Sin
    | Cos
    | Tan
    | Tanh
    | Sigmoid
    | Softplus
    | Relu
    | Not
    | Add
    | Sub
    | Mul
    | Div
    | Pow
    | Max
    | Min
    | Equal
    | NotEqual
    | Less
    | LessEqual
    | Greater
    | GreaterEqual
    | And
    | Or
    | Where
    // Elementary functions (Ops/SpecialRows.fs)
    | Cbrt
    | Log2
    | Log10
    | Exp2
    | Asin
    | Acos
    | Atan
    | Sinh
    | Cosh
    | Asinh
    | Acosh
    | Atanh
    /// 1 − x², the derivatives of some of those before.
    | OneMinusSquare
    | Atan2
    | Hypot
    /// x/√(x² + y²), the derivative of hypot.
    | Direction
    | Logaddexp
    | Sinc
    /// The derivative of sinc of an order: the first operand, a constant.
    | SincDerivative
    // Steps
    | Floor
    | Ceil
    | Round
    | Trunc
    | Fmod
    // Error functions; the Gaussian is e^(−c·x²) of c and x
    | Erf
    | Erfc
    | Erfcx
    | ErfcxDerivative
    | Erfinv
    | Ndtr
    | LogNdtr
    | Gaussian
    // Gamma and beta functions; derivatives with respect to parameters have their orders, constants, as first operands
    | Lgamma
    | Digamma
    | Polygamma
    | GammaDensity
    | Gammainc
    | Gammaincc
    | GammaincDerivative
    | Lbeta
    | BetaDensity
    | Betainc
    | BetaincDerivative

/// What must be known of a scalar function where nodes are made. The default is right for a new function of floats.
[<RequireQualifiedAccess>]
module internal Fn =
    /// The position of a function among all.
    let tag =
        FSharpValue.PreComputeUnionTagReader(typeof<Fn>, BindingFlags.NonPublic ||| BindingFlags.Public)

    let private cases =
        FSharpType.GetUnionCases(typeof<Fn>, BindingFlags.NonPublic ||| BindingFlags.Public)

    /// Every scalar function.
    let all: Fn[] =
        let make case =
            FSharpValue.MakeUnion(case, [||], BindingFlags.NonPublic ||| BindingFlags.Public)
        cases |> Array.map (make >> nonNull >> unbox)

    let private names =
        let snake (name: string) =
            Regex.Replace(name, "(?<!^)([A-Z])", "_$1").ToLowerInvariant()
        Array.map (fun (c: UnionCaseInfo) -> snake c.Name) cases

    /// The name in messages and listings: the word of the vocabulary in small letters.
    let name (fn: Fn) = names[tag fn]

    /// Whether the value is bool whatever the operands are.
    let isComparison =
        function
        | Fn.Equal
        | Fn.NotEqual
        | Fn.Less
        | Fn.LessEqual
        | Fn.Greater
        | Fn.GreaterEqual -> true
        | _ -> false

    /// What the operands have to be, None if they may be.
    let refuses fn (dtype: DType) =
        match fn with
        | Fn.Where -> None
        | _ when DType.isHalf dtype -> Some "a type that is computed with"
        | Fn.Equal
        | Fn.NotEqual -> None
        | Fn.Not
        | Fn.And
        | Fn.Or -> if dtype = DType.Bool then None else Some "bool"
        | Fn.Neg
        | Fn.Abs
        | Fn.Sign
        | Fn.Add
        | Fn.Sub
        | Fn.Mul
        | Fn.Div
        | Fn.Fmod
        | Fn.Max
        | Fn.Min
        | Fn.Less
        | Fn.LessEqual
        | Fn.Greater
        | Fn.GreaterEqual -> if dtype <> DType.Bool then None else Some "numbers"
        | _ ->
            if DType.isFloat dtype then
                None
            else
                Some "float32 or float64"

/// Which extreme a reduction looks for.
[<RequireQualifiedAccess>]
type internal Extreme =
    | Max
    | Min

/// A function of symmetric matrices by its values at the eigenvalues.
[<RequireQualifiedAccess>]
type internal MatrixFunction =
    | Log
    | Power of float

/// The words of linear algebra: functions of the matrices in the last two axes. Ops/Linalg.fs and its neighbours say what each one is.
[<RequireQualifiedAccess>]
type internal Factorization =
    | Cholesky
    | Lu
    /// The order of rows and columns in which elimination with complete pivoting takes them.
    | PivotOrder
    /// X of A·X = B, or Aᵀ·X = B, given A, its Lu, and B.
    | Solve of transposed: bool
    | TriangularSolve of lower: bool
    | Qr
    | Eigh
    | Svd
    /// The pseudo-inverse; singular values up to this fraction of the largest count as 0.
    | Pinv of tolerance: float
    /// The exponential of a matrix that is block triangular with 2^level equal blocks on its diagonal.
    | Expm of level: int
    /// A function of the symmetric part of the first argument, or its derivative in the directions that are the others, in their order.
    | Symmetric of MatrixFunction * directions: int

[<RequireQualifiedAccess>]
module internal Factorization =
    /// The name in messages and listings: another one for each word and each choice that goes with it.
    let name (word: Factorization) =
        let number (x: float) =
            x.ToString("R", CultureInfo.InvariantCulture)
        match word with
        | Factorization.Cholesky -> "cholesky"
        | Factorization.Lu -> "lu"
        | Factorization.PivotOrder -> "pivot_order"
        | Factorization.Solve false -> "solve"
        | Factorization.Solve true -> "solve_transposed"
        | Factorization.TriangularSolve true -> "lower_solve"
        | Factorization.TriangularSolve false -> "upper_solve"
        | Factorization.Qr -> "qr"
        | Factorization.Eigh -> "eigh"
        | Factorization.Svd -> "svd"
        | Factorization.Pinv tolerance -> "pinv_" + number tolerance
        | Factorization.Expm 0 -> "expm"
        | Factorization.Expm level -> $"expm_{level}"
        | Factorization.Symmetric(MatrixFunction.Log, directions) -> $"symmetric_log_{directions}"
        | Factorization.Symmetric(MatrixFunction.Power p, directions) ->
            $"symmetric_power_{number p}_{directions}"

/// What is drawn from a key. Op.Random says what each one takes beside it.
[<RequireQualifiedAccess>]
type internal Draw =
    /// Random bits: int32 or int64.
    | Bits
    /// The key that a key and an integer give.
    | FoldIn
    /// New keys.
    | Split
    | Uniform
    | Normal
    | Exponential
    | Laplace
    | Gumbel
    | Logistic
    /// Integers from 0 up to a number.
    | Below of int64
    /// 0 … n − 1 in some order along the last axis.
    | Permutation
    | TruncatedNormal
    | Gamma
    | LogGamma

[<RequireQualifiedAccess>]
module internal Draw =
    /// The name in messages and listings.
    let name =
        function
        | Draw.Bits -> "random_bits"
        | Draw.FoldIn -> "fold_in"
        | Draw.Split -> "split_key"
        | Draw.Uniform -> "random_uniform"
        | Draw.Normal -> "random_normal"
        | Draw.Exponential -> "random_exponential"
        | Draw.Laplace -> "random_laplace"
        | Draw.Gumbel -> "random_gumbel"
        | Draw.Logistic -> "random_logistic"
        | Draw.Below n -> "random_below_" + string n
        | Draw.Permutation -> "random_permutation"
        | Draw.TruncatedNormal -> "random_truncated_normal"
        | Draw.Gamma -> "random_gamma"
        | Draw.LogGamma -> "random_log_gamma"

/// A leaf of the graph that holds a value: an input, a parameter, a state. It equals only itself; the name is for printing.
[<Sealed>]
type internal Variable(name: string, shape: Shape, dtype: DType) =
    let mutable value: NDArray | null = null
    /// The name, for printing and for error messages; a module names its parameters by their path.
    member val Name = name with get, set
    member _.Shape = shape
    member _.DType = dtype
    /// The value, or null while there is none: a placeholder of a function, or an input not yet given.
    member _.Value
        with get () = Volatile.Read &value
        and set (v: NDArray | null) = Volatile.Write(&value, v)
    /// What `Backward` has accumulated so far; null before.
    member val Gradient: NDArray | null = null with get, set

[<RequireQualifiedAccess>]
module internal Variable =
    /// The value; fails where none was given.
    let valueOf (v: Variable) : NDArray =
        match v.Value with
        | null ->
            let name =
                if v.Name = "" then
                    "an input"
                else
                    $"the input \"{v.Name}\""
            invalidOp
                $"evaluate: {name} of shape {v.Shape}, {DType.name v.DType}, has no value; assign one, or pass it to a compiled function"
        | value -> value

    /// Checks that a value fits a variable.
    let check operation (v: Variable) (value: NDArray) =
        let name () =
            if v.Name = "" then "the variable" else $"\"{v.Name}\""
        if not (value.Shape.Equals v.Shape) then
            raise (
                ShapeException
                    $"{operation}: {name ()} has shape {v.Shape}, got a value of shape {value.Shape}; reshape the value, or make a new variable"
            )
        if value.DType <> v.DType then
            raise (
                DTypeException
                    $"{operation}: {name ()} is {DType.name v.DType}, got a value of {DType.name value.DType}; convert the value, or make a new variable"
            )

/// What a caller-supplied operation or a sub-graph is to the vocabulary: a name. Expr.fs and Ops/Custom.fs say the rest.
[<AbstractClass>]
type internal Extension(name: string) =
    member _.Name = name

/// The vocabulary of the graph: small and closed, so that every pass is one exhaustive match.
/// What each word means (name, value, derivative) is one file under Ops/. The node adds shape and element type.
[<RequireQualifiedAccess>]
type internal Op =
    // Leaves
    | Variable of Variable
    /// One number at every index.
    | Const of Scalar
    | Literal of NDArray
    /// The index along an axis, at every index.
    | Iota of axis: int
    // Index by index
    | Elementwise of Fn
    | Cast
    /// The value without its derivative.
    | StopGradient
    /// The first argument, once the others are there; nothing simplifies across it. It keeps recomputed values apart from the first ones.
    | Barrier
    // Sums of products
    | Einsum of EinsumSpec
    // The same numbers elsewhere
    | Reshape
    /// The elements at starts[k] + steps[k]·i along axis k.
    | Slice of starts: int[] * steps: int[]
    /// Zeros but for the argument's elements at starts[k] + steps[k]·i: the transpose of Slice.
    | Embed of starts: int[] * steps: int[]
    /// The axis as two, windows and their elements: at [p, k] the element p·step + k·dilation of the axis.
    | Unfold of axis: int * size: int * step: int * dilation: int
    /// Windows added up along an axis of the given extent: the transpose of Unfold.
    | Fold of axis: int * extent: int * step: int * dilation: int
    | Concat of axis: int
    /// The slabs of the first argument along an axis that the second, of integers, names.
    | Gather of axis: int
    /// Zeros, with the slabs of the first argument added where the second names them: the transpose of Gather.
    | ScatterAdd of axis: int
    /// Integers as they are, once all are indices of so many classes: it fails where one is not.
    | ClassIndices of classes: int
    // Comparing reductions
    | Reduce of Extreme * axes: int[]
    | ArgReduce of Extreme * axis: int
    // Matrices
    | Linalg of Factorization
    // Along an axis
    /// h_t = a_t·h_{t−1} + b_t, or backwards; the first h is the first b.
    | Recurrence of axis: int * reverse: bool
    /// Where the largest or smallest element so far is.
    | ArgRunning of Extreme * axis: int
    /// Where the elements lie in order: stable, NaN last.
    | ArgSort of axis: int * descending: bool
    /// How many of the ascending numbers of the first argument are less than each value of the second, or not greater.
    | SearchSorted of right: bool
    /// The elements of the first argument that the second, of int64, names in each line.
    | TakeAlong of axis: int
    /// Zeros, with the elements of the first argument added where the second names them: the transpose of TakeAlong.
    | AddAlong of axis: int
    /// The discrete Fourier transform of pairs of real and imaginary parts (the last axis), along the axis before.
    | Fourier of inverse: bool
    /// Random numbers, a function of keys alone: the axes of the key, int64, come first. Standard distributions, without parameters, but
    /// for a truncated normal, which takes its bounds, a gamma, which takes its shape, and a key folded, which takes an integer.
    | Random of Draw
    // Graphs and operations supplied from outside
    | Call of Extension
    | Custom of Extension

[<RequireQualifiedAccess>]
module internal Op =
    let private pointwise =
        let table = Dictionary<Fn, Op>()
        for fn in Fn.all do
            table[fn] <- Op.Elementwise fn
        table

    /// A scalar function as an operation: one object for all nodes that have it.
    let ofFn (fn: Fn) : Op = pointwise[fn]

    /// The position of a word among all.
    let tag =
        FSharpValue.PreComputeUnionTagReader(typeof<Op>, BindingFlags.NonPublic ||| BindingFlags.Public)

    let extremeName =
        function
        | Extreme.Max -> "max"
        | Extreme.Min -> "min"

    /// The name of a word and the numbers that go with it: what, beside operands, shape and element type, a node of it is.
    /// Nothing for words that carry more than numbers.
    let plain (op: Op) : struct (string * int list) voption =
        let is name numbers = ValueSome(struct (name, numbers))
        match op with
        | Op.Variable _
        | Op.Const _
        | Op.Literal _
        | Op.Elementwise _
        | Op.Einsum _
        | Op.Slice _
        | Op.Embed _
        | Op.Call _
        | Op.Custom _ -> ValueNone
        | Op.Iota axis -> is "iota" [ axis ]
        | Op.Cast -> is "cast" []
        | Op.StopGradient -> is "stop_gradient" []
        | Op.Barrier -> is "barrier" []
        | Op.Reshape -> is "reshape" []
        | Op.Unfold(axis, size, step, dilation) -> is "unfold" [ axis; size; step; dilation ]
        | Op.Fold(axis, extent, step, dilation) -> is "fold" [ axis; extent; step; dilation ]
        | Op.Concat axis -> is "concat" [ axis ]
        | Op.Gather axis -> is "gather" [ axis ]
        | Op.ScatterAdd axis -> is "scatter_add" [ axis ]
        | Op.ClassIndices classes -> is "class_indices" [ classes ]
        | Op.Reduce(extreme, axes) -> is ("reduce_" + extremeName extreme) (List.ofArray axes)
        | Op.ArgReduce(extreme, axis) -> is ("arg" + extremeName extreme) [ axis ]
        | Op.Linalg word -> is (Factorization.name word) []
        | Op.Recurrence(axis, false) -> is "recurrence" [ axis ]
        | Op.Recurrence(axis, true) -> is "recurrence_reversed" [ axis ]
        | Op.ArgRunning(extreme, axis) -> is ("argcum" + extremeName extreme) [ axis ]
        | Op.ArgSort(axis, false) -> is "argsort" [ axis ]
        | Op.ArgSort(axis, true) -> is "argsort_descending" [ axis ]
        | Op.SearchSorted false -> is "searchsorted" []
        | Op.SearchSorted true -> is "searchsorted_right" []
        | Op.TakeAlong axis -> is "take_along" [ axis ]
        | Op.AddAlong axis -> is "scatter_add_along" [ axis ]
        | Op.Fourier false -> is "fft" []
        | Op.Fourier true -> is "ifft" []
        | Op.Random draw -> is (Draw.name draw) []
