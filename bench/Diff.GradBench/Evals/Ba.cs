using System.Numerics;

namespace Diff.GradBench;

/// <summary>Bundle adjustment: the error of each observation of a point by a camera, and a sparse Jacobian.</summary>
internal static class Ba
{
    private const int Camera = 11, Point = 3;

    public sealed record Input(int N, int M, int P, double[] Cam, double[] X, double W, double[] Feat)
    {
        public Problem Repeated() => new(
            [.. Enumerable.Repeat(Cam, N)], [.. Enumerable.Repeat(X, M)], [.. Enumerable.Repeat(W, P)],
            [.. Enumerable.Range(0, P).Select(o => (int[])[o % N, o % M])], [.. Enumerable.Repeat(Feat, P)]);
    }

    /// <summary>Cameras, points, weights, and which camera sees which point where.</summary>
    public sealed record Problem(double[][] Cams, double[][] X, double[] W, int[][] Obs, double[][] Feats)
    {
        public double[] Arguments() => [.. Cams.SelectMany(c => c), .. X.SelectMany(x => x), .. W];

        // Two results of each observation, then one of each weight.
        public Residuals Errors()
        {
            var points = Camera * Cams.Length;
            var weights = points + Point * X.Length;
            return new Residuals(weights + W.Length)
                .Add(2, [Camera, Point, 1], [.. Feats.Select(f => new Reprojection(f[0], f[1]))],
                    [.. Obs.SelectMany((seen, o) => (int[])[Camera * seen[0], points + Point * seen[1], weights + o])])
                .Add(1, [1], new WeightError[W.Length], [.. Enumerable.Range(weights, W.Length)]);
        }
    }

    // The arguments are a camera (rotation, center, focal length, principal point, distortion), a point and a weight.
    private readonly struct Reprojection(double u, double v) : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> a, Span<T> error) where T : IFloatingPointIeee754<T>
        {
            var (x, y, z) = Rotation.Rotate(a[..3], a[11] - a[3], a[12] - a[4], a[13] - a[5]);
            var (p, q) = (x / z, y / z);
            var square = p * p + q * q;
            var scale = (T.One + a[9] * square + a[10] * square * square) * a[6];
            error[0] = a[14] * (p * scale + a[7] - T.CreateChecked(u));
            error[1] = a[14] * (q * scale + a[8] - T.CreateChecked(v));
        }
    }

    private readonly struct WeightError : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> w, Span<T> error) where T : IFloatingPointIeee754<T> => error[0] = T.One - w[0] * w[0];
    }

    public static Job Objective(Problem problem, Func<double[], object> output)
    {
        var (errors, x) = (problem.Errors(), problem.Arguments());
        var e = new double[errors.Results];
        return new(() => errors.Evaluate(x, e), () => output(e));
    }

    public static Job Jacobian(Problem problem, Func<CsrMatrix, object> output)
    {
        var (errors, x) = (problem.Errors(), problem.Arguments());
        var (e, jacobian) = (new double[errors.Results], new CsrMatrix(errors.Results, errors.Arguments, errors.Elements));
        return new(() => errors.Jacobian(x, e, jacobian), () => output(jacobian));
    }

    // All is computed, but the protocol asks for little of what repeats.
    private static T[] Ends<T>(Span<T> all) => [.. all[..30], all[^1]];

    public static Eval<Input> Eval { get; } = Sized(new("ba")
    {
        { "objective", input => Objective(input.Repeated(), e => new
            {
                reproj_error = new { elements = e[..2], repeated = input.P },
                w_err = new { element = e[^1], repeated = input.P },
            }) },
        { "jacobian", input => Jacobian(input.Repeated(), j => new { rows = Ends(j.RowPointers), cols = Ends(j.ColumnIndices), vals = Ends(j.Values) }) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var (n, m, p) in ((int, int, int)[])[(49, 7776, 31843), (372, 47423, 204472), (88, 64298, 383937), (356, 226730, 1255268)])
            eval.With($"n={n},m={m},p={p}", () => new(n, m, p,
                [-0.76, -1.11, -0.85, 34.6, 39.7, 53.9, 419.2, 5.86, -8.52, 0.088, 0.0027], [7.2, 0.0011, 3.02], 0.417, [271.8, 834.2]));
        return eval;
    }
}
