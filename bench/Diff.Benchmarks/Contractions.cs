using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>Sums of products, and second derivatives through them.</summary>
internal static class Contractions
{
    public static readonly Workload[] All =
    [
        new("matmul_1024", "float32 1024x1024x1024: loss = sum((a@b)*c); value and gradients of a and b", Product),
        new("einsum_network", "float32: sum of 'abc,cde,efb,fg,gad->' with every index of size 24; value and all five gradients", Network),
        new("attention_8x4x256x64", "float32 q,k,v of 8x4x256x64, causal softmax attention; loss = sum(out*c); value and gradients of q, k, v", Attention),
        new("rnn_scan_1000", "float32: h = tanh(x@Wx + h@Wh + b), 1000 steps, batch 16, 64 inputs, hidden 128; loss = mean(h^2); value and gradients of Wx, Wh, b", Recurrent)
        {
            Expected = (0.2, 0.3), // what is fed to tanh has a variance of 1/4 and some of the state's before: E tanh² is between
        },
        new("logreg_grad", "float32, 10000x500 logistic regression with L2: value and gradient", LogisticGradient) { Expected = (0.6, 0.9) },
        new("logreg_hvp", "float32, 10000x500 logistic regression: one Hessian-vector product", LogisticHvp),
        new("jacobians_256x32", "float64: the 32x32 Jacobians of tanh(W·x) at 256 points", Jacobians),
        new("gmm_20x25x1000", "float64, the Gaussian-mixture objective of ADBench (d=20, K=25, n=1000; no Wishart prior): value and all gradients", Mixture),
    ];

    private static Job Product(Data data)
    {
        var f = Compile(xs =>
        {
            var loss = Sum(MatMul(xs[0], xs[1]) * xs[2]);
            return [loss, .. Grad(loss, [xs[0], xs[1]])];
        });
        var (a, b, c) = (data.Normal(1024, 1024), data.Normal(1024, 1024), data.Normal(1024, 1024));
        return Harness.Value(f, a, b, c);
    }

    private static Job Network(Data data)
    {
        var f = Compile(xs => [Einsum("abc,cde,efb,fg,gad->", xs)]);
        NDArray[] tensors = [data.Normal(24, 24, 24), data.Normal(24, 24, 24), data.Normal(24, 24, 24), data.Normal(24, 24), data.Normal(24, 24, 24)];
        return Harness.ValueAndGradient(f, tensors);
    }

    private static Job Attention(Data data)
    {
        var f = Compile(xs =>
        {
            var (q, k, v, mask, c) = (xs[0], xs[1], xs[2], xs[3], xs[4]);
            var scores = Einsum("bhqd,bhkd->bhqk", q, k) / 8 + mask;
            var loss = Sum(Einsum("bhqk,bhkd->bhqd", Softmax(scores), v) * c);
            return [loss, .. Grad(loss, [q, k, v])];
        });
        var mask = new float[256, 256];
        for (var i = 0; i < 256; i++)
            for (var j = i + 1; j < 256; j++) mask[i, j] = float.NegativeInfinity;
        NDArray[] args = [data.Normal(8, 4, 256, 64), data.Normal(8, 4, 256, 64), data.Normal(8, 4, 256, 64), mask, data.Normal(8, 4, 256, 64)];
        return Harness.Value(f, args);
    }

    private static Job Recurrent(Data data)
    {
        const float Scale = 1 / 16f; // 64 inputs of variance 1 give 1/4, 128 states at most 1/2
        var f = Compile(xs =>
        {
            var (wx, wh, b) = (Scale * xs[0], Scale * xs[1], xs[2]);
            var (_, states) = Scan(
                (h, x) =>
                {
                    var next = Tanh(MatMul(x, wx) + MatMul(h, wh) + b);
                    return (next, next);
                },
                xs[3],
                xs[4]);
            var loss = Mean(Square(states));
            return [loss, .. Grad(loss, [xs[0], xs[1], xs[2]])];
        });
        var (bias, first) = (NDArray.Zeros(DType.Float32, new Shape([128])), NDArray.Zeros(DType.Float32, new Shape([16, 128])));
        NDArray[] args = [data.Normal(64, 128), data.Normal(128, 128), bias, first, data.Normal(1000, 16, 64)];
        return Harness.Value(f, args);
    }

    private static Job Jacobians(Data data)
    {
        var f = Compile(xs => [Vmap(x => Jacobian(Tanh(Einsum("ij,j->i", xs[0], x)), x), xs[1])]);
        return Harness.Value(f, data.Normal64(32, 32), data.Normal64(256, 32));
    }

    private static Expr Logistic(Expr w, Expr x, Expr y)
    {
        var z = MatMul(x, w);
        return Mean(Softplus(z) - y * z) + 0.5e-3 * Sum(w * w);
    }

    private static Job LogisticGradient(Data data)
    {
        var f = Compile(xs =>
        {
            var loss = Logistic(xs[0], xs[1], xs[2]);
            return [loss, Grad(loss, xs[0])];
        });
        NDArray[] args = [Scaled(data.Normal(500), 0.01f), data.Normal(10_000, 500), data.Coins(10_000)];
        return Harness.Value(f, args);
    }

    private static Job LogisticHvp(Data data)
    {
        var f = Compile((w, x, y, v) => Hvp(Logistic(w, x, y), [w], [v])[0]);
        NDArray[] args = [Scaled(data.Normal(500), 0.01f), data.Normal(10_000, 500), data.Coins(10_000), data.Normal(500)];
        return Harness.Value(f, args);
    }

    private static NDArray Scaled(NDArray x, float factor) => NDArray.Create(Array.ConvertAll(x.ToArray<float>(), e => e * factor), x.Shape);

    // icf: the first D of a row are the logarithms of L's diagonal, the others L's strictly lower triangle by columns.
    private static Job Mixture(Data data)
    {
        const int D = 20, K = 25, N = 1000;
        var lower = from j in Enumerable.Range(0, D) from i in Enumerable.Range(j + 1, D - j - 1) select i * D + j;
        NDArray places = Enumerable.Range(0, D).Select(i => i * D + i).Concat(lower).ToArray();
        var f = Compile(xs =>
        {
            var (alphas, means, icf, x) = (xs[0], xs[1], xs[2], xs[3]);
            var logs = icf[.., ..D];
            var elements = Concat(1, Exp(logs), icf[.., D..]);
            var factors = Reshape(ScatterAdd(elements, Constant(places), new Shape([K, D * D]), axis: 1), K, D, D);
            var z = Einsum("kij,nkj->nki", factors, ExpandDims(x, 1) - means);
            var terms = alphas + Sum(logs, 1) - 0.5 * Sum(z * z, 2);
            var loss = Sum(LogSumExp(terms, 1)) - N * LogSumExp(alphas);
            return [loss, .. Grad(loss, [alphas, means, icf])];
        });
        var triangle = data.Normal64(K, D + D * (D - 1) / 2);
        foreach (ref var element in triangle.Span<double>()) element *= 0.1;
        NDArray[] args = [data.Normal64(K), data.Normal64(K, D), triangle, data.Normal64(N, D)];
        return Harness.Value(f, args);
    }
}
