namespace Diff.Fuzz

open System.Collections.Generic
open Diff
open Diff.Fuzz.Arrays

/// What an operation is told beside its operands.
type Attr =
    /// All axes.
    | All
    | Flag of bool
    | Int of int
    | Ints of int list
    | Real of float
    | Text of string
    /// For each axis start, stop and step; without a bound, to the end.
    | Bounds of (int option * int option * int) list
    /// An array of one number.
    | Filled of dims: int list * value: float

/// The attributes of a step by name, and the type that stands for float32.
[<Sealed>]
type Attrs(single: DType, items: (string * Attr) list) =
    member _.Item(name: string) : Attr =
        items |> List.find (fst >> (=) name) |> snd
    member this.Ints(name: string) : int list =
        match this[name] with
        | Ints xs -> xs
        | other -> failwith $"attribute {name}: expected integers, got {other}"
    member this.Int(name: string) : int =
        match this[name] with
        | Int i -> i
        | other -> failwith $"attribute {name}: expected an integer, got {other}"
    member this.Flag(name: string) : bool =
        match this[name] with
        | Flag f -> f
        | other -> failwith $"attribute {name}: expected true or false, got {other}"
    /// Some axes; none means all.
    member this.Axes(name: string) : int[] =
        match this[name] with
        | All -> [||]
        | Int axis -> [| axis |]
        | Ints axes -> Array.ofList axes
        | other -> failwith $"attribute {name}: expected axes, got {other}"
    member this.Bounds(name: string) : (int option * int option * int) list =
        match this[name] with
        | Bounds bounds -> bounds
        | other -> failwith $"attribute {name}: expected slices, got {other}"
    member this.Filled(name: string) : int list * float =
        match this[name] with
        | Filled(dims, value) -> dims, value
        | other -> failwith $"attribute {name}: expected an array of one number, got {other}"
    member this.Number(name: string) : float =
        match this[name] with
        | Real x -> x
        | other -> failwith $"attribute {name}: expected a number, got {other}"
    member this.Text(name: string) : string =
        match this[name] with
        | Text t -> t
        | other -> failwith $"attribute {name}: expected text, got {other}"
    member this.DType(name: string) : DType =
        match dtypeOf (this.Text name) with
        | DType.Float32 -> single
        | other -> other

/// A value that is given: a variable, or a number that is part of the graph.
type Leaf = { Value: NDArray; IsConstant: bool }

/// An operation on earlier nodes: the leaves count first, then the steps.
type Application =
    { Op: string
      Args: int list
      Attrs: (string * Attr) list }

/// A graph as data: it can be cut down, written to a file and built again.
type GraphProgram =
    {
        Leaves: Leaf[]
        Steps: Application[]
        /// The first is the one that is differentiated.
        Outputs: int list
    }

    member p.Count = p.Leaves.Length + p.Steps.Length

/// A program as a graph.
type Built =
    {
        Nodes: Expr[]
        Outputs: Expr[]
        /// Those of its leaves that derivatives are taken with respect to.
        Floats: Expr[]
        /// Which leaves these are.
        FloatLeaves: int[]
    }

[<RequireQualifiedAccess>]
module GraphProgram =
    /// Whether derivatives are taken with respect to a leaf.
    let isDifferentiable (leaf: Leaf) =
        isFloat leaf.Value.DType && not leaf.IsConstant

    /// A leaf's value in a program in which another type stands for float32.
    let private valueAs (single: DType) (value: NDArray) : NDArray =
        if value.DType = DType.Float32 && single = DType.Float64 then
            ofFloats DType.Float64 value.Shape (floats value)
        else
            value

    /// Only what the outputs need.
    let trimmed (p: GraphProgram) : GraphProgram =
        let used = HashSet<int>(p.Outputs)
        for k in p.Steps.Length - 1 .. -1 .. 0 do
            if used.Contains(p.Leaves.Length + k) then
                used.UnionWith p.Steps[k].Args
        let kept = [| 0 .. p.Count - 1 |] |> Array.filter used.Contains
        let place = Dictionary<int, int>()
        kept |> Array.iteri (fun at node -> place[node] <- at)
        let leaves, steps = kept |> Array.partition (fun node -> node < p.Leaves.Length)
        { Leaves = leaves |> Array.map (fun n -> p.Leaves[n])
          Steps =
            steps
            |> Array.map (fun n ->
                let step = p.Steps[n - p.Leaves.Length]
                { step with
                    Args = step.Args |> List.map (fun a -> place[a]) })
          Outputs = p.Outputs |> List.map (fun o -> place[o]) }

    /// The graph, by what each operation's name means. `leaf` makes the node of a leaf from its number and value.
    let buildWith
        (meaning: string -> Attrs -> Expr list -> Expr)
        (single: DType)
        (leaf: int -> NDArray -> Expr)
        (p: GraphProgram)
        : Built =
        let nodes = Array.zeroCreate<Expr> p.Count
        p.Leaves
        |> Array.iteri (fun i l ->
            let value = valueAs single l.Value
            nodes[i] <- if l.IsConstant then constant value else leaf i value)
        p.Steps
        |> Array.iteri (fun k step ->
            nodes[p.Leaves.Length + k] <-
                meaning step.Op (Attrs(single, step.Attrs)) (step.Args |> List.map (fun a -> nodes[a])))
        let floats =
            [| 0 .. p.Leaves.Length - 1 |]
            |> Array.filter (fun i -> isDifferentiable p.Leaves[i])
        { Nodes = nodes
          Outputs = p.Outputs |> List.map (fun o -> nodes[o]) |> Array.ofList
          Floats = floats |> Array.map (fun i -> nodes[i])
          FloatLeaves = floats }

    /// The nodes in order, each a leaf or a step.
    let flat (p: GraphProgram) : Choice<Leaf, Application>[] =
        Array.append (p.Leaves |> Array.map Choice1Of2) (p.Steps |> Array.map Choice2Of2)

    /// A program of nodes in order; leaves come first, in their order.
    let ofFlat (nodes: Choice<Leaf, Application>[]) (outputs: int list) : GraphProgram =
        let isLeaf =
            function
            | Choice1Of2 _ -> true
            | Choice2Of2 _ -> false
        let order =
            let leaves, steps =
                [| 0 .. nodes.Length - 1 |] |> Array.partition (fun n -> isLeaf nodes[n])
            Array.append leaves steps
        let place = Array.zeroCreate<int> nodes.Length
        order |> Array.iteri (fun at n -> place[n] <- at)
        { Leaves =
            order
            |> Array.choose (fun n ->
                match nodes[n] with
                | Choice1Of2 leaf -> Some leaf
                | Choice2Of2 _ -> None)
          Steps =
            order
            |> Array.choose (fun n ->
                match nodes[n] with
                | Choice1Of2 _ -> None
                | Choice2Of2 step ->
                    Some
                        { step with
                            Args = step.Args |> List.map (fun a -> place[a]) })
          Outputs = outputs |> List.map (fun o -> place[o]) }
