namespace Diff;

public static partial class Ops
{
    /// <summary>Straight lines between points; beyond the ends the first and last line go on.</summary>
    /// <param name="xs">The knots: a vector that ascends strictly.</param>
    /// <param name="ys">A number, or an array, for each knot along the leading axis.</param>
    /// <param name="query">Where to evaluate, of any shape.</param>
    /// <returns>The queries' axes, then those of the arrays.</returns>
    public static Expr InterpolateLinear(Expr xs, Expr ys, Expr query) => Interpolation.interpolateLinear(Given(xs), Given(ys), Given(query));

    /// <summary>Cubics whose slopes keep the points' monotonicity, so that nothing overshoots (Fritsch, Butland 1984): PCHIP.</summary>
    /// <param name="xs">The knots: a vector that ascends strictly.</param>
    /// <param name="ys">A number, or an array, for each knot along the leading axis.</param>
    /// <param name="query">Where to evaluate, of any shape.</param>
    /// <returns>The queries' axes, then those of the arrays.</returns>
    public static Expr InterpolatePchip(Expr xs, Expr ys, Expr query) => Interpolation.interpolatePchip(Given(xs), Given(ys), Given(query));

    /// <summary>A cubic spline: two continuous derivatives.</summary>
    /// <param name="xs">The knots: a vector that ascends strictly, of at least 4 (natural: 3).</param>
    /// <param name="ys">A number, or an array, for each knot along the leading axis.</param>
    /// <param name="query">Where to evaluate, of any shape.</param>
    /// <param name="ends">What the spline does at its ends.</param>
    /// <returns>The queries' axes, then those of the arrays.</returns>
    public static Expr InterpolateSpline(Expr xs, Expr ys, Expr query, SplineEnds ends = SplineEnds.NotAKnot) =>
        Interpolation.interpolateSpline(ends, Given(xs), Given(ys), Given(query));
}
