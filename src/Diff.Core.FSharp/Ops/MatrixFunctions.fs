namespace Diff

open Diff.Kernels

/// Functions of matrices, whose derivatives are functions of matrices again: so they are right for every order, also at equal eigenvalues.
[<RequireQualifiedAccess>]
module internal MatrixFunctions =
    let private endless _ place =
        $"eigh: the iteration did not end for the matrix{place}"

    // ---- The exponential --------------------------------------------------------------------------------------------

    /// The exponential of matrices that are block triangular with 2^level equal blocks on the diagonal.
    let expm level (a: Expr) : Expr =
        MatrixGraph.square "expm" a |> ignore
        Expr(Op.Linalg(Factorization.Expm level), [| a |], a.Shape, a.DType)

    /// The derivative in direction E is the block above the diagonal of exp [A, E; 0, A] (Mathias 1996); its transpose is that in
    /// direction Ēᵀ, transposed.
    let expmRule level : Rule =
        { Derivative =
            General(fun _ xs _ g ->
                let a = xs[0]
                let n, axis = MatrixGraph.square "expm" a, a.Rank - 1
                let above = Window.concat axis [| a; MatrixGraph.transpose g |]
                let below = Window.concat axis [| Expr.ZerosLike a; a |]
                let exponential = expm (level + 1) (Window.concat (axis - 1) [| above; below |])
                [| MatrixGraph.transpose (MatrixGraph.columns n n (MatrixGraph.rows 0 n exponential)) |])
          Kernel =
            fun node ->
                let n = MatrixGraph.square "expm" node
                let run =
                    MatrixKernel(fun args result ->
                        MatrixExponential.Compute(args[0], result, n, n >>> level)
                        -1)
                MatrixGraph.kernel endless run node
          Batching = Stacked(Op.Linalg(Factorization.Expm level)) }

    // ---- Symmetric matrices -----------------------------------------------------------------------------------------

    /// f of the symmetric part of the first argument, or its derivative in the directions that follow, in their order:
    /// D[E₁, …, Eₖ] = V·(Σ f[λ₀, …, λₖ]·Ê₁·…·Êₖ)·Vᵀ with divided differences of f (Daleckii, Krein 1965).
    let symmetric f (args: Expr[]) : Expr =
        Expr(Op.Linalg(Factorization.Symmetric(f, args.Length - 1)), args, args[0].Shape, args[0].DType)

    /// ⟨G, D[E₁, …, Eₖ]⟩ is the trace of a product that may be turned round, since divided differences do not depend on the order of their
    /// points: so what stands before Eₚ is D[Eₚ₊₁, …, Eₖ, Gᵀ, E₁, …, Eₚ₋₁]. A further direction for A goes to each place between the others.
    let symmetricRule f directions : Rule =
        let value (args: Expr list) =
            MatrixGraph.transpose (symmetric f (Array.ofList args))
        { Derivative =
            General(fun needed xs _ g ->
                let a, es, gt = xs[0], List.ofArray xs[1..], MatrixGraph.transpose g
                let ofMatrix () =
                    let s =
                        [ for p in 0..directions -> value (a :: List.skip p es @ [ gt ] @ List.take p es) ]
                        |> List.reduce (+)
                    0.5 * (s + MatrixGraph.transpose s)
                let ofDirection p () =
                    value (a :: List.skip (p + 1) es @ [ gt ] @ List.take p es)
                [| MatrixGraph.ifNeeded needed[0] ofMatrix
                   for p in 0 .. directions - 1 do
                       MatrixGraph.ifNeeded needed[p + 1] (ofDirection p) |])
          Kernel =
            fun node ->
                let n = MatrixGraph.square "symmetric_function" node
                let scalar: AnalyticFunction =
                    match f with
                    | MatrixFunction.Log -> LogFunction()
                    | MatrixFunction.Power p -> PowerFunction p
                let run =
                    MatrixKernel(fun args result ->
                        SymmetricFunction.Compute(args[0], args[1..], result, n, scalar))
                MatrixGraph.kernel endless run node
          Batching = Stacked(Op.Linalg(Factorization.Symmetric(f, directions))) }
