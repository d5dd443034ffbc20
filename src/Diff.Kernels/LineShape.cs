using System;

namespace Diff.Kernels;

/// <summary>An array seen along one axis: element t of column j of line l lies at (l·Length + t)·Width + j.</summary>
/// <param name="Lines">The number of index combinations before the axis.</param>
/// <param name="Length">The extent of the axis.</param>
/// <param name="Width">The number of index combinations after the axis: how far apart neighbours along it lie.</param>
internal readonly record struct LineShape(int Lines, int Length, int Width)
{
    /// <summary>The array of these extents along an axis.</summary>
    public static LineShape Along(int[] extents, int axis)
    {
        int lines = 1, width = 1;
        for (int d = 0; d < axis; d++) lines *= extents[d];
        for (int d = axis + 1; d < extents.Length; d++) width *= extents[d];
        return new LineShape(lines, extents[axis], width);
    }
}
