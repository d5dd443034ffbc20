using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>A product and the loop over all elements of its C that follows it: on each block of C as soon as that is finished.</summary>
/// <param name="product">The product.</param>
/// <param name="loop">What it writes lies apart from the product's operands, as far as the plan knows, and of C it reads an element only where it is.</param>
/// <param name="layout">How blocks of C lie in the loop.</param>
/// <param name="foreign">What the loop writes outside the plan's own memory: where, and how many bytes.</param>
internal sealed unsafe class ProductLoopMemoryStep(ProductMemoryStep product, LoopMemoryStep loop, EpilogueLayout layout, (Place At, long Bytes)[] foreign) : MemoryStep
{
    public ProductMemoryStep Product => product;

    public LoopMemoryStep Loop => loop;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Run(nint* table, int threads)
    {
        if (OperandsAreWritten(table))
        {
            product.Run(table, threads);
            loop.Run(table, threads);
            return;
        }
        byte** at = stackalloc byte*[loop.Streams];
        loop.Locate(table, at);
        LoopEpilogue after = LoopEpilogue.Take(loop.Kernel, layout, at);
        try
        {
            if (product.Run(table, threads, after)) after.End();
            else loop.Kernel.Run(at, threads);
        }
        finally
        {
            after.GiveBack();
        }
    }

    /// <summary>Whether the caller gave one array both as an operand and as what the loop writes: then no block may be written before the last is computed.</summary>
    private bool OperandsAreWritten(nint* table)
    {
        foreach ((Place At, long Bytes) written in foreign)
        {
            if (Overlap(table, written, product.A) || Overlap(table, written, product.B)) return true;
        }
        return false;
    }

    private static bool Overlap(nint* table, (Place At, long Bytes) x, (Place At, long Bytes) y)
    {
        nint first = table[x.At.Entry] + x.At.Bytes, second = table[y.At.Entry] + y.At.Bytes;
        return first < second + y.Bytes && second < first + x.Bytes;
    }
}
