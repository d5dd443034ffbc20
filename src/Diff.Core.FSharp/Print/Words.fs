namespace Diff

open System
open System.Globalization

/// Numbers, names and what operations carry, as text.
[<RequireQualifiedAccess>]
module internal Words =
    let number (value: Scalar) =
        if value.DType = DType.Bool then
            (if value.Bits = 0L then "false" else "true")
        elif not (DType.isReal value.DType) then
            value.Bits.ToString CultureInfo.InvariantCulture
        elif value.DType <> DType.Float64 then
            (float32 value.AsFloat).ToString("R", CultureInfo.InvariantCulture)
        else
            value.AsFloat.ToString("R", CultureInfo.InvariantCulture)

    let private element (array: NDArray) i =
        if array.DType = DType.Int64 then
            Scalar.ofInt DType.Int64 (array.Span<int64>()[i])
        else
            Scalar.ofFloat array.DType (array.Float i)

    /// The numbers of a small array, row by row; None if it is a large one or has more than two axes.
    let rows (array: NDArray) : Scalar[][] option =
        let columns =
            if array.Shape.Rank = 0 then
                1
            else
                array.Shape[array.Shape.Rank - 1]
        if array.Shape.Rank > 2 || array.Length > 8 || array.Length = 0 then
            None
        else
            Some(Array.init array.Length (element array) |> Array.chunkBySize columns)

    let list (items: string seq) = "[" + String.Join(", ", items) + "]"

    /// The numbers of a small array in brackets.
    let literal (array: NDArray) : string option =
        rows array
        |> Option.map (fun rows ->
            match array.Shape.Rank with
            | 0 -> number (Array.head (Array.head rows))
            | 1 -> list (Array.map number (Array.head rows))
            | _ -> list (rows |> Array.map (Array.map number >> list)))

    /// A text with the characters that would end it or break the line escaped.
    let escape (quote: char) (text: string) =
        text
        |> String.collect (fun c ->
            match c with
            | '\n' -> "\\n"
            | '\t' -> "\\t"
            | '\\' -> "\\\\"
            | c when c = quote -> "\\" + string c
            | c when Char.IsControl c -> "\\u" + (int c).ToString("x4", CultureInfo.InvariantCulture)
            | c -> string c)

    let private reserved = set [ "_"; "true"; "false"; "NaN"; "Infinity" ]

    /// A name in a formula: as it is if it reads as one, else in backticks; `_` where there is none.
    let identifier (name: string) =
        let reads =
            name <> ""
            && (Char.IsLetter name[0] || name[0] = '_')
            && Seq.forall (fun c -> Char.IsLetterOrDigit c || c = '_' || c = '.') name
            && not (reserved.Contains name)
        if name = "" then "_"
        elif reads then name
        else "`" + escape '`' name + "`"

    /// Where a window of `shape` lies in the whole, axis by axis in Python's notation.
    let window (starts: int[]) (steps: int[]) (shape: Shape) (whole: Shape) : string list =
        [ for axis in 0 .. starts.Length - 1 do
              let start, count, extent = starts[axis], shape[axis], whole[axis]
              let step = if count = 1 then 1 else steps[axis]
              let stop = start + step * count
              if count = 0 then
                  "0:0"
              else
                  let isFirst = if step > 0 then start = 0 else start = extent - 1
                  let isLast = if step > 0 then stop >= extent else stop < 0
                  (if isFirst then "" else string start)
                  + ":"
                  + (if isLast then "" else string stop)
                  + (if step = 1 then "" else ":" + string step) ]

    /// The shape that is left of a window when axes of which it is one index of several go away.
    let indexed (shape: Shape) (whole: Shape) =
        Array.zip shape.Dims whole.Dims
        |> Array.filter (fun (d, n) -> d <> 1 || n = 1)
        |> Array.map fst
        |> Shape

    /// Such a window, axis by axis: the index, or the range.
    let indices starts steps (shape: Shape) (whole: Shape) : string list =
        window starts steps shape whole
        |> List.mapi (fun axis range ->
            if shape[axis] = 1 && whole[axis] <> 1 then
                string starts[axis]
            else
                range)

    let sliceText (starts: int[]) (steps: int[]) =
        let axis (start: int) (step: int) =
            if step = 1 then
                string start
            else
                string start + ":" + string step
        list (Array.map2 axis starts steps)

    let private dims (dims: int[]) = "[" + String.Join(",", dims) + "]"

    /// The name of an operation in listings and messages, with what it carries.
    let op (op: Op) =
        match op with
        | Op.Variable v -> if v.Name = "" then "variable" else v.Name
        | Op.Const c -> number c
        | Op.Literal _ -> "literal"
        | Op.Elementwise fn -> Fn.name fn
        | Op.Einsum spec -> "einsum " + string spec
        | Op.Slice(starts, steps) -> "slice " + sliceText starts steps
        | Op.Embed(starts, steps) -> "embed " + sliceText starts steps
        | Op.Unfold(axis, size, step, dilation) ->
            $"unfold {axis} size {size} step {step} dilation {dilation}"
        | Op.Fold(axis, extent, step, dilation) ->
            $"fold {axis} extent {extent} step {step} dilation {dilation}"
        | Op.Reduce(extreme, axes) -> "reduce_" + Op.extremeName extreme + " " + dims axes
        | Op.Call body
        | Op.Loop body
        | Op.Branch body -> body.Name
        | Op.Custom custom -> custom.Name
        | op ->
            match Op.plain op with
            | ValueSome(struct (name, numbers)) -> String.Join(" ", name :: List.map string numbers)
            | ValueNone -> invalidOp "a word without a name"
