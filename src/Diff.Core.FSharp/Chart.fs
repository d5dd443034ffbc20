namespace Diff

open System
open System.Collections.Generic
open System.Globalization
open System.Text.RegularExpressions

module internal ChartAxis =
    /// Multiples of 1, 2 or 5 times a power of ten, about `count` of them.
    let private linearTicks low high count =
        let raw = (high - low) / count
        let power = Math.Pow(10.0, floor (log10 raw))
        let multiple = [ 1.0; 2.0; 5.0 ] |> List.tryFind (fun m -> m * power > 0.99 * raw)
        let step = Option.defaultValue 10.0 multiple * power
        [ for i in ceil (low / step) .. floor (high / step) -> i * step ]

    /// Powers of ten; if they are few, also 2 and 5 times one.
    let private logTicks low high count =
        let low, high = log10 low, log10 high
        let stride = ceil ((high - low) / count)
        let multiples = if high - low > 3.0 then [ 1.0 ] else [ 1.0; 2.0; 5.0 ]
        List.allPairs [ floor (low / stride) .. floor (high / stride) ] multiples
        |> List.map (fun (i, m) -> m * Math.Pow(10.0, i * stride))
        |> List.filter (fun value -> low <= log10 value && log10 value <= high)

    // .NET's custom formats round to 15 digits, which takes the 4 from the end of 0.30000000000000004.
    let private label largest (value: float) =
        let format =
            "0.##############" + (if largest < 1e5 && largest >= 1e-3 then "" else "e0")
        value.ToString($"{format};-{format};0", CultureInfo.InvariantCulture)

    /// Whether a value has a place on the axis. The bounds leave room for the ends of the axis to be finite.
    let draws log value =
        abs value < 1e280 && (not log || value > 1e-280)

    /// Where on an axis of length 1 a value stands, and the labels of the ticks and where they stand.
    let fit log count values =
        let scale, inverse = if log then log10, (fun v -> Math.Pow(10.0, v)) else id, id
        let scaled = List.map scale (if List.isEmpty values then [ 1.0; 10.0 ] else values)
        let low, high = List.min scaled, List.max scaled
        let size = max (abs low) (abs high)
        let same = high - low <= 1e-12 * size + 1e-290
        let aside = if size < 1e-280 then 1.0 else 0.1 * size
        let room = if same then aside else 0.04 * (high - low)
        let low, high = low - room, high + room
        let place value = (scale value - low) / (high - low)
        let spans = log && high - low > 1.0 // within a power of ten round numbers say more
        let ticksOf = if spans then logTicks else linearTicks
        let ticks = ticksOf (inverse low) (inverse high) count
        let largest = ticks |> List.map abs |> List.fold max 0.0
        place, [ for tick in ticks -> place tick, label (if spans then tick else largest) tick ]

/// A chart of lines, points and bands, written as SVG. A value that is not finite or beyond
/// ±1e280 (on a log axis, below 1e-280) has no place in it and interrupts a line or band.
[<Sealed>]
type Chart(title: string) =
    do ArgumentNullException.ThrowIfNull(title, nameof title)

    let mutable xLabel, yLabel = "", ""
    let series = List<string * string * (float * float * float)[]>() // mark, name, (x, low, high)
    // Okabe and Ito, "Color Universal Design" (2008), but for its yellow, which is hard to see on white.
    let colours = "#0072B2 #D55E00 #009E73 #CC79A7 #E69F00 #56B4E9 #444444".Split ' '
    let dashes = [| "none"; "7 4"; "2 4" |] // the first, second and third time round the colours
    let circle = "m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z"

    let number (value: float) =
        value.ToString("0.##", CultureInfo.InvariantCulture)
    // XML cannot hold control characters, nor halves of surrogate pairs, for which runes put U+FFFD.
    let escape (text: string) =
        let runes = String.Concat(text.EnumerateRunes())
        Security.SecurityElement.Escape(Regex.Replace(runes, @"[\0-\x08\v\f\x0e-\x1f\ufffe\uffff]", "\uFFFD"))
    // Only the viewer has the font. Letters of Chinese, Japanese and Korean are about twice as wide.
    let pixels (text: string) =
        text |> Seq.sumBy (fun c -> if c < '\u2E80' then 7.0 else 13.0)
    let cut most (text: string) =
        let kept = int (float text.Length * most / pixels text) - 2
        if pixels text <= most then text else text[..kept] + "…"
    let longest texts =
        texts |> List.map pixels |> List.fold max 0.0

    /// The attributes of a series and the outline of its sign in the legend.
    let style index mark =
        let colour, dash = colours[index % 7], dashes[index / 7 % 3]
        match mark with
        | "Line" -> $"fill='none' stroke='{colour}' stroke-width='2' stroke-dasharray='{dash}'", "h22"
        | "Points" -> $"fill='{colour}' fill-opacity='.8'", "m11 0" + circle
        | _ -> $"fill='{colour}' fill-opacity='.2' stroke='{colour}' stroke-opacity='.3'", "m0-6h22v12h-22z"

    /// The label below the x axis.
    member _.XLabel
        with get () = xLabel
        and set (value: string) =
            ArgumentNullException.ThrowIfNull(value, nameof value)
            xLabel <- value
    /// The label beside the y axis.
    member _.YLabel
        with get () = yLabel
        and set (value: string) =
            ArgumentNullException.ThrowIfNull(value, nameof value)
            yLabel <- value
    /// Whether the x axis is logarithmic.
    member val LogX = false with get, set
    /// Whether the y axis is logarithmic.
    member val LogY = false with get, set

    /// The width in pixels; a chart is drawn at least 200 wide.
    member val Width = 720 with get, set
    /// The height in pixels; a chart is drawn at least 150 high.
    member val Height = 420 with get, set

    member private this.Add(mark, name, x: float seq, low: float seq, high: float seq, lowName) =
        let x, low, high = Array.ofSeq x, Array.ofSeq low, Array.ofSeq high
        for what, length in [ lowName, low.Length; "high", high.Length ] do
            if length <> x.Length then
                raise (ArgumentException $"Chart.{mark}: x has {x.Length} values, {what} has {length}")
        series.Add((mark, name, Array.zip3 x low high))
        this

    static member private Check(name: string, x: float seq) : unit =
        ArgumentNullException.ThrowIfNull(name, nameof name)
        ArgumentNullException.ThrowIfNull(x, nameof x)

    /// Adds a line through the points (x, y), in their order.
    member this.Line(name: string, x: float seq, y: float seq) : Chart =
        Chart.Check(name, x)
        ArgumentNullException.ThrowIfNull(y, nameof y)
        this.Add("Line", name, x, y, y, "y")

    /// Adds the points (x, y).
    member this.Points(name: string, x: float seq, y: float seq) : Chart =
        Chart.Check(name, x)
        ArgumentNullException.ThrowIfNull(y, nameof y)
        this.Add("Points", name, x, y, y, "y")

    /// Adds the area between low and high.
    member this.Band(name: string, x: float seq, low: float seq, high: float seq) : Chart =
        Chart.Check(name, x)
        ArgumentNullException.ThrowIfNull(low, nameof low)
        ArgumentNullException.ThrowIfNull(high, nameof high)
        this.Add("Band", name, x, low, high, "low")

    /// The chart as an SVG document.
    member this.ToSvg() : string =
        let inX, inY = ChartAxis.draws this.LogX, ChartAxis.draws this.LogY
        let drawn (x, low, high) = inX x && inY low && inY high
        let runs points = // of neighbours that have a place
            let join point (runs: _ list) =
                match runs with
                | run :: others when drawn point -> (point :: run) :: others
                | _ -> [] :: runs
            Array.foldBack join points [ [] ] |> List.filter (List.isEmpty >> not)
        let series =
            [ for i, (mark, name, all) in Seq.indexed series -> i, mark, name, runs all ]
        let shown =
            [ for _, _, _, runs in series do
                  yield! List.concat runs ]
        let xs, lows, highs = List.unzip3 shown
        let named = series |> List.filter (fun (_, _, name, _) -> name <> "")
        let width, height = float (max 200 this.Width), float (max 150 this.Height)
        let names = [ for _, _, name, _ in named -> name ]
        let legend = if names.IsEmpty then 0.0 else 50.0 + longest names
        let right = width - 14.0 - min legend (0.35 * width)
        let top, bottom = 38.0, height - 46.0
        let toY, yTicks = ChartAxis.fit this.LogY ((bottom - top) / 45.0) (lows @ highs)
        let left = 34.0 + longest (List.map snd yTicks)
        let toX, xTicks = ChartAxis.fit this.LogX ((right - left) / 80.0) xs
        let across at = number (left + at * (right - left))
        let up at = number (bottom - at * (bottom - top))
        let text at style words =
            $"<text transform='translate({at})' {style}>{escape words}</text>"
        let line points =
            "M"
            + String.Join("L", [ for x, y in points -> $"{across (toX x)} {up (toY y)}" ])
        let outline mark run =
            let low, high = [ for x, y, _ in run -> x, y ], [ for x, _, y in run -> x, y ]
            match mark with
            | "Line" -> line low + (if low.Tail.IsEmpty then circle else "")
            | "Points" -> String.Join("", [ for p in low -> line [ p ] + circle ])
            | _ -> line (high @ List.rev low) + "Z"
        let lines =
            [ $"<svg xmlns='http://www.w3.org/2000/svg' role='img' aria-label='{escape title}' font-size='12'"
              $" width='{width}' height='{height}' viewBox='0 0 {width} {height}' font-family='Arial,sans-serif'>"
              $"<title>{escape title}</title><rect width='100%%' height='100%%' fill='#fff'/>"
              text $"{width / 2.0} 24" "font-size='15' text-anchor='middle'" (cut (0.8 * width) title)
              text $"{across 0.5} {height - 10.0}" "text-anchor='middle'" (cut (right - left) this.XLabel)
              text $"18 {up 0.5}) rotate(-90" "text-anchor='middle'" (cut (bottom - top) this.YLabel)
              for at, label in xTicks do
                  $"<path d='M{across at} {up 0.0}V{up 1.0}' stroke='#e2e2e2'/>"
                  text $"{across at} {number (bottom + 17.0)}" "text-anchor='middle' fill='#444'" label
              for at, label in yTicks do
                  $"<path d='M{across 0.0} {up at}H{across 1.0}' stroke='#e2e2e2'/>"
                  text $"{number (left - 7.0)} {up at}" "text-anchor='end' dy='4' fill='#444'" label
              for i, mark, _, runs in series do
                  let outlines = runs |> List.map (outline mark) |> String.concat ""
                  $"<path d='{outlines}' {fst (style i mark)}/>"
              $"<path d='M{across 0.0} {up 1.0}V{up 0.0}H{across 1.0}' fill='none' stroke='#666'/>"
              for row, (i, mark, name, _) in List.indexed named do
                  let y = top + 10.0 + float row * min 18.0 ((bottom - top) / float named.Length)
                  $"<path d='M{number (right + 14.0)} {number y}{snd (style i mark)}' {fst (style i mark)}/>"
                  text $"{number (right + 42.0)} {number (y + 4.0)}" "" (cut (width - right - 46.0) name)
              "</svg>" ]
        String.Join("\n", lines)

    /// Writes the chart as an SVG file.
    member this.Save(path: string) : unit =
        AtomicFile.WriteText(path, this.ToSvg())
