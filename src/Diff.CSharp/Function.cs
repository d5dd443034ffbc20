using Microsoft.FSharp.Core;

namespace Diff;

/// <summary>
/// An operation of your own: <see cref="Forward"/> computes the value from numbers, <see cref="Backward"/> gives the arguments'
/// cotangents as graphs, so that derivatives of every order exist. Call it like a function through <see cref="Apply"/>.
/// </summary>
public abstract class Function
{
    private readonly Lazy<CustomOp> _op;

    /// <summary>An operation named after its class.</summary>
    protected Function() => _op = new Lazy<CustomOp>(() => new CustomOp(
        GetType().Name,
        FuncConvert.FromFunc<Expr[], Tuple<Shape, DType>>(xs => Tuple.Create(ResultShape(Array.ConvertAll(xs, x => x.Shape)), xs[0].DType)),
        FuncConvert.FromFunc<NDArray[], NDArray>(Forward),
        FuncConvert.FromFunc<Expr[], Expr, Expr, Expr?[]>(Backward)));

    /// <summary>The value, a new array; the arguments are not to be changed.</summary>
    /// <param name="args">The arguments.</param>
    protected abstract NDArray Forward(NDArray[] args);

    /// <summary>The cotangent of each argument (null where there is none), as graphs of arguments, value and cotangent.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="value">The value.</param>
    /// <param name="cotangent">The cotangent of the value, of its shape.</param>
    protected abstract Expr?[] Backward(Expr[] args, Expr value, Expr cotangent);

    /// <summary>The shape of the value; by default that of the first argument. Its element type is the first argument's.</summary>
    /// <param name="shapes">The arguments' shapes.</param>
    protected virtual Shape ResultShape(Shape[] shapes) => shapes[0];

    /// <summary>The operation applied to expressions.</summary>
    /// <param name="args">The arguments.</param>
    public Expr Apply(params Expr[] args) => Custom.apply(_op.Value, Given(args));

    /// <summary>A scalar function applied index by index, with its derivative as a graph of argument and value.</summary>
    /// <param name="name">The name, for printing.</param>
    /// <param name="value">The function.</param>
    /// <param name="derivative">Its derivative, from argument and value.</param>
    public static Func<Expr, Expr> Scalar(string name, Func<double, double> value, Func<Expr, Expr, Expr> derivative)
    {
        var op = Custom.scalar(Given(name), Interop.Func(Given(value)), FuncConvert.FromFunc(Given(derivative)));
        return x => Custom.apply(op, [x]);
    }
}
