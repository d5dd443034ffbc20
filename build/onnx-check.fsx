// Models that the library writes, run by onnxruntime: dotnet fsi build/onnx-check.fsx BIN [FOLDER]
// BIN holds the built F# tests, whose samples are saved with their first and second derivatives, in float64 and float32, into FOLDER
// (a temporary one if none is given). The runtime is the package onnxruntime-node: npm install --ignore-scripts onnxruntime-node somewhere,
// and NODE_PATH=somewhere/node_modules. Without it nothing is compared, and the last line says so.
open System
open System.Diagnostics
open System.IO
open System.Runtime.Loader

let arguments = fsi.CommandLineArgs |> Array.skip 1

if arguments.Length = 0 then
    eprintfn "the folder of the built tests is missing"
    exit 2

let bin = Path.GetFullPath arguments[0]
let isTemporary = arguments.Length < 2

let folder =
    if isTemporary then
        Directory.CreateTempSubdirectory("diff-onnx-").FullName
    else
        (Directory.CreateDirectory arguments[1]).FullName

/// The program that writes the models is the tests' own: what it needs of the library is not public.
let context = AssemblyLoadContext.Default

context.add_Resolving (fun _ name ->
    let file = Path.Combine(bin, name.Name + ".dll")
    if File.Exists file then context.LoadFromAssemblyPath file else null)

let tests =
    context.LoadFromAssemblyPath(Path.Combine(bin, "Diff.Core.FSharp.Tests.dll"))

let writer = tests.GetType "OnnxModels"
let written = writer.GetMethod("write").Invoke(null, [| box folder |]) :?> string
printfn $"{written}"

let run (file: string) (args: string list) =
    try
        let start = ProcessStartInfo(file, args)
        use started = Process.Start start
        started.WaitForExit()
        started.ExitCode
    with :? ComponentModel.Win32Exception ->
        -1

let hasRuntime =
    run "node" [ "-e"; "try { require.resolve('onnxruntime-node') } catch { process.exit(3) }" ] = 0

let code =
    if hasRuntime then
        run "node" [ Path.Combine(__SOURCE_DIRECTORY__, "onnx-check.cjs"); folder ]
    else
        printfn "skipped: node does not find onnxruntime-node, so the models were written and not run"
        0

if isTemporary then
    Directory.Delete(folder, true)

exit code
