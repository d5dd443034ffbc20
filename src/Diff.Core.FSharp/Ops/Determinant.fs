namespace Diff

open Diff.Kernels

/// Determinants. The value is that of an elimination; the derivative is that of a polynomial in the elements, which is right at singular
/// matrices too and must not divide.
[<RequireQualifiedAccess>]
module internal Determinant =
    /// Up to this corank derivatives are right to every order.
    let private corank = 4

    let private word factorization rows columns (args: Expr[]) : Expr =
        Expr(Op.Linalg factorization, args, MatrixGraph.shaped rows columns args[0], args[0].DType)

    let private never _ place =
        $"elimination stopped in the matrix{place}"

    /// Matrices of one element as numbers.
    let private asNumber (x: Expr) =
        Reshape.make (Shape(MatrixGraph.batch x)) x

    let private map fn (xs: Expr list) = Expr.Map(fn, Array.ofList xs)

    // ---- Words ------------------------------------------------------------------------------------------------------

    /// The determinant of each matrix, as a matrix of one element.
    let private det regular (a: Expr) : Expr =
        word (Factorization.Det regular) 1 1 [| a |]

    let ofMatrix (a: Expr) : Expr = asNumber (det false a)

    /// Powers of two for the rows, then for the columns, as two columns.
    let private equilibrate (a: Expr) : Expr =
        word Factorization.Equilibrate (MatrixGraph.square "equilibrate" a) 2 [| a |]

    /// The sign and log |det A| of each matrix.
    let signAndLog operation (a: Expr) : Expr * Expr =
        let packed = word (Factorization.SignedLogDet operation) 1 2 [| a; Factors.lu a |]
        asNumber (MatrixGraph.columns 0 1 packed), asNumber (MatrixGraph.columns 1 1 packed)

    // ---- The polynomial ---------------------------------------------------------------------------------------------

    /// F ← μ(F)·A, n − 1 times from F = A, where μ keeps what is above the diagonal and puts minus the sum of what follows into it: a
    /// determinant without a division (Bird 2011).
    let private polynomial n (a: Expr) : Expr =
        let following = MatrixGraph.keep Fn.Less (MatrixGraph.full [| n; n |] 1.0 a)
        let none = System.Collections.Generic.Dictionary()
        let mutable f = a
        for _ in 2..n do
            let sums = Einsum.make "ij,...j->...i" none [| following; MatrixGraph.diagonal f |]
            f <- MatrixGraph.multiply (MatrixGraph.keep Fn.Less f - MatrixGraph.ofDiagonal sums) a
        let first = MatrixGraph.rows 0 1 (MatrixGraph.columns 0 1 f)
        if n % 2 = 0 then -first else first

    /// With rows and columns in the order of complete pivoting, all but the last four are eliminated; the determinant is that of what is
    /// eliminated times the polynomial of what is left (Schur's complement), whose matrix may be anything.
    let private reduced n (a: Expr) : Expr =
        let k = n - corank
        let order = Factors.pivotOrder a
        let permutation index =
            MatrixGraph.permutation (MatrixGraph.column index order)
        let m =
            MatrixGraph.multiply
                (MatrixGraph.multiply (permutation 0) a)
                (MatrixGraph.transpose (permutation 1))
        let block row height column width =
            MatrixGraph.rows row height (MatrixGraph.columns column width m)
        let top = block 0 k 0 k
        // Of a larger corank every derivative up to the fourth is 0.
        let isSingular = map Fn.Equal [ det false top; MatrixGraph.number a 0.0 ]
        let top = map Fn.Where [ isSingular; MatrixGraph.identity k top; top ]
        let right = block 0 k k corank
        let eliminated =
            MatrixGraph.multiply (block k corank 0 k) (Solve.withFactors false top (Factors.lu top) right)
        let rest = polynomial corank (block k corank k corank - eliminated)
        let sign = MatrixGraph.rows 0 1 (MatrixGraph.columns 2 1 order)
        map Fn.Where [ isSingular; MatrixGraph.number a 0.0; sign * det true top * rest ]

    /// The determinant as a polynomial: in float64, and with the elements near each other, so that no product of some of them leaves
    /// the range where that of all stays in it.
    let private asPolynomial (a: Expr) : Expr =
        let n = MatrixGraph.square "det" a
        let wide = Elementwise.makeCast DType.Float64 a
        let scales = equilibrate wide
        let scaled =
            wide
            * MatrixGraph.columns 0 1 scales
            * MatrixGraph.transpose (MatrixGraph.columns 1 1 scales)
        let value =
            if n <= corank then
                polynomial n scaled
            else
                reduced n scaled
        Elementwise.makeCast a.DType value

    // ---- Rules ------------------------------------------------------------------------------------------------------

    /// g·Aᵀ⁻¹ for numbers g, one a matrix.
    let private timesInverse operation (a: Expr) factors (g: Expr) =
        let n = MatrixGraph.square operation a
        Solve.withFactorsFor operation true a factors (g * MatrixGraph.identity n a)

    let rule regular : Rule =
        { Derivative =
            if regular then
                // det A · A⁻ᵀ (Jacobi).
                General(fun _ xs y g -> [| timesInverse "det" xs[0] (Factors.lu xs[0]) (g * y) |])
            else
                Recompute(fun xs _ -> xs, asPolynomial xs[0], [||])
          Kernel =
            fun node ->
                let n = MatrixGraph.square "det" node.Args[0]
                let run =
                    MatrixKernel(fun args value ->
                        value[0] <- Lu.Determinant(args[0], n)
                        -1)
                MatrixGraph.kernel never run node
          Batching = Stacked(Op.Linalg(Factorization.Det regular)) }

    let equilibrateRule: Rule =
        { Derivative = Zero
          Kernel =
            fun node ->
                let n = MatrixGraph.square "equilibrate" node.Args[0]
                let run =
                    MatrixKernel(fun args scales ->
                        Lu.Equilibrate(args[0], scales, n)
                        -1)
                MatrixGraph.kernel never run node
          Batching = Stacked(Op.Linalg Factorization.Equilibrate) }

    let logRule operation : Rule =
        { Derivative =
            // The sign has none.
            General(fun _ xs _ g ->
                [| timesInverse operation xs[0] xs[1] (MatrixGraph.columns 1 1 g); null |])
          Kernel =
            fun node ->
                let n = MatrixGraph.square operation node.Args[0]
                let run =
                    MatrixKernel(fun args value ->
                        Lu.SignedLog(args[1], value, n)
                        -1)
                MatrixGraph.kernel never run node
          Batching = Stacked(Op.Linalg(Factorization.SignedLogDet operation)) }
