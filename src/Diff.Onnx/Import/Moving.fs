namespace Diff

open System

/// Operations of ONNX that put the same numbers elsewhere.
[<RequireQualifiedAccess>]
module internal Moving =
    let private ints (node: NodeContext) what (values: int64[]) =
        values |> Array.map (fun v -> node.Small(what, v))

    let private reshaped: NodeImport =
        fun node ->
            let x = node.Input 0
            let isZeroAllowed = node.Flag("allowzero", false)
            let dims =
                ints node "extent" (node.KnownInts 1)
                |> Array.mapi (fun i d ->
                    if d = 0 && not isZeroAllowed then
                        if i >= x.Rank then
                            node.Fail $"extent {i} is to be copied, but shape {x.Shape} has none there"
                        x.Shape[i]
                    else
                        d)
            [ Reshape.make (Reshape.resolve x.Shape dims) x ]

    let private flattened: NodeImport =
        fun node ->
            let x = node.Input 0
            let given = node.Int("axis", 1L)
            let axis =
                if given = int64 x.Rank then
                    x.Rank
                else
                    node.Axis(given, x.Rank)
            let before = Array.fold (*) 1 x.Shape.Dims[.. axis - 1]
            let after = Array.fold (*) 1 x.Shape.Dims[axis..]
            [ Reshape.make (Shape [| before; after |]) x ]

    let private transposed: NodeImport =
        fun node ->
            let x = node.Input 0
            match node.Ints "perm" with
            | ValueNone -> [ transpose x ]
            | ValueSome order -> [ permuted (ints node "axis" order) x ]

    let private squeezed: NodeImport =
        fun node ->
            let x = node.Input 0
            let axes =
                match node.Axes(1, 13, x.Rank) with
                | ValueSome axes -> axes
                | ValueNone ->
                    [| for i in 0 .. x.Rank - 1 do
                           if x.Shape[i] = 1 then
                               i |]
            for axis in axes do
                if x.Shape[axis] <> 1 then
                    node.Fail $"axis {axis} of shape {x.Shape} has not the extent 1"
            [ Reshape.make (Shape.reduce false axes x.Shape) x ]

    let private unsqueezed: NodeImport =
        fun node ->
            let x = node.Input 0
            let given =
                if node.Opset >= 13 then
                    node.KnownInts 1
                else
                    match node.Ints "axes" with
                    | ValueSome axes -> axes
                    | ValueNone -> node.Fail "attribute axes is missing"
            let rank = x.Rank + given.Length
            let axes = given |> Array.map (fun axis -> node.Axis(axis, rank))
            if Array.length (Array.distinct axes) <> axes.Length then
                node.Fail "an axis is named twice"
            let old = Collections.Generic.Queue<int>(x.Shape.Dims)
            let dims =
                Array.init rank (fun i -> if Array.contains i axes then 1 else old.Dequeue())
            [ Reshape.make (Shape dims) x ]

    let private split: NodeImport =
        fun node ->
            let x = node.Input 0
            let axis = node.Axis(node.Int("axis", 0L), x.Rank)
            let n = x.Shape[axis]
            let given =
                if node.Opset >= 13 then
                    if (node.TryInput 1).IsSome then
                        ValueSome(node.KnownInts 1)
                    else
                        ValueNone
                else
                    node.Ints "split"
            let extents =
                match given with
                | ValueSome extents -> ints node "extent" extents
                | ValueNone ->
                    let parts = int (node.Int("num_outputs", int64 node.OutputCount))
                    if parts < 1 || parts > node.OutputCount then
                        node.Fail $"{parts} parts for {node.OutputCount} outputs"
                    let each = (n + parts - 1) / parts
                    if node.Opset < 18 && each * parts <> n then
                        node.Fail $"axis {axis} of extent {n} cannot be cut into {parts} equal parts"
                    Array.init parts (fun i -> max 0 (min each (n - i * each)))
            Arrangement.split axis (List.ofArray extents) x

    let private sliced: NodeImport =
        fun node ->
            let x = node.Input 0
            let list i name =
                if node.Opset >= 10 then
                    if (node.TryInput i).IsSome then
                        ValueSome(node.KnownInts i)
                    else
                        ValueNone
                else
                    node.Ints name
            let needed i name =
                match list i name with
                | ValueSome values -> values
                | ValueNone -> node.Fail $"{name} are missing"
            let starts, ends = needed 1 "starts", needed 2 "ends"
            let axes =
                match list 3 "axes" with
                | ValueSome axes -> axes |> Array.map (fun axis -> node.Axis(axis, x.Rank))
                | ValueNone -> Array.init starts.Length id
            let steps =
                if node.Opset >= 10 && (node.TryInput 4).IsSome then
                    node.KnownInts 4
                else
                    Array.create starts.Length 1L
            if
                ends.Length <> starts.Length
                || axes.Length <> starts.Length
                || steps.Length <> starts.Length
                || axes |> Array.exists (fun axis -> axis >= x.Rank)
            then
                node.Fail $"starts, ends, axes and steps do not fit each other or shape {x.Shape}"
            let clamp (v: int64) =
                int (max (-int64 Int32.MaxValue) (min (int64 Int32.MaxValue) v))
            let cut (x: Expr) i =
                slice axes[i] (Some(clamp starts[i])) (Some(clamp ends[i])) (clamp steps[i]) x
            [ Seq.fold cut x (seq { 0 .. starts.Length - 1 }) ]

    let private padded: NodeImport =
        fun node ->
            let x = node.Input 0
            let given =
                if node.Opset >= 11 then
                    node.KnownInts 1
                else
                    match node.Ints "pads" with
                    | ValueSome pads -> pads
                    | ValueNone -> node.Fail "attribute pads is missing"
            let axes =
                if node.Opset >= 18 && (node.TryInput 3).IsSome then
                    node.KnownInts 3 |> Array.map (fun axis -> node.Axis(axis, x.Rank))
                else
                    Array.init x.Rank id
            if given.Length <> 2 * axes.Length then
                node.Fail $"{given.Length} pads for {axes.Length} axes; there must be two for each"
            let pads = ints node "pad" given
            let widths = Array.create x.Rank (0, 0)
            axes
            |> Array.iteri (fun i axis -> widths[axis] <- pads[i], pads[i + axes.Length])
            // Negative ones cut.
            let cut (x: Expr) axis =
                let before, after = widths[axis]
                slice axis (Some(max 0 -before)) (Some(x.Shape[axis] - max 0 -after)) 1 x
            let x = Seq.fold cut x (seq { 0 .. x.Rank - 1 })
            let around = widths |> Array.map (fun (b, a) -> max 0 b, max 0 a)
            match node.Text("mode", "constant") with
            | "constant" ->
                let value =
                    if node.Opset >= 11 && (node.TryInput 2).IsSome then
                        (node.Known 2).Float 0
                    elif node.Opset < 11 then
                        node.Float("value", 0.0)
                    else
                        0.0
                [ padWith value (List.ofArray around) x ]
            | mode ->
                let how =
                    match mode with
                    | "edge" -> PadMode.Edge
                    | "wrap" -> PadMode.Wrap
                    | "reflect" -> PadMode.Reflect
                    | other -> node.Fail $"mode {FileText.quote other} is unknown"
                around
                |> Array.iteri (fun axis (before, after) ->
                    let n = x.Shape[axis]
                    let whole = int64 before + int64 n + int64 after
                    if n = 0 && before + after > 0 then
                        node.Fail $"axis {axis} of shape {x.Shape} has nothing to repeat"
                    if before + after > 0 && whole > node.Limits.MaxFoldedElements then
                        node.Fail $"an axis of {whole}; at most {node.Limits.MaxFoldedElements} are allowed")
                [ padBy how (List.ofArray around) x ]

    let private expanded: NodeImport =
        fun node ->
            let x = node.Input 0
            let wanted = Shape(ints node "extent" (node.KnownInts 1))
            match Shape.tryBroadcast x.Shape wanted with
            | ValueSome shape -> [ Expr.BroadcastTo(x, shape) ]
            | ValueNone -> node.Fail $"shapes {x.Shape} and {wanted} do not broadcast"

    let private tiled: NodeImport =
        fun node ->
            let x = node.Input 0
            let repeats = ints node "repeat" (node.KnownInts 1)
            if repeats.Length <> x.Rank then
                node.Fail $"{repeats.Length} repeats for shape {x.Shape}"
            let apart = Array.collect (fun d -> [| 1; d |]) x.Shape.Dims
            let grown =
                Array.collect id (Array.map2 (fun r d -> [| r; d |]) repeats x.Shape.Dims)
            let whole = Array.map2 (*) repeats x.Shape.Dims
            let wide = Expr.BroadcastTo(Reshape.make (Shape apart) x, Shape grown)
            [ Reshape.make (Shape whole) wide ]

    let private shapeOf: NodeImport =
        fun node ->
            let dims = (node.Input 0).Shape.Dims |> Array.map int64
            let rank = int64 dims.Length
            let bound name absent =
                let v = node.Int(name, absent)
                int (max 0L (min rank (if v < 0L then v + rank else v)))
            let first, last = bound "start" 0L, bound "end" rank
            [ constant (NDArray.op_Implicit dims[first .. last - 1]) ]

    let private blocks isToSpace : NodeImport =
        fun node ->
            let x = node.Input 0
            if x.Rank <> 4 then
                node.Fail $"an array of 4 axes was expected, got shape {x.Shape}"
            let b = node.Small("blocksize", node.Int("blocksize", 0L))
            let n, c, h, w = x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
            if isToSpace then
                if b < 1 || c % (b * b) <> 0 then
                    node.Fail $"{c} channels cannot be divided among blocks of {b}"
                let parts = c / (b * b)
                if node.Text("mode", "DCR") = "CRD" then
                    [ reshape [ n; parts; b; b; h; w ] x
                      |> permute [ 0; 1; 4; 2; 5; 3 ]
                      |> reshape [ n; parts; h * b; w * b ] ]
                else
                    [ reshape [ n; b; b; parts; h; w ] x
                      |> permute [ 0; 3; 4; 1; 5; 2 ]
                      |> reshape [ n; parts; h * b; w * b ] ]
            else
                if b < 1 || h % b <> 0 || w % b <> 0 then
                    node.Fail $"shape {x.Shape} cannot be cut into blocks of {b}"
                [ reshape [ n; c; h / b; b; w / b; b ] x
                  |> permute [ 0; 3; 5; 1; 2; 4 ]
                  |> reshape [ n; c * b * b; h / b; w / b ] ]

    let private triangle: NodeImport =
        fun node ->
            let x = node.Input 0
            if x.Rank < 2 then
                node.Fail $"an array of at least 2 axes was expected, got shape {x.Shape}"
            let k =
                if (node.TryInput 1).IsSome then
                    (node.KnownInts 1)[0]
                else
                    0L
            let row = Leaf.iota x.Shape (x.Rank - 2) DType.Int64
            let distance = Leaf.iota x.Shape (x.Rank - 1) DType.Int64 - row
            let limit = Expr.op_Implicit k
            let kept =
                if node.Flag("upper", true) then
                    greaterEqual distance limit
                else
                    lessEqual distance limit
            [ where kept x (Expr.Full(0.0, Shape.Scalar, x.DType)) ]

    let table: (string * NodeImport) list =
        [ "Reshape", reshaped
          "Flatten", flattened
          "Transpose", transposed
          "Squeeze", squeezed
          "Unsqueeze", unsqueezed
          "Concat",
          fun node ->
              let first = node.Input 0
              [ concat (node.Axis(node.Int("axis", 0L), first.Rank)) node.Inputs ]
          "Split", split
          "Slice", sliced
          "Pad", padded
          "Expand", expanded
          "Tile", tiled
          "Shape", shapeOf
          "Size",
          fun node -> [ constant (NDArray.Create([| int64 (node.Input 0).Shape.Length |], Shape.Scalar)) ]
          "DepthToSpace", blocks true
          "SpaceToDepth", blocks false
          "Trilu", triangle ]
