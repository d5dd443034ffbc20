namespace Diff;

/// <summary>The largest element of each window of two axes, within each channel.</summary>
/// <param name="size">The size of a window: one number, or one for each axis.</param>
/// <param name="stride">How far apart windows begin; the size if absent.</param>
/// <param name="padding">What lies around the argument and is less than every number; none if absent.</param>
/// <param name="dilation">How far apart the elements of a window are; 1 if absent.</param>
public sealed class MaxPool2d(PerAxis size, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default) : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.MaxPool2d(x, size, stride, padding, dilation);
}

/// <summary>The mean of each window of two axes, within each channel.</summary>
/// <param name="size">The size of a window: one number, or one for each axis.</param>
/// <param name="stride">How far apart windows begin; the size if absent.</param>
/// <param name="padding">Zeros around the argument, which count; none if absent.</param>
public sealed class AvgPool2d(PerAxis size, PerAxis stride = default, Padding? padding = null) : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.AvgPool2d(x, size, stride, padding);
}

/// <summary>All axes but the first as one.</summary>
public sealed class Flatten : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) =>
        x.Rank == 0
            ? throw new ShapeException("Flatten: expected an array of shape [batch, ...], got a scalar")
            : Ops.Reshape(x, x.Shape[0], x.Shape.ToArray().Skip(1).Aggregate(1, (n, d) => n * d));
}
