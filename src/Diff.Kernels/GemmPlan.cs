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
    // transposed, Cᵀ = Bᵀ · Aᵀ, which costs nothing: the operands change roles. Products that share B become rows of one, so that B is read and
    // packed once. All that follows is named after these changes: Count products of M rows and N columns.
    internal readonly bool Swapped;
    internal readonly int Count, M, N, ARowStride, ADepthStride, BDepthStride, BColStride, CRowStride, CColStride;

    // The nine tables lie behind one another, so that one `fixed` pins them all; these are their beginnings.
    internal readonly int[] Offsets;
    internal readonly int ABatch, ARow, ADepth, BBatch, BDepth, BCol, CBatch, CRow, CCol;

    /// <summary>Behind the last element of each operand that the plan addresses.</summary>
    internal readonly nint AEnd, BEnd;

    /// <summary>Whether most steps along the depth leave a line of the cache.</summary>
    internal readonly bool AIsScattered;

    /// <summary>How many parts of the depth are summed by themselves: without them a small C would leave threads idle.</summary>
    internal readonly int DepthParts;
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

        Swapped = ShouldSwap(t);
        if (Swapped) Swap(t);
        while (Fold(t, 1, 7) || Fold(t, 5, 8)) { }
        if (t[6].Length < Batch && ShouldSwap(t))
        {
            Swapped = !Swapped;
            Swap(t);
        }
        Swapped ^= Arrange(t);
        (Count, M, N) = (t[6].Length, t[7].Length, t[8].Length);
        (AEnd, BEnd) = ((nint)(Swapped ? bLength : aLength), (nint)(Swapped ? aLength : bLength));
        AIsScattered = Depth > 0 && Scattered(t[2]);
        (ARowStride, ADepthStride, BDepthStride, BColStride, CRowStride, CColStride) = (Stride(t[1]), Stride(t[2]), Stride(t[4]), Stride(t[5]), Stride(t[7]), Stride(t[8]));
        // C is then all of its memory, so that the parts are added as they lie.
        DepthParts = Count == 1 && cLength == (long)M * N && cLength <= 4096 ? Math.Clamp(Depth / 2048, 1, 8) : 1;
        (ABatch, ARow, ADepth) = (0, Count, Count + M);
        (BBatch, BDepth, BCol) = (ADepth + Depth, ADepth + Depth + Count, ADepth + Depth + Count + Depth);
        (CBatch, CRow, CCol) = (BCol + N, BCol + N + Count, BCol + N + Count + M);
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

    /// <summary>How far the operands reach, in elements from where they begin, as they are given.</summary>
    internal (nint A, nint B) Reach => Swapped ? (BEnd, AEnd) : (AEnd, BEnd);

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

    private static bool ShouldSwap(int[][] t)
    {
        int rows = t[7].Length, cols = t[8].Length;
        if (rows <= 1) return false;
        // A few more columns leave most of a vector empty, unless the rows of A can lie along it, be it after a transposition.
        bool few = cols < 4 || (cols <= 12 && cols != 8 && (Stride(t[1]) == 1 || Stride(t[2]) == 1) && Stride(t[4]) != Irregular && t[2].Length >= 16);
        // Of two operands to transpose the smaller is, or neither where both are given transposed; C is then written by squares. It waits for one block of the depth.
        bool depthBeside = Stride(t[4]) == 1 && Stride(t[5]) != 1 && Stride(t[8]) == 1 && rows % 8 == 0 && t[2].Length <= 768;
        if (depthBeside && Stride(t[2]) == 1 && rows is >= 8 and <= 128 && cols >= 4 * rows && t[2].Length >= 64) return true;
        if (depthBeside && Stride(t[1]) == 1 && Stride(t[2]) != 1 && rows >= 8 && t[2].Length >= 8) return true;
        return cols == 1 || (few && rows > 2 * cols) || (cols < 4 && rows > cols) || (Stride(t[8]) != 1 && Stride(t[7]) == 1);
    }

    /// <summary>
    /// Chooses the operand that is packed, the order of the columns and that of the depth, where not every table is regular. Nothing depends on the orders but
    /// what lies side by side: they may be those of the addresses, so that any order of the axes in memory is copied by vectors. True if the operands changed roles.
    /// </summary>
    private static bool Arrange(int[][] t)
    {
        if (t.Any(table => table.Length == 0) || t.Select(Stride).Where((_, i) => i % 3 != 0).All(stride => stride != Irregular)) return false;
        (double Cost, bool Swapped, int[][] Tables) best = (double.MaxValue, false, t);
        foreach (bool swap in new[] { false, true })
        {
            foreach (bool sort in new[] { false, true })
            {
                int[][] tried = [.. t];
                if (swap) Swap(tried);
                if (sort) Sort(tried[5], tried, 5, 8);
                if (Stride(tried[2]) == Irregular || Stride(tried[4]) == Irregular) Sort(Together(tried[5]) >= 4 && tried[5].Length < tried[1].Length ? tried[2] : tried[4], tried, 2, 4);
                double cost = Cost(tried);
                if (cost < 0.95 * best.Cost) best = (cost, swap, tried);
            }
        }
        best.Tables.CopyTo(t, 0);
        return best.Swapped;
    }

    private static void Sort(int[] by, int[][] t, params int[] tables)
    {
        if (Enumerable.Range(1, by.Length - 1).All(i => by[i] >= by[i - 1])) return;
        int[] order = [.. Enumerable.Range(0, by.Length).OrderBy(i => by[i])];
        foreach (int i in tables) t[i] = [.. order.Select(q => t[i][q])];
    }

    /// <summary>About the cycles of one product with vectors of 16: multiply-adds, the copy of B, and C, whose short runs wait for the tile's.</summary>
    private static double Cost(int[][] t)
    {
        double m = t[7].Length, n = t[8].Length, depth = t[2].Length, vectors = Math.Ceiling(n / (n <= 8 ? 8 : 16)) * (n <= 8 ? 0.6 : 1);
        return (m * vectors * depth) + (n * depth * Copying(t[5], t[4])) + (m * depth * Reading(t[1], t[2], n)) + (m * n * Math.Min(1.3, 0.1 + (12 / Together(t[8]))));
    }

    /// <summary>The cycles an element takes to be copied as a vector along the first table.</summary>
    private static double Copying(int[] along, int[] across) => Math.Min(0.1 + (1.2 / Together(along)), 0.2 + (1.2 / Together(across)));

    /// <summary>The cycles an element of A takes beyond the multiply-adds: those of a copy where steps along the depth leave the line of the cache.</summary>
    private static double Reading(int[] rows, int[] depth, double n) => Scattered(depth) ? Math.Min(Copying(rows, depth), n / 32) : 0;

    private static bool Scattered(int[] depth) => 2 * Enumerable.Range(1, depth.Length - 1).Count(k => Math.Abs((long)depth[k] - depth[k - 1]) >= 32) > depth.Length;

    /// <summary>How many elements lie side by side, on average.</summary>
    private static double Together(int[] table) => (double)table.Length / (1 + Enumerable.Range(1, table.Length - 1).Count(i => table[i] != table[i - 1] + 1));

    private static void Swap(int[][] t) => (t[0], t[1], t[2], t[3], t[4], t[5], t[7], t[8]) = (t[3], t[5], t[4], t[0], t[2], t[1], t[8], t[7]);

    /// <summary>Makes the batch, or the outer or inner factor of it along which the other operand does not move, part of the rows (or columns).</summary>
    private static bool Fold(int[][] t, int line, int cLine)
    {
        int[] own = t[line == 1 ? 0 : 3], other = t[line == 1 ? 3 : 0], c = t[6];
        for (int folded = c.Length; folded > 1; folded--)
        {
            int rest = c.Length / folded;
            if (folded * rest != c.Length) continue;
            foreach (var (step, restStep) in rest == 1 ? [(1, 1)] : new[] { (1, folded), (rest, 1) })
            {
                if (!IsSum(other, true) || !IsSum(own, false) || !IsSum(c, false)) continue;
                int[] lines = Outer(own, t[line]), cLines = Outer(c, t[cLine]);
                // Columns that no longer lie side by side cost more than they save, unless they were few.
                if (line == 5 && t[line].Length >= 16 && (Stride(cLines) != 1 || (Stride(t[line]) == 1 && Stride(lines) != 1))) continue;
                (t[line], t[cLine]) = (lines, cLines);
                foreach (int batch in new[] { 0, 3, 6 }) t[batch] = [.. Enumerable.Range(0, rest).Select(q => t[batch][q * restStep])];
                return true;

                int[] Outer(int[] table, int[] inner) =>
                    [.. Enumerable.Range(0, folded).SelectMany(f => inner.Select(x => table[f * step] - table[0] + x))];

                bool IsSum(int[] table, bool constant)
                {
                    for (int q = 0; q < rest; q++)
                    {
                        for (int f = 0; f < folded; f++)
                        {
                            int expected = table[q * restStep] + (constant ? 0 : table[f * step] - table[0]);
                            if (table[(q * restStep) + (f * step)] != expected) return false;
                        }
                    }
                    return true;
                }
            }
        }
        return false;
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
