namespace Diff;

// Patterns name the axes of an array and of the result: "b c (h h2) w -> b (c h2) h w".
public static partial class Ops
{
    /// <summary>The same elements with axes taken apart, in another order, composed: <c>Rearrange(x, "b c (h h2) w -&gt; b (c h2) h w", ("h2", 2))</c>.</summary>
    /// <param name="x">The array.</param>
    /// <param name="pattern">The axes, composed ones in parentheses; <c>...</c> is any number of them, <c>1</c> one of extent 1.</param>
    /// <param name="extents">Of axes composed with others: all but one of them.</param>
    /// <exception cref="ShapeException">The pattern cannot be read, or does not fit; the message says where.</exception>
    public static Expr Rearrange(Expr x, string pattern, params (string Axis, int Extent)[] extents) =>
        Diff.Rearrange.rearrange(Given(pattern), Extents(Given(extents)), Given(x));

    /// <summary>Axes that stand only on the left are reduced: <c>Reduce(x, Aggregate.Mean, "b c (h 2) (w 2) -&gt; b c h w")</c>.</summary>
    /// <param name="x">The array.</param>
    /// <param name="aggregate">How elements become one.</param>
    /// <param name="pattern">The axes, as in <see cref="Rearrange"/>.</param>
    /// <param name="extents">Of axes composed with others: all but one of them.</param>
    /// <exception cref="ShapeException">The pattern cannot be read, or does not fit; the message says where.</exception>
    public static Expr Reduce(Expr x, Aggregate aggregate, string pattern, params (string Axis, int Extent)[] extents) =>
        Diff.Rearrange.reduceTo(aggregate, Given(pattern), Extents(Given(extents)), Given(x));

    /// <summary>The array is repeated along axes that stand only on the right: <c>Repeat(x, "h w -&gt; h (w times)", ("times", 2))</c>.</summary>
    /// <param name="x">The array.</param>
    /// <param name="pattern">The axes, as in <see cref="Rearrange"/>.</param>
    /// <param name="extents">Of new axes, and of axes composed with others: all but one of them.</param>
    /// <exception cref="ShapeException">The pattern cannot be read, or does not fit; the message says where.</exception>
    public static Expr Repeat(Expr x, string pattern, params (string Axis, int Extent)[] extents) =>
        Diff.Rearrange.repeatTo(Given(pattern), Extents(Given(extents)), Given(x));

    /// <summary>The expression with a name for each axis: operators then align by name.</summary>
    /// <param name="x">The expression.</param>
    /// <param name="names">The names, in order.</param>
    /// <exception cref="ShapeException">There are more or fewer names than axes, or two are equal.</exception>
    public static NamedExpr WithNames(Expr x, params string[] names) => NamedExpr.Of(Given(x), Given(names));

    private static Microsoft.FSharp.Collections.FSharpList<Tuple<string, int>> Extents((string Axis, int Extent)[] extents) =>
        Interop.List(extents.Select(e => Tuple.Create(e.Axis, e.Extent)));
}
