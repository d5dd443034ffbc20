using Microsoft.FSharp.Core;
using static Diff.Solving;

namespace Diff;

/// <summary>Ordinary differential equations y′ = f(t, y) from t0 to t1, which may lie before it; y is a vector.</summary>
public static class Ode
{
    /// <summary>Dormand and Prince's explicit method of order 5(4) (1980), with interpolation of order 4.</summary>
    /// <param name="f">The derivative, from t, a scalar, and y.</param>
    /// <param name="t0">Where to start.</param>
    /// <param name="t1">Where to end.</param>
    /// <param name="y0">The solution at t0.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each step.</param>
    /// <param name="cancellation">Says when to stop; the result is then what was integrated so far.</param>
    public static OdeResult DormandPrince(
        Func<Expr, Expr, Expr> f, double t0, double t1, double[] y0,
        OdeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        OdeModule.dormandPrince(Told(options, progress, cancellation), FuncConvert.FromFunc(Given(f)), t0, t1, Given(y0));

    /// <summary>Tsitouras' explicit method of order 5(4) (2011), with interpolation of order 4.</summary>
    /// <param name="f">The derivative, from t, a scalar, and y.</param>
    /// <param name="t0">Where to start.</param>
    /// <param name="t1">Where to end.</param>
    /// <param name="y0">The solution at t0.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each step.</param>
    /// <param name="cancellation">Says when to stop; the result is then what was integrated so far.</param>
    public static OdeResult Tsitouras(
        Func<Expr, Expr, Expr> f, double t0, double t1, double[] y0,
        OdeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        OdeModule.tsitouras(Told(options, progress, cancellation), FuncConvert.FromFunc(Given(f)), t0, t1, Given(y0));

    /// <summary>Radau IIA of order 5 for stiff equations (Hairer, Wanner 1996); the Jacobian is the traced function's.</summary>
    /// <param name="f">The derivative, from t, a scalar, and y.</param>
    /// <param name="t0">Where to start.</param>
    /// <param name="t1">Where to end.</param>
    /// <param name="y0">The solution at t0.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <param name="progress">Hears of each step.</param>
    /// <param name="cancellation">Says when to stop; the result is then what was integrated so far.</param>
    public static OdeResult Radau(
        Func<Expr, Expr, Expr> f, double t0, double t1, double[] y0,
        OdeOptions? options = null, IProgress<SolverProgress>? progress = null, CancellationToken cancellation = default) =>
        OdeModule.radau(Told(options, progress, cancellation), FuncConvert.FromFunc(Given(f)), t0, t1, Given(y0));
}
