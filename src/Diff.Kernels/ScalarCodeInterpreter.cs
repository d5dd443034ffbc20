using System;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

/// <summary>Runs scalar code instruction by instruction: about 2 ns each. The first tier, and the only one where no code can be generated.</summary>
internal static unsafe class ScalarInterpreter
{
    /// <summary>One instruction on numbers: float32 and integers as float64 values, bools as 0 and 1. What is rounded to float64 and then
    /// to float32 is rounded as by float32 arithmetic, for +, −, ×, ÷ and √ (Figueroa 1995: 53 ≥ 2·24 + 2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static double Apply(ScalarOp op, ScalarType type, double a, double b, double c)
    {
        double y;
        switch (op)
        {
            case ScalarOp.Convert: y = type == ScalarType.Bool ? One(a != 0.0) : a; break;
            case ScalarOp.Neg: y = -a; break;
            case ScalarOp.Abs: y = Math.Abs(a); break;
            case ScalarOp.Sign: y = ScalarMath.Sign(a); break;
            case ScalarOp.Exp: y = Math.Exp(a); break;
            case ScalarOp.Log: y = Math.Log(a); break;
            case ScalarOp.Log1p: y = ScalarMath.Log1p(a); break;
            case ScalarOp.Expm1: y = ScalarMath.Expm1(a); break;
            case ScalarOp.Sqrt: y = Math.Sqrt(a); break;
            case ScalarOp.Sin: y = Math.Sin(a); break;
            case ScalarOp.Cos: y = Math.Cos(a); break;
            case ScalarOp.Tan: y = Math.Tan(a); break;
            case ScalarOp.Tanh: y = Math.Tanh(a); break;
            case ScalarOp.Sigmoid: y = ScalarMath.Sigmoid(a); break;
            case ScalarOp.Softplus: y = ScalarMath.Softplus(a); break;
            case ScalarOp.Relu: y = ScalarMath.Relu(a); break;
            case ScalarOp.Not: y = 1.0 - a; break;
            case ScalarOp.Add: y = a + b; break;
            case ScalarOp.Sub: y = a - b; break;
            case ScalarOp.Mul: y = a * b; break;
            case ScalarOp.Div: y = a / b; break;
            case ScalarOp.Pow: y = Math.Pow(a, b); break;
            case ScalarOp.Max: y = Math.Max(a, b); break;
            case ScalarOp.Min: y = Math.Min(a, b); break;
            case ScalarOp.Equal: y = One(a == b); break;
            case ScalarOp.NotEqual: y = One(a != b); break;
            case ScalarOp.Less: y = One(a < b); break;
            case ScalarOp.LessEqual: y = One(a <= b); break;
            case ScalarOp.Greater: y = One(a > b); break;
            case ScalarOp.GreaterEqual: y = One(a >= b); break;
            case ScalarOp.And: y = a * b; break;
            case ScalarOp.Or: y = Math.Max(a, b); break;
            case ScalarOp.Larger: y = ScalarMath.Larger(a, b); break;
            case ScalarOp.Smaller: y = ScalarMath.Smaller(a, b); break;
            case ScalarOp.Where: y = a != 0.0 ? b : c; break;
            default: y = SpecialMath.Apply(op, a, b, c); break;
        }
        return type == ScalarType.Float32 ? (float)y : y;
    }

    private static double One(bool condition) => condition ? 1.0 : 0.0;

    /// <summary>Runs the code with room for one number an instruction. Nothing is written to the outputs before all values are there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(ScalarCode code, nint* inputs, nint* outputs, double* values)
    {
        fixed (ScalarInstruction* list = code.Instructions)
        {
            int n = code.Constants, first = code.First, end = code.Instructions.Length;
            for (int i = 0; i < n; i++) values[i] = list[i].Value;
            for (int i = n; i < first; i++)
            {
                nint from = inputs[list[i].A];
                int at = list[i].B;
                values[i] = (ScalarElement)list[i].C switch
                {
                    ScalarElement.Float64 => ((double*)from)[at],
                    ScalarElement.Float32 => ((float*)from)[at],
                    ScalarElement.Int32 => ((int*)from)[at],
                    ScalarElement.Int64 => ((long*)from)[at],
                    _ => ((byte*)from)[at] != 0 ? 1.0 : 0.0
                };
            }
            for (int i = first; i < end; i++)
            {
                ScalarInstruction* x = list + i;
                values[i] = Apply(x->Op, x->Type, values[x->A], values[x->B], values[x->C]);
            }
        }
        foreach (ScalarStore store in code.Stores)
        {
            nint to = outputs[store.Output];
            double value = values[store.Value];
            switch (store.Element)
            {
                case ScalarElement.Float64: ((double*)to)[store.Position] = value; break;
                case ScalarElement.Float32: ((float*)to)[store.Position] = (float)value; break;
                case ScalarElement.Int32: ((int*)to)[store.Position] = (int)value; break;
                case ScalarElement.Int64: ((long*)to)[store.Position] = (long)value; break;
                default: ((bool*)to)[store.Position] = value != 0.0; break;
            }
        }
    }
}
