using Microsoft.FSharp.Core;

namespace Diff;

/// <summary>
/// Nested values of expressions: tuples, records, arrays, lists, dictionaries, in each other to any depth. Other plain data in them (numbers,
/// text) stays as it is. Keys of a dictionary count in their order.
/// </summary>
public static class Trees
{
    /// <summary>The expressions in a nested value, in order.</summary>
    /// <param name="value">The nested value.</param>
    /// <exception cref="ArgumentException">Something in it is no expression, no plain data, and cannot be taken apart.</exception>
    public static Expr[] Leaves<T>(T value) => Tree.split("Leaves", value).Item2;

    /// <summary>What is left of a nested value without its leaves; it says where they are.</summary>
    /// <param name="value">The nested value.</param>
    public static TreeStructure Structure<T>(T value) => Tree.structure(value);

    /// <summary>The nested value of a structure with these leaves.</summary>
    /// <param name="structure">The structure, from a value of the same type or nesting.</param>
    /// <param name="leaves">One expression for each leaf.</param>
    public static T Build<T>(TreeStructure structure, params Expr[] leaves) => Tree.join<T>("Build", Given(structure), Given(leaves));

    /// <summary>The same nesting with each leaf replaced.</summary>
    /// <param name="f">From a leaf to another.</param>
    /// <param name="value">The nested value.</param>
    public static T Map<T>(Func<Expr, Expr> f, T value) => Tree.map(Interop.Func(Given(f)), value);

    /// <summary>Two values of one structure combined leaf by leaf.</summary>
    /// <param name="f">From two leaves to one.</param>
    /// <param name="x">The first value.</param>
    /// <param name="y">The second value.</param>
    public static T Map<T>(Func<Expr, Expr, Expr> f, T x, T y) => Tree.map2(FuncConvert.FromFunc(Given(f)), x, y);

    /// <summary>All numbers as one vector, leaf after leaf, and the way back. The leaves need one element type.</summary>
    /// <param name="value">The nested value.</param>
    public static (Expr Vector, Func<Expr, T> Back) Ravel<T>(T value)
    {
        var (vector, back) = Tree.ravel(value);
        return (vector, back.Invoke);
    }
}
