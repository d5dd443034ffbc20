using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;

namespace Diff.Kernels;

/// <summary>The types of elements in memory, in the order of the core's element types.</summary>
internal enum LoopType : byte { Float32, Float64, Int32, Int64, Bool }

internal enum LoopOp : byte
{
    /// <summary>The elements of a stream.</summary>
    Load,

    /// <summary>One number in every lane.</summary>
    Constant,

    /// <summary>A function of <see cref="LoopFunction"/>.</summary>
    Apply,

    /// <summary>Sum, largest or smallest element of a row.</summary>
    Sum, Max, Min,

    /// <summary>To the elements of a stream.</summary>
    Store,

    /// <summary>Added to the elements of a stream that stays where it is from row to row.</summary>
    Accumulate,
}

/// <summary>One instruction: what to do with the results of earlier ones.</summary>
/// <param name="Op">What to do.</param>
/// <param name="Function">Of Apply: the number of the function.</param>
/// <param name="A">The first operand: the position of an earlier instruction.</param>
/// <param name="B">The second operand.</param>
/// <param name="C">The third operand.</param>
/// <param name="Value">Of Constant.</param>
/// <param name="Stream">Of Load, Store and Accumulate.</param>
internal readonly record struct LoopInstruction(LoopOp Op, int Function = -1, int A = -1, int B = -1, int C = -1, double Value = 0, int Stream = -1);

/// <summary>An array that a loop reads or writes. The steps from row to row are given at each run.</summary>
/// <param name="Type">The type of its elements; numbers of other types than the loop's are converted, which only one element a row may be.</param>
/// <param name="PerRow">One element a row, the same for all columns.</param>
/// <param name="Step">How many elements lie between columns, 1 if they lie next to each other; more only where numbers of the loop's type are read.</param>
internal readonly record struct LoopStream(LoopType Type, bool PerRow, int Step = 1);

/// <summary>
/// A loop over rows and columns as straight-line code: what happens at each element, with sums and extremes along the row whose results later
/// instructions of the same row use. Two programs of the same text do the same; compiled code is shared between them.
/// </summary>
internal sealed class LoopProgram
{
    public LoopProgram(LoopType type, LoopStream[] streams, LoopInstruction[] code)
    {
        (Type, Streams, Code) = (type, streams, code);
        Schedule = new LoopSchedule(this);
        Text = string.Create(CultureInfo.InvariantCulture, $"{type}|{string.Join(' ', streams.Select(s => $"{s.Type}{(s.PerRow ? "r" : "c")}{s.Step}"))}|") +
            string.Join(' ', code.Select(i => string.Create(CultureInfo.InvariantCulture, $"{i.Op},{i.Function},{i.A},{i.B},{i.C},{BitConverter.DoubleToInt64Bits(i.Value)},{i.Stream}")));
    }

    /// <summary>Float32 or Float64: what the lanes hold.</summary>
    public LoopType Type { get; }
    public LoopStream[] Streams { get; }
    public LoopInstruction[] Code { get; }
    public LoopSchedule Schedule { get; }

    /// <summary>The whole program as text: the key under which compiled code is found.</summary>
    public string Text { get; }

    /// <summary>Bytes of an element of the lanes.</summary>
    public int Size => Type == LoopType.Float32 ? 4 : 8;

    /// <summary>Whether a stream's memory may be overwritten by another's at the same index: it is not read after that.</summary>
    public bool MayShare(int input, int output) => Schedule.LastLoad[input] <= Schedule.StoredIn[output];
}

/// <summary>
/// What of a program happens when. A row is passed once for each phase; what a phase reduces, later phases use. A value that a later phase needs again
/// is computed again if that is cheap, else kept in a row of scratch memory.
/// </summary>
internal sealed class LoopSchedule
{
    // An element costs about a third of a nanosecond in units of 0.03; writing it to L1 and reading it back costs about as much as six additions.
    private const int RecomputeLimit = 6;
    // Sums side by side hide the latency of additions. A longer body hides it by itself, and four of it would not fit into registers.
    private const int UnrolledCost = 16;
    // A long chain of operations on one vector leaves pipes idle that a second vector fills; of longer bodies two would not fit into registers, nor
    // all their functions into one method.
    private const int LeastPairedCost = 24, MostPairedCost = 100, MostPairedLength = 48;

    public LoopSchedule(LoopProgram program)
    {
        LoopInstruction[] code = program.Code;
        int n = code.Length;
        IsRow = RowValues(program.Streams, code);
        IsMask = new bool[n];
        Phase = new int[n];
        Spill = new int[n];
        LastLoad = new int[program.Streams.Length];
        StoredIn = new int[program.Streams.Length];
        Array.Fill(StoredIn, -1);
        for (int i = 0; i < n; i++)
        {
            LoopInstruction x = code[i];
            foreach (int a in Operands(x)) Phase[i] = Math.Max(Phase[i], Phase[a]);
            if (x.Stream >= 0 && x.Op != LoopOp.Load && IsRow[i] && !IsRow[x.A])
                throw new ArgumentException($"LoopProgram: instruction {i} gives many values a row to a stream of one.");
            IsMask[i] = x.Op == LoopOp.Load ? program.Streams[x.Stream].Type == LoopType.Bool
                : x.Op == LoopOp.Apply && LoopFunction.All[x.Function].IsMask(x.A >= 0 && IsMask[x.B >= 0 ? x.B : x.A]);
            if (IsReduction(x.Op)) Phase[i]++;
        }
        int last = 0;
        for (int i = 0; i < n; i++) last = Math.Max(last, Phase[i]);
        Plan(program, last + 1);
    }

    /// <summary>Whether a value is the same for all columns.</summary>
    public bool[] IsRow { get; }

    /// <summary>Of each instruction, whether its value is the same for all columns.</summary>
    public static bool[] RowValues(LoopStream[] streams, LoopInstruction[] code)
    {
        var isRow = new bool[code.Length];
        for (int i = 0; i < code.Length; i++)
        {
            LoopInstruction x = code[i];
            isRow[i] = x.Stream >= 0 ? streams[x.Stream].PerRow : IsReduction(x.Op) || Operands(x).All(a => isRow[a]);
        }
        return isRow;
    }

    /// <summary>Whether a value is a mask.</summary>
    public bool[] IsMask { get; }

    /// <summary>The phase in which a value of columns is first known; that before which one of rows is.</summary>
    public int[] Phase { get; }

    /// <summary>The row of scratch memory that keeps a value for later phases; −1 if none does.</summary>
    public int[] Spill { get; }

    /// <summary>For each stream, the last phase that reads it.</summary>
    public int[] LastLoad { get; }

    /// <summary>For each stream, the phase that writes it.</summary>
    public int[] StoredIn { get; }

    /// <summary>The rows of scratch memory.</summary>
    public int Spills { get; private set; }

    /// <summary>What happens once a row, before the phase of this number.</summary>
    public int[][] RowCode { get; private set; } = [];

    /// <summary>What happens at each element in each phase: instructions in order.</summary>
    public int[][] Body { get; private set; } = [];

    /// <summary>Of each body, whether the value comes from scratch memory.</summary>
    public bool[][] FromSpill { get; private set; } = [];

    /// <summary>Sums that a reduction runs side by side in each phase: vector j of a row goes to sum j mod Ways.</summary>
    public int[] Ways { get; private set; } = [];

    /// <summary>Whether compiled code takes two vectors at a time. Sums are the same: the second follows the first.</summary>
    public bool IsPaired { get; private set; }

    /// <summary>The phase that takes longest.</summary>
    public int Longest { get; private set; }

    /// <summary>Whether a row is passed more than once.</summary>
    public bool IsPassedAgain { get; private set; }

    /// <summary>The cost of an element, in units of an addition of vectors.</summary>
    public int Cost { get; private set; }

    /// <summary>Whether a row may be cut anywhere: what it reduces is only accumulated.</summary>
    public bool CutsRows { get; private set; }

    public static bool IsReduction(LoopOp op) => op is LoopOp.Sum or LoopOp.Max or LoopOp.Min;

    public static IEnumerable<int> Operands(LoopInstruction x)
    {
        if (x.A >= 0) yield return x.A;
        if (x.B >= 0) yield return x.B;
        if (x.C >= 0) yield return x.C;
    }

    private static int CostOf(LoopInstruction x) => x.Op switch
    {
        LoopOp.Constant => 0,
        LoopOp.Apply => LoopFunction.All[x.Function].Cost,
        _ => 1,
    };

    private void Plan(LoopProgram program, int phases)
    {
        LoopInstruction[] code = program.Code;
        int n = code.Length;
        var needed = new ulong[n]; // in which phases: bits, so at most 64
        if (phases > 64) throw new ArgumentException($"LoopProgram: {phases} phases, more than 64.");
        var again = new int[n];
        for (int i = 0; i < n; i++)
        {
            again[i] = CostOf(code[i]);
            foreach (int a in Operands(code[i])) again[i] = Math.Min(1000, again[i] + (IsRow[a] ? 0 : again[a]));
        }
        Array.Fill(Spill, -1);
        for (int i = n - 1; i >= 0; i--)
        {
            if (IsRow[i] && !IsReduction(code[i].Op)) continue;
            if (IsReduction(code[i].Op))
            {
                if (!IsRow[code[i].A]) needed[code[i].A] |= 1UL << Phase[code[i].A];
            }
            else if (code[i].Op is LoopOp.Store or LoopOp.Accumulate)
            {
                needed[i] = 1UL << Phase[i];
                if (!IsRow[code[i].A]) needed[code[i].A] |= needed[i];
            }
            else
            {
                ulong later = needed[i] & ~(1UL << Phase[i]);
                if (later != 0 && again[i] > RecomputeLimit && !IsMask[i])
                {
                    Spill[i] = Spills++;
                    needed[i] |= 1UL << Phase[i];
                }
                ulong computed = Spill[i] >= 0 ? 1UL << Phase[i] : needed[i];
                foreach (int a in Operands(code[i])) if (!IsRow[a]) needed[a] |= computed;
            }
        }
        Body = new int[phases][];
        FromSpill = new bool[phases][];
        RowCode = new int[phases][];
        Ways = new int[phases];
        int longest = 0;
        for (int p = 0; p < phases; p++)
        {
            var body = new List<int>();
            var from = new List<bool>();
            bool reduces = false;
            int before = Cost;
            for (int i = 0; i < n; i++)
            {
                bool here = IsReduction(code[i].Op) ? Phase[code[i].A] == p : !IsRow[i] && (needed[i] >> p & 1) != 0;
                if (!here) continue;
                reduces |= IsReduction(code[i].Op);
                body.Add(i);
                from.Add(!IsRow[i] && Spill[i] >= 0 && Phase[i] < p);
                if (code[i].Op == LoopOp.Load) LastLoad[code[i].Stream] = Math.Max(LastLoad[code[i].Stream], p);
                if (code[i].Op is LoopOp.Store) StoredIn[code[i].Stream] = p;
                Cost += from[^1] ? 1 : CostOf(code[i]);
            }
            Body[p] = [.. body];
            FromSpill[p] = [.. from];
            Ways[p] = reduces && Cost - before <= UnrolledCost ? 4 : 1;
            if (Cost - before > longest) (Longest, longest) = (p, Cost - before);
        }
        for (int p = 0; p < phases; p++)
        {
            // What is written may lie where something is read: all reads come first.
            RowCode[p] = [.. Enumerable.Range(0, n).Where(i => IsRow[i] && !IsReduction(code[i].Op) && Phase[i] == p)
                .OrderBy(i => code[i].Op is LoopOp.Store or LoopOp.Accumulate)];
        }
        for (int i = 0; i < n; i++)
        {
            if (IsRow[i] && code[i].Op == LoopOp.Store) StoredIn[code[i].Stream] = Phase[i];
        }
        IsPaired = Body.Count(body => body.Length > 0) == 1 && Cost is >= LeastPairedCost and <= MostPairedCost && code.Length <= MostPairedLength
            && Array.TrueForAll(Ways, ways => ways == 1);
        IsPassedAgain = Body.Count(body => body.Length > 0) > 1;
        CutsRows = phases == 1 || (phases == 2 && Body[1].Length == 0 && Array.TrueForAll(RowCode[1], i => code[i].Op == LoopOp.Accumulate));
        CutsRows &= !Enumerable.Range(0, n).Any(i => IsRow[i] && code[i].Op is LoopOp.Store);
    }
}
