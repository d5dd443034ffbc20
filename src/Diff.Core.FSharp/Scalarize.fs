namespace Diff

open System
open Diff.Kernels

/// Graphs of few numbers as straight-line code: every element of every array becomes an instruction of its own, what only
/// moves elements becomes none, and equal instructions become one.
[<RequireQualifiedAccess>]
module internal Scalarize =
    /// An integer is a float64 in scalar code.
    let private isExact (s: Scalar) =
        s.DType <> DType.Int64
        || (s.AsInt >= -9007199254740992L && s.AsInt <= 9007199254740992L)

    let private typeOf (dtype: DType) =
        match dtype with
        | DType.Float32 -> ScalarType.Float32
        | DType.Bool -> ScalarType.Bool
        | _ -> ScalarType.Float64

    let private elementOf (dtype: DType) : ScalarElement =
        LanguagePrimitives.EnumOfValue(byte dtype)

    /// The instruction for each scalar function: the one of the same name. None if there is none.
    let private opOf: Fn -> ScalarOp voption =
        let find (fn: Fn) =
            match Enum.TryParse<ScalarOp>((Fn.name fn).Replace("_", ""), true) with
            | true, op -> ValueSome op
            | _ -> ValueNone
        let table = Array.map find Fn.all
        fun fn -> table[Fn.tag fn]

    // ---- Elements that only move ----------------------------------------------------------------------------------

    // The operation's own reference evaluation moves numbers of instructions instead of elements. They are counted
    // from 1, so that a gap, which it fills with 0, is seen.
    let private move (op: Op) (shape: Shape) (args: (int[] * Shape)[]) (extra: NDArray[]) : int[] =
        let arrays =
            args
            |> Array.map (fun (values, shape) -> NDArray.Create(Array.map ((+) 1) values, shape))
        let nodes =
            Array.append arrays extra |> Array.map (fun a -> Leaf.input "" a.Shape a.DType)
        let result = NDArray.Zeros(DType.Int32, shape)
        let node = Expr(op, nodes, shape, DType.Int32, null)
        ((Rules.ofOp op).Kernel node).Invoke(Array.append arrays extra, result)
        result.ToArray<int>() |> Array.map (fun v -> v - 1)

    /// The elements with the axes in another order, repeated along those that are new.
    let private arrange (inputs: string) (output: string) (shape: Shape) (values: int[]) (from: Shape) =
        let spec =
            { Inputs = [| inputs |]
              Output = output }
        move (Op.Einsum spec) shape [| values, from |] [||]

    // ---- Graphs ---------------------------------------------------------------------------------------------------

    [<Sealed>]
    type private Unroll(limit: int, inputs: Expr[]) =
        let code = ScalarCodeBuilder()
        let values = NodeMap<int[] | null>()
        let input = NodeMap<int>() // 1 + position
        do inputs |> Array.iteri (fun i e -> input[e] <- i + 1)

        let known (e: Expr) : int[] = nonNull values[e]
        let constant (dtype: DType) (value: float) = code.Const(typeOf dtype, value)
        let withGaps (node: Expr) (moved: int[]) =
            moved |> Array.map (fun v -> if v < 0 then constant node.DType 0.0 else v)

        // Neighbours are added first: few values are alive at a time, and errors stay small.
        let rec tree (op: ScalarOp) (dtype: ScalarType) (terms: int[]) first count : int =
            if count = 1 then
                terms[first]
            else
                let half = (count + 1) / 2
                let a = tree op dtype terms first half
                code.Add(op, dtype, a, tree op dtype terms (first + half) (count - half))

        /// A sum of products, float32 in float64 as the reference evaluation does; where one rounding follows another
        /// without need it is left out.
        let sum (dtype: DType) (factors: int[][]) first count : int =
            let t = typeOf dtype
            let exact = factors.Length = 1 && count <= 2 || factors.Length = 2 && count = 1
            let wide = if exact then t else ScalarType.Float64
            let product i =
                let mutable p = code.Convert(wide, factors[0][i])
                for k in 1 .. factors.Length - 1 do
                    p <- code.Add(ScalarOp.Mul, wide, p, code.Convert(wide, factors[k][i]))
                p
            if count = 0 then
                constant dtype 0.0
            else
                let terms = Array.init count (fun i -> product (first + i))
                code.Convert(t, tree ScalarOp.Add wide terms 0 count)

        let einsum (spec: EinsumSpec) (node: Expr) : int[] voption =
            let sizes = Einsum.sizes spec node
            let kept = spec.Output |> Seq.distinct |> Array.ofSeq
            let summed =
                String.Join("", spec.Inputs)
                |> Seq.distinct
                |> Seq.filter (fun c -> not (spec.Output.Contains c))
                |> Array.ofSeq
            let extents labels =
                labels |> Array.map (fun (c: char) -> sizes[c])
            let size labels =
                extents labels |> Array.fold (fun n d -> n * float d) 1.0
            let count = size summed
            if size kept * max 1.0 count * float node.Args.Length > float limit then
                ValueNone
            elif node.Args.Length = 1 && count = 1.0 then
                ValueSome(
                    arrange spec.Inputs[0] spec.Output node.Shape (known node.Args[0]) node.Args[0].Shape
                    |> withGaps node
                )
            elif not (DType.isFloat node.DType) then
                ValueNone
            else
                let all, count = Array.append kept summed, int count
                let factors =
                    Array.map2
                        (fun axes (x: Expr) ->
                            arrange axes (String all) (Shape(extents all)) (known x) x.Shape)
                        spec.Inputs
                        node.Args
                let sums =
                    Array.init (int (size kept)) (fun i -> sum node.DType factors (i * count) count)
                if kept.Length = spec.Output.Length then
                    ValueSome sums
                else
                    ValueSome(
                        arrange (String kept) spec.Output node.Shape sums (Shape(extents kept))
                        |> withGaps node
                    )

        let reduce extreme (axes: int[]) (node: Expr) : int[] =
            let x = node.Args[0]
            let labels = EinsumSpec.labels x.Rank
            let isReduced i = Array.contains i axes
            let all = [| 0 .. x.Rank - 1 |]
            let order =
                Array.append (Array.filter (isReduced >> not) all) (Array.filter isReduced all)
            let sorted =
                arrange
                    (String labels)
                    (String(order |> Array.map (fun i -> labels[i])))
                    (order |> Array.map (fun i -> x.Shape[i]) |> Shape)
                    (known x)
                    x.Shape
            let count = axes |> Array.fold (fun n i -> n * x.Shape[i]) 1
            let op =
                match extreme with
                | Extreme.Max -> ScalarOp.Larger
                | Extreme.Min -> ScalarOp.Smaller
            Array.init node.Shape.Length (fun i -> tree op (typeOf node.DType) sorted (i * count) count)

        /// The indices where they are constants inside the axis.
        let indices (e: Expr) (extent: int) : NDArray voption =
            let numbers = known e
            let isFine v =
                code[v].Op = ScalarOp.Const
                && code[v].Value >= float -extent
                && code[v].Value < float extent
            if Array.forall isFine numbers then
                ValueSome(NDArray.Create(numbers |> Array.map (fun v -> int code[v].Value), e.Shape))
            else
                ValueNone

        let gather axis (node: Expr) : int[] voption =
            let x = node.Args[0]
            indices node.Args[1] x.Shape[axis]
            |> ValueOption.map (fun at -> move node.Op node.Shape [| known x, x.Shape |] [| at |])

        let scatterAdd axis (node: Expr) : int[] voption =
            if not (DType.isFloat node.DType) then
                ValueNone
            else
                indices node.Args[1] node.Shape[axis]
                |> ValueOption.map (fun at ->
                    // Where each element of the argument goes: what a gather of the positions brings there.
                    let x = known node.Args[0]
                    let positions = Array.init node.Shape.Length id
                    let goals =
                        move (Op.Gather axis) node.Args[0].Shape [| positions, node.Shape |] [| at |]
                    let result = Array.create node.Shape.Length (constant node.DType 0.0)
                    for i in 0 .. x.Length - 1 do
                        result[goals[i]] <- code.Add(ScalarOp.Add, typeOf node.DType, result[goals[i]], x[i])
                    result)

        let elementwise fn (node: Expr) : int[] voption =
            let last = node.Args[node.Args.Length - 1].DType
            match opOf fn with
            // Integers wrap around in arithmetic, float64 does not.
            | ValueSome op when not (DType.isInteger last) || Fn.isComparison fn || fn = Fn.Where ->
                let args = Array.map known node.Args
                let t = typeOf node.DType
                let at k i =
                    if k < args.Length then args[k][i] else 0
                ValueSome(Array.init node.Shape.Length (fun i -> code.Add(op, t, at 0 i, at 1 i, at 2 i)))
            | _ -> ValueNone

        let cast (node: Expr) : int[] voption =
            let from, into = node.Args[0].DType, node.DType
            let cuts =
                DType.isInteger into
                && (DType.isFloat from || (from = DType.Int64 && into = DType.Int32))
            if cuts then
                ValueNone
            else
                ValueSome(known node.Args[0] |> Array.map (fun v -> code.Convert(typeOf into, v)))

        let leaf (value: NDArray) : int[] voption =
            if value.Length > 64 then
                ValueNone
            else
                let number i : Scalar =
                    if value.DType = DType.Int64 then
                        Scalar.ofInt DType.Int64 (value.Span<int64>()[i])
                    else
                        Scalar.ofFloat value.DType (value.Float i)
                let numbers = Array.init value.Length number
                if Array.forall isExact numbers then
                    ValueSome(numbers |> Array.map (fun s -> constant s.DType s.AsFloat))
                else
                    ValueNone

        let unroll (node: Expr) : int[] voption =
            let n = node.Shape.Length
            match node.Op with
            | _ when DType.isHalf node.DType -> ValueNone
            | Op.Variable _ when input[node] > 0 ->
                let element = elementOf node.DType
                ValueSome(Array.init n (fun i -> code.Load(typeOf node.DType, input[node] - 1, i, element)))
            | Op.Const value when isExact value ->
                ValueSome(Array.create n (constant node.DType value.AsFloat))
            | Op.Literal value -> leaf value
            | Op.Iota axis ->
                let step = (Shape.strides node.Shape.Dims)[axis]
                ValueSome(Array.init n (fun i -> constant node.DType (float (i / step % node.Shape[axis]))))
            | Op.Elementwise fn -> elementwise fn node
            | Op.Cast -> cast node
            | Op.StopGradient
            | Op.Barrier
            | Op.Reshape -> ValueSome(known node.Args[0])
            | Op.Einsum spec -> einsum spec node
            | Op.Slice _
            | Op.Unfold _
            | Op.Embed _
            | Op.Concat _ ->
                let args = node.Args |> Array.map (fun a -> known a, a.Shape)
                ValueSome(move node.Op node.Shape args [||] |> withGaps node)
            | Op.Gather axis -> gather axis node
            | Op.ScatterAdd axis -> scatterAdd axis node
            | Op.Reduce(extreme, axes) -> ValueSome(reduce extreme axes node)
            | _ -> ValueNone

        let bytes (e: Expr) = e.Shape.Length * DType.size e.DType

        /// Unrolls nodes, arguments first, until one does not qualify or there are too many instructions.
        member _.TryAll(nodes: Expr[]) : bool =
            let mutable fits = true
            let mutable i = 0
            while fits && i < nodes.Length do
                match unroll nodes[i] with
                | ValueSome elements ->
                    values[nodes[i]] <- elements
                    fits <- code.Count <= limit
                | ValueNone -> fits <- false
                i <- i + 1
            fits

        member _.Build(roots: Expr[]) : ScalarCode =
            let stores =
                roots
                |> Array.mapi (fun r root ->
                    known root
                    |> Array.mapi (fun i value -> ScalarStore(r, i, elementOf root.DType, value)))
                |> Array.concat
            code.Build(stores, Array.map bytes inputs, Array.map bytes roots)

    /// Whether the graph may fit, by the sizes of its arrays alone: most graphs are refused here, before any work.
    /// Moves cost no instruction, but time and memory.
    let private mayFit (limit: int) (nodes: Expr[]) =
        let mutable elements = 0L
        let mutable fits = true
        for node in nodes do
            elements <- elements + 1L + int64 node.Shape.Length
            fits <- fits && node.Shape.Length <= limit
        fits && elements <= 16L * int64 limit

    /// The roots as straight-line code of at most `limit` instructions, counted before those that nobody needs are dropped;
    /// none if an operation or an element type has no place in it (an int64 input, even one that is not used).
    /// `inputs` are the variables, in the order in which they will be given.
    let tryCode (limit: int) (inputs: Expr[]) (roots: Expr[]) : ScalarCode voption =
        let nodes = Graph.topological roots
        let isWide (e: Expr) =
            e.DType = DType.Int64 || DType.isHalf e.DType
        if mayFit limit nodes && not (Array.exists isWide inputs) then
            let unroll = Unroll(limit, inputs)
            if unroll.TryAll nodes then
                ValueSome(unroll.Build roots)
            else
                ValueNone
        else
            ValueNone

    /// The same as a function that compiles itself when it has run often enough.
    let tryMake (limit: int) (inputs: Expr[]) (roots: Expr[]) : ScalarFunction voption =
        tryCode limit inputs roots |> ValueOption.map ScalarFunction
