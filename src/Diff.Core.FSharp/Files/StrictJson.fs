namespace Diff

open System
open System.Buffers.Text
open System.Text
open System.Text.Json
open System.Text.Unicode

/// A place in the header of a file. It becomes text only for a message.
[<Struct; NoEquality; NoComparison>]
type internal Place =
    { Kind: string
      Name: string | null
      Field: string }

    override p.ToString() =
        let name =
            match p.Name with
            | null -> p.Kind
            | name -> $"{p.Kind} {FileText.quote name}"
        if p.Field = "" then name else $"{name}: {p.Field}"

/// Pieces of JSON in the header of a file, with no more freedom than the format gives: 1.0 and 1e0 are no
/// integers.
[<RequireQualifiedAccess>]
module internal StrictJson =
    let options = JsonReaderOptions(MaxDepth = 16)

    /// UTF-8, one JSON object, not nested deeply: after this the reader cannot fail.
    let check path (json: byte[]) =
        let json = ReadOnlySpan json
        if json.Length = 0 then
            FileText.fail path "header: it is empty, a JSON object was expected"
        if not (Utf8.IsValid json) then
            FileText.fail path "header: it is not UTF-8"
        if json.StartsWith Encoding.UTF8.Preamble then
            FileText.fail path "header: it begins with a byte order mark (BOM), JSON must begin with {"
        if json[0] <> byte '{' then
            FileText.fail path $"header: a JSON object must begin with {{, found byte 0x{json[0]:X2}"
        let mutable reader = Utf8JsonReader(json, options)
        try
            while reader.Read() do
                ()
        with :? JsonException as e ->
            raise (DiffFormatException(path, $"header: it is not JSON: {e.Message}", e))

    /// A string, decoded.
    let text path (what: Place) (reader: byref<Utf8JsonReader>) : string =
        if
            reader.TokenType <> JsonTokenType.String
            && reader.TokenType <> JsonTokenType.PropertyName
        then
            FileText.fail path $"{what}: a JSON string was expected, found {reader.TokenType}"
        try
            string (reader.GetString())
        with :? InvalidOperationException ->
            FileText.fail path $"{what}: the string has half of a surrogate pair"

    let private integer path (what: Place) (reader: byref<Utf8JsonReader>) : uint64 =
        if reader.TokenType <> JsonTokenType.Number then
            FileText.fail path $"{what}: an integer was expected, found {reader.TokenType}"
        let digits = reader.ValueSpan
        let mutable value, used = 0UL, 0
        if Utf8Parser.TryParse(digits, &value, &used) && used = digits.Length then
            value
        else
            let found = FileText.plain (Encoding.UTF8.GetString digits)
            if found.AsSpan().ContainsAnyExcept("0123456789") then
                let problem =
                    if found.StartsWith '-' then
                        "negative"
                    else
                        "not an exact integer"
                FileText.fail path $"{what}: {found} is {problem}; digits only are allowed"
            else
                FileText.fail path $"{what}: {found} overflows 64 bits"

    /// An array of at most limit integers.
    let integers path (what: Place) limit (reader: byref<Utf8JsonReader>) : uint64[] =
        if reader.TokenType <> JsonTokenType.StartArray then
            FileText.fail path $"{what}: a JSON array of integers was expected, found {reader.TokenType}"
        let values = ResizeArray<uint64>()
        while reader.Read() && reader.TokenType <> JsonTokenType.EndArray do
            if values.Count = limit then
                FileText.fail path $"{what}: more than {limit} integers; at most {limit} are allowed"
            values.Add(integer path what &reader)
        values.ToArray()
