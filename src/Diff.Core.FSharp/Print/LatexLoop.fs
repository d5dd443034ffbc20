namespace Diff

open System
open System.Collections.Generic

/// Loops and branches in LaTeX: a name in the formula, and lines that say what it stands for. Iterations are t, the states before iteration
/// t of a sweep forwards are s_t, after it s_{t+1}; backwards it is the other way.
[<RequireQualifiedAccess>]
module internal LatexLoop =
    /// A letter at an iteration; one with a mark above binds like a power, of which there can be no other without brackets.
    let private subscripted (name: string) subscript =
        { LatexPart.subscripted (Part.atom name) subscript with
            Strength = if name.Contains '^' then Strength.Power else Strength.Atom }

    /// How a node with bodies is written among others: \operatorname{scan}_{t=0}^{4} f_{1}(…).
    let call (node: Expr) (name: string) (args: Part[]) : Part =
        let texts = String.Join(", ", args |> Seq.map _.Text)
        let over =
            match node.Op with
            | Op.Loop extension ->
                match (Iterated.Of extension).Iteration.Length with
                | ValueSome n -> "_{t=0}^{" + string (n - 1) + "}"
                | ValueNone -> ""
            | _ -> ""
        Part.atom (
            LatexText.operator (Words.op node.Op)
            + over
            + " "
            + name
            + LatexText.brackets texts
        )

    /// The letter for the states of a sweep, with the sweep's and the state's number where there are several.
    let private stateName (it: Iteration) j s =
        let marks =
            [ if it.Sweeps.Length > 1 then
                  string (j + 1)
              if it.Sweeps[j].States > 1 then
                  string (s + 1) ]
        if marks.IsEmpty then
            "s"
        else
            "s^{(" + String.Join(",", marks) + ")}"

    let private outputName (it: Iteration) j o =
        let marks =
            [ if it.Sweeps.Length > 1 then
                  string (j + 1)
              if it.Sweeps[j].Outputs > 1 then
                  string (o + 1) ]
        if marks.IsEmpty then
            "y"
        else
            "y^{(" + String.Join(",", marks) + ")}"

    let private before (it: Iteration) j s =
        subscripted (stateName it j s) (if it.Sweeps[j].Reverse then "t+1" else "t")

    let private after (it: Iteration) j s =
        subscripted (stateName it j s) (if it.Sweeps[j].Reverse then "t" else "t+1")

    let private loopLines (it: Iteration) (args: Part[]) (body: (Expr * Part)[] -> Expr -> string) =
        let fed (feed: Feed) =
            match feed with
            | Feed.State(j, s) -> before it j s
            | Feed.After(j, s) -> after it j s
            | Feed.Output(j, o) -> subscripted (outputName it j o) "t"
            | Feed.Slice a -> LatexPart.subscripted args[a] "t"
            | Feed.Whole a -> args[a]
        let holes (feeds: Feed[]) (body: Body) =
            Array.zip body.Inputs (Array.map fed feeds)
        let last =
            match it.Length with
            | ValueSome n -> string n
            | ValueNone -> "n"
        [ match it.Condition with
          | ValueSome(struct (feeds, test)) ->
              @"\text{as long as }", (fun () -> body (holes feeds test) test.Outputs[0])
          | ValueNone -> ()
          for j in 0 .. it.Sweeps.Length - 1 do
              let sweep = it.Sweeps[j]
              let holes = holes sweep.Feeds sweep.Body
              for s in 0 .. sweep.States - 1 do
                  let first = if sweep.Reverse then last else "0"
                  (subscripted (stateName it j s) first).Text + " = ", (fun () -> args[sweep.Init[s]].Text)
              for s in 0 .. sweep.States - 1 do
                  (after it j s).Text + " = ", (fun () -> body holes (sweep.State s))
              for o in 0 .. sweep.Outputs - 1 do
                  (subscripted (outputName it j o) "t").Text + " = ", (fun () -> body holes (sweep.Output o)) ]

    let private branchLines (branches: Branches) (args: Part[]) (body: (Expr * Part)[] -> Expr -> string) =
        let side (of': Body) =
            Array.zip of'.Inputs args[1..] |> Array.ofSeq, of'.Outputs
        let (yes, yesOutputs), (no, noOutputs) =
            side branches.WhenTrue, side branches.WhenFalse
        [ for k in 0 .. yesOutputs.Length - 1 do
              let name =
                  if yesOutputs.Length = 1 then
                      "y"
                  else
                      "y^{(" + string (k + 1) + ")}"
              name + " = ",
              fun () ->
                  let a, b = body yes yesOutputs[k], body no noOutputs[k]
                  @"\begin{cases} "
                  + a
                  + @" & \text{if } "
                  + args[0].Text
                  + @" \\ "
                  + b
                  + @" & \text{otherwise} \end{cases}" ]

    /// What the name of a node stands for: lines, each of which may need others before it. `body` writes a graph on parts for its holes.
    let lines (node: Expr) (args: Part[]) (body: (Expr * Part)[] -> Expr -> string) =
        match node.Op with
        | Op.Loop extension -> loopLines (Iterated.Of extension).Iteration args body
        | Op.Branch extension -> branchLines (Branches.Of extension) args body
        | _ -> []
