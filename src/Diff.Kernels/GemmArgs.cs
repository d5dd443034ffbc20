namespace Diff.Kernels;

/// <summary>
/// The ways to a product. P is the peak of multiply-adds; s the bytes of an element. The model, and what is measured:
/// InPlace and Packed do 2·m·n·k flops out of registers, L1 and L2: 85–95 % of P from about 32³ (in place) and 64³ (packed). Packed first copies B,
/// 2·k·n·s bytes: by vectors where its columns lie together, be it in runs (about 2 cycles a vector), by squares in registers where the depth does, also
/// in runs (a quarter to half a cycle an element), else about a cycle an element. A is read where it lies, by a table where its depth is irregular (no
/// cost: the windows of a convolution, 85–90 % of P), and copied only where each step along the depth leaves the line of the cache and many columns use it.
/// So a transposed B gives (float, AVX-512) 50 % of P at 8 rows of depth 100 and 90 % at 128.
/// Dot and AddRows read each element of B once, k·n·s bytes, for 2·m flops: the bandwidth of the cache where B lies, 15–35 % of P with one row.
/// </summary>
internal enum GemmPath
{
    /// <summary>Few rows, columns of B contiguous: dot products.</summary>
    Dot,

    /// <summary>Few rows, rows of B contiguous: they are added to the row of C.</summary>
    AddRows,

    /// <summary>Tiles over A and B as they lie.</summary>
    InPlace,

    /// <summary>Tiles over panels of B, copied; this takes any tables.</summary>
    Packed,
}

/// <summary>One call of a product; the tables of the plan begin at O.</summary>
internal unsafe struct GemmArgs<T> where T : unmanaged
{
    public GemmPlan Plan;
    public GemmPath Path;
    public int* O;
    public T* A, B, C;
    public bool Accumulate;

    /// <summary>What is done with each block of C once it is finished.</summary>
    public LoopEpilogue? After;

    /// <summary>The part of the depth that is summed by tiles.</summary>
    public int From, To;
}

/// <summary>A block of one of the products: its operands and the tables of its rows and columns.</summary>
internal unsafe struct GemmBlock<T> where T : unmanaged
{
    public T* A, B, C;
    public int* ARow, BCol, CRow, CCol;
    public int Rows, Cols;
}
