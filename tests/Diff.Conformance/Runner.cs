namespace Diff.Conformance;

/// <summary>What became of a case.</summary>
internal enum Outcome
{
    Passed,
    Failed,
    Skipped,
}

/// <summary>How to run the cases.</summary>
/// <param name="Engines">Every combination of tier and number of threads, named.</param>
/// <param name="Engine">The engine for recipes that run once: the one tier that was asked for or auto, with the most threads.</param>
/// <param name="Effort">The part of the loops of long recipes to go through, 1 for all, 5 for five times as many rounds.</param>
internal sealed record RunOptions(IReadOnlyList<(string Name, EngineOptions Engine)> Engines, EngineOptions Engine, double Effort)
{
    public static readonly string[] Tiers = ["auto", "tiles", "compiled"];

    public static RunOptions Make(string[] tiers, int[] threads, double effort) =>
        new(
            [.. from tier in tiers from n in threads select ($"{tier}, {n} {(n == 1 ? "thread" : "threads")}", Make(tier, n))],
            Make(tiers is [var only] ? only : "auto", threads.Max()),
            effort);

    private static EngineOptions Make(string tier, int threads)
    {
        var engine = EngineOptions.Default.WithThreads(threads);
        return tier switch
        {
            "tiles" => engine.WithoutCompilation(),
            "compiled" => engine.WithCompilationAtOnce(),
            _ => engine,
        };
    }

    /// <summary>A number of repetitions, times the effort, at least 1.</summary>
    public int Times(int count) => Math.Max(1, (int)(count * Effort));
}

internal static class Runner
{
    /// <summary>Runs one case; `why` says what failed or what is missing.</summary>
    public static (Outcome Outcome, string Why) Run(Case c, RunOptions options)
    {
        try
        {
            switch (c.Kind)
            {
                case "eval": EvalCase.Run(c, options); break;
                case "error": ErrorCases.Run(c); break;
                case "stress": StressCases.Run(c, options); break;
                case "file": FileCases.Run(c); break;
                case "fault": FaultCases.Run(c, options); break;
                default: throw new UnsupportedException($"kind {c.Kind}");
            }
            return (Outcome.Passed, "");
        }
        catch (UnsupportedException e)
        {
            return (Outcome.Skipped, e.Message);
        }
        catch (FailureException e)
        {
            return (Outcome.Failed, e.Message);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return (Outcome.Failed, $"{e.GetType().Name}: {e.Message}");
        }
    }
}
