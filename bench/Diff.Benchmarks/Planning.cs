using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>From a function to machine code, in a process that has done so before: trace, differentiate, simplify, plan, run once.</summary>
internal static class Planning
{
    public static readonly Workload[] All =
    [
        new("first_call", "float64: the scalar function of the README, compiled anew each time: value and gradient", d => FirstCall(d))
        {
            Expected = (-11606907.0239458, -11606907.0239457),
        },
        new("plan_10000", "float64, 16 elements: 10,000 nodes, a chain with branches, compiled anew and run once", d => Wide(d)),
    ];

    private static Func<double> FirstCall(Data data) => () =>
    {
        using var f = Compile((a, b) => (a / b - a) * (b / a + a + b) * (a - b));
        return f.ValueAndGrad(230.3, 33.2).Value;
    };

    private static Func<double> Wide(Data data)
    {
        var x = data.Normal64(16);
        return () =>
        {
            using var f = Compile(v =>
            {
                var y = v;
                for (var i = 0; i < 2_500; i++) y = Sin(y) * 0.5 + Cos(v) * y; // four nodes a turn, beside what all share
                return Sum(y);
            });
            return f.Call(x)[0].Span<double>()[0];
        };
    }
}
