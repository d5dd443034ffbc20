using System.Numerics;

namespace Diff.GradBench;

/// <summary>Bundle adjustment: the error of each observation of a point by a camera, and a sparse Jacobian.</summary>
internal static class Ba
{
    private const int Camera = 11, Arguments = Camera + 3 + 1;

    public sealed record Input(int N, int M, int P, double[] Cam, double[] X, double W, double[] Feat)
    {
        public Problem Repeated() => new(
            [.. Enumerable.Repeat(Cam, N)], [.. Enumerable.Repeat(X, M)], [.. Enumerable.Repeat(W, P)],
            [.. Enumerable.Range(0, P).Select(o => new[] { o % N, o % M })], [.. Enumerable.Repeat(Feat, P)]);
    }

    /// <summary>Cameras, points, weights, and which camera sees which point where.</summary>
    public sealed record Problem(double[][] Cams, double[][] X, double[] W, int[][] Obs, double[][] Feats)
    {
        public void Arguments(int o, Span<double> into)
        {
            Cams[Obs[o][0]].CopyTo(into);
            X[Obs[o][1]].CopyTo(into[Camera..]);
            into[Camera + 3] = W[o];
        }
    }

    /// <summary>A compressed sparse matrix, row by row.</summary>
    public sealed record Sparse(int[] Rows, int[] Cols, double[] Vals);

    // The arguments are a camera (rotation, center, focal length, principal point, distortion), a point and a weight.
    public readonly struct Residual(double[] feat) : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> a, Span<T> error) where T : IFloatingPointIeee754<T>
        {
            var (y0, y1, y2) = Rotated(a[0], a[1], a[2], a[11] - a[3], a[12] - a[4], a[13] - a[5]);
            var (p0, p1) = (y0 / y2, y1 / y2);
            var rho = p0 * p0 + p1 * p1;
            var distorted = (T.One + a[9] * rho + a[10] * rho * rho) * a[6];
            error[0] = a[14] * (p0 * distorted + a[7] - T.CreateChecked(feat[0]));
            error[1] = a[14] * (p1 * distorted + a[8] - T.CreateChecked(feat[1]));
        }

        private static (T, T, T) Rotated<T>(T r0, T r1, T r2, T y0, T y1, T y2) where T : IFloatingPointIeee754<T>
        {
            var square = r0 * r0 + r1 * r1 + r2 * r2;
            if (square == T.Zero) return (y0 + r1 * y2 - r2 * y1, y1 + r2 * y0 - r0 * y2, y2 + r0 * y1 - r1 * y0);
            var theta = T.Sqrt(square);
            var (sin, cos) = T.SinCos(theta);
            var inverse = T.One / theta;
            (r0, r1, r2) = (r0 * inverse, r1 * inverse, r2 * inverse);
            var along = (r0 * y0 + r1 * y1 + r2 * y2) * (T.One - cos);
            return (
                y0 * cos + (r1 * y2 - r2 * y1) * sin + r0 * along,
                y1 * cos + (r2 * y0 - r0 * y2) * sin + r1 * along,
                y2 * cos + (r0 * y1 - r1 * y0) * sin + r2 * along);
        }
    }

    private static T WeightError<T>(T w) where T : IFloatingPointIeee754<T> => T.One - w * w;

    public static Job Objective(Problem problem, Func<double[], double[], object> output)
    {
        var (errors, weightErrors) = (new double[2 * problem.Obs.Length], new double[problem.Obs.Length]);
        return new(Run, () => output(errors, weightErrors));

        void Run()
        {
            Span<double> arguments = stackalloc double[Arguments];
            for (var o = 0; o < problem.Obs.Length; o++)
            {
                problem.Arguments(o, arguments);
                new Residual(problem.Feats[o]).Invoke(arguments, errors.AsSpan(2 * o, 2));
                weightErrors[o] = WeightError(problem.W[o]);
            }
        }
    }

    public static Job Jacobian(Problem problem, Func<Sparse, object> output)
    {
        var p = problem.Obs.Length;
        var sparse = new Sparse(new int[3 * p + 1], new int[31 * p], new double[31 * p]);
        return new(Run, () => output(sparse));

        void Run()
        {
            var (rows, cols, vals) = sparse;
            Span<double> arguments = stackalloc double[Arguments], errors = stackalloc double[2];
            for (var o = 0; o < p; o++)
            {
                problem.Arguments(o, arguments);
                var row = 2 * Arguments * o;
                Differentiate.Jacobian(new Residual(problem.Feats[o]), arguments, errors, vals.AsSpan(row, 2 * Arguments));
                Columns(problem, o, cols.AsSpan(row, Arguments));
                cols.AsSpan(row, Arguments).CopyTo(cols.AsSpan(row + Arguments));
                (rows[2 * o + 1], rows[2 * o + 2]) = (row + Arguments, row + 2 * Arguments);
                vals[30 * p + o] = Differentiate.Derivative(WeightError, problem.W[o]);
                cols[30 * p + o] = cols[row + Arguments - 1];
                rows[2 * p + o + 1] = 30 * p + o + 1;
            }
        }
    }

    private static void Columns(Problem problem, int o, Span<int> into)
    {
        var (camera, point, n, m) = (problem.Obs[o][0], problem.Obs[o][1], problem.Cams.Length, problem.X.Length);
        for (var i = 0; i < Camera; i++) into[i] = Camera * camera + i;
        for (var i = 0; i < 3; i++) into[Camera + i] = Camera * n + 3 * point + i;
        into[Camera + 3] = Camera * n + 3 * m + o;
    }

    // All is computed, but the protocol asks for little of what repeats.
    private static T[] Ends<T>(T[] all) => [.. all.Take(30), all[^1]];

    public static Eval<Input> Eval { get; } = Sized(new("ba")
    {
        { "objective", input => Objective(input.Repeated(), (e, g) => new
            {
                reproj_error = new { elements = e[..2], repeated = input.P },
                w_err = new { element = g[0], repeated = input.P },
            }) },
        { "jacobian", input => Jacobian(input.Repeated(), s => new { rows = Ends(s.Rows), cols = Ends(s.Cols), vals = Ends(s.Vals) }) },
    });

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var (n, m, p) in ((int, int, int)[])[(49, 7776, 31843), (372, 47423, 204472), (88, 64298, 383937), (356, 226730, 1255268)])
            eval.With($"n={n},m={m},p={p}", () => new(n, m, p,
                [-0.76, -1.11, -0.85, 34.6, 39.7, 53.9, 419.2, 5.86, -8.52, 0.088, 0.0027], [7.2, 0.0011, 3.02], 0.417, [271.8, 834.2]));
        return eval;
    }
}
