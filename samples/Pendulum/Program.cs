using System.Globalization;
using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// A pendulum's length, damping and start from noisy angles: least squares through the solution of its differential equation, whose
/// derivatives are those of the steps.
/// </summary>
public static class Pendulum
{
    private const double Gravity = 9.81, End = 10, Noise = 0.03;

    private static readonly string[] Names = ["length (m)", "damping (1/s)", "start angle (rad)", "start speed (rad/s)"];
    private static readonly double[] True = [0.8, 0.15, 1.2, -0.5];

    private const string Help = """
        Finds length, damping and start of a pendulum from noisy angles, by least squares through its differential equation.

          --points N     how many angles are observed in 10 s, at least 40 (200)
          --out DIR      for angle.svg and phase.svg (artifacts/Pendulum)
        """;

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) =>
        CommandLine.Run(args, Help, options => Find(options.Int("--points", 200, least: 40), options.Folder("artifacts/Pendulum")));

    /// <summary>Angle and speed at times, by parameters: θ″ = −g/l·sin θ − d·θ′.</summary>
    private static Expr Motion(Expr parameters, Expr times)
    {
        Expr stiffness = Gravity / parameters[0], damping = parameters[1];
        return OdeSolve.Adaptive(
            (t, y) => Stack(0, y[1], -stiffness * Sin(y[0]) - damping * y[1]), parameters[2..4], times,
            new() { RelativeTolerance = 1e-8, AbsoluteTolerance = 1e-10 });
    }

    private static void Find(int points, string folder)
    {
        var random = new PythonRandom(1);
        double[] times = [.. Enumerable.Range(0, points).Select(i => End * i / (points - 1))];
        var motion = Compile(Motion);
        var angles = Array.ConvertAll(Column(motion, True, times, 0), angle => angle + random.Gauss(0, Noise));

        // Far from the true length the angles of later periods are out of step, and the sum of squares has many minima:
        // a guess by the first swing, then more and more of the angles.
        double[] found = [Length(times, angles), 0.1, angles[0], 0];
        LeastSquaresResult fit;
        var used = points / 4;
        while (true)
        {
            Expr some = Constant(times[..used]), observed = Constant(angles[..used]);
            fit = LeastSquares.LevenbergMarquardt(x => Motion(x, some)[.., 0] - observed, found);
            found = fit.X;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{used} angles: {fit.Iterations} iterations, standard deviation {fit.ResidualStandardDeviation:F4} rad"));
            if (used == points) break;
            used = Math.Min(2 * used, points);
        }

        Console.WriteLine($"\n{"",-22}{"true",10}{"found",10}{"standard error",18}");
        for (var i = 0; i < found.Length; i++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Names[i],-22}{True[i],10:F4}{found[i],10:F4}{fit.StandardErrors[i],18:F4}"));

        double[] fine = [.. Enumerable.Range(0, 1001).Select(i => End * i / 1000)];
        new Chart("A pendulum, observed with noise") { XLabel = "time (s)", YLabel = "angle (rad)" }
            .Points("observed", times, angles).Line("true", fine, Column(motion, True, fine, 0)).Line("found", fine, Column(motion, found, fine, 0))
            .Save(Path.Combine(folder, "angle.svg"));
        new Chart("Its motion") { XLabel = "angle (rad)", YLabel = "speed (rad/s)" }
            .Line("true", Column(motion, True, fine, 0), Column(motion, True, fine, 1))
            .Line("found", Column(motion, found, fine, 0), Column(motion, found, fine, 1))
            .Save(Path.Combine(folder, "phase.svg"));
        Console.WriteLine($"\nCharts in {folder}");
    }

    private static double[] Column(CompiledFunction motion, double[] parameters, double[] times, int column)
    {
        var values = motion.Call(parameters, times)[0].ToArray<double>();
        return [.. Enumerable.Range(0, times.Length).Select(i => values[2 * i + column])];
    }

    /// <summary>The length whose small swings last as long as the first swing: half a period from the first crossing of 0 to the second.</summary>
    private static double Length(double[] times, double[] angles)
    {
        // The mean of a few angles crosses 0 once, where noise may cross it several times.
        var width = Math.Max(1, angles.Length / 100);
        double[] mean = [.. Enumerable.Range(0, angles.Length - width).Select(i => angles.Skip(i).Take(width).Average())];
        int[] crossings = [.. Enumerable.Range(1, mean.Length - 1).Where(i => mean[i - 1] * mean[i] < 0).Take(2)];
        return Gravity * Math.Pow((times[crossings[1]] - times[crossings[0]]) / Math.PI, 2);
    }
}
