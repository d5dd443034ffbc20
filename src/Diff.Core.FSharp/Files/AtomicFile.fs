namespace Diff

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.Globalization
open System.IO
open System.Runtime.InteropServices
open System.Security.Cryptography
open System.Text

/// Puts a folder's entries on the disk. .NET does not offer this: it cannot open a folder.
[<RequireQualifiedAccess>]
module internal Folder =
    [<DllImport("libc", EntryPoint = "open", SetLastError = true)>]
    extern int private openFolder([<MarshalAs(UnmanagedType.LPUTF8Str)>] string path, int flags)
    [<DllImport("libc", EntryPoint = "fsync", SetLastError = true)>]
    extern int private fsync(int file)
    [<DllImport("libc", EntryPoint = "close", SetLastError = true)>]
    extern int private close(int file)

    let private readOnly, ioError = 0, 5

    /// After this a renamed file keeps its new name even when the power fails. Where the system or the file
    /// system cannot do it (Windows, some network disks), nothing happens.
    let flush (path: string) =
        if
            OperatingSystem.IsLinux()
            || OperatingSystem.IsMacOS()
            || OperatingSystem.IsFreeBSD()
        then
            let folder = openFolder (path, readOnly)
            if folder >= 0 then
                let failed = fsync folder <> 0 && Marshal.GetLastPInvokeError() = ioError
                close folder |> ignore
                if failed then
                    raise (IOException "the folder could not be flushed to the disk")

/// Files that a save fills before they take the place of the target: .NAME.PROCESS.RANDOM.tmp beside it.
[<RequireQualifiedAccess>]
module internal TempFile =
    let private ours = ConcurrentDictionary<string, bool>()
    let private extension = "tmp"

    /// Names may have 255 bytes; the temp's name is longer than the target's.
    let private stem (name: string) =
        let bytes = Encoding.UTF8.GetBytes name
        if bytes.Length <= 180 then
            name
        else
            Convert.ToHexStringLower(SHA256.HashData bytes).Substring(0, 32)

    let create (folder: string) (name: string) =
        let random = RandomNumberGenerator.GetHexString(16, true)
        let path =
            Path.Combine(folder, $".{stem name}.{Environment.ProcessId}.{random}.{extension}")
        ours[path] <- true
        path

    let forget (path: string) = ours.TryRemove path |> ignore

    /// Over, but not yet asked for its result by its parent: Linux shows it as a process in state Z.
    let private isZombie (id: int) =
        try
            // "id (name) state ...", where the name may have parentheses
            OperatingSystem.IsLinux()
            && (File.ReadAllText $"/proc/{id}/stat" |> _.Split(')') |> Array.last).StartsWith " Z"
        with :? IOException ->
            false

    let private isRunning (id: int) =
        try
            use _ = Process.GetProcessById id
            not (isZombie id)
        with :? ArgumentException ->
            false

    /// Whether the save that made the temp is over. In a container each start may have the same process id.
    let private isLeft (path: string) (id: int) =
        if id = Environment.ProcessId then
            not (ours.ContainsKey path)
        else
            not (isRunning id)

    let private remove (path: string) =
        try
            // The lock is refused while a process that we cannot see, in another container, still writes.
            use _ = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None)
            File.Delete path
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()

    let private tryRemoveLeft (folder: string) (prefix: string) =
        for path in Directory.EnumerateFiles(folder, ".*." + extension) do
            let file = string (Path.GetFileName path)
            if file.StartsWith(prefix, StringComparison.Ordinal) then
                match file.Substring(prefix.Length).Split '.' with
                | [| id; random; _ |] when random.Length = 16 ->
                    match Int32.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture) with
                    | true, id when isLeft path id -> remove path
                    | _ -> ()
                | _ -> ()

    /// Deletes what saves of the same target left behind when their process was killed, as far as that is
    /// possible.
    let removeLeft (folder: string) (name: string) =
        try
            tryRemoveLeft folder $".{stem name}."
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()

/// Saves that leave either the whole old file or the whole new one, whatever happens.
[<AbstractClass; Sealed>]
type AtomicFile =
    static member private Fill
        (temp: string, target: string, write: Action<Stream>, check: Action<Stream> | null)
        : unit =
        use stream =
            new FileStream(temp, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 65536)
        if not (OperatingSystem.IsWindows()) && File.Exists target then
            File.SetUnixFileMode(stream.SafeFileHandle, File.GetUnixFileMode target)
        write.Invoke stream
        if not stream.CanWrite then
            let advice = "new StreamWriter(stream, leaveOpen: true) leaves it open"
            raise (InvalidOperationException $"{target}: the writer closed the stream; {advice}")
        stream.Flush true
        match check with
        | null -> ()
        | check ->
            stream.Position <- 0L
            check.Invoke stream

    /// Writes a file in one step: into a new file beside it, which goes to the disk, is checked and then
    /// takes the name. Whoever opens the path meets the old content or the new one, also after a crash, a
    /// full disk or a power cut. When anything fails the old file is as before. The new file has the old
    /// one's permissions; a symbolic link at the path is replaced, not followed.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="write">Writes the content; leaves the stream open.</param>
    /// <param name="check">Reads the content again before it is published and throws when it is wrong; may
    /// be null.</param>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    /// <exception cref="T:System.UnauthorizedAccessException">The folder refuses it.</exception>
    static member Write(path: string, write: Action<Stream>, check: Action<Stream> | null) : unit =
        ArgumentException.ThrowIfNullOrEmpty(path, nameof path)
        ArgumentNullException.ThrowIfNull(write, nameof write)
        FileText.checkPath path
        let target = Path.GetFullPath path
        if Directory.Exists target then
            raise (IOException $"{path}: is a folder, a file was expected")
        let folder = string (Path.GetDirectoryName target)
        let name = string (Path.GetFileName target)
        if not (Directory.Exists folder) then
            raise (DirectoryNotFoundException $"{path}: there is no folder {folder}; make it first")
        let mutable temp = ""
        try
            try
                TempFile.removeLeft folder name
                temp <- TempFile.create folder name
                AtomicFile.Fill(temp, target, write, check)
                File.Move(temp, target, true)
                Folder.flush folder
            with e ->
                if temp <> "" then
                    AtomicFile.Discard temp
                match e with
                | :? DiffFormatException -> reraise ()
                | :? IOException -> raise (IOException($"{path}: was not saved: {e.Message}", e))
                // What .NET makes of EFBIG, a file larger than its system or a quota allows.
                | :? ArgumentOutOfRangeException when e.Source = typeof<Stream>.Assembly.GetName().Name ->
                    raise (IOException($"{path}: was not saved: {e.Message}", e))
                | :? UnauthorizedAccessException ->
                    raise (UnauthorizedAccessException($"{path}: was not saved: {e.Message}", e))
                | _ -> reraise ()
        finally
            TempFile.forget temp

    static member private Discard(temp: string) : unit =
        try
            File.Delete temp
        with
        | :? IOException
        | :? UnauthorizedAccessException -> ()

    /// Writes a file in one step, without reading it again.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="write">Writes the content; leaves the stream open.</param>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    /// <exception cref="T:System.UnauthorizedAccessException">The folder refuses it.</exception>
    static member Write(path: string, write: Action<Stream>) : unit = AtomicFile.Write(path, write, null)

    /// Writes a text file in one step: UTF-8 without a byte order mark.
    /// <param name="path">The file; its folder must exist.</param>
    /// <param name="text">The whole content.</param>
    /// <exception cref="T:System.IO.IOException">It could not be written; the message names it.</exception>
    /// <exception cref="T:System.UnauthorizedAccessException">The folder refuses it.</exception>
    static member WriteText(path: string, text: string) : unit =
        ArgumentNullException.ThrowIfNull(text, nameof text)
        AtomicFile.Write(
            path,
            (fun stream ->
                use writer = new StreamWriter(stream, UTF8Encoding false, leaveOpen = true)
                writer.Write text)
        )
