using System;
using System.Linq;
using Diff.Kernels;
using Xunit;

namespace Diff.Tests;

public class StridedCopyTests
{
    private static readonly int[] Extents = [0, 1, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 64, 65];

    /// <summary>Strides for axes in some order in memory, some with gaps.</summary>
    private static int[] Strides(Random random, int[] extents, bool isSource)
    {
        int[] order = [.. Enumerable.Range(0, extents.Length)], strides = new int[extents.Length];
        if (random.Next(3) > 0) random.Shuffle(order);
        int step = random.Next(4) == 0 ? 2 : 1;
        foreach (int d in order.Reverse())
        {
            strides[d] = isSource && random.Next(6) == 0 ? 0 : isSource && random.Next(5) == 0 ? -step : step;
            step = (step * Math.Max(1, extents[d])) + (random.Next(5) == 0 ? random.Next(4) : 0);
        }
        return strides;
    }

    /// <summary>The position of each index, from the smallest one.</summary>
    private static int[] Positions(int[] extents, int[] strides, out int start, out int length)
    {
        int[] positions = [0];
        for (int d = 0; d < extents.Length; d++)
            positions = [.. positions.SelectMany(p => Enumerable.Range(0, extents[d]).Select(i => p + (i * strides[d])))];
        int least = positions.DefaultIfEmpty().Min();
        start = -least;
        length = positions.DefaultIfEmpty().Max() - least + 1;
        return [.. positions.Select(p => p - least)];
    }

    private static unsafe void Agrees(string what, Random random, int size, int[] extents, int[] source, int[] target)
    {
        int[] from = Positions(extents, source, out int fromStart, out int fromLength), to = Positions(extents, target, out int toStart, out int toLength);
        byte[] x = new byte[fromLength * size], expected = new byte[toLength * size];
        random.NextBytes(x);
        Array.Fill(expected, (byte)0xCD);
        for (int i = 0; i < from.Length; i++) Array.Copy(x, from[i] * size, expected, to[i] * size, size);
        var copy = new StridedCopy(size, extents, source, target);
        foreach (int threads in new[] { 1, 2, 4, 7 })
        {
            byte[] y = new byte[expected.Length];
            Array.Fill(y, (byte)0xCD);
            fixed (byte* px = x, py = y) copy.Run(px + (fromStart * size), py + (toStart * size), threads);
            if (!y.AsSpan().SequenceEqual(expected))
                Assert.Fail($"{what}: {size} bytes, ({string.Join(", ", extents)}), from ({string.Join(", ", source)}) to ({string.Join(", ", target)}), {threads} threads");
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    public void Copies_between_any_layouts(int size)
    {
        for (int seed = 0; seed < 600; seed++)
        {
            var random = new Random(seed);
            int[] extents;
            do extents = [.. Enumerable.Range(0, random.Next(6)).Select(_ => Extents[random.Next(Extents.Length)])];
            while (extents.Aggregate(1L, (n, d) => n * d) > 20_000);
            Agrees($"seed {seed}", random, size, extents, Strides(random, extents, true), Strides(random, extents, false));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(8)]
    public void Large_copies_are_the_same_on_any_number_of_threads(int size)
    {
        var random = new Random(size);
        // Transposed, with a rest of each block; three axes turned round; one long row, and one long column; rows of few; repeated.
        Agrees("transposed", random, size, [333, 517], [1, 333], [517, 1]);
        Agrees("padded", random, size, [333, 517], [1, 340], [521, 1]);
        Agrees("three axes", random, size, [41, 67, 83], [1, 41, 41 * 67], [67 * 83, 83, 1]);
        Agrees("backwards", random, size, [300, 401], [-401, -1], [401, 1]);
        Agrees("long row", random, size, [200_003], [2], [1]);
        Agrees("long column", random, size, [100_003, 2], [1, 100_003], [2, 1]);
        Agrees("repeated rows", random, size, [400, 301], [0, 1], [301, 1]);
        Agrees("repeated columns", random, size, [400, 301], [1, 0], [301, 1]);
        Agrees("windows", random, size, [300, 5, 100], [200, 1, 2], [500, 1, 5]);
        Agrees("windows across", random, size, [300, 100, 7], [210, 2, 1], [700, 7, 1]);
    }
}
