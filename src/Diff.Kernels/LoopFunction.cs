using System;
using System.Collections.Generic;
using System.Numerics;
using System.Reflection;
using System.Runtime.CompilerServices;

namespace Diff.Kernels;

internal interface IOne { static abstract V Apply<T, V, S>(V x) where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>; }
internal interface ITwo { static abstract V Apply<T, V, S>(V x, V y) where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>; }
internal interface IThree { static abstract V Apply<T, V, S>(V x, V y, V z) where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>; }

/// <summary>
/// The scalar functions that loops can apply, by the names of the core's vocabulary. Each is a method of vectors, used by both tiers: compiled loops
/// inline it, tiles run it over arrays; so both give the same bits. A function that is not here is evaluated by its reference loop.
/// </summary>
internal abstract unsafe partial class LoopFunction
{
    private static readonly List<LoopFunction> list = [];

    /// <summary>All functions; an instruction names one by its position.</summary>
    public static readonly LoopFunction[] All = Make();

    private static readonly Dictionary<string, int> positions = Positions();

    private readonly Result result;

    private LoopFunction(string name, int arity, int cost, Result result, Type type, Type loop)
    {
        (Name, Arity, Cost, this.result) = (name, arity, cost, result);
        Method = type.GetMethod("Apply", BindingFlags.Public | BindingFlags.Static) ?? throw new InvalidOperationException($"{type} has no Apply.");
        Outlined = loop.GetMethod("Call", BindingFlags.NonPublic | BindingFlags.Static) ?? throw new InvalidOperationException($"{loop} has no Call.");
    }

    /// <summary>What a function gives.</summary>
    internal enum Result { Number, Mask, LikeSecond }

    public string Name { get; }
    public int Arity { get; }

    /// <summary>In units of an addition of vectors.</summary>
    public int Cost { get; }

    /// <summary>The method, generic over element, vector and width.</summary>
    public MethodInfo Method { get; }

    /// <summary>The same, never inlined.</summary>
    public MethodInfo Outlined { get; }

    /// <summary>Whether the result is a mask, given whether the second operand (the only one of a function of one) is.</summary>
    public bool IsMask(bool second) => result == Result.Mask || (result == Result.LikeSecond && second);

    /// <summary>The position of a name, −1 if loops cannot apply it.</summary>
    public static int Find(string name) => positions.GetValueOrDefault(name, -1);

    /// <summary>A loop that applies the function to a count of elements, a multiple of the vector's width, of up to three operands.</summary>
    public abstract delegate*<T*, T*, T*, T*, nint, void> Loop<T, V, S>() where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>;

    private static LoopFunction[] Make()
    {
        One<Neg>("neg", 1);
        One<Abs>("abs", 1);
        One<Sign>("sign", 4);
        One<Exp>("exp", 16);
        One<Log>("log", 20);
        One<Log1p>("log1p", 28);
        One<Expm1>("expm1", 24);
        One<Sqrt>("sqrt", 10);
        One<Sin>("sin", 30);
        One<Cos>("cos", 30);
        One<Tan>("tan", 40);
        One<Tanh>("tanh", 24);
        One<Sigmoid>("sigmoid", 24);
        One<Softplus>("softplus", 40);
        One<Relu>("relu", 2);
        One<Floor>("floor", 1);
        One<Ceil>("ceil", 3);
        One<Round>("round", 5);
        One<Trunc>("trunc", 3);
        One<OneMinusSquare>("one_minus_square", 1);
        One<Erf>("erf", 70);
        One<Erfc>("erfc", 75);
        One<Ndtr>("ndtr", 75);
        One<Sinh>("sinh", 60);
        One<Cosh>("cosh", 55);
        One<Asinh>("asinh", 70);
        One<Acosh>("acosh", 70);
        One<Atanh>("atanh", 45);
        One<DivisorScale>(LoopDivision.Scale, 4);
        One<Not>("not", 1, Result.Mask);
        Two<Add>("add", 1);
        Two<Sub>("sub", 1);
        Two<Mul>("mul", 1);
        Two<Div>("div", 8);
        Two<Pow>("pow", 60);
        Two<Gaussian>("gaussian", 24);
        Two<Logaddexp>("logaddexp", 46);
        Two<Hypot>("hypot", 24);
        Two<Max>("max", 4);
        Two<Min>("min", 4);
        Two<Equal>("equal", 1, Result.Mask);
        Two<NotEqual>("not_equal", 1, Result.Mask);
        Two<Less>("less", 1, Result.Mask);
        Two<LessEqual>("less_equal", 1, Result.Mask);
        Two<Greater>("greater", 1, Result.Mask);
        Two<GreaterEqual>("greater_equal", 1, Result.Mask);
        Two<And>("and", 1, Result.Mask);
        Two<Or>("or", 1, Result.Mask);
        Three<Where>("where", 1, Result.LikeSecond);
        return [.. list];
    }

    private static Dictionary<string, int> Positions()
    {
        var found = new Dictionary<string, int>();
        for (int i = 0; i < All.Length; i++) found[All[i].Name] = i;
        return found;
    }

    private static void One<F>(string name, int cost, Result result = Result.Number) where F : struct, IOne => list.Add(new OfOne<F>(name, cost, result));
    private static void Two<F>(string name, int cost, Result result = Result.Number) where F : struct, ITwo => list.Add(new OfTwo<F>(name, cost, result));
    private static void Three<F>(string name, int cost, Result result) where F : struct, IThree => list.Add(new OfThree<F>(name, cost, result));

    private sealed class OfOne<F>(string name, int cost, Result result) : LoopFunction(name, 1, cost, result, typeof(F), typeof(OfOne<F>)) where F : struct, IOne
    {
        public override delegate*<T*, T*, T*, T*, nint, void> Loop<T, V, S>() => &Run<T, V, S>;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static V Call<T, V, S>(V x) where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V> => F.Apply<T, V, S>(x);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Run<T, V, S>(T* x, T* y, T* z, T* result, nint count)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>
        {
            for (nint i = 0; i < count; i += S.Count) S.Store(F.Apply<T, V, S>(S.Load(x + i)), result + i);
        }
    }

    private sealed class OfTwo<F>(string name, int cost, Result result) : LoopFunction(name, 2, cost, result, typeof(F), typeof(OfTwo<F>)) where F : struct, ITwo
    {
        public override delegate*<T*, T*, T*, T*, nint, void> Loop<T, V, S>() => &Run<T, V, S>;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static V Call<T, V, S>(V x, V y) where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V> => F.Apply<T, V, S>(x, y);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Run<T, V, S>(T* x, T* y, T* z, T* result, nint count)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>
        {
            for (nint i = 0; i < count; i += S.Count) S.Store(F.Apply<T, V, S>(S.Load(x + i), S.Load(y + i)), result + i);
        }
    }

    private sealed class OfThree<F>(string name, int cost, Result result) : LoopFunction(name, 3, cost, result, typeof(F), typeof(OfThree<F>)) where F : struct, IThree
    {
        public override delegate*<T*, T*, T*, T*, nint, void> Loop<T, V, S>() => &Run<T, V, S>;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static V Call<T, V, S>(V x, V y, V z) where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V> => F.Apply<T, V, S>(x, y, z);

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Run<T, V, S>(T* x, T* y, T* z, T* result, nint count)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> where V : struct where S : struct, ISimd<T, V>
        {
            for (nint i = 0; i < count; i += S.Count) S.Store(F.Apply<T, V, S>(S.Load(x + i), S.Load(y + i), S.Load(z + i)), result + i);
        }
    }
}
