namespace Diff

open System

/// Normalisations of ONNX, as inference has them.
[<RequireQualifiedAccess>]
module internal Normalizing =
    /// One number for each channel, the second axis of an array.
    let private perChannel (node: NodeContext) (x: Expr) (values: Expr) =
        if x.Rank < 2 || values.Shape.Length <> x.Shape[1] then
            node.Fail $"{values.Shape.Length} numbers for the channels of shape {x.Shape}"
        reshape (1 :: x.Shape[1] :: List.replicate (x.Rank - 2) 1) values

    /// Mean 0 and variance 1 over axes; gives the mean and 1 / √(variance + ε) too.
    let private standardized (epsilon: float) (axes: int[]) (x: Expr) =
        let d = centred axes x
        let scale = 1.0 / sqrt (varianceOf 0 axes d + epsilon)
        struct (d * scale, meanAxes true axes x, scale)

    let private batch: NodeImport =
        fun node ->
            let x = node.Input 0
            node.Ignore "momentum"
            node.Ignore "spatial"
            if node.Flag("training_mode", false) || node.Wants 1 then
                node.Fail "it is in training mode; only inference can be loaded"
            let given i = perChannel node x (node.Input i)
            let epsilon = node.Float("epsilon", 1e-5)
            let scale = given 1 / sqrt (given 4 + epsilon)
            [ (x - given 3) * scale + given 2 ]

    let private instance: NodeImport =
        fun node ->
            let x = node.Input 0
            if x.Rank < 3 then
                node.Fail $"[batch, channels, spatial…] was expected, got shape {x.Shape}"
            let struct (y, _, _) =
                standardized (node.Float("epsilon", 1e-5)) [| 2 .. x.Rank - 1 |] x
            [ y * perChannel node x (node.Input 1) + perChannel node x (node.Input 2) ]

    let private layer: NodeImport =
        fun node ->
            let x = node.Input 0
            node.Ignore "stash_type"
            let axis = node.Axis(node.Int("axis", -1L), x.Rank)
            let struct (y, mean, scale) =
                standardized (node.Float("epsilon", 1e-5)) [| axis .. x.Rank - 1 |] x
            let y = y * node.Input 1
            let y =
                match node.TryInput 2 with
                | ValueSome bias -> y + bias
                | ValueNone -> y
            [ y; mean; scale ]

    let private group: NodeImport =
        fun node ->
            let x = node.Input 0
            node.Ignore "stash_type"
            let groups = node.Small("num_groups", node.Int("num_groups", 0L))
            if x.Rank < 2 || groups < 1 || x.Shape[1] % groups <> 0 then
                node.Fail $"the channels of shape {x.Shape} cannot be divided into {groups} groups"
            let split = reshape [ x.Shape[0]; groups; -1 ] x
            let struct (y, _, _) = standardized (node.Float("epsilon", 1e-5)) [| 2 |] split
            let given i =
                let values = node.Input i
                // Before opset 21 there is one number for each group.
                if values.Shape.Length = groups && groups <> x.Shape[1] then
                    let repeated =
                        Expr.BroadcastTo(
                            reshape [ groups; 1 ] values,
                            Shape [| groups; x.Shape[1] / groups |]
                        )
                    perChannel node x (reshape [ -1 ] repeated)
                else
                    perChannel node x values
            [ reshape (List.ofArray x.Shape.Dims) y * given 1 + given 2 ]

    let private lp: NodeImport =
        fun node ->
            let x = node.Input 0
            let axis = node.Axis(node.Int("axis", -1L), x.Rank)
            match node.Int("p", 2L) with
            | 1L -> [ x / sumAxes true [| axis |] (abs x) ]
            | 2L -> [ x / normAxes 2.0 true [| axis |] x ]
            | p -> node.Fail $"p {p} is not supported; 1 and 2 are"

    let private localResponse: NodeImport =
        fun node ->
            let x = node.Input 0
            let size = node.Small("size", node.Int("size", 0L))
            if x.Rank < 2 || size < 1 then
                node.Fail $"a window of {size} channels does not fit shape {x.Shape}"
            let alpha, beta, bias =
                node.Float("alpha", 1e-4), node.Float("beta", 0.75), node.Float("bias", 1.0)
            let before = (size - 1) / 2
            let widths =
                List.init x.Rank (fun i -> if i = 1 then before, size - 1 - before else 0, 0)
            let sums = pad widths (x * x) |> unfold 1 size 1 1 |> sumAxes false [| 2 |]
            [ x / Expr.Pow(bias + alpha / float size * sums, beta) ]

    let private meanVariance: NodeImport =
        fun node ->
            let x = node.Input 0
            let axes =
                match node.Ints "axes" with
                | ValueNone -> [| 0L; 2L; 3L |]
                | ValueSome axes -> axes
            let axes = axes |> Array.map (fun axis -> node.Axis(axis, x.Rank))
            let d = centred axes x
            [ d / (stdAxes 0 true axes x + 1e-9) ]

    let table: (string * NodeImport) list =
        [ "BatchNormalization", batch
          "InstanceNormalization", instance
          "LayerNormalization", layer
          "GroupNormalization", group
          "LpNormalization", lp
          "LRN", localResponse
          "MeanVarianceNormalization", meanVariance ]
