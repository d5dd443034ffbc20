using System;
using System.Collections.Generic;

namespace Diff.Samples;

/// <summary>
/// The random numbers of Python's <c>random</c> module, and of NumPy's <c>np.random.seed</c>, so that a sample can start from
/// the same numbers as the Python program that it is compared with. Both are the Mersenne twister MT19937 (Matsumoto and
/// Nishimura, 1998) and differ only in how they are seeded.
/// </summary>
internal sealed class PythonRandom
{
    private const int N = 624, M = 397;

    private readonly uint[] state = new uint[N];
    private int next = N;
    private double? secondGauss;

    /// <summary>The generator after Python's <c>random.seed(seed)</c>.</summary>
    public PythonRandom(long seed)
    {
        var magnitude = seed < 0 ? 0UL - (ulong)seed : (ulong)seed; // Python takes the absolute value
        InitByArray(magnitude <= uint.MaxValue ? [(uint)magnitude] : [(uint)magnitude, (uint)(magnitude >> 32)]);
    }

    private PythonRandom(uint seed, bool _) => InitGenrand(seed);

    /// <summary>
    /// The generator after NumPy's <c>np.random.seed(seed)</c>. Only <see cref="Random"/> and <see cref="Uniform"/> agree with
    /// NumPy, whose normal numbers and shuffles are made otherwise.
    /// </summary>
    public static PythonRandom NumPy(uint seed) => new(seed, true);

    /// <summary>Python's <c>random()</c>: uniform in [0, 1), a multiple of 2⁻⁵³.</summary>
    public double Random()
    {
        uint a = NextUInt() >> 5, b = NextUInt() >> 6;
        return (a * 67108864.0 + b) / 9007199254740992.0;
    }

    /// <summary>Python's <c>uniform(a, b)</c>.</summary>
    public double Uniform(double a, double b) => a + (b - a) * Random();

    /// <summary>Python's <c>gauss(mu, sigma)</c>: Box and Muller's method, which makes two numbers at a time.</summary>
    public double Gauss(double mu = 0, double sigma = 1)
    {
        if (secondGauss is not { } z)
        {
            var angle = Random() * (2 * Math.PI);
            var radius = Math.Sqrt(-2.0 * Math.Log(1.0 - Random()));
            z = Math.Cos(angle) * radius;
            secondGauss = Math.Sin(angle) * radius;
        }
        else
        {
            secondGauss = null;
        }
        return mu + z * sigma;
    }

    /// <summary>Python's <c>randrange(stop)</c>: uniform in 0 … stop−1.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="stop"/> is not positive.</exception>
    public int RandRange(int stop)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(stop);
        var unused = int.LeadingZeroCount(stop);
        while (true)
        {
            var value = NextUInt() >> unused;
            if (value < stop)
                return (int)value;
        }
    }

    /// <summary>Python's <c>shuffle(list)</c>.</summary>
    public void Shuffle<T>(IList<T> list)
    {
        ArgumentNullException.ThrowIfNull(list);
        for (var i = list.Count - 1; i > 0; i--)
        {
            var j = RandRange(i + 1);
            (list[i], list[j]) = (list[j], list[i]);
        }
    }

    private void InitGenrand(uint seed)
    {
        state[0] = seed;
        for (var i = 1; i < N; i++)
            state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + (uint)i;
    }

    private void InitByArray(uint[] key)
    {
        InitGenrand(19650218);
        int i = 1, j = 0;
        for (var k = N; k > 0; k--)
        {
            state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + key[j] + (uint)j;
            j = (j + 1) % key.Length;
            i = Following(i);
        }
        for (var k = N - 1; k > 0; k--)
        {
            state[i] = (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) - (uint)i;
            i = Following(i);
        }
        state[0] = 0x80000000;
    }

    // Past the end follows 1, after state[0] has become the last: the recurrence reads the one before.
    private int Following(int i)
    {
        if (i < N - 1)
            return i + 1;
        state[0] = state[N - 1];
        return 1;
    }

    private uint NextUInt()
    {
        if (next == N)
        {
            for (var i = 0; i < N; i++)
            {
                var y = (state[i] & 0x80000000) | (state[(i + 1) % N] & 0x7fffffff);
                state[i] = state[(i + M) % N] ^ (y >> 1) ^ ((y & 1) * 0x9908b0dfu);
            }
            next = 0;
        }
        var x = state[next++];
        x ^= x >> 11;
        x ^= (x << 7) & 0x9d2c5680;
        x ^= (x << 15) & 0xefc60000;
        return x ^ (x >> 18);
    }
}
