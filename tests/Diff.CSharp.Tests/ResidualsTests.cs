using System.Numerics;
using Xunit;

namespace Diff.Tests;

/// <summary>Many small functions of blocks of one vector, their sparse Jacobian, and turns in space.</summary>
public class ResidualsTests
{
    // Where a pose (turn, place) sees a point, less what was seen, and a weight.
    private readonly struct Sight(double x, double y, double z) : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> a, Span<T> error) where T : IFloatingPointIeee754<T>
        {
            var seen = Rotation.Rotate(a[..3], a[6] - a[3], a[7] - a[4], a[8] - a[5]);
            error[0] = seen.X - T.CreateChecked(x);
            error[1] = seen.Y - T.CreateChecked(y);
            error[2] = seen.Z - T.CreateChecked(z);
        }
    }

    private readonly struct Product : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> x, Span<T> y) where T : IFloatingPointIeee754<T>
        {
            var product = T.One;
            foreach (var e in x) product *= T.Sin(e);
            for (var k = 0; k < y.Length; k++) y[k] = product * T.CreateChecked(k + 1) + x[k % x.Length] * x[0];
        }
    }

    private static double[] Point(int n) => [.. Enumerable.Range(0, n).Select(i => 1.5 + Math.Sin(3 * i + 1))];

    [Fact]
    public void Jacobian_is_that_of_each_function_at_its_blocks()
    {
        var residuals = new Residuals(12)
            .Add(2, [2, 3], new Product[3], [0, 2, 5, 9, 9, 1]) // the last two in another order than the vector's
            .Add(1, [1], new Product[2], [11, 4])
            .Add(3, [12], new Product[1], [0])
            .Add(2, [0, 1], new Product[1], [12, 3]);
        var x = Point(12);
        var (values, alone) = (new double[residuals.Results], new double[residuals.Results]);
        var jacobian = residuals.Jacobian(x, values);
        residuals.Evaluate(x, alone);
        Assert.Equal((13, 12, 3 * 2 * 5 + 2 + 36 + 2), (residuals.Results, residuals.Arguments, residuals.Elements));
        Assert.Equal(alone, values);
        Assert.Equal([0, 5, 10, 15, 20, 25, 30, 31, 32, 44, 56, 68, 69, 70], jacobian.RowPointers.ToArray());
        Assert.Equal([0, 1, 2, 3, 4, 0, 1, 2, 3, 4], jacobian.ColumnIndices[..10].ToArray());
        Assert.Equal([1, 2, 3, 9, 10, 1, 2, 3, 9, 10], jacobian.ColumnIndices[20..30].ToArray());
        var dense = jacobian.ToDense();
        var h = 1e-6;
        for (var j = 0; j < 12; j++)
        {
            var (up, down) = (new double[values.Length], new double[values.Length]);
            double Moved(double by, double[] into)
            {
                var moved = (double[])x.Clone();
                moved[j] += by;
                residuals.Evaluate(moved, into);
                return moved[j];
            }
            var width = Moved(h, up) - Moved(-h, down);
            for (var i = 0; i < values.Length; i++) Assert.Equal((up[i] - down[i]) / width, dense[i, j], 1e-8);
        }
    }

    [Fact]
    public void Products_with_the_matrix_and_its_transpose()
    {
        var residuals = new Residuals(5).Add(2, [1, 2], new Product[2], [4, 0, 1, 3]);
        var jacobian = residuals.Jacobian(Point(5), new double[4]);
        var dense = jacobian.ToDense();
        var (x, y) = (new double[] { 1, -2, 3, 0.5, 4 }, new double[4]);
        jacobian.Multiply(x, y);
        for (var i = 0; i < 4; i++) Assert.Equal(Enumerable.Range(0, 5).Sum(j => dense[i, j] * x[j]), y[i], 1e-13);
        jacobian.MultiplyTransposed(y, x);
        for (var j = 0; j < 5; j++) Assert.Equal(Enumerable.Range(0, 4).Sum(i => dense[i, j] * y[i]), x[j], 1e-13);
    }

    [Fact]
    public void A_matrix_is_written_whole_and_nothing_is_allocated()
    {
        var residuals = new Residuals(300).Add(2, [2, 1], new Product[100], [.. Enumerable.Range(0, 100).SelectMany(o => (int[])[2 * o, 299 - o])]);
        var (x, values) = (Point(300), new double[200]);
        var expected = residuals.Jacobian(x, values);
        var jacobian = new CsrMatrix(200, 300, 600);
        jacobian.Values.Fill(double.NaN);
        jacobian.ColumnIndices.Fill(7);
        residuals.Jacobian(x, values, jacobian);
        Assert.Equal(expected.Values.ToArray(), jacobian.Values.ToArray());
        Assert.Equal(expected.ColumnIndices.ToArray(), jacobian.ColumnIndices.ToArray());
        Assert.Equal(expected.RowPointers.ToArray(), jacobian.RowPointers.ToArray());
        var before = GC.GetAllocatedBytesForCurrentThread();
        residuals.Jacobian(x, values, jacobian);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Steps_of_Gauss_and_Newton_find_poses_and_points()
    {
        const int Poses = 4, Points = 12, Pose = 6;
        var truth = Point(Pose * Poses + 3 * Points);
        var pairs = (from pose in Enumerable.Range(0, Poses) from point in Enumerable.Range(0, Points) select (pose, point)).ToArray();
        int[] starts = [.. pairs.SelectMany(s => (int[])[Pose * s.pose, Pose * Poses + 3 * s.point])];
        var seen = new double[3 * pairs.Length];
        new Residuals(truth.Length).Add(3, [Pose, 3], new Sight[pairs.Length], starts).Evaluate(truth, seen);
        // The first pose is known; the others follow from it.
        var residuals = new Residuals(truth.Length)
            .Add(3, [Pose, 3], [.. pairs.Select((_, o) => new Sight(seen[3 * o], seen[3 * o + 1], seen[3 * o + 2]))], starts)
            .Add(Pose, [Pose], [new Pinned(truth[..Pose])], [0]);
        double[] x = [.. truth.Select((e, i) => e + 0.05 * Math.Sin(7 * i))];
        var e = new double[residuals.Results];
        var jacobian = new CsrMatrix(residuals.Results, residuals.Arguments, residuals.Elements);
        for (var step = 0; step < 12; step++)
        {
            residuals.Jacobian(x, e, jacobian);
            var (gradient, product) = (new double[x.Length], new double[e.Length]);
            jacobian.MultiplyTransposed(e, gradient);
            var found = Krylov.ConjugateGradient(
                (v, into) =>
                {
                    jacobian.Multiply(v, product);
                    jacobian.MultiplyTransposed(product, into);
                },
                gradient);
            for (var i = 0; i < x.Length; i++) x[i] -= found.X[i];
        }
        for (var i = 0; i < x.Length; i++) Assert.Equal(truth[i], x[i], 1e-9);
    }

    private readonly struct Pinned(double[] at) : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> x, Span<T> y) where T : IFloatingPointIeee754<T>
        {
            for (var i = 0; i < x.Length; i++) y[i] = x[i] - T.CreateChecked(at[i]);
        }
    }

    [Fact]
    public void Blocks_that_do_not_fit_are_refused()
    {
        var residuals = new Residuals(5);
        void Refused(string words, int[] lengths, int[] starts) =>
            Assert.Contains(words, Assert.Throws<ArgumentException>(() => residuals.Add(1, lengths, new Product[1], starts)).Message, StringComparison.Ordinal);
        Refused("expected starts of 2 numbers, got 1", [1, 1], [0]);
        Refused("block 1 of function 0, 4 to 6, is outside the 5 arguments", [1, 2], [0, 4]);
        Refused("-1 to 1", [2], [-1]);
        Refused("blocks 0 and 1 of function 0 overlap, at 2 and 1", [1, 2], [2, 1]);
        Refused("lengths", [-1], [0]);
        Assert.Throws<ArgumentOutOfRangeException>(() => residuals.Add(-1, [1], new Product[1], [0]));
        Assert.Throws<ArgumentNullException>(() => residuals.Add(1, [1], (Product[])null!, [0]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new Residuals(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new CsrMatrix(2, 3, 7));
        Assert.Equal((0, 0), (residuals.Results, residuals.Elements));
        residuals.Add(1, [2], new Product[1], [3]);
        Assert.Contains("expected x of 5", Assert.Throws<ArgumentException>(() => residuals.Evaluate(new double[4], new double[1])).Message, StringComparison.Ordinal);
        Assert.Contains("expected values of 1", Assert.Throws<ArgumentException>(() => residuals.Jacobian(new double[5], new double[2])).Message, StringComparison.Ordinal);
        var wrong = Assert.Throws<ArgumentException>(() => residuals.Jacobian(new double[5], new double[1], new CsrMatrix(1, 5, 3)));
        Assert.Contains("1 rows, 5 columns and 2 elements, got 1, 5 and 3", wrong.Message, StringComparison.Ordinal);
    }

    private static (T, T, T) Turned<T>(T[] r) where T : IFloatingPointIeee754<T> =>
        Rotation.Rotate<T>(r, T.CreateChecked(0.3), T.CreateChecked(-2), T.CreateChecked(1.1));

    [Theory]
    [InlineData(0, 0, 0)]
    [InlineData(1e-9, -2e-9, 1e-10)]
    [InlineData(0.3, -0.4, 0.85)]
    [InlineData(0.3, -0.4, 0.87)]
    [InlineData(-2, 1, 4)]
    public void A_turn_agrees_with_the_matrix_and_its_derivatives_of_two_orders(double a, double b, double c)
    {
        var r = Ops.Variable(new[] { a, b, c });
        var p = Ops.MatMul(Ops.RotationMatrix(r), Ops.Constant(new[] { 0.3, -2, 1.1 }));
        var (x, y, z) = Turned([a, b, c]);
        Near(p, [x, y, z]);
        // Along one direction, twice.
        double[] v = [0.7, -0.2, 0.5];
        var direction = Ops.Constant(v);
        var first = Ops.Jvp(p, [r], [direction]);
        var (dx, dy, dz) = Turned([.. new[] { a, b, c }.Select((e, i) => new Dual<Dual<double>>(new(e, v[i]), new(v[i], 0)))]);
        Near(first, [dx.Tangent.Value, dy.Tangent.Value, dz.Tangent.Value]);
        Near(Ops.Jvp(first, [r], [direction]), [dx.Tangent.Tangent, dy.Tangent.Tangent, dz.Tangent.Tangent]);
        Assert.Equal(0.09 + 4 + 1.21, x * x + y * y + z * z, 1e-14);
    }

    private static void Near(Expr expected, double[] actual)
    {
        var values = expected.Eval().ToArray<double>();
        for (var i = 0; i < 3; i++) Assert.Equal(values[i], actual[i], 1e-13);
    }

    [Fact]
    public void No_turn_has_the_cross_product_as_derivative()
    {
        var gradient = new double[3];
        Differentiate.ValueAndGradient((ReadOnlySpan<Var<double>> r) => Rotation.Rotate(r, 0.3, -2.0, 1.1).X, [0.0, 0, 0], gradient);
        Assert.Equal([0, 1.1, 2], gradient);
        Assert.Throws<ArgumentException>(() => Rotation.Rotate<double>([1, 2], 1, 2, 3));
    }
}
