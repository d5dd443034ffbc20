using static Diff.Solving;

namespace Diff;

/// <summary>Nonlinear least squares: half the sum of squares of a function's values is minimised over a vector.</summary>
public static class LeastSquares
{
    /// <summary>Levenberg and Marquardt's method as a trust region with Moré's scaling (1978).</summary>
    /// <param name="residuals">The residuals as a function of a vector, of any shape.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static LeastSquaresResult LevenbergMarquardt(
        Func<Expr, Expr> residuals, double[] x0,
        LeastSquaresOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        LeastSquaresModule.levenbergMarquardt(Told(options, progress, cancellation), Traced(residuals), Given(x0));

    /// <inheritdoc cref="LevenbergMarquardt(Func{Expr, Expr}, double[], LeastSquaresOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static LeastSquaresResult LevenbergMarquardt(
        CompiledFunction residuals, double[] x0,
        LeastSquaresOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        LeastSquaresModule.levenbergMarquardt(Told(options, progress, cancellation), Traced(residuals), Given(x0));

    /// <summary>Gauss and Newton's method with a line search: fast where residuals are small or nearly linear.</summary>
    /// <param name="residuals">The residuals as a function of a vector, of any shape.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static LeastSquaresResult GaussNewton(
        Func<Expr, Expr> residuals, double[] x0,
        LeastSquaresOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        LeastSquaresModule.gaussNewton(Told(options, progress, cancellation), Traced(residuals), Given(x0));

    /// <inheritdoc cref="GaussNewton(Func{Expr, Expr}, double[], LeastSquaresOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static LeastSquaresResult GaussNewton(
        CompiledFunction residuals, double[] x0,
        LeastSquaresOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        LeastSquaresModule.gaussNewton(Told(options, progress, cancellation), Traced(residuals), Given(x0));
}
