/// Programs as files of conformance cases: a case written here is a test from then on. What the format's own words cannot say is said by
/// the names and attributes of the table of operations; docs/testing.md lists what is added to the format.
module Diff.Fuzz.CaseFile

open System
open System.Collections.Generic
open System.IO
open System.Runtime.Intrinsics
open System.Text.Json
open System.Text.Json.Nodes
open Diff
open Diff.Fuzz.Arrays

/// A program, the seed that its oracles draw from, the oracle that it failed, and what is expected of it where that is known.
type Case =
    {
        Id: string
        Program: GraphProgram
        Seed: uint64
        Oracle: string
        Value: NDArray option
        /// Of the sum of the first output, with respect to leaves.
        Gradient: (int * NDArray) list
        /// How far from what is expected results may be.
        Tolerance: float
    }

// ---- Numbers ------------------------------------------------------------------------------------------------------------

/// Plain numbers that parse back to the same bits; a few that JSON has no number for are words.
let private numberNode (dtype: DType) (x: float) : JsonNode | null =
    if Double.IsNaN x then
        JsonValue.Create "nan"
    elif Double.IsPositiveInfinity x then
        JsonValue.Create "inf"
    elif Double.IsNegativeInfinity x then
        JsonValue.Create "-inf"
    elif x = 0.0 && Double.IsNegative x then
        JsonValue.Create "-0"
    elif isFloat dtype then
        JsonValue.Create x
    else
        JsonValue.Create(int64 x)

let private numberOf (node: JsonElement) : float =
    match node.ValueKind with
    | JsonValueKind.Number -> node.GetDouble()
    | JsonValueKind.True -> 1.0
    | JsonValueKind.False -> 0.0
    | _ ->
        match node.GetString() with
        | "nan" -> nan
        | "inf" -> infinity
        | "-inf" -> -infinity
        | "-0" -> -0.0
        | other -> failwith $"expected a number, got \"{other}\""

let private array (items: (JsonNode | null) seq) : JsonNode =
    let result = JsonArray()
    Seq.iter result.Add items
    result

let private ints (values: int seq) : JsonNode =
    array (values |> Seq.map (fun v -> JsonValue.Create v :> JsonNode | null))

let private dataOf (value: NDArray) : JsonNode =
    array (floats value |> Seq.map (numberNode value.DType))

let private record (fields: (string * (JsonNode | null)) list) : JsonObject =
    let result = JsonObject()
    for name, value in fields do
        result.Add(name, value)
    result

let private word (text: string) : JsonNode = nonNull (JsonValue.Create text)

// ---- Writing ------------------------------------------------------------------------------------------------------------

let private nameOfNode (p: GraphProgram) (n: int) =
    if n < p.Leaves.Length then
        $"x{n}"
    else
        $"r{n - p.Leaves.Length}"

/// A number that is read as one that need not be whole: with a point or an exponent.
let private realNode (x: float) : JsonNode | null =
    if not (Double.IsFinite x) || (x = 0.0 && Double.IsNegative x) then
        numberNode DType.Float64 x
    else
        let text = x.ToString("R", Globalization.CultureInfo.InvariantCulture)
        let isWhole = text |> Seq.forall (fun c -> Char.IsDigit c || c = '-')
        JsonNode.Parse(if isWhole then text + ".0" else text)

let private attrNode (attr: Attr) : JsonNode | null =
    let bound (b: int option) : JsonNode | null =
        match b with
        | Some i -> JsonValue.Create i
        | None -> null
    match attr with
    | All -> null
    | Flag f -> JsonValue.Create f
    | Int i -> JsonValue.Create i
    | Ints values -> ints values
    | Real x -> realNode x
    | Text t -> word t
    | Bounds bounds ->
        array [ for start, stop, step in bounds -> array [ bound start; bound stop; JsonValue.Create step ] ]
    | Filled(dims, x) ->
        let count = dims |> List.fold (*) 1
        record [ "shape", ints dims; "data", array [ for _ in 1..count -> realNode x ] ]

let private caseNode (case: Case) : JsonObject =
    let p = case.Program
    let name = nameOfNode p
    let leaf i (l: Leaf) : JsonNode =
        record
            [ "name", word (name i)
              "dtype", word (nameOf l.Value.DType)
              "differentiable", JsonValue.Create(GraphProgram.isDifferentiable l)
              "constant", JsonValue.Create l.IsConstant
              "shape", ints (l.Value.Shape.ToArray())
              "data", dataOf l.Value ]
    let step k (s: Application) : JsonNode =
        record
            [ "out", word (name (p.Leaves.Length + k))
              "op", word s.Op
              "args", array [ for a in s.Args -> word (name a) ]
              "attrs", record [ for n, a in s.Attrs -> n, attrNode a ] ]
    let tensor (x: NDArray) : JsonObject =
        record [ "shape", ints (x.Shape.ToArray()); "data", dataOf x ]
    let gradient =
        [ for i, g in case.Gradient do
              let entry = tensor g
              entry.Insert(0, "input", word (name i))
              entry :> JsonNode ]
    let isSingle = p.Leaves |> Array.exists (fun l -> l.Value.DType = DType.Float32)
    record
        [ "id", word case.Id
          "kind", word "eval"
          "area", word "fuzzer"
          "dtype", word (if isSingle then "float32" else "float64")
          "inputs", array (p.Leaves |> Seq.mapi leaf)
          "program", array (p.Steps |> Seq.mapi step)
          "output", word (name p.Outputs.Head)
          "also", array [ for o in p.Outputs.Tail -> word (name o) ]
          "cotangent", null
          "expected_value",
          (match case.Value with
           | Some v -> tensor v
           | None -> null)
          "expected_grad", (if gradient.IsEmpty then null else array gradient)
          "expected_hvp", null
          "accept_value", array []
          "accept_grad", array []
          "rtol", JsonValue.Create 1e-8
          "atol", JsonValue.Create case.Tolerance
          "sign_of_zero_matters", JsonValue.Create false
          "policy", word "exact"
          "fuzzer",
          record
              [ "seed", word (case.Seed.ToString "x16")
                "oracle", word case.Oracle
                "version", word (string (typeof<Expr>.Assembly.GetName().Version))
                "vector", word $"{Vector512.IsHardwareAccelerated}/{Vector256.IsHardwareAccelerated}"
                "processors", JsonValue.Create Environment.ProcessorCount ] ]

let private format = "diff-conformance/1"

/// The text of a file of cases: a line for each property, and for each input and step.
let write (cases: Case seq) : string =
    let compact (node: JsonNode | null) : string =
        match node with
        | null -> "null"
        | node -> node.ToJsonString()
    let field (pair: KeyValuePair<string, JsonNode | null>) : string =
        match pair.Value with
        | :? JsonArray as items when items.Count > 0 && (items[0] :? JsonObject) ->
            let lines = String.Join(",\n  ", items |> Seq.map compact)
            $"\"{pair.Key}\": [\n  {lines}]"
        | value -> $"\"{pair.Key}\": {compact value}"
    let text (case: Case) =
        "{" + String.Join(",\n ", caseNode case |> Seq.map field) + "}"
    $"{{\"format\": \"{format}\",\n\"cases\": [\n"
    + String.Join(",\n", cases |> Seq.map text)
    + "]}\n"

// ---- Reading ------------------------------------------------------------------------------------------------------------

let private items (e: JsonElement) (name: string) : JsonElement list =
    match e.TryGetProperty name with
    | true, found when found.ValueKind = JsonValueKind.Array -> [ for item in found.EnumerateArray() -> item ]
    | _ -> []

let private textOf (e: JsonElement) (name: string) : string =
    match e.GetProperty(name).GetString() with
    | null -> failwith $"{name}: expected text"
    | text -> text

let private tensorOf (dtype: DType) (e: JsonElement) : NDArray =
    let shape = Shape [| for d in items e "shape" -> d.GetInt32() |]
    let values = [| for x in items e "data" -> x |]
    match dtype with
    | DType.Int64 when values |> Array.forall (fun v -> v.ValueKind = JsonValueKind.Number) ->
        NDArray.Create(values |> Array.map _.GetInt64(), shape)
    | dtype -> ofFloats dtype shape (values |> Array.map numberOf)

let private isReal (e: JsonElement) =
    e.GetRawText() |> Seq.exists (fun c -> c = '.' || c = 'e' || c = 'E')

let private attrOf (e: JsonElement) : Attr =
    let bound (b: JsonElement) =
        if b.ValueKind = JsonValueKind.Null then
            None
        else
            Some(b.GetInt32())
    match e.ValueKind with
    | JsonValueKind.Null -> All
    | JsonValueKind.True -> Flag true
    | JsonValueKind.False -> Flag false
    | JsonValueKind.Number when isReal e -> Real(e.GetDouble())
    | JsonValueKind.Number -> Int(e.GetInt32())
    | JsonValueKind.Array when e.GetArrayLength() > 0 && e[0].ValueKind = JsonValueKind.Array ->
        Bounds
            [ for b in e.EnumerateArray() -> bound b[0], bound b[1], b[2] |> bound |> Option.defaultValue 1 ]
    | JsonValueKind.Array -> Ints [ for x in e.EnumerateArray() -> x.GetInt32() ]
    | JsonValueKind.Object ->
        let dims = [ for d in items e "shape" -> d.GetInt32() ]
        match items e "data" |> List.map numberOf |> List.distinct with
        | [ value ] -> Filled(dims, value)
        | [] -> Filled(dims, 0.0)
        | _ -> failwith "an array of different numbers is an input, not an attribute"
    | _ ->
        match e.GetString() with
        | null ->
            failwith "an attribute is a number, true, false, text, integers, slices or an array of one number"
        | "nan"
        | "inf"
        | "-inf"
        | "-0" -> Real(numberOf e)
        | text -> Text text

let private attrsOf (e: JsonElement) : (string * Attr) list =
    [ for a in e.EnumerateObject() -> a.Name, attrOf a.Value ]

let private caseOf (root: JsonElement) : Case =
    let place = Dictionary<string, int>()
    let leaves =
        [| for e in items root "inputs" do
               place[textOf e "name"] <- place.Count
               { Value = tensorOf (dtypeOf (textOf e "dtype")) e
                 IsConstant =
                   (match e.TryGetProperty "constant" with
                    | true, c -> c.GetBoolean()
                    | _ -> false) } |]
    let steps =
        [| for e in items root "program" do
               let args = [ for a in items e "args" -> place[nonNull (a.GetString())] ]
               place[textOf e "out"] <- place.Count
               { Op = textOf e "op"
                 Args = args
                 Attrs = attrsOf (e.GetProperty "attrs") } |]
    let outputs =
        textOf root "output"
        :: [ for e in items root "also" -> nonNull (e.GetString()) ]
    let fuzzer = root.GetProperty "fuzzer"
    let value = root.GetProperty "expected_value"
    { Id = textOf root "id"
      Program =
        { Leaves = leaves
          Steps = steps
          Outputs = outputs |> List.map (fun o -> place[o]) }
      Seed = UInt64.Parse(textOf fuzzer "seed", Globalization.NumberStyles.HexNumber)
      Oracle = textOf fuzzer "oracle"
      Value =
        if value.ValueKind = JsonValueKind.Object then
            Some(tensorOf DType.Float64 value)
        else
            None
      Gradient = [ for e in items root "expected_grad" -> place[textOf e "input"], tensorOf DType.Float64 e ]
      Tolerance = root.GetProperty("atol").GetDouble() }

/// The cases that a text holds.
let read (text: string) : Case list =
    use document = JsonDocument.Parse text
    let root = document.RootElement
    if textOf root "format" <> format then
        failwith $"expected a file of the format {format}"
    items root "cases" |> List.map caseOf

/// What an operation of the table means, with attributes as a case has them; null where none is called so.
let apply (op: string) (args: Expr[]) (attributes: JsonElement) : Expr | null =
    match Table.tryMeaning op with
    | ValueSome meaning -> meaning (Attrs(DType.Float32, attrsOf attributes)) (List.ofArray args)
    | ValueNone -> null

/// Writes a case into a folder; gives its path.
let save (folder: string) (case: Case) : string =
    Directory.CreateDirectory folder |> ignore
    let path = Path.Combine(folder, case.Id + ".json")
    File.WriteAllText(path, write [ case ])
    path
