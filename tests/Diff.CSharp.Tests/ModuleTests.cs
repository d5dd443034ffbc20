using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

public sealed class ModuleTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-module").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    private string At(string name) => Path.Combine(_folder, name);

    private sealed class Block(Random random) : Module
    {
        private readonly Linear _inner = new(3, 3, random: random, dtype: DType.Float64);

        public Parameter Gain { get; } = new(new double[] { 1, 1, 1 });

        public Linear Inner => _inner; // the same module under another name counts once

        protected override Expr Forward(Expr x) => Gain * Tanh(_inner.Call(x));
    }

    private sealed class Net : Module
    {
        private readonly List<Block> _blocks;
        private readonly Dictionary<string, Linear> _heads;
        private readonly (Linear, Parameter) _pair;

        public Net(int seed)
        {
            var random = new Random(seed);
            _blocks = [new Block(random), new Block(random)];
            _heads = new() { ["a"] = new Linear(3, 2, random: random, dtype: DType.Float64) };
            _pair = (new Linear(2, 1, random: random, dtype: DType.Float64), new Parameter(2.0));
        }

        protected override Expr Forward(Expr x) => _pair.Item2 * _pair.Item1.Call(_heads["a"].Call(_blocks.Aggregate(x, (h, b) => b.Call(h))));
    }

    [Fact]
    public void Parameters_are_found_at_any_depth_and_named_by_path() =>
        Assert.Equal(
            [
                "blocks.0.inner.weight", "blocks.0.inner.bias", "blocks.0.gain", "blocks.1.inner.weight", "blocks.1.inner.bias",
                "blocks.1.gain", "heads.a.weight", "heads.a.bias", "pair.0.weight", "pair.0.bias", "pair.1",
            ],
            new Net(1).NamedParameters().Select(p => p.Path));

    [Fact]
    public void Nameless_parameters_get_their_path_as_name()
    {
        var net = new Net(1);
        Assert.All(net.NamedParameters(), p => Assert.Equal(p.Path, p.Parameter.Name));
    }

    private sealed class Held(HashSet<Linear> layers) : Module
    {
        public HashSet<Linear> Layers { get; } = layers;
    }

    [Fact]
    public void Modules_in_a_set_are_found() => Assert.Equal(4, new Held([new Linear(2, 2), new Linear(2, 2)]).Parameters().Length);

    private sealed class Twice : Module
    {
        private readonly Parameter _weight = new(1.0);

        public Parameter Weight { get; } = new(2.0);

        protected override Expr Forward(Expr x) => _weight * Weight * x;
    }

    [Fact]
    public void Two_parameters_of_one_path_are_refused() =>
        Assert.Contains(
            "Twice: two parameters have the path \"weight\"",
            Assert.Throws<InvalidOperationException>(() => new Twice().Parameters()).Message, StringComparison.Ordinal);

    [Fact]
    public void A_shared_parameter_counts_once()
    {
        var layer = new Linear(3, 3);
        Assert.Equal(2, new Sequential(layer, new Tanh(), layer).Parameters().Length);
        Assert.Equal(12, new Sequential(layer, new Tanh(), layer).ParameterCount);
    }

    [Fact]
    public void Nodes_belong_to_the_scopes_of_the_modules_that_made_them()
    {
        var scopes = Graph.topological([new Net(1).Call(Variable(new double[,] { { 1, 2, 3 } }))])
            .Where(e => e.Scope is not null).Select(e => e.Scope!.ToString()).Distinct().ToList();
        Assert.Contains("Net/blocks.0/inner", scopes);
        Assert.Contains("Net/blocks.1/inner", scopes);
        Assert.Contains("Net/heads.a", scopes);
        Assert.Contains("Net", scopes);
    }

    [Fact]
    public void Derivatives_lie_in_mirrored_scopes()
    {
        var net = new Net(1);
        var loss = Sum(net.Call(Variable(new double[,] { { 1, 2, 3 } })));
        var gradient = Gradient.grad(Unconnected.Error, loss, net.Parameters());
        var scopes = Graph.topological(gradient).Where(e => e.Scope is not null).Select(e => e.Scope!.ToString()).ToHashSet();
        Assert.Contains("grad/Net/blocks.0/inner", scopes);
    }

    [Fact]
    public void Saved_parameters_come_back_bit_for_bit()
    {
        Net first = new(1), second = new(2);
        var x = Variable(new double[,] { { 0.1, -0.2, 0.3 }, { 4, 5, 6 } });
        Assert.NotEqual(first.Call(x).Eval().ToArray<double>(), second.Call(x).Eval().ToArray<double>());
        first.Save(At("net.safetensors"));
        second.Load(At("net.safetensors"));
        Assert.Equal(first.Call(x).Eval().ToArray<double>(), second.Call(x).Eval().ToArray<double>());
    }

    [Fact]
    public void A_file_of_another_model_changes_nothing_and_the_message_says_what_differs()
    {
        var path = At("other.safetensors");
        new Sequential(new Linear(2, 5)).Save(path);
        var model = new Sequential(new Linear(3, 5));
        var before = model.Parameters()[0].Value.ToArray<float>();
        var error = Assert.Throws<DiffFormatException>(() => model.Load(path));
        Assert.Contains("\"layers.0.weight\" is float32(5, 2), expected float32(5, 3)", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, model.Parameters()[0].Value.ToArray<float>());
    }

    [Fact]
    public void Layers_with_one_generator_differ_and_equal_seeds_agree()
    {
        var random = new Random(1);
        Linear a = new(3, 3, random: random), b = new(3, 3, random: random), c = new(3, 3, random: new Random(1));
        Assert.NotEqual(a.Weight.Value.ToArray<float>(), b.Weight.Value.ToArray<float>());
        Assert.Equal(a.Weight.Value.ToArray<float>(), c.Weight.Value.ToArray<float>());
        Assert.NotEqual(new Linear(3, 3, random: new Random(2)).Weight.Value.ToArray<float>(), c.Weight.Value.ToArray<float>());
    }

    public static TheoryData<string, double, bool> Initialisers => new()
    {
        { nameof(Initializer.LeCunNormal), 1.0 / 300, false }, { nameof(Initializer.LeCunUniform), 1.0 / 300, true },
        { nameof(Initializer.XavierNormal), 2.0 / 500, false }, { nameof(Initializer.XavierUniform), 2.0 / 500, true },
        { nameof(Initializer.HeNormal), 2.0 / 300, false }, { nameof(Initializer.HeUniform), 2.0 / 300, true },
    };

    [Theory]
    [MemberData(nameof(Initialisers))]
    public void Initialisers_have_the_variance_they_say(string name, double variance, bool bounded)
    {
        var initializer = (Initializer)typeof(Initializer).GetProperty(name)!.GetValue(null)!;
        var values = initializer.Create(new Shape([200, 300]), new Random(3), DType.Float64).ToArray<double>();
        Assert.InRange(values.Average(), -4 * Math.Sqrt(variance / values.Length), 4 * Math.Sqrt(variance / values.Length));
        Assert.InRange(values.Average(v => v * v) / variance, 0.97, 1.03);
        if (bounded) Assert.True(values.Max() <= Math.Sqrt(3 * variance));
        else Assert.True(values.Max() > Math.Sqrt(3 * variance));
    }

    [Fact]
    public void Embedding_looks_up_and_passes_repeated_rows_their_sum()
    {
        var table = new Embedding(4, 2, random: new Random(1), dtype: DType.Float64);
        var g = Grad(Sum(table.Call(Variable(new[] { 1, 1, 3 }))), table.Weight);
        Assert.Equal([0, 0, 2, 2, 0, 0, 1, 1], g.Eval().ToArray<double>());
    }

    [Fact]
    public void A_recurrent_cell_gives_the_same_for_a_symbol_as_for_its_one_hot_vector()
    {
        var cell = new RnnCell(5, 3, random: new Random(1), dtype: DType.Float64);
        var symbols = Variable(new[] { 4, 0 });
        var state = Variable(new double[,] { { 0.1, 0.2, 0.3 }, { 0, 0, 0 } });
        var a = cell.CallSymbol(symbols, state).Eval().ToArray<double>();
        var b = cell.Call(OneHot(symbols, 5), state).Eval().ToArray<double>();
        Assert.All(a.Zip(b), p => Assert.Equal(p.First, p.Second, 1e-15));
    }

    [Fact]
    public void A_wrong_argument_is_named() =>
        Assert.Equal(
            "Linear: expected an argument of shape [..., 3], got (2, 4)",
            Assert.Throws<ShapeException>(() => new Linear(3, 1).Call(Zeros(new Shape([2, 4]), DType.Float32))).WithoutLine());
}
