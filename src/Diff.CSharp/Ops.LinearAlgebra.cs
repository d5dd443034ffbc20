namespace Diff;

public static partial class Ops
{
    /// <summary>Vectors in the last axis as diagonal matrices.</summary>
    /// <param name="x">[…, n].</param>
    public static Expr Diag(Expr x) => LinearAlgebra.diag(Given(x));

    /// <summary>X of A·X = B, by elimination with partial pivoting.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <param name="b">A vector [n], for every place of the batch, or […, n, k].</param>
    /// <exception cref="ShapeException">The matrices are not square, or the shapes do not fit.</exception>
    /// <exception cref="LinearAlgebraException">When evaluated: a matrix is singular.</exception>
    public static Expr Solve(Expr a, Expr b) => LinearAlgebra.solve(Given(a), Given(b));

    /// <summary>X of T·X = B, where T is one triangle of t; what else t holds is not read.</summary>
    /// <param name="t">[…, n, n].</param>
    /// <param name="b">A vector [n], for every place of the batch, or […, n, k].</param>
    /// <param name="lower">Whether T is the lower triangle.</param>
    /// <exception cref="ShapeException">The matrices are not square, or the shapes do not fit.</exception>
    /// <exception cref="LinearAlgebraException">When evaluated: a number on the diagonal is 0.</exception>
    public static Expr TriangularSolve(Expr t, Expr b, bool lower = true) => LinearAlgebra.triangularSolve(lower, Given(t), Given(b));

    /// <summary>A⁻¹.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    /// <exception cref="LinearAlgebraException">When evaluated: a matrix is singular.</exception>
    public static Expr Inverse(Expr a) => LinearAlgebra.inverse(Given(a));

    /// <summary>A multiplied by itself; 0 gives the identity, a negative exponent powers of the inverse.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <param name="exponent">How many factors.</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr MatrixPower(Expr a, int exponent) => LinearAlgebra.matrixPower(exponent, Given(a));

    /// <summary>L, lower triangular, of A = L·Lᵀ. Only (A + Aᵀ)/2 counts, and the derivative is symmetric.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    /// <exception cref="LinearAlgebraException">When evaluated: a matrix is not positive definite.</exception>
    public static Expr Cholesky(Expr a) => Decompositions.cholesky(Given(a));

    /// <summary>X of L·Lᵀ·X = B.</summary>
    /// <param name="l">What <see cref="Cholesky"/> gives: […, n, n].</param>
    /// <param name="b">A vector [n], for every place of the batch, or […, n, k].</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr CholeskySolve(Expr l, Expr b) => LinearAlgebra.choleskySolve(Given(l), Given(b));

    /// <summary>A = P·L·U: a permutation [.., m, m], ones on the diagonal of L [.., m, k], the pivots on that of U [.., k, n], where k is the smaller
    /// of m and n. The derivative needs pivots other than 0.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <exception cref="ShapeException">It has less than two axes.</exception>
    public static (Expr P, Expr L, Expr U) Lu(Expr a) => Decompositions.lu(Given(a)).ToValueTuple();

    /// <summary>A = Q·R: Q, […, m, k], has orthonormal columns, R, […, k, n], is upper triangular without negative numbers on its diagonal, and k is
    /// the smaller of m and n.</summary>
    /// <param name="a">[…, m, n]. The derivative needs linearly independent columns (the first k).</param>
    public static (Expr Q, Expr R) Qr(Expr a) => Decompositions.qr(Given(a)).ToValueTuple();

    /// <summary>The eigenvalues of (A + Aᵀ)/2, ascending, […, n], and the eigenvectors, the columns of […, n, n], each with a component of largest
    /// magnitude that is positive.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static (Expr Values, Expr Vectors) Eigh(Expr a) => Decompositions.eigh(Given(a)).ToValueTuple();

    /// <summary>The eigenvalues of (A + Aᵀ)/2, ascending.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr EigvalsH(Expr a) => Decompositions.eigvalsh(Given(a));

    /// <summary>A = U·diag(S)·Vᵀ: […, m, k], […, k] and […, k, n], where k is the smaller of m and n. S descends.</summary>
    /// <param name="a">[…, m, n].</param>
    public static (Expr U, Expr S, Expr Vt) Svd(Expr a) => Decompositions.svd(Given(a)).ToValueTuple();

    /// <summary>The singular values, descending.</summary>
    /// <param name="a">[…, m, n].</param>
    public static Expr SvdVals(Expr a) => Decompositions.svdvals(Given(a));

    /// <summary>The number of singular values above a fraction of the largest (int64).</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="tolerance">The fraction; max(m, n)·ε if not given.</param>
    public static Expr MatrixRank(Expr a, double? tolerance = null) =>
        tolerance is { } fraction ? Decompositions.matrixRankWith(fraction, Given(a)) : Decompositions.matrixRank(Given(a));

    /// <summary>The pseudo-inverse (Moore–Penrose). Its derivative takes the rank as given.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="tolerance">The fraction of the largest singular value up to which others count as 0; max(m, n)·ε if not given.</param>
    public static Expr Pinv(Expr a, double? tolerance = null) =>
        tolerance is { } fraction ? Decompositions.pinvWith(fraction, Given(a)) : Decompositions.pinv(Given(a));

    /// <summary>The X of least norm for which A·X − B has least norm, for an A of any shape and rank.</summary>
    /// <param name="a">[…, m, n].</param>
    /// <param name="b">[m] or […, m, k].</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr Lstsq(Expr a, Expr b) => Decompositions.lstsq(Given(a), Given(b));

    /// <summary>The determinant. Its derivatives are those of a polynomial also where the matrix is singular.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr Det(Expr a) => Determinants.det(Given(a));

    /// <summary>The sign of the determinant and log |det A|, which neither overflows nor underflows: 0 and −∞ of a singular matrix.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static (Expr Sign, Expr LogAbs) SlogDet(Expr a) => Determinants.slogdet(Given(a)).ToValueTuple();

    /// <summary>log det A, which neither overflows nor underflows; NaN where the determinant is negative, −∞ where it is 0.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr LogDet(Expr a) => Determinants.logdet(Given(a));

    /// <summary>The exponential of a square matrix.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr Expm(Expr a) => LinearAlgebra.expm(Given(a));

    /// <summary>V·Λᵖ·Vᵀ of the symmetric matrix (A + Aᵀ)/2: 0.5 is the square root, −0.5 its inverse. NaN where an eigenvalue has no such power.
    /// Derivatives are right at equal eigenvalues too.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <param name="exponent">The exponent p.</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr SymmetricPower(Expr a, double exponent) => LinearAlgebra.symmetricPower(exponent, Given(a));

    /// <summary>V·log(Λ)·Vᵀ of the symmetric matrix (A + Aᵀ)/2; NaN where an eigenvalue is negative. Derivatives are right at equal eigenvalues
    /// too.</summary>
    /// <param name="a">[…, n, n].</param>
    /// <exception cref="ShapeException">The matrices are not square.</exception>
    public static Expr SymmetricLog(Expr a) => LinearAlgebra.symmetricLog(Given(a));
}
