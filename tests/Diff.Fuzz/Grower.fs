namespace Diff.Fuzz

open System
open System.Collections.Generic
open Diff
open Diff.Fuzz.Arrays

/// What the numbers of a graph are like.
type Flavour =
    | Ordinary = 0
    /// Some exact zeros, of both signs.
    | Zeros = 1
    /// Few different numbers.
    | Ties = 2
    /// Very large and very small ones, denormals among them.
    | Extreme = 3
    /// Infinities and NaN.
    | Special = 4

/// What a graph may be like.
type Setting =
    {
        Flavour: Flavour
        /// Float64 alone, float32 alone, or both.
        Types: DType[]
        /// The elements of one array at most, and of the first at least.
        MostElements: int
        LeastElements: int
        /// Whether derivatives may jump where the graph is evaluated.
        AllowsKinks: bool
        Steps: int
    }

/// A step that was drawn does not suit the graph: its numbers grow too large, or a comparison is too close.
exception Refused

/// A value of the growing graph.
[<CustomEquality; NoComparison>]
type Node =
    {
        Index: int
        Value: NDArray
        /// Whether every way of computing it gives the same bits.
        IsExact: bool
        /// Whether it depends on a leaf that derivatives are taken with respect to.
        IsActive: bool
    }

    member n.DType = n.Value.DType
    member n.Dims = dimsOf n.Value.Shape
    member n.Rank = n.Value.Shape.Rank
    member n.IsFloat = isFloat n.DType
    override n.Equals other =
        match other with
        | :? Node as m -> m.Index = n.Index
        | _ -> false
    override n.GetHashCode() = n.Index

/// Makes a program step by step; each step is evaluated at once by the reference.
[<Sealed>]
type Grower(random: SplitMix, setting: Setting, meaning: string -> Attrs -> Expr list -> Expr) =
    let leaves = List<Leaf * Node>()
    let steps = List<Application * Node>()
    let nodes = List<Node>()
    // Some operations take whole constants only.
    let constants = Dictionary<int, float>()
    let ordinary = setting.Flavour <= Flavour.Ties
    let isSingle = Array.contains DType.Float32 setting.Types
    /// A comparison of rounded numbers comes out the same in every evaluation only if they are not closer than that.
    let margin = if isSingle then 2e-3 else 1e-6

    let weighted =
        [| 0.2, 0
           4.0, 1
           5.0, 2
           5.0, 3
           4.0, 4
           3.0, 5
           2.0, 7
           2.0, 8
           1.0, 9
           0.7, 16
           0.7, 17
           0.5, 31
           0.5, 33
           0.4, 64
           0.4, 65
           0.3, 127
           0.2, 1000 |]

    let rounded (value: float) =
        if isSingle then float (float32 value) else value

    let number () : float =
        let plain = random.Within(-1.5, 1.5)
        match setting.Flavour with
        | Flavour.Zeros when random.Chance 0.3 -> if random.Chance 0.2 then -0.0 else 0.0
        | Flavour.Ties -> Math.Round(plain * 2.0) / 2.0
        | Flavour.Extreme ->
            let scale =
                if isSingle then
                    [| 1e30; 1e-30; 1e-40; 1.0 |]
                else
                    [| 1e30; 1e-30; 1e-310; 1.0 |]
            rounded (plain * random.Pick scale)
        | Flavour.Special when random.Chance 0.3 ->
            random.Pick [| nan; infinity; -infinity; 0.0; -0.0; 1.0; -1.0 |]
        | _ -> rounded plain

    let add (node: Node) =
        nodes.Add node
        node

    let fits (value: NDArray) =
        not ordinary
        || (let most =
                if value.DType = DType.Bool then infinity
                elif isFloat value.DType then 50.0
                else 1e6
            let mutable fine = true
            for i in 0 .. value.Length - 1 do
                fine <- fine && abs (value.Float i) <= most
            fine)

    /// Checks every comparison inside a step; gives which of its nodes are exact.
    let checkKinks (inner: Expr[]) (values: NDArray[]) (args: (Expr * Node) seq) : bool =
        let value, exact, active = NodeMap<NDArray>(), NodeMap<bool>(), NodeMap<bool>()
        for leaf, node in args do
            exact[leaf] <- node.IsExact
            active[leaf] <- node.IsActive
        Array.iter2 (fun (e: Expr) v -> value[e] <- v) inner values
        for e in inner do
            match e.Op with
            | Op.Variable _ -> ()
            | _ ->
                exact[e] <- Kinks.keepsExact e && e.Args |> Array.forall (fun a -> exact[a])
                active[e] <- e.Args |> Array.exists (fun a -> active[a])
                match Kinks.operands e with
                | [] -> ()
                | operands ->
                    let isExact = operands |> List.forall (fun a -> exact[a])
                    let isActive = operands |> List.exists (fun a -> active[a])
                    if not isExact || (isActive && not setting.AllowsKinks) then
                        let near = Kinks.nearest e (e.Args |> Array.map (fun a -> value[a]))
                        if
                            (not isExact && near <= margin)
                            || (isActive && not setting.AllowsKinks && near < 0.012)
                        then
                            raise Refused
        exact[Array.last inner]

    member _.Random = random
    member _.Setting = setting
    member _.Nodes = nodes
    member _.Number() = number ()
    member _.IsLeaf(node: Node) =
        leaves |> Seq.exists (fun (_, n) -> n.Index = node.Index)
    member _.AnyType() = random.Pick setting.Types

    member this.AnyDims() : int list =
        let rank =
            random.Weighted [| 0.08, 0; 0.22, 1; 0.35, 2; 0.22, 3; 0.09, 4; 0.04, 5 |]
        let dims = List.init rank (fun _ -> random.Weighted weighted)
        let n = countOf dims
        if n > int64 setting.MostElements || n < int64 setting.LeastElements then
            this.AnyDims()
        else
            dims

    member _.LeafOf(value: NDArray) : Node =
        let leaf =
            { Value = value
              IsConstant = isFloat value.DType && random.Chance 0.12 }
        let node =
            add
                { Index = nodes.Count
                  Value = value
                  IsExact = true
                  IsActive = GraphProgram.isDifferentiable leaf }
        leaves.Add((leaf, node))
        node

    member this.Leaf(dims: int list, dtype: DType) : Node =
        let shape = shapeOf dims
        let value =
            match dtype with
            | DType.Bool -> ofFloats dtype shape (Array.init shape.Length (fun _ -> float (random.Below 2)))
            | DType.Int32
            | DType.Int64 ->
                ofFloats dtype shape (Array.init shape.Length (fun _ -> float (random.Between(-3, 3))))
            | _ -> ofFloats dtype shape (Array.init shape.Length (fun _ -> number ()))
        this.LeafOf value

    /// Integers from 0 up to high, exclusive.
    member this.Indices(dims: int list, high: int) : Node =
        let shape = shapeOf dims
        let dtype = random.Pick [| DType.Int32; DType.Int32; DType.Int64 |]
        this.LeafOf(
            ofFloats dtype shape (Array.init shape.Length (fun _ -> float (random.Below(max 1 high))))
        )

    /// Adds a step, unless it does not suit.
    member _.Step(op: string, args: Node list, attrs: (string * Attr) list) : Node =
        let inputs = Dictionary<int, Expr>()
        for a in args do
            if not (inputs.ContainsKey a.Index) then
                inputs[a.Index] <-
                    match constants.TryGetValue a.Index with
                    | true, value -> full a.Dims a.DType value
                    | _ -> variableOf "" a.Value
        let e =
            meaning op (Attrs(DType.Float32, attrs)) (args |> List.map (fun a -> inputs[a.Index]))
        if e.Shape.Length > setting.MostElements then
            raise Refused
        let e = (Control.inlineAll [| e |])[0]
        let inner = Graph.topological [ e ]
        let values =
            try
                Reference.evaluate inner
            with :? LinearAlgebraException ->
                raise Refused
        let value = values[values.Length - 1]
        if not (fits value) then
            raise Refused
        let given =
            args |> List.distinctBy _.Index |> List.map (fun a -> inputs[a.Index], a)
        let node =
            { Index = nodes.Count
              Value = value
              IsExact = checkKinks inner values given
              IsActive = isFloat value.DType && args |> List.exists _.IsActive }
        let step =
            { Op = op
              Args = args |> List.map _.Index
              Attrs = attrs }
        steps.Add((step, node))
        add node

    member this.Const(value: float, dtype: DType, dims: int list) : Node =
        // An array without elements has no number that a file could tell.
        let value = if List.contains 0 dims then 0.0 else value
        let node =
            this.Step("const", [], [ "value", Filled(dims, value); "dtype", Text(nameOf dtype) ])
        constants[node.Index] <- value
        node

    /// The latest more often than the others: chains are what is fused.
    member _.Recent(suits: Node -> bool) : Node voption =
        let suitable = nodes |> Seq.filter suits |> Array.ofSeq
        if suitable.Length = 0 then
            ValueNone
        elif random.Chance 0.5 then
            ValueSome suitable[suitable.Length - 1 - random.Below(min 3 suitable.Length)]
        else
            ValueSome(random.Pick suitable)

    /// A shape that broadcasts with another: axes of extent 1, fewer axes, now and then one more.
    member _.PartOf(dims: int list) : int list =
        let dims = dims |> List.map (fun d -> if random.Chance 0.2 then 1 else d)
        if not dims.IsEmpty && random.Chance 0.25 then
            List.skip (random.Between(1, dims.Length)) dims
        elif dims.Length < 5 && random.Chance 0.06 then
            2 :: dims
        else
            dims

    /// Something to combine with x: itself, a constant (now and then one that differs by its last bit alone), another value, or a new leaf.
    member this.Partner(x: Node) : Node =
        let broadcasts (y: Node) =
            y.DType = x.DType
            && (match tryBroadcast x.Value.Shape y.Value.Shape with
                | ValueSome s -> s.Length <= setting.MostElements
                | ValueNone -> false)
        let fresh () = this.Leaf(this.PartOf x.Dims, x.DType)
        let known () =
            steps
            |> Seq.choose (fun (s, n) ->
                match (s: Application).Attrs with
                | ("value", Filled(_, v)) :: _ when s.Op = "const" && n.DType = x.DType -> Some v
                | _ -> None)
            |> Array.ofSeq
        let roll = random.Unit()
        if roll < 0.13 then
            x
        elif roll < 0.28 && x.IsFloat then
            let known = known ()
            let value =
                if known.Length > 0 && random.Chance 0.4 then
                    let v = random.Pick known
                    if x.DType = DType.Float32 then
                        float (MathF.BitIncrement(float32 v))
                    else
                        Math.BitIncrement v
                elif random.Chance 0.05 then
                    -0.0
                else
                    // Zeros are met by what is not finite.
                    let choice =
                        if setting.Flavour = Flavour.Special && random.Chance 0.5 then
                            0.0
                        else
                            random.Pick [| 0.5; 1.0; -1.0; 2.0; 0.0; number () |]
                    rounded choice
            this.Const(value, x.DType, (if random.Chance 0.7 then [] else x.Dims))
        elif roll < 0.65 then
            match this.Recent broadcasts with
            | ValueSome y -> y
            | ValueNone -> fresh ()
        else
            fresh ()

    /// A bool of a shape that broadcasts to another.
    member this.Condition(dims: int list, near: Node) : Node =
        let broadcasts (b: Node) =
            b.DType = DType.Bool
            && tryBroadcast b.Value.Shape (shapeOf dims) = ValueSome(shapeOf dims)
        let known =
            if random.Chance 0.4 then
                this.Recent broadcasts
            else
                ValueNone
        match known with
        | ValueSome b -> b
        | ValueNone when dims = near.Dims && near.IsFloat && random.Chance 0.6 ->
            let name = random.Pick [| "lt"; "le"; "gt"; "ge"; "eq"; "ne" |]
            let other =
                this.Leaf(dims |> List.map (fun d -> if random.Chance 0.2 then 1 else d), near.DType)
            let compared = this.Step(name, [ near; other ], [])
            if random.Chance 0.8 then
                compared
            else
                match random.Below 3 with
                | 0 -> this.Step("not", [ compared ], [])
                | 1 -> this.Step("and", [ compared; this.Leaf(this.PartOf dims, DType.Bool) ], [])
                | _ -> this.Step("or", [ compared; this.Leaf(dims, DType.Bool) ], [])
        | ValueNone -> this.Leaf(dims |> List.map (fun d -> if random.Chance 0.2 then 1 else d), DType.Bool)

    /// x where it lies in an interval, else something of x that does.
    member this.Inside(low: float, high: float, x: Node) : Node =
        let isInside =
            seq { 0 .. x.Value.Length - 1 }
            |> Seq.forall (fun i -> let v = x.Value.Float i in v >= low && v <= high)
        if isInside || random.Chance 0.05 then
            x
        elif low > 0.0 && high >= 2.0 && random.Chance 0.5 then
            let square = this.Step("mul", [ x; x ], [])
            this.Step("add", [ square; this.Const(rounded (low + 0.5), x.DType, []) ], [])
        else
            let unit = this.Step("sigmoid", [ x ], [])
            let width =
                this.Step("mul", [ unit; this.Const(rounded (high - low), x.DType, []) ], [])
            this.Step("add", [ width; this.Const(rounded low, x.DType, []) ], [])

    /// What has been made, of which the given nodes are the outputs; leaves come first.
    member _.Program(outputs: Node list) : GraphProgram =
        let place = Dictionary<int, int>()
        for _, node in leaves do
            place[node.Index] <- place.Count
        for _, node in steps do
            place[node.Index] <- place.Count
        GraphProgram.trimmed
            { Leaves = leaves |> Seq.map fst |> Array.ofSeq
              Steps =
                [| for step, _ in steps ->
                       { step with
                           Args = step.Args |> List.map (fun a -> place[a]) } |]
              Outputs = outputs |> List.map (fun n -> place[n.Index]) }
