namespace Diff;

/// <summary>Room for a computation's numbers, one stack for each thread and type, so that nothing is allocated in the steady state.</summary>
internal static class Scratch<T>
{
    [ThreadStatic]
    private static T[]? buffer;

    [ThreadStatic]
    private static int used;

    /// <summary>So many numbers. <see cref="Return"/> gives them back, in reverse order.</summary>
    public static Span<T> Rent(int count)
    {
        // Who holds a part of the old array keeps it.
        if (buffer is null || buffer.Length < used + count) buffer = new T[Math.Max(64, 2 * (used + count))];
        var span = buffer.AsSpan(used, count);
        used += count;
        return span;
    }

    public static void Return(int count) => used -= count;
}
