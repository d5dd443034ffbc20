namespace Diff

open System
open System.Text.RegularExpressions

/// Names, numbers and brackets in LaTeX.
[<RequireQualifiedAccess>]
module internal LatexText =
    let private escape (text: string) =
        text
        |> String.collect (fun c ->
            match c with
            | '\\' -> @"\textbackslash{}"
            | '~' -> @"\textasciitilde{}"
            | '^' -> @"\textasciicircum{}"
            | '_'
            | '#'
            | '$'
            | '%'
            | '&'
            | '{'
            | '}' -> @"\" + string c
            | c when Char.IsControl c -> " "
            | c -> string c)

    let private greek =
        set
            [ "alpha"
              "beta"
              "gamma"
              "delta"
              "epsilon"
              "zeta"
              "eta"
              "theta"
              "iota"
              "kappa"
              "lambda"
              "mu"
              "nu"
              "xi"
              "pi"
              "rho"
              "sigma"
              "tau"
              "upsilon"
              "phi"
              "chi"
              "psi"
              "omega"
              "Gamma"
              "Delta"
              "Theta"
              "Lambda"
              "Xi"
              "Pi"
              "Sigma"
              "Upsilon"
              "Phi"
              "Psi"
              "Omega" ]

    let private word (text: string) =
        if greek.Contains text then
            @"\" + text
        elif text.Length = 1 || Seq.forall Char.IsAsciiDigit text then
            text
        else
            @"\mathrm{" + text + "}"

    let private name =
        Regex(
            @"^(?<base>[A-Za-z]+?)(?<number>[0-9]+)?(_(?<sub>[A-Za-z0-9]+))*$",
            RegexOptions.CultureInvariant
        )

    /// A variable's name: `w_1` and `w1` are w with the subscript 1, `theta` is the letter, other long names are upright.
    let identifier (text: string) =
        let m = name.Match text
        if text = "" then
            @"\bullet"
        elif not m.Success then
            @"\text{" + escape text + "}"
        else
            let subscripts =
                Seq.append m.Groups["number"].Captures m.Groups["sub"].Captures
                |> Seq.map (fun c -> word c.Value)
            let stem = word m.Groups["base"].Value
            if Seq.isEmpty subscripts then
                stem
            else
                stem + "_{" + String.Join(",", subscripts) + "}"

    /// The n-th thing of one name.
    let mark (text: string) (n: int) =
        (if text.Contains "_{" then "{" + text + "}" else text)
        + "_{("
        + string n
        + ")}"

    /// A function's name.
    let operator (name: string) =
        match name with
        | "exp"
        | "log"
        | "sin"
        | "cos"
        | "tan"
        | "tanh"
        | "max"
        | "min" -> @"\" + name
        | name -> @"\operatorname{" + escape name + "}"

    let number (value: Scalar) =
        match Words.number value with
        | "Infinity" -> @"\infty"
        | "-Infinity" -> @"-\infty"
        | "NaN" -> @"\mathrm{NaN}"
        | "true"
        | "false" as text -> @"\mathrm{" + text + "}"
        | text ->
            match text.Split 'E' with
            | [| digits; exponent |] -> digits + @" \cdot 10^{" + string (int exponent) + "}"
            | _ -> text

    let brackets (text: string) = @"\left(" + text + @"\right)"

    let dims (shape: Shape) = String.Join(@" \times ", shape.Dims)
