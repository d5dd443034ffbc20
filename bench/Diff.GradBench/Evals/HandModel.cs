namespace Diff.GradBench;

/// <summary>Hands of our own for the eval of hand tracking, of the sizes that the benchmark's have.</summary>
internal static class HandModel
{
    private const int Bones = 22, Vertices = 10_000, Triangles = 19_000;

    public static Eval<Ht.Input> Sized(Eval<Ht.Input> eval)
    {
        foreach (var c in (int[])[100, 800, 6400, 51_200, 100_000]) eval.With($"complicated,c={c}", () => Input(c));
        return eval;
    }

    private static Ht.Input Input(int c)
    {
        var random = new Random(15);
        int[] Below(int bound, int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(bound))];
        var model = new Ht.Model(
            Bones,
            [-1, .. Enumerable.Range(1, Bones - 1).Select(bone => bone % 4 == 1 && bone < 21 ? 0 : bone - 1)],
            [.. Enumerable.Range(0, Bones).Select(_ => Rigid(random))],
            [.. Enumerable.Range(0, Bones).Select(_ => Rigid(random))],
            [.. Draws.Uniform(16, Vertices, 3).Select(row => (double[])[.. row, 1])],
            [.. Draws.Uniform(17, Vertices, Bones).Select(Normalized)],
            [.. Enumerable.Range(0, Triangles).Select(_ => Below(Vertices, 3))],
            IsMirrored: false);
        var data = new Ht.Data(model, Below(Triangles, c), Draws.Uniform(18, c, 3));
        return new(Draws.Normal(19, 26), data, Draws.Uniform(20, c, 2));
    }

    private static double[] Normalized(double[] row) => Array.ConvertAll(row, x => x / row.Sum());

    // A turn about the third axis, and a move.
    private static double[][] Rigid(Random random)
    {
        var (sin, cos) = Math.SinCos(random.NextDouble());
        return [[cos, -sin, 0, random.NextDouble()], [sin, cos, 0, random.NextDouble()], [0, 0, 1, random.NextDouble()], [0, 0, 0, 1]];
    }
}
