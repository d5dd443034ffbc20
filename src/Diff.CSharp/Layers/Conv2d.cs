namespace Diff;

/// <summary>A convolution of two axes, and a bias for each channel: [batch, inputs, height, width] to [batch, outputs, height, width].</summary>
public sealed class Conv2d : Module
{
    private readonly PerAxis _stride, _dilation;
    private readonly Padding? _padding;
    private readonly int _groups;

    /// <summary>A layer with initial values.</summary>
    /// <param name="inputs">The channels of the argument.</param>
    /// <param name="outputs">The channels of the value.</param>
    /// <param name="size">The size of a window: one number, or one for each axis.</param>
    /// <param name="stride">How far apart windows begin; 1 if absent.</param>
    /// <param name="padding">Zeros around the argument; none if absent.</param>
    /// <param name="dilation">How far apart the elements of a window are; 1 if absent.</param>
    /// <param name="groups">Into how many parts, that do not see each other, the channels are cut.</param>
    /// <param name="bias">Whether there is a bias; it starts at 0.</param>
    /// <param name="initializer">Where the weights come from; <see cref="Initializer.LeCunNormal"/> if absent.</param>
    /// <param name="random">The generator; <see cref="Random.Shared"/> if absent. Layers that share one differ.</param>
    /// <param name="dtype">float32 or float64.</param>
    /// <exception cref="ShapeException">The groups do not divide the channels, or the size is not of two axes.</exception>
    public Conv2d(
        int inputs, int outputs, PerAxis size, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default, int groups = 1,
        bool bias = true, Initializer? initializer = null, Random? random = null, DType dtype = DType.Float32)
    {
        Sizes.Positive(nameof(Conv2d), inputs, outputs);
        if (groups < 1 || inputs % groups != 0 || outputs % groups != 0)
            throw new ShapeException($"Conv2d: {groups} groups do not divide {inputs} and {outputs} channels");
        var window = size.Numbers;
        if (window.Length == 1) window = [window[0], window[0]];
        if (window.Length != 2)
            throw new ShapeException($"Conv2d: expected the size of a window of two axes, got {window.Length} numbers");
        Sizes.Positive(nameof(Conv2d), window[0], window[1], "size[0]", "size[1]");
        (_stride, _padding, _dilation, _groups) = (stride, padding, dilation, groups);
        Weight = new Parameter(new Shape([outputs, inputs / groups, .. window]), initializer ?? Initializer.LeCunNormal, random, dtype);
        Bias = bias ? new Parameter(new Shape([outputs]), Initializer.Zeros, random, dtype) : null;
    }

    /// <summary>The kernel: [outputs, inputs / groups, height, width].</summary>
    public Parameter Weight { get; }

    /// <summary>A number for each channel of the value: [outputs], or null.</summary>
    public Parameter? Bias { get; }

    /// <inheritdoc/>
    protected override Expr Forward(Expr x)
    {
        var y = Ops.Conv2d(x, Weight, _stride, _padding, _dilation, _groups);
        return Bias is null ? y : y + Ops.Reshape(Bias, -1, 1, 1);
    }
}
