using System;
using System.Linq;

namespace Diff.Kernels;

/// <summary>
/// Where the elements of a batched matrix product C[b, i, j] = Σ_k A[b, i, k] · B[b, k, j] lie. Each operand has a table of element offsets for
/// each of its three labels, of which the sum is the address; so any einsum of two operands is one product, without a copy.
/// Made once for a node and used for every evaluation.
/// </summary>
public sealed class GemmPlan
{
    /// <summary>The stride of a table whose steps are not all equal.</summary>
    internal const int Irregular = int.MinValue;

    // The kernels hold a row of C in vectors. A product whose C is contiguous along its columns, or has very few columns, is therefore computed
    // transposed, Cᵀ = Bᵀ · Aᵀ, which costs nothing: the operands change roles. All that follows is named after the change.
    internal readonly bool Swapped;
    internal readonly int M, N, ADepthStride, BDepthStride, BColStride, CColStride;

    // The nine tables lie behind one another, so that one `fixed` pins them all; these are their beginnings.
    internal readonly int[] Offsets;
    internal readonly int ABatch, ARow, ADepth, BBatch, BDepth, BCol, CBatch, CRow, CCol;
    private readonly long aLength, bLength, cLength;

    /// <summary>The offsets of each label in each operand; tables of the same label have the same length. No address may be negative,
    /// and distinct (b, i, j) must have distinct addresses in C.</summary>
    public GemmPlan(
        ReadOnlySpan<int> aBatch, ReadOnlySpan<int> aRow, ReadOnlySpan<int> aDepth,
        ReadOnlySpan<int> bBatch, ReadOnlySpan<int> bDepth, ReadOnlySpan<int> bCol,
        ReadOnlySpan<int> cBatch, ReadOnlySpan<int> cRow, ReadOnlySpan<int> cCol)
    {
        (Batch, Rows, Depth, Cols) = (cBatch.Length, cRow.Length, aDepth.Length, cCol.Length);
        if (aBatch.Length != Batch || bBatch.Length != Batch || aRow.Length != Rows || bDepth.Length != Depth || bCol.Length != Cols)
        {
            throw new ArgumentException(
                $"GemmPlan: a label must have the same extent in each operand, given batch {aBatch.Length}, {bBatch.Length}, {Batch}, " +
                $"row {aRow.Length}, {Rows}, depth {Depth}, {bDepth.Length}, column {bCol.Length}, {Cols}.");
        }
        int[][] t = [[.. aBatch], [.. aRow], [.. aDepth], [.. bBatch], [.. bDepth], [.. bCol], [.. cBatch], [.. cRow], [.. cCol]];
        (aLength, bLength, cLength) = (Length("A", t[0], t[1], t[2]), Length("B", t[3], t[4], t[5]), Length("C", t[6], t[7], t[8]));

        Swapped = Rows > 1 && (Cols == 1 || (Cols < 4 && Rows > Cols) || (Stride(t[8]) != 1 && Stride(t[7]) == 1));
        if (Swapped) t = [t[3], t[5], t[4], t[0], t[2], t[1], t[6], t[8], t[7]];
        (M, N) = (t[7].Length, t[8].Length);
        (ADepthStride, BDepthStride, BColStride, CColStride) = (Stride(t[2]), Stride(t[4]), Stride(t[5]), Stride(t[8]));
        (ABatch, ARow, ADepth) = (0, Batch, Batch + M);
        (BBatch, BDepth, BCol) = (ADepth + Depth, ADepth + Depth + Batch, ADepth + Depth + Batch + Depth);
        (CBatch, CRow, CCol) = (BCol + N, BCol + N + Batch, BCol + N + Batch + M);
        Offsets = [.. t.SelectMany(table => table)];
    }

    /// <summary>The number of independent products.</summary>
    public int Batch { get; }

    /// <summary>The rows of A and C.</summary>
    public int Rows { get; }

    /// <summary>The columns of A and rows of B: the label summed over.</summary>
    public int Depth { get; }

    /// <summary>The columns of B and C.</summary>
    public int Cols { get; }

    /// <summary>The kernels use pointers; this is the one check of bounds.</summary>
    internal void Check(int a, int b, int c)
    {
        if (a >= aLength && b >= bLength && c >= cLength) return;
        throw new ArgumentException($"Gemm: the plan needs {aLength}, {bLength} and {cLength} elements of A, B and C, given {a}, {b} and {c}.");
    }

    private static long Length(string name, params int[][] tables)
    {
        if (tables.Any(table => table.Length == 0)) return 0;
        long least = tables.Sum(table => (long)table.Min());
        if (least < 0) throw new ArgumentException($"GemmPlan: an address must not be negative, given {least} in {name}.");
        return tables.Sum(table => (long)table.Max()) + 1;
    }

    private static int Stride(int[] table)
    {
        int stride = table.Length > 1 ? table[1] - table[0] : 1;
        for (int i = 2; i < table.Length; i++)
        {
            if (table[i] - table[i - 1] != stride) return Irregular;
        }
        return stride;
    }
}
