namespace Diff

open System

/// A matrix of which only the elements that may differ from 0 are there, in compressed rows.
[<Sealed>]
type SparseMatrix internal (pattern: SparsityPattern, values: Expr, colors: int) =
    /// Which elements are there.
    member _.Pattern = pattern
    member _.Rows = pattern.Rows
    member _.Columns = pattern.Columns
    /// Where the elements of each row begin in Values, and at last where those of the last one end.
    member _.RowPointers = pattern.RowPointers
    /// The column of each element.
    member _.ColumnIndices = pattern.ColumnIndices
    /// The elements, row after row: a vector.
    member _.Values = values
    /// How many products with the matrix were needed.
    member _.Colors = colors
    /// The whole matrix, with zeros.
    member this.ToDense() : Expr = Compression.expand pattern values

/// Derivatives that are mostly zeros, by few products with them.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module SparseDerivatives =
    let private check operation (y: Expr) (x: Expr) =
        for e in [ y; x ] do
            if not (DType.isFloat e.DType) then
                raise (
                    DTypeException
                        $"{operation}: expected float32 or float64, got {DType.name e.DType}; cast it or leave it out"
                )

    /// Which elements of ∂y/∂x may differ from 0, y and x read as vectors in row-major order. It follows from the graph alone, so it holds for all
    /// values of variables: exact for what acts index by index, moves elements or sums products (zeros of constants are seen),
    /// all of a matrix for a word of linear algebra.
    let sparsityOf (y: Expr) (x: Expr) : SparsityPattern =
        check "sparsityOf" y x
        Sparsity.ofGraph y x

    let private none (x: Expr) = Expr.Full(0.0, Shape [| 0 |], x.DType)

    let private simplified (make: unit -> Expr) =
        (Derivatives.simplified (fun () -> [| make () |]))[0]

    /// ∂y/∂x, y and x read as vectors, by as few products as a colouring of its columns (forward mode) or rows (reverse mode) needs:
    /// whichever are fewer, or as asked.
    let sparseJacobianBy (mode: JacobianMode) (y: Expr) (x: Expr) : SparseMatrix =
        let pattern = sparsityOf y x
        if pattern.Count = 0 then
            SparseMatrix(pattern, none x, 0)
        else
            let struct (byColumns, colors) = Compression.color mode pattern
            let values = simplified (fun () -> Compression.values pattern byColumns colors y x)
            SparseMatrix(pattern, values, Coloring.count colors)

    /// ∂y/∂x, y and x read as vectors, by as few products as a colouring of its columns or rows needs, whichever are fewer.
    let sparseJacobian (y: Expr) (x: Expr) : SparseMatrix = sparseJacobianBy JacobianMode.Auto y x

    /// The second derivatives of a scalar with respect to x, read as a vector, by as few products as a star colouring needs.
    let sparseHessian (y: Expr) (x: Expr) : SparseMatrix =
        check "sparseHessian" y x
        if y.Shape.Length <> 1 then
            raise (
                ShapeException
                    $"sparseHessian: expected a scalar, but the value to differentiate has shape {y.Shape}; sum it"
            )
        let gradient = Derivatives.grad y x
        let found = Sparsity.ofGraph gradient x
        // Found from one order of differentiation, it may have an element without its mirror image.
        let mirrored =
            Array.map2 Array.append (Array.init found.Rows found.ColumnsOf) found.Transposed
            |> Array.map (Array.distinct >> Array.sort)
        let pattern = SparsityPattern(mirrored, found.Columns)
        if pattern.Count = 0 then
            SparseMatrix(pattern, none x, 0)
        else
            let colors = Coloring.star mirrored
            let count = Coloring.count colors
            let n = x.Shape.Length
            let isAlone i j =
                mirrored[i] |> Array.forall (fun k -> k = j || colors[k] <> colors[j])
                && (i = j || colors[i] <> colors[j])
            let values =
                simplified (fun () ->
                    let v = Leaf.input "seed" x.Shape x.DType
                    let product = Gradient.jvp gradient [| x |] [| v |]
                    let compressed =
                        (Batch.run count [| v, Compression.seeds colors x |] [| product |])[0]
                    Compression.pick pattern compressed (fun i j ->
                        if i = j || isAlone i j then
                            colors[j] * n + i
                        else
                            colors[i] * n + j))
            SparseMatrix(pattern, values, count)
