using System.Text.Json;
using Diff.Fuzz;

namespace Diff.Conformance;

/// <summary>What each word of the cases' programs means in this library.</summary>
internal static class Vocabulary
{
    private delegate Expr Word(Expr[] args, JsonElement attributes);

    private static readonly Dictionary<string, Word> words = Words();

    /// <summary>Applies a word to arguments.</summary>
    public static Expr Apply(string op, Expr[] args, JsonElement attributes, DType dtype) =>
        op == "const" && attributes.Find("dtype") is null ? Constant(attributes.GetProperty("value"), dtype)
        : op == "cast" ? Ops.Cast(args[0], attributes.Text("dtype") is { } name ? Enum.Parse<DType>(name, ignoreCase: true) : dtype)
        : words.TryGetValue(op, out var word) ? word(args, attributes)
        : CaseFile.apply(op, args, attributes) ?? throw new UnsupportedException($"operation {op}");

    /// <summary>Whether a word is of the format itself, not of the random graphs' table of operations.</summary>
    public static bool IsOwn(string op) => op == "const" || words.ContainsKey(op);

    private static Dictionary<string, Word> Words()
    {
        var found = new Dictionary<string, Word>();
        void Unary(string op, Func<Expr, Expr> f) => found[op] = (a, _) => f(a[0]);
        void Binary(string op, Func<Expr, Expr, Expr> f) => found[op] = (a, _) => f(a[0], a[1]);
        void Reduction(string op, Func<Expr, int[], bool, Expr> f) =>
            found[op] = (a, j) => f(a[0], Axes(j), KeepDims(j));
        void AlongAxis(string op, Func<Expr, int, Expr> f) => found[op] = (a, j) => f(a[0], j.Int("axis") ?? -1);

        Unary("neg", x => -x);
        Unary("abs", Ops.Abs);
        Unary("sign", Ops.Sign);
        Unary("sqrt", Ops.Sqrt);
        Unary("rsqrt", Ops.Rsqrt);
        Unary("cbrt", Ops.Cbrt);
        Unary("square", Ops.Square);
        Unary("reciprocal", Ops.Reciprocal);
        Unary("exp", Ops.Exp);
        Unary("expm1", Ops.Expm1);
        Unary("log", Ops.Log);
        Unary("log1p", Ops.Log1p);
        Unary("log2", Ops.Log2);
        Unary("sin", Ops.Sin);
        Unary("cos", Ops.Cos);
        Unary("tan", Ops.Tan);
        Unary("asin", Ops.Asin);
        Unary("acos", Ops.Acos);
        Unary("atan", Ops.Atan);
        Unary("sinh", Ops.Sinh);
        Unary("cosh", Ops.Cosh);
        Unary("tanh", Ops.Tanh);
        Unary("asinh", Ops.Asinh);
        Unary("acosh", Ops.Acosh);
        Unary("atanh", Ops.Atanh);
        Unary("sinc", Ops.Sinc);
        Unary("floor", Ops.Floor);
        Unary("erf", Ops.Erf);
        Unary("erfc", Ops.Erfc);
        Unary("lgamma", Ops.LogGamma);
        Unary("digamma", Ops.Digamma);
        Unary("logsigmoid", Ops.LogSigmoid);
        Unary("silu", Ops.Silu);
        Unary("gelu", Ops.Gelu);
        Unary("sigmoid", Ops.Sigmoid);
        Unary("softplus", Ops.Softplus);
        Unary("relu", Ops.Relu);
        Unary("stop_gradient", Ops.StopGradient);

        Binary("add", (x, y) => x + y);
        Binary("sub", (x, y) => x - y);
        Binary("mul", (x, y) => x * y);
        Binary("div", (x, y) => x / y);
        Binary("pow", Ops.Pow);
        Binary("atan2", Ops.Atan2);
        Binary("hypot", Ops.Hypot);
        Binary("logaddexp", Ops.LogAddExp);
        Binary("xlogy", Ops.XLogY);
        Binary("max", Ops.Max);
        Binary("min", Ops.Min);
        Binary("gt", (x, y) => x > y);
        Binary("lt", (x, y) => x < y);
        Binary("ge", (x, y) => x >= y);
        Binary("le", (x, y) => x <= y);
        Binary("eq", Ops.Equal);
        found["where"] = (a, _) => Ops.Where(a[0].DType == DType.Bool ? a[0] : Ops.NotEqual(a[0], 0), a[1], a[2]);
        found["clip"] = (a, j) => Ops.Clip(a[0], j.GetProperty("lo").GetDouble(), j.GetProperty("hi").GetDouble());

        Reduction("sum", Ops.Sum);
        Reduction("mean", Ops.Mean);
        Reduction("prod", Ops.Prod);
        Reduction("reduce_max", Ops.ReduceMax);
        Reduction("reduce_min", Ops.ReduceMin);
        Reduction("logsumexp", Ops.LogSumExp);
        Reduction("norm2", (x, axes, keep) => Ops.Norm(x, axes, keep));
        found["var"] = (a, j) => Ops.Var(a[0], Axes(j), KeepDims(j), j.Int("ddof") ?? 0);
        found["std"] = (a, j) => Ops.Std(a[0], Axes(j), KeepDims(j), j.Int("ddof") ?? 0);
        AlongAxis("cumsum", (x, axis) => Ops.CumSum(x, axis));
        AlongAxis("cumprod", (x, axis) => Ops.CumProd(x, axis));
        AlongAxis("softmax", Ops.Softmax);
        AlongAxis("log_softmax", Ops.LogSoftmax);

        found["reshape"] = (a, j) => Ops.Reshape(a[0], j.Ints("shape"));
        found["transpose"] = (a, j) => Ops.Transpose(a[0], j.Ints("perm"));
        found["broadcast_to"] = (a, j) => Ops.BroadcastTo(a[0], j.Ints("shape"));
        found["slice"] = (a, j) => Sliced(a[0], [.. j.GetProperty("slices").EnumerateArray().Select((bounds, axis) => Slices(bounds, a[0].Shape[axis]))]);
        found["concat"] = (a, j) => Ops.Concat(j.Int("axis") ?? 0, a);
        found["gather"] = (a, j) => Ops.Gather(a[0], Given(a, 1) ?? Indices(j, "indices"), j.Int("axis") ?? 0);
        found["scatter_add"] = (a, j) => a[0] + Ops.ScatterAdd(a[1], Given(a, 2) ?? Indices(j, "indices"), a[0].Shape, j.Int("axis") ?? 0);

        Binary("matmul", Ops.MatMul);
        found["einsum"] = (a, j) => Ops.Einsum(j.Text("spec")!, a);

        Unary("det", Ops.Det);
        Unary("logdet", Ops.LogDet);
        Unary("inv", Ops.Inverse);
        Unary("cholesky", Ops.Cholesky);
        Binary("solve", Ops.Solve);

        found["interpolate_linear"] = (a, _) => Ops.InterpolateLinear(a[0], a[1], a[2]);
        found["interpolate_pchip"] = (a, _) => Ops.InterpolatePchip(a[0], a[1], a[2]);
        found["interpolate_spline"] = (a, j) => Ops.InterpolateSpline(a[0], a[1], a[2], Enum.Parse<SplineEnds>(j.Text("ends") ?? "NotAKnot"));

        found["layer_norm"] = (a, j) => Ops.LayerNorm(a[0], j.GetProperty("eps").GetDouble());
        found["conv2d"] = (a, j) => Ops.Conv2d(a[0], a[1], j.Int("stride") ?? 1, j.Int("pad") ?? 0);
        found["cross_entropy"] = (a, j) => Ops.CrossEntropy(a[0], Indices(j, "labels"));
        return found;
    }

    private static int[] Axes(JsonElement attributes) => attributes.Find("axis") switch
    {
        null => [],
        { ValueKind: JsonValueKind.Array } => attributes.Ints("axis"),
        { } axis => [axis.GetInt32()],
    };

    private static bool KeepDims(JsonElement attributes) => attributes.Find("keepdims")?.GetBoolean() ?? false;

    private static Expr Constant(JsonElement value, DType dtype) =>
        Ops.Constant(Numbers.Of(value).ToArray(
            value.GetProperty("data").EnumerateArray().Any(x => x.ValueKind is JsonValueKind.True or JsonValueKind.False) ? "bool"
            : dtype == DType.Float32 ? "float32" : "float64"));

    // Indices are an operand, or an attribute.
    private static Expr? Given(Expr[] args, int place) => place < args.Length ? args[place] : null;

    private static Expr Indices(JsonElement attributes, string name) => Ops.Constant(attributes.Ints(name));

    private static Expr Sliced(Expr x, (Slice Part, Slice Order)[] slices)
    {
        var part = x[[.. slices.Select(s => s.Part)]];
        return part[[.. slices.Select(s => s.Order)]];
    }

    /// <summary>Start, stop and step as Python means them: a part, and the order of its elements, as bounds lie between elements in C#.</summary>
    private static (Slice Part, Slice Order) Slices(JsonElement bounds, int extent)
    {
        int Bound(int place, int absent, int least, int most) => bounds[place].ValueKind == JsonValueKind.Null
            ? absent
            : Math.Clamp(bounds[place].GetInt32() is var i && i < 0 ? i + extent : i, least, most);
        var step = bounds[2].ValueKind == JsonValueKind.Null ? 1 : bounds[2].GetInt32();
        if (step > 0) return (Slice.Of(Bound(0, 0, 0, extent), Bound(1, extent, 0, extent), step), Slice.All);
        var (first, last) = (Bound(0, extent - 1, -1, extent - 1), Bound(1, -1, -1, extent - 1));
        return (Slice.Of(Math.Min(first, last) + 1, first + 1, 1), Slice.Every(step));
    }
}
