namespace Diff;

/// <summary>A leaf that training changes. It is an expression, so it enters formulas as it is.</summary>
public sealed class Parameter : Expr
{
    private Parameter(Variable variable)
        : base(Op.NewVariable(variable), [], variable.Shape, variable.DType, null)
    {
    }

    /// <summary>A parameter that starts at a value.</summary>
    /// <param name="value">The value; its memory is used, not copied, and training writes into it.</param>
    /// <param name="name">The name; a module names its parameters that have none by their path.</param>
    /// <exception cref="DTypeException">The value is not of a float type.</exception>
    public Parameter(NDArray value, string name = "")
        : this(new Variable(Given(name), Given(value).Shape, value.DType) { Value = value })
    {
        if (value.DType is not (DType.Float32 or DType.Float64))
            throw new DTypeException($"Parameter: expected float32 or float64, got {DTypeModule.name(value.DType)}");
    }

    /// <summary>A parameter with initial values from an initialiser.</summary>
    /// <param name="shape">The shape.</param>
    /// <param name="initializer">Where the values come from.</param>
    /// <param name="random">The generator; <see cref="Random.Shared"/> if absent.</param>
    /// <param name="dtype">float32 or float64.</param>
    /// <param name="name">The name; a module names its parameters that have none by their path.</param>
    public Parameter(Shape shape, Initializer initializer, Random? random = null, DType dtype = DType.Float32, string name = "")
        : this(Given(initializer).Create(shape, random ?? Random.Shared, dtype), name)
    {
    }

    internal Variable Variable => ((Op.Variable)Op).Item;

    internal void NameIfNameless(string path)
    {
        if (Variable.Name.Length == 0) Variable.Name = path;
    }
}
