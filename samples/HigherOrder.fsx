// tanh and its derivatives up to order 6, as a figure. dotnet fsi samples/HigherOrder.fsx [--out DIR]
#load "load.fsx"

open System
open System.IO
open Diff

let folder =
    match fsi.CommandLineArgs with
    | [| _ |] -> "artifacts/HigherOrder"
    | [| _; "--out"; folder |] -> folder
    | _ ->
        eprintfn "error: expected nothing or --out DIR"
        exit 2

let points = [| for i in 0..199 -> -7.0 + 14.0 * float i / 199.0 |]
let x = tensor "x" [ points.Length ] points

// Each derivative is the graph of the one before, differentiated; equal parts are shared.
let derivatives = Seq.scan (fun y _ -> grad y x) (tanh x) [ 1..6 ]

let chart = Chart("tanh and its derivatives", XLabel = "x")

for order, y in Seq.indexed derivatives do
    let values = (eval y).ToArray<float>()
    printfn $"order {order}: largest absolute value {values |> Seq.map abs |> Seq.max:F6}"
    chart.Line((if order = 0 then "tanh x" else $"order {order}"), points, values)
    |> ignore

Directory.CreateDirectory folder |> ignore
let file = Path.Combine(folder, "tanh.svg")
chart.Save file
printfn $"The figure is {file}"
