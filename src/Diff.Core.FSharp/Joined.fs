namespace Diff

open System.Collections.Generic

/// Where a node is computed within a concatenation that it is copied to otherwise.
[<Struct>]
type internal Joined = { Whole: int; Offset: int64 }

/// Arrays that follow one another in memory in a concatenation are computed there, so that nothing is copied: along the first axis of more than
/// one element, what a loop or a product computes. Roots have places of their own, and variables may still be read.
[<RequireQualifiedAccess>]
module internal Joined =
    // Loops that write past the caches begin at whole lines.
    let private streamed = 1L <<< 20

    /// What an operand reshapes, if that lies in memory as the operand would.
    let private stored (graph: PlanGraph) a : int =
        let view = graph.Views[a]
        let isWhole =
            view.Base.Shape.Length = graph.Nodes[a].Shape.Length
            && View.isContiguous graph.Nodes[a].Shape view
        if isWhole then graph.BaseOf a else a

    /// Whether the parts are all that a concatenation has.
    let fill (graph: PlanGraph) (parts: Joined voption[]) c : bool =
        let args = graph.Args[c] |> Array.map (stored graph)
        (Array.distinct args).Length = args.Length
        && args |> Array.forall (fun a -> parts[a].IsSome && parts[a].Value.Whole = c)

    let find (graph: PlanGraph) (terms: Terms) (fuser: Fuser) (targets: Target[]) : Joined voption[] =
        let variables =
            Array.zip graph.Roots targets
            |> Seq.choose (function
                | r, Target.Into _ -> Some r
                | _ -> None)
            |> HashSet
        let parts: Joined voption[] = Array.create graph.Count ValueNone
        let nodes = graph.Nodes
        let isComputedAnywhere a =
            match fuser.UnitOf a with
            | null -> false
            | unit -> unit.IsLoop || terms.IsSum a || Terms.IsProduct nodes[a]
        let mayBe offset a =
            parts[a].IsNone
            && not (graph.IsRoot a)
            && not (terms.IsTerm a)
            && isComputedAnywhere a
            && (offset % 64L = 0L || graph.BytesOf a < streamed)
        for c in 0 .. graph.Count - 1 do
            match nodes[c].Op with
            | Op.Concat axis when
                not (variables.Contains c)
                && Seq.forall (fun k -> nodes[c].Shape[k] = 1) (seq { 0 .. axis - 1 })
                ->
                let mutable offset = 0L
                for a in graph.Args[c] do
                    let a = stored graph a
                    if not (graph.IsView a) && mayBe offset a then
                        parts[a] <- ValueSome { Whole = c; Offset = offset }
                    offset <- offset + graph.BytesOf a
            | _ -> ()
        parts
