using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>Hand tracking: distances of points to the surface of a hand, whose skin follows its bones.</summary>
internal static class Ht
{
    public sealed record Model(int BoneCount, int[] Parents, double[][][] BaseRelatives, double[][][] InverseBaseAbsolutes,
        double[][] BasePositions, double[][] Weights, int[][] Triangles, bool IsMirrored);

    public sealed record Data(Model Model, int[] Correspondences, double[][] Points);

    public sealed record Input(double[] Theta, Data Data, double[][] Us)
    {
        public bool IsSimple => Us.Length == 0;
    }

    // Each finger has four angles: two of its first joint, one of each of the next two.
    private static Expr Rotations(Expr theta, int bones)
    {
        var (bends, spreads) = (new int[bones], new int[bones]);
        for (var finger = 0; finger < 5; finger++)
        {
            var (bone, angle) = (2 + 4 * finger, 1 + 4 * finger);
            (bends[bone], spreads[bone], bends[bone + 1], bends[bone + 2]) = (angle, angle + 1, angle + 2, angle + 3);
        }
        var angles = Concat(0, Zeros(new Shape([1])), theta[6..]); // the first stands for joints that do not move
        var (x, z) = (Gather(angles, bends), Gather(angles, spreads));
        return Matrix(
            [Cos(z), -Sin(z) * Cos(x), Sin(z) * Sin(x), 0],
            [Sin(z), Cos(z) * Cos(x), -Cos(z) * Sin(x), 0],
            [0, Sin(x), Cos(x), 0],
            [0, 0, 0, 1]);
    }

    // The arguments: pose, barycentric coordinates, the model's matrices, base positions and weights, the points.
    private static Expr Errors(Input input, Expr[] a)
    {
        var (theta, us, model) = (a[0], a[1], input.Data.Model);
        var bones = ScanTree(model.Parents, MatMul, MatMul(a[2], Rotations(theta, model.BoneCount)));
        // Each vertex is moved by its bones' weighted mean.
        var skin = Einsum("vb,vj,bij->vi", a[5], a[4], MatMul(bones, a[3])[.., ..3]);
        var mirror = Constant(new double[] { model.IsMirrored ? -1 : 1, 1, 1 });
        var turn = Where(Sum(Square(theta[..3])) < 1e-8, Eye(3), RotationMatrix(theta[..3]));
        var positions = MatMul(skin * mirror, Transpose(turn)) + theta[3..6];
        if (input.IsSimple) return a[6] - Gather(positions, input.Data.Correspondences);
        Expr Corner(int k) => Gather(positions, input.Data.Correspondences.Select(t => model.Triangles[t][k]).ToArray());
        var (u, v) = (us[.., ..1], us[.., 1..]);
        return a[6] - (u * Corner(0) + v * Corner(1) + (1 - u - v) * Corner(2));
    }

    // The errors of a point depend on its own two coordinates and on the pose.
    private static Expr Columns(Input input, Expr[] a)
    {
        var errors = Errors(input, a);
        var byPose = Jacobian(errors, a[0], JacobianMode.Columns);
        return Reshape(input.IsSimple ? byPose : Concat(2, BatchJacobian(errors, a[1]), byPose), errors.Shape.Length, -1);
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
