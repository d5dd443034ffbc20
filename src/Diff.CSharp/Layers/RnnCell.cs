namespace Diff;

/// <summary>One step of a recurrent network: h' = tanh(x·Wₓᵀ + h·Wₕᵀ + b) (Elman 1990).</summary>
public sealed class RnnCell : Module
{
    /// <summary>A cell with initial values.</summary>
    /// <param name="inputs">The extent of the input's last axis.</param>
    /// <param name="hidden">The extent of the state's last axis.</param>
    /// <param name="initializer">Where the weights come from; <see cref="Initializer.XavierUniform"/> if absent.</param>
    /// <param name="random">The generator; <see cref="Random.Shared"/> if absent.</param>
    /// <param name="dtype">float32 or float64.</param>
    public RnnCell(int inputs, int hidden, Initializer? initializer = null, Random? random = null, DType dtype = DType.Float32)
    {
        Sizes.Positive(nameof(RnnCell), inputs, hidden);
        InputWeight = new Parameter(new Shape([hidden, inputs]), initializer ?? Initializer.XavierUniform, random, dtype);
        StateWeight = new Parameter(new Shape([hidden, hidden]), initializer ?? Initializer.XavierUniform, random, dtype);
        Bias = new Parameter(new Shape([hidden]), Initializer.Zeros, random, dtype);
    }

    /// <summary>Wₓ: [hidden, inputs].</summary>
    public Parameter InputWeight { get; }

    /// <summary>Wₕ: [hidden, hidden].</summary>
    public Parameter StateWeight { get; }

    /// <summary>b: [hidden].</summary>
    public Parameter Bias { get; }

    /// <summary>The state after one more input.</summary>
    /// <param name="x">The input: [..., inputs].</param>
    /// <param name="state">The state before: [..., hidden].</param>
    public Expr Call(Expr x, Expr state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using (Enter())
            return Step(Ops.Einsum("...i,hi->...h", Given(x), InputWeight), state);
    }

    /// <summary>The state after one more symbol of an alphabet of <c>inputs</c> symbols: the input is 1 at its index, 0 elsewhere.</summary>
    /// <param name="symbol">The symbols' indices: [...] of integers.</param>
    /// <param name="state">The state before: [..., hidden].</param>
    public Expr CallSymbol(Expr symbol, Expr state)
    {
        ArgumentNullException.ThrowIfNull(symbol);
        ArgumentNullException.ThrowIfNull(state);
        using (Enter()) // the product with a one-hot vector is a column of the weight
        {
            var columns = Ops.Gather(InputWeight, symbol, axis: 1);
            return Step(Ops.Transpose(columns, [.. Enumerable.Range(1, symbol.Rank), 0]), state);
        }
    }

    private Expr Step(Expr fromInput, Expr state) =>
        Ops.Tanh(fromInput + Ops.Einsum("...k,hk->...h", state, StateWeight) + Bias);
}
