/// Random graphs of the whole vocabulary, asked by every oracle of the fuzzer; what failed once is asked again for ever.
module FuzzTests

open System
open System.Diagnostics
open System.IO
open Xunit
open Diff
open Diff.Fuzz

[<Literal>]
let private Graphs = 20_000L

let private corpus = Path.Combine(__SOURCE_DIRECTORY__, "..", "Diff.Fuzz", "corpus")

/// One run for all the questions about it.
let private report =
    lazy
        (Run.run
            { Run.Request.Default with
                Graphs = Graphs
                Trials = 500 })

[<Fact>]
let ``every oracle agrees about 20000 random graphs`` () =
    let r = report.Value
    Assert.True(r.Failures.IsEmpty, Run.describe r)
    Assert.Equal(Graphs, r.Tried)

[<Fact>]
let ``a run uses every word of the vocabulary, and asks every oracle often enough`` () =
    let r = report.Value
    let missing =
        Run.words
        |> List.filter (fun w ->
            match r.Words.TryGetValue w with
            | true, n -> n < Graphs / 400L
            | _ -> true)
    // 8,287 when this was written; what follows what depends on the seed and the table alone.
    Assert.True(r.Pairs.Count >= 8000, $"only {r.Pairs.Count} pairs of operations followed one another")
    Assert.True(missing.IsEmpty, $"give these a row in Operations.fs that is drawn: {missing}")
    let asked name =
        match r.Oracles.TryGetValue name with
        | true, struct (n, _) -> n
        | _ -> 0L
    for name, least in
        [ "differences", 12_000L
          "second differences", 1500L
          "modes", 1500L
          "gradient", 5000L
          "threads", 1000L
          "compiled", 500L
          "single", 1000L
          "adjoint", 1000L
          "symmetric", 500L
          "reuse", 500L
          "dead code", 400L
          "stacked", 400L
          "homogeneous", 400L
          "einsum", 300L
          "file", 250L
          "shifted", 250L
          "parts", 150L ] do
        Assert.True(
            asked name >= least,
            $"{name} was asked {asked name} times, expected {least}\n{Run.describe r}"
        )
    // What is skipped tells nothing.
    Assert.True(asked "differences" > Graphs * 6L / 10L, Run.describe r)

[<Fact>]
let ``the cases of the corpus agree`` () =
    let cases =
        [ for path in Directory.GetFiles(corpus, "*.json") do
              for case in CaseFile.read (File.ReadAllText path) -> path, case ]
    Assert.NotEmpty cases
    for path, case in cases do
        for wanted in [ Some case.Oracle; None ] do
            match Judge.judge wanted (Recorder()) case.Seed case.Program with
            | Judge.Agrees -> ()
            | Judge.Disagrees(oracle, detail) ->
                Assert.Fail $"{path}: {oracle}: {detail}\n{Run.listing case.Program}"
        let b =
            GraphProgram.buildWith Table.meaning DType.Float32 (fun _ v -> variableOf "" v) case.Program
        let near (expected: NDArray) (actual: NDArray) =
            Assert.Equal(expected.Shape, actual.Shape)
            Array.iter2
                (fun (e: float) a -> Assert.Equal(e, a, case.Tolerance + 1e-8 * abs e))
                (Arrays.floats expected)
                (Arrays.floats actual)
        case.Value |> Option.iter (fun v -> near v (eval b.Outputs[0]))
        for leaf, g in case.Gradient do
            near g (eval (grad (sum b.Outputs[0]) b.Nodes[leaf]))

[<Fact>]
let ``a program written and read again is the same, and computes the same bits`` () =
    for k in 0L .. 199L do
        let seed = Run.seedOf 77UL k
        let p = Growth.program seed
        if p.Count < 200 then
            let text =
                CaseFile.write
                    [ { Id = "x"
                        Program = p
                        Seed = seed
                        Oracle = "value"
                        Value = None
                        Gradient = []
                        Tolerance = 1e-9 } ]
            let case = CaseFile.read text |> List.exactlyOne
            Assert.Equal(seed, case.Seed)
            Assert.Equal<Application[]>(p.Steps, case.Program.Steps)
            Assert.Equal<int list>(p.Outputs, case.Program.Outputs)
            Array.iter2
                (fun (a: Leaf) (b: Leaf) ->
                    Assert.True(Arrays.sameBits a.Value b.Value)
                    Assert.Equal(a.IsConstant, b.IsConstant))
                p.Leaves
                case.Program.Leaves
            Assert.Equal(Run.digest [ p ], Run.digest [ case.Program ])

[<Fact>]
let ``a failing program shrinks to what fails in it`` () =
    let hasExpOfSum (p: GraphProgram) =
        p.Steps
        |> Array.exists (fun s ->
            s.Op = "exp"
            && s.Args
               |> List.exists (fun a -> a >= p.Leaves.Length && p.Steps[a - p.Leaves.Length].Op = "sum"))
        |> fun found -> if found then Some "exp of a sum" else None
    let step op args attrs = { Op = op; Args = args; Attrs = attrs }
    let leaf dims =
        { Value =
            Arrays.ofFloats
                DType.Float64
                (Arrays.shapeOf dims)
                (Array.init (List.fold (*) 1 dims) (fun i -> 0.1 * float i))
          IsConstant = false }
    let p =
        { Leaves = [| leaf [ 4; 5 ]; leaf [ 5 ] |]
          Steps =
            [| step "sin" [ 0 ] []
               step "mul" [ 2; 1 ] []
               step "sum" [ 3 ] [ "axis", Int 0; "keepdims", Flag false ]
               step "exp" [ 4 ] []
               step "add" [ 5; 1 ] []
               step "tanh" [ 6 ] [] |]
          Outputs = [ 7; 2 ] }
    match Shrink.shrinkBy 500 hasExpOfSum p with
    | ValueNone -> Assert.Fail "it fails at first"
    | ValueSome(struct (least, _)) ->
        Assert.Equal<string[]>([| "sum"; "exp" |], least.Steps |> Array.map _.Op)
        Assert.Equal<int list>([ 2 ], least.Outputs)
        Assert.Equal(1, least.Leaves |> Array.sumBy _.Value.Length)

let private step op args attrs = { Op = op; Args = args; Attrs = attrs }

let private leafOf dims (numbers: float list) =
    { Value = Arrays.ofFloats DType.Float64 (Arrays.shapeOf dims) (Array.ofList numbers)
      IsConstant = false }

/// One operation of one leaf.
let private single numbers op attrs =
    { Leaves = [| leafOf [ List.length numbers ] numbers |]
      Steps = [| step op [ 0 ] attrs |]
      Outputs = [ 1 ] }

[<Fact>]
let ``differences across a kink, beside a pole and where a slope is infinite are not asked`` () =
    let quotient =
        { Leaves = [| leafOf [ 1 ] [ 0.5 ] |]
          Steps = [| step "div" [ 0; 0 ] []; step "acos" [ 1 ] [] |]
          Outputs = [ 2 ] }
    let kink = "near a kink"
    for reason, p in
        [ kink, single [ 0.25; 0.3333 ] "clip" [ "lo", Real -0.6667; "hi", Real 0.3333004 ]
          kink, single [ 1.5; 1.4e-311 ] "lgamma" []
          kink, single [ -2.0001 ] "digamma" []
          kink, single [ 0.5; -1.0 ] "asin" []
          kink, single [ 1.0 ] "acosh" []
          // A quotient is rounded.
          "a comparison of rounded numbers, a matrix or an angle of very large ones", quotient ] do
        for seed in 1UL .. 20UL do
            let note = Recorder()
            match Judge.judge None note seed p with
            | Judge.Agrees -> Assert.Contains(reason, note.Skips)
            | Judge.Disagrees(oracle, detail) -> Assert.Fail $"{oracle}: {detail}\n{Run.listing p}"
    // Between the bounds and where the slope is finite they are.
    for p in
        [ single [ 0.25; 0.9 ] "clip" [ "lo", Real -0.6667; "hi", Real 0.3333004 ]
          single [ 1.5; -2.5 ] "lgamma" []
          single [ 0.5 ] "acos" [] ] do
        let note = Recorder()
        Assert.Equal(Judge.Agrees, Judge.judge None note 1UL p)
        Assert.True(note.Errors.ContainsKey "differences")

[<Fact>]
let ``what is left of terms that cancel may differ by as much as these round`` () =
    // A standardised row sums to 0 but for rounding, and that is multiplied by 1e59.
    let row = 2.6457513110645907 :: List.replicate 7 -0.37796447300922725
    let product =
        { Leaves =
            [| leafOf [ 2; 8 ] (List.replicate 16 1.0)
               leafOf [ 8 ] row
               leafOf [ 8 ] (List.init 8 (fun i -> 1e29 * float (i + 1)))
               leafOf [] [ 6e29 ] |]
          Steps =
            [| step "einsum" [ 0; 1 ] [ "spec", Text "ad,b->ad" ]
               step "einsum" [ 4; 2; 3 ] [ "spec", Text "ad,d,->a" ] |]
          Outputs = [ 5 ] }
    for seed in 1UL .. 20UL do
        Assert.Equal(Judge.Agrees, Judge.judge (Some "value") (Recorder()) seed product)

[<Fact>]
let ``a graph that could not be grown is a failure without a program`` () =
    let failure: Run.Failure =
        { Number = 3L
          Seed = 5UL
          Oracle = "growth"
          Detail = "refused"
          Program = ValueNone }
    Assert.Equal(None, Run.caseOfFailure failure)
    Assert.Equal(
        Some "value-0000000000000005",
        { failure with
            Oracle = "value"
            Program = ValueSome(single [ 1.0 ] "exp" []) }
        |> Run.caseOfFailure
        |> Option.map _.Id
    )

[<Fact>]
let ``two that broadcast to more than an array holds are not drawn together`` () =
    let shape dims = Shape(Array.ofList dims)
    Assert.Equal(ValueNone, Arrays.tryBroadcast (shape [ 69088 ]) (shape [ 69088; 1 ]))
    Assert.Equal(ValueSome(shape [ 3; 2 ]), Arrays.tryBroadcast (shape [ 2 ]) (shape [ 3; 1 ]))
    Assert.Equal(ValueNone, Arrays.tryBroadcast (shape [ 2 ]) (shape [ 3 ]))

[<Fact>]
let ``a seed gives the same numbers everywhere`` () =
    // The first outputs of the generator for the seed 1234567, as its authors publish them.
    let r = SplitMix 1234567UL
    Assert.Equal<uint64 list>(
        [ 6457827717110365317UL
          3203168211198807973UL
          9817491932198370423UL
          4593380528125082431UL
          16408922859458223821UL ],
        [ for _ in 1..5 -> r.Next() ]
    )

[<Fact>]
let ``a fresh process computes the same bits`` () =
    let path = typeof<Run.Request>.Assembly.Location
    let start =
        ProcessStartInfo(
            "dotnet",
            [ path; "--digest"; "--graphs"; "150"; "--seed"; "5" ],
            RedirectStandardOutput = true
        )
    use child = nonNull (Process.Start start)
    let text = child.StandardOutput.ReadToEnd().Trim()
    child.WaitForExit()
    Assert.Equal(0, child.ExitCode)
    Assert.Equal(Run.digest (seq { for k in 0L .. 149L -> Growth.program (Run.seedOf 5UL k) }), text)

let private root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, "..", ".."))

[<Fact>]
let ``every seeded fault still applies: its text stands in the source once`` () =
    let faults = Faults.read (Path.Combine(root, "tests", "faults", "faults.json"))
    Assert.True(faults.Length >= 40, $"{faults.Length} faults")
    Assert.Equal<int list>([ 1 .. faults.Length ], faults |> List.map _.Id)
    for f in faults do
        Assert.True(
            Faults.occurrences root f = 1,
            $"fault {f.Id}, {f.What}: its text stands {Faults.occurrences root f} times in {f.File}"
        )
        Assert.NotEqual<string>(f.Old, f.New)
