using System.Collections.Generic;

namespace Diff.Kernels;

/// <summary>
/// Divisions of a row's elements by one number, which take longest in loops like layer normalisation and softmax, as products with its reciprocal:
/// x / r = (x·(1/(r·s)))·s, where s is a power of two that keeps the reciprocal of the smallest and the largest numbers in range, and 1 for all others.
/// So nothing overflows or vanishes that did not, and the quotient is within 3/2 ulp.
/// </summary>
internal static class LoopDivision
{
    /// <summary>The name of the function that gives s.</summary>
    public const string Scale = "divisor_scale";

    // In a shorter row the reciprocal costs what it saves.
    private const int LeastColumns = 64;

    /// <summary>The same code for rows of so many columns.</summary>
    public static LoopInstruction[] ByProducts(LoopStream[] streams, LoopInstruction[] code, nint columns)
    {
        if (columns < LeastColumns) return code;
        int divide = LoopFunction.Find("div"), multiply = LoopFunction.Find("mul");
        bool[] isRow = LoopSchedule.RowValues(streams, code);
        var made = new List<LoopInstruction>();
        var place = new int[code.Length]; // of each instruction in the new code
        var known = new Dictionary<int, (int Scale, int Reciprocal)>();
        int At(int i) => i < 0 ? -1 : place[i];
        int Add(LoopInstruction x)
        {
            made.Add(x);
            return made.Count - 1;
        }
        int Apply(int function, int a, int b = -1) => Add(new(LoopOp.Apply, function, a, b));
        for (int i = 0; i < code.Length; i++)
        {
            LoopInstruction x = code[i];
            bool isByRow = x.Op == LoopOp.Apply && x.Function == divide && isRow[x.B] && !isRow[x.A] && code[x.B].Op != LoopOp.Constant;
            if (!isByRow)
            {
                place[i] = Add(x with { A = At(x.A), B = At(x.B), C = At(x.C) });
                continue;
            }
            if (!known.TryGetValue(x.B, out (int Scale, int Reciprocal) of))
            {
                int scale = Apply(LoopFunction.Find(Scale), At(x.B)), one = Add(new(LoopOp.Constant, Value: 1));
                of = known[x.B] = (scale, Apply(divide, one, Apply(multiply, At(x.B), scale)));
            }
            place[i] = Apply(multiply, Apply(multiply, At(x.A), of.Reciprocal), of.Scale);
        }
        return [.. made];
    }
}
