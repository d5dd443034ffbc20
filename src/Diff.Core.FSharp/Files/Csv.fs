namespace Diff

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Text

/// Numbers out of a text table: float64, [rows, columns].
[<Sealed>]
type CsvTable internal (columns: string[], values: NDArray) =
    /// The names of the columns; "0", "1" … where the file has none.
    member _.Columns: IReadOnlyList<string> = Array.AsReadOnly columns
    /// The numbers, [rows, columns].
    member _.Values: NDArray = values
    /// The numbers of a column, [rows].
    member _.Item
        with get (column: string): NDArray =
            match Array.IndexOf(columns, column) with
            | -1 ->
                let known = String.Join(", ", columns)
                raise (KeyNotFoundException $"there is no column {FileText.quote column}; there are {known}")
            | k ->
                let all = values.Span<float>()
                let result = NDArray.Zeros(DType.Float64, Shape [| values.Shape[0] |])
                let out = result.Span<float>()
                for row in 0 .. out.Length - 1 do
                    out[row] <- all[row * columns.Length + k]
                result

/// Text tables (RFC 4180): numbers with a point whatever the machine's language, fields in quotes, a line of names.
/// A number is digits with an optional sign, point and exponent; nan, inf and infinity in any case are themselves; hexadecimal
/// numbers, thousands separators and numbers beyond float64 are refused.
[<AbstractClass; Sealed>]
type Csv =
    static member private IsWord(word: string, text: ReadOnlySpan<char>) : bool =
        MemoryExtensions.Equals(text, word.AsSpan(), StringComparison.OrdinalIgnoreCase)

    /// Reads a number; gives what is wrong with the text, or null.
    static member private Number(text: ReadOnlySpan<char>, value: byref<float>) : string | null =
        let trimmed = text.Trim()
        let signs =
            if trimmed.Length > 0 && (trimmed[0] = '-' || trimmed[0] = '+') then
                1
            else
                0
        let unsigned = trimmed.Slice signs
        if Csv.IsWord("nan", unsigned) then
            value <- Double.NaN
            null
        elif Csv.IsWord("inf", unsigned) || Csv.IsWord("infinity", unsigned) then
            value <-
                if trimmed[0] = '-' then
                    Double.NegativeInfinity
                else
                    Double.PositiveInfinity
            null
        elif not (Double.TryParse(trimmed, NumberStyles.Float, CultureInfo.InvariantCulture, &value)) then
            "is not a number"
        elif Double.IsFinite value then
            null
        else
            "is more than float64 holds"

    /// The lines of a file, opened, and its names of columns if it has any.
    static member private Open
        (path: string, options: CsvOptions, stream: Stream)
        : struct (CsvReader * string[] | null) =
        let source = new StreamReader(stream, UTF8Encoding(false, true), true, 65536)
        let reader = CsvReader(path, source, options.Separator)
        if not options.HasHeader then
            struct (reader, null)
        else
            let names = List<string>()
            let count = reader.Read(fun _ text -> names.Add(string text))
            if count < 0 then
                FileText.fail path "it is empty; a line with the names of the columns was expected"
            let names = names.ToArray()
            let isNumber (name: string) =
                let mutable value = 0.0
                isNull (Csv.Number(name.AsSpan(), &value))
            if Array.forall isNumber names then
                let text = FileText.plain (String.Join(options.Separator, names))
                FileText.fail
                    path
                    $"line 1: numbers, where the names of the columns were expected: {text}; set HasHeader to false if there are no names"
            for k in 1 .. names.Length - 1 do
                if Array.IndexOf(names, names[k], 0, k) >= 0 then
                    FileText.fail path $"line 1: duplicate column name {FileText.quote names[k]}"
            struct (reader, names)

    static member private Guard(path: string, load: Stream -> 'T) : 'T =
        use stream = ElementStream.openRead path
        try
            load stream
        with :? DecoderFallbackException as e ->
            raise (DiffFormatException(path, "it is not UTF-8", e))

    /// For each column of the file, which column of the result it is; −1 for none.
    static member private Choose
        (path: string, wanted: IReadOnlyList<string> | null, names: string[])
        : int[] =
        match wanted with
        | null -> Array.init names.Length id
        | wanted ->
            for name in wanted do
                if not (Array.contains name names) then
                    let known = FileText.plain (String.Join(", ", names))
                    FileText.fail path $"line 1: there is no column {FileText.quote name}; there are {known}"
            names
            |> Array.map (fun name -> Seq.tryFindIndex ((=) name) wanted |> Option.defaultValue -1)

    static member private LoadNumbers
        (path: string, options: CsvOptions, limits: FileLimits, stream: Stream)
        : CsvTable =
        let struct (reader, header) = Csv.Open(path, options, stream)
        let mutable names = header
        let mutable places: int[] = [||]
        let mutable width = 0
        let numbers = List<float>()
        let mutable row: float[] = [||]
        let prepare (found: string[]) =
            if found.Length > limits.MaxTensors then
                FileText.fail path $"line 1: {found.Length} columns; at most {limits.MaxTensors} are allowed"
            names <- found
            places <- Csv.Choose(path, options.Columns, found)
            width <-
                (match options.Columns with
                 | null -> found.Length
                 | wanted -> wanted.Count)
            row <- Array.zeroCreate width
        let value column (text: ReadOnlyMemory<char>) =
            let place () =
                let name =
                    match header with
                    | null -> ""
                    | names -> $" ({FileText.quote names[column]})"
                $"line {reader.Line}, column {column + 1}{name}"
            let mutable value = 0.0
            if text.Span.Trim().IsEmpty then
                if not options.EmptyIsNaN then
                    FileText.fail
                        path
                        $"{place ()}: it is empty, a number was expected; set EmptyIsNaN to load it as NaN"
                Double.NaN
            else
                match Csv.Number(text.Span, &value) with
                | null -> value
                | problem -> FileText.fail path $"{place ()}: {FileText.quote (string text)} {problem}"
        match header with
        | null -> ()
        | header -> prepare header
        let first = List<string>()
        // The first record of a file without names says how many columns there are.
        let take column (text: ReadOnlyMemory<char>) =
            match names with
            | null -> first.Add(string text)
            | names when column < names.Length ->
                if places[column] >= 0 then
                    row[places[column]] <- value column text
            | _ -> ()
        let action = Action<int, ReadOnlyMemory<char>>(take)
        let mutable count = reader.Read action
        while count >= 0 do
            match names with
            | null ->
                prepare (Array.init count string)
                first
                |> Seq.iteri (fun column text ->
                    if places[column] >= 0 then
                        row[places[column]] <- value column (text.AsMemory()))
            | names ->
                if count <> names.Length then
                    let expected = if isNull header then "line 1 has" else "the header names"
                    FileText.fail path $"line {reader.Line}: {count} fields, {expected} {names.Length}"
            if int64 numbers.Count + int64 width > int64 Array.MaxLength then
                FileText.fail
                    path
                    $"line {reader.Line}: more than {Array.MaxLength} numbers; an array has no more"
            numbers.AddRange row
            count <- reader.Read action
        match names with
        | null -> FileText.fail path "it is empty; lines of numbers were expected"
        | names ->
            let columns =
                match options.Columns with
                | null -> names
                | wanted -> Array.ofSeq wanted
            let rows = if width = 0 then 0 else numbers.Count / width
            CsvTable(columns, NDArray.Create(numbers.ToArray(), Shape [| rows; width |]))

    /// Loads a table of numbers.
    /// <param name="path">The file: UTF-8.</param>
    /// <param name="options">Separator, header, columns; null for a comma, a header and all columns.</param>
    /// <param name="limits">What the file may ask for; null for the defaults.</param>
    /// <exception cref="T:Diff.DiffFormatException">A line is longer or shorter than the others, or a field is no number; the message
    /// names line and column.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, options: CsvOptions | null, limits: FileLimits | null) : CsvTable =
        let options, limits = CsvOptions.OrDefault options, FileLimits.OrDefault limits
        Csv.Guard(path, (fun stream -> Csv.LoadNumbers(path, options, limits, stream)))

    /// Loads a table of numbers.
    /// <param name="path">The file: UTF-8.</param>
    /// <param name="options">Separator, header, columns; null for a comma, a header and all columns.</param>
    /// <exception cref="T:Diff.DiffFormatException">A line is longer or shorter than the others, or a field is no number.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string, options: CsvOptions | null) : CsvTable = Csv.Load(path, options, null)

    /// Loads a table of numbers: fields apart by commas, the names of the columns on the first line.
    /// <param name="path">The file: UTF-8.</param>
    /// <exception cref="T:Diff.DiffFormatException">A line is longer or shorter than the others, or a field is no number.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member Load(path: string) : CsvTable = Csv.Load(path, null, null)

    /// The fields of a file as texts, record by record, the names of the columns first if there are any. Records may differ in length.
    /// <param name="path">The file: UTF-8.</param>
    /// <param name="options">The separator; null for a comma.</param>
    /// <exception cref="T:Diff.DiffFormatException">A quote is not closed, or stands where none may.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be read; the message names it.</exception>
    static member LoadText(path: string, options: CsvOptions | null) : IReadOnlyList<string[]> =
        let options = CsvOptions.OrDefault options
        Csv.Guard(
            path,
            fun stream ->
                let source = new StreamReader(stream, UTF8Encoding(false, true), true, 65536)
                let reader = CsvReader(path, source, options.Separator)
                let records, fields = List<string[]>(), List<string>()
                while reader.Read(fun _ text -> fields.Add(string text)) >= 0 do
                    records.Add(fields.ToArray())
                    fields.Clear()
                records :> IReadOnlyList<string[]>
        )

    static member private Text(array: NDArray, index: int) : string =
        let invariant = CultureInfo.InvariantCulture
        match array.DType with
        | DType.Float32 -> (array.Span<float32>()[index]).ToString("R", invariant)
        | DType.Int64 -> (array.Span<int64>()[index]).ToString invariant
        | _ -> (array.Float index).ToString("R", invariant)

    static member private Quoted(name: string) : string =
        if name.AsSpan().IndexOfAny("\",\r\n") >= 0 then
            "\"" + name.Replace("\"", "\"\"") + "\""
        else
            name

    /// Saves a table in one step: each number in the fewest digits that give it back exactly, true and false as 1 and 0.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="values">The numbers, [rows, columns], or [rows] for one column.</param>
    /// <param name="columns">The names of the columns; null for none.</param>
    /// <exception cref="T:System.ArgumentException">The names are not those of as many columns, or not apart from each
    /// other.</exception>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    static member Save(path: string, values: NDArray, columns: IReadOnlyList<string> | null) : unit =
        ArgumentException.ThrowIfNullOrEmpty(path, nameof path)
        ArgumentNullException.ThrowIfNull(values, nameof values)
        let shape = values.Shape
        if shape.Rank <> 1 && shape.Rank <> 2 then
            raise (ShapeException $"Csv.Save: expected [rows, columns] or [rows], got shape {shape}")
        let width = if shape.Rank = 2 then shape[1] else 1
        match columns with
        | null -> ()
        | columns ->
            if columns.Count <> width then
                raise (ShapeException $"Csv.Save: {columns.Count} names for {width} columns of shape {shape}")
            if Seq.length (Seq.distinct columns) <> width then
                raise (ArgumentException "Csv.Save: a name of a column is there twice")
            for name in columns do
                FileText.checkText "Csv.Save: " "a name" name
        AtomicFile.Write(
            path,
            fun stream ->
                use writer = new StreamWriter(stream, UTF8Encoding false, 65536, true)
                let line (fields: string seq) =
                    writer.Write(String.Join(',', fields))
                    writer.Write '\n'
                match columns with
                | null -> ()
                | columns -> line (Seq.map Csv.Quoted columns)
                for row in 0 .. shape[0] - 1 do
                    line (Seq.init width (fun k -> Csv.Text(values, row * width + k)))
        )
