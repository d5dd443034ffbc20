namespace Diff;

/// <summary>Calls of compiled functions with plain numbers and arrays.</summary>
public static class CompiledFunctionExtensions
{
    extension(CompiledFunction f)
    {
        /// <summary>The value of a scalar function of scalars.</summary>
        /// <param name="args">The arguments.</param>
        public double Invoke(params double[] args) => f.Call(Scalars(args))[0].Float(0);

        /// <summary>The value of a function with one result.</summary>
        /// <param name="args">The arguments.</param>
        public NDArray Invoke(params NDArray[] args) => f.Call(args)[0];

        /// <summary>The value of a scalar function of scalars, and its gradient.</summary>
        /// <param name="args">The arguments.</param>
        public (double Value, double[] Gradient) ValueAndGrad(params double[] args)
        {
            var (value, gradient) = f.ValueAndGradient(Scalars(args));
            return (value.Float(0), Array.ConvertAll(gradient, g => g!.Float(0)));
        }

        /// <summary>The value of a scalar function, and its gradient for each argument of a float type (null for the others).</summary>
        /// <param name="args">The arguments.</param>
        /// <exception cref="ShapeException">The value is not a scalar.</exception>
        public (double Value, NDArray?[] Gradient) ValueAndGrad(params NDArray[] args)
        {
            var (value, gradient) = f.ValueAndGradient(args);
            return (value.Float(0), gradient);
        }
    }

    private static NDArray[] Scalars(double[] args) => Array.ConvertAll(args, x => (NDArray)x);
}
