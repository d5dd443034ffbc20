namespace Diff

open System.Globalization

/// A function of symmetric matrices by its values at the eigenvalues.
[<RequireQualifiedAccess>]
type internal MatrixFunction =
    | Log
    | Power of float

/// The words of linear algebra: functions of the matrices in the last two axes. Ops/Linalg.fs and its neighbours say what each one is.
[<RequireQualifiedAccess>]
type internal Factorization =
    | Cholesky
    | Lu
    /// The order of rows and columns in which elimination with complete pivoting takes them.
    | PivotOrder
    /// Powers of two for rows and columns, of product 1, that bring the elements together where these lie far apart.
    | Equilibrate
    /// The determinant. That of a matrix which is not singular has a derivative that divides.
    | Det of regular: bool
    /// Its sign and the logarithm of its magnitude, given A and its Lu; and the operation that asked for them.
    | SignedLogDet of operation: string
    /// X of A·X = B, or Aᵀ·X = B, given A, its Lu, and B; and the operation whose words say that A is singular.
    | Solve of transposed: bool * operation: string
    | TriangularSolve of lower: bool
    | Qr
    | Eigh
    | Svd
    /// The pseudo-inverse; singular values up to this fraction of the largest count as 0.
    | Pinv of tolerance: float
    /// The exponential of a matrix that is block triangular with 2^level equal blocks on its diagonal.
    | Expm of level: int
    /// A function of the symmetric part of the first argument, or its derivative in the directions that are the others, in their order.
    | Symmetric of MatrixFunction * directions: int

[<RequireQualifiedAccess>]
module internal Factorization =
    /// The name in messages and listings: another one for each word and each choice that goes with it.
    let name (word: Factorization) =
        let number (x: float) =
            x.ToString("R", CultureInfo.InvariantCulture)
        match word with
        | Factorization.Cholesky -> "cholesky"
        | Factorization.Lu -> "lu"
        | Factorization.PivotOrder -> "pivot_order"
        | Factorization.Equilibrate -> "equilibrate"
        | Factorization.Det false -> "det"
        | Factorization.Det true -> "det_regular"
        | Factorization.SignedLogDet operation -> operation
        | Factorization.Solve(false, "solve") -> "solve"
        | Factorization.Solve(true, "solve") -> "solve_transposed"
        | Factorization.Solve(false, operation) -> $"solve_of_{operation}"
        | Factorization.Solve(true, operation) -> $"solve_transposed_of_{operation}"
        | Factorization.TriangularSolve true -> "lower_solve"
        | Factorization.TriangularSolve false -> "upper_solve"
        | Factorization.Qr -> "qr"
        | Factorization.Eigh -> "eigh"
        | Factorization.Svd -> "svd"
        | Factorization.Pinv tolerance -> "pinv_" + number tolerance
        | Factorization.Expm 0 -> "expm"
        | Factorization.Expm level -> $"expm_{level}"
        | Factorization.Symmetric(MatrixFunction.Log, directions) -> $"symmetric_log_{directions}"
        | Factorization.Symmetric(MatrixFunction.Power p, directions) ->
            $"symmetric_power_{number p}_{directions}"
