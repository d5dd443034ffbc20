using System.Diagnostics;
using System.Numerics;
using Xunit;

namespace Diff.Tests;

/// <summary>Derivatives of scalar code: modes against each other, nesting, what is an error, and memory.</summary>
public class DifferentiateTests
{
    // Σ (1 − xᵢ)² + 100·(xᵢ₊₁ − xᵢ²)², with a loop and a branch.
    private readonly struct Rosenbrock : IScalarFunction
    {
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
        {
            var sum = T.Zero;
            for (var i = 0; i + 1 < x.Length; i++)
            {
                var (a, b) = (T.One - x[i], x[i + 1] - x[i] * x[i]);
                if (a > T.Zero || a <= T.Zero) sum += a * a + T.CreateChecked(100) * b * b;
            }
            return sum;
        }
    }

    // yₖ = Σᵢ sin((k + 1)·xᵢ)·x₀.
    private readonly struct Waves : IVectorFunction
    {
        public void Invoke<T>(ReadOnlySpan<T> x, Span<T> y) where T : IFloatingPointIeee754<T>
        {
            for (var k = 0; k < y.Length; k++)
            {
                y[k] = T.Zero;
                foreach (var e in x) y[k] += T.Sin(T.CreateChecked(k + 1) * e) * x[0];
            }
        }
    }

    private static double[] Point(int n) => [.. Enumerable.Range(0, n).Select(i => Math.Sin(3 * i + 1))];

    private static void Near(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.True(Math.Abs(expected[i] - actual[i]) <= tolerance * (1 + Math.Abs(expected[i])), $"{i}: {expected[i]:R}, {actual[i]:R}");
    }

    // Each number is made of the one just before, which is the second operand, the first one, both, or not alone.
    private readonly struct Chain(int length, int kind) : IScalarFunction
    {
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
        {
            var (y, other) = (x[1], x[1] * x[0]);
            for (var i = 0; i < length; i++)
            {
                y = kind switch
                {
                    0 => x[0] * y,
                    1 => y * x[0],
                    2 => T.Sqrt(y * y) * x[0],
                    _ => other * (y + other * x[0]) / other - other * x[0] * (T.One - x[0]) * T.Exp(T.Zero),
                };
            }
            return y;
        }
    }

    [Theory]
    [InlineData(0, 200_001)]
    [InlineData(1, 200_001)]
    [InlineData(2, 70_000)]
    [InlineData(3, 40_000)]
    public void Long_chains_over_several_chunks_of_the_tape_have_the_gradient_of_forward_mode(int kind, int length)
    {
        double[] x = [1 + 3e-6, 0.7], gradient = new double[2], forward = new double[2];
        var y = Differentiate.ValueAndGradient(new Chain(length, kind), x, gradient);
        Assert.Equal(y, Differentiate.ValueAndGradientForward(new Chain(length, kind), x, forward));
        Near(forward, gradient, 1e-9);
        if (kind < 3) Near([length * y / x[0], y / x[1]], gradient, 1e-9);
        // Once more, after all adjoints are back at 0; and nested, where adjoints are numbers on another tape.
        Differentiate.ValueAndGradient(new Chain(length, kind), x, forward);
        Assert.Equal(gradient, forward);
        var product = new double[2];
        Differentiate.HessianVector(new Chain(1000, kind), x, [1.0, 0], gradient, product);
        var slopes = new double[2];
        Differentiate.ValueAndGradient((ReadOnlySpan<Var<double>> z) =>
        {
            var inner = new Var<double>[2];
            Differentiate.ValueAndGradient(new Chain(1000, kind), z, inner);
            return inner[0];
        }, x, slopes);
        Near(product, slopes, 1e-9);
    }

    [Fact]
    public void Adjoints_that_cancel_leave_nothing_behind()
    {
        double[] gradient = [9.0, 9];
        for (var i = 0; i < 3; i++)
        {
            // What 3·p gets from the memory and from the number just after is 2 − 2.
            Differentiate.ValueAndGradient((ReadOnlySpan<Var<double>> x) =>
            {
                var p = x[0] * x[1];
                var q = 3 * p;
                var r = x[1] * q;
                return r - r + x[1] + (q - q) + 0 * x[0];
            }, [2.0, 1.0], gradient);
            Assert.Equal([0, 1], gradient);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(13)]
    public void All_modes_give_one_gradient_and_the_closed_form(int n)
    {
        var x = Point(n);
        var closed = new double[n];
        for (var i = 0; i + 1 < n; i++)
        {
            closed[i] += -2 * (1 - x[i]) - 400 * x[i] * (x[i + 1] - x[i] * x[i]);
            closed[i + 1] += 200 * (x[i + 1] - x[i] * x[i]);
        }
        double[] forward = new double[n], reverse = new double[n];
        double[] second = new double[n], product = new double[n], hessian = new double[n * n];
        var value = new Rosenbrock().Invoke<double>(x);
        Assert.Equal(value, Differentiate.ValueAndGradientForward(new Rosenbrock(), x, forward));
        Assert.Equal(value, Differentiate.ValueAndGradient(new Rosenbrock(), x, reverse));
        Near(closed, forward, 1e-14);
        Near(closed, reverse, 1e-14);

        var direction = Point(2 * n)[n..];
        Assert.Equal(value, Differentiate.HessianVector(new Rosenbrock(), x, direction, second, product));
        Near(closed, second, 1e-14);
        Differentiate.Hessian(new Rosenbrock(), x, second, hessian);
        for (var i = 0; i < n; i++)
        {
            Assert.Equal(product[i], Enumerable.Range(0, n).Sum(k => hessian[i * n + k] * direction[k]), 1e-9);
            for (var k = 0; k < n; k++) Assert.Equal(hessian[i * n + k], hessian[k * n + i], 1e-12);
        }
        var slope = Differentiate.ValueAndDirectional(new Rosenbrock(), x, direction).Derivative;
        Assert.Equal(closed.Zip(direction, (a, b) => a * b).Sum(), slope, 1e-10);
    }

    [Theory]
    [InlineData(3, 2)]
    [InlineData(8, 3)]
    [InlineData(19, 4)]
    [InlineData(40, 1)]
    public void Jacobians_by_columns_and_by_rows_agree(int n, int m)
    {
        var x = Point(n);
        double[] values = new double[m], reverseValues = new double[m], jacobian = new double[m * n], reverse = new double[m * n];
        Differentiate.Jacobian(new Waves(), x, values, jacobian);
        Differentiate.JacobianReverse(new Waves(), x, reverseValues, reverse);
        Assert.Equal(values, reverseValues);
        Near(jacobian, reverse, 1e-14);
        for (var k = 0; k < m; k++)
            for (var i = 1; i < n; i++)
                Assert.Equal((k + 1) * Math.Cos((k + 1) * x[i]) * x[0], jacobian[k * n + i], 1e-13);
    }

    // ---- nesting ----

    [Fact]
    public void An_inner_derivative_takes_what_it_captures_for_constant()
    {
        // d/dx (x · d/dy (x + y)) = 1, in each mixture of modes (Siskind and Pearlmutter 2005).
        Assert.Equal(1, Differentiate.Derivative(x => x * Differentiate.Derivative(y => x + y, Dual<double>.Constant(1)), 1.0));
        Assert.Equal([1.0], Differentiate.Gradient(x =>
        {
            var outer = x[0];
            return outer * Differentiate.Derivative(y => outer + y, Var<double>.Constant(1));
        }, 1.0));
        Assert.Equal(1, Differentiate.Derivative(x => x * Differentiate.Gradient(y => x + y[0], Dual<double>.Constant(1))[0], 1.0));
        Assert.Equal([1.0], Differentiate.Gradient(x =>
        {
            var outer = x[0];
            return outer * Differentiate.Gradient(y => outer + y[0], Var<double>.Constant(1))[0];
        }, 1.0));
    }

    [Fact]
    public void Derivatives_of_derivatives_go_to_any_depth()
    {
        // The fourth derivative of x⁵ at 2, of four levels in mixed modes.
        var fourth = Differentiate.Derivative(a =>
             Differentiate.Gradient(b => Differentiate.Derivative(c => Differentiate.Gradient(d => Power(d[0]), c)[0], b[0]), a)[0], 2.0);
        Assert.Equal(240, fourth, 1e-11);

        static T Power<T>(T x) where T : IFloatingPointIeee754<T> => x * x * x * x * x;
    }

    [Fact]
    public void An_inner_gradient_of_the_same_type_is_right_if_it_captures_nothing()
    {
        var gradient = Differentiate.Gradient(x => x[0] * Differentiate.Gradient(y => y[0] * y[0] * y[1], 3.0, 2.0)[0] * x[1], 5.0, 7.0);
        Assert.Equal([84.0, 60.0], gradient);
    }

    [Fact]
    public void An_inner_gradient_that_captures_a_variable_of_its_own_type_is_an_error()
    {
        var error = Assert.Throws<InvalidOperationException>(() => Differentiate.Gradient(x =>
        {
            var outer = x[0];
            return outer * Differentiate.Gradient(y => outer * y[0], 1.0)[0];
        }, 2.0));
        Assert.StartsWith("Gradient: the inner function captured a ", error.Message, StringComparison.Ordinal);
        Assert.Equal([3.0], Differentiate.Gradient(x => 3 * x[0], 2.0)); // nothing is left of it
    }

    // ---- errors ----

    [Fact]
    public void Numbers_are_good_only_during_their_call_and_on_their_thread()
    {
        var kept = default(Var<double>);
        Differentiate.Gradient(x => kept = x[0] * x[0], 2.0);
        Assert.Throws<InvalidOperationException>(() => kept * kept);
        Assert.Throws<InvalidOperationException>(() => Differentiate.Gradient(x =>
        {
            var y = x[0];
            Exception? failure = null;
            var other = new Thread(() => failure = Record.Exception(() => { for (var i = 0; i < 70_000; i++) y *= 1.0000001; }));
            other.Start();
            other.Join();
            return failure is null ? y : throw failure;
        }, 2.0));
        Assert.Equal([6.0], Differentiate.Gradient(x => x[0] * x[0], 3.0));
    }

    [Fact]
    public void Spans_of_another_length_are_refused_by_name()
    {
        Assert.StartsWith("ValueAndGradient: expected gradient of 2 numbers, got 1", Assert.Throws<ArgumentException>(() =>
            Differentiate.ValueAndGradient(new Rosenbrock(), [1.0, 2.0], new double[1])).Message, StringComparison.Ordinal);
        Assert.StartsWith("Jacobian: expected jacobian of 4 numbers, got 3", Assert.Throws<ArgumentException>(() =>
            Differentiate.Jacobian(new Waves(), [1.0, 2.0], new double[2], new double[3])).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => Differentiate.Gradient<double>(null!, 1));
    }

    [Fact]
    public void A_function_that_fails_leaves_nothing_behind()
    {
        Assert.Throws<TimeoutException>(() => Differentiate.Gradient(x => x[0] * x[0] == 4 ? throw new TimeoutException() : x[0], 2.0));
        Assert.Equal([12.0], Differentiate.Gradient(x => x[0] * x[0] * x[0], 2.0));
    }

    // ---- the tape ----

    // Π (1 + x/n)ⁿ with a chunk of the tape less, exactly, or more than full.
    [Theory]
    [InlineData(65_534)]
    [InlineData(65_535)]
    [InlineData(65_536)]
    [InlineData(65_537)]
    [InlineData(400_000)]
    public void Long_computations_and_inner_ones_at_the_edge_of_a_chunk(int steps)
    {
        var factor = 1 + 1e-6;
        var gradient = Differentiate.Gradient(x =>
        {
            var y = x[0];
            for (var i = 0; i < steps; i++) y *= factor;
            return y * Differentiate.Gradient(z => z[0] * z[0], 3.0)[0];
        }, 1.0);
        Assert.Equal(6 * Math.Pow(factor, steps), gradient[0], 1e-8);
    }

    // Products of three neighbours, each of them one entry for each factor on the tape.
    private readonly struct Blocks(bool isTaped) : IScalarFunction
    {
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T>
        {
            var sum = T.Zero;
            for (var i = 0; i + 3 <= x.Length; i++)
                sum += isTaped ? Differentiate.Preaccumulate(new Product(), x.Slice(i, 3)) : new Product().Invoke(x.Slice(i, 3));
            return T.Exp(sum);
        }
    }

    private readonly struct Product : IScalarFunction
    {
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T> => T.Sin(x[0] * x[1]) * x[2] * x[2] + T.Zero * x[1];
    }

    private readonly struct Capturing(Var<double> outer) : IScalarFunction
    {
        public T Invoke<T>(ReadOnlySpan<T> x) where T : IFloatingPointIeee754<T> => x[0] * (T)(object)outer;
    }

    [Fact]
    public void A_part_may_be_kept_by_its_derivatives_alone()
    {
        var x = Point(7);
        double[] gradient = new double[7], blocks = new double[7], product = new double[7], blockProduct = new double[7];
        var value = Differentiate.HessianVector(new Blocks(false), x, Point(7), gradient, product);
        Assert.Equal(value, Differentiate.HessianVector(new Blocks(true), x, Point(7), blocks, blockProduct), 1e-14);
        Near(gradient, blocks, 1e-14);
        Near(product, blockProduct, 1e-13);
        Assert.Equal(value, new Blocks(true).Invoke<double>(x), 1e-14);
        Assert.Equal(value, Differentiate.ValueAndGradientForward(new Blocks(true), x, blocks), 1e-14);
        Near(gradient, blocks, 1e-14);
        Assert.Equal(Math.Sin(2) * 9, Differentiate.Preaccumulate(new Product(), [Var<double>.Constant(1), 2, 3]).Value, 1e-14);
        Assert.Equal([9 * Math.Sin(2)], Differentiate.Gradient(v => v[0] * Differentiate.Preaccumulate(new Product(), [Var<double>.Constant(1), 2, 3]), 5.0));
        Assert.Throws<InvalidOperationException>(() => Differentiate.Gradient(v => Differentiate.Preaccumulate(new Capturing(v[0]), [v[1]]), 1.0, 2.0));
        Assert.Equal([2.0], Differentiate.Gradient(v => 2 * v[0], 1.0));
    }

    [Fact]
    public void Threads_do_not_meet()
    {
        var gradients = new double[64];
        Parallel.For(0, gradients.Length, k =>
        {
            for (var i = 0; i < 50; i++) gradients[k] = Differentiate.Gradient(x => Var<double>.Exp(x[0]) * k, 0.5)[0];
        });
        Assert.All(gradients.Index(), g => Assert.Equal(g.Index * Math.Exp(0.5), g.Item, 1e-12));
    }

    [Fact]
    public void The_steady_state_allocates_nothing()
    {
        double[] x = Point(20), direction = Point(20), gradient = new double[20], product = new double[20];
        double[] hessian = new double[400], values = new double[5], jacobian = new double[100];
        ScalarFunction<Var<double>> f = v => GenericMath.Sigmoid(v[0]) * GenericMath.Erf(v[1]) + Var<double>.Exp(v[2]);
        Func<Dual<double>, Dual<double>> g = v => GenericMath.Ndtr(v) * v;
        void Run()
        {
            Differentiate.ValueAndGradient(new Rosenbrock(), x, gradient);
            Differentiate.ValueAndGradientForward(new Rosenbrock(), x, gradient);
            Differentiate.ValueAndGradient(f, x, gradient);
            Differentiate.ValueAndDerivative(g, 0.5);
            Differentiate.HessianVector(new Rosenbrock(), x, direction, gradient, product);
            Differentiate.Hessian(new Rosenbrock(), x, gradient, hessian);
            Differentiate.Jacobian(new Waves(), x, values, jacobian);
            Differentiate.JacobianReverse(new Waves(), x, values, jacobian);
        }
        // Until the runtime has compiled all of it well, which it does when it has time.
        var bytes = long.MaxValue;
        for (var clock = Stopwatch.StartNew(); bytes != 0 && clock.Elapsed.TotalSeconds < 30; Thread.Sleep(50))
        {
            var start = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 100; i++) Run();
            bytes = GC.GetAllocatedBytesForCurrentThread() - start;
        }
        Assert.Equal(0, bytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Differentiate.ReleaseTape<double>();
        Run();
        Assert.NotEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
