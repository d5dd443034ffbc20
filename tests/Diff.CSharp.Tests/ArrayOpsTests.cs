using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Operations along axes, patterns, names and transforms as a C# program writes them.</summary>
public class ArrayOpsTests
{
    private static double[] Of(Expr x) => x.Eval().ToArray<double>();

    private static Expr Example => Variable(new double[,] { { 3, 1, 2 }, { 6, 5, 4 } });

    [Fact]
    public void Running_values_along_axes()
    {
        var x = Variable(new double[] { 1, 2, 3, 4 });
        Assert.Equal([1, 3, 6, 10], Of(CumSum(x)));
        Assert.Equal([9, 7, 4, 0], Of(CumSum(x, reverse: true, exclusive: true)));
        Assert.Equal([1, 2, 6, 24], Of(CumProd(x)));
        Assert.Equal([1, 2, 3, 4], Of(CumMax(x)));
        Assert.Equal([1, 1, 1, 1], Of(CumMin(x)));
        Assert.Equal(Math.Log(Math.Exp(1) + Math.Exp(2)), Of(CumLogSumExp(x))[1], 1e-15);
        Assert.Equal([1, 2.5, 4.25, 6.125], Of(LinearRecurrence(0.5, x)));
        Assert.Equal([5, 4.5, 5.25, 6.625], Of(LinearRecurrenceFrom(8.0, 0.5, x)));
        Assert.Equal([1, 1.5, 2.25, 3.125], Of(ExponentialMovingAverage(x, 0.5)));
        Assert.Equal([0, 0], Of(Differences(x, order: 2)));
    }

    [Fact]
    public void Matrices_by_their_elements_turns_trees_and_batches()
    {
        var t = Variable(new double[] { 0, Math.PI / 2 });
        Assert.Equal([1, 0, 0, 1, 0, -1, 1, 0], Of(Matrix([Cos(t), -Sin(t)], [Sin(t), Cos(t)])).Select(x => Math.Round(x, 12)));
        Assert.Equal(DType.Float32, Matrix([Variable(2f), 1]).DType);
        Assert.Throws<ArgumentNullException>(() => Matrix([t, null!]));
        Assert.Equal([0, -1, 0, 1, 0, 0, 0, 0, 1], Of(RotationMatrix(Variable(new[] { 0, 0, Math.PI / 2 }))).Select(x => Math.Round(x, 12)));
        var x = Variable(new double[] { 1, 2, 3, 4 });
        Assert.Equal([4, 2, 4], Of(Gather(x, [3, 1, -1])));
        Assert.Throws<IndexOutOfRangeException>(() => Gather(x, [4]));
        // 0 and 3 are roots; 2 is below 1, which is below 0.
        Assert.Equal([1, 3, 6, 4], Of(ScanTree([-1, 0, 1, -1], (above, own) => above + own, x)));
        Assert.Throws<ArgumentException>(() => ScanTree([-1, 2, 1, 0], (above, own) => above + own, x));
        Assert.Equal([2, 4, 6, 8], Of(BatchJacobian(Square(x), x)));
    }

    [Fact]
    public void Order_and_elements_by_index()
    {
        var x = Example;
        Assert.Equal([1, 2, 3, 4, 5, 6], Of(Sort(x)));
        Assert.Equal([6, 5, 4, 3, 1, 2], Of(Sort(x, axis: 0, descending: true)));
        Assert.Equal([1L, 2, 0, 2, 1, 0], ArgSort(x).Eval().ToArray<long>());
        var (values, places) = TopK(x, 2);
        Assert.Equal([3, 2, 6, 5], Of(values));
        Assert.Equal([0L, 2, 0, 1], places.Eval().ToArray<long>());
        Assert.Equal([1, 4], Of(TopK(x, 1, smallest: true).Values));
        Assert.Equal([3, 2, 6, 5], Of(TakeAlong(x, places)));
        Assert.Equal([4, 1, 3, 7, 6, 4], Of(AddAlong(x, places, 1.0)));
        Assert.Equal([2, 5], Of(Median(x)));
        Assert.Equal([1.5, 4.5], Of(Quantile(x, 0.25)));
        Assert.Equal([1, 4, 3, 6], Of(Quantiles(x, [0, 1])));
        var ascending = Variable(new double[] { 1, 3, 3 });
        Assert.Equal([1L, 0, 1, 3, 3, 3], SearchSorted(ascending, x).Eval().ToArray<long>());
        Assert.Equal([3L, 1, 1, 3, 3, 3], SearchSorted(ascending, x, right: true).Eval().ToArray<long>());
    }

    [Fact]
    public void Parts_are_moved_and_replaced()
    {
        var x = Example;
        Assert.Equal([4, 5, 6, 2, 1, 3], Of(Flip(x)));
        Assert.Equal([2, 3, 1, 4, 6, 5], Of(Roll(x, 1)));
        Assert.Equal(new Shape([4, 3]), Tile(x, 2, 1).Shape);
        Assert.Equal([3, 3, 1, 1, 2, 2, 6, 6, 5, 5, 4, 4], Of(RepeatElements(x, 2)));
        Assert.Equal([3, 6, 1, 5, 2, 4], Of(SwapAxes(x, 0, 1)));
        Assert.Equal([3, 6, 1, 5, 2, 4], Of(MoveAxis(x, 0, 1)));
        Assert.Equal(new Shape([2, 3]), Squeeze(ExpandDims(x, 0)).Shape);
        Assert.Equal(new Shape([6]), Flatten(x).Shape);
        Assert.Equal([1, 3, 1, 2, 1, 5, 6, 5, 4, 5], Of(Pad(x, [(0, 0), (1, 1)], PadMode.Reflect)));
        Assert.Equal([3, 0, 0, 6, 5, 4], Of(SetAt(x, 0.0, 0, 1..)));
        Assert.Equal([3, 1, 2, 7, 6, 5], Of(AddAt(x, 1.0, ^1)));
        Assert.Equal([9, 1, 2, 36, 5, 4], Of(UpdateAt(x, part => part * part, .., 0)));
    }

    [Fact]
    public void Grids_triangles_and_products()
    {
        foreach (var line in new[] { Linspace(0, 0.7, 4), Linspace(0, 0.7, 4, "x"), Linspace(0, 0.7, 4, DType.Float64) })
        {
            Assert.Equal(0.7, Of(line)[3]); // exactly
            Assert.Equal([1, 1, 1, 1], Of(Grad(line, line))); // each is a variable
        }
        Assert.Equal(0.7f, Linspace(0, 0.7, 4, DType.Float32, "y").Eval().ToArray<float>()[3]);
        Assert.Equal([3], Of(Linspace(3, 5, 1)));
        Assert.Equal([0, 2, 4], Arange(0, 5, 2, DType.Int32).Eval().ToArray<int>());
        Assert.Equal([0, 1, 0, 1], Of(MeshGrid(Arange(3, 5), Arange(0, 2))[1]));
        Assert.Equal([1, 0, 0, 1], Of(Eye(2)));
        Assert.Equal([true, false, true, true], LowerTriangle(2, 2).Eval().ToArray<bool>());
        Assert.Equal([3, 0, 0, 6, 5, 0], Of(Tril(Example)));
        Assert.Equal([0, 1, 2, 0, 0, 4], Of(Triu(Example, 1)));
        Assert.Equal([3, 5], Of(Diagonal(Example)));
        Assert.Equal(8, Trace(Example).Item());
        Assert.Equal([0, 7, 0, 0], Of(DiagonalEmbed(Variable(new double[] { 7 }), 1)));
        var v = Variable(new double[] { 1, 2 });
        Assert.Equal([1, 2, 2, 4], Of(Outer(v, v)));
        Assert.Equal([1, 2, 2, 4], Of(Kron(v, v)));
        Assert.Equal([15, 11, 10], Of(TensorDot(v, Example, [0], [0])));
    }

    [Fact]
    public void Patterns_and_names()
    {
        var x = Example;
        Assert.Equal([3, 6, 1, 5, 2, 4], Of(Rearrange(x, "a b -> b a")));
        Assert.Equal(new Shape([2, 3, 1]), Rearrange(Flatten(x), "(a b) -> a b 1", ("a", 2)).Shape);
        Assert.Equal([6, 15], Of(Reduce(x, Aggregate.Sum, "a b -> a")));
        Assert.Equal(new Shape([2, 9]), Repeat(x, "a b -> a (b n)", ("n", 3)).Shape);
        var error = Assert.Throws<ShapeException>(() => Rearrange(x, "a b -> a c"));
        Assert.Contains("'c'", error.Message, StringComparison.Ordinal);

        var named = WithNames(x, "row", "column");
        var weights = WithNames(Variable(new double[] { 1, 0, 2 }), "column");
        Assert.Equal([3, 0, 4, 6, 0, 8], Of((named * weights).Expr));
        Assert.Equal([7, 14], Of(NamedExpr.Contract(["column"], named, weights).Expr));
        Assert.Equal([3, 6, 1, 5, 2, 4], Of(named.Unwrap("column", "row")));
        Assert.Equal([3, 4, 6, 6, 11, 15], Of(named.Along("column", (e, axis) => CumSum(e, axis)).Expr));
        var misfit = Assert.Throws<ShapeException>(() => named + WithNames(Variable(new double[] { 1, 2 }), "column"));
        Assert.Contains("'column' is 3 in float64(row 2, column 3), but 2 in float64(column 2)", misfit.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Transforms()
    {
        var x = Variable(new double[] { 1, 2, 3, 4 });
        var z = Fft(Complex(x, 0.0));
        Assert.Equal([10, 0, -2, 2, -2, 0, -2, -2], Of(z));
        Assert.Equal([1, 2, 3, 4], Of(RealPart(InverseFft(z))));
        Assert.Equal([0, 0, 0, 0], Of(ImaginaryPart(InverseFft(z))));
        Assert.Equal([10, 0, -2, 2, -2, 0], Of(RealFft(x)));
        Assert.Equal([1, 2, 3, 4], Of(InverseRealFft(RealFft(x), 4)));
        Assert.Equal([100, 8, 4, 8], Of(SquaredMagnitude(z)));
        Assert.Equal(Of(Conjugate(z)), Of(Fft(Complex(x, 0.0))).Select((v, i) => i % 2 == 0 ? v : -v));
        Assert.Equal([100, 0, 0, -8, 4, 0, 0, 8], Of(ComplexMultiply(z, z)));
        Assert.Equal([0, 0.25, -0.5, -0.25], Of(FftFrequencies(4)));
        var convolved = Of(FftConvolve(x, Variable(new double[] { 1, -1 })));
        double[] expected = [1, 1, 1, 1, -4];
        for (int i = 0; i < 5; i++) Assert.Equal(expected[i], convolved[i], 1e-14);
    }
}
