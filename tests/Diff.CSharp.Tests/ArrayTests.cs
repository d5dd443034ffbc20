using System.Numerics.Tensors;
using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Arrays, spans and tensors go in and out without copies where the platform allows it.</summary>
public class ArrayTests
{
    [Fact]
    public void A_vector_is_used_in_place()
    {
        double[] numbers = [1, 2, 3];
        var x = Variable(numbers);
        numbers[1] = 20;
        Assert.Equal(24, Sum(x).Item());
        x.Value.Span<double>()[0] = 100;
        Assert.Equal(100, numbers[0]);
    }

    [Fact]
    public void A_rectangular_array_is_used_in_place()
    {
        var numbers = new float[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } };
        var x = Variable(numbers);
        numbers[2, 1] = 60;
        Assert.Equal(new Shape([3, 2]), x.Shape);
        Assert.Equal(DType.Float32, x.DType);
        Assert.Equal([9, 66], Sum(x, 0).Eval().ToArray<float>());
    }

    [Fact]
    public void A_dense_tensor_is_used_in_place_and_comes_back_as_itself()
    {
        var tensor = Tensor.Create([1.0, 2, 3, 4, 5, 6], [2, 3]);
        var array = NDArray.OfTensor(tensor);
        tensor[1, 2] = 60;
        Assert.Equal([1, 2, 3, 4, 5, 60], array.ToArray<double>());
        array.Span<double>()[0] = 10;
        Assert.Equal(10, tensor[0, 0]);
        Assert.Same(tensor, array.ToTensor<double>());
        Assert.Equal(84, Sum(Variable(tensor, "t")).Item());
    }

    [Fact]
    public void A_part_of_a_tensor_keeps_its_order()
    {
        var tensor = Tensor.Create([1.0, 2, 3, 4, 5, 6], [2, 3]);
        var part = NDArray.OfTensor(tensor.Slice(..2, 1..3));
        Assert.Equal(new Shape([2, 2]), part.Shape);
        Assert.Equal([2, 3, 5, 6], part.ToArray<double>());
    }

    [Fact]
    public void A_result_is_a_tensor_without_a_copy()
    {
        var array = (2 * Variable(new double[,] { { 1, 2 }, { 3, 4 } })).Eval();
        var tensor = array.ToTensor<double>();
        Assert.Equal([2, 2], tensor.Lengths.ToArray());
        tensor[1, 0] = -1;
        Assert.Equal([2, 4, -1, 8], array.ToArray<double>());
    }

    [Fact]
    public void Memory_within_a_larger_array_is_used_in_place()
    {
        var numbers = Enumerable.Range(0, 10).Select(i => (double)i).ToArray();
        var array = NDArray.Create(numbers.AsMemory(2, 6), new Shape([2, 3]));
        numbers[2] = 200;
        Assert.Equal([200, 3, 4, 5, 6, 7], array.ToTensor<double>().ToArray());
        Assert.Equal(6, array.ToTensor<double>()[1, 1]);
    }

    [Fact]
    public void A_scalar_becomes_a_tensor_of_one_element() =>
        Assert.Equal([7.0], Variable(7.0).Eval<double>().ToArray());

    [Fact]
    public void A_span_is_copied()
    {
        Span<float> numbers = [1, 2, 3, 4];
        var x = Variable((ReadOnlySpan<float>)numbers, new Shape([2, 2]), "x");
        numbers[0] = 100;
        Assert.Equal([1, 2, 3, 4], x.Value.ToArray<float>());
    }

    [Fact]
    public void The_element_type_asked_for_is_the_one_given()
    {
        Assert.Equal(DType.Float32, Variable(3f).DType);
        Assert.Equal(DType.Int32, Variable(3).DType);
        Assert.Equal(DType.Float64, Variable(3.0).DType);
        Assert.Equal(DType.Float32, (Variable(3f) * 2.5 + 1).DType);
        Assert.Equal(DType.Int64, (Variable(new long[] { 1 }) + 1).DType);
        Assert.Equal(
            "NDArray: its elements are float64, asked for float32",
            Assert.Throws<DTypeException>(() => Variable(3.0).Eval<float>()).WithoutLine());
    }

    [Fact]
    public void Slices_take_ranges_indices_steps_new_axes_and_ellipses()
    {
        var x = Variable(Enumerable.Range(0, 24).Select(i => (double)i).ToArray(), new Shape([2, 3, 4]));
        Assert.Equal([12, 13, 14, 15], x[1, 0].Eval().ToArray<double>());
        Assert.Equal([3, 7, 11, 15, 19, 23], x[Slice.Ellipsis, ^1].Eval().ToArray<double>());
        Assert.Equal(new Shape([2, 1, 3, 2]), x[.., Slice.NewAxis, .., 1..3].Shape);
        Assert.Equal([8, 4, 0], x[0, Slice.Every(-1), 0].Eval().ToArray<double>());
        Assert.Equal([23], x[^1, ^1, ^1].Eval().ToArray<double>());
        Assert.Equal(new Shape([2, 0, 4]), x[.., 3..].Shape);
    }

    [Fact]
    public void The_derivative_of_a_slice_has_every_order()
    {
        var x = Variable(new double[] { 0, 1 });
        var y = Sum(Exp(x[..1]));
        Assert.Equal([1, 0], Grad(Sum(Grad(y, x)), x).Eval().ToArray<double>());
    }
}
