/// Tests the tests: each of many small mistakes is put into a copy of the source, and the fuzzer, else the laws or the cases, have to find it.
module Diff.Fuzz.Faults

open System
open System.Diagnostics
open System.IO
open System.Text.Json
open System.Text.RegularExpressions

/// A mistake: a text of a source file, which stands there once, and what takes its place.
type Fault =
    { Id: int
      Area: string
      What: string
      File: string
      Old: string
      New: string }

/// The faults of a list.
let read (path: string) : Fault list =
    use document = JsonDocument.Parse(File.ReadAllText path)
    [ for e in document.RootElement.EnumerateArray() do
          let text (name: string) =
              nonNull (e.GetProperty(name).GetString())
          { Id = e.GetProperty("id").GetInt32()
            Area = text "area"
            What = text "what"
            File = text "file"
            Old = text "old"
            New = text "new" } ]

/// How often the text that a fault replaces stands in its file.
let occurrences (root: string) (fault: Fault) : int =
    Regex.Matches(File.ReadAllText(Path.Combine(root, fault.File)), Regex.Escape fault.Old).Count

/// What became of a fault.
type Outcome =
    /// By an oracle, in the graph of that number.
    | Caught of oracle: string * graph: int64
    /// Not by the graphs, but by other tests.
    | CaughtBy of test: string
    | Survived
    /// It does not compile: no fault that anyone could make.
    | NotBuilt of string

/// Runs a program; gives its exit code and output, or none when time was up.
let private start
    (folder: string)
    (seconds: float)
    (file: string)
    (args: string list)
    : (int * string) option =
    let info =
        ProcessStartInfo(
            file,
            args,
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )
    // A crash is an answer, not something to keep.
    info.Environment["DOTNET_DbgEnableMiniDump"] <- "0"
    use child = nonNull (Process.Start info)
    let output, errors =
        child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync()
    if child.WaitForExit(TimeSpan.FromSeconds seconds) then
        child.WaitForExit()
        Some(child.ExitCode, output.Result + errors.Result)
    else
        child.Kill true
        None

let rec private copy (from: string) (into: string) : unit =
    let isLeftOut (name: string) =
        name = "bin" || name = "obj" || name = ".git" || name = "artifacts"
    Directory.CreateDirectory into |> ignore
    for file in Directory.GetFiles from do
        File.Copy(file, Path.Combine(into, nonNull (Path.GetFileName file)), true)
    for folder in Directory.GetDirectories from do
        let name = nonNull (Path.GetFileName folder)
        if not (isLeftOut name) then
            copy folder (Path.Combine(into, name))

/// The parts of a repository that the two assemblies under test are built from.
let private copyRepository (root: string) (into: string) : unit =
    Directory.CreateDirectory into |> ignore
    for file in Directory.GetFiles root do
        File.Copy(file, Path.Combine(into, nonNull (Path.GetFileName file)), true)
    for folder in [ ".config"; ".paket"; "paket-files"; "build"; "src" ] do
        let from = Path.Combine(root, folder)
        if Directory.Exists from then
            copy from (Path.Combine(into, folder))

/// A copy of a built program with another assembly in it.
let private withAssembly (work: string) (program: string) (project: string) : string =
    let into = Path.Combine(work, "run")
    copy program into
    let file = project + ".dll"
    let built = Path.Combine(work, "src", project, "bin", "Release", "net10.0", file)
    File.Copy(built, Path.Combine(into, file), true)
    into

/// Tests of the core: the laws, former mistakes, the engine, and those of areas that random graphs say little about.
let private classes =
    [ "LawTests"
      "RegressionTests"
      "EngineTests"
      "LinearAlgebraTests"
      "SpecialTests"
      "FourierTests"
      "SortingTests"
      "RandomTests"
      "ConvolutionTests"
      "ControlFlowTests"
      "SparseTests"
      "BatchTests"
      "FilesTests"
      "FormatTests" ]

/// The other tests that look for what is wrong: a program's folder under tests/, its assembly with arguments, and what its lines on failures
/// begin with.
let private others =
    [ "Diff.Conformance",
      // The time that stress takes says more about the machine than about a fault.
      [ "Diff.Conformance.dll"
        "cases.json"
        "--kind"
        "eval,error,file,fault"
        "--effort"
        "0.1" ],
      @"^failed (\S+?)(?::|$)"
      "Diff.Core.FSharp.Tests",
      [ "Diff.Core.FSharp.Tests.dll"; "-noColor" ]
      @ (classes |> List.collect (fun name -> [ "-class"; name ])),
      @"^\s+(\S+Tests\.\S.*?)(?: \[FAIL\])" ]

/// The first of the other tests that fails with a fault; the tests have to be built.
let private tryOthers (root: string) (work: string) (project: string) : Outcome =
    others
    |> List.tryPick (fun (test, arguments, pattern) ->
        let program = Path.Combine(root, "tests", test, "bin", "Release", "net10.0")
        if not (Directory.Exists program) then
            failwith $"{test} is not built; build the whole solution first"
        let run = withAssembly work program project
        match start run 900.0 "dotnet" arguments with
        | Some(0, _) -> None
        | None -> Some(CaughtBy $"{test}: a run without end")
        | Some(_, output) ->
            let found = Regex.Match(output, pattern, RegexOptions.Multiline)
            Some(
                CaughtBy(
                    if found.Success then
                        $"{test}: {found.Groups[1].Value}"
                    else
                        test
                )
            ))
    |> Option.defaultValue Survived

/// Tries one fault in a copy of the repository, and leaves the copy as it was.
let private tryOne
    (root: string)
    (work: string)
    (program: string)
    (graphs: int)
    (seed: uint64)
    (fault: Fault)
    : Outcome =
    let path = Path.Combine(work, fault.File)
    let whole = File.ReadAllText path
    File.WriteAllText(path, whole.Replace(fault.Old, fault.New))
    try
        let project =
            (nonNull (Path.GetDirectoryName fault.File)).Replace('\\', '/').Split('/')[1]
        let build =
            start
                work
                900.0
                "dotnet"
                [ "build"
                  "--no-restore"
                  "-c"
                  "Release"
                  "-v"
                  "q"
                  $"src/{project}"
                  "-p:TreatWarningsAsErrors=false"
                  "-p:WarningsAsErrors="
                  "-p:GenerateDocumentationFile=false"
                  "-p:RunAnalyzers=false" ]
        match build with
        | Some(0, _) ->
            let run = withAssembly work program project
            let arguments =
                [ Path.Combine(run, "Diff.Fuzz.dll")
                  "--graphs"
                  string graphs
                  "--seed"
                  string seed
                  "--stop" ]
            match start work 600.0 "dotnet" arguments with
            | None -> Caught("a run without end", 0L)
            | Some(0, _) -> tryOthers root work project
            | Some(_, output) ->
                let found = Regex.Match(output, @"graph (\d+), seed [0-9a-f]+, oracle ([^:]+):")
                if found.Success then
                    Caught(found.Groups[2].Value, int64 found.Groups[1].Value)
                else
                    Caught("a crash", 0L)
        | Some(_, output) ->
            let first =
                output.Split('\n')
                |> Array.tryFind _.Contains("error")
                |> Option.defaultValue output
            NotBuilt first
        | None -> NotBuilt "the build did not end"
    finally
        File.WriteAllText(path, whole)

let private text (outcome: Outcome) : string =
    match outcome with
    | Caught(oracle, graph) -> $"{oracle} | {graph + 1L}"
    | CaughtBy test -> $"{test} | not by them"
    | Survived -> "**not caught** | –"
    | NotBuilt why -> $"**does not build** | {why}"

/// Tries the faults of a list one after the other; prints a row of a table for each. The result is how many were not caught.
let run (root: string) (list: string) (only: Set<int>) (graphs: int) (seed: uint64) : int =
    let work = Directory.CreateTempSubdirectory "diff-faults-"
    try
        copyRepository root work.FullName
        let program = AppContext.BaseDirectory
        // The copy's assemblies must come from the copy; built once without a fault, each later build does one project.
        match
            start work.FullName 900.0 "dotnet" [ "build"; "-c"; "Release"; "-v"; "q"; "src/Diff.Core.FSharp" ]
        with
        | Some(0, _) -> ()
        | Some(_, output) -> failwith $"the copy does not build: {output}"
        | None -> failwith "the build of the copy did not end"
        printfn "| | area | fault | caught by | after graphs |\n|---|---|---|---|---|"
        let mutable missed = 0
        for fault in read list do
            if only.IsEmpty || only.Contains fault.Id then
                let outcome = tryOne root work.FullName program graphs seed fault
                match outcome with
                | Caught _
                | CaughtBy _ -> ()
                | _ -> missed <- missed + 1
                printfn $"| {fault.Id} | {fault.Area} | {fault.What} | {text outcome} |"
        missed
    finally
        work.Delete true
