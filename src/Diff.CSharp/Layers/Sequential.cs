namespace Diff;

/// <summary>Modules one after the other.</summary>
/// <param name="layers">The modules, first to last.</param>
public sealed class Sequential(params Module[] layers) : Module
{
    private readonly Module[] _layers = Given(layers);

    /// <summary>The modules, first to last.</summary>
    public IReadOnlyList<Module> Layers => _layers;

    /// <inheritdoc/>
    protected override Expr Forward(Expr x) => _layers.Aggregate(x, (value, layer) => layer.Call(value));
}
