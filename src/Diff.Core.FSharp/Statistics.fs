namespace Diff

open System

/// Variance, norms and what is composed of them. None has derivative code. Axes count from 0, negative ones from the end.
[<AutoOpen; ComponentModel.EditorBrowsable(ComponentModel.EditorBrowsableState.Never)>]
module Statistics =
    let private like (x: Expr) value = Expr.Full(value, Shape.Scalar, x.DType)

    let private floats operation (x: Expr) =
        if not (DType.isFloat x.DType) then
            raise (
                DTypeException $"{operation}: expected float32 or float64, got {DType.name x.DType}; cast it"
            )

    /// f(x), and 0 with derivative 0 where x is 0.
    let private zeroAtZero f (x: Expr) =
        let isZero = guard (equal x (like x 0.0))
        where isZero (like x 0.0) (f (where isZero (onesLike x) x))

    let private squeezed keepDims (axes: int[]) (x: Expr) (reduced: Expr) =
        if keepDims then
            reduced
        else
            Reshape.make (Shape.reduce false axes x.Shape) reduced

    /// x less its mean over axes. The first number is taken off before, so that nothing is left of equal ones and little of a large offset.
    let internal centred (axes: int[]) (x: Expr) =
        if x.Shape.Length = 0 then
            x
        else
            let dims = x.Shape.ToArray()
            for axis in axes do
                dims[axis] <- 1
            let first =
                Window.slice (Array.zeroCreate x.Rank) (Array.create x.Rank 1) (Shape dims) x
            let shifted = x - stopGradient first
            shifted - meanAxes true axes shifted

    /// The variance of what `centred` gives.
    let internal varianceOf ddof (axes: int[]) (d: Expr) =
        let count = axes |> Array.fold (fun n axis -> n * d.Shape[axis]) 1
        sumAxes true axes (square d) / float (max 0 (count - ddof))

    let private checkDdof operation ddof =
        if ddof < 0 then
            invalidArg "ddof" $"{operation}: expected ddof of 0 or more, got {ddof}"

    let internal varAxes ddof keepDims (axes: int[]) (x: Expr) =
        floats "var" x
        checkDdof "var" ddof
        let axes = Shape.axes "var" x.Shape axes
        varianceOf ddof axes (centred axes x) |> squeezed keepDims axes x

    let internal stdAxes ddof keepDims (axes: int[]) (x: Expr) =
        floats "std" x
        checkDdof "std" ddof
        let axes = Shape.axes "std" x.Shape axes
        zeroAtZero sqrt (varianceOf ddof axes (centred axes x))
        |> squeezed keepDims axes x

    /// A norm of numbers that are scaled by the largest magnitude, so that no power overflows: that of what `scaled` makes of them.
    let private scaledBy (largest: Expr) (norm: (Expr -> Expr) -> Expr) =
        let zero, one = like largest 0.0, like largest 1.0
        let isZero = guard (equal largest zero)
        let isInfinite = equal largest (like largest Double.PositiveInfinity)
        let scale = where (logicalOr isZero isInfinite) one largest
        // Where all are 0 others stand in their place, so that no derivative meets a root of 0.
        let scaled x = where isZero one x / scale
        let result: Expr = norm scaled
        where isZero (like result 0.0) (cast result.DType scale * result)

    let internal normAxes (p: float) keepDims (axes: int[]) (x: Expr) =
        floats "norm" x
        let axes = Shape.axes "norm" x.Shape axes
        let size = abs x
        let result =
            if axes |> Array.exists (fun axis -> x.Shape[axis] = 0) then
                Expr.Full(0.0, Shape.reduce true axes x.Shape, x.DType)
            elif p = 1.0 then
                sumAxes true axes size
            elif Double.IsPositiveInfinity p then
                extremeAxes Extreme.Max true axes size
            elif p > 1.0 then
                scaledBy (stopGradient (extremeAxes Extreme.Max true axes size)) (fun scaled ->
                    if p = 2.0 then
                        sqrt (sumAxes true axes (square (scaled x)))
                    else
                        sumAxes true axes (abs (scaled x) ** p) ** (1.0 / p))
            else
                invalidArg "p" $"norm: expected p of 1 or more, got {p}"
        squeezed keepDims axes x result

    /// The 2-norm of all elements of several arrays of one type together; the sums of each are added in `dtype`.
    let internal normOfAll operation dtype (xs: Expr list) : Expr =
        List.iter (floats operation) xs
        match xs |> List.filter (fun x -> x.Shape.Length > 0) with
        | [] -> Expr.Full(0.0, Shape.Scalar, dtype)
        | xs ->
            let largest =
                xs
                |> List.map (abs >> extremeAxes Extreme.Max false [||])
                |> List.reduce maximum
            scaledBy (stopGradient largest) (fun scaled ->
                xs
                |> List.map (scaled >> square >> sum >> cast dtype)
                |> List.reduce (+)
                |> sqrt)

    let private some operation (axes: int list) =
        if axes.IsEmpty then
            invalidArg
                "axes"
                $"{operation}: expected at least one axis, got none; leave them out to reduce all"
        Array.ofList axes

    /// The variance of all elements, Σ(x − mean)²/(n − ddof), by two passes; NaN where n ≤ ddof.
    let var (ddof: int) (x: Expr) : Expr = varAxes ddof false [||] x
    /// The variance over some axes, which go away.
    let varOver (ddof: int) (axes: int list) (x: Expr) : Expr = varAxes ddof false (some "var" axes) x
    /// The variance over some axes, which stay with extent 1.
    let varKeeping (ddof: int) (axes: int list) (x: Expr) : Expr = varAxes ddof true (some "var" axes) x
    /// The standard deviation of all elements; of equal ones it is 0 with derivative 0.
    let std (ddof: int) (x: Expr) : Expr = stdAxes ddof false [||] x
    /// The standard deviation over some axes, which go away.
    let stdOver (ddof: int) (axes: int list) (x: Expr) : Expr = stdAxes ddof false (some "std" axes) x
    /// The standard deviation over some axes, which stay with extent 1.
    let stdKeeping (ddof: int) (axes: int list) (x: Expr) : Expr = stdAxes ddof true (some "std" axes) x

    /// √Σx² over all elements, without overflow of the squares; its derivative at 0 is 0.
    let norm (x: Expr) : Expr = normAxes 2.0 false [||] x
    /// The 2-norm over some axes, which go away.
    let normOver (axes: int list) (x: Expr) : Expr = normAxes 2.0 false (some "norm" axes) x
    /// The 2-norm over some axes, which stay with extent 1.
    let normKeeping (axes: int list) (x: Expr) : Expr = normAxes 2.0 true (some "norm" axes) x
    /// (Σ|x|ᵖ)^(1/p) over all elements for 1 ≤ p ≤ ∞; its derivative at 0 is 0.
    let pNorm (p: float) (x: Expr) : Expr = normAxes p false [||] x
    /// The p-norm over some axes, which go away.
    let pNormOver (p: float) (axes: int list) (x: Expr) : Expr = normAxes p false (some "norm" axes) x
    /// The p-norm over some axes, which stay with extent 1.
    let pNormKeeping (p: float) (axes: int list) (x: Expr) : Expr = normAxes p true (some "norm" axes) x

    let internal standardizeAxes ddof (axes: int[]) (x: Expr) =
        floats "standardize" x
        checkDdof "standardize" ddof
        let axes = Shape.axes "standardize" x.Shape axes
        let d = centred axes x
        let v = varianceOf ddof axes d
        let isZero = guard (equal v (like v 0.0))
        where isZero (like x 0.0) (d / sqrt (where isZero (onesLike v) v))

    /// (x − mean)/std over axes (none: all); equal elements become 0, with derivative 0.
    let standardize (ddof: int) (axes: int list) (x: Expr) : Expr =
        standardizeAxes ddof (Array.ofList axes) x

    /// (x − mean)/√(variance + epsilon) along the last axis, with the variance of ddof 0 (Ba, Kiros and Hinton 2016), without scale and shift.
    let layerNorm (epsilon: float) (x: Expr) : Expr =
        floats "layer_norm" x
        if not (epsilon >= 0.0) then
            invalidArg "epsilon" $"layer_norm: expected epsilon of 0 or more, got {epsilon}"
        let axes = Shape.axes "layer_norm" x.Shape [| -1 |]
        let d = centred axes x
        d / sqrt (varianceOf 0 axes d + epsilon)

    /// The covariance matrix of observations [..., n, variables] along the last but one axis: [..., variables, variables], divided by n − ddof.
    let covariance (ddof: int) (x: Expr) : Expr =
        floats "covariance" x
        checkDdof "covariance" ddof
        if x.Rank < 2 then
            raise (
                ShapeException
                    $"covariance: expected observations of shape (…, n, variables), got shape {x.Shape}; reshape it"
            )
        let axis = x.Rank - 2
        let d = centred [| axis |] x
        einsum "...ni,...nj->...ij" [ d; d ] / float (max 0 (x.Shape[axis] - ddof))
