using System.Numerics;
using System.Runtime.CompilerServices;

namespace Diff;

/// <summary>
/// A dual number: a value and its derivative in one direction, carried forward through every operation. Levels nest: the derivative of a derivative
/// is computed with <c>Dual&lt;Dual&lt;double&gt;&gt;</c>, and since each level is a type of its own, what a function captures from an outer level is
/// a constant of the inner one.
/// </summary>
/// <typeparam name="T">The type of the value and the derivative.</typeparam>
/// <param name="value">The value.</param>
/// <param name="tangent">The derivative.</param>
public readonly partial struct Dual<T>(T value, T tangent) : IDifferentiable<Dual<T>, T>, ISpecialFunctions<Dual<T>>
    where T : IFloatingPointIeee754<T>
{
    /// <summary>The value.</summary>
    public T Value => value;

    /// <summary>The derivative.</summary>
    public T Tangent => tangent;

    /// <summary>The variable of differentiation: its derivative is 1.</summary>
    /// <param name="value">Its value.</param>
    public static Dual<T> Variable(T value) => new(value, T.One);

    /// <inheritdoc/>
    public static Dual<T> Constant(T value) => new(value, T.Zero);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> Chain(Dual<T> x, T value, T dx) => new(value, Times(dx, x.Tangent));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> Chain(Dual<T> x, Dual<T> y, T value, T dx, T dy) => new(value, Times(dx, x.Tangent) + Times(dy, y.Tangent));

    // What does not depend on the variable contributes nothing, also where the derivative is infinite or does not exist.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Times(T derivative, T tangent) => tangent.Equals(T.Zero) ? T.Zero : derivative * tangent;

    /// <summary>A constant.</summary>
    public static implicit operator Dual<T>(T value) => Constant(value);

    /// <summary>The value; the derivative is dropped.</summary>
    public static explicit operator T(Dual<T> x) => x.Value;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> operator +(Dual<T> left, Dual<T> right) => new(left.Value + right.Value, left.Tangent + right.Tangent);

    /// <inheritdoc cref="op_Addition(Dual{T}, Dual{T})"/>
    public static Dual<T> operator +(Dual<T> left, T right) => new(left.Value + right, left.Tangent);

    /// <inheritdoc cref="op_Addition(Dual{T}, Dual{T})"/>
    public static Dual<T> operator +(T left, Dual<T> right) => new(left + right.Value, right.Tangent);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> operator -(Dual<T> left, Dual<T> right) => new(left.Value - right.Value, left.Tangent - right.Tangent);

    /// <inheritdoc cref="op_Subtraction(Dual{T}, Dual{T})"/>
    public static Dual<T> operator -(Dual<T> left, T right) => new(left.Value - right, left.Tangent);

    /// <inheritdoc cref="op_Subtraction(Dual{T}, Dual{T})"/>
    public static Dual<T> operator -(T left, Dual<T> right) => new(left - right.Value, -right.Tangent);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> operator *(Dual<T> left, Dual<T> right) =>
        new(left.Value * right.Value, left.Value * right.Tangent + left.Tangent * right.Value);

    /// <inheritdoc cref="op_Multiply(Dual{T}, Dual{T})"/>
    public static Dual<T> operator *(Dual<T> left, T right) => new(left.Value * right, left.Tangent * right);

    /// <inheritdoc cref="op_Multiply(Dual{T}, Dual{T})"/>
    public static Dual<T> operator *(T left, Dual<T> right) => new(left * right.Value, left * right.Tangent);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> operator /(Dual<T> left, Dual<T> right) => Elementary<Dual<T>, T>.Divide(left, right);

    /// <inheritdoc cref="op_Division(Dual{T}, Dual{T})"/>
    public static Dual<T> operator /(Dual<T> left, T right) => new(left.Value / right, left.Tangent / right);

    /// <inheritdoc cref="op_Division(Dual{T}, Dual{T})"/>
    public static Dual<T> operator /(T left, Dual<T> right) => Constant(left) / right;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Dual<T> operator -(Dual<T> value) => new(-value.Value, -value.Tangent);

    /// <summary>Whether value and derivative are equal.</summary>
    public bool Equals(Dual<T> other) => Value.Equals(other.Value) && Tangent.Equals(other.Tangent);

    /// <inheritdoc/>
    public override string ToString() => $"{Value} + {Tangent}ε";
}
