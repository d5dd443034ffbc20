using System;

namespace Diff.Kernels;

internal static partial class SpecialMath
{
    /// <summary>The function that an instruction of scalar code names.</summary>
    public static double Apply(ScalarOp op, double a, double b, double c) => op switch
    {
        ScalarOp.Cbrt => Cbrt(a),
        ScalarOp.Log2 => Math.Log2(a),
        ScalarOp.Log10 => Math.Log10(a),
        ScalarOp.Exp2 => Exp2(a),
        ScalarOp.Asin => Math.Asin(a),
        ScalarOp.Acos => Math.Acos(a),
        ScalarOp.Atan => Math.Atan(a),
        ScalarOp.Sinh => Math.Sinh(a),
        ScalarOp.Cosh => Math.Cosh(a),
        ScalarOp.Asinh => Math.Asinh(a),
        ScalarOp.Acosh => Math.Acosh(a),
        ScalarOp.Atanh => Math.Atanh(a),
        ScalarOp.OneMinusSquare => OneMinusSquare(a),
        ScalarOp.Sinc => Sinc(a),
        ScalarOp.Floor => Floor(a),
        ScalarOp.Ceil => Ceil(a),
        ScalarOp.Round => Round(a),
        ScalarOp.Trunc => Trunc(a),
        ScalarOp.Erf => Erf(a),
        ScalarOp.Erfc => Erfc(a),
        ScalarOp.Erfcx => Erfcx(a),
        ScalarOp.Erfinv => Erfinv(a),
        ScalarOp.Ndtr => Ndtr(a),
        ScalarOp.LogNdtr => LogNdtr(a),
        ScalarOp.Lgamma => Lgamma(a),
        ScalarOp.Digamma => Digamma(a),
        ScalarOp.Atan2 => Math.Atan2(a, b),
        ScalarOp.Hypot => Hypot(a, b),
        ScalarOp.Direction => Direction(a, b),
        ScalarOp.Logaddexp => Logaddexp(a, b),
        ScalarOp.SincDerivative => SincDerivative(a, b),
        ScalarOp.Fmod => Fmod(a, b),
        ScalarOp.ErfcxDerivative => ErfcxDerivative(a, b),
        ScalarOp.Gaussian => Gaussian(a, b),
        ScalarOp.Polygamma => Polygamma(a, b),
        ScalarOp.GammaDensity => GammaDensity(a, b),
        ScalarOp.Gammainc => Gammainc(a, b),
        ScalarOp.Gammaincc => Gammaincc(a, b),
        ScalarOp.Lbeta => Lbeta(a, b),
        ScalarOp.GammaincDerivative => GammaincDerivative(a, b, c),
        ScalarOp.BetaDensity => BetaDensity(a, b, c),
        ScalarOp.Betainc => Betainc(a, b, c),
        _ => throw new InvalidOperationException($"scalar code: {op} computes nothing")
    };
}
