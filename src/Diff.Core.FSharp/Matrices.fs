namespace Diff

open System

/// Numbers in a row, grids, triangles, diagonals, and products of arrays. The last two axes are those of a matrix, others are a batch.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Matrices =
    // ---- Numbers in a row ---------------------------------------------------------------------------------------------

    let private row (dtype: DType) (values: float[]) : Expr =
        constant (NDArray.Create(values, Shape [| values.Length |])) |> cast dtype

    /// `count` numbers from start to stop at equal distances, both included; one number is start.
    let linspace (start: float) (stop: float) (count: int) (dtype: DType) : Expr =
        if count < 0 then
            invalidArg "count" $"linspace: expected a number of elements of at least 0, got {count}"
        if not (DType.isFloat dtype) then
            raise (DTypeException $"linspace: expected float32 or float64, got {DType.name dtype}")
        let last = float (count - 1)
        let number i =
            if i = 0 then start
            elif i = count - 1 then stop
            else (start * (last - float i) + stop * float i) / last
        row dtype (Array.init count number)

    /// start, start + step … before stop.
    let arange (start: float) (stop: float) (step: float) (dtype: DType) : Expr =
        if step = 0.0 || not (Double.IsFinite((stop - start) / step)) then
            invalidArg
                "step"
                $"arange: expected finite bounds and a step other than 0, got {start}, {stop}, {step}"
        let count = max 0.0 (ceil ((stop - start) / step))
        if count > float Int32.MaxValue then
            invalidArg "step" $"arange: {count} elements are more than an array holds"
        if dtype = DType.Int32 || dtype = DType.Int64 then
            // Integers exactly, whatever their size.
            let first, by = Scalar.ofFloat dtype start, Scalar.ofFloat dtype step
            Leaf.iota (Shape [| int count |]) 0 dtype * Expr.Const(by, Shape.Scalar)
            + Expr.Const(first, Shape.Scalar)
        else
            row dtype (Array.init (int count) (fun i -> start + float i * step))

    /// Coordinates of the points of a grid: array k has vector k along axis k and repeats it along the others.
    let meshgrid (axes: Expr list) : Expr list =
        let shape = axes |> List.map _.Shape.Length |> Array.ofList
        axes
        |> List.mapi (fun k x ->
            if x.Rank <> 1 then
                raise (ShapeException $"meshgrid: expected vectors, got shape {x.Shape} for axis {k}")
            let dims = Array.create shape.Length 1
            dims[k] <- shape[k]
            Expr.BroadcastTo(Reshape.make (Shape dims) x, Shape shape))

    /// A matrix whose elements are given row by row. They are scalars, or arrays that broadcast to one shape: a matrix at each place of it. Numbers
    /// take the element type of what stands beside them. `matrixOf [ [ cos t; -(sin t) ]; [ sin t; cos t ] ]`
    let matrixOf (rows: Expr list list) : Expr =
        let width = List.tryHead rows |> Option.map List.length |> Option.defaultValue 0
        if width = 0 || rows |> List.exists (fun row -> row.Length <> width) then
            let counts = rows |> List.map List.length |> Shape.Text
            invalidArg
                "rows"
                $"matrix_of: expected rows of equally many elements, at least one, got rows of {counts}"
        let elements = rows |> List.concat |> Array.ofList
        let isNumber (e: Expr) =
            match e.Op with
            | Op.Const _ -> e.Shape.IsScalar
            | _ -> false
        let types =
            elements
            |> Array.filter (isNumber >> not)
            |> Array.map _.DType
            |> Array.distinct
        if types.Length > 1 then
            let names = String.Join(" and ", types |> Array.map DType.name)
            raise (DTypeException $"matrix_of: element types {names} do not mix; cast one of them")
        let shape =
            elements
            |> Array.fold
                (fun shape e ->
                    match Shape.tryBroadcast shape e.Shape with
                    | ValueSome s -> s
                    | ValueNone ->
                        raise (
                            ShapeException
                                $"matrix_of: an element of shape {e.Shape} does not broadcast to {shape}, the shape of those before: {Shape.mismatch shape e.Shape}"
                        ))
                Shape.Scalar
        Expr.Unify(Fn.Add, elements)
        |> Array.map (fun e -> Expr.BroadcastTo(e, shape))
        |> Array.chunkBySize width
        |> Array.map (List.ofArray >> stack -1)
        |> List.ofArray
        |> stack -2

    // ---- Triangles and diagonals ----------------------------------------------------------------------------------------

    // Column minus row at every index of a matrix, compared with a number.
    let private compared fn (rows: int) (columns: int) (diagonal: int) =
        let shape = Shape [| rows; columns |]
        Expr.Map(
            fn,
            [| Leaf.iota shape 1 DType.Int64
               Leaf.iota shape 0 DType.Int64
               + Expr.Const(Scalar.ofInt DType.Int64 (int64 diagonal), Shape.Scalar) |]
        )

    /// Whether an index lies on or below a diagonal of a matrix, the main one being 0 and those above it positive: bool.
    let lowerTriangle (rows: int) (columns: int) (diagonal: int) : Expr =
        compared Fn.LessEqual rows columns diagonal

    let private matrix operation (x: Expr) =
        if x.Rank < 2 then
            raise (
                ShapeException $"{operation}: expected a matrix or a batch of matrices, got shape {x.Shape}"
            )
        x.Shape[x.Rank - 2], x.Shape[x.Rank - 1]

    let private masked operation fn diagonal (x: Expr) =
        let rows, columns = matrix operation x
        where (compared fn rows columns diagonal) x (Expr.Const(Scalar.ofInt x.DType 0L, Shape.Scalar))

    /// The matrix with zeros above a diagonal; the main one is 0, those above it are positive.
    let tril (diagonal: int) (x: Expr) : Expr = masked "tril" Fn.LessEqual diagonal x
    /// The matrix with zeros below a diagonal; the main one is 0, those above it are positive.
    let triu (diagonal: int) (x: Expr) : Expr =
        masked "triu" Fn.GreaterEqual diagonal x

    /// The identity matrix.
    let eye (n: int) (dtype: DType) : Expr = cast dtype (compared Fn.Equal n n 0)

    // Where a diagonal begins, and its length.
    let private along rows columns diagonal =
        let row, column = max 0 -diagonal, max 0 diagonal
        struct (row, column, max 0 (min (rows - row) (columns - column)))

    /// The elements of a diagonal along a new last axis, which the last two give way to; the main one is 0, those above it are positive.
    let diagonal (offset: int) (x: Expr) : Expr =
        let rows, columns = matrix "diagonal" x
        let struct (row, column, n) = along rows columns offset
        let square =
            x
            |> slice -2 (Some(min row rows)) (Some(min rows row + n)) 1
            |> slice -1 (Some(min column columns)) (Some(min columns column + n)) 1
        einsum "...ii->...i" [ square ]

    /// The vectors of the last axis as diagonals of square matrices of zeros; the main one is 0, those above it are positive.
    let diagonalEmbed (offset: int) (x: Expr) : Expr =
        if x.Rank = 0 then
            raise (ShapeException "diagonal_embed: expected at least one axis, got a scalar")
        let square = MatrixGraph.ofDiagonal x
        let lead = List.replicate (x.Rank - 1) (0, 0)
        let up, down = max 0 offset, max 0 -offset
        pad (lead @ [ (down, up); (up, down) ]) square

    /// The sum of the main diagonal of the last two axes.
    let trace (x: Expr) : Expr =
        matrix "trace" x |> ignore
        sumOver [ -1 ] (diagonal 0 x)

    // ---- Products -------------------------------------------------------------------------------------------------------

    /// Every element of a times every element of b: the axes of a, then those of b. All axes count, none is a batch: outer products of
    /// batches are einsum "...i,...j->...ij", or vmap.
    let outer (a: Expr) (b: Expr) : Expr =
        Reshape.make (Shape(Array.append a.Shape.Dims (Array.create b.Rank 1))) a * b

    /// The Kronecker product: b times each element of a, in the place of that element. Fewer axes get new ones before them. All axes
    /// count, none is a batch: (2, 1, 2) and (2, 2, 1) give (4, 2, 2); vmap does it for each place of a batch.
    let kron (a: Expr) (b: Expr) : Expr =
        let rank = max a.Rank b.Rank
        let dims (x: Expr) =
            Array.append (Array.create (rank - x.Rank) 1) x.Shape.Dims
        let between isFirst (dims: int[]) =
            dims
            |> Array.collect (fun n -> if isFirst then [| n; 1 |] else [| 1; n |])
            |> Shape
        let m, n = dims a, dims b
        Reshape.make (between true m) a * Reshape.make (between false n) b
        |> Reshape.make (Shape(Array.map2 (*) m n))

    /// The sum of products over pairs of axes, the k-th of `first` with the k-th of `second`; the other axes of a, then those of b.
    let tensordot (first: int list) (second: int list) (a: Expr) (b: Expr) : Expr =
        let ofA = first |> List.map (Shape.axis "tensordot" a.Shape)
        let ofB = second |> List.map (Shape.axis "tensordot" b.Shape)
        if ofA.Length <> ofB.Length || List.distinct ofA <> ofA || List.distinct ofB <> ofB then
            raise (
                ShapeException
                    $"tensordot: expected as many axes of the first as of the second, each once, got {Shape.Text first} and {Shape.Text second}"
            )
        List.iter2
            (fun i j ->
                if a.Shape[i] <> b.Shape[j] then
                    raise (
                        ShapeException
                            $"tensordot: axis {i} of shape {a.Shape} is {a.Shape[i]}, but axis {j} of shape {b.Shape} is {b.Shape[j]}"
                    ))
            ofA
            ofB
        if a.DType <> b.DType then
            raise (
                DTypeException
                    $"tensordot: element types {DType.name a.DType} and {DType.name b.DType} do not mix; cast one of them"
            )
        Einsum.checkNumbers "tensordot" a
        let all = EinsumSpec.labels (a.Rank + b.Rank)
        let labelsA = all[.. a.Rank - 1]
        let labelsB = Array.copy all[a.Rank ..]
        List.iter2 (fun i j -> labelsB[j] <- labelsA[i]) ofA ofB
        let rest (labels: char[]) axes =
            [| for k in 0 .. labels.Length - 1 do
                   if not (List.contains k axes) then
                       k |]
        let restA, restB = rest labelsA ofA, rest labelsB ofB
        let spec =
            { Inputs = [| String labelsA; String labelsB |]
              Output =
                String(
                    Array.append
                        (restA |> Array.map (fun k -> labelsA[k]))
                        (restB |> Array.map (fun k -> labelsB[k]))
                ) }
        let dims (x: Expr) = Array.map (fun k -> x.Shape[k])
        Expr.Contract(spec, [| a; b |], Shape(Array.append (dims a restA) (dims b restB)))
