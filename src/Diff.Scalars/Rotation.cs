using System.Numerics;

namespace Diff;

/// <summary>Turns in space.</summary>
public static class Rotation
{
    /// <summary>A point turned by |r| about the axis r (Rodrigues). No turn has derivatives of every order too: the first of those is the cross product.</summary>
    /// <param name="r">The axis, as long as the angle: three numbers.</param>
    /// <param name="x">The point's first coordinate.</param>
    /// <param name="y">The second one.</param>
    /// <param name="z">The third one.</param>
    public static (T X, T Y, T Z) Rotate<T>(ReadOnlySpan<T> r, T x, T y, T z) where T : IFloatingPointIeee754<T>
    {
        Differentiate.Expect(nameof(Rotate), nameof(r), r.Length, 3);
        var (a, b, c) = (r[0], r[1], r[2]);
        var square = a * a + b * b + c * c;
        if (square < T.One) return RotateLittle(r, x, y, z);
        var angle = T.Sqrt(square);
        var (sin, cos) = T.SinCos(angle);
        var inverse = T.One / angle;
        (a, b, c) = (a * inverse, b * inverse, c * inverse);
        var along = (a * x + b * y + c * z) * (T.One - cos);
        return (
            x * cos + (b * z - c * y) * sin + a * along,
            y * cos + (c * x - a * z) * sin + b * along,
            z * cos + (a * y - b * x) * sin + c * along);
    }

    // By series of sin t / t and (1 − cos t) / t² in the square of the angle t, so that its root is not differentiated at 0.
    private static (T, T, T) RotateLittle<T>(ReadOnlySpan<T> r, T x, T y, T z) where T : IFloatingPointIeee754<T>
    {
        var (a, b, c) = (r[0], r[1], r[2]);
        var square = a * a + b * b + c * c;
        var (sine, versine) = (T.One, T.One);
        for (var k = 20; k > 0; k -= 2)
        {
            sine = T.One - sine * square * T.CreateChecked(1.0 / (k * (k + 1)));
            versine = T.One - versine * square * T.CreateChecked(1.0 / ((k + 1) * (k + 2)));
        }
        versine *= T.CreateChecked(0.5);
        var cos = T.One - versine * square;
        var along = (a * x + b * y + c * z) * versine;
        return (
            x * cos + (b * z - c * y) * sine + a * along,
            y * cos + (c * x - a * z) * sine + b * along,
            z * cos + (a * y - b * x) * sine + c * along);
    }
}
