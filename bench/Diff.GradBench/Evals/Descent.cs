using System.Numerics;

namespace Diff.GradBench;

/// <summary>How a gradient is computed: forward or in reverse.</summary>
internal enum Mode
{
    Forward,
    Reverse,
}

/// <summary>Gradients in either mode, and the descent that finds where they vanish.</summary>
internal static class Descent
{
    public static readonly (string Name, Mode Outer, Mode Inner)[] Modes =
    [
        ("ff", Mode.Forward, Mode.Forward), ("fr", Mode.Forward, Mode.Reverse), ("rf", Mode.Reverse, Mode.Forward), ("rr", Mode.Reverse, Mode.Reverse),
    ];

    public static T Gradient<TFunction, T>(Mode mode, TFunction f, ReadOnlySpan<T> x, Span<T> gradient)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T> =>
        mode == Mode.Forward ? Differentiate.ValueAndGradientForward(f, x, gradient) : Differentiate.ValueAndGradient(f, x, gradient);

    private static T Norm<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
    {
        var sum = T.Zero;
        foreach (var e in x) sum += e * e;
        return T.Sqrt(sum);
    }

    /// <summary>Moves x to where f is least nearby: ten steps, then twice the rate; half the rate when a step does not help.</summary>
    public static void Minimize<TFunction, T>(Mode mode, TFunction f, Span<T> x)
        where TFunction : IScalarFunction
        where T : IFloatingPointIeee754<T>
    {
        var tolerance = T.CreateChecked(1e-5);
        T[] gradient = new T[x.Length], next = new T[x.Length], step = new T[x.Length];
        var value = Gradient<TFunction, T>(mode, f, x, gradient);
        var (steps, rate) = (0, 1e-5);
        while (Norm<T>(gradient) > tolerance)
        {
            if (steps == 10)
            {
                (steps, rate) = (0, 2 * rate);
                continue;
            }
            for (var i = 0; i < x.Length; i++)
            {
                step[i] = T.CreateChecked(rate) * gradient[i];
                next[i] = x[i] - step[i];
            }
            if (Norm<T>(step) <= tolerance) return;
            var nextValue = f.Invoke<T>(next);
            if (nextValue < value)
            {
                next.CopyTo(x);
                value = Gradient<TFunction, T>(mode, f, x, gradient);
                steps++;
            }
            else
            {
                (steps, rate) = (0, rate / 2);
            }
        }
    }
}
