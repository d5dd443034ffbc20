using System;
using System.Linq;
using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>What a call takes once a function has been planned.</summary>
public class SteadyStateTests
{
    // One thread, so that all is counted on the caller's. The least of several, since a collection can add to one.
    private static readonly EngineOptions Alone = EngineOptions.Default.WithThreads(1);

    private static long Allocated(Action call)
    {
        for (var i = 0; i < 50; i++) call();
        return Enumerable.Range(0, 5).Min(_ =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 10; i++) call();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        });
    }

    private static NDArray Numbers(params int[] shape) =>
        NDArray.Create([.. Enumerable.Range(0, new Shape(shape).Length).Select(i => (float)Math.Sin(i + 1))], new Shape(shape));

    /// <summary>Functions of one to four arguments that have names, and of arrays of them.</summary>
    public static TheoryData<string> Functions => [.. Compiled.Select(f => f.Name)];

    private static readonly (string Name, Func<CompiledFunction> Make, NDArray[] Args)[] Compiled =
    [
        ("one argument", () => Compile(x => Sum(Square(x)), Alone), [Numbers(300)]),
        ("a table and indices", () => Compile((table, indices) => Sum(Square(Gather(table, indices))), Alone), [Numbers(50, 8), NDArray.Create<long>([3, 1, 4, 1], new Shape([4]))]),
        ("three arguments", () => Compile((x, w, b) => Sum(Tanh(MatMul(x, w) + b)), Alone), [Numbers(20, 30), Numbers(30, 40), Numbers(40)]),
        ("four arguments", () => Compile((x, y, w, v) => Mean(Square(MatMul(x, w) - y) * v), Alone), [Numbers(20, 30), Numbers(20, 4), Numbers(30, 4), Numbers(4)]),
        ("windows", () => Compile((x, w) => Sum(Relu(Conv2d(x, w))), Alone), [Numbers(2, 3, 9, 9), Numbers(4, 3, 3, 3)]),
        ("a loop", () => Compile((x, h) => Sum(Scan((s, e) => (Tanh(s + e), s), h, x).Ys), Alone), [Numbers(12, 5), Numbers(5)]),
        ("a branch", () => Compile((x, y) => Sum(Cond(Sum(x) > 0, v => Tanh(v) * y, v => v * v + y, x)), Alone), [Numbers(40), Numbers(40)]),
        ("a loop with a condition", () => Compile((x, y) => Sum(While(s => Sum(s) < 100, s => s * y + 1, x)), Alone), [Numbers(9), Numbers(9)]),
        ("an array of arguments", () => Compile(xs => [Einsum("ij,jk,kl->", xs)], Alone), [Numbers(5, 6), Numbers(6, 7), Numbers(7, 8)]),
    ];

    [Theory, MemberData(nameof(Functions))]
    public void A_call_into_given_arrays_allocates_nothing(string name)
    {
        var (_, make, args) = Compiled.Single(f => f.Name == name);
        using var f = make();
        var results = f.Call(args);
        Assert.Equal(0, Allocated(() => f.CallInto(results, args)));
        var (value, gradient) = f.ValueAndGradient(args);
        NDArray[] all = [value, .. gradient.OfType<NDArray>()];
        Assert.Equal(0, Allocated(() => f.ValueAndGradientInto(all, args)));
    }
}
