namespace Diff;

/// <summary>A vector for each of a number of things, looked up by index.</summary>
public sealed class Embedding : Module
{
    /// <summary>A table with initial values.</summary>
    /// <param name="count">How many things there are.</param>
    /// <param name="size">The extent of a vector.</param>
    /// <param name="initializer">Where the vectors come from; normal with deviation 1 if absent.</param>
    /// <param name="random">The generator; <see cref="Random.Shared"/> if absent.</param>
    /// <param name="dtype">float32 or float64.</param>
    public Embedding(int count, int size, Initializer? initializer = null, Random? random = null, DType dtype = DType.Float32)
    {
        Sizes.Positive(nameof(Embedding), count, size);
        Weight = new Parameter(new Shape([count, size]), initializer ?? Initializer.Normal(1), random, dtype);
    }

    /// <summary>The vectors: [count, size].</summary>
    public Parameter Weight { get; }

    /// <summary>The vectors [..., size] of indices [...] of integers.</summary>
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Gather(Weight, x);
}
