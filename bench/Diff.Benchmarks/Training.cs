using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>Whole steps of training: forward, backward, update.</summary>
internal static class Training
{
    public static readonly Workload[] All =
    [
        new("mlp_train", "float32, 784-512-512-10 with ReLU, batch 128, mean cross-entropy, Adam(1e-3)", Mlp) { Falls = true },
        new("mlp_small_train", "float32, 2-16-16-1 with tanh, batch 32, mean squared error, SGD(1e-2): overhead rather than arithmetic", SmallMlp) { Falls = true },
        new("charrnn_train", "float32, vanilla tanh RNN: vocabulary 65, hidden 100, batch 8, 20 steps, softmax cross-entropy, Adam(1e-2)", CharRnn) { Falls = true },
        new("lstm_train", "float32, one-layer LSTM: vocabulary 65 (embedding 64), hidden 256, batch 32, 50 steps, mean cross-entropy, Adam(1e-3)", LongMemory) { Falls = true },
        new("cnn_train", "float32, 28x28x1: conv 3x3x32 ReLU pool2, conv 3x3x64 ReLU pool2 (valid padding), dense 1600-128 ReLU, 128-10; batch 64, SGD(1e-2)", Cnn) { Falls = true },
        new("gpt_train", "float32, decoder-only transformer: 4 layers, width 128, 4 heads, context 128, vocabulary 65, batch 8, no dropout, AdamW(3e-4)", Gpt) { Falls = true },
    ];

    private static Job Mlp(Data data)
    {
        var r = data.Random;
        var model = new Sequential(
            new Linear(784, 512, random: r), new Relu(), new Linear(512, 512, random: r), new Relu(), new Linear(512, 10, random: r));
        var step = TrainingStep.Compile(model, (inputs, labels) => CrossEntropy(model.Call(inputs), labels), Optimizer.Adam(1e-3));
        var (x, y) = (data.Normal(128, 784), data.Indices(10, 128));
        return Harness.Train(step, x, y);
    }

    private static Job SmallMlp(Data data)
    {
        var r = data.Random;
        var model = new Sequential(
            new Linear(2, 16, random: r), new Tanh(), new Linear(16, 16, random: r), new Tanh(), new Linear(16, 1, random: r));
        var step = TrainingStep.Compile(model, (inputs, targets) => MeanSquaredError(model.Call(inputs), targets), Optimizer.Sgd(1e-2));
        var (x, y) = (data.Normal(32, 2), data.Normal(32, 1));
        return Harness.Train(step, x, y);
    }

    private static Job CharRnn(Data data)
    {
        var model = new Recurrent(65, 100, data.Random);
        var step = TrainingStep.Compile(model, model.Cost, Optimizer.Adam(1e-2));
        var (x, y) = (data.Indices(65, 8, 20), data.Indices(65, 8, 20));
        return Harness.Train(step, x, y);
    }

    private sealed class Recurrent(int symbols, int hidden, Random random) : Module
    {
        private readonly Parameter _state = new(new Shape([hidden, hidden]), Initializer.Normal(0.01), random);
        private readonly Parameter _input = new(new Shape([symbols, hidden]), Initializer.Normal(0.01), random);
        private readonly Parameter _bias = new(new Shape([hidden]), Initializer.Zeros);
        private readonly Parameter _output = new(new Shape([hidden, symbols]), Initializer.Normal(0.01), random);
        private readonly Parameter _outputBias = new(new Shape([symbols]), Initializer.Zeros);

        public Expr Cost(Expr x, Expr y)
        {
            var (batch, steps) = (x.Shape[0], x.Shape[1]);
            var h = Zeros(new Shape([batch, hidden]), DType.Float32);
            Expr total = 0f;
            for (var t = 0; t < steps; t++)
            {
                h = Tanh(MatMul(h, _state) + Gather(_input, x[.., t]) + _bias);
                total += Sum(CrossEntropies(MatMul(h, _output) + _outputBias, y[.., t]));
            }
            return total / steps;
        }
    }

    private static Job LongMemory(Data data)
    {
        var model = new Lstm(65, 64, 256, data.Random);
        var step = TrainingStep.Compile(model, (x, y) => CrossEntropy(model.Call(x), y), Optimizer.Adam(1e-3));
        var (x, y) = (data.Indices(65, 32, 50), data.Indices(65, 32, 50));
        return Harness.Train(step, x, y);
    }

    private sealed class Lstm(int symbols, int size, int hidden, Random random) : Module
    {
        private readonly Embedding _table = new(symbols, size, random: random);
        private readonly Linear _input = new(size, 4 * hidden, initializer: Initializer.Uniform(1.0 / 16), random: random);
        private readonly Linear _state = new(hidden, 4 * hidden, initializer: Initializer.Uniform(1.0 / 16), random: random);
        private readonly Linear _output = new(hidden, symbols, random: random);

        protected override Expr Forward(Expr x)
        {
            var (batch, steps) = (x.Shape[0], x.Shape[1]);
            var h = Zeros(new Shape([batch, hidden]), DType.Float32);
            var (c, states) = (h, new Expr[steps]);
            var inputs = _input.Call(_table.Call(x));
            for (var t = 0; t < steps; t++)
            {
                var gates = Split(inputs[.., t] + _state.Call(h), 1, hidden, hidden, hidden, hidden);
                c = Sigmoid(gates[1]) * c + Sigmoid(gates[0]) * Tanh(gates[2]);
                states[t] = h = Sigmoid(gates[3]) * Tanh(c);
            }
            return _output.Call(Stack(1, states));
        }
    }

    private static Job Cnn(Data data)
    {
        var r = data.Random;
        var model = new Sequential(
            new Conv2d(1, 32, 3, random: r), new Relu(), new MaxPool2d(2), new Conv2d(32, 64, 3, random: r), new Relu(), new MaxPool2d(2),
            new Flatten(), new Linear(1600, 128, random: r), new Relu(), new Linear(128, 10, random: r));
        var step = TrainingStep.Compile(model, (inputs, labels) => CrossEntropy(model.Call(inputs), labels), Optimizer.Sgd(1e-2));
        var (x, y) = (data.Normal(64, 1, 28, 28), data.Indices(10, 64));
        return Harness.Train(step, x, y);
    }

    private static Job Gpt(Data data)
    {
        var model = new Transformer(65, 128, 128, 4, 4, data.Random);
        var step = TrainingStep.Compile(model, (x, y) => CrossEntropy(model.Call(x), y), Optimizer.AdamW(3e-4));
        var (x, y) = (data.Indices(65, 8, 128), data.Indices(65, 8, 128));
        return Harness.Train(step, x, y);
    }
}
