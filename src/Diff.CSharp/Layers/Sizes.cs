using System.Runtime.CompilerServices;

namespace Diff;

/// <summary>Checks of the sizes that layers are made with.</summary>
internal static class Sizes
{
    public static void Positive(
        string layer, int first, int second,
        [CallerArgumentExpression(nameof(first))] string firstName = "", [CallerArgumentExpression(nameof(second))] string secondName = "")
    {
        if (first < 1 || second < 1)
            throw new ShapeException($"{layer}: expected at least 1 of {firstName} and {secondName}, got {first} and {second}");
    }
}
