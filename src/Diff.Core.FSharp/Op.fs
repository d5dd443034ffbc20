namespace Diff

open System.Collections.Generic
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
        | Fn.Equal
        | Fn.NotEqual
        | Fn.Where -> None
        | Fn.Not
        | Fn.And
        | Fn.Or -> if dtype = DType.Bool then None else Some "bool"
        | Fn.Neg
        | Fn.Abs
        | Fn.Sign
        | Fn.Add
        | Fn.Sub
        | Fn.Mul
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
    // Comparing reductions
    | Reduce of Extreme * axes: int[]
    | ArgReduce of Extreme * axis: int
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
