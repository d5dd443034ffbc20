namespace Diff;

/// <summary>
/// Makes and applies gradient transformations. The static members give transformations that chain; an instance applies one to
/// parameters in the imperative style: <c>loss.Backward(); optimizer.Step(); optimizer.ZeroGrad();</c>
/// </summary>
public sealed class Optimizer
{
    private readonly Parameter[] _parameters;
    private readonly Lazy<UpdatePlan> _plan;
    private readonly NDArray[] _gradients; // of the step in progress

    /// <summary>An optimiser of some parameters.</summary>
    /// <param name="transformation">From gradients to updates.</param>
    /// <param name="parameters">The parameters.</param>
    public Optimizer(GradientTransformation transformation, IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(transformation);
        _parameters = Given<Parameter>([.. Given(parameters)], nameof(parameters));
        _gradients = new NDArray[_parameters.Length];
        var state = new OptimizerState(transformation, _parameters);
        _plan = new Lazy<UpdatePlan>(() =>
        {
            Expr[] gradients = Array.ConvertAll(_parameters, p => Leaf.input("gradient of " + p.Name, p.Shape, p.DType));
            return new UpdatePlan(EngineOptions.Default, gradients, [], state.Updates(gradients));
        });
    }

    /// <summary>Updates every parameter by the gradient that <c>Backward</c> has accumulated in it.</summary>
    /// <exception cref="InvalidOperationException">A parameter has no gradient.</exception>
    public void Step()
    {
        for (var i = 0; i < _parameters.Length; i++)
        {
            var p = _parameters[i];
            _gradients[i] = p.Grad ?? throw new InvalidOperationException(
                $"Step: the parameter \"{p.Name}\" of shape {p.Shape} has no gradient; call Backward on a loss that depends on it first");
        }
        _plan.Value.Run(_gradients);
        Array.Clear(_gradients);
    }

    /// <summary>Forgets the parameters' gradients.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in _parameters) parameter.ZeroGrad();
    }

    /// <summary>One transformation after the other.</summary>
    /// <param name="transformations">First to last.</param>
    public static GradientTransformation Chain(params GradientTransformation[] transformations) => Optimize.chain(Given(transformations));

    /// <summary>−rate·g.</summary>
    /// <param name="rate">The learning rate.</param>
    public static GradientTransformation Sgd(Schedule rate) => Optimize.sgdBy(Given(rate).AsRate(nameof(Sgd)));

    /// <summary>−rate·m with m ← momentum·m + g.</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="momentum">What remains of m at each step.</param>
    public static GradientTransformation Momentum(Schedule rate, double momentum = 0.9) => Optimize.momentumBy(Given(rate).AsRate(nameof(Momentum)), momentum);

    /// <summary>−rate·(g + momentum·m) with m ← momentum·m + g (Sutskever et al. 2013).</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="momentum">What remains of m at each step.</param>
    public static GradientTransformation Nesterov(Schedule rate, double momentum = 0.9) => Optimize.nesterovBy(Given(rate).AsRate(nameof(Nesterov)), momentum);

    /// <summary>−rate·g / (√Σg² + ε) (Duchi et al. 2011).</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="epsilon">ε.</param>
    public static GradientTransformation AdaGrad(Schedule rate, double epsilon = 1e-8) => Optimize.adagradBy(Given(rate).AsRate(nameof(AdaGrad)), epsilon);

    /// <summary>−rate·g / (√v + ε) with v ← decay·v + (1 − decay)·g² (Tieleman and Hinton 2012).</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="decay">What remains of v at each step.</param>
    /// <param name="epsilon">ε.</param>
    public static GradientTransformation RmsProp(Schedule rate, double decay = 0.9, double epsilon = 1e-8) =>
        Optimize.rmspropBy(Given(rate).AsRate(nameof(RmsProp)), decay, epsilon);

    /// <summary>Adam (Kingma and Ba 2015, algorithm 1).</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="beta1">β₁.</param>
    /// <param name="beta2">β₂.</param>
    /// <param name="epsilon">ε, outside the root.</param>
    public static GradientTransformation Adam(Schedule rate, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8) =>
        Optimize.adamBy(Given(rate).AsRate(nameof(Adam)), beta1, beta2, epsilon);

    /// <summary>Adam with weight decay beside the gradient, not in it (Loshchilov and Hutter 2019).</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="weightDecay">The decay, times the learning rate, a step.</param>
    /// <param name="beta1">β₁.</param>
    /// <param name="beta2">β₂.</param>
    /// <param name="epsilon">ε, outside the root.</param>
    public static GradientTransformation AdamW(Schedule rate, double weightDecay = 0.01, double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-8) =>
        Optimize.adamwBy(Given(rate).AsRate(nameof(AdamW)), beta1, beta2, epsilon, weightDecay);

    /// <summary>Cuts every element of the gradients to [−limit, limit].</summary>
    /// <param name="limit">The limit.</param>
    public static GradientTransformation Clip(double limit) => Optimize.clip(limit);

    /// <summary>Scales all gradients so that their common norm is at most the limit (Pascanu et al. 2013).</summary>
    /// <param name="limit">The limit, above 0.</param>
    public static GradientTransformation ClipByGlobalNorm(double limit) => Optimize.clipByGlobalNorm(limit);

    /// <summary>Adds c·parameter to the gradient.</summary>
    /// <param name="c">c.</param>
    public static GradientTransformation AddDecayedWeights(double c) => Optimize.addDecayedWeights(c);

    /// <summary>Multiplies by a number.</summary>
    /// <param name="factor">The number.</param>
    public static GradientTransformation Scale(double factor) => Optimize.scale(factor);

    /// <summary>Multiplies by a schedule.</summary>
    /// <param name="schedule">The schedule.</param>
    public static GradientTransformation ScaleBy(Schedule schedule) => Optimize.scaleBySchedule(Given(schedule).Core);
}
