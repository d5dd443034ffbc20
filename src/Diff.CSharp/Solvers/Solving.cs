using System.Runtime.CompilerServices;
using Microsoft.FSharp.Core;

namespace Diff;

/// <summary>What the solvers' F# signatures need.</summary>
internal static class Solving
{
    /// <summary>The options with the caller's progress and cancellation in them.</summary>
    public static T Told<T>(T? options, IProgress<SolverProgress>? progress, CancellationToken cancellation) where T : SolverOptions, new() =>
        (T)(options ?? new T()).With(progress, cancellation);

    public static FSharpFunc<Expr, Expr> Traced(Func<Expr, Expr> f, [CallerArgumentExpression(nameof(f))] string name = "") =>
        FuncConvert.FromFunc(Given(f, name));

    /// <summary>A compiled function of one argument with one result, as a function that is traced.</summary>
    public static FSharpFunc<Expr, Expr> Traced(CompiledFunction f, [CallerArgumentExpression(nameof(f))] string name = "")
    {
        ArgumentNullException.ThrowIfNull(f, name);
        return FuncConvert.FromFunc((Expr x) => f.Apply(x) is [var only]
            ? only
            : throw new InvalidOperationException("solver: expected a compiled function with one result; give one that returns what is to be solved"));
    }
}
