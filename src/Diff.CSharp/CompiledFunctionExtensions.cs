namespace Diff;

/// <summary>Calls of compiled functions with plain numbers and arrays. Up to four numbers are scalars; an array is one argument.</summary>
public static class CompiledFunctionExtensions
{
    extension(CompiledFunction f)
    {
        /// <summary>The value of a scalar function of one scalar.</summary>
        /// <param name="x">The first argument.</param>
        public double Invoke(double x) => One(Given(f).Call(x)).Float(0);

        /// <summary>The value of a scalar function of two scalars.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        public double Invoke(double x, double y) => One(Given(f).Call(x, y)).Float(0);

        /// <summary>The value of a scalar function of three scalars.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        public double Invoke(double x, double y, double z) => One(Given(f).Call(x, y, z)).Float(0);

        /// <summary>The value of a scalar function of four scalars.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        /// <param name="w">The fourth argument.</param>
        public double Invoke(double x, double y, double z, double w) => One(Given(f).Call(x, y, z, w)).Float(0);

        /// <summary>The value of a scalar function of one scalar, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x)
        {
            var gradient = new double[1];
            return (Given(f).ValueAndGradient([x], gradient), gradient);
        }

        /// <summary>The value of a scalar function of two scalars, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x, double y)
        {
            var gradient = new double[2];
            return (Given(f).ValueAndGradient([x, y], gradient), gradient);
        }

        /// <summary>The value of a scalar function of three scalars, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x, double y, double z)
        {
            var gradient = new double[3];
            return (Given(f).ValueAndGradient([x, y, z], gradient), gradient);
        }

        /// <summary>The value of a scalar function of four scalars, and its gradient.</summary>
        /// <param name="x">The first argument.</param>
        /// <param name="y">The second argument.</param>
        /// <param name="z">The third argument.</param>
        /// <param name="w">The fourth argument.</param>
        public (double Value, double[] Gradient) ValueAndGrad(double x, double y, double z, double w)
        {
            var gradient = new double[4];
            return (Given(f).ValueAndGradient([x, y, z, w], gradient), gradient);
        }

        /// <summary>The value of a function of float64 scalars; its gradient is written to the span. Nothing is allocated.</summary>
        /// <param name="args">The arguments.</param>
        /// <param name="gradient">Room for as many derivatives.</param>
        public double ValueAndGrad(ReadOnlySpan<double> args, Span<double> gradient) => Given(f).ValueAndGradient(args, gradient);

        /// <summary>The value of a function with one result.</summary>
        /// <param name="args">The arguments.</param>
        public NDArray Invoke(params NDArray[] args) => One(Given(f).Call(args));

        /// <summary>The value of a scalar function, and its gradient for each argument of a float type (null for the others).</summary>
        /// <param name="args">The arguments.</param>
        /// <exception cref="ShapeException">The value is not a scalar.</exception>
        public (double Value, NDArray?[] Gradient) ValueAndGrad(params NDArray[] args)
        {
            var (value, gradient) = Given(f).ValueAndGradient(args);
            return (value.Float(0), gradient);
        }

        /// <summary>The value of a function with one result, stopped within moments once the token says so.</summary>
        /// <param name="args">The arguments.</param>
        /// <param name="cancellation">Says when to stop.</param>
        /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
        public NDArray Invoke(NDArray[] args, CancellationToken cancellation) => One(Given(f).Call(args, cancellation));

        /// <summary>The value of a scalar function and its gradient, stopped within moments once the token says so.</summary>
        /// <param name="args">The arguments.</param>
        /// <param name="cancellation">Says when to stop.</param>
        /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
        /// <exception cref="ShapeException">The value is not a scalar.</exception>
        public (double Value, NDArray?[] Gradient) ValueAndGrad(NDArray[] args, CancellationToken cancellation)
        {
            var (value, gradient) = Given(f).ValueAndGradient(args, cancellation);
            return (value.Float(0), gradient);
        }
    }

    private static NDArray One(NDArray[] results) => results.Length == 1
        ? results[0]
        : throw new InvalidOperationException($"Invoke: expected a function with one result, got {results.Length}; use Call");
}
