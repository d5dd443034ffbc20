using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>What a step draws, and how many: the same number from each key.</summary>
internal sealed record RandomPlan
{
    public required RandomDraw Draw { get; init; }
    public required LoopType Type { get; init; }
    public required long Keys { get; init; }
    public required long PerKey { get; init; }

    /// <summary>Of integers below a bound: the bound.</summary>
    public ulong Bound { get; init; }
}

/// <summary>
/// Random numbers from keys. An element depends on its key and its place alone, so neither the cut into chunks nor the width of vectors changes a bit.
/// Measured in one thread of a busy Zen 4, in ns an element of 8 bytes: bits 1.9, uniform 2.1, integers 5, normal 8, exponential and permutation 13,
/// Gumbel 26, truncated normal 30 to 60, gamma 80 and more.
/// </summary>
internal sealed unsafe class RandomStep(RandomPlan plan, Place[] args, Place to) : ChunkedStep
{
    private const int ChunkElements = 1 << 13, BufferWords = 512;

    private interface ISampler<T> where T : unmanaged { static abstract T Of(ulong word); }

    public override void Run(nint* table, int threads)
    {
        long count = plan.Keys * plan.PerKey;
        long chunks = plan.Draw == RandomDraw.Permutation ? plan.Keys : (count + ChunkElements - 1) / ChunkElements;
        if (count > 0) RunChunks(table, (int)Math.Min(chunks, 1 << 16), threads);
    }

    protected override void RunChunk(nint* table, int chunk, int chunks)
    {
        ulong* keys = (ulong*)At(table, args[0]);
        byte* target = (byte*)At(table, to);
        if (plan.Draw == RandomDraw.Permutation)
        {
            for (long k = plan.Keys * chunk / chunks; k < plan.Keys * (chunk + 1) / chunks; k++)
                Permute(keys[k], (long*)target + k * plan.PerKey, plan.PerKey);
            return;
        }
        long count = plan.Keys * plan.PerKey, end = (long)((Int128)count * (chunk + 1) / chunks);
        for (long first = (long)((Int128)count * chunk / chunks); first < end;)
        {
            long k = first / plan.PerKey, i = first - k * plan.PerKey, n = Math.Min(end - first, plan.PerKey - i);
            Draw(table, keys[k], i, n, first, target);
            first += n;
        }
    }

    private static void* At(nint* table, Place place) => (void*)(table[place.Entry] + place.Bytes);

    // Elements i … i + n − 1 of a key, which are those from `first` on of the whole.
    private void Draw(nint* table, ulong key, long i, long n, long first, byte* target)
    {
        bool isDouble = plan.Type == LoopType.Float64;
        switch (plan.Draw)
        {
            case RandomDraw.Bits when plan.Type == LoopType.Int32: Bits32(key, i, n, (uint*)target + first); break;
            case RandomDraw.Bits: Sample<ulong, Words>(key, i, n, (ulong*)target + first); break;
            case RandomDraw.Uniform when isDouble: Sample<double, Uniforms>(key, i, n, (double*)target + first); break;
            case RandomDraw.Uniform: Sample<float, UniformSingles>(key, i, n, (float*)target + first); break;
            case RandomDraw.Normal: Normal(key, i, n, first, target); break;
            case RandomDraw.Exponential: Sample<Exponentials>(key, i, n, first, target); break;
            case RandomDraw.Laplace: Sample<Laplaces>(key, i, n, first, target); break;
            case RandomDraw.Gumbel: Sample<Gumbels>(key, i, n, first, target); break;
            case RandomDraw.Logistic: Sample<Logistics>(key, i, n, first, target); break;
            case RandomDraw.Split:
                for (long j = 0; j < n; j++) ((ulong*)target)[first + j] = Philox.Block(key, (ulong)(i + j), RandomUse.Split).Low;
                break;
            case RandomDraw.FoldIn:
                for (long j = 0; j < n; j++) ((ulong*)target)[first + j] = Philox.Block(key, ((ulong*)At(table, args[1]))[first + j], RandomUse.FoldIn).Low;
                break;
            case RandomDraw.Below: Below(key, i, n, first, target); break;
            case RandomDraw.Gamma:
                for (long j = 0; j < n; j++) Set(target, first + j, RandomNumber.Gamma(key, (ulong)(i + j), Get((byte*)At(table, args[1]), first + j)));
                break;
            case RandomDraw.LogGamma:
                for (long j = 0; j < n; j++) Set(target, first + j, RandomNumber.LogGamma(key, (ulong)(i + j), Get((byte*)At(table, args[1]), first + j)));
                break;
            case RandomDraw.TruncatedNormal: Truncated(key, i, n, first, (byte*)At(table, args[1]), (byte*)At(table, args[2]), target); break;
            default: throw new InvalidOperationException($"{plan.Draw} is not drawn element by element.");
        }
    }

    private double Get(byte* at, long i) => plan.Type == LoopType.Float64 ? ((double*)at)[i] : ((float*)at)[i];

    private void Set(byte* at, long i, double value)
    {
        if (plan.Type == LoopType.Float64) ((double*)at)[i] = value;
        else ((float*)at)[i] = (float)value;
    }

    private static void Bits32(ulong key, long i, long n, uint* to)
    {
        ulong* words = stackalloc ulong[BufferWords];
        for (long j = 0; j < n;)
        {
            long block = (i + j) >> 2;
            Philox.Fill(key, (ulong)block, words, BufferWords / 2);
            for (; j < n && (i + j - 4 * block) < 2 * BufferWords; j++)
            {
                long at = i + j - 4 * block;
                to[j] = (uint)(words[at >> 1] >> (int)(32 * (at & 1)));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sample<T, F>(ulong key, long i, long n, T* to) where T : unmanaged where F : ISampler<T>
    {
        ulong* words = stackalloc ulong[BufferWords];
        for (long j = 0; j < n;)
        {
            int skip = (int)((i + j) & 1), count = (int)Math.Min(BufferWords - skip, n - j);
            Philox.Fill(key, (ulong)(i + j) >> 1, words, (skip + count + 1) / 2);
            for (int k = 0; k < count; k++) to[j + k] = F.Of(words[skip + k]);
            j += count;
        }
    }

    private void Sample<F>(ulong key, long i, long n, long first, byte* target) where F : ISampler<double>
    {
        if (plan.Type == LoopType.Float64) Sample<double, F>(key, i, n, (double*)target + first);
        else Sample<float, Rounded<F>>(key, i, n, (float*)target + first);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Normal(ulong key, long i, long n, long first, byte* target)
    {
        ulong* words = stackalloc ulong[BufferWords];
        double* values = stackalloc double[BufferWords];
        for (long j = 0; j < n;)
        {
            int skip = (int)((i + j) & 1), count = (int)Math.Min(BufferWords - skip, n - j);
            Philox.Fill(key, (ulong)(i + j) >> 1, words, (skip + count + 1) / 2);
            RandomNumber.Normals(words + skip, values, count);
            for (int k = 0; k < count; k++) Set(target, first + j + k, values[k]);
            j += count;
        }
    }

    private void Below(ulong key, long i, long n, long first, byte* target)
    {
        ulong* words = stackalloc ulong[BufferWords];
        for (long j = 0; j < n;)
        {
            int skip = (int)((i + j) & 1), count = (int)Math.Min(BufferWords - skip, n - j);
            Philox.Fill(key, (ulong)(i + j) >> 1, words, (skip + count + 1) / 2);
            for (int k = 0; k < count; k++, j++)
            {
                long value = RandomNumber.Below(key, (ulong)(i + j), words[skip + k], plan.Bound);
                if (plan.Type == LoopType.Int64) ((long*)target)[first + j] = value;
                else ((int*)target)[first + j] = (int)value;
            }
        }
    }

    private void Truncated(ulong key, long i, long n, long first, byte* low, byte* high, byte* target)
    {
        TruncatedNormal bounds = default;
        for (long j = 0; j < n; j++)
        {
            double a = Get(low, first + j), b = Get(high, first + j);
            // Bounds are mostly the same for many elements.
            if (j == 0 || !bounds.IsFor(a, b)) bounds = new TruncatedNormal(a, b);
            Set(target, first + j, RandomNumber.Truncated(bounds, Philox.Word(key, (ulong)(i + j))));
        }
    }

    /// <summary>0 … n − 1 in an order of which each is equally likely (Fisher and Yates 1938; Durstenfeld 1964).</summary>
    public static void Permute(ulong key, long* to, long n)
    {
        for (long j = 0; j < n; j++)
        {
            long at = RandomNumber.Below(key, (ulong)j, Philox.Word(key, (ulong)j), (ulong)j + 1);
            to[j] = to[at];
            to[at] = j;
        }
    }

    private readonly struct Words : ISampler<ulong> { public static ulong Of(ulong word) => word; }
    private readonly struct Uniforms : ISampler<double> { public static double Of(ulong word) => RandomNumber.Uniform(word); }
    private readonly struct UniformSingles : ISampler<float> { public static float Of(ulong word) => RandomNumber.UniformSingle(word); }
    private readonly struct Exponentials : ISampler<double> { public static double Of(ulong word) => RandomNumber.Exponential(word); }
    private readonly struct Laplaces : ISampler<double> { public static double Of(ulong word) => RandomNumber.Laplace(word); }
    private readonly struct Gumbels : ISampler<double> { public static double Of(ulong word) => RandomNumber.Gumbel(word); }
    private readonly struct Logistics : ISampler<double> { public static double Of(ulong word) => RandomNumber.Logistic(word); }
    private readonly struct Rounded<F> : ISampler<float> where F : ISampler<double> { public static float Of(ulong word) => (float)F.Of(word); }
}
