using System.Numerics;

namespace Diff.GradBench;

/// <summary>A point that is least one way and greatest the other, found by a descent within a descent.</summary>
internal static class Saddle
{
    public sealed record Input(double[] Start);

    /// <summary>−f(x, y) as a function of y.</summary>
    public readonly struct Inner<TOuter>(TOuter x0, TOuter x1) : IScalarFunction where TOuter : IFloatingPointIeee754<TOuter>
    {
        public T Invoke<T>(ReadOnlySpan<T> y) where T : IFloatingPointIeee754<T>
        {
            var (a, b) = (T.CreateChecked(x0), T.CreateChecked(x1));
            return y[0] * y[0] + y[1] * y[1] - (a * a + b * b);
        }
    }

    /// <summary>The greatest f(x, y) over y, as a function of x.</summary>
    public readonly struct Outer(Mode inner, double[] start) : IScalarFunction
    {
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
        {
            var f = new Inner<T>(x[0], x[1]);
            return -f.Invoke<T>(Best(inner, f, start));
        }
    }

    private static T[] Best<T>(Mode mode, Inner<T> f, double[] start) where T : IFloatingPointIeee754<T>
    {
        T[] y = [T.CreateChecked(start[0]), T.CreateChecked(start[1])];
        Descent.Minimize<Inner<T>, T>(mode, f, y);
        return y;
    }

    public static Eval<Input> Eval { get; } = Named(new("saddle"));

    private static Eval<Input> Named(Eval<Input> eval)
    {
        foreach (var (name, outer, inner) in Descent.Modes)
            eval.Add(name, input => Job.Of(() => Point(outer, inner, input.Start)));
        return eval.With("(1, 1)", () => new([1, 1]));
    }

    private static double[] Point(Mode outer, Mode inner, double[] start)
    {
        double[] x = [.. start];
        Descent.Minimize<Outer, double>(outer, new Outer(inner, start), x);
        return [.. x, .. Best(inner, new Inner<double>(x[0], x[1]), start)];
    }
}
