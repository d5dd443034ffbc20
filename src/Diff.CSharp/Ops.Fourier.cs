namespace Diff;

// A complex array is a real one whose last axis, of extent 2, holds real and imaginary parts; other axes are counted without it.
public static partial class Ops
{
    /// <summary>Complex numbers of real and imaginary parts, which broadcast: a new last axis of extent 2.</summary>
    /// <param name="re">The real parts.</param>
    /// <param name="im">The imaginary parts.</param>
    /// <exception cref="ShapeException">The shapes do not broadcast.</exception>
    public static Expr Complex(Expr re, Expr im) => FourierTransforms.complexOf(Given(re), Given(im));

    /// <summary>The real parts of complex numbers.</summary>
    /// <param name="z">Complex numbers.</param>
    public static Expr RealPart(Expr z) => FourierTransforms.realPart(Given(z));

    /// <summary>The imaginary parts of complex numbers.</summary>
    /// <param name="z">Complex numbers.</param>
    public static Expr ImaginaryPart(Expr z) => FourierTransforms.imaginaryPart(Given(z));

    /// <summary>The product of complex arrays, which broadcast.</summary>
    /// <param name="a">The first.</param>
    /// <param name="b">The second.</param>
    public static Expr ComplexMultiply(Expr a, Expr b) => FourierTransforms.complexMultiply(Given(a), Given(b));

    /// <summary>The complex conjugate.</summary>
    /// <param name="z">Complex numbers.</param>
    public static Expr Conjugate(Expr z) => FourierTransforms.conjugate(Given(z));

    /// <summary>|z|² of complex numbers.</summary>
    /// <param name="z">Complex numbers.</param>
    public static Expr SquaredMagnitude(Expr z) => FourierTransforms.squaredMagnitude(Given(z));

    /// <summary>The discrete Fourier transform Σ x[j]·exp(−2πi·jk/n) of complex numbers along some axes; along the last without any. Any length will do.</summary>
    /// <param name="z">Complex numbers.</param>
    /// <param name="axes">The axes, not counting the pairs.</param>
    /// <exception cref="ShapeException">The last axis does not hold pairs.</exception>
    public static Expr Fft(Expr z, params int[] axes) => FourierTransforms.transformed("fft", false, Given(axes).Length == 0 ? [-1] : axes, Given(z));

    /// <summary>The inverse transform, with exp(+2πi·jk/n) and 1/n, of complex numbers along some axes; along the last without any.</summary>
    /// <param name="z">Complex numbers.</param>
    /// <param name="axes">The axes, not counting the pairs.</param>
    /// <exception cref="ShapeException">The last axis does not hold pairs.</exception>
    public static Expr InverseFft(Expr z, params int[] axes) => FourierTransforms.transformed("ifft", true, Given(axes).Length == 0 ? [-1] : axes, Given(z));

    /// <summary>The first ⌊n/2⌋ + 1 complex coefficients of real numbers along the last axis; the others are their conjugates.</summary>
    /// <param name="x">Real numbers.</param>
    /// <exception cref="ShapeException">There are no elements along the axis.</exception>
    public static Expr RealFft(Expr x) => FourierTransforms.rfft(Given(x));

    /// <summary>The n real numbers of which <see cref="RealFft"/> makes these coefficients.</summary>
    /// <param name="z">⌊n/2⌋ + 1 complex coefficients along the last axis.</param>
    /// <param name="n">How many numbers.</param>
    /// <exception cref="ShapeException">There are more or fewer coefficients.</exception>
    public static Expr InverseRealFft(Expr z, int n) => FourierTransforms.irfft(n, Given(z));

    /// <summary>The frequencies of the coefficients of a transform: 0, 1 … −2, −1, divided by n·spacing.</summary>
    /// <param name="n">The length of the transform.</param>
    /// <param name="spacing">The distance of the numbers transformed.</param>
    /// <param name="dtype">The element type.</param>
    public static Expr FftFrequencies(int n, double spacing = 1, DType dtype = DType.Float64) => FourierTransforms.fftFrequencies(n, spacing, dtype);

    /// <summary>Σ x[j]·kernel[t − j] along the last axis for all t: m + n − 1 numbers, by transforms. Leading axes broadcast.</summary>
    /// <param name="x">Real numbers.</param>
    /// <param name="kernel">The kernel.</param>
    /// <exception cref="ShapeException">There are no elements along an axis.</exception>
    public static Expr FftConvolve(Expr x, Expr kernel) => FourierTransforms.fftConvolve(Given(kernel), Given(x));
}
