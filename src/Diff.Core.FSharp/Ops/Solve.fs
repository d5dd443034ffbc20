namespace Diff

open Diff.Kernels

/// Systems of linear equations. Their derivatives are systems with the transposed matrix (Giles 2008).
[<RequireQualifiedAccess>]
module internal Solve =
    let private singular operation row place =
        $"{operation}: the matrix{place} is singular: pivot {row} is 0; use pinv or lstsq where a solution of least norm will do"

    let private failure operation row place =
        if operation = "solve" then
            singular operation row place
        else
            $"{operation}: the matrix{place} is singular: pivot {row} is 0, and there is no derivative there; det has one"

    /// X of T·X = B; the other triangle of T is not read. The batches are alike.
    let triangular lower (t: Expr) (b: Expr) : Expr =
        Expr(Op.Linalg(Factorization.TriangularSolve lower), [| t; b |], b.Shape, b.DType)

    /// X of X·T = B.
    let triangularRight lower (t: Expr) (b: Expr) : Expr =
        MatrixGraph.transpose (triangular (not lower) (MatrixGraph.transpose t) (MatrixGraph.transpose b))

    /// X of A·X = B or Aᵀ·X = B, given the factors of A. They are no argument of the derivative, which A gets alone:
    /// so one factorisation serves the value and its derivatives of every order.
    let withFactorsFor operation transposed (a: Expr) (factors: Expr) (b: Expr) : Expr =
        Expr(Op.Linalg(Factorization.Solve(transposed, operation)), [| a; factors; b |], b.Shape, b.DType)
    let withFactors transposed (a: Expr) (factors: Expr) (b: Expr) : Expr =
        withFactorsFor "solve" transposed a factors b

    let triangularRule lower : Rule =
        { Derivative =
            General(fun needed xs y g ->
                let gb = triangular (not lower) (MatrixGraph.transpose xs[0]) g
                let gt () =
                    -(MatrixGraph.multiply gb (MatrixGraph.transpose y))
                    |> MatrixGraph.keep (if lower then Fn.GreaterEqual else Fn.LessEqual)
                [| MatrixGraph.ifNeeded needed[0] gt; gb |])
          Kernel =
            fun node ->
                let struct (n, k) = MatrixGraph.extents "triangular_solve" node
                let run =
                    MatrixKernel(fun args x ->
                        args[1].CopyTo(x, 0)
                        Triangular.Solve(args[0], n, n, x, k, lower, false, false))
                MatrixGraph.kernel (singular "triangular_solve") run node
          Batching = Stacked(Op.Linalg(Factorization.TriangularSolve lower)) }

    let rule transposed operation : Rule =
        { Derivative =
            General(fun needed xs y g ->
                let gb = withFactorsFor operation (not transposed) xs[0] xs[1] g
                let ga () =
                    let left, right = if transposed then y, gb else gb, y
                    -(MatrixGraph.multiply left (MatrixGraph.transpose right))
                [| MatrixGraph.ifNeeded needed[0] ga; null; gb |])
          Kernel =
            fun node ->
                let struct (n, k) = MatrixGraph.extents "solve" node
                let run =
                    MatrixKernel(fun args x -> Lu.Solve(args[1], args[2], x, n, k, transposed))
                MatrixGraph.kernel (failure operation) run node
          Batching = Stacked(Op.Linalg(Factorization.Solve(transposed, operation))) }
