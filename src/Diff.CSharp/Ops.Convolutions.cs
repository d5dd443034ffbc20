namespace Diff;

// Arrays are [batch, channels, spatial…]. A padding that is absent is Padding.Valid.
public static partial class Ops
{
    /// <summary>An axis as two adjacent ones, windows and their elements: y[.., p, k, ..] = x[.., p·step + k·dilation, ..].</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    /// <param name="size">The number of elements of a window.</param>
    /// <param name="step">How far apart windows begin.</param>
    /// <param name="dilation">How far apart the elements of a window are.</param>
    /// <exception cref="ShapeException">A window reaches beyond the axis.</exception>
    public static Expr Unfold(Expr x, int axis, int size, int step = 1, int dilation = 1) => Diff.Unfold.make(axis, size, step, dilation, Given(x));

    /// <summary>Windows, along an axis, and their elements, along the next, added up where they overlap: the transpose of <see cref="Unfold"/>.</summary>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis of windows.</param>
    /// <param name="extent">The extent of the axis that the two become.</param>
    /// <param name="step">How far apart windows begin.</param>
    /// <param name="dilation">How far apart the elements of a window are.</param>
    /// <exception cref="ShapeException">An axis of that extent does not have so many windows.</exception>
    public static Expr Fold(Expr x, int axis, int extent, int step = 1, int dilation = 1) => Diff.Unfold.fold(axis, extent, step, dilation, Given(x));

    /// <summary>Σ kernel·window over channels and elements of every window of the spatial axes (1, 2 or 3, as the name says); the kernel is not turned round.</summary>
    /// <param name="x">[batch, channels, spatial...].</param>
    /// <param name="kernel">[out, channels / groups, spatial...].</param>
    /// <param name="stride">How far apart windows begin; 1 if absent.</param>
    /// <param name="padding">Zeros around the array; none if absent.</param>
    /// <param name="dilation">How far apart the elements of a window are; 1 if absent.</param>
    /// <param name="groups">Into how many parts, that do not see each other, the channels are cut.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr Conv1d(
        Expr x, Expr kernel, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default, int groups = 1) =>
        Convolution.convolve("conv1d", 1, stride.Numbers, padding ?? Padding.Valid, dilation.Numbers, groups, Given(kernel), Given(x));

    /// <inheritdoc cref="Conv1d"/>
    public static Expr Conv2d(
        Expr x, Expr kernel, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default, int groups = 1) =>
        Convolution.convolve("conv2d", 2, stride.Numbers, padding ?? Padding.Valid, dilation.Numbers, groups, Given(kernel), Given(x));

    /// <inheritdoc cref="Conv1d"/>
    public static Expr Conv3d(
        Expr x, Expr kernel, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default, int groups = 1) =>
        Convolution.convolve("conv3d", 3, stride.Numbers, padding ?? Padding.Valid, dilation.Numbers, groups, Given(kernel), Given(x));

    /// <summary>The transpose of <see cref="Conv1d"/>: each element of x spreads the kernel over the result.</summary>
    /// <param name="x">[batch, channels, spatial...].</param>
    /// <param name="kernel">[channels, out / groups, spatial...].</param>
    /// <param name="stride">How far apart the spread kernels begin; 1 if absent.</param>
    /// <param name="padding">What is cut off the result; nothing if absent.</param>
    /// <param name="extra">What is added to the least extent that the stride leaves open; 0 if absent, and less than the stride.</param>
    /// <param name="dilation">How far apart the elements of a spread kernel are; 1 if absent.</param>
    /// <param name="groups">Into how many parts, that do not see each other, the channels are cut.</param>
    /// <exception cref="ShapeException">The shapes do not fit.</exception>
    public static Expr ConvTranspose1d(
        Expr x, Expr kernel, PerAxis stride = default, Padding? padding = null, PerAxis extra = default, PerAxis dilation = default, int groups = 1) =>
        Convolution.convolveBack(
            "conv_transpose1d", 1, stride.Numbers, padding ?? Padding.Valid, extra.Numbers, dilation.Numbers, groups, Given(kernel), Given(x));

    /// <inheritdoc cref="ConvTranspose1d"/>
    public static Expr ConvTranspose2d(
        Expr x, Expr kernel, PerAxis stride = default, Padding? padding = null, PerAxis extra = default, PerAxis dilation = default, int groups = 1) =>
        Convolution.convolveBack(
            "conv_transpose2d", 2, stride.Numbers, padding ?? Padding.Valid, extra.Numbers, dilation.Numbers, groups, Given(kernel), Given(x));

    /// <inheritdoc cref="ConvTranspose1d"/>
    public static Expr ConvTranspose3d(
        Expr x, Expr kernel, PerAxis stride = default, Padding? padding = null, PerAxis extra = default, PerAxis dilation = default, int groups = 1) =>
        Convolution.convolveBack(
            "conv_transpose3d", 3, stride.Numbers, padding ?? Padding.Valid, extra.Numbers, dilation.Numbers, groups, Given(kernel), Given(x));

    /// <summary>The largest element of each window, within each channel; equal ones share the derivative, a NaN wins.</summary>
    /// <param name="x">[batch, channels, spatial...].</param>
    /// <param name="size">The size of a window.</param>
    /// <param name="stride">How far apart windows begin; the size if absent.</param>
    /// <param name="padding">What lies around the array and is less than every number; none if absent.</param>
    /// <param name="dilation">How far apart the elements of a window are; 1 if absent.</param>
    /// <exception cref="ShapeException">A window reaches beyond the array.</exception>
    public static Expr MaxPool1d(Expr x, PerAxis size, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default) =>
        Convolution.maxPooled("max_pool1d", 1, size.Numbers, stride.Numbers, padding ?? Padding.Valid, dilation.Numbers, Given(x));

    /// <inheritdoc cref="MaxPool1d"/>
    public static Expr MaxPool2d(Expr x, PerAxis size, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default) =>
        Convolution.maxPooled("max_pool2d", 2, size.Numbers, stride.Numbers, padding ?? Padding.Valid, dilation.Numbers, Given(x));

    /// <inheritdoc cref="MaxPool1d"/>
    public static Expr MaxPool3d(Expr x, PerAxis size, PerAxis stride = default, Padding? padding = null, PerAxis dilation = default) =>
        Convolution.maxPooled("max_pool3d", 3, size.Numbers, stride.Numbers, padding ?? Padding.Valid, dilation.Numbers, Given(x));

    /// <summary>The mean of each window, within each channel.</summary>
    /// <param name="x">[batch, channels, spatial...].</param>
    /// <param name="size">The size of a window.</param>
    /// <param name="stride">How far apart windows begin; the size if absent.</param>
    /// <param name="padding">Zeros around the array, which count; none if absent.</param>
    /// <exception cref="ShapeException">A window reaches beyond the array.</exception>
    public static Expr AvgPool1d(Expr x, PerAxis size, PerAxis stride = default, Padding? padding = null) =>
        Convolution.meanPooled("avg_pool1d", 1, size.Numbers, stride.Numbers, padding ?? Padding.Valid, Given(x));

    /// <inheritdoc cref="AvgPool1d"/>
    public static Expr AvgPool2d(Expr x, PerAxis size, PerAxis stride = default, Padding? padding = null) =>
        Convolution.meanPooled("avg_pool2d", 2, size.Numbers, stride.Numbers, padding ?? Padding.Valid, Given(x));

    /// <inheritdoc cref="AvgPool1d"/>
    public static Expr AvgPool3d(Expr x, PerAxis size, PerAxis stride = default, Padding? padding = null) =>
        Convolution.meanPooled("avg_pool3d", 3, size.Numbers, stride.Numbers, padding ?? Padding.Valid, Given(x));
}
