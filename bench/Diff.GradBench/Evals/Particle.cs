using System.Numerics;

namespace Diff.GradBench;

/// <summary>Where a charged particle, of which the force is a gradient, crosses the axis; moved there by one parameter.</summary>
internal static class Particle
{
    public sealed record Input(double W);

    public readonly struct Potential<TOuter>(TOuter w) : IScalarFunction where TOuter : IFloatingPointIeee754<TOuter>
    {
        public T Invoke<T>(ReadOnlySpan<T> z) where T : IFloatingPointIeee754<T>
        {
            var ten = T.CreateChecked(10);
            return T.One / Distance(z, ten - T.CreateChecked(w)) + T.One / Distance(z, T.Zero);
        }

        private static T Distance<T>(ReadOnlySpan<T> z, T y) where T : IFloatingPointIeee754<T>
        {
            var (dx, dy) = (z[0] - T.CreateChecked(10), z[1] - y);
            return T.Sqrt(dx * dx + dy * dy);
        }
    }

    /// <summary>The square of the place where the path of parameter w[0] crosses the axis.</summary>
    public readonly struct Path(Mode inner) : IScalarFunction
    {
        private const int MostSteps = 1_000_000;

        public T Invoke<T>(ReadOnlySpan<T> w) where T : IFloatingPointIeee754<T>
        {
            var dt = T.CreateChecked(0.1);
            T[] z = [T.Zero, T.CreateChecked(8)], force = new T[2];
            var (vx, vy) = (T.CreateChecked(0.75), T.Zero);
            for (var step = 0; step < MostSteps; step++)
            {
                Descent.Gradient(inner, new Potential<T>(w[0]), z, force);
                var (x, y) = (z[0] + dt * vx, z[1] + dt * vy);
                if (y <= T.Zero)
                {
                    var crossing = z[0] - z[1] / vy * vx;
                    return crossing * crossing;
                }
                (vx, vy) = (vx - dt * force[0], vy - dt * force[1]);
                (z[0], z[1]) = (x, y);
            }
            throw new InvalidOperationException($"particle: the path of w = {w[0]} does not end");
        }
    }

    public static Eval<Input> Eval { get; } = Named(new("particle"));

    private static Eval<Input> Named(Eval<Input> eval)
    {
        foreach (var (name, outer, inner) in Descent.Modes)
            eval.Add(name, input => Job.Of(() => Minimum(outer, inner, input.W)));
        return eval.With("w=0", () => new(0));
    }

    private static double Minimum(Mode outer, Mode inner, double start)
    {
        double[] w = [start];
        Descent.Minimize<Path, double>(outer, new Path(inner), w);
        return w[0];
    }
}
