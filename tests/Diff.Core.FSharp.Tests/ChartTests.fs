module ChartTests

open System
open System.Globalization
open System.IO
open System.Text.RegularExpressions
open System.Threading
open System.Xml.Linq
open Diff
open Diff.Testing
open Xunit

let private svg name =
    XName.Get(name, "http://www.w3.org/2000/svg")

let private attribute name (element: XElement) =
    match element.Attribute(XName.Get name) with
    | null -> ""
    | found -> found.Value

/// Parses the chart, which fails unless it is XML, and checks that every coordinate is a number and not huge.
let private parse (chart: Chart) =
    let document = XDocument.Parse(chart.ToSvg())
    for path in document.Descendants(svg "path") do
        let data = attribute "d" path
        Assert.Matches(@"^([MLHVhvmaz Z]|-?\d+(\.\d+)?|-?\.\d+)*$", data)
        for number in Regex.Matches(data, @"\d+(\.\d+)?") do
            Assert.InRange(Double.Parse(number.Value, CultureInfo.InvariantCulture), 0.0, 1e4)
    document

let private texts (document: XDocument) =
    [ for text in document.Descendants(svg "text") -> text.Value ]

/// The outlines of the series: the paths between the grid and the frame.
let private outlines (document: XDocument) =
    [ for path in document.Descendants(svg "path") -> path ]
    |> List.skipWhile (fun path -> attribute "stroke" path = "#e2e2e2")
    |> List.takeWhile (fun path -> attribute "stroke" path <> "#666")
    |> List.map (fun path -> attribute "d" path)

let private message (action: unit -> Chart) =
    Assert.Throws<ArgumentException>(fun () -> action () |> ignore).Message

[<Fact>]
let ``lengths that differ are refused at once`` () =
    let x, four = [ 1.0; 2.0; 3.0 ], [ 1.0; 2.0; 3.0; 4.0 ]
    let chart = Chart "c"
    Assert.Equal("Chart.Line: x has 3 values, y has 4", message (fun () -> chart.Line("a", x, four)))
    Assert.Equal("Chart.Points: x has 4 values, y has 3", message (fun () -> chart.Points("a", four, x)))
    Assert.Equal("Chart.Band: x has 3 values, low has 4", message (fun () -> chart.Band("a", x, four, x)))
    Assert.Equal("Chart.Band: x has 3 values, high has 4", message (fun () -> chart.Band("a", x, x, four)))

[<Fact>]
let ``adding returns the chart itself`` () =
    let chart = Chart "c"
    Assert.Same(chart, chart.Line("a", [], []).Points("b", [], []).Band("c", [], [], []))

[<Fact>]
let ``a value that is not finite interrupts a line and a band`` () =
    let x, y = [ 0.0 .. 6.0 ], [ 1.0; 2.0; nan; 3.0; infinity; -infinity; 4.0 ]
    let lines =
        Chart("c").Line("a", x, y).Band("b", x, y, y |> List.map ((*) 2.0))
        |> parse
        |> outlines
    Assert.Equal<int list>([ 3; 3 ], lines |> List.map (fun d -> d |> Seq.filter ((=) 'M') |> Seq.length))
    Assert.Equal(1, lines[0] |> Seq.filter ((=) 'L') |> Seq.length)

[<Fact>]
let ``a log axis leaves out what is not positive`` () =
    let chart =
        Chart("c", LogY = true).Points("a", [ 1.0; 2.0; 3.0; 4.0 ], [ 0.001; 0.0; -1.0; 1000.0 ])
    Assert.Equal(2, chart |> parse |> outlines |> List.head |> Seq.filter ((=) 'M') |> Seq.length)

[<Fact>]
let ``a line of one point is drawn as a circle`` () =
    let outline =
        Chart("c").Line("a", [ 3.0 ], [ 4.0 ]) |> parse |> outlines |> List.head
    Assert.EndsWith("m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z", outline)

[<Fact>]
let ``empty and constant charts have axes`` () =
    for log in [ false; true ] do
        for x, y in [ [], []; [ 1.0; 2.0 ], [ 5.0; 5.0 ]; [ 0.0 ], [ 0.0 ]; [ nan ], [ 1.0 ] ] do
            let chart = Chart("c", LogX = log, LogY = log).Line("a", x, y)
            Assert.True((chart |> parse |> texts).Length > 6)

[<Fact>]
let ``ticks are round`` () =
    let labels (chart: Chart) =
        chart |> parse |> texts |> List.skip 3 |> String.concat " "
    let line low high =
        Chart("c").Line("", [ low; high ], [ 0.0; 1.0 ])
    let y = "0 0.2 0.4 0.6 0.8 1"
    Assert.Equal($"0 2 4 6 8 10 {y}", labels (line 0.0 10.0))
    Assert.Equal($"-1e6 -5e5 0 5e5 1e6 {y}", labels (line -1e6 1e6))
    Assert.Equal($"0 5e-8 1e-7 1.5e-7 2e-7 2.5e-7 3e-7 {y}", labels (line 0.0 3e-7))
    let log high =
        Chart("c", LogX = true).Line("", [ 1.0; high ], [ 0.0; 1.0 ])
    Assert.Equal($"1 10 100 1000 10000 1e5 1e6 {y}", labels (log 1e6))
    Assert.Equal($"1 2 5 10 20 50 100 {y}", labels (log 100.0))

[<Fact>]
let ``any text survives, save what XML cannot hold`` () =
    let odd = "a <b> & \"c\" 'd' ∂f/∂x 🎉 \u0000\u001b \ud800"
    let kept = "a <b> & \"c\" 'd' ∂f/∂x 🎉 \uFFFD\uFFFD \uFFFD"
    let document =
        Chart(odd, XLabel = odd, YLabel = odd, Width = 1000).Line(odd, [ 1.0 ], [ 1.0 ])
        |> parse
    Assert.Equal(kept, (document.Descendants(svg "title") |> Seq.head).Value)
    Assert.Equal(4, texts document |> List.filter ((=) kept) |> List.length)

[<Fact>]
let ``a long name is cut and leaves room for the data`` () =
    let document =
        Chart("c").Line(String('n', 500), [ 0.0; 1.0 ], [ 0.0; 1.0 ]) |> parse
    Assert.EndsWith("…", texts document |> List.last)
    Assert.DoesNotContain(texts document, (fun text -> text.Length > 50))

[<Fact>]
let ``the chart names itself to those who cannot see it`` () =
    let root = parse (Chart "Loss") |> _.Descendants(svg "svg") |> Seq.head
    Assert.Equal("img", attribute "role" root)
    Assert.Equal("Loss", attribute "aria-label" root)

[<Fact>]
let ``the culture does not matter`` () =
    let chart = Chart("c").Line("a", [ 0.5; 1.5 ], [ -0.25; 1e7 ])
    let expected, before = chart.ToSvg(), CultureInfo.CurrentCulture
    let comma = CultureInfo.InvariantCulture.Clone() :?> CultureInfo
    comma.NumberFormat.NumberDecimalSeparator <- ","
    comma.NumberFormat.NegativeSign <- "−"
    try
        Thread.CurrentThread.CurrentCulture <- comma
        Assert.Equal(expected, chart.ToSvg())
    finally
        Thread.CurrentThread.CurrentCulture <- before

[<Fact>]
let ``Save writes the document`` () =
    let path = Path.GetTempFileName()
    try
        let chart = Chart("c").Line("a", [ 0.0; 1.0 ], [ 0.0; 1.0 ])
        chart.Save path
        Assert.Equal(chart.ToSvg(), File.ReadAllText path)
    finally
        File.Delete path

[<Property>]
let ``any values make a well-formed chart`` (points: (float * float * float)[]) (logX: bool) (logY: bool) =
    let x, low, high = Array.unzip3 points
    Chart("c", LogX = logX, LogY = logY).Line("a", x, low).Points("b", x, high).Band("c", x, low, high)
    |> parse
    |> ignore

[<Fact>]
let ``extreme values make a well-formed chart`` () =
    let extremes =
        [ 0.0
          Double.Epsilon
          1e-310
          1e-300
          1e-279
          1.0
          1.0 + 1e-15
          1e279
          1e300
          Double.MaxValue
          -1e279 ]
    for a in extremes do
        for b in extremes do
            for log in [ false; true ] do
                let chart = Chart("c", LogX = log, LogY = log, Width = 0, Height = -5)
                chart.Line("a", [ a; b ], [ b; a ]) |> parse |> ignore
