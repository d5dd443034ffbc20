namespace Diff;

// The last two axes are those of a matrix, others are a batch. Diagonals are counted from the main one, those above it being positive.
public static partial class Ops
{
    /// <summary>start, start + step … before stop.</summary>
    /// <param name="start">The first.</param>
    /// <param name="stop">The bound, which is not reached.</param>
    /// <param name="step">How far apart.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr Arange(double start, double stop, double step = 1, DType dtype = DType.Float64) =>
        Diff.Matrices.arange(start, stop, step, dtype);

    /// <summary>Coordinates of the points of a grid: array k has vector k along axis k and repeats it along the others.</summary>
    /// <param name="axes">The vectors.</param>
    /// <exception cref="ShapeException">One is no vector.</exception>
    public static Expr[] MeshGrid(params Expr[] axes) => [.. Diff.Matrices.meshgrid(Interop.List(Given(axes)))];

    /// <summary>The identity matrix.</summary>
    /// <param name="n">Its rows and columns.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr Eye(int n, DType dtype = DType.Float64) => Diff.Matrices.eye(n, dtype);

    /// <summary>
    /// A matrix whose elements are given row by row: scalars, or arrays that broadcast to one shape, a matrix at each place of it. Numbers take the element
    /// type of what stands beside them: <c>Matrix([Cos(t), -Sin(t)], [Sin(t), Cos(t)])</c>.
    /// </summary>
    /// <param name="rows">The rows, of equally many elements.</param>
    /// <exception cref="ArgumentException">There is no element, or the rows are not equally long.</exception>
    /// <exception cref="ShapeException">The elements do not broadcast to one shape.</exception>
    /// <exception cref="DTypeException">The element types differ.</exception>
    public static Expr Matrix(params Expr[][] rows) =>
        Diff.Matrices.matrixOf(Interop.List(Given(rows).Select(row => Interop.List(Given(row, nameof(rows))))));

    /// <summary>
    /// The matrices that turn by |r| about the axis r (Rodrigues). No turn has derivatives of every order too.
    /// </summary>
    /// <param name="r">[…, 3].</param>
    /// <returns>[…, 3, 3].</returns>
    /// <exception cref="ShapeException">The last axis is not of extent 3.</exception>
    public static Expr RotationMatrix(Expr r) => Rotations.rotationMatrix(Given(r));

    /// <summary>Whether an index lies on or below a diagonal of a matrix (bool).</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="columns">The columns.</param>
    /// <param name="diagonal">The diagonal.</param>
    public static Expr LowerTriangle(int rows, int columns, int diagonal = 0) => Diff.Matrices.lowerTriangle(rows, columns, diagonal);

    /// <summary>The matrix with zeros above a diagonal.</summary>
    /// <param name="x">A matrix or a batch of them.</param>
    /// <param name="diagonal">The diagonal.</param>
    public static Expr Tril(Expr x, int diagonal = 0) => Diff.Matrices.tril(diagonal, Given(x));

    /// <summary>The matrix with zeros below a diagonal.</summary>
    /// <param name="x">A matrix or a batch of them.</param>
    /// <param name="diagonal">The diagonal.</param>
    public static Expr Triu(Expr x, int diagonal = 0) => Diff.Matrices.triu(diagonal, Given(x));

    /// <summary>The elements of a diagonal along a new last axis, which the last two give way to.</summary>
    /// <param name="x">A matrix or a batch of them.</param>
    /// <param name="offset">The diagonal.</param>
    public static Expr Diagonal(Expr x, int offset = 0) => Diff.Matrices.diagonal(offset, Given(x));

    /// <summary>The vectors of the last axis as diagonals of square matrices of zeros.</summary>
    /// <param name="x">The array.</param>
    /// <param name="offset">The diagonal.</param>
    public static Expr DiagonalEmbed(Expr x, int offset = 0) => Diff.Matrices.diagonalEmbed(offset, Given(x));

    /// <summary>The sum of the main diagonal of the last two axes.</summary>
    /// <param name="x">A matrix or a batch of them.</param>
    public static Expr Trace(Expr x) => Diff.Matrices.trace(Given(x));

    /// <summary>Every element of a times every element of b: the axes of a, then those of b. All axes count, none is a batch.</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    public static Expr Outer(Expr a, Expr b) => Diff.Matrices.outer(Given(a), Given(b));

    /// <summary>The Kronecker product: b times each element of a, in the place of that element. All axes count, none is a batch: (2, 1, 2) and
    /// (2, 2, 1) give (4, 2, 2).</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    public static Expr Kron(Expr a, Expr b) => Diff.Matrices.kron(Given(a), Given(b));

    /// <summary>The sum of products over pairs of axes; the other axes of a, then those of b.</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    /// <param name="axesA">Axes of the first.</param>
    /// <param name="axesB">As many axes of the second, in the same order.</param>
    /// <exception cref="ShapeException">The extents of a pair differ.</exception>
    public static Expr TensorDot(Expr a, Expr b, int[] axesA, int[] axesB) =>
        Diff.Matrices.tensordot(Interop.List(Given(axesA)), Interop.List(Given(axesB)), Given(a), Given(b));
}
