namespace Diff

open CodeIndex

/// Words that put numbers elsewhere, as code.
[<RequireQualifiedAccess>]
module internal CodeMoves =
    /// Writes the node into the span `t`; false for other words.
    let tryEmit (scope: CodeScope) (t: string) (node: Expr) : bool =
        let text, at = scope.Text, scope.At
        let dims = node.Shape.Dims
        let first () = node.Args[0]
        match node.Op with
        | Op.Slice(starts, steps) ->
            let x = first ()
            loop text (coordinates dims) dims
            let source =
                index (
                    Seq.zip
                        (Array.init dims.Length (fun k -> $"({starts[k]} + ({steps[k]} * d{k}))"))
                        (Shape.strides x.Shape.Dims)
                )
            text.Line $"    {t}[{linear dims}] = {at x source};"
            true
        | Op.Embed(starts, steps) ->
            let x = first ()
            text.Line $"{t}.Clear();"
            loop text (coordinates x.Shape.Dims) x.Shape.Dims
            let target =
                index (
                    Seq.zip
                        (Array.init dims.Length (fun k -> $"({starts[k]} + ({steps[k]} * d{k}))"))
                        (Shape.strides dims)
                )
            text.Line $"    {t}[{target}] = {at x (linear x.Shape.Dims)};"
            true
        | Op.Unfold(axis, _, step, dilation)
        | Op.Fold(axis, _, step, dilation) ->
            let x = first ()
            let isFold =
                match node.Op with
                | Op.Fold _ -> true
                | _ -> false
            let windows, whole = if isFold then x.Shape, node.Shape else node.Shape, x.Shape
            let place =
                index (
                    Seq.zip
                        [ for k in 0 .. whole.Rank - 1 do
                              if k < axis then
                                  $"d{k}"
                              elif k = axis then
                                  $"((d{axis} * {step}) + (d{axis + 1} * {dilation}))"
                              else
                                  $"d{k + 1}" ]
                        (Shape.strides whole.Dims)
                )
            if isFold then
                text.Line $"{t}.Clear();"
            loop text (coordinates windows.Dims) windows.Dims
            if isFold then
                text.Line $"    {t}[{place}] += {at x (linear windows.Dims)};"
            else
                text.Line $"    {t}[{linear windows.Dims}] = {at x place};"
            true
        | Op.Concat axis ->
            let outer, extent, inner = lines node.Shape axis
            let mutable start = 0
            for x in node.Args do
                let width = x.Shape[axis] * inner
                if x.Shape.Length > 0 then
                    loop text [| "o"; "i" |] [| outer; width |]
                    text.Line
                        $"""    {t}[(o * {extent * inner}) + {start * inner} + i] = {at x $"(o * {width}) + i"};"""
                start <- start + x.Shape[axis]
            true
        | Op.Gather axis
        | Op.ScatterAdd axis ->
            let x, indices = first (), node.Args[1]
            let isGather =
                match node.Op with
                | Op.Gather _ -> true
                | _ -> false
            let whole = if isGather then x.Shape else node.Shape
            let outer, extent, inner = lines whole axis
            let count = indices.Shape.Length
            if not isGather then
                text.Line $"{t}.Clear();"
            loop text [| "o"; "k"; "i" |] [| outer; count; inner |]
            let there =
                $"""(((o * {extent}) + Place({at indices "k"}, {extent})) * {inner}) + i"""
            let here = $"(((o * {count}) + k) * {inner}) + i"
            if isGather then
                text.Line $"    {t}[{here}] = {at x there};"
            else
                text.Line $"    {t}[{there}] += {at x here};"
            true
        | Op.TakeAlong axis
        | Op.AddAlong axis ->
            let x, indices = first (), node.Args[1]
            let isTake =
                match node.Op with
                | Op.TakeAlong _ -> true
                | _ -> false
            let whole = if isTake then x.Shape else node.Shape
            let outer, extent, inner = lines whole axis
            let count = indices.Shape[axis]
            if not isTake then
                text.Line $"{t}.Clear();"
            loop text [| "o"; "k"; "i" |] [| outer; count; inner |]
            let here = $"(((o * {count}) + k) * {inner}) + i"
            let there = $"(((o * {extent}) + Place({at indices here}, {extent})) * {inner}) + i"
            if isTake then
                text.Line $"    {t}[{here}] = {at x there};"
            else
                text.Line $"    {t}[{there}] += {at x here};"
            true
        | _ -> false
