namespace Diff;

/// <summary>One step of training as one plan: forward, backward, and the update of parameters and optimiser state.</summary>
public sealed class TrainingStep : IDisposable
{
    private readonly TrainingPlan _plan;
    private readonly IReadOnlyList<(string Path, Parameter Parameter)> _parameters;

    private TrainingStep(
        Module model, Delegate given, int arity, Func<Expr[], Expr> loss, GradientTransformation optimizer, EngineOptions? options, long? seed)
    {
        ArgumentNullException.ThrowIfNull(given, nameof(loss));
        ArgumentNullException.ThrowIfNull(optimizer);
        _parameters = Given(model).NamedParameters();
        if (_parameters.Count == 0) throw new ArgumentException($"TrainingStep: {model.GetType().Name} has no parameters to train", nameof(model));
        _plan = new TrainingPlan(
            [.. _parameters.Select(p => p.Parameter)],
            xs => xs.Length == arity ? loss(xs) : throw new ArgumentException($"Run: the loss takes {arity} {(arity == 1 ? "array" : "arrays")}, got {xs.Length}"),
            optimizer,
            options ?? EngineOptions.Default,
            seed);
    }

    /// <summary>A step that is traced at its first run, and again for each new combination of shapes and element types.</summary>
    /// <param name="model">The model whose parameters are trained.</param>
    /// <param name="loss">The loss, a scalar, from one array.</param>
    /// <param name="optimizer">From gradients to updates.</param>
    /// <param name="options">How to run: threads and compilation; nothing depends on it but the time.</param>
    /// <param name="seed">Where layers such as <see cref="Dropout"/> draw from, other numbers at each step; they need one.</param>
    public static TrainingStep Compile(Module model, Func<Expr, Expr> loss, GradientTransformation optimizer, EngineOptions? options = null, long? seed = null) =>
        new(model, loss, 1, xs => loss(xs[0]), optimizer, options, seed);

    /// <inheritdoc cref="Compile(Module, Func{Expr, Expr}, GradientTransformation, EngineOptions, long?)"/>
    public static TrainingStep Compile(Module model, Func<Expr, Expr, Expr> loss, GradientTransformation optimizer, EngineOptions? options = null, long? seed = null) =>
        new(model, loss, 2, xs => loss(xs[0], xs[1]), optimizer, options, seed);

    /// <inheritdoc cref="Compile(Module, Func{Expr, Expr}, GradientTransformation, EngineOptions, long?)"/>
    public static TrainingStep Compile(Module model, Func<Expr, Expr, Expr, Expr> loss, GradientTransformation optimizer, EngineOptions? options = null, long? seed = null) =>
        new(model, loss, 3, xs => loss(xs[0], xs[1], xs[2]), optimizer, options, seed);

    /// <inheritdoc cref="Compile(Module, Func{Expr, Expr}, GradientTransformation, EngineOptions, long?)"/>
    public static TrainingStep Compile(Module model, Func<Expr, Expr, Expr, Expr, Expr> loss, GradientTransformation optimizer, EngineOptions? options = null, long? seed = null) =>
        new(model, loss, 4, xs => loss(xs[0], xs[1], xs[2], xs[3]), optimizer, options, seed);

    /// <inheritdoc cref="Compile(Module, Func{Expr, Expr}, GradientTransformation, EngineOptions, long?)"/>
    public static TrainingStep Compile(Module model, Func<Expr> loss, GradientTransformation optimizer, EngineOptions? options = null, long? seed = null) =>
        new(model, loss, 0, _ => loss(), optimizer, options, seed);

    /// <summary>Runs one step on a batch and gives the loss before the update.</summary>
    /// <param name="batch">The arrays of the batch.</param>
    public double Run(params NDArray[] batch) => _plan.Run(batch);

    /// <summary>The same, unless the token says stop before it begins. A step that has begun ends, so that parameters never hold half an update.</summary>
    /// <param name="batch">The arrays of the batch.</param>
    /// <param name="cancellation">Says when to stop.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public double Run(NDArray[] batch, CancellationToken cancellation) => _plan.Run(batch, cancellation);

    /// <summary>Lets go of the plans and their memory; parameters and optimiser state stay, and steps run after this fail.</summary>
    public void Dispose() => _plan.Dispose();

    /// <summary>The graph of a step for batches of these shapes: the loss, then the new values of parameters and optimiser state.</summary>
    /// <param name="batch">The arrays of a batch.</param>
    public Expr[] Graph(params NDArray[] batch) => _plan.Graph(batch);

    /// <summary>Writes the graph of a step as a page that opens in a browser without a network.</summary>
    /// <param name="path">The file.</param>
    /// <param name="batch">The arrays of a batch.</param>
    public void SaveHtml(string path, params NDArray[] batch) => Print.SaveHtml(Given(path), "One step of training", Graph(batch));

    /// <summary>What a step on such a batch does, as text: sizes, operations, bytes and formulas.</summary>
    /// <param name="batch">The arrays of a batch.</param>
    public string Explain(params NDArray[] batch) => _plan.Explain(batch);

    /// <summary>The same with measured times; it runs on copies, so that parameters and optimiser state stay what they are.</summary>
    /// <param name="batch">The arrays of a batch.</param>
    public string Profile(params NDArray[] batch) => _plan.Profile(batch);

    /// <summary>Writes parameters, optimiser state, seed and number of the step, and words of the caller's as one safetensors file, to continue from later.</summary>
    /// <param name="path">The file. Interrupted at any moment, it is the old one or the new one.</param>
    /// <param name="metadata">Words to keep with it, such as the number of the step.</param>
    public void Save(string path, IReadOnlyDictionary<string, string>? metadata = null) =>
        Safetensors.Save(path, Leaves().ToDictionary(l => l.Path, l => l.Leaf.Value), metadata);

    /// <summary>Reads what <see cref="Save"/> wrote; if anything does not fit, nothing changes.</summary>
    /// <param name="path">The file.</param>
    /// <returns>The words kept with it.</returns>
    /// <exception cref="DiffFormatException">The file is malformed, or belongs to another model or optimiser.</exception>
    public IReadOnlyDictionary<string, string> Load(string path)
    {
        var file = Safetensors.Load(path);
        Checkpoints.Restore(path, file.Tensors, Leaves());
        return file.Metadata;
    }

    private List<(string Path, Expr Leaf)> Leaves() =>
        [
            .. _parameters.Select(p => (p.Path, (Expr)p.Parameter)),
            .. _plan.State.Select((leaf, i) => ($"optimizer.{i}", leaf)),
            .. _plan.Random is { } random ? [("random", random)] : Array.Empty<(string, Expr)>(),
        ];
}
