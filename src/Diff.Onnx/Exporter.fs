namespace Diff

open System
open System.Collections.Generic

/// From expressions to a model: each node as the operations of ONNX that have its value.
[<RequireQualifiedAccess>]
module internal Exporter =
    let private refuse (text: string) : 'T =
        raise (NotSupportedException("Onnx.Save: " + text))

    /// log(1 + x) and eˣ − 1 without the loss near 0 (Kahan; Higham 2002, section 1.14.1), as ONNX has neither.
    let private log1p (m: ModelWriter) (x: Written) : Written =
        let map op args = m.Map(op, args, x)
        let test op (a: Written) (b: Written) =
            m.Node(op, [ a.Name; b.Name ], [], x.Dims, DType.Bool)
        let one = m.Number(x.DType, 1.0)
        let u = map "Add" [ x; one ]
        let ratio = map "Div" [ x; map "Sub" [ u; one ] ]
        let scaled = map "Mul" [ map "Log" [ u ]; ratio ]
        // Where u is infinite the ratio is none, and the logarithm is right as it is.
        let large = test "Greater" x (m.Number(x.DType, 1e30))
        map "Where" [ test "Equal" u one; x; map "Where" [ large; map "Log" [ u ]; scaled ] ]

    let private expm1 (m: ModelWriter) (x: Written) : Written =
        let map op args = m.Map(op, args, x)
        let test op (a: Written) (b: Written) =
            m.Node(op, [ a.Name; b.Name ], [], x.Dims, DType.Bool)
        let one = m.Number(x.DType, 1.0)
        let u = map "Exp" [ x ]
        let less = map "Sub" [ u; one ]
        let scaled = map "Mul" [ less; map "Div" [ x; map "Log" [ u ] ] ]
        // Far from 0 nothing is lost.
        let far = test "Greater" (map "Abs" [ x ]) (m.Number(x.DType, 2.0))
        map "Where" [ test "Equal" u one; x; map "Where" [ far; less; scaled ] ]

    /// Φ(x) by erf: ONNX has no erfc, so what is left of it far below 0 is 0.
    let private ndtr (m: ModelWriter) (x: Written) : Written =
        let map op args = m.Map(op, args, x)
        let number value = m.Number(x.DType, value)
        let erf = map "Erf" [ map "Mul" [ x; number (Math.Sqrt 0.5) ] ]
        map "Mul" [ number 0.5; map "Add" [ number 1.0; erf ] ]

    let private isConst (e: Expr) =
        match e.Op with
        | Op.Const _ -> true
        | _ -> false

    /// Whether an operand is the number 1.
    let private isOne (e: Expr) =
        match e.Op with
        | Op.Const value -> value.AsFloat = 1.0
        | _ -> false

    let private elementwise (m: ModelWriter) (find: Expr -> Written) (fn: Fn) (e: Expr) : Written =
        // A constant beside another operand is one number.
        let operand (a: Expr) =
            match a.Op with
            | Op.Const value when not (Array.forall isConst e.Args) -> m.Scalar value
            | _ -> find a
        let args = e.Args |> Array.map operand |> List.ofArray
        let node op =
            m.Node(op, args |> List.map _.Name, [], e.Shape.Dims, e.DType)
        match fn with
        | Fn.Log1p -> log1p m args.Head
        | Fn.Expm1 -> expm1 m args.Head
        | Fn.Ndtr -> ndtr m args.Head
        | Fn.Fmod ->
            m.Node("Mod", args |> List.map _.Name, [ Setting.Int("fmod", 1L) ], e.Shape.Dims, e.DType)
        | Fn.NotEqual ->
            let same = node "Equal"
            m.Map("Not", [ same ], same)
        | fn ->
            match ScalarWords.onnxOf fn with
            | Some op -> node op
            | None -> refuse $"the operation {Fn.name fn} has no counterpart in ONNX (opset 17)"

    /// A convolution as `conv` builds it: its array, its kernel, strides, dilations, padding and groups.
    let private tryConvolution (e: Expr) (spec: EinsumSpec) =
        let kernel = e.Args[1]
        let isGrouped = kernel.Rank = e.Args[0].Rank / 2 + 2 && e.Args[0].Rank % 2 = 1
        let g = if isGrouped then 1 else 0
        let axes = kernel.Rank - 2 - g
        let windows, weights, output = spec.Inputs[0], spec.Inputs[1], spec.Output
        let fits =
            axes >= 1
            && windows.Length = 2 + g + 2 * axes
            && output.Length = 2 + g + axes
            && (let b, group, c = windows[0..0], windows[1..g], windows[1 + g .. 1 + g]
                let o = weights[g..g]
                let p = String(Array.init axes (fun i -> windows[2 + g + 2 * i]))
                let k = String(Array.init axes (fun i -> windows[3 + g + 2 * i]))
                let all = b + group + c + o + p + k
                Set.count (Set.ofSeq all) = all.Length
                && weights = group + o + c + k
                && output = b + group + o + p)
        if not fits || e.DType <> DType.Float32 then
            None
        else
            let size, stride, dilation =
                Array.zeroCreate axes, Array.zeroCreate axes, Array.zeroCreate<int> axes
            let mutable x, isWindows = e.Args[0], true
            for i in axes - 1 .. -1 .. 0 do
                match x.Op with
                | Op.Unfold(axis, s, step, d) when axis = 2 + g + 2 * i ->
                    size[i] <- s
                    stride[i] <- step
                    dilation[i] <- d
                    x <- x.Args[0]
                | _ -> isWindows <- false
            if not isWindows then
                None
            else
                let inner, before, after =
                    match x.Op with
                    | Op.Embed(starts, steps) when Array.forall ((=) 1) steps ->
                        let inside = x.Args[0]
                        inside,
                        starts,
                        Array.map3 (fun d s n -> d - s - n) x.Shape.Dims starts inside.Shape.Dims
                    | _ -> x, Array.zeroCreate x.Rank, Array.zeroCreate x.Rank
                let isSpatial =
                    Array.forall ((=) 0) before[.. 1 + g] && Array.forall ((=) 0) after[.. 1 + g]
                if isSpatial then
                    Some(inner, kernel, stride, dilation, before[2 + g ..], after[2 + g ..], isGrouped)
                else
                    None

    /// The arguments whose values the operations written for a node read.
    let private reads (e: Expr) : Expr[] =
        match e.Op with
        | Op.Einsum spec when e.Args.Length = 2 ->
            match tryConvolution e spec with
            | Some(x, kernel, _, _, _, _, _) -> [| x; kernel |]
            | None -> e.Args
        | Op.Elementwise _ when not (Array.forall isConst e.Args) -> e.Args |> Array.filter (isConst >> not)
        | Op.Barrier -> e.Args[..0]
        | Op.Recurrence _ when isOne e.Args[0] -> e.Args[1..]
        | _ -> e.Args

    let private contraction (m: ModelWriter) (find: Expr -> Written) (spec: EinsumSpec) (e: Expr) : Written =
        let general () =
            Contractions.write m spec (Array.map find e.Args) e.Shape.Dims
        if e.Args.Length <> 2 then
            general ()
        else
            match tryConvolution e spec with
            | None -> general ()
            | Some(x, kernel, stride, dilation, before, after, isGrouped) ->
                let flat at (v: Written) =
                    if isGrouped then
                        let joined = v.Dims[at] * v.Dims[at + 1]
                        m.Reshape(v, Array.concat [ v.Dims[.. at - 1]; [| joined |]; v.Dims[at + 2 ..] ])
                    else
                        v
                let groups = if isGrouped then kernel.Shape[0] else 1
                let ints = Array.map int64
                let settings =
                    [ Setting.Ints("strides", ints stride)
                      Setting.Ints("dilations", ints dilation)
                      Setting.Ints("pads", Array.append (ints before) (ints after))
                      Setting.Int("group", int64 groups) ]
                let dims =
                    if isGrouped then
                        let d = e.Shape.Dims
                        Array.concat [ [| d[0]; d[1] * d[2] |]; d[3..] ]
                    else
                        e.Shape.Dims
                let inputs = [ (flat 1 (find x)).Name; (flat 0 (find kernel)).Name ]
                m.Reshape(m.Node("Conv", inputs, settings, dims, e.DType), e.Shape.Dims)

    let private isEmpty (e: Expr) = e.Shape.Length = 0

    let private write
        (m: ModelWriter)
        (writeWithin: LoopWriting.Writing)
        (find: Expr -> Written)
        (e: Expr)
        : Written =
        let arg k = find e.Args[k]
        let dims = e.Shape.Dims
        match e.Op with
        | Op.Variable v -> m.Tensor((if v.Name = "" then "parameter" else v.Name), Variable.valueOf v)
        | Op.Const value -> m.Expand(m.Scalar value, dims)
        | Op.Literal value -> m.Tensor("constant", value)
        | Op.Iota axis -> Places.iota m axis dims e.DType
        | Op.Elementwise fn -> elementwise m find fn e
        | Op.Cast ->
            let settings = [ Setting.Int("to", int64 (OnnxType.ofDType e.DType)) ]
            m.Node("Cast", [ (arg 0).Name ], settings, dims, e.DType)
        | Op.StopGradient
        | Op.Barrier -> arg 0
        | Op.Einsum spec -> contraction m find spec e
        | Op.Reshape -> m.Reshape(arg 0, dims)
        | Op.Slice(starts, steps) -> m.Slice(arg 0, starts, steps, dims)
        | Op.Embed(starts, steps) -> Places.embed m starts steps dims (arg 0)
        | Op.Unfold(axis, size, step, dilation) -> Places.unfold m axis size step dilation dims (arg 0)
        | Op.Fold(axis, _, step, dilation) -> Places.fold m axis step dilation dims (arg 0)
        | Op.Concat axis ->
            let inputs = e.Args |> Array.map (fun a -> (find a).Name) |> List.ofArray
            m.Node("Concat", inputs, [ Setting.Int("axis", int64 axis) ], dims, e.DType)
        | Op.Recurrence(axis, reverse) when isOne e.Args[0] ->
            let settings = if reverse then [ Setting.Int("reverse", 1L) ] else []
            let along = m.Number(DType.Int64, float axis)
            m.Node("CumSum", [ (arg 1).Name; along.Name ], settings, dims, e.DType)
        | Op.Gather axis -> Places.gather m axis dims (arg 0) (arg 1)
        | Op.ScatterAdd axis -> Places.scatterAdd m axis dims (arg 0) (arg 1)
        | Op.Reduce(extreme, axes) ->
            let op = if extreme = Extreme.Max then "ReduceMax" else "ReduceMin"
            let settings =
                [ Setting.Ints("axes", Array.map int64 axes); Setting.Int("keepdims", 0L) ]
            m.Node(op, [ (arg 0).Name ], settings, dims, e.DType)
        | Op.ArgReduce(extreme, axis) ->
            let op = if extreme = Extreme.Max then "ArgMax" else "ArgMin"
            let settings = [ Setting.Int("axis", int64 axis); Setting.Int("keepdims", 0L) ]
            m.Node(op, [ (arg 0).Name ], settings, dims, e.DType)
        | Op.TakeAlong axis when not (isEmpty e) -> Places.takeAlong m axis dims (arg 0) (arg 1)
        | Op.AddAlong axis when not (isEmpty e.Args[0]) -> Places.addAlong m axis dims (arg 0) (arg 1)
        | Op.ArgSort(axis, descending) when not (isEmpty e) -> Places.argSort m axis descending (arg 0)
        | Op.Fourier inverse when not (isEmpty e) -> Places.fourier m inverse (arg 0)
        | Op.TakeAlong _
        | Op.AddAlong _
        | Op.ArgSort _
        | Op.Fourier _ -> m.Expand(m.Number(e.DType, 0.0), dims)
        // An index outside the classes is no error then, as ONNX has none to raise.
        | Op.ClassIndices _ -> arg 0
        | Op.Linalg(Factorization.Det _) ->
            m.Node("Det", [ (arg 0).Name ], [], dims[.. dims.Length - 3], e.DType)
            |> fun det -> m.Reshape(det, dims)
        | Op.Loop extension -> LoopWriting.loop m writeWithin extension (Array.map find e.Args)
        | Op.Branch extension -> LoopWriting.branch m writeWithin extension (Array.map find e.Args)
        | Op.Random _ ->
            refuse
                $"the operation {Formula.opText e.Op} draws numbers for what is an input; ONNX has generators of the runtime's own only: draw outside, and give the numbers"
        | Op.Custom op ->
            refuse
                $"the operation {FileText.quote op.Name} was supplied from outside; ONNX has no counterpart"
        | op -> refuse $"the operation {Formula.opText op} has no counterpart in ONNX (opset 17)"

    let private found (values: NodeMap<Written | null>) (e: Expr) : Written =
        match values[e] with
        | null -> invalidOp "Onnx.Save: an argument was not written before the node that uses it"
        | written -> written

    /// The operations of some nodes and all they need, but for what has its value already. Recursion goes as deep as graphs lie in
    /// graphs. `place` says what a node is needed for.
    let rec private writeAll
        (m: ModelWriter)
        (values: NodeMap<Written | null>)
        (place: Expr -> string)
        (roots: Expr[])
        : unit =
        let nodes = Graph.topological roots
        let isRead = NodeMap<bool>()
        for root in roots do
            isRead[root] <- isNull values[root]
        for node in Array.rev nodes do
            if isRead[node] then
                for a in reads node do
                    isRead[a] <- isNull values[a]
        let writeWithin (inner: ModelWriter) (given: (Expr * Written)[]) (outputs: Expr[]) =
            let values = NodeMap<Written | null>()
            for hole, value in given do
                values[hole] <- value
            let outputs = Control.inlineAll outputs
            writeAll inner values (fun _ -> "") outputs
            Array.map (found values) outputs
        for node in nodes do
            if isRead[node] && isNull values[node] then
                try
                    values[node] <-
                        match node.Op with
                        | Op.Recurrence _ when isOne node.Args[0] -> write m writeWithin (found values) node
                        | _ ->
                            match Compositions.tryOf node with
                            | Some composed ->
                                let roots = Control.inlineAll [| composed |]
                                writeAll m values (fun _ -> "") roots
                                found values roots[0]
                            | None -> write m writeWithin (found values) node
                with :? NotSupportedException as e when place node <> "" ->
                    raise (NotSupportedException(e.Message + place node, e))

    /// The model that computes the outputs from the inputs. What else the graph holds becomes its tensors.
    let run (inputs: Expr[]) (outputs: (string * Expr)[]) : Action<IO.Stream> =
        let m = ModelWriter()
        let values = NodeMap<Written | null>()
        let given =
            inputs
            |> Array.map (fun input ->
                match input.Op with
                | Op.Variable v ->
                    if not (isNull values[input]) then
                        raise (
                            ArgumentException $"Onnx.Save: the input {FileText.quote v.Name} is there twice"
                        )
                    FileText.checkText "Onnx.Save: " "a name" v.Name
                    let written: Written =
                        { Name = m.Fresh(if v.Name = "" then "input" else v.Name)
                          Dims = input.Shape.Dims
                          DType = input.DType }
                    OnnxType.ofDType input.DType |> ignore
                    values[input] <- written
                    written
                | op ->
                    raise (
                        ArgumentException
                            $"Onnx.Save: an input is a variable, not the result of {Formula.opText op}"
                    ))
        for name, _ in outputs do
            FileText.checkText "Onnx.Save: " "a name of an output" name
        // Their names first, so that nothing else gets them.
        let names =
            outputs
            |> Array.map (fun (name, _) ->
                let free = m.Fresh name
                if free <> name then
                    raise (ArgumentException $"Onnx.Save: the name {FileText.quote name} is there twice")
                free)
        let roots = Control.inlineAll (Array.map snd outputs)
        let nodes = Graph.topological roots
        // Numbers drawn from keys that are no inputs are known.
        let ofInputs = Graph.dependents inputs nodes
        let isKnown (e: Expr) =
            match e.Op with
            | Op.Random _ -> not ofInputs[e]
            | _ -> false
        for node in nodes do
            if isKnown node then
                values[node] <- m.Tensor("drawn", (Reference.evaluate [| node |])[0])
        /// The output that a node is needed for.
        let outputOf (e: Expr) =
            let depends = Graph.dependents [ e ] nodes
            match Array.tryFindIndex (fun root -> depends[root]) roots with
            | Some k -> $" (for the output {FileText.quote (fst outputs[k])})"
            | None -> ""
        writeAll m values outputOf roots
        let find (e: Expr) = found values e
        let results =
            Array.map2 (fun name (root: Expr) -> m.Output(name, find root)) names roots
        Action<IO.Stream>(fun stream -> m.Write(stream, List.ofArray given, List.ofArray results))
