using System.Numerics.Tensors;

namespace Diff;

/// <summary>Gradients accumulated in variables, as in <c>loss.Backward(); w.Grad; ZeroGrad()</c>.</summary>
internal static class Imperative
{
    /// <summary>Adds the gradient of y, or its cotangent pulled back, to that of every variable below it.</summary>
    public static void Backward(Expr y, NDArray? cotangent)
    {
        if (cotangent is null && y.Shape.Length != 1)
            throw new ShapeException($"Backward: expected a scalar, but the value to differentiate has shape {y.Shape}; sum it, or give a cotangent");
        Expr[] variables = [.. Graph.topological([y]).Where(e => e.Op.IsVariable && DTypeModule.isReal(e.DType))];
        if (variables.Length == 0)
            throw new InvalidOperationException("Backward: the value depends on no variable of a float type, so there is nothing to differentiate with respect to");
        var seed = cotangent is null ? Expr.OnesLike(y) : Leaf.literal(cotangent);
        var gradients = Evaluate.many(Gradient.vjp(Unconnected.Zeros, y, seed, variables));
        for (var i = 0; i < variables.Length; i++)
        {
            var variable = Values.variableIn("Backward", variables[i]);
            // Into the new array: what the caller took out of Grad before does not change under him.
            if (variable.Gradient is { } before) Add(before, gradients[i]);
            variable.Gradient = gradients[i];
        }
    }

    private static void Add(NDArray from, NDArray into)
    {
        if (into.DType == DType.Float32) TensorPrimitives.Add(into.Span<float>(), from.Span<float>(), into.Span<float>());
        else TensorPrimitives.Add(into.Span<double>(), from.Span<double>(), into.Span<double>());
    }
}
