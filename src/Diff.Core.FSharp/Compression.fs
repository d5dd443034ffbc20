namespace Diff

/// Matrices of derivatives that are mostly zeros, by products with sums of unit vectors, each for the columns (or rows) of one colour.
[<RequireQualifiedAccess>]
module internal Compression =
    /// The seeds of each colour: ones where a column has it.
    let seeds (colors: int[]) (x: Expr) : Expr =
        let n, count = colors.Length, Coloring.count colors
        let numbers = Array.zeroCreate<float>(count * n)
        colors |> Array.iteri (fun j c -> numbers[c * n + j] <- 1.0)
        NDArray.Create(numbers, Stack.shape count x.Shape)
        |> Leaf.literal
        |> Elementwise.makeCast (DType.ofDerivative x.DType)

    let private places (pattern: SparsityPattern) (place: int -> int -> int) : Expr =
        let found =
            [| for i in 0 .. pattern.Rows - 1 do
                   for j in pattern.ColumnsOf i do
                       int64 (place i j) |]
        Leaf.literal (NDArray.Create(found, Shape [| found.Length |]))

    /// The elements of a pattern, row after row: each from its place among the products, read as a vector.
    let pick (pattern: SparsityPattern) (products: Expr) (place: int -> int -> int) : Expr =
        let flat = Reshape.make (Shape [| products.Shape.Length |]) products
        Index.gather 0 flat (places pattern place)

    /// The whole matrix, with zeros.
    let expand (pattern: SparsityPattern) (values: Expr) : Expr =
        let rows, columns = pattern.Rows, pattern.Columns
        let indices = places pattern (fun i j -> i * columns + j)
        Index.scatterAdd 0 (Shape [| rows * columns |]) values indices
        |> Reshape.make (Shape [| rows; columns |])

    /// Colours of columns, or of rows: whichever are fewer, or as asked.
    let color (mode: JacobianMode) (pattern: SparsityPattern) : struct (bool * int[]) =
        let rows = Array.init pattern.Rows pattern.ColumnsOf
        let columns = pattern.Transposed
        let ofColumns = lazy Coloring.columns columns rows
        let ofRows = lazy Coloring.columns rows columns
        match mode with
        | JacobianMode.Columns -> struct (true, ofColumns.Value)
        | JacobianMode.Rows -> struct (false, ofRows.Value)
        | _ when Coloring.count ofColumns.Value <= Coloring.count ofRows.Value ->
            struct (true, ofColumns.Value)
        | _ -> struct (false, ofRows.Value)

    /// The elements of ∂y/∂x that a pattern has, by a product for each colour.
    let values (pattern: SparsityPattern) (byColumns: bool) (colors: int[]) (y: Expr) (x: Expr) : Expr =
        let seeded = if byColumns then x else y
        let seed = Leaf.input "seed" seeded.Shape (DType.ofDerivative seeded.DType)
        let product =
            if byColumns then
                Gradient.jvp y [| x |] [| seed |]
            else
                (Gradient.vjp Unconnected.Zeros y seed [| x |])[0]
        let all =
            (Batch.run (Coloring.count colors) [| seed, seeds colors seeded |] [| product |])[0]
        let length = product.Shape.Length
        pick pattern all (fun i j ->
            if byColumns then
                colors[j] * length + i
            else
                colors[i] * length + j)
        |> Elementwise.makeCast (DType.ofDerivative x.DType)
