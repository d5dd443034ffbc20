/// Programs from seeds.
module Diff.Fuzz.Growth

open System
open Diff
open Diff.Fuzz.Arrays

/// What kind of graph a seed gives.
type Kind =
    /// Arrays of at most 64 elements, up to 40 steps.
    | Small = 0
    /// At most 1,000 elements.
    | Middling = 1
    /// At most 20,000 elements.
    | Large = 2
    /// Beyond what one chunk of work holds: several threads, tails.
    | Parallel = 3
    /// A chain of up to 10,000 nodes.
    | Deep = 4
    /// Up to 5,000 operands of one value.
    | Wide = 5

/// How often each kind is drawn.
let shares: (float * Kind)[] =
    [| 0.74, Kind.Small
       0.21, Kind.Middling
       0.035, Kind.Large
       0.01, Kind.Parallel
       0.003, Kind.Deep
       0.002, Kind.Wide |]

let private flavours: (float * Flavour)[] =
    [| 0.72, Flavour.Ordinary
       0.10, Flavour.Zeros
       0.10, Flavour.Ties
       0.04, Flavour.Extreme
       0.04, Flavour.Special |]

let private settingOf (r: SplitMix) (kind: Kind) : Diff.Fuzz.Setting =
    let flavour = r.Weighted flavours
    let types =
        r.Weighted
            [| 0.70, [| DType.Float64 |]
               0.25, [| DType.Float32 |]
               0.05, [| DType.Float32; DType.Float64 |] |]
    let steps =
        match kind with
        | Kind.Small -> r.Weighted [| 4.0, r.Between(1, 6); 4.0, r.Between(6, 14); 1.0, r.Between(14, 40) |]
        | Kind.Middling -> r.Between(2, 12)
        | Kind.Large -> r.Between(2, 8)
        | _ -> r.Between(1, 4)
    { Flavour = flavour
      Types = types
      MostElements =
        (match kind with
         | Kind.Small -> 64
         | Kind.Middling -> 1000
         | Kind.Large -> 20_000
         | _ -> 90_000)
      LeastElements =
        (match kind with
         | Kind.Large -> 1000
         | Kind.Parallel -> 20_000
         | _ -> 0)
      AllowsKinks = flavour >= Flavour.Extreme || r.Chance 0.25
      Steps = steps }

let private step (g: Grower) : unit =
    let r = g.Random
    let operand =
        if r.Chance 0.9 then
            match g.Recent _.IsFloat with
            | ValueSome x -> x
            | ValueNone -> g.Leaf(g.AnyDims(), g.AnyType())
        else
            match g.Recent(fun _ -> true) with
            | ValueSome x -> x
            | ValueNone -> g.Leaf(g.AnyDims(), g.AnyType())
    let suitable =
        Table.all
        |> Array.filter (fun o -> o.Fits operand)
        |> Array.map (fun o -> o.Weight, o)
    if suitable.Length > 0 then
        (r.Weighted suitable).Draw g operand |> ignore

let private grown (r: SplitMix) (kind: Kind) : GraphProgram =
    let setting = settingOf r kind
    let g = Grower(r, setting, Table.meaning)
    g.Leaf(g.AnyDims(), g.AnyType()) |> ignore
    let mutable tries = 0
    let mutable taken = 0
    while taken < setting.Steps && tries < 4 * setting.Steps do
        tries <- tries + 1
        try
            step g
            taken <- taken + 1
        with Refused ->
            ()
    let first =
        let isActive (n: Node) = n.IsFloat && n.IsActive
        let candidates =
            [ g.Nodes |> Seq.filter (fun n -> isActive n && not (g.IsLeaf n))
              Seq.filter isActive g.Nodes
              g.Nodes ]
        candidates |> List.pick Seq.tryLast
    let others =
        g.Nodes
        |> Seq.filter (fun n -> n <> first && r.Chance 0.12)
        |> Seq.truncate 4
        |> List.ofSeq
    g.Program(first :: others)

let private leaf (dims: int list) (r: SplitMix) : Leaf =
    let shape = shapeOf dims
    { Value = NDArray.Create(Array.init shape.Length (fun _ -> r.Within(-1.5, 1.5)), shape)
      IsConstant = false }

/// A chain that no derivative vanishes or grows in: sines, averages with older values, products with sigmoids.
let private deep (r: SplitMix) : GraphProgram =
    let length = int (100.0 * Math.Pow(100.0, r.Unit()))
    let dims = r.Pick [| []; []; [ 2 ]; [ 3 ]; [ 2; 2 ] |]
    let leaves = [| leaf dims r; leaf dims r; leaf [] r |]
    let steps = ResizeArray<Application>()
    let add op args attrs =
        steps.Add { Op = op; Args = args; Attrs = attrs }
        leaves.Length + steps.Count - 1
    let half = add "const" [] [ "value", Filled([], 0.5); "dtype", Text "float64" ]
    let mutable last = 0
    while steps.Count < length do
        let older = if r.Chance 0.1 then r.Below 3 else max 0 (last - r.Below 4)
        let older = if older = half then 0 else older
        last <-
            match r.Below 5 with
            | 0 -> add "sin" [ last ] []
            | 1 -> add "mul" [ add "add" [ last; older ] []; half ] []
            | 2 -> add "mul" [ last; add "sigmoid" [ older ] [] ] []
            | 3 -> add "sub" [ last; add "tanh" [ add "mul" [ older; half ] [] ] [] ] []
            | _ -> add "cos" [ last ] []
    { Leaves = leaves
      Steps = steps.ToArray()
      Outputs = [ last ] }

/// Many operands of one value: a concatenation of slices, a sum of products, a contraction.
let private wide (r: SplitMix) : GraphProgram =
    let count = int (50.0 * Math.Pow(100.0, r.Unit()))
    let leaves = Array.init (r.Between(1, 4)) (fun _ -> leaf [ r.Between(3, 6) ] r)
    let steps = ResizeArray<Application>()
    let add op args attrs =
        steps.Add { Op = op; Args = args; Attrs = attrs }
        leaves.Length + steps.Count - 1
    let parts =
        [ for _ in 1..count do
              let from = r.Below leaves.Length
              let start = r.Below 3
              match r.Below 3 with
              | 0 -> from
              | 1 -> add "slice" [ from ] [ "slices", Bounds [ Some start, Some(start + 2), 1 ] ]
              | _ -> add "sin" [ from ] [] ]
    let joined = add "concat" parts [ "axis", Int 0 ]
    let total = add "mean" [ joined ] [ "axis", All; "keepdims", Flag false ]
    let last = add "mul" [ joined; total ] []
    { Leaves = leaves
      Steps = steps.ToArray()
      Outputs = [ last ] }

/// The kind of graph that a seed gives.
let kindOf (seed: uint64) : Kind = SplitMix(seed).Weighted shares

/// The program of a seed.
let program (seed: uint64) : GraphProgram =
    let r = SplitMix seed
    match r.Weighted shares with
    | Kind.Deep -> deep r |> GraphProgram.trimmed
    | Kind.Wide -> wide r |> GraphProgram.trimmed
    | kind -> grown r kind
