using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Keys, dropout in training steps that are saved and continued, and batches.</summary>
public sealed class RandomTests : IDisposable
{
    private static readonly RandomKey Key = new(42);
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-random").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    private static Shape S(params int[] dims) => new(dims);

    private string At(string name) => Path.Combine(_folder, name);

    private static double[] Values(Expr x) => x.Eval().Span<double>().ToArray();

    // ---- Draws -----------------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_key_gives_the_same_numbers_and_its_parts_others()
    {
        double[] first = Values(RandomNormal(Key, S(5))), again = Values(RandomNormal(new RandomKey(42), S(5)));
        Assert.Equal(first, again);
        var (a, b) = (Key.Split(2)[0], Key.FoldIn(1));
        Assert.NotEqual(first, Values(RandomNormal(a, S(5))));
        Assert.NotEqual(Values(RandomNormal(a, S(5))), Values(RandomNormal(b, S(5))));
        Assert.Equal(0.4685865183391049, Values(RandomUniform(Key, S(1)))[0]);
        Assert.Throws<DTypeException>(() => new RandomKey(Full(1, S(2))));
    }

    [Fact]
    public void Every_distribution_has_the_shape_and_element_type_asked_for()
    {
        Expr a = Variable(new[] { 0.5, 2.0 }, S(2)), logits = Zeros(S(3, 4));
        (Expr Draw, DType DType, Shape Shape)[] draws =
        [
            (RandomBits(Key, S(3), DType.Int32), DType.Int32, S(3)),
            (RandomUniform(Key, S(3), DType.Float32), DType.Float32, S(3)),
            (RandomExponential(Key, S(3, 2)), DType.Float64, S(3, 2)),
            (RandomLaplace(Key, S(3)), DType.Float64, S(3)),
            (RandomGumbel(Key, S(3)), DType.Float64, S(3)),
            (RandomLogistic(Key, S(3)), DType.Float64, S(3)),
            (RandomIntegers(Key, -5, 5, S(3)), DType.Int64, S(3)),
            (RandomBernoulli(Key, a, S(3, 2)), DType.Bool, S(3, 2)),
            (RandomCategorical(Key, logits), DType.Int64, S(3)),
            (RandomCategorical(Key, logits, S(5)), DType.Int64, S(5, 3)),
            (RandomPermutation(Key, 6), DType.Int64, S(6)),
            (RandomShuffle(Key, logits), DType.Float64, S(3, 4)),
            (RandomChoice(Key, logits, 2), DType.Float64, S(2, 4)),
            (RandomTruncatedNormal(Key, -1.0, a, S(3, 2)), DType.Float64, S(3, 2)),
            (RandomGamma(Key, a, S(3, 2)), DType.Float64, S(3, 2)),
            (RandomLogGamma(Key, a, S(2)), DType.Float64, S(2)),
            (RandomBeta(Key, a, 1.0, S(2)), DType.Float64, S(2)),
            (RandomDirichlet(Key, a, S(3)), DType.Float64, S(3, 2)),
            (RandomStudentT(Key, a, S(2)), DType.Float64, S(2)),
            (RandomMultivariateNormal(Key, a, Ones(S(2, 2)), S(3)), DType.Float64, S(3, 2)),
            (RandomNormal(new RandomKey(RandomBits(Key, S(4))), S(3)), DType.Float64, S(4, 3)),
        ];
        foreach (var (draw, dtype, shape) in draws)
        {
            var value = draw.Eval();
            Assert.Equal(dtype, value.DType);
            Assert.Equal(shape, value.Shape);
        }
    }

    // ---- Dropout ---------------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData(1.5)]
    [InlineData(1.0)]
    [InlineData(-0.1)]
    [InlineData(double.NaN)]
    public void A_rate_that_is_no_probability_below_one_is_refused_with_its_value(double rate)
    {
        var e = Assert.Throws<ArgumentOutOfRangeException>(() => new Dropout(rate));
        Assert.Contains($"{rate}", e.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => Dropout(Ones(S(2)), rate, Key));
    }

    [Fact]
    public void Dropout_drops_in_training_only()
    {
        var layer = new Dropout(0.5);
        Expr x = Ones(S(1000));
        Assert.Same(x, layer.Call(x));
        Assert.False(Training.IsActive);
        double[] first, second, given;
        using (Training.Begin(Key))
        {
            Assert.True(Training.IsActive);
            first = Values(layer.Call(x));
            second = Values(layer.Call(x));
            given = Values(layer.Call(x, Key));
        }
        Assert.False(Training.IsActive);
        Assert.All(first, v => Assert.True(v is 0 or 2));
        Assert.InRange(first.Count(v => v == 0), 430, 570);
        Assert.NotEqual(first, second);
        Assert.NotEqual(first, given);
        using (Training.Begin(Key)) Assert.Equal(first, Values(layer.Call(x)));
        Assert.Throws<InvalidOperationException>(() => Training.NextKey());
    }

    [Fact]
    public void A_training_step_without_a_seed_says_that_it_needs_one()
    {
        var net = new Sequential(new Linear(2, 2), new Dropout(0.5));
        var step = TrainingStep.Compile(net, x => Sum(net.Call(x)), Optimizer.Sgd(0.1));
        var e = Assert.Throws<InvalidOperationException>(() => step.Run(new float[,] { { 1, 2 } }));
        Assert.Contains("seed", e.Message, StringComparison.Ordinal);
        // Evaluation needs none, nor a layer that drops nothing.
        net.Call(Ones(S(1, 2), DType.Float32)).Eval();
        var kept = new Sequential(new Linear(2, 2), new Dropout(0));
        TrainingStep.Compile(kept, x => Sum(kept.Call(x)), Optimizer.Sgd(0.1)).Run(new float[,] { { 1, 2 } });
    }

    [Fact]
    public void Each_step_drops_other_elements_and_the_seed_says_which()
    {
        double[] Losses(long seed)
        {
            var net = new Sequential(new Linear(8, 8, random: new Random(1), dtype: DType.Float64), new Dropout(0.5));
            var step = TrainingStep.Compile(net, x => Sum(Square(net.Call(x))), Optimizer.Sgd(0.0), seed: seed);
            var x = Ones(S(4, 8)).Eval();
            return [.. Enumerable.Range(0, 5).Select(_ => step.Run(x))];
        }

        var losses = Losses(7);
        Assert.Equal(5, losses.Distinct().Count());
        Assert.Equal(losses, Losses(7));
        Assert.NotEqual(losses, Losses(8));
    }

    // ---- Saved and continued ---------------------------------------------------------------------------------------------------

    private static (NDArray X, NDArray Y) Data()
    {
        var x = RandomNormal(Key, S(103, 6), DType.Float32);
        return (x.Eval(), (0.3 * Sum(x, [1], true)).Eval());
    }

    private static (Sequential Net, TrainingStep Step, Batches Batches) Make()
    {
        var random = new Random(3);
        var net = new Sequential(new Linear(6, 16, random: random), new Tanh(), new Dropout(0.3), new Linear(16, 8, random: random), new Dropout(0.1), new Linear(8, 1, random: random));
        var step = TrainingStep.Compile(net, (x, y) => Mean(Square(net.Call(x) - y)), Optimizer.Adam(1e-2), seed: 5);
        var (inputs, targets) = Data();
        return (net, step, new Batches([inputs, targets], 16, seed: 11));
    }

    [Fact]
    public void Two_hundred_steps_are_a_hundred_saved_loaded_and_a_hundred_more_to_the_bit()
    {
        var (net, step, batches) = Make();
        var losses = new List<double>();
        for (var i = 0; i < 100; i++) losses.Add(step.Run(batches.Next()));
        step.Save(At("half.safetensors"), batches.State());
        for (var i = 0; i < 100; i++) losses.Add(step.Run(batches.Next()));

        var (other, continued, rest) = Make();
        for (var i = 0; i < 3; i++) continued.Run(rest.Next()); // what it was before does not matter
        rest.Restore(continued.Load(At("half.safetensors")));
        Assert.Equal((14, 2), (rest.Epoch, rest.Position));
        for (var i = 100; i < 200; i++) Assert.Equal(losses[i], continued.Run(rest.Next()));
        foreach (var ((path, a), (_, b)) in net.NamedParameters().Zip(other.NamedParameters()))
            Assert.True(a.Value.Span<float>().SequenceEqual(b.Value.Span<float>()), path);
        Assert.True(losses[..20].Average() > 2 * losses[^20..].Average(), "it learnt nothing");
    }

    [Fact]
    public void A_checkpoint_with_a_seed_is_not_that_of_a_step_without()
    {
        var layer = new Linear(2, 2);
        var with = TrainingStep.Compile(layer, x => Sum(layer.Call(x)), Optimizer.Sgd(0.1), seed: 1);
        var without = TrainingStep.Compile(layer, x => Sum(layer.Call(x)), Optimizer.Sgd(0.1));
        with.Save(At("with"));
        var e = Assert.Throws<DiffFormatException>(() => without.Load(At("with")));
        Assert.Contains("\"random\" is not expected", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("random", Safetensors.Load(WithoutSeed()).Tensors.Keys);

        string WithoutSeed()
        {
            without.Save(At("without"));
            return At("without");
        }
    }

    // ---- Batches ---------------------------------------------------------------------------------------------------------------

    private static Batches Of(int count, int size, long? seed = null, bool dropLast = false) =>
        new([NDArray.Create(Enumerable.Range(0, count).ToArray(), S(count)), NDArray.Create(Enumerable.Range(0, 2 * count).Select(i => (double)i).ToArray(), S(count, 2))], size, seed, dropLast);

    [Fact]
    public void A_batch_of_more_rows_than_there_are_is_all_of_them()
    {
        var batches = Of(10, int.MaxValue, seed: 3);
        Assert.Equal(1, batches.BatchesPerEpoch);
        Assert.Equal(Enumerable.Range(0, 10), Epoch(batches).Single().Order());
        Assert.Equal(1, batches.Epoch);
    }

    private static int[][] Epoch(Batches batches) => [.. batches.Select(b => b[0].Span<int>().ToArray())];

    [Fact]
    public void An_epoch_has_every_row_once_with_what_belongs_to_it()
    {
        var batches = Of(10, 4, seed: 1);
        Assert.Equal(3, batches.BatchesPerEpoch);
        foreach (var batch in batches)
        {
            var rows = batch[0].Span<int>();
            for (var i = 0; i < rows.Length; i++) Assert.Equal([2.0 * rows[i], 2.0 * rows[i] + 1], batch[1].Span<double>().Slice(2 * i, 2).ToArray());
        }
        int[][] second = Epoch(batches), third = Epoch(batches);
        Assert.Equal([4, 4, 2], second.Select(b => b.Length));
        Assert.Equal(Enumerable.Range(0, 10), second.SelectMany(b => b).Order());
        Assert.NotEqual(second.SelectMany(b => b), third.SelectMany(b => b));
        Assert.Equal(3, batches.Epoch);
        Assert.Equal(RandomPermutation(new RandomKey(1).FoldIn(2), 10).Eval().Span<long>().ToArray(), third.SelectMany(b => b).Select(i => (long)i));
    }

    [Fact]
    public void Rows_stay_in_order_without_a_seed_and_a_last_part_is_left_out_if_asked_for()
    {
        var batches = Of(10, 4, dropLast: true);
        Assert.Equal(2, batches.BatchesPerEpoch);
        int[][] expected = [[0, 1, 2, 3], [4, 5, 6, 7]];
        Assert.Equal(expected, Epoch(batches));
        Assert.Equal(expected, Epoch(batches));
        Assert.Equal([[0, 1, 2]], Epoch(Of(3, 5)));
    }

    [Fact]
    public void An_epoch_left_in_the_middle_goes_on_from_there_after_a_restore()
    {
        Batches batches = Of(10, 3, seed: 4), other = Of(10, 3, seed: 4);
        for (var i = 0; i < 6; i++) batches.Next();
        var state = batches.State("train");
        var rest = Epoch(batches);
        other.Restore(state, "train");
        Assert.Equal(2, rest.Length);
        Assert.Equal(rest, Epoch(other));
        Assert.Equal(Epoch(batches), Epoch(other));
        Assert.Contains("seed 4", Assert.Throws<ArgumentException>(() => Of(10, 3, seed: 5).Restore(state, "train")).Message, StringComparison.Ordinal);
        Assert.Contains("by 3", Assert.Throws<ArgumentException>(() => Of(10, 2, seed: 4).Restore(state, "train")).Message, StringComparison.Ordinal);
        Assert.Contains("batches.of", Assert.Throws<ArgumentException>(() => other.Restore(state)).Message, StringComparison.Ordinal);
        state["train.position"] = "9";
        Assert.Throws<ArgumentException>(() => other.Restore(state, "train"));
    }

    [Fact]
    public void Data_of_half_precision_come_in_batches_as_they_are()
    {
        Half[] halves = [.. Enumerable.Range(0, 7).Select(i => (Half)(i / 4.0))];
        BFloat16[] brains = [.. Enumerable.Range(0, 7).Select(i => (BFloat16)(i / 4.0))];
        var batch = new Batches([halves, brains], 3, seed: 2).Next();
        Assert.Equal((DType.Float16, DType.BFloat16), (batch[0].DType, batch[1].DType));
        Assert.Equal(batch[0].ToArray<Half>().Select(h => (float)h), batch[1].ToArray<BFloat16>().Select(b => (float)b));
    }

    [Fact]
    public void Gradients_accumulate_in_float32_beside_what_is_stored_in_half_precision()
    {
        var w = Variable((NDArray)new[] { (Half)0.5, (Half)(-2) });
        for (var i = 0; i < 2; i++) Sum(Square(Cast(w, DType.Float32))).Backward();
        Assert.Equal([2f, -8f], w.Grad!.ToArray<float>());
        Assert.Throws<DTypeException>(() => new Parameter(w.Value));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void A_batch_size_below_one_is_refused_with_its_value(int size)
    {
        var e = Assert.Throws<ArgumentOutOfRangeException>(() => Of(10, size));
        Assert.Contains($"{size}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Data_that_give_no_batch_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Of(0, 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => Of(3, 4, dropLast: true));
        Assert.Throws<ArgumentException>(() => new Batches([], 4));
        var e = Assert.Throws<ShapeException>(() => new Batches([Ones(S(3)).Eval(), Ones(S(4)).Eval()], 2));
        Assert.Contains("(3) and (4)", e.Message, StringComparison.Ordinal);
    }
}
