using System;
using System.Buffers;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>
/// The order of the elements along an axis, and places in ordered lines. Each element becomes an unsigned integer with the same order. Long lines are
/// distributed by one byte of it after the other, least first, leaving out bytes that are the same everywhere; that is stable (Knuth 1998, 5.2.5). Short
/// ones the platform sorts together with their places, and equal keys are then put in the order of these. Cost: an element of a long line up to 8 times
/// 3–5 ns, of a short one 3–5 ns times log₂ n; buffers of 24 bytes an element of a line.
/// </summary>
internal static class SortKernel
{
    private const int LongLine = 512;

    /// <summary>Where the elements of each line lie in ascending or descending order: equal ones in their order, NaN last.</summary>
    public static void Order<T>(Span<T> x, Span<long> order, LineShape shape, bool descending) where T : INumber<T>
    {
        (int n, int width) = (shape.Length, shape.Width);
        if (x.IsEmpty) return;
        ulong[] keyBuffer = ArrayPool<ulong>.Shared.Rent(2 * n);
        int[] placeBuffer = ArrayPool<int>.Shared.Rent(2 * n);
        Span<ulong> keys = keyBuffer.AsSpan(0, n);
        Span<int> places = placeBuffer.AsSpan(0, n);
        for (int line = 0; line < shape.Lines * width; line++)
        {
            int start = line / width * n * width + line % width;
            for (int t = 0; t < n; t++)
            {
                T value = x[start + t * width];
                ulong key = Key(value);
                keys[t] = !descending || T.IsNaN(value) ? key : ~key;
                places[t] = t;
            }
            if (n < LongLine) ByComparison(keys, places);
            else ByBytes(keys, places, keyBuffer.AsSpan(n, n), placeBuffer.AsSpan(n, n));
            for (int t = 0; t < n; t++) order[start + t * width] = places[t];
        }
        ArrayPool<ulong>.Shared.Return(keyBuffer);
        ArrayPool<int>.Shared.Return(placeBuffer);
    }

    private static void ByComparison(Span<ulong> keys, Span<int> places)
    {
        keys.Sort(places);
        for (int first = 0; first < keys.Length;)
        {
            int end = first + 1;
            while (end < keys.Length && keys[end] == keys[first]) end++;
            if (end - first > 1) places[first..end].Sort();
            first = end;
        }
    }

    private static void ByBytes(Span<ulong> keys, Span<int> places, Span<ulong> otherKeys, Span<int> otherPlaces)
    {
        Span<int> counts = stackalloc int[8 * 256];
        counts.Clear();
        foreach (ulong key in keys)
        {
            for (int b = 0; b < 8; b++) counts[b * 256 + (byte)(key >> (8 * b))]++;
        }
        Span<int> result = places;
        for (int b = 0; b < 8; b++)
        {
            Span<int> starts = counts.Slice(b * 256, 256);
            if (starts[(byte)(keys[0] >> (8 * b))] == keys.Length) continue;
            int sum = 0;
            foreach (ref int start in starts) (start, sum) = (sum, sum + start);
            for (int i = 0; i < keys.Length; i++)
            {
                int to = starts[(byte)(keys[i] >> (8 * b))]++;
                otherKeys[to] = keys[i];
                otherPlaces[to] = places[i];
            }
            Span<ulong> lastKeys = keys;
            Span<int> lastPlaces = places;
            keys = otherKeys;
            places = otherPlaces;
            otherKeys = lastKeys;
            otherPlaces = lastPlaces;
        }
        if (places != result) places.CopyTo(result);
    }

    /// <summary>An unsigned integer that orders as the value does: NaN is the largest, zeros of both signs are equal.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Key<T>(T value) where T : INumber<T>
    {
        const ulong Sign = 1UL << 63;
        if (T.IsNaN(value)) return ulong.MaxValue;
        if (typeof(T) != typeof(double) && typeof(T) != typeof(float)) return (ulong)long.CreateTruncating(value) ^ Sign;
        ulong bits = BitConverter.DoubleToUInt64Bits(double.CreateTruncating(value) + 0.0); // −0 + 0 is +0
        return (bits & Sign) != 0 ? ~bits : bits | Sign;
    }

    /// <summary>
    /// For each value how many numbers of its ascending line are less (with <paramref name="right"/>: not greater), by halving. NaN lies behind all numbers.
    /// </summary>
    public static void Search<T>(Span<T> sorted, Span<T> values, Span<long> places, int lines, bool right)
        where T : INumber<T>
    {
        if (values.IsEmpty) return;
        int n = sorted.Length / lines, m = values.Length / lines;
        for (int line = 0; line < lines; line++)
        {
            ReadOnlySpan<T> numbers = sorted.Slice(line * n, n);
            for (int j = line * m; j < (line + 1) * m; j++)
            {
                ulong key = Key(values[j]);
                int low = 0, high = n;
                while (low < high)
                {
                    int middle = (low + high) >>> 1;
                    ulong at = Key(numbers[middle]);
                    if (at < key || (right && at == key)) low = middle + 1;
                    else high = middle;
                }
                places[j] = low;
            }
        }
    }

    /// <summary>Where the largest or smallest element so far lies, at each place of each line: the first of equal ones; a NaN stays.</summary>
    public static void Running<T>(Span<T> x, Span<long> places, LineShape shape, bool largest) where T : INumber<T>
    {
        (int n, int width) = (shape.Length, shape.Width);
        if (x.IsEmpty) return;
        for (int line = 0; line < shape.Lines; line++)
        {
            int start = line * n * width;
            places.Slice(start, width).Clear();
            for (int t = 1; t < n; t++)
            {
                int row = start + t * width;
                for (int j = 0; j < width; j++)
                {
                    long held = places[row - width + j];
                    T candidate = x[row + j], best = x[start + (int)held * width + j];
                    bool wins = (largest ? candidate > best : candidate < best) || (T.IsNaN(candidate) && !T.IsNaN(best));
                    places[row + j] = wins ? t : held;
                }
            }
        }
    }
}
