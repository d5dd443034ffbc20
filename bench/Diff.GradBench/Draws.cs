namespace Diff.GradBench;

/// <summary>Random inputs from a fixed seed.</summary>
internal static class Draws
{
    public static double[] Uniform(int seed, int count) => Draw(new Random(seed), count, r => r.NextDouble());

    public static double[] Normal(int seed, int count) => Draw(new Random(seed), count, Gaussian);

    public static double[][] Uniform(int seed, int rows, int columns) => Rows(Uniform(seed, rows * columns), columns, rows);

    public static double[][] Normal(int seed, int rows, int columns) => Rows(Normal(seed, rows * columns), columns, rows);

    public static double[][] Rows(double[] x, int columns, int rows) =>
        [.. Enumerable.Range(0, rows).Select(i => x.AsSpan(i * columns, columns).ToArray())];

    // Box and Muller 1958; 1 − u keeps the logarithm's argument off 0.
    public static double Gaussian(Random r) => Math.Sqrt(-2 * Math.Log(1 - r.NextDouble())) * Math.Cos(2 * Math.PI * r.NextDouble());

    private static double[] Draw(Random random, int count, Func<Random, double> next)
    {
        var x = new double[count];
        foreach (ref var e in x.AsSpan()) e = next(random);
        return x;
    }
}

/// <summary>Between the engine's arrays and those of JSON.</summary>
internal static class Arrays
{
    public static NDArray Vector(double[] x) => NDArray.Create(x, new Shape([x.Length]));

    public static NDArray Matrix(double[][] x) => Matrix(x, x.Length == 0 ? 0 : x[0].Length);

    public static NDArray Matrix(double[][] x, int columns)
    {
        if (Array.Find(x, row => row.Length != columns) is { } wrong) throw new ArgumentException($"input: expected rows of {columns} numbers, got one of {wrong.Length}");
        return NDArray.Create([.. x.SelectMany(row => row)], new Shape([x.Length, columns]));
    }

    public static double[][] Rows(NDArray x) => Draws.Rows(x.ToArray<double>(), x.Shape[1], x.Shape[0]);
}
