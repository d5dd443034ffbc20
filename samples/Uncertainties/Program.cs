using System.Globalization;
using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// How sure a fit is: a growth curve fitted by least squares and by maximum likelihood, standard errors from the Jacobian and from the Hessian,
/// intervals from the profile of the likelihood, and a band about the curve by the delta method.
/// </summary>
public static class Uncertainties
{
    private const double Level = 0.95;

    private const string Help = """
        Fits a growth curve to the dry weights of onions (Ratkowsky 1983; NIST's data set Rat43) and says how sure it is.

          --out DIR      for growth.svg and profile.svg (artifacts/Uncertainties)
        """;

    private static readonly double[] Times = [.. Enumerable.Range(1, 15)];
    private static readonly double[] Weights =
        [16.08, 33.83, 65.80, 97.20, 191.55, 326.20, 386.87, 520.53, 590.03, 651.92, 724.93, 699.56, 689.96, 637.56, 717.41];

    /// <summary>NIST's certified parameters and standard deviations.</summary>
    private static readonly (double Value, double Deviation)[] Certified =
        [(699.64151270, 16.302297817), (5.2771253025, 2.0828735829), (0.75962938329, 0.19566123451), (1.2792483859, 0.68761936385)];

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) => CommandLine.Run(args, Help, options => Fit(options.Folder("artifacts/Uncertainties")));

    /// <summary>Richards's curve of growth (1959).</summary>
    private static Expr Model(Expr b, Expr t) => b[0] / Pow(1 + Exp(b[1] - b[2] * t), 1 / b[3]);

    /// <summary>Less the logarithm of the likelihood of independent normal errors; the last parameter is the logarithm of their deviation.</summary>
    private static Expr NegativeLogLikelihood(Expr b, Expr t, Expr y) =>
        Times.Length * (b[4] + 0.5 * Math.Log(2 * Math.PI)) + Sum(Square(Model(b, t) - y)) / (2 * Exp(2 * b[4]));

    private static void Fit(string folder)
    {
        Expr t = Constant(Times), y = Constant(Weights);
        var fit = LeastSquares.LevenbergMarquardt(b => Model(b, t) - y, [100, 10, 1, 1], new() { StepTolerance = 1e-15 });
        var likely = Minimize.NewtonCG(b => NegativeLogLikelihood(b, t, y), [700, 5, 0.75, 1.3, 4], new() { GradientTolerance = 1e-11 });
        Console.WriteLine($"least squares: {fit}\nlikelihood: {likely}\n");

        // The curvature of the likelihood at its maximum. It differs from least squares, whose variance is over 11 degrees of freedom, not
        // over 15 observations, and whose curvature leaves out the second derivatives of the model.
        var b = Variable(likely.X);
        var covariance = Inverse(Hessian(NegativeLogLikelihood(b, t, y), b));
        double[] errors = Sqrt(Diagonal(covariance)).Eval().ToArray<double>();

        Row("", "certified", "least squares", "likelihood", "certified error", "least squares", "likelihood");
        for (var i = 0; i < 4; i++)
        {
            double[] values = [Certified[i].Value, fit.X[i], likely.X[i], Certified[i].Deviation, fit.StandardErrors[i], errors[i]];
            Row($"b{i + 1}", [.. values.Select(Text)]);
        }
        Row("log s", "", Text(Math.Log(fit.ResidualStandardDeviation)), Text(likely.X[4]), "", "", Text(errors[4]));
        Console.WriteLine("\ncorrelations by the likelihood");
        var correlations = (covariance / Outer(Constant(errors), Constant(errors))).Eval().ToArray<double>();
        for (var i = 0; i < 4; i++) Row($"of b{i + 1}", [.. correlations[(5 * i)..(5 * i + 4)].Select(c => c.ToString("F4", CultureInfo.InvariantCulture))]);

        // Student's quantile for the band of least squares, the normal one for the likelihood's intervals.
        var freedom = fit.DegreesOfFreedom;
        var student = Root.SafeNewton(q => BetaInc(0.5 * freedom, 0.5, freedom / (freedom + q * q)) - (1 - Level), 0.1, 100).X;
        Intervals(fit, student, likely, errors, Math.Sqrt(2) * ErfInv(Level).Item(), folder);
        Band(fit, student, folder);
        Console.WriteLine($"\nCharts in {folder}");
    }

    /// <summary>Twice what b₄ loses of the logarithm of the likelihood where the other parameters do their best: a graph with derivatives.</summary>
    private static Expr Deviance(Expr b4, MinimizeResult likely, double[] errors)
    {
        Expr t = Constant(Times), y = Constant(Weights);
        Expr Value(Expr z) // the others, their distances from the best in standard errors
        {
            Expr Other(int i, int place) => likely.X[i] + errors[i] * z[place];
            return NegativeLogLikelihood(Stack(0, Other(0, 0), Other(1, 1), Other(2, 2), b4, Other(4, 3)), t, y);
        }
        return 2 * (Value(Implicit.ArgMin(Value, Zeros(new Shape([4])))) - likely.Value);
    }

    private static void Intervals(LeastSquaresResult fit, double student, MinimizeResult likely, double[] errors, double normal, string folder)
    {
        var (best, error) = (likely.X[3], errors[3]);
        double End(double low, double high) => Root.SafeNewton(b4 => Deviance(b4, likely, errors) - normal * normal, low, high).X;
        Console.WriteLine("\n95% intervals of b4, the parameter of shape");
        Row(new string(' ', 27), "from", "to");
        Row("least squares              ", Text(fit.X[3] - student * fit.StandardErrors[3]), Text(fit.X[3] + student * fit.StandardErrors[3]));
        Row("curvature of the likelihood", Text(best - normal * error), Text(best + normal * error));
        Row("profile of the likelihood  ", Text(End(0.1 * best, best)), Text(End(best, 4 * best)));

        double[] grid = [.. Enumerable.Range(0, 60).Select(i => 0.1 + 0.06 * i)];
        var deviance = Compile(b4 => Deviance(b4, likely, errors));
        new Chart("The parameter of shape: its profile and the curvature at the top") { XLabel = "b4", YLabel = "deviance" }
            .Line("profile", grid, grid.Select(b4 => deviance.Invoke(b4))).Line("curvature", grid, grid.Select(b4 => Math.Pow((b4 - best) / error, 2)))
            .Line("95%", [grid[0], grid[^1]], [normal * normal, normal * normal]).Save(Path.Combine(folder, "profile.svg"));
    }

    /// <summary>The curve's variance is J·C·Jᵀ, of its Jacobian by the parameters and their covariance; a new observation has the noise's too.</summary>
    private static void Band(LeastSquaresResult fit, double student, string folder)
    {
        double[] grid = [.. Enumerable.Range(0, 151).Select(i => 0.1 * i + 1)];
        var b = Variable(fit.X);
        var curve = Model(b, Constant(grid));
        var jacobian = Jacobian(curve, b);
        var variance = Einsum("mi,ij,mj->m", jacobian, Constant(fit.Covariance), jacobian);
        double[] values = curve.Eval().ToArray<double>(), sure = (student * Sqrt(variance)).Eval().ToArray<double>();
        double[] wide = (student * Sqrt(variance + Math.Pow(fit.ResidualStandardDeviation, 2))).Eval().ToArray<double>();

        Console.WriteLine($"\nthe curve, and half the widths of its 95% bands (Student's quantile {Text(student)})");
        Row("time", "curve", "for the curve", "for new weights");
        foreach (var i in new[] { 0, 40, 80, 120, 150 }) Row(Text(grid[i]), Text(values[i]), Text(sure[i]), Text(wide[i]));
        var chart = new Chart("Growth of onions") { XLabel = "time", YLabel = "dry weight" };
        foreach (var (name, half) in new[] { ("new weights", wide), ("curve", sure) })
            chart.Band($"95%: {name}", grid, values.Zip(half, (v, h) => v - h), values.Zip(half, (v, h) => v + h));
        chart.Line("fit", grid, values).Points("observed", Times, Weights).Save(Path.Combine(folder, "growth.svg"));
    }

    private static string Text(double x) => x.ToString("G9", CultureInfo.InvariantCulture);
    private static void Row(string name, params string[] cells) => Console.WriteLine($"{name,-6}{string.Concat(cells.Select(c => $"{c,17}"))}");
}
