namespace Diff

open System
open System.Diagnostics
open System.IO
open System.Threading

/// Where in the caller's code something happened.
[<RequireQualifiedAccess>]
module internal SourceLine =
    let private isOurs (frame: StackFrame) =
        match frame.GetMethod() with
        | null -> true
        | method ->
            match method.DeclaringType with
            | null -> true // code made at run time
            | owner ->
                match owner.Assembly.GetName().Name with
                | null
                | "Diff.Core.FSharp"
                | "Diff.CSharp"
                | "Diff.Onnx"
                | "Diff.Kernels"
                | "FSharp.Core" -> true
                | name -> name.StartsWith("System.", StringComparison.Ordinal)

    /// `Program.cs:12`, or the method where the line is not known.
    let private text (frame: StackFrame) : string =
        match frame.GetFileName() with
        | null ->
            match frame.GetMethod() with
            | null -> "unknown"
            | method ->
                match method.DeclaringType with
                | null -> method.Name
                | owner -> $"{owner.FullName}.{method.Name}"
        | file -> $"{Path.GetFileName file}:{frame.GetFileLineNumber()}"

    /// The first frame of the caller's code that an exception has passed through; null before it is thrown.
    let ofException (error: exn) : string | null =
        let frames = StackTrace(error, true).GetFrames()
        match frames |> Array.tryFind (isOurs >> not) with
        | Some frame -> text frame
        | None -> null

    /// The caller's line that has led here; null if there is none.
    let here () : string | null =
        // Files and lines are looked up for one frame only: that is the slow part.
        let frames = StackTrace(1, false).GetFrames()
        match frames |> Array.tryFindIndex (isOurs >> not) with
        | Some i -> text (StackFrame(i + 1, true))
        | None -> null

    /// A message with the caller's line on a line of its own, once the exception has passed through it.
    let append (error: exn) (message: string) : string =
        match ofException error with
        | null -> message
        | line -> $"{message}{Environment.NewLine}   at {line}"

/// Whether new nodes remember the line of the caller's code that made them. It costs some ten microseconds a node, so it is for finding faults.
[<Sealed; AbstractClass>]
type SourceLines private () =
    // Flows with the caller's control flow; the count saves looking while nobody records.
    static let isOn = AsyncLocal<bool>()
    static let mutable recorders = 0

    static member internal IsRecording = Volatile.Read &recorders > 0 && isOn.Value

    /// Nodes made until the result is disposed remember their line, which `findAnomaly` then names.
    static member Record() : IDisposable =
        let outer = isOn.Value
        let isOver = ref 0
        Interlocked.Increment &recorders |> ignore
        isOn.Value <- true
        { new IDisposable with
            member _.Dispose() =
                if Interlocked.Exchange(&isOver.contents, 1) = 0 then
                    isOn.Value <- outer
                    Interlocked.Decrement &recorders |> ignore }
