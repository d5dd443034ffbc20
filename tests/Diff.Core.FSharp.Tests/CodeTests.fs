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
        [ "Op.Fourier"
          "Op.Random"
          "Op.Custom"
          "Op.SearchSorted"
          "Linalg.PivotOrder"
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
    let unexpected = Set.difference refusedNow refused
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

// ---- Loops and branches -------------------------------------------------------------------------------------------------

/// Value, gradient and the product of the Hessian with a direction as code, beside the engine's.
let private loopCase k name (y: Expr) (xs: Expr list) =
    let gradients = grads y xs
    let directions =
        xs
        |> List.mapi (fun i x -> constant (spread (40 + i) (-1.0, 1.0) (List.ofArray (x.Shape.ToArray()))))
    let products =
        hvp y xs (directions |> List.map2 (fun (x: Expr) d -> cast x.DType d) xs)
    let results = y :: gradients @ products
    let named = results |> List.mapi (fun i e -> $"result{i}", e)
    let code = (CSharpCode.emit $"Case{k}" [| "ValueAndGradient", Array.ofList named |])
    let taken =
        Graph.topological (Control.inlineAll (Array.ofList results))
        |> Array.filter (fun e ->
            match e.Op with
            | Op.Variable _ -> true
            | _ -> false)
    code,
    { Name = name
      Inputs = taken |> Array.map (fun e -> Evaluate.one e)
      Taken = taken
      Results = Array.ofList results }

let private leaf name seed dims =
    variableOf name (spread seed (-1.0, 1.0) dims)

let private loops () =
    let w, h, xs = leaf "w" 1 [ 3; 3 ], leaf "h" 2 [ 3 ], leaf "xs" 3 [ 5; 3 ]
    let a, b = variable "a" 7.0, variable "b" 0.4
    let cell (s: Expr list) (x: Expr list) =
        let next = tanh (matmul w s.Head + x.Head)
        [ next ], [ next ]
    let rnn options =
        let last, ys = scanWith options cell [ h ] [ xs ]
        sum (square ys.Head) + sum last.Head
    let nested () =
        let outer (s: Expr list) (row: Expr list) =
            let inner, _ =
                scan (fun t x -> [ b * sin t.Head + s.Head * x.Head ], []) s [ row.Head ]
            inner, []
        (scan outer [ constant (NDArray.op_Implicit 1.0) ] [ xs ] |> fst).Head
    let heron options =
        whileLoopWith
            options
            (fun s -> greater (abs (square s.Head - a)) (scalar 1e-4))
            (fun s -> [ 0.5 * (s.Head + a / s.Head) ])
            [ a ]
    let branching (s: Expr list) (x: Expr list) =
        let x = sum x.Head
        cond
            (greater x (scalar 0.0))
            (fun t -> [ tanh (b * (t[0] + t[1])) ])
            (fun t -> [ b * t[0] * exp t[1] ])
            [ s.Head; x ],
        []
    let types () =
        // Parts of several types make a vector of float64.
        let last, ys =
            scan
                (fun s x ->
                    [ s[0] * cast DType.Float64 x.Head; s[1] + x.Head ], [ cast DType.Float32 s[0]; s[1] ])
                [ b; Expr.op_Implicit 0L ]
                [ iota [ 4 ] 0 DType.Int64 + (Expr.op_Implicit 1L: Expr) ]
        last[0]
        + sum (cast DType.Float64 last[1])
        + sum (cast DType.Float64 ys[0])
        + sum (cast DType.Float64 ys[1])
    let implicitSteps () =
        let step (s: Expr list) (x: Expr list) =
            [ LinearAlgebra.solve (matmul w (transpose w) + eye 3 DType.Float64) (s.Head + x.Head) ], []
        sum (square (scan step [ h ] [ xs ] |> fst).Head)
    [ "scan", rnn LoopOptions.Default, [ w; h; xs ]
      "scan, backwards", rnn (LoopOptions.Default.Reversed()), [ w; h; xs ]
      "scan in scan", nested (), [ b; xs ]
      "while", (heron LoopOptions.Default |> fst).Head, [ a ]
      "while with a limit", (heron (LoopOptions.Default.WithMaxIterations 9L) |> fst).Head, [ a ]
      "count of while", a * cast DType.Float64 (heron LoopOptions.Default |> snd), [ a ]
      "cond in scan", (scan branching [ b ] [ xs ] |> fst).Head, [ b; xs ]
      "states of several types", types (), [ b ]
      "scan with solve", implicitSteps (), [ w; h; xs ]
      "no iterations",
      sum
          (scan cell [ h ] [ constant (NDArray.Zeros(DType.Float64, Shape [| 0; 3 |])) ]
           |> fst)
              .Head,
      [ w; h ]
      "checkpoint in scan",
      sum
          (scan
              (fun s x -> [ checkpoint (fun t -> tanh (matmul w t[0] + t[1])) [ s[0]; x[0] ] ], [])
              [ h ]
              [ xs ]
           |> fst)
              .Head,
      [ w; h; xs ]
      "scan in vmap",
      sum (vmap (fun v -> (scan (fun s x -> [ sin (v * s[0] + sum x[0]) ], []) [ v ] [ xs ] |> fst).Head) h),
      [ h; xs ]
      "while in vmap",
      sum (
          vmap
              (fun v ->
                  (whileLoop (fun s -> greater s[0] (scalar 0.5)) (fun s -> [ 0.5 * sin s[0] ]) [ v ]).Head)
              (3.0 * h)
      ),
      [ h ] ]

[<Fact>]
let ``loops and branches are loops and branches in the code, with their first and second derivatives`` () =
    let cases = loops () |> List.mapi (fun k (name, y, xs) -> loopCase k name y xs)
    Assert.Contains("while (true)", fst cases[3])
    Assert.DoesNotContain("while (true)", fst cases[0])
    // Value and gradient go forwards once.
    let _, y, xs = (loops ())[3]
    let both = toCSharpWithGradient "Both" y (xs |> List.map (fun x -> "A", x))
    Assert.Equal(3, (both.Split "while (true)").Length) // one in each method
    none (compare 1e-10 (run cases))

[<Fact>]
let ``a loop that does not end, or has no room for its states, says so`` () =
    let x = variable "x" 1.5
    let grown (bound: float) options =
        whileLoopWith
            options
            (fun s -> less s.Head (scalar bound))
            (fun s -> [ s.Head + 1e-4 * sin s.Head ])
            [ x ]
        |> fst
        |> List.head
    let limited = grown infinity (LoopOptions.Default.WithMaxIterations 50L)
    let fails text case =
        let error =
            Assert.Throws<TargetInvocationException>(fun () -> run [ case ] |> ignore)
        Assert.Contains(text, (nonNull error.InnerException).Message)
    let of' (y: Expr) =
        CSharpCode.emit "Case0" [| "ValueAndGradient", [| "y", y; "g", grad y x |] |],
        { Name = "while"
          Inputs = [| Evaluate.one x |]
          Taken = [| x |]
          Results = [| y; x |] }
    fails "the condition still holds after 50 iterations" (of' limited)
    // More than 9,000 iterations.
    fails "the derivative has room for 4096 iterations" (of' (grown 2.4 LoopOptions.Default))

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
