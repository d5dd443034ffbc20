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
    member this.ToDense() : Expr =
        let rows, columns = pattern.Rows, pattern.Columns
        let places =
            [| for i in 0 .. rows - 1 do
                   for j in pattern.ColumnsOf i do
                       int64 i * int64 columns + int64 j |]
        let flat = Shape [| rows * columns |]
        let indices = Leaf.literal (NDArray.Create(places, Shape [| places.Length |]))
        Index.scatterAdd 0 flat values indices
        |> Reshape.make (Shape [| rows; columns |])

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

    /// The seeds of each colour: ones where a column has it.
    let private seeds (colors: int[]) count (x: Expr) : Expr =
        let n = colors.Length
        let numbers = Array.zeroCreate<float>(count * n)
        colors |> Array.iteri (fun j c -> numbers[c * n + j] <- 1.0)
        NDArray.Create(numbers, Stack.shape count x.Shape)
        |> Leaf.literal
        |> Elementwise.makeCast x.DType

    let private picked (compressed: Expr) (places: int[]) : Expr =
        let flat = Reshape.make (Shape [| compressed.Shape.Length |]) compressed
        Index.gather 0 flat (Leaf.literal (NDArray.Create(Array.map int64 places, Shape [| places.Length |])))

    let private places (pattern: SparsityPattern) (place: int -> int -> int) =
        [| for i in 0 .. pattern.Rows - 1 do
               for j in pattern.ColumnsOf i do
                   place i j |]

    let private byColumns (pattern: SparsityPattern) (colors: int[]) (y: Expr) (x: Expr) =
        let count = Coloring.count colors
        let v = Leaf.input "seed" x.Shape x.DType
        let tangent = Gradient.jvp y [| x |] [| v |]
        let compressed = (Batch.run count [| v, seeds colors count x |] [| tangent |])[0]
        let m = y.Shape.Length
        picked compressed (places pattern (fun i j -> colors[j] * m + i)), count

    let private byRows (pattern: SparsityPattern) (colors: int[]) (y: Expr) (x: Expr) =
        let count = Coloring.count colors
        let g = Leaf.input "seed" y.Shape y.DType
        let cotangent = (Gradient.vjp Unconnected.Zeros y g [| x |])[0]
        let compressed = (Batch.run count [| g, seeds colors count y |] [| cotangent |])[0]
        let n = x.Shape.Length
        picked compressed (places pattern (fun i j -> colors[i] * n + j)), count

    let private none (x: Expr) = Expr.Full(0.0, Shape [| 0 |], x.DType)

    let private simplified (make: unit -> Expr) =
        (Derivatives.simplified (fun () -> [| make () |]))[0]

    /// ∂y/∂x, y and x read as vectors, by as few products as a colouring of its columns (forward mode) or rows (reverse mode) needs:
    /// whichever are fewer, or as asked.
    let sparseJacobianBy (mode: JacobianMode) (y: Expr) (x: Expr) : SparseMatrix =
        let pattern = sparsityOf y x
        let rows = Array.init pattern.Rows pattern.ColumnsOf
        let columns = pattern.Transposed
        let ofColumns = lazy Coloring.columns columns rows
        let ofRows = lazy Coloring.columns rows columns
        let isByColumns =
            match mode with
            | JacobianMode.Columns -> true
            | JacobianMode.Rows -> false
            | _ -> Coloring.count ofColumns.Value <= Coloring.count ofRows.Value
        if pattern.Count = 0 then
            SparseMatrix(pattern, none x, 0)
        else
            let mutable count = 0
            let values =
                simplified (fun () ->
                    let values, colors =
                        if isByColumns then
                            byColumns pattern ofColumns.Value y x
                        else
                            byRows pattern ofRows.Value y x
                    count <- colors
                    values)
            SparseMatrix(pattern, values, count)

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
                    let compressed = (Batch.run count [| v, seeds colors count x |] [| product |])[0]
                    picked
                        compressed
                        (places pattern (fun i j ->
                            if i = j || isAlone i j then
                                colors[j] * n + i
                            else
                                colors[i] * n + j)))
            SparseMatrix(pattern, values, count)
