using Xunit;
using static Diff.Ops;

namespace Diff.Tests;

/// <summary>Files as a C# program meets them: limits and options by initialisers, models as functions, nothing half loaded.</summary>
public sealed class FormatsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("diff-formats").FullName;

    public void Dispose() => Directory.Delete(_folder, true);

    private string At(string name) => Path.Combine(_folder, name);

    [Fact]
    public void Tables_and_arrays_are_loaded_with_options()
    {
        File.WriteAllText(At("iris.csv"), "name;length;width\nsetosa;5.1;3.5\nvirginica;6.3;\n");
        var options = new CsvOptions { Separator = ';', Columns = ["width", "length"], EmptyIsNaN = true };
        CsvTable table = Csv.Load(At("iris.csv"), options);
        Assert.Equal([3.5, 5.1, double.NaN, 6.3], table.Values.ToArray<double>());
        Assert.Equal([5.1, 6.3], table["length"].ToArray<double>());
        Assert.Equal("setosa", Csv.LoadText(At("iris.csv"), options)[1][0]);

        Npz.Save(At("data.npz"), new Dictionary<string, NDArray> { ["x"] = table.Values, ["n"] = new[] { 1, 2 } }, compress: true);
        Assert.Equal([1, 2], Npz.Load(At("data.npz"))["n"].ToArray<int>());
        Assert.Throws<DiffFormatException>(() => Npz.Load(At("data.npz"), new FileLimits { MaxUnpackedBytes = 100 }));
        Npy.Save(At("x.npy"), table.Values);
        Assert.Equal(table.Values.Shape, TensorFile.Load(At("x.npy"))[""].Shape);
    }

    [Fact]
    public void A_network_saved_as_ONNX_is_loaded_as_a_function()
    {
        var w = Variable(new double[,] { { 1, -2 }, { 0.5, 3 } }, "w");
        var x = Input(new Shape([1, 2]), DType.Float64, "x");
        Onnx.Save(At("net.onnx"), [x], new Dictionary<string, Expr> { ["y"] = Tanh(MatMul(x, w)) });
        OnnxModel model = Onnx.Load(At("net.onnx"));
        Assert.Equal("x", model.Inputs[0].Name);
        Expr given = Constant(new double[,] { { 0.1, 0.2 } });
        Expr y = model.Apply(new Dictionary<string, Expr> { ["x"] = given })["y"];
        Assert.Equal(Math.Tanh(0.2), y.Eval().ToArray<double>()[0], 15);
        Expr gradient = Grad(Sum(y), model.Parameters["w"]);
        Assert.Equal(Grad(Sum(Tanh(MatMul(given, w))), w).Eval().ToArray<double>(), gradient.Eval().ToArray<double>());
        Assert.Equal(y.Eval().ToArray<double>(), model.Compile().Call(given.Eval())[0].ToArray<double>());
    }
}
