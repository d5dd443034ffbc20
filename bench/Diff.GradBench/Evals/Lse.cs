using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>The logarithm of a sum of exponentials.</summary>
internal static class Lse
{
    public sealed record Input(double[] X);

    private static Expr Objective(Expr x)
    {
        var largest = StopGradient(ReduceMax(x)); // any shift gives the same
        return largest + Log(Sum(Exp(x - largest)));
    }

    public static Eval<Input> Eval { get; } = Sized(new("lse")
    {
        { "primal", input => Job.Of(Compile(Objective, Engine.OneThread), y => y[0].Float(0), Arrays.Vector(input.X)) },
        { "gradient", input => Job.Of(Compile(x => Grad(Objective(x), x), Engine.OneThread), g => g[0].ToArray<double>(), Arrays.Vector(input.X)) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        for (var n = 2500; n <= 1_280_000; n *= 2)
        {
            var count = n;
            eval.With($"n={n}", () => new(Draws.Uniform(1, count)));
        }
        return eval;
    }
}
