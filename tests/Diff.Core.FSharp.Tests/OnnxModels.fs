/// Models of all samples for a runtime to run: build/onnx-check.fsx does so.
module OnnxModels

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Text.Json.Nodes
open Diff
open Diff.Testing

let private data (x: NDArray) : JsonNode =
    let number (v: float) : JsonNode | null =
        if Double.IsNaN v then
            JsonValue.Create "nan"
        elif Double.IsInfinity v then
            JsonValue.Create(if v > 0.0 then "inf" else "-inf")
        else
            JsonValue.Create v
    let values =
        if x.DType = DType.Int64 then
            x.ToArray<int64>()
            |> Array.map (fun v -> JsonValue.Create(v.ToString CultureInfo.InvariantCulture): JsonNode | null)
        else
            Array.init x.Length (fun i -> number (x.Float i))
    let dims =
        x.Shape.ToArray() |> Array.map (fun d -> JsonValue.Create d: JsonNode | null)
    JsonObject(
        [ KeyValuePair("dtype", (JsonValue.Create(DType.name x.DType): JsonNode | null))
          KeyValuePair("dims", (JsonArray dims: JsonNode | null))
          KeyValuePair("data", (JsonArray values: JsonNode | null)) ]
    )

let private narrow (x: NDArray) =
    if x.DType = DType.Float64 then
        eval (cast DType.Float32 (constant x))
    else
        x

/// Writes a model for each graph of each sample into a folder, and a line for each into models.jsonl: its file, what it is, its inputs and
/// what they give. Says how many there are.
let write (folder: string) : string =
    use lines = new StreamWriter(Path.Combine(folder, "models.jsonl"))
    let mutable count, refused = 0, 0
    let save label (inputs: Expr list) (y: Expr) =
        let halves = List.exists (fun (e: Expr) -> DType.isHalf e.DType) (y :: inputs)
        if not halves then
            try
                let file = $"{count}.onnx"
                Onnx.Save(Path.Combine(folder, file), inputs, y)
                let line =
                    JsonObject(
                        [ KeyValuePair("file", (JsonValue.Create file: JsonNode | null))
                          KeyValuePair("label", (JsonValue.Create(string label): JsonNode | null))
                          KeyValuePair(
                              "inputs",
                              (JsonObject
                                  [ for i, x in List.indexed inputs do
                                        KeyValuePair($"x{i}", (data (eval x): JsonNode | null)) ]
                              : JsonNode | null)
                          )
                          KeyValuePair("output", (data (eval y): JsonNode | null)) ]
                    )
                lines.WriteLine(line.ToJsonString())
                count <- count + 1
            with :? NotSupportedException ->
                refused <- refused + 1
    for isNarrow in [ false; true ] do
        for word, samples in Samples.table do
            for s in Option.defaultValue [] samples do
                let points = if isNarrow then List.map narrow s.Points else s.Points
                let inputs = points |> List.mapi (fun i p -> variableOf $"x{i}" p)
                let built =
                    try
                        ValueSome(s.Build inputs)
                    with :? DTypeException when isNarrow ->
                        ValueNone // its constants are of float64
                match built with
                | ValueNone -> ()
                | ValueSome y ->
                    let bits = if isNarrow then "float32" else "float64"
                    let label = $"{word} {bits} {s.Name}"
                    save label inputs y
                    let floats = inputs |> List.filter (fun x -> DType.isFloat x.DType)
                    if DType.isFloat y.DType && not floats.IsEmpty then
                        let first = grads (sum y) floats
                        first |> List.iteri (fun i g -> save $"{label}, gradient {i}" inputs g)
                        let second = grads (sum (square first.Head)) floats
                        save $"{label}, second" inputs second.Head
    $"{count} models written, {refused} graphs refused"
