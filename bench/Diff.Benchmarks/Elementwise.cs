using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>Index by index, sums along axes, tables: memory rather than arithmetic.</summary>
internal static class Elementwise
{
    public static readonly Workload[] All =
    [
        // The mean of gelu of a normal number is about 1/(2√π) = 0.282.
        new("gelu_grad_1m", "float32, 1M elements: the sum of gelu (tanh form), value and gradient", d => GeluGradient(d, 1_000_000))
        {
            Expected = (0.27e6, 0.29e6),
        },
        new("gelu_grad_10m", "float32, 10M elements: the sum of gelu (tanh form), value and gradient", d => GeluGradient(d, 10_000_000))
        {
            Expected = (0.27e7, 0.29e7),
        },
        new("chain12_10m", "float32, 10M elements, forward only: 12 cheap elementwise operations over two inputs, one output", Chain),
        new("tanh_taylor_1_1m", "float32, 1M elements: the first Taylor coefficient of tanh, by forward mode", d => Taylor(d, 1)),
        new("tanh_taylor_10_1m", "float32, 1M elements: the tenth Taylor coefficient of tanh, by Taylor mode", d => Taylor(d, 10)),
        new("layernorm_4096x512", "float32: y = layernorm(x)*g + b over the last axis, loss = sum(y*c); value and gradients of x, g, b", LayerNorm),
        new("cross_entropy_512x8192", "float32 logits 512x8192, int64 labels: mean cross-entropy, value and gradient of the logits", Entropy)
        {
            Expected = (9, 10), // log 8192 + 1/2 is 9.5
        },
        new("adam_10m", "float32: one Adam update of one 10M-element parameter from a given gradient", Adam),
        new("embedding_50kx64", "float32 table 50000x64, 4096 int64 indices: loss = sum(table[idx]^2); value and dense gradient of the table", Table)
        {
            Expected = (255_000, 270_000), // 4096·64 squares
        },
    ];

    // Taylor coefficients 0 … order of tanh: order 1 is the value and one derivative.
    private static Job Taylor(Data data, int order)
    {
        var f = Compile(x => Ops.Taylor(order, Tanh(x), x)[order]);
        return Harness.Value(f, data.Normal(1_000_000));
    }

    private static Job GeluGradient(Data data, int n)
    {
        var f = Compile(x => Sum(0.5 * x * (1 + Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))));
        var x = data.Normal(n);
        return Harness.ValueAndGradient(f, x);
    }

    private static Job Chain(Data data)
    {
        var f = Compile((x, y) =>
        {
            var z = x * y + x;
            z = z * z - y;
            z /= 1 + x * x;
            z += y * 0.5;
            return z * (x - y) + 1;
        });
        var (x, y) = (data.Normal(10_000_000), data.Normal(10_000_000));
        return Harness.Value(f, x, y);
    }

    private static Job LayerNorm(Data data)
    {
        var f = Compile(xs =>
        {
            var (x, g, b, c) = (xs[0], xs[1], xs[2], xs[3]);
            var centred = x - Mean(x, [1], keepDims: true);
            var y = centred / Sqrt(Mean(Square(centred), [1], keepDims: true) + 1e-5) * g + b;
            var loss = Sum(y * c);
            return [loss, .. Grad(loss, [x, g, b])];
        });
        var (x, g, b, c) = (data.Normal(4096, 512), data.Normal(512), data.Normal(512), data.Normal(4096, 512));
        return Harness.Value(f, x, g, b, c);
    }

    private static Job Entropy(Data data)
    {
        var f = Compile(CrossEntropy);
        var (logits, labels) = (data.Normal(512, 8192), data.Indices(8192, 512));
        return Harness.ValueAndGradient(f, logits, labels);
    }

    private static Job Adam(Data data)
    {
        var weight = new Parameter(data.Normal(10_000_000)) { Grad = data.Normal(10_000_000) };
        var optimizer = new Optimizer(Optimizer.Adam(1e-3), [weight]);
        return new(() =>
        {
            optimizer.Step();
            return weight.Value.Float(0);
        });
    }

    private static Job Table(Data data)
    {
        var f = Compile((table, indices) => Sum(Square(Gather(table, indices))));
        var (table, indices) = (data.Normal(50_000, 64), data.Indices(50_000, 4096));
        return Harness.ValueAndGradient(f, table, indices);
    }
}
