using System;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Diff.Kernels;

/// <summary>
/// h[t] = a[t]·h[t−1] + b[t] along an axis, one pass in either direction. Cost: along the last axis each step waits for the one before, 4 cycles for a sum
/// and 8 with a factor; along any other whole rows are computed at once, and memory is the limit. float32 keeps h in float64 and rounds each result once.
/// </summary>
internal static class RecurrenceKernel
{
    private const int Block = 256; // columns whose h are kept at hand

    /// <summary>The recurrence; <paramref name="isOne"/> says that a is one number, the factor of every step.</summary>
    public static void Run<T>(Span<T> a, Span<T> b, Span<T> h, LineShape shape, bool reverse, bool isOne) where T : INumber<T>
    {
        if (b.IsEmpty) return;
        if (typeof(T) != typeof(float) && shape.Width > 1) Rows(a, b, h, shape, reverse, isOne);
        else if (typeof(T) != typeof(float)) Lines<T, T>(a, b, h, shape, reverse, isOne);
        else if (shape.Width > 1) Columns(Single(a), Single(b), Single(h), shape, reverse, isOne);
        else Lines<T, double>(a, b, h, shape, reverse, isOne);
    }

    private static Span<float> Single<T>(Span<T> x) => MemoryMarshal.CreateSpan(ref Unsafe.As<T, float>(ref MemoryMarshal.GetReference(x)), x.Length);

    private static void Lines<T, S>(ReadOnlySpan<T> a, ReadOnlySpan<T> b, Span<T> h, LineShape shape, bool reverse, bool isOne)
        where T : INumber<T>
        where S : INumber<S>
    {
        int n = shape.Length, step = reverse ? -1 : 1;
        for (int line = 0; line < shape.Lines; line++)
        {
            int at = line * n + (reverse ? n - 1 : 0);
            S state = S.CreateTruncating(b[at]);
            h[at] = b[at];
            if (isOne && a[0] == T.One)
            {
                for (int t = 1; t < n; t++)
                {
                    at += step;
                    state += S.CreateTruncating(b[at]);
                    h[at] = T.CreateTruncating(state);
                }
            }
            else
            {
                for (int t = 1; t < n; t++)
                {
                    at += step;
                    state = S.CreateTruncating(a[isOne ? 0 : at]) * state + S.CreateTruncating(b[at]);
                    h[at] = T.CreateTruncating(state);
                }
            }
        }
    }

    private static void Columns(Span<float> a, Span<float> b, Span<float> h, LineShape shape, bool reverse, bool isOne)
    {
        Span<double> block = stackalloc double[Block];
        int n = shape.Length, width = shape.Width, step = reverse ? -width : width, lanes = Vector<double>.Count;
        for (int line = 0; line < shape.Lines; line++)
        {
            for (int column = 0; column < width; column += Block)
            {
                Span<double> states = block[..Math.Min(Block, width - column)];
                int at = (line * n + (reverse ? n - 1 : 0)) * width + column;
                for (int j = 0; j < states.Length; j++) states[j] = b[at + j];
                b.Slice(at, states.Length).CopyTo(h[at..]);
                for (int t = 1; t < n; t++)
                {
                    at += step;
                    Span<float> factors = isOne ? a[..1] : a.Slice(at, states.Length), terms = b.Slice(at, states.Length);
                    Span<float> into = h.Slice(at, states.Length);
                    var factor = new Vector<double>((double)factors[0]);
                    int j = 0;
                    for (; j <= states.Length - 2 * lanes; j += 2 * lanes)
                    {
                        Vector.Widen(new Vector<float>(terms[j..]), out Vector<double> low, out Vector<double> high);
                        Vector<double> byLow = factor, byHigh = factor;
                        if (!isOne) Vector.Widen(new Vector<float>(factors[j..]), out byLow, out byHigh);
                        low += byLow * new Vector<double>(states[j..]);
                        high += byHigh * new Vector<double>(states[(j + lanes)..]);
                        low.CopyTo(states[j..]);
                        high.CopyTo(states[(j + lanes)..]);
                        Vector.Narrow(low, high).CopyTo(into[j..]);
                    }
                    for (; j < states.Length; j++)
                    {
                        states[j] = (double)factors[isOne ? 0 : j] * states[j] + terms[j];
                        into[j] = (float)states[j];
                    }
                }
            }
        }
    }

    private static void Rows<T>(Span<T> a, Span<T> b, Span<T> h, LineShape shape, bool reverse, bool isOne) where T : INumber<T>
    {
        int n = shape.Length, width = shape.Width, step = reverse ? -width : width, lanes = Vector<T>.Count;
        for (int line = 0; line < shape.Lines; line++)
        {
            int at = (line * n + (reverse ? n - 1 : 0)) * width;
            b.Slice(at, width).CopyTo(h[at..]);
            for (int t = 1; t < n; t++)
            {
                Span<T> before = h.Slice(at, width);
                at += step;
                Span<T> factors = isOne ? a[..1] : a.Slice(at, width), terms = b.Slice(at, width), into = h.Slice(at, width);
                var factor = new Vector<T>(factors[0]);
                int j = 0;
                for (; j <= width - lanes; j += lanes)
                {
                    Vector<T> by = isOne ? factor : new Vector<T>(factors[j..]);
                    (by * new Vector<T>(before[j..]) + new Vector<T>(terms[j..])).CopyTo(into[j..]);
                }
                for (; j < width; j++) into[j] = factors[isOne ? 0 : j] * before[j] + terms[j];
            }
        }
    }
}
