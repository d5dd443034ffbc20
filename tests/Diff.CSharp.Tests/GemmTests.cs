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
            int[] a = [.. x.A.Select(v => (int)double.Round(v))], b = [.. x.B.Select(v => (int)double.Round(v))];
            Gemm.MultiplyGeneric<int>(a, b, whole, x.Plan);
            Assert.True(whole.SequenceEqual(c.Select(v => (int)v)), $"seed {seed}");
            int[] fast = [.. Enumerable.Repeat((int)Untouched, x.CLength)];
            Multiply(a, b, fast, x.Plan, accumulate: false, threads: 1);
            Assert.True(whole.SequenceEqual(fast), $"seed {seed}");
        }
    }

    private static unsafe void Multiply<T>(T[] a, T[] b, T[] c, GemmPlan plan, bool accumulate, int threads) where T : unmanaged, IBinaryInteger<T>
    {
        fixed (T* x = a, y = b, z = c) IntegerGemm<T>.Run(x, y, z, plan, accumulate, threads);
    }

    [Theory]
    [InlineData(1, 40, 1)]
    [InlineData(2, 0, 5)]
    [InlineData(1, 1000, 3)]
    [InlineData(3, 129, 4)]
    [InlineData(65, 300, 41)]
    [InlineData(130, 128, 33)]
    [InlineData(200, 70, 200)]
    public void Products_of_integers_wrap_around_on_any_number_of_threads(int m, int k, int n)
    {
        Wraps(seed => unchecked((int)seed));
        Wraps(seed => seed);

        void Wraps<T>(Func<long, T> number) where T : unmanaged, IBinaryInteger<T>
        {
            var random = new Random(m + k + n);
            for (int layout = 0; layout < 4; layout++)
            {
                GemmPlan plan = Dense(m, k, n, (layout & 1) != 0, (layout & 2) != 0);
                T[] Numbers(int count) => [.. Enumerable.Range(0, count).Select(_ => number(random.NextInt64(long.MinValue, long.MaxValue)))];
                T[] a = Numbers((m + 3) * (k + 3)), b = Numbers((k + 3) * (n + 3)), before = Numbers(m * n), expected = new T[m * n];
                Gemm.MultiplyGeneric<T>(a, b, expected, plan);
                foreach (int threads in new[] { 1, 4 })
                {
                    T[] c = [.. before];
                    Multiply(a, b, c, plan, accumulate: false, threads);
                    Assert.Equal(expected, c);
                    Multiply(a, b, c, plan, accumulate: true, threads);
                    Assert.Equal(expected.Select(v => v + v), c);
                }
            }
        }
    }

    [Fact]
    public void A_product_of_integers_can_be_cancelled()
    {
        GemmPlan plan = Dense(64, 64, 64, false, false);
        int[] a = new int[67 * 67], b = new int[67 * 67], c = new int[64 * 64];
        using var source = new CancellationTokenSource();
        source.Cancel();
        Team.Cancellation = source.Token;
        try
        {
            Assert.Throws<OperationCanceledException>(() => Multiply(a, b, c, plan, accumulate: false, threads: 1));
        }
        finally
        {
            Team.Cancellation = default;
        }
        Multiply(a, b, c, plan, accumulate: false, threads: 1);
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

    public static TheoryData<int, int, int> Sizes => new()
    {
        // Below and above each threshold: of threads, of packing, of dot products and rows, and with rests of each kind.
        { 1, 1, 1 }, { 1, 700, 900 }, { 1, 900, 701 }, { 900, 700, 1 }, { 3, 900, 401 }, { 8, 100, 100 }, { 100, 8, 100 }, { 12, 300, 300 },
        { 24, 512, 530 }, { 40, 300, 333 }, { 128, 512, 10 }, { 150, 129, 9 }, { 150, 150, 17 }, { 160, 170, 95 }, { 97, 203, 257 }, { 513, 300, 66 },
        { 700, 1, 530 }, { 400, 3, 500 }, { 20, 900, 1753 }, { 30, 9000, 20 }, { 5, 20_000, 33 },
    };

    /// <summary>C after one product over it and one added to it, by each number of threads.</summary>
    private static unsafe T[][] OnThreads<T>(GemmPlan plan, T[] a, T[] b, int length) where T : unmanaged, IFloatingPointIeee754<T> =>
    [
        .. new[] { 1, 2, 4, 7 }.Select(threads =>
        {
            T[] c = [.. Enumerable.Repeat(T.CreateChecked(Untouched), length)];
            fixed (T* pa = a, pb = b, pc = c)
            {
                Gemm.Multiply(pa, pb, pc, plan, accumulate: false, threads);
                Gemm.Multiply(pa, pb, pc, plan, accumulate: true, threads);
            }
            return c;
        }),
    ];

    private static void AgreesOnThreads<T>(GemmPlan plan, T[] a, T[] b, int length, double epsilon) where T : unmanaged, IFloatingPointIeee754<T>
    {
        T[][] results = OnThreads(plan, a, b, length);
        Assert.All(results, c => Assert.True(c.SequenceEqual(results[0])));
        T[] expected = [.. Enumerable.Repeat(T.CreateChecked(Untouched), length)], size = new T[length];
        Gemm.MultiplyGeneric<T>(a, b, expected, plan);
        Gemm.MultiplyGeneric<T>([.. a.Select(T.Abs)], [.. b.Select(T.Abs)], size, plan);
        for (int i = 0; i < length; i++)
        {
            double twice = expected[i] == T.CreateChecked(Untouched) ? Untouched : 2 * double.CreateChecked(expected[i]);
            Assert.InRange(double.CreateChecked(results[0][i]) - twice, -Bound(i), Bound(i));
        }
        double Bound(int i) => 4 * epsilon * (plan.Depth + 1) * double.CreateChecked(size[i]);
    }

    private static T[] Random<T>(int seed, int length) where T : unmanaged, INumber<T>
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => T.CreateTruncating(random.NextDouble() - 0.5))];
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Products_are_added_and_have_the_same_bits_on_any_number_of_threads(int m, int k, int n)
    {
        for (int layout = 0; layout < 4; layout++)
        {
            GemmPlan plan = Dense(m, k, n, (layout & 1) != 0, (layout & 2) != 0);
            AgreesOnThreads(plan, Random<float>(1, (m + 3) * (k + 3)), Random<float>(2, (k + 3) * (n + 3)), m * n, 1.2e-7);
            AgreesOnThreads(plan, Random<double>(1, (m + 3) * (k + 3)), Random<double>(2, (k + 3) * (n + 3)), m * n, 2.3e-16);
        }
    }

    [Theory, MemberData(nameof(Seeds))]
    public void Products_in_any_layout_are_added_on_threads(int seed)
    {
        foreach (var x in Cases<double>(seed + 1000, 6)) AgreesOnThreads(x.Plan, x.A, x.B, x.CLength, 2.3e-16);
        foreach (var x in Cases<float>(seed + 2000, 6)) AgreesOnThreads(x.Plan, x.A, x.B, x.CLength, 1.2e-7);
    }

    [Theory]
    [InlineData(6, 40, 30, 50)]
    [InlineData(8, 1, 64, 64)]
    [InlineData(12, 64, 64, 1)]
    [InlineData(8, 24, 24, 24)]
    [InlineData(4, 128, 64, 65)]
    public void Products_that_share_an_operand_are_one_product(int batch, int m, int k, int n)
    {
        // A, B or neither moves with the batch, or with only one of its two factors; C as [batch, row, column], [row, batch, column] and [column, batch, row].
        int[] all = Line(batch, 1), none = Line(batch, 0), outer = [.. all.Select(q => q / 2)], inner = [.. all.Select(q => q % 2)];
        foreach (var (aOf, bOf) in new[] { (all, none), (none, all), (none, none), (all, outer), (all, inner), (outer, all), (inner, outer) })
        {
            foreach (var (cBatch, cRow, cCol) in new[] { (m * n, n, 1), (n, batch * n, 1), (m, 1, batch * m) })
            {
                GemmPlan plan = new(
                    [.. aOf.Select(q => q * m * k)], Line(m, k), Line(k, 1), [.. bOf.Select(q => q * k * n)], Line(k, n), Line(n, 1),
                    Line(batch, cBatch), Line(m, cRow), Line(n, cCol));
                float[] a = Random<float>(3, batch * m * k), b = Random<float>(4, batch * k * n);
                AgreesOnThreads(plan, a, b, batch * m * n, 1.2e-7);
                float[] c = new float[batch * m * n], one = new float[m * n];
                Gemm.Multiply<float>(a, b, c, plan);
                for (int s = 0; s < batch; s++)
                {
                    Gemm.MultiplyGeneric<float>(a.AsSpan(aOf[s] * m * k), b.AsSpan(bOf[s] * k * n), one, new([0], Line(m, k), Line(k, 1), [0], Line(k, n), Line(n, 1), [0], Line(m, n), Line(n, 1)));
                    for (int i = 0; i < m * n; i++) Assert.Equal(one[i], c[(s * cBatch) + (i / n * cRow) + (i % n * cCol)], 1e-4f);
                }
            }
        }
    }

    [Theory]
    [InlineData(3, 4, 9, 13, 3, 40)]
    [InlineData(5, 1, 16, 28, 3, 32)]
    [InlineData(2, 20, 12, 7, 2, 70)]
    [InlineData(4, 3, 8, 40, 5, 9)]
    public void Windows_of_an_image_are_multiplied_where_they_lie(int images, int channels, int height, int width, int window, int outputs)
    {
        // Rows are the places of the window, the depth its elements in each channel: runs of the width of the result, and of the window.
        (int high, int wide) = (height - window + 1, width - window + 1);
        int places = high * wide;
        int[] rows = Sums(Line(images, channels * height * width), Line(high, width), Line(wide, 1));
        int[] depth = Sums(Line(channels, height * width), Line(window, width), Line(window, 1));
        int[] results = Sums(Line(images, outputs * places), Line(places, 1));
        float[] image = Random<float>(5, images * channels * height * width), weights = Random<float>(6, outputs * depth.Length);
        float[] result = Random<float>(7, images * outputs * places);
        AgreesOnThreads(new([0], rows, depth, [0], Line(depth.Length, 1), Line(outputs, depth.Length), [0], results, Line(outputs, places)), image, weights, result.Length, 1.2e-7);
        AgreesOnThreads(new([0], depth, rows, [0], results, Line(outputs, places), [0], Line(depth.Length, 1), Line(outputs, depth.Length)), image, result, weights.Length, 1.2e-7);
        // Backwards along the window, and rows of the result one behind the other.
        int[] back = [.. depth.Select(d => depth[^1] - d)];
        AgreesOnThreads(new([0], rows, back, [0], Line(depth.Length, outputs), Line(outputs, 1), [0], Line(rows.Length, outputs), Line(outputs, 1)), image, weights, result.Length, 1.2e-7);
        double[] image2 = [.. image.Select(v => (double)v)], weights2 = [.. weights.Select(v => (double)v)];
        AgreesOnThreads(new([0], rows, depth, [0], Line(depth.Length, 1), Line(outputs, depth.Length), [0], results, Line(outputs, places)), image2, weights2, result.Length, 2.3e-16);
    }

    [Theory]
    [InlineData(5, 32, 100, 70)]
    [InlineData(7, 12, 65, 129)]
    [InlineData(30, 33, 256, 96)]
    public void Sums_over_blocks_that_lie_anywhere_are_one_product(int blocks, int block, int m, int n)
    {
        // Blocks of rows of A and B at unordered places: both transposed, and one of them not.
        int[] places = [.. Enumerable.Range(0, blocks).Select(q => (q * 5 + 3) % blocks)];
        int[] aDepth = Sums([.. places.Select(q => q * block * m)], Line(block, m)), bDepth = Sums(Line(blocks, block * n), Line(block, n));
        int depth = blocks * block;
        float[] a = Random<float>(8, depth * m), b = Random<float>(9, depth * n);
        AgreesOnThreads(new([0], Line(m, 1), aDepth, [0], bDepth, Line(n, 1), [0], Line(m, n), Line(n, 1)), a, b, m * n, 1.2e-7);
        AgreesOnThreads(new([0], Line(m, 1), aDepth, [0], bDepth, Line(n, 1), [0], Line(m, 1), Line(n, m)), a, b, m * n, 1.2e-7);
        AgreesOnThreads(new([0], Line(m, depth), Line(depth, 1), [0], bDepth, Line(n, 1), [0], Line(m, n), Line(n, 1)), a, b, m * n, 1.2e-7);
        AgreesOnThreads(new([0], Line(m, depth), Line(depth, 1), [0], Line(depth, 1), Line(n, depth), [0], Line(m, n), Line(n, 1)), a, b, m * n, 1.2e-7);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(12)]
    [InlineData(18)]
    public void Each_order_of_three_axes_gives_the_product(int size)
    {
        // C[i, jk] = Σ A[i, lm] · B with the axes j, k, l, m of B in any order.
        int square = size * size, cube = square * size;
        int[] strides = [1, size, square, cube];
        float[] a = Random<float>(10, cube), b = Random<float>(11, cube * size);
        for (int order = 0; order < 24; order++)
        {
            List<int> left = [0, 1, 2, 3];
            int Next(int count) { int at = order / count % left.Count, axis = left[at]; left.RemoveAt(at); return strides[axis]; }
            int[] bCol = Sums(Line(size, Next(6)), Line(size, Next(2))), bDepth = Sums(Line(size, Next(1)), Line(size, Next(1)));
            AgreesOnThreads(new([0], Line(size, square), Line(square, 1), [0], bDepth, bCol, [0], Line(size, square), Line(square, 1)), a, b, cube, 1.2e-7);
            AgreesOnThreads(new([0], Line(size, 1), Sums(Line(size, square), Line(size, size)), [0], bDepth, bCol, [0], Line(size, 1), Line(square, size)), a, b, cube, 1.2e-7);
        }
    }

    private static int[] Sums(params int[][] axes) => axes.Aggregate((x, y) => [.. x.SelectMany(p => y.Select(q => p + q))]);

    [Fact]
    public void A_product_on_threads_allocates_nothing_after_the_first()
    {
        GemmPlan plan = Dense(200, 200, 200, false, true);
        float[] a = Random<float>(1, 203 * 203), b = Random<float>(2, 203 * 203), c = new float[200 * 200];
        unsafe long AllocatedBy10Products()
        {
            fixed (float* pa = a, pb = b, pc = c)
            {
                long before = GC.GetAllocatedBytesForCurrentThread();
                for (int i = 0; i < 10; i++) Gemm.Multiply(pa, pb, pc, plan, accumulate: true, threads: 4);
                return GC.GetAllocatedBytesForCurrentThread() - before;
            }
        }
        AllocatedBy10Products();
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
