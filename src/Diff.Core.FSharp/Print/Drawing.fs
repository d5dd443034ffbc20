namespace Diff

open System
open System.Collections.Generic

/// A node of a picture.
type internal Drawn =
    {
        Node: Expr
        Path: string[]
        /// Whether a derivative starts with it.
        IsSeed: bool
        IsOutput: bool
    }

    member d.IsLeaf = d.Node.Args.Length = 0

/// Graphs as pictures: what the boxes, ovals and clusters are, for Graphviz and for the HTML page.
[<RequireQualifiedAccess>]
module internal Drawing =
    /// The path of each node's scope; nodes of one scope share the array.
    let private pathOf () : Expr -> string[] =
        let known = Dictionary<Scope, string[]>(HashIdentity.Reference)
        fun node ->
            match node.Scope with
            | null -> [||]
            | scope ->
                match known.TryGetValue scope with
                | true, path -> path
                | _ ->
                    known[scope] <- scope.Path
                    known[scope]

    let private isDerived (path: string[]) = path.Length > 0 && path[0] = "grad"

    /// Cotangents that a derivative starts with: constants of ones, made outside the scopes of derivatives, that nothing
    /// but derivatives uses.
    let private seedsOf (path: Expr -> string[]) (nodes: Expr[]) : HashSet<int64> =
        let seeds = HashSet<int64>()
        for node in nodes do
            let derived = isDerived (path node)
            for arg in node.Args do
                match arg with
                | IsOne when derived && DType.isFloat arg.DType && not (isDerived (path arg)) ->
                    seeds.Add arg.Id |> ignore
                | _ -> ()
        for node in nodes do
            if not (isDerived (path node)) then
                for arg in node.Args do
                    seeds.Remove arg.Id |> ignore
        seeds

    /// The nodes that the roots need, arguments first. Without `seeds` the cotangents are found.
    let nodes (roots: Expr[]) (seeds: Expr seq option) : Drawn[] =
        let nodes = Graph.topological roots
        let path = pathOf ()
        let seeds =
            match seeds with
            | Some given -> HashSet<int64>(given |> Seq.map _.Id)
            | None -> seedsOf path nodes
        let outputs = HashSet<int64>(roots |> Seq.map _.Id)
        nodes
        |> Array.map (fun node ->
            { Node = node
              Path = path node
              IsSeed = seeds.Contains node.Id
              IsOutput = outputs.Contains node.Id })

    /// The name on a node.
    let label (e: Expr) =
        match e.Op with
        | Op.Variable v when v.Name <> "" -> v.Name
        | Op.Const c -> Words.number c
        | Op.Call body
        | Op.Loop body
        | Op.Branch body -> body.Name
        | Op.Custom custom -> custom.Name
        | Op.Variable _ -> "variable"
        | _ -> Listing.operation e

    /// What loops and branches do: a line for each result of their bodies.
    let private within (e: Expr) : string list =
        let line (what: string) (result: Expr) =
            let text = what + " = " + (string result).Replace("\n", "; ")
            if text.Length > 120 then text[..118] + "…" else text
        match e.Op with
        | Op.Loop extension ->
            let it = (Iterated.Of extension).Iteration
            [ match it.Condition with
              | ValueSome(struct (_, body)) -> line "while" body.Outputs[0]
              | ValueNone -> ()
              for j in 0 .. it.Sweeps.Length - 1 do
                  let sweep = it.Sweeps[j]
                  let arrow = if sweep.Reverse then "←" else "→"
                  for s in 0 .. sweep.States - 1 do
                      line $"{arrow} state {s}" (sweep.State s)
                  for o in 0 .. sweep.Outputs - 1 do
                      line $"{arrow} output {o}" (sweep.Output o) ]
        | Op.Branch extension ->
            let branches = Branches.Of extension
            [ for side, body in [ "true", branches.WhenTrue; "false", branches.WhenFalse ] do
                  for result in body.Outputs do
                      line side result ]
        | _ -> []

    /// What a node's value is like, and what is within it.
    let detail (e: Expr) : string =
        String.Join("\n", Listing.typeText e :: within e)
