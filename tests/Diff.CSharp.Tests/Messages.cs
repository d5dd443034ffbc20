namespace Diff.Tests;

/// <summary>Messages of exceptions as tests compare them.</summary>
internal static class Messages
{
    /// <summary>What went wrong; the line of the caller's code, which follows, would change with every edit of a test.</summary>
    /// <param name="error">The exception.</param>
    public static string WithoutLine(this Exception error) => error.Message.Split($"{Environment.NewLine}   at ")[0];
}
