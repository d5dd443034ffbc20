using static Diff.Solving;

namespace Diff;

/// <summary>Roots of nonlinear functions: systems from a start, single equations in a bracket.</summary>
public static class Root
{
    /// <summary>Newton's method with a line search; the Jacobian is the traced function's.</summary>
    /// <param name="f">The function: as many values as unknowns.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static RootResult Newton(
        Func<Expr, Expr> f, double[] x0,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.newton(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="Newton(Func{Expr, Expr}, double[], RootOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static RootResult Newton(
        CompiledFunction f, double[] x0,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.newton(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <summary>Broyden's method (1965): a Jacobian at the start, then only values.</summary>
    /// <param name="f">The function: as many values as unknowns.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static RootResult Broyden(
        Func<Expr, Expr> f, double[] x0,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.broyden(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="Broyden(Func{Expr, Expr}, double[], RootOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static RootResult Broyden(
        CompiledFunction f, double[] x0,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.broyden(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <summary>Brent's method (1973): a root between ends at which f has different signs; without derivatives.</summary>
    /// <param name="f">The function of one number.</param>
    /// <param name="low">The lower end.</param>
    /// <param name="high">The upper end.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static BracketResult Brent(
        Func<Expr, Expr> f, double low, double high,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.brent(Told(options, progress, cancellation), Traced(f), low, high);

    /// <inheritdoc cref="Brent(Func{Expr, Expr}, double, double, RootOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static BracketResult Brent(
        CompiledFunction f, double low, double high,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.brent(Told(options, progress, cancellation), Traced(f), low, high);

    /// <summary>Newton's method kept between the ends, at which f has different signs, by bisection.</summary>
    /// <param name="f">The function of one number.</param>
    /// <param name="low">The lower end.</param>
    /// <param name="high">The upper end.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static BracketResult SafeNewton(
        Func<Expr, Expr> f, double low, double high,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.safeNewton(Told(options, progress, cancellation), Traced(f), low, high);

    /// <inheritdoc cref="SafeNewton(Func{Expr, Expr}, double, double, RootOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static BracketResult SafeNewton(
        CompiledFunction f, double low, double high,
        RootOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        RootModule.safeNewton(Told(options, progress, cancellation), Traced(f), low, high);
}
