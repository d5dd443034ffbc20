namespace Diff;

/// <summary>Calls of compiled functions with plain numbers and arrays. Up to four numbers are scalars; an array is one argument.</summary>
public static class CompiledFunctionExtensions
{
    extension(CompiledFunction f)
    {
        /// <summary>The value of a scalar function of one scalar.</summary>
        /// <param name="x">The first argument.</param>
        public double Invoke(double x) => One(f.Call(x)).Float(0);

        /// <summary>The value of a scalar function of two scalars.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        public double Invoke(double x, double y) => One(f.Call(x, y)).Float(0);

        /// <summary>The value of a scalar function of three scalars.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        public double Invoke(double x, double y, double z) => One(f.Call(x, y, z)).Float(0);

        /// <summary>The value of a scalar function of four scalars.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        /// <param name="w">The fourth argument.</param>
        public double Invoke(double x, double y, double z, double w) => One(f.Call(x, y, z, w)).Float(0);

        /// <summary>The value of a scalar function of one scalar, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x) => Scalars(f.ValueAndGradient(x));

        /// <summary>The value of a scalar function of two scalars, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x, double y) => Scalars(f.ValueAndGradient(x, y));

        /// <summary>The value of a scalar function of three scalars, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x, double y, double z) => Scalars(f.ValueAndGradient(x, y, z));

        /// <summary>The value of a scalar function of four scalars, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        /// <param name="w">The fourth argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x, double y, double z, double w) => Scalars(f.ValueAndGradient(x, y, z, w));

        /// <summary>The value of a function with one result.</summary>
        /// <param name="args">The arguments.</param>
        public NDArray Invoke(params NDArray[] args) => One(f.Call(args));

        /// <summary>The value of a scalar function, and its gradient for each argument of a float type (null for the others).</summary>
        /// <param name="args">The arguments.</param>
        /// <exception cref="ShapeException">The value is not a scalar.</exception>
        public (double Value, NDArray?[] Gradient) ValueAndGrad(params NDArray[] args)
        {
            var (value, gradient) = f.ValueAndGradient(args);
            return (value.Float(0), gradient);
        }
    }

    private static NDArray One(NDArray[] results) => results.Length == 1
        ? results[0]
        : throw new InvalidOperationException($"Invoke: expected a function with one result, got {results.Length}; use Call");

    private static (double Value, double[] Gradient) Scalars((NDArray Value, NDArray?[] Gradient) results) =>
        (results.Value.Float(0), Array.ConvertAll(results.Gradient, g => g!.Float(0)));
}
