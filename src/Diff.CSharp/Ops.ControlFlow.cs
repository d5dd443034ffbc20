using Microsoft.FSharp.Core;

namespace Diff;

public static partial class Ops
{
    /// <summary>
    /// A loop over the slices of xs along their leading axis. It is one node, however many iterations there are: the body is traced once. A
    /// state keeps its shape and element type. What the body uses from outside is computed before the loop.
    /// </summary>
    /// <param name="body">From the state and a slice of each of xs to the new state and what is kept of the iteration.</param>
    /// <param name="init">The first state.</param>
    /// <param name="xs">What is sliced; none of a loop with a length in its options.</param>
    /// <param name="options">Backwards, a length, a bound for the memory of derivatives; null for none of it.</param>
    /// <returns>The last state, and what was kept of all iterations, stacked along a new leading axis.</returns>
    /// <exception cref="ShapeException">The body gives a state of another shape than the first, or xs have different numbers of slices.</exception>
    /// <exception cref="DTypeException">The body gives a state of another element type than the first.</exception>
    public static (Expr[] State, Expr[] Ys) Scan(
        Func<Expr[], Expr[], (Expr[] State, Expr[] Ys)> body, Expr[] init, Expr[] xs, LoopOptions? options = null)
    {
        Given(body);
        (Expr[] state, Expr[] ys) = ControlFlow.scanArrays(
            options ?? LoopOptions.Default,
            (s, slices) =>
            {
                (Expr[] next, Expr[] y) = body(s, slices);
                return (Given(next, nameof(body)), Given(y, nameof(body)));
            },
            Given(init),
            Given(xs));
        return (state, ys);
    }

    /// <summary>A loop over the slices of x along its leading axis, with one state and one result of each iteration.</summary>
    /// <param name="body">From the state and a slice to the new state and what is kept of the iteration.</param>
    /// <param name="init">The first state.</param>
    /// <param name="x">What is sliced.</param>
    /// <param name="options">Backwards, a bound for the memory of derivatives; null for none of it.</param>
    public static (Expr State, Expr Ys) Scan(Func<Expr, Expr, (Expr State, Expr Y)> body, Expr init, Expr x, LoopOptions? options = null)
    {
        Given(body);
        (Expr[] state, Expr[] ys) = Scan(
            (s, xs) =>
            {
                (Expr next, Expr y) = body(s[0], xs[0]);
                return ([next], [y]);
            },
            [Given(init)],
            [Given(x)],
            options);
        return (state[0], ys[0]);
    }

    /// <summary>A loop over the slices of x along its leading axis, of which only the last state counts.</summary>
    /// <param name="body">From the state and a slice to the new state.</param>
    /// <param name="init">The first state.</param>
    /// <param name="x">What is sliced.</param>
    /// <param name="options">Backwards, a bound for the memory of derivatives; null for none of it.</param>
    public static Expr Scan(Func<Expr, Expr, Expr> body, Expr init, Expr x, LoopOptions? options = null)
    {
        Given(body);
        return Scan((s, xs) => ([body(s[0], xs[0])], []), [Given(init)], [Given(x)], options).State[0];
    }

    /// <summary>
    /// A scan along trees from their roots: slab i of the result is the combination of the result at parents[i] with slab i of x; at a root, slab i itself.
    /// With <c>MatMul</c> it places the parts of a body that hang on each other.
    /// </summary>
    /// <param name="parents">For each slab the one above it, −1 for a root; in any order.</param>
    /// <param name="combine">Gets all slabs of one depth at once, stacked along a leading axis: parents' results, then slabs of x; gives as many of their shape.</param>
    /// <param name="x">A slab for each place along the leading axis.</param>
    /// <exception cref="ArgumentException">A parent is out of range, or something is below itself.</exception>
    /// <exception cref="ShapeException">There is not one slab for each parent, or combine does not keep their shape.</exception>
    public static Expr ScanTree(int[] parents, Func<Expr, Expr, Expr> combine, Expr x) =>
        TreeScans.scanTree(Interop.List(Given(parents)), FuncConvert.FromFunc(Given(combine)), Given(x));

    /// <summary>The body for i = 0 … count − 1, an int64 scalar, and the state.</summary>
    /// <param name="count">The number of iterations.</param>
    /// <param name="body">From the number of the iteration and the state to the new state.</param>
    /// <param name="init">The first state.</param>
    public static Expr For(int count, Func<Expr, Expr, Expr> body, Expr init)
    {
        Given(body);
        return Scan((state, i) => body(i, state), init, Range(count, DType.Int64));
    }

    /// <summary>
    /// The body, as long as the condition, a bool scalar, holds of the state. The derivative is that of the iterations made: their number is
    /// taken as constant.
    /// </summary>
    /// <param name="condition">Whether there is another iteration.</param>
    /// <param name="body">From the state to the new state.</param>
    /// <param name="init">The first state.</param>
    /// <param name="options">A limit for the number of iterations, a bound for the memory of derivatives; null for none of it.</param>
    /// <returns>The last state, and the number of iterations, int64.</returns>
    /// <exception cref="IterationLimitException">When it runs: the condition holds after the limit of iterations.</exception>
    public static (Expr[] State, Expr Count) While(
        Func<Expr[], Expr> condition, Func<Expr[], Expr[]> body, Expr[] init, LoopOptions? options = null)
    {
        (Expr[] state, Expr count) = ControlFlow.whileArrays(options ?? LoopOptions.Default, Given(condition), Given(body), Given(init));
        return (state, count);
    }

    /// <summary>The body, as long as the condition, a bool scalar, holds of the one state.</summary>
    /// <param name="condition">Whether there is another iteration.</param>
    /// <param name="body">From the state to the new state.</param>
    /// <param name="init">The first state.</param>
    /// <param name="options">A limit for the number of iterations, a bound for the memory of derivatives; null for none of it.</param>
    /// <exception cref="IterationLimitException">When it runs: the condition holds after the limit of iterations.</exception>
    public static Expr While(Func<Expr, Expr> condition, Func<Expr, Expr> body, Expr init, LoopOptions? options = null)
    {
        Given(condition);
        Given(body);
        return While(s => condition(s[0]), s => [body(s[0])], [Given(init)], options).State[0];
    }

    /// <summary>
    /// One of two functions of the arguments, as the predicate, a bool scalar, says: only that one is computed. Stacked by Vmap, both are
    /// computed, and each slice takes its own.
    /// </summary>
    /// <param name="predicate">A bool scalar.</param>
    /// <param name="whenTrue">Where it holds.</param>
    /// <param name="whenFalse">Where it does not; its results are like those of the other in number, shapes and element types.</param>
    /// <param name="args">The arguments.</param>
    /// <exception cref="ShapeException">The results have different shapes.</exception>
    /// <exception cref="DTypeException">The predicate is no bool scalar, or the results have different element types.</exception>
    public static Expr[] Cond(Expr predicate, Func<Expr[], Expr[]> whenTrue, Func<Expr[], Expr[]> whenFalse, params Expr[] args) =>
        ControlFlow.condArrays(Given(predicate), Given(whenTrue), Given(whenFalse), Given(args));

    /// <summary>One of two functions of one argument.</summary>
    /// <param name="predicate">A bool scalar.</param>
    /// <param name="whenTrue">Where it holds.</param>
    /// <param name="whenFalse">Where it does not; its result has the same shape and element type.</param>
    /// <param name="x">The argument.</param>
    public static Expr Cond(Expr predicate, Func<Expr, Expr> whenTrue, Func<Expr, Expr> whenFalse, Expr x)
    {
        Given(whenTrue);
        Given(whenFalse);
        return Cond(predicate, xs => [whenTrue(xs[0])], xs => [whenFalse(xs[0])], [Given(x)])[0];
    }
}
