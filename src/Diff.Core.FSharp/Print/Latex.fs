namespace Diff

open System
open System.Collections.Generic

/// Graphs as formulas in LaTeX. Elementwise operations are written as on numbers, sums of products with their
/// indices.
[<RequireQualifiedAccess>]
module internal Latex =
    let private stretched (bare: Part) (from: Shape) (shape: Shape) =
        Part.stretched (fun x -> LatexPart.call "broadcast" (LatexText.dims shape) [ x ]) bare from

    /// Σ over the labels that the output lacks of the operands with their indices; along an axis of extent 1 that is
    /// the index 1.
    let private indexed (spec: EinsumSpec) (args: Expr[]) (parts: Part[]) =
        let isUnit (label: char) =
            not (spec.Output.Contains label)
            && Array.exists2
                (fun (input: string) (arg: Expr) ->
                    input.Contains label && arg.Shape[input.IndexOf label] = 1)
                spec.Inputs
                args
        let index (labels: string) =
            labels |> String.collect (fun c -> if isUnit c then "1" else string c)
        let summed =
            String.Join("", spec.Inputs)
            |> Seq.distinct
            |> Seq.filter (fun c -> not (spec.Output.Contains c || isUnit c))
            |> String.Concat
        let factors =
            Array.map2
                (fun (input: string) part -> LatexPart.subscripted part (index input))
                spec.Inputs
                parts
        let product =
            if factors.Length = 1 then
                factors[0]
            else
                let texts =
                    factors
                    |> Array.mapi (fun i f ->
                        (if i = 0 then LatexPart.bracket else LatexPart.bracketRight) Strength.Product f)
                Part.make Strength.Product (String.Join(@" \, ", texts))
        if summed = "" then
            product
        else
            Part.make
                Strength.Contraction
                (@"\sum_{" + summed + "} " + LatexPart.bracket Strength.Product product)

    let private einsum (spec: EinsumSpec) (node: Expr) (parts: Part[]) =
        let shapes = node.Args |> Array.map _.Shape
        match Notation.ofSpec spec shapes with
        | Broadcast -> stretched parts[0] shapes[0] node.Shape
        | Transpose [| 1; 0 |] ->
            Part.make Strength.Power (LatexPart.bracket Strength.Atom parts[0] + @"^{\top}")
        | Transpose order -> LatexPart.call "transpose" (String.Join(",", order)) parts
        | _ -> indexed spec node.Args parts

    let private literal (value: NDArray) (name: string) =
        match Words.rows value with
        | Some [| [| number |] |] when value.Shape.Rank = 0 ->
            Part.make Strength.Product (LatexText.number number)
        | Some rows ->
            let row numbers =
                String.Join(" & ", Array.map LatexText.number numbers)
            Part.atom (
                @"\begin{pmatrix} "
                + String.Join(@" \\ ", Array.map row rows)
                + @" \end{pmatrix}"
            )
        | None -> Part.atom name

    let private number (value: Scalar) =
        let text = LatexText.number value
        let strength =
            if text.Contains ' ' then Strength.Product
            elif text.StartsWith '-' then Strength.Sign
            else Strength.Atom
        Part.make strength text

    let private commas (ranges: string list) = String.Join(@",\,", ranges)

    /// Axes of extent 1 come and go without a word.
    let private reshape (part: Part) (from: Shape) (shape: Shape) =
        let extents (shape: Shape) = Array.filter ((<>) 1) shape.Dims
        match part.Trait with
        | Window(part, starts, steps, from, whole) when shape.Equals(Words.indexed from whole) ->
            LatexPart.subscripted part (commas (Words.indices starts steps from whole))
        | Window _
        | Subscripted when extents from = extents shape -> { part with Trait = Subscripted }
        | _ when extents from = extents shape -> { part with Trait = Plain }
        | _ -> LatexPart.call "reshape" (LatexText.dims shape) [ part ]

    let private axes (axes: int[]) (x: Expr) =
        if axes.Length = x.Rank then "" else String.Join(",", axes)

    let private isScalar (part: Part) (arg: Expr) =
        match part.Trait with
        | Stretched(_, from) -> from.Rank = 0
        | _ -> arg.Rank = 0

    let private node (leaf: Op -> string) (node: Expr) (parts: Part[]) : Part =
        let shape = node.Shape
        match node.Op with
        | Op.Const c ->
            if shape.Rank = 0 then
                number c
            else
                stretched (number c) Shape.Scalar shape
        | Op.Variable _ as op ->
            let text = leaf op
            { Part.atom text with
                Trait =
                    if text.EndsWith '}' && text.Contains "_{" then
                        Subscripted
                    else
                        Plain }
        | Op.Literal value as op -> literal value (leaf op)
        | Op.Iota axis -> Part.atom (LatexText.operator "iota" + "_{" + string axis + "}")
        | Op.Elementwise fn ->
            let isPlain = Array.exists2 isScalar parts node.Args
            let implied = Part.implied shape (node.Args |> Array.map _.Shape) parts
            if fn = Fn.Mul && same node.Args[0] node.Args[1] then
                LatexPart.square implied[0]
            else
                LatexPart.elementwise fn isPlain implied
        | Op.Einsum spec -> einsum spec node parts
        | Op.Reshape -> reshape parts[0] node.Args[0].Shape shape
        | Op.Slice(starts, steps) ->
            let whole = node.Args[0].Shape
            { LatexPart.subscripted parts[0] (commas (Words.window starts steps shape whole)) with
                Trait = Window(parts[0], starts, steps, shape, whole) }
        | Op.Embed(starts, steps) ->
            LatexPart.call "embed" (commas (Words.window starts steps node.Args[0].Shape shape)) parts
        | Op.Reduce(extreme, over) -> LatexPart.call (Op.extremeName extreme) (axes over node.Args[0]) parts
        | Op.Cast -> LatexPart.call (DType.name node.DType) "" parts
        | op ->
            match Op.plain op with
            | ValueSome(struct (name, numbers)) -> LatexPart.call name (String.Join(",", numbers)) parts
            | ValueNone -> LatexPart.call (Words.op op) "" parts

    let private leafText (op: Op) =
        match op with
        | Op.Variable v -> LatexText.identifier v.Name
        | Op.Literal value -> LatexText.operator "literal" + "_{" + LatexText.dims value.Shape + "}"
        | op -> Words.op op

    let private style =
        { Line = 240
          Shared = 40
          Name =
            fun n ->
                { Part.atom ("t_{" + string n + "}") with
                    Trait = Subscripted }
          Stretch = stretched }

    let private view: View<Expr> =
        { Id = _.Id
          Op = _.Op
          Args = _.Args
          Shape = _.Shape }

    /// What is written so far, and what is still to be said of loops and branches that have a name.
    [<Sealed>]
    type private Writing() =
        let taken = HashSet<string>()
        let given = Dictionary<int64, string>()
        let waiting = Queue<struct (Expr * string * Part[])>()
        member val Lines = List<string>()
        member _.Taken = taken
        member _.Waiting = waiting
        /// The name of a node with bodies; its operands are leaves' names, or a with their number.
        member _.NameOf(node: Expr, leaf: Op -> Part) : string =
            match given.TryGetValue node.Id with
            | true, name -> name
            | _ ->
                let mutable n = given.Count + 1
                while taken.Contains("f_{" + string n + "}") do
                    n <- n + 1
                let name = "f_{" + string n + "}"
                taken.Add name |> ignore
                given[node.Id] <- name
                let operand k (a: Expr) =
                    match a.Op with
                    | Op.Variable _ -> leaf a.Op
                    | Op.Const c when a.Rank = 0 -> number c
                    | _ ->
                        { Part.atom ("a_{" + string (k + 1) + "}") with
                            Trait = Subscripted }
                waiting.Enqueue(struct (node, name, Array.mapi operand node.Args))
                name

    /// The formula of a node, whose leaves may be holes that stand for other parts; lines that it needs go before it.
    let private formula (writing: Writing) (holes: Dictionary<int64, Part>) (root: Expr) : string =
        let nodes = Layout.topological view root
        let ops =
            nodes |> Seq.filter (fun n -> not (holes.ContainsKey n.Id)) |> Seq.map _.Op
        let leaf, taken = Layout.names LatexText.mark leafText ops
        writing.Taken.UnionWith taken
        for part in holes.Values do
            writing.Taken.Add part.Text |> ignore
        let partOf = Dictionary<obj, Part>(HashIdentity.Reference)
        for n in nodes do
            match n.Op with
            | Op.Variable v ->
                partOf[v] <-
                    match holes.TryGetValue n.Id with
                    | true, part -> part
                    | _ -> node leaf n [||]
            | _ -> ()
        let render (n: Expr) (parts: Part[]) =
            match n.Op with
            | Op.Variable v -> partOf[v]
            | Op.Loop _
            | Op.Branch _ ->
                let leafPart (op: Op) =
                    match op with
                    | Op.Variable v -> partOf[v]
                    | op -> Part.atom (leaf op)
                LatexLoop.call n (writing.NameOf(n, leafPart)) parts
            | _ -> node leaf n parts
        let lines, last = Layout.lines view style writing.Taken render nodes
        for struct (name, text) in lines do
            writing.Taken.Add name |> ignore
            writing.Lines.Add(name + " &= " + text)
        last

    /// The formula of a node: one line, or an `aligned` block of named lines with the formula at its end. What loops and branches in it
    /// stand for is below.
    let text (root: Expr) : string =
        let writing = Writing()
        let last = formula writing (Dictionary()) root
        if writing.Lines.Count = 0 && writing.Waiting.Count = 0 then
            last
        else
            writing.Lines.Add("& " + last)
            while writing.Waiting.Count > 0 do
                let struct (node, name, args) = writing.Waiting.Dequeue()
                writing.Lines.Add(
                    @"\text{where } "
                    + name
                    + @" &: "
                    + LatexText.brackets (String.Join(", ", args |> Seq.map _.Text))
                )
                let body (holes: (Expr * Part)[]) (output: Expr) =
                    let parts = Dictionary<int64, Part>()
                    for hole, part in holes do
                        parts[hole.Id] <- part
                    formula writing parts output
                for head, write in LatexLoop.lines node args body do
                    let text = write ()
                    writing.Lines.Add("& " + head + text)
            @"\begin{aligned}"
            + "\n"
            + String.Join(@" \\" + "\n", writing.Lines)
            + "\n"
            + @"\end{aligned}"
