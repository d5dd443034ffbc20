namespace Diff

open System
open System.Collections.Generic

/// Sums of products in index notation: matrix products, sums, means, traces, diagonals, transposes, broadcasts.
[<RequireQualifiedAccess>]
module internal Einsum =
    /// Fails for what has no sums of products.
    let checkNumbers operation (x: Expr) =
        if x.DType = DType.Bool then
            raise (DTypeException $"{operation}: expected numbers, got bool; cast it")
        Loop.refuseHalf operation x

    /// The contraction that a notation asks for. `extents` gives the labels that stand only in the output.
    let make (notation: string) (extents: IReadOnlyDictionary<char, int>) (args: Expr[]) : Expr =
        if args.Length = 0 then
            invalidArg "args" $"einsum \"{notation}\": expected at least one operand, got none"
        for a in args do
            checkNumbers $"einsum \"{notation}\"" a
            if a.DType <> args[0].DType then
                raise (
                    DTypeException
                        $"einsum \"{notation}\": element types {DType.name args[0].DType} and {DType.name a.DType} do not mix; cast one of them"
                )
        let shapes = args |> Array.map _.Shape
        let spec = EinsumSpec.parse notation shapes
        let sizes = EinsumSpec.sizes notation spec.Inputs shapes
        for label in extents.Keys do
            if not (spec.Output.Contains label || sizes.ContainsKey label) then
                raise (
                    ShapeException
                        $"einsum \"{notation}\": an extent is given for axis '{label}', which the notation does not name"
                )
        let extent label =
            match sizes.TryGetValue label, extents.TryGetValue label with
            | (true, n), (false, _) -> n
            | (true, n), (true, m) when m = n -> n
            | (true, n), (true, m) ->
                raise (
                    ShapeException
                        $"einsum \"{notation}\": axis '{label}' is {n} in the operands, but {m} was asked for"
                )
            | (false, _), (true, m) -> m
            | _ ->
                raise (
                    ShapeException
                        $"einsum \"{notation}\": axis '{label}' stands only in the output; give its extent beside the notation"
                )
        Expr.Contract(spec, args, Shape(spec.Output.ToCharArray() |> Array.map extent))

    /// The axes in another order.
    let permute (order: int[]) (x: Expr) : Expr =
        if order = Array.init x.Rank id then
            x
        else
            let labels = EinsumSpec.labels x.Rank
            let spec =
                { Inputs = [| String labels |]
                  Output = String(order |> Array.map (fun i -> labels[i])) }
            Expr.Contract(spec, [| x |], Shape(order |> Array.map (fun i -> x.Shape[i])))

    /// The same for notations from outside.
    let ofNotation (notation: string) (extents: IReadOnlyDictionary<char, int>) (args: Expr[]) : Expr =
        ArgumentNullException.ThrowIfNull(notation, nameof notation)
        Argument.noneIsNull "operands" args
        EinsumSpec.checkOutput notation
        make notation extents args

    /// The extent of every label of a node.
    let sizes (spec: EinsumSpec) (node: Expr) : Dictionary<char, int> =
        let sizes = EinsumSpec.sizes "" spec.Inputs (node.Args |> Array.map _.Shape)
        spec.Output |> Seq.iteri (fun axis label -> sizes[label] <- node.Shape[axis])
        sizes

    /// How far a step of each label moves in an array with these axes; a repeated label moves along all its axes.
    let private labelStrides (axes: string) (shape: Shape) (labels: char[]) =
        let strides = Shape.strides shape.Dims
        labels
        |> Array.map (fun label ->
            let mutable step = 0
            axes
            |> Seq.iteri (fun axis c ->
                if c = label then
                    step <- step + strides[axis])
            step)

    /// Element offsets of all combinations of some labels, in an array with these axes.
    let private table (sizes: Dictionary<char, int>) (axes: string) shape (labels: char[]) =
        Loop.offsets (labels |> Array.map (fun c -> sizes[c])) (labelStrides axes shape labels)

    /// 'S is the type that terms are added in: float64 for float32, so that a long sum keeps its digits.
    let inline private naive<'T, 'S
        when 'T: unmanaged
        and 'S: unmanaged
        and 'S: (static member (+): 'S * 'S -> 'S)
        and 'S: (static member (*): 'S * 'S -> 'S)>
        (one: 'S)
        ([<InlineIfLambda>] wide: 'T -> 'S)
        ([<InlineIfLambda>] narrow: 'S -> 'T)
        (outputs: int[])
        (outer: int[][])
        (inner: int[][])
        =
        Kernel(fun args result ->
            let out = result.Span<'T>()
            out.Clear() // a label that repeats in the output leaves gaps
            let terms = inner[0].Length
            if args.Length = 1 then
                let x = args[0].Span<'T>()
                let outer = outer[0]
                let inner = inner[0]
                for o in 0 .. outputs.Length - 1 do
                    let mutable sum = Unchecked.defaultof<'S>
                    for s in 0 .. terms - 1 do
                        sum <- sum + wide x[outer[o] + inner[s]]
                    out[outputs[o]] <- narrow sum
            else
                for o in 0 .. outputs.Length - 1 do
                    let mutable sum = Unchecked.defaultof<'S>
                    for s in 0 .. terms - 1 do
                        let mutable product = one
                        for k in 0 .. args.Length - 1 do
                            product <- product * wide (args[k].Span<'T>()[outer[k][o] + inner[k][s]])
                        sum <- sum + product
                    out[outputs[o]] <- narrow sum)

    /// Where nothing is summed, elements only move, whatever their type; a zero keeps its sign.
    let private moved (outputs: int[]) (sources: int[]) =
        { new IMove with
            member _.Run<'T when 'T: unmanaged>(args, result) =
                let x = args[0].Span<'T>()
                let out = result.Span<'T>()
                out.Clear()
                for o in 0 .. outputs.Length - 1 do
                    out[outputs[o]] <- x[sources[o]] }

    /// The definition, written out: one loop over the output's labels, one over the labels summed away.
    let naiveKernel (spec: EinsumSpec) (node: Expr) : Kernel =
        let sizes = sizes spec node
        let kept = spec.Output |> Seq.distinct |> Array.ofSeq
        let summed =
            String.Join("", spec.Inputs)
            |> Seq.distinct
            |> Seq.filter (fun c -> not (spec.Output.Contains c))
            |> Array.ofSeq
        let outputs = table sizes spec.Output node.Shape kept
        let tables labels =
            Array.map2 (fun axes (x: Expr) -> table sizes axes x.Shape labels) spec.Inputs node.Args
        let outer, inner = tables kept, tables summed
        match node.DType with
        | dtype when inner.Length = 1 && inner[0].Length = 1 ->
            let action = moved outputs outer[0]
            Kernel(fun args result -> Loop.move dtype action args result)
        | DType.Float32 -> naive<float32, float> 1.0 float float32 outputs outer inner
        | DType.Float64 -> naive<float, float> 1.0 id id outputs outer inner
        | DType.Int32 -> naive<int, int> 1 id id outputs outer inner
        | _ -> naive<int64, int64> 1L id id outputs outer inner

    let private distinct (labels: string) =
        Seq.length (Seq.distinct labels) = labels.Length

    /// Whether products of several operands may be taken apart: floats and integers, which wrap around.
    let isComputed (node: Expr) =
        DType.isFloat node.DType || DType.isInteger node.DType

    /// Whether the node is a (batched) matrix product: two operands of numbers, every label once in two or three of the three places.
    let isMatrixProduct (spec: EinsumSpec) (node: Expr) =
        match spec.Inputs with
        | [| a; b |] when isComputed node && distinct a && distinct b && distinct spec.Output ->
            Seq.forall (fun (c: char) -> b.Contains c || spec.Output.Contains c) a
            && Seq.forall (fun (c: char) -> a.Contains c || spec.Output.Contains c) b
            && Seq.forall (fun (c: char) -> a.Contains c || b.Contains c) spec.Output
        | _ -> false

    /// Arrays of one form in one block of memory: where each begins, and the strides of all.
    type Operand = { Starts: int[]; Strides: int[] }

    /// The product of matrices that the node is, or the sum of such products over several operands, as one product: whatever the order of
    /// the axes, nothing is copied.
    let productPlan
        (spec: EinsumSpec)
        (node: Expr)
        (x: Operand)
        (y: Operand)
        (ofC: int[])
        : Diff.Kernels.GemmPlan =
        let sizes = sizes spec node
        let a, b, c = spec.Inputs[0], spec.Inputs[1], spec.Output
        let among (source: string) inA inB inC =
            source
            |> Seq.filter (fun l -> a.Contains l = inA && b.Contains l = inB && c.Contains l = inC)
            |> Array.ofSeq
        let batch, row, column, depth =
            among c true true true, among c true false true, among c false true true, among a true true false
        let table (axes: string) (strides: int[]) (labels: char[]) =
            Loop.offsets
                (labels |> Array.map (fun l -> sizes[l]))
                (labels |> Array.map (fun l -> strides[axes.IndexOf l]))
        /// Along the summed axes, one operand after the other.
        let all (operand: Operand) (offsets: int[]) =
            operand.Starts
            |> Array.collect (fun start -> offsets |> Array.map (fun offset -> start + offset))
        let ofA, ofB, ofC = table a x.Strides, table b y.Strides, table c ofC
        Diff.Kernels.GemmPlan(
            ofA batch,
            ofA row,
            all x (ofA depth),
            ofB batch,
            all y (ofB depth),
            ofB column,
            ofC batch,
            ofC row,
            ofC column
        )

    let rule spec : Rule =
        { Derivative =
            Multilinear(fun i xs g ->
                Expr.Contract(EinsumSpec.swap i spec, Array.updateAt i g xs, xs[i].Shape))
          Kernel = naiveKernel spec
          Batching =
            // What is stacked has one label more, the same for all.
            Mapped(fun n stacked args node ->
                let used = HashSet<char>(Seq.append spec.Output (Seq.concat spec.Inputs))
                let label = EinsumSpec.freshLabels used |> Seq.head |> string
                let inputs =
                    Array.map2
                        (fun isStacked labels -> if isStacked then label + labels else labels)
                        stacked
                        spec.Inputs
                Expr.Contract(
                    { Inputs = inputs
                      Output = label + spec.Output },
                    args,
                    Stack.shape n node.Shape
                )) }
