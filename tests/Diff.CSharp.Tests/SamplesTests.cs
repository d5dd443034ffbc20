using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Xml.Linq;
using Diff.Samples;
using Xunit;

namespace Diff.Tests;

/// <summary>Tests that own the console: they run after the others, one at a time.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class TheConsole
{
    public const string Name = "the console";
}

/// <summary>The sample programs, run in their short forms through their entry points.</summary>
[Collection(TheConsole.Name)]
public sealed class SamplesTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-samples").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    private string At(params string[] path) => Path.Combine([_folder, .. path]);

    private sealed record Result(int Code, string Out, string Error)
    {
        public string[] Lines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
    }

    private static Result Run(Func<string[], int> main, params string[] args)
    {
        var (before, beforeError) = (Console.Out, Console.Error);
        using StringWriter output = new(CultureInfo.InvariantCulture), error = new(CultureInfo.InvariantCulture);
        Console.SetOut(output);
        Console.SetError(error);
        try
        {
            return new Result(main(args), output.ToString(), error.ToString());
        }
        finally
        {
            Console.SetOut(before);
            Console.SetError(beforeError);
        }
    }

    private static Result Succeeds(Func<string[], int> main, params string[] args)
    {
        var result = Run(main, args);
        Assert.Equal("", result.Error);
        Assert.Equal(0, result.Code);
        return result;
    }

    /// <summary>Exit code 2 and one line that says what to change.</summary>
    private static void Fails(string message, Func<string[], int> main, params string[] args)
    {
        var result = Run(main, args);
        Assert.Equal($"error: {message}", result.Error.TrimEnd());
        Assert.Equal(2, result.Code);
    }

    private static void IsChart(string path)
    {
        var svg = XDocument.Load(path);
        Assert.Equal("svg", svg.Root!.Name.LocalName);
        Assert.Contains(svg.Descendants(), e => e.Name.LocalName == "path" && e.Attribute("d")!.Value.Contains('L', StringComparison.Ordinal));
        Assert.DoesNotContain("NaN", svg.ToString(), StringComparison.Ordinal);
    }

    private static double Number(string text) => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture);

    // ---- LinearFit ----

    [Fact]
    public void LinearFit_follows_the_published_digits()
    {
        var result = Succeeds(LinearFit.Main, "--out", At("out"));
        var table = result.Lines.SkipWhile(l => !l.StartsWith("true weight", StringComparison.Ordinal)).Skip(1).Take(5)
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(Number).ToArray()).ToArray();
        double[] truth = [0.44661426582452757, -1.3078976781240659, -0.404920714804475, 0.3689330136599842, -0.560598703419118];
        double[] learned = [0.4462050447411561, -1.30579607982552, -0.4046215004941457, 0.36713642387257217, -0.5597352938168645];
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(truth[i], table[i][0], 1e-14);
            Assert.Equal(learned[i], table[i][1], 1e-10);
        }
        var losses = Losses(result);
        foreach (var (epoch, loss) in new[] { (10, 0.20481098022259836), (100, 0.010139068173883522) }) Assert.Equal(loss, losses[epoch], 1e-10);
        IsChart(At("out", "loss.svg"));
        IsChart(At("out", "weights.svg"));
    }

    [Theory]
    [InlineData(1, 0.658346185623809)]
    [InlineData(2, 0.5772441224790437)]
    [InlineData(3, 0.5062906330787282)]
    public void LinearFit_may_end_earlier(int epochs, double loss) =>
        Assert.Equal(loss, Losses(Succeeds(LinearFit.Main, "--epochs", $"{epochs}", "--out", At("out")))[epochs], 1e-10);

    /// <summary>What the progress lines say, by epoch.</summary>
    private static Dictionary<int, double> Losses(Result result) =>
        result.Lines.Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(w => w.Length > 5 && w[0] == "epoch")
            .ToDictionary(w => int.Parse(w[1], CultureInfo.InvariantCulture), w => Number(w[Array.IndexOf(w, "loss") + 1]));

    // ---- CurveFit ----

    [Theory]
    [InlineData(1, 1.753522429212742)]
    [InlineData(2, 1.3039175420347853)]
    [InlineData(3, 1.2411998722128916)]
    [InlineData(5, 0.7313269261383593)]
    public void CurveFit_follows_the_published_digits(int epochs, double loss)
    {
        var result = Succeeds(CurveFit.Main, "--epochs", $"{epochs}", "--out", At("out"));
        Assert.Equal(loss, Losses(result)[epochs], 1e-10);
        Assert.Contains(result.Lines, l => l.StartsWith("mean squared error to the curve ", StringComparison.Ordinal));
        IsChart(At("out", "curve.svg"));
        if (epochs > 1) IsChart(At("out", "loss.svg")); // of one epoch, the line is a point
    }

    // ---- Learning to learn ----

    /// <summary>The numbers of the line that begins so.</summary>
    private static double[] Row(Result result, string name) =>
        [.. result.Lines.Single(l => l.StartsWith(name, StringComparison.Ordinal))[name.Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries).Where(w => w != "%").Select(Number)];

    [Fact]
    public void Maml_learns_weights_that_one_step_adapts()
    {
        var result = Succeeds(Maml.Main, "--steps", "2500", "--out", At("out"));
        double[] ours = Row(result, "from weights learned for adaptation"), theirs = Row(result, "from weights trained on all tasks");
        Assert.True(ours[1] < 0.9 * ours[0], $"{ours[0]} became {ours[1]} by a step");
        Assert.True(ours[1] < theirs[1], $"{ours[1]} against {theirs[1]}");
        IsChart(At("out", "maml.svg"));
        IsChart(At("out", "losses.svg"));
    }

    [Fact]
    public void HyperParameters_lowers_the_error_on_held_out_points()
    {
        var result = Succeeds(HyperParameters.Main, "--steps", "60", "--out", At("out"));
        var words = result.Lines.Single(l => l.StartsWith("held-out error", StringComparison.Ordinal)).Split([' ', ',', ';'], StringSplitOptions.RemoveEmptyEntries);
        var (before, after) = (Number(words[2]), Number(words[4]));
        Assert.True(after < before / 2, $"{before} became {after}");
        foreach (var chart in new[] { "fit.svg", "error.svg" }) IsChart(At("out", chart));
        Assert.Equal("svg", XDocument.Load(At("out", "decays.svg")).Root!.Name.LocalName); // points alone
    }

    [Fact]
    public void SyntheticGradients_train_a_network_that_true_gradients_would_train()
    {
        var result = Succeeds(SyntheticGradients.Main, "--steps", "1500", "--out", At("out"));
        double Accuracy(string name) => Row(result, $"{name,-20} accuracy").First();
        Assert.True(Accuracy("synthetic gradients") > Accuracy("layers left alone") + 10);
        foreach (var chart in new[] { "loss.svg", "agreement.svg" }) IsChart(At("out", chart));
        Assert.Equal("svg", XDocument.Load(At("out", "spirals.svg")).Root!.Name.LocalName);
    }

    [Fact]
    public void LearnedOptimizer_learns_to_descend()
    {
        var result = Succeeds(LearnedOptimizer.Main, "--steps", "150", "--out", At("out"));
        Assert.True(Row(result, "learned")[0] < 0.3);
        IsChart(At("out", "descent.svg"));
        IsChart(At("out", "learning.svg"));
    }

    // ---- CharRnn ----

    private string Text(string name = "text.txt", string content = "The quick brown fox jumps over the lazy dog, and the dog sleeps on. ")
    {
        File.WriteAllText(At(name), string.Concat(Enumerable.Repeat(content, 40)));
        return At(name);
    }

    private static double[] Costs(string file) => [.. Safetensors.Load(file).Metadata["costs"].Split(' ').Select(Number)];

    [Fact]
    public void CharRnn_learns_a_text_and_resumes_as_if_it_had_never_stopped()
    {
        var text = Text();
        string[] options = ["--text", text, "--seed", "3"];
        var whole = Succeeds(CharRnn.Main, [.. options, "--steps", "120", "--out", At("whole")]);
        var symbols = File.ReadAllText(text).Distinct().Count();
        Assert.Matches($"^{new FileInfo(text).Length:N0} characters, {symbols} different ones; [0-9,]+ parameters", whole.Out);
        Assert.Contains("Saved after step 120", whole.Out, StringComparison.Ordinal);

        var file = At("whole", "model.safetensors");
        var costs = Costs(file);
        Assert.Equal(120, costs.Length);
        Assert.Equal(8 * Math.Log(symbols) * 19 / 20, costs[0], 0.2); // it begins by knowing nothing
        Assert.True(costs[^10..].Average() < 0.5 * costs[0], $"from {costs[0]} to {costs[^10..].Average()}");
        IsChart(At("whole", "cost.svg"));
        Assert.Contains("</html>", File.ReadAllText(At("whole", "step.html")), StringComparison.OrdinalIgnoreCase);

        Succeeds(CharRnn.Main, [.. options, "--steps", "70", "--out", At("halves")]);
        Assert.Equal(costs[..70], Costs(At("halves", "model.safetensors")));
        // The seed comes from the file.
        Succeeds(CharRnn.Main, "--text", text, "--resume", "--steps", "120", "--out", At("halves"));
        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(At("halves", "model.safetensors")));

        // Nothing is left to do.
        Succeeds(CharRnn.Main, "--text", text, "--resume", "--steps", "120", "--out", At("halves"));
        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(At("halves", "model.safetensors")));

        var other = Text("other.txt", "Numbers: 0123456789, and nothing else. ");
        Fails($"--resume: {At("halves", "model.safetensors")} has learned a text with other characters", CharRnn.Main, "--text", other, "--prompt", "N", "--resume", "--out", At("halves"));
        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(At("halves", "model.safetensors")));
    }

    [Fact]
    public void CharRnn_without_a_text_reads_the_repository()
    {
        var result = Succeeds(CharRnn.Main, "--steps", "2", "--out", At("out"));
        Assert.Contains("Saved after step 2", result.Out, StringComparison.Ordinal);
        Assert.Equal(2, Costs(At("out", "model.safetensors")).Length);
    }

    [Fact]
    public void CharRnn_writes_what_it_is_prompted_to()
    {
        var result = Succeeds(CharRnn.Main, "--text", Text(), "--steps", "1", "--prompt", "lazy dog", "--out", At("out"));
        Assert.Contains(result.Lines, l => l.StartsWith("lazy dog", StringComparison.Ordinal));
        var withoutThe = Succeeds(CharRnn.Main, "--text", Text("other.txt", "9876543210"), "--steps", "1", "--out", At("other"));
        Assert.Contains(withoutThe.Lines, l => l.StartsWith("987", StringComparison.Ordinal));
    }

    [Fact]
    public void CharRnn_says_what_to_change()
    {
        var text = Text();
        var outFolder = At("out");
        Fails("--prompt: \"\" is empty or has characters that are not in the text", CharRnn.Main, "--text", text, "--prompt", "", "--out", outFolder);
        Fails("--prompt: \"7\" is empty or has characters that are not in the text", CharRnn.Main, "--text", text, "--prompt", "7", "--out", outFolder);
        Fails($"{_folder}: is a folder, a text file was expected", CharRnn.Main, "--text", _folder, "--out", outFolder);
        Fails($"Could not find file '{At("nothing.txt")}'.", CharRnn.Main, "--text", At("nothing.txt"), "--out", outFolder);
        File.WriteAllText(At("short.txt"), "The end");
        Fails($"{At("short.txt")}: the text has 7 characters, at least 21 are needed", CharRnn.Main, "--text", At("short.txt"), "--out", outFolder);
        File.WriteAllBytes(At("bytes.bin"), [.. Enumerable.Range(128, 100).Select(i => (byte)i)]);
        Assert.StartsWith($"error: {At("bytes.bin")}: is not a text in UTF-8", Run(CharRnn.Main, "--text", At("bytes.bin"), "--out", outFolder).Error, StringComparison.Ordinal);
        Fails($"Could not find file '{At("out", "model.safetensors")}'.", CharRnn.Main, "--text", text, "--resume", "--out", outFolder);
        File.WriteAllText(At("out", "model.safetensors"), "not a model");
        var broken = Run(CharRnn.Main, "--text", text, "--resume", "--out", outFolder);
        Assert.Equal(2, broken.Code);
        Assert.StartsWith($"error: {At("out", "model.safetensors")}: ", broken.Error, StringComparison.Ordinal);
        Assert.Equal("not a model", File.ReadAllText(At("out", "model.safetensors")));
    }

    [Fact]
    public async Task CharRnn_saves_and_ends_when_it_is_interrupted()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no signal to send");
        Assert.SkipWhen(
            File.Exists("/proc/self/status")
            && File.ReadLines("/proc/self/status").Any(l => l.StartsWith("SigIgn:", StringComparison.Ordinal) && (Convert.ToUInt64(l[7..].Trim(), 16) & 2) != 0),
            "the tests run in the background, where a child does not hear Ctrl+C");
        var text = Text();
        var program = Repository.File($"samples/CharRnn/bin/{Configuration}/net10.0/CharRnn.dll");
        using var process = Start([program, "--text", text, "--steps", "1000000", "--out", At("out")]);
        var first = "";
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        while (!first.StartsWith("step ", StringComparison.Ordinal))
        {
            var line = await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            if (line is null) Assert.Fail(await error);
            first = line;
        }
        using (var kill = Process.Start("kill", ["-INT", $"{process.Id}"])) await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        var result = await Finish(program, process, error);
        var n = Costs(At("out", "model.safetensors")).Length;
        Assert.True(n >= 100);
        Assert.Contains($"Saved after step {n:N0} in ", result.Out, StringComparison.Ordinal);
        Assert.Contains($"Saved after step {n + 1:N0} in ", Succeeds(CharRnn.Main, "--text", text, "--resume", "--steps", $"{n + 1}", "--out", At("out")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public void CharRnn_resumes_only_from_a_file_of_its_own()
    {
        Directory.CreateDirectory(At("out"));
        Safetensors.Save(At("out", "model.safetensors"), new Dictionary<string, NDArray> { ["weight"] = 1.0 });
        var result = Run(CharRnn.Main, "--text", Text(), "--resume", "--out", At("out"));
        Assert.Equal(2, result.Code);
        Assert.Contains("its tensors are not this model's", result.Error, StringComparison.Ordinal);
        // The right tensors, but no notes.
        Succeeds(CharRnn.Main, "--text", Text(), "--steps", "1", "--out", At("out"));
        Safetensors.Save(At("out", "model.safetensors"), Safetensors.Load(At("out", "model.safetensors")).Tensors);
        Assert.Equal(2, Run(CharRnn.Main, "--text", Text(), "--resume", "--out", At("out")).Code);
    }

    // ---- ImageClassifier ----

    /// <summary>Images of ten kinds: a bright bar at a place that depends on the kind, in noise.</summary>
    private void MakeImages(string part, int count, int seed)
    {
        var random = new Random(seed);
        int[] images = [.. Enumerable.Range(0, count * 784).Select(_ => random.Next(60))], labels = new int[count];
        for (var i = 0; i < count; i++)
        {
            labels[i] = i % 10;
            for (var row = 0; row < 28; row++)
                for (var column = 0; column < 3; column++)
                    images[i * 784 + 28 * row + 2 * labels[i] + column] += 150;
        }
        Directory.CreateDirectory(At("data"));
        Idx.Save(At("data", $"{part}-images-idx3-ubyte"), NDArray.Create(images, new Shape([count, 28, 28])), IdxElement.UInt8);
        Idx.Save(At("data", $"{part}-labels-idx1-ubyte"), labels, IdxElement.UInt8);
    }

    [Fact]
    public void ImageClassifier_tells_simple_images_apart()
    {
        MakeImages("train", 1000, 1);
        MakeImages("t10k", 200, 2);
        var result = Succeeds(ImageClassifier.Main, "--data", At("data"), "--epochs", "8", "--out", At("out"));
        var accuracy = result.Lines.Single(l => l.StartsWith("test accuracy", StringComparison.Ordinal)).Split(' ');
        Assert.True(Number(accuracy[2]) > 95, string.Join(' ', accuracy));
        Assert.EndsWith("% on 200 images", string.Join(' ', accuracy), StringComparison.Ordinal);
        IsChart(At("out", "accuracy.svg"));
        var shapes = Safetensors.Load(At("out", "model.safetensors")).Tensors.ToDictionary(t => t.Key, t => $"{t.Value.Shape}");
        Assert.Equal(["(10)", "(10, 32)", "(32)", "(32, 784)"], shapes.Values.Order());

        var again = Succeeds(ImageClassifier.Main, "--data", At("data"), "--steps", "80", "--out", At("again"));
        Assert.Equal(File.ReadAllBytes(At("out", "model.safetensors")), File.ReadAllBytes(At("again", "model.safetensors")));
        Assert.Equal(accuracy, again.Lines.Single(l => l.StartsWith("test accuracy", StringComparison.Ordinal)).Split(' '));
        Succeeds(ImageClassifier.Main, "--data", At("data"), "--steps", "3", "--seed", "2", "--out", At("other"));
        Assert.NotEqual(File.ReadAllBytes(At("out", "model.safetensors")), File.ReadAllBytes(At("other", "model.safetensors")));
    }

    [Fact]
    public void ImageClassifier_says_what_to_change()
    {
        Fails($"--data: there is no {At("data", "train-images-idx3-ubyte")}[.gz]; --help says where to get the files", ImageClassifier.Main, "--data", At("data"), "--out", At("out"));
        MakeImages("train", 100, 1);
        MakeImages("t10k", 99, 2);
        Fails(
            $"{At("data")}: expected images of 28 × 28 pixels, at least 100, and as many labels from 0 to 9; got t10k images (99, 28, 28) and 99 labels",
            ImageClassifier.Main, "--data", At("data"), "--out", At("out"));
        File.WriteAllText(At("data", "t10k-images-idx3-ubyte"), "nonsense");
        var result = Run(ImageClassifier.Main, "--data", At("data"), "--out", At("out"));
        Assert.Equal(2, result.Code);
        Assert.StartsWith($"error: {At("data", "t10k-images-idx3-ubyte")}: ", result.Error, StringComparison.Ordinal);
    }

    // ---- Options ----

    public static TheoryData<string, string> Options => new()
    {
        { "CharRnn", "--text, --steps, --seed, --prompt, --out, --resume" },
        { "CurveFit", "--epochs, --out" },
        { "HyperParameters", "--steps, --out" },
        { "ImageClassifier", "--data, --epochs, --steps, --seed, --out" },
        { "LearnedOptimizer", "--steps, --out" },
        { "LinearFit", "--epochs, --out" },
        { "Maml", "--steps, --out" },
        { "SyntheticGradients", "--steps, --out" },
    };

    private static Func<string[], int> Sample(string name) => name switch
    {
        "CharRnn" => CharRnn.Main,
        "CurveFit" => CurveFit.Main,
        "HyperParameters" => HyperParameters.Main,
        "LearnedOptimizer" => LearnedOptimizer.Main,
        "Maml" => Maml.Main,
        "SyntheticGradients" => SyntheticGradients.Main,
        "ImageClassifier" => ImageClassifier.Main,
        _ => LinearFit.Main,
    };

    [Theory]
    [MemberData(nameof(Options))]
    public void Help_names_all_options(string name, string options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var help = Succeeds(Sample(name), "--help");
        Assert.All(options.Split(", "), option => Assert.Contains($"  {option} ", help.Out, StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Options))]
    public void Bad_options_are_refused_before_anything_happens(string name, string options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var sample = Sample(name);
        var count = options.Contains("--epochs", StringComparison.Ordinal) ? "--epochs" : "--steps";
        var least = name == "CharRnn" ? 0 : 1;
        if (name == "ImageClassifier")
        {
            MakeImages("train", 100, 1);
            MakeImages("t10k", 100, 2);
        }
        string[] data = name switch { "ImageClassifier" => ["--data", At("data")], "CharRnn" => ["--text", Text()], _ => [] };
        Fails($"unknown option --sleeps; there are {options} and --help", sample, "--sleeps", "5");
        Fails($"unknown option 5; there are {options} and --help", sample, "5");
        Fails($"{count}: a value has to follow", sample, count);
        foreach (var wrong in new[] { "many", "1.5", "-1", "1e3", "99999999999" })
            Fails($"{count}: expected a whole number from {least} up, got {wrong}", sample, [.. data, "--out", At("out"), count, wrong]);
        Assert.True(!Directory.Exists(At("out")) || !Directory.EnumerateFileSystemEntries(At("out")).Any());
    }

    [Fact]
    public void An_output_folder_that_cannot_be_made_is_refused()
    {
        var file = Text();
        var result = Run(LinearFit.Main, "--epochs", "1", "--out", Path.Combine(file, "out"));
        Assert.Equal(2, result.Code);
        Assert.Contains(file, result.Error, StringComparison.Ordinal);
    }

    // ---- Scripts ----

    private static string Configuration { get; } =
        typeof(SamplesTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

    private static Process Start(string[] arguments)
    {
        var info = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        // What this process was given by a build or a test run is not for the child, and a build is not to leave servers that hold the pipes.
        foreach (var name in info.Environment.Keys.Where(k => k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)).ToList()) info.Environment.Remove(name);
        (info.Environment["MSBUILDDISABLENODEREUSE"], info.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"]) = ("1", "0");
        return Process.Start(info)!;
    }

    /// <summary>Waits for a process to end well.</summary>
    private static async Task<Result> Finish(string what, Process process, Task<string> error)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(120));
        try
        {
            var output = await process.StandardOutput.ReadToEndAsync(limit.Token);
            await process.WaitForExitAsync(limit.Token);
            var result = new Result(process.ExitCode, output, await error);
            Assert.True(result.Code == 0, result.Out + result.Error);
            return result;
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{what} has not ended after 120 s");
        }
    }

    private static async Task<Result> RunChild(params string[] arguments)
    {
        using var process = Start(arguments);
        return await Finish(string.Join(' ', arguments), process, process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
    }

    private static Task<Result> Script(string file, params string[] arguments)
    {
        Assert.SkipUnless(Configuration == "Release", "scripts use the Release build");
        return RunChild(["fsi", "--quiet", Repository.File(file), .. arguments]);
    }

    [Fact]
    public async Task The_first_steps_in_FSharp()
    {
        var result = await Script("samples/first-steps.fsx");
        Assert.Equal("z = x * y + exp(x + 3) = 415.4287934927351", result.Lines[0]);
        Assert.Equal("dz/dx = y + exp(x + 3) = 407.4287934927351", result.Lines[1]);
        Assert.EndsWith(" = 403.4287934927351", result.Lines[2], StringComparison.Ordinal);
        Assert.Contains("with x = 5: z = 3000.9579870417283", result.Out, StringComparison.Ordinal);
        Assert.True(Number(result.Lines[^1].Split(' ')[^1]) < 1e-15, result.Lines[^1]); // Newton's method has arrived
    }

    [Fact]
    public async Task The_derivatives_of_tanh_as_a_figure()
    {
        var result = await Script("samples/HigherOrder.fsx", "--out", At("tanh"));
        double[] printed = [0.999998, 0.998764, 0.769652, 1.990119, 4.057912];
        for (var order = 0; order < printed.Length; order++) Assert.Equal($"order {order}: largest absolute value {printed[order].ToString("F6", CultureInfo.InvariantCulture)}", result.Lines[order]);
        IsChart(At("tanh", "tanh.svg"));
    }

    [Fact]
    public async Task The_first_steps_in_CSharp()
    {
        var result = await RunChild("run", "-c", Configuration, Repository.File("samples/FirstSteps.cs"));
        Assert.Contains("z = x * y + exp(x + 3) = 415.4287934927351", result.Lines);
        Assert.Contains("dz/dx = y + exp(x + 3) = 407.4287934927351", result.Lines);
        Assert.Contains("d²z/dx² = 403.4287934927351", result.Lines);
        Assert.Contains("at x = 5: z = 3000.9579870417283, gradient = (2984.9579870417283, 5)", result.Lines);
        Assert.True(Number(result.Lines.Last(l => l.StartsWith("step ", StringComparison.Ordinal)).Split(' ')[^1]) < 0.01);
    }
}
