using System.Numerics;
using System.Text.RegularExpressions;
using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>The README's C# blocks stand here between markers, word for word; they compile, run and print what their comments say.</summary>
public sealed class ReadmeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-readme").FullName;
    private readonly StringWriter _console = new();

    public void Dispose() => Directory.Delete(_folder, true);

    // The blocks say Console; here it is a writer that the test can read.
    private StringWriter Console => _console;

    private string[] Printed => _console.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    [Fact]
    public void First_steps_print_what_they_say()
    {
        using var _ = new WorkingFolder(_folder);
        // README 1
        var x = Variable(3.0, "x");
        var y = Variable(4.0, "y");
        Expr z = x * y + Exp(x + 3);
        Console.WriteLine(z.Item());                  // 415.4287934927351
        Expr dz = Grad(z, x);                         // another graph
        Console.WriteLine(dz);                        // y + exp(x + 3)
        Console.WriteLine(Grad(dz, x).Item());        // 403.4287934927351
        x.Assign(5.0);                                // variables are assignable; nothing is stale
        Console.WriteLine(z.Item());                  // 3000.9579870417283
        dz.SaveHtml("dz.html");                       // the graph as a page: open it in a browser
        // README end
        Assert.Equal(["415.4287934927351", "y + exp(x + 3)", "403.4287934927351", "3000.9579870417283"], Printed);
        Assert.Contains("</html>", File.ReadAllText(Path.Combine(_folder, "dz.html")), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Several_derivatives_and_compiled_functions()
    {
        var x = Variable(3.0, "x");
        var y = Variable(4.0, "y");
        var z = x * y + Exp(x + 3);
        // README 2
        Expr[] g = Grad(z, [x, y]);
        var f = Compile((Expr a, Expr b) => (a / b - a) * (b / a + a + b) * (a - b));
        var (value, gradient) = f.ValueAndGrad(230.3, 33.2);
        Console.WriteLine(value);                     // -11606907.023945786
        Console.WriteLine(gradient[0]);               // -153284.83150602411
        // README end
        Assert.Equal(["-11606907.023945786", "-153284.83150602411"], Printed);
        Assert.Equal(3.0, g[1].Item());
    }

    [Fact]
    public void A_model_learns()
    {
        using var _ = new WorkingFolder(_folder);
        // README 3
        var random = new Random(1);
        var model = new Sequential(new Linear(2, 16, random: random), new Tanh(), new Linear(16, 1, random: random));
        var optimizer = Optimizer.Chain(Optimizer.ClipByGlobalNorm(1), Optimizer.Adam(0.01));
        var step = TrainingStep.Compile(model, (inputs, targets) => Mean(SigmoidCrossEntropy(model.Call(inputs), targets)), optimizer);

        var xor = new float[,] { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 1 } };
        var truth = new float[,] { { 0 }, { 1 }, { 1 }, { 0 } };
        for (var i = 0; i < 500; i++) step.Run(xor, truth);
        Console.WriteLine(step.Run(xor, truth) < 0.01);             // True
        model.Save("xor.safetensors");
        Console.WriteLine(step.Explain(xor, truth));                // what runs: steps, sizes, operations, bytes
        // README end
        Assert.Equal("True", Printed[0]);
        Assert.StartsWith("training step: ", Printed[1], StringComparison.Ordinal);
        Assert.StartsWith("s1 ", Printed[3], StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(_folder, "xor.safetensors")));
    }

    [Fact]
    public void Operations_and_transforms()
    {
        // README 6
        var points = Variable(new double[,] { { 1, 2 }, { 3, 4 }, { 5, 6 } }, "points");
        Console.WriteLine($"{Sum(Vmap(p => Det(Outer(p, p) + Eye(2)), points)).Item():F6}");      // 94.000000: a determinant for each row
        Console.WriteLine(Hessian(Sum(Sqrt(Var(points, 0))), points).Shape);                      // (3, 2, 3, 2)
        Console.WriteLine(Rearrange(points, "n (a b) -> (n a) b", ("b", 1)).Shape);               // (6, 1)
        Console.WriteLine(RandomNormal(new RandomKey(7), new Shape([2])).Eval().Float(0));        // 0.6749688500369042 on every machine
        // README end
        Assert.Equal(["94.000000", "(3, 2, 3, 2)", "(6, 1)", "0.6749688500369042"], Printed);
    }

    [Fact]
    public void An_operation_of_your_own()
    {
        // README 4
        var cube = Function.Scalar("cube", x => x * x * x, (x, y) => 3 * x * x);
        var t = Variable(2.0, "t");
        Console.WriteLine(Grad(cube(t), t).Item());                 // 12
        Console.WriteLine(Grad(Grad(cube(t), t), t).Item());        // 12
        // README end
        Assert.Equal(["12", "12"], Printed);
    }

    [Fact]
    public void Loops_curves_and_solutions()
    {
        // README 8
        var s = Variable(2.0, "s");
        Expr root = While(g => Abs(g * g - s) > 1e-12, g => 0.5 * (g + s / g), s);                  // as many turns as it takes
        Console.WriteLine($"{root.Item():F6} {Grad(root, s).Item():F6}");                             // 1.414214 0.353553
        Console.WriteLine(string.Join(" ", Taylor(3, Log(s), s).Select(c => $"{c.Item():F4}")));      // 0.6931 0.5000 -0.1250 0.0417
        var (area, by) = ValueAndGrad(box => box.Width * box.Height, (Width: s, Height: 3 * s));
        Console.WriteLine($"{area.Item()} {by.Width.Item()} {by.Height.Item()}");                     // 12 6 2
        var found = Minimize.LBfgs(x => 100 * Square(x[1] - Square(x[0])) + Square(1 - x[0]), [-1.2, 1]);
        Console.WriteLine($"{found.X[0]:F6} {found.X[1]:F6}");                                        // 1.000000 1.000000
        Expr w = Implicit.Root(x => x * Exp(x) - s, 1.0);                                             // Lambert's W
        Console.WriteLine($"{w.Item():F6} {Grad(w, s).Item():F6}");                                   // 0.852606 0.230110
        // README end
        Assert.Equal(["1.414214 0.353553", "0.6931 0.5000 -0.1250 0.0417", "12 6 2", "1.000000 1.000000", "0.852606 0.230110"], Printed);
    }

    [Fact]
    public void Loops_over_plain_numbers()
    {
        // README 7
        static T Newton<T>(T x) where T : IFloatingPointIeee754<T>  // the square root of x, from above until it falls no more
        {
            var y = x + T.One;
            for (var last = y + T.One; y < last;) (last, y) = (y, (y + x / y) / T.CreateChecked(2));
            return y;
        }
        Console.WriteLine(Differentiate.Derivative(Newton, 4.0));                                // 0.25
        Console.WriteLine(Differentiate.ValueAndDerivatives(Newton, 4.0));                       // (2, 0.25, -0.03125)
        Console.WriteLine(Differentiate.Gradient(x => Newton(x[0] * x[1]) / x[0], 1.0, 4.0)[1]); // 0.25
        // README end
        Assert.Equal(["0.25", "(2, 0.25, -0.03125)", "0.25"], Printed);
    }

    [Fact]
    public void Numbers_that_go_wrong()
    {
        // README 5
        var v = Variable(new double[] { 1, 800 }, "v");
        Console.WriteLine(Sum(Exp(v) / Sum(Exp(v))).FindAnomaly());
        // div gave NaN in the forward pass; first at index (1) of shape (2), 1 of 2
        //    of exp (2): 2.71828 to 2.71828, 1 infinite
        //    of broadcast (2): nothing finite, 2 infinite
        //    after exp gave Infinity in the forward pass; first at index (1) of shape (2), 1 of 2
        //    of "v" (2): 1 to 800
        //    its line is known if the graph is built under SourceLines.Record()
        var watched = Compile((Expr a) => Log(a) * 2, EngineOptions.Default.WithAnomalyDetection());
        // README end
        var source = File.ReadAllLines(Repository.File("tests/Diff.CSharp.Tests/ReadmeTests.cs")).Select(l => l.Trim());
        Assert.All(Printed, line => Assert.Contains("// " + line, source));
        Assert.Throws<AnomalyException>(() => watched.Invoke(-1.0));
    }

    [Fact]
    public void The_blocks_are_the_READMEs()
    {
        var readme = File.ReadAllText(Repository.File("README.md"));
        var source = File.ReadAllText(Repository.File("tests/Diff.CSharp.Tests/ReadmeTests.cs"));
        var blocks = Regex.Matches(readme, "```csharp\n(.*?)```", RegexOptions.Singleline).Select(m => Lines(m.Groups[1].Value)).ToList();
        var tested = Regex.Matches(source, @"// README \d\n(.*?)// README end", RegexOptions.Singleline).Select(m => Lines(m.Groups[1].Value)).ToList();
        Assert.Equal(tested, blocks);
    }

    private static string Lines(string text) =>
        string.Join('\n', text.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0 && !l.StartsWith("using ", StringComparison.Ordinal)));
}
