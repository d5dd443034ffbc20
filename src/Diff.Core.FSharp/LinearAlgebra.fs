namespace Diff

/// Linear algebra of the matrices in the last two axes; the axes before them are a batch. Computed in float64, rounded once for float32.
/// What is promised at equal eigenvalues and for singular matrices is in docs/mathematics.md.
[<AutoOpen; System.ComponentModel.EditorBrowsable(System.ComponentModel.EditorBrowsableState.Never)>]
module LinearAlgebra =
    // ---- Diagonals --------------------------------------------------------------------------------------------------

    /// Vectors in the last axis as diagonal matrices.
    let diag (x: Expr) : Expr =
        if x.Rank < 1 then
            raise (ShapeException "diag: expected a vector in the last axis, got a scalar")
        MatrixGraph.ofDiagonal x

    // ---- Equations --------------------------------------------------------------------------------------------------

    /// Puts right sides into matrices of one batch with a: `f` gets both. A vector is one right side for all places; many matrices beside
    /// one of a are columns of one.
    let private systems operation (a: Expr) (b: Expr) (f: Expr -> Expr -> Expr) : Expr =
        let n = MatrixGraph.square operation a
        if b.DType <> a.DType then
            raise (
                DTypeException
                    $"{operation}: element types {DType.name a.DType} and {DType.name b.DType} do not mix; cast one of them"
            )
        let r = b.Rank
        if r = 0 || b.Shape[max 0 (r - 2)] <> n then
            raise (
                ShapeException
                    $"{operation}: shapes {a.Shape} and {b.Shape} do not fit: {n} rows need a vector of {n} or matrices of {n} rows on the right side"
            )
        if r = 1 then
            let x =
                f
                    a
                    (MatrixGraph.asColumn (
                        Expr.BroadcastTo(b, Shape(Array.append (MatrixGraph.batch a) [| n |]))
                    ))
            MatrixGraph.column 0 x
        elif a.Rank = 2 && r > 2 then
            let moved = permuted (Array.concat [ [| r - 2 |]; [| 0 .. r - 3 |]; [| r - 1 |] ]) b
            let width = Array.fold (*) 1 moved.Shape.Dims[1..]
            f a (Reshape.make (Shape [| n; width |]) moved)
            |> Reshape.make moved.Shape
            |> permuted (Array.concat [ [| 1 .. r - 2 |]; [| 0; r - 1 |] ])
        else
            match Shape.tryBroadcast (Shape(MatrixGraph.batch a)) (Shape(MatrixGraph.batch b)) with
            | ValueNone ->
                raise (
                    ShapeException
                        $"{operation}: the batches of shapes {a.Shape} and {b.Shape} do not broadcast: {Shape.mismatch (Shape(MatrixGraph.batch a)) (Shape(MatrixGraph.batch b))}"
                )
            | ValueSome batch ->
                let spread (x: Expr) =
                    Expr.BroadcastTo(x, Shape(Array.append batch.Dims x.Shape.Dims[x.Rank - 2 ..]))
                f (spread a) (spread b)

    /// X of A·X = B for a square A, by elimination with partial pivoting: b is a vector [n] (for every place of the batch) or [.., n, k].
    /// A singular A is a LinearAlgebraException.
    let solve (a: Expr) (b: Expr) : Expr =
        systems "solve" a b (fun a b -> Solve.withFactors false a (Factors.lu (stopGradient a)) b)

    /// X of T·X = B, where T is the lower triangle of t, or the upper; what else t holds is not read. b as for `solve`.
    let triangularSolve (lower: bool) (t: Expr) (b: Expr) : Expr =
        systems "triangular_solve" t b (Solve.triangular lower)

    /// X of L·Lᵀ·X = B, given L from `cholesky`; b as for `solve`.
    let choleskySolve (l: Expr) (b: Expr) : Expr =
        systems "cholesky_solve" l b (fun l b ->
            Solve.triangular false (MatrixGraph.transpose l) (Solve.triangular true l b))

    /// A⁻¹; a singular A is a LinearAlgebraException.
    let inverse (a: Expr) : Expr =
        let n = MatrixGraph.square "inverse" a
        solve a (MatrixGraph.identity n a)

    /// A multiplied by itself; n = 0 gives the identity, a negative n powers of the inverse.
    let matrixPower (n: int) (a: Expr) : Expr =
        let size = MatrixGraph.square "matrix_power" a
        let rec power (n: int64) (a: Expr) =
            if n = 1L then
                a
            else
                let half = power (n / 2L) a
                let whole = MatrixGraph.multiply half half
                if n % 2L = 0L then whole else MatrixGraph.multiply whole a
        if n = 0 then MatrixGraph.identity size a
        elif n < 0 then power (-(int64 n)) (inverse a)
        else power (int64 n) a

    // ---- Functions of matrices --------------------------------------------------------------------------------------

    /// The exponential of a square matrix.
    let expm (a: Expr) : Expr = MatrixFunctions.expm 0 a

    /// V·Λᵖ·Vᵀ of the symmetric matrix (A + Aᵀ)/2: p = 0.5 is the square root, −0.5 its inverse. NaN where an eigenvalue has no such power.
    /// An eigenvalue that is 0 up to rounding is 0. Derivatives are right at equal eigenvalues too, to every order; at 0 they are as infinite as
    /// those of the power.
    let symmetricPower (p: float) (a: Expr) : Expr =
        MatrixGraph.square "symmetric_power" a |> ignore
        MatrixFunctions.symmetric (MatrixFunction.Power p) [| a |]

    /// V·log(Λ)·Vᵀ of the symmetric matrix (A + Aᵀ)/2; NaN where an eigenvalue is negative. Derivatives are right at equal eigenvalues too, to
    /// every order.
    let symmetricLog (a: Expr) : Expr =
        MatrixGraph.square "symmetric_log" a |> ignore
        MatrixFunctions.symmetric MatrixFunction.Log [| a |]
