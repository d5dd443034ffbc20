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
