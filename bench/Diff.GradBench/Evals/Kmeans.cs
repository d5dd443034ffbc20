using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>The squared distances of points to their nearest centroids, and a step of Newton's method.</summary>
internal static class Kmeans
{
    public sealed record Input(double[][] Points, double[][] Centroids);

    private static Expr Cost(Expr centroids, Expr points)
    {
        // Of |c − p|² only what differs between centroids says which is nearest.
        var scores = Sum(Square(centroids), 1) - 2 * MatMul(points, Transpose(centroids));
        var nearest = ArgMin(scores, 1);
        return Sum(Square(points - Gather(centroids, nearest)));
    }

    // The Hessian is diagonal, so its product with ones is its diagonal.
    private static Expr Direction(Expr centroids, Expr points)
    {
        var cost = Cost(centroids, points);
        return Grad(cost, centroids) / Hvp(cost, [centroids], [OnesLike(centroids)])[0];
    }

    public static Eval<Input> Eval { get; } = Sized(new("kmeans")
    {
        { "cost", input => Job.Of(Compile(Cost, Engine.OneThread), y => y[0].Float(0), Arrays.Matrix(input.Centroids), Arrays.Matrix(input.Points)) },
        { "dir", input => Job.Of(Compile(Direction, Engine.OneThread), y => Arrays.Rows(y[0]), Arrays.Matrix(input.Centroids), Arrays.Matrix(input.Points)) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var k in (int[])[10, 100, 1000])
            foreach (var n in (int[])[1000, 10_000])
                foreach (var d in (int[])[8, 16])
                    eval.With($"k={k},n={n},d={d}", () => Data(k, n, d), isZero: k == n);
        return eval;
    }

    private static Input Data(int k, int n, int d)
    {
        var points = Draws.Uniform(5, n, d);
        return new(points, points[^k..]);
    }
}
