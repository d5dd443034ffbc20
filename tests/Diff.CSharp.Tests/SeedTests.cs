using Diff.Samples;
using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>The numbers that the texts behind this library print, each under its number in their list of acceptance facts.</summary>
public sealed class SeedTests
{
    private static void Prints(double expected, double actual, int ulps = 4)
    {
        var apart = Math.Abs(BitConverter.DoubleToInt64Bits(expected) - BitConverter.DoubleToInt64Bits(actual));
        Assert.True(expected == actual || apart <= ulps, $"expected {expected:R}, got {actual:R}: {apart} ulp");
    }

    private static void Relative(double tolerance, double expected, double actual) =>
        Assert.True(Math.Abs(actual - expected) <= tolerance * Math.Abs(expected), $"expected {expected:R}, got {actual:R}");

    private static double[] Numbers(Expr x) => x.Eval().ToArray<double>();

    private static Expr Derivative(int order, Expr y, Expr x)
    {
        for (var i = 0; i < order; i++) y = Grad(y, x);
        return y;
    }

    // ---- The graph-to-graph library (B) ----

    [Fact]
    public void B1_B2_B3_A_product_and_an_exponential()
    {
        var (x, y) = (Variable(3.0, "x"), Variable(4.0, "y"));
        var z = x * y + Exp(x + 3);
        Prints(415.4287934927351, z.Item());
        Prints(407.4287934927351, Grad(z, x).Item());
        Assert.Equal(3.0, Grad(z, y).Item());
        Prints(403.4287934927351, Derivative(2, z, x).Item());
        var f = Compile((Expr a, Expr b) => a * b + Exp(a + 3));
        var (value, gradient) = f.ValueAndGrad(3.0, 4.0);
        Prints(415.4287934927351, value);
        Prints(407.4287934927351, gradient[0]);
        Assert.Equal(3.0, gradient[1]);
    }

    [Fact]
    public void B4_With_a_seed_of_ones_the_gradient_of_a_product_repeats_column_sums()
    {
        var random = PythonRandom.NumPy(0);
        Expr Draw(int rows, int columns) => Variable([.. Enumerable.Range(0, rows * columns).Select(_ => random.Uniform(-1, 1))], new Shape([rows, columns]));
        var (x, w) = (Draw(2, 3), Draw(3, 5));
        var y = MatMul(x, w);
        var expected = Numbers(Sum(x, 0)).SelectMany(s => Enumerable.Repeat(s, 5)).ToArray();
        Assert.Equal(expected, Numbers(Grad(y, w)));
        Assert.Equal(expected, Numbers(Grad(y, w, seed: OnesLike(y))));
        Assert.Equal(expected, Numbers(Vjp(y, OnesLike(y), w)[0]));
    }

    [Fact]
    public void B5_The_largest_derivatives_of_tanh()
    {
        double Largest(int order, int points)
        {
            var x = Linspace(-7, 7, points, "x");
            return Numbers(Derivative(order, Tanh(x), x)).Max(Math.Abs);
        }
        double[] printed = [0.999998, 0.998764, 0.769652, 1.990119, 4.057912];
        for (var order = 0; order < printed.Length; order++) Assert.Equal(printed[order], Largest(order, 200), 5e-7);
        // On a fine grid with 0 in it: the suprema over all numbers.
        double[] suprema = [1, 1, 0.7698003589195010, 2, 4.0858855029696555, 16, 52.265953133355126];
        for (var order = 0; order < suprema.Length; order++)
        {
            var largest = Largest(order, 20_001);
            Assert.InRange(largest, suprema[order] - 1e-4, suprema[order] + 1e-13);
        }
    }

    [Theory]
    [InlineData(0.5, new[] { 0.46211715726000976, 0.78644773296592741, -0.72686198138358728, -0.56520928825977036, 3.9522195637245831, -3.2666864719713927, -36.279540291791625 })]
    [InlineData(1.0, new[] { 0.76159415595576489, 0.41997434161402607, -0.6397000084492245, 0.62162668077129626, 0.66509104475050168, -5.5568935584737198, 13.624075441312104 })]
    [InlineData(0.0, new[] { 0.0, 1, 0, -2, 0, 16, 0 })]
    public void B6_B7_B8_Derivatives_of_tanh(double at, double[] expected)
    {
        ArgumentNullException.ThrowIfNull(expected);
        var x = Variable(at, "x");
        for (var order = 0; order < expected.Length; order++)
            Relative(1e-13, expected[order], Derivative(order, Tanh(x), x).Item()); // 0 is to be 0 exactly
        var compiled = Compile(xs => [.. Enumerable.Range(0, expected.Length).Select(order => Derivative(order, Tanh(xs[0]), xs[0]))]).Call(at);
        for (var order = 0; order < expected.Length; order++) Relative(1e-13, expected[order], compiled[order].Float(0));
    }

    // ---- Reverse mode from scratch (S) ----

    [Fact]
    public void S1_Gradients_with_respect_to_leaves_and_inner_nodes()
    {
        var (a, b) = (Variable(4.0, "a"), Variable(3.0, "b"));
        var c = a + b;
        var d = a * c;
        Assert.Equal(28, d.Item());
        Assert.Equal([11, 4, 4], Grad(d, [a, b, c]).Select(g => g.Item()));
        Assert.Equal(7, Grad(a * StopGradient(c), a).Item()); // the local derivative
        d.Backward();
        Assert.Equal((11, 4), (a.Grad!.Float(0), b.Grad!.Float(0)));
    }

    private static Expr Rational(Expr a, Expr b) => (a / b - a) * (b / a + a + b) * (a - b);

    private static Expr Transcendental(Expr a, Expr b, Expr c) => Log(Pow(Sin(a * b) + Exp(c - a / b), 2)) * c;

    private static readonly double[] RationalAt = [230.3, 33.2], TranscendentalAt = [43, 3, 2];

    private static readonly double[] RationalGradient = [-153284.83150602411185, 3815.0389441500966565];

    private static readonly double[] TranscendentalGradient = [60.853536120466533, 872.23314795361144, -3.2853671032530309];

    [Fact]
    public void S2_S3_A_rational_function_and_its_gradient()
    {
        var (a, b) = (Variable(230.3, "a"), Variable(33.2, "b"));
        var f = Rational(a, b);
        Prints(-11606907.023945786, f.Item());
        f.Backward();
        var (value, compiled) = Compile((Expr a, Expr b) => Rational(a, b)).ValueAndGrad(RationalAt[0], RationalAt[1]);
        Prints(-11606907.023945786, value);
        for (var i = 0; i < 2; i++)
        {
            // The printed digits themselves are 6 ulp off the truth in the second.
            Prints(RationalGradient[i], Grad(f, [a, b])[i].Item(), 6);
            Prints(RationalGradient[i], new[] { a, b }[i].Grad!.Float(0), 6);
            Prints(RationalGradient[i], compiled[i], 6);
        }
    }

    [Fact]
    public void S4_Its_second_derivatives()
    {
        var p = Variable(RationalAt, "p");
        double[] expected = [-1340.1795180722892, -79.95537632457541, -79.95537632457541, 1130.1711479427654];
        var hessian = Numbers(Hessian(Rational(p[0], p[1]), p));
        for (var i = 0; i < 4; i++) Relative(1e-13, expected[i], hessian[i]);
        var (a, b) = (Variable(230.3, "a"), Variable(33.2, "b"));
        var gradient = Grad(Rational(a, b), [a, b]);
        for (var i = 0; i < 4; i++) Relative(1e-13, expected[i], Grad(gradient[i / 2], new[] { a, b }[i % 2]).Item());
    }

    [Fact]
    public void S6_A_transcendental_function_and_its_gradient()
    {
        var (value, gradient) = Compile(Transcendental).ValueAndGrad(TranscendentalAt[0], TranscendentalAt[1], TranscendentalAt[2]);
        Prints(-6.570552160978623, value);
        for (var i = 0; i < 3; i++) Prints(TranscendentalGradient[i], gradient[i]);
        Expr[] xs = [Variable(43.0, "a"), Variable(3.0, "b"), Variable(2.0, "c")];
        var f = Transcendental(xs[0], xs[1], xs[2]);
        Prints(-6.570552160978623, f.Item());
        for (var i = 0; i < 3; i++) Prints(TranscendentalGradient[i], Grad(f, xs)[i].Item());
    }

    [Fact]
    public void S5_S7_Derivatives_are_much_closer_to_the_truth_than_the_printed_forward_differences()
    {
        double[] truth = [.. RationalGradient, .. TranscendentalGradient];
        double[] printed = [-153284.89243984222, 3815.069794654846, 60.85352186602222, 872.232160009645, -3.285367089489455];
        double[] derivatives =
        [
            .. Compile((Expr a, Expr b) => Rational(a, b)).ValueAndGrad(RationalAt[0], RationalAt[1]).Gradient,
            .. Compile(Transcendental).ValueAndGrad(TranscendentalAt[0], TranscendentalAt[1], TranscendentalAt[2]).Gradient,
        ];
        for (var i = 0; i < truth.Length; i++)
            Assert.True(1e6 * Math.Abs(derivatives[i] - truth[i]) < Math.Abs(printed[i] - truth[i]));
    }

    private sealed class Layer : Module
    {
        private readonly NDArray _x, _y;

        public Layer()
        {
            var random = PythonRandom.NumPy(0);
            double[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Random())];
            (_x, _y) = (Draw(50), Draw(10));
            Weight = new Parameter(NDArray.Create(Draw(500), new Shape([50, 10])));
        }

        public Parameter Weight { get; }

        public Expr Loss() => Sum(Square(Constant(_y) - MatMul(Constant(_x), Weight)));

        public Expr LossOf(Expr x, Expr y) => Sum(Square(y - MatMul(x, Weight)));

        public double Run(TrainingStep step) => step.Run(_x, _y);
    }

    private static void FollowsTheFit(Func<double> step)
    {
        var losses = Enumerable.Range(0, 100).Select(_ => step()).ToArray();
        (int, double)[] printed = [(1, 1711.1598338302542), (2, 1589.0079167896924), (10, 878.6378927120544), (50, 45.41813210549189), (100, 1.1194467618273092)];
        foreach (var (iteration, loss) in printed) Relative(1e-12, loss, losses[iteration - 1]);
    }

    [Fact]
    public void S8_A_layer_fitted_to_noise_by_compiled_training()
    {
        var layer = new Layer();
        var step = TrainingStep.Compile(layer, layer.LossOf, Optimizer.Sgd(0.001));
        FollowsTheFit(() => layer.Run(step));
    }

    [Fact]
    public void S8_A_layer_fitted_to_noise_in_the_imperative_style()
    {
        var layer = new Layer();
        var optimizer = new Optimizer(Optimizer.Sgd(0.001), layer.Parameters());
        FollowsTheFit(() =>
        {
            var loss = layer.Loss();
            loss.Backward();
            var value = loss.Item();
            optimizer.Step();
            optimizer.ZeroGrad();
            return value;
        });
    }

    [Fact]
    public void S8_A_layer_fitted_to_noise_by_hand()
    {
        var layer = new Layer();
        var loss = layer.Loss();
        var next = layer.Weight - 0.001 * Grad(loss, layer.Weight); // one graph, evaluated a hundred times
        FollowsTheFit(() =>
        {
            var value = loss.Item();
            layer.Weight.Assign(next.Eval());
            return value;
        });
    }

    // ---- An operation of one's own (O) ----

    private sealed class TensorDotProduct : Function
    {
        protected override Shape ResultShape(Shape[] shapes) => new([shapes[0][0], shapes[1][1]]);
        protected override NDArray Forward(NDArray[] args) => MatMul(Constant(args[0]), Constant(args[1])).Eval();
        protected override Expr?[] Backward(Expr[] args, Expr value, Expr cotangent) =>
            [MatMul(cotangent, Transpose(args[1])), MatMul(Transpose(args[0]), cotangent)];
    }

    [Fact]
    public void O1_A_product_of_matrices_built_in_and_of_ones_own()
    {
        foreach (var product in new Func<Expr, Expr, Expr>[] { MatMul, (x, y) => new TensorDotProduct().Apply(x, y) })
        {
            var x = Variable(new double[,] { { 1, 2, 3 } }, "x");
            var y = Variable(new double[,] { { 0 }, { 1 }, { 1 } }, "y");
            var z = product(x, y);
            Assert.Equal(5, z.Item());
            z.Backward(new double[,] { { 1 } });
            Assert.Equal(new Shape([1, 3]), x.Grad?.Shape);
            Assert.Equal([0, 1, 1], x.Grad!.ToArray<double>());
            Assert.Equal(new Shape([3, 1]), y.Grad?.Shape);
            Assert.Equal([1, 2, 3], y.Grad!.ToArray<double>());
            Assert.Equal([1, 0, 0, 0, 1, 0, 0, 0, 1], Numbers(Jacobian(Grad(z, x), y))); // the second derivative is there too
            var compiled = Compile((Expr a, Expr b) => Sum(product(a, b))).ValueAndGrad(new double[,] { { 1, 2, 3 } }, new double[,] { { 0 }, { 1 }, { 1 } });
            Assert.Equal([0, 1, 1], compiled.Gradient[0]!.ToArray<double>());
        }
    }

    // ---- Vertices, vectors, matrices (J) ----

    [Fact]
    public void J7_A_quotient()
    {
        var (x, y) = (Variable(6.0), Variable(2.0));
        Assert.Equal([0.5, -1.5], Grad(x / y, [x, y]).Select(g => g.Item()));
        (x / y).Backward();
        Assert.Equal((0.5, -1.5), (x.Grad!.Float(0), y.Grad!.Float(0)));
    }

    [Fact]
    public void J7_Products_of_many_factors_with_zeros_among_them()
    {
        Expr[] xs = [Variable(2.0), Variable(3.0), Variable(4.0)];
        Assert.Equal([12, 8, 6], Grad(xs[0] * xs[1] * xs[2], xs).Select(g => g.Item()));
        double[] Gradient(params double[] factors)
        {
            var x = Variable(factors);
            return Numbers(Grad(Prod(x), x));
        }
        Assert.Equal([12, 8, 6], Gradient(2, 3, 4));
        Assert.Equal([0, 5], Gradient(5, 0));
        Assert.Equal([0, 0, 0], Gradient(0, 7, 0));
    }

    [Fact]
    public void J7_Products_of_vectors_and_matrices()
    {
        var a = Variable(new double[,] { { 1, 2 }, { 3, 4 } });
        var b = Variable(new double[,] { { 5, 6 }, { 7, 8 } });
        Assert.Equal(32, MatMul(Variable(new double[] { 1, 2, 3 }), Variable(new double[] { 4, 5, 6 })).Item());
        Assert.Equal([19, 22, 43, 50], Numbers(MatMul(a, b)));
        Assert.Equal([17, 39], Numbers(MatMul(a, Variable(new double[] { 5, 6 }))));
        var tall = MatMul(Variable(new double[,] { { 1, 2, 3 }, { 4, 5, 6 } }), Variable(new double[,] { { 7 }, { 8 }, { 9 } }));
        Assert.Equal(new Shape([2, 1]), tall.Shape);
        Assert.Equal([50, 122], Numbers(tall));
    }
}
