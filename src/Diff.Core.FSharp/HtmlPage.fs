/// Writes a graph as one HTML page that needs nothing else: in it, Graphviz as WebAssembly lays the graph out.
module internal Diff.HtmlPage

open System
open System.IO
open System.Net
open System.Text
open System.Text.Json
open System.Text.RegularExpressions

/// What a node is to the reader of the graph; each kind is drawn in its own way.
type Kind =
    | Leaf
    | Operation
    | Seed
    | Output

/// A node as the page shows it. `Scope` is the path of enclosing scopes, outermost first.
type Node =
    { Id: int64
      Label: string
      Detail: string
      Kind: Kind
      Scope: string[]
      Inputs: int64[] }

let private resource name =
    match typeof<Node>.Assembly.GetManifestResourceStream name with
    | null -> raise (FileNotFoundException $"HtmlPage.render: the assembly lacks its resource {name}")
    | stream ->
        use stream = stream
        use bytes = new MemoryStream()
        stream.CopyTo bytes
        bytes.ToArray()

let private text name = Encoding.UTF8.GetString(resource name)

let private escape (text: string) = nonNull (WebUtility.HtmlEncode text)

let private kindName kind =
    match kind with
    | Leaf -> "leaf"
    | Operation -> "operation"
    | Seed -> "seed"
    | Output -> "output"

// Ids are written as strings: a JavaScript number holds only 53 bits.
let private writeNode (json: Utf8JsonWriter) (node: Node) =
    json.WriteStartObject()
    json.WriteString("id", string node.Id)
    json.WriteString("label", node.Label)
    json.WriteString("detail", node.Detail)
    json.WriteString("kind", kindName node.Kind)
    json.WriteStartArray "scope"
    node.Scope |> Array.iter json.WriteStringValue
    json.WriteEndArray()
    json.WriteStartArray "inputs"
    node.Inputs |> Array.iter (fun id -> json.WriteStringValue(string id))
    json.WriteEndArray()
    json.WriteEndObject()

// The writer's default encoder escapes `<`, so that no label can end the script element that holds the JSON.
let private toJson (nodes: Node[]) =
    use bytes = new MemoryStream()
    using (new Utf8JsonWriter(bytes)) (fun json ->
        json.WriteStartArray()
        nodes |> Array.iter (writeNode json)
        json.WriteEndArray())
    Encoding.UTF8.GetString(bytes.ToArray())

/// The page, to be saved as UTF-8. One pass fills all placeholders, so that a title that reads like one stays itself.
let render (title: string) (nodes: Node[]) : string =
    let fill (placeholder: Match) =
        match placeholder.Groups[1].Value with
        | "TITLE" -> escape title
        | "GRAPH" -> toJson nodes
        | "VIZ" -> Convert.ToBase64String(resource "viz-global.js.gz")
        | _ -> escape (text "NOTICE-viz.txt")
    Regex.Replace(text "graph.html", @"/\*(TITLE|GRAPH|VIZ|NOTICE)\*/", MatchEvaluator fill)
