namespace Diff;

/// <summary>
/// What random numbers are drawn from: the same key always gives the same numbers. Use a key for one draw; <see cref="Split"/> it, or fold a
/// number in, to have others. It is an int64 expression, so a compiled function can take it as an argument.
/// </summary>
public sealed class RandomKey
{
    /// <summary>The key of a seed. Any number will do; keys of neighbouring seeds have nothing in common.</summary>
    /// <param name="seed">The seed.</param>
    public RandomKey(long seed) => Value = Rng.key(seed);

    /// <summary>An expression as a key, or as many keys as it has elements: results then have its axes first.</summary>
    /// <param name="value">An int64 expression.</param>
    /// <exception cref="DTypeException">It is of another element type.</exception>
    public RandomKey(Expr value) =>
        Value = Given(value).DType == DType.Int64 ? value : throw new DTypeException($"RandomKey: expected int64, got {DTypeModule.name(value.DType)}; cast it");

    /// <summary>The key as an expression.</summary>
    public Expr Value { get; }

    /// <summary>The key as an expression.</summary>
    /// <param name="key">The key.</param>
    public static implicit operator Expr(RandomKey key) => Given(key).Value;

    /// <summary>The key as an expression.</summary>
    public Expr ToExpr() => Value;

    /// <summary>So many new keys.</summary>
    /// <param name="count">How many.</param>
    public RandomKey[] Split(int count) => [.. Rng.split(count, Value).Select(k => new RandomKey(k))];

    /// <summary>The key that this key and an integer give, such as the number of a step.</summary>
    /// <param name="data">An integer expression; shapes broadcast.</param>
    public RandomKey FoldIn(Expr data) => new(Rng.foldIn(Given(data), Value));

    /// <inheritdoc cref="FoldIn(Expr)"/>
    public RandomKey FoldIn(long data) => FoldIn((Expr)data);
}
