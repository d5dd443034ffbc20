using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff;

/// <summary>
/// A number whose history is kept on a tape, for derivatives in reverse: the functions of <see cref="Differentiate"/> make the variables, call the function and
/// go through the tape backwards. A number is good on the thread and during the call that made it. Levels nest as those of <see cref="Dual{T}"/> do,
/// in any mixture.
/// </summary>
/// <typeparam name="T">The type of values and derivatives.</typeparam>
public readonly partial struct Var<T> : IDifferentiable<Var<T>, T>, ISpecialFunctions<Var<T>>, ITaped<Var<T>>
    where T : IFloatingPointIeee754<T>
{
    // 0 for a constant; else the place on the tape. Numbers that differ by a constant share one.
    internal readonly int Index;

    // Which of the tapes that record; found so faster than through the thread.
    internal readonly int Slot;

    internal Var(T value, int index, int slot)
    {
        Value = value;
        Index = index;
        Slot = slot;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Var<T> Record(T value, T dx, Var<T> x) => new(value, Tape<T>.At(x.Slot).Push(dx, x.Index, T.Zero, 0), x.Slot);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Var<T> Record(T value, T dx, Var<T> x, T dy, Var<T> y) => new(value, Tape<T>.At(x.Slot).Push(dx, x.Index, dy, y.Index), x.Slot);

    /// <inheritdoc/>
    public T Value { get; }

    /// <inheritdoc/>
    public static Var<T> Constant(T value) => new(value, 0, 0);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> Chain(Var<T> x, T value, T dx) =>
        x.Index == 0 || Tape<T>.IsZero(dx) ? Constant(value) : Record(value, dx, x);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> Chain(Var<T> x, Var<T> y, T value, T dx, T dy) =>
        x.Index == 0 ? Chain(y, value, dy)
        : y.Index == 0 ? Chain(x, value, dx)
        : Record(value, dx, x, dy, y);

    /// <summary>A constant.</summary>
    public static implicit operator Var<T>(T value) => Constant(value);

    /// <summary>The value; the derivative is dropped.</summary>
    public static explicit operator T(Var<T> x) => x.Value;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> operator +(Var<T> left, Var<T> right) =>
        left.Index == 0 ? new(left.Value + right.Value, right.Index, right.Slot)
        : right.Index == 0 ? new(left.Value + right.Value, left.Index, left.Slot)
        : Record(left.Value + right.Value, T.One, left, T.One, right);

    /// <inheritdoc cref="op_Addition(Var{T}, Var{T})"/>
    public static Var<T> operator +(Var<T> left, T right) => new(left.Value + right, left.Index, left.Slot);

    /// <inheritdoc cref="op_Addition(Var{T}, Var{T})"/>
    public static Var<T> operator +(T left, Var<T> right) => new(left + right.Value, right.Index, right.Slot);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> operator -(Var<T> left, Var<T> right) => right.Index == 0
        ? new(left.Value - right.Value, left.Index, left.Slot)
        : left.Index == 0 ? Record(left.Value - right.Value, T.NegativeOne, right)
        : Record(left.Value - right.Value, T.One, left, T.NegativeOne, right);

    /// <inheritdoc cref="op_Subtraction(Var{T}, Var{T})"/>
    public static Var<T> operator -(Var<T> left, T right) => new(left.Value - right, left.Index, left.Slot);

    /// <inheritdoc cref="op_Subtraction(Var{T}, Var{T})"/>
    public static Var<T> operator -(T left, Var<T> right) => Chain(right, left - right.Value, T.NegativeOne);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> operator *(Var<T> left, Var<T> right) =>
        left.Index == 0 ? Chain(right, left.Value * right.Value, left.Value)
        : right.Index == 0 ? Chain(left, left.Value * right.Value, right.Value)
        : Record(left.Value * right.Value, right.Value, left, left.Value, right);

    /// <inheritdoc cref="op_Multiply(Var{T}, Var{T})"/>
    public static Var<T> operator *(Var<T> left, T right) => Chain(left, left.Value * right, right);

    /// <inheritdoc cref="op_Multiply(Var{T}, Var{T})"/>
    public static Var<T> operator *(T left, Var<T> right) => Chain(right, left * right.Value, left);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> operator /(Var<T> left, Var<T> right) => Elementary<Var<T>, T>.Divide(left, right);

    /// <inheritdoc cref="op_Division(Var{T}, Var{T})"/>
    public static Var<T> operator /(Var<T> left, T right) => Chain(left, left.Value / right, T.One / right);

    /// <inheritdoc cref="op_Division(Var{T}, Var{T})"/>
    public static Var<T> operator /(T left, Var<T> right) => Constant(left) / right;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Var<T> operator -(Var<T> value) => Chain(value, -value.Value, T.NegativeOne);

    Var<T> ITaped<Var<T>>.Preaccumulate<TFunction>(TFunction f, ReadOnlySpan<Var<T>> x) => Tape<T>.Preaccumulate(f, x);

    /// <summary>Whether they have one value and one place on the tape.</summary>
    public bool Equals(Var<T> other) => Index == other.Index && Value.Equals(other.Value);

    /// <inheritdoc/>
    public override string ToString() => $"{Value}";
}
