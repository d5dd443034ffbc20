using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>The log posterior of a mixture of Gaussians with a Wishart prior.</summary>
internal static class Gmm
{
    public sealed record Input(int D, int K, int N, int M, double Gamma,
        double[][] X, double[] Alpha, double[][] Mu, double[][] Q, double[][] L);

    private static Expr Objective(Input input, Expr alpha, Expr mu, Expr q, Expr l, Expr x)
    {
        var (d, k, n, m, gamma) = (input.D, input.K, input.N, input.M, input.Gamma);
        // The lower triangle column by column, as l has it, and the exponentials of q on the diagonal.
        var places = Enumerable.Range(0, d).Select(j => j * d + j)
            .Concat(from j in Enumerable.Range(0, d) from i in Enumerable.Range(j + 1, d - j - 1) select i * d + j);
        var diagonal = Exp(q);
        var factors = Reshape(ScatterAdd(Concat(1, diagonal, l), Constant(places.ToArray()), new Shape([k, d * d]), axis: 1), k, d, d);
        var logDeterminants = Sum(q, 1);
        var z = Einsum("kij,nj->kni", factors, x) - ExpandDims(Einsum("kij,kj->ki", factors, mu), 1);
        var terms = ExpandDims(alpha + logDeterminants, 1) - 0.5 * Sum(Square(z), 2);
        var mixture = Sum(LogSumExp(terms, 0)) - n * LogSumExp(alpha);
        var freedom = d + m + 1;
        var prior = -0.5 * gamma * gamma * (Sum(Square(diagonal)) + Sum(Square(l))) + m * Sum(logDeterminants);
        var logGamma = Sum(LogGamma(Linspace(0.5 * freedom, 0.5 * (freedom + 1 - d), d, DType.Float64))) + 0.25 * d * (d - 1) * Math.Log(Math.PI);
        return mixture - 0.5 * n * d * Math.Log(2 * Math.PI) + prior + k * (freedom * d * Math.Log(gamma / Math.Sqrt(2)) - logGamma);
    }

    private static Job Planned(Input input, Func<Expr, Expr[], Expr[]> results, Func<NDArray[], object> output) => Job.Of(
        Compile(xs => results(Objective(input, xs[0], xs[1], xs[2], xs[3], xs[4]), xs[..4]), Engine.OneThread),
        output,
        Arrays.Vector(input.Alpha), Arrays.Matrix(input.Mu), Arrays.Matrix(input.Q), Arrays.Matrix(input.L), Arrays.Matrix(input.X));

    public static Eval<Input> Eval { get; } = Sized(new("gmm")
    {
        { "objective", input => Planned(input, (y, _) => [y], y => y[0].Float(0)) },
        { "jacobian", input => Planned(input, (y, xs) => Grad(y, xs), g => new
            {
                alpha = g[0].ToArray<double>(), mu = Arrays.Rows(g[1]), q = Arrays.Rows(g[2]), l = Arrays.Rows(g[3]),
            }) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var d in (int[])[2, 10, 20, 32, 64])
            foreach (var k in (int[])[5, 10, 25, 50, 100])
                eval.With($"d={d},k={k},n=1000", () => new(d, k, 1000, 0, 1,
                    Draws.Normal(6, 1000, d), Draws.Normal(7, k), Draws.Uniform(8, k, d), Draws.Normal(9, k, d), Draws.Normal(10, k, d * (d - 1) / 2)));
        return eval;
    }
}
