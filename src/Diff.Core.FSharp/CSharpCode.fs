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

    /// The method for some results, as a function of variables.
    let private write
        (name: string)
        (variables: (Expr * string)[])
        (constants: List<string>)
        (outputs: (string * Expr)[])
        =
        let frame = CodeFrame constants
        CodeGraph.write frame variables (Array.map fst outputs) (Array.map snd outputs)
        let scratch = frame.Bytes
        if scratch > int64 Int32.MaxValue then
            raise (
                NotSupportedException
                    $"ToCSharp: {name} needs {scratch} bytes of scratch memory, more than a span holds; compute on smaller arrays, or in fewer iterations"
            )
        let inputs =
            variables
            |> Array.map (fun (e, name) -> $"ReadOnlySpan<{CodeText.typeOf e}> {name}")
        let results =
            outputs |> Array.map (fun (name, e) -> $"Span<{CodeText.typeOf e}> {name}")
        let list = String.Join(", ", Array.append inputs results)
        let head = CodeWriter 1
        head.Line ""
        head.Line $"/// <summary>The bytes of scratch memory that {name} needs.</summary>"
        head.Line $"public const int {name}ScratchBytes = {scratch};"
        head.Line ""
        let shapes =
            Array.append
                (variables |> Array.map (fun (e, n) -> $"{n} {e.Shape}"))
                (outputs |> Array.map (fun (n, e) -> $"{n} {e.Shape}"))
        head.Line $"""/// <summary>Shapes, in row-major order: {String.Join(", ", shapes)}.</summary>"""
        head.Open $"""public static void {name}({list}, Span<byte> scratch)"""
        if scratch > 0L then
            head.Line
                $"""if (scratch.Length < {name}ScratchBytes) throw new ArgumentException("{name}: the scratch memory is too small", nameof(scratch));"""
        let lengths =
            Array.append
                (variables |> Array.map (fun (e, n) -> n, e.Shape.Length))
                (outputs |> Array.map (fun (n, e) -> n, e.Shape.Length))
        for n, length in lengths do
            head.Line
                $"""if ({n}.Length != {length}) throw new ArgumentException("{name}: {n} takes {length} numbers", nameof({n}));"""
        let text = StringBuilder()
        text.Append(head.ToString()).Append(frame.Text.ToString()).Append("    }\n")
        |> ignore
        if scratch <= 8192L then
            let names =
                String.Join(", ", Array.append (variables |> Array.map snd) (outputs |> Array.map fst))
            let overload = CodeWriter 1
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
            HashSet<string>([ "scratch"; "sum"; "best"; "h"; "x"; "e"; "i"; "j"; "k"; "o"; "d" ])
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
