using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>The least squares of a polynomial that should be the sign.</summary>
internal static class Llsq
{
    public sealed record Input(double[] X, int N);

    // By Horner's rule, at all points at once.
    private static Expr Objective(Expr x, int n)
    {
        var t = Linspace(-1, 1, n, DType.Float64);
        var y = x[^1];
        for (var j = x.Shape[0] - 2; j >= 0; j--) y = x[j] + t * y;
        return 0.5 * Sum(Square(Sign(t) - y));
    }

    public static Eval<Input> Eval { get; } = Sized(new("llsq")
    {
        { "primal", input => Job.Of(Compile(x => Objective(x, input.N), Engine.OneThread), y => y[0].Float(0), Arrays.Vector(input.X)) },
        { "gradient", input => Job.Of(Compile(x => Grad(Objective(x, input.N), x), Engine.OneThread), g => g[0].ToArray<double>(), Arrays.Vector(input.X)) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var n in (int[])[16, 64, 256, 1024, 4096, 16392]) eval.With($"n={n}", () => new(Draws.Uniform(2, 128), n));
        return eval;
    }
}
