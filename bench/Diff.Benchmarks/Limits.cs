using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Diff.Benchmarks;

/// <summary>
/// What the machine can do at best: some of the workloads written by hand, into arrays that are there already, and its rates. The memory
/// is never given back: a process measures one workload.
/// </summary>
internal static unsafe class Limits
{
    private const int Line = 64; // bytes: a line of the cache, and the widest vector
    private const int LineFloats = Line / sizeof(float);
    private const int CopyBytes = 1 << 27;
    private const int Rounds = 1 << 20;
    private const int Stride = 997; // which elements are checked: some of every thread's, in every lane

    public static readonly Workload[] All =
    [
        new("scalar_f", "derivatives written by hand, one thread", d => ScalarF(d)) { Expected = (-11606907.0239458, -11606907.0239457) },
        new("rosenbrock100_grad", "derivatives written by hand, scalar code, one thread", d => RosenbrockGradient(d)),
        new("rosenbrock100_hessian", "derivatives written by hand, scalar code, one thread", d => RosenbrockHessian(d)),
        new("gelu_grad_1m", "value and gradient in one vector loop", d => Gelu(d, 1_000_000)) { Expected = (0.27e6, 0.29e6) },
        new("gelu_grad_10m", "value and gradient in one vector loop", d => Gelu(d, 10_000_000)) { Expected = (0.27e7, 0.29e7) },
        new("chain12_10m", "one vector loop", d => Chain(d)),
        new("adam_10m", "one vector loop in place", d => Adam(d)),
        new("memcpy", "copies 128 MiB with the runtime's copy; what is read and what is written both count", d => Copy(d, stream: false))
        {
            Work = (2.0 * CopyBytes, "GB/s"),
        },
        new("copy_streamed", "copies 128 MiB past the cache: no line of the target is read; counts as memcpy does", d => Copy(d, stream: true))
        {
            Work = (2.0 * CopyBytes, "GB/s"),
        },
        new("fma_f32", "multiply-adds in registers, float32", d => MultiplyAdds(d, 0.5f)) { Work = (Operations<float>(), "GFLOP/s") },
        new("fma_f64", "multiply-adds in registers, float64", d => MultiplyAdds(d, 0.5)) { Work = (Operations<double>(), "GFLOP/s") },
    ];

    private static bool Widest => Vector512.IsHardwareAccelerated;

    // ---- Scalar code ----

    private static Func<double> ScalarF(Data data)
    {
        // From memory, so that nothing is computed when it is compiled.
        double[] at = [230.3, 33.2], gradient = new double[2];
        return () =>
        {
            var (a, b) = (at[0], at[1]);
            var (u, v, w) = (a / b - a, b / a + a + b, a - b);
            var uv = u * v;
            gradient[0] = ((1 / b - 1) * v + u * (1 - b / (a * a))) * w + uv;
            gradient[1] = (u * (1 / a + 1) - a / (b * b) * v) * w - uv;
            return uv * w;
        };
    }

    private static Func<double> RosenbrockGradient(Data data)
    {
        var x = data.Normal64(100).ToArray<double>();
        var gradient = new double[x.Length];
        return () =>
        {
            var (value, next) = (0.0, 0.0); // next: what the pair before says about this element
            for (var i = 0; i + 1 < x.Length; i++)
            {
                var (square, line) = (x[i + 1] - x[i] * x[i], 1 - x[i]);
                value += 100 * square * square + line * line;
                gradient[i] = next - 400 * x[i] * square - 2 * line;
                next = 200 * square;
            }
            gradient[^1] = next;
            return value;
        };
    }

    private static Func<double> RosenbrockHessian(Data data)
    {
        var x = data.Normal64(100).ToArray<double>();
        var n = x.Length;
        var hessian = new double[n * n];
        return () =>
        {
            Array.Clear(hessian); // as a new one is
            for (var i = 0; i + 1 < n; i++)
            {
                hessian[i * n + i] += 1200 * x[i] * x[i] - 400 * x[i + 1] + 2;
                hessian[i * n + i + 1] = hessian[(i + 1) * n + i] = -400 * x[i];
                hessian[(i + 1) * n + i + 1] = 200;
            }
            return hessian[0];
        };
    }

    // ---- Loops over large arrays ----

    private static Func<double> Gelu(Data data, int n)
    {
        float* x = Normal(data, n), gradients = Allocate(n);
        var sums = new double[data.Threads];
        var stream = n * 2L * sizeof(float) > 1 << 26; // larger than the caches
        var team = new Team(data.Threads, part =>
        {
            var (from, to) = Share(n, part, data.Threads);
            sums[part] = Widest
                ? Loops.Gelu<Wide512<float>>(x, gradients, from, to, stream)
                : Loops.Gelu<Wide256<float>>(x, gradients, from, to, stream);
        });
        team.Run();
        for (var i = 0; i < n; i += Stride)
        {
            double e = x[i], scale = Math.Sqrt(2 / Math.PI), tanh = Math.Tanh(scale * (e + 0.044715 * e * e * e));
            Near(0.5 * (1 + tanh) + 0.5 * e * (1 - tanh * tanh) * scale * (1 + 3 * 0.044715 * e * e), gradients[i]);
        }
        return () =>
        {
            team.Run();
            return sums.Sum();
        };
    }

    private static Func<double> Chain(Data data)
    {
        const int N = 10_000_000;
        float* x = Normal(data, N), y = Normal(data, N), target = Allocate(N);
        var team = new Team(data.Threads, part =>
        {
            var (from, to) = Share(N, part, data.Threads);
            if (Widest) Loops.Chain<Wide512<float>>(x, y, target, from, to);
            else Loops.Chain<Wide256<float>>(x, y, target, from, to);
        });
        team.Run();
        for (var i = 0; i < N; i += Stride)
        {
            double a = x[i], b = y[i], z = a * b + a;
            Near(((z * z - b) / (1 + a * a) + b * 0.5) * (a - b) + 1, target[i]);
        }
        return () =>
        {
            team.Run();
            return target[0];
        };
    }

    private static Func<double> Adam(Data data)
    {
        const int N = 10_000_000;
        float* weight = Normal(data, N), gradient = Normal(data, N), mean = Allocate(N), square = Allocate(N);
        var step = 0;
        var team = new Team(data.Threads, part =>
        {
            var (from, to) = Share(N, part, data.Threads);
            if (Widest) Loops.Adam<Wide512<float>>(weight, gradient, mean, square, from, to, step);
            else Loops.Adam<Wide256<float>>(weight, gradient, mean, square, from, to, step);
        });
        double Step()
        {
            step++;
            team.Run();
            return weight[0];
        }
        var before = new Span<float>(weight, N).ToArray();
        Step();
        for (var i = 0; i < N; i += Stride)
            if (Math.Abs(gradient[i]) > 1e-3f) Near(before[i] - 1e-3 * Math.Sign(gradient[i]), weight[i]); // the first step is as long as the rate
        return Step;
    }

    // ---- Rates ----

    private static Func<double> Copy(Data data, bool stream)
    {
        const int N = CopyBytes / sizeof(float);
        float* source = Normal(data, N), target = Allocate(N);
        var team = new Team(data.Threads, part =>
        {
            var (from, to) = Share(N, part, data.Threads);
            var bytes = (to - from) * sizeof(float);
            if (!stream) Buffer.MemoryCopy(source + from, target + from, bytes, bytes);
            else if (Widest) Loops.Copy<Wide512<float>>(source, target, from, to);
            else Loops.Copy<Wide256<float>>(source, target, from, to);
        });
        team.Run();
        for (var i = 0; i < N; i += Stride) Near(source[i], target[i]);
        return () =>
        {
            team.Run();
            return target[N - 1];
        };
    }

    private static double Operations<T>() where T : unmanaged =>
        2.0 * Loops.Chains * Rounds * (Widest ? Vector512<T>.Count : Vector256<T>.Count);

    private static Func<double> MultiplyAdds<T>(Data data, T half) where T : unmanaged
    {
        var sums = new T[data.Threads];
        var team = new Team(data.Threads, part =>
        {
            var (from, to) = Share(Rounds, part, data.Threads);
            sums[part] = Widest
                ? Loops.MultiplyAdds<T, Wide512<T>>(half, half, to - from)
                : Loops.MultiplyAdds<T, Wide256<T>>(half, half, to - from);
        });
        return () =>
        {
            team.Run();
            return Convert.ToDouble(sums[0], null);
        };
    }

    // ---- Memory and parts of it ----

    private static float* Allocate(int n)
    {
        var memory = (float*)NativeMemory.AlignedAlloc((nuint)n * sizeof(float), Line);
        new Span<float>(memory, n).Clear();
        return memory;
    }

    private static float* Normal(Data data, int n)
    {
        var memory = Allocate(n);
        data.Normal(n).Span<float>().CopyTo(new Span<float>(memory, n));
        return memory;
    }

    // Whole lines, so that no two threads write into one.
    private static (nint From, nint To) Share(int n, int part, int parts)
    {
        long lines = n / LineFloats;
        return ((nint)(lines * part / parts) * LineFloats, (nint)(lines * (part + 1) / parts) * LineFloats);
    }

    private static void Near(double right, double computed)
    {
        if (!(Math.Abs(computed - right) <= 1e-5 * (1 + Math.Abs(right))))
            throw new InvalidOperationException($"wrong value: {computed:R} instead of {right:R}");
    }
}
