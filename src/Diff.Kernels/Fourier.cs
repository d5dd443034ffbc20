using System;
using System.Buffers;
using System.Collections.Generic;
using System.Runtime.Intrinsics;

namespace Diff.Kernels;

/// <summary>
/// Discrete Fourier transforms of one length n: X[k] = Σ x[j]·exp(−2πi·jk/n), or the inverse with 1/n. Complex numbers are pairs of float64, one in a vector.
/// Lengths with prime factors up to 31 go pass by pass, one factor each (4, 2, 3, 5 written out), between two buffers so that the result comes out in
/// order (Stockham; see Van Loan 1992). Any other length is a convolution with a chirp, by transforms of a power of two (Bluestein 1970).
/// Cost: about 5·n·log₂ n operations at 2–4 a nanosecond, a prime factor p above 5 costs 8·p·n; a chirp 4 to 8 times as much. Tables hold 16 bytes an
/// element (32 to 64 more a chirp) and belong to the instance, which has no other state and may be used by several threads at once.
/// </summary>
internal sealed unsafe class Fourier
{
    private const int LargestFactor = 31;

    private readonly int n;
    private readonly int[] factors = [];          // none for a chirp
    private readonly double[] roots = [];         // exp(−2πi·j/n)
    private readonly Fourier? inner;              // for a chirp: the transform of a power of two ≥ 2n − 1
    private readonly double[] chirp = [], filter = []; // exp(−πi·j²/n); the transform of its conjugate, by the inner length

    public Fourier(int length)
    {
        n = length;
        if (n <= 1) return;
        var found = new List<int>();
        int rest = n;
        foreach (int factor in (ReadOnlySpan<int>)[4, 2, 3, 5]) Split(factor);
        for (int factor = 7; factor <= LargestFactor; factor += 2) Split(factor);
        if (rest == 1)
        {
            factors = [.. found];
            roots = new double[2 * n];
            for (int j = 0; j < n; j++) (roots[2 * j + 1], roots[2 * j]) = double.SinCosPi(-2.0 * j / n);
            return;
        }
        int size = 1;
        while (size < 2L * n - 1) size = checked(size * 2);
        inner = new Fourier(size);
        chirp = new double[2 * n];
        filter = new double[2 * size];
        for (int j = 0; j < n; j++)
        {
            // j² modulo 2n is exact in integers, so that long chirps are as good as short ones.
            (double sin, double cos) = double.SinCosPi(-((long)j * j % (2L * n)) / (double)n);
            (chirp[2 * j], chirp[2 * j + 1]) = (cos, sin);
            foreach (int at in (ReadOnlySpan<int>)[j, (size - j) % size]) (filter[2 * at], filter[2 * at + 1]) = (cos / size, -sin / size);
        }
        double[] scratch = new double[inner.ScratchLength];
        fixed (double* f = filter, s = scratch) inner.Forward(f, s);

        void Split(int factor)
        {
            for (; rest % factor == 0; rest /= factor) found.Add(factor);
        }
    }

    private int ScratchLength => inner is null ? 2 * n : checked(2 * filter.Length);

    /// <summary>The transforms of lines of n pairs.</summary>
    public void Run(Span<double> x, Span<double> result, bool inverse)
    {
        if (x.IsEmpty) return;
        double[] scratch = ArrayPool<double>.Shared.Rent(ScratchLength);
        fixed (double* from = x, into = result, s = scratch)
        {
            for (int number = 0; number < x.Length / (2 * n); number++)
            {
                int at = number * 2 * n;
                double* line = into + at;
                if (inverse) Swap(from + at, line, n, 1);
                else new ReadOnlySpan<double>(from + at, 2 * n).CopyTo(new Span<double>(line, 2 * n));
                Forward(line, s);
                if (inverse) Swap(line, line, n, 1.0 / n);
            }
        }
        ArrayPool<double>.Shared.Return(scratch);
    }

    /// <summary>The transforms of lines of n pairs, through float64.</summary>
    public void Run(Span<float> x, Span<float> result, bool inverse)
    {
        if (x.IsEmpty) return;
        double[] buffer = ArrayPool<double>.Shared.Rent(2 * n);
        Span<double> line = buffer.AsSpan(0, 2 * n);
        for (int number = 0; number < x.Length / (2 * n); number++)
        {
            int at = number * 2 * n;
            for (int i = 0; i < line.Length; i++) line[i] = x[at + i];
            Run(line, line, inverse);
            for (int i = 0; i < line.Length; i++) result[at + i] = (float)line[i];
        }
        ArrayPool<double>.Shared.Return(buffer);
    }

    /// <summary>Real and imaginary parts exchanged and scaled: before and after a transform this makes it the inverse one.</summary>
    private static void Swap(double* from, double* into, int count, double scale)
    {
        for (int i = 0; i < 2 * count; i += 2) (into[i], into[i + 1]) = (from[i + 1] * scale, from[i] * scale);
    }

    private void Forward(double* line, double* scratch)
    {
        if (n <= 1) return;
        if (inner is null) Passes(line, scratch);
        else ByChirp(line, scratch, inner);
    }

    private void ByChirp(double* line, double* scratch, Fourier inner)
    {
        int size = inner.n;
        double* work = scratch, rest = scratch + 2 * size;
        fixed (double* c = chirp, f = filter)
        {
            for (int i = 0; i < 2 * n; i += 2) Store(work + i, Times(Load(line + i), Load(c + i)));
            new Span<double>(work + 2 * n, 2 * (size - n)).Clear();
            inner.Forward(work, rest);
            for (int i = 0; i < 2 * size; i += 2) Store(work + i, Swapped(Times(Load(work + i), Load(f + i))));
            inner.Forward(work, rest);
            for (int i = 0; i < 2 * n; i += 2) Store(line + i, Times(Swapped(Load(work + i)), Load(c + i)));
        }
    }

    // ---- Passes -------------------------------------------------------------------------------------------------------

    private void Passes(double* line, double* scratch)
    {
        double* from = line, into = scratch;
        int left = n, step = 1;
        fixed (double* w = roots)
        {
            foreach (int factor in factors)
            {
                left /= factor;
                switch (factor)
                {
                    case 2: Pass2(from, into, w, left, step); break;
                    case 3: Pass3(from, into, w, left, step); break;
                    case 4: Pass4(from, into, w, left, step); break;
                    case 5: Pass5(from, into, w, left, step); break;
                    default: PassAny(from, into, w, left, step, factor); break;
                }
                step *= factor;
                double* last = from;
                from = into;
                into = last;
            }
        }
        if (from != line) new ReadOnlySpan<double>(from, 2 * n).CopyTo(new Span<double>(line, 2 * n));
    }

    // Each pass takes, for q < left and r < step, the numbers at r + step·(q + left·j) for all j < p, transforms these p numbers, multiplies the k-th by
    // exp(−2πi·qk/(left·p)), which is root number q·k·step, and puts it at r + step·(p·q + k).

    private static void Pass2(double* from, double* into, double* w, int left, int step)
    {
        nint far = 2 * (nint)step * left;
        for (int q = 0; q < left; q++)
        {
            Vector128<double> w1 = Load(w + 2 * (nint)q * step);
            double* x = from + 2 * (nint)step * q, y = into + 4 * (nint)step * q;
            for (nint r = 0; r < 2 * step; r += 2)
            {
                Vector128<double> a = Load(x + r), b = Load(x + far + r);
                Store(y + r, a + b);
                Store(y + 2 * step + r, Times(a - b, w1));
            }
        }
    }

    private static void Pass3(double* from, double* into, double* w, int left, int step)
    {
        const double Sin = 0.86602540378443864676;
        nint far = 2 * (nint)step * left, near = 2 * step;
        for (int q = 0; q < left; q++)
        {
            Vector128<double> w1 = Load(w + 2 * (nint)q * step), w2 = Load(w + 4 * (nint)q * step);
            double* x = from + 2 * (nint)step * q, y = into + 6 * (nint)step * q;
            for (nint r = 0; r < near; r += 2)
            {
                Vector128<double> a = Load(x + r), b = Load(x + far + r), c = Load(x + 2 * far + r);
                Vector128<double> sum = b + c, middle = a - 0.5 * sum, turned = MinusI(b - c) * Sin;
                Store(y + r, a + sum);
                Store(y + near + r, Times(middle + turned, w1));
                Store(y + 2 * near + r, Times(middle - turned, w2));
            }
        }
    }

    private static void Pass4(double* from, double* into, double* w, int left, int step)
    {
        nint far = 2 * (nint)step * left, near = 2 * step;
        for (int q = 0; q < left; q++)
        {
            Vector128<double> w1 = Load(w + 2 * (nint)q * step), w2 = Load(w + 4 * (nint)q * step), w3 = Load(w + 6 * (nint)q * step);
            double* x = from + 2 * (nint)step * q, y = into + 8 * (nint)step * q;
            for (nint r = 0; r < near; r += 2)
            {
                Vector128<double> a = Load(x + r), b = Load(x + far + r), c = Load(x + 2 * far + r), d = Load(x + 3 * far + r);
                Vector128<double> ac = a + c, bd = b + d, a_c = a - c, b_d = MinusI(b - d);
                Store(y + r, ac + bd);
                Store(y + near + r, Times(a_c + b_d, w1));
                Store(y + 2 * near + r, Times(ac - bd, w2));
                Store(y + 3 * near + r, Times(a_c - b_d, w3));
            }
        }
    }

    private static void Pass5(double* from, double* into, double* w, int left, int step)
    {
        const double Cos1 = 0.30901699437494742410, Cos2 = -0.80901699437494742410, Sin1 = 0.95105651629515357212, Sin2 = 0.58778525229247312917;
        nint far = 2 * (nint)step * left, near = 2 * step;
        for (int q = 0; q < left; q++)
        {
            Vector128<double> w1 = Load(w + 2 * (nint)q * step), w2 = Load(w + 4 * (nint)q * step);
            Vector128<double> w3 = Load(w + 6 * (nint)q * step), w4 = Load(w + 8 * (nint)q * step);
            double* x = from + 2 * (nint)step * q, y = into + 10 * (nint)step * q;
            for (nint r = 0; r < near; r += 2)
            {
                Vector128<double> a = Load(x + r), b = Load(x + far + r), c = Load(x + 2 * far + r), d = Load(x + 3 * far + r), e = Load(x + 4 * far + r);
                Vector128<double> be = b + e, cd = c + d, b_e = b - e, c_d = c - d;
                Vector128<double> first = a + Cos1 * be + Cos2 * cd, second = a + Cos2 * be + Cos1 * cd;
                Vector128<double> turned1 = MinusI(Sin1 * b_e + Sin2 * c_d), turned2 = MinusI(Sin2 * b_e - Sin1 * c_d);
                Store(y + r, a + be + cd);
                Store(y + near + r, Times(first + turned1, w1));
                Store(y + 2 * near + r, Times(second + turned2, w2));
                Store(y + 3 * near + r, Times(second - turned2, w3));
                Store(y + 4 * near + r, Times(first - turned1, w4));
            }
        }
    }

    private static void PassAny(double* from, double* into, double* w, int left, int step, int p)
    {
        nint far = 2 * (nint)step * left, near = 2 * step, root = 2 * (nint)left * step; // n / p roots apart: the p-th roots of 1
        for (int q = 0; q < left; q++)
        {
            double* x = from + 2 * (nint)step * q, y = into + 2 * (nint)p * step * q;
            for (nint r = 0; r < near; r += 2)
            {
                for (int k = 0; k < p; k++)
                {
                    Vector128<double> sum = Load(x + r);
                    for (int j = 1, turn = 0; j < p; j++)
                    {
                        turn += k;
                        if (turn >= p) turn -= p;
                        sum += Times(Load(x + j * far + r), Load(w + turn * root));
                    }
                    Store(y + k * near + r, Times(sum, Load(w + 2 * (nint)q * k * step)));
                }
            }
        }
    }

    // ---- Complex numbers ------------------------------------------------------------------------------------------------

    private static Vector128<double> Load(double* at) => Vector128.Load(at);

    private static void Store(double* at, Vector128<double> z) => z.Store(at);

    private static Vector128<double> Swapped(Vector128<double> z) => Vector128.Shuffle(z, Vector128.Create(1L, 0L));

    private static Vector128<double> MinusI(Vector128<double> z) => Swapped(z) * Vector128.Create(1.0, -1.0);

    private static Vector128<double> Times(Vector128<double> z, Vector128<double> w) =>
        z * w.GetElement(0) + Swapped(z) * (Vector128.Create(-1.0, 1.0) * w.GetElement(1));
}
