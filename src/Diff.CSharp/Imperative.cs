namespace Diff;

/// <summary>Gradients accumulated in variables, as in <c>loss.Backward(); w.Grad; ZeroGrad()</c>.</summary>
internal static class Imperative
{
    /// <summary>Adds the gradient of y, or its cotangent pulled back, to that of every variable below it.</summary>
    public static void Backward(Expr y, NDArray? cotangent)
    {
        if (cotangent is null && y.Shape.Length != 1)
            throw new ShapeException($"Backward: expected a scalar, but the value to differentiate has shape {y.Shape}; sum it, or give a cotangent");
        Expr[] variables = [.. Graph.topological([y]).Where(e => e.Op.IsVariable && e.DType is DType.Float32 or DType.Float64 && e.Op.IsVariable)];
        if (variables.Length == 0) return;
        var seed = cotangent is null ? Expr.OnesLike(y) : Leaf.literal(cotangent);
        var gradients = Evaluate.many(Gradient.vjp(Unconnected.Zeros, y, seed, variables));
        for (var i = 0; i < variables.Length; i++)
        {
            var variable = Functions.variableIn("Backward", variables[i]);
            // A new array each time: what the caller took out of Grad before does not change under him.
            variable.Gradient = variable.Gradient is { } sum ? Evaluate.one(Leaf.literal(sum) + Leaf.literal(gradients[i])) : gradients[i];
        }
    }
}
