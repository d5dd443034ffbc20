namespace Diff;

/// <summary>y = x·Wᵀ + b over the last axis.</summary>
public sealed class Linear : Module
{
    /// <summary>A layer with initial values.</summary>
    /// <param name="inputs">The extent of the argument's last axis.</param>
    /// <param name="outputs">The extent of the value's last axis.</param>
    /// <param name="bias">Whether there is a bias; it starts at 0.</param>
    /// <param name="initializer">Where the weights come from; <see cref="Initializer.LeCunNormal"/> if absent.</param>
    /// <param name="random">The generator; <see cref="Random.Shared"/> if absent. Layers that share one differ.</param>
    /// <param name="dtype">float32 or float64.</param>
    public Linear(int inputs, int outputs, bool bias = true, Initializer? initializer = null, Random? random = null, DType dtype = DType.Float32)
    {
        Sizes.Positive(nameof(Linear), inputs, outputs);
        Weight = new Parameter(new Shape([outputs, inputs]), initializer ?? Initializer.LeCunNormal, random, dtype);
        Bias = bias ? new Parameter(new Shape([outputs]), Initializer.Zeros, random, dtype) : null;
    }

    /// <summary>W: [outputs, inputs].</summary>
    public Parameter Weight { get; }

    /// <summary>b: [outputs], or null.</summary>
    public Parameter? Bias { get; }

    /// <inheritdoc/>
    protected override Expr Forward(Expr x)
    {
        if (x.Rank == 0 || x.Shape[x.Rank - 1] != Weight.Shape[1])
            throw new ShapeException($"Linear: expected an argument of shape [..., {Weight.Shape[1]}], got {x.Shape}");
        var y = Ops.Einsum("...i,oi->...o", x, Weight);
        return Bias is null ? y : y + Bias;
    }
}
