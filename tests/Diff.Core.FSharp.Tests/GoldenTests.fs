/// Files that others made, and files of earlier versions: they lie in golden/, so that no test needs their makers.
namespace global

open System
open System.IO
open System.Reflection
open Diff
open Xunit

module GoldenTests =
    let private load (name: string) =
        let folder = Directory.CreateTempSubdirectory("diff-golden-").FullName
        try
            let path = Path.Combine(folder, name)
            use source =
                nonNull (Assembly.GetExecutingAssembly().GetManifestResourceStream("golden/" + name))
            using (File.Create path) source.CopyTo
            TensorFile.Load path
        finally
            Directory.Delete(folder, true)

    let private check (dtype: DType) (dims: int list) (values: float list) (found: NDArray) =
        Assert.Equal(dtype, found.DType)
        Assert.Equal(Shape(Array.ofList dims), found.Shape)
        Assert.Equal<float list>(values, List.init found.Length found.Float)

    /// What NumPy's RandomState(1).randn(3, 4) gives.
    let private normal =
        [ 1.6243453636632417
          -0.6117564136500754
          -0.5281717522634557
          -1.0729686221561705
          0.8654076293246785
          -2.3015386968802827
          1.74481176421648
          -0.7612069008951028
          0.31903909605709857
          -0.2493703754774101
          1.462107937044974
          -2.060140709497654 ]

    [<Fact>]
    let ``arrays that NumPy saved are loaded bit by bit`` () =
        let one name = (load name).[""]
        check DType.Float64 [ 3; 4 ] normal (one "numpy-float64.npy")
        check DType.Int32 [ 2; 3; 4 ] [ 0.0 .. 23.0 ] (one "numpy-fortran.npy")
        check DType.Float32 [ 2; 3 ] [ 0.0 .. 5.0 ] (one "numpy-big-endian.npy")
        let half = one "numpy-half.npy"
        check DType.Float32 [ 5 ] [ 1.5; 0.0; infinity; Math.Pow(2.0, -24.0); 65504.0 ] half
        Assert.True(Single.IsNegative(half.Span<float32>()[1]))
        check DType.Float32 [] [ 3.25 ] (one "numpy-scalar.npy")
        check DType.Bool [ 2; 1 ] [ 1.0; 0.0 ] (one "numpy-bool.npy")
        check DType.Int32 [ 256 ] [ 0.0 .. 255.0 ] (one "numpy-uint8.npy")
        check DType.Int64 [ 3 ] [ 0.0 .. 2.0 ] (one "numpy-version2.npy")
        check DType.Int64 [ 3 ] [ 0.0 .. 2.0 ] (one "numpy-version3.npy")

    [<Theory>]
    [<InlineData("numpy.npz", 2)>]
    [<InlineData("numpy-packed.npz", 3)>]
    let ``files of arrays that NumPy saved are loaded`` (name: string) (count: int) =
        let found = load name
        Assert.Equal(count, found.Count)
        check DType.Float32 [ 3; 4 ] (normal |> List.map (float32 >> float)) found["a"]
        check DType.Int64 [ 5 ] [ 0.0 .. 4.0 ] found["b"]

    [<Theory>]
    [<InlineData("version-0.1.safetensors")>]
    [<InlineData("version-0.1.npz")>]
    let ``files of version 0.1 are loaded bit by bit`` (name: string) =
        let found = load name
        Assert.Equal(5, found.Count)
        check DType.Float32 [ 2; 2 ] [ 1.5; nan; -0.0; float 3e38f ] found["float32"]
        Assert.Equal(0x7fc00001, BitConverter.SingleToInt32Bits(found["float32"].Span<float32>()[1]))
        check DType.Float64 [ 2 ] [ Math.PI; -infinity ] found["float64"]
        check DType.Int32 [] [ -2147483648.0 ] found["int32"]
        check DType.Int64 [ 1 ] [ float Int64.MaxValue ] found["int64"]
        check DType.Bool [ 3; 1 ] [ 1.0; 0.0; 1.0 ] found["bool"]
