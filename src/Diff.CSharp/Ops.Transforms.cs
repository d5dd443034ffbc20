using Microsoft.FSharp.Core;

namespace Diff;

// Transforms of functions of nested arguments: tuples, records, arrays, lists, dictionaries of expressions (see Trees).
public static partial class Ops
{
    /// <summary>The value of f and the derivative of its sum with respect to every leaf of the arguments, nested as they are.</summary>
    /// <param name="f">The function; what it captures is constant.</param>
    /// <param name="args">Its arguments: <c>(W: w, B: b)</c>, a record, a list …</param>
    /// <exception cref="DTypeException">A leaf is not of a float type.</exception>
    public static (Expr Value, T Gradient) ValueAndGrad<T>(Func<T, Expr> f, T args)
    {
        var (value, gradient) = Transforms.valueAndGradOf(Interop.Func(Given(f)), args);
        return (value, gradient);
    }

    /// <summary>The derivative of the sum of f's value with respect to every leaf of the arguments, nested as they are.</summary>
    /// <param name="f">The function; what it captures is constant.</param>
    /// <param name="args">Its arguments.</param>
    /// <exception cref="DTypeException">A leaf is not of a float type.</exception>
    public static T Grad<T>(Func<T, Expr> f, T args) => Transforms.gradOf(Interop.Func(Given(f)), args);

    /// <summary>The derivatives of the sum of y with respect to all parameters of a module, by their paths.</summary>
    /// <param name="y">The value to differentiate.</param>
    /// <param name="model">The module.</param>
    /// <param name="unconnected">What to do if y does not depend on one of the parameters.</param>
    public static IReadOnlyDictionary<string, Expr> Grad(Expr y, Module model, Unconnected unconnected = Unconnected.Zeros)
    {
        var named = Given(model).NamedParameters();
        var gradients = Grad(y, [.. named.Select(p => p.Parameter)], null, unconnected);
        return named.Zip(gradients).ToDictionary(p => p.First.Path, p => p.Second);
    }

    /// <summary>Which parameters of a module y has no derivative with respect to, by their paths, and why.</summary>
    /// <param name="y">The value to differentiate.</param>
    /// <param name="model">The module.</param>
    public static IReadOnlyDictionary<string, Disconnection> Disconnected(Expr y, Module model)
    {
        var named = Given(model).NamedParameters();
        var paths = named.ToDictionary(p => (Expr)p.Parameter, p => p.Path);
        return Disconnected(y, [.. paths.Keys]).ToDictionary(d => paths[d.Argument]);
    }

    /// <summary>The value of f and its pullback: from cotangents nested as the value is to cotangents nested as the arguments are.</summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    public static (TResult Value, Func<TResult, T> Pullback) Vjp<T, TResult>(Func<T, TResult> f, T args)
    {
        var (value, pullback) = Transforms.vjpOf(Interop.Func(Given(f)), args);
        return (value, pullback.Invoke);
    }

    /// <summary>The value of f and its derivative along tangents.</summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    /// <param name="tangents">Tangents, nested as the arguments are.</param>
    public static (TResult Value, TResult Tangent) Jvp<T, TResult>(Func<T, TResult> f, T args, T tangents)
    {
        var (value, tangent) = Transforms.jvpOf(Interop.Func(Given(f)), args, tangents);
        return (value, tangent);
    }

    /// <summary>The derivative of f's value with respect to each leaf of the arguments: the axes of the value, then those of the leaf.</summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    public static T Jacobian<T>(Func<T, Expr> f, T args) => Transforms.jacobianOf(Interop.Func(Given(f)), args);

    /// <summary>The second derivatives of a scalar function: a block for each pair of leaves of the arguments, with the axes of both.</summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    /// <exception cref="ShapeException">The value is not a scalar.</exception>
    public static Expr[][] Hessian<T>(Func<T, Expr> f, T args) => [.. Transforms.hessianOf(Interop.Func(Given(f)), args).Select(row => row.ToArray())];

    /// <summary>The second derivative of a scalar function applied to directions.</summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    /// <param name="directions">Directions, nested as the arguments are.</param>
    /// <exception cref="ShapeException">The value is not a scalar.</exception>
    public static T Hvp<T>(Func<T, Expr> f, T args, T directions) => Transforms.hvpOf(Interop.Func(Given(f)), args, directions);

    /// <summary>f for all slices of all leaves along their leading axes at once, its results stacked.</summary>
    /// <param name="f">From slices to results.</param>
    /// <param name="args">The arguments, stacked.</param>
    public static TResult Vmap<T, TResult>(Func<T, TResult> f, T args) => Transforms.vmapOf(Interop.Func(Given(f)), args);

    /// <summary>f of nested arguments, whose intermediate values are computed again for the derivative.</summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    public static Expr Checkpoint<T>(Func<T, Expr> f, T args) => Transforms.checkpointOf(Interop.Func(Given(f)), args);

    /// <summary>
    /// A function of nested expressions as a function of arrays nested in the same way, for results too. It is traced once for each nesting, with
    /// the plain data in it, and for each combination of shapes and element types:
    /// <c>CompileNested&lt;(Expr X, Expr Y), Expr, (NDArray X, NDArray Y), NDArray&gt;(p =&gt; p.X * p.Y)</c>.
    /// </summary>
    /// <param name="f">The function: ordinary code that builds expressions.</param>
    /// <param name="options">How to run: threads and compilation; nothing depends on it but the time.</param>
    /// <typeparam name="TExpr">The arguments of f.</typeparam>
    /// <typeparam name="TExprResult">The result of f.</typeparam>
    /// <typeparam name="TArray">The arguments with arrays in place of expressions.</typeparam>
    /// <typeparam name="TArrayResult">The result with arrays in place of expressions.</typeparam>
    public static Func<TArray, TArrayResult> CompileNested<TExpr, TExprResult, TArray, TArrayResult>(
        Func<TExpr, TExprResult> f, EngineOptions? options = null) =>
        CompileTrees.compileWith<TExpr, TExprResult, TArray, TArrayResult>(options ?? EngineOptions.Default, Interop.Func(Given(f))).Invoke;

    /// <summary>
    /// The value of f, and its derivative as a function of tangents, whose graphs share the nodes of the value: however often it is applied, the
    /// value is computed once.
    /// </summary>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    public static (TResult Value, Func<T, TResult> Derivative) Linearize<T, TResult>(Func<T, TResult> f, T args)
    {
        var (value, apply) = Transforms.linearizeOf(Interop.Func(Given(f)), args);
        return (value, apply.Invoke);
    }

    /// <summary>Taylor mode: the coefficients 0 … order of f along the curve args + c₁·t + c₂·t² + …</summary>
    /// <param name="order">The last coefficient asked for.</param>
    /// <param name="f">The function.</param>
    /// <param name="args">Its arguments.</param>
    /// <param name="curve">The coefficients of the curve from the first on, each nested as the arguments are.</param>
    public static TResult[] Jet<T, TResult>(int order, Func<T, TResult> f, T args, params T[] curve)
    {
        ArgumentNullException.ThrowIfNull(curve);
        return [.. Transforms.jetOf(order, Interop.Func(Given(f)), args, Interop.List(curve))];
    }

    /// <summary>
    /// f with a derivative of your own, for stability or speed. It is a graph, so derivatives of every order follow from it, not from f.
    /// f and the rule may capture only constants and what is wrapped in StopGradient.
    /// </summary>
    /// <param name="f">The function.</param>
    /// <param name="backward">From arguments, value and cotangent of the value to cotangents of the arguments, nested as these are.</param>
    public static Func<T, Expr> CustomGrad<T>(Func<T, Expr> f, Func<T, Expr, Expr, T> backward)
    {
        var (value, rule) = (Interop.Func(Given(f)), FuncConvert.FromFunc(Given(backward)));
        return args => Transforms.customGrad(value, rule, args);
    }

    /// <summary>
    /// f with a derivative of your own, by its tangent, which must be linear in the tangents of the arguments; reverse mode is its transpose.
    /// f and the rule may capture only constants and what is wrapped in StopGradient.
    /// </summary>
    /// <param name="f">The function.</param>
    /// <param name="forward">From arguments, value and tangents of the arguments to the tangent of the value.</param>
    public static Func<T, Expr> CustomJvp<T>(Func<T, Expr> f, Func<T, Expr, T, Expr> forward)
    {
        var (value, rule) = (Interop.Func(Given(f)), FuncConvert.FromFunc(Given(forward)));
        return args => Transforms.customJvp(value, rule, args);
    }

    /// <summary>
    /// The value of f at a point, and the derivative there as a function of tangents, planned in two parts: the first computes the value and stores
    /// what the second, which does the rest for each tangent, needs of it.
    /// </summary>
    /// <param name="f">The function: ordinary code that builds expressions.</param>
    /// <param name="options">How to run: threads and compilation; nothing depends on it but the time.</param>
    /// <typeparam name="TExpr">The arguments of f.</typeparam>
    /// <typeparam name="TExprResult">The result of f.</typeparam>
    /// <typeparam name="TArray">The arguments with arrays in place of expressions.</typeparam>
    /// <typeparam name="TArrayResult">The result with arrays in place of expressions.</typeparam>
    public static Func<TArray, (TArrayResult Value, Func<TArray, TArrayResult> Derivative)> CompileLinearize<TExpr, TExprResult, TArray, TArrayResult>(
        Func<TExpr, TExprResult> f, EngineOptions? options = null)
    {
        var compiled = CompileTrees.compileLinearizeWith<TExpr, TExprResult, TArray, TArrayResult>(options ?? EngineOptions.Default, Interop.Func(Given(f)));
        return x =>
        {
            var (value, derivative) = compiled.Invoke(x);
            return (value, derivative.Invoke);
        };
    }

    /// <summary>The value of f at a point, and the pullback there as a function of cotangents, planned in two parts as CompileLinearize does.</summary>
    /// <param name="f">The function: ordinary code that builds expressions.</param>
    /// <param name="options">How to run: threads and compilation; nothing depends on it but the time.</param>
    /// <typeparam name="TExpr">The arguments of f.</typeparam>
    /// <typeparam name="TExprResult">The result of f.</typeparam>
    /// <typeparam name="TArray">The arguments with arrays in place of expressions.</typeparam>
    /// <typeparam name="TArrayResult">The result with arrays in place of expressions.</typeparam>
    public static Func<TArray, (TArrayResult Value, Func<TArrayResult, TArray> Pullback)> CompileVjp<TExpr, TExprResult, TArray, TArrayResult>(
        Func<TExpr, TExprResult> f, EngineOptions? options = null)
    {
        var compiled = CompileTrees.compileVjpWith<TExpr, TExprResult, TArray, TArrayResult>(options ?? EngineOptions.Default, Interop.Func(Given(f)));
        return x =>
        {
            var (value, pullback) = compiled.Invoke(x);
            return (value, pullback.Invoke);
        };
    }
}
