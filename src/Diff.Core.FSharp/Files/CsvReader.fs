namespace Diff

open System
open System.Collections.Generic
open System.IO
open System.Text

/// How a table is written in a text file.
[<Sealed>]
type CsvOptions() =
    /// What stands between two fields.
    member val Separator = ',' with get, set
    /// Whether the first line holds the names of the columns.
    member val HasHeader = true with get, set
    /// The columns to load, by name and in this order; null for all.
    member val Columns: IReadOnlyList<string> | null = null with get, set
    /// Whether an empty field is NaN; it is an error otherwise.
    member val EmptyIsNaN = false with get, set

    static member internal OrDefault(options: CsvOptions | null) : CsvOptions =
        match options with
        | null -> CsvOptions()
        | given -> given

/// Records of a text table as RFC 4180 has them: fields in quotes may hold separators, line ends and doubled quotes.
[<Sealed>]
type internal CsvReader(path: string, source: TextReader, separator: char) =
    let mutable field: char[] = Array.zeroCreate 64
    let mutable length = 0
    let mutable line = 1
    let mutable startLine = 1

    let fail at text = FileText.fail path $"line {at}: {text}"

    let append (c: char) =
        if length = field.Length then
            Array.Resize(&field, 2 * length)
        field[length] <- c
        length <- length + 1

    let read () =
        let c = source.Read()
        if c = 0 then
            fail line "it has a NUL character; it is no text"
        c

    /// A line end: \n, \r\n or \r.
    let isLineEnd c =
        if c = int '\r' && source.Peek() = int '\n' then
            source.Read() |> ignore
        c = int '\n' || c = int '\r'

    /// The rest of a field in quotes.
    let quoted column =
        let first = line
        let mutable inside = true
        while inside do
            let c = read ()
            if c < 0 then
                fail first $"field {column + 1}: the quote that opens it is never closed"
            elif c = int '"' then
                if source.Peek() = int '"' then
                    source.Read() |> ignore
                    append '"'
                else
                    inside <- false
            else
                if c = int '\n' || (c = int '\r' && source.Peek() <> int '\n') then
                    line <- line + 1
                append (char c)

    /// The line on which the record read last begins, from 1.
    member _.Line = startLine

    /// Reads a record and calls `take` with the number and the text of each field; gives the number of fields, −1 at the end.
    /// Lines without a character at the end of the file are no records.
    member _.Read(take: Action<int, ReadOnlyMemory<char>>) : int =
        let mutable c = read ()
        startLine <- line
        let mutable blank = 0
        while c >= 0 && isLineEnd c do // a blank line is a record only if something follows it
            blank <- blank + 1
            line <- line + 1
            c <- read ()
        if c < 0 then
            -1
        elif blank > 0 then
            fail startLine "it is blank; only the end of a file may have blank lines"
        else
            let mutable column = 0
            let mutable inside = true
            length <- 0
            let mutable closed = false
            let finish () =
                take.Invoke(column, ReadOnlyMemory(field, 0, length))
                column <- column + 1
                length <- 0
                closed <- false
            while inside do
                if c < 0 || isLineEnd c then
                    finish ()
                    inside <- false
                    line <- line + 1
                elif c = int separator then
                    finish ()
                    c <- read ()
                elif closed then
                    fail line $"field {column + 1}: text after the quote that closes it"
                elif c = int '"' then
                    if length > 0 then
                        fail line $"field {column + 1}: a quote within a field that does not begin with one"
                    quoted column
                    closed <- true
                    c <- read ()
                else
                    append (char c)
                    c <- read ()
            column
