using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Diff.Samples;
using static Diff.Ops;

namespace Diff.Benchmarks;

/// <summary>Matrix products beside those of a library with the C interface of BLAS, in the same process and in turn.</summary>
internal static unsafe class Products
{
    // Small ones are done many at a time, since no one does a single one: ours as one batched product, the library's one call after the other.
    private const double LeastFlops = 2e6;
    private const int Rounds = 5;

    private static readonly (int M, int K, int N)[] shapes =
    [
        (8, 8, 8), (16, 16, 16), (32, 32, 32), (64, 64, 64), (128, 128, 128), (256, 256, 256), (512, 512, 512), (1024, 1024, 1024),
        (128, 784, 512), (784, 128, 512), (32, 512, 512), (512, 512, 32), (128, 512, 10), (1, 512, 512), (512, 512, 1), (8, 100, 100), (16, 128, 128), (2048, 64, 64), (64, 2048, 64),
    ];

    /// <summary>One line of JSON for each shape, layout and type: 10⁹ operations a second of both, and their ratio. False if results differ.</summary>
    public static bool Compare(string library, int threads, double seconds, string[] only)
    {
        if (only.FirstOrDefault(name => !shapes.Any(s => Name(s) == name)) is { } unknown)
            throw new UsageException($"--only: there is no product {unknown}; there are {string.Join(", ", shapes.Select(Name))}");
        if (!NativeLibrary.TryLoad(library, out var blas)) throw new UsageException($"--products: {library} is no library that can be loaded");
        if (NativeLibrary.TryGetExport(blas, "openblas_set_num_threads", out var set)) ((delegate* unmanaged<int, void>)set)(threads);
        var right = true;
        List<double> ratios = [];
        foreach (var type in new[] { "f32", "f64" })
            foreach (var shape in shapes.Where(s => only.Length == 0 || only.Contains(Name(s))))
                foreach (var layout in new[] { "nn", "nt", "tn", "tt" })
                {
                    var (theirs, ours, error) = type == "f32" ? Pair<float>(blas, shape, layout, seconds) : Pair<double>(blas, shape, layout, seconds);
                    right &= error < (type == "f32" ? 1e-4 : 1e-12);
                    ratios.Add(ours / theirs);
                    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                        $$"""{"suite":"products","name":"{{Name(shape)}} {{layout}} {{type}}","threads":{{threads}},"library":{{theirs:F1}},"ours":{{ours:F1}},"ratio":{{ours / theirs:F2}},"error":{{error:E1}}}"""));
                }
        ratios.Sort();
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{ratios.Count} products: median ratio {ratios[ratios.Count / 2]:F2}, lowest {ratios[0]:F2}, below 0.95: {ratios.Count(r => r < 0.95)}, below 0.85: {ratios.Count(r => r < 0.85)}"));
        return right;
    }

    private static string Name((int M, int K, int N) shape) => $"{shape.M}x{shape.K}x{shape.N}";

    private static (double Theirs, double Ours, double Error) Pair<T>(nint blas, (int M, int K, int N) shape, string layout, double seconds) where T : unmanaged
    {
        var (m, k, n) = shape;
        var flops = 2.0 * m * k * n;
        var count = (int)Math.Max(1, LeastFlops / flops);
        var data = new Data(1);
        // One product is written without the axis of the batch.
        var batch = count > 1 ? "b" : "";
        NDArray Random(int rows, int columns)
        {
            int[] shape = count > 1 ? [count, rows, columns] : [rows, columns];
            return typeof(T) == typeof(float) ? data.Normal(shape) : data.Normal64(shape);
        }
        var a = layout[0] == 'n' ? Random(m, k) : Random(k, m);
        var b = layout[1] == 'n' ? Random(k, n) : Random(n, k);
        var spec = $"{batch}{(layout[0] == 'n' ? "ik" : "ki")},{batch}{(layout[1] == 'n' ? "kj" : "jk")}->{batch}ij";
        var product = Compile(xs => [Einsum(spec, xs[0], xs[1])]);
        NDArray[] args = [a, b];
        var ours = product.Call(args);
        T[] x = a.ToArray<T>(), y = b.ToArray<T>(), z = new T[count * m * n];
        var call = Call<T>(blas, layout, m, k, n);
        double oursBest = double.MaxValue, theirsBest = double.MaxValue;
        fixed (T* px = x, py = y, pz = z)
        {
            var (from, by, into) = ((nint)px, (nint)py, (nint)pz);
            void Theirs()
            {
                for (var i = 0; i < count; i++) call((T*)from + ((nint)i * m * k), (T*)by + ((nint)i * k * n), (T*)into + ((nint)i * m * n));
            }
            for (var round = 0; round < Rounds; round++)
            {
                oursBest = Math.Min(oursBest, Shortest(() => product.CallInto(ours, args), seconds / Rounds));
                theirsBest = Math.Min(theirsBest, Shortest(Theirs, seconds / Rounds));
            }
        }
        double error = 0;
        for (var i = 0; i < z.Length; i++) error = Math.Max(error, Math.Abs(Convert.ToDouble(z[i], CultureInfo.InvariantCulture) - ours[0].Float(i)) / Math.Sqrt(k));
        return (count * flops / theirsBest / 1e9, count * flops / oursBest / 1e9, error);
    }

    private static double Shortest(Action run, double seconds)
    {
        var best = double.MaxValue;
        var began = Stopwatch.GetTimestamp();
        do
        {
            var at = Stopwatch.GetTimestamp();
            run();
            best = Math.Min(best, Stopwatch.GetElapsedTime(at).TotalSeconds);
        }
        while (Stopwatch.GetElapsedTime(began).TotalSeconds < seconds);
        return best;
    }

    private delegate void Product<T>(T* a, T* b, T* c) where T : unmanaged;

    // cblas_?gemm in row-major order.
    private static Product<T> Call<T>(nint blas, string layout, int m, int k, int n) where T : unmanaged
    {
        const int RowMajor = 101, Plain = 111, Transposed = 112;
        var (ta, tb) = (layout[0] == 'n' ? Plain : Transposed, layout[1] == 'n' ? Plain : Transposed);
        var (lda, ldb) = (layout[0] == 'n' ? k : m, layout[1] == 'n' ? n : k);
        if (typeof(T) == typeof(float))
        {
            var f = (delegate* unmanaged<int, int, int, int, int, int, float, void*, int, void*, int, float, void*, int, void>)NativeLibrary.GetExport(blas, "cblas_sgemm");
            return (a, b, c) => f(RowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, 0, c, n);
        }
        var g = (delegate* unmanaged<int, int, int, int, int, int, double, void*, int, void*, int, double, void*, int, void>)NativeLibrary.GetExport(blas, "cblas_dgemm");
        return (a, b, c) => g(RowMajor, ta, tb, m, n, k, 1, a, lda, b, ldb, 0, c, n);
    }
}
