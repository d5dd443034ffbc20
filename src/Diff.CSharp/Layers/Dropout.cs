namespace Diff;

/// <summary>
/// In training, elements set to 0 with some probability and the others scaled up so that the mean stays (Srivastava et al. 2014); in evaluation the
/// argument itself. <see cref="TrainingStep"/> trains, if it has a seed; elsewhere <see cref="Training.Begin"/> says so.
/// </summary>
public sealed class Dropout : Module
{
    /// <summary>A layer that drops elements with a probability.</summary>
    /// <param name="rate">The probability, at least 0 and below 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">It is not.</exception>
    public Dropout(double rate)
    {
        if (!(rate >= 0 && rate < 1))
            throw new ArgumentOutOfRangeException(nameof(rate), $"Dropout: expected a probability of at least 0 and below 1, got {rate}");
        Rate = rate;
    }

    /// <summary>The probability that an element is set to 0.</summary>
    public double Rate { get; }

    /// <summary>The argument with elements dropped, whether in training or not.</summary>
    /// <param name="x">The argument.</param>
    /// <param name="key">What the choice is drawn from.</param>
    public Expr Call(Expr x, RandomKey key)
    {
        using (Enter())
            return Ops.Dropout(x, Rate, key);
    }

    /// <inheritdoc/>
    protected override Expr Forward(Expr x) =>
        Training.IsActive && Rate > 0 ? Ops.Dropout(x, Rate, new RandomKey(TrainingMode.nextKey("Dropout"))) : x;
}
