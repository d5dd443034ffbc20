using static Diff.Solving;

namespace Diff;

/// <summary>Fixed points x = g(x) of a vector.</summary>
public static class FixedPoint
{
    /// <summary>x ← g(x), damped as the options say.</summary>
    /// <param name="g">The function.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static FixedPointResult Iterate(
        Func<Expr, Expr> g, double[] x0,
        FixedPointOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        FixedPointModule.iterate(Told(options, progress, cancellation), Traced(g), Given(x0));

    /// <inheritdoc cref="Iterate(Func{Expr, Expr}, double[], FixedPointOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static FixedPointResult Iterate(
        CompiledFunction g, double[] x0,
        FixedPointOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        FixedPointModule.iterate(Told(options, progress, cancellation), Traced(g), Given(x0));

    /// <summary>Anderson's acceleration (1965).</summary>
    /// <param name="g">The function.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static FixedPointResult Anderson(
        Func<Expr, Expr> g, double[] x0,
        FixedPointOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        FixedPointModule.anderson(Told(options, progress, cancellation), Traced(g), Given(x0));

    /// <inheritdoc cref="Anderson(Func{Expr, Expr}, double[], FixedPointOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static FixedPointResult Anderson(
        CompiledFunction g, double[] x0,
        FixedPointOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        FixedPointModule.anderson(Told(options, progress, cancellation), Traced(g), Given(x0));
}
