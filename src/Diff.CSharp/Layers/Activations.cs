namespace Diff;

/// <summary>max(x, 0), index by index.</summary>
public sealed class Relu : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Relu(x);
}

/// <summary>The hyperbolic tangent, index by index.</summary>
public sealed class Tanh : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Tanh(x);
}

/// <summary>1 / (1 + e⁻ˣ), index by index.</summary>
public sealed class Sigmoid : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Sigmoid(x);
}

/// <summary>log(1 + eˣ), index by index.</summary>
public sealed class Softplus : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Softplus(x);
}

/// <summary>x·Φ(x) with the normal distribution function Φ (the form with erf).</summary>
public sealed class Gelu : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Gelu(x);
}

/// <summary>x / (1 + e⁻ˣ).</summary>
public sealed class Silu : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Silu(x);
}

/// <summary>eˣ / Σ eˣ along the last axis.</summary>
public sealed class Softmax : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.Softmax(x);
}

/// <summary>x − log Σ eˣ along the last axis.</summary>
public sealed class LogSoftmax : Module
{
    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => Ops.LogSoftmax(x);
}

/// <summary>Any function of one expression as a module.</summary>
/// <param name="f">The function.</param>
public sealed class Lambda(Func<Expr, Expr> f) : Module
{
    private readonly Func<Expr, Expr> _f = Given(f);

    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => _f(x);
}
