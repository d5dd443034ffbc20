using System;
using System.Linq;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Blocks of the loop, one by one, as something else finishes what it reads.</summary>
internal sealed unsafe partial class LoopKernel
{
    /// <summary>Whether blocks may be run one by one, as <see cref="RunLines"/> does it: no sum has several places.</summary>
    public bool RunsInBlocks => !wholeOuter && units > 0 && cols > 0;

    /// <summary>Whether blocks have whole rows: something is reduced along the row, or written once a row.</summary>
    public bool NeedsWholeRows => !program.Schedule.CutsRows || accumulated.Any(s => program.Streams[s].PerRow);

    /// <summary>Whether it is one row that may be cut anywhere, so that its columns may be seen as rows of any length.</summary>
    public bool IsOneRow => cutsRows;

    /// <summary>Rows that belong to one block: those whose sums are added up together. 1 if nothing is.</summary>
    public nint RowsTogether => accumulated.Length == 0 ? 1 : Math.Min(units, unitsInChunk);

    /// <summary>Runs a block: lines of `width` elements, the first at this position among all elements, row by row, and each `step` further. No line
    /// leaves its row, but lines may lie at different columns. Blocks may run at the same time, between <see cref="Begin"/> and <see cref="End"/>; rows whose sums
    /// belong together run in order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void RunLines(byte** streams, byte* sums, nint first, nint lines, nint step, nint width)
    {
        int k = program.Streams.Length;
        byte** at = stackalloc byte*[k], here = stackalloc byte*[k];
        nint* rowSteps = stackalloc nint[k];
        Start(streams, sums, at, rowSteps);
        bool inChunks = sums != null;
        if (cutsRows)
        {
            if (step == width) (lines, width) = (1, lines * width);
            for (int s = 0; s < k; s++)
            {
                if (program.Streams[s].PerRow) continue;
                nint bytes = program.Streams[s].Step * SizeOf(program.Streams[s].Type);
                at[s] += first * bytes;
                rowSteps[s] = step * bytes;
            }
            Call(at, rowSteps, lines, width);
        }
        else if (step == cols) RunRows(at, here, rowSteps, inChunks, first / cols, lines, first % cols, width);
        else if (step == width) RunElements(at, here, rowSteps, inChunks, first, lines * width);
        else
        {
            for (nint line = 0; line < lines; line++) RunElements(at, here, rowSteps, inChunks, first + (line * step), width);
        }
    }

    /// <summary>Elements one after the other: the rest of a row, whole rows, the beginning of one.</summary>
    private void RunElements(byte** at, byte** here, nint* rowSteps, bool inChunks, nint first, nint count)
    {
        while (count > 0)
        {
            nint row = first / cols, col = first % cols;
            bool areWhole = col == 0 && count >= cols;
            (nint n, nint width) = areWhole ? (count / cols, cols) : (1, Math.Min(cols - col, count));
            RunRows(at, here, rowSteps, inChunks, row, n, col, width);
            first += n * width;
            count -= n * width;
        }
    }

    private void RunRows(byte** at, byte** here, nint* rowSteps, bool inChunks, nint row, nint count, nint col, nint width)
    {
        for (nint end = row + count, n; row < end; row += n)
        {
            nint inOuter = row % rows, inChunk = row % unitsInChunk;
            n = Math.Min(rows - inOuter, end - row);
            Point(at, here, rowSteps, inOuter, row / rows);
            for (int s = 0; col > 0 && s < program.Streams.Length; s++)
            {
                if (!program.Streams[s].PerRow) here[s] += col * program.Streams[s].Step * SizeOf(program.Streams[s].Type);
            }
            if (inChunks)
            {
                n = Math.Min(n, unitsInChunk - inChunk);
                foreach (int s in accumulated) here[s] += row / unitsInChunk * partialSize;
            }
            Call(here, rowSteps, n, width);
        }
    }
}
