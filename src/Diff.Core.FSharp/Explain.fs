namespace Diff

open System
open System.Collections.Generic
open System.Globalization
open System.Text
open Diff.Kernels

/// Plans as text: what runs, in which order, on how many numbers, and, if timed, how long each step takes. A result of step 3 that a
/// later step uses is called s3.
[<RequireQualifiedAccess>]
module internal Explain =
    /// Three digits and a prefix: 24.6 k.
    let private scaled (value: float) (unit: string) =
        let text (x: float) format =
            x.ToString((format: string), CultureInfo.InvariantCulture)
        let mutable x, prefix = value, 0
        while abs x >= 999.5 && prefix < 4 do
            x <- x / 1000.0
            prefix <- prefix + 1
        let digits =
            if prefix = 0 || x >= 99.95 then "0"
            elif x >= 9.995 then "0.0"
            else "0.00"
        text x digits + " " + [| ""; "k"; "M"; "G"; "T" |][prefix] + unit

    let private seconds (s: float) =
        let text (x: float) unit =
            x.ToString(
                (if x >= 99.95 then "0"
                 elif x >= 9.995 then "0.0"
                 else "0.00"),
                CultureInfo.InvariantCulture
            )
            + unit
        if s >= 1.0 then text s " s"
        elif s >= 1e-3 then text (s * 1e3) " ms"
        else text (s * 1e6) " µs"

    let private counted n (noun: string) =
        if n = 1 then $"1 {noun}" else $"{n} {noun}s"

    let private isLeaf (node: Expr) = node.Args.Length = 0

    /// The nodes of a plan's steps: which step computes each, which of them others need, and what they are called there.
    [<Sealed>]
    type private Names(data: PlanData) =
        let step = NodeMap<int>() // 1 + position
        // A sum of products is copied first and then added to: what it is, is complete only later.
        let isStarted (s: Step) (node: Expr) =
            match node.Op with
            | Op.Elementwise _ -> s.Kind = "copy"
            | _ -> false
        do
            data.Steps
            |> Array.iteri (fun k s ->
                for node in s.Nodes do
                    if not (isLeaf node) && step[node] = 0 && not (isStarted s node) then
                        step[node] <- k + 1)
        let isOutput = NodeMap<bool>()
        let outputs = data.Steps |> Array.map (fun _ -> List<Expr>())
        let output (node: Expr) =
            if step[node] > 0 && not isOutput[node] then
                isOutput[node] <- true
                outputs[step[node] - 1].Add node
        do
            for root in data.Roots do
                output root
            // What no step computes, a view, is read through; each view is looked through once.
            let seen = NodeMap<bool>()
            let waiting = Stack<Expr>()
            let read (reader: int) (node: Expr) =
                if step[node] = 0 then
                    if not seen[node] then
                        seen[node] <- true
                        waiting.Push node
                elif step[node] <> reader then
                    output node
            for root in data.Roots do
                read 0 root
            data.Steps
            |> Array.iteri (fun k s ->
                for node in s.Nodes do
                    let reader = if isStarted s node || isLeaf node then 0 else k + 1
                    Array.iter (read reader) node.Args)
            while waiting.Count > 0 do
                Array.iter (read 0) (waiting.Pop()).Args
            for found in outputs do
                found.Sort(fun a b -> compare a.Id b.Id)
        let standIns = NodeMap<Op | null>()

        member _.StepOf(node: Expr) = step[node]
        member _.Outputs(k: int) : Expr[] = outputs[k].ToArray()

        /// How other steps call a node.
        member _.Name(node: Expr) : string =
            let k = step[node] - 1
            if outputs[k].Count = 1 then
                $"s{k + 1}"
            else
                $"s{k + 1}.{1 + outputs[k].IndexOf node}"

        /// What step k computes of a node: a formula on one line.
        member this.Formula(k: int, node: Expr) : string =
            let isElsewhere (e: Expr) = step[e] > 0 && step[e] <> k + 1
            let standIn (e: Expr) : Op =
                match standIns[e] with
                | null ->
                    let made = Op.Variable(Variable(this.Name e, e.Shape, e.DType))
                    standIns[e] <- made
                    made
                | known -> known
            let view: View<Expr> =
                { Id = fun e -> e.Id
                  Op = fun e -> if isElsewhere e then standIn e else e.Op
                  Args = fun e -> if isElsewhere e then [||] else e.Args
                  Shape = fun e -> e.Shape }
            let text = (Formula.text view node).Replace("\n", "; ")
            let longest = 160
            if text.Length > longest then
                text.Substring(0, longest - 1) + "…"
            else
                text

    /// The members of a fused group by what they do: `2 add, tanh`.
    let private members (nodes: Expr[]) =
        let words =
            nodes
            |> Seq.countBy (fun node -> Formula.opText node.Op)
            |> Seq.map (fun (word, n) -> if n = 1 then word else $"{n} {word}")
        String.Join(", ", words)

    let private tierOf isCompiled =
        if isCompiled then "compiled" else "interpreted"

    let private scopes (nodes: Expr[]) =
        let paths =
            nodes
            |> Seq.choose (fun node ->
                match node.Scope with
                | null -> None
                | scope -> Some(Listing.scopeText scope))
            |> Seq.distinct
            |> Array.ofSeq
        match paths with
        | [||] -> ""
        | [| one |] -> "  ; " + one
        | [| one; two |] -> $"  ; {one}, {two}"
        | many -> $"  ; {many[0]}, {many[1]} and {many.Length - 2} more"

    let private productSize (p: GemmPlan) =
        let one = $"{p.Rows}×{p.Cols}×{p.Depth}"
        if p.Batch = 1 then one else $"{one}×{p.Batch}"

    /// Rows × columns of a loop; rows × columns × depth (× how many) of a product.
    let private size (step: Step) : string =
        match step.Action with
        | OnMemory(:? LoopMemoryStep as loop) -> $"{loop.Kernel.Rows}×{loop.Kernel.Cols}"
        | OnMemory(:? ProductMemoryStep as product) -> productSize product.Plan
        | OnMemory(:? ProductLoopMemoryStep as both) -> productSize both.Product.Plan
        | _ -> ""

    let private target (data: PlanData) (node: Expr) =
        let text (target: Target) =
            match target with
            | Target.Result k -> $"result {k}"
            | Target.Into v -> Words.identifier v.Name
        let targets =
            [ for k in 0 .. data.Roots.Length - 1 do
                  if obj.ReferenceEquals(data.Roots[k], node) then
                      text data.Targets[k] ]
        if targets.IsEmpty then
            ""
        else
            " → " + String.Join(", ", targets)

    /// What a step computes.
    let private what (data: PlanData) (names: Names) (k: int) : string =
        let step = data.Steps[k]
        let computes (node: Expr) =
            $"{names.Formula(k, node)} : {Listing.typeText node}{target data node}"
        let outputs =
            match step.Action, names.Outputs k with
            | OnMemory(:? CopyMemoryStep), [||] ->
                let node = step.Nodes[0]
                if names.StepOf node > 0 then
                    $"copy of {names.Name node} : {Listing.typeText node}{target data node}"
                elif isLeaf node then
                    $"copy of {computes node}"
                else
                    $"first part of {computes node}"
            | OnMemory(:? ScalarMemoryStep), _ ->
                String.Join(" | ", step.Nodes |> Seq.truncate 8 |> Seq.map computes)
            | _, [||] -> computes (Array.last step.Nodes)
            | _, found -> String.Join(" | ", found |> Seq.truncate 8 |> Seq.map computes)
        let how =
            match step.Action with
            | OnMemory(:? LoopMemoryStep as loop) ->
                $"  [{members step.Nodes}; {tierOf loop.Kernel.IsCompiled}]"
            | OnMemory(:? ProductLoopMemoryStep as both) ->
                let added =
                    if both.Product.Accumulates then
                        "added to its sum, "
                    else
                        ""
                $"  [{added}{members step.Nodes}, block by block; {tierOf both.Loop.Kernel.IsCompiled}]"
            | OnMemory(:? ScalarMemoryStep as scalar) ->
                let f = scalar.Function
                $"""  [{counted f.Count "instruction"}; {tierOf f.IsCompiled}]"""
            | OnMemory(:? ProductMemoryStep as product) when product.Accumulates -> "  [added to its sum]"
            | OnMemory(:? InnerStep as inner) -> $"  [{inner.Text}]"
            | _ -> ""
        outputs + how + scopes step.Nodes

    let private rate (step: Step) (time: float) =
        if time <= 0.0 then
            ""
        elif step.Kind.StartsWith("product", StringComparison.Ordinal) then
            scaled (step.Flops / time) "flop/s"
        elif step.Bytes > 0.0 then
            scaled (step.Bytes / time) "B/s"
        else
            ""

    let private table (rows: string[][]) : string seq =
        let widths =
            Array.init rows[0].Length (fun c -> rows |> Seq.map (fun row -> row[c].Length) |> Seq.max)
        let last = widths.Length - 1
        rows
        |> Seq.map (fun row ->
            let cells =
                row
                |> Seq.mapi (fun c cell ->
                    if c = last then cell
                    elif c <= 1 then cell.PadRight widths[c]
                    else cell.PadLeft widths[c])
            String.Join("  ", cells).TrimEnd())

    /// The plan as text; `times` are those of its steps in seconds, if they were taken.
    let rec text (title: string) (options: EngineOptions) (plan: Plan) (times: float[] option) : string =
        let data = plan.Data
        let names = Names data
        let kinds =
            data.Steps
            |> Seq.countBy _.Kind
            |> Seq.map (fun (kind, n) ->
                match kind with
                | "copy" when n <> 1 -> $"{n} copies"
                | "scalar code" -> $"{n} of scalar code"
                | kind -> counted n kind)
        let sum (f: Step -> float) = Array.sumBy f data.Steps
        let lines = StringBuilder()
        let line (text: string) =
            lines.Append(text).Append('\n') |> ignore
        let tier = (string options.Tier).ToLowerInvariant()
        line
            $"""{title}: {counted data.Steps.Length "step"} ({String.Join(", ", kinds)}), {scaled (sum _.Flops) "flop"}, {scaled (sum _.Bytes) "B"} moved"""
        line
            $"""memory: {scaled (float data.ArenaBytes) "B"} for values between steps, {scaled (float data.Constants.Bytes) "B"} of constants; {counted data.Threads "thread"}, tier {tier}"""
        if data.Recomputed.Length > 0 then
            let shown =
                data.Recomputed
                |> Seq.truncate 12
                |> Seq.map (fun e -> $"{Formula.opText e.Op} : {Listing.typeText e}{scopes [| e |]}")
            let more =
                if data.Recomputed.Length > 12 then
                    $", and {data.Recomputed.Length - 12} more"
                else
                    ""
            line $"""computed again to save memory: {String.Join(", ", shown)}{more}"""
        let total = times |> Option.map Array.sum
        let timing k =
            match times, total with
            | Some times, Some total ->
                let share = if total > 0.0 then 100.0 * times[k] / total else 0.0
                [ seconds times[k]
                  share.ToString("0", CultureInfo.InvariantCulture) + " %"
                  rate data.Steps[k] times[k] ]
            | _ -> []
        let rows =
            data.Steps
            |> Array.mapi (fun k step ->
                [| yield $"s{k + 1}"
                   yield step.Kind
                   yield size step
                   yield scaled step.Flops "flop"
                   yield scaled step.Bytes "B"
                   yield! timing k
                   yield what data names k |])
        if rows.Length > 0 then
            Seq.iter line (table rows)
        match total with
        | Some total -> line $"total {seconds total}"
        | None -> ()
        for k in 0 .. data.Steps.Length - 1 do
            match data.Steps[k].Action with
            | OnMemory(:? InnerStep as inner) ->
                for name, plan in inner.Plans do
                    let within = text $"s{k + 1}, {name}" options plan None
                    line ""
                    line ("   " + within.Replace("\n", "\n   "))
            | _ -> ()
        lines.ToString().TrimEnd '\n'

    // Enough runs for a median, after some that touch all memory first; long plans are not run for more than about a second.
    let private warmUps, mostRuns, leastRuns, budget =
        3, 25, 3, TimeSpan.FromSeconds 1.0

    /// The median time of each step in seconds. It works on copies of what variables hold, so none changes.
    let time (plan: Plan) (inputs: NDArray[]) : float[] =
        let taken = plan.Data.Steps |> Array.map (fun _ -> List<float>())
        let trial = Trial(fun k time -> taken[k].Add time.TotalSeconds)
        let results = plan.NewResults()
        for _ in 1..warmUps do
            plan.Time(inputs, results, trial)
        for times in taken do
            times.Clear()
        let clock = Diagnostics.Stopwatch.StartNew()
        let mutable runs = 0
        while runs < leastRuns || (runs < mostRuns && clock.Elapsed < budget) do
            plan.Time(inputs, results, trial)
            runs <- runs + 1
        taken
        |> Array.map (fun times ->
            times.Sort()
            times[times.Count / 2])

    /// A plan, timed or not.
    let plan title options (plan: Plan) (inputs: NDArray[]) timed : string =
        text title options plan (if timed then Some(time plan inputs) else None)

    let value (x: Expr) timed : string =
        plan "value" EngineOptions.Default (Planner.make EngineOptions.Default [||] [| x |]) [||] timed

/// What evaluating takes, step by step.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Explanations =
    /// How a value is computed: the steps of its plan with what they compute, their sizes, operations and bytes.
    let explain (x: Expr) : string = Explain.value x false

    /// The same with the time that each step takes: the median of some runs.
    let profile (x: Expr) : string = Explain.value x true
