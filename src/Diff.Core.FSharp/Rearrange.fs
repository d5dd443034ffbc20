namespace Diff

open System
open System.Collections.Generic

/// How the elements along axes become one.
type Aggregate =
    | Sum = 0
    | Mean = 1
    | Max = 2
    | Min = 3
    | Prod = 4
    | LogSumExp = 5

/// Reshaping, transposing, reducing and repeating by patterns that name the axes (Rogozhnikov 2022). `b c (h h2) -> b (c h2) h` takes an
/// axis apart and composes another; `...` stands for any axes, `1` for an axis of extent 1. Extents that the array does not tell are given
/// by name: of the axes in parentheses all but one.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Rearrange =
    /// What a pattern says of an array: its single axes in order, and those of the result in their groups. Numbers and the axes of an ellipsis
    /// have names that no user can give.
    type private Plan =
        { From: (string * int) list
          Into: (string * int) list list }

    /// Whether axes may go away or come: in which direction a pattern may be uneven.
    type private Uneven =
        | Neither
        | Dropped
        | Added

    let private solve operation uneven (extents: (string * int) list) (pattern: string) (x: Expr) : Plan =
        let fail column what =
            AxisPattern.fail operation pattern column what
        let struct (left, right) = AxisPattern.parse operation pattern
        let isEllipsis (g: AxisGroup) =
            g.Terms |> List.exists (fun t -> t.Word = AxisWord.Ellipsis)
        let hidden = x.Rank - left.Length + 1
        let rank = left.Length
        match left |> List.tryFind isEllipsis with
        | Some g when hidden < 0 ->
            fail g.Column $"at least {rank - 1} axes are named, but shape {x.Shape} has {x.Rank}"
        | None when rank <> x.Rank -> fail 0 $"{rank} axes are named, but shape {x.Shape} has {x.Rank}"
        | _ -> ()

        let known = Dictionary<string, int>()
        for name, extent in extents do
            if extent < 1 then
                fail 0 $"axis '{name}' is given {extent} elements; expected at least 1"
            if not (known.TryAdd(name, extent)) then
                fail 0 $"the extent of axis '{name}' is given twice"
        let isNamed (name: string) (groups: AxisGroup list) =
            groups
            |> List.exists (fun g -> g.Terms |> List.exists (fun t -> t.Word = AxisWord.Name name))
        for name, _ in extents do
            if not (isNamed name left || isNamed name right) then
                fail 0 $"the extent of axis '{name}' is given, but the pattern does not have it"

        // Ones and numbers are axes of their own; ones are left out.
        let number allowed (term: AxisTerm) n =
            if n > 1 && not allowed then
                fail
                    term.Column
                    $"an axis of {n} elements has no counterpart on the other side; give it a name"
            if n = 1 then [] else [ $"{n}@{term.Column}", n ]

        /// The single axes of one group over an axis of the array.
        let divide (axis: int) (group: AxisGroup) =
            let extent = x.Shape[axis]
            let single =
                group.Terms
                |> List.collect (fun term ->
                    match term.Word with
                    | AxisWord.Name name ->
                        match known.TryGetValue name with
                        | true, n -> [ name, Some n ]
                        | _ -> [ name, None ]
                    | AxisWord.Number n ->
                        number (uneven = Dropped) term n |> List.map (fun (name, n) -> name, Some n)
                    | AxisWord.Ellipsis -> [])
            let given =
                single |> List.fold (fun product (_, n) -> product * int64 (defaultArg n 1)) 1L
            match single |> List.filter (fun (_, n) -> n.IsNone) with
            | [] ->
                if given <> int64 extent then
                    fail
                        group.Column
                        $"{AxisPattern.text group} has {given} elements, but axis {axis} of shape {x.Shape} has {extent}"
            | [ name, _ ] ->
                if given = 0L || int64 extent % given <> 0L then
                    fail
                        group.Column
                        $"axis {axis} of shape {x.Shape} has {extent} elements, which {given} do not divide: '{name}' of {AxisPattern.text group} would be no whole number"
                known[name] <- int (int64 extent / given)
            | several ->
                let names = String.Join(" and ", several |> List.map (fun (name, _) -> $"'{name}'"))
                fail
                    group.Column
                    $"the extents of {names} in {AxisPattern.text group} are open; give all but one of them"
            single
            |> List.map (fun (name, n) -> name, (if n.IsSome then n.Value else known[name]))

        let from =
            let mutable axis = 0
            [ for group in left do
                  if isEllipsis group then
                      for k in 0 .. hidden - 1 do
                          yield $"...{k}", x.Shape[axis + k]
                      axis <- axis + hidden
                  else
                      yield! divide axis group
                      axis <- axis + 1 ]
        let present = HashSet<string>(Seq.map fst from)
        let wanted (term: AxisTerm) =
            match term.Word with
            | AxisWord.Ellipsis ->
                if not (List.exists isEllipsis left) then
                    fail term.Column "'...' stands only on the right"
                [ for k in 0 .. hidden - 1 -> $"...{k}", x.Shape[(List.findIndex isEllipsis left) + k] ]
            | AxisWord.Number n -> number (uneven = Added) term n
            | AxisWord.Name name ->
                if not (present.Contains name) && uneven <> Added then
                    fail term.Column $"axis '{name}' stands only on the right"
                match known.TryGetValue name with
                | true, n -> [ name, n ]
                | _ -> fail term.Column $"axis '{name}' is new; give its extent"
        let into =
            [ for group in right do
                  let axes = List.collect wanted group.Terms
                  // Each axis of an ellipsis is one of the result, unless parentheses make one of them.
                  if isEllipsis group && not group.IsComposed then
                      yield! List.map List.singleton axes
                  else
                      yield axes ]
        if uneven <> Dropped then
            for term in left |> List.collect _.Terms do
                let isKept =
                    right
                    |> List.exists (fun g ->
                        g.Terms
                        |> List.exists (fun t ->
                            t.Word = term.Word
                            || (match term.Word with
                                | AxisWord.Number _ -> true
                                | _ -> false)))
                let isOne =
                    match term.Word with
                    | AxisWord.Number _ -> true
                    | _ -> false
                if not (isKept || isOne) then
                    fail
                        term.Column
                        $"axis '{AxisPattern.wordText term.Word}' does not stand on the right; reduce makes axes go away"
        { From = from; Into = into }

    let private shapeOf (axes: (string * int) seq) =
        axes |> Seq.map snd |> Array.ofSeq |> Shape

    /// Reshape to single axes, reduce those that are not wanted, put the others in order, repeat along new ones, compose.
    let private apply (reduce: int[] -> Expr -> Expr) (plan: Plan) (x: Expr) : Expr =
        let into = List.concat plan.Into
        let isWanted =
            let names = HashSet<string>(Seq.map fst into) in fst >> names.Contains
        let single = Reshape.make (shapeOf plan.From) x
        let gone =
            [| for k, axis in List.indexed plan.From do
                   if not (isWanted axis) then
                       k |]
        let left = plan.From |> List.filter isWanted
        let reduced = if gone.Length = 0 then single else reduce gone single
        let places =
            into
            |> List.map (fun (name, _) -> left |> List.tryFindIndex (fun (other, _) -> other = name))
        let ordered = permuted (places |> List.choose id |> Array.ofList) reduced
        let spread =
            List.map2 (fun (name, n) (place: int option) -> name, (if place.IsSome then n else 1)) into places
        Expr.BroadcastTo(Reshape.make (shapeOf spread) ordered, shapeOf into)
        |> Reshape.make (
            plan.Into
            |> Seq.map (List.fold (fun n (_, m) -> n * m) 1)
            |> Array.ofSeq
            |> Shape
        )

    let private nothing _ (x: Expr) = x

    /// The same elements with their axes taken apart, in another order, composed: `rearrange "b c (h h2) w -> b (c h2) h w" [ "h2", 2 ] x`.
    let rearrange (pattern: string) (extents: (string * int) list) (x: Expr) : Expr =
        apply nothing (solve "rearrange" Neither extents pattern x) x

    /// Axes that stand only on the left are reduced: `reduceTo Aggregate.Mean "b c (h 2) (w 2) -> b c h w" [] x` averages over windows of 2·2.
    let reduceTo (aggregate: Aggregate) (pattern: string) (extents: (string * int) list) (x: Expr) : Expr =
        let reduce (axes: int[]) (e: Expr) =
            match aggregate with
            | Aggregate.Sum -> sumAxes false axes e
            | Aggregate.Mean -> meanAxes false axes e
            | Aggregate.Max -> extremeAxes Extreme.Max false axes e
            | Aggregate.Min -> extremeAxes Extreme.Min false axes e
            | Aggregate.Prod -> prodAxes false axes e
            | Aggregate.LogSumExp -> logsumexpAxes false axes e
            | other -> invalidArg "aggregate" $"reduce: there is no aggregate {int other}"
        apply reduce (solve "reduce" Dropped extents pattern x) x

    /// The array is repeated along axes that stand only on the right: `repeatTo "h w -> h (w times)" [ "times", 2 ] x`.
    let repeatTo (pattern: string) (extents: (string * int) list) (x: Expr) : Expr =
        apply nothing (solve "repeat" Added extents pattern x) x
