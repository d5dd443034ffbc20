using static Diff.Ops;

namespace Diff.Samples;

/// <summary>A small network that tells ten kinds of images apart.</summary>
public static class ImageClassifier
{
    private const int Pixels = 28 * 28, Classes = 10, Batch = 100;

    private const string Help = """
        Trains a network of 784, 32 and 10 units on images of 28 × 28 pixels in the files of the MNIST data sets.

          --data DIR     the folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
                         t10k-labels-idx1-ubyte, each with or without .gz (/usr/share/datasets/fashion-mnist)
          --epochs N     how often to go through the images (2)
          --steps N      an end before that, after N batches of 100
          --seed N       of the initial values and the order of the images (1)
          --out DIR      for accuracy.svg and model.safetensors (artifacts/ImageClassifier)

        Debian and Ubuntu have Fashion-MNIST as a package: apt install dataset-fashion-mnist. Without the right to install:

            apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist*.deb fashion
            dotnet run -c Release --project samples/ImageClassifier -- --data fashion/usr/share/datasets/fashion-mnist
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) => CommandLine.Run(args, Help, Train);

    private static void Train(CommandLine options)
    {
        var data = options.Text("--data", "/usr/share/datasets/fashion-mnist");
        var (images, labels) = Load(data, "train");
        var (testImages, testLabels) = Load(data, "t10k");
        var tests = NDArray.Create(testImages, new Shape([testLabels.Length, Pixels]));
        var random = new Random(options.Int("--seed", 1));
        var folder = options.Folder("artifacts/ImageClassifier");

        var model = new Sequential(
            new Linear(Pixels, 32, initializer: Initializer.HeNormal, random: random), new Relu(),
            new Linear(32, Classes, random: random));
        var step = TrainingStep.Compile(model, (x, y) => CrossEntropy(model.Call(x), y), Optimizer.Adam(0.001));
        var classify = Compile(x => ArgMax(model.Call(x)));

        var order = Enumerable.Range(0, labels.Length).ToArray();
        var perEpoch = labels.Length / Batch;
        var steps = options.Int("--steps", options.Int("--epochs", 2, least: 1) * perEpoch, least: 1);
        var x = new float[Batch * Pixels];
        var y = new int[Batch];
        var (bx, by) = (NDArray.Create(x, new Shape([Batch, Pixels])), NDArray.Create(y, new Shape([Batch])));
        var done = 0;
        var (at, accuracies) = (new List<double>(), new List<double>());

        using (var progress = new Progress(0, steps, every: 100, Batch, "images"))
        {
            for (; done < steps && !progress.Interrupted; done++)
            {
                var first = done % perEpoch * Batch;
                if (first == 0) random.Shuffle(order);
                for (var i = 0; i < Batch; i++)
                {
                    var k = order[first + i];
                    images.AsSpan(k * Pixels, Pixels).CopyTo(x.AsSpan(i * Pixels));
                    y[i] = labels[k];
                }
                var cost = step.Run(bx, by);
                progress.Report(done + 1, () => $"cost {cost:F4}");
                if (done % 100 == 0) Measure();
            }
        }
        Measure();

        Console.WriteLine($"test accuracy {100 * accuracies[^1]:F2} % on {testLabels.Length:N0} images");
        new Chart("Telling images apart") { XLabel = "step", YLabel = "accuracy on the test images, %" }
            .Line("", at, accuracies.Select(a => 100 * a)).Save(Path.Combine(folder, "accuracy.svg"));
        model.Save(Path.Combine(folder, "model.safetensors"));
        Console.WriteLine($"The chart and the model are in {folder}");

        void Measure()
        {
            var right = classify.Call(tests)[0].ToArray<long>().Zip(testLabels).Count(pair => pair.First == pair.Second);
            at.Add(done);
            accuracies.Add((double)right / testLabels.Length);
        }
    }

    /// <summary>The pixels of all images, from 0 to 1, and their classes.</summary>
    private static (float[] Images, int[] Labels) Load(string folder, string part)
    {
        var images = Idx.LoadFloat32(Find("images-idx3-ubyte"), 1.0 / 255);
        var labels = Idx.Load(Find("labels-idx1-ubyte")).ToArray<int>();
        if (images.Length != labels.Length * Pixels || labels.Length < Batch || labels.Any(label => label is < 0 or >= Classes))
            throw new UsageException(
                $"{folder}: expected images of 28 × 28 pixels, at least {Batch}, and as many labels from 0 to 9; "
                + $"got {part} images {images.Shape} and {labels.Length} labels");
        return (images.ToArray<float>(), labels);

        string Find(string name)
        {
            var path = Path.Combine(folder, $"{part}-{name}");
            return Array.Find([path, path + ".gz"], File.Exists)
                ?? throw new UsageException($"--data: there is no {path}[.gz]; --help says where to get the files");
        }
    }
}
