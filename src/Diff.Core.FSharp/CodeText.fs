namespace Diff

open System
open System.Globalization
open System.IO
open System.Reflection
open System.Text.RegularExpressions

/// Numbers, types, scalar functions and helpers as C# source.
[<RequireQualifiedAccess>]
module internal CodeText =
    let refuse (node: Expr) what =
        let place =
            match node.Scope with
            | null -> ""
            | scope -> $" (in {scope})"
        raise (NotSupportedException $"ToCSharp: {Formula.opText node.Op}{place} {what}")

    let typeOf (node: Expr) =
        match node.DType with
        | DType.Float32 -> "float"
        | DType.Float64 -> "double"
        | DType.Int32 -> "int"
        | DType.Int64 -> "long"
        | DType.Bool -> "bool"
        | dtype -> refuse node $"is of {DType.name dtype}, which is only stored; cast it to float32"

    let private ofFloat (x: float) suffix (name: string) =
        if Double.IsNaN x then
            name + ".NaN"
        elif Double.IsInfinity x then
            name + (if x > 0.0 then ".PositiveInfinity" else ".NegativeInfinity")
        else
            let text = x.ToString("R", CultureInfo.InvariantCulture)
            if x < 0.0 || text.StartsWith '-' then
                $"({text}{suffix})"
            else
                text + suffix

    let number (dtype: DType) (x: float) (n: int64) =
        match dtype with
        | DType.Float64 -> ofFloat x "d" "double"
        | DType.Float32 ->
            if Double.IsFinite x then
                let text = (float32 x).ToString("R", CultureInfo.InvariantCulture)
                if text.StartsWith '-' then $"({text}f)" else text + "f"
            else
                ofFloat x "f" "float"
        | DType.Bool -> if n <> 0L || x <> 0.0 then "true" else "false"
        | DType.Int64 ->
            if n = Int64.MinValue then "long.MinValue"
            elif n < 0L then $"({n}L)"
            else $"{n}L"
        | _ ->
            if n = int64 Int32.MinValue then "int.MinValue"
            elif n < 0L then $"({n})"
            else string n

    /// The names of functions of the platform.
    let private platform (fn: Fn) =
        match fn with
        | Fn.Exp
        | Fn.Log
        | Fn.Sqrt
        | Fn.Sin
        | Fn.Cos
        | Fn.Tan
        | Fn.Tanh
        | Fn.Log2
        | Fn.Log10
        | Fn.Asin
        | Fn.Acos
        | Fn.Atan
        | Fn.Sinh
        | Fn.Cosh
        | Fn.Asinh
        | Fn.Acosh
        | Fn.Atanh
        | Fn.Floor
        | Fn.Round
        | Fn.Pow
        | Fn.Atan2 -> ValueSome(string fn)
        | Fn.Ceil -> ValueSome "Ceiling"
        | Fn.Trunc -> ValueSome "Truncate"
        | _ -> ValueNone

    /// A scalar function of operands of a type.
    let apply (fn: Fn) (dtype: DType) (args: string[]) =
        let isFloat = DType.isFloat dtype
        let called name =
            let call = name + "(" + String.Join(", ", args) + ")"
            if dtype = DType.Float32 then "(float)" + call else call
        let infix (symbol: string) = $"({args[0]} {symbol} {args[1]})"
        match fn with
        | Fn.Add -> infix "+"
        | Fn.Sub -> infix "-"
        | Fn.Mul -> infix "*"
        | Fn.Div -> if isFloat then infix "/" else called "Quotient"
        | Fn.Fmod -> if isFloat then infix "%" else called "Rest"
        | Fn.Neg -> $"(-{args[0]})"
        | Fn.Abs -> if isFloat then called "Math.Abs" else called "Magnitude"
        | Fn.Sign -> called (if isFloat then "ScalarMath.Sign" else "Math.Sign")
        | Fn.Max -> called "Math.Max"
        | Fn.Min -> called "Math.Min"
        | Fn.Equal -> infix "=="
        | Fn.NotEqual -> infix "!="
        | Fn.Less -> infix "<"
        | Fn.LessEqual -> infix "<="
        | Fn.Greater -> infix ">"
        | Fn.GreaterEqual -> infix ">="
        | Fn.And -> infix "&"
        | Fn.Or -> infix "|"
        | Fn.Not -> $"(!{args[0]})"
        | Fn.Where -> $"({args[0]} ? {args[1]} : {args[2]})"
        | Fn.Log1p
        | Fn.Expm1
        | Fn.Sigmoid
        | Fn.Softplus
        | Fn.Relu -> called ("ScalarMath." + string fn)
        | fn ->
            match platform fn with
            | ValueSome name -> called ("Math." + name)
            | ValueNone -> called ("SpecialMath." + string fn)

    let cast (from: DType) (into: DType) (x: string) =
        match from, into with
        | a, b when a = b -> x
        | DType.Bool, DType.Float32 -> $"({x} ? 1f : 0f)"
        | DType.Bool, DType.Float64 -> $"({x} ? 1d : 0d)"
        | DType.Bool, DType.Int64 -> $"({x} ? 1L : 0L)"
        | DType.Bool, _ -> $"({x} ? 1 : 0)"
        | _, DType.Bool -> $"({x} != 0)"
        | _, DType.Float32 -> $"(float){x}"
        | _, DType.Float64 -> $"(double){x}"
        | _, DType.Int64 -> $"unchecked((long){x})"
        | _ -> $"unchecked((int){x})"

    /// A file of this library's own source.
    let private resource (name: string) =
        use stream =
            nonNull (Assembly.GetExecutingAssembly().GetManifestResourceStream name)
        use reader = new StreamReader(stream)
        reader.ReadToEnd().Replace("\r", "").Split '\n'

    /// A line of helpers for float64 as one for float32, whose names end in Single.
    let private single (line: string) =
        let line =
            Regex.Replace(line, @"\b(Cholesky|Lu|Triangular|Solve|Qr|Reflect|Eigh|Rotate)\(", "$1Single(")
        let line = Regex.Replace(line, @"\bdouble\b", "float")
        let line = Regex.Replace(line, @"\bMath\.(?!Max|Min)", "MathF.")
        Regex.Replace(line, @"(\d\.\d+)", "$1f")

    let private body name =
        resource name
        |> Array.filter (fun line ->
            not (
                line.StartsWith("using ", StringComparison.Ordinal)
                || line.StartsWith("namespace ", StringComparison.Ordinal)
            ))
        |> Array.map (fun line ->
            if line.StartsWith("internal ", StringComparison.Ordinal) then
                "private " + line.Substring 9
            else
                line)

    let private specialParts =
        [ "SpecialMath.cs"
          "SpecialMath.Erf.cs"
          "SpecialMath.Gamma.cs"
          "SpecialMath.Incomplete.cs"
          "SpecialMath.Beta.cs"
          "Jet.cs" ]

    /// The helpers that a text needs.
    let helpers (code: string) : string seq =
        seq {
            let has (word: string) =
                code.Contains(word, StringComparison.Ordinal)
            if List.exists has [ "Place("; "Quotient("; "Rest("; "Magnitude("; "Order<"; "Search<" ] then
                yield! resource "CodeHelpers.txt"
            let matrices = [ "Cholesky"; "Lu"; "Triangular"; "Solve"; "Qr"; "Eigh" ]
            let isDeterminant = List.exists has [ "Determinant("; "SignedLog("; "Equilibrate(" ]
            if isDeterminant || matrices |> List.exists (fun name -> has (name + "(")) then
                yield! resource "CodeMatrices.txt"
            if isDeterminant then
                yield! resource "CodeDeterminants.txt"
            if matrices |> List.exists (fun name -> has (name + "Single(")) then
                yield! resource "CodeMatrices.txt" |> Array.map single
            let isSpecial = has "SpecialMath."
            if isSpecial || has "ScalarMath." then
                yield! body "ScalarCodeMath.cs"
            if isSpecial then
                for part in specialParts do
                    yield! body part
        }
