namespace Diff

open System
open System.Numerics

/// Derivatives of graphs, for operations that have graphs within. Null is a derivative that is 0.
type internal Differentiator =
    {
        /// The cotangents of `xs`, given values and their cotangents.
        Pull: (Expr * Expr)[] -> Expr[] -> (Expr | null)[]
        /// The tangents of `ys`, given `xs` and their tangents.
        Push: Expr[] -> Expr[] -> Expr[] -> (Expr | null)[]
        /// Whether the node is itself within a graph, so that what its leaves get goes on.
        IsWithin: bool
    }

/// How an operation passes derivatives back. Forward mode needs no rule of its own: see Gradient.jvp.
/// The first argument of most is the position of the operand in question, then come the operands `xs`,
/// the value `y` and the cotangent `g` of the value. Only operands of float types are ever asked for.
type internal Derivative =
    /// Nothing depends smoothly on the operands: comparisons, indices, leaves.
    | Zero
    /// Index by index: ∂y/∂xᵢ times g. A diagonal matrix is its own transpose, so g may be a cotangent or a tangent.
    /// Where the derivative is 0 by convention, g is masked, not multiplied: 0·∞ never occurs.
    | Pointwise of apply: (int -> Expr[] -> Expr -> Expr -> Expr)
    /// Linear in all float operands together: the transpose applied to g.
    | Linear of transpose: (int -> Expr[] -> Expr -> Expr)
    /// Linear in each float operand by itself: the transpose applied to g.
    | Multilinear of transpose: (int -> Expr[] -> Expr -> Expr)
    /// gᵀ ∂y/∂xᵢ for every operand that `needed` marks, made together; the others may be null.
    | General of vjp: (bool[] -> Expr[] -> Expr -> Expr -> (Expr | null)[])
    /// The tangent of the value, given operands, value and tangents (null: none): linear in these.
    | Forward of jvp: (Expr[] -> Expr -> (Expr | null)[] -> Expr)
    /// A graph to differentiate in the node's place, and its inputs, given the operands and g; and nodes of that graph with the values that take
    /// their place in what results, because they are there already.
    | Recompute of expansion: (Expr[] -> Expr -> Expr[] * Expr * (Expr * Expr)[])
    /// By the derivatives of the graphs within: the vjp as that of General, and the tangent of the node from those of the operands.
    | Differentiated of
        vjp: (Differentiator -> bool[] -> Expr[] -> Expr -> (Expr | null)[]) *
        jvp: (Differentiator -> Expr[] -> (Expr | null)[] -> Expr | null)

/// How an operation is done for n sets of operands at once, stacked along a new leading axis. Asked only where an operand is stacked.
type internal Batching =
    /// A leaf has no operands.
    | Never
    /// By this operation, on operands that are all stacked: those that are not are repeated.
    | Stacked of Op
    /// By a graph: from n, which operands are stacked, the operands, and the node for one set.
    | Mapped of (int -> bool[] -> Expr[] -> Expr -> Expr)
    /// By doing so with the graph within.
    | Within of Subgraph
    /// The same as Mapped for operations that have graphs within: from what does graphs for n sets at once (Batch.run).
    | Batched of ((int -> (Expr * Expr)[] -> Expr[] -> Expr[]) -> int -> bool[] -> Expr[] -> Expr -> Expr)

/// Computes a node's value from its arguments' values, into an array of the node's shape and element type.
/// The array's former contents mean nothing. Arguments are not to be changed.
type internal Kernel = delegate of args: NDArray[] * result: NDArray -> unit

/// All that the engine must know about an operation. What differs from node to node the rule reads from the node.
type internal Rule =
    {
        Derivative: Derivative
        /// The reference evaluation: obvious loops. What depends on the node alone is worked out once, before the first call.
        Kernel: Expr -> Kernel
        Batching: Batching
    }

/// Arrays stacked along a new leading axis.
[<RequireQualifiedAccess>]
module internal Stack =
    let shape (n: int) (x: Shape) = Shape(Array.append [| n |] x.Dims)

    /// One array, n times.
    let repeat n (x: Expr) : Expr = Expr.BroadcastTo(x, shape n x.Shape)

    /// All operands stacked.
    let all n (stacked: bool[]) (args: Expr[]) : Expr[] =
        Array.map2 (fun isStacked x -> if isStacked then x else repeat n x) stacked args

/// Something done to elements whatever their type.
type internal IMove =
    abstract Run<'T when 'T: unmanaged> : args: NDArray[] * result: NDArray -> unit

/// Something done to numbers whatever their type.
type internal INumeric =
    abstract Run<'T when 'T: unmanaged and 'T :> INumber<'T>> : args: NDArray[] * result: NDArray -> unit

/// Loops that several reference evaluations share.
[<RequireQualifiedAccess>]
module internal Loop =
    /// Moves elements of whatever type: result[i] = from[source i].
    let move (dtype: DType) (action: IMove) (args: NDArray[]) (result: NDArray) =
        match dtype with
        | DType.Float32 -> action.Run<float32>(args, result)
        | DType.Float64 -> action.Run<float>(args, result)
        | DType.Int32 -> action.Run<int>(args, result)
        | DType.Int64 -> action.Run<int64>(args, result)
        | DType.Bool -> action.Run<bool>(args, result)
        | DType.Float16 -> action.Run<Half>(args, result)
        | DType.BFloat16 -> action.Run<BFloat16>(args, result)
        | other -> DType.unknown other

    /// Numbers of half precision are only stored and moved.
    let refuseHalf operation (x: Expr) =
        if DType.isHalf x.DType then
            raise (
                DTypeException
                    $"{operation}: expected a type that is computed with, got {DType.name x.DType}; cast it to float32"
            )

    /// Does it to the numbers of the element type; there is nothing to do to bools.
    let numeric (dtype: DType) (action: INumeric) : Kernel =
        match dtype with
        | DType.Float32 -> Kernel(fun args result -> action.Run<float32>(args, result))
        | DType.Float64 -> Kernel(fun args result -> action.Run<float>(args, result))
        | DType.Int32 -> Kernel(fun args result -> action.Run<int>(args, result))
        | _ -> Kernel(fun args result -> action.Run<int64>(args, result))

    /// The offsets of all index combinations of some axes with given strides, in row-major order.
    let offsets (extents: int[]) (strides: int[]) : int[] =
        let mutable result = [| 0 |]
        for axis in 0 .. extents.Length - 1 do
            let before = result
            let n = extents[axis]
            result <- Array.zeroCreate (before.Length * n)
            for i in 0 .. before.Length - 1 do
                for j in 0 .. n - 1 do
                    result[i * n + j] <- before[i] + j * strides[axis]
        result
