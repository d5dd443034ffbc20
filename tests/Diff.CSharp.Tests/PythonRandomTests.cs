using System;
using System.Linq;
using Diff.Samples;
using Xunit;

namespace Diff.Tests;

// What CPython 3 and NumPy print. Math.Log, Sin and Cos may differ between platforms in the last bit, hence the tolerance for Gauss.
public class PythonRandomTests
{
    private static T[] Take<T>(int count, Func<T> draw) => [.. Enumerable.Range(0, count).Select(_ => draw())];

    [Fact]
    public void Random_Should_Equal_Python() =>
        Assert.Equal([0.6394267984578837, 0.025010755222666936, 0.27502931836911926], Take(3, new PythonRandom(42).Random));

    [Theory]
    [InlineData(0, 0.8444218515250481)]
    [InlineData(-42, 0.6394267984578837)]
    [InlineData((1L << 40) + 5, 0.5043802970418443)]
    [InlineData(long.MinValue, 0.5534639983914199)]
    public void Seed_Should_Be_As_In_Python(long seed, double first) => Assert.Equal(first, new PythonRandom(seed).Random());

    [Fact]
    public void Random_Should_Equal_Python_When_The_State_Is_Used_Up() =>
        Assert.Equal(0.37786262968738116, Take(1000, new PythonRandom(7).Random)[^1]);

    [Fact]
    public void Uniform_Should_Equal_Python()
    {
        var random = new PythonRandom(42);
        Assert.Equal([0.2788535969157675, -0.9499784895546661, -0.4499413632617615], Take(3, () => random.Uniform(-1, 1)));
    }

    [Fact]
    public void Gauss_Should_Equal_Python_And_Keep_The_Second_Value()
    {
        var random = new PythonRandom(42);
        double[] expected = [-0.14409032957792836, -0.1729036003315193, -0.11131586156766246, 0.7019837250988631];
        foreach (var value in expected)
            Assert.Equal(value, random.Gauss(0, 1), 1e-15);
        Assert.Equal(2.744823432434226, random.Gauss(3, 2), 1e-14);
    }

    [Fact]
    public void RandRange_Should_Equal_Python()
    {
        var random = new PythonRandom(42);
        Assert.Equal([1, 0, 4, 3, 3, 2, 1, 8, 1, 9], Take(10, () => random.RandRange(10)));
        Assert.Equal([906070220, 68252793], Take(2, () => random.RandRange(int.MaxValue)));
        Assert.Equal([0, 0], Take(2, () => random.RandRange(1)));
        Assert.Equal(3, random.RandRange(8));
        Assert.Throws<ArgumentOutOfRangeException>(() => random.RandRange(0));
    }

    [Fact]
    public void Shuffle_Should_Equal_Python()
    {
        int[] list = [.. Enumerable.Range(0, 10)];
        new PythonRandom(42).Shuffle(list);
        Assert.Equal([7, 3, 2, 8, 5, 6, 9, 4, 0, 1], list);
    }

    [Fact]
    public void NumPy_Should_Equal_Numpy() =>
        Assert.Equal([0.5488135039273248, 0.7151893663724195, 0.6027633760716439], Take(3, PythonRandom.NumPy(0).Random));
}
