using static Diff.Ops;

namespace Diff.GradBench;

/// <summary>The loss of a recurrent network of which all matrices are diagonal.</summary>
internal static class Lstm
{
    public sealed record Input(double[][] MainParams, double[][] ExtraParams, double[][] State, double[][] Sequence);

    private static Expr Loss(Expr main, Expr extra, Expr state, Expr sequence)
    {
        var layers = main.Shape[0] / 2;
        // What each layer has of hidden state and cell, in turn; the last hidden state is kept of each time.
        var (_, kept) = Scan(
            (s, x) =>
            {
                var (next, v) = (new Expr[2 * layers], x[0]);
                for (var i = 0; i < layers; i++) (next[2 * i], next[2 * i + 1]) = (v, _) = Layer(main[2 * i], main[2 * i + 1], s[2 * i], s[2 * i + 1], v);
                return (next, [v]);
            },
            [.. Enumerable.Range(0, 2 * layers).Select(i => state[i])],
            [sequence[..^1] * extra[0]]);
        var y = kept[0] * extra[1] + extra[2];
        return -Mean(sequence[1..] * (y - Log(2 + Sum(Exp(y), [1], keepDims: true))));
    }

    private static (Expr Hidden, Expr Cell) Layer(Expr weight, Expr bias, Expr hidden, Expr cell, Expr v)
    {
        var b = hidden.Shape[0];
        Expr Gate(int k, Expr x) => x * weight[(k * b)..((k + 1) * b)] + bias[(k * b)..((k + 1) * b)];
        var (forget, ingate, outgate) = (Sigmoid(Gate(0, v)), Sigmoid(Gate(1, hidden)), Sigmoid(Gate(2, v)));
        cell = cell * forget + ingate * Tanh(Gate(3, hidden));
        return (outgate * Tanh(cell), cell);
    }

    public static Eval<Input> Eval { get; } = Sized(new("lstm")
    {
        { "objective", input => Planned(input, (y, _) => [y], y => y[0].Float(0)) },
        { "jacobian", input => Planned(input, (y, xs) => Grad(y, xs), g => g.SelectMany(x => x.ToArray<double>()).ToArray()) },
    });

    private static Job Planned(Input input, Func<Expr, Expr[], Expr[]> results, Func<NDArray[], object> output) => Job.Of(
        Compile(xs => results(Loss(xs[0], xs[1], xs[2], xs[3]), xs[..2]), Engine.OneThread),
        output,
        Arrays.Matrix(input.MainParams), Arrays.Matrix(input.ExtraParams), Arrays.Matrix(input.State), Arrays.Matrix(input.Sequence));

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
