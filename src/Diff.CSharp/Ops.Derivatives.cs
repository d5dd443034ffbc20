using Microsoft.FSharp.Core;

namespace Diff;

public static partial class Ops
{
    /// <summary>The derivative of the sum of y with respect to x, as a graph: it prints, plots and differentiates again.</summary>
    /// <param name="y">The value to differentiate, of a float type.</param>
    /// <param name="x">Any node, also an intermediate one.</param>
    /// <param name="seed">The cotangent of y; ones if absent.</param>
    /// <param name="unconnected">What to do if y does not depend on x.</param>
    /// <returns>A graph of the shape of x.</returns>
    /// <exception cref="DTypeException">x or y is not of a float type.</exception>
    public static Expr Grad(Expr y, Expr x, Expr? seed = null, Unconnected unconnected = Unconnected.Zeros) =>
        Grad(Given(y), [Given(x)], seed, unconnected)[0];

    /// <summary>The derivatives of the sum of y with respect to several nodes, in one pass.</summary>
    /// <param name="y">The value to differentiate, of a float type.</param>
    /// <param name="xs">Any nodes, also intermediate ones.</param>
    /// <param name="seed">The cotangent of y; ones if absent.</param>
    /// <param name="unconnected">What to do if y does not depend on one of them.</param>
    /// <returns>A graph of its shape for each of xs.</returns>
    /// <exception cref="DTypeException">One of xs or y is not of a float type.</exception>
    public static Expr[] Grad(Expr y, Expr[] xs, Expr? seed = null, Unconnected unconnected = Unconnected.Zeros) =>
        Simplified(() => seed is null
            ? Gradient.grad(unconnected, Given(y), Given(xs))
            : Gradient.vjp(unconnected, Given(y), seed, Given(xs)));

    /// <summary>
    /// Which of xs y has no derivative with respect to, so that <c>Grad</c> gives zeros, and why: it is not used, or the operations at which its
    /// influence ends. Their lines are known if the graph is built under <see cref="SourceLines.Record"/>.
    /// </summary>
    /// <param name="y">The value to differentiate, of a float type.</param>
    /// <param name="xs">Any nodes, also intermediate ones.</param>
    /// <exception cref="DTypeException">One of xs or y is not of a float type.</exception>
    public static IReadOnlyList<Disconnection> Disconnected(Expr y, params Expr[] xs) => Gradient.disconnected("Disconnected", Given(y), Given(xs));

    /// <summary>The cotangent g of y pulled back to each of xs: gᵀ·∂y/∂x.</summary>
    /// <param name="y">The value.</param>
    /// <param name="g">A cotangent of the shape of y.</param>
    /// <param name="xs">Any nodes.</param>
    public static Expr[] Vjp(Expr y, Expr g, params Expr[] xs) =>
        Simplified(() => Gradient.vjp(Unconnected.Zeros, Given(y), Given(g), Given(xs)));

    /// <summary>The derivative of y along tangents of xs: ∂y/∂x·v.</summary>
    /// <param name="y">The value.</param>
    /// <param name="xs">Any nodes.</param>
    /// <param name="tangents">A tangent of its shape for each of xs.</param>
    public static Expr Jvp(Expr y, Expr[] xs, Expr[] tangents) =>
        Simplified(() => [Gradient.jvp(Given(y), Given(xs), Given(tangents))])[0];

    /// <summary>The second derivative of a scalar applied to directions.</summary>
    /// <param name="y">A scalar.</param>
    /// <param name="xs">Any nodes.</param>
    /// <param name="directions">A direction of its shape for each of xs.</param>
    /// <exception cref="ShapeException">y is not a scalar.</exception>
    public static Expr[] Hvp(Expr y, Expr[] xs, Expr[] directions) =>
        Simplified(() => Gradient.hvp(Given(y), Given(xs), Given(directions)));

    /// <summary>The same for many directions at once: each argument's stacked along a new leading axis, and so the results.</summary>
    /// <param name="y">A scalar.</param>
    /// <param name="xs">Any nodes.</param>
    /// <param name="directions">For each of xs its directions, stacked.</param>
    /// <exception cref="ShapeException">y is not a scalar, or the directions are not equally many.</exception>
    public static Expr[] HvpMany(Expr y, Expr[] xs, Expr[] directions) =>
        [.. Derivatives.hvpMany(Given(y), Interop.List(Given(xs)), Interop.List(Given(directions)))];

    /// <summary>
    /// The Gauss–Newton product Jᵀ·H·J·v (Schraudolph 2002): J is the derivative of the outputs with respect to xs, H the second derivative of the
    /// scalar loss with respect to the outputs.
    /// </summary>
    /// <param name="loss">A scalar that depends on the outputs.</param>
    /// <param name="outputs">The outputs of a model.</param>
    /// <param name="xs">Its parameters.</param>
    /// <param name="directions">A direction of its shape for each of xs.</param>
    /// <exception cref="ShapeException">The loss is not a scalar.</exception>
    public static Expr[] GaussNewtonProduct(Expr loss, Expr[] outputs, Expr[] xs, Expr[] directions) =>
        [.. Derivatives.gaussNewtonProduct(Given(loss), Interop.List(Given(outputs)), Interop.List(Given(xs)), Interop.List(Given(directions)))];

    /// <summary>∂y/∂x with the axes of y before those of x; all rows (or columns) are computed at once, several in one product where most elements are always 0.</summary>
    /// <param name="y">The value.</param>
    /// <param name="x">Any node.</param>
    /// <param name="mode">By rows (reverse mode), by columns (forward mode), or whichever are fewer.</param>
    public static Expr Jacobian(Expr y, Expr x, JacobianMode mode = JacobianMode.Auto) => Simplified(() => [Jacobians.jacobian(mode, Given(y), Given(x))])[0];

    /// <summary>
    /// ∂y/∂x of each place of a batch, the leading axis of both, by no more products than one place alone needs. Derivatives between different places are
    /// not asked for and have to be 0: if y has a part from other places of x, that is added in.
    /// </summary>
    /// <param name="y">The value: [batch, …].</param>
    /// <param name="x">Any node: [batch, …].</param>
    /// <returns>The batch, then the other axes of y, then those of x.</returns>
    /// <exception cref="ShapeException">The leading axes differ.</exception>
    public static Expr BatchJacobian(Expr y, Expr x) => Simplified(() => [Jacobians.batch(Given(y), Given(x))])[0];

    /// <summary>The second derivatives of a scalar, with the axes of x twice.</summary>
    /// <param name="y">A scalar.</param>
    /// <param name="x">Any node.</param>
    /// <exception cref="ShapeException">y is not a scalar.</exception>
    public static Expr Hessian(Expr y, Expr x) => Simplified(() => [Jacobians.hessian(Given(y), Given(x))])[0];

    /// <summary>The derivative n times over: of the sum of y, then of that of its derivative …</summary>
    /// <param name="order">How many times, at least 0.</param>
    /// <param name="y">The value to differentiate, of a float type.</param>
    /// <param name="x">Any node.</param>
    /// <exception cref="ArgumentException">The order is negative.</exception>
    public static Expr NthDerivative(int order, Expr y, Expr x) => Derivatives.nthDerivative(order, Given(y), Given(x));

    /// <summary>
    /// Taylor mode: the coefficients 0 … order of y along curves x + x₁·t + x₂·t² + … of the nodes xs, which count as independent of each other. The
    /// cost grows with the square of the order, where that of nested derivatives would grow exponentially.
    /// </summary>
    /// <param name="order">The last coefficient asked for.</param>
    /// <param name="y">The value.</param>
    /// <param name="xs">Any nodes.</param>
    /// <param name="curves">For each of xs its coefficients from the first on; those left out are 0.</param>
    /// <exception cref="ShapeException">A coefficient is not like its argument.</exception>
    public static Expr[] Jet(int order, Expr y, Expr[] xs, Expr[][] curves) =>
        [.. Derivatives.jet(order, Given(y), Interop.List(Given(xs)), Interop.List(Given(curves).Select(c => Interop.List(Given(c)))))];

    /// <summary>
    /// The coefficients 0 … order of y when all elements of x grow by t; the derivative of order k of a function index by index is k! times
    /// coefficient k.
    /// </summary>
    /// <param name="order">The last coefficient asked for.</param>
    /// <param name="y">The value.</param>
    /// <param name="x">Any node.</param>
    public static Expr[] Taylor(int order, Expr y, Expr x) => [.. Derivatives.taylor(order, Given(y), Given(x))];

    /// <summary>A smaller graph of the same value.</summary>
    /// <param name="x">The graph.</param>
    public static Expr Simplify(Expr x) => Derivatives.simplify(Given(x));

    /// <summary>
    /// f of the arguments, whose intermediate values are not kept for the derivative but computed again there. What f captures
    /// gets its derivative too.
    /// </summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    public static Expr Checkpoint(Func<Expr[], Expr> f, params Expr[] args) => Control.checkpoint(Interop.Func(Given(f)), Given(args));

    /// <summary>The same, of which some intermediate values are kept, as the policy says.</summary>
    /// <param name="policy">Which values are kept for the derivative.</param>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    public static Expr Checkpoint(CheckpointPolicy policy, Func<Expr[], Expr> f, params Expr[] args) =>
        Derivatives.checkpointWith(Given(policy), Interop.Func<Microsoft.FSharp.Collections.FSharpList<Expr>, Expr>(xs => Given(f)([.. xs])), Interop.List(Given(args)));

    /// <summary>x, under a name by which a policy keeps its value (<see cref="CheckpointPolicy.SaveNamed"/>).</summary>
    /// <param name="name">The name.</param>
    /// <param name="x">The value.</param>
    public static Expr SaveAs(string name, Expr x) => Derivatives.saveAs(Given(name), Given(x));

    /// <summary>f of one argument, whose intermediate values are computed again for the derivative.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Its argument.</param>
    public static Expr Checkpoint(Func<Expr, Expr> f, Expr x)
    {
        ArgumentNullException.ThrowIfNull(f);
        return Checkpoint(xs => f(xs[0]), [Given(x)]);
    }

    /// <summary>A function traced, differentiated and planned once for each combination of shapes and element types it is called with.</summary>
    /// <param name="f">The function: ordinary code that builds expressions.</param>
    /// <param name="options">How to run: threads and compilation; nothing depends on it but the time.</param>
    public static CompiledFunction Compile(Func<Expr, Expr> f, EngineOptions? options = null) =>
        Compile(xs => f(xs[0]), Names(f, 1), options);

    /// <inheritdoc cref="Compile(Func{Expr, Expr}, EngineOptions)"/>
    public static CompiledFunction Compile(Func<Expr, Expr, Expr> f, EngineOptions? options = null) =>
        Compile(xs => f(xs[0], xs[1]), Names(f, 2), options);

    /// <inheritdoc cref="Compile(Func{Expr, Expr}, EngineOptions)"/>
    public static CompiledFunction Compile(Func<Expr, Expr, Expr, Expr> f, EngineOptions? options = null) =>
        Compile(xs => f(xs[0], xs[1], xs[2]), Names(f, 3), options);

    /// <inheritdoc cref="Compile(Func{Expr, Expr}, EngineOptions)"/>
    public static CompiledFunction Compile(Func<Expr, Expr, Expr, Expr, Expr> f, EngineOptions? options = null) =>
        Compile(xs => f(xs[0], xs[1], xs[2], xs[3]), Names(f, 4), options);

    /// <summary>A function of any number of arguments and results, planned once for each combination of shapes and element types.</summary>
    /// <param name="f">The function: ordinary code that builds expressions.</param>
    /// <param name="options">How to run: threads and compilation; nothing depends on it but the time.</param>
    public static CompiledFunction Compile(Func<Expr[], Expr[]> f, EngineOptions? options = null) => new(Given(f), options ?? EngineOptions.Default);

    private static CompiledFunction Compile(Func<Expr[], Expr> f, string[] names, EngineOptions? options) =>
        new(xs => [f(xs)], names, options ?? EngineOptions.Default);

    // What the caller calls the parameters. A method of an object or an extension has one more before them.
    private static string[] Names(Delegate? f, int arity)
    {
        ArgumentNullException.ThrowIfNull(f);
        return [.. f.Method.GetParameters().TakeLast(arity).Select((p, i) => p.Name ?? $"arg{i}")];
    }

    private static Expr[] Simplified(Func<Expr[]> make) => Derivatives.simplified(FuncConvert.FromFunc(make));
}
