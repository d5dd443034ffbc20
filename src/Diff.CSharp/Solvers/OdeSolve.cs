using Microsoft.FSharp.Core;

namespace Diff;

/// <summary>
/// Solutions of y′ = f(t, y) as expressions with derivatives: y at times ts, stacked along a new leading axis, where y(ts[0]) = y0. The times
/// may lie after or before each other; y0 may have any shape, of float64 or float32. Derivatives pass to y0, to ts and to what f captures.
/// </summary>
public static class OdeSolve
{
    /// <summary>
    /// By as many steps of one length between two times as the options say, of their method. Derivatives of every order are those of the steps,
    /// exact for them. Nothing looks at the error.
    /// </summary>
    /// <param name="f">The derivative, from t, a scalar, and y; like y in shape and element type.</param>
    /// <param name="y0">The solution at the first time.</param>
    /// <param name="ts">The times, a vector of y0's element type.</param>
    /// <param name="options">Method and number of steps; those of a new object if absent.</param>
    /// <exception cref="ShapeException">The derivative is not of y0's shape, y0 has no numbers, or ts is no vector.</exception>
    /// <exception cref="DTypeException">y0, ts and the derivative are not of one float type.</exception>
    public static Expr FixedSteps(Func<Expr, Expr, Expr> f, Expr y0, Expr ts, OdeSolveOptions? options = null) =>
        OdeSolveModule.fixedSteps(options ?? new(), FuncConvert.FromFunc(Given(f)), Given(y0), Given(ts));

    /// <summary>
    /// By Dormand and Prince's steps of order 5(4), as long as the tolerances allow, each time reached by a step. Derivatives of every order
    /// are those of the steps made, exact for them with their lengths taken as constant. Where the solution ends before a time (its steps become
    /// too short), it is NaN from there on.
    /// </summary>
    /// <param name="f">The derivative, from t, a scalar, and y; like y in shape and element type.</param>
    /// <param name="y0">The solution at the first time.</param>
    /// <param name="ts">The times, a vector of y0's element type.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <exception cref="ShapeException">The derivative is not of y0's shape, y0 has no numbers, or ts is no vector.</exception>
    /// <exception cref="DTypeException">y0, ts and the derivative are not of one float type.</exception>
    /// <exception cref="IterationLimitException">When evaluated: more steps between two times than the options allow.</exception>
    public static Expr Adaptive(Func<Expr, Expr, Expr> f, Expr y0, Expr ts, OdeSolveOptions? options = null) =>
        OdeSolveModule.adaptive(options ?? new(), FuncConvert.FromFunc(Given(f)), Given(y0), Given(ts));

    /// <summary>
    /// The same, with the derivative of the equation, not of the steps: the adjoint equation is solved backwards with the same tolerances
    /// (Pontryagin 1962; Chen et al. 2018), from the states at ts, between which y is computed again. It needs no memory for steps, and is as
    /// exact as the tolerances, not more. For stiff equations, which are unstable backwards, use <see cref="Adaptive"/>.
    /// </summary>
    /// <param name="f">The derivative, from t, a scalar, and y; like y in shape and element type.</param>
    /// <param name="y0">The solution at the first time.</param>
    /// <param name="ts">The times, a vector of y0's element type.</param>
    /// <param name="options">Tolerances and limits; those of a new object if absent.</param>
    /// <exception cref="ShapeException">The derivative is not of y0's shape, y0 has no numbers, or ts is no vector.</exception>
    /// <exception cref="DTypeException">y0, ts and the derivative are not of one float type.</exception>
    /// <exception cref="IterationLimitException">When evaluated: more steps between two times than the options allow.</exception>
    public static Expr Adjoint(Func<Expr, Expr, Expr> f, Expr y0, Expr ts, OdeSolveOptions? options = null) =>
        OdeSolveModule.adjoint(options ?? new(), FuncConvert.FromFunc(Given(f)), Given(y0), Given(ts));
}
