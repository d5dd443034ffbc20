namespace Diff

open System

/// Determinants of the matrices in the last two axes.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Determinants =
    /// The determinant; 1 of a matrix without elements. Its derivatives are those of a polynomial also where the matrix is singular: every
    /// order up to a corank of 4, and the first four beyond.
    let det (a: Expr) : Expr =
        let n = MatrixGraph.square "det" a
        if n = 0 then
            MatrixGraph.full (MatrixGraph.batch a) 1.0 a
        else
            Determinant.ofMatrix a

    let private signAndLog operation (a: Expr) : Expr * Expr =
        let n = MatrixGraph.square operation a
        if n = 0 then
            MatrixGraph.full (MatrixGraph.batch a) 1.0 a, MatrixGraph.full (MatrixGraph.batch a) 0.0 a
        else
            let sign, log = Determinant.signAndLog operation a
            stopGradient sign, log

    /// The sign of the determinant and log |det A|, which neither overflows nor underflows: 0 and −∞ of a singular matrix, where the
    /// derivative is a LinearAlgebraException.
    let slogdet (a: Expr) : Expr * Expr = signAndLog "slogdet" a

    /// log det A, which neither overflows nor underflows; NaN where the determinant is negative, −∞ where it is 0. There the derivative
    /// is a LinearAlgebraException.
    let logdet (a: Expr) : Expr =
        let sign, value = signAndLog "logdet" a
        where (less sign 0.0) (MatrixGraph.number a Double.NaN) value
