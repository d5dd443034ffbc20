using System.Numerics.Tensors;

namespace Diff;

/// <summary>The operations: <c>using static Diff.Ops;</c> brings them all.</summary>
/// <remarks>Axes count from 0, negative ones from the end; no axes means all of them. Operands broadcast from the last axis.</remarks>
public static partial class Ops
{
    /// <summary>A leaf that holds a float64 scalar; <see cref="ExprExtensions.Assign(Expr, NDArray)"/> gives it another value.</summary>
    /// <param name="value">The value.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Variable(double value, string name = "") => Leaf.make(Given(name), value);

    /// <summary>A leaf that holds a float32 scalar.</summary>
    /// <param name="value">The value.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Variable(float value, string name = "") => Leaf.make(Given(name), value);

    /// <summary>A leaf that holds an int32 scalar.</summary>
    /// <param name="value">The value.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Variable(int value, string name = "") => Leaf.make(Given(name), value);

    /// <summary>A leaf over an array's memory, without a copy: from <c>double[]</c>, <c>float[,]</c>, <c>Tensor&lt;T&gt;</c> and the like.</summary>
    /// <param name="value">The numbers and their shape.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Variable(NDArray value, string name = "") => Leaf.make(Given(name), Given(value));

    /// <summary>A leaf over a tensor's memory, without a copy if the tensor is dense.</summary>
    /// <typeparam name="T">double, float, int, long or bool.</typeparam>
    /// <param name="value">The tensor.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Variable<T>(Tensor<T> value, string name = "") where T : unmanaged => Leaf.make(Given(name), NDArray.OfTensor(Given(value)));

    /// <summary>A leaf with a copy of some numbers.</summary>
    /// <typeparam name="T">double, float, int, long or bool.</typeparam>
    /// <param name="values">The numbers in row-major order.</param>
    /// <param name="shape">The shape; as many elements as there are numbers.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    /// <exception cref="ShapeException">The shape has another number of elements.</exception>
    public static Expr Variable<T>(ReadOnlySpan<T> values, Shape shape, string name = "") where T : unmanaged =>
        Leaf.make(Given(name), NDArray.Create(values.ToArray(), Given(shape)));

    /// <summary>A leaf over the caller's array, without a copy.</summary>
    /// <typeparam name="T">double, float, int, long or bool.</typeparam>
    /// <param name="values">The numbers in row-major order.</param>
    /// <param name="shape">The shape; as many elements as there are numbers.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    /// <exception cref="ShapeException">The shape has another number of elements.</exception>
    public static Expr Variable<T>(T[] values, Shape shape, string name = "") where T : unmanaged =>
        Leaf.make(Given(name), NDArray.Create(Given(values), Given(shape)));

    /// <summary>A leaf without a value: an input that a function is traced with.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="dtype">The element type.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Input(Shape shape, DType dtype = DType.Float64, string name = "") => Leaf.input(Given(name), Given(shape), dtype);

    /// <summary>The numbers of an array, as a constant.</summary>
    /// <param name="value">The numbers and their shape.</param>
    public static Expr Constant(NDArray value) => Leaf.literal(Given(value).Clone());

    /// <summary>One number at every index.</summary>
    /// <param name="value">The number.</param>
    /// <param name="shape">The shape.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr Full(double value, Shape shape, DType dtype = DType.Float64) => Expr.Full(value, Given(shape), dtype);

    /// <summary>Zeros.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr Zeros(Shape shape, DType dtype = DType.Float64) => Expr.Full(0, Given(shape), dtype);

    /// <summary>Ones.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr Ones(Shape shape, DType dtype = DType.Float64) => Expr.Full(1, Given(shape), dtype);

    /// <summary>Zeros of the shape and element type of another expression.</summary>
    /// <param name="x">The other expression.</param>
    public static Expr ZerosLike(Expr x) => Expr.Full(0, Given(x).Shape, x.DType);

    /// <summary>Ones of the shape and element type of another expression.</summary>
    /// <param name="x">The other expression.</param>
    public static Expr OnesLike(Expr x) => Expr.Full(1, Given(x).Shape, x.DType);

    /// <summary>0, 1, 2 … n − 1.</summary>
    /// <param name="count">How many.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr Range(int count, DType dtype = DType.Float64) => Leaf.iota(new Shape([count]), 0, dtype);

    /// <summary>Numbers from first to last at equal distances, both included, as a float64 variable.</summary>
    /// <param name="first">The first number.</param>
    /// <param name="last">The last number.</param>
    /// <param name="count">How many; one is the first.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    public static Expr Linspace(double first, double last, int count, string name = "") => Linspace(first, last, count, DType.Float64, name);

    /// <summary>Numbers from first to last at equal distances, both included, as a variable of a float type.</summary>
    /// <param name="first">The first number.</param>
    /// <param name="last">The last number.</param>
    /// <param name="count">How many; one is the first.</param>
    /// <param name="dtype">The element type, float32 or float64.</param>
    /// <param name="name">The name, for printing and for error messages.</param>
    /// <exception cref="ArgumentException">The count is negative.</exception>
    /// <exception cref="DTypeException">The element type is no float type.</exception>
    public static Expr Linspace(double first, double last, int count, DType dtype, string name = "") =>
        Leaf.make(Given(name), Evaluate.one(Diff.Matrices.linspace(first, last, count, dtype)));
}
