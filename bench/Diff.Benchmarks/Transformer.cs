using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>(x − mean) / deviation along the last axis, times a gain, plus a bias.</summary>
internal sealed class Norm(int width) : Module
{
    private readonly Parameter _gain = new(new Shape([width]), Initializer.Ones);
    private readonly Parameter _bias = new(new Shape([width]), Initializer.Zeros);

    protected override Expr Forward(Expr x)
    {
        var centred = x - Mean(x, [-1], keepDims: true);
        return centred / Sqrt(Mean(Square(centred), [-1], keepDims: true) + 1e-5) * _gain + _bias;
    }
}

/// <summary>Causal attention and a network of two layers, each behind a norm and beside its input.</summary>
internal sealed class Block(int width, int heads, Random random) : Module
{
    private readonly Norm _norm1 = new(width), _norm2 = new(width);
    private readonly Linear _in = new(width, 3 * width, random: random), _out = new(width, width, random: random);
    private readonly Linear _up = new(width, 4 * width, random: random), _down = new(4 * width, width, random: random);

    protected override Expr Forward(Expr x)
    {
        x += Attend(_norm1.Call(x));
        var up = _up.Call(_norm2.Call(x));
        return x + _down.Call(0.5 * up * (1 + Tanh(Math.Sqrt(2 / Math.PI) * (up + 0.044715 * up * up * up))));
    }

    private Expr Attend(Expr x)
    {
        var (batch, length, size) = (x.Shape[0], x.Shape[1], width / heads);
        var parts = Split(_in.Call(x), 2, width, width, width).Select(p => Reshape(p, batch, length, heads, size)).ToArray();
        var places = Range(length, DType.Int32);
        var scores = Einsum("bqhd,bkhd->bhqk", parts[0], parts[1]) / Math.Sqrt(size);
        var causal = Where(places <= ExpandDims(places, 1), scores, float.NegativeInfinity);
        return _out.Call(Reshape(Einsum("bhqk,bkhd->bqhd", Softmax(causal), parts[2]), batch, length, width));
    }
}

/// <summary>Scores of the next symbol at every place of a text.</summary>
internal sealed class Transformer(int symbols, int context, int width, int layers, int heads, Random random) : Module
{
    private readonly Embedding _symbols = new(symbols, width, random: random), _places = new(context, width, random: random);
    private readonly Sequential _blocks = new([.. Enumerable.Range(0, layers).Select(_ => new Block(width, heads, random))]);
    private readonly Norm _norm = new(width);
    private readonly Linear _out = new(width, symbols, bias: false, random: random);

    protected override Expr Forward(Expr x) =>
        _out.Call(_norm.Call(_blocks.Call(_symbols.Call(x) + _places.Weight[..x.Shape[1]])));
}
