using System;
using System.Numerics;

namespace Diff.Kernels;

/// <summary>Elements that indices name along an axis, each line by itself. Cost: a read, a write and a check an element, in the order of the result.</summary>
internal static class AlongKernel
{
    /// <summary>result[l, k, j] = x[l, indices[l, k, j], j]; negative indices count from the end.</summary>
    /// <param name="x">The array.</param>
    /// <param name="indices">As many as results.</param>
    /// <param name="result">What the indices name.</param>
    /// <param name="shape">The array along the axis.</param>
    /// <param name="outside">The error for an index outside the axis.</param>
    public static void Take<T>(Span<T> x, Span<long> indices, Span<T> result, LineShape shape, Func<long, Exception> outside)
    {
        if (indices.IsEmpty) return;
        int width = shape.Width, count = indices.Length / (shape.Lines * width);
        for (int line = 0; line < shape.Lines; line++)
        {
            ReadOnlySpan<T> from = x.Slice(line * shape.Length * width, shape.Length * width);
            int row = line * count * width;
            for (int k = 0; k < count; k++, row += width)
            {
                for (int j = 0; j < width; j++) result[row + j] = from[Place(indices[row + j], shape.Length, outside) * width + j];
            }
        }
    }

    /// <summary>result[l, indices[l, k, j], j] += x[l, k, j], on zeros.</summary>
    /// <param name="x">What to add.</param>
    /// <param name="indices">As many as elements of x.</param>
    /// <param name="result">The sums.</param>
    /// <param name="shape">The result along the axis.</param>
    /// <param name="outside">The error for an index outside the axis.</param>
    public static void Add<T>(Span<T> x, Span<long> indices, Span<T> result, LineShape shape, Func<long, Exception> outside)
        where T : INumber<T>
    {
        result.Clear();
        if (indices.IsEmpty) return;
        int width = shape.Width, count = indices.Length / (shape.Lines * width);
        for (int line = 0; line < shape.Lines; line++)
        {
            Span<T> into = result.Slice(line * shape.Length * width, shape.Length * width);
            int row = line * count * width;
            for (int k = 0; k < count; k++, row += width)
            {
                for (int j = 0; j < width; j++) into[Place(indices[row + j], shape.Length, outside) * width + j] += x[row + j];
            }
        }
    }

    private static int Place(long index, int extent, Func<long, Exception> outside)
    {
        long place = index < 0 ? index + extent : index;
        if ((ulong)place >= (ulong)extent) throw outside(index);
        return (int)place;
    }
}
