namespace Diff

open System
open System.Collections.Generic
open System.Text

/// Graphs as C# source: one static method of plain loops over spans, which allocates nothing and needs nothing but the platform.
[<RequireQualifiedAccess>]
module internal CSharpCode =
    let private identifier (name: string) =
        let text = name |> String.map (fun c -> if Char.IsLetterOrDigit c then c else '_')
        if text = "" || not (Char.IsLetter text[0] || text[0] = '_') then
            "x" + text
        else
            text

    /// Code that is written line by line.
    [<Sealed>]
    type Writer(indent: int) =
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

    /// An index from its coordinates.
    let private index (terms: (string * int) seq) =
        let parts =
            [ for name, stride in terms do
                  if stride = 1 then
                      name
                  elif stride <> 0 then
                      $"({name} * {stride})" ]
        if parts.IsEmpty then "0" else String.Join(" + ", parts)

    let private isPointwise (node: Expr) =
        match node.Op with
        | Op.Elementwise _
        | Op.Cast -> true
        | _ -> false

    /// The method for some results, as a function of variables.
    let private write
        (name: string)
        (variables: (Expr * string)[])
        (constants: List<string>)
        (outputs: (string * Expr)[])
        =
        let roots =
            outputs
            |> Array.map snd
            |> Control.inlineAll
            |> Simplify.run
            |> Graph.map Contraction.lower
        let nodes = Graph.topological roots
        let uses = NodeMap<int>()
        let reader = NodeMap<Expr | null>()
        for node in nodes do
            for a in node.Args do
                uses[a] <- uses[a] + 1
                reader[a] <- node
        for root in roots do
            uses[root] <- uses[root] + 2
        // What is read under the same index by one reader that computes index by index is written into that reader's loop.
        let depth = NodeMap<int>()
        let inlined = NodeMap<bool>()
        for node in nodes do
            depth[node] <-
                1
                + (node.Args |> Array.fold (fun d a -> if inlined[a] then max d depth[a] else d) 0)
            match reader[node] with
            | null -> ()
            | next ->
                inlined[node] <- isPointwise node && isPointwise next && uses[node] = 1 && depth[node] < 24
        /// The node whose numbers a node has under the same index.
        let rec own (node: Expr) =
            match node.Op with
            | Op.Reshape
            | Op.StopGradient
            | Op.Barrier
            | Op.ClassIndices _ -> own node.Args[0]
            | _ -> node
        // Methods take spans, so what they read lies in memory.
        let needsSpan = NodeMap<bool>()
        for node in nodes do
            match node.Op with
            | Op.Linalg _
            | Op.ArgSort _
            | Op.SearchSorted _ ->
                for a in node.Args do
                    needsSpan[own a] <- true
            | _ -> ()
        /// Whether a node repeats one number.
        let isRepeated (node: Expr) =
            match node.Op with
            | Op.Einsum spec ->
                // A label twice in the output leaves zeros beside the diagonal.
                spec.Inputs.Length = 1
                && node.Args[0].Shape.Length = 1
                && Seq.length (Seq.distinct spec.Output) = spec.Output.Length
                && not needsSpan[node]
            | _ -> false
        /// The node in whose memory a node's numbers lie.
        let rec memory (node: Expr) =
            let node = own node
            if isRepeated node then memory node.Args[0] else node
        let names = NodeMap<string | null>()
        let lastRead = NodeMap<int>()
        let isRoot = NodeMap<bool>()
        for root in roots do
            isRoot[memory root] <- true
        nodes
        |> Array.iteri (fun i node ->
            for a in node.Args do
                lastRead[memory a] <- i)
        // Numbers that go into a reader's loop are read when that loop runs.
        for i in nodes.Length - 1 .. -1 .. 0 do
            if inlined[nodes[i]] then
                let at = lastRead[nodes[i]]
                for a in nodes[i].Args do
                    lastRead[memory a] <- max at lastRead[memory a]
        let dying = Array.init nodes.Length (fun _ -> List<struct (int64 * int64)>())
        let arena = Arena()
        let body = Writer 2
        let rec at (node: Expr) (i: string) : string =
            match node.Op with
            | Op.Const c -> CodeText.number c.DType c.AsFloat c.AsInt
            | Op.Reshape
            | Op.StopGradient
            | Op.Barrier
            | Op.ClassIndices _ -> at node.Args[0] i
            | Op.Iota axis ->
                let step = (Shape.strides node.Shape.Dims)[axis]
                CodeText.cast DType.Int32 node.DType $"(({i}) / {step} %% {node.Shape[axis]})"
            | Op.Einsum _ when isRepeated node -> at node.Args[0] "0"
            | Op.Elementwise _
            | Op.Cast when isNull names[node] -> computed node i
            | _ -> $"{names[node]}[{i}]"
        and computed (node: Expr) i =
            match node.Op with
            | Op.Elementwise fn ->
                let operand = node.Args[node.Args.Length - 1]
                CodeText.apply fn operand.DType (node.Args |> Array.map (fun a -> at a i))
            | _ -> CodeText.cast node.Args[0].DType node.DType (at node.Args[0] i)
        let coordinates (extents: int[]) =
            extents |> Array.mapi (fun k _ -> $"d{k}")
        let loop (names: string[]) (extents: int[]) =
            Array.iter2 (fun n e -> body.Line $"for (int {n} = 0; {n} < {e}; {n}++)") names extents
        let linear (extents: int[]) =
            index (Seq.zip (coordinates extents) (Shape.strides extents))
        let lines (shape: Shape) axis =
            let outer = Array.fold (*) 1 shape.Dims[.. axis - 1]
            let inner = Array.fold (*) 1 shape.Dims[axis + 1 ..]
            outer, shape[axis], inner
        let contraction (t: string) (spec: EinsumSpec) (node: Expr) =
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
                body.Line $"{t}.Clear();"
            let target = $"{t}[{place spec.Output node.Shape}]"
            loop (names kept) (extents kept)
            if summed.Length = 0 then
                body.Line $"""    {target} = {String.Join(" * ", factors)};"""
            else
                body.Open ""
                if node.DType = DType.Bool then
                    body.Line "bool sum = false;"
                    loop (names summed) (extents summed)
                    body.Line $"""    sum |= {String.Join(" & ", factors)};"""
                    body.Line $"{target} = sum;"
                else
                    let wide = if DType.isFloat node.DType then "double" else "long"
                    body.Line $"{wide} sum = 0;"
                    loop (names summed) (extents summed)
                    body.Line $"""    sum += ({wide}){String.Join(" * ", factors)};"""
                    body.Line $"{target} = ({CodeText.typeOf node})sum;"
                body.Close()
        let better extreme a b isFloat =
            let symbol =
                match extreme with
                | Extreme.Max -> ">"
                | Extreme.Min -> "<"
            if isFloat then
                $"{a} {symbol} {b} || ({a} != {a} && {b} == {b})"
            else
                $"{a} {symbol} {b}"
        let matrices (node: Expr) (write: unit -> unit) =
            if node.DType <> DType.Float64 then
                CodeText.refuse node "is emitted for float64 only; cast to it and back"
            let batch = Array.fold (*) 1 node.Shape.Dims[.. node.Rank - 3]
            body.Line $"for (int d = 0; d < {batch}; d++)"
            write ()
        let part (node: Expr) k =
            let a = node.Args[k]
            let size = a.Shape[a.Rank - 2] * a.Shape[a.Rank - 1]
            $"{names[own a]}.Slice(d * {size}, {size})"
        let emit (t: string) (node: Expr) =
            let n = node.Shape.Length
            let dims = node.Shape.Dims
            let first () = node.Args[0]
            match node.Op with
            | _ when n = 0 -> ()
            | Op.Const _
            | Op.Iota _ -> body.Line $"""for (int i = 0; i < {n}; i++) {t}[i] = {at node "i"};"""
            | Op.Elementwise _
            | Op.Cast ->
                if n = 1 then
                    body.Line $"""{t}[0] = {computed node "0"};"""
                else
                    body.Line $"""for (int i = 0; i < {n}; i++) {t}[i] = {computed node "i"};"""
            | Op.Einsum spec -> contraction t spec node
            | Op.Slice(starts, steps) ->
                let x = first ()
                loop (coordinates dims) dims
                let source =
                    index (
                        Seq.zip
                            (Array.init dims.Length (fun k -> $"({starts[k]} + ({steps[k]} * d{k}))"))
                            (Shape.strides x.Shape.Dims)
                    )
                body.Line $"    {t}[{linear dims}] = {at x source};"
            | Op.Embed(starts, steps) ->
                let x = first ()
                body.Line $"{t}.Clear();"
                loop (coordinates x.Shape.Dims) x.Shape.Dims
                let target =
                    index (
                        Seq.zip
                            (Array.init dims.Length (fun k -> $"({starts[k]} + ({steps[k]} * d{k}))"))
                            (Shape.strides dims)
                    )
                body.Line $"    {t}[{target}] = {at x (linear x.Shape.Dims)};"
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
                    body.Line $"{t}.Clear();"
                loop (coordinates windows.Dims) windows.Dims
                if isFold then
                    body.Line $"    {t}[{place}] += {at x (linear windows.Dims)};"
                else
                    body.Line $"    {t}[{linear windows.Dims}] = {at x place};"
            | Op.Concat axis ->
                let outer, extent, inner = lines node.Shape axis
                let mutable start = 0
                for x in node.Args do
                    let width = x.Shape[axis] * inner
                    if x.Shape.Length > 0 then
                        loop [| "o"; "i" |] [| outer; width |]
                        body.Line
                            $"""    {t}[(o * {extent * inner}) + {start * inner} + i] = {at x $"(o * {width}) + i"};"""
                    start <- start + x.Shape[axis]
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
                    body.Line $"{t}.Clear();"
                loop [| "o"; "k"; "i" |] [| outer; count; inner |]
                let there =
                    $"""(((o * {extent}) + Place({at indices "k"}, {extent})) * {inner}) + i"""
                let here = $"(((o * {count}) + k) * {inner}) + i"
                if isGather then
                    body.Line $"    {t}[{here}] = {at x there};"
                else
                    body.Line $"    {t}[{there}] += {at x here};"
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
                    body.Line $"{t}.Clear();"
                loop [| "o"; "k"; "i" |] [| outer; count; inner |]
                let here = $"(((o * {count}) + k) * {inner}) + i"
                let there = $"(((o * {extent}) + Place({at indices here}, {extent})) * {inner}) + i"
                if isTake then
                    body.Line $"    {t}[{here}] = {at x there};"
                else
                    body.Line $"    {t}[{there}] += {at x here};"
            | Op.Reduce(extreme, axes) ->
                let x = first ()
                let strides = Shape.strides x.Shape.Dims
                let pick isReduced =
                    [| for k in 0 .. x.Rank - 1 do
                           if Array.contains k axes = isReduced then
                               k |]
                let loopOver axes =
                    loop (axes |> Array.map (fun k -> $"d{k}")) (axes |> Array.map (fun k -> x.Shape[k]))
                let kept, reduced = pick false, pick true
                loopOver kept
                body.Open ""
                let start = kept |> Seq.map (fun k -> $"d{k}", strides[k])
                body.Line $"{CodeText.typeOf node} best = {at x (index start)};"
                loopOver reduced
                body.Open ""
                let element = index (Seq.zip (coordinates x.Shape.Dims) strides)
                body.Line $"{CodeText.typeOf node} x = {at x element};"
                body.Line $"""if ({better extreme "x" "best" (DType.isFloat x.DType)}) best = x;"""
                body.Close()
                let target =
                    Seq.zip
                        (kept |> Seq.map (fun k -> $"d{k}"))
                        (Shape.strides (kept |> Array.map (fun k -> x.Shape[k])))
                body.Line $"{t}[{index target}] = best;"
                body.Close()
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
                loop [| "o"; "i" |] [| outer; inner |]
                body.Open ""
                body.Line "int best = 0;"
                body.Open $"for (int k = 0; k < {extent}; k++)"
                let test = better extreme (element "k") (element "best") (DType.isFloat x.DType)
                body.Line $"if ({test}) best = k;"
                if isRunning then
                    body.Line $"{t}[(((o * {extent}) + k) * {inner}) + i] = best;"
                body.Close()
                if not isRunning then
                    body.Line $"{t}[(o * {inner}) + i] = best;"
                body.Close()
            | Op.ArgSort(axis, descending) ->
                let x = own (first ())
                let outer, extent, inner = lines x.Shape axis
                let flag = if descending then "true" else "false"
                loop [| "o"; "i" |] [| outer; inner |]
                body.Line
                    $"    Order<{CodeText.typeOf x}>({names[x]}, {t}, (o * {extent * inner}) + i, {extent}, {inner}, {flag});"
            | Op.SearchSorted right when (first ()).Rank = 1 ->
                let flag = if right then "true" else "false"
                let value = at node.Args[1] "i"
                body.Line
                    $"for (int i = 0; i < {n}; i++) {t}[i] = Search<{CodeText.typeOf node.Args[1]}>({names[own (first ())]}, {value}, {flag});"
            | Op.Recurrence(axis, reverse) ->
                let a, b = node.Args[0], node.Args[1]
                let outer, extent, inner = lines node.Shape axis
                let wide =
                    if DType.isFloat node.DType then
                        "double"
                    else
                        CodeText.typeOf node
                loop [| "o"; "i" |] [| outer; inner |]
                body.Open ""
                body.Line $"{wide} h = 0;"
                body.Open $"for (int k = 0; k < {extent}; k++)"
                let step = if reverse then $"({extent - 1} - k)" else "k"
                body.Line $"int j = (((o * {extent}) + {step}) * {inner}) + i;"
                let factor = if a.Shape.IsScalar then at a "0" else at a "j"
                body.Line $"""h = k == 0 ? {at b "j"} : ({factor} * h) + {at b "j"};"""
                body.Line $"{t}[j] = ({CodeText.typeOf node})h;"
                body.Close()
                body.Close()
            | Op.Linalg Factorization.Cholesky ->
                let k = node.Shape[node.Rank - 1]
                matrices node (fun () ->
                    body.Line $"    Cholesky({part node 0}, {t}.Slice(d * {k * k}, {k * k}), {k});")
            | Op.Linalg Factorization.Lu ->
                let k = node.Shape[node.Rank - 2]
                let size = k * (k + 2)
                matrices node (fun () ->
                    body.Line $"    Lu({part node 0}, {t}.Slice(d * {size}, {size}), {k});")
            | Op.Linalg(Factorization.Solve transposed) ->
                let k, c = node.Shape[node.Rank - 2], node.Shape[node.Rank - 1]
                let flag = if transposed then "true" else "false"
                matrices node (fun () ->
                    body.Line
                        $"    Solve({part node 1}, {part node 2}, {t}.Slice(d * {k * c}, {k * c}), {k}, {c}, {flag});")
            | Op.Linalg(Factorization.TriangularSolve lower) ->
                let k, c = node.Shape[node.Rank - 2], node.Shape[node.Rank - 1]
                let flag = if lower then "true" else "false"
                matrices node (fun () ->
                    body.Open ""
                    body.Line $"{part node 1}.CopyTo({t}.Slice(d * {k * c}, {k * c}));"
                    body.Line
                        $"Triangular({part node 0}, {k}, {k}, {t}.Slice(d * {k * c}, {k * c}), {c}, {flag}, false, false);"
                    body.Close())
            | _ -> CodeText.refuse node "has no form in plain C#; evaluate it, and pass its value as an input"
        for e, variable in variables do
            names[e] <- variable
        let taken = HashSet<string>()
        nodes
        |> Array.iteri (fun i node ->
            match node.Op with
            | Op.Variable _
            | Op.Reshape
            | Op.StopGradient
            | Op.Barrier
            | Op.ClassIndices _ -> ()
            | Op.Const _
            | Op.Iota _ when not needsSpan[node] -> ()
            | Op.Literal value ->
                let elements =
                    Seq.init value.Length (fun k ->
                        let n =
                            match value.DType with
                            | DType.Int64 -> value.Span<int64>()[k]
                            | _ ->
                                int64 (
                                    if Double.IsFinite(value.Float k) then
                                        value.Float k
                                    else
                                        0.0
                                )
                        CodeText.number value.DType (value.Float k) n)
                let constant = $"Constant{constants.Count}"
                constants.Add
                    $"""private static ReadOnlySpan<{CodeText.typeOf node}> {constant} => [{String.Join(", ", elements)}];"""
                names[node] <- constant
            | _ when inlined[node] || isRepeated node -> ()
            | _ ->
                let result =
                    outputs
                    |> Array.indexed
                    |> Array.tryFind (fun (k, (name, _)) ->
                        not (taken.Contains name) && obj.ReferenceEquals(own roots[k], node))
                let t =
                    match result with
                    | Some(_, (name, _)) ->
                        taken.Add name |> ignore
                        name
                    | None ->
                        let bytes = int64 node.Shape.Length * int64 (DType.size node.DType)
                        let place = arena.Take bytes
                        let name = $"t{i}"
                        if isRoot[node] then
                            ()
                        else
                            dying[max i lastRead[node]].Add(struct (place, bytes))
                        let kind = CodeText.typeOf node
                        body.Line
                            $"Span<{kind}> {name} = MemoryMarshal.Cast<byte, {kind}>(scratch.Slice({place}, {bytes}));"
                        name
                emit t node
                names[node] <- t
            for struct (place, bytes) in dying[i] do
                arena.Release(place, bytes))
        outputs
        |> Array.iteri (fun k (name, _) ->
            if not (taken.Contains name) then
                let root = roots[k]
                body.Line $"""for (int i = 0; i < {root.Shape.Length}; i++) {name}[i] = {at root "i"};""")
        let method' = Writer 1
        let inputs =
            variables
            |> Array.map (fun (e, name) -> $"ReadOnlySpan<{CodeText.typeOf e}> {name}")
        let results =
            outputs |> Array.map (fun (name, e) -> $"Span<{CodeText.typeOf e}> {name}")
        let list = String.Join(", ", Array.append inputs results)
        let scratch = arena.Bytes
        method'.Line ""
        method'.Line $"/// <summary>The bytes of scratch memory that {name} needs.</summary>"
        method'.Line $"public const int {name}ScratchBytes = {scratch};"
        method'.Line ""
        let shapes =
            Array.append
                (variables |> Array.map (fun (e, n) -> $"{n} {e.Shape}"))
                (outputs |> Array.map (fun (n, e) -> $"{n} {e.Shape}"))
        method'.Line $"""/// <summary>Shapes, in row-major order: {String.Join(", ", shapes)}.</summary>"""
        method'.Open $"""public static void {name}({list}, Span<byte> scratch)"""
        if scratch > 0L then
            method'.Line
                $"""if (scratch.Length < {name}ScratchBytes) throw new ArgumentException("{name}: the scratch memory is too small", nameof(scratch));"""
        let lengths =
            Array.append
                (variables |> Array.map (fun (e, n) -> n, e.Shape.Length))
                (outputs |> Array.map (fun (n, e) -> n, e.Shape.Length))
        for n, length in lengths do
            method'.Line
                $"""if ({n}.Length != {length}) throw new ArgumentException("{name}: {n} takes {length} numbers", nameof({n}));"""
        let text = StringBuilder()
        text.Append(method'.ToString()).Append(body.ToString()).Append("    }\n")
        |> ignore
        if scratch <= 8192L then
            let names =
                String.Join(", ", Array.append (variables |> Array.map snd) (outputs |> Array.map fst))
            let overload = Writer 1
            overload.Line ""
            overload.Line "/// <summary>The same with scratch memory on the stack.</summary>"
            overload.Line
                $"public static void {name}({list}) => {name}({names}, stackalloc byte[{name}ScratchBytes]);"
            text.Append(overload.ToString()) |> ignore
        text.ToString()

    /// A static class with a method for each group of results; all of them take all variables, in the order in which these were made.
    let emit (className: string) (methods: (string * (string * Expr)[])[]) : string =
        let className = identifier className
        let variables =
            methods
            |> Seq.collect (snd >> Seq.map snd)
            |> Graph.topological
            |> Control.inlineAll
            |> Graph.topological
            |> Array.filter (fun e ->
                match e.Op with
                | Op.Variable _ -> true
                | _ -> false)
        let taken =
            HashSet<string>([ "scratch"; "sum"; "best"; "h"; "x"; "i"; "j"; "k"; "o"; "d" ])
        let free (name: string) =
            let mutable chosen, n = name, 1
            // What reads like a loop's index or a buffer gets another name.
            let isLocal (s: string) =
                s.Length >= 2 && "dtl".Contains s[0] && Seq.forall Char.IsDigit (s.Substring 1)
            while isLocal chosen || not (taken.Add chosen) do
                n <- n + 1
                chosen <- $"{name}_{n}"
            chosen
        let named =
            variables
            |> Array.mapi (fun i e ->
                let name =
                    match e.Op with
                    | Op.Variable v when v.Name <> "" -> identifier v.Name
                    | _ -> $"input{i}"
                e, free name)
        let constants = List<string>()
        let bodies =
            methods
            |> Array.map (fun (name, outputs) ->
                let used = HashSet<string>(Seq.map snd named)
                for output, _ in outputs do
                    if not (used.Add output) then
                        invalidArg "outputs" $"ToCSharp: the name {output} is taken; choose another one"
                write (identifier name) named constants outputs)
        let code = String.Join("", bodies)
        let text = StringBuilder()
        let line (s: string) = text.Append(s).Append('\n') |> ignore
        line "// Generated. Plain loops over spans; nothing is allocated."
        line "#nullable enable"
        line "#pragma warning disable CS1718 // A number that is not itself is NaN."
        line "using System;"
        line "using System.Numerics;"
        line "using System.Runtime.CompilerServices;"
        line "using System.Runtime.InteropServices;"
        line ""
        line $"public static partial class {className}"
        line "{"
        for constant in constants do
            line ("    " + constant)
        text.Append(code) |> ignore
        for helper in CodeText.helpers code do
            line (if helper = "" then "" else "    " + helper)
        line "}"
        text.ToString()

/// Graphs as C# source.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module SourceCode =
    /// The source of a static C# class with one method `Evaluate`, which computes the results, under their names, from all variables, in the order
    /// in which these were made: free-standing, with plain loops over spans, without allocation. Scratch memory is passed in, or lies
    /// on the stack where little is needed. Words without a form in plain C# are errors that name them.
    let toCSharp (className: string) (results: (string * Expr) list) : string =
        CSharpCode.emit className [| "Evaluate", Array.ofList results |]

    /// The same with two methods: `Value`, and `ValueAndGradient`, which also computes the derivatives of the sum of y with respect to each of xs.
    let toCSharpWithGradient (className: string) (y: Expr) (xs: (string * Expr) list) : string =
        let gradients = Derivatives.grads y (List.map snd xs)
        let results = List.map2 (fun (name, _) g -> "gradientOf" + name, g) xs gradients
        CSharpCode.emit
            className
            [| "Value", [| "value", y |]
               "ValueAndGradient", Array.ofList (("value", y) :: results) |]

    /// The same for all variables of a float type on which y depends, by their names.
    let toCSharpOf (className: string) (y: Expr) : string =
        let variables =
            Graph.topological (Control.inlineAll [| y |])
            |> Array.filter (fun e ->
                match e.Op with
                | Op.Variable _ -> DType.isFloat e.DType
                | _ -> false)
        let names =
            variables
            |> Array.mapi (fun i e ->
                let name = Values.nameOf e
                let name =
                    if name = "" then
                        $"Input{i}"
                    else
                        String.map (fun c -> if Char.IsLetterOrDigit c then c else '_') name
                string (Char.ToUpperInvariant name[0]) + name.Substring 1)
        let unique =
            names
            |> Array.mapi (fun i n -> if Array.IndexOf(names, n) < i then $"{n}_{i}" else n)
        toCSharpWithGradient className y (List.ofArray (Array.zip unique variables))
