namespace Diff

open System

/// Loops, scans and branches of ONNX. A body may use values of the graph around it.
[<RequireQualifiedAccess>]
module internal ControlFlowImport =
    let private truth: Expr = Expr.op_Implicit true

    /// A body on inputs made for it: these and its results. It is gone through once, however often it is used.
    let private traced (node: NodeContext) (body: OnnxGraph) (inputs: Expr[]) =
        if body.Inputs.Length <> inputs.Length then
            node.Fail $"its body has {body.Inputs.Length} inputs; {inputs.Length} are given"
        node.Run(body, inputs)

    let private holes (likes: Expr seq) =
        likes
        |> Seq.map (fun (e: Expr) -> Leaf.input "state" e.Shape e.DType)
        |> Array.ofSeq

    let private isTrue (e: Expr) =
        match e.Op with
        | Op.Const value -> value.AsInt <> 0L
        | Op.Literal value -> value.Length = 1 && value.Float 0 <> 0.0
        | _ -> false

    let private scalar (e: Expr) = Reshape.make Shape.Scalar e

    let private branch: NodeImport =
        fun node ->
            let predicate = scalar (node.Input 0)
            let side name = node.Run(node.Graph name, [||])
            match node.TryKnown 0 with
            | ValueSome value ->
                // What is not taken may have other shapes. It is read for its faults at loading all the same.
                node.Ignore(
                    if value.Float 0 <> 0.0 then
                        "else_branch"
                    else
                        "then_branch"
                )
                side (
                    if value.Float 0 <> 0.0 then
                        "then_branch"
                    else
                        "else_branch"
                )
                |> List.ofArray
            | ValueNone ->
                let yes, no = side "then_branch", side "else_branch"
                condArrays predicate (Func<_, _>(fun _ -> yes)) (Func<_, _>(fun _ -> no)) [||]
                |> List.ofArray

    let private loop: NodeImport =
        fun node ->
            let body = node.Graph "body"
            let first = [| for i in 2 .. node.Count - 1 -> node.Input i |]
            let states = first.Length
            let step, goesOn =
                Leaf.input "step" Shape.Scalar DType.Int64, Leaf.input "goes_on" Shape.Scalar DType.Bool
            let carried = holes first
            let given = Array.append [| step; goesOn |] carried
            let results = traced node body given
            if results.Length < 1 + states then
                node.Fail $"its body has {results.Length} results; at least {1 + states} are needed"
            let on = Array.map scalar results[..0] |> Array.head
            let next, stacked = results[1..states], results[1 + states ..]
            // The same on other inputs.
            let run (inputs: Expr[]) (of': Expr[]) =
                Graph.substitute (Array.zip given inputs) of'
            let start =
                match node.TryInput 1 with
                | ValueSome e -> scalar e
                | ValueNone -> truth
            let isEndless = obj.ReferenceEquals(on, goesOn) || isTrue on
            let isStarted =
                match node.TryInput 1 with
                | ValueNone -> true
                | ValueSome _ ->
                    match node.TryKnown 1 with
                    | ValueSome value -> value.Float 0 <> 0.0
                    | ValueNone -> false
            let count =
                match node.TryInput 0 with
                | ValueSome _ -> node.TryKnown 0 |> ValueOption.map (fun _ -> (node.KnownInts 0)[0])
                | ValueNone -> ValueNone
            if isEndless && isStarted && count.IsSome then
                let n = node.Small("the number of iterations", max 0L count.Value)
                let each (state: Expr[]) (xs: Expr[]) =
                    let all = run (Array.append [| xs[0]; truth |] state) (Array.append next stacked)
                    struct (all[.. states - 1], all[states..])
                let struct (last, ys) =
                    scanArrays
                        LoopOptions.Default
                        (Func<_, _, _> each)
                        first
                        [| Leaf.iota (Shape [| n |]) 0 DType.Int64 |]
                List.ofArray (Array.append last ys)
            elif stacked.Length > 0 then
                node.Fail
                    "the number of its iterations depends on values, so that what it stacks has no shape that is known before; give it a number of iterations and a condition that are constants, or keep what it stacks in a state of a fixed shape"
            else
                let zero, one: Expr * Expr = Expr.op_Implicit 0L, Expr.op_Implicit 1L
                let holds (state: Expr[]) =
                    match node.TryInput 0 with
                    | ValueSome limit -> logicalAnd state[1] (less state[0] (scalar limit))
                    | ValueNone -> state[1]
                let each (state: Expr[]) =
                    let all = run state (Array.append [| on |] next)
                    Array.append [| state[0] + one |] all
                let struct (last, _) =
                    whileArrays
                        LoopOptions.Default
                        (Func<_, _> holds)
                        (Func<_, _> each)
                        (Array.append [| zero; start |] first)
                List.ofArray last[2..]

    /// From opset 9 on; before that a scan had a batch.
    let private scan: NodeImport =
        fun node ->
            if node.Opset < 9 then
                node.Fail "it is supported from opset 9 on"
            let body = node.Graph "body"
            let inputs = [| for i in 0 .. node.Count - 1 -> node.Input i |]
            let count = node.Small("num_scan_inputs", node.Int("num_scan_inputs", 0L))
            let states = inputs.Length - count
            if count < 1 || states < 0 then
                node.Fail $"attribute num_scan_inputs: {count} of {inputs.Length} inputs"
            let list name length (absent: int64) =
                match node.Ints name with
                | ValueNone -> Array.create length absent
                | ValueSome values ->
                    if values.Length <> length then
                        node.Fail $"attribute {name}: {length} numbers were expected"
                    values
            let first = inputs[.. states - 1]
            let axes, directions =
                list "scan_input_axes" count 0L, list "scan_input_directions" count 0L
            let turned direction (x: Expr) =
                if direction = 0L then x else flip [ 0 ] x
            let xs =
                inputs[states..]
                |> Array.mapi (fun k x -> moveAxis (node.Axis(axes[k], x.Rank)) 0 x |> turned directions[k])
            let slices =
                xs |> Array.map (fun x -> Leaf.input "slice" (Shape x.Shape.Dims[1..]) x.DType)
            let given = Array.append (holes first) slices
            let results = traced node body given
            if results.Length < states then
                node.Fail $"its body has {results.Length} results; at least {states} are needed"
            let each (state: Expr[]) (xs: Expr[]) =
                let all = Graph.substitute (Array.zip given (Array.append state xs)) results
                struct (all[.. states - 1], all[states..])
            let struct (last, ys) = scanArrays LoopOptions.Default (Func<_, _, _> each) first xs
            let axes, directions =
                list "scan_output_axes" ys.Length 0L, list "scan_output_directions" ys.Length 0L
            let outputs =
                ys
                |> Array.mapi (fun k y -> turned directions[k] y |> moveAxis 0 (node.Axis(axes[k], y.Rank)))
            List.ofArray (Array.append last outputs)

    let table: (string * NodeImport) list = [ "If", branch; "Loop", loop; "Scan", scan ]
