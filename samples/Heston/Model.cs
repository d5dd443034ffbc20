using static Diff.Ops;

namespace Diff.Samples;

/// <summary>The prices of calls as graphs.</summary>
public static partial class Heston
{
    private const double Rate = 0.02, Dividend = 0.01, Step = 0.1;
    private const int Nodes = 80;

    /// <summary>A complex number as two expressions.</summary>
    private readonly record struct Pair(Expr Re, Expr Im)
    {
        public static Pair operator +(Pair a, Pair b) => new(a.Re + b.Re, a.Im + b.Im);
        public static Pair operator -(Pair a) => new(-a.Re, -a.Im);
        public static Pair operator *(Pair a, Pair b) => new(a.Re * b.Re - a.Im * b.Im, a.Re * b.Im + a.Im * b.Re);
        public static Pair operator *(Expr s, Pair a) => new(s * a.Re, s * a.Im);
        public static Pair operator /(Pair a, Pair b) => 1 / (Square(b.Re) + Square(b.Im)) * (a * new Pair(b.Re, -b.Im));
        public static Pair operator -(Expr s, Pair a) => new(s - a.Re, -a.Im);
        public Pair Exp() => Ops.Exp(Re) * new Pair(Cos(Im), Sin(Im));
        /// <summary>log(1 + z), also of a small z, where the real part of 1 + z is above 0.</summary>
        public Pair Log1p() => new(0.5 * Ops.Log1p(2 * Re + Square(Re) + Square(Im)), Atan2(Im, 1 + Re));
        /// <summary>The root, where the real part is above 0.</summary>
        public Pair Sqrt()
        {
            var root = Ops.Sqrt(0.5 * (Re + Ops.Sqrt(Square(Re) + Square(Im))));
            return new(root, Im / (2 * root));
        }
    }

    /// <summary>
    /// Prices of calls, by Lewis's integral (2001) of the characteristic function φ along Im u = −½, in the form of Albrecher et al. (2007), whose
    /// logarithm needs no choice of a branch; (β − d) / σ² is written −(u² + ¼) / (β + d), which does not cancel as σ goes to 0. The integrand is
    /// analytic about the real axis, so after u = ½ sinh t the trapezoidal rule converges exponentially.
    /// </summary>
    /// <param name="parameters">κ, θ, σ, ρ and v₀.</param>
    /// <param name="spot">Today's price, a scalar.</param>
    /// <param name="strikes">Strikes, [maturities, strikes].</param>
    /// <param name="years">Times to expiry, [maturities, 1].</param>
    /// <param name="rate">The interest rate.</param>
    /// <param name="dividend">The dividend yield.</param>
    public static Expr Calls(Expr parameters, Expr spot, Expr strikes, Expr years, double rate = Rate, double dividend = Dividend)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Expr kappa = parameters[0], theta = parameters[1], sigma = parameters[2], rho = parameters[3], v0 = parameters[4];
        var node = Range(Nodes) * Step;
        var u = 0.5 * Sinh(node);
        var weights = 2 * Step / Cosh(node) * Where(Range(Nodes) < 0.5, 0.5, 1.0); // du / (u² + ¼)
        Expr a = Square(u) + 0.25, t = ExpandDims(years, -1);

        var beta = new Pair(kappa - 0.5 * rho * sigma + 0 * u, -rho * sigma * u);
        var betaSquared = beta * beta;
        var d = new Pair(betaSquared.Re + Square(sigma) * a, betaSquared.Im).Sqrt();
        var m = -a * (new Pair(1, 0) / (beta + d)); // (β − d) / σ²
        var g = Square(sigma) * m / (beta + d);
        var decay = (-t * d).Exp();
        var growth = m * (1 - decay) / (1 - g * decay);
        var level = t * m + -2 / Square(sigma) * (g * (1 - decay) / (1 - g)).Log1p();
        var phi = kappa * theta * level + v0 * growth; // its logarithm

        var forward = Log(spot / strikes) + (rate - dividend) * years;
        var integral = Sum(weights * Exp(phi.Re) * Cos(phi.Im + u * ExpandDims(forward, -1)), -1);
        return spot * Exp(-dividend * years) - Sqrt(spot * strikes) * Exp(-0.5 * (rate + dividend) * years) / Math.PI * integral;
    }

    /// <summary>Black and Scholes's price of calls (1973).</summary>
    /// <param name="volatility">A year's volatility.</param>
    /// <param name="spot">Today's price.</param>
    /// <param name="strikes">Strikes.</param>
    /// <param name="years">Times to expiry.</param>
    public static Expr FlatCalls(Expr volatility, Expr spot, Expr strikes, Expr years)
    {
        var spread = volatility * Sqrt(years);
        var d1 = (Log(spot / strikes) + (Rate - Dividend) * years) / spread + 0.5 * spread;
        return spot * Exp(-Dividend * years) * Ndtr(d1) - strikes * Exp(-Rate * years) * Ndtr(d1 - spread);
    }
}
