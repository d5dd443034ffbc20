using Microsoft.FSharp.Collections;

namespace Diff;

public static partial class Ops
{
    private static FSharpList<int> Extents(Shape shape) => ListModule.OfArray(shape.ToArray());

    /// <summary>Random bits: all values of the element type equally likely.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    /// <param name="dtype">int32 or int64.</param>
    public static Expr RandomBits(RandomKey key, Shape shape, DType dtype = DType.Int64) => Rng.bits(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Uniform in [0, 1): multiples of 2⁻²⁴ (float32) or 2⁻⁵³ (float64), never 1.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    /// <param name="dtype">float32 or float64.</param>
    public static Expr RandomUniform(RandomKey key, Shape shape, DType dtype = DType.Float64) => Rng.uniform(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Standard normal: multiply by a standard deviation and add a mean for others.</summary>
    /// <inheritdoc cref="RandomUniform"/>
    public static Expr RandomNormal(RandomKey key, Shape shape, DType dtype = DType.Float64) => Rng.normal(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Exponential of rate 1, never 0: divide by a rate for others.</summary>
    /// <inheritdoc cref="RandomUniform"/>
    public static Expr RandomExponential(RandomKey key, Shape shape, DType dtype = DType.Float64) => Rng.exponential(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Laplace around 0 of scale 1.</summary>
    /// <inheritdoc cref="RandomUniform"/>
    public static Expr RandomLaplace(RandomKey key, Shape shape, DType dtype = DType.Float64) => Rng.laplace(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Gumbel, −log(−log u).</summary>
    /// <inheritdoc cref="RandomUniform"/>
    public static Expr RandomGumbel(RandomKey key, Shape shape, DType dtype = DType.Float64) => Rng.gumbel(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Logistic, log(u / (1 − u)).</summary>
    /// <inheritdoc cref="RandomUniform"/>
    public static Expr RandomLogistic(RandomKey key, Shape shape, DType dtype = DType.Float64) => Rng.logistic(dtype, Extents(Given(shape)), Given(key));

    /// <summary>Integers from low up to, but without, high, all equally likely.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="low">The least.</param>
    /// <param name="high">One more than the largest.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    /// <param name="dtype">int32 or int64.</param>
    /// <exception cref="ArgumentException">low is not below high.</exception>
    public static Expr RandomIntegers(RandomKey key, long low, long high, Shape shape, DType dtype = DType.Int64) =>
        Rng.integers(low, high, dtype, Extents(Given(shape)), Given(key));

    /// <summary>true with a probability, index by index.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="probability">Of a float type; it broadcasts to the shape.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    public static Expr RandomBernoulli(RandomKey key, Expr probability, Shape shape) => Rng.bernoulli(Given(probability), Extents(Given(shape)), Given(key));

    /// <summary>Indices of classes with probabilities softmax(logits) over the last axis: int64.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="logits">Logits with an axis of classes at the end.</param>
    /// <param name="shape">The shape of draws for each row of logits; none for one draw.</param>
    public static Expr RandomCategorical(RandomKey key, Expr logits, Shape? shape = null) => Rng.categorical(Given(logits), Extents(shape ?? Shape.Scalar), Given(key));

    /// <summary>0 … n − 1 in random order, along a new last axis: int64.</summary>
    /// <param name="key">What it is drawn from.</param>
    /// <param name="count">n.</param>
    public static Expr RandomPermutation(RandomKey key, int count) => Rng.permutation(count, Given(key));

    /// <summary>The slabs of an array along an axis in random order.</summary>
    /// <param name="key">One key.</param>
    /// <param name="x">The array.</param>
    /// <param name="axis">The axis.</param>
    public static Expr RandomShuffle(RandomKey key, Expr x, int axis = 0) => Rng.shuffle(axis, Given(x), Given(key));

    /// <summary>Some slabs of an array along an axis, none twice, in random order.</summary>
    /// <param name="key">One key.</param>
    /// <param name="x">The array.</param>
    /// <param name="count">How many.</param>
    /// <param name="axis">The axis.</param>
    public static Expr RandomChoice(RandomKey key, Expr x, int count, int axis = 0) => Rng.choice(count, axis, Given(x), Given(key));

    /// <summary>Standard normal between bounds, with derivatives with respect to them; NaN where low is above high.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="low">The lower bound, which broadcasts to the shape and may be −∞.</param>
    /// <param name="high">The upper bound.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    public static Expr RandomTruncatedNormal(RandomKey key, Expr low, Expr high, Shape shape) => Rng.truncatedNormal(Given(low), Given(high), Extents(Given(shape)), Given(key));

    /// <summary>Gamma of scale 1, with derivatives with respect to its parameter (Figurnov et al. 2018).</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="a">The shape parameter, at least 0; it broadcasts to the shape.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    public static Expr RandomGamma(RandomKey key, Expr a, Shape shape) => Rng.gamma(Given(a), Extents(Given(shape)), Given(key));

    /// <summary>The logarithm of a gamma variate, also where that is too small for a float.</summary>
    /// <inheritdoc cref="RandomGamma"/>
    public static Expr RandomLogGamma(RandomKey key, Expr a, Shape shape) => Rng.logGamma(Given(a), Extents(Given(shape)), Given(key));

    /// <summary>Beta, with derivatives with respect to its parameters.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="a">The first parameter, above 0; it broadcasts to the shape.</param>
    /// <param name="b">The second.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    public static Expr RandomBeta(RandomKey key, Expr a, Expr b, Shape shape) => Rng.beta(Given(a), Given(b), Extents(Given(shape)), Given(key));

    /// <summary>Dirichlet of the parameters along the last axis, with derivatives with respect to them.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="parameters">Numbers above 0.</param>
    /// <param name="shape">The shape of draws for each row of parameters; none for one draw.</param>
    public static Expr RandomDirichlet(RandomKey key, Expr parameters, Shape? shape = null) => Rng.dirichlet(Given(parameters), Extents(shape ?? Shape.Scalar), Given(key));

    /// <summary>Student's t, with derivatives with respect to its degrees of freedom.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="freedom">Degrees of freedom, above 0; they broadcast to the shape.</param>
    /// <param name="shape">The shape; the axes of the key come before it.</param>
    public static Expr RandomStudentT(RandomKey key, Expr freedom, Shape shape) => Rng.studentT(Given(freedom), Extents(Given(shape)), Given(key));

    /// <summary>mean + L·z for a Cholesky factor L of the covariance.</summary>
    /// <param name="key">What they are drawn from.</param>
    /// <param name="mean">[.., n].</param>
    /// <param name="factor">[.., n, n]; leading axes broadcast with those of the mean.</param>
    /// <param name="shape">The shape of draws for each mean; none for one draw.</param>
    public static Expr RandomMultivariateNormal(RandomKey key, Expr mean, Expr factor, Shape? shape = null) =>
        Rng.multivariateNormal(Given(mean), Given(factor), Extents(shape ?? Shape.Scalar), Given(key));

    /// <summary>Elements set to 0 with a probability, the others divided by what is left of 1.</summary>
    /// <param name="x">The array, of a float type.</param>
    /// <param name="rate">The probability, at least 0 and below 1.</param>
    /// <param name="key">One key.</param>
    /// <exception cref="ArgumentOutOfRangeException">The probability is not.</exception>
    public static Expr Dropout(Expr x, double rate, RandomKey key) => Rng.dropout(rate, Given(x), Given(key));
}
