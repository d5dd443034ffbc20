namespace Diff

open System
open System.Collections.Generic
open System.Text

/// Code that is written line by line.
[<Sealed>]
type internal CodeWriter(indent: int) =
    let text = StringBuilder()
    let mutable depth = indent
    member _.Line(line: string) =
        (if line = "" then
             text
         else
             text.Append(' ', 4 * depth).Append line)
            .Append('\n')
        |> ignore
    member this.Open(line: string) =
        if line <> "" then
            this.Line line
        this.Line "{"
        depth <- depth + 1
    member this.Close() =
        depth <- depth - 1
        this.Line "}"
    override _.ToString() = text.ToString()

/// Where the states and outputs of a loop's first sweep lie, all that others read of it recorded, and the name of the number of iterations.
type internal CodeRecord =
    { Count: string
      States: string[]
      KeepsState: bool[]
      Outputs: string[]
      KeepsOutput: bool[] }

/// A method as it is written: its text, scratch memory, and what it shares with the other methods of the class.
[<Sealed>]
type internal CodeFrame(constants: List<string>) =
    let arena = Arena()
    let text = CodeWriter 2
    let mutable names = 0
    member _.Text = text
    /// What loops recorded for others.
    member val Records = Dictionary<Loan, CodeRecord>(HashIdentity.Reference)
    /// Constants of the class, as declarations.
    member _.Constants = constants
    /// The bytes of scratch memory that the method needs.
    member _.Bytes = arena.Bytes
    /// A name that nothing else in the method has.
    member _.Fresh() =
        names <- names + 1
        $"t{names}"
    member _.Take(bytes: int64) : int64 = arena.Take bytes
    member _.Release(place: int64, bytes: int64) : unit = arena.Release(place, bytes)

    /// Declares a span over scratch memory; it is released by its place.
    member this.Span(kind: string, bytes: int64) : struct (string * int64) =
        let place = arena.Take bytes
        let name = this.Fresh()
        text.Line $"Span<{kind}> {name} = MemoryMarshal.Cast<byte, {kind}>(scratch.Slice({place}, {bytes}));"
        struct (name, place)

/// What the code for one node is written with.
type internal CodeScope =
    {
        Frame: CodeFrame
        /// The element of a node at an index.
        At: Expr -> string -> string
        /// The span in which the elements of a node lie.
        SpanOf: Expr -> string
        /// Writes a graph from spans for its inputs into spans for its outputs.
        Body: Body -> string[] -> string[] -> unit
    }

    member s.Text = s.Frame.Text

/// Indices and loops over them.
module internal CodeIndex =
    /// An index from its coordinates.
    let index (terms: (string * int) seq) =
        let parts =
            [ for name, stride in terms do
                  if stride = 1 then
                      name
                  elif stride <> 0 then
                      $"({name} * {stride})" ]
        if parts.IsEmpty then "0" else String.Join(" + ", parts)

    let coordinates (extents: int[]) =
        extents |> Array.mapi (fun k _ -> $"d{k}")

    let loop (text: CodeWriter) (names: string[]) (extents: int[]) =
        Array.iter2 (fun n e -> text.Line $"for (int {n} = 0; {n} < {e}; {n}++)") names extents

    /// The place of coordinates in row-major order.
    let linear (extents: int[]) =
        index (Seq.zip (coordinates extents) (Shape.strides extents))

    /// The extents before an axis, along it, and after it.
    let lines (shape: Shape) axis =
        let outer = Array.fold (*) 1 shape.Dims[.. axis - 1]
        let inner = Array.fold (*) 1 shape.Dims[axis + 1 ..]
        outer, shape[axis], inner
