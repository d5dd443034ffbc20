namespace Diff

/// The words of linear algebra: what each one means.
[<RequireQualifiedAccess>]
module internal Linalg =
    let rule (word: Factorization) : Rule =
        match word with
        | Factorization.Cholesky -> Factors.choleskyRule
        | Factorization.Lu -> Factors.luRule
        | Factorization.PivotOrder -> Factors.pivotOrderRule
        | Factorization.Equilibrate -> Determinant.equilibrateRule
        | Factorization.Det regular -> Determinant.rule regular
        | Factorization.SignedLogDet operation -> Determinant.logRule operation
        | Factorization.Solve(transposed, operation) -> Solve.rule transposed operation
        | Factorization.TriangularSolve lower -> Solve.triangularRule lower
        | Factorization.Qr -> Factors.qrRule
        | Factorization.Eigh -> Spectral.eighRule
        | Factorization.Svd -> Spectral.svdRule
        | Factorization.Pinv tolerance -> Spectral.pinvRule tolerance
        | Factorization.Expm level -> MatrixFunctions.expmRule level
        | Factorization.Symmetric(f, directions) -> MatrixFunctions.symmetricRule f directions
