namespace Diff

open System.Collections.Generic
open System.Reflection
open FSharp.Reflection

/// Which extreme a reduction looks for.
[<RequireQualifiedAccess>]
type internal Extreme =
    | Max
    | Min

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
    /// Bodies run over and over; its final states and what it gives at each iteration, packed in one vector.
    | Loop of Extension
    /// One of two bodies, as the first argument says; its results, packed in one vector.
    | Branch of Extension
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
        | Op.Loop _
        | Op.Branch _
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
