using System;

namespace Diff.Kernels;

/// <summary>A step that is cut into chunks. What an element becomes does not depend on the cut, so the cut may depend on the threads.</summary>
internal abstract unsafe class ChunkedStep : MemoryStep
{
    [ThreadStatic]
    private static Job? job;

    /// <summary>Does one of so many parts of the work.</summary>
    protected abstract void RunChunk(nint* table, int chunk, int chunks);

    /// <summary>Does all parts, at the same time if there are threads.</summary>
    protected void RunChunks(nint* table, int chunks, int threads)
    {
        if (chunks <= 1 || threads == 1)
        {
            for (int i = 0; i < chunks; i++)
            {
                Team.ThrowIfCancelled();
                RunChunk(table, i, chunks);
            }
            return;
        }
        Job mine = job ?? new Job();
        job = null;
        mine.Step = this;
        mine.Table = table;
        mine.Chunks = chunks;
        try
        {
            Team.Run(mine, chunks, threads);
        }
        finally
        {
            mine.Step = null;
            job = mine;
        }
    }

    /// <summary>Where chunk `i` of `chunks` begins among `count` units.</summary>
    protected static nint Start(nint count, int i, int chunks) => (nint)((long)count * i / chunks);

    private sealed class Job : TeamJob
    {
        public ChunkedStep? Step;
        public nint* Table;
        public int Chunks;

        public override void Run(int chunk) => Step!.RunChunk(Table, chunk, Chunks);
    }
}
