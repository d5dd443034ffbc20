namespace Diff

/// Matrices as products: triangular and orthogonal factors, eigenvalues and singular values. The matrices lie in the last two axes, the
/// axes before them are a batch.
[<AutoOpen; System.ComponentModel.EditorBrowsable(System.ComponentModel.EditorBrowsableState.Never)>]
module Decompositions =
    // ---- Factors ----------------------------------------------------------------------------------------------------

    /// L, lower triangular, of A = L·Lᵀ. Only (A + Aᵀ)/2 counts, and the derivative is symmetric. If that is not positive definite: a
    /// LinearAlgebraException.
    let cholesky (a: Expr) : Expr = Factors.cholesky a

    /// P, L and U of A = P·L·U: a permutation [.., m, m], ones on the diagonal of L [.., m, k], the pivots on that of U [.., k, n], where k
    /// is the smaller of m and n. The derivative needs pivots other than 0.
    let lu (a: Expr) : Expr * Expr * Expr =
        let struct (_, n) = MatrixGraph.extents "lu" a
        let packed = Factors.lu a
        let order = MatrixGraph.permutation (MatrixGraph.column n packed)
        MatrixGraph.transpose order, Factors.lower n packed, Factors.upper n packed

    let private isEmpty (a: Expr) =
        a.Shape[a.Rank - 2] = 0 || a.Shape[a.Rank - 1] = 0

    let rec private tallOrWideQr m n (a: Expr) =
        if m >= n then
            let packed = Factors.qr a
            MatrixGraph.rows 0 m packed, MatrixGraph.rows m n packed
        else
            // Roberts, Roberts 2020: the first columns decide about Q.
            let q, r = tallOrWideQr m m (MatrixGraph.columns 0 m a)
            let rest =
                MatrixGraph.multiply (MatrixGraph.transpose q) (MatrixGraph.columns m (n - m) a)
            q, Window.concat (a.Rank - 1) [| r; rest |]

    /// Q with orthonormal columns, [.., m, k], and R upper triangular, [.., k, n], of A = Q·R, where k is the smaller of m and n and no
    /// number on the diagonal of R is negative. The derivative needs linearly independent columns (the first k).
    let qr (a: Expr) : Expr * Expr =
        let struct (m, n) = MatrixGraph.extents "qr" a
        if isEmpty a then
            let k, batch = min m n, MatrixGraph.batch a
            MatrixGraph.full (Array.append batch [| m; k |]) 0.0 a,
            MatrixGraph.full (Array.append batch [| k; n |]) 0.0 a
        else
            tallOrWideQr m n a

    // ---- Eigenvalues and singular values ----------------------------------------------------------------------------

    /// The eigenvalues, ascending, [.., n], and the eigenvectors, the columns of [.., n, n], of (A + Aᵀ)/2. The component of largest
    /// magnitude of each vector is positive.
    let eigh (a: Expr) : Expr * Expr =
        let n = MatrixGraph.square "eigh" a
        if n = 0 then
            MatrixGraph.full (Array.append (MatrixGraph.batch a) [| 0 |]) 0.0 a, a
        else
            let packed = Spectral.eigh a
            MatrixGraph.column n packed, MatrixGraph.columns 0 n packed

    /// The eigenvalues of (A + Aᵀ)/2, ascending.
    let eigvalsh (a: Expr) : Expr = fst (eigh a)

    /// U, S and Vᵀ of A = U·diag(S)·Vᵀ: [.., m, k], [.., k] and [.., k, n], where k is the smaller of m and n; S descends. The component of
    /// largest magnitude of each vector of the shorter side is positive.
    let svd (a: Expr) : Expr * Expr * Expr =
        let struct (m, n) = MatrixGraph.extents "svd" a
        let k = min m n
        if k = 0 then
            let empty dims =
                MatrixGraph.full (Array.append (MatrixGraph.batch a) dims) 0.0 a
            empty [| m; k |], empty [| k |], empty [| k; n |]
        else
            let packed = Spectral.svd (if m >= n then a else MatrixGraph.transpose a)
            let long = max m n
            let u, v, s =
                MatrixGraph.rows 0 long packed,
                MatrixGraph.rows long k packed,
                MatrixGraph.row (long + k) packed
            if m >= n then
                u, s, MatrixGraph.transpose v
            else
                v, s, MatrixGraph.transpose u

    /// The singular values, descending.
    let svdvals (a: Expr) : Expr = let _, s, _ = svd a in s

    let private roundingOf (a: Expr) =
        MatrixGraph.epsilon a * float (max a.Shape[a.Rank - 2] a.Shape[a.Rank - 1])

    /// The number of singular values above a fraction of the largest: int64.
    let matrixRankWith (tolerance: float) (a: Expr) : Expr =
        let s = svdvals a
        if s.Shape[s.Rank - 1] = 0 then
            Expr.Full(0.0, Shape(MatrixGraph.batch a), DType.Int64)
        else
            sumAxes false [| -1 |] (greater s (tolerance * slice -1 (Some 0) (Some 1) 1 s))
    /// The number of singular values above rounding: above max(m, n)·ε times the largest. int64.
    let matrixRank (a: Expr) : Expr =
        MatrixGraph.extents "matrix_rank" a |> ignore
        matrixRankWith (roundingOf a) a

    /// The pseudo-inverse (Moore–Penrose), [.., n, m]; singular values up to a fraction of the largest count as 0. The derivative takes the
    /// rank as given.
    let pinvWith (tolerance: float) (a: Expr) : Expr =
        let struct (m, n) = MatrixGraph.extents "pinv" a
        if not (tolerance >= 0.0) then
            invalidArg "tolerance" $"pinv: expected a tolerance of at least 0, got {tolerance}"
        if isEmpty a then
            MatrixGraph.full (Array.append (MatrixGraph.batch a) [| n; m |]) 0.0 a
        elif m >= n then
            Spectral.pinv tolerance a
        else
            MatrixGraph.transpose (Spectral.pinv tolerance (MatrixGraph.transpose a))
    /// The pseudo-inverse (Moore–Penrose), [.., n, m], with singular values up to max(m, n)·ε of the largest taken for 0.
    let pinv (a: Expr) : Expr =
        MatrixGraph.extents "pinv" a |> ignore
        pinvWith (roundingOf a) a

    /// The X of least norm for which A·X − B has least norm, for an A of any shape and rank; b is [m] or [.., m, k].
    let lstsq (a: Expr) (b: Expr) : Expr =
        let struct (m, _) = MatrixGraph.extents "lstsq" a
        if b.Rank = 0 || b.Shape[max 0 (b.Rank - 2)] <> m then
            raise (
                ShapeException
                    $"lstsq: shapes {a.Shape} and {b.Shape} do not fit: {m} rows need a vector of {m} or matrices of {m} rows on the right side"
            )
        matmul (pinv a) b
