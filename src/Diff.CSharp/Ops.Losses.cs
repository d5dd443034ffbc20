namespace Diff;

public static partial class Ops
{
    /// <summary>
    /// The mean over the rows of −log softmax(logits) at the row's class (targets of integers, of the logits' shape without the last
    /// axis), or of −Σ p·log softmax(logits) (targets p: distributions of the logits' shape).
    /// </summary>
    /// <param name="logits">[…, classes].</param>
    /// <param name="targets">Class indices […] or distributions […, classes].</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr CrossEntropy(Expr logits, Expr targets) => Mean(CrossEntropies(Given(logits), Given(targets)));

    /// <summary>The cross-entropy of each row, not yet averaged; see <see cref="CrossEntropy"/>.</summary>
    /// <param name="logits">[…, classes].</param>
    /// <param name="targets">Class indices […] or distributions […, classes].</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr CrossEntropies(Expr logits, Expr targets) =>
        Given(targets).DType is DType.Int32 or DType.Int64
            ? Losses.crossEntropyOfClasses(Given(logits), targets)
            : Losses.crossEntropyOfDistributions(Given(logits), targets);

    /// <summary>−(t·log σ(x) + (1 − t)·log(1 − σ(x))), index by index, without overflow.</summary>
    /// <param name="logits">x.</param>
    /// <param name="targets">t, from 0 to 1.</param>
    public static Expr SigmoidCrossEntropy(Expr logits, Expr targets) => Losses.sigmoidCrossEntropy(Given(logits), Given(targets));

    /// <summary>The mean of (x − y)² over all elements.</summary>
    /// <param name="x">The predictions.</param>
    /// <param name="y">The targets.</param>
    public static Expr MeanSquaredError(Expr x, Expr y) => Losses.mse(Given(x), Given(y));

    /// <summary>The normal density, index by index.</summary>
    /// <param name="x">Where.</param>
    /// <param name="mean">The mean.</param>
    /// <param name="variance">The variance, not its root.</param>
    public static Expr NormalDensity(Expr x, Expr mean, Expr variance) => Losses.normalDensity(Given(mean), Given(variance), Given(x));

    /// <summary>The logarithm of the normal density, index by index.</summary>
    /// <param name="x">Where.</param>
    /// <param name="mean">The mean.</param>
    /// <param name="variance">The variance, not its root.</param>
    public static Expr NormalLogDensity(Expr x, Expr mean, Expr variance) => Losses.normalLogDensity(Given(mean), Given(variance), Given(x));
}
