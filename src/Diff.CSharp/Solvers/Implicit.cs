using static Diff.Solving;

namespace Diff;

/// <summary>
/// Solutions of equations as operations: the value is found by a solver, the derivative is that of the implicit function theorem, a graph at
/// the solution, so it has derivatives too. What the functions capture gets its derivative; the start has none.
/// </summary>
public static class Implicit
{
    /// <summary>x of f(x) = 0, found by Newton's method from the start, of the start's shape.</summary>
    /// <param name="f">The function: as many values as unknowns.</param>
    /// <param name="start">Where to start, float64.</param>
    /// <param name="options">Tolerances and limits.</param>
    /// <exception cref="SolverException">When evaluated: no root is found.</exception>
    public static Expr Root(Func<Expr, Expr> f, Expr start, RootOptions? options = null) =>
        ImplicitModule.root(options ?? new(), Traced(f), Given(start));

    /// <summary>x of x = g(x), found by Anderson's acceleration from the start, of the start's shape.</summary>
    /// <param name="g">The function.</param>
    /// <param name="start">Where to start, float64.</param>
    /// <param name="options">Tolerances and limits.</param>
    /// <exception cref="SolverException">When evaluated: no fixed point is found.</exception>
    public static Expr FixedPoint(Func<Expr, Expr> g, Expr start, FixedPointOptions? options = null) =>
        ImplicitModule.fixedPoint(options ?? new(), Traced(g), Given(start));

    /// <summary>
    /// The x that makes a scalar f least, found by Newton's method in a trust region from the start, of the start's shape. The derivative is
    /// as exact as the gradient there is small.
    /// </summary>
    /// <param name="f">The function, with a scalar value.</param>
    /// <param name="start">Where to start, float64.</param>
    /// <param name="options">Tolerances and limits.</param>
    /// <exception cref="SolverException">When evaluated: no minimum is found.</exception>
    public static Expr ArgMin(Func<Expr, Expr> f, Expr start, MinimizeOptions? options = null) =>
        ImplicitModule.argmin(options ?? new(), Traced(f), Given(start));

    /// <summary>x of A(x) = b for a linear operator: by conjugate gradients if it is symmetric and positive definite, else by GMRES.</summary>
    /// <param name="a">The operator, as a function of a vector like b.</param>
    /// <param name="b">The right side, float64.</param>
    /// <param name="isSymmetric">Whether the operator is symmetric and positive definite.</param>
    /// <param name="options">Tolerances and limits.</param>
    /// <exception cref="SolverException">When evaluated: no solution is found.</exception>
    public static Expr LinearSolve(Func<Expr, Expr> a, Expr b, bool isSymmetric = false, LinearOptions? options = null) =>
        ImplicitModule.linearSolve(options ?? new(), isSymmetric, Traced(a), Given(b));
}
