namespace Diff

open Diff.Kernels

/// Eigenvalues and singular values, and functions of matrices.
[<RequireQualifiedAccess>]
module internal Spectral =
    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)

    let private endless operation _ place =
        $"{operation}: the iteration did not end for the matrix{place}"

    /// Differences of values that are the same up to rounding count as 0.
    let private tolerance (x: Expr) n (largest: Expr) =
        float n * MatrixGraph.epsilon x * largest

    /// At [i, j] 1 / (vⱼ − vᵢ); 0 where the values are equal up to a bound, which is one for each place of the batch.
    let private reciprocalDifferences (values: Expr) (bound: Expr) =
        let differences = MatrixGraph.asRow values - MatrixGraph.asColumn values
        let areEqual =
            map Fn.LessEqual [ map Fn.Abs [ differences ]; MatrixGraph.asColumn bound ]
        MatrixGraph.reciprocalUnless areEqual differences

    /// (X − Xᵀ) / 2.
    let private skew (x: Expr) = 0.5 * (x - MatrixGraph.transpose x)

    let private sandwich (left: Expr) (middle: Expr) (right: Expr) =
        MatrixGraph.multiply (MatrixGraph.multiply left middle) (MatrixGraph.transpose right)

    // ---- Symmetric matrices -----------------------------------------------------------------------------------------

    /// Rows of the eigenvectors, each followed by an eigenvalue, in ascending order.
    let eigh (a: Expr) : Expr =
        let n = MatrixGraph.square "eigh" a
        Expr(Op.Linalg Factorization.Eigh, [| a |], MatrixGraph.shaped n (n + 1) a, a.DType)

    /// Giles 2008: V·(diag λ̄ + skew(VᵀV̄) ∘ F)·Vᵀ, where F has 1 / (λⱼ − λᵢ), and 0 for equal ones.
    let eighRule: Rule =
        { Derivative =
            General(fun _ xs packed g ->
                let n = MatrixGraph.square "eigh" xs[0]
                let vectors x = MatrixGraph.columns 0 n x
                let v, values = vectors packed, MatrixGraph.column n packed
                let ends = map Fn.Abs [ MatrixGraph.columns n 1 packed ]
                let largest =
                    MatrixGraph.column
                        0
                        (map Fn.Max [ MatrixGraph.rows 0 1 ends; MatrixGraph.rows (n - 1) 1 ends ])
                let f = reciprocalDifferences values (tolerance values n largest)
                let turned = skew (MatrixGraph.multiply (MatrixGraph.transpose v) (vectors g)) * f
                [| sandwich v (turned + MatrixGraph.ofDiagonal (MatrixGraph.column n g)) v |])
          Kernel =
            fun node ->
                let n = node.Shape[node.Rank - 2]
                let run =
                    MatrixKernel(fun args packed -> SymmetricEigen.Decompose(args[0], packed, n))
                MatrixGraph.kernel (endless "eigh") run node
          Batching = Stacked(Op.Linalg Factorization.Eigh) }

    // ---- Singular values --------------------------------------------------------------------------------------------

    /// The rows of U, those of V, and the row of singular values in descending order, of matrices with at least as many rows as columns.
    let svd (a: Expr) : Expr =
        let struct (m, n) = MatrixGraph.extents "svd" a
        Expr(Op.Linalg Factorization.Svd, [| a |], MatrixGraph.shaped (m + n + 1) n a, a.DType)

    /// Townsend 2016, with the symmetric and the skew part of Uᵀ·dA·V apart: only the first is divided by differences of singular
    /// values, the second by sums, so that equal values keep all that does not depend on the choice of vectors.
    let svdRule: Rule =
        { Derivative =
            General(fun _ xs packed g ->
                let struct (m, n) = MatrixGraph.extents "svd" xs[0]
                let part (x: Expr) =
                    MatrixGraph.rows 0 m x, MatrixGraph.rows m n x, MatrixGraph.row (m + n) x
                let (u, v, s), (gu, gv, gs) = part packed, part g
                let largest =
                    MatrixGraph.column 0 (MatrixGraph.rows (m + n) 1 packed |> MatrixGraph.columns 0 1)
                let bound = tolerance s (max m n) largest
                let a = skew (MatrixGraph.multiply (MatrixGraph.transpose u) gu)
                let b = skew (MatrixGraph.multiply (MatrixGraph.transpose v) gv)
                let sums = MatrixGraph.asRow s + MatrixGraph.asColumn s
                let isZero = map Fn.LessEqual [ sums; MatrixGraph.asColumn bound ]
                let middle =
                    (a + b) * reciprocalDifferences s bound
                    + (a - b) * MatrixGraph.reciprocalUnless isZero sums
                    + MatrixGraph.ofDiagonal gs
                let within = sandwich u middle v
                if m = n then
                    [| within |]
                else
                    // What of Ū lies outside the space of U.
                    let outside =
                        gu - MatrixGraph.multiply u (MatrixGraph.multiply (MatrixGraph.transpose u) gu)
                    let inverse = MatrixGraph.reciprocalUnless (map Fn.LessEqual [ s; bound ]) s
                    [| within
                       + MatrixGraph.multiply (outside * MatrixGraph.asRow inverse) (MatrixGraph.transpose v) |])
          Kernel =
            fun node ->
                let struct (m, n) = MatrixGraph.extents "svd" node.Args[0]
                let run = MatrixKernel(fun args packed -> Svd.Decompose(args[0], packed, m, n))
                MatrixGraph.kernel (endless "svd") run node
          Batching = Stacked(Op.Linalg Factorization.Svd) }

    /// The pseudo-inverse of matrices with at least as many rows as columns.
    let pinv tolerance (a: Expr) : Expr =
        let struct (m, n) = MatrixGraph.extents "pinv" a
        Expr(Op.Linalg(Factorization.Pinv tolerance), [| a |], MatrixGraph.shaped n m a, a.DType)

    /// Golub, Pereyra 1973, where the rank stays what it is; singular values may be equal.
    let pinvRule tolerance : Rule =
        { Derivative =
            General(fun _ xs y g ->
                let a, yt, gt = xs[0], MatrixGraph.transpose y, MatrixGraph.transpose g
                let product (factors: Expr list) =
                    List.reduce MatrixGraph.multiply factors
                let outside = gt - product [ a; y; gt ]
                let beyond = gt - product [ gt; y; a ]
                [| product [ outside; y; yt ] + product [ yt; y; beyond ] - product [ yt; g; yt ] |])
          Kernel =
            fun node ->
                let struct (m, n) = MatrixGraph.extents "pinv" node.Args[0]
                let run = MatrixKernel(fun args y -> Svd.Invert(args[0], y, m, n, tolerance))
                MatrixGraph.kernel (endless "pinv") run node
          Batching = Stacked(Op.Linalg(Factorization.Pinv tolerance)) }
