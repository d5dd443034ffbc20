namespace Diff.Kernels;

/// <summary>A vector width: one source serves 512, 256 and 128 bits. A mask is a vector whose lanes are all ones or all zeros.</summary>
internal unsafe interface ISimd<T, V> where T : unmanaged where V : struct
{
    /// <summary>The lanes.</summary>
    static abstract int Count { get; }
    static abstract V Load(T* source);
    static abstract void Store(V x, T* target);
    /// <summary>The first `count` lanes from memory, the others 0; no byte beyond is touched.</summary>
    static abstract V LoadPart(T* source, int count);
    /// <summary>The first `count` lanes to memory; no byte beyond is touched.</summary>
    static abstract void StorePart(V x, T* target, int count);
    static abstract V Broadcast(T x);
    /// <summary>The number in every lane, rounded to the element type; for numbers known to the compiler.</summary>
    static abstract V Constant(double x);
    /// <summary>The mask of the first `count` lanes.</summary>
    static abstract V First(int count);
    /// <summary>One fused instruction where the machine has it (x86 from 2013, Arm64), else two.</summary>
    static abstract V MultiplyAdd(V x, V y, V z);
    /// <summary>The same with a number known to the compiler.</summary>
    static abstract V MultiplyAdd(V x, V y, double z);
    /// <summary>All lanes but the last `count` set to zero.</summary>
    static abstract V KeepLast(V x, int count);
    static abstract T Sum(V x);
    /// <summary>The largest lane; NaN if one is NaN.</summary>
    static abstract T Largest(V x);
    static abstract T Smallest(V x);

    static abstract V Add(V x, V y);
    static abstract V Sub(V x, V y);
    static abstract V Mul(V x, V y);
    static abstract V Div(V x, V y);
    static abstract V Neg(V x);
    static abstract V Abs(V x);
    static abstract V Sqrt(V x);
    /// <summary>The larger; NaN if one is NaN; +0 is above −0 (IEEE 754-2019, maximum).</summary>
    static abstract V Max(V x, V y);
    /// <summary>The smaller; NaN if one is NaN; −0 is below +0.</summary>
    static abstract V Min(V x, V y);
    /// <summary>The smaller, in one instruction; a NaN in x stays, the sign of a zero is open.</summary>
    static abstract V AtMost(V x, V bound);
    /// <summary>The larger, in one instruction; a NaN in x stays, the sign of a zero is open.</summary>
    static abstract V AtLeast(V x, V bound);
    static abstract V Floor(V x);
    /// <summary>x·2ⁿ, rounded once, for integers |n| ≤ 2000 (T = double) or 250 (float), and for n = ±∞ some number or NaN.</summary>
    static abstract V Scale(V x, V n);
    /// <summary>x = m·2ᵉ with 0.75 ≤ m &lt; 1.5, also for denormals; e = −∞ for 0, ∞ for ∞, NaN for NaN and below 0 (m is then anything).</summary>
    static abstract V Split(V x, out V e);
    static abstract V Equal(V x, V y);
    static abstract V Less(V x, V y);
    static abstract V LessEqual(V x, V y);
    static abstract V And(V x, V y);
    static abstract V Or(V x, V y);
    static abstract V Not(V x);
    static abstract V Xor(V x, V y);
    static abstract V Select(V mask, V x, V y);
    /// <summary>Whether x is less than y in some lane.</summary>
    static abstract bool AnyLess(V x, V y);
    /// <summary>The lanes as integers, shifted.</summary>
    static abstract V ShiftLeft(V x, int count);
    /// <summary>The lanes as integers, shifted, copies of the highest bit coming in.</summary>
    static abstract V ShiftRight(V x, int count);
    /// <summary>The sum of the lanes as integers.</summary>
    static abstract V AddBits(V x, V y);
    /// <summary>The difference of the lanes as integers.</summary>
    static abstract V SubBits(V x, V y);
}
