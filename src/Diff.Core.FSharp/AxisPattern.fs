namespace Diff

open System
open System.Collections.Generic

/// One word of a pattern of axes: `h`, `1`, `...`.
[<RequireQualifiedAccess>]
type internal AxisWord =
    | Name of string
    | Number of int
    | Ellipsis

/// A word and the column where it stands, from 1.
[<Struct>]
type internal AxisTerm = { Word: AxisWord; Column: int }

/// One axis of an array in a pattern: a single word, or several in parentheses of which it is composed, outermost first.
type internal AxisGroup =
    { Terms: AxisTerm list
      IsComposed: bool
      Column: int }

/// Patterns of axes, `b c (h h2) -> b (c h2) h`: words apart by blanks, composed axes in parentheses.
[<RequireQualifiedAccess>]
module internal AxisPattern =
    /// Everything that is wrong with a pattern says where.
    let fail operation (pattern: string) (column: int) what : 'a =
        let place = if column > 0 then $" at column {column}" else ""
        raise (ShapeException $"{operation} \"{pattern}\"{place}: {what}")

    let wordText =
        function
        | AxisWord.Name name -> name
        | AxisWord.Number n -> string n
        | AxisWord.Ellipsis -> "..."

    let text (group: AxisGroup) =
        let words = String.Join(" ", group.Terms |> List.map (_.Word >> wordText))
        if group.IsComposed then "(" + words + ")" else words

    let private isLetter (c: char) = Char.IsAsciiLetter c || c = '_'

    // One side of the arrow, which begins after `skipped` characters.
    let private side operation (pattern: string) (text: string) skipped : AxisGroup list =
        let fail column what = fail operation pattern column what
        let groups = List<AxisGroup>()
        let mutable opened = 0
        let inside = List<AxisTerm>()
        let mutable i = 0
        let take (test: char -> bool) =
            let first = i
            while i < text.Length && test text[i] do
                i <- i + 1
            text.Substring(first, i - first)
        while i < text.Length do
            let column = skipped + i + 1
            let add word =
                let term = { Word = word; Column = column }
                if opened > 0 then
                    inside.Add term
                else
                    groups.Add
                        { Terms = [ term ]
                          IsComposed = false
                          Column = column }
            match text[i] with
            | ' ' -> i <- i + 1
            | '(' when opened > 0 -> fail column "parentheses do not nest"
            | '(' ->
                opened <- column
                inside.Clear()
                i <- i + 1
            | ')' when opened = 0 -> fail column "')' closes nothing"
            | ')' ->
                groups.Add
                    { Terms = List.ofSeq inside
                      IsComposed = true
                      Column = opened }
                opened <- 0
                i <- i + 1
            | '.' when text.AsSpan(i).StartsWith("...".AsSpan()) ->
                i <- i + 3
                add AxisWord.Ellipsis
            | c when isLetter c -> add (AxisWord.Name(take (fun c -> isLetter c || Char.IsAsciiDigit c)))
            | c when Char.IsAsciiDigit c ->
                match Int32.TryParse(take Char.IsAsciiDigit) with
                | true, n when n > 0 -> add (AxisWord.Number n)
                | _ -> fail column "a number of elements is at least 1"
            | c ->
                fail
                    column
                    $"'{c}' means nothing; expected names of axes, numbers, '...', parentheses and one '->'"
        if opened > 0 then
            fail opened "'(' is not closed"
        List.ofSeq groups

    let private once operation pattern (groups: AxisGroup list) =
        let seen = HashSet<AxisWord>()
        for term in groups |> List.collect _.Terms do
            match term.Word with
            | AxisWord.Number _ -> ()
            | word ->
                if not (seen.Add word) then
                    fail operation pattern term.Column $"axis '{wordText word}' stands twice on one side"

    /// Both sides of a pattern.
    let parse operation (pattern: string) : struct (AxisGroup list * AxisGroup list) =
        let arrow = pattern.IndexOf("->", StringComparison.Ordinal)
        if arrow < 0 then
            fail operation pattern 0 "expected '->' between the axes that are there and those that are wanted"
        let left = side operation pattern (pattern.Substring(0, arrow)) 0
        let right = side operation pattern (pattern.Substring(arrow + 2)) (arrow + 2)
        once operation pattern left
        once operation pattern right
        for group in left do
            if
                group.IsComposed
                && group.Terms |> List.exists (fun t -> t.Word = AxisWord.Ellipsis)
            then
                fail
                    operation
                    pattern
                    group.Column
                    "on the left '...' does not stand in parentheses: which axes it is would be open"
        struct (left, right)
