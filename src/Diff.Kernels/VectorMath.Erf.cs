using System.Runtime.CompilerServices;

namespace Diff.Kernels;

// The formulas of SpecialMath.Erf.cs on vectors, with fewer terms for float. Bounds in ulp, measured by VectorMathTests:
// Gaussian 3, Erf 3, Erfc 5, Ndtr 5.
internal static partial class VectorMath
{
    // e^(-c·x²) for |x| of which the square is finite; the square and its product with c are taken in two parts.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ExpOfSquare<T, V, S>(V c, V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V square = S.Mul(x, x), product = S.Mul(c, square);
        V y = S.Select(S.Less(product, S.Constant(0)), Exp<T, V, S>(S.Neg(product)), ExpOfMinus<T, V, S>(product));
        if (!IsFused) return y;
        V rest = S.MultiplyAdd(c, S.MultiplyAdd(x, x, S.Neg(square)), S.MultiplyAdd(c, square, S.Neg(product)));
        // Beyond, the result is 0 or infinite, and the rest can be NaN.
        bool isFloat = typeof(T) == typeof(float);
        V isUsed = S.And(S.Less(product, S.Constant(isFloat ? 120 : 800)), S.Less(S.Constant(isFloat ? -88.5 : -709.5), product));
        return S.Select(isUsed, S.Sub(y, S.Mul(y, rest)), y);
    }

    /// <summary>e^(-c·x²).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Gaussian<T, V, S>(V c, V x)
        where T : unmanaged where V : struct where S : struct, ISimd<T, V> => ExpOfSquare<T, V, S>(c, x);

    // e^(a²)·erfc(a) for 0 <= a <= 40.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ScaledErfc<T, V, S>(V a) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V center = S.Constant(3.75), t = S.Div(S.Sub(a, center), S.Add(a, center)), square = S.Mul(t, t), p;
        if (typeof(T) == typeof(float))
        {
            V seventh = S.Mul(S.Mul(square, t), S.Mul(square, square));
            p = S.MultiplyAdd(seventh,
                Poly<T, V, S>(t, 0.02840925236412726, -0.009770087183368234, 0.001675912217981131, 0.00033016745627228067, -0.00022411674674416022,
                    2.2046718905694024e-05),
                Poly<T, V, S>(t, 1.2375126300326993, -0.1402406583213864, 0.00358549531406309, 0.08227841998347046, -0.10880522754949953,
                    0.09229076959130378, -0.05868544049363111));
        }
        else
        {
            V fourth = S.Mul(square, square), ninth = S.Mul(S.Mul(fourth, fourth), t);
            V high = Poly<T, V, S>(t, -2.5866850716155884e-07, 2.4289762925488707e-08, 3.8675334242222354e-08,
                -4.389284159986328e-09, -5.1739902140113095e-09, 5.457157304704688e-10, 4.2514714447963895e-10, -3.75315827795962e-11);
            V middle = Poly<T, V, S>(t, 0.0017556258324217529, 0.0002937136655913448, -0.00029015397928986765, 5.164909889268241e-05,
                2.2383912036550678e-05, -1.1444146237700524e-05, -9.72849582211122e-07, 1.751637648849062e-06, -5.826281078800777e-08);
            V low = Poly<T, V, S>(t, 1.2375126308378275, -0.14024059858554702, 0.0035854154854644293, 0.08227673849015102, -0.10880393014174886,
                0.09230432116019834, -0.05869339858963677, 0.0283622774215156, -0.009746579558029276);
            p = S.MultiplyAdd(ninth, S.MultiplyAdd(ninth, high, middle), low);
        }
        return S.Div(p, S.MultiplyAdd(a, S.Constant(2), 1));
    }

    // erf(x)/x for |x| <= 1.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ErfRatio<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V z = S.Mul(x, x);
        if (typeof(T) == typeof(float))
        {
            return Poly<T, V, S>(z, 1.1283791670623609, -0.3761263847599132, 0.11283782622062184, -0.026865438310515116, 0.005221053412537675,
                -0.0008484396550601893, 0.00011268253894199437, -9.673590811750782e-06);
        }
        V square = S.Mul(z, z), seventh = S.Mul(S.Mul(square, z), S.Mul(square, square));
        return S.MultiplyAdd(seventh,
            Poly<T, V, S>(z, -1.4925595519506043e-05, 1.6461004480962034e-06, -1.6350354461959655e-07, 1.4660051998394848e-08,
                -1.1373902296430911e-09, 5.958930743134941e-11),
            Poly<T, V, S>(z, 1.1283791670955126, -0.3761263890318375, 0.11283791670954882, -0.026866170645077334, 0.005223977624823223,
                -0.0008548326981129666, 0.00012055331122299266));
    }

    // erfc(a) for a >= 0.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ErfcOfPositive<T, V, S>(V a) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V bounded = S.AtMost(a, S.Constant(typeof(T) == typeof(float) ? 12 : 30));
        return S.Mul(ExpOfSquare<T, V, S>(S.Constant(1), bounded), ScaledErfc<T, V, S>(bounded));
    }

    /// <summary>The error function.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erf<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), one = S.Constant(1), small = S.Mul(x, ErfRatio<T, V, S>(S.AtMost(a, one)));
        return S.Select(S.Less(a, one), small, CopySign<T, V, S>(S.Sub(one, ErfcOfPositive<T, V, S>(a)), x));
    }

    /// <summary>1 - erf(x), accurate where it is small.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erfc<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V a = S.Abs(x), one = S.Constant(1), tail = ErfcOfPositive<T, V, S>(a);
        V small = S.Sub(one, S.Mul(x, ErfRatio<T, V, S>(S.AtMost(a, one))));
        V side = S.Select(S.Less(x, S.Constant(0)), S.Sub(S.Constant(2), tail), tail);
        return S.Select(S.And(S.Less(x, S.Constant(0.5)), S.Less(S.Constant(-1), x)), small, side);
    }

    /// <summary>The normal distribution function.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Ndtr<T, V, S>(V x) where T : unmanaged where V : struct where S : struct, ISimd<T, V>
    {
        V half = S.Constant(0.5), one = S.Constant(1), root = S.Constant(0.70710678118654752), a = S.Abs(x);
        V bounded = S.AtMost(a, S.Constant(typeof(T) == typeof(float) ? 16 : 40)), u = S.Mul(bounded, root);
        V tail = S.Mul(S.Mul(half, ExpOfSquare<T, V, S>(half, bounded)), ScaledErfc<T, V, S>(u));
        V side = S.Select(S.Less(x, S.Constant(0)), tail, S.Sub(one, tail)), inner = S.Mul(S.AtMost(a, one), root);
        V middle = S.MultiplyAdd(S.Mul(S.Mul(x, root), half), ErfRatio<T, V, S>(inner), 0.5);
        return S.Select(S.Less(a, one), middle, side);
    }
}
