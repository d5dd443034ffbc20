namespace Diff

open System
open CodeIndex

/// Sums, extremes, orders and recurrences as code.
[<RequireQualifiedAccess>]
module internal CodeSums =
    let private contraction (scope: CodeScope) (t: string) (spec: EinsumSpec) (node: Expr) =
        let text, at = scope.Text, scope.At
        let sizes = Einsum.sizes spec node
        let kept = spec.Output |> Seq.distinct |> Array.ofSeq
        let summed =
            String.Join("", spec.Inputs)
            |> Seq.distinct
            |> Seq.filter (fun c -> not (spec.Output.Contains c))
            |> Array.ofSeq
        let place (axes: string) (shape: Shape) =
            index (
                Array.append kept summed
                |> Seq.map (fun l ->
                    $"l{int l}",
                    Seq.fold2
                        (fun sum c s -> if c = l then sum + s else sum)
                        0
                        axes
                        (Shape.strides shape.Dims))
            )
        let names labels =
            labels |> Array.map (fun (l: char) -> $"l{int l}")
        let extents labels =
            labels |> Array.map (fun (l: char) -> sizes[l])
        let factors =
            Array.map2 (fun axes (a: Expr) -> at a (place axes a.Shape)) spec.Inputs node.Args
        if kept.Length < spec.Output.Length then
            text.Line $"{t}.Clear();"
        let target = $"{t}[{place spec.Output node.Shape}]"
        loop text (names kept) (extents kept)
        if summed.Length = 0 then
            text.Line $"""    {target} = {String.Join(" * ", factors)};"""
        else
            text.Open ""
            if node.DType = DType.Bool then
                text.Line "bool sum = false;"
                loop text (names summed) (extents summed)
                text.Line $"""    sum |= {String.Join(" & ", factors)};"""
                text.Line $"{target} = sum;"
            else
                let wide = if DType.isFloat node.DType then "double" else "long"
                text.Line $"{wide} sum = 0;"
                loop text (names summed) (extents summed)
                text.Line $"""    sum += ({wide}){String.Join(" * ", factors)};"""
                text.Line $"{target} = ({CodeText.typeOf node})sum;"
            text.Close()

    let private better extreme a b isFloat =
        let symbol =
            match extreme with
            | Extreme.Max -> ">"
            | Extreme.Min -> "<"
        if isFloat then
            $"{a} {symbol} {b} || ({a} != {a} && {b} == {b})"
        else
            $"{a} {symbol} {b}"

    /// Writes the node into the span `t`; false for other words.
    let tryEmit (scope: CodeScope) (t: string) (node: Expr) : bool =
        let text, at = scope.Text, scope.At
        let n = node.Shape.Length
        let first () = node.Args[0]
        match node.Op with
        | Op.Einsum spec ->
            contraction scope t spec node
            true
        | Op.Reduce(extreme, axes) ->
            let x = first ()
            let strides = Shape.strides x.Shape.Dims
            let pick isReduced =
                [| for k in 0 .. x.Rank - 1 do
                       if Array.contains k axes = isReduced then
                           k |]
            let loopOver axes =
                loop text (axes |> Array.map (fun k -> $"d{k}")) (axes |> Array.map (fun k -> x.Shape[k]))
            let kept, reduced = pick false, pick true
            loopOver kept
            text.Open ""
            let start = kept |> Seq.map (fun k -> $"d{k}", strides[k])
            text.Line $"{CodeText.typeOf node} best = {at x (index start)};"
            loopOver reduced
            text.Open ""
            let element = index (Seq.zip (coordinates x.Shape.Dims) strides)
            text.Line $"{CodeText.typeOf node} x = {at x element};"
            text.Line $"""if ({better extreme "x" "best" (DType.isFloat x.DType)}) best = x;"""
            text.Close()
            let target =
                Seq.zip
                    (kept |> Seq.map (fun k -> $"d{k}"))
                    (Shape.strides (kept |> Array.map (fun k -> x.Shape[k])))
            text.Line $"{t}[{index target}] = best;"
            text.Close()
            true
        | Op.ArgReduce(extreme, axis)
        | Op.ArgRunning(extreme, axis) ->
            let x = first ()
            let outer, extent, inner = lines x.Shape axis
            let isRunning =
                match node.Op with
                | Op.ArgRunning _ -> true
                | _ -> false
            let element k =
                at x $"(((o * {extent}) + {k}) * {inner}) + i"
            loop text [| "o"; "i" |] [| outer; inner |]
            text.Open ""
            text.Line "int best = 0;"
            text.Open $"for (int k = 0; k < {extent}; k++)"
            let test = better extreme (element "k") (element "best") (DType.isFloat x.DType)
            text.Line $"if ({test}) best = k;"
            if isRunning then
                text.Line $"{t}[(((o * {extent}) + k) * {inner}) + i] = best;"
            text.Close()
            if not isRunning then
                text.Line $"{t}[(o * {inner}) + i] = best;"
            text.Close()
            true
        | Op.ArgSort(axis, descending) ->
            let x = first ()
            let outer, extent, inner = lines x.Shape axis
            let flag = if descending then "true" else "false"
            loop text [| "o"; "i" |] [| outer; inner |]
            text.Line
                $"    Order<{CodeText.typeOf x}>({scope.SpanOf x}, {t}, (o * {extent * inner}) + i, {extent}, {inner}, {flag});"
            true
        | Op.SearchSorted right when (first ()).Rank = 1 ->
            let flag = if right then "true" else "false"
            let value = at node.Args[1] "i"
            text.Line
                $"for (int i = 0; i < {n}; i++) {t}[i] = Search<{CodeText.typeOf node.Args[1]}>({scope.SpanOf(first ())}, {value}, {flag});"
            true
        | Op.Recurrence(axis, reverse) ->
            let a, b = node.Args[0], node.Args[1]
            let outer, extent, inner = lines node.Shape axis
            let wide =
                if DType.isFloat node.DType then
                    "double"
                else
                    CodeText.typeOf node
            loop text [| "o"; "i" |] [| outer; inner |]
            text.Open ""
            text.Line $"{wide} h = 0;"
            text.Open $"for (int k = 0; k < {extent}; k++)"
            let step = if reverse then $"({extent - 1} - k)" else "k"
            text.Line $"int j = (((o * {extent}) + {step}) * {inner}) + i;"
            let factor = if a.Shape.IsScalar then at a "0" else at a "j"
            text.Line $"""h = k == 0 ? {at b "j"} : ({factor} * h) + {at b "j"};"""
            text.Line $"{t}[j] = ({CodeText.typeOf node})h;"
            text.Close()
            text.Close()
            true
        | _ -> false
