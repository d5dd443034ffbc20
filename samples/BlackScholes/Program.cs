using System.Globalization;
using System.Numerics;

namespace Diff.Samples;

/// <summary>The price of a European call, written once, and every first and second derivative of it, beside the closed forms.</summary>
public static class BlackScholes
{
    private const string Help = """
        Prices a European call option (Black and Scholes 1973) and prints all of its first and second derivatives, computed by the tape over
        dual numbers, beside the closed forms of the best known ones.

          --spot S        today's price of the underlying (100)
          --strike K      the strike (105)
          --volatility V  a year's volatility (0.2)
          --years T       the time to expiry (0.5)
          --rate R        the interest rate (0.03)
        """;

    private static readonly string[] Names = ["spot", "strike", "volatility", "years", "rate"];

    /// <summary>Runs the sample.</summary>
    public static int Main(string[] args) => CommandLine.Run(args, Help, options =>
    {
        double[] x =
        [
            options.Number("--spot", 100), options.Number("--strike", 105),
            options.Number("--volatility", 0.2), options.Number("--years", 0.5), options.Number("--rate", 0.03),
        ];
        if (x[..4].Any(v => v <= 0)) throw new UsageException("spot, strike, volatility and years have to be above 0");
        Print(x);
    });

    /// <summary>The price. The arguments are spot, strike, volatility, years and rate.</summary>
    public readonly struct CallPrice : IScalarFunction
    {
        /// <inheritdoc/>
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
        {
            var (spot, strike, volatility, years, rate) = (x[0], x[1], x[2], x[3], x[4]);
            var spread = volatility * T.Sqrt(years);
            var d1 = (T.Log(spot / strike) + rate * years) / spread + spread * T.CreateChecked(0.5);
            return spot * GenericMath.Ndtr(d1) - strike * T.Exp(-rate * years) * GenericMath.Ndtr(d1 - spread);
        }
    }

    /// <summary>The derivatives that traders name, each in closed form, and where it stands: one argument, or two for a second derivative.</summary>
    public static IEnumerable<(string Name, int First, int? Second, double Value)> Greeks(double[] x)
    {
        var (s, k, v, t, r) = (x[0], x[1], x[2], x[3], x[4]);
        var root = Math.Sqrt(t);
        var d1 = (Math.Log(s / k) + (r + v * v / 2) * t) / (v * root);
        var d2 = d1 - v * root;
        var density = Math.Exp(-d1 * d1 / 2) / Math.Sqrt(2 * Math.PI);
        var discounted = k * Math.Exp(-r * t);
        var vega = s * density * root;
        yield return ("delta", 0, null, GenericMath.Ndtr(d1));
        yield return ("dual delta", 1, null, -discounted / k * GenericMath.Ndtr(d2));
        yield return ("vega", 2, null, vega);
        yield return ("-theta", 3, null, s * density * v / (2 * root) + r * discounted * GenericMath.Ndtr(d2));
        yield return ("rho", 4, null, t * discounted * GenericMath.Ndtr(d2));
        yield return ("gamma", 0, 0, density / (s * v * root));
        yield return ("dual gamma", 1, 1, s * s / (k * k) * density / (s * v * root));
        yield return ("vanna", 0, 2, -density * d2 / v);
        yield return ("volga", 2, 2, vega * d1 * d2 / v);
        yield return ("-charm", 0, 3, density * (2 * r * t - d2 * v * root) / (2 * t * v * root));
        yield return ("-veta", 2, 3, -vega * (r * d1 / (v * root) - (1 + d1 * d2) / (2 * t)));
        yield return ("vera", 2, 4, -k * t * Math.Exp(-r * t) * d1 / v * Math.Exp(-d2 * d2 / 2) / Math.Sqrt(2 * Math.PI));
    }

    private static void Print(double[] x)
    {
        double[] gradient = new double[5], hessian = new double[25];
        var price = Differentiate.Hessian(new CallPrice(), x, gradient, hessian);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"price {price:R}\n"));
        Row("", Names);
        Row("gradient", gradient.Select(Short));
        for (var i = 0; i < 5; i++) Row(Names[i], hessian.Skip(5 * i).Take(5).Select(Short));
        Console.WriteLine($"\n{"",-12}{"derivative",24}{"closed form",24}");
        foreach (var (name, first, second, value) in Greeks(x))
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-12}{(second is { } k ? hessian[5 * first + k] : gradient[first]),24:R}{value,24:R}"));
    }

    private static string Short(double x) => x.ToString("0.000000", CultureInfo.InvariantCulture);

    private static void Row(string name, IEnumerable<string> cells) =>
        Console.WriteLine($"{name,-12}{string.Concat(cells.Select(c => $"{c,14}"))}");
}
