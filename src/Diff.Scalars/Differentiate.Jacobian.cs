using System.Numerics;
using System.Runtime.Intrinsics;

namespace Diff;

public static partial class Differentiate
{
    /// <summary>
    /// Values and Jacobian of a function with several results. Forward, eight columns at once, unless there are far more arguments than results.
    /// </summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="values">Room for the results.</param>
    /// <param name="jacobian">Room for the derivatives: a row of as many as there are arguments for each result.</param>
    public static void Jacobian<TFunction>(TFunction f, ReadOnlySpan<double> x, Span<double> values, Span<double> jacobian)
        where TFunction : IVectorFunction
    {
        if (x.Length == 1) ByOneColumn(new GenericVectorFunction<TFunction, Dual<double>>(f), x[0], values, jacobian);
        else if (x.Length > 8 * (values.Length + 1)) JacobianReverse(f, x, values, jacobian);
        else ByColumns(new GenericVectorFunction<TFunction, DualVector>(f), x, values, jacobian);
    }

    /// <summary>Values and Jacobian in reverse: one evaluation, and one pass backwards for each result.</summary>
    /// <param name="f">The function.</param>
    /// <param name="x">Where.</param>
    /// <param name="values">Room for the results.</param>
    /// <param name="jacobian">Room for the derivatives: a row of as many as there are arguments for each result.</param>
    public static void JacobianReverse<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> values, Span<T> jacobian)
        where TFunction : IVectorFunction
        where T : IFloatingPointIeee754<T> => ByResults(new GenericVectorFunction<TFunction, Var<T>>(f), x, values, jacobian);

    /// <inheritdoc cref="JacobianReverse{TFunction, T}(TFunction, ReadOnlySpan{T}, Span{T}, Span{T})"/>
    public static void JacobianReverse<T>(VectorFunction<Var<T>> f, ReadOnlySpan<T> x, Span<T> values, Span<T> jacobian)
        where T : IFloatingPointIeee754<T> => ByResults(new DelegateVectorFunction<Var<T>>(Given(f)), x, values, jacobian);

    private static void ByOneColumn<TFunction>(TFunction f, double x, Span<double> values, Span<double> jacobian)
        where TFunction : IVectorFunctionOf<Dual<double>>
    {
        Expect(nameof(Jacobian), nameof(jacobian), jacobian.Length, values.Length);
        var results = Scratch<Dual<double>>.Rent(values.Length);
        try
        {
            f.Invoke([Dual<double>.Variable(x)], results);
            for (var k = 0; k < results.Length; k++) (values[k], jacobian[k]) = (results[k].Value, results[k].Tangent);
        }
        finally
        {
            Scratch<Dual<double>>.Return(values.Length);
        }
    }

    private static void ByColumns<TFunction>(TFunction f, ReadOnlySpan<double> x, Span<double> values, Span<double> jacobian)
        where TFunction : IVectorFunctionOf<DualVector>
    {
        Expect(nameof(Jacobian), nameof(jacobian), jacobian.Length, checked(x.Length * values.Length));
        var n = x.Length;
        var room = Scratch<DualVector>.Rent(n + values.Length);
        try
        {
            var point = room[..n];
            var results = room[n..];
            Span<double> row = stackalloc double[DualVector.Count];
            var first = 0;
            do
            {
                // By places before, at and behind the directions.
                for (var i = 0; i < first; i++) point[i] = x[i];
                var end = Math.Min(first + DualVector.Count, n);
                for (var i = first; i < end; i++) point[i] = DualVector.Variable(x[i], i - first);
                for (var i = end; i < n; i++) point[i] = x[i];
                f.Invoke(point, results);
                for (var k = 0; k < results.Length; k++)
                {
                    values[k] = results[k].Value;
                    var place = jacobian[(k * n + first)..(k * n + end)];
                    if (place.Length == DualVector.Count)
                    {
                        results[k].Tangents.CopyTo(place);
                        continue;
                    }
                    results[k].Tangents.CopyTo(row);
                    row[..place.Length].CopyTo(place);
                }
                first += DualVector.Count;
            }
            while (first < n);
        }
        finally
        {
            Scratch<DualVector>.Return(n + values.Length);
        }
    }

    private static void ByResults<TFunction, T>(TFunction f, ReadOnlySpan<T> x, Span<T> values, Span<T> jacobian)
        where TFunction : IVectorFunctionOf<Var<T>>
        where T : IFloatingPointIeee754<T>
    {
        Expect(nameof(JacobianReverse), nameof(jacobian), jacobian.Length, checked(x.Length * values.Length));
        var n = x.Length;
        var tape = Tape<T>.Begin(out var mark);
        var room = Scratch<Var<T>>.Rent(n + values.Length);
        try
        {
            var variables = room[..n];
            var results = room[n..];
            for (var i = 0; i < n; i++) variables[i] = tape.Variable(x[i]);
            f.Invoke(variables, results);
            for (var k = 0; k < results.Length; k++)
            {
                values[k] = results[k].Value;
                tape.Sweep(results[k], T.One, mark, x.Length);
                for (var i = 0; i < n; i++) jacobian[k * n + i] = tape.Take(mark + 1 + i);
            }
        }
        finally
        {
            Scratch<Var<T>>.Return(n + values.Length);
            tape.End(mark);
        }
    }
}
