// Branch coverage of the core by the tests: dotnet fsi build/coverage.fsx FOLDER … [arguments of the test programs]
// Each FOLDER holds a built test program; what any of them meets counts. A copy of each is instrumented (by Coverlet, which has a command of its own only for other runners) and run.
#r "nuget: coverlet.collector, 6.0.4"

open System
open System.Collections
open System.Diagnostics
open System.IO
open System.Reflection

let all = BindingFlags.Instance ||| BindingFlags.Public ||| BindingFlags.NonPublic
let packages =
    match Environment.GetEnvironmentVariable "NUGET_PACKAGES" with
    | null
    | "" ->
        Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.UserProfile, ".nuget", "packages")
    | folder -> folder
let core =
    Assembly.LoadFrom(
        Path.Combine(packages, "coverlet.collector", "6.0.4", "build", "netstandard2.0", "coverlet.core.dll")
    )
let find name =
    core.GetTypes() |> Array.find (fun t -> t.Name = name)

/// Says what goes wrong, nothing else.
type Quiet() =
    inherit DispatchProxy()
    override _.Invoke(target, args) =
        if (nonNull target).Name.Contains "Error" then
            eprintfn $"{(nonNull args)[0]}"
        null

/// An object of an internal class from its arguments.
let make (name: string) (args: obj list) : obj =
    let fits (c: ConstructorInfo) = c.GetParameters().Length = args.Length
    (find name).GetConstructors all
    |> Array.find fits
    |> _.Invoke(Array.ofList args)

let sources, arguments =
    List.tail (List.ofArray fsi.CommandLineArgs) |> List.partition Directory.Exists
if sources.IsEmpty then
    failwith "coverage: expected the folders of built test programs"

let logger = DispatchProxy.Create(find "ILogger", typeof<Quiet>)
let files = make "FileSystem" []
let roots = make "SourceRootTranslator" [ logger; files ]
let helper =
    make "InstrumentationHelper" [ make "ProcessExitHandler" []; make "RetryHelper" []; files; logger; roots ]
let parameters = make "CoverageParameters" []
let set name (value: obj) =
    (nonNull (parameters.GetType().GetProperty(name, all))).SetValue(parameters, value)
set "IncludeFilters" [| "[Diff.Core.FSharp]*" |]
set "IncludeDirectories" (Array.empty<string>)
set "ExcludeFilters" (Array.empty<string>)
set "ExcludedSourceFiles" (Array.empty<string>)
set "ExcludeAttributes" (Array.empty<string>)
set "DoesNotReturnAttributes" (Array.empty<string>)

/// Runs a copy of the test program of a folder: what it met, and how it ended.
let measure (source: string) : obj * int =
    let work = (Directory.CreateTempSubdirectory "diff-coverage-").FullName
    for file in Directory.GetFiles(source, "*", SearchOption.AllDirectories) do
        let into = Path.Combine(work, Path.GetRelativePath(source, file))
        Directory.CreateDirectory(nonNull (Path.GetDirectoryName into)) |> ignore
        File.Copy(file, into)
    let settings =
        Directory.GetFiles(work, "*.Tests.runtimeconfig.json") |> Array.exactlyOne
    let program = settings.Replace(".runtimeconfig.json", ".dll")
    let coverage =
        make
            "Coverage"
            [ program
              parameters
              logger
              helper
              files
              roots
              make "CecilSymbolHelper" [] ]
    let call name =
        (nonNull (coverage.GetType().GetMethod(name, all, Type.EmptyTypes))).Invoke(coverage, [||])
    call "PrepareModules" |> ignore
    let run = nonNull (Process.Start("dotnet", program :: arguments))
    run.WaitForExit()
    let result = nonNull (call "GetCoverageResult")
    Directory.Delete(work, true)
    result, run.ExitCode

let results = sources |> List.map measure
let get (x: obj) name =
    match x.GetType().GetProperty(name, all) with
    | null -> (nonNull (x.GetType().GetField(name, all))).GetValue x
    | p -> p.GetValue x

let pairs (dictionary: obj) : (obj * obj) list =
    let each = (dictionary :?> IDictionary).GetEnumerator()
    [ while each.MoveNext() do
          each.Key, nonNull each.Value ]

/// Lines and branches of each file: how many there are, and how many were met.
let rows =
    [ for result, _ in results do
          for _, documents in pairs (get result "Modules") do
              for file, classes in pairs documents do
                  for _, methods in pairs classes do
                      for name, m in pairs methods do
                          for line, hits in pairs (get m "Lines") do
                              (string file, false, $"{name} {line}"), unbox<int> hits
                          for b in (get m "Branches" :?> IEnumerable) do
                              let b = nonNull b
                              let place =
                                  [ "Line"; "Offset"; "EndOffset"; "Path"; "Ordinal" ] |> List.map (get b)
                              (string file, true, $"{name} {place}"), unbox<int>(get b "Hits") ]
    |> List.groupBy fst
    |> List.map (fun ((file, isBranch, _), all) ->
        file, isBranch, List.exists (fun (_, hits) -> hits > 0) all)
    |> List.groupBy (fun (file, _, _) -> file)
    |> List.map (fun (file, all) ->
        let count isOf isMet =
            all
            |> List.filter (fun (_, b, met) -> b = isOf && (met || not isMet))
            |> List.length
        file, count false true, count false false, count true true, count true false)
let percent a b =
    if b = 0 then 100.0 else 100.0 * float a / float b
printfn "| file | lines | branches |\n|---|---|---|"
for file, l, ls, b, bs in rows |> List.sortBy (fun (_, _, _, b, bs) -> percent b bs) do
    printfn
        $"| {Path.GetFileName file} | {l} of {ls}, {percent l ls:F1} %% | {b} of {bs}, {percent b bs:F1} %% |"
let total f = List.sumBy f rows
let l, ls = total (fun (_, l, _, _, _) -> l), total (fun (_, _, ls, _, _) -> ls)
let b, bs = total (fun (_, _, _, b, _) -> b), total (fun (_, _, _, _, bs) -> bs)
printfn $"all: lines {l} of {ls}, {percent l ls:F1} %%; branches {b} of {bs}, {percent b bs:F1} %%"
exit (results |> List.map snd |> List.max)
