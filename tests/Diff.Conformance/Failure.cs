namespace Diff.Conformance;

/// <summary>The library did not do what the case asks for.</summary>
internal sealed class FailureException(string message) : Exception(message);

/// <summary>The case cannot be run: the library has no such operation or format, or the machine lacks a tool.</summary>
internal sealed class UnsupportedException(string message) : Exception(message);

/// <summary>Checks that say what was wrong.</summary>
internal static class Require
{
    public static void That(bool condition, string otherwise)
    {
        if (!condition) throw new FailureException(otherwise);
    }

    public static void Close(double got, double want, double rtol, string what) =>
        That(Numbers.Agree(got, want, rtol, 0, false), $"{what}: {got:R}, expected {want:R}");
}
