namespace Diff

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Runtime.InteropServices

/// Bytes of tensors that lie in files beside a model. A model may come from anyone, so such a file is opened only if its name, as text
/// and after all links, leads to a regular file within the model's folder.
[<RequireQualifiedAccess>]
module internal ExternalData =
    /// The parts of a location, after a check of the text alone.
    let private parts (fail: string -> unit) (location: string) : string[] =
        if location = "" then
            fail "its location is empty"
        if location.Contains '\000' then
            fail "its location has a NUL character"
        if location.Contains '\\' || location.Contains ':' then
            fail
                $"location {FileText.quote location} has a backslash or a colon; parts of a path are apart by '/'"
        if location[0] = '/' then
            fail $"location {FileText.quote location} is absolute; it must be within the model's folder"
        let parts = location.Split '/'
        if Array.contains ".." parts then
            fail $"location {FileText.quote location} leads outside the model's folder"
        if Array.exists (fun p -> p = "" || p = ".") parts then
            fail $"location {FileText.quote location} has an empty part"
        parts

    /// The path of a location below a folder; no part of it may be a link.
    let private resolve
        (fail: string -> unit)
        (folder: string)
        (location: string)
        (names: string[])
        : string =
        let mutable path = folder
        for i in 0 .. names.Length - 1 do
            path <- Path.Combine(path, names[i])
            let info: FileSystemInfo =
                if i < names.Length - 1 then
                    DirectoryInfo path
                else
                    FileInfo path
            if not (isNull info.LinkTarget) then
                fail
                    $"location {FileText.quote location}: {FileText.quote names[i]} is a symbolic link; links are not followed"
            if not info.Exists then
                fail $"location {FileText.quote location}: there is no such file beside the model"
        let attributes = File.GetAttributes path
        if attributes &&& (FileAttributes.Directory ||| FileAttributes.Device) <> enum 0 then
            fail $"location {FileText.quote location} is no regular file"
        path

    let private number (fail: string -> unit) key (text: string) : int64 =
        match Int64.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture) with
        | true, value -> value
        | _ ->
            fail $"{key} {FileText.quote text} is not a number of bytes"
            0L

    /// Reads so many bytes where the entries of a tensor say they are, and gives them to `read`.
    let read
        (path: string)
        (tensor: string)
        (entries: (string * string) list)
        (needed: uint64)
        (read: Stream -> unit)
        : unit =
        let fail text : unit =
            FileText.fail path $"tensor {FileText.quote tensor}: external data: {text}"
        let seen = Dictionary<string, string>(StringComparer.Ordinal)
        for key, value in entries do
            match key with
            | "location"
            | "offset"
            | "length"
            | "checksum" ->
                if not (seen.TryAdd(key, value)) then
                    fail $"duplicate key {FileText.quote key}"
            | other -> fail $"unknown key {FileText.quote other}"
        let entry key =
            match seen.TryGetValue key with
            | true, value -> value
            | _ -> ""
        let location = entry "location"
        let names = parts fail location
        let offset =
            match entry "offset" with
            | "" -> 0L
            | text -> number fail "offset" text
        match entry "length" with
        | "" -> ()
        | text ->
            let length = number fail "length" text
            if uint64 length <> needed then
                fail $"length {length}, but its shape needs {needed} bytes"
        let folder = string (Path.GetDirectoryName(Path.GetFullPath path))
        let file = resolve fail folder location names
        let fits available =
            if offset > available || needed > uint64 (available - offset) then
                fail
                    $"location {FileText.quote location} has {available} bytes; {needed} bytes at {offset} are needed"
        // Asked before it is opened: to open a pipe waits for its writer, and pipes and devices have no length.
        fits (FileInfo file).Length
        if needed = 0UL then
            read Stream.Null
        else
            use stream = ElementStream.openRead file
            fits stream.Length
            stream.Position <- offset
            try
                read stream
            with :? EndOfStreamException ->
                fail $"location {FileText.quote location} became shorter while it was read"
