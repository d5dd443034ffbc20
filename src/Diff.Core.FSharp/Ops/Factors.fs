namespace Diff

open System
open Diff.Kernels

/// Matrices as products of triangular and orthogonal ones: Cholesky, LU, QR. Each is one array, of which the parts are slices.
[<RequireQualifiedAccess>]
module internal Factors =
    let private word factorization rows columns (a: Expr) : Expr =
        Expr(Op.Linalg factorization, [| a |], MatrixGraph.shaped rows columns a, a.DType)

    let private never row place =
        $"elimination stopped at row {row} of the matrix{place}"

    // ---- Cholesky ---------------------------------------------------------------------------------------------------

    let cholesky (a: Expr) : Expr =
        let n = MatrixGraph.square "cholesky" a
        word Factorization.Cholesky n n a

    /// The lower triangle with half of the diagonal.
    let private half (x: Expr) =
        MatrixGraph.keep Fn.GreaterEqual x - 0.5 * MatrixGraph.keep Fn.Equal x

    /// Seeger, Hetzel, Dai, Meissner, Lawrence 2017: with P = half(LᵀL̄), the symmetric part of L⁻ᵀPL⁻¹.
    let choleskyRule: Rule =
        { Derivative =
            General(fun _ _ l g ->
                let p = half (MatrixGraph.multiply (MatrixGraph.transpose l) g)
                let s =
                    Solve.triangular false (MatrixGraph.transpose l) (Solve.triangularRight true l p)
                [| 0.5 * (s + MatrixGraph.transpose s) |])
          Kernel =
            fun node ->
                let n = MatrixGraph.square "cholesky" node
                let failure row place =
                    $"cholesky: expected a positive definite matrix, but pivot {row} of the matrix{place} is not above 0; add a multiple of the identity, or use lu or eigh"
                MatrixGraph.kernel failure (MatrixKernel(fun args l -> Cholesky.Factor(args[0], l, n))) node
          Batching = Stacked(Op.Linalg Factorization.Cholesky) }

    // ---- LU ---------------------------------------------------------------------------------------------------------

    /// U on and above the diagonal, L below it, of a matrix of any shape; then the row of A that each row was, and the sign of that order.
    let lu (a: Expr) : Expr =
        let struct (m, n) = MatrixGraph.extents "lu" a
        word Factorization.Lu m (n + 2) a

    /// L, m × k, and U, k × n, where k is the smaller of m and n.
    let lower n (packed: Expr) =
        let m = packed.Shape[packed.Rank - 2]
        let k = min m n
        MatrixGraph.keep Fn.Greater (MatrixGraph.columns 0 k packed)
        + MatrixGraph.keep Fn.Equal (MatrixGraph.full (MatrixGraph.shaped m k packed).Dims 1.0 packed)
    let upper n (packed: Expr) =
        let k = min packed.Shape[packed.Rank - 2] n
        MatrixGraph.keep Fn.LessEqual (MatrixGraph.rows 0 k (MatrixGraph.columns 0 n packed))

    /// With P·A = L·U: dL = L·tril(M), dU = triu(M)·U for M = L⁻¹·P·dA·U⁻¹ (Giles 2008), transposed. The order does not change. What lies
    /// below or beside the square of the first k rows and columns solves equations with one of its factors.
    let luRule: Rule =
        { Derivative =
            General(fun _ xs packed g ->
                let struct (m, n) = MatrixGraph.extents "lu" xs[0]
                let k = min m n
                let transpose, multiply = MatrixGraph.transpose, MatrixGraph.multiply
                let square (x: Expr) =
                    MatrixGraph.rows 0 k (MatrixGraph.columns 0 k x)
                let below = MatrixGraph.rows k (m - k)
                let beside = MatrixGraph.columns k (n - k)
                let l, u, g = lower n packed, upper n packed, MatrixGraph.columns 0 n g
                let l1, u1 = square l, square u
                // Of the rest, and what it passes on to the factors of the square.
                let rest, g1 =
                    if m > k then
                        let rest = Solve.triangularRight true (transpose u1) (below g)
                        rest, square g - MatrixGraph.keep Fn.LessEqual (multiply (transpose (below l)) rest)
                    elif n > k then
                        let rest = Solve.triangular false (transpose l1) (beside g)
                        rest, square g - MatrixGraph.keep Fn.Greater (multiply rest (transpose (beside u)))
                    else
                        g, g
                let inner =
                    MatrixGraph.keep Fn.Greater (multiply (transpose l1) g1)
                    + MatrixGraph.keep Fn.LessEqual (multiply g1 (transpose u1))
                let s =
                    Solve.triangularRight true (transpose u1) inner
                    |> Solve.triangular false (transpose l1)
                let whole =
                    if m > k then Window.concat (s.Rank - 2) [| s; rest |]
                    elif n > k then Window.concat (s.Rank - 1) [| s; rest |]
                    else s
                let p = MatrixGraph.permutation (MatrixGraph.column n packed)
                [| multiply (transpose p) whole |])
          Kernel =
            fun node ->
                let struct (m, n) = MatrixGraph.extents "lu" node.Args[0]
                let run =
                    MatrixKernel(fun args packed ->
                        Lu.Factor(args[0], packed, m, n, false)
                        -1)
                MatrixGraph.kernel never run node
          Batching = Stacked(Op.Linalg Factorization.Lu) }

    /// The rows and the columns in the order of complete pivoting, and the sign of both orders.
    let pivotOrder (a: Expr) : Expr =
        word Factorization.PivotOrder (MatrixGraph.square "pivot_order" a) 3 a

    let pivotOrderRule: Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let n = node.Shape[node.Rank - 2]
                let run =
                    MatrixKernel(fun args order ->
                        Lu.Order(args[0], order, n)
                        -1)
                MatrixGraph.kernel never run node
          Batching = Stacked(Op.Linalg Factorization.PivotOrder) }

    // ---- QR ---------------------------------------------------------------------------------------------------------

    /// The rows of Q, then those of R, of matrices with at least as many rows as columns.
    let qr (a: Expr) : Expr =
        let struct (m, n) = MatrixGraph.extents "qr" a
        word Factorization.Qr (m + n) n a

    /// Walter, Lehmann 2010: (Q̄ + Q·S)·R⁻ᵀ, where S has the lower triangle of R·R̄ᵀ − Q̄ᵀ·Q on both sides.
    let qrRule: Rule =
        { Derivative =
            General(fun _ xs packed g ->
                let struct (m, n) = MatrixGraph.extents "qr" xs[0]
                let part (x: Expr) =
                    MatrixGraph.rows 0 m x, MatrixGraph.rows m n x
                let (q, r), (gq, gr) = part packed, part g
                let s =
                    MatrixGraph.multiply r (MatrixGraph.transpose gr)
                    - MatrixGraph.multiply (MatrixGraph.transpose gq) q
                let s =
                    MatrixGraph.keep Fn.GreaterEqual s
                    + MatrixGraph.transpose (MatrixGraph.keep Fn.Greater s)
                [| Solve.triangularRight true (MatrixGraph.transpose r) (gq + MatrixGraph.multiply q s) |])
          Kernel =
            fun node ->
                let struct (m, n) = MatrixGraph.extents "qr" node.Args[0]
                let run =
                    MatrixKernel(fun args packed ->
                        Householder.Qr(args[0], packed, packed.AsSpan(m * n), m, n)
                        -1)
                MatrixGraph.kernel never run node
          Batching = Stacked(Op.Linalg Factorization.Qr) }
