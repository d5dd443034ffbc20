/// The README's F# blocks stand here between markers, word for word: they compile, run and print what their comments say.
module ReadmeTests

open System
open System.IO
open System.Text.RegularExpressions
open Xunit
open Diff

let rec private root (folder: string) : string =
    if File.Exists(Path.Combine(folder, "Diff.sln")) then
        folder
    else
        match Path.GetDirectoryName folder with
        | null -> invalidOp "Diff.sln is in no parent folder of the tests"
        | parent -> root parent

let private printed = Collections.Generic.List<string>()
let private printfn (line: FormattableString) =
    printed.Add(FormattableString.Invariant line)

[<Fact>]
let ``first steps print what they say`` () =
    printed.Clear()
    // README 1
    let x, y = variable "x" 3.0, variable "y" 4.0
    let z = x * y + exp (x + 3.0)
    let dz = grad z x
    printfn $"{dz} = {item dz}" // y + exp(x + 3) = 407.4287934927351

    let a = tensor "a" [ 2; 3 ] [| 1.0 .. 6.0 |]
    let b = tensor "b" [ 3; 2 ] [| 0.5 .. 5.5 |]
    let c = sum (tanh (einsum "ij,jk->ik" [ a; b ]))
    printfn $"{(grad c a).Shape}" // (2, 3)
    // README end
    // README 2
    let cube = scalarOp "cube" (fun x -> x * x * x) (fun x _ -> 3.0 * x * x)
    let t = variable "t" 2.0
    printfn $"{item (grad (grad (cube t) t) t)}" // 12
    // README end
    Assert.Equal<string list>([ "y + exp(x + 3) = 407.4287934927351"; "(2, 3)"; "12" ], List.ofSeq printed)

[<Fact>]
let ``the blocks are the README's`` () =
    let folder = root AppContext.BaseDirectory
    // Comments and spacing are the formatter's; words are not.
    let words (text: string) =
        Regex.Replace(Regex.Replace(text, @"//[^\n]*|open Diff", ""), @"\s+", " ").Trim()
    let find pattern file =
        [ for m in
              Regex.Matches(File.ReadAllText(Path.Combine(folder, file)), pattern, RegexOptions.Singleline) ->
              words m.Groups[1].Value ]
    let blocks = find "```fsharp\n(.*?)```" "README.md"
    let tested =
        find @"// README \d\n(.*?)// README end" "tests/Diff.Core.FSharp.Tests/ReadmeTests.fs"
    Assert.Equal<string list>(tested, blocks)
