using static Diff.Solving;

namespace Diff;

/// <summary>Linear equations A·x = b whose operator is only applied.</summary>
public static class Krylov
{
    /// <summary>Conjugate gradients (Hestenes, Stiefel 1952) for a symmetric, positive definite operator.</summary>
    /// <param name="a">The operator, as a function of a vector.</param>
    /// <param name="b">The right side.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static LinearResult ConjugateGradient(
        Func<Expr, Expr> a, double[] b,
        LinearOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        KrylovModule.cg(Told(options, progress, cancellation), Traced(a), Given(b));

    /// <inheritdoc cref="ConjugateGradient(Func{Expr, Expr}, double[], LinearOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static LinearResult ConjugateGradient(
        CompiledFunction a, double[] b,
        LinearOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        KrylovModule.cg(Told(options, progress, cancellation), Traced(a), Given(b));

    /// <summary>Restarted GMRES (Saad, Schultz 1986).</summary>
    /// <param name="a">The operator, as a function of a vector.</param>
    /// <param name="b">The right side.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static LinearResult Gmres(
        Func<Expr, Expr> a, double[] b,
        LinearOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        KrylovModule.gmres(Told(options, progress, cancellation), Traced(a), Given(b));

    /// <inheritdoc cref="Gmres(Func{Expr, Expr}, double[], LinearOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static LinearResult Gmres(
        CompiledFunction a, double[] b,
        LinearOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        KrylovModule.gmres(Told(options, progress, cancellation), Traced(a), Given(b));

    /// <inheritdoc cref="ConjugateGradient(Func{Expr, Expr}, double[], LinearOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static LinearResult ConjugateGradient(
        LinearOperator a, double[] b,
        LinearOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        KrylovModule.cgOf(Told(options, progress, cancellation), Given(a), Given(b));

    /// <inheritdoc cref="Gmres(Func{Expr, Expr}, double[], LinearOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static LinearResult Gmres(
        LinearOperator a, double[] b,
        LinearOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        KrylovModule.gmresOf(Told(options, progress, cancellation), Given(a), Given(b));
}
