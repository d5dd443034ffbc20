using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>Functions of a few numbers: overhead rather than arithmetic.</summary>
internal static class Scalars
{
    public static readonly Workload[] All =
    [
        new("scalar_f", "float64; f(a,b) = (a/b - a) * (b/a + a + b) * (a - b) at (230.3, 33.2): value, df/da, df/db", ScalarF)
        {
            Expected = (-11606907.0239458, -11606907.0239457),
        },
        new("rosenbrock100_grad", "float64, n=100: value and gradient", RosenbrockGradient),
        new("rosenbrock100_hessian", "float64, n=100: the dense 100x100 Hessian", RosenbrockHessian),
    ];

    private static Job ScalarF(Data data)
    {
        var f = Compile((a, b) => (a / b - a) * (b / a + a + b) * (a - b));
        var gradient = new double[2];
        return new(() => f.ValueAndGrad([230.3, 33.2], gradient), () => f.Profile(230.3, 33.2));
    }

    private static Expr Rosenbrock(Expr x)
    {
        var (a, b) = (x[..^1], x[1..]);
        return Sum(100 * Square(b - a * a) + Square(1 - a));
    }

    private static Job RosenbrockGradient(Data data)
    {
        var f = Compile(Rosenbrock);
        var x = data.Normal64(100);
        return Harness.ValueAndGradient(f, x);
    }

    private static Job RosenbrockHessian(Data data)
    {
        var hessian = Compile(x => Hessian(Rosenbrock(x), x));
        var x = data.Normal64(100);
        return Harness.Value(hessian, x);
    }
}
