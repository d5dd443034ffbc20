namespace Diff

open System
open System.Collections.Generic
open System.Globalization

/// How to look into a node. The formula is written before the node type exists, so that the node's ToString can be it.
type internal View<'Node> =
    { Id: 'Node -> int64
      Op: 'Node -> Op
      Args: 'Node -> 'Node[]
      Shape: 'Node -> Shape }

/// Graphs as formulas, in plain text: `y + exp(x + 3)`. Shared parts of a large graph get names and lines of their own.
[<RequireQualifiedAccess>]
module internal Formula =
    /// Binding strength: an operand weaker than its place asks for gets brackets.
    [<Literal>]
    let Sum = 1

    [<Literal>]
    let Product = 2

    [<Literal>]
    let Sign = 3

    [<Literal>]
    let Power = 4

    [<Literal>]
    let Atom = 5

    let number (value: Scalar) =
        if value.DType = DType.Bool then (if value.Bits = 0L then "false" else "true")
        elif not (DType.isFloat value.DType) then string value.Bits
        elif value.DType = DType.Float32 then (float32 value.AsFloat).ToString("R", CultureInfo.InvariantCulture)
        else value.AsFloat.ToString("R", CultureInfo.InvariantCulture)

    let private dims (dims: int[]) = "[" + String.Join(",", dims) + "]"

    let sliceText (starts: int[]) (steps: int[]) =
        let axis (start: int) (step: int) = if step = 1 then string start else $"{start}:{step}"
        "[" + String.Join(", ", Array.map2 axis starts steps) + "]"

    let extremeName =
        function
        | Extreme.Max -> "max"
        | Extreme.Min -> "min"

    /// The name of an operation in listings, with what it carries.
    let opText (op: Op) =
        match op with
        | Op.Variable v -> if v.Name = "" then "variable" else v.Name
        | Op.Const c -> number c
        | Op.Literal _ -> "literal"
        | Op.Iota axis -> $"iota {axis}"
        | Op.Elementwise fn -> Fn.name fn
        | Op.Cast -> "cast"
        | Op.StopGradient -> "stop_gradient"
        | Op.Barrier -> "barrier"
        | Op.Einsum spec -> $"einsum {spec}"
        | Op.Reshape -> "reshape"
        | Op.Slice(starts, steps) -> "slice " + sliceText starts steps
        | Op.Embed(starts, steps) -> "embed " + sliceText starts steps
        | Op.Concat axis -> $"concat {axis}"
        | Op.Gather axis -> $"gather {axis}"
        | Op.ScatterAdd axis -> $"scatter_add {axis}"
        | Op.Reduce(extreme, axes) -> $"reduce_{extremeName extreme} {dims axes}"
        | Op.ArgReduce(extreme, axis) -> $"arg{extremeName extreme} {axis}"
        | Op.Call body -> body.Name
        | Op.Custom custom -> custom.Name

    let private call (name: string) (args: (string * int)[]) =
        name + "(" + String.Join(", ", Array.map fst args) + ")", Atom

    let private bracket least (text: string, strength: int) = if strength < least then "(" + text + ")" else text

    /// The text of one node over the texts of its arguments, and how strongly it binds.
    let private node (op: Op) (shape: Shape) (args: (string * int)[]) : string * int =
        let infix symbol left right strength = bracket left args[0] + symbol + bracket right args[1], strength
        match op with
        | Op.Const c ->
            let text = number c
            text, (if text.StartsWith '-' then Sign else Atom)
        | Op.Variable v -> (if v.Name = "" then "_" else v.Name), Atom
        | Op.Literal _ -> $"literal{shape}", Atom
        | Op.Iota axis -> $"iota({axis}, {shape})", Atom
        | Op.Elementwise fn ->
            match fn with
            | Fn.Add -> infix " + " Sum Sum Sum
            | Fn.Sub -> infix " - " Sum Product Sum
            | Fn.Mul -> infix " * " Product Product Product
            | Fn.Div -> infix " / " Product Sign Product
            | Fn.Neg -> "-" + bracket Product args[0], Sign
            | Fn.Pow -> infix "^" Atom Atom Power
            | Fn.Less -> infix " < " Sum Sum 0
            | Fn.LessEqual -> infix " <= " Sum Sum 0
            | Fn.Greater -> infix " > " Sum Sum 0
            | Fn.GreaterEqual -> infix " >= " Sum Sum 0
            | Fn.Equal -> infix " == " Sum Sum 0
            | Fn.NotEqual -> infix " != " Sum Sum 0
            | fn -> call (Fn.name fn) args
        | Op.Einsum { Inputs = [| input |]; Output = output } when
            output.Length > 0 && input = String(Array.rev (output.ToCharArray())) && input.Length = 2
            -> call "transpose" args
        | Op.Einsum { Inputs = [| input |]; Output = "" } when input.Length > 0 && Seq.distinct input |> Seq.length = input.Length ->
            call "sum" args
        | Op.Einsum { Inputs = [| input |]; Output = output } when
            Seq.forall (fun (c: char) -> output.Contains c) input && Seq.distinct output |> Seq.length = output.Length && input.Length < output.Length && output.EndsWith input
            -> call "broadcast" (Array.append args [| string shape, Atom |])
        | Op.Einsum spec -> call "einsum" (Array.append [| $"\"{spec}\"", Atom |] args)
        | Op.Reshape -> call "reshape" (Array.append args [| string shape, Atom |])
        | Op.Slice(starts, steps) ->
            let axis i start =
                let count = shape[i]
                if steps[i] = 1 then $"{start}:{start + count}" else $"{start}:{start + steps[i] * count}:{steps[i]}"
            bracket Atom args[0] + "[" + String.Join(", ", Array.mapi axis starts) + "]", Atom
        | Op.Embed _
        | Op.Concat _
        | Op.Gather _
        | Op.ScatterAdd _
        | Op.ArgReduce _
        | Op.Reduce _ ->
            let words = (opText op).Split(' ', 2)
            call words[0] (Array.append args [| words[1], Atom |])
        | Op.Cast
        | Op.StopGradient
        | Op.Barrier
        | Op.Call _
        | Op.Custom _ -> call (opText op) args

    /// Nodes below the root, arguments first, without recursion.
    let private topological (view: View<'Node>) (root: 'Node) =
        let seen = HashSet<int64>([ view.Id root ])
        let nodes = List<'Node>([ root ])
        let mutable i = 0
        while i < nodes.Count do
            for arg in view.Args nodes[i] do
                if seen.Add(view.Id arg) then
                    nodes.Add arg
            i <- i + 1
        nodes.Sort(fun a b -> compare (view.Id a) (view.Id b))
        nodes

    /// The formula of a node. `inline` is as long as a text may get before a shared part gets a line of its own.
    let text (view: View<'Node>) (root: 'Node) : string =
        let nodes = topological view root
        let uses = Dictionary<int64, int>()
        for n in nodes do
            for a in view.Args n do
                uses[view.Id a] <- 1 + (match uses.TryGetValue(view.Id a) with | true, k -> k | _ -> 0)
        // As a tree, the formula of a graph with sharing can be exponentially long: shared parts and long lines get names.
        let texts = Dictionary<int64, string * int>()
        let lines = Text.StringBuilder()
        let mutable named = 0
        let longest, longestShared = 400, 24
        let mutable result = ""
        for n in nodes do
            let id = view.Id n
            let body, strength = node (view.Op n) (view.Shape n) (view.Args n |> Array.map (fun a -> texts[view.Id a]))
            if id = view.Id root then
                result <- body
            elif body.Length > longest || (uses[id] > 1 && body.Length > longestShared && nodes.Count > 24) then
                named <- named + 1
                lines.Append($"t{named} = {body}\n") |> ignore
                texts[id] <- ($"t{named}", Atom)
            else
                texts[id] <- (body, strength)
        lines.ToString() + result
