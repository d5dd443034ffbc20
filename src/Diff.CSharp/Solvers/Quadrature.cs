using static Diff.Solving;

namespace Diff;

/// <summary>Integrals of functions of one number.</summary>
public static class Quadrature
{
    /// <summary>
    /// The integral of f from low to high, either of which may be infinite: adaptive, by Gauss and Kronrod's rules with 7 and 15 points.
    /// </summary>
    /// <param name="f">The function: it is applied to a vector of points and works index by index.</param>
    /// <param name="low">The lower end.</param>
    /// <param name="high">The upper end.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each halving.</param>
    /// <param name="cancellation">Says when to stop; the result is then the best so far.</param>
    public static QuadratureResult Integrate(
        Func<Expr, Expr> f, double low, double high,
        QuadratureOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        QuadratureModule.integrate(Told(options, progress, cancellation), Traced(f), low, high);
}
