namespace Diff

open System
open System.Collections.Generic

/// A sum of products in index notation: for every assignment of an index to each label,
/// out[Output] += Π inₖ[Inputs[k]]. A label may repeat anywhere, and may stand only in the output (it then
/// broadcasts) or only in an input (it is then summed); so the form is closed under `swap`.
type EinsumSpec =
    { Inputs: string[]
      Output: string }

    override s.ToString() =
        String.Join(",", s.Inputs) + "->" + s.Output

[<RequireQualifiedAccess>]
module internal EinsumSpec =
    let private fail (notation: string) what =
        raise (ShapeException $"einsum \"{notation}\": {what}")

    /// Exchanges the output and input `i`: the same sum of products, read with respect to input `i`.
    let swap i spec =
        { Inputs = Array.updateAt i spec.Output spec.Inputs
          Output = spec.Inputs[i] }

    /// Label number i: the alphabet, and letters beyond it.
    let private label i =
        if i < 26 then char (int 'a' + i)
        elif i < 52 then char (int 'A' + i - 26)
        else char (0x391 + i - 52)

    /// The first `count` labels.
    let labels count : char[] = Array.init count label

    /// Labels for axes that no user named.
    let freshLabels (used: HashSet<char>) =
        Seq.initInfinite label |> Seq.filter (fun c -> not (used.Contains c))

    /// Fails when the output of a notation names an axis twice: within the library it means a diagonal, but more often it is a slip.
    let checkOutput (notation: string) : unit =
        match notation.IndexOf("->", StringComparison.Ordinal) with
        | -1 -> ()
        | at ->
            let labels = notation.Substring(at + 2) |> Seq.filter Char.IsAsciiLetter
            match labels |> Seq.countBy id |> Seq.tryFind (fun (_, n) -> n > 1) with
            | Some(label, n) ->
                fail
                    notation
                    $"the output names axis '{label}' {n} times; name it once; for a diagonal use diagonalEmbed"
            | None -> ()

    /// The extent of each label; fails where two operands disagree. An extent 1 does not stretch: broadcasting is a label's absence.
    let sizes notation (inputs: string[]) (shapes: Shape[]) =
        let sizes = Dictionary<char, int>()
        for k in 0 .. inputs.Length - 1 do
            for axis in 0 .. inputs[k].Length - 1 do
                let label, extent = inputs[k][axis], shapes[k][axis]
                match sizes.TryGetValue label with
                | true, known when known <> extent ->
                    let first = inputs |> Array.findIndex (fun labels -> labels.Contains label)
                    fail
                        notation
                        $"axis '{label}' is {extent} in operand {k} of shape {shapes[k]}, but {known} in operand {first} of shape {shapes[first]}"
                | _ -> sizes[label] <- extent
        sizes

    /// Reads `ij,jk->ik`, `...ij,...jk->...ik`, `ii` (implicit output: the labels that occur once, in alphabetical
    /// order, after the ellipsis). Spaces are ignored. Ellipsis axes align from the last and become labels of their
    /// own, and those of extent 1 are stretched: the result names, for each operand, its labels with such axes marked by
    /// a label of their own that is summed away.
    let parse (notation: string) (shapes: Shape[]) : EinsumSpec =
        let text = notation.Replace(" ", "")
        let left, right =
            match text.IndexOf("->", StringComparison.Ordinal) with
            | -1 -> text, None
            | at -> text.Substring(0, at), Some(text.Substring(at + 2))
        let terms = left.Split ','
        if terms.Length <> shapes.Length then
            fail
                notation
                $"the notation names {terms.Length} operands, got {shapes.Length}; commas separate them"
        let split what (term: string) =
            let before, after =
                match term.IndexOf("...", StringComparison.Ordinal) with
                | -1 -> term, None
                | at -> term.Substring(0, at), Some(term.Substring(at + 3))
            for c in before + Option.defaultValue "" after do
                if not (Char.IsAsciiLetter c) then
                    fail
                        notation
                        $"'{c}' in {what} is not a letter; write labels as letters, operands apart by ',' and one '->'"
            before, after
        let parts = terms |> Array.mapi (fun k term -> split $"operand {k}" term)
        let hidden = // how many axes the ellipsis of each operand stands for
            parts
            |> Array.mapi (fun k (before, after) ->
                let named =
                    before.Length + (after |> Option.map String.length |> Option.defaultValue 0)
                if shapes[k].Rank < named || (after.IsNone && shapes[k].Rank <> named) then
                    fail
                        notation
                        $"operand {k} has {named} labels for the {shapes[k].Rank} axes of shape {shapes[k]}; give each axis a label, or let ... stand for the rest"
                shapes[k].Rank - named)
        let most = if hidden.Length = 0 then 0 else Array.max hidden
        let used = HashSet<char>(text)
        let fresh = freshLabels used |> Seq.cache
        let ellipsis = fresh |> Seq.take most |> Array.ofSeq
        let mutable summed = most // labels for the ellipsis axes of extent 1 that others stretch
        let extent = Array.create most 1
        parts
        |> Array.iteri (fun k (before, _) ->
            for j in 0 .. hidden[k] - 1 do
                let d = shapes[k][before.Length + j]
                let slot = most - hidden[k] + j
                if d <> 1 then
                    if extent[slot] <> 1 && extent[slot] <> d then
                        fail
                            notation
                            $"the ellipsis axes of operand {k} of shape {shapes[k]} do not broadcast with those before: {d} against {extent[slot]}"
                    extent[slot] <- d)
        let inputs =
            parts
            |> Array.mapi (fun k (before, after) ->
                let middle =
                    Array.init hidden[k] (fun j ->
                        let slot = most - hidden[k] + j
                        if shapes[k][before.Length + j] = extent[slot] then
                            ellipsis[slot]
                        else
                            summed <- summed + 1
                            Seq.item (summed - 1) fresh)
                before + String middle + Option.defaultValue "" after)
        let output =
            match right with
            | Some term ->
                match split "the output" term with
                | before, Some after -> before + String ellipsis + after
                | before, None -> before
            | None ->
                let all =
                    String.Join("", parts |> Array.map (fun (b, a) -> b + Option.defaultValue "" a))
                let once =
                    all
                    |> Seq.countBy id
                    |> Seq.filter (fun (_, n) -> n = 1)
                    |> Seq.map fst
                    |> Seq.sort
                    |> Array.ofSeq
                String ellipsis + String once
        { Inputs = inputs; Output = output }
