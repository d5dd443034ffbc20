namespace Diff

open System

/// Convolutions and pooling of ONNX: arrays are [batch, channels, spatial…] there too.
[<RequireQualifiedAccess>]
module internal Windows =
    /// What the attributes of a window say for each spatial axis.
    [<NoEquality; NoComparison>]
    type private Geometry =
        {
            Size: int[]
            Stride: int[]
            Dilation: int[]
            /// Before and after.
            Pads: struct (int * int)[]
        }

        member g.Span(i: int) = g.Dilation[i] * (g.Size[i] - 1) + 1

    let private geometry (node: NodeContext) (x: Expr) (size: int[]) : Geometry =
        let axes = x.Rank - 2
        if axes < 1 || size.Length <> axes then
            node.Fail $"a window of {size.Length} axes does not fit shape {x.Shape}"
        let list name absent least =
            match node.Ints name with
            | ValueNone -> Array.create axes absent
            | ValueSome values ->
                let values = values |> Array.map (fun v -> node.Small(name, v))
                if values.Length <> axes || Array.exists (fun v -> v < least) values then
                    node.Fail $"attribute {name}: {axes} numbers of at least {least} were expected"
                values
        let strides, dilations = list "strides" 1 1, list "dilations" 1 1
        let span i =
            int64 dilations[i] * int64 (size[i] - 1) + 1L
        let pads =
            match node.Text("auto_pad", "NOTSET") with
            | "NOTSET" ->
                match node.Ints "pads" with
                | ValueNone -> Array.create axes (struct (0, 0))
                | ValueSome given ->
                    if given.Length <> 2 * axes || Array.exists (fun p -> p < 0L) given then
                        node.Fail $"attribute pads: {2 * axes} numbers of at least 0 were expected"
                    Array.init axes (fun i ->
                        struct (node.Small("pad", given[i]), node.Small("pad", given[i + axes])))
            | "VALID" ->
                node.Ignore "pads"
                Array.create axes (struct (0, 0))
            | "SAME_UPPER"
            | "SAME_LOWER" as mode ->
                node.Ignore "pads"
                Array.init axes (fun i ->
                    let n = int64 x.Shape[i + 2]
                    let windows = (n + int64 strides[i] - 1L) / int64 strides[i]
                    let total = int (max 0L ((windows - 1L) * int64 strides[i] + span i - n))
                    let half = total / 2
                    if mode = "SAME_UPPER" then
                        struct (half, total - half)
                    else
                        struct (total - half, half))
            | other -> node.Fail $"attribute auto_pad: {FileText.quote other} is unknown"
        { Size = size
          Stride = strides
          Dilation = dilations
          Pads = pads }

    let private kernelShape (node: NodeContext) (axes: int) =
        match node.Ints "kernel_shape" with
        | ValueSome size when size.Length = axes && Array.forall (fun s -> s >= 1L) size ->
            size |> Array.map (fun s -> node.Small("kernel_shape", s))
        | ValueSome _ -> node.Fail $"attribute kernel_shape: {axes} numbers of at least 1 were expected"
        | ValueNone -> node.Fail "attribute kernel_shape is missing"

    let private withBias (node: NodeContext) (y: Expr) =
        match node.TryInput 2 with
        | ValueNone -> y
        | ValueSome bias -> y + reshape (1 :: bias.Shape.Length :: List.replicate (y.Rank - 2) 1) bias

    let private groups (node: NodeContext) =
        node.Small("group", node.Int("group", 1L))

    let private conv: NodeImport =
        fun node ->
            let x, kernel = node.Input 0, node.Input 1
            if kernel.Rank < 3 then
                node.Fail $"a kernel [out, in, spatial…] was expected, got shape {kernel.Shape}"
            node.Ignore "kernel_shape"
            let g = geometry node x kernel.Shape.Dims[2..]
            convWith
                (List.ofArray g.Stride)
                (Padding.Each g.Pads)
                (List.ofArray g.Dilation)
                (groups node)
                kernel
                x
            |> fun y -> [ withBias node y ]

    let private convTransposed: NodeImport =
        fun node ->
            let x, kernel = node.Input 0, node.Input 1
            if kernel.Rank < 3 then
                node.Fail $"a kernel [in, out, spatial…] was expected, got shape {kernel.Shape}"
            node.Ignore "kernel_shape"
            if
                node.Text("auto_pad", "NOTSET") <> "NOTSET"
                && node.Text("auto_pad", "") <> "VALID"
            then
                node.Fail "attribute auto_pad: only NOTSET and VALID are supported"
            let g = geometry node x kernel.Shape.Dims[2..]
            let extra =
                match node.Ints "output_padding" with
                | ValueNone -> []
                | ValueSome extra ->
                    [ for e in extra do
                          node.Small("output_padding", e) ]
            convTransposeWith
                (List.ofArray g.Stride)
                (Padding.Each g.Pads)
                extra
                (List.ofArray g.Dilation)
                (groups node)
                kernel
                x
            |> fun y -> [ withBias node y ]

    /// How much more the end is padded so that a last window that is not full is one too.
    let private ceiling (node: NodeContext) (x: Expr) (g: Geometry) : int[] =
        let isCeil = node.Flag("ceil_mode", false)
        Array.init g.Size.Length (fun i ->
            let struct (before, after) = g.Pads[i]
            let n = x.Shape[i + 2]
            let rest = before + n + after - g.Span i
            if not isCeil || rest < 0 then
                0
            else
                let windows = (rest + g.Stride[i] - 1) / g.Stride[i] + 1
                // A window must begin within the array or the padding before it.
                let windows =
                    if (windows - 1) * g.Stride[i] >= n + before then
                        windows - 1
                    else
                        windows
                max 0 ((windows - 1) * g.Stride[i] - rest))

    let private withEnd (g: Geometry) (more: int[]) =
        Array.map2 (fun (struct (b, a)) m -> struct (b, a + m)) g.Pads more

    let private maxPool: NodeImport =
        fun node ->
            let x = node.Input 0
            if node.Wants 1 then
                node.Fail "its second output, the indices, is not supported"
            node.Ignore "storage_order"
            let g = geometry node x (kernelShape node (x.Rank - 2))
            let pads = withEnd g (ceiling node x g)
            [ maxPoolWith
                  (List.ofArray g.Size)
                  (List.ofArray g.Stride)
                  (Padding.Each pads)
                  (List.ofArray g.Dilation)
                  x ]

    let private averagePool: NodeImport =
        fun node ->
            let x = node.Input 0
            let g = geometry node x (kernelShape node (x.Rank - 2))
            if Array.exists ((<>) 1) g.Dilation then
                node.Fail "dilations other than 1 are not supported"
            let more = ceiling node x g
            let isPadCounted = node.Flag("count_include_pad", false)
            let mean (padding: Padding) x =
                avgPoolWith (List.ofArray g.Size) (List.ofArray g.Stride) padding x
            let sums = mean (Padding.Each(withEnd g more)) x
            let around = g.Pads |> Array.map (fun (struct (b, a)) -> b, a)
            let isPadded = around |> Array.exists (fun (b, a) -> b + a > 0)
            if Array.forall ((=) 0) more && (isPadCounted || not isPadded) then
                [ sums ]
            else
                // The share of each window that counts.
                let ones = Expr.Full(1.0, x.Shape, x.DType)
                let counted =
                    if isPadCounted then
                        padWith 1.0 ([ 0, 0; 0, 0 ] @ List.ofArray around) ones
                        |> mean (Padding.Each(more |> Array.map (fun m -> struct (0, m))))
                    else
                        mean (Padding.Each(withEnd g more)) ones
                [ sums / counted ]

    let private overAll f : NodeImport =
        fun node ->
            let x = node.Input 0
            if x.Rank < 3 then
                node.Fail $"[batch, channels, spatial…] was expected, got shape {x.Shape}"
            [ f true [| 2 .. x.Rank - 1 |] x ]

    /// [batch, channels · block, windows] to [batch, channels, image…]: windows added up where they overlap.
    let private columnsToImage: NodeImport =
        fun node ->
            let x = node.Input 0
            let ints i =
                node.KnownInts i |> Array.map (fun v -> node.Small("extent", v))
            let image, block = ints 1, ints 2
            let axes = image.Length
            if x.Rank <> 3 || axes < 1 || block.Length <> axes then
                node.Fail
                    $"expected [batch, channels * block, windows] and as many extents of a block as of an image, got shape {x.Shape}"
            let like = Expr.Full(0.0, Shape(Array.append [| 1; 1 |] image), x.DType)
            let g = geometry node like block
            let whole =
                Array.init axes (fun i -> let struct (before, after) = g.Pads[i] in before + image[i] + after)
            let windows =
                Array.init axes (fun i -> Unfold.count whole[i] block[i] g.Stride[i] g.Dilation[i])
            let product = Array.fold (*) 1
            if
                product block < 1
                || x.Shape[1] % product block <> 0
                || product windows <> x.Shape[2]
            then
                let expected = product windows
                node.Fail
                    $"shape {x.Shape} does not fit: {product block} numbers in a block and {expected} windows are expected"
            let channels = x.Shape[1] / product block
            let apart =
                Reshape.make (Shape(Array.concat [ [| x.Shape[0]; channels |]; block; windows ])) x
            // [batch, channels, window, element, window, element …]
            let order =
                [| 0
                   1
                   for i in 0 .. axes - 1 do
                       2 + axes + i
                       2 + i |]
            let mutable y = permuted order apart
            for i in axes - 1 .. -1 .. 0 do
                y <- Unfold.fold (2 + 2 * i) whole[i] g.Stride[i] g.Dilation[i] y
            let starts =
                Array.append [| 0; 0 |] (g.Pads |> Array.map (fun (struct (before, _)) -> before))
            let dims = Array.append [| x.Shape[0]; channels |] image
            [ Window.slice starts (Array.create (2 + axes) 1) (Shape dims) y ]

    let table: (string * NodeImport) list =
        [ "Col2Im", columnsToImage
          "Conv", conv
          "ConvTranspose", convTransposed
          "MaxPool", maxPool
          "AveragePool", averagePool
          "GlobalAveragePool", overAll meanAxes
          "GlobalMaxPool", overAll (extremeAxes Extreme.Max) ]
