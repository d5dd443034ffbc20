namespace Diff

open System

/// Operations in LaTeX, over the texts of their operands.
[<RequireQualifiedAccess>]
module internal LatexPart =
    let bracket least (part: Part) =
        if part.Strength < least then
            LatexText.brackets part.Text
        else
            part.Text

    let bracketRight least (part: Part) =
        if part.Text.StartsWith '-' then
            LatexText.brackets part.Text
        else
            bracket least part

    let private apply (name: string) (subscript: string) (args: Part seq) =
        let subscript = if subscript = "" then "" else "_{" + subscript + "}"
        let args = String.Join(", ", args |> Seq.map _.Text)
        Part.atom (name + subscript + LatexText.brackets args)

    let call name subscript args =
        apply (LatexText.operator name) subscript args

    let private infix (symbol: string) strength left right (args: Part[]) =
        Part.make strength (bracket left args[0] + " " + symbol + " " + bracketRight right args[1])

    let private comparison symbol args =
        infix symbol Strength.Comparison Strength.Sum Strength.Sum args

    let private times symbol args =
        infix symbol Strength.Product Strength.Product Strength.Product args

    let private power (x: Part) (exponent: Part) =
        Part.make Strength.Power (bracket Strength.Atom x + "^{" + exponent.Text + "}")

    let square (x: Part) =
        { power x (Part.atom "2") with
            Trait = Squared x }

    /// `isPlain` says whether a factor is one number: then a product is an ordinary one.
    let elementwise fn isPlain (args: Part[]) =
        match fn with
        | Fn.Add -> infix "+" Strength.Sum Strength.Sum Strength.Sum args
        | Fn.Sub -> infix "-" Strength.Sum Strength.Sum Strength.Contraction args
        | Fn.Mul -> times (if isPlain then @"\cdot" else @"\odot") args
        | Fn.Div -> Part.make Strength.Sign (@"\frac{" + args[0].Text + "}{" + args[1].Text + "}")
        | Fn.Pow -> power args[0] args[1]
        | Fn.Neg ->
            let strength = min Strength.Sign (max Strength.Product args[0].Strength)
            Part.make strength ("-" + bracketRight Strength.Product args[0])
        | Fn.Sqrt -> Part.atom (@"\sqrt{" + args[0].Text + "}")
        | Fn.Abs -> Part.atom (@"\left|" + args[0].Text + @"\right|")
        | Fn.Less -> comparison "<" args
        | Fn.LessEqual -> comparison @"\le" args
        | Fn.Greater -> comparison ">" args
        | Fn.GreaterEqual -> comparison @"\ge" args
        | Fn.Equal -> comparison "=" args
        | Fn.NotEqual -> comparison @"\ne" args
        | Fn.And -> infix @"\land" Strength.And Strength.And Strength.And args
        | Fn.Or -> infix @"\lor" Strength.Or Strength.Or Strength.Or args
        | Fn.Not -> Part.make Strength.Sign (@"\lnot " + bracket Strength.Power args[0])
        | Fn.Where ->
            let branch (value: Part) condition = value.Text + " & " + condition
            let rows =
                [ branch args[1] (@"\text{if } " + args[0].Text)
                  branch args[2] @"\text{otherwise}" ]
            Part.make Strength.Branches (@"\begin{cases} " + String.Join(@" \\ ", rows) + @" \end{cases}")
        | fn -> call (Fn.name fn) "" args

    /// A part with indices; those of a square go before the exponent.
    let subscripted (part: Part) (subscript: string) =
        let subscripted (part: Part) =
            let text =
                match part.Trait with
                | Subscripted
                | Window _ -> "{" + part.Text + "}"
                | _ -> bracket Strength.Atom part
            { Part.atom (text + "_{" + subscript + "}") with
                Trait = Subscripted }
        match part.Trait with
        | _ when subscript = "" -> part
        | Squared x -> square (subscripted x)
        | _ -> subscripted part
