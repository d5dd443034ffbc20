namespace Diff

open System

/// Determinants of the matrices in the last two axes.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Determinants =
    // Up to this corank derivatives of the determinant are right to every order.
    let private corank = 4

    /// The number in the first row and some column of each matrix.
    let private first column (x: Expr) =
        Reshape.make (Shape(MatrixGraph.batch x)) (MatrixGraph.rows 0 1 (MatrixGraph.columns column 1 x))

    /// The determinant without a division, so that it is a polynomial in the elements to every order of derivative: F ← μ(F)·A, n − 1 times
    /// from F = A, where μ keeps what is above the diagonal and puts minus the sum of what follows into it (Bird 2011).
    let private polynomial n (a: Expr) : Expr =
        let following = MatrixGraph.keep Fn.Less (MatrixGraph.full [| n; n |] 1.0 a)
        let mutable f = a
        for _ in 2..n do
            let sums = einsum "ij,...j->...i" [ following; MatrixGraph.diagonal f ]
            f <- MatrixGraph.multiply (MatrixGraph.keep Fn.Less f - MatrixGraph.ofDiagonal sums) a
        if n % 2 = 0 then -(first 0 f) else first 0 f

    /// The sign of the order and the diagonal of U.
    let private pivots n (a: Expr) =
        let packed = Factors.lu a
        first (n + 1) packed, MatrixGraph.diagonal (MatrixGraph.columns 0 n packed)

    /// With rows and columns in the order of complete pivoting, all but the last four are eliminated; the determinant is that of what is
    /// eliminated times the polynomial of what is left (Schur's complement), whose matrix may be anything.
    let private reduced n (a: Expr) : Expr =
        let k = n - corank
        let order = Factors.pivotOrder (stopGradient a)
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
        let isSingular =
            equal (reduceMinOver [ -1 ] (abs (snd (pivots k (stopGradient top))))) 0.0
        let wholly = MatrixGraph.asColumn (MatrixGraph.asColumn isSingular)
        let top = where wholly (MatrixGraph.identity k top) top
        let eliminated =
            MatrixGraph.multiply (block k corank 0 k) (solve top (block 0 k k corank))
        let sign, diagonal = pivots k top
        let product = sign * prodAxes false [| -1 |] diagonal
        let rest = polynomial corank (block k corank k corank - eliminated)
        where isSingular (MatrixGraph.number a 0.0) (first 2 order * product * rest)

    /// The determinant; 1 of a matrix without elements. Its derivatives are those of a polynomial also where the matrix is singular: every
    /// order up to a corank of 4, and the first four beyond.
    let det (a: Expr) : Expr =
        let n = MatrixGraph.square "det" a
        if n = 0 then MatrixGraph.full (MatrixGraph.batch a) 1.0 a
        elif n <= corank then polynomial n a
        else reduced n a

    /// The sign of the determinant and log |det A|, which neither overflows nor underflows: 0 and −∞ of a singular matrix.
    let slogdet (a: Expr) : Expr * Expr =
        let n = MatrixGraph.square "slogdet" a
        if n = 0 then
            MatrixGraph.full (MatrixGraph.batch a) 1.0 a, MatrixGraph.full (MatrixGraph.batch a) 0.0 a
        else
            let sign, diagonal = pivots n a
            stopGradient (sign * prodAxes false [| -1 |] (signum diagonal)),
            sumAxes false [| -1 |] (log (abs diagonal))

    /// log det A, which neither overflows nor underflows; NaN where the determinant is negative, −∞ where it is 0.
    let logdet (a: Expr) : Expr =
        MatrixGraph.square "logdet" a |> ignore
        let sign, value = slogdet a
        where (less sign 0.0) (MatrixGraph.number a Double.NaN) value
