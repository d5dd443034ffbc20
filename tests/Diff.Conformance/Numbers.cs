using System.Globalization;
using System.Text.Json;

namespace Diff.Conformance;

/// <summary>The numbers of a tensor as a case writes them.</summary>
internal sealed record Numbers(int[] Shape, double[] Data)
{
    public static Numbers Of(JsonElement json) =>
        new(json.Ints("shape"), [.. json.GetProperty("data").EnumerateArray().Select(Number)]);

    public static Numbers Of(NDArray array) =>
        new(array.Shape.ToArray(), [.. Enumerable.Range(0, array.Length).Select(array.Float)]);

    private static double Number(JsonElement json) => json.ValueKind switch
    {
        JsonValueKind.True => 1,
        JsonValueKind.False => 0,
        JsonValueKind.Number => json.GetDouble(),
        _ => json.GetString() switch
        {
            "nan" => double.NaN,
            "inf" => double.PositiveInfinity,
            "-inf" => double.NegativeInfinity,
            "-0" => -0.0,
            var other => throw new InvalidDataException($"expected a number, got \"{other}\""),
        },
    };

    public NDArray ToArray(string dtype) => dtype switch
    {
        "float64" => NDArray.Create([.. Data], new Shape(Shape)),
        "float32" => NDArray.Create(Array.ConvertAll(Data, x => (float)x), new Shape(Shape)),
        "int32" => NDArray.Create(Array.ConvertAll(Data, x => (int)x), new Shape(Shape)),
        "int64" => NDArray.Create(Array.ConvertAll(Data, x => (long)x), new Shape(Shape)),
        "bool" => NDArray.Create(Array.ConvertAll(Data, x => x != 0), new Shape(Shape)),
        _ => throw new UnsupportedException($"element type {dtype}"),
    };

    /// <summary>|got − want| ≤ atol + rtol·|want|, NaN equal to NaN, infinities to themselves.</summary>
    public static bool Agree(double got, double want, double rtol, double atol, bool signOfZeroMatters)
    {
        if (double.IsNaN(want) || double.IsNaN(got)) return double.IsNaN(want) && double.IsNaN(got);
        if (double.IsInfinity(want) || double.IsInfinity(got)) return got == want;
        if (want == 0 && got == 0) return !signOfZeroMatters || double.IsNegative(got) == double.IsNegative(want);
        return Math.Abs(got - want) <= atol + rtol * Math.Abs(want);
    }

    /// <summary>Where these numbers are not the expected ones; null if they are.</summary>
    public string? Difference(Numbers want, double rtol, double atol, bool signOfZeroMatters)
    {
        if (!Shape.SequenceEqual(want.Shape)) return $"shape ({string.Join(",", Shape)}), expected ({string.Join(",", want.Shape)})";
        for (var i = 0; i < Data.Length; i++)
            if (!Agree(Data[i], want.Data[i], rtol, atol, signOfZeroMatters)) return $"{Text(Data[i])} at {i}, expected {Text(want.Data[i])}";
        return null;
    }

    /// <summary>The same shape and bits; any NaN equals any other.</summary>
    public bool Same(Numbers other) =>
        Shape.SequenceEqual(other.Shape)
        && Data.Zip(other.Data).All(p => double.IsNaN(p.First) ? double.IsNaN(p.Second) : BitConverter.DoubleToInt64Bits(p.First) == BitConverter.DoubleToInt64Bits(p.Second));

    private static string Text(double x) => x.ToString("R", CultureInfo.InvariantCulture);

    public override string ToString() => $"({string.Join(",", Shape)}) [{string.Join(", ", Data.Take(8).Select(Text))}{(Data.Length > 8 ? ", …" : "")}]";
}
