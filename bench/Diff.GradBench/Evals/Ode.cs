using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>A linear chain of differential equations, integrated by the classical method of Runge and Kutta.</summary>
internal static class Ode
{
    public sealed record Input(double[] X, int S);

    private static Expr Solve(Expr x, int steps)
    {
        var h = 2.0 / steps;
        // F₀ = x₀, Fᵢ = xᵢ·yᵢ₋₁.
        Expr F(Expr y) => x * Concat(0, Ones(new Shape([1]), DType.Float64), y[..^1]);
        var y = ZerosLike(x);
        for (var step = 0; step < steps; step++)
        {
            var k1 = F(y);
            var k2 = F(y + h / 2 * k1);
            var k3 = F(y + h / 2 * k2);
            var k4 = F(y + h * k3);
            y += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
        }
        return y;
    }

    public static Eval<Input> Eval { get; } = Sized(new("ode")
    {
        { "primal", input => Job.Of(Compile(x => Solve(x, input.S), Engine.OneThread), y => y[0].ToArray<double>(), Arrays.Vector(input.X)) },
        { "gradient", input => Job.Of(Compile(x => Grad(Solve(x, input.S)[^1], x), Engine.OneThread), g => g[0].ToArray<double>(), Arrays.Vector(input.X)) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var n in (int[])[1000, 10_000, 100_000])
            foreach (var s in (int[])[1, 10, 100])
                eval.With($"n={n},s={s}", () => new(Draws.Uniform(4, n), s), isZero: n > 4 * s); // each stage moves what is not 0 on by one
        return eval;
    }
}
