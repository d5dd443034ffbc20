using System.Numerics;

namespace Diff.GradBench;

/// <summary>A determinant by Laplace's expansion along the first of the rows that are left.</summary>
internal static class Det
{
    public sealed record Input(double[] A, int Ell);

    // The determinant of the last rows; `columns` has a bit for each column that is left, and there are as many rows as columns.
    public readonly struct Laplace(uint columns) : IScalarFunction
    {
        // The tape keeps only the derivatives of minors of this size, not their hundreds of terms.
        private const int Block = 6;

        public T Invoke<T>(ReadOnlySpan<T> rows) where T : IFloatingPointIeee754<T> => Minor(rows, rows.Length / BitOperations.PopCount(columns), columns);

        private static T Minor<T>(ReadOnlySpan<T> rows, int width, uint columns) where T : IFloatingPointIeee754<T>
        {
            var row = rows[..width];
            var below = rows[width..];
            if (below.Length == 0) return row[BitOperations.TrailingZeroCount(columns)];
            var sum = T.Zero;
            var isOdd = false;
            for (var rest = columns; rest != 0; rest &= rest - 1)
            {
                var others = columns & ~(rest & (~rest + 1));
                var minor = below.Length == Block * width ? Differentiate.Preaccumulate(new Laplace(others), below) : Minor(below, width, others);
                var term = row[BitOperations.TrailingZeroCount(rest)] * minor;
                sum = isOdd ? sum - term : sum + term;
                isOdd = !isOdd;
            }
            return sum;
        }
    }

    public static Eval<Input> Eval { get; } = Sized(new("det")
    {
        { "primal", input => Job.Of(() => new Laplace((1u << input.Ell) - 1).Invoke<double>(input.A)) },
        { "gradient", input => Gradient(input) },
    });

    private static Job Gradient(Input input)
    {
        var gradient = new double[input.A.Length];
        return new(() => Differentiate.ValueAndGradient(new Laplace((1u << input.Ell) - 1), input.A, gradient), () => gradient);
    }

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        for (var ell = 5; ell <= 11; ell++)
        {
            var n = ell;
            eval.With($"ell={n}", () => new(Draws.Uniform(3, n * n), n));
        }
        return eval;
    }
}
