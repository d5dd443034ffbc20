namespace Diff;

public static partial class Ops
{
    /// <summary>
    /// f for all slices of its argument at once, stacked. It is one graph without a loop: f is traced once, for one slice, and each of its
    /// operations is done for all slices. f may use other nodes too; calls nest, and derivatives go through them.
    /// </summary>
    /// <param name="f">From a slice to a result.</param>
    /// <param name="x">The argument.</param>
    /// <param name="inAxis">The axis of the argument along which the slices lie.</param>
    /// <param name="outAxis">The axis along which the results are stacked.</param>
    public static Expr Vmap(Func<Expr, Expr> f, Expr x, int inAxis = 0, int outAxis = 0) =>
        Vmap(xs => [Given(f)(xs[0])], [Given(x)], [inAxis], outAxis)[0];

    /// <summary>f for all pairs of slices of its arguments along their leading axes at once, stacked.</summary>
    /// <param name="f">From two slices to a result.</param>
    /// <param name="x">The first argument.</param>
    /// <param name="y">The second argument.</param>
    public static Expr Vmap(Func<Expr, Expr, Expr> f, Expr x, Expr y) => Vmap(xs => [Given(f)(xs[0], xs[1])], [Given(x), Given(y)])[0];

    /// <summary>f for all slices of several arguments at once; each result is stacked.</summary>
    /// <param name="f">From a slice of each argument to results.</param>
    /// <param name="args">The arguments.</param>
    /// <param name="inAxes">For each argument the axis along which its slices lie, null for one that is the same for all; without it, the leading axes.</param>
    /// <param name="outAxis">The axis along which the results are stacked.</param>
    /// <exception cref="ShapeException">The arguments do not have equally many slices.</exception>
    public static Expr[] Vmap(Func<Expr[], Expr[]> f, Expr[] args, int?[]? inAxes = null, int outAxis = 0) =>
        Vectorization.vmapAxes(inAxes ?? [.. Given(args).Select(_ => (int?)0)], outAxis, Given(f), Given(args));
}
