namespace Diff

open System
open System.Collections.Generic

/// Graphs as formulas, in plain text: `y + exp(x + 3)`. Sums and products of several terms have no brackets
/// inside, broadcasts that an operation does by itself are left out, and parts get names and lines of their own
/// where one line would be too long.
[<RequireQualifiedAccess>]
module internal Formula =
    let opText = Words.op

    /// What an operation on arrays of some shapes does, in a word: a contraction by what it amounts to.
    let verb (op: Op) (shapes: Shape[]) : string =
        match op with
        | Op.Einsum spec ->
            match Notation.ofSpec spec shapes with
            | Broadcast -> "broadcast"
            | Sum _ -> "sum"
            | Transpose _ -> "transpose"
            | Trace -> "trace"
            | Diagonal -> "diagonal"
            | Dot -> "dot"
            | Outer _ -> "outer"
            | MatMul _ -> "matmul"
            | Product _
            | Unnamed -> Words.op op
        | op -> Words.op op

    let private bracket least (part: Part) =
        if part.Strength < least then
            "(" + part.Text + ")"
        else
            part.Text

    /// An operand that is not the first: `a - (-b)`.
    let private bracketRight least (part: Part) =
        if part.Text.StartsWith '-' then
            "(" + part.Text + ")"
        else
            bracket least part

    let private call (name: string) (args: string seq) =
        Part.atom (name + "(" + String.Join(", ", args) + ")")

    let private texts (parts: Part seq) = parts |> Seq.map _.Text

    let private infix symbol strength left right (args: Part[]) =
        Part.make strength (bracket left args[0] + symbol + bracketRight right args[1])

    let private elementwise fn (args: Part[]) =
        match fn with
        | Fn.Add -> infix " + " Strength.Sum Strength.Sum Strength.Sum args
        | Fn.Sub -> infix " - " Strength.Sum Strength.Sum Strength.Contraction args
        | Fn.Mul -> infix " * " Strength.Product Strength.Product Strength.Product args
        | Fn.Div -> infix " / " Strength.Product Strength.Product Strength.Sign args
        | Fn.Pow -> infix "^" Strength.Power Strength.Atom Strength.Atom args
        | Fn.Neg ->
            Part.make
                (min Strength.Sign (max Strength.Product args[0].Strength))
                ("-" + bracketRight Strength.Product args[0])
        | Fn.Less -> infix " < " Strength.Comparison Strength.Sum Strength.Sum args
        | Fn.LessEqual -> infix " <= " Strength.Comparison Strength.Sum Strength.Sum args
        | Fn.Greater -> infix " > " Strength.Comparison Strength.Sum Strength.Sum args
        | Fn.GreaterEqual -> infix " >= " Strength.Comparison Strength.Sum Strength.Sum args
        | Fn.Equal -> infix " == " Strength.Comparison Strength.Sum Strength.Sum args
        | Fn.NotEqual -> infix " != " Strength.Comparison Strength.Sum Strength.Sum args
        | Fn.And -> infix " && " Strength.And Strength.And Strength.And args
        | Fn.Or -> infix " || " Strength.Or Strength.Or Strength.Or args
        | fn -> call (Fn.name fn) (texts args)

    let private reduced name (part: Part) (axes: int[]) (shape: Shape) kept =
        let which =
            if axes.Length = shape.Rank then
                Seq.empty
            else
                Seq.map string axes
        let keep = if kept then [ "keepDims" ] else []
        { call name (Seq.concat [ Seq.singleton part.Text; which; keep ]) with
            Trait = Reduced(name, part, axes, shape, kept) }

    let private stretched (bare: Part) (from: Shape) (shape: Shape) =
        Part.stretched (fun x -> call "broadcast" [ x.Text; string shape ]) bare from

    let private einsum (spec: EinsumSpec) (shapes: Shape[]) (shape: Shape) (args: Part[]) =
        let transposed isTransposed i =
            let rank = shapes[i].Rank
            if not isTransposed then
                args[i]
            elif rank = 2 then
                call "transpose" [ args[i].Text ]
            else
                let order = Array.append [| 0 .. rank - 3 |] [| rank - 1; rank - 2 |]
                call "transpose" (Seq.append [ args[i].Text ] (Seq.map string order))
        match Notation.ofSpec spec shapes with
        | Broadcast -> stretched args[0] shapes[0] shape
        | Sum axes -> reduced "sum" args[0] axes shapes[0] false
        | Transpose order when order = Array.init order.Length (fun i -> order.Length - 1 - i) ->
            call "transpose" [ args[0].Text ]
        | Transpose order -> call "transpose" (Seq.append [ args[0].Text ] (Seq.map string order))
        | Trace -> call "trace" [ args[0].Text ]
        | Diagonal -> call "diagonal" [ args[0].Text ]
        | Dot -> call "dot" (texts args)
        | Outer first -> call "outer" [ args[first].Text; args[1 - first].Text ]
        | MatMul(first, left, right) ->
            let x, y = transposed left first, transposed right (1 - first)
            let x =
                if x.Strength = Strength.Contraction then
                    x.Text
                else
                    bracket Strength.Sign x
            Part.make Strength.Contraction (x + " @ " + bracketRight Strength.Sign y)
        | Product axes ->
            let whole = shapes |> Array.maxBy _.Rank
            let product =
                Part.implied whole shapes args
                |> Array.reduce (fun x y -> elementwise Fn.Mul [| x; y |])
            if axes.Length = 0 then
                product
            else
                reduced "sum" product axes whole false
        | Unnamed ->
            let isGiven =
                spec.Output
                |> Seq.forall (fun c -> String.exists ((=) c) (String.Join("", spec.Inputs)))
            let words = Seq.append [ "\"" + string spec + "\"" ] (texts args)
            call "einsum" (if isGiven then words else Seq.append words [ string shape ])

    /// A reshape that only puts back the axes that a reduction removed, or drops axes of a window, is part of it.
    let private reshape (arg: Part) (shape: Shape) =
        match arg.Trait with
        | Reduced(name, part, axes, from, false) when
            axes.Length > 0 && shape.Equals(Shape.reduce true axes from)
            ->
            reduced name part axes from true
        | Window(part, starts, steps, from, whole) when shape.Equals(Words.indexed from whole) ->
            Part.atom (bracket Strength.Atom part + Words.list (Words.indices starts steps from whole))
        | _ -> call "reshape" [ arg.Text; string shape ]

    /// A sum divided by the number of its terms is a mean.
    let private mean (args: Part[]) (divisor: Op) =
        match args[0].Trait, divisor with
        | Reduced("sum", part, axes, from, kept), Op.Const n when
            n.AsFloat = float (axes |> Seq.fold (fun count axis -> count * from[axis]) 1)
            ->
            ValueSome(reduced "mean" part axes from kept)
        | _ -> ValueNone

    let private signed (text: string) =
        Part.make (if text.StartsWith '-' then Strength.Sign else Strength.Atom) text

    /// The text of one node over the texts of its arguments.
    let private node (view: View<'Node>) (leaf: Op -> string) (node: 'Node) (args: Part[]) : Part =
        let shape, nodes = view.Shape node, view.Args node
        let shapes = Array.map view.Shape nodes
        match view.Op node with
        | Op.Const c ->
            let number = signed (Words.number c)
            if shape.Rank = 0 then
                number
            else
                stretched number Shape.Scalar shape
        | Op.Variable _ as op -> Part.atom (leaf op)
        | Op.Literal value as op -> signed (Words.literal value |> Option.defaultWith (fun () -> leaf op))
        | Op.Iota axis -> call "iota" [ string axis; string shape ]
        | Op.Elementwise fn ->
            let quotient =
                if fn = Fn.Div then
                    mean args (view.Op nodes[1])
                else
                    ValueNone
            match quotient with
            | ValueSome mean -> mean
            | ValueNone when fn = Fn.Mul && view.Id nodes[0] = view.Id nodes[1] ->
                elementwise Fn.Pow [| (Part.implied shape shapes args)[0]; Part.atom "2" |]
            | ValueNone -> elementwise fn (Part.implied shape shapes args)
        | Op.Einsum spec -> einsum spec shapes shape args
        | Op.Reshape -> reshape args[0] shape
        | Op.Slice(starts, steps) ->
            { Part.atom (
                  bracket Strength.Atom args[0]
                  + Words.list (Words.window starts steps shape shapes[0])
              ) with
                Trait = Window(args[0], starts, steps, shape, shapes[0]) }
        | Op.Embed(starts, steps) ->
            call
                "embed"
                [ args[0].Text
                  Words.list (Words.window starts steps shapes[0] shape)
                  string shape ]
        | Op.Concat axis -> call "concat" [ Words.list (texts args); string axis ]
        | Op.Reduce(extreme, axes) ->
            reduced ("reduce_" + Op.extremeName extreme) args[0] axes shapes[0] false
        | Op.Random(Draw.Below n) ->
            call "random_below" (Seq.concat [ texts args; Seq.ofList [ string n; string shape ] ])
        | op ->
            match Op.plain op with
            | ValueSome(struct (name, numbers)) ->
                // Where the operands do not say the shape, it is given.
                let given =
                    match op with
                    | Op.ScatterAdd _
                    | Op.AddAlong _ -> [ string shape ]
                    | Op.Random draw when draw <> Draw.FoldIn -> [ string shape ]
                    | _ -> []
                call name (Seq.concat [ texts args; Seq.map string numbers; Seq.ofList given ])
            | ValueNone -> call (Words.identifier (Words.op op)) (texts args)

    let private leafText (op: Op) =
        match op with
        | Op.Variable v -> Words.identifier v.Name
        | Op.Literal value -> "literal" + string value.Shape
        | op -> Words.op op

    let private style =
        { Line = 110
          Shared = 12
          Name = fun n -> Part.atom ("t" + string n)
          Stretch = stretched }

    /// The formula of a node.
    let text (view: View<'Node>) (root: 'Node) : string =
        let nodes = Layout.topological view root
        let leaf, taken =
            Layout.names (fun text n -> text + "'" + string n) leafText (Seq.map view.Op nodes)
        let lines, last = Layout.lines view style taken (node view leaf) nodes
        let text = Text.StringBuilder()
        for struct (name, body) in lines do
            text.Append(name).Append(" = ").Append(body).Append('\n') |> ignore
        text.Append(last).ToString()
