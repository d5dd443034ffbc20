using System;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using System.Threading;
using Diff.Kernels;
using Xunit;

namespace Diff.Tests;

public class GemmTests
{
    private const double Untouched = 12345;

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 25)];

    // The extents that choose each path and each width: none, one, less than a vector, tiles with and without a rest, many blocks.
    private static readonly int[] Extents = [0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 50, 64, 70, 100];

    /// <summary>A product of random extents and layouts: any order of the labels in memory, gaps, reversed, scattered and (A, B) repeated labels.</summary>
    private sealed class Case<T> where T : unmanaged, INumber<T>
    {
        public Case(Random random, int batch, int m, int k, int n)
        {
            var ((aBatch, aRow, aDepth), (bBatch, bDepth, bCol), (cBatch, cRow, cCol)) =
                (Layout(random, true, batch, m, k), Layout(random, true, batch, k, n), Layout(random, false, batch, m, n));
            Plan = new GemmPlan(aBatch, aRow, aDepth, bBatch, bDepth, bCol, cBatch, cRow, cCol);
            (A, B) = (Values(random, aBatch, aRow, aDepth), Values(random, bBatch, bDepth, bCol));
            CLength = cBatch.Concat(cRow).Concat(cCol).Sum() + 1;
            Address = (b, i, j) => cBatch[b] + cRow[i] + cCol[j];
        }

        public GemmPlan Plan { get; }
        public T[] A { get; }
        public T[] B { get; }
        public int CLength { get; }
        public Func<int, int, int, int> Address { get; }

        public T[] Run(bool generic, Func<T, T>? map = null)
        {
            T[] c = [.. Enumerable.Repeat(T.CreateChecked(Untouched), CLength)], a = map == null ? A : [.. A.Select(map)], b = map == null ? B : [.. B.Select(map)];
            if (generic) Gemm.MultiplyGeneric<T>(a, b, c, Plan);
            else if (typeof(T) == typeof(float)) Gemm.Multiply((float[])(object)a, (float[])(object)b, (float[])(object)c, Plan);
            else Gemm.Multiply((double[])(object)a, (double[])(object)b, (double[])(object)c, Plan);
            return c;
        }

        private static T[] Values(Random random, params int[][] tables) =>
            [.. Enumerable.Range(0, tables.Sum(t => t.DefaultIfEmpty().Max()) + 1).Select(_ => T.CreateTruncating(random.NextDouble() * 20 - 10) / T.CreateChecked(4))];
    }

    private static (int[], int[], int[]) Layout(Random random, bool mayRepeat, params int[] extents)
    {
        int[] order = [0, 1, 2];
        random.Shuffle(order);
        var tables = new int[3][];
        int stride = random.Next(5) == 0 ? 2 : 1;
        foreach (int label in order)
        {
            int step = mayRepeat && random.Next(12) == 0 ? 0 : stride;
            tables[label] = [.. Enumerable.Range(0, extents[label]).Select(i => i * step)];
            if (random.Next(6) == 0) random.Shuffle(tables[label]);
            if (random.Next(6) == 0) Array.Reverse(tables[label]);
            stride = (stride * Math.Max(1, extents[label])) + (random.Next(4) == 0 ? random.Next(5) : 0);
        }
        return (tables[0], tables[1], tables[2]);
    }

    private static IEnumerable<Case<T>> Cases<T>(int seed, int count = 12) where T : unmanaged, INumber<T>
    {
        var random = new Random(seed);
        int Extent() => Extents[random.Next(Extents.Length)];
        for (int q = 0; q < count; q++)
        {
            int depth = random.Next(8) == 0 ? random.Next(200, 1200) : Extent();
            yield return new Case<T>(random, random.Next(4) == 0 ? random.Next(4) : 1, Extent(), depth, random.Next(10) == 0 ? random.Next(100, 500) : Extent());
        }
    }

    private static void AgreesWithReference<T>(int seed, double epsilon) where T : unmanaged, INumber<T>
    {
        foreach (var x in Cases<T>(seed))
        {
            T[] actual = x.Run(generic: false), expected = x.Run(generic: true), size = x.Run(generic: true, T.Abs);
            for (int i = 0; i < actual.Length; i++)
            {
                // |error| ≤ depth · ε · Σ|a·b| in any order of summation; elements the plan does not address are not written.
                double error = double.Abs(double.CreateChecked(actual[i] - expected[i])), bound = 2 * epsilon * x.Plan.Depth * double.CreateChecked(size[i]);
                if (error <= bound) continue;
                Assert.Fail($"seed {seed}, {x.Plan.Batch} × {x.Plan.Rows}x{x.Plan.Depth}x{x.Plan.Cols}, element {i}: expected {expected[i]}, got {actual[i]}");
            }
        }
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Float_agrees_with_the_triple_loop(int seed) => AgreesWithReference<float>(seed, 1.2e-7);

    [Theory, MemberData(nameof(Seeds))]
    public void Double_agrees_with_the_triple_loop(int seed) => AgreesWithReference<double>(seed, 2.3e-16);

    [Fact]
    public void The_triple_loop_is_the_definition()
    {
        int[] two = [0, 2], one = [0, 1], zero = [0];
        int[] c = new int[4];
        Gemm.MultiplyGeneric<int>([1, 2, 3, 4], [5, 6, 7, 8], c, new GemmPlan(zero, two, one, zero, two, one, zero, two, one));
        Assert.Equal([19, 22, 43, 50], c);
        long[] transposed = new long[4];
        Gemm.MultiplyGeneric<long>([1, 2, 3, 4], [5, 6, 7, 8], transposed, new GemmPlan(zero, two, one, zero, two, one, zero, one, two));
        Assert.Equal([19, 43, 22, 50], transposed);
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Integers_give_exactly_what_doubles_give(int seed)
    {
        // Small whole numbers are exact in every type and order of summation.
        foreach (var x in Cases<double>(seed, 8))
        {
            double[] c = x.Run(generic: false, double.Round);
            int[] whole = [.. Enumerable.Repeat((int)Untouched, x.CLength)];
            Gemm.MultiplyGeneric<int>([.. x.A.Select(v => (int)double.Round(v))], [.. x.B.Select(v => (int)double.Round(v))], whole, x.Plan);
            Assert.True(whole.SequenceEqual(c.Select(v => (int)v)), $"seed {seed}");
        }
    }

    [Fact]
    public void Zero_depth_gives_zeros_and_other_zero_extents_write_nothing()
    {
        var random = new Random(1);
        var noDepth = new Case<float>(random, 2, 5, 0, 7);
        float[] c = noDepth.Run(generic: false);
        for (int b = 0; b < 2; b++)
        {
            for (int i = 0; i < 5; i++)
            {
                for (int j = 0; j < 7; j++) Assert.Equal(0, c[noDepth.Address(b, i, j)]);
            }
        }
        foreach (var (batch, m, n) in new[] { (0, 4, 4), (1, 0, 4), (1, 4, 0) })
        {
            Assert.All(new Case<float>(random, batch, m, 3, n).Run(generic: false), v => Assert.Equal((float)Untouched, v));
        }
    }

    private static int[] Line(int count, int stride) => [.. Enumerable.Range(0, count).Select(i => i * stride)];

    /// <summary>A of m × k and B of k × n, each as stored or transposed, with gaps of 3 elements behind each row.</summary>
    private static GemmPlan Dense(int m, int k, int n, bool transposeA, bool transposeB)
    {
        (int aRow, int aDepth) = transposeA ? (1, m + 3) : (k + 3, 1);
        (int bDepth, int bCol) = transposeB ? (1, k + 3) : (n + 3, 1);
        return new([0], Line(m, aRow), Line(k, aDepth), [0], Line(k, bDepth), Line(n, bCol), [0], Line(m, n), Line(n, 1));
    }

    [Theory]
    [InlineData(1, 9, 21)]
    [InlineData(1, 40, 1)]
    [InlineData(3, 70, 19)]
    [InlineData(7, 33, 2)]
    [InlineData(13, 21, 37)]
    [InlineData(70, 300, 41)]
    public void NaN_and_infinity_stay_in_their_row_and_column(int m, int k, int n)
    {
        for (int layout = 0; layout < 4; layout++)
        {
            bool ta = (layout & 1) != 0, tb = (layout & 2) != 0;
            GemmPlan plan = Dense(m, k, n, ta, tb);
            // All that is not addressed, the gaps, is NaN; so are one row of A and one column of B.
            double[] a = [.. Enumerable.Repeat(double.NaN, (m + 3) * (k + 3))], b = [.. Enumerable.Repeat(double.NaN, (k + 3) * (n + 3))], c = new double[m * n];
            int badRow = m > 1 ? m / 2 : -1, badCol = n > 1 ? n - 1 : -1;
            for (int q = 0; q < k; q++)
            {
                for (int i = 0; i < m; i++) a[ta ? i + (q * (m + 3)) : (i * (k + 3)) + q] = i == badRow ? double.PositiveInfinity : 1;
                for (int j = 0; j < n; j++) b[tb ? q + (j * (k + 3)) : (q * (n + 3)) + j] = j == badCol ? double.NaN : 1;
            }
            Gemm.Multiply<double>(a, b, c, plan);
            for (int i = 0; i < m * n; i++)
            {
                double expected = i % n == badCol ? double.NaN : i / n == badRow ? double.PositiveInfinity : k;
                Assert.Equal(expected, c[i]);
            }
        }
    }

    [Fact]
    public void The_bits_are_the_same_each_time_and_on_each_thread()
    {
        foreach (var x in Cases<float>(77, 40))
        {
            float[] first = x.Run(generic: false), second = [];
            var thread = new Thread(() => second = x.Run(generic: false));
            thread.Start();
            thread.Join();
            Assert.True(first.Select(BitConverter.SingleToInt32Bits).SequenceEqual(second.Select(BitConverter.SingleToInt32Bits)));
        }
    }

    [Theory]
    [InlineData(100, 100, 100, false, false)]
    [InlineData(100, 100, 100, false, true)]
    [InlineData(100, 300, 100, true, false)]
    [InlineData(1, 300, 100, false, true)]
    [InlineData(1, 300, 100, false, false)]
    [InlineData(90, 300, 1, true, false)]
    public void A_product_allocates_nothing_after_the_first(int m, int k, int n, bool transposeA, bool transposeB)
    {
        GemmPlan plan = Dense(m, k, n, transposeA, transposeB);
        float[] a = new float[(m + 3) * (k + 3)], b = new float[(k + 3) * (n + 3)], c = new float[m * n];
        long AllocatedBy10Products()
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++) Gemm.Multiply<float>(a, b, c, plan);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
        // Several measurements, since a collection in between can count the unused rest of the thread's allocation buffer.
        Gemm.Multiply<float>(a, b, c, plan);
        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => AllocatedBy10Products()));
    }

    [Fact]
    public void Plans_and_operands_that_do_not_fit_are_refused()
    {
        int[] two = [0, 1], three = [0, 1, 2], zero = [0];
        Assert.Throws<ArgumentException>(() => new GemmPlan(zero, two, three, zero, two, two, zero, two, two));
        Assert.Throws<ArgumentException>(() => new GemmPlan(zero, [0, -1], two, zero, two, two, zero, two, two));
        var plan = new GemmPlan(zero, [0, 2], two, zero, [0, 2], two, zero, [0, 2], two);
        Assert.Throws<ArgumentException>(() => Gemm.Multiply<float>(new float[3], new float[4], new float[4], plan));
        Assert.Throws<ArgumentException>(() => Gemm.Multiply<float>(new float[4], new float[3], new float[4], plan));
        Assert.Throws<ArgumentException>(() => Gemm.Multiply<float>(new float[4], new float[4], new float[3], plan));
    }
}
