using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>Hand tracking: distances of points to the surface of a hand, whose skin follows its bones.</summary>
internal static class Ht
{
    private const int Pose = 26;

    public sealed record Model(int BoneCount, int[] Parents, double[][][] BaseRelatives, double[][][] InverseBaseAbsolutes,
        double[][] BasePositions, double[][] Weights, int[][] Triangles, bool IsMirrored);

    public sealed record Data(Model Model, int[] Correspondences, double[][] Points);

    public sealed record Input(double[] Theta, Data Data, double[][] Us)
    {
        public bool IsSimple => Us.Length == 0;
    }

    // By rows: columns of numbers, put together to matrices along the last two axes.
    private static Expr Matrices(Expr[][] rows) => Stack(-2, [.. rows.Select(row => Stack(-1, row))]);

    // Each finger has four angles: two of its first joint, one of each of the next two.
    private static Expr Rotations(Expr theta, int bones)
    {
        var (bends, spreads) = (Enumerable.Repeat(0, bones).ToArray(), Enumerable.Repeat(0, bones).ToArray());
        for (var finger = 0; finger < 5; finger++)
        {
            var (bone, angle) = (2 + 4 * finger, 1 + 4 * finger);
            (bends[bone], spreads[bone], bends[bone + 1], bends[bone + 2]) = (angle, angle + 1, angle + 2, angle + 3);
        }
        var angles = Concat(0, Zeros(new Shape([1]), DType.Float64), theta[6..]); // the first stands for joints that do not move
        var (x, z) = (Gather(angles, Constant(bends)), Gather(angles, Constant(spreads)));
        var (zero, one) = (ZerosLike(x), OnesLike(x));
        return Matrices(
        [
            [Cos(z), -Sin(z) * Cos(x), Sin(z) * Sin(x), zero],
            [Sin(z), Cos(z) * Cos(x), -Cos(z) * Sin(x), zero],
            [zero, Sin(x), Cos(x), zero],
            [zero, zero, zero, one],
        ]);
    }

    // Every bone's place follows its parent's; bones of one depth at once.
    private static Expr Absolutes(Expr relatives, int[] parents)
    {
        int Depth(int bone) => parents[bone] < 0 ? 0 : 1 + Depth(parents[bone]);
        var levels = Enumerable.Range(0, parents.Length).GroupBy(Depth).OrderBy(g => g.Key).Select(g => g.ToArray()).ToArray();
        var done = levels[0].ToList();
        var absolutes = Gather(relatives, Constant(levels[0]));
        foreach (var level in levels[1..])
        {
            var above = Gather(absolutes, Constant(level.Select(bone => done.IndexOf(parents[bone])).ToArray()));
            absolutes = Concat(0, absolutes, MatMul(above, Gather(relatives, Constant(level))));
            done.AddRange(level);
        }
        return Gather(absolutes, Constant(Enumerable.Range(0, parents.Length).Select(bone => done.IndexOf(bone)).ToArray()));
    }

    // The rotation about the axis r by |r| (Rodrigues); none for a very small one.
    private static Expr Rodrigues(Expr r)
    {
        var square = Sum(Square(r));
        var isSmall = square < 1e-8;
        var angle = Sqrt(Where(isSmall, 1.0, square));
        var axis = r / angle;
        var (x, y, z, zero) = (axis[0], axis[1], axis[2], ZerosLike(angle));
        var cross = Matrices([[zero, -z, y], [z, zero, -x], [-y, x, zero]]);
        var rotation = Cos(angle) * Eye(3, DType.Float64) + Sin(angle) * cross + (1 - Cos(angle)) * Outer(axis, axis);
        return Where(isSmall, Eye(3, DType.Float64), rotation);
    }

    // The arguments: pose, barycentric coordinates, the model's matrices, base positions and weights, the points.
    private static Expr Errors(Input input, Expr[] a)
    {
        var (theta, us, model) = (a[0], a[1], input.Data.Model);
        var transforms = MatMul(Absolutes(MatMul(a[2], Rotations(theta, model.BoneCount)), model.Parents), a[3])[.., ..3];
        // Each vertex is moved by its bones' weighted mean.
        var shares = Reshape(ExpandDims(a[5], 2) * ExpandDims(a[4], 1), model.Weights.Length, 4 * model.BoneCount);
        var skin = MatMul(shares, Reshape(Transpose(transforms, 0, 2, 1), 4 * model.BoneCount, 3));
        var mirror = Constant(new double[] { model.IsMirrored ? -1 : 1, 1, 1 });
        var positions = MatMul(skin * mirror, Transpose(Rodrigues(theta[..3]))) + theta[3..6];
        Expr Corner(int k) => Gather(positions, Constant(input.Data.Correspondences.Select(t => model.Triangles[t][k]).ToArray()));
        if (input.IsSimple) return a[6] - Gather(positions, Constant(input.Data.Correspondences));
        var (u, v) = (us[.., ..1], us[.., 1..]);
        return a[6] - (u * Corner(0) + v * Corner(1) + (1 - u - v) * Corner(2));
    }

    // Of a point's own two coordinates only its own errors depend, so that one direction each serves all points.
    private static Expr Columns(Input input, Expr[] a)
    {
        var errors = Errors(input, a);
        var byPose = Jacobian(errors, a[0], JacobianMode.Columns);
        if (input.IsSimple) return Reshape(byPose, -1, Pose);
        var own = Enumerable.Range(0, 2).Select(k => Jvp(errors, [a[1]], [BroadcastTo(Constant(new double[] { 1 - k, k }), input.Us.Length, 2)]));
        return Reshape(Concat(2, [.. own.Select(e => ExpandDims(e, 2)), byPose]), -1, 2 + Pose);
    }

    private static Job Planned(Input input, Func<Input, Expr[], Expr> f, Func<NDArray, object> output)
    {
        var model = input.Data.Model;
        return Job.Of(Compile(a => [f(input, a)], Engine.OneThread), y => output(y[0]),
            Arrays.Vector(input.Theta), Arrays.Matrix(input.Us, 2), Stacked(model.BaseRelatives), Stacked(model.InverseBaseAbsolutes),
            Arrays.Matrix(model.BasePositions), Arrays.Matrix(model.Weights), Arrays.Matrix(input.Data.Points));
    }

    private static NDArray Stacked(double[][][] x) => NDArray.Create([.. x.SelectMany(m => m).SelectMany(row => row)], new Shape([x.Length, 4, 4]));

    public static Eval<Input> Eval { get; } = HandModel.Sized(new("ht")
    {
        { "objective", input => Planned(input, Errors, y => y.ToArray<double>()) },
        { "jacobian", input => Planned(input, Columns, Arrays.Rows) },
    });
}
