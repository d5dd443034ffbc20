namespace Diff

open System
open System.Buffers
open System.Collections.Generic

/// Raised when the numbers of a matrix do not allow what was asked: it is singular, not positive definite, or an iteration did not end.
type LinearAlgebraException(message: string) =
    inherit ArithmeticException(message)

/// What a kernel does to the matrices of one place in the batch, in rows of float64: −1, or the number of the row where it failed.
type internal MatrixKernel = delegate of args: float[][] * result: float[] -> int

/// Matrices in the last two axes: checks, the graphs that rules are written in, and loops over a batch.
[<RequireQualifiedAccess>]
module internal MatrixGraph =
    let private none = Dictionary<char, int>() :> IReadOnlyDictionary<_, _>

    /// Numbers of rows and columns.
    let extents operation (x: Expr) : struct (int * int) =
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"{operation}: expected float32 or float64, got {DType.name x.DType}; cast it"
            )
        if x.Rank < 2 then
            raise (ShapeException $"{operation}: expected a matrix in the last two axes, got shape {x.Shape}")
        struct (x.Shape[x.Rank - 2], x.Shape[x.Rank - 1])

    /// The number of rows, which is that of columns.
    let square operation (x: Expr) : int =
        let struct (m, n) = extents operation x
        if m <> n then
            raise (
                ShapeException
                    $"{operation}: expected square matrices in the last two axes, got shape {x.Shape}, with {m} rows and {n} columns"
            )
        n

    /// The axes before the last two.
    let batch (x: Expr) = x.Shape.Dims[.. x.Rank - 3]

    /// One number at every index of a shape, of the element type of x.
    let full (dims: int[]) value (x: Expr) = Expr.Full(value, Shape dims, x.DType)

    /// The shape of a batch of matrices like those of x, with other extents.
    let shaped rows columns (x: Expr) =
        Shape(Array.append (batch x) [| rows; columns |])

    // ---- Graphs -----------------------------------------------------------------------------------------------------

    let transpose (x: Expr) = Einsum.make "...ij->...ji" none [| x |]
    let multiply (a: Expr) (b: Expr) =
        Einsum.make "...ij,...jk->...ik" none [| a; b |]
    let diagonal (x: Expr) = Einsum.make "...ii->...i" none [| x |]
    /// Vectors in the last axis as diagonal matrices.
    let ofDiagonal (x: Expr) = Einsum.make "...i->...ii" none [| x |]

    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)
    let number (x: Expr) (value: float) = Expr.Full(value, Shape.Scalar, x.DType)

    /// The distance from 1 to the next number.
    let epsilon (x: Expr) =
        if x.DType = DType.Float64 then
            Math.BitIncrement 1.0 - 1.0
        else
            float (MathF.BitIncrement 1.0f - 1.0f)

    /// The elements whose row and column numbers compare so; elsewhere zeros.
    let keep (comparison: Fn) (x: Expr) : Expr =
        let struct (m, n) = extents "keep" x
        let indices axis =
            Leaf.iota (Shape [| m; n |]) axis DType.Int32
        map Fn.Where [ map comparison [ indices 0; indices 1 ]; x; number x 0.0 ]

    /// The identity, one in each place of the batch of x.
    let identity n (x: Expr) =
        keep Fn.Equal (full (shaped n n x).Dims 1.0 x)

    /// Rows start, start + 1 …, or columns.
    let private part axis start count (x: Expr) =
        let starts, dims = Array.zeroCreate x.Rank, x.Shape.ToArray()
        starts[x.Rank - axis] <- start
        dims[x.Rank - axis] <- count
        Window.slice starts (Array.create x.Rank 1) (Shape dims) x
    let columns start count x = part 1 start count x
    let rows start count x = part 2 start count x

    /// One column as a vector in the last axis.
    let column index (x: Expr) =
        Reshape.make (Shape x.Shape.Dims[.. x.Rank - 2]) (columns index 1 x)

    /// One row as a vector in the last axis.
    let row index (x: Expr) =
        Reshape.make (Shape(Array.removeAt (x.Rank - 2) x.Shape.Dims)) (rows index 1 x)

    /// Vectors in the last axis as matrices of one row, or one column.
    let asRow (x: Expr) =
        Reshape.make (Shape(Array.insertAt (x.Rank - 1) 1 x.Shape.Dims)) x
    let asColumn (x: Expr) =
        Reshape.make (Shape(Array.append x.Shape.Dims [| 1 |])) x

    /// A part of a derivative, if it is asked for.
    let ifNeeded isNeeded (part: unit -> Expr) : Expr | null = if isNeeded then part () else null

    /// 1 / x, and 0 where `isZero` holds: no derivative passes there.
    let reciprocalUnless (isZero: Expr) (x: Expr) =
        let safe = map Fn.Where [ isZero; number x 1.0; x ]
        map Fn.Where [ isZero; number x 0.0; 1.0 / safe ]

    /// The matrix that puts rows into this order: 1 where the number of the column is the one that the row names.
    let permutation (order: Expr) : Expr =
        let n = order.Shape[order.Rank - 1]
        let shape = Shape(Array.append order.Shape.Dims [| n |])
        let names =
            map Fn.Equal [ asColumn order; Leaf.iota shape (shape.Rank - 1) order.DType ]
        map Fn.Where [ names; Expr.Full(1.0, shape, order.DType); number order 0.0 ]

    // ---- Loops ------------------------------------------------------------------------------------------------------

    let private load (x: NDArray) start (into: float[]) count =
        if x.DType = DType.Float64 then
            x.Span<float>().Slice(start, count).CopyTo(Span into)
        else
            let from = x.Span<float32>().Slice(start, count)
            for i in 0 .. count - 1 do
                into[i] <- float from[i]

    let private store (from: float[]) (x: NDArray) start count =
        if x.DType = DType.Float64 then
            Span(from, 0, count).CopyTo(x.Span<float>().Slice(start, count))
        else
            let into = x.Span<float32>().Slice(start, count)
            for i in 0 .. count - 1 do
                into[i] <- float32 from[i]

    /// Where a matrix stands in a batch, for messages.
    let private place (shape: Shape) (number: int) =
        let mutable rest = number
        let index = Array.zeroCreate (shape.Rank - 2)
        for axis = index.Length - 1 downto 0 do
            index[axis] <- rest % shape[axis]
            rest <- rest / shape[axis]
        if index.Length = 0 then
            ""
        else
            $" at {Shape.Text index} of the batch"

    /// A kernel for each place of the batch, in float64 whatever the element type is, rounded once. `failure` says what is wrong,
    /// given the row where the kernel failed and the place.
    let kernel (failure: int -> string -> string) (run: MatrixKernel) (node: Expr) : Kernel =
        let size (shape: Shape) =
            shape[shape.Rank - 2] * shape[shape.Rank - 1]
        let sizes = node.Args |> Array.map (fun x -> size x.Shape)
        let shape, resultSize = node.Shape, size node.Shape
        let count = if resultSize = 0 then 0 else shape.Length / resultSize
        Kernel(fun args result ->
            let pool = ArrayPool<float>.Shared
            let operands = sizes |> Array.map pool.Rent
            let value = pool.Rent resultSize
            try
                for i in 0 .. count - 1 do
                    for k in 0 .. args.Length - 1 do
                        load args[k] (i * sizes[k]) operands[k] sizes[k]
                    match run.Invoke(operands, value) with
                    | -1 -> store value result (i * resultSize) resultSize
                    | row -> raise (LinearAlgebraException(failure row (place shape i)))
            finally
                pool.Return value
                for operand in operands do
                    pool.Return operand)
