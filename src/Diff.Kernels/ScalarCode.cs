using System;
using System.Collections.Generic;

namespace Diff.Kernels;

/// <summary>The type of a value. Integers are float64 values: exact up to 2⁵³, and only compared, selected and converted.</summary>
internal enum ScalarType : byte { Float64, Float32, Bool }

/// <summary>The type of an array's elements, numbered as in DType.</summary>
internal enum ScalarElement : byte { Float32, Float64, Int32, Int64, Bool }

/// <summary>What an instruction computes. The operands of an arithmetic one have the type of its result.</summary>
internal enum ScalarOp : byte
{
    Const, Load, Convert,
    Neg, Abs, Sign, Exp, Log, Log1p, Expm1, Sqrt, Sin, Cos, Tan, Tanh, Sigmoid, Softplus, Relu,
    Cbrt, Log2, Log10, Exp2, Asin, Acos, Atan, Sinh, Cosh, Asinh, Acosh, Atanh, OneMinusSquare, Sinc, Floor, Ceil,
    Round, Trunc, Erf, Erfc, Erfcx, Erfinv, Ndtr, LogNdtr, Lgamma, Digamma,
    Not,
    Add, Sub, Mul, Div, Pow, Max, Min, Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual, And, Or,
    Larger, Smaller,
    Atan2, Hypot, Direction, Logaddexp, SincDerivative, Fmod, ErfcxDerivative, Gaussian, Polygamma, GammaDensity,
    Gammainc, Gammaincc, Lbeta,
    Where,
    GammaincDerivative, BetaDensity, Betainc
}

/// <summary>One instruction. A, B and C are the numbers of the operands; of a load, the input, the position in it and the element type.
/// Bits are those of a constant.</summary>
internal readonly record struct ScalarInstruction(ScalarOp Op, ScalarType Type, int A = 0, int B = 0, int C = 0, long Bits = 0)
{
    public double Value => BitConverter.Int64BitsToDouble(Bits);

    public int Operands => Op switch
    {
        ScalarOp.Const or ScalarOp.Load => 0,
        <= ScalarOp.Not => 1,
        < ScalarOp.Where => 2,
        _ => 3
    };

    public int Operand(int i) => i == 0 ? A : i == 1 ? B : C;
}

/// <summary>One element of a result: where a value goes.</summary>
internal readonly record struct ScalarStore(int Output, int Position, ScalarElement Element, int Value);

/// <summary>A function of numbers as a list of instructions without jumps: constants, then loads, then what computes, each after its
/// operands.</summary>
internal sealed class ScalarCode(
    ScalarInstruction[] instructions, ScalarStore[] stores, int constants, int loads, int[] inputBytes, int[] outputBytes)
{
    public ScalarInstruction[] Instructions => instructions;
    public ScalarStore[] Stores => stores;
    public int Constants => constants;
    /// <summary>The number of the first instruction that computes.</summary>
    public int First => constants + loads;
    /// <summary>The size of each input and output.</summary>
    public int[] InputBytes => inputBytes;
    public int[] OutputBytes => outputBytes;
}

/// <summary>Collects instructions, each different one once.</summary>
internal sealed class ScalarCodeBuilder
{
    private readonly List<ScalarInstruction> list = [];
    private readonly Dictionary<ScalarInstruction, int> known = [];

    public int Count => list.Count;

    public ScalarInstruction this[int value] => list[value];

    private int Share(ScalarInstruction instruction)
    {
        if (known.TryGetValue(instruction, out int value)) return value;
        known.Add(instruction, list.Count);
        list.Add(instruction);
        return list.Count - 1;
    }

    public int Const(ScalarType type, double value) => Share(new(ScalarOp.Const, type, Bits: BitConverter.DoubleToInt64Bits(value)));

    public int Load(ScalarType type, int input, int position, ScalarElement element) =>
        Share(new(ScalarOp.Load, type, input, position, (int)element));

    /// <summary>The value in another type.</summary>
    public int Convert(ScalarType type, int value)
    {
        ScalarInstruction x = list[value];
        if (x.Type == type) return value;
        // Widened and rounded again: the same number.
        if (x.Op == ScalarOp.Convert && x.Type == ScalarType.Float64 && list[x.A].Type == type && type == ScalarType.Float32) return x.A;
        return Add(ScalarOp.Convert, type, value);
    }

    /// <summary>The number of an instruction that gives this value: a new one, an equal one, or an operand where that is the value.</summary>
    public int Add(ScalarOp op, ScalarType type, int a, int b = 0, int c = 0)
    {
        var instruction = new ScalarInstruction(op, type, a, b, c);
        int operands = instruction.Operands, constant = 0;
        for (int i = 0; i < operands; i++) if (list[instruction.Operand(i)].Op == ScalarOp.Const) constant++;
        if (constant == operands) return Const(type, ScalarInterpreter.Apply(op, type, list[a].Value, list[b].Value, list[c].Value));
        // The identities of graph simplification, which the elements of arrays show once more.
        switch (op)
        {
            case ScalarOp.Add when IsConst(a, 0.0): return b;
            case ScalarOp.Add or ScalarOp.Sub when IsConst(b, 0.0): return a;
            case ScalarOp.Mul when IsConst(a, 1.0): return b;
            case ScalarOp.Mul or ScalarOp.Div when IsConst(b, 1.0): return a;
            case ScalarOp.Neg when list[a].Op == ScalarOp.Neg: return list[a].A;
            // What is exact: 2·x for x + x, and 2 and −1 times a product with a constant as a product with another constant.
            case ScalarOp.Add when a == b: return Add(ScalarOp.Mul, type, Const(type, 2), a);
            case ScalarOp.Mul when IsConst(a, 2.0) && IsMultiple(b, out int x, out double number): return Add(ScalarOp.Mul, type, Const(type, 2 * number), x);
            case ScalarOp.Neg when IsMultiple(a, out int x, out double number): return Add(ScalarOp.Mul, type, Const(type, -number), x);
            case ScalarOp.Where when b == c: return b;
            case ScalarOp.Where when list[a].Op == ScalarOp.Const: return list[a].Value != 0.0 ? b : c;
        }
        bool symmetric = op is ScalarOp.Add or ScalarOp.Mul or ScalarOp.Max or ScalarOp.Min
            or ScalarOp.Equal or ScalarOp.NotEqual or ScalarOp.And or ScalarOp.Or;
        return Share(symmetric && a > b ? instruction with { A = b, B = a } : instruction);
    }

    /// <summary>Whether a value is a product with a constant of moderate size.</summary>
    private bool IsMultiple(int value, out int other, out double number)
    {
        ScalarInstruction product = list[value];
        bool isFirst = product.Op == ScalarOp.Mul && list[product.A].Op == ScalarOp.Const;
        other = isFirst ? product.B : product.A;
        number = product.Op == ScalarOp.Mul ? list[isFirst ? product.A : product.B].Value : 0;
        return product.Op == ScalarOp.Mul && list[isFirst ? product.A : product.B].Op == ScalarOp.Const && Math.Abs(number) is > 1e-30 and < 1e30;
    }

    private bool IsConst(int value, double number) => list[value].Op == ScalarOp.Const && list[value].Value == number;

    /// <summary>The instructions that the stores need.</summary>
    public ScalarCode Build(ScalarStore[] stores, int[] inputBytes, int[] outputBytes)
    {
        var place = new int[list.Count];
        foreach (ScalarStore store in stores) place[store.Value] = 1;
        for (int i = list.Count - 1; i >= 0; i--)
        {
            if (place[i] == 0) continue;
            for (int k = 0; k < list[i].Operands; k++) place[list[i].Operand(k)] = 1;
        }
        var kept = new List<ScalarInstruction>();
        int constants = Keep(op => op == ScalarOp.Const), loads = Keep(op => op == ScalarOp.Load);
        Keep(op => op > ScalarOp.Load);
        return new([.. kept], Array.ConvertAll(stores, s => s with { Value = place[s.Value] - 1 }), constants, loads, inputBytes, outputBytes);

        // A place is then 1 + the number among the kept.
        int Keep(Func<ScalarOp, bool> wanted)
        {
            int before = kept.Count;
            for (int i = 0; i < list.Count; i++)
            {
                ScalarInstruction x = list[i];
                if (place[i] == 0 || !wanted(x.Op)) continue;
                int operands = x.Operands;
                if (operands > 0)
                {
                    x = x with { A = place[x.A] - 1, B = operands > 1 ? place[x.B] - 1 : 0, C = operands > 2 ? place[x.C] - 1 : 0 };
                }
                kept.Add(x);
                place[i] = kept.Count;
            }
            return kept.Count - before;
        }
    }
}
