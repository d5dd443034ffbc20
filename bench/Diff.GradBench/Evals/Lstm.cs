using System.Numerics;

namespace Diff.GradBench;

/// <summary>The loss of a recurrent network of which all matrices are diagonal.</summary>
internal static class Lstm
{
    public sealed record Input(double[][] MainParams, double[][] ExtraParams, double[][] State, double[][] Sequence);

    // The arguments are main_params and extra_params, row after row.
    public sealed class Loss(Input input) : IScalarFunction
    {
        private readonly int _b = input.Sequence[0].Length, _layers = input.MainParams.Length / 2;

        public double[] Arguments { get; } = [.. input.MainParams.Concat(input.ExtraParams).SelectMany(row => row)];

        public T Invoke<T>(ReadOnlySpan<T> p) where T : IFloatingPointIeee754<T>
        {
            var (b, sequence) = (_b, input.Sequence);
            var extra = p[(8 * _layers * b)..];
            T[] state = [.. input.State.SelectMany(row => row).Select(T.CreateChecked)], v = new T[b];
            var total = T.Zero;
            for (var t = 0; t < sequence.Length - 1; t++)
            {
                for (var j = 0; j < b; j++) v[j] = T.CreateChecked(sequence[t][j]) * extra[j];
                for (var i = 0; i < _layers; i++)
                    Layer(p.Slice(8 * i * b, 8 * b), state.AsSpan(2 * i * b, b), state.AsSpan((2 * i + 1) * b, b), v);
                var (sum, scored) = (T.Zero, T.Zero);
                for (var j = 0; j < b; j++) sum += T.Exp(v[j] = v[j] * extra[b + j] + extra[2 * b + j]);
                var log = T.Log(T.CreateChecked(2) + sum);
                for (var j = 0; j < b; j++) scored += T.CreateChecked(sequence[t + 1][j]) * (v[j] - log);
                total += scored;
            }
            return -total / T.CreateChecked(b * (sequence.Length - 1));
        }

        private static void Layer<T>(ReadOnlySpan<T> p, Span<T> h, Span<T> c, Span<T> v) where T : IFloatingPointIeee754<T>
        {
            var b = h.Length;
            var bias = p[(4 * b)..];
            for (var j = 0; j < b; j++)
            {
                var forget = GenericMath.Sigmoid(v[j] * p[j] + bias[j]);
                var ingate = GenericMath.Sigmoid(h[j] * p[b + j] + bias[b + j]);
                var outgate = GenericMath.Sigmoid(v[j] * p[2 * b + j] + bias[2 * b + j]);
                var change = T.Tanh(h[j] * p[3 * b + j] + bias[3 * b + j]);
                c[j] = c[j] * forget + ingate * change;
                v[j] = h[j] = outgate * T.Tanh(c[j]);
            }
        }
    }

    public static Eval<Input> Eval { get; } = Sized(new("lstm")
    {
        { "objective", input => Objective(new(input)) },
        { "jacobian", input => Gradient(new(input)) },
    });

    private static Job Objective(Loss loss) => Job.Of(() => loss.Invoke<double>(loss.Arguments));

    private static Job Gradient(Loss loss)
    {
        var gradient = new double[loss.Arguments.Length];
        return new(() => Differentiate.ValueAndGradient(loss, loss.Arguments, gradient), () => gradient);
    }

    private static Eval<Input> Sized(Eval<Input> eval)
    {
        foreach (var l in (int[])[2, 4])
            foreach (var c in (int[])[1024, 4096])
                eval.With($"l={l},c={c}", () => Data(l, c));
        return eval.With("l=6,c=8192", () => Data(6, 8192));
    }

    // The sequence is of bits, fourteen to a character.
    private static Input Data(int l, int c) => new(
        Draws.Uniform(11, 2 * l, 56), Draws.Uniform(12, 3, 14), Draws.Uniform(13, 2 * l, 14),
        [.. Draws.Uniform(14, c, 14).Select(row => Array.ConvertAll(row, x => x < 0.5 ? 0.0 : 1.0))]);
}
