namespace Diff;

/// <summary>Initial values of parameters. fan-in and fan-out of a weight [outputs, inputs, …] are its extents times the rest.</summary>
public sealed class Initializer
{
    private readonly Func<Shape, Func<Random, double>> _draw;

    private Initializer(Func<Shape, Func<Random, double>> draw) => _draw = draw;

    /// <summary>Zeros.</summary>
    public static Initializer Zeros { get; } = Constant(0);

    /// <summary>Ones.</summary>
    public static Initializer Ones { get; } = Constant(1);

    /// <summary>Normal with variance 1 / fan-in (LeCun et al. 1998).</summary>
    public static Initializer LeCunNormal { get; } = ScaledNormal(1, (i, o) => i);

    /// <summary>Uniform with variance 1 / fan-in (LeCun et al. 1998).</summary>
    public static Initializer LeCunUniform { get; } = ScaledUniform(1, (i, o) => i);

    /// <summary>Normal with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010).</summary>
    public static Initializer XavierNormal { get; } = ScaledNormal(2, (i, o) => i + o);

    /// <summary>Uniform with variance 2 / (fan-in + fan-out) (Glorot and Bengio 2010).</summary>
    public static Initializer XavierUniform { get; } = ScaledUniform(2, (i, o) => i + o);

    /// <summary>Normal with variance 2 / fan-in (He et al. 2015).</summary>
    public static Initializer HeNormal { get; } = ScaledNormal(2, (i, o) => i);

    /// <summary>Uniform with variance 2 / fan-in (He et al. 2015).</summary>
    public static Initializer HeUniform { get; } = ScaledUniform(2, (i, o) => i);

    /// <summary>The same number everywhere.</summary>
    /// <param name="value">The number.</param>
    public static Initializer Constant(double value) => new(_ => _ => value);

    /// <summary>Normal with mean 0.</summary>
    /// <param name="deviation">The standard deviation.</param>
    public static Initializer Normal(double deviation) => new(_ => random => deviation * Gaussian(random));

    /// <summary>Uniform from −limit to limit.</summary>
    /// <param name="limit">The limit.</param>
    public static Initializer Uniform(double limit) => new(_ => random => limit * (2 * random.NextDouble() - 1));

    /// <summary>Numbers drawn one after the other in row-major order.</summary>
    /// <param name="draw">Draws the next number.</param>
    public static Initializer From(Func<Random, double> draw)
    {
        ArgumentNullException.ThrowIfNull(draw);
        return new(_ => draw);
    }

    /// <summary>New values.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="random">The generator; it moves on, so two arrays drawn from one generator differ.</param>
    /// <param name="dtype">float32 or float64.</param>
    public NDArray Create(Shape shape, Random random, DType dtype = DType.Float32)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(random);
        var draw = _draw(shape);
        var values = new double[shape.Length];
        for (var i = 0; i < values.Length; i++) values[i] = draw(random);
        return dtype switch
        {
            DType.Float64 => NDArray.Create(values, shape),
            DType.Float32 => NDArray.Create(Array.ConvertAll(values, x => (float)x), shape),
            _ => throw new DTypeException($"Initializer: expected float32 or float64, got {DTypeModule.name(dtype)}"),
        };
    }

    private static Initializer ScaledNormal(double numerator, Func<double, double, double> fan) =>
        new(shape =>
        {
            var deviation = Math.Sqrt(numerator / Fan(shape, fan));
            return random => deviation * Gaussian(random);
        });

    // The variance of a uniform number from −a to a is a²/3.
    private static Initializer ScaledUniform(double numerator, Func<double, double, double> fan) =>
        new(shape =>
        {
            var limit = Math.Sqrt(3 * numerator / Fan(shape, fan));
            return random => limit * (2 * random.NextDouble() - 1);
        });

    private static double Fan(Shape shape, Func<double, double, double> fan)
    {
        if (shape.Rank < 2)
            throw new ShapeException($"Initializer: fan-in and fan-out need a weight of rank 2 or more, got shape {shape}; use Zeros, Normal or Uniform");
        var rest = 1.0;
        for (var axis = 2; axis < shape.Rank; axis++) rest *= shape[axis];
        return Math.Max(1, fan(shape[1] * rest, shape[0] * rest));
    }

    // Box and Muller 1958; 1 − u keeps the logarithm's argument off 0.
    private static double Gaussian(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
