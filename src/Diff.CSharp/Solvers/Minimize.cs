using static Diff.Solving;

namespace Diff;

/// <summary>
/// Minimisers of scalar functions of a vector, traced and differentiated once. <see cref="Packing"/> makes one vector of several arrays.
/// </summary>
public static class Minimize
{
    /// <summary>Down the gradient, with a line search; the step of Barzilai and Borwein (1988) is tried first.</summary>
    /// <param name="f">The function of a vector, with a scalar value: ordinary code that builds expressions.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static MinimizeResult GradientDescent(
        Func<Expr, Expr> f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.gradientDescent(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="GradientDescent(Func{Expr, Expr}, double[], MinimizeOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static MinimizeResult GradientDescent(
        CompiledFunction f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.gradientDescent(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <summary>Nonlinear conjugate gradients (Hager, Zhang 2005).</summary>
    /// <param name="f">The function of a vector, with a scalar value: ordinary code that builds expressions.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static MinimizeResult ConjugateGradient(
        Func<Expr, Expr> f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.conjugateGradient(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="ConjugateGradient(Func{Expr, Expr}, double[], MinimizeOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static MinimizeResult ConjugateGradient(
        CompiledFunction f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.conjugateGradient(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <summary>BFGS: the inverse Hessian, n × n, approximated from gradients.</summary>
    /// <param name="f">The function of a vector, with a scalar value: ordinary code that builds expressions.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static MinimizeResult Bfgs(
        Func<Expr, Expr> f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.bfgs(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="Bfgs(Func{Expr, Expr}, double[], MinimizeOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static MinimizeResult Bfgs(
        CompiledFunction f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.bfgs(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <summary>L-BFGS (Nocedal 1980): the same from the latest steps, in memory of a few vectors.</summary>
    /// <param name="f">The function of a vector, with a scalar value: ordinary code that builds expressions.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static MinimizeResult LBfgs(
        Func<Expr, Expr> f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.lbfgs(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="LBfgs(Func{Expr, Expr}, double[], MinimizeOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static MinimizeResult LBfgs(
        CompiledFunction f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.lbfgs(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <summary>L-BFGS-B (Byrd, Lu, Nocedal, Zhu 1995): within bounds, which may be infinite. A start outside is moved to the nearest bound.</summary>
    /// <param name="f">The function of a vector, with a scalar value: ordinary code that builds expressions.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="lower">The lower bounds.</param>
    /// <param name="upper">The upper bounds.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static MinimizeResult LBfgsB(
        Func<Expr, Expr> f, double[] x0, double[] lower, double[] upper,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.lbfgsb(Told(options, progress, cancellation), Given(lower), Given(upper), Traced(f), Given(x0));

    /// <inheritdoc cref="LBfgsB(Func{Expr, Expr}, double[], double[], double[], MinimizeOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static MinimizeResult LBfgsB(
        CompiledFunction f, double[] x0, double[] lower, double[] upper,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.lbfgsb(Told(options, progress, cancellation), Given(lower), Given(upper), Traced(f), Given(x0));

    /// <summary>Newton's method in a trust region, its steps by conjugate gradients (Steihaug 1983), with products of exact second derivatives.</summary>
    /// <param name="f">The function of a vector, with a scalar value: ordinary code that builds expressions.</param>
    /// <param name="x0">Where to start.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each iteration.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best point so far.</param>
    public static MinimizeResult NewtonCG(
        Func<Expr, Expr> f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.newtonCG(Told(options, progress, cancellation), Traced(f), Given(x0));

    /// <inheritdoc cref="NewtonCG(Func{Expr, Expr}, double[], MinimizeOptions, IProgress{SolverProgress}, CancellationToken)"/>
    public static MinimizeResult NewtonCG(
        CompiledFunction f, double[] x0,
        MinimizeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        MinimizeModule.newtonCG(Told(options, progress, cancellation), Traced(f), Given(x0));
}
