namespace Diff

open System.IO
open System.Text

/// Raised when the content of a file is not what its format allows. The message names the file, the place
/// in it, what was found and what is allowed. Nothing of the file has been taken over.
[<Sealed>]
type DiffFormatException(path: string, message: string, cause: exn | null) =
    inherit IOException($"{path}: {message}", cause)
    /// An error at a place of a file.
    new(path: string, message: string) = DiffFormatException(path, message, null)
    /// The file, as it was named by the caller.
    member _.Path = path

/// Words of a file in messages.
[<RequireQualifiedAccess>]
module internal FileText =
    let private longest = 60

    /// A text out of a file: short, without control characters.
    let plain (text: string) =
        let result = StringBuilder()
        for c in
            (if text.Length > longest then
                 text.Substring(0, longest)
             else
                 text) do
            if System.Char.IsControl c || System.Char.IsSurrogate c then
                result.Append($"\\u{int c:x4}") |> ignore
            else
                result.Append c |> ignore
        if text.Length > longest then
            result.Append '…' |> ignore
        result.ToString()

    let quote (text: string) = "'" + plain text + "'"
    let fail (path: string) (message: string) =
        raise (DiffFormatException(path, message))

    /// Fails where a text for a file is null or cannot be written as UTF-8.
    let checkText (operation: string) (what: string) (text: string | null) : unit =
        match text with
        | null -> raise (System.ArgumentException $"{operation}{what} is null")
        | text ->
            try
                UTF8Encoding(false, true).GetByteCount text |> ignore
            with :? EncoderFallbackException ->
                raise (
                    System.ArgumentException $"{operation}{what} {quote text} has half of a surrogate pair"
                )

    /// Fails where a path cannot be one on any system.
    let checkPath (path: string) : unit =
        if path.Contains '\000' then
            raise (System.ArgumentException($"{plain path}: a path has no NUL character", nameof path))
