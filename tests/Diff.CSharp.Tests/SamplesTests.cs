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

    // ---- BlackScholes ----

    [Theory]
    [InlineData(100, 105, 0.2, 0.5, 0.03)]
    [InlineData(40, 35, 0.35, 2, -0.01)]
    [InlineData(1, 1, 0.1, 1, 0)]
    public void BlackScholes_has_the_closed_forms(double spot, double strike, double volatility, double years, double rate)
    {
        double[] x = [spot, strike, volatility, years, rate], gradient = new double[5], hessian = new double[25];
        Differentiate.Hessian(new BlackScholes.CallPrice(), x, gradient, hessian);
        foreach (var (name, first, second, value) in BlackScholes.Greeks(x))
        {
            var derivative = second is { } k ? hessian[5 * first + k] : gradient[first];
            Assert.True(Math.Abs(derivative - value) <= 1e-12 * Math.Max(1, Math.Abs(value)), $"{name}: {derivative:R}, {value:R}");
        }
        for (var i = 0; i < 5; i++)
        {
            for (var k = 0; k < 5; k++) Assert.Equal(hessian[5 * i + k], hessian[5 * k + i], 1e-12 * Math.Max(1, Math.Abs(hessian[5 * i + k])));
        }
        Assert.Equal(0, x[0] * gradient[0] + x[1] * gradient[1] - new BlackScholes.CallPrice().Invoke<double>(x), 1e-12 * spot); // homogeneous (Euler)
    }

    [Fact]
    public void BlackScholes_prints_its_table()
    {
        var lines = Succeeds(BlackScholes.Main, "--strike", "100").Lines;
        Assert.StartsWith("price 6.37", lines[0], StringComparison.Ordinal);
        Assert.Contains(lines, l => l.StartsWith("gamma ", StringComparison.Ordinal));
        Fails("spot, strike, volatility and years have to be above 0", BlackScholes.Main, "--years", "0");
    }

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
    public void Pendulum_finds_what_moves_it()
    {
        var result = Succeeds(Pendulum.Main, "--points", "120", "--out", At("out"));
        foreach (var name in new[] { "length (m)", "damping (1/s)", "start angle (rad)", "start speed (rad/s)" })
        {
            var row = Row(result, name);
            Assert.True(Math.Abs(row[1] - row[0]) < 4 * row[2], $"{name}: {row[1]} for {row[0]} ± {row[2]}");
            Assert.InRange(row[2], 1e-4, 0.05);
        }
        IsChart(At("out", "angle.svg"));
        IsChart(At("out", "phase.svg"));
    }

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

    // ---- Fits ----

    [Fact]
    public void Uncertainties_has_the_certified_parameters_and_errors()
    {
        var result = Succeeds(Uncertainties.Main, "--out", At("out"));
        for (var i = 1; i <= 4; i++)
        {
            var row = Row(result, $"b{i} "); // certified, least squares, likelihood: values, then errors
            for (var k = 1; k < 3; k++) Assert.Equal(1, row[k] / row[0], 1e-7);
            Assert.Equal(1, row[4] / row[3], 1e-7);
            Assert.InRange(row[5] / row[4], 0.75, 0.95); // √(11/15), but for the model's second derivatives
            Assert.Equal(1, Row(result, $"of b{i}")[i - 1]);
        }
        var deviation = Row(result, "log s");
        Assert.Equal(Math.Log(28.262414662), deviation[0], 1e-8); // NIST's residual standard deviation
        Assert.Equal(Math.Log(28.262414662) + 0.5 * Math.Log(11.0 / 15), deviation[1], 1e-8);
        Assert.Equal(Math.Sqrt(1 / 30.0), deviation[2], 1e-8);

        // Student's quantile of 11 degrees of freedom is in every table, the profile's ends are from a minimisation without derivatives.
        Assert.Contains("(Student's quantile 2.2009851", result.Out, StringComparison.Ordinal);
        var profile = Row(result, "profile of the likelihood");
        Assert.Equal(0.286459, profile[0], 1e-5);
        Assert.Equal(3.123169, profile[1], 1e-5);
        var late = Row(result, "16 ");
        Assert.Equal(2.20098516 * 16.3, late[1], 1.5); // grown up, the curve is as sure as its limit
        Assert.Equal(late[2], Math.Sqrt(late[1] * late[1] + Math.Pow(2.20098516 * 28.262414662, 2)), 1e-5);
        foreach (var chart in new[] { "growth.svg", "profile.svg" }) IsChart(At("out", chart));
    }

    private static double[] Calls(double[] parameters, double spot, double[] strikes, double years, double rate, double dividend) =>
        Heston.Calls(Ops.Constant(parameters), spot, Ops.Reshape(Ops.Constant(strikes), 1, -1), Ops.Full(years, new Shape([1, 1])), rate, dividend)
            .Eval().ToArray<double>();

    [Fact]
    public void Heston_has_the_published_prices()
    {
        // Lewis's, to 50 digits, which libraries of finance check against; then Fang and Oosterlee's (2008), Feller's condition violated.
        double[] strikes = [80, 90, 100, 110, 120];
        double[] calls = [26.774758743998854, 20.933349000596710, 16.070154917028834, 12.132211516709845, 9.024913483457836];
        double[] puts = [7.958878113256768, 12.017966707346305, 17.055270961270109, 23.017825898442801, 29.811026202682472];
        var found = Calls([4, 0.25, 1, -0.5, 0.04], 100, strikes, 1, 0.01, 0.02);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(calls[i], found[i], 1e-12);
            Assert.Equal(puts[i], found[i] - 100 * Math.Exp(-0.02) + strikes[i] * Math.Exp(-0.01), 1e-12);
        }
        Assert.Equal(22.318945791, Calls([1.5768, 0.0398, 0.5751, -0.5711, 0.0175], 100, [100], 10, 0, 0)[0], 1e-9);
    }

    [Theory]
    [InlineData(0.5, 2, 0.05, 0.5, -0.7, 0.03)]
    [InlineData(2, 1, 0.1, 0.9, 0.4, 0.2)]
    public void Heston_prices_a_put_as_a_call_on_the_other_asset(double years, double kappa, double theta, double sigma, double rho, double v0)
    {
        // With the stock as money: parity and the change of measure at once.
        var call = Calls([kappa, theta, sigma, rho, v0], 100, [110], years, 0.03, 0.01)[0];
        var other = kappa - rho * sigma;
        var put = Calls([other, kappa * theta / other, sigma, -rho, v0], 110, [100], years, 0.01, 0.03)[0];
        Assert.Equal(put, call - 100 * Math.Exp(-0.01 * years) + 110 * Math.Exp(-0.03 * years), 1e-11);
    }

    [Fact]
    public void Heston_becomes_BlackScholes_where_the_variance_is_certain()
    {
        var (parameters, spot) = (Ops.Variable(new[] { 2, 0.04, 1e-9, -0.7, 0.04 }), Ops.Variable(100.0));
        var volatility = Ops.Variable(0.2);
        Expr strikes = Ops.Constant(new double[,] { { 90, 100, 110 }, { 70, 100, 130 } }), years = Ops.Constant(new double[,] { { 0.25 }, { 1 } });
        Expr price = Heston.Calls(parameters, spot, strikes, years), flat = Heston.FlatCalls(volatility, spot, strikes, years);
        AreClose(flat, price, 1e-8);
        AreClose(Ops.Grad(Ops.Sum(flat), spot), Ops.Grad(Ops.Sum(price), spot), 1e-8);
        var slope = Ops.Grad(Ops.Sum(price), parameters);
        AreClose(Ops.Grad(Ops.Sum(flat), volatility) / 0.4, slope[1] + slope[4], 1e-5); // the variance is the square of the volatility
        var near = Heston.Calls(Ops.Constant(new[] { 2, 0.04, 1e-5, -0.7, 0.04 }), spot, strikes, years);
        AreClose(Ops.Sum(near - flat) / 1e-5, slope[2], 1e-3); // the skew that begins there
    }

    [Fact]
    public void Heston_differentiates_prices()
    {
        double[] x = [2, 0.05, 0.5, -0.7, 0.03, 100];
        Expr Price(Expr x) => Heston.Calls(x[..5], x[5], Ops.Constant(new double[,] { { 105 } }), Ops.Constant(new[,] { { 0.5 } }))[0, 0];
        var at = Ops.Variable(x);
        double[] gradient = Ops.Grad(Price(at), at).Eval().ToArray<double>(), hessian = Ops.Hessian(Price(at), at).Eval().ToArray<double>();
        double[] Slopes(int i, double h)
        {
            double[] moved = [.. x];
            moved[i] += h;
            var point = Ops.Variable(moved);
            return [Price(point).Item(), .. Ops.Grad(Price(point), point).Eval().ToArray<double>()];
        }
        for (var i = 0; i < 6; i++)
        {
            var h = 1e-5 * Math.Abs(x[i]);
            double[] up = Slopes(i, h), down = Slopes(i, -h);
            Assert.Equal((up[0] - down[0]) / (2 * h), gradient[i], 1e-6 * Math.Max(1, Math.Abs(gradient[i])));
            for (var k = 0; k < 6; k++)
                Assert.Equal((up[k + 1] - down[k + 1]) / (2 * h), hessian[6 * i + k], 1e-6 * Math.Max(1, Math.Abs(hessian[6 * i + k])));
        }
    }

    private static void AreClose(Expr expected, Expr actual, double tolerance)
    {
        foreach (var (a, b) in expected.Eval().ToArray<double>().Zip(actual.Eval().ToArray<double>())) Assert.Equal(a, b, tolerance);
    }

    [Fact]
    public void Heston_finds_the_parameters_again()
    {
        var result = Succeeds(Heston.Main, "--out", At("out"));
        foreach (var name in new[] { "kappa", "theta", "sigma", "rho", "v0" })
        {
            var row = Row(result, $"{name} "); // start, true, found, error
            Assert.True(Math.Abs(row[0] - row[1]) > 0.1);
            Assert.Equal(row[1], row[2], 1e-3);
        }
        Assert.InRange(Number(result.Lines.Single(l => l.EndsWith("random starts end there", StringComparison.Ordinal)).Split(' ')[0]), 17, 20);
        Assert.Equal(0.8, Number(result.Lines.Single(l => l.StartsWith("Feller", StringComparison.Ordinal)).Split(' ')[3]), 1e-3);
        foreach (var (predicted, happened) in Row(result, "1.000").Zip(Row(result, "1.0 in fact"))) Assert.Equal(predicted, happened, 2e-6);
        IsChart(At("out", "smiles.svg"));

        Fails("--noise has to be at most 2, so that all volatilities are above 0", Heston.Main, "--noise", "3", "--out", At("out"));

        // A hundredth of a percent of noise is found as the residual, and the parameters are within four standard errors.
        result = Succeeds(Heston.Main, "--noise", "0.01", "--out", At("out"));
        foreach (var row in new[] { "kappa", "theta", "sigma", "rho", "v0" }.Select(name => Row(result, $"{name} ")))
            Assert.InRange(Math.Abs(row[2] - row[1]), 0, 4 * row[3] + 1e-6);
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
        { "Heston", "--noise, --out" },
        { "HyperParameters", "--steps, --out" },
        { "ImageClassifier", "--data, --epochs, --steps, --seed, --out" },
        { "LearnedOptimizer", "--steps, --out" },
        { "LinearFit", "--epochs, --out" },
        { "Maml", "--steps, --out" },
        { "Pendulum", "--points, --out" },
        { "SyntheticGradients", "--steps, --out" },
        { "Uncertainties", "--out" },
    };

    private static Func<string[], int> Sample(string name) => name switch
    {
        "CharRnn" => CharRnn.Main,
        "CurveFit" => CurveFit.Main,
        "Heston" => Heston.Main,
        "HyperParameters" => HyperParameters.Main,
        "LearnedOptimizer" => LearnedOptimizer.Main,
        "Maml" => Maml.Main,
        "Pendulum" => Pendulum.Main,
        "SyntheticGradients" => SyntheticGradients.Main,
        "ImageClassifier" => ImageClassifier.Main,
        "Uncertainties" => Uncertainties.Main,
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
        var count = new[] { "--epochs", "--steps", "--points" }.FirstOrDefault(o => options.Contains(o, StringComparison.Ordinal));
        var least = name switch { "CharRnn" => 0, "Pendulum" => 40, _ => 1 };
        if (name == "ImageClassifier")
        {
            MakeImages("train", 100, 1);
            MakeImages("t10k", 100, 2);
        }
        string[] data = name switch { "ImageClassifier" => ["--data", At("data")], "CharRnn" => ["--text", Text()], _ => [] };
        Fails($"unknown option --sleeps; there are {options} and --help", sample, "--sleeps", "5");
        Fails($"unknown option 5; there are {options} and --help", sample, "5");
        Fails($"{count ?? "--out"}: a value has to follow", sample, count ?? "--out");
        if (count is not null) foreach (var wrong in new[] { "many", "1.5", "-1", "1e3", "99999999999" })
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
