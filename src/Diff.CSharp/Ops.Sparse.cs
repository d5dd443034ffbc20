namespace Diff;

public static partial class Ops
{
    /// <summary>
    /// Which elements of ∂y/∂x may differ from 0, y and x read as vectors in row-major order. It follows from the graph alone, so it holds for
    /// all values of variables.
    /// </summary>
    /// <param name="y">The value.</param>
    /// <param name="x">Any node.</param>
    /// <exception cref="DTypeException">One of the two is not of a float type.</exception>
    public static SparsityPattern Sparsity(Expr y, Expr x) => SparseDerivatives.sparsityOf(Given(y), Given(x));

    /// <summary>
    /// ∂y/∂x, y and x read as vectors, by as few products as a colouring of its columns (forward mode) or rows (reverse mode) needs.
    /// </summary>
    /// <param name="y">The value.</param>
    /// <param name="x">Any node.</param>
    /// <param name="mode">By rows, by columns, or whichever needs fewer products.</param>
    public static SparseMatrix SparseJacobian(Expr y, Expr x, JacobianMode mode = JacobianMode.Auto) =>
        SparseDerivatives.sparseJacobianBy(mode, Given(y), Given(x));

    /// <summary>The second derivatives of a scalar with respect to x, read as a vector, by as few products as a star colouring needs.</summary>
    /// <param name="y">A scalar.</param>
    /// <param name="x">Any node.</param>
    /// <exception cref="ShapeException">y is not a scalar.</exception>
    public static SparseMatrix SparseHessian(Expr y, Expr x) => SparseDerivatives.sparseHessian(Given(y), Given(x));
}
