/// Generated C# compiled, run and compared with the values of the graphs.
module CodeTests

open System
open System.Diagnostics
open System.IO
open System.Reflection
open System.Text
open Xunit
open Diff
open Diff.Testing.Generators
open Diff.Testing.Samples

/// Words without a form in plain C#.
let private refused =
    set
        [ "Op.Branch"
          "Op.Loop"
          "Op.Fourier"
          "Op.Random"
          "Op.Custom"
          "Op.SearchSorted"
          "Linalg.PivotOrder"
          "Linalg.Qr"
          "Linalg.Eigh"
          "Linalg.Svd"
          "Linalg.Pinv"
          "Linalg.Expm"
          "Linalg.Symmetric" ]

/// The platform's own C# compiler, which comes with the SDK that builds these tests.
let private compile (source: string) : Assembly =
    let folder = Directory.CreateTempSubdirectory "diff-code"
    try
        let path name = Path.Combine(folder.FullName, name)
        File.WriteAllText(path "Code.cs", source)
        let runtime = nonNull (Path.GetDirectoryName typeof<obj>.Assembly.Location)
        let root = Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."))
        let compiler =
            Directory.GetDirectories(Path.Combine(root, "sdk"))
            |> Array.sortDescending
            |> Array.map (fun sdk -> Path.Combine(sdk, "Roslyn", "bincore", "csc.dll"))
            |> Array.find File.Exists
        let references =
            Directory.GetFiles(runtime, "System*.dll")
            |> Array.append [| Path.Combine(runtime, "netstandard.dll") |]
            |> Array.map (fun r -> $"/reference:\"{r}\"")
        let library, code = path "Code.dll", path "Code.cs"
        File.WriteAllLines(
            path "args.rsp",
            Array.append
                [| "/nologo"
                   "/target:library"
                   "/nostdlib"
                   "/optimize+"
                   $"/out:\"{library}\""
                   $"\"{code}\"" |]
                references
        )
        let start =
            ProcessStartInfo(
                Path.Combine(root, "dotnet"),
                [| "exec"; compiler; "/noconfig"; "@" + path "args.rsp" |],
                RedirectStandardOutput = true
            )
        use run = nonNull (Process.Start start)
        let output = run.StandardOutput.ReadToEnd()
        run.WaitForExit()
        Assert.True((run.ExitCode = 0), output)
        Assembly.Load(File.ReadAllBytes(path "Code.dll"))
    finally
        folder.Delete true

type private Case =
    {
        Name: string
        Inputs: NDArray[]
        /// The inputs that the code takes, in its order.
        Taken: Expr[]
        Results: Expr[]
    }

let private arrayOf (a: NDArray) : Array =
    match a.DType with
    | DType.Float32 -> a.ToArray<float32>()
    | DType.Float64 -> a.ToArray<float>()
    | DType.Int32 -> a.ToArray<int>()
    | DType.Int64 -> a.ToArray<int64>()
    | _ -> a.ToArray<bool>()

let private kind (e: Expr) =
    match e.DType with
    | DType.Float32 -> "float[]"
    | DType.Float64 -> "double[]"
    | DType.Int32 -> "int[]"
    | DType.Int64 -> "long[]"
    | _ -> "bool[]"

/// The code of all cases in one assembly, with a method that runs one of them on arrays.
let private run (cases: (string * Case) list) : (Case * Array[]) list =
    let source = StringBuilder()
    let calls = StringBuilder()
    cases
    |> List.iteri (fun k (code, case) ->
        let head = code.IndexOf "public static partial class"
        source.Append(code.Substring head) |> ignore
        let all = Array.append case.Taken case.Results
        let list = String.Join(", ", all |> Array.mapi (fun i e -> $"({kind e})a[{i}]"))
        calls.Append(
            $"case {k}: Case{k}.ValueAndGradient({list}, new byte[Case{k}.ValueAndGradientScratchBytes]); break;\n"
        )
        |> ignore)
    let usings =
        "using System; using System.Numerics; using System.Runtime.CompilerServices; using System.Runtime.InteropServices;\n#nullable enable\n"
    let main =
        "public static class Run { public static void Case(int k, Array[] a) { switch (k) {\n"
        + calls.ToString()
        + "} } }\n"
    let assembly = compile (usings + source.ToString() + main)
    let entry = nonNull ((nonNull (assembly.GetType "Run")).GetMethod "Case")
    [ for k, (_, case) in List.indexed cases do
          let results =
              case.Results |> Array.map (fun e -> arrayOf (NDArray.Zeros(e.DType, e.Shape)))
          entry.Invoke(null, [| box k; box (Array.append (Array.map arrayOf case.Inputs) results) |])
          |> ignore
          case, results ]

let private caseOf k (s: Sample) =
    let xs = s.Points |> List.mapi (fun i p -> variableOf $"p{i}" p)
    let y = s.Build xs
    let floats = xs |> List.filter (fun x -> DType.isFloat x.DType)
    let weighted =
        if DType.isFloat y.DType then
            sum (
                y
                * cast y.DType (constant (spread 9 (0.5, 1.5) (List.ofArray (y.Shape.ToArray()))))
            )
        else
            sum (cast DType.Float64 y)
    let named = floats |> List.mapi (fun i x -> $"_{i}", x)
    let code = toCSharpWithGradient $"Case{k}" weighted named
    let results = Array.append [| weighted |] (Array.ofList (grads weighted floats))
    let taken =
        Graph.topological (Control.inlineAll results)
        |> Array.filter (fun e ->
            match e.Op with
            | Op.Variable _ -> true
            | _ -> false)
    code,
    { Name = s.Name
      Inputs = taken |> Array.map (fun e -> Evaluate.one e)
      Taken = taken
      Results = results }

let private compare tolerance (found: (Case * Array[]) list) =
    [ for case, actual in found do
          for e, a in Array.zip (Evaluate.many case.Results) actual do
              let a =
                  NDArray.Create(Seq.toArray (Seq.cast<obj> a |> Seq.map Convert.ToDouble), e.Shape)
              let scale =
                  floats e
                  |> Array.fold (fun m v -> if Double.IsFinite v then max m (abs v) else m) 1.0
              for i in 0 .. e.Length - 1 do
                  let x, y = e.Float i, a.Float i
                  let same = x = y || Double.IsNaN x && Double.IsNaN y
                  if not (same || abs (x - y) <= tolerance * scale) then
                      $"{case.Name}: {y} instead of {x}" ]

let private none (problems: string list) =
    Assert.True(
        problems.IsEmpty,
        String.Join("\n", List.truncate 20 problems) + $"\n{problems.Length} problems"
    )

let private casesOf count (change: Sample -> Sample option) =
    let refusedNow = Collections.Generic.HashSet<string>()
    let mutable k = 0
    let cases =
        [ for word, samples in table do
              for s in samples |> Option.defaultValue [] |> List.truncate count |> List.choose change do
                  try
                      let case = caseOf k s
                      k <- k + 1
                      case
                  with :? NotSupportedException as e ->
                      Assert.StartsWith("ToCSharp: ", e.Message)
                      refusedNow.Add word |> ignore ]
    cases, set refusedNow

[<Fact>]
let ``generated code computes value and gradient of every word that it has`` () =
    let cases, refusedNow = casesOf 4 Some
    Assert.True(cases.Length > 250, $"only {cases.Length} cases")
    let unexpected =
        Set.difference refusedNow refused
        |> Set.filter (fun w -> not (w.StartsWith "Op.Linalg"))
    Assert.True(unexpected.IsEmpty, String.Join(", ", unexpected))
    none (compare 1e-10 (run cases))

[<Fact>]
let ``so it does in float32`` () =
    let single (p: NDArray) =
        if p.DType = DType.Float64 then
            eval (cast DType.Float32 (constant p))
        else
            p
    let change (s: Sample) =
        let s =
            { s with
                Points = List.map single s.Points }
        try
            s.Build(List.map (variableOf "x") s.Points) |> ignore
            if s.Points |> List.exists (fun p -> DType.isHalf p.DType) then
                None
            else
                Some s
        with :? DTypeException ->
            None
    let cases, _ = casesOf 2 change
    Assert.True(cases.Length > 120, $"only {cases.Length} cases")
    none (compare 2e-4 (run cases))

[<Fact>]
let ``the source is plain, and says what it needs`` () =
    let x, w =
        variableOf "x" (spread 1 (-1.0, 1.0) [ 3; 2 ]), variableOf "w" (spread 2 (-1.0, 1.0) [ 2 ])
    let y = sum (square (tanh (matmul x w)))
    let code = toCSharpWithGradient "Loss" y [ "W", w ]
    Assert.Contains("public static partial class Loss", code)
    Assert.Contains(
        "public static void ValueAndGradient(ReadOnlySpan<double> x_2, ReadOnlySpan<double> w, Span<double> value, Span<double> gradientOfW",
        code
    )
    Assert.DoesNotContain("new double", code)
    Assert.DoesNotContain("Diff", code)
    Assert.Contains("Math.Tanh", code)
    // Values that go into one loop have no memory of their own.
    let fused = toCSharp "F" [ "result", exp (sin x * 2.0 + 1.0) ]
    Assert.Contains("EvaluateScratchBytes = 0", fused)

[<Fact>]
let ``words without a form are named`` () =
    let x = variableOf "x" (spread 1 (-1.0, 1.0) [ 3; 3 ])
    let error =
        Assert.Throws<NotSupportedException>(fun () -> toCSharp "F" [ "y", svdvals x ] |> ignore)
    Assert.Contains("svd", error.Message)
    Assert.Contains(
        "taken",
        Assert.Throws<ArgumentException>(fun () -> toCSharp "F" [ "y", x; "y", x ] |> ignore).Message
    )
