using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Diff;

/// <summary>A dual number with derivatives in eight directions at once, in a vector of the machine's: eight columns of a Jacobian in one evaluation.</summary>
/// <param name="value">The value.</param>
/// <param name="tangents">The derivatives.</param>
public readonly partial struct DualVector(double value, Vector512<double> tangents) : IDifferentiable<DualVector, double>, ISpecialFunctions<DualVector>
{
    /// <summary>How many directions there are.</summary>
    public const int Count = 8;

    /// <inheritdoc/>
    public double Value { get; } = value;

    /// <summary>The derivatives.</summary>
    public Vector512<double> Tangents { get; } = tangents;

    /// <summary>One of the variables of differentiation.</summary>
    /// <param name="value">Its value.</param>
    /// <param name="direction">The direction in which its derivative is 1; in the others it is 0.</param>
    public static DualVector Variable(double value, int direction) => new(value, Vector512<double>.Zero.WithElement(direction, 1));

    /// <inheritdoc/>
    public static DualVector Constant(double value) => new(value, default);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector Chain(DualVector x, double value, double dx) => new(value, Times(dx, x.Tangents));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector Chain(DualVector x, DualVector y, double value, double dx, double dy) => new(value, Times(dx, x.Tangents) + Times(dy, y.Tangents));

    // What does not depend on a variable contributes nothing, also where the derivative is infinite or does not exist.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Times(double derivative, Vector512<double> tangents) =>
        Vector512.AndNot(Vector512.Create(derivative) * tangents, Vector512.Equals(tangents, Vector512<double>.Zero));

    /// <summary>A constant.</summary>
    public static implicit operator DualVector(double value) => Constant(value);

    /// <summary>The value; the derivatives are dropped.</summary>
    public static explicit operator double(DualVector x) => x.Value;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator +(DualVector left, DualVector right) => new(left.Value + right.Value, left.Tangents + right.Tangents);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator -(DualVector left, DualVector right) => new(left.Value - right.Value, left.Tangents - right.Tangents);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator *(DualVector left, DualVector right) =>
        new(left.Value * right.Value, (Vector512.Create(left.Value) * right.Tangents) + (Vector512.Create(right.Value) * left.Tangents));

    /// <inheritdoc cref="op_Multiply(DualVector, DualVector)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator *(double left, DualVector right) => new(left * right.Value, Vector512.Create(left) * right.Tangents);

    /// <inheritdoc cref="op_Multiply(DualVector, DualVector)"/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator *(DualVector left, double right) => right * left;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator /(DualVector left, DualVector right) => Elementary<DualVector, double>.Divide(left, right);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static DualVector operator -(DualVector value) => new(-value.Value, -value.Tangents);

    /// <summary>Whether value and derivatives are equal.</summary>
    public bool Equals(DualVector other) => Value.Equals(other.Value) && Tangents.Equals(other.Tangents);

    /// <inheritdoc/>
    public override string ToString() => $"{Value} + {Tangents}";
}
