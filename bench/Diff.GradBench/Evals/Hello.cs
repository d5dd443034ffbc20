namespace Diff.GradBench;

/// <summary>The square of a number.</summary>
internal static class Hello
{
    public static Eval<double> Eval { get; } = new Eval<double>("hello")
    {
        { "square", x => Job.Of(() => x * x) },
        { "double", x => Job.Of(() => Differentiate.Derivative(y => y * y, x)) },
    }.With("1", () => 3);
}
