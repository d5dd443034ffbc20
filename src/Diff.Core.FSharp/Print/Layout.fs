namespace Diff

open System
open System.Collections.Generic

/// How to look into a node. Formulas are written before the node type exists, so that the node's ToString can be one.
type internal View<'Node> =
    { Id: 'Node -> int64
      Op: 'Node -> Op
      Args: 'Node -> 'Node[]
      Shape: 'Node -> Shape }

/// The text of a node, how strongly it binds (an operand weaker than its place asks for gets brackets), and what else
/// is known of it.
type internal Part =
    { Text: string
      Strength: int
      Trait: Trait }

and internal Trait =
    | Plain
    /// What was broadcast, and its shape: to be written instead where the operation broadcasts anyway.
    | Stretched of Part * Shape
    /// What a reduction by that name reduced, along which axes and of which shape; whether the axes were kept.
    | Reduced of name: string * Part * axes: int[] * Shape * kept: bool
    /// A window of a part of shape `whole`.
    | Window of Part * starts: int[] * steps: int[] * shape: Shape * whole: Shape
    /// The square of a part.
    | Squared of Part
    /// The text ends in a subscript.
    | Subscripted

/// How strongly a text binds.
[<RequireQualifiedAccess>]
module internal Strength =
    [<Literal>]
    let Branches = 0

    [<Literal>]
    let Or = 1

    [<Literal>]
    let And = 2

    [<Literal>]
    let Comparison = 3

    [<Literal>]
    let Sum = 4

    /// Matrix products and sums over indices.
    [<Literal>]
    let Contraction = 5

    [<Literal>]
    let Product = 6

    [<Literal>]
    let Sign = 7

    [<Literal>]
    let Power = 8

    [<Literal>]
    let Atom = 9

[<RequireQualifiedAccess>]
module internal Part =
    let make strength text =
        { Text = text
          Strength = strength
          Trait = Plain }

    let atom text = make Strength.Atom text

    /// A broadcast as `spell` writes it. What is broadcast twice is broadcast once.
    let stretched (spell: Part -> Part) (bare: Part) (from: Shape) =
        let bare, from =
            match bare.Trait with
            | Stretched(bare, from) -> bare, from
            | _ -> bare, from
        { spell bare with
            Trait = Stretched(bare, from) }

    /// The parts of operands that broadcast to `shape` without being told so: as few words as make it clear.
    let implied (shape: Shape) (shapes: Shape[]) (parts: Part[]) : Part[] =
        let bare i =
            match parts[i].Trait with
            | Stretched(part, shape) -> part, shape
            | _ -> parts[i], shapes[i]
        let joins (shapes: Shape seq) =
            let join (all: Shape voption) s =
                match all with
                | ValueSome all -> Shape.tryBroadcast all s
                | ValueNone -> ValueNone
            match Seq.fold join (ValueSome Shape.Scalar) shapes with
            | ValueSome joined -> joined.Equals shape
            | ValueNone -> false
        let all = Array.init parts.Length bare
        if all |> Array.forall2 (fun (p: Part) (q, _) -> obj.ReferenceEquals(p, q)) parts then
            parts
        elif joins (Seq.map snd all) then
            Array.map fst all
        else
            Array.append parts[..0] (Array.map fst all[1..]) // the first says the shape

/// How formulas of one notation are laid out.
type internal Style =
    {
        /// A formula that is no longer than this is one line; in others a line is about as long.
        Line: int
        /// A shared part that is longer than this gets a line of its own if the formula has several.
        Shared: int
        /// The name of the n-th line.
        Name: int -> Part
        /// A broadcast of a part from one shape to another, spelled out.
        Stretch: Part -> Shape -> Shape -> Part
    }

/// One formula out of many nodes: as a tree, the formula of a graph with sharing can be exponentially long, so shared
/// and long parts get names and lines of their own. Linear in the size of the graph, and without recursion.
[<RequireQualifiedAccess>]
module internal Layout =
    /// The nodes that a root needs, arguments first.
    let topological (view: View<'Node>) (root: 'Node) : 'Node[] =
        let seen = HashSet<int64>([ view.Id root ])
        let nodes = List<'Node>([ root ])
        let mutable i = 0
        while i < nodes.Count do
            for arg in view.Args nodes[i] do
                if seen.Add(view.Id arg) then
                    nodes.Add arg
            i <- i + 1
        let sorted = nodes.ToArray()
        Array.Sort(Array.map view.Id sorted, sorted)
        sorted

    let private count (counts: Dictionary<'Key, int>) key =
        match counts.TryGetValue key with
        | true, n -> n
        | _ -> 0

    /// A name for each variable and literal: the text that `spell` gives, marked with a number from the second one of that
    /// text on. They are told apart by identity.
    let names
        (mark: string -> int -> string)
        (spell: Op -> string)
        (ops: Op seq)
        : (Op -> string) * HashSet<string> =
        let identity op =
            match op with
            | Op.Variable v -> v :> obj
            | Op.Literal value -> value :> obj
            | op -> op :> obj
        let names = Dictionary<obj, string>(HashIdentity.Reference)
        let counts = Dictionary<string, int>()
        for op in ops do
            match op with
            | Op.Variable _
            | Op.Literal _ when not (names.ContainsKey(identity op)) ->
                let text = spell op
                let count = 1 + count counts text
                counts[text] <- count
                names[identity op] <- if count = 1 then text else mark text count
            | _ -> ()
        (fun op -> names[identity op]), HashSet names.Values

    let private oneLine
        (view: View<'Node>)
        style
        (render: 'Node -> Part[] -> Part)
        (nodes: 'Node[])
        : string voption =
        let parts = Dictionary<int64, Part>()
        let mutable text = ""
        let mutable i = 0
        while i < nodes.Length && text.Length <= style.Line do
            let part =
                render nodes[i] (view.Args nodes[i] |> Array.map (fun a -> parts[view.Id a]))
            parts[view.Id nodes[i]] <- part
            text <- part.Text
            i <- i + 1
        if text.Length <= style.Line then
            ValueSome text
        else
            ValueNone

    let private severalLines (view: View<'Node>) style (taken: HashSet<string>) render (nodes: 'Node[]) =
        let uses = Dictionary<int64, int>()
        for node in nodes do
            for arg in view.Args node do
                uses[view.Id arg] <- 1 + count uses (view.Id arg)
        let parts = Dictionary<int64, Part>()
        let lines = List<struct (string * string)>()
        let mutable last = 0
        let give node =
            let id = view.Id node
            last <- last + 1
            while taken.Contains (style.Name last).Text do
                last <- last + 1
            let name = style.Name last
            match parts[id].Trait with
            | Stretched(bare, shape) ->
                lines.Add(struct (name.Text, bare.Text))
                parts[id] <- style.Stretch name shape (view.Shape node)
            | _ ->
                lines.Add(struct (name.Text, parts[id].Text))
                parts[id] <- name
        let length node =
            match parts[view.Id node].Trait with
            | Stretched(bare, _) -> bare.Text.Length
            | _ -> parts[view.Id node].Text.Length
        let isLong node =
            length node > style.Shared && (view.Args node).Length > 0
        let partsOf args =
            args |> Array.map (fun a -> parts[view.Id a])
        let shorten (args: 'Node[]) excess =
            let mutable excess = excess
            for arg in args |> Array.distinctBy view.Id |> Array.sortBy (fun a -> -(length a)) do
                if excess > 0 && isLong arg then
                    excess <- excess - length arg
                    give arg
        for node in nodes do
            let id, args = view.Id node, view.Args node
            let mutable part: Part = render node (partsOf args)
            if part.Text.Length > style.Line then
                shorten args (part.Text.Length - style.Line)
                part <- render node (partsOf args)
            parts[id] <- part
            if count uses id > 1 && isLong node then
                give node
            for arg in args do // what no one needs any more is dropped: a graph may have a million nodes
                uses[view.Id arg] <- uses[view.Id arg] - 1
                if uses[view.Id arg] = 0 then
                    parts.Remove(view.Id arg) |> ignore
        lines, parts[view.Id nodes[nodes.Length - 1]].Text

    /// The named lines and the last one, which is the formula of the root. Names that are `taken` are not given.
    let lines (view: View<'Node>) style taken (render: 'Node -> Part[] -> Part) (nodes: 'Node[]) =
        match oneLine view style render nodes with
        | ValueSome text -> List<struct (string * string)>(), text
        | ValueNone -> severalLines view style taken render nodes
