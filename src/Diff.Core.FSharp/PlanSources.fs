namespace Diff

open System
open System.Collections.Generic
open Diff.Kernels

/// The entries of a plan's table that are not computed: inputs, variables and literals, each once.
[<Sealed>]
type internal PlanSources(inputs: Expr[]) =
    let sources = List<Source>()
    let entryOf = Dictionary<obj, int>(HashIdentity.Reference)
    let given = NodeMap<int>() // 1 + position among the inputs
    do inputs |> Array.iteri (fun i input -> given[input] <- i + 1)
    let entry (key: obj) (source: Source) =
        match entryOf.TryGetValue key with
        | true, entry -> entry
        | _ ->
            sources.Add source
            let entry = Entry.source (sources.Count - 1)
            entryOf[key] <- entry
            entry

    /// Whether the node is an input of the plan.
    member _.IsGiven(node: Expr) = given[node] > 0

    /// The storage of a variable.
    member _.Held(v: Variable) : Place = Place(entry v (Source.Held v), 0n)

    /// The storage of a variable or a literal.
    member this.PlaceOf(node: Expr) : Place =
        match node.Op with
        | Op.Variable _ when this.IsGiven node -> Place(entry node (Source.Input(given[node] - 1)), 0n)
        | Op.Variable v -> this.Held v
        | Op.Literal value -> Place(entry value (Source.Fixed value), 0n)
        | op -> invalidOp $"plan: {Formula.opText op} is no source"

    /// A result, by its position; all sources have to be known by then.
    member _.Result(k: int) : Place =
        Place(Entry.source (sources.Count + k), 0n)

    member _.ToArray() : Source[] = sources.ToArray()

/// Constants that have to lie in memory, each once.
[<Sealed>]
type internal PlanConstants() =
    let values = List<struct (int64 * NDArray)>()
    let known = Dictionary<string, Place>()
    let mutable bytes = 0L

    let add key (value: unit -> NDArray) : Place =
        match known.TryGetValue key with
        | true, place -> place
        | _ ->
            let value = value ()
            let place = Place(Entry.constants, nativeint bytes)
            known[key] <- place
            values.Add(struct (bytes, value))
            bytes <- bytes + Arena.Rounded(int64 value.Length * int64 (DType.size value.DType))
            place

    let iota axis (shape: Shape) dtype =
        let value = NDArray.Zeros(dtype, shape)
        (Leaf.iotaRule axis).Kernel(Leaf.iota shape axis dtype).Invoke([||], value)
        value

    /// One number at every index.
    member _.Full(value: Scalar, shape: Shape) : Place =
        add $"c {value.DType} {value.Bits} {shape.Length}" (fun () -> NDArray.Full(value, shape))

    /// The index along an axis, at every index.
    member _.Iota(axis: int, shape: Shape, dtype: DType) : Place =
        add $"i {dtype} {axis} {shape}" (fun () -> iota axis shape dtype)

    /// The numbers 0, 1, 2 …
    member _.Numbers(count: int, dtype: DType) : Place =
        add $"n {dtype} {count}" (fun () -> iota 0 (Shape [| count |]) dtype)

    /// The numbers start + Σ stride · index, one index after the other, the last axis first.
    member _.Table(start: int, extents: int[], strides: int[], dtype: DType) : Place =
        let value () =
            let repeat n stride (inner: int[]) =
                Array.collect (fun i -> Array.map ((+) (i * stride)) inner) [| 0 .. n - 1 |]
            let numbers = Array.foldBack2 repeat extents strides [| start |]
            let shape = Shape [| numbers.Length |]
            if dtype = DType.Float32 then
                NDArray.Create(Array.map float32 numbers, shape)
            else
                NDArray.Create(Array.map float numbers, shape)
        add $"t {dtype} {start} {String.Join(',', strides)} {Shape.Text extents}" value

    /// All of them, in memory.
    member _.ToBlock() : Block =
        let block = Block bytes
        for struct (at, value) in values do
            value.CopyTo(Block.array block at value.Shape value.DType)
        block
