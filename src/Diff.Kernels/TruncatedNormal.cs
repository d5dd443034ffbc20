using System;

namespace Diff.Kernels;

/// <summary>
/// The quantiles of the standard normal distribution between two bounds. In the tails all is done with logarithms, so that bounds of any size will do.
/// </summary>
internal readonly struct TruncatedNormal
{
    private readonly double low, high, first, width, last;
    private readonly bool isUpper, isTail;

    /// <summary>For bounds of which one may be infinite; NaN unless low &lt; high, or low = high, which is then the value.</summary>
    public TruncatedNormal(double low, double high)
    {
        // Bounds above 0 are seen in the mirror.
        isUpper = low > 0;
        if (isUpper) (low, high) = (-high, -low);
        (this.low, this.high) = (low, high);
        if (!(low <= high)) return;
        double ofLow = PortableMath.LogNormalCdf(low);
        isTail = high <= 0;
        if (isTail)
        {
            first = PortableMath.LogNormalCdf(high);
            width = -PortableMath.Expm1(ofLow - first);
            last = PortableMath.Exp(ofLow - first);
        }
        else
        {
            first = PortableMath.Exp(ofLow);
            last = PortableMath.Exp(PortableMath.LogNormalCdf(-high));
            width = 1 - first - last;
        }
    }

    public bool IsFor(double low, double high) => isUpper ? this.low == -high && this.high == -low : this.low == low && this.high == high;

    /// <summary>The quantile at u; v is 1 − u.</summary>
    public double Quantile(double u, double v)
    {
        if (!(low <= high)) return double.NaN;
        if (isUpper) (u, v) = (v, u);
        double x;
        if (isTail)
        {
            // The probability below x is Φ(high)·(1 − v·width), or Φ(high)·(Φ(low)/Φ(high) + u·width).
            x = PortableMath.NormalQuantileOfLog(first + (u < 0.5 ? PortableMath.Log(last + u * width) : PortableMath.Log1p(-v * width)));
        }
        else
        {
            double p = first + u * width, q = last + v * width;
            x = p <= 0.5 ? PortableMath.NormalQuantile(p) : -PortableMath.NormalQuantile(q);
        }
        x = Math.Min(Math.Max(x, low), high);
        return isUpper ? -x : x;
    }
}
