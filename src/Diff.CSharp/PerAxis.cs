namespace Diff;

/// <summary>A number for each spatial axis: one for all of them (<c>2</c>), or one for each (<c>(2, 1)</c>). The default stands for what is usual.</summary>
public readonly struct PerAxis
{
    private readonly int[]? _numbers;

    private PerAxis(params int[] numbers) => _numbers = numbers;

    /// <summary>The same for all spatial axes.</summary>
    /// <param name="number">The number.</param>
    public static implicit operator PerAxis(int number) => new(number);

    /// <summary>One number for each spatial axis.</summary>
    /// <param name="numbers">The numbers.</param>
    public static implicit operator PerAxis(int[] numbers) => new([.. Given(numbers)]);

    /// <summary>One number for each of two spatial axes.</summary>
    /// <param name="numbers">The numbers.</param>
    public static implicit operator PerAxis((int, int) numbers) => new(numbers.Item1, numbers.Item2);

    /// <summary>One number for each of three spatial axes.</summary>
    /// <param name="numbers">The numbers.</param>
    public static implicit operator PerAxis((int, int, int) numbers) => new(numbers.Item1, numbers.Item2, numbers.Item3);

    internal int[] Numbers => _numbers ?? [];
}
