namespace Diff

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Text

/// What a .npy header says.
[<NoEquality; NoComparison>]
type internal NpyHeader =
    {
        /// The element type in NumPy's words.
        Descr: string
        IsFortran: bool
        Dims: uint64[]
    }

/// A value in a header.
[<RequireQualifiedAccess>]
type internal NpyValue =
    | Text of string
    | Truth of bool
    | Integers of string list
    /// A structured element type; its fields are not looked at.
    | List

/// The header of a .npy file: a Python dictionary of three entries. It is parsed as a literal, never evaluated.
/// https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
[<RequireQualifiedAccess>]
module internal NpyHeader =
    let private magic = [| 0x93uy; byte 'N'; byte 'U'; byte 'M'; byte 'P'; byte 'Y' |]

    let private isBlank c =
        c = ' ' || c = '\n' || c = '\t' || c = '\r'

    /// The entries of the dictionary; `fail` gets what is wrong.
    let private entries (text: string) (fail: string -> NpyValue) : Dictionary<string, NpyValue> =
        let mutable at = 0
        let wrong expected =
            let found =
                if at < text.Length then
                    FileText.quote (string text[at])
                else
                    "its end"
            fail $"{expected} was expected at character {at}, found {found}" |> ignore
        let skip () =
            while at < text.Length && isBlank text[at] do
                at <- at + 1
        let next () =
            skip ()
            if at < text.Length then text[at] else '\000'
        let expect c =
            if next () <> c then
                wrong $"'{c}'"
            at <- at + 1
        let quoted () =
            let quote = next ()
            if quote <> '\'' && quote <> '"' then
                wrong "a string"
            let first = at + 1
            let last = text.IndexOf(quote, first)
            if last < 0 || text.IndexOf('\\', first, last - first) >= 0 then
                wrong "a string without escapes, with an end,"
            at <- last + 1
            text.Substring(first, last - first)
        let integer () =
            skip ()
            let first = at
            while at < text.Length && (Char.IsAsciiDigit text[at] || text[at] = '-') do
                at <- at + 1
            if at = first then
                wrong "an integer"
            let digits = text.Substring(first, at - first)
            if at < text.Length && text[at] = 'L' then // Python 2 wrote long integers so
                at <- at + 1
            digits
        let tuple () =
            expect '('
            let items = List<string>()
            while next () <> ')' do
                items.Add(integer ())
                if next () <> ')' then
                    expect ','
            expect ')'
            NpyValue.Integers(List.ofSeq items)
        let value () =
            match next () with
            | '(' -> tuple ()
            | '[' ->
                // Structured: refused by name later; its end is where the dictionary's next key begins.
                let rest = text.IndexOf(']', at)
                if rest < 0 then
                    wrong "a list with an end"
                at <- text.LastIndexOf(']') + 1
                NpyValue.List
            | _ ->
                let word (w: string) =
                    String.CompareOrdinal(text, at, w, 0, w.Length) = 0
                if word "True" then
                    at <- at + 4
                    NpyValue.Truth true
                elif word "False" then
                    at <- at + 5
                    NpyValue.Truth false
                else
                    NpyValue.Text(quoted ())
        let result = Dictionary<string, NpyValue>(StringComparer.Ordinal)
        expect '{'
        while next () <> '}' do
            let key = quoted ()
            expect ':'
            if not (result.TryAdd(key, value ())) then
                fail $"duplicate key {FileText.quote key}" |> ignore
            if next () <> '}' then
                expect ','
        expect '}'
        skip ()
        if at < text.Length then
            wrong "nothing more"
        result

    /// Reads and checks a header from a stream with so many bytes left; gives also how many bytes it takes. `place` goes before messages.
    let read
        (path: string)
        (place: string)
        (limits: FileLimits)
        (stream: Stream)
        (available: int64)
        : struct (NpyHeader * int64) =
        let fail text = FileText.fail path (place + text)
        let start = Array.zeroCreate<byte> 12
        let found = stream.ReadAtLeast(start.AsSpan(0, 8), 8, false)
        if found < 8 || not (start.AsSpan(0, 6).SequenceEqual(ReadOnlySpan magic)) then
            fail "magic: a .npy file begins with the bytes 93 'NUMPY' and a version, this one does not"
        let version = start[6]
        if version < 1uy || version > 3uy then
            fail $"header: version {version}.{start[7]} is unknown; 1.0, 2.0 and 3.0 are allowed"
        let prefix = if version = 1uy then 10 else 12
        if stream.ReadAtLeast(start.AsSpan(8, prefix - 8), prefix - 8, false) < prefix - 8 then
            fail "header: the file ends within its length"
        let length =
            if version = 1uy then
                int64 (BinaryPrimitives.ReadUInt16LittleEndian(ReadOnlySpan(start, 8, 2)))
            else
                int64 (BinaryPrimitives.ReadUInt32LittleEndian(ReadOnlySpan(start, 8, 4)))
        if length > int64 limits.MaxNpyHeaderBytes then
            fail
                $"header: its length {length} is too large; at most {limits.MaxNpyHeaderBytes} bytes are allowed"
        if length > available - int64 prefix then
            fail $"header: its length {length} reaches past the end of the {available} bytes: it is truncated"
        let bytes = Array.zeroCreate<byte>(int length)
        stream.ReadExactly bytes
        let text =
            if version < 3uy then
                Encoding.Latin1.GetString bytes
            else
                try
                    UTF8Encoding(false, true).GetString bytes
                with :? DecoderFallbackException ->
                    fail "header: it is not UTF-8"
        let entries = entries text (fun what -> fail $"header: {what}")
        let entry (key: string) =
            match entries.TryGetValue key with
            | true, value -> value
            | _ -> fail $"header: the key '{key}' is missing"
        for key in entries.Keys do
            if key <> "descr" && key <> "fortran_order" && key <> "shape" then
                fail $"header: unknown key {FileText.quote key}; descr, fortran_order and shape are allowed"
        let descr =
            match entry "descr" with
            | NpyValue.Text text -> text
            | NpyValue.List -> fail "header: descr: a structured dtype cannot be loaded"
            | _ -> fail "header: descr: a string, the dtype, was expected"
        let isFortran =
            match entry "fortran_order" with
            | NpyValue.Truth value -> value
            | _ -> fail "header: fortran_order: True or False was expected"
        let dims =
            match entry "shape" with
            | NpyValue.Integers items ->
                if items.Length > limits.MaxRank then
                    fail $"header: shape has rank {items.Length}; at most {limits.MaxRank} is allowed"
                items
                |> List.map (fun item ->
                    match UInt64.TryParse(item, NumberStyles.None, CultureInfo.InvariantCulture) with
                    | true, d -> d
                    | _ ->
                        let text = String.Join(", ", items)
                        fail
                            $"header: shape ({FileText.plain text}): {FileText.plain item} is negative or overflows 64 bits")
                |> Array.ofList
            | _ -> fail "header: shape: a tuple of integers was expected"
        struct ({ Descr = descr
                  IsFortran = isFortran
                  Dims = dims },
                int64 prefix + length)

    /// The first bytes of a file, filled up so that the data begin at a multiple of 64.
    let write (descr: string) (dims: int[]) : byte[] =
        let shape =
            match dims with
            | [| one |] -> $"({one},)"
            | _ -> "(" + String.Join(", ", dims) + ")"
        let text = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
        let total = (10 + text.Length + 1 + 63) / 64 * 64
        let bytes = Array.create total (byte ' ')
        magic.CopyTo(bytes, 0)
        bytes[6] <- 1uy
        bytes[7] <- 0uy
        BinaryPrimitives.WriteUInt16LittleEndian(Span(bytes, 8, 2), uint16 (total - 10))
        Encoding.ASCII.GetBytes(text, 0, text.Length, bytes, 10) |> ignore
        bytes[total - 1] <- byte '\n'
        bytes
