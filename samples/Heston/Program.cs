using System.Globalization;
using static Diff.Ops;

namespace Diff.Samples;

/// <summary>
/// Heston's model of a stock whose variance is random (1993), calibrated to option prices by exact Jacobians; Greeks and the sensitivities of
/// the calibrated parameters to the prices by derivatives of the same graph.
/// </summary>
public static partial class Heston
{
    private const double Spot = 100;
    private const int Starts = 20, AtTheMoney = 7;

    private const string Help = """
        Calibrates Heston's model to prices that the model itself gives, with noise, and prints parameters, Greeks and sensitivities.

          --noise X      the standard deviation of the noise, in percent of volatility (0.0001)
          --out DIR      for smiles.svg (artifacts/Heston)
        """;

    private static readonly string[] Names = ["kappa", "theta", "sigma", "rho", "v0"];
    private static readonly double[] Truth = [2, 0.05, 0.5, -0.7, 0.03], Start = [0.5, 0.2, 1, 0, 0.2];
    private static readonly double[] Maturities = [1 / 12.0, 0.25, 0.5, 1, 2];
    private static readonly double[] Moneyness = [.. Enumerable.Range(0, 13).Select(i => 0.06 * (i - AtTheMoney))]; // log(K / S) / √T

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) => CommandLine.Run(args, Help, options =>
    {
        var noise = options.Number("--noise", 0.0001);
        if (noise > 2) throw new UsageException("--noise has to be at most 2, so that all volatilities are above 0");
        Calibrate(noise / 100, options.Folder("artifacts/Heston"));
    });

    private static double ImpliedVolatility(double price, double strike, double years) =>
        Root.SafeNewton(v => FlatCalls(v, Spot, strike, years) - price, 1e-3, 5).X;

    /// <summary>κ, θ, σ, ρ and v₀ of any five numbers.</summary>
    private static Expr Parameters(Expr x) => Stack(0, Softplus(x[0]), Softplus(x[1]), Softplus(x[2]), Tanh(x[3]), Softplus(x[4]));

    /// <summary>The five numbers for these parameters.</summary>
    private static double[] Free(double[] parameters) => [.. parameters.Select((p, i) => i == 3 ? Math.Atanh(p) : Math.Log(Math.Exp(p) - 1))];

    private static void Calibrate(double noise, string folder)
    {
        int rows = Maturities.Length, columns = Moneyness.Length;
        Expr years = Constant(NDArray.Create(Maturities, new Shape([rows, 1])));
        var strikes = Constant((Spot * Exp(Constant(Moneyness) * Sqrt(years))).Eval());
        double[] k = strikes.Eval().ToArray<double>(), exact = Volatilities(Calls(Constant(Truth), Spot, strikes, years).Eval());
        double[] Volatilities(NDArray prices) => [.. prices.ToArray<double>().Select((c, i) => ImpliedVolatility(c, k[i], Maturities[i / columns]))];

        // Quotes are prices; an error of a price over its vega is an error of volatility.
        var random = new PythonRandom(1);
        double[] volatilities = Array.ConvertAll(exact, v => v + random.Gauss(0, noise));
        Expr implied = Variable(volatilities, new Shape([rows, columns]));
        var quoted = FlatCalls(implied, Spot, strikes, years);
        var vega = Constant(Grad(Sum(quoted), implied).Eval());
        var quotes = Variable(quoted.Eval(), "quotes");
        Expr Residuals(Expr parameters, Expr quotes) => (Calls(parameters, Spot, strikes, years) - quotes) / vega;

        var market = Constant(quotes.Value);
        var flat = LeastSquares.LevenbergMarquardt(v => (FlatCalls(v[0], Spot, strikes, years) - market) / vega, [0.5]);
        // Short first steps: a long one may end far out, where the prices hardly depend on the parameters.
        LeastSquaresResult Search(double[] start, Expr market) =>
            LeastSquares.LevenbergMarquardt(x => Residuals(Parameters(x), market), Free(start), new() { InitialRadius = 0.1 });
        var fit = Search(Start, market);
        double Between(double low, double high) => random.Uniform(low, high);
        var others = Enumerable.Range(0, Starts).Select(_ =>
            Search([Between(0.2, 8), Between(0.01, 0.4), Between(0.05, 2), Between(-0.9, 0.9), Between(0.01, 0.4)], market));
        var same = others.Count(other => other.IsConverged && other.X.Zip(fit.X, (a, b) => Math.Abs(a - b)).Max() < 1e-6);
        var x = Variable(fit.X);
        var parameters = Variable(Parameters(x).Eval());
        double[] found = parameters.Value.ToArray<double>(), scale = Grad(Sum(Parameters(x)), x).Eval().ToArray<double>();

        Console.WriteLine($"{k.Length} quotes from the parameters 'true', noise {Text(100 * noise, "G3")} % of volatility\n");
        Console.WriteLine($"Black-Scholes: volatility {Text(flat.X[0])}, root mean square error {Text(100 * Rms(flat.Residuals), "G4")} % of volatility");
        Console.WriteLine($"Heston: root mean square error {Text(100 * Rms(fit.Residuals), "G4")} %; {fit}");
        Console.WriteLine($"{same} of {Starts} random starts end there\n");
        Row("", "start", "true", "found", "standard error");
        for (var i = 0; i < 5; i++)
            Row(Names[i], Text(Start[i]), Text(Truth[i]), Text(found[i]), Text(fit.StandardErrors[i] * scale[i], "0.0E+0"));
        var feller = 2 * found[0] * found[1] / (found[2] * found[2]);
        Console.WriteLine($"\nFeller ratio 2·kappa·theta/sigma² {Text(feller, "F4")} (below 1: the variance can reach 0)");

        Greeks(parameters, strikes[3..4, AtTheMoney..(AtTheMoney + 1)], years[3..4]);

        // The implicit function theorem at the solution: how the parameters move with the quotes.
        var solution = Parameters(Implicit.ArgMin(x => 0.5 * Sum(Square(Residuals(Parameters(x), quotes))), x));
        var sensitivity = Jacobian(solution, quotes);
        Console.WriteLine("\nWhere the volatility at the money rises by 0.01, the calibrated parameters change by");
        Row("years", Names);
        var table = (0.01 * (sensitivity * vega)[.., .., AtTheMoney]).Eval().ToArray<double>();
        for (var i = 0; i < rows; i++) Row(Text(Maturities[i], "F3"), [.. Enumerable.Range(0, 5).Select(p => Text(table[p * rows + i], "F6"))]);
        double[] Again(double h) // calibrated again, to a surface with one quote moved
        {
            var moved = AddAt(market, h * vega[3, AtTheMoney], 3, AtTheMoney);
            return Parameters(Constant(Search(found, moved).X)).Eval().ToArray<double>();
        }
        Row("1.0 in fact", [.. Again(1e-5).Zip(Again(-1e-5), (up, down) => Text(0.01 * (up - down) / 2e-5, "F6"))]);

        var chart = new Chart("Smiles: quotes and Heston's model") { XLabel = "log(strike / spot) / √years", YLabel = "implied volatility" };
        var fitted = Volatilities(Calls(parameters, Spot, strikes, years).Eval());
        for (var i = 0; i < rows; i++) chart.Line($"{Text(Maturities[i], "F2")} years", Moneyness, fitted[(i * columns)..((i + 1) * columns)]);
        chart.Points("quotes", Enumerable.Repeat(Moneyness, rows).SelectMany(m => m), volatilities).Save(Path.Combine(folder, "smiles.svg"));
        Console.WriteLine($"\nChart in {folder}");
    }

    /// <summary>One call's derivatives, beside those of Black and Scholes at its implied volatility.</summary>
    private static void Greeks(Expr parameters, Expr strike, Expr years)
    {
        var spot = Variable(Spot, "spot");
        var price = Calls(parameters, spot, strike, years)[0, 0];
        var volatility = Variable(ImpliedVolatility(price.Item(), strike.Item(), years.Item()));
        var flat = FlatCalls(volatility, spot, strike, years)[0, 0];
        Console.WriteLine($"\nA call of {Text(years.Item(), "F0")} year, strike {Text(strike.Item(), "F2")}, implied volatility {Text(volatility.Item())}");
        Row("", "Heston", "Black-Scholes");
        void Line(string name, Expr heston, Expr flat) => Row(name, Text(heston.Item(), "F8"), Text(flat.Item(), "F8"));
        Line("price", price, flat);
        Line("delta", Grad(price, spot), Grad(flat, spot));
        Line("gamma", Grad(Grad(price, spot), spot), Grad(Grad(flat, spot), spot));
        var slopes = Grad(price, parameters);
        for (var i = 0; i < 5; i++) Row($"d/d{Names[i]}", Text(slopes[i].Item(), "F8"));
        Row("delta by v0", Text(Grad(Grad(price, spot), parameters)[4].Item(), "F8"));
    }

    private static double Rms(double[] x) => Math.Sqrt(x.Average(x => x * x));
    private static string Text(double x, string format = "F6") => x.ToString(format, CultureInfo.InvariantCulture);
    private static void Row(string name, params string[] cells) => Console.WriteLine($"{name,-12}{string.Concat(cells.Select(c => $"{c,16}"))}");
}
