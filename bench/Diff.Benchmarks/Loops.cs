using System.Runtime.CompilerServices;

namespace Diff.Benchmarks;

/// <summary>The loops of the limits: one pass over memory each, with all that is needed in registers.</summary>
internal static unsafe class Loops
{
    // Round(x) by adding and taking away 1.5·2²³: the sum keeps the whole number in the lowest bits of its mantissa.
    private const float Rounder = 12582912;

    // exp x = 2ⁿ·exp r with n = round(x / log 2) and |r| ≤ log 2 / 2. The polynomial of degree 6 (Remez exchange, relative error 3e-9)
    // leaves about one unit in the last place. log 2 is taken away in two pieces, of which the first has few digits (Cody and Waite 1980).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Exp<V>(V x) where V : struct, IWide<float, V>
    {
        x = V.Clamp(x, V.All(-80), V.All(80));
        var sum = V.MultiplyAdd(x, V.All(1.44269504f), V.All(Rounder));
        var n = sum - V.All(Rounder);
        var r = V.MultiplyAdd(n, V.All(-0.693359375f), x);
        r = V.MultiplyAdd(n, V.All(2.12194440e-4f), r);
        var p = V.MultiplyAdd(r, V.All(0.0013814613f), V.All(0.0083687098f));
        p = V.MultiplyAdd(p, r, V.All(0.0416683874f));
        p = V.MultiplyAdd(p, r, V.All(0.1666652069f));
        p = V.MultiplyAdd(p, r, V.All(0.4999999345f));
        p = V.MultiplyAdd(p, r, V.All(1));
        p = V.MultiplyAdd(p, r, V.All(1));
        return V.Scale(p, sum);
    }

    /// <summary>
    /// x·σ(2u) with u = √(2/π)·(x + 0.044715·x³), which is gelu in its tanh form: gradients are written, the sum is returned.
    /// Some 27 operations and one division an element of 8 bytes: arithmetic from the cache, the memory's rate beyond it.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Gelu<V>(float* x, float* gradients, nint from, nint to, bool stream) where V : struct, IWide<float, V>
    {
        const float Linear = 1.59576912f, Cubic = Linear * 0.044715f; // 2·√(2/π), for 2u
        V one = V.All(1), total = default;
        for (var i = from; i < to; i += V.Count)
        {
            var e = V.Load(x + i);
            var square = e * e;
            var sigmoid = one / (one + Exp(V.MultiplyAdd(square, V.All(-Cubic), V.All(-Linear)) * e));
            var value = e * sigmoid;
            var slope = V.MultiplyAdd(square, V.All(3 * Cubic), V.All(Linear)); // of 2u
            var gradient = V.MultiplyAdd(value * (one - sigmoid), slope, sigmoid);
            if (stream) V.Stream(gradient, gradients + i);
            else V.Store(gradient, gradients + i);
            total += value;
        }
        return V.Sum(total);
    }

    /// <summary>12 operations, one of them a division, an element of 12 bytes: the memory's rate.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Chain<V>(float* x, float* y, float* target, nint from, nint to) where V : struct, IWide<float, V>
    {
        V one = V.All(1), half = V.All(0.5f);
        for (var i = from; i < to; i += V.Count)
        {
            V a = V.Load(x + i), b = V.Load(y + i);
            var z = V.MultiplyAdd(a, b, a);
            z = z * z - b;
            z /= V.MultiplyAdd(a, a, one);
            z = V.MultiplyAdd(b, half, z);
            V.Stream(V.MultiplyAdd(z, a - b, one), target + i);
        }
    }

    /// <summary>8 bytes an element, without the reading of the target's lines that an ordinary copy pays for.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Copy<V>(float* source, float* target, nint from, nint to) where V : struct, IWide<float, V>
    {
        for (var i = from; i < to; i += V.Count) V.Stream(V.Load(source + i), target + i);
    }

    /// <summary>One update of Adam (Kingma and Ba 2015): 28 bytes an element, a root and a division: the memory's rate.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Adam<V>(float* weight, float* gradient, float* mean, float* square, nint from, nint to, int step)
        where V : struct, IWide<float, V>
    {
        const double Rate = 1e-3, Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;
        var size = V.All((float)(-Rate / (1 - Math.Pow(Beta1, step))));
        var root = V.All((float)(1 / Math.Sqrt(1 - Math.Pow(Beta2, step))));
        V beta1 = V.All((float)Beta1), rest1 = V.All((float)(1 - Beta1)), beta2 = V.All((float)Beta2), rest2 = V.All((float)(1 - Beta2));
        var epsilon = V.All((float)Epsilon);
        for (var i = from; i < to; i += V.Count)
        {
            var g = V.Load(gradient + i);
            var m = V.MultiplyAdd(beta1, V.Load(mean + i), rest1 * g);
            var v = V.MultiplyAdd(beta2, V.Load(square + i), rest2 * g * g);
            V.Store(m, mean + i);
            V.Store(v, square + i);
            V.Store(V.MultiplyAdd(size, m / V.MultiplyAdd(V.Sqrt(v), root, epsilon), V.Load(weight + i)), weight + i);
        }
    }

    /// <summary>Multiply-adds in 12 chains, which hide the instruction's latency; each counts as two operations.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static T MultiplyAdds<T, V>(T factor, T term, nint rounds) where T : unmanaged where V : struct, IWide<T, V>
    {
        V x = V.All(factor), y = V.All(term);
        V a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
        for (nint n = 0; n < rounds; n++)
        {
            a = V.MultiplyAdd(a, x, y);
            b = V.MultiplyAdd(b, x, y);
            c = V.MultiplyAdd(c, x, y);
            d = V.MultiplyAdd(d, x, y);
            e = V.MultiplyAdd(e, x, y);
            f = V.MultiplyAdd(f, x, y);
            g = V.MultiplyAdd(g, x, y);
            h = V.MultiplyAdd(h, x, y);
            i = V.MultiplyAdd(i, x, y);
            j = V.MultiplyAdd(j, x, y);
            k = V.MultiplyAdd(k, x, y);
            l = V.MultiplyAdd(l, x, y);
        }
        return V.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }

    /// <summary>How many multiply-adds on one lane a round of <see cref="MultiplyAdds"/> does.</summary>
    public const int Chains = 12;
}
