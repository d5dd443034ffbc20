using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Convolution and pooling as C# calls them; what they compute the core's tests compare with loops.</summary>
public class ConvolutionTests
{
    private static Expr Array(params int[] shape)
    {
        var values = new double[new Shape(shape).Length];
        for (var i = 0; i < values.Length; i++) values[i] = Math.Sin(1 + i);
        return Variable(values, new Shape(shape));
    }

    private static void Same(Expr expected, Expr actual)
    {
        Assert.Equal(expected.Shape, actual.Shape);
        foreach (var (x, y) in expected.Eval().ToArray<double>().Zip(actual.Eval().ToArray<double>())) Assert.Equal(x, y, 1e-12);
    }

    [Fact]
    public void Windows_and_their_transpose()
    {
        var x = Variable(new double[] { 1, 2, 3, 4, 5 });
        Assert.Equal([1, 3, 2, 4, 3, 5], Unfold(x, 0, 2, dilation: 2).Eval().ToArray<double>());
        Assert.Equal([1, 2, 3], Fold(Unfold(x[..3], 0, 1), 0, 3).Eval().ToArray<double>());
        Assert.Equal([1, 2, 2 * 3, 4, 5], Fold(Unfold(x, 0, 3, 2), 0, 5, 2).Eval().ToArray<double>());
    }

    [Fact]
    public void Numbers_for_all_axes_or_for_each()
    {
        var (x, w) = (Array(2, 4, 7, 8), Array(6, 2, 3, 2));
        Same(Conv2d(x, w, (2, 2), Padding.Around(1, 1), (1, 1), 2), Conv2d(x, w, 2, 1, 1, groups: 2));
        Same(Conv2d(x, w, new[] { 2, 1 }, Padding.Each((1, 1), (0, 2)), groups: 2)[.., .., .., ^1],
            Conv2d(x, w, (2, 1), Padding.Each((1, 1), (0, 2)), groups: 2)[.., .., .., 8]);
        Assert.Equal(new Shape([2, 6, 7, 8]), Conv2d(x, w, padding: Padding.Same, groups: 2).Shape);
        Assert.Equal(new Shape([1, 1, 3, 4, 2]), Conv3d(Array(1, 1, 5, 5, 5), Array(1, 1, 3, 2, 2), (1, 1, 3)).Shape);
    }

    [Fact]
    public void One_axis_is_two_of_which_one_is_short()
    {
        var (x, w) = (Array(2, 3, 9), Array(4, 3, 3));
        Same(Reshape(Conv2d(Reshape(x, 2, 3, 9, 1), Reshape(w, 4, 3, 3, 1), (2, 1)), 2, 4, 4), Conv1d(x, w, 2));
        Same(Reshape(MaxPool2d(Reshape(x, 2, 3, 9, 1), (3, 1), (2, 1)), 2, 3, 4), MaxPool1d(x, 3, 2));
        Same(Reshape(AvgPool3d(Reshape(x, 2, 3, 9, 1, 1), (3, 1, 1), (2, 1, 1)), 2, 3, 4), AvgPool1d(x, 3, 2));
        Same(Reshape(AvgPool2d(Reshape(x, 2, 3, 9, 1), (3, 1)), 2, 3, 3), AvgPool1d(x, 3));
        Same(Reshape(MaxPool3d(Reshape(x, 2, 3, 9, 1, 1), (3, 1, 1), 1, Padding.Each((1, 1), (0, 0), (0, 0)), 1), 2, 3, 9),
            MaxPool1d(x, 3, 1, Padding.Same));
    }

    [Fact]
    public void A_transposed_convolution_is_the_derivative_by_the_array()
    {
        var (x, w) = (Array(1, 2, 6, 5), Array(3, 2, 3, 3));
        var y = Conv2d(x, w, 2, 1);
        var g = Array(1, 3, 3, 3);
        Same(Vjp(y, g, x)[0], ConvTranspose2d(g, w, 2, 1, (1, 0)));
        Same(ConvTranspose2d(g, w)[.., .., 0], ConvTranspose3d(Reshape(g, 1, 3, 3, 1, 3), Reshape(w, 3, 2, 3, 1, 3))[.., .., 0, 0]);
        Assert.Equal(new Shape([1, 2, 7]), ConvTranspose1d(Array(1, 3, 3), Array(3, 2, 3), 2).Shape);
    }

    [Fact]
    public void Layers_have_the_parameters_and_the_value_of_their_functions()
    {
        var layer = new Conv2d(4, 6, (3, 2), 2, 1, groups: 2, random: new Random(1), dtype: DType.Float64);
        Assert.Equal(["weight", "bias"], layer.NamedParameters().Select(p => p.Path));
        Assert.Equal(new Shape([6, 2, 3, 2]), layer.Weight.Shape);
        layer.Bias!.Assign(new double[] { 1, 2, 3, 4, 5, 6 });
        var x = Array(2, 4, 5, 5);
        Same(Conv2d(x, layer.Weight, 2, 1, groups: 2) + Reshape(Variable(new double[] { 1, 2, 3, 4, 5, 6 }), 6, 1, 1), layer.Call(x));
        Assert.Null(new Conv2d(1, 1, 3, bias: false).Bias);
        Same(MaxPool2d(x, 2, 1), new MaxPool2d(2, 1).Call(x));
        Same(AvgPool2d(x, (2, 3), padding: 1), new AvgPool2d((2, 3), padding: 1).Call(x));
        Same(Reshape(x, 2, 100), new Flatten().Call(x));
        Assert.Equal(new Shape([0, 100]), new Flatten().Call(Zeros(new Shape([0, 4, 5, 5]))).Shape);
    }

    [Fact]
    public void Weights_have_the_variance_that_their_fan_in_asks_for()
    {
        var weight = new Conv2d(32, 64, 3, random: new Random(1)).Weight.Value.Span<float>().ToArray();
        Assert.Equal(1.0 / (32 * 9), weight.Select(w => (double)w * w).Average(), 1.0 / (32 * 9) * 0.05);
    }

    [Fact]
    public void A_small_network_learns_which_way_stripes_run()
    {
        var random = new Random(1);
        var model = new Sequential(
            new Conv2d(1, 4, 3, padding: 1, random: random), new Relu(), new MaxPool2d(2), new Conv2d(4, 4, 3, random: random), new Relu(),
            new Flatten(), new Linear(16, 2, random: random));
        var step = TrainingStep.Compile(model, (inputs, labels) => CrossEntropy(model.Call(inputs), labels), Optimizer.Adam(0.01));
        var (images, ways) = (new float[32 * 64], new int[32]);
        for (var n = 0; n < 32; n++)
        {
            ways[n] = random.Next(2);
            var phase = random.Next(4);
            for (var i = 0; i < 64; i++) images[n * 64 + i] = ((ways[n] == 0 ? i / 8 : i % 8) + phase) % 4 < 2 ? 1 : 0;
        }
        var (x, y) = (NDArray.Create(images, new Shape([32, 1, 8, 8])), NDArray.Create(ways, new Shape([32])));
        for (var i = 0; i < 100; i++) step.Run(x, y);
        Assert.InRange(step.Run(x, y), 0, 0.05);
    }

    [Fact]
    public void Mistakes_say_which_function_and_what_to_give()
    {
        static void Says(string message, Func<object> action) => Assert.Equal(message, Assert.Throws<ShapeException>(action).WithoutLine());
        Says("conv2d: expected an array of axes [batch, channels, 2 spatial], got shape (2, 3, 4)", () => Conv2d(Array(2, 3, 4), Array(1, 3, 2)));
        Says("max_pool1d: expected one stride or 1, one for each spatial axis, got 2", () => MaxPool1d(Array(2, 3, 4), 2, (1, 1)));
        Says("Conv2d: 3 groups do not divide 4 and 6 channels", () => new Conv2d(4, 6, 3, groups: 3));
        Says("Conv2d: expected the size of a window of two axes, got 3 numbers", () => new Conv2d(4, 6, (3, 3, 3)));
        Says("Flatten: expected an array of shape [batch, ...], got a scalar", () => new Flatten().Call(1.0));
    }
}
