namespace Diff

open System
open System.Collections.Generic

/// Which elements of a matrix may differ from 0: the columns of each row in ascending order.
[<Sealed>]
type SparsityPattern internal (rows: int[][], columns: int) =
    let pointers = rows |> Array.scan (fun at row -> at + row.Length) 0
    member _.Rows = rows.Length
    member _.Columns = columns
    /// The number of elements that may differ from 0.
    member _.Count = pointers[rows.Length]
    member internal _.ColumnsOf(row: int) : int[] = rows[row]
    /// Where the elements of each row begin, and at last where those of the last one end.
    member _.RowPointers: int[] = Array.copy pointers
    /// The columns of the elements, row after row.
    member _.ColumnIndices: int[] = Array.concat rows
    /// Whether an element may differ from 0.
    member _.Contains(row: int, column: int) : bool =
        Array.BinarySearch(rows[row], column) >= 0
    member internal _.Transposed: int[][] =
        let found = Array.init columns (fun _ -> List<int>())
        rows |> Array.iteri (fun i row -> row |> Array.iter (fun j -> found[j].Add i))
        found |> Array.map _.ToArray()
    override this.ToString() =
        $"{this.Rows} x {this.Columns}, {this.Count} elements"

/// What each element of a graph depends on among the elements of one of its nodes: found from the graph alone, never from values of variables.
/// It is exact but for sums that cancel, words of linear algebra, of which each matrix depends on all of its arguments, branches, and long loops.
[<RequireQualifiedAccess>]
module internal Sparsity =
    let private nothing: int[] = [||]

    /// What may be spent on a walk, in elements looked at.
    [<Sealed>]
    type private Purse(budget: float) =
        let mutable left = budget
        member _.IsEmpty = left < 0.0
        /// Whether there was enough.
        member _.Pay(price: float) : bool =
            left <- left - price
            left >= 0.0

    /// Unions of sets of columns; empty ones once nothing more may be spent.
    [<Sealed>]
    type private Union(columns: int, purse: Purse) =
        let stamp = Array.zeroCreate<int> columns
        let mutable turn = 0
        let found = List<int>()
        let mutable only: int[] = nothing
        let mutable several = false

        member _.Start() =
            turn <- turn + 1
            found.Clear()
            only <- nothing
            several <- false

        member _.Add(set: int[]) =
            if
                set.Length > 0
                && not (obj.ReferenceEquals(set, only))
                && purse.Pay(float set.Length)
            then
                if only.Length = 0 then only <- set else several <- true
                for j in set do
                    if stamp[j] <> turn then
                        stamp[j] <- turn
                        found.Add j

        /// The set itself where there was one alone.
        member _.Result: int[] =
            if not several || found.Count = only.Length then
                only
            else
                found.Sort()
                found.ToArray()

    /// Where each element of a result comes from, by the operation's own reference evaluation on positions; −1 for a gap.
    let private sources (op: Op) (shape: Shape) (args: (int * Shape)[]) (extra: NDArray[]) : int[] =
        let arrays =
            args
            |> Array.map (fun (first, shape) ->
                NDArray.Create(Array.init shape.Length (fun i -> first + i + 1), shape))
        let nodes =
            Array.append arrays extra |> Array.map (fun a -> Leaf.input "" a.Shape a.DType)
        let result = NDArray.Zeros(DType.Int32, shape)
        ((Rules.ofOp op).Kernel(Expr(op, nodes, shape, DType.Int32, null)))
            .Invoke(Array.append arrays extra, result)
        result.ToArray<int>() |> Array.map (fun v -> v - 1)

    /// Up to so many elements are looked at to tell the iterations of a loop apart; beyond, all of them count as one.
    let private mostApart = 2_000_000L

    /// Sets of columns through a graph, from those of some of its nodes.
    [<Sealed>]
    type private Walk(roots: Expr[], seeds: (Expr * int[][])[], columns: int, purse: Purse) =
        let nodes = Graph.topological roots
        let active = Graph.dependents (Array.map fst seeds) nodes
        let given =
            let variables =
                nodes
                |> Array.filter (fun e ->
                    match e.Op with
                    | Op.Variable _ -> true
                    | _ -> false)
            Graph.dependents variables nodes
        let sets = NodeMap<int[][] | null>()
        let union = Union(columns, purse)

        let price (e: Expr) =
            match e.Op with
            | Op.Einsum spec -> (Einsum.sizes spec e).Values |> Seq.fold (fun n size -> n * float size) 1.0
            | _ -> float e.Shape.Length

        // What takes nobody knows how long, or fails for some values, is left to those who ask for the value.
        let isPlain (e: Expr) =
            match e.Op with
            | Op.Loop _
            | Op.Branch _
            | Op.Call _
            | Op.Custom _
            | Op.Linalg _ -> false
            | _ -> true

        // Values found so far, and nodes without: each node is computed once, however many are asked for what depends on it.
        let values, isRefused = NodeMap<NDArray | null>(), NodeMap<bool>()
        let counted (nodes: Expr[]) =
            let uses = NodeMap<int>()
            for node in nodes do
                for a in node.Args do
                    uses[a] <- uses[a] + 1
            uses
        let uses = counted nodes

        /// What a node is computed from, down to values that were found, in the order of computation.
        let below (e: Expr) : Expr[] =
            let seen = NodeMap<bool>()
            let found, waiting = List<Expr>(), Stack<Expr>([ e ])
            while waiting.Count > 0 do
                let node = waiting.Pop()
                if not seen[node] then
                    seen[node] <- true
                    found.Add node
                    if isNull values[node] then
                        Array.iter waiting.Push node.Args
            found.Sort(fun a b -> compare a.Id b.Id)
            found.ToArray()

        /// The value of a node that no variable changes, if it is worth its price.
        let known (e: Expr) : NDArray voption =
            match values[e] with
            | null when given[e] || isRefused[e] -> ValueNone
            | null ->
                let nodes = below e
                let left = nodes |> Array.filter (fun node -> isNull values[node])
                let cost = Array.sumBy price left
                if
                    Array.forall (fun node -> isPlain node && not isRefused[node]) left
                    && purse.Pay cost
                then
                    let ofValue (original: Expr) (node: Expr) =
                        match values[original] with
                        | null -> node
                        | value -> Leaf.literal value
                    // What others than these read is asked for as well: they may be next.
                    let within = counted left
                    let wanted =
                        left |> Array.filter (fun node -> node.Id = e.Id || uses[node] > within[node])
                    try
                        let roots = Graph.rebuild ofValue nodes wanted
                        // To plan takes some milliseconds.
                        let found =
                            if cost < 1e5 then
                                Reference.evaluate roots
                            else
                                Evaluate.many roots
                        Array.iter2 (fun node value -> values[node] <- value) wanted found
                    with :? IndexOutOfRangeException ->
                        isRefused[e] <- true
                else
                    isRefused[e] <- true
                match values[e] with
                | null -> ValueNone
                | found -> ValueSome found
            | found -> ValueSome found

        let setsOf (e: Expr) : int[][] =
            match sets[e] with
            | null -> Array.create e.Shape.Length nothing
            | found -> found

        let isLive (e: Expr) = not (isNull sets[e])

        let unionOf (parts: int[] seq) =
            union.Start()
            Seq.iter union.Add parts
            union.Result

        /// Everything depends on all that the arguments depend on.
        let all (node: Expr) =
            let set = node.Args |> Seq.filter isLive |> Seq.collect setsOf |> unionOf
            Array.create node.Shape.Length set

        let moved op (node: Expr) (count: int) extra =
            let args = node.Args[.. count - 1]
            let starts = args |> Array.scan (fun at a -> at + a.Shape.Length) 0
            let from =
                sources op node.Shape (args |> Array.mapi (fun i a -> starts[i], a.Shape)) extra
            let found = args |> Array.map setsOf |> Array.concat
            from |> Array.map (fun i -> if i < 0 then nothing else found[i])

        /// The transpose of an operation that moves elements: each element of the argument is added where that one would take it from.
        let added op (node: Expr) extra =
            let into = sources op node.Args[0].Shape [| 0, node.Shape |] extra
            let terms = Array.init node.Shape.Length (fun _ -> List<int[]>())
            let found = setsOf node.Args[0]
            into
            |> Array.iteri (fun i target ->
                if target >= 0 && found[i].Length > 0 then
                    terms[target].Add found[i])
            terms |> Array.map unionOf

        /// For each set of a batch of matrices in the last axes the union of all in it.
        let perMatrix (node: Expr) =
            let leading (e: Expr) = e.Shape.Dims[.. e.Rank - 3]
            let fits =
                node.Rank >= 2
                && node.Args |> Array.forall (fun a -> a.Rank >= 2 && leading a = leading node)
            if not fits then
                all node
            else
                let batch = Array.fold (*) 1 (leading node)
                let width (e: Expr) =
                    if batch = 0 then 0 else e.Shape.Length / batch
                let live =
                    node.Args |> Array.filter isLive |> Array.map (fun a -> setsOf a, width a)
                let each =
                    Array.init batch (fun b ->
                        live
                        |> Seq.collect (fun (s, w) -> Seq.init w (fun i -> s[b * w + i]))
                        |> unionOf)
                Array.init node.Shape.Length (fun i -> each[i / width node])

        /// Sums of products: where a factor is known to be 0 there is no term.
        let contraction
            (inputs: string[])
            (output: string)
            (node: Expr)
            (args: Expr[])
            (sizes: Dictionary<char, int>)
            =
            let kept = output |> Seq.distinct |> Array.ofSeq
            let summed =
                String.Join("", inputs)
                |> Seq.distinct
                |> Seq.filter (fun c -> not (output.Contains c))
                |> Array.ofSeq
            let size labels =
                labels |> Array.fold (fun n (c: char) -> n * float sizes[c]) 1.0
            let labels = Array.append kept summed
            if size labels > 3e7 then
                all node
            elif not (purse.Pay(size labels)) then
                Array.create node.Shape.Length nothing
            else
                let extents = labels |> Array.map (fun c -> sizes[c])
                let place (axes: string) (shape: Shape) =
                    let strides = Shape.strides shape.Dims
                    let steps =
                        labels
                        |> Array.map (fun c ->
                            Seq.fold2 (fun sum l s -> if l = c then sum + s else sum) 0 axes strides)
                    steps
                let factors =
                    Array.map2
                        (fun axes (a: Expr) ->
                            let zeros =
                                if isLive a then
                                    (null: bool[] | null)
                                else
                                    match known a with
                                    | ValueSome value ->
                                        Array.init value.Length (fun i -> value.Float i = 0.0)
                                    | ValueNone -> null
                            place axes a.Shape, sets[a], zeros)
                        inputs
                        args
                let outputSteps = place output node.Shape
                let result = Array.create node.Shape.Length nothing
                let many, inner = int (size kept), int (size summed)
                let index = Array.zeroCreate<int> labels.Length
                let offset (steps: int[]) =
                    let mutable at = 0
                    for k in 0 .. steps.Length - 1 do
                        at <- at + steps[k] * index[k]
                    at
                let advance () =
                    let mutable k = labels.Length - 1
                    while k >= 0
                          && (index[k] <- index[k] + 1
                              index[k] = extents[k]) do
                        index[k] <- 0
                        k <- k - 1
                for _ in 1..many do
                    let target = offset outputSteps
                    union.Start()
                    for _ in 1..inner do
                        let isZero =
                            factors
                            |> Array.exists (fun (steps, _, zeros) ->
                                match zeros with
                                | null -> false
                                | zeros -> zeros[offset steps])
                        if not isZero then
                            for steps, found, _ in factors do
                                match found with
                                | null -> ()
                                | found -> union.Add found[offset steps]
                        advance ()
                    result[target] <- union.Result
                result

        let lines (node: Expr) axis (arg: Expr) =
            let labels = EinsumSpec.labels arg.Rank
            let sizes = Dictionary<char, int>()
            labels |> Array.iteri (fun i l -> sizes[l] <- arg.Shape[i])
            let others = labels |> Array.filter (fun l -> l <> labels[axis])
            let repeated =
                Expr(Op.Reshape, [| arg |], Shape(Array.removeAt axis arg.Shape.Dims), arg.DType, null)
            let sums = contraction [| String labels |] (String others) repeated [| arg |] sizes
            let width = Array.fold (*) 1 node.Shape.Dims[axis + 1 ..]
            let extent = node.Shape[axis]
            Array.init node.Shape.Length (fun i -> sums[i / (width * extent) * width + i % width])

        let pointwise (fn: Fn) (node: Expr) =
            let args = node.Args |> Array.filter (fun a -> DType.isReal a.DType)
            let found = args |> Array.map (fun a -> sets[a])
            let join (keep: int -> int -> bool) =
                Array.init node.Shape.Length (fun i ->
                    union.Start()
                    for k in 0 .. args.Length - 1 do
                        match found[k] with
                        | null -> ()
                        | sets ->
                            if keep k i then
                                union.Add sets[i]
                    union.Result)
            match fn with
            | Fn.Where ->
                match known node.Args[0] with
                | ValueSome condition -> join (fun k i -> (condition.Float i <> 0.0) = (k = 0))
                | ValueNone -> join (fun _ _ -> true)
            | Fn.Mul ->
                let values = args |> Array.map (fun a -> if isLive a then ValueNone else known a)
                join (fun k i ->
                    match values[1 - k] with
                    | ValueSome other -> other.Float i <> 0.0
                    | ValueNone -> true)
            | _ -> join (fun _ _ -> true)

        /// A derivative that only its rule tells: the elements of the tangents on which the tangent depends.
        let byRule (node: Expr) =
            let vs =
                node.Args
                |> Array.map (fun a ->
                    if isLive a && DType.isReal a.DType then
                        (Leaf.input "tangent" a.Shape (DType.ofDerivative a.DType): Expr | null)
                    else
                        null)
            match Gradient.tangent node vs with
            | null -> Array.create node.Shape.Length nothing
            | t ->
                let joined = Array.create node.Shape.Length nothing
                Array.iter2
                    (fun (a: Expr) (v: Expr | null) ->
                        match v with
                        | null -> ()
                        | v ->
                            let found, own = setsOf a, (Walk.Of([| t |], v, purse).Run())[0]
                            for i in 0 .. own.Length - 1 do
                                joined[i] <-
                                    unionOf (
                                        Seq.append [ joined[i] ] (own[i] |> Seq.map (fun j -> found[j]))
                                    ))
                    node.Args
                    vs
                joined

        /// The sets of a graph within, given those of its holes.
        let within (body: Body) (holes: int[][][]) : int[][][] =
            let seeds =
                Array.zip body.Inputs holes
                |> Array.filter (fun (_, sets) -> sets |> Array.exists (fun s -> s.Length > 0))
            Walk(body.Outputs, seeds, columns, purse).Run()

        let joined (a: int[][]) (b: int[][]) =
            Array.map2 (fun x y -> unionOf [ x; y ]) a b

        let same (a: int[][]) (b: int[][]) =
            Array.forall2
                (fun (x: int[]) (y: int[]) ->
                    x.AsSpan().SequenceEqual(Span.op_Implicit (y.AsSpan()): ReadOnlySpan<int>))
                a
                b

        /// Where parts of a packed value lie, their sets.
        let placed (packed: DType) (node: Expr) (parts: struct (int * Expr * int[][]) seq) =
            let result = Array.create node.Shape.Length nothing
            for struct (start, part, sets) in parts do
                if Pack.width packed part.DType = 1 then
                    Array.blit sets 0 result start sets.Length
            result

        let branch (branches: Branches) (node: Expr) =
            let holes = node.Args[1..] |> Array.map setsOf
            Array.map2 joined (within branches.WhenTrue holes) (within branches.WhenFalse holes)
            |> Seq.mapi (fun k sets -> struct (branches.Starts[k], branches.WhenTrue.Outputs[k], sets))
            |> placed branches.Packed node

        /// Sweep after sweep. Where there are few iterations each is looked at by itself; else a state stands for that of all iterations, what is
        /// sliced for all slices, and each sweep is gone through until nothing is new.
        let loop (loop: Iterated) (node: Expr) =
            let it = loop.Iteration
            let size =
                it.Sweeps
                |> Array.sumBy (fun sweep ->
                    Graph.topological sweep.Body.Outputs
                    |> Array.sumBy (fun e -> 1L + int64 e.Shape.Length))
            let count =
                match it.Length with
                | ValueSome n when int64 n * size <= mostApart && purse.Pay(float n * float size) -> n
                | _ -> -1
            let isApart = count >= 0
            let slots = if isApart then count else 1
            let empty (e: Expr) = Array.create e.Shape.Length nothing
            let zeros (es: Expr[]) =
                Array.init slots (fun _ -> Array.map empty es)
            // By sweep and iteration: the states before and after it, and what was given.
            let before = it.Sweeps |> Array.map (fun s -> zeros s.Body.Outputs[.. s.States - 1])
            let after = it.Sweeps |> Array.map (fun s -> zeros s.Body.Outputs[.. s.States - 1])
            let given = it.Sweeps |> Array.map (fun s -> zeros s.Body.Outputs[s.States ..])
            let sliceOf a (length: int) i =
                let sets = setsOf node.Args[a]
                if isApart then
                    sets[i * length .. (i + 1) * length - 1]
                elif sets |> Array.forall (fun s -> s.Length = 0) then
                    Array.create length nothing
                else
                    let n = if length = 0 then 0 else sets.Length / length
                    Array.init length (fun k -> unionOf (Seq.init n (fun i -> sets[i * length + k])))
            let fed i (feed: Feed) (hole: Expr) =
                match feed with
                | Feed.Whole a -> setsOf node.Args[a]
                | Feed.Slice a -> sliceOf a hole.Shape.Length i
                | Feed.State(j, s) -> (before[j][i])[s]
                | Feed.After(j, s) -> (after[j][i])[s]
                | Feed.Output(j, o) -> (given[j][i])[o]
            let final =
                it.Sweeps
                |> Array.map (fun sweep -> sweep.Init |> Array.map (fun a -> setsOf node.Args[a]))
            let step j i =
                let sweep = it.Sweeps[j]
                let results = within sweep.Body (Array.map2 (fed i) sweep.Feeds sweep.Body.Inputs)
                given[j][i] <- results[sweep.States ..]
                results[.. sweep.States - 1]
            for j in 0 .. it.Sweeps.Length - 1 do
                if isApart then
                    for k in 0 .. count - 1 do
                        let i = if it.Sweeps[j].Reverse then count - 1 - k else k
                        before[j][i] <- final[j]
                        final[j] <- step j i
                        after[j][i] <- final[j]
                else
                    let mutable isNew = true
                    while isNew do
                        before[j][0] <- final[j]
                        let next = Array.map2 joined final[j] (step j 0)
                        isNew <- not (Array.forall2 same final[j] next)
                        final[j] <- next
                        after[j][0] <- next
            Array.map2
                (fun start (part: LoopPart) ->
                    let e = it.PartOf part
                    match part with
                    | LoopPart.Final(j, s) -> [ struct (start, e, (final[j])[s]) ]
                    | LoopPart.Stacked(j, o) ->
                        let length = Pack.length it.Packed e.Shape e.DType
                        List.init it.Length.Value (fun i ->
                            struct (start + i * length, e, (given[j][if isApart then i else 0])[o])))
                loop.Starts
                it.Parts
            |> Seq.concat
            |> placed it.Packed node

        let step (node: Expr) : int[][] =
            let first = node.Args[0]
            match node.Op, (Rules.ofOp node.Op).Derivative with
            | (Op.Call _ | Op.Custom _), _ -> byRule node
            | Op.Loop extension, _ -> loop (Iterated.Of extension) node
            | Op.Branch extension, _ -> branch (Branches.Of extension) node
            | _, Zero -> Array.create node.Shape.Length nothing
            | Op.Elementwise fn, _ -> pointwise fn node
            | (Op.Cast | Op.Barrier), _ -> setsOf first
            | (Op.Reshape | Op.Slice _ | Op.Embed _ | Op.Unfold _), _ -> moved node.Op node 1 [||]
            | Op.Concat _, _ -> moved node.Op node node.Args.Length [||]
            | (Op.Gather axis | Op.TakeAlong axis), _ ->
                match known node.Args[1] with
                | ValueSome indices -> moved node.Op node 1 [| indices |]
                | ValueNone ->
                    match node.Op with
                    | Op.TakeAlong _ when first.Shape.Length > 0 -> lines node axis first
                    | _ -> all node
            | (Op.ScatterAdd axis | Op.AddAlong axis), _ ->
                match known node.Args[1] with
                | ValueSome indices ->
                    let op =
                        match node.Op with
                        | Op.AddAlong _ -> Op.TakeAlong axis
                        | _ -> Op.Gather axis
                    added op node [| indices |]
                | ValueNone -> all node
            | Op.Fold(axis, _, step, dilation), _ ->
                added (Op.Unfold(axis, first.Shape[axis + 1], step, dilation)) node [||]
            | Op.Einsum spec, _ -> contraction spec.Inputs spec.Output node node.Args (Einsum.sizes spec node)
            | Op.Reduce(_, axes), _ ->
                let labels = EinsumSpec.labels first.Rank
                let sizes = Dictionary<char, int>()
                labels |> Array.iteri (fun i l -> sizes[l] <- first.Shape[i])
                let kept =
                    labels
                    |> Array.indexed
                    |> Array.filter (fun (i, _) -> not (Array.contains i axes))
                    |> Array.map snd
                contraction [| String labels |] (String kept) node [| first |] sizes
            | Op.Recurrence(axis, reverse), _ ->
                let factors, b = setsOf node.Args[0], setsOf node.Args[1]
                let factor i =
                    if factors.Length = 1 then factors[0] else factors[i]
                let width = Array.fold (*) 1 node.Shape.Dims[axis + 1 ..]
                let extent = node.Shape[axis]
                let result = Array.create node.Shape.Length nothing
                for line in 0 .. (if extent = 0 then 0 else node.Shape.Length / extent) - 1 do
                    let at t =
                        line / width * width * extent + line % width + t * width
                    let mutable before = nothing
                    for k in 0 .. extent - 1 do
                        let i = at (if reverse then extent - 1 - k else k)
                        before <- unionOf [ before; (if k = 0 then nothing else factor i); b[i] ]
                        result[i] <- before
                result
            | Op.Linalg _, _ -> perMatrix node
            | _ -> all node

        /// For each element of each root the columns; nothing that means anything if the purse is empty after it.
        member _.Run() : int[][][] =
            for e, columns in seeds do
                sets[e] <- columns
            for node in nodes do
                if active[node] && isNull sets[node] then
                    if
                        DType.isReal node.DType
                        && node.Args |> Array.exists isLive
                        && purse.Pay(float node.Shape.Length)
                    then
                        let found = step node
                        if found |> Array.exists (fun s -> s.Length > 0) then
                            sets[node] <- found
            Array.map setsOf roots

        /// The columns are the elements of a node.
        static member Of(roots: Expr[], x: Expr, purse: Purse) : Walk =
            Walk(roots, [| x, Array.init x.Shape.Length (fun i -> [| i |]) |], x.Shape.Length, purse)

    /// The pattern of ∂y/∂x, both as vectors, if it can be found by looking at so many elements.
    let within (budget: float) (y: Expr) (x: Expr) : SparsityPattern voption =
        let purse = Purse budget
        let rows = (Walk.Of([| y |], x, purse).Run())[0]
        if purse.IsEmpty then
            ValueNone
        else
            ValueSome(SparsityPattern(rows, x.Shape.Length))

    /// The pattern of ∂y/∂x, both as vectors.
    let ofGraph (y: Expr) (x: Expr) : SparsityPattern = (within infinity y x).Value
