namespace Diff.GradBench;

/// <summary>All evals.</summary>
internal static class Catalogue
{
    public static IReadOnlyList<Eval> All { get; } =
    [
        Hello.Eval, Lse.Eval, Llsq.Eval, Det.Eval, Ode.Eval, Kmeans.Eval, Gmm.Eval, Ba.Eval, Lstm.Eval, Ht.Eval, Particle.Eval, Saddle.Eval,
    ];

    public static Eval? Find(string name) => All.FirstOrDefault(eval => eval.Name == name);
}
